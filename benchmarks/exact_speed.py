"""Decoding and encoding of two trees in turns: what the core and slabs bring.

    python -m benchmarks.exact_speed OLD NEW PICTURE... [--repeats 9] [--large FILE]
        [--cpu] [--models OLD NEW] [--what decode]

OLD and NEW are folders of checkouts with their own ``.venv`` (or any Python by
``--python``). Each picture is encoded by both at qualities 25, 50 and 80, since
their formats may differ; then both read it in turns, each in a process of its own
that stays, with one and with two threads. Medians, in ms per megapixel, as a
Markdown table, and the promises of issue and design beside them:

    symbols     bytes to symbols, no networks
    decode      bytes to pixels
    encode      pixels to bytes, effort 1
    region      512 x 512 out of the middle of ``--large``, share of its whole
    import      a process that imports the package and ends, ms
    serial      share of decoding on eight threads that one of them does alone: all
                that is neither a slab's nor the engine's synthesis

``--models`` are the names of one model in both trees; the default models may differ.

With ``--cpu`` it is the processors' time, of all threads, which other work on the
machine hardly changes; it says nothing about how threads share the work.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

QUALITIES = 25, 50, 80
WHAT = "symbols", "decode", "encode"
SHARE = "share of eight threads' time"

# Runs in either tree; one JSON command a line, one JSON answer a line.
WORKER = r"""
import json, sys, threading, time
import numpy as np
from PIL import Image
import codec
from codec import container

pixels, files, coders = {}, {}, {}
CLOCK = time.process_time if sys.argv[1] == "cpu" else time.perf_counter
MODEL = sys.argv[2] or None

def coder(kind, threads):
    key = kind, threads
    if key not in coders:
        coders[key] = kind(MODEL, threads)
    return coders[key]

def picture(name, tiles):
    key = name, tiles
    if key not in pixels:
        a = np.asarray(Image.open(name).convert("RGB"))
        pixels[key] = np.ascontiguousarray(np.tile(a, (tiles, tiles, 1)))
    return pixels[key]

def serial(decoder, data):
    # One thread's time, and what of it is slabs and the engine's synthesis, which threads share.
    from codec.model.session import Graphs
    from codec.symbols.stages import Stages

    took = dict.fromkeys(("slabs", "synthesis"), 0.0)

    def timed(what, work):
        def watched(*inputs, **named):
            start = time.thread_time()
            try:
                return work(*inputs, **named)
            finally:
                took[what] += time.thread_time() - start
        return watched

    graphs, each = Graphs.run, Stages._each

    def run(self, name, *inputs, **named):
        work = timed("synthesis", graphs) if name in ("synthesis", "squares") else graphs
        return work(self, name, *inputs, **named)

    def shared(self, work, *others):
        return each(self, timed("slabs", work), *others)

    decoder.decode(data, 10**9)
    Graphs.run, Stages._each = run, shared
    start = time.thread_time()
    decoder.decode(data, 10**9)
    all_of_it = time.thread_time() - start
    Graphs.run, Stages._each = graphs, each
    alone = all_of_it - sum(took.values())
    return {"s": all_of_it, **took, "alone": alone,
            "share of eight threads' time": alone / (alone + (all_of_it - alone) / 8)}

def run(what, name, tiles, quality, threads):
    a, key = picture(name, tiles), (name, tiles, quality)
    if key not in files:
        files[key] = coder(codec.Encoder, 2).encode(a, quality)
    data = files[key]
    if what == "encode":
        e = coder(codec.Encoder, threads)
        work = lambda: e.encode(a, quality)
    else:
        d = coder(codec.Decoder, threads)
        if what == "symbols":
            work = lambda: d.symbols(data, max_pixels=10**9)
        elif what == "region":
            h, w = a.shape[:2]
            region = ((h - 512) // 2, (w - 512) // 2, 512, 512)
            work = lambda: d.decode(data, 10**9, region=region)
        else:
            work = lambda: d.decode(data, 10**9)
    if what == "serial":
        return serial(coder(codec.Decoder, 1), data)
    # After a wait cores are cold and threads lie where they fell: a steady pace is measured.
    start = time.perf_counter()
    work()
    n = max(1, int(0.15 / (time.perf_counter() - start)))
    start = CLOCK()
    for _ in range(n):
        work()
    return {"s": (CLOCK() - start) / n, "bytes": len(data),
            "megapixels": a.shape[0] * a.shape[1] / 1e6}

for line in sys.stdin:
    try:
        answer = run(*json.loads(line))
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
"""


class Tree:
    """A process of one tree that answers questions."""

    def __init__(self, folder, python, clock, model):
        folder = Path(folder).resolve()
        found = folder / ".venv/bin/python"
        self.python = python or (found if found.exists() else sys.executable)
        self.where = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": str(folder)}}
        self.process = subprocess.Popen(
            [self.python, "-c", WORKER, clock, model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **self.where,
        )

    def start_ms(self):
        """Processor time of a process that imports the package."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([self.python, "-c", "import codec"], check=True, **self.where)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return 1e3 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)

    def ask(self, *question):
        """Its answer, and wait until its threads sleep: they go on spinning for a while
        after a call, on a core that the other tree would be measured with."""
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        used = None
        while used != (used := self._used()):
            time.sleep(0.05)
        return answer

    def _used(self):
        """Ticks of processor time so far, as Linux tells them."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(stat[11]) + int(stat[12])


def row(what, quality, threads, old, new):
    ratio = new / old if old and new else None
    print(
        f"| {what} | {quality} | {threads} | {shown(old)} | {shown(new)} "
        f"| {'-' if ratio is None else f'{ratio:.3f}'} |",
        flush=True,
    )


def medians(trees, question, repeats):
    """ms per megapixel of each tree, in turns; None where it cannot."""
    times = [[] for _ in trees]
    for n in range(repeats + 1):
        for tree, found in zip(trees, times, strict=True):
            answer = tree.ask(*question)
            if n and "s" in answer:
                found.append(1e3 * answer["s"] / answer["megapixels"])
    return [statistics.median(t) if t else None for t in times]


def mean(values):
    return statistics.mean(values) if all(v is not None for v in values) else None


def shown(value):
    return "-" if value is None else f"{value:.1f}"


def main(argv=None):
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.exact_speed", description=__doc__.split("\n")[0]
    )
    p.add_argument("old")
    p.add_argument("new")
    p.add_argument("pictures", nargs="+", help="FILE, or FILE*N: laid out N x N")
    p.add_argument("--what", nargs="+", default=WHAT, choices=WHAT, help="default: %(default)s")
    p.add_argument("--large", help="picture that is laid out 8 x 8 to measure regions")
    p.add_argument("--tiles", type=int, default=8)
    p.add_argument("--repeats", type=int, default=9)
    p.add_argument("--cpu", action="store_true", help="processors' time instead")
    p.add_argument("--python", help="for both trees")
    p.add_argument("--models", nargs=2, default=("", ""), help="names of one model in both")
    options = p.parse_args(argv)
    clock = "cpu" if options.cpu else "wall"
    trees = [
        Tree(folder, options.python, clock, model)
        for folder, model in zip((options.old, options.new), options.models, strict=True)
    ]
    pictures = [
        (str(Path(x).resolve()), int(n or 1))
        for x, _, n in (x.partition("*") for x in options.pictures)
    ]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores\n")
    print("| | Quality | Threads | Old, ms/MP | New, ms/MP | New / old |")
    print("|---|---:|---:|---:|---:|---:|")
    for what in options.what:
        for quality in QUALITIES:
            for threads in 1, 2:
                each = [
                    medians(trees, (what, *x, quality, threads), options.repeats) for x in pictures
                ]
                row(what, quality, threads, *(mean(s) for s in zip(*each, strict=True)))
    starts = zip(*([t.start_ms() for t in trees] for _ in range(options.repeats)), strict=True)
    row("import", "", "", *map(statistics.median, starts))
    for quality in QUALITIES:
        asked = [trees[1].ask("serial", *pictures[0], quality, 2) for _ in range(options.repeats)]
        found = sorted(asked, key=lambda one: one[SHARE])[len(asked) // 2]
        print(f"\nserial, quality {quality}: {json.dumps(found)}")
    if options.large:
        large = str(Path(options.large).resolve())
        whole, part = (
            statistics.median(
                trees[1].ask(what, large, options.tiles, 50, 2)["s"] for _ in range(3)
            )
            for what in ("decode", "region")
        )
        found = trees[1].ask("serial", large, options.tiles, 50, 2)
        print(f"\nserial, large: {json.dumps(found)}")
        print(f"\nregion: {part:.3f} s of {whole:.3f} s, {part / whole:.3f}")


if __name__ == "__main__":
    main()
