"""The first look: one picture, its file, and what a JPEG of that size looks like.

    python -m codec.cli.demo examples/budgerigar.png

One picture says little about a codec; ``aebench`` measures many.
"""

import argparse
import os
import sys

import numpy as np
from PIL import Image

import codec

from .. import picture
from ..search.targets import psnr
from . import compare, files


def jpeg_size(pixels: np.ndarray, db: float) -> float | None:
    """Size of the JPEG that has a given PSNR.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width) or (height, width, 3)
    db : float

    Returns
    -------
    float or None
        Bytes, interpolated between the two nearest qualities (the logarithm
        of size is nearly linear in dB); None beyond JPEG's range.
    """
    low, high = compare.around(pixels, db, lambda coded: coded.psnr_db)
    if not low.psnr_db <= db <= high.psnr_db:
        return None
    share = (db - low.psnr_db) / (high.psnr_db - low.psnr_db)
    return len(low.data) * (len(high.data) / len(low.data)) ** share


def command(name: str) -> str:
    """How a command is called from here: it lies beside this Python."""
    path = os.path.join(os.path.dirname(sys.executable), name)
    here = os.path.relpath(path)
    return path if here.startswith(os.pardir) else here


def main(argv: list[str] | None = None) -> int:
    """Compress one picture, print the comparison and leave the files."""
    parser = argparse.ArgumentParser(
        prog="python -m codec.cli.demo",
        description="Compress a picture, decode it, and show it beside a JPEG of equal size.",
    )
    parser.add_argument("picture")
    parser.add_argument("-q", "--quality", type=float, default=50.0)
    parser.add_argument("--out", metavar="DIR", default="demo", help="folder of the files (demo)")
    options = parser.parse_args(argv)
    pixels = picture.as_rgb(picture.read(options.picture).pixels)
    data = codec.encode(pixels, quality=options.quality)
    back = codec.decode(data)
    ours = compare.Coded("aecompress", data, back, psnr(pixels, back))
    theirs = compare.jpeg_of_size(pixels, len(data))
    name = os.path.splitext(os.path.basename(options.picture))[0]
    print(
        f"{os.path.basename(options.picture)}, {pixels.shape[1]}x{pixels.shape[0]}, "
        f"quality {options.quality:g}, lossy"
    )

    def line(label: str, size: float, db: float, more: str = "") -> None:
        bpp = 8 * size / (pixels.shape[0] * pixels.shape[1])
        print(f"{label:<12} {size:9,.0f} bytes {bpp:8.3f} bpp {db:8.2f} dB{more}")

    line("aecompress", len(data), ours.psnr_db)
    line("JPEG", len(theirs.data), theirs.psnr_db, "  at equal size")
    size = jpeg_size(pixels, ours.psnr_db)
    if size is None:
        print(f"JPEG         does not reach {ours.psnr_db:.2f} dB")
    else:
        line("JPEG", size, ours.psnr_db, "  at equal PSNR")
    os.makedirs(options.out, exist_ok=True)
    written = {
        f"{name}.aec": data,
        f"{name}.png": compare.png(Image.fromarray(back)),
        f"{name}-compare.png": compare.png(compare.panel(pixels, (theirs, ours))),
    }
    for file, content in written.items():
        files.write(os.path.join(options.out, file), content, force=True)
    print(
        f"Look at {os.path.join(options.out, file)}: original, JPEG and aecompress "
        f"at equal size; {name}.aec and the decoded {name}.png lie beside it.\n"
        f"Next: {command('aecompress')} --compare PICTURE makes that of your own "
        f"picture, {command('aecompress')} PICTURE its .aec file."
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
