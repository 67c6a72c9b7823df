"""BD-rate over training hours, from the log of a run.

    python runs/curve.py LOG VALID [--points]

LOG is a run's ``log.csv``, VALID the pictures that it validated on. Rates
in a log are estimates with really rounded symbols, on the centre crops
that `codec.training.train.validate` takes; the anchor is Pillow's JPEG
(optimised, 4:2:0) on the same crops, and AVIF 4:4:4,
tuned for PSNR, stands beside it.
Prints a Markdown table: hours, steps, gigapixels, BD-rate in all and by
band. The last lines fit BD-rate = a + b log2(gigapixels) to the rows of
the run's second half and say what twice and four times the pixels promise.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image

from codec.bench import codecs, curves, metrics, tables
from codec.training import curves as log
from codec.training.train import VALID_SIDE


def crops(folder):
    """The centre crops of every picture, uint8 (h, w, 3)."""
    for path in sorted(Path(folder).glob("*.png")):
        with Image.open(path) as image:
            a = np.asarray(image.convert("RGB"))
        h, w = (min(k // 64 * 64, VALID_SIDE) for k in a.shape[:2])
        y, x = (a.shape[0] - h) // 2, (a.shape[1] - w) // 2
        yield np.ascontiguousarray(a[y : y + h, x : x + w])


def measured(name, pictures):
    """Mean bpp and PSNR of another codec at each of its settings."""
    codec, rows = codecs.load(name), []
    for setting in codec.settings:
        found = []
        for a in pictures:
            data = codec.encode(a, setting, 1)
            found.append(
                (
                    8 * len(data) / (a.shape[0] * a.shape[1]),
                    metrics.psnr(a, codec.decode(data, a.shape, 1)),
                )
            )
        rows.append(np.mean(found, 0))
    return np.array(sorted(map(tuple, rows))).T


def validations(path):
    """(hours, step, gigapixels, bpp and PSNR) of each validation."""
    by_step = {}
    for row in log.read(path):
        if row["kind"] == "valid":
            by_step.setdefault(row["step"], {})[row["lambda"]] = row
    for step, rows in sorted(by_step.items()):
        rows = [rows[k] for k in sorted(rows)]
        yield (
            rows[0]["hours"],
            int(step),
            rows[0]["pixels"] / 1e9,
            np.array([[r["bpp"], r["psnr"]] for r in rows]).T,
        )


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("log", type=Path)
    p.add_argument("valid", type=Path)
    p.add_argument(
        "--points",
        action="store_true",
        help="bpp and PSNR of the last validation as well",
    )
    options = p.parse_args()
    pictures = list(crops(options.valid))
    anchor = measured(codecs.ANCHOR, pictures)
    rows, seen = [], []

    def row(head, points):
        all_ = curves.bd_rate(anchor, points)
        bands = (curves.bd_rate(anchor, points, b) for b in metrics.BANDS["psnr"])
        rows.append([*head, tables.signed(all_), *map(tables.signed, bands)])
        return all_

    for hours, step, gigapixels, points in validations(options.log):
        rate = row([f"{hours:.2f}", f"{step:,}", f"{gigapixels:.2f}"], points)
        if rate is not None:
            seen.append((gigapixels, rate))
    row(["AVIF, tune=psnr", "", ""], measured(codecs.tuned_avif("psnr"), pictures))
    header = ["hours", "steps", "gigapixels", "BD-rate %", *tables.band_titles("psnr")]
    print(tables.markdown(header, rows, 0))
    late = [(math.log2(g), r) for g, r in seen if g >= seen[-1][0] / 2]
    if len(late) > 2:
        slope, at = np.polyfit(*zip(*late), 1)
        now = math.log2(seen[-1][0])
        print(
            f"\n{slope:+.2f} points for twice the pixels; at "
            + ", ".join(
                f"{2 ** (now + k):.0f} gigapixels {at + slope * (now + k):+.1f} %" for k in (1, 2)
            )
        )
    if options.points:
        print("\n" + "  ".join(f"{b:.3f}/{q:.2f}" for b, q in points.T))


if __name__ == "__main__":
    main()
