"""One picture against JPEG of the same quality.

    python -m codec.cli.demo examples/budgerigar.png

One picture says little about a codec; ``aebench`` measures many.
"""

import argparse
import io
import math
import os

import numpy as np
from PIL import Image

import codec

from .. import picture


def psnr(a, b):
    """Peak signal-to-noise ratio of two uint8 arrays of one shape, in dB."""
    error = np.mean(
        np.square(a.astype(np.float32) - b.astype(np.float32)), dtype=np.float64
    )
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def jpeg(image, quality):
    """Save as JPEG, as tightly as Pillow does it.

    Parameters
    ----------
    image : PIL.Image.Image, mode RGB
    quality : int, 1..100

    Returns
    -------
    size : int, bytes
    db : float
        PSNR of the result.
    """
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
    with Image.open(out) as back:
        return len(out.getvalue()), psnr(
            np.asarray(image), np.asarray(back.convert("RGB"))
        )


def jpeg_of_equal_psnr(image, db):
    """Size of the JPEG that has a given PSNR.

    Parameters
    ----------
    image : PIL.Image.Image, mode RGB
    db : float

    Returns
    -------
    float or None
        Bytes, interpolated between the two nearest qualities (the logarithm
        of size is nearly linear in dB); None beyond JPEG's range.
    """
    low, high = 1, 100
    if not jpeg(image, low)[1] <= db <= jpeg(image, high)[1]:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if jpeg(image, middle)[1] <= db:
            low = middle
        else:
            high = middle
    (size_0, db_0), (size_1, db_1) = jpeg(image, low), jpeg(image, high)
    share = (db - db_0) / (db_1 - db_0)
    return size_0 * (size_1 / size_0) ** share


def main(argv=None):
    """Compress one picture and print the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m codec.cli.demo",
        description="Compress a picture; compare with JPEG of equal PSNR.",
    )
    parser.add_argument("picture")
    parser.add_argument("-q", "--quality", type=float, default=50.0)
    options = parser.parse_args(argv)
    pixels = picture.as_rgb(picture.read(options.picture).pixels)
    image = Image.fromarray(pixels)
    data = codec.encode(pixels, quality=options.quality)
    db = psnr(pixels, codec.decode(data))
    other = jpeg_of_equal_psnr(image, db)

    def line(name, size):
        bpp = 8 * size / (image.width * image.height)
        print(f"{name:<12} {size:9,.0f} bytes {bpp:8.3f} bpp {db:8.2f} dB")

    print(
        f"{os.path.basename(options.picture)}, "
        f"{image.width}x{image.height}, quality {options.quality:g}"
    )
    line("aecompress", len(data))
    if other is None:
        print(f"JPEG         does not reach {db:.2f} dB")
        return 0
    line("JPEG", other)
    print(f"             {100 * (len(data) / other - 1):+.1f} % in size at equal PSNR")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
