"""`Picture` to picture files, in any format that Pillow writes.

A format without alpha gets the picture on white; one without colour, or
with few colours, the nearest it can show; one without metadata none. Each
is told by a `ConversionWarning`.
"""

import io
import os
import re
import warnings
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import ConversionNote, InputError, warn_converted
from ..types import Picture
from .metadata import photo_tags, upright

# Modes that a format takes, where these are not all of L, RGB, LA, RGBA.
# Some formats take more but write it wrongly, as BMP: without the alpha.
_MODES = {
    "JPEG": "L RGB",
    "MPO": "L RGB",
    "BMP": "L RGB",
    "DIB": "L RGB",
    "PPM": "L RGB",
    "PCX": "L RGB",
    "EPS": "L RGB",
    "SPIDER": "L",
    "QOI": "RGB RGBA",
    "WEBP": "RGB RGBA",
    "AVIF": "L RGB RGBA",
    "SGI": "L RGB RGBA",
    "GIF": "L P",
    "PALM": "P",
    "BLP": "P",
    "MSP": "1",
    "XBM": "1",
}
# For each mode of a picture, the best first.
_PREFERENCES = {
    "L": ("L", "RGB", "P", "1"),
    "RGB": ("RGB", "P", "L", "1"),
    "LA": ("LA", "RGBA"),
    "RGBA": ("RGBA",),
}
# The decoder should add as little loss of its own as is reasonable.
_FINE = {"quality": 95, "subsampling": "4:4:4"}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "JPEG": _FINE,
    "MPO": _FINE,
    "AVIF": _FINE,
    "WEBP": {"lossless": True},
}
_NAMES = {"icc": "colour profile", "exif": "Exif", "xmp": "XMP", "dpi": "resolution"}
_WITH_METADATA = {"PNG", "JPEG", "MPO", "WEBP", "AVIF", "TIFF", "HEIF", "JXL"}
# What a profile is called that a JPEG XL without one has, as its writer takes none.
_PLAIN = tuple(name.encode("utf-16-be") for name in ("sRGB", "Gra_D65_Rel_SRG"))
_WITH_DPI = {"PNG", "JPEG", "MPO", "TIFF", "BMP", "DIB"}
# Pillow opens no PNG whose profile is larger, and is not alone with that.
_MAX_ICCP = PngImagePlugin.MAX_TEXT_CHUNK


def format_of(name: str | os.PathLike[str]) -> str:
    """The Pillow format that the extension of a file name asks for.

    Parameters
    ----------
    name : str or os.PathLike

    Returns
    -------
    str
        For instance ``"JPEG"``; ``"PNG"`` where there is no extension, as in
        ``scan 12.05.2021``.

    Raises
    ------
    InputError
        No format that Pillow writes has this extension.
    """
    extension = os.path.splitext(os.fsdecode(name))[1].lower()
    if extension == ".png" or not re.match(r"\.[a-z]", extension):
        return "PNG"
    Image.init()
    format = Image.EXTENSION.get(extension)
    if format not in Image.SAVE:
        raise InputError(f"no picture format for the extension {extension}")
    return format


def save(
    picture: Picture,
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    **options: Any,
) -> None:
    """Write a picture file.

    Parameters
    ----------
    picture : Picture
    fp : str, os.PathLike or binary file object
        Nothing is written there unless the whole file could be made.
    format : str, optional
        A format of Pillow, in any case. Left out, the extension of the
        file name decides, and without one it is PNG.
    **options
        Of Pillow's writer. Without any, JPEG and AVIF are written with
        quality 95 in 4:4:4, and WebP without loss.

    Raises
    ------
    InputError
        Unknown format, or one that cannot hold this picture.
    OSError
        The file cannot be written.

    Warns
    -----
    ConversionWarning
        For each thing that was converted or left out.
    """
    if format is None:
        format = format_of(fp) if isinstance(fp, (str, os.PathLike)) else "PNG"
    format = format.upper()
    if format != "PNG":
        Image.init()
    if format not in Image.SAVE:
        raise InputError(f"unknown picture format {format}")
    data = _write(picture, format, options or _DEFAULTS.get(format, {}))
    if isinstance(fp, (str, os.PathLike)):
        with open(fp, "wb") as file:
            file.write(data)
    else:
        fp.write(data)


def _write(picture: Picture, format: str, options: dict[str, Any]) -> bytes:
    image = _to_mode(to_image(picture), format)
    if picture.kept:
        warn_converted("what was kept of the first file is left out; --format kept writes it")
    if format in ("ICO", "ICNS"):
        warn_converted(f"{format} holds the picture in sizes of its own")
    exif, xmp = upright(picture.exif, picture.xmp)
    every = {"icc": picture.icc, "exif": exif, "xmp": xmp, "dpi": picture.dpi}
    metadata: dict[str, Any] = {key: value for key, value in every.items() if value}
    if format not in _WITH_METADATA:
        metadata = _drop(metadata, _NAMES.keys() - {"dpi"}, format)
    if format == "JXL":
        metadata = _without_profile(metadata)
    if format not in _WITH_DPI:
        metadata = _drop(metadata, {"dpi"}, format)
    if metadata.get("icc", b"")[16:20] == b"GRAY" and image.mode not in ("L", "LA"):
        # No reader would know what to do with it.
        metadata = _drop(metadata, {"icc"}, format)
    try:
        try:
            return _save(image, format, metadata, options)
        except Exception:
            # Exif and XMP come from anywhere: damaged, or too long for JPEG.
            bare = {k: v for k, v in metadata.items() if k in ("icc", "dpi")}
            if bare == metadata:
                raise
            data = _save(image, format, bare, options)
            _drop(metadata, {"exif", "xmp"}, format)
            return data
    except Exception as error:
        raise InputError(f"cannot be written as {format}: {error}") from error


def to_image(picture: Picture) -> Image.Image:
    """A picture as PIL image: L, LA, RGB or RGBA, without metadata."""
    if picture.alpha is None:
        return Image.fromarray(picture.pixels)
    pixels = picture.pixels.reshape(*picture.alpha.shape, -1)
    both = np.concatenate([pixels, picture.alpha[..., None]], axis=2)
    return Image.fromarray(both)


def _to_mode(image: Image.Image, format: str) -> Image.Image:
    """The nearest to the image that the format can hold."""
    takes = _MODES.get(format, "L RGB LA RGBA").split()
    for mode in _PREFERENCES[image.mode]:
        if mode in takes:
            break
    else:
        warn_converted(f"{format} has no alpha; the picture is put on white")
        return _to_mode(_on_white(image), format)
    if mode == "P":
        if image.mode != "L":
            warn_converted(f"{format} has at most 256 colours")
        return image.convert("RGB").quantize()
    if mode == "1":
        warn_converted(f"{format} has only black and white")
    elif mode == "L" and image.mode == "RGB":
        warn_converted(f"{format} has no colours")
    return image if mode == image.mode else image.convert(mode)


def _on_white(image: Image.Image) -> Image.Image:
    alpha = image.getchannel("A")
    image = image.convert(image.mode[:-1])
    white = Image.new(image.mode, image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _drop(metadata: dict[str, Any], keys: Any, format: str) -> dict[str, Any]:
    """Metadata without these keys; warns if that makes a difference."""
    names = [_NAMES[key] for key in metadata if key in keys]
    if names:
        warn_converted(f"{format} cannot hold this {', '.join(names)}; left out")
    return {k: v for k, v in metadata.items() if k not in keys}


def _without_profile(metadata: dict[str, Any]) -> dict[str, Any]:
    """What the writer of JPEG XL takes; warns where the profile says something."""
    if any(name in metadata.get("icc", b"") for name in _PLAIN):
        return {k: v for k, v in metadata.items() if k != "icc"}
    return _drop(metadata, {"icc"}, "JXL")


def _save(
    image: Image.Image, format: str, metadata: dict[str, Any], options: dict[str, Any]
) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **_arguments(format, **metadata), **options)
    return file.getvalue()


def _arguments(
    format: str,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    dpi: Any = None,
) -> dict[str, Any]:
    """Metadata as Pillow's writer of this format wants it."""
    found = {"dpi": dpi} if dpi else {}
    if icc:
        found["icc_profile"] = icc
    if format == "PNG":
        found["pnginfo"] = _png_texts(found, xmp)
    if format == "TIFF":
        tags = _writable(exif)
        if xmp:
            tags[700] = xmp
        if tags:
            # As bytes: the writer finds no directories in an Exif made here.
            found["exif"] = tags.tobytes()
        return found
    if exif:
        found["exif"] = b"Exif\0\0" + exif
    if xmp and format != "PNG":
        found["xmp"] = xmp
    return found


def _png_texts(found: dict[str, Any], xmp: bytes | None) -> PngImagePlugin.PngInfo:
    """XMP, and a profile that is too large for a chunk of its own."""
    texts = PngImagePlugin.PngInfo()
    if xmp:
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "surrogateescape"))
    if len(found.get("icc_profile", b"")) > _MAX_ICCP:
        icc = found.pop("icc_profile")
        warnings.warn(
            f"the colour profile of {len(icc)} bytes is written as text, as "
            "programs open no PNG with one that large; few will apply it",
            ConversionNote,
            stacklevel=5,
        )
        texts.add_text("Raw profile type icc", f"\nicc\n{len(icc):8}\n{icc.hex()}\n")
    return texts


def _writable(exif: bytes | None) -> Image.Exif:
    """The tags of Exif that describe the photograph and that Pillow writes.

    It refuses some types of values, and then the whole block.
    """
    tags = Image.Exif()
    if exif:
        tags.load(exif)
    tags, good = photo_tags(tags), Image.Exif()
    lost: list[int] = []
    for tag, value in tags.items():
        if isinstance(value, dict):
            value = {k: v for k, v in value.items() if _is_writable(k, v, lost, tag)}
        elif not _is_writable(tag, value, lost):
            continue
        if value:
            good[tag] = value
    if lost:
        warn_converted(f"TIFF cannot hold these tags of Exif; left out: {lost}")
    return good


def _is_writable(tag: int, value: Any, lost: list[int], directory: int | None = None) -> bool:
    one = Image.Exif()
    if directory is None:
        one[tag] = value
    else:
        one[directory] = {tag: value}
    try:
        one.tobytes()
    except Exception:  # of many types
        lost.append(tag)
        return False
    return True
