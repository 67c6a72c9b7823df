"""What Pillow does not tell of a file.

Depths that it cuts, raw photographs, colours that it does not pass on, and what
the files are that it cannot read.
"""

import re
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from . import jxl

_HEAD = 1 << 20  # the codestream of a JP2 comes after its profile
_UNREAD = (
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb".{4}ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)", "HEIC"),
    (rb"%PDF-", "PDF"),
    (rb"\s*(<\?xml.{0,999})?<svg", "SVG"),
    (rb"8BPB|8BPS", "Photoshop"),
    (rb"\x1f\x8b|PK\x03\x04|BZh|7z\xbc\xaf", "an archive"),
)
_AVIF_DEPTH = re.compile(rb"av1C\x81.(.)", re.DOTALL)
_CICP = re.compile(rb"\0\0\0\x04cICP(.{4})", re.DOTALL)
_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)


def head(file: Any) -> bytes:
    """The first bytes of a file that can seek; where it stands stays.

    Parameters
    ----------
    file : binary file object, or None

    Returns
    -------
    bytes
        None of them where the file is closed or cannot seek.
    """
    try:
        at = file.tell()
        file.seek(0)
        try:
            return file.read(_HEAD)
        finally:
            file.seek(at)
    except (AttributeError, OSError, ValueError):
        return b""


def name_unread(start: bytes) -> str | None:
    """What a file is that Pillow cannot read, from its first bytes.

    Returns
    -------
    str or None
    """
    for pattern, name in _UNREAD:
        if re.match(pattern, start[:1024], re.DOTALL):
            return name
    return None


def is_cut(file: Any) -> bool:
    """Whether a PNG file ends early or is damaged behind its samples.

    Pillow is content with the samples, and leaves out what it cannot read of
    the metadata after them.

    Parameters
    ----------
    file : binary file object, or None
        Of None, and where it is closed or cannot seek, nothing is said.
    """
    try:
        at = file.tell()
        file.seek(8)
        try:
            kind = None
            while kind != b"IEND":
                length, kind = struct.unpack(">I4s", file.read(8))
                if kind in (b"IDAT", b"fdAT"):  # those are checked later
                    file.seek(length, 1)
                    struct.unpack(">I", file.read(4))
                    continue
                data = file.read(length)
                (crc,) = struct.unpack(">I", file.read(4))
                if crc != zlib.crc32(data, zlib.crc32(kind)):
                    return True
            return False
        except struct.error:
            return True
        finally:
            file.seek(at)
    except (AttributeError, OSError, ValueError):
        return False


def depth(image: Image.Image, start: bytes) -> int:
    """Bits per sample in the file of a PIL image that is not loaded yet.

    Parameters
    ----------
    image : PIL.Image.Image
    start : bytes
        As of `head`.

    Returns
    -------
    int
        8 also for fewer.
    """
    found = 8
    if image.mode[0] in "IF":
        found = 16 if ";16" in image.mode else 32
    for tile in getattr(image, "tile", ()):
        name, args = tile[0], tile[3]
        if re.search(r";16[BLN]|SGI16", f"{name} {args}"):
            found = 16
        is_counted = name.startswith("ppm") and isinstance(args[-1], int)
        if is_counted and args[-1] > 255:  # P1 has words there
            found = args[-1].bit_length()
    if image.format == "AVIF":
        for flags in b"".join(_AVIF_DEPTH.findall(start)):
            found = max(found, 12 if flags & 0x20 else 10 if flags & 0x40 else 8)
    if image.format == "HEIF":
        found = max(found, image.info.get("bit_depth", 8))
    if image.format == "JXL":
        header = jxl.header(start)
        found = max(found, header.bits if header else 8)
    if image.format == "JPEG2000":
        found = max(found, *_jpeg2000_depths(start))
    return found


def _jpeg2000_depths(start: bytes) -> list[int]:
    at = start.find(b"\xff\x4f\xff\x51")  # SOC, then SIZ
    try:
        (n,) = struct.unpack_from(">H", start, at + 40)
        return [8] + [(start[at + 42 + 3 * i] & 0x7F) + 1 for i in range(n)]
    except (struct.error, IndexError):
        return [8]


def is_raw(image: Image.Image) -> bool:
    """Whether Pillow shows the preview in a raw photograph.

    A raw photograph is a TIFF file whose first directory is a thumbnail
    (NewSubfileType 1), or one that follows Adobe's DNG.
    """
    tags = getattr(image, "tag_v2", None) or {}
    return bool(tags.get(254, 0) & 1) or 50706 in tags


def lost_colour(image: Image.Image, start: bytes, contents: Any = None) -> str | None:
    """How a file describes its colours, where we do not pass that on.

    Parameters
    ----------
    image : PIL.Image.Image
    start : bytes
    contents : parts.Contents, optional

    Returns
    -------
    str or None
        None also where there is an ICC profile, which says it all but in a
        PNG with a cICP chunk: that outranks it.
    """
    said = image.format == "PNG" and _CICP.search(start.partition(b"IDAT")[0])
    if said:
        return None if said[1] == b"\x01\x0d\0\1" else "cICP"
    icc = contents.icc if contents and contents.reads_metadata else None
    if icc or image.info.get("icc_profile"):
        return None
    if contents and contents.colours:
        return str(contents.colours)
    if image.format != "PNG" or "srgb" in image.info:
        return None
    gamma, white = image.info.get("gamma"), image.info.get("chromaticity")
    if gamma and abs(gamma - 1 / 2.2) > 0.005:
        return f"gamma {gamma:g}"
    if white and max(abs(a - b) for a, b in zip(white, _SRGB)) > 0.005:
        return "primaries"
    return None


def ends_early(image: Any, data: bytes, end: int) -> bool:
    """Whether all samples of a JPEG lie before the last of its coded bytes.

    libjpeg writes no row before it has all bits of it. So if the last row is
    there without that byte, further bytes lie behind the samples. Up to seven
    of them can go unnoticed, as it reads ahead.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened, not loaded.
    data : bytes
        The file, with one scan.
    end : int
        Where its coded bytes end.

    Returns
    -------
    bool
    """
    name, box, _, arguments = image.tile[0]
    mark = (1, 254, 3, 77)[: len(image.getbands())]  # no row is all of that
    rows = Image.new(image.mode, image.size, mark if len(mark) > 1 else mark[0])
    more = getattr(image, "decoderconfig", ())
    decoder = Image._getdecoder(image.mode, name, arguments, more)
    decoder.setimage(rows.im, box)
    decoder.decode(data[: end - 1])
    last = np.asarray(rows.crop((0, image.height - 1, image.width, image.height)))
    return bool((last != np.array(mark, np.uint8)).any())


def mend_transparency(image: Image.Image, contents: Any) -> None:
    """Make one transparent grey of few bits one of 8, as its samples are.

    Pillow spreads the samples of 2 and 4 bits over 0..255, but not the value.

    Parameters
    ----------
    image : PIL.Image.Image
        Loaded.
    contents : parts.Contents or None
    """
    if not (contents and contents.transparency and image.format == "PNG"):
        return
    bits = contents.grey_bits
    if image.mode == "L" and bits in (2, 4):
        value = int.from_bytes(contents.transparency[:2], "big")
        image.info["transparency"] = value * 255 // (2**bits - 1)


def is_signed(image: Image.Image) -> bool:
    """Whether samples of a TIFF file have signs, which Pillow leaves out."""
    formats = (getattr(image, "tag_v2", None) or {}).get(339, ())
    return 2 in (formats if isinstance(formats, tuple) else (formats,))


def further_bands(image: Image.Image) -> int:
    """Bands of a TIFF file that are neither its colours nor its alpha."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return 0
    colours = {0: 1, 1: 1, 3: 1, 4: 1, 5: 4}.get(tags.get(262), 3)
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    return max(0, int(tags.get(277, colours)) - colours - alpha)
