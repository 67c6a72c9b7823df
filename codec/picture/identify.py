"""Picture files as PIL images that are not loaded yet, within a limit of pixels."""

import contextlib
import importlib
import io
import os
import re
import struct
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from ..errors import CodecError, InputError, LimitError
from ..limits import check_pixels, over
from ..model import forks
from . import hidden, jxl, parts
from .walk import Contents

# What reads the files that Pillow does not: distribution, module, class.
_EXTRAS = {
    "HEIC": ("pillow-heif", "pillow_heif", "HeifImageFile"),
    "JPEG XL": ("pillow-jxl-plugin", "pillow_jxl.JpegXLImagePlugin", "JXLImageFile"),
}
_pillow_limit_lock = forks.Lock()


@contextlib.contextmanager
def opened(
    file: str | os.PathLike[str] | BinaryIO, max_pixels: int
) -> Iterator[tuple[Image.Image, Contents | None, bytes]]:
    """A file as an image that is not loaded yet, its parts, and its bytes."""
    with pillow_errors():
        data = _read(file)
        contents = parts.read(data, max_pixels)
        if contents and contents.pixels and "PNG" in contents.formats:
            check_png(io.BytesIO(data))
        shown = contents.pixels if contents and contents.pixels else data
        _check_jxl(data, max_pixels)
        with _pillow_limit(max_pixels), _identify(io.BytesIO(shown), data) as image:
            width, height = image.size
            check_pixels(width, height, max_pixels)
            if contents and image.format not in contents.formats:
                contents = None  # it only begins like that
            yield image, contents, data


def _read(file: str | os.PathLike[str] | BinaryIO) -> bytes:
    if not isinstance(file, (str, os.PathLike)):
        with contextlib.suppress(AttributeError, OSError):
            file.seek(0)
        return file.read()
    with open(file, "rb") as opened:
        return opened.read()


def check_png(file: Any) -> None:
    """Refuse a PNG file that ends early, of which Pillow is content with the samples."""
    if hidden.is_cut(file):
        raise InputError(
            "damaged picture: cut short, or broken after its samples; save it anew with a viewer"
        )


def _identify(file: Any, data: bytes) -> Any:
    """What ``Image.open`` does, without its limit of pixels.

    That belongs to the process; the caller has one of its own.
    """
    start = data[:16]
    for init in (Image.preinit, Image.init):
        init()
        for factory, accept in [Image.OPEN[name] for name in Image.ID]:
            file.seek(0)
            try:
                accepted = not accept or accept(start)
                if accepted and not isinstance(accepted, str):
                    return factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue
    name = hidden.name_unread(data[:1024])
    if name is None:
        raise UnidentifiedImageError("cannot identify image file")
    if name not in _EXTRAS:
        raise InputError(f"{name} is not read; convert it to PNG first")
    extra, module, opener = _EXTRAS[name]
    try:
        factory = getattr(importlib.import_module(module), opener)
    except ImportError as error:
        raise InputError(f"{name} needs pip install {extra}; or convert it to PNG first") from error
    file.seek(0)
    return factory(file, "")


def _check_jxl(data: bytes, max_pixels: int) -> None:
    """The plugin decodes a file when it is opened: too late for a limit."""
    header = jxl.header(data)
    if header:
        check_pixels(header.width, header.height, max_pixels)


@contextlib.contextmanager
def pillow_errors() -> Iterator[None]:
    """Every exception of Pillow as one of ours."""
    try:
        yield
    except (CodecError, Warning):
        raise
    except MemoryError as error:
        raise LimitError("not enough memory for this picture") from error
    except UnidentifiedImageError as error:
        raise InputError("not a picture, or of an unknown format") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise InputError(error.strerror) from error
        raise InputError(f"damaged picture: {error}") from error


@contextlib.contextmanager
def _pillow_limit(max_pixels: int) -> Iterator[None]:
    """Pillow's limit, which belongs to the process, if ours is higher.

    Otherwise nothing is held, and pictures of many threads load side by side.
    """
    if max_pixels <= (Image.MAX_IMAGE_PIXELS or max_pixels):
        yield
        return
    with _pillow_limit_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        old = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            yield
        except Image.DecompressionBombError as error:
            n = re.search(r"\((\d+ pixels)", str(error))
            raise over(n[1] if n else "more pixels", max_pixels) from error
        finally:
            Image.MAX_IMAGE_PIXELS = old
