"""ICC, Exif and XMP bytes, carried as they are, and the sections."""

import re
import struct

from PIL import Image

from ..types import Picture
from .alpha import alpha_to_png, png_to_alpha

ORIENTATION = 0x0112
_PREFIX = b"Exif\0\0"
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[2-8]""")
# What describes the photograph; all other tags describe the TIFF file.
_TIFF_DIRECTORIES = (34665, 34853)
_TIFF_TAGS = (270, 271, 272, 305, 306, 315, 316, 33432, *_TIFF_DIRECTORIES)


def read(image):
    """ICC, Exif and XMP of a loaded PIL image.

    Parameters
    ----------
    image : PIL.Image.Image

    Returns
    -------
    icc, exif, xmp : bytes or None
        As in the source. ``exif`` starts with the TIFF header; what does
        not is no Exif. In a TIFF file Exif has no bytes of its own: there
        the tags that describe the photograph are written anew.
    """
    info = image.info
    icc, exif = info.get("icc_profile"), info.get("exif")
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if exif is None and hasattr(image, "tag_v2"):
        tags = photo_tags(image.getexif())
        exif = tags.tobytes() if tags else None
    if isinstance(xmp, str):
        xmp = xmp.encode()
    icc, exif, xmp = (v if isinstance(v, bytes) else b"" for v in (icc, exif, xmp))
    exif = exif.removeprefix(_PREFIX)
    return icc or None, exif if _is_exif(exif) else None, xmp or None


def photo_tags(exif):
    """The tags that make sense in a file of any format.

    Parameters
    ----------
    exif : PIL.Image.Exif

    Returns
    -------
    PIL.Image.Exif
    """
    kept = Image.Exif()
    kept.endian = "<"
    for tag in _TIFF_TAGS:
        if tag not in exif:
            continue
        value = exif[tag]
        if tag in _TIFF_DIRECTORIES:
            # A further directory in there would be an offset into nowhere.
            value = {k: v for k, v in exif.get_ifd(tag).items() if k != 40965}
        if value:
            kept[tag] = value
    return kept


def _is_exif(exif):
    return exif[:4] in (b"II*\0", b"MM\0*")


def orientation(exif):
    """Exif orientation.

    Parameters
    ----------
    exif : bytes or None

    Returns
    -------
    int, 1..8
        1 (upright) also where there is none or it cannot be read.
    """
    return _orientation_entry(exif)[1]


def upright(exif, xmp):
    """Say that the pixels stand upright, changing nothing but that.

    Parameters
    ----------
    exif, xmp : bytes or None

    Returns
    -------
    exif, xmp : bytes or None
        Of the same lengths.
    """
    at, value = _orientation_entry(exif)
    if value != 1:
        one = struct.pack(_byte_order(exif) + "H", 1)
        exif = exif[:at] + one + exif[at + 2 :]
    if xmp:
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
    return exif, xmp


def _byte_order(exif):
    return "<" if exif[:2] == b"II" else ">"


def _orientation_entry(exif):
    """Offset and value of the orientation in the first directory."""
    if exif and _is_exif(exif):
        order = _byte_order(exif)
        try:
            (start,) = struct.unpack_from(order + "I", exif, 4)
            (count,) = struct.unpack_from(order + "H", exif, start)
            for at in range(start + 2, start + 2 + 12 * count, 12):
                tag, kind, n, value = struct.unpack_from(order + "HHIH", exif, at)
                if (tag, kind, n) == (ORIENTATION, 3, 1):
                    return at + 8, value if 1 <= value <= 8 else 1
        except struct.error:
            pass
    return None, 1


def to_sections(picture):
    """The sections of a file that belong to a picture.

    Parameters
    ----------
    picture : Picture

    Returns
    -------
    dict of str to bytes
        By type (docs/format.md, section 3).
    """
    sections = {}
    if picture.alpha is not None:
        sections["ALPH"] = alpha_to_png(picture.alpha)
    for kind, data in (
        ("ICCP", picture.icc),
        ("exif", picture.exif),
        ("xmp0", picture.xmp),
    ):
        if data:
            sections[kind] = data
    return sections


def from_sections(pixels, sections):
    """The picture of decoded pixels and the sections of their file.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width) or (height, width, 3)
    sections : dict of str to bytes
        Unknown types are ignored.

    Returns
    -------
    Picture
        The orientation in ``exif`` is set to upright.

    Raises
    ------
    FormatError
        The alpha plane is damaged or of another size.
    """
    alpha, exif = sections.get("ALPH"), sections.get("exif", b"")
    if alpha is not None:
        alpha = png_to_alpha(alpha, *pixels.shape[:2])
    exif, xmp = upright(exif if _is_exif(exif) else None, sections.get("xmp0") or None)
    return Picture(pixels, alpha, sections.get("ICCP") or None, exif, xmp)
