"""Arrays, PIL images and picture files to `Picture`.

What becomes of each PIL mode (* with a `ConversionWarning`):

======================  ===============================================
1, L                    grey
RGB, RGBX               colour
LA, RGBA                with alpha; without, if it is opaque everywhere
P, PA                   colour, alpha where the palette has any
L, RGB with a colour    with alpha
that is transparent
La, RGBa *              alpha no longer premultiplied
CMYK, LAB *             colour: sRGB through the ICC profile, if any
YCbCr, HSV *            colour
I;16 *, I *             grey, of a file whose samples go from black to
                        white; refused in memory and of TIFF, where
                        they may mean anything
F, I of 32 bits         refused
======================  ===============================================

What becomes of each kind of file is in docs/pictures.md. Pillow itself cuts
colour of more than 8 bits to 8, without a word: `hidden` finds that out.
"""

import contextlib
import dataclasses
import importlib
import io
import math
import os
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import CodecError, ConversionNote, ConversionWarning, InputError, LimitError
from ..limits import MAX_PIXELS, MAX_SIDE, check_pixels, over
from ..model import forks
from ..types import Array, Picture
from . import hidden, jxl, kept, metadata, origin, parts
from .alpha import fill_hidden
from .walk import Contents, Lost

_LOSSLESS = {"1": "L", "RGBX": "RGB", "PA": "RGBA"}
_LOSSY = {"La": "LA", "RGBa": "RGBA", "YCbCr": "RGB", "HSV": "RGB"}
# Formats whose 16-bit grey is 0 for black and 65535, for Pillow, for white.
_FULL_RANGE = {"PNG", "PPM", "JPEG2000", "JXL"}
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
# What reads the files that Pillow does not: distribution, module, class.
_EXTRAS = {
    "HEIC": ("pillow-heif", "pillow_heif", "HeifImageFile"),
    "JPEG XL": ("pillow-jxl-plugin", "pillow_jxl.JpegXLImagePlugin", "JXLImageFile"),
}
ORIENTATION = 274
_pillow_limit_lock = forks.Lock()


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
        with _pillow_errors():
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
    with _opened(file, max_pixels) as (image, contents, data):
        sections: list[bytes | None] = []

        def account() -> None:
            sections.append(_account(image, contents, metadata, data, 1))

        picture = _load_pil(image, contents, account)
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
    with _opened(file, max_pixels) as (image, contents, data):
        n = getattr(image, "n_frames", 1)
        width, height = image.size
        check_pixels(width, n * height, max_pixels)

        def account() -> None:
            _account(image, contents, bool(metadata), data, n)
            if metadata and n > 1:
                _warn("of pages only samples and colour profile are kept")

        first = _load_pil(image, contents, account)
        if n == 1:
            yield first
            return
        yield dataclasses.replace(first, exif=None, xmp=None, dpi=None)
        for i in range(1, n):
            image.seek(i)
            page = _load_pil(image, None, lambda: None)
            yield dataclasses.replace(page, icc=page.icc or first.icc, exif=None, xmp=None)


@contextlib.contextmanager
def _opened(
    file: str | os.PathLike[str] | BinaryIO, max_pixels: int
) -> Iterator[tuple[Image.Image, Contents | None, bytes]]:
    """A file as an image that is not loaded yet, its parts, and its bytes."""
    with _pillow_errors():
        data = _read(file)
        contents = parts.read(data, max_pixels)
        if contents and contents.pixels and "PNG" in contents.formats:
            _check_png(io.BytesIO(data))
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


def _check_png(file: Any) -> None:
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


def _account(
    image: Image.Image,
    contents: Contents | None,
    wants_metadata: bool | str,
    data: bytes,
    n_kept: int,
) -> bytes | None:
    """Tell all of a file that its picture will not carry; or carry it as a section."""
    said, names = _frames(image, contents, n_kept), []
    samples = contents.samples if contents else []
    if contents is None:
        names = [f"what a {image.format} file holds beside its picture"]
    else:
        lost = [p for p in contents.lost if wants_metadata or not p.is_metadata]
        lost = [p for p in lost if p.name != "frame"]
        if _has_more(image, contents, data):
            lost.append(Lost("bytes after the samples", b""))
            samples = []
        if wants_metadata and _without_claims(contents) != contents.xmp:
            lost.append(Lost("what XMP says of parts that are left out", b""))
        names = list(parts.names(lost))
    section = None
    if wants_metadata == "all" and (said or names):
        section = kept.write(data, samples, image.width * image.height)
        names = ["further pictures"] * bool(said) + names
        text = f"kept beside the picture, for --format kept: {', '.join(names)}"
        warnings.warn(text, ConversionNote, stacklevel=4)
        said = []
    elif names:
        said.append(f"left out: {', '.join(names)}")
    if contents and contents.has_unnamed_alpha and image.mode in ("LA", "RGBA"):
        said.append("a band that the file does not call alpha is taken for it")
    bands = hidden.further_bands(image)
    if bands:
        said.append(f"only the colours are kept; bands left out: {bands}")
    if said:
        _warn("; ".join(said))
    return section


def _frames(image: Image.Image, contents: Contents | None, n_kept: int) -> list[str]:
    """A line on the frames and icons that are left out, if there are any."""
    n = getattr(image, "n_frames", 1)
    n = max(n, contents.n_frames if contents else 1)
    if n > n_kept:
        kept = "one frame" if n_kept == 1 else f"{n_kept} frames"
        return [f"only {kept} of {n} {'is' if n_kept == 1 else 'are'} kept"]
    if len(image.info.get("sizes", ())) > 1:
        return [f"only the largest of {len(image.info['sizes'])} icons is kept"]
    return []


def _has_more(image: Image.Image, contents: Contents, data: bytes) -> bool:
    """Whether coded samples go on behind the picture; only decoders know."""
    if contents.scan_end:
        return hidden.ends_early(image, data, contents.scan_end)
    if image.format != "JXL":
        return False
    try:
        opener: Any = type(image)
        opener(io.BytesIO(jxl.codestream(data).data[:-1]), "")
    except Exception:  # of many types: without its last byte it is cut short
        return False
    return True


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
    account: Callable[[], None] | None = None,
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
        _check_png(file)
    start = hidden.head(file)
    bits = hidden.depth(image, start)
    lost = hidden.lost_colour(image, start, contents)
    _check_range(image, bits)
    if account:
        account()
    else:
        for message in _frames(image, contents, 1):
            _warn(message)
    turned = _turned_by_pillow(image)
    image.load()
    hidden.mend_transparency(image, contents)
    if contents and contents.is_premultiplied and "A" in image.getbands():
        image = _unpremultiply(image)
    if bits > 8:
        _warn(f"{bits} bits a sample cut to 8")
        image = _to_8_bits(image)
    if lost:
        _warn(f"the colours are taken for sRGB; {lost} is left out")
    icc, exif, xmp = _metadata(image, contents)
    turn = _turn(exif, xmp, image, contents, turned)
    image, icc = _convert(image, icc)
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
    icc, exif, xmp = contents.icc, contents.exif, _without_claims(contents)
    if exif and not metadata.is_exif(exif):
        _warn("Exif that cannot be read is left out")
        exif = None
    if not contents.reads_metadata:  # the plugin knows the rest
        icc, *others = metadata.read(image)
        exif, xmp = exif or others[0], xmp or others[1]
    return icc, exif, xmp


def _without_claims(contents: Contents) -> bytes | None:
    """XMP without what it says of parts that are left out."""
    xmp, names = contents.xmp, {p.name for p in contents.lost}
    if "extended XMP" in names:
        xmp = metadata.without_claims(xmp, extended=True)
    if any(not p.is_metadata for p in contents.lost):
        xmp = metadata.without_claims(xmp, extended=False)
    return xmp


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
        _warn(f"what is said of the orientation differs; {value} is applied")
    return 1 if turned in _TURNS else value if value in _TURNS else 1


def _unpremultiply(image: Image.Image) -> Image.Image:
    """Colours that are no longer multiplied by alpha."""
    _warn("premultiplied alpha converted")
    if image.format != "JPEG2000":
        return image  # its decoder has done it
    done = Image.frombytes(image.mode[:-1] + "a", image.size, image.tobytes())
    done.info, mode = image.info, image.mode
    return done.convert(mode)


def _check_range(image: Image.Image, bits: int) -> None:
    """Refuse samples of which nobody says how large white is."""
    if hidden.is_signed(image):
        raise InputError("signed samples, of which no one says what is white; scale them to 0..255")
    if image.mode[0] in "IF" and image.format not in _FULL_RANGE:
        raise InputError(
            f"samples of {bits} bits in mode {image.mode}, of which the range "
            f"is not known; scale them to 0..255 and 8 bits first"
        )


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits to L; of colour, Pillow has kept the high bits."""
    if image.mode[0] != "I":
        # One of 16 bits a sample: of 8 it would hit its neighbours.
        if image.mode == "RGB" and image.info.pop("transparency", None):
            _warn("the transparent colour is left out")
        return image
    high = np.clip(np.asarray(image).astype(np.int32) >> 8, 0, 255)
    done = Image.fromarray(high.astype(np.uint8))
    done.info = image.info
    # A transparent grey is one of 16 bits: of 8 it would hit its neighbours.
    if isinstance(done.info.pop("transparency", None), int):
        _warn("the transparent colour is left out")
    return done


def _convert(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """To L, LA, RGB or RGBA, and the profile that then holds."""
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" in image.info:
        return image.convert("LA" if mode == "L" else "RGBA"), icc
    if mode in ("L", "LA", "RGB", "RGBA"):
        return image, icc
    if mode == "P":
        seen = "RGBA" if image.has_transparency_data else "RGB"
        return image.convert(seen), icc
    if mode in ("CMYK", "LAB"):
        return _to_srgb(image, icc), None
    if mode in _LOSSY:
        _warn(f"{mode} converted to {_LOSSY[mode]}")
        return image.convert(_LOSSY[mode]), icc
    if mode in _LOSSLESS:
        if mode == "1" and "transparency" in image.info:
            return image.convert("LA"), icc
        return image.convert(_LOSSLESS[mode]), icc
    raise InputError(f"mode {mode} is not read; convert it to RGB first")


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """CMYK or LAB to sRGB; the profile, if it fits, says how."""
    from PIL import ImageCms  # here, as it is slow to load and seldom used

    source: Any
    if image.mode == "LAB":
        source = ImageCms.createProfile("LAB")
    elif icc and icc[16:20] == b"CMYK":
        source = io.BytesIO(icc)
    else:
        _warn("CMYK converted to RGB without a colour profile")
        return image.convert("RGB")
    try:
        done: Any = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        if image.mode == "LAB":
            raise
        _warn("CMYK converted to RGB; its colour profile is not usable")
        return image.convert("RGB")
    _warn(f"{image.mode} converted to sRGB")
    return done


def _warn(message: str) -> None:
    warnings.warn(message, ConversionWarning, stacklevel=4)


@contextlib.contextmanager
def _pillow_errors() -> Iterator[None]:
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
