"""ICC, Exif and XMP bytes, carried as they are, and the sections."""

import itertools
import re
import struct
from collections.abc import Collection

from PIL import Image

from ..types import Array, Picture, Sections
from . import kept, origin, tiff
from .alpha import alpha_to_png, png_to_alpha

_PREFIX = b"Exif\0\0"
# What describes the photograph; all other tags describe the TIFF file.
_TIFF_DIRECTORIES = (tiff.EXIF, tiff.GPS)
_TIFF_TAGS = (*tiff.PHOTO, *_TIFF_DIRECTORIES)
_DPI = struct.Struct("<II")  # thousandths of a pixel per inch
_TIFF_NAMESPACE = "http://ns.adobe.com/tiff/1.0/"
_ANY = r"[\w.-]+"
# What XMP says of pictures and videos that lie behind the picture: the names of
# a namespace that do.
_CLAIMS = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": _ANY,
    "http://ns.google.com/photos/1.0/container/": _ANY,
    "http://ns.google.com/photos/1.0/camera/": r"(?:MicroVideo|MotionPhoto)[\w.-]*",
}
MAX_PREFIXES = 64  # that one text has of namespaces which matter here
_EXTENDED = {"http://ns.adobe.com/xmp/note/": "HasExtendedXMP"}


def read(image: Image.Image) -> tuple[bytes | None, bytes | None, bytes | None]:
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
    return icc or None, exif if is_exif(exif) else None, xmp or None


def photo_tags(exif: Image.Exif) -> Image.Exif:
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


def is_exif(exif: bytes) -> bool:
    """Whether these bytes begin as Exif does."""
    return exif[:4] in (b"II*\0", b"MM\0*")


def orientation(exif: bytes | None, xmp: bytes | None = None) -> int:
    """Orientation as Exif says it, or XMP where Exif has none.

    Parameters
    ----------
    exif, xmp : bytes or None

    Returns
    -------
    int, 1..8
        1 (upright) also where there is none or it cannot be read.
    """
    values = orientations(exif) or orientations(None, xmp)
    # The last one, as in Pillow.
    return next((v for v in reversed(values) if 1 <= v <= 8), 1)


def orientations(exif: bytes | None, xmp: bytes | None = None) -> list[int]:
    """All that is said of the orientation, by Exif and then by XMP.

    What is no number is 0.
    """
    found = [value for _, _, value in _orientation_entries(exif)]
    return found + [int(n) for n in _orientation_of_xmp(xmp)]


def upright(exif: bytes | None, xmp: bytes | None) -> tuple[bytes | None, bytes | None]:
    """Say that the pixels stand upright, changing nothing but that.

    Parameters
    ----------
    exif, xmp : bytes or None

    Returns
    -------
    exif, xmp : bytes or None
        Of the same lengths.
    """
    for at, form, value in _orientation_entries(exif):
        if form and value != 1 and exif:
            one = struct.pack(form, 1)
            exif = exif[:at] + one + exif[at + len(one) :]
    if xmp and any(n != "1" for n in _orientation_of_xmp(xmp)):
        text, encoding = _text(xmp)
        xmp = _xmp_orientation(text).sub(r"\g<1>1", text).encode(encoding)
    return exif, xmp


def without_claims(xmp: bytes | None, extended: bool) -> bytes | None:
    """XMP without what it says of parts that are left out.

    Parameters
    ----------
    xmp : bytes or None
    extended : bool
        Take away the pointer to extended XMP alone; otherwise what it says
        of gain maps, videos and other pictures in the file.

    Returns
    -------
    bytes or None
    """
    if not xmp:
        return xmp
    text, encoding = _text(xmp)
    claims = _EXTENDED if extended else _CLAIMS
    for prefix, namespace in _prefixes(text, claims):
        name = rf"{re.escape(prefix)}:{claims[namespace]}"
        text = re.sub(rf"<({name})(?:\s[^<>]*)?(?<!/)>.*?</\1\s*>", "", text, flags=re.S)
        text = re.sub(rf"<{name}(?:\s[^<>]*)?/>", "", text)
        text = re.sub(rf"""\s{name}\s*=\s*("[^"]*"|'[^']*')""", "", text)
    return text.encode(encoding)


def _text(xmp: bytes) -> tuple[str, str]:
    """XMP as text, and the encoding that gives the same bytes again.

    XMP may be UTF-8, 16 or 32; each byte of UTF-8 is a letter here.
    """
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        start = xmp.removeprefix("\ufeff".encode(encoding))
        if start.startswith("<".encode(encoding)):
            try:
                return xmp.decode(encoding), encoding
            except UnicodeDecodeError:
                break
    return xmp.decode("latin-1"), "latin-1"


def _prefixes(text: str, namespaces: Collection[str]) -> set[tuple[str, str]]:
    """(prefix, namespace) of each that the text has of these namespaces."""
    names = "|".join(map(re.escape, namespaces))
    found = re.finditer(rf"""xmlns:([\w.-]++)\s*+=\s*+["']({names})["']""", text)
    return {(match[1], match[2]) for match in itertools.islice(found, MAX_PREFIXES)}


def _xmp_orientation(text: str) -> re.Pattern[str]:
    """What finds it in this text: what comes before, and the number.

    As lax as Pillow: what it would turn is turned here.
    """
    found = {prefix for prefix, _ in _prefixes(text, (_TIFF_NAMESPACE,))} | {"tiff"}
    names = "|".join(map(re.escape, found))
    return re.compile(rf"""((?:{names}):Orientation\s*(?:=\s*["']|>)\s*)([1-8])""")


def _orientation_of_xmp(xmp: bytes | None) -> list[str]:
    if not xmp:
        return []
    text = _text(xmp)[0]
    return [found[2] for found in _xmp_orientation(text).finditer(text)]


def _orientation_entries(exif: bytes | None) -> list[tuple[int, str, int]]:
    """(offset, form, value) of each orientation in the first directory.

    No form and 0 where the value is no number.
    """
    if not exif or not is_exif(exif):
        return []
    try:
        order, big, at = tiff.start_of(exif)
        found = tiff.directory(exif, order, big, at).entries
    except struct.error:
        return []
    return [
        (e.at, order + tiff.INTEGERS[e.kind], e.integers(order)[0])
        if e.kind in tiff.INTEGERS and e.count
        else (e.at, "", 0)
        for e in found
        if e.tag == tiff.ORIENTATION
    ]


def to_sections(picture: Picture) -> Sections:
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
    if picture.dpi and all(0.001 <= n < 4e6 for n in picture.dpi):
        sections["dpi0"] = _DPI.pack(*(round(1000 * n) for n in picture.dpi))
    for kind, data in (
        ("ICCP", picture.icc),
        ("exif", picture.exif),
        ("xmp0", picture.xmp),
    ):
        if data:
            sections[kind] = data
    if picture.origin is not None:
        sections[origin.SECTION] = origin.write(picture.origin)
    if picture.kept:
        sections[kept.SECTION] = picture.kept
    return sections


def from_sections(pixels: Array, sections: Sections) -> Picture:
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
    alpha, height, width = None, *pixels.shape[:2]
    if "ALPH" in sections:
        alpha = png_to_alpha(sections["ALPH"], height, width)
    found = sections.get("exif", b"")
    exif, xmp = upright(found if is_exif(found) else None, sections.get("xmp0") or None)
    stored = sections.get("dpi0", b"")
    dpi = _DPI.unpack(stored) if len(stored) == _DPI.size else (0, 0)
    return Picture(
        pixels,
        alpha,
        sections.get("ICCP") or None,
        exif,
        xmp,
        dpi=(dpi[0] / 1000, dpi[1] / 1000) if all(dpi) else None,
        origin=origin.read(sections.get(origin.SECTION)),
        kept=sections.get(kept.SECTION),
    )
