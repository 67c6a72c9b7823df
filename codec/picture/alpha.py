"""The alpha plane: hidden colours, and the PNG in the ALPH section."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import FormatError
from ..types import Array

_BLOCK = 16
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IEND = b"\0\0\0\0IEND\xaeB`\x82"


def fill_hidden(pixels: Array, alpha: Array, block: int = _BLOCK) -> Array:
    """Replace the colours of fully transparent pixels.

    They cannot be seen, so they need not be stored and must not be leaked.
    What replaces them costs few bits: the mean of the visible pixels of
    the 16 x 16 block, or of the nearest block of 32, 64, .. pixels that
    shows any.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width) or (height, width, 3)
    alpha : uint8 ndarray of shape (height, width)
    block : int
        The side of the smallest blocks, 16 in the words above.

    Returns
    -------
    uint8 ndarray
        Of the shape of ``pixels``; visible pixels are the same.
    """
    visible = (alpha != 0)[..., None]
    if visible.all():
        return pixels
    shape = pixels.shape
    pixels = pixels.reshape(*shape[:2], -1)
    levels = [(_sums(pixels * visible, block), _sums(visible, block))]
    while max(levels[-1][1].shape) > 1:
        total, count = levels[-1]
        levels.append((_sums(total, 2), _sums(count, 2)))
    colour = np.zeros(pixels.shape[2])
    for total, count in reversed(levels):
        mean = total / np.maximum(count, 1)
        colour = np.where(count, mean, _grow(colour, 2, mean.shape))
    colour = _grow(np.rint(colour).astype(np.uint8), block, shape)
    return np.where(visible, pixels, colour).reshape(shape)


def _sums(a: Array, step: int) -> Array:
    """Sums over blocks of step x step; those at the edge are smaller."""
    # Row by row of blocks: reduceat would copy all of a as int64.
    rows = [a[y : y + step].sum(axis=0, dtype=np.int64) for y in range(0, a.shape[0], step)]
    return np.add.reduceat(rows, np.arange(0, a.shape[1], step), axis=1)


def _grow(a: Array, step: int, shape: tuple[int, ...]) -> Array:
    """Each element repeated step x step times, cut to shape."""
    if a.ndim == 1:
        return a
    return a.repeat(step, 0)[: shape[0]].repeat(step, 1)[:, : shape[1]]


def alpha_to_png(alpha: Array) -> bytes:
    """The ALPH section of an alpha plane.

    Parameters
    ----------
    alpha : uint8 ndarray of shape (height, width)

    Returns
    -------
    bytes
        A PNG file, 8-bit greyscale.
    """
    file = io.BytesIO()
    Image.fromarray(alpha).save(file, "PNG", optimize=True)
    return file.getvalue()


def png_to_alpha(data: bytes, height: int, width: int) -> Array:
    """The alpha plane of an ALPH section.

    Memory is bounded by the size that is asked for, whatever the PNG says.

    Parameters
    ----------
    data : bytes
    height, width : int
        Size of the picture.

    Returns
    -------
    uint8 ndarray of shape (height, width)

    Raises
    ------
    FormatError
        Not a sound PNG file, or not 8-bit greyscale of this size.
    """
    try:
        png = _plain_png(data, height, width)
        # The class, since Image.open has a limit of its own, of the process.
        with PngImagePlugin.PngImageFile(io.BytesIO(png)) as image:
            image.load()
            alpha = np.array(image)
        if alpha.shape != (height, width) or alpha.dtype != np.uint8:
            raise ValueError("not 8-bit greyscale")
    except FormatError:
        raise
    except Exception as error:
        # Of many types, from Pillow and zlib; they all mean the same here.
        raise FormatError(f"ALPH section: {error}") from error
    return alpha


def _plain_png(data: bytes, height: int, width: int) -> bytes:
    """The PNG with nothing but size and samples.

    Other chunks could hold animations, palettes or compressed texts, each
    with its own ways to go wrong.
    """
    if data[:16] != _SIGNATURE + b"\0\0\0\x0dIHDR" or len(data) < 33:
        raise FormatError("ALPH section: not a PNG file")
    found = struct.unpack_from(">IIBB", data, 16)
    if found != (width, height, 8, 0):
        raise FormatError(
            "ALPH section: a PNG of {}x{}, {} bits, colour type {}; {}x{}, 8 "
            "bits, colour type 0 is needed".format(*found, width, height)
        )
    parts, n_packed, at = [data[:33]], 0, 33
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            break
        end = at + size + 12
        if end > len(data):
            raise FormatError("ALPH section: PNG is cut short")
        if kind == b"IDAT":
            chunk = data[at:end]
            if zlib.crc32(chunk[4:-4]).to_bytes(4, "big") != chunk[-4:]:
                raise FormatError("ALPH section: PNG checksum mismatch")
            parts.append(chunk)
            n_packed += size
        at = end
    # No deflate stream grows more than 1032 times: ask before allocating.
    if n_packed * 1032 < width * height:
        raise FormatError("ALPH section: PNG is cut short")
    return b"".join(parts) + _IEND
