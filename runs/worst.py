"""The largest error of a decoded value, in quantisation steps, and bytes.

    python runs/worst.py MODEL VALID [EVERY]

Every EVERY-th picture (5) at some qualities, effort 1: bytes in all by quality,
and the largest error, which is of a value too sure to be coded. Means do not
show one wrong cell.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from codec.model import find
from codec.symbols.pipeline import Pipeline

QUALITIES = 5, 20, 50, 70, 85, 95


def main():
    model, folder, *every = sys.argv[1:]
    pipeline = Pipeline(find.load(model))
    total, worst = dict.fromkeys(QUALITIES, 0), (0.0, "")
    for path in sorted(Path(folder).glob("*.png"))[:: int(*every or [5])]:
        with Image.open(path) as image:
            x = np.asarray(image.convert("RGB"))
        for quality in QUALITIES:
            y = pipeline.analyse(x, quality)
            decoded = np.empty_like(y)
            payload, _ = pipeline.encode_latent(y, quality, decoded=decoded)
            total[quality] += len(payload)
            steps = np.abs(decoded - y) * pipeline.bundle.gain(quality)
            worst = max(worst, (float(steps.max()), f"{path.name} at {quality}"))
    print(*(f"{q}: {n} bytes" for q, n in total.items()), sep="\n")
    print(f"largest error: {worst[0]:.1f} steps, {worst[1]}")


if __name__ == "__main__":
    main()
