"""Whether a written file may take the place of its source: ``--rm``.

What is compared is read back from the file, not what was meant to be written.
"""

import argparse
import io
import os
import warnings
from collections.abc import Callable

import numpy as np

from ..io import urls
from ..picture import read
from ..picture.metadata import upright
from ..types import Array, Picture
from . import files
from .jobs import Job
from .notes import Coder, Notes
from .report import Refusal

# Formats that the decoder's writer writes without loss of its own.
_EXACT = {"PNG", "TIFF", "WEBP", "BMP", "PPM", "QOI", "TGA", "SGI", "PCX"}
# What a lossy file may differ beyond a block's own contrast: squared levels.
# Kodak's pictures at quality 1 need 20, see `_resembles`.
_ALLOWED = 200
_BLOCK = 64


def remove(
    job: Job,
    notes: Notes,
    options: argparse.Namespace,
    check: Callable[[], object],
) -> None:
    """Remove the input of a job whose output is written.

    Parameters
    ----------
    job : Job
    notes : Notes
        After a warning the input stays, for it may hold what was left out.
    options : argparse.Namespace
        Whose ``linked`` names the files that a link leads to.
    check : function
        Raises if the output is not all that it should be.
    """
    if notes.warned:
        notes.warn(job.src, "input kept, because of the warning before")
    elif urls.is_url(job.src):
        check()
        urls.remove(job.src)
    elif os.path.islink(job.src):
        notes.warn(job.src, "input kept, as it is a link")
    elif options.linked and (link := options.linked.get(os.path.realpath(job.src))):
        notes.warn(job.src, f"input kept, as {link} is a link to it")
    else:
        check()
        os.unlink(job.src)


def compressed(coder: Coder, job: Job, data: bytes, source: Picture) -> None:
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
    found = coder.decoder.decode_picture(read_back(job, data))
    same = (
        found.pixels.shape == source.pixels.shape
        and _equal(found.alpha, source.alpha)
        and _same_size(found.dpi, source.dpi)
        and found.kept == source.kept
        and (found.icc, found.exif, found.xmp) == (source.icc, *upright(source.exif, source.xmp))
    )
    if not (same and _resembles(found.pixels, source.pixels)):
        raise Refusal("does not decode to its picture; input kept", job.dst)


def decompressed(
    job: Job,
    data: bytes | memoryview,
    source: Picture,
    kind: str,
    options: argparse.Namespace,
) -> None:
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it wrote, it has told
        found = read(io.BytesIO(read_back(job, data)), options.max_pixels)
    a, b = _visible(found), _visible(source)
    if not (a.shape == b.shape and (np.array_equal(a, b) if kind in _EXACT else _resembles(a, b))):
        raise Refusal("is not the picture that was decoded; input kept", job.dst)


def read_back(job: Job, data: bytes | memoryview) -> bytes:
    """What stands in an output; raise if it is not what was written there."""
    with files.source(job.dst) as file:
        back = files.take(file)
    if back != data:
        raise Refusal("differs from what was written there; input kept", job.dst)
    return back


def _equal(a: Array | None, b: Array | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _same_size(a: tuple[float, float] | None, b: tuple[float, float] | None) -> bool:
    """Whether resolutions are the same, but for rounding; None is none."""
    return a is b or (a is not None and b is not None and np.allclose(a, b))


def _visible(picture: Picture) -> Array:
    """Colours and alpha, of the same shape whatever the file's mode was."""
    pixels = picture.pixels
    if pixels.ndim == 2:
        pixels = np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
    if picture.alpha is None:
        return pixels
    seen = (picture.alpha != 0)[..., None]
    return np.dstack([pixels * seen, picture.alpha])


def _resembles(a: Array, b: Array) -> bool:
    """Whether a lossy copy is nearer to a picture than plain colours are.

    A check against wrong pictures, not against low quality: block by block,
    the copy must have less error than the block's mean colour would have,
    or little more. A photograph at quality 1 passes; another picture, or a
    black square in it, does not.
    """
    for top in range(0, a.shape[0], _BLOCK):
        x = a[top : top + _BLOCK].astype(np.float64)
        y = b[top : top + _BLOCK].astype(np.float64)
        x, y = (s.reshape(*s.shape[:2], -1) for s in (x, y))
        edges = np.arange(0, x.shape[1], _BLOCK)

        def mean(s: Array) -> Array:
            total = np.add.reduceat(s.sum(0), edges)  # (blocks, channels)
            return total / (len(s) * np.diff([*edges, s.shape[1]]))[:, None]

        contrast = mean(y * y) - mean(y) ** 2
        error = mean((x - y) ** 2)
        if (error.mean(1) > contrast.mean(1) + _ALLOWED).any():
            return False
    return True
