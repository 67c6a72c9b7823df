"""What choosing symbols for a metric gains: a table of docs/effort.md.

    python -m benchmarks.tune PICTURES [--effort N] [--count N]

Middles of some of the pictures, at four qualities: BD-rate against effort 1
by each metric, on the mean curves.
"""

import argparse

import numpy as np

import codec
from benchmarks.look import middle
from codec.bench import curves, pictures, tables
from codec.bench.metrics import METRICS
from codec.limits import TUNES

QUALITIES = 15, 35, 55, 75
HEIGHT, WIDTH = 256, 384


def curve(parts, encoder, names):
    """Bits per pixel and each quality, means over the pictures, by setting."""
    rows = []
    for quality in QUALITIES:
        found = []
        for part in parts:
            data = encoder.encode(part, quality)
            back = codec.decode(data)
            measured = (METRICS[n].quality(METRICS[n].measure(part, back)) for n in names)
            found.append([8 * len(data) / part[..., 0].size, *measured])
        rows.append(np.mean(found, 0))
    return np.array(rows).T


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("pictures", help="a folder")
    p.add_argument("--effort", type=int, default=5)
    p.add_argument("--count", type=int, default=8)
    p.add_argument(
        "--metrics",
        nargs="+",
        choices=METRICS,
        default=["psnr", "ms-ssim", "ssimulacra2"],
    )
    o = p.parse_args(argv)
    sources = pictures.survey(o.pictures)[0]
    pick = np.linspace(0, len(sources) - 1, min(o.count, len(sources)))
    parts = [middle(pictures.read(sources[int(i)].path), HEIGHT, WIDTH) for i in pick]
    plain = curve(parts, codec.Encoder(threads=1), o.metrics)
    print(
        f"{len(parts)} pictures, their middles of {WIDTH} x {HEIGHT}, "
        f"effort {o.effort} against effort 1, BD-rate % by\n"
    )
    rows = []
    for name in TUNES:
        encoder = codec.Encoder(threads=1, effort=o.effort, tune=name)
        tuned = curve(parts, encoder, o.metrics)
        rates = (
            curves.bd_rate((plain[0], plain[i]), (tuned[0], tuned[i])) for i in range(1, len(plain))
        )
        rows.append([name, *map(tables.signed, rates)])
    header = ["chosen for", *(METRICS[n].title for n in o.metrics)]
    print(tables.markdown(header, rows))


if __name__ == "__main__":
    main()
