"""What a quality means: docs/quality.md's table.

    aebench VALID --codecs aec jpeg-420 --metrics psnr ssimulacra2 --out DIR
    python -m benchmarks.quality_table DIR

Reads the mean curves of a run and prints, for each quality, lambda, bits
per pixel, SSIMULACRA 2, PSNR, the step of PSNR per ten of q, and the quality of
Pillow's JPEG (optimised, 4:2:0) that has the same mean SSIMULACRA 2.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from codec.bench import tables
from codec.model import find


def curve(path):
    """Settings, bpp, PSNR and SSIMULACRA 2 of one codec's results."""
    found = json.loads(Path(path).read_text("utf-8"))
    results = found["results"]
    return np.array(
        [
            [float(setting) for setting in found["meta"]["settings"]],
            *(results[name] for name in ("bpp", "psnr-rgb", "ssimulacra2")),
        ]
    )


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("results", type=Path)
    p.add_argument("--model", help="whose lambda; the default one's if not said")
    o = p.parse_args(argv)
    model = find.load(o.model)
    q, bpp, psnr, score = curve(o.results / "aec.json")
    jpeg_q, jpeg_bpp, _, jpeg_score = curve(o.results / "jpeg-420.json")
    steps = [np.nan, *(10 * np.diff(psnr) / np.diff(q))]
    rows = []
    for i, value in enumerate(q):
        same = (
            np.interp(score[i], jpeg_score, of, np.nan, np.nan)
            for of in (jpeg_q, jpeg_bpp)
        )
        rows.append(
            [
                f"{value:g}",
                f"{model.multiplier(value):.4f}",
                f"{bpp[i]:.3f}",
                tables.number(score[i]),
                f"{psnr[i]:.2f}",
                tables.number(steps[i], 2),
                *(tables.number(v, n) for v, n in zip(same, (0, 2))),
            ]
        )
    header = "q|lambda|bpp|SSIMULACRA 2|PSNR, dB|dB per 10 q|JPEG of that score|its bpp"
    print(tables.markdown(header.split("|"), rows, 0))


if __name__ == "__main__":
    main()
