"""What a quality means: docs/quality.md's table.

    aebench VALID --quick --codecs aec jpeg-420 --out DIR
    python -m benchmarks.quality_table DIR

Reads the mean curves of a run and prints, for each quality, lambda, bits
per pixel, PSNR, the step of PSNR per ten of q, and the quality of Pillow's
JPEG (optimised, 4:2:0) that has the same mean PSNR.
"""

import argparse
import json
from pathlib import Path

import numpy as np


def curve(path):
    """(settings, bpp, PSNR) of one codec's results."""
    found = json.loads(Path(path).read_text("utf-8"))
    return (
        np.array(found["meta"]["settings"], float),
        np.array(found["results"]["bpp"]),
        np.array(found["results"]["psnr-rgb"]),
    )


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("results", type=Path)
    folder = p.parse_args(argv).results
    q, bpp, psnr = curve(folder / "aec.json")
    jpeg_q, jpeg_bpp, jpeg_psnr = curve(folder / "jpeg-420.json")
    print(
        "| q | lambda | bpp | PSNR, dB | dB per 10 q | JPEG of that PSNR "
        "| its bpp |\n|---:|---:|---:|---:|---:|---:|---:|"
    )
    for i, value in enumerate(q):
        step = (
            "" if not i else (f"{10 * (psnr[i] - psnr[i - 1]) / (q[i] - q[i - 1]):.2f}")
        )
        inside = jpeg_psnr[0] <= psnr[i] <= jpeg_psnr[-1]
        same = (
            ("–", "–")
            if not inside
            else (
                f"{np.interp(psnr[i], jpeg_psnr, jpeg_q):.0f}",
                f"{np.interp(psnr[i], jpeg_psnr, jpeg_bpp):.2f}",
            )
        )
        lam = 0.0004 * 2000 ** ((value - 1) / 99)
        print(
            f"| {value:g} | {lam:.4f} | {bpp[i]:.3f} | {psnr[i]:.2f} | "
            f"{step} | {same[0]} | {same[1]} |"
        )


if __name__ == "__main__":
    main()
