"""Whether a written file may take the place of its source: ``--rm``.

What is compared is read back from the file, not what was meant to be written.
"""

import io

import numpy as np

from . import files
from .report import Refusal
from ..picture import open_picture
from ..picture.metadata import upright

# Formats that the decoder's writer writes without loss of its own.
_EXACT = {"PNG", "TIFF", "WEBP", "BMP", "PPM", "QOI", "TGA", "SGI", "PCX"}
# What a lossy file may differ beyond the picture's own contrast: squared
# levels. See `_resembles`.
_ALLOWED = 100


def compressed(coder, job, data, source):
    """Read an ``.aec`` file back, decode it and compare it.

    Parameters
    ----------
    coder : Coder
    job : Job
    data : bytes
        What was written.
    source : Picture
        What was encoded.

    Raises
    ------
    Refusal
        Something differs; the input must stay.
    CodecError, OSError
        The file does not decode or cannot be read.
    """
    found = coder.decoder.decode_picture(
        _read_back(job, data), max_pixels=coder.options.max_pixels)
    same = (found.pixels.shape == source.pixels.shape
            and _equal(found.alpha, source.alpha)
            and (found.icc, found.exif, found.xmp)
            == (source.icc, *upright(source.exif, source.xmp)))
    if not (same and _resembles(found.pixels, source.pixels)):
        raise Refusal("does not decode to its picture; input kept", job.dst)


def decompressed(job, data, source, kind, options):
    """Read a picture file back, and compare it with what was decoded.

    Parameters
    ----------
    job : Job
    data : bytes-like
    source : Picture
        What was decoded.
    kind : str
        Pillow's name of the format.
    options : argparse.Namespace

    Raises
    ------
    As of `compressed`.
    """
    found = open_picture(io.BytesIO(_read_back(job, data)), options.max_pixels)
    a, b = _visible(found), _visible(source)
    if not (a.shape == b.shape and (
            np.array_equal(a, b) if kind in _EXACT else _resembles(a, b))):
        raise Refusal("is not the picture that was decoded; input kept",
                      job.dst)


def _read_back(job, data):
    with open(job.dst, "rb") as file:
        back = files.take(file)
    if back != data:
        raise Refusal("differs from what was written there; input kept",
                      job.dst)
    return back


def _equal(a, b):
    return a is b or (a is not None and b is not None
                      and np.array_equal(a, b))


def _visible(picture):
    """Colours and alpha, of the same shape whatever the file's mode was."""
    pixels = picture.pixels
    if pixels.ndim == 2:
        pixels = np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
    if picture.alpha is None:
        return pixels
    seen = (picture.alpha != 0)[..., None]
    return np.dstack([pixels * seen, picture.alpha])


def _resembles(a, b):
    """Whether a lossy copy is nearer to a picture than its mean colour is.

    A check against wrong pictures, not against low quality: noise at
    quality 1 passes, another picture or a black square does not.
    """
    error = total = square = 0
    for x, y in zip(a, b):      # row by row, to use little memory
        x, y = x.astype(np.int64), y.astype(np.int64)
        error += int(np.square(x - y).sum())
        total += int(y.sum())
        square += int(np.square(y).sum())
    variance = square / b.size - (total / b.size) ** 2
    return error / b.size <= variance + _ALLOWED
