"""Arrays, PIL images and picture files to `Picture`.

==========  ===========================================================
`identify`  a file as a PIL image that is not loaded yet
`account`   what of the file the picture does not carry: told, or kept
`modes`     PIL images of any mode to L, LA, RGB or RGBA
==========  ===========================================================

What becomes of each kind of file is in docs/pictures.md.
"""

import dataclasses
import math
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ..errors import InputError, warn_converted
from ..limits import MAX_PIXELS, MAX_SIDE, check_pixels
from ..types import Array, Picture
from . import account, hidden, metadata, modes, origin
from .alpha import fill_hidden
from .identify import check_png, opened, pillow_errors
from .walk import Contents

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Formats whose own boxes turn the picture, whatever Exif and XMP say; Pillow
# tells it of AVIF as orientation, the extras turn the pixels.
_UPRIGHT = {"AVIF", "HEIF", "JXL"}
ORIENTATION = 274


def load(image: Array | Image.Image, max_pixels: int = MAX_PIXELS) -> Picture:
    """Take a picture in memory.

    Parameters
    ----------
    image : ndarray or PIL.Image.Image
        uint8 of shape (height, width), (height, width, 1), (height, width,
        3) or (height, width, 4), 0..255, alpha last and not premultiplied;
        or a PIL image, of which the current frame counts. Sides are
        1..16384.
    max_pixels : int, optional
        Checked before the pixels of a file behind a PIL image are decoded.

    Returns
    -------
    Picture
        Exif orientation is applied to the pixels and set to upright in
        ``exif`` and ``xmp``. Alpha that is 255 everywhere is dropped. The
        colours of fully transparent pixels are replaced, as `fill_hidden`
        says.

    Raises
    ------
    InputError
        Another type, shape or size; samples of no known range; a file
        behind the PIL image that cannot be read.
    LimitError
        More than ``max_pixels``.

    Warns
    -----
    ConversionWarning
        For each thing that was converted or left out.
    """
    if isinstance(image, Image.Image):
        check_pixels(*image.size, max_pixels)
        with pillow_errors():
            return _load_pil(image)
    if isinstance(image, np.ndarray):
        picture = _load_array(image)
        check_pixels(picture.pixels.shape[1], picture.pixels.shape[0], max_pixels)
        return picture
    raise InputError(
        f"{type(image).__name__} is not a picture; an array of uint8 or a PIL image is needed"
    )


def open_picture(
    file: str | os.PathLike[str] | BinaryIO,
    max_pixels: int = MAX_PIXELS,
    metadata: bool | str = True,
) -> Picture:
    """Read a picture file of any format that Pillow reads.

    EPS is refused: Pillow would run another program on it.

    Parameters
    ----------
    file : str, os.PathLike or binary file object
        A file object need not be seekable.
    max_pixels : int, optional
        Checked before the pixels are decoded.
    metadata : bool or "all"
        Whether the caller wants Exif, XMP and their like; of metadata that
        is left out nothing is told otherwise. With "all" what would be left
        out is in ``kept``.

    Returns
    -------
    Picture
        As of `load`, of the first frame.

    Raises
    ------
    InputError
        Cannot be opened, is no picture, is damaged, or as in `load`. The
        message does not name the file.
    LimitError
        More than ``max_pixels``.

    Warns
    -----
    ConversionWarning
        As `load`; and for all that is in the file and not in the result.
    """
    with opened(file, max_pixels) as (image, contents, data):
        sections: list[bytes | None] = []

        def tell() -> None:
            sections.append(account.of_file(image, contents, metadata, data, 1))

        picture = _load_pil(image, contents, tell)
        name = getattr(file, "name", file)
        (section,) = sections
        return dataclasses.replace(picture, origin=origin.of(image, name, data), kept=section)


def open_pages(
    file: str | os.PathLike[str] | BinaryIO,
    max_pixels: int = MAX_PIXELS,
    metadata: bool | str = True,
) -> Iterator[Picture]:
    """Read all pages of a file, or frames of an animation, one after the other.

    Parameters
    ----------
    file, metadata
        As of `open_picture`.
    max_pixels : int, optional
        Of all pages together, if they are as large as the first.

    Yields
    ------
    Picture
        Of several, without Exif, XMP and resolution.

    Raises
    ------
    InputError, LimitError
        As `open_picture`.

    Warns
    -----
    ConversionWarning
        As `open_picture`, for what belongs to a page at that page.
    """
    with opened(file, max_pixels) as (image, contents, data):
        n = getattr(image, "n_frames", 1)
        width, height = image.size
        check_pixels(width, n * height, max_pixels)

        def tell() -> None:
            account.of_file(image, contents, bool(metadata), data, n)
            if metadata and n > 1:
                warn_converted("of pages only samples and colour profile are kept")

        first = _load_pil(image, contents, tell)
        if n == 1:
            yield first
            return
        yield dataclasses.replace(first, exif=None, xmp=None, dpi=None)
        for i in range(1, n):
            image.seek(i)
            page = _load_pil(image, None, lambda: None)
            yield dataclasses.replace(page, icc=page.icc or first.icc, exif=None, xmp=None)


def _load_array(a: Array) -> Picture:
    if a.dtype != np.uint8:
        raise InputError(
            f"samples are {a.dtype}, not uint8; scale them to 0..255 and "
            f"convert them with .astype(np.uint8)"
        )
    if a.ndim == 3 and a.shape[2] == 1:
        a = a[..., 0]
    if not (a.ndim == 2 or a.ndim == 3 and a.shape[2] in (3, 4)):
        raise InputError(
            f"shape {a.shape}; (height, width), (height, width, 3) or (height, width, 4) is needed"
        )
    _check_size(a.shape[1], a.shape[0])
    return Picture(*_split(a))


def _check_size(width: int, height: int) -> None:
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise InputError(
            f"{width}x{height} pixels; each side must be 1..{MAX_SIDE}: cut "
            f"it into parts or scale it down"
        )


def _split(a: Array) -> tuple[Array, Array | None]:
    """Samples without alpha, and alpha if there is any, both contiguous."""
    n = 1 if a.ndim == 2 else a.shape[2]
    if n in (1, 3):
        return np.ascontiguousarray(a), None
    pixels = a[..., 0] if n == 2 else a[..., :3]
    alpha = np.ascontiguousarray(a[..., -1])
    pixels = np.ascontiguousarray(pixels)
    if alpha.min() == 255:
        return pixels, None
    return fill_hidden(pixels, alpha), alpha


def _load_pil(
    image: Image.Image,
    contents: Contents | None = None,
    tell: Callable[[], None] | None = None,
) -> Picture:
    _check_size(*image.size)
    if image.format == "EPS":
        raise InputError("EPS is not read; convert it to PNG first")
    if hidden.is_raw(image):
        raise InputError(
            "a raw photograph, of which only the preview could "
            "be read; develop it to TIFF or PNG first"
        )
    file = getattr(image, "fp", None)
    if image.format == "PNG":
        check_png(file)
    start = hidden.head(file)
    bits = hidden.depth(image, start)
    lost = hidden.lost_colour(image, start, contents)
    modes.check_range(image, bits)
    if tell:
        tell()
    else:
        for message in account.frames(image, contents, 1):
            warn_converted(message)
    turned = _turned_by_pillow(image)
    image.load()
    hidden.mend_transparency(image, contents)
    if contents and contents.is_premultiplied and "A" in image.getbands():
        image = modes.unpremultiply(image)
    if bits > 8:
        warn_converted(f"{bits} bits a sample cut to 8")
        image = modes.to_8_bits(image)
    if lost:
        warn_converted(f"the colours are taken for sRGB; {lost} is left out")
    icc, exif, xmp = _metadata(image, contents)
    turn = _turn(exif, xmp, image, contents, turned)
    image, icc = modes.convert(image, icc)
    dpi = contents.dpi if contents else _dpi(image)
    if turn != 1:
        image = image.transpose(_TURNS[turn])
        dpi = (dpi[1], dpi[0]) if dpi and turn > 4 else dpi
    exif, xmp = metadata.upright(exif, xmp)
    return Picture(*_split(np.asarray(image)), icc, exif, xmp, dpi)


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """The resolution that a PIL image has; anything may stand there."""
    try:
        x, y = map(float, image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < math.inf and 0 < y < math.inf else None


def _metadata(image: Image.Image, contents: Contents | None) -> Any:
    """ICC, Exif and XMP, without what they say of parts left out."""
    if contents is None:
        return metadata.read(image)
    icc, exif, xmp = contents.icc, contents.exif, account.without_claims(contents)
    if exif and not metadata.is_exif(exif):
        warn_converted("Exif that cannot be read is left out")
        exif = None
    if not contents.reads_metadata:  # the plugin knows the rest
        icc, *others = metadata.read(image)
        exif, xmp = exif or others[0], xmp or others[1]
    return icc, exif, xmp


def _turned_by_pillow(image: Image.Image) -> Any:
    """The orientation that Pillow applies while it loads: of TIFF alone."""
    if image.format != "TIFF" or getattr(image, "fp", None) is None:
        return 1
    return image.getexif().get(ORIENTATION, 1)


def _turn(
    exif: bytes | None,
    xmp: bytes | None,
    image: Image.Image,
    contents: Contents | None,
    turned: Any,
) -> int:
    """The orientation that is still to be applied; tells contradictions."""
    said = metadata.orientations(exif, xmp)
    value = metadata.orientation(exif, xmp)
    if contents and contents.orientation:
        value = contents.orientation
    # A JPEG in a JPEG XL file comes out as it was, and is not turned.
    if image.format in _UPRIGHT and not getattr(image, "jpeg", False):
        value = contents.orientation or 1 if contents else value
        turned = 1 if image.format == "AVIF" else value
    if not set(said) <= {value, 1}:
        warn_converted(f"what is said of the orientation differs; {value} is applied")
    return 1 if turned in _TURNS else value if value in _TURNS else 1
