"""What a picture file holds, byte for byte and tag for tag.

`read` follows the lengths of a container and says of each part what becomes
of it. There are three answers: it is needed for the pixels (or says nothing
that they do not, as padding and previews), it is metadata that we carry, or
it is left out. What no part covers is left out too, so nothing disappears
because nobody knew of it: `pil` tells all of it in one line.

========  ============================================================
`jpeg`    segments; ICC, Exif, XMP, resolution; pictures after the end
`png`     chunks; the same, also in ImageMagick's raw profiles
`gif`     blocks, and the samples' own end
`pages`   TIFF: tags of all directories, bytes that none points to
`heif`    AVIF and HEIC: boxes, and items of ``meta``
`jxl`     JPEG XL: boxes or a bare codestream
`jp2`     JPEG 2000: the same
`plain`   WebP, BMP, ICO, PNM, QOI
========  ============================================================

The bytes come from anywhere. A walker that meets nonsense stops; what it has
not covered then counts as left out. Pillow judges whether the picture is sound.
"""

import re
import struct
from collections.abc import Callable, Iterator

from ..limits import MAX_PIXELS
from . import gif, heif, jp2, jpeg, jxl, pages, plain, png
from .walk import Contents, Lost, Walk


def read(data: bytes, max_pixels: int = MAX_PIXELS) -> Contents | None:
    """Account for all parts of a picture file.

    Parameters
    ----------
    data : bytes
        The whole file.
    max_pixels : int
        Of larger pictures it is not seen where their samples end.

    Returns
    -------
    Contents or None
        None where the parts of such files are not known here.
    """
    for pattern, formats, walker in _WALKERS:
        if re.match(pattern, data[:64], re.DOTALL):
            walk = Walk(data, max_pixels)
            walk.found.formats = frozenset(formats.split())
            try:
                walker(walk)
            except (struct.error, LookupError, ValueError, ArithmeticError):
                # Cut short, or nonsense: who knows what it would have been.
                walk.lose_among_samples("what a damaged part holds")
            return walk.end()
    return None


def _ico(walk: Walk) -> None:
    plain.ico(walk, read)


# How a file begins, and what Pillow and the extras then call it.
_WALKERS: list[tuple[bytes, str, Callable[[Walk], None]]] = [
    (rb"\xff\xd8\xff", "JPEG MPO", jpeg.walk),
    (rb"\x89PNG\r\n\x1a\n", "PNG", png.walk),
    (rb"GIF8[79]a", "GIF", gif.walk),
    (rb"RIFF....WEBP", "WEBP", plain.webp),
    (rb"II[*+]\0|MM\0[*+]", "TIFF", pages.walk),
    (rb"BM", "BMP", plain.bmp),
    (rb"P[1-6]\s", "PPM", plain.pnm),
    (rb"qoif", "QOI", plain.qoi),
    (rb"\0\0[\1]\0", "ICO", _ico),
    (rb"\xff\x4f\xff\x51|.{4}jP  ", "JPEG2000", jp2.walk),
    (rb"\xff\x0a|.{4}JXL ", "JXL", jxl.walk),
    (rb".{4}ftyp", "AVIF HEIF", heif.walk),
]


def names(lost: list[Lost]) -> Iterator[str]:
    """What was left out, each name once, with its size."""
    sizes: dict[str, int] = {}
    for part in lost:
        sizes[part.name] = sizes.get(part.name, 0) + len(part.data)
    for name, size in sizes.items():
        if size and name.startswith("bytes "):
            yield f"{size} {name}"
        else:
            yield f"{name} ({size} bytes)" if size else name
