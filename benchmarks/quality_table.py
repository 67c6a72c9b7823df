"""What a quality means: docs/quality.md's table.

    aebench VALID --codecs aec aec-psnr jpeg-420 --metrics psnr ssimulacra2 --out DIR
    python -m benchmarks.quality_table DIR

Reads the mean curves of a run and prints, for each quality, bits per pixel, score
and PSNR of the default model, the quality of Pillow's JPEG (optimised, 4:2:0) that
has the same score with its bits per pixel, and what the model for PSNR has.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from codec.bench import tables
from codec.bench.metrics import METRICS

# What the metric's authors say of its scores.
MEANS = {30: "low", 50: "medium", 70: "high", 90: "cannot be told from the original"}
SHOWN = {"bpp": 3, "ssimulacra2": 1, "psnr": 2}
"""What is shown of a codec, and its digits."""
NAMES = ["bpp", *(METRICS[name].title for name in list(SHOWN)[1:])]


def curve(path):
    """Settings, and a dict of arrays, by the keys of `SHOWN`."""
    found = json.loads(Path(path).read_text("utf-8"))
    settings = np.array([float(setting) for setting in found["meta"]["settings"]])
    return settings, {
        name: np.array(found["results"]["bpp" if name == "bpp" else METRICS[name].result])
        for name in SHOWN
    }


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("results", type=Path)
    o = p.parse_args(argv)
    (q, look), (_, psnr), (jpeg_q, jpeg) = (
        curve(o.results / f"{name}.json") for name in ("aec", "aec-psnr", "jpeg-420")
    )
    rows = []
    for i, value in enumerate(q):
        same = (
            np.interp(look["ssimulacra2"][i], jpeg["ssimulacra2"], of, np.nan, np.nan)
            for of in (jpeg_q, jpeg["bpp"])
        )
        rows.append(
            [
                f"{value:g}",
                MEANS.get(value, ""),
                *(tables.number(look[name][i], n) for name, n in SHOWN.items()),
                *(tables.number(v, n) for v, n in zip(same, (0, 2))),
                *(tables.number(psnr[name][i], n) for name, n in SHOWN.items()),
            ]
        )
    header = ["q", "looks", *NAMES, "JPEG of that score", "its bpp"]
    header += [f"`--tune psnr`: {NAMES[0]}", *NAMES[1:]]
    print(tables.markdown(header, rows, 0))


if __name__ == "__main__":
    main()
