"""What choosing symbols for a metric gains: a table of docs/effort.md.

    python -m benchmarks.tune PICTURES [--effort N] [--count N]

Middles of some of the pictures, at four qualities: BD-rate against effort 1
by each metric, on the mean curves.
"""

import argparse

import bjontegaard
import numpy as np

import codec
from codec.bench import metrics, pictures
from codec.search import TUNES

QUALITIES = 15, 35, 55, 75
HEIGHT, WIDTH = 256, 384
NAMES = {
    "PSNR": metrics.psnr,
    "MS-SSIM": lambda a, b: metrics.decibel(metrics.ms_ssim(a, b)),
    "SSIMULACRA 2": metrics.ssimulacra2,
}


def middle(pixels):
    y, x = (max(0, n - k) // 2 for n, k in zip(pixels.shape, (HEIGHT, WIDTH)))
    return np.ascontiguousarray(pixels[y : y + HEIGHT, x : x + WIDTH])


def curve(parts, encoder):
    """Bits per pixel and each metric, means over the pictures, by quality."""
    rows = []
    for quality in QUALITIES:
        found = []
        for part in parts:
            data = encoder.encode(part, quality)
            back = codec.decode(data)
            found.append(
                [
                    8 * len(data) / part[..., 0].size,
                    *(measure(part, back) for measure in NAMES.values()),
                ]
            )
        rows.append(np.mean(found, 0))
    return np.array(rows).T


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("pictures", help="a folder")
    p.add_argument("--effort", type=int, default=5)
    p.add_argument("--count", type=int, default=8)
    o = p.parse_args(argv)
    sources = pictures.survey(o.pictures)[0]
    pick = np.linspace(0, len(sources) - 1, min(o.count, len(sources)))
    parts = [middle(pictures.read(sources[int(i)].path)) for i in pick]
    plain = curve(parts, codec.Encoder(threads=1))
    print(
        f"{len(parts)} pictures, their middles of {WIDTH} x {HEIGHT}, "
        f"effort {o.effort} against effort 1, BD-rate % by\n"
    )
    print("| chosen for | " + " | ".join(NAMES) + " |\n|---|" + "---:|" * len(NAMES))
    for name in TUNES:
        tuned = curve(parts, codec.Encoder(threads=1, effort=o.effort, tune=name))
        rates = (
            bjontegaard.bd_rate(
                plain[0], plain[i], tuned[0], tuned[i], method="pchip", min_overlap=0
            )
            for i in range(1, len(plain))
        )
        print(
            f"| {name} | "
            + " | ".join(f"{v:+.1f}".replace("-", "−") for v in rates)
            + " |"
        )


if __name__ == "__main__":
    main()
