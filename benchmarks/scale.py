"""Many pictures: what stacks save, and what Dask workers bring.

    python -m benchmarks.scale stack DIGITS     the figures of docs/tools.md
    python -m benchmarks.scale dask [PICTURE]   two workers, one process

DIGITS is a file of pictures as MNIST has them (t10k-images-idx3-ubyte.gz);
PICTURE is cut into pieces, the example picture of this repository if none is
named. What is compared takes turns, and medians of the rounds are printed:
clocks are noisy beside other work, hence CPU seconds as well.
"""

import argparse
import gzip
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import codec
from codec import EncodeOptions, container
from codec.bench import tables
from codec.picture import as_rgb, read

EXAMPLE = Path(__file__).parent.parent / "examples" / "budgerigar.png"


def read_idx(path):
    """uint8 (n, height, width) of an IDX file, gzipped or not."""
    data = Path(path).read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    n, height, width = np.frombuffer(data, ">u4", 3, 4).tolist()
    return np.frombuffer(data, np.uint8, n * height * width, 16).reshape(n, height, width)


def timed(function):
    """Result, seconds and CPU seconds of a call."""
    cpu, clock = time.process_time(), time.perf_counter()
    result = function()
    return (result, time.perf_counter() - clock, time.process_time() - cpu)


def symbol_bytes(files):
    """Payload bytes of whole files."""
    return sum(container.read_header(f).payload_length for f in files)


def stack(path, n, rounds, quality):
    """Bytes and times of digits in a stack and in files of their own."""
    digits = read_idx(path)[:n]
    n = len(digits)
    encoder, decoder = codec.Encoder(threads=1), codec.Decoder(threads=1)
    ways = {
        "single files": (
            lambda: [encoder.encode(a, quality) for a in digits],
            lambda files: [decoder.decode(f) for f in files],
        ),
        "a stack": (
            lambda: [codec.encode_batch(digits, quality=quality, encoder=encoder)],
            lambda files: list(codec.Stack(files[0], decoder)),
        ),
    }
    seconds, files = {}, {}
    for _ in range(rounds):
        for way, (encode, decode) in ways.items():
            files[way], *spent = timed(encode)
            seconds.setdefault((way, "encoding"), []).append(spent)
            _, *spent = timed(lambda: decode(files[way]))
            seconds.setdefault((way, "decoding"), []).append(spent)
    single, stacked = (files[way] for way in ways)
    sizes = [sum(map(len, f)) / n for f in (single, stacked)]
    over = [s - symbol_bytes(f) / n for s, f in zip(sizes, (single, stacked))]
    rows = [
        ["bytes per picture", *(f"{s:.1f}" for s in sizes)],
        ["of these no symbols", *(f"{s:.1f}" for s in over)],
    ]
    for what in ("encoding", "decoding"):
        clock, cpu = (
            [statistics.median(r[i] for r in seconds[way, what]) for way in ways] for i in (0, 1)
        )
        rows.append([f"{what}, relative", "1", f"1/{clock[0] / clock[1]:.1f}"])
        rows.append([f"{what}, CPU ms per picture", *(f"{1000 * c / n:.2f}" for c in cpu)])
    print(
        f"{n} pictures of {digits.shape[2]}x{digits.shape[1]} at quality "
        f"{quality:g}, in turns ({rounds}), one thread\n\n"
        + tables.markdown(["", "single files", "a stack"], rows)
    )


def dask(picture, n, rounds, side):
    """Pictures a second of two workers, and of one process of 1, 2 threads."""
    from distributed import Client, LocalCluster

    from codec.plugins import dask as ours

    with tempfile.TemporaryDirectory() as folder:
        sources = pieces(picture, Path(folder, "in"), n, side)
        with (
            LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=50,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            ways = {
                f"one process, {t} thread{'s' * (t > 1)}": in_one_process(ours, t) for t in (1, 2)
            }
            ways["two Dask workers, 1 thread each"] = together(ours, client)
            rates, cpu = compare(ways, sources, folder, rounds)
    medians = {way: statistics.median(rates[way]) for way in ways}
    one, two = list(medians.values())[:2]
    rows = (
        [
            way,
            f"{rate:.2f}",
            f"{rate / one:.2f}",
            f"{rate / two:.2f}",
            f"{statistics.median(cpu[way]) / n:.3f}",
        ]
        for way, rate in medians.items()
    )
    header = "|pictures/s|against 1 thread|against 2 threads|CPU s per picture"
    print(
        f"{n} pictures of {side}x{side}, from PNG to .aec on the disk, "
        f"{rounds} rounds in turns\n\n" + tables.markdown(header.split("|"), rows)
    )


def compare(ways, sources, folder, rounds):
    """Rates and CPU seconds of each way; a round is one run of each."""
    rates, cpu = {way: [] for way in ways}, {way: [] for way in ways}
    for number in range(-1, rounds):  # in the first one models load
        for i, (way, run) in enumerate(ways.items()):
            start = time.perf_counter()
            used = run(sources, f"{folder}/{number}-{i}")
            if number >= 0:
                rates[way].append(len(sources) / (time.perf_counter() - start))
                cpu[way].append(used)
    return rates, cpu


def pieces(picture, folder, n, side):
    """Cuts of a picture as PNG files, each of another place."""
    folder.mkdir()
    pixels = as_rgb(read(picture).pixels)
    height, width = pixels.shape[:2]
    for i in range(n):
        y, x = i * 53 % (height - side + 1), i * 97 % (width - side + 1)
        Image.fromarray(pixels[y : y + side, x : x + side]).save(folder / f"{i:04}.png")
    return sorted(map(str, folder.iterdir()))


def in_one_process(ours, threads):
    """The tasks of a run, in this process."""
    task = ours.Task(EncodeOptions(threads=threads))

    def run(sources, out):
        cpu = time.process_time()
        for src in sources:
            result = ours.one((src, f"{out}/{Path(src).stem}.aec"), task)
            assert result.state == ours.DONE, result
        return time.process_time() - cpu

    return run


def together(ours, client):
    """The same run on a cluster; its CPU time is that of all processes."""

    def spent():
        return time.process_time() + sum(client.run(time.process_time).values())

    def run(sources, out):
        cpu = spent()
        summary = ours.compress(client, sources, out)
        assert summary.done == len(sources), summary.failed
        return spent() - cpu

    return run


def main(argv=None):
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__.split("\n")[0]
    )
    which = p.add_subparsers(dest="which", required=True)
    s = which.add_parser("stack", help="stacks against single files")
    s.add_argument("digits", metavar="DIGITS")
    s.add_argument("--number", type=int, default=1000)
    s.add_argument("--quality", type=float, default=50.0)
    d = which.add_parser("dask", help="workers against one process")
    d.add_argument("picture", nargs="?", default=EXAMPLE)
    d.add_argument("--number", type=int, default=24)
    d.add_argument("--side", type=int, default=384)
    for one in (s, d):
        one.add_argument("--rounds", type=int, default=3)
    a = p.parse_args(argv)
    if a.which == "stack":
        stack(a.digits, a.number, a.rounds, a.quality)
    else:
        dask(a.picture, a.number, a.rounds, a.side)


if __name__ == "__main__":
    main()
