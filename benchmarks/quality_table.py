"""What a quality means: docs/quality.md's table.

    aebench VALID --codecs aec jpeg-420 --metrics psnr ssimulacra2 --out DIR
    python -m benchmarks.quality_table DIR

Reads the mean curves of a run and prints, for each quality, lambda, bits per
pixel, the mean by each metric of the run, the step per ten of q of the first of
them, and the quality of Pillow's JPEG (optimised, 4:2:0) that has the same mean by
the last of them.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from codec.bench import tables
from codec.bench.metrics import METRICS
from codec.model import find

SHOWN = {"psnr": 2, "ssimulacra2": 1}
"""Metrics and their digits."""


def curve(path):
    """Settings, and a dict of arrays: ``bpp`` and those of `SHOWN` there are."""
    found = json.loads(Path(path).read_text("utf-8"))
    results = {"bpp": found["results"]["bpp"]} | {
        name: found["results"][METRICS[name].result]
        for name in SHOWN
        if METRICS[name].result in found["results"]
    }
    settings = np.array([float(setting) for setting in found["meta"]["settings"]])
    return settings, {name: np.array(values) for name, values in results.items()}


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("results", type=Path)
    p.add_argument("--model", help="whose lambda; the default one's if not said")
    o = p.parse_args(argv)
    model = find.load(o.model)
    q, ours = curve(o.results / "aec.json")
    jpeg_q, jpeg = curve(o.results / "jpeg-420.json")
    names = [name for name in SHOWN if name in ours]
    first, last = names[0], names[-1]
    steps = [np.nan, *(10 * np.diff(ours[first]) / np.diff(q))]
    rows = []
    for i, value in enumerate(q):
        same = (
            np.interp(ours[last][i], jpeg[last], of, np.nan, np.nan)
            for of in (jpeg_q, jpeg["bpp"])
        )
        rows.append(
            [
                f"{value:g}",
                f"{model.multiplier(value):.4f}",
                f"{ours['bpp'][i]:.3f}",
                *(tables.number(ours[name][i], SHOWN[name]) for name in names),
                tables.number(steps[i], 2),
                *(tables.number(v, n) for v, n in zip(same, (0, 2))),
            ]
        )
    header = ["q", "lambda", "bpp", *(METRICS[name].axis for name in names)]
    header += [f"{METRICS[first].title} per 10 q"]
    header += [f"JPEG of that {METRICS[last].title}", "its bpp"]
    print(tables.markdown(header, rows, 0))


if __name__ == "__main__":
    main()
