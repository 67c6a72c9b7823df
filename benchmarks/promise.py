"""Of how many pictures `aecompress` says that they look worse than their quality promises.

    python -m benchmarks.promise VALID

Takes the pictures of VALID, which are photographs, whole, and what
`benchmarks.domains` draws. A row has, for each quality, how many of the pictures are
told, and the largest value of `codec.cli.looks.falls_short`, which the limit is set on.
Last, on standard error: CPU time of judging, over that of encoding.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import codec
from benchmarks import domains
from codec import picture
from codec.bench import tables
from codec.cli import looks

QUALITIES = 30, 50, 75, 90
DRAWN = {
    "small text": domains.letters,
    "fine patterns": domains.gratings,
    "screenshots": domains.screenshots,
    "scans of text": domains.scans,
    "faxes": domains.faxes,
    "flat graphics": domains.flat,
    "gradients": domains.gradients,
    "noise": domains.noise,
}


seconds = {"encoding": 0.0, "judging": 0.0}


def timed(what, run, *args, **more):
    """What a function gives; its CPU time is added up."""
    start = time.process_time()
    result = run(*args, **more)
    seconds[what] += time.process_time() - start
    return result


def row(name, pictures, encoder, decoder):
    """One line of the table."""
    found = [[] for _ in QUALITIES]
    for a in pictures:
        for values, quality in zip(found, QUALITIES):
            data = timed("encoding", encoder.encode, a, quality=quality)
            score = timed("judging", looks.of_busiest, a, data, decoder)
            values.append(looks.falls_short(quality, score))
    told = (
        f"{sum(v > looks.FAR for v in values)} of {len(values)} ({max(values):.2f})"
        for values in found
    )
    return [name, *told]


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("valid", type=Path)
    o = p.parse_args(argv)
    coders = codec.Encoder(threads=1), codec.Decoder(threads=1)
    photographs = (picture.read(path).pixels for path in sorted(o.valid.glob("*.png")))
    rows = [row("photographs", photographs, *coders)]
    rows += [row(name, draw(np.random.default_rng(7)), *coders) for name, draw in DRAWN.items()]
    print(f"{seconds['judging'] / seconds['encoding']:.2f}", file=sys.stderr)
    print(tables.markdown(["Pictures", *(f"told at {q}" for q in QUALITIES)], rows))


if __name__ == "__main__":
    main()
