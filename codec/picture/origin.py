"""The format that a picture had before it was compressed: section ``orig``.

So that it can be written in that format again (docs/format.md, section 3).
"""

import dataclasses
import importlib
import os
import re
from typing import Any

from PIL import Image

from ..types import Origin

SECTION = "orig"
_TEXT = re.compile(rb"([A-Z0-9]{1,16})(?: (\d{1,3}))?(?: ([A-Za-z][A-Za-z0-9]{0,7}))?")
# What a name ends with that needs no mention, where that is not the format.
_USUAL = {"JPEG": "jpg", "TIFF": "tif", "HEIF": "heic", "JPEG2000": "jp2"}
# Sum of the luminance table that libjpeg makes for quality 50.
_TABLE_50 = 3688
# What writes the formats that Pillow does not.
_PLUGINS = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}
PACKAGES = {"HEIF": "pillow-heif", "JXL": "pillow-jxl-plugin"}
_LOSSY = {"WEBP": 90, "AVIF": 80, "HEIF": 80, "JXL": 90}


def of(image: Image.Image, name: object, data: bytes) -> Origin | None:
    """The origin of an open image.

    Parameters
    ----------
    image : PIL.Image.Image
    name : object
        Of its file, if that has one.
    data : bytes
        The file.
    """
    format = image.format or ""
    extension = ""
    if isinstance(name, (str, os.PathLike)):
        extension = os.path.splitext(os.fspath(name).split("::")[0])[1][1:]
    quality = None
    if format in ("JPEG", "MPO"):
        quality = _jpeg_quality(image)
    elif format == "WEBP":
        quality = 100 if b"VP8L" in data and b"VP8 " not in data else None
    found = Origin(format, extension, quality)
    for origin in (found, dataclasses.replace(found, extension="")):
        if again := read(write(origin)):
            return again
    return None


def _jpeg_quality(image: Any) -> int | None:
    """The quality whose luminance table libjpeg would make as large."""
    table = getattr(image, "quantization", {}).get(0)
    if not table:
        return None
    scale = 100 * sum(table) / _TABLE_50
    quality = 100 - scale / 2 if scale <= 100 else 5000 / scale
    return min(100, max(1, round(quality)))


def write(origin: Origin) -> bytes:
    """The section's data."""
    text = origin.format
    if origin.quality is not None:
        text += f" {origin.quality}"
    if origin.extension not in ("", _usual(origin.format)):
        text += f" {origin.extension}"
    return text.encode("ascii", "replace")


def _usual(format: str) -> str:
    return _USUAL.get(format, format.lower())


def read(data: bytes | None) -> Origin | None:
    """The inverse of `write`; None of anything else."""
    match = _TEXT.fullmatch(data or b"")
    if not match:
        return None
    format, quality = match[1].decode(), int(match[2]) if match[2] else None
    if quality is not None and not 1 <= quality <= 100:
        return None
    extension = match[3].decode() if match[3] else _usual(format)
    return Origin(format, extension, quality)


def can_write(origin: Origin) -> bool:
    """Whether there is a writer of this format here."""
    if origin.format not in Image.SAVE:
        Image.init()
    if origin.format not in Image.SAVE and origin.format in _PLUGINS:
        try:
            plugin = importlib.import_module(_PLUGINS[origin.format])
        except ImportError:
            return False
        if origin.format == "HEIF":
            plugin.register_heif_opener()
    return origin.format in Image.SAVE


def options(origin: Origin) -> dict[str, Any]:
    """Options of Pillow's writer for a file much like the original."""
    if origin.format in ("JPEG", "MPO"):
        return {"quality": origin.quality or 90, "optimize": True}
    if origin.format in _LOSSY and origin.quality != 100:
        return {"quality": _LOSSY[origin.format]}
    return {}
