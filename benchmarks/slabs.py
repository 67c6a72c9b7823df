"""What smaller slabs cost in size: bits and PSNR of slabs of several sides.

    python -m benchmarks.slabs PICTURE...

Bits are estimated by the tables, at effort 1; PSNR is of the decoded picture. Each
slab but the first also takes 8 bytes of the index and 4 for the end of its coder
(docs/engines.md). No decoder reads files of other slabs than the format's: none is
written.
"""

import sys

import numpy as np

from codec import picture
from codec.model import find
from codec.symbols import slabs
from codec.symbols.pipeline import Pipeline

SIDES = 1024, 8, 6, 4  # in positions of z; the first is one slab
QUALITIES = 5, 25, 50, 80
ENTRY = 12 * 8
SLOPE = 0.035 / 0.15  # of log size per dB, as codec.search.targets begins with


def measure(pipeline, pixels, quality):
    """Bits of the symbols, PSNR and slabs of one picture."""
    h, w = pixels.shape[:2]
    bits, latent = pipeline.code_length(pipeline.analyse(pixels, quality), quality)
    back = pipeline.synthesise(latent, quality, h, w)
    error = np.square(pixels.astype(float) - back).mean()
    return bits, 10 * np.log10(255**2 / error), len(slabs.slabs(*latent.shape[:2]))


def main(names):
    pipeline = Pipeline(find.load())
    print("| Quality | Side, cells | Slabs | Symbols, % | Index, % | PSNR, dB |")
    print("|---:|---:|---:|---:|---:|---:|")
    for quality in QUALITIES:
        found = {}
        for side in SIDES:
            slabs.SIDE = side
            found[side] = np.array(
                [measure(pipeline, picture.as_rgb(picture.read(n).pixels), quality) for n in names]
            )
        one = found[SIDES[0]]
        for side in SIDES[1:]:
            bits, psnr, n = found[side].T
            db = (psnr - one[:, 1]).mean()
            more = np.log(bits / one[:, 0]).mean() - SLOPE * db
            index = (ENTRY * (n - one[:, 2]) / one[:, 0]).mean()
            print(
                f"| {quality} | {4 * side} | {n.mean():.1f} | {100 * more:.2f} "
                f"| {100 * index:.2f} | {db:+.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
