"""The one way in: whatever holds a picture becomes a `Picture`."""

import os
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ..io import urls
from ..limits import MAX_PIXELS, check_pixels
from ..types import Picture
from .pil import load, open_picture

Source = Picture | np.ndarray | Image.Image | str | os.PathLike[str] | BinaryIO


def read(source: Source, max_pixels: int = MAX_PIXELS, metadata: bool | str = True) -> Picture:
    """Take a picture, wherever it is.

    Parameters
    ----------
    source : picture, array, PIL image, path or binary file object
        Arrays and PIL images as `load` takes them; files as `open_picture`
        reads them. A file object is left open.
    max_pixels : int
        Checked before the pixels of a file are decoded.
    metadata : bool or "all"
        As of `open_picture`.

    Returns
    -------
    Picture

    Raises
    ------
    InputError
        Not a picture, damaged, or as of `load`.
    LimitError
        More than ``max_pixels``.
    OSError
        The file cannot be opened.

    Warns
    -----
    ConversionWarning
        For each thing that was converted or left out.
    """
    if isinstance(source, Picture):
        height, width = source.pixels.shape[:2]
        check_pixels(width, height, max_pixels)
        return source
    if urls.is_source(source):
        with urls.opened(source) as file:
            return open_picture(file, max_pixels, metadata)
    image: Any = source
    return load(image, max_pixels)


def as_rgb(pixels: np.ndarray) -> np.ndarray:
    """Samples (height, width, 3) of grey or RGB ones."""
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, 2)
    return np.ascontiguousarray(pixels)


def as_grey(pixels: np.ndarray) -> np.ndarray:
    """Samples (.., height, width): the rounded mean of three colours."""
    total = pixels.astype(np.uint16).sum(-1, dtype=np.uint16)
    return ((total + 1) // 3).astype(np.uint8)
