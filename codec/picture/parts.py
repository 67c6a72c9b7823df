"""What a picture file holds, byte for byte and tag for tag.

`read` follows the lengths of a container and says of each part what becomes
of it. There are three answers: it is needed for the pixels (or says nothing
that they do not, as padding and previews), it is metadata that we carry, or
it is left out. What no part covers is left out too, so nothing disappears
because nobody knew of it: `pil` tells all of it in one line.

========  ============================================================
JPEG      segments; ICC, Exif, XMP, resolution; what comes after the end
PNG       chunks; the same, also in ImageMagick's raw profiles
TIFF      tags of the first directory, and bytes that no tag points to
boxes     AVIF, HEIC, JPEG XL, JPEG 2000: boxes, and items of ``meta``
the rest  GIF, WebP, BMP, PNM, QOI: blocks, chunks or the size
========  ============================================================

The bytes come from anywhere. A walker that meets nonsense stops; what it has
not covered then counts as left out. Pillow judges whether the picture is sound.
"""

import dataclasses
import re
import struct
import zlib
from collections.abc import Callable, Iterator

from . import boxes, jxl, tiff

MAX_INFLATED = 1 << 26  # bytes of compressed profiles and XMP
MAX_TAGS = 1 << 17
_ZEROS = re.compile(rb"\0*")


@dataclasses.dataclass
class Contents:
    """What `read` has found.

    Attributes
    ----------
    icc, exif, xmp : bytes or None
        ``exif`` from the TIFF header on.
    dpi : (float, float) or None
        Pixels per inch, horizontal and vertical, as stored.
    orientation : int or None
        As a TIFF file's own tag says it, 1..8.
    transparency : bytes or None
        Of a PNG file's tRNS.
    grey_bits : int
        Of a PNG file's grey samples; 0 where it has others.
    n_frames : int
        Pictures in the file, as far as that is seen here.
    lost : list of Lost
    pixels : bytes or None
        The file without its metadata, where Pillow is better without.
    reads_metadata : bool
        Whether ICC, Exif and XMP were looked for here.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int | None = None
    transparency: bytes | None = None
    grey_bits: int = 0
    n_frames: int = 1
    lost: list["Lost"] = dataclasses.field(default_factory=list)
    pixels: bytes | None = None
    reads_metadata: bool = True


@dataclasses.dataclass(frozen=True)
class Lost:
    """A part of a file that the output does not carry.

    Attributes
    ----------
    name : str
    data : bytes
    is_metadata : bool
        Whether it describes the picture, as ``--strip`` drops it.
    """

    name: str
    data: bytes
    is_metadata: bool = True


def _after_zeros(data: bytes, start: int) -> int:
    found = _ZEROS.match(data, start)
    return found.end() if found else start


class Walk:
    """The parts of one file, as a walker finds them."""

    def __init__(self, data: bytes) -> None:
        self.data, self.found = data, Contents()
        self._tags, self._inflated = MAX_TAGS, MAX_INFLATED
        self._covered: list[tuple[int, int]] = []

    def spend(self, tags: int) -> None:
        """Count the tags that were followed: a few bytes can name many."""
        self._tags -= tags
        if self._tags < 0:
            raise struct.error("too many tags")

    def inflate(self, data: bytes) -> bytes | None:
        """What a zlib stream holds; None if it is damaged or too much."""
        stream = zlib.decompressobj()
        try:
            found = stream.decompress(data, self._inflated + 1)
        except zlib.error:
            return None
        self._inflated = max(0, self._inflated - len(found))
        return found if stream.eof else None

    def cover(self, start: int, end: int) -> None:
        """These bytes are accounted for."""
        self._covered.append((start, min(end, len(self.data))))

    def lose(
        self, name: str, start: int, end: int, data: bytes = b"", metadata: bool = True
    ) -> None:
        """These bytes, which are all of ``data`` or hold it, are left out."""
        self.cover(start, end)
        self.found.lost.append(Lost(name, data or self.data[start:end], metadata))

    def keep(self, kind: str, value: bytes, start: int, end: int) -> None:
        """These bytes are the ICC profile, Exif or XMP; the first counts."""
        value = bytes(value)
        if getattr(self.found, kind) is None and value:
            setattr(self.found, kind, value)
            self.cover(start, end)
        elif value and value != getattr(self.found, kind):
            names = {"icc": "colour profile", "exif": "Exif", "xmp": "XMP"}
            self.lose(f"further {names[kind]}", start, end, value)
        else:
            self.cover(start, end)

    def end(self, what: str = "that nothing names") -> Contents:
        """Account for what no part has covered."""
        at = 0
        for start, end in sorted([*self._covered, (len(self.data), len(self.data))]):
            if start > at:
                self._gap(at, start, what)
            at = max(at, end)
        return self.found

    def _gap(self, start: int, end: int, what: str) -> None:
        if _after_zeros(self.data, start) >= end:
            return  # padding
        name = f"bytes {what}"
        if end == len(self.data):
            name = "bytes after the end"
            if b"ftyp" in self.data[start : start + 64]:
                name += ", a video"
        self.lose(name, start, end, metadata=False)


def read(data: bytes) -> Contents | None:
    """Account for all parts of a picture file.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    Contents or None
        None where the parts of such files are not known here.
    """
    for pattern, walker in _WALKERS:
        if re.match(pattern, data[:64], re.DOTALL):
            walk = Walk(data)
            try:
                walker(walk)
            except (struct.error, LookupError, ValueError, ArithmeticError):
                # Cut short, or nonsense: who knows what it would have been.
                walk.lose("what a damaged part holds", 0, 0, metadata=False)
            return walk.end()
    return None


# JPEG -----------------------------------------------------------------------

_MARKER = re.compile(rb"\xff+[^\0\xff\xd0-\xd7]")
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"


def _jpeg(walk: Walk) -> None:
    profile: dict[int, bytes] = {}
    end = _jpeg_segments(walk, profile)
    if profile:
        icc = b"".join(profile[k] for k in sorted(profile))
        walk.keep("icc", icc, 0, 0)
    # Further pictures: of a multi-picture file, a gain map, a preview.
    data = walk.data
    while True:
        start = _after_zeros(data, end)
        if data[start : start + 3] != b"\xff\xd8\xff":
            break
        other = Walk(data[start:])
        try:
            end = start + _jpeg_segments(other, {})
        except (struct.error, IndexError):
            break
        walk.lose("frame", start, end, metadata=False)
        walk.found.n_frames += 1


def _jpeg_segments(walk: Walk, profile: dict[int, bytes]) -> int:
    """Walk to the end of one JPEG; returns where it is."""
    data, at = walk.data, 2
    walk.cover(0, 2)
    while found := _MARKER.search(data, at):
        if found.start() > at:
            walk.cover(at, found.start())  # coded samples, or fill
        start, at = found.start(), found.end()
        marker = data[at - 1]
        if marker == 0xD9:
            walk.cover(start, at)
            return at
        if marker in (0x01, 0xD8):
            walk.cover(start, at)
            continue
        (size,) = struct.unpack_from(">H", data, at)
        end = at + size
        _jpeg_segment(walk, marker, data[at + 2 : end], start, end, profile)
        at = end
    walk.cover(0, len(data))  # cut short, or the samples have no end
    return len(data)


def _jpeg_segment(
    walk: Walk,
    marker: int,
    body: bytes,
    start: int,
    end: int,
    profile: dict[int, bytes],
) -> None:
    if marker == 0xFE:
        walk.lose("comment", start, end, body)
    elif not 0xE0 <= marker <= 0xEF:
        walk.cover(start, end)
    elif body.startswith(b"JFIF\0"):
        walk.cover(start, end)
        unit, x, y = struct.unpack_from(">BHH", body, 7)
        if unit in (1, 2) and x and y:
            walk.found.dpi = (x, y) if unit == 1 else (x * 2.54, y * 2.54)
        if len(body) > 14:
            walk.lose("preview", start, end, body)
    elif body.startswith(b"Exif\0"):
        walk.keep("exif", body[6:], start, end)
    elif body.startswith(_XMP):
        walk.keep("xmp", body[len(_XMP) :], start, end)
    elif body.startswith(b"ICC_PROFILE\0"):
        profile.setdefault(body[12], body[14:])
        walk.cover(start, end)
    elif body.startswith((b"MPF\0", b"Adobe")) and marker in (0xE2, 0xEE):
        walk.cover(start, end)
    else:
        walk.lose(_segment_name(marker, body), start, end, body)


def _segment_name(marker: int, body: bytes) -> str:
    if body.startswith(_EXTENDED):
        return "extended XMP"
    if body.startswith(b"Photoshop 3.0\0"):
        return "IPTC" if b"8BIM\4\4" in body else "Photoshop's blocks"
    name = re.match(rb"[A-Za-z][ -~]{2,20}", body)
    return f"APP{marker - 0xE0}" + (f" {name[0].decode()}" if name else "")


# PNG ------------------------------------------------------------------------

# What Pillow gets: colours that it needs, and animations for their number.
_PNG_PIXELS = set(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB cICP acTL fcTL fdAT sBIT hIST".split()
)
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}


def _png(walk: Walk) -> None:
    data, at, kept = walk.data, 8, [walk.data[:8]]
    texts: list[tuple[bytes, bytes, int, int]] = []
    walk.cover(0, 8)
    kind = None
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data):
            break
        body = data[at + 8 : at + 8 + size]
        if kind in _TEXTS:
            texts.append((kind, body, at, end))
        else:
            _png_chunk(walk, kind, body, at, end)
        if kind in _PNG_PIXELS or not kind[0] & 32:
            kept.append(data[at:end])
        at = end
    else:
        walk.found.pixels = b"".join(kept)
    # After the others: a chunk of its own goes before a raw profile.
    for kind, body, start, end in texts:
        _png_text(walk, kind, body, start, end)


def _png_chunk(walk: Walk, kind: bytes, body: bytes, start: int, end: int) -> None:
    if kind in _PNG_PIXELS or not kind[0] & 32:
        walk.cover(start, end)
        if kind == b"tRNS":
            walk.found.transparency = body
        if kind == b"IHDR" and body[9:10] == b"\0":
            walk.found.grey_bits = body[8]
    elif kind == b"iCCP":
        icc = walk.inflate(body.partition(b"\0")[2][1:])
        _keep_or_lose(walk, "icc", icc, "colour profile", start, end)
    elif kind == b"eXIf":
        walk.keep("exif", body.removeprefix(b"Exif\0\0"), start, end)
    elif kind == b"pHYs" and len(body) == 9:
        walk.cover(start, end)
        x, y, unit = struct.unpack(">IIB", body)
        if unit == 1 and x and y:
            walk.found.dpi = x * 0.0254, y * 0.0254
    else:
        walk.lose(f"chunk {kind.decode('latin-1')}", start, end, body)


def _png_text(walk: Walk, kind: bytes, body: bytes, start: int, end: int) -> None:
    keyword, _, text = body.partition(b"\0")
    name = keyword.decode("latin-1")
    if kind == b"iTXt":
        is_packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
    else:
        is_packed, text = kind == b"zTXt", text[kind == b"zTXt" :]
    raw = re.fullmatch("Raw profile type (exif|APP1|xmp|icc|icm)", name)
    if name != "XML:com.adobe.xmp" and not raw:
        walk.lose(f"text {name!r}", start, end)
        return
    inflated = walk.inflate(text) if is_packed else text
    if not raw:
        _keep_or_lose(walk, "xmp", inflated, "XMP", start, end)
        return
    value = _raw_profile(inflated)
    if value is None:
        walk.lose(name, start, end)
    elif value.startswith(_XMP) or raw[1] == "xmp":
        walk.keep("xmp", value.removeprefix(_XMP), start, end)
    elif raw[1] in ("icc", "icm"):
        walk.keep("icc", value, start, end)
    else:
        walk.keep("exif", value.removeprefix(b"Exif\0\0"), start, end)


def _keep_or_lose(
    walk: Walk, kind: str, value: bytes | None, name: str, start: int, end: int
) -> None:
    if value is None:
        walk.lose(f"{name} that cannot be read", start, end)
    else:
        walk.keep(kind, value, start, end)


def _raw_profile(text: bytes | None) -> bytes | None:
    """The bytes of ImageMagick's form: a name, a length, hexadecimal."""
    found = re.match(rb"\s*\S+\s+(\d{1,9})\s+([0-9A-Fa-f\s]*)$", text or b"")
    if not found:
        return None
    digits = re.sub(rb"\s", b"", found[2])
    value = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
    return value if len(value) == int(found[1]) else None


# The rest -------------------------------------------------------------------


def _gif(walk: Walk) -> None:
    data, frames = walk.data, 0
    walk.cover(0, 13)
    at = 13 + _gif_palette(data[10])
    walk.cover(13, at)
    while True:
        start, kind = at, data[at]
        if kind == 0x3B:
            walk.cover(start, at + 1)
            return
        if kind == 0x2C:
            at += 10
            at = _gif_blocks(data, at + _gif_palette(data[at - 1]) + 1)
            frames += 1
            walk.cover(start, at)
            continue
        if kind != 0x21:
            return
        label = data[at + 1]
        at = _gif_blocks(data, at + 2)
        name = data[start + 3 : start + 14] if label == 0xFF else b""
        if label == 0xF9 or name in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
            walk.cover(start, at)
        elif name == b"XMP DataXMP":
            # Not in blocks: the packet itself, and a tail that ends it.
            walk.keep(
                "xmp", data[start + 14 : at].partition(b"\x01\xff\xfe")[0], start, at
            )
        elif label == 0xFE:
            walk.lose("comment", start, at)
        else:
            walk.lose(f"extension {name.decode('latin-1') or label}", start, at)


def _gif_palette(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += data[at] + 1
    return at + 1


def _webp(walk: Walk) -> None:
    data = walk.data
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    walk.cover(0, 12)
    at = 12
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, at)
        start, at = at, at + 8 + size + size % 2
        body = data[start + 8 : start + 8 + size]
        if kind in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"):
            walk.cover(start, at)
        elif kind == b"ICCP":
            walk.keep("icc", body, start, at)
        elif kind == b"EXIF":
            walk.keep("exif", body.removeprefix(b"Exif\0\0"), start, at)
        elif kind == b"XMP ":
            walk.keep("xmp", body, start, at)
        else:
            walk.lose(f"chunk {kind.decode('latin-1')}", start, at)


def _bmp(walk: Walk) -> None:
    data = walk.data
    (offset, size) = struct.unpack_from("<II", data, 10)
    walk.cover(0, offset)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        packing = n_bytes = 0
    else:
        width, height, _, bits, packing, n_bytes = struct.unpack_from(
            "<iiHHII", data, 18
        )
        x, y = struct.unpack_from("<ii", data, 38)
        if x > 0 and y > 0:
            walk.found.dpi = x * 0.0254, y * 0.0254
    if packing in (1, 2, 4, 5):
        walk.cover(offset, offset + n_bytes)
    else:
        walk.cover(offset, offset + (width * bits + 31) // 32 * 4 * abs(height))
    if size >= 124 and data[70:74] in (b"DEBM", b"KNIL"):  # MBED, LINK
        start, length = struct.unpack_from("<II", data, 126)
        start += 14
        if data[70:74] == b"DEBM":
            walk.keep("icc", data[start : start + length], start, start + length)
        else:
            walk.lose("name of a colour profile", start, start + length)


_PNM_NUMBER = re.compile(rb"((?:\s|#[^\n\r]*[\n\r])*)(\d+)")


def _pnm(walk: Walk) -> None:
    data, at, values = walk.data, 2, []
    kind = data[1:2]
    for _ in range(2 if kind in b"14" else 3):
        found = _PNM_NUMBER.match(data, at)
        if not found:
            return
        values.append(int(found[2][:9]))
        for comment in re.finditer(rb"#[^\n\r]*", found[1]):
            start = at + comment.start()
            walk.lose("comment", start, at + comment.end())
        at = found.end()
    walk.cover(0, at + 1)
    if kind in b"123":  # in words: all of it
        walk.cover(0, len(data))
        return
    width, height = values[:2]
    if kind == b"4":
        size = (width + 7) // 8 * height
    else:
        size = width * height * (3 if kind == b"6" else 1) * (1 + (values[2] > 255))
    walk.cover(at + 1, at + 1 + size)


def _qoi(walk: Walk) -> None:
    end = walk.data.find(b"\0\0\0\0\0\0\0\1")
    walk.cover(0, len(walk.data) if end < 0 else end + 8)


def _ico(walk: Walk) -> None:
    (n,) = struct.unpack_from("<H", walk.data, 4)
    walk.cover(0, 6 + 16 * n)
    for i in range(n):
        size, at = struct.unpack_from("<II", walk.data, 14 + 16 * i)
        walk.cover(at, at + size)


def _codestream(walk: Walk) -> None:
    walk.cover(0, len(walk.data))
    walk.found.reads_metadata = False
    header = jxl.header(walk.data)
    if header and header.is_animated:
        walk.found.n_frames = 2  # or more


def _tiff(walk: Walk) -> None:
    walk.found.reads_metadata = True
    tiff.walk(walk)


def _boxes(walk: Walk) -> None:
    boxes.walk(walk)


_WALKERS: list[tuple[bytes, Callable[[Walk], None]]] = [
    (rb"\xff\xd8\xff", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"GIF8[79]a", _gif),
    (rb"RIFF....WEBP", _webp),
    (rb"II[*+]\0|MM\0[*+]", _tiff),
    (rb"BM", _bmp),
    (rb"P[1-6]\s", _pnm),
    (rb"qoif", _qoi),
    (rb"\0\0[\1\2]\0", _ico),
    (rb"\xff\x4f\xff\x51|\xff\x0a", _codestream),  # JPEG 2000, JPEG XL
    (rb".{4}(ftyp|jP  |JXL )", _boxes),
]


def names(lost: list[Lost]) -> Iterator[str]:
    """What was left out, each name once, with its size."""
    sizes: dict[str, int] = {}
    for part in lost:
        sizes[part.name] = sizes.get(part.name, 0) + len(part.data)
    for name, size in sizes.items():
        if name.startswith("bytes"):
            yield f"{size} {name}"
        else:
            yield f"{name} ({size} bytes)" if size else name
