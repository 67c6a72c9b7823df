"""Files of boxes: AVIF and HEIC (items of ``meta``), JPEG XL, JPEG 2000."""

import dataclasses
import re
import struct
from collections.abc import Callable, Iterator

from . import coded, jxl
from .walk import Walk

_PADDING = b"free", b"skip", b"wide"
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF_UUID = b"JpgTiffExif->JP2"
_UUIDS = {
    bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"): "GeoJP2",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC",
}
_NAMES = {b"mpvd": "video", b"moov": "tracks", b"jbrd": "the way back to a JPEG"}
_WORDS = b"xml ", b"IPTC"
_BRANDS = re.compile(
    b"avif|avis|avio|mif[12]|miaf|MA1[AB]|msf1|he[iv][cmsx]|MiH[ABE]|MiPr|tmap|unif"
    b"|1pic|pred|geo1|iso[2-9m]|mp4[12]|jxl |jp2 |jp[xm][ b]"
)
MAX_BOXES = 4096
MAX_LABEL = 32  # bytes of a name that nobody sees
MAX_UNKNOWN = 2  # brands


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """(type, start of the box, start of its body, its end) of each box.

    Raises
    ------
    struct.error
        A length that leads nowhere.
    """
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        stop = end if size == 0 else start + size
        if stop < body or stop > end:
            raise struct.error("a box that does not fit")
        yield kind, start, body, stop
        start = stop


def walk(walk: Walk) -> None:
    """Account for a file of boxes, as `parts.read` does."""
    data = walk.data
    own = {b"JXL ": _jxl_box, b"jP  ": _jp2_box}.get(data[4:8], _heif_box)
    # Of the others Pillow and the extras give the profile that applies.
    walk.found.reads_metadata = data[4:8] == b"jP  "
    seen: set[bytes] = set()
    for kind, start, body, end in boxes(data, 0, len(data)):
        is_first = kind not in seen
        seen.add(kind)
        if kind == b"ftyp" and not is_first:
            return  # another file behind this one
        is_known = _any_box(walk, kind, is_first, start, body, end)
        if not is_known and not own(walk, kind, is_first, start, body, end):
            _lose_box(walk, kind, start, end)
    if b"moov" in seen:  # its tracks are told; their samples lie there
        for kind, start, _, end in boxes(data, 0, len(data)):
            walk.cover(start, end if kind == b"mdat" else start)
    if data[4:8] == b"JXL ":
        _jxl_header(walk)


def _any_box(walk: Walk, kind: bytes, is_first: bool, start: int, body: int, end: int) -> bool:
    """Account for a box that any of these files may have; whether it is one."""
    if kind == b"ftyp":
        _brands(walk, start, body, end)
    elif kind == walk.data[4:8] and is_first:
        walk.cover(start, body + 4)
    elif kind in _PADDING:
        walk.cover(start, body)
    elif kind == b"uuid":
        _uuid(walk, start, body, end)
    else:
        return False
    return True


def _brands(walk: Walk, start: int, body: int, end: int) -> None:
    """Cover the names of what a file conforms to, but for odd ones."""
    walk.cover(start, body + 8)
    unknown = 0
    for at in range(body + 8, end - 3, 4):
        unknown += not _BRANDS.fullmatch(walk.data, at, at + 4)
        if unknown > MAX_UNKNOWN:
            break
        walk.cover(at, at + 4)


def _after_label(data: bytes, at: int, end: int) -> int:
    """Where a short name ends that begins there, with its zero."""
    found = data.find(b"\0", at, min(end, at + MAX_LABEL))
    return found + 1 if found >= 0 else at


def _lose_box(walk: Walk, kind: bytes, start: int, end: int) -> None:
    name = _NAMES.get(kind, f"box {kind.decode('latin-1')!r}")
    walk.lose(name, start, end, metadata=kind in _WORDS)


def _uuid(walk: Walk, start: int, body: int, end: int) -> None:
    name, value = walk.data[body : body + 16], walk.data[body + 16 : end]
    if name == _XMP_UUID:
        walk.keep("xmp", value, start, end)
    elif name == _EXIF_UUID:
        walk.keep("exif", value, start, end)
    else:
        known = _UUIDS.get(name, "box 'uuid'")
        walk.lose(known, start, end, metadata=known == "IPTC")


# JPEG XL --------------------------------------------------------------------


def _jxl_box(walk: Walk, kind: bytes, is_first: bool, start: int, body: int, end: int) -> bool:
    """Account for a box of a JPEG XL file; whether it is one that belongs there."""
    data = walk.data
    if kind == b"Exif":
        offset = int.from_bytes(data[body : body + 4], "big")
        at = body + 4 + offset
        if data[body : body + 4] in (b"II*\0", b"MM\0*"):  # some leave that out
            at = body
        elif at >= end or data[body + 4 : at] not in (b"", b"Exif\0\0"):
            return False
        walk.keep("exif", data[at:end], start, end)
    elif kind == b"xml ":
        walk.keep("xmp", data[body:end], start, end)
    elif kind == b"brob" and data[body : body + 4] in (b"Exif", b"xml "):
        walk.lose("packed Exif or XMP", start, end, metadata=True)
    elif kind == b"jxll" and is_first:
        walk.cover(start, body + 1)
    elif kind in (b"jxlc", b"jxlp"):
        walk.cover(start, body)
        walk.cover_samples(body, end)  # `jxl.codestream` says which of them count
    else:
        return False
    return True


def _jxl_header(walk: Walk) -> None:
    """What the codestream says itself."""
    header = jxl.header(walk.data)
    if header:
        walk.found.orientation = header.orientation
        walk.found.n_frames = 2 if header.is_animated else 1  # or more
        walk.found.is_premultiplied = header.is_premultiplied
        if header.is_animated:
            walk.keep_samples()
        for name in header.channels:
            walk.lose_among_samples(name)
    stream = jxl.codestream(walk.data)
    if stream.surplus:
        walk.lose_among_samples("further codestreams", stream.surplus)


def codestream(walk: Walk) -> None:
    """Account for a bare codestream of JPEG XL or JPEG 2000."""
    walk.found.reads_metadata = False
    if walk.data[:2] == b"\xff\x0a":
        walk.cover_samples(0, len(walk.data))
        _jxl_header(walk)
    else:
        walk.found.has_unnamed_alpha = True
        _jp2_codestream(walk, 0, len(walk.data))


# JPEG 2000 ------------------------------------------------------------------

# All that say how samples are coded: SIZ, COD, COC, TLM, .. up to CRG.
_JP2_MARKERS = {*range(0xFF50, 0xFF64)}
# CMYK, sRGB, grey, sYCC: those that are read for what they are.
_JP2_SPACES = {12, 16, 17, 18}
# What the library that writes them all leaves in each.
_OPENJPEG = re.compile(rb"Created by OpenJPEG version [\d.]{1,12}")


def _jp2_box(walk: Walk, kind: bytes, is_first: bool, start: int, body: int, end: int) -> bool:
    """Account for a box of a JPEG 2000 file; whether it belongs there."""
    if kind == b"jp2h" and is_first:
        _jp2_header(walk, start, body, end)
    elif kind == b"jp2c" and is_first:
        walk.cover(start, body)
        _jp2_codestream(walk, body, end)
    elif kind == b"rreq" and is_first:
        walk.cover(start, _after_features(walk.data, body))
    else:
        return False
    return True


def _jp2_header(walk: Walk, start: int, body: int, end: int) -> None:
    walk.cover(start, body)
    walk.found.has_unnamed_alpha = True
    seen: set[bytes] = set()
    for kind, inner, at, stop in boxes(walk.data, body, end):
        is_first = kind not in seen
        seen.add(kind)
        method = walk.data[at] if kind == b"colr" else 0
        if kind == b"colr" and method in (2, 3):
            walk.cover(inner, at + 3)
            walk.keep("icc", walk.data[at + 3 : stop], at + 3, stop)
        elif kind == b"colr" and method == 1:
            walk.cover(inner, at + 7)
            (space,) = struct.unpack_from(">I", walk.data, at + 3)
            if space not in _JP2_SPACES and walk.found.colours is None:
                walk.found.colours = f"colour space {space}"
        elif kind == b"res " and is_first:
            _jp2_resolution(walk, inner, at, stop)
        elif kind in _JP2H and is_first:
            end = at + _JP2H[kind](walk.data[at:stop])
            walk.cover(inner, min(stop, end))
            if kind == b"cdef":
                types = set(struct.unpack_from(f">{(end - at) // 2}H", walk.data, at)[2::3])
                walk.found.is_premultiplied = 2 in types
                walk.found.has_unnamed_alpha = types.isdisjoint({1, 2})
        else:
            _lose_box(walk, kind, inner, stop)


def _palette_size(body: bytes) -> int:
    """Bytes of a palette: entries, columns, their bits, the values."""
    n, columns = struct.unpack_from(">HB", body)
    bits = body[3 : 3 + columns]
    return 3 + columns + n * sum(((b & 127) + 8) // 8 for b in bits)


# How long boxes of a header are, by what they say of it.
_JP2H: dict[bytes, Callable[[bytes], int]] = {
    b"ihdr": lambda body: 14,
    b"bpcc": lambda body: min(len(body), 4),
    b"cmap": lambda body: min(len(body) // 4, 4) * 4,
    b"cdef": lambda body: 2 + 6 * min(struct.unpack_from(">H", body)[0], 5),
    b"pclr": _palette_size,
}


def _after_features(data: bytes, at: int) -> int:
    """Where the list of features ends that a reader must know."""
    width = data[at]
    at += 1 + 2 * width
    for size in (2, 16):  # of the standard, of others
        (n,) = struct.unpack_from(">H", data, at)
        at += 2 + min(n, 64) * (size + width)
    return at


def _jp2_resolution(walk: Walk, start: int, body: int, end: int) -> None:
    """Pixels per inch, of numbers per metre; that of display goes first."""
    walk.cover(start, body)
    found = {}
    for kind, inner, at, _ in boxes(walk.data, body, end):
        if kind in (b"resc", b"resd") and kind not in found:
            walk.cover(inner, at + 10)
            vn, vd, hn, hd, ve, he = struct.unpack_from(">HHHHbb", walk.data, at)
            if vd and hd:
                found[kind] = hn / hd * 10.0**he, vn / vd * 10.0**ve
    for x, y in [found[k] for k in (b"resd", b"resc") if k in found][:1]:
        walk.resolution(x, y, 0.0254)


def _jp2_codestream(walk: Walk, at: int, end: int) -> None:
    """Cover a codestream: its main header, its tiles, its end."""
    data, start = walk.data, at
    at += 2
    walk.cover(start, at)
    while at + 4 <= end:
        walk.spend(1)
        marker, size = struct.unpack_from(">HH", data, at)
        if marker == 0xFFD9:
            walk.cover(at, at + 2)
            return
        stop = at + 2 + size
        if marker == 0xFF90:  # a part of a tile, with its length
            (length,) = struct.unpack_from(">I", data, at + 6)
            stop = at + length if length else end - 2
            if stop < at + 12 or stop > end:
                raise struct.error("a tile that does not fit")
            _jp2_tile(walk, at, stop)
        elif marker == 0xFF64:
            _jp2_comment(walk, at, stop)
        elif marker in _JP2_MARKERS:
            walk.cover(at, min(stop, end))
        else:
            walk.lose(f"segment {marker:X}", at, min(stop, end))
        at = stop
    if data[at : at + 2] == b"\xff\xd9":
        walk.cover(at, at + 2)


def _jp2_tile(walk: Walk, start: int, end: int) -> None:
    """Cover a part of a tile: its header may have comments."""
    data, at = walk.data, start + 12
    walk.cover(start, at)
    while at + 4 <= end:
        walk.spend(1)
        marker, size = struct.unpack_from(">HH", data, at)
        if marker == 0xFF93:
            break
        if marker == 0xFF64:
            _jp2_comment(walk, at, at + 2 + size)
        elif marker in _JP2_MARKERS:
            walk.cover(at, at + 2 + size)
        else:
            walk.lose(f"segment {marker:X}", at, at + 2 + size)
        at += 2 + size
    walk.cover_samples(at, end)  # packets


def _jp2_comment(walk: Walk, at: int, end: int) -> None:
    body = walk.data[at + 6 : end]
    if _OPENJPEG.fullmatch(body):
        walk.cover(at, end)
    else:
        is_text = walk.data[at + 4 : at + 6] == b"\0\1"
        walk.lose("comment", at, end, body, metadata=is_text)


# AVIF and HEIC --------------------------------------------------------------

_META = b"hdlr", b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"idat", b"dinf", b"grpl"
_PICTURES = b"av01", b"hvc1", b"jpeg", b"grid", b"iden", b"iovl", b"j2k1"
_XMP_TYPE = b"application/rdf+xml"
# What an auxiliary picture of HEIC and AVIF is, by its name.
_AUXILIARY = {"depth": "depth map", "gainmap": "gain map"}
# Properties that say how samples lie, and the most bytes that this takes.
_PROPERTIES = {b"ispe": 12, b"pixi": 16, b"irot": 1, b"imir": 1, b"a1op": 1}
_PROPERTIES.update({b"lsel": 2, b"a1lx": 17, b"av1C": 128, b"hvcC": 2048})
_TEXTS = b"udes", b"crtt", b"mdft"
# None, unspecified, or sRGB's.
_SRGB_CICP = {(2, 2), (1, 2), (2, 13), (1, 13)}
# Orientation as in Exif, by quarters to the left and the axis of a mirror.
_ORIENTATIONS = {(0, 0): 4, (0, 1): 2, (1, 0): 5, (1, 1): 7, (2, 0): 2, (2, 1): 4}
_ORIENTATIONS.update({(3, 0): 7, (3, 1): 5})
_TURNS = {0: 1, 1: 8, 2: 3, 3: 6}


@dataclasses.dataclass
class _Item:
    """An item of a box ``meta``."""

    kind: bytes = b""
    mime: bytes = b""
    spans: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    properties: list[int] = dataclasses.field(default_factory=list)


def _heif_box(walk: Walk, kind: bytes, is_first: bool, start: int, body: int, end: int) -> bool:
    """Account for a box of AVIF or HEIC; whether it is one that belongs there."""
    if kind == b"meta" and is_first:
        _Meta(walk, start, body, end).walk()
    elif kind == b"mdat":
        walk.cover(start, body)  # what is in it belongs to items
    else:
        return False
    return True


class _Meta:
    """The items of a file and what the picture is made of."""

    def __init__(self, walk: Walk, start: int, body: int, end: int) -> None:
        self._walk = walk
        self._items: dict[int, _Item] = {}
        self._links: list[tuple[bytes, int, tuple[int, ...]]] = []
        self._sources: dict[bytes, set[int]] = {}  # of links, by their type
        self._properties: list[tuple[bytes, int, int, int]] = []
        self._parts: dict[bytes, tuple[int, int]] = {}
        self._shown: set[int] = set()  # items that the picture is made of
        self._is_avif = walk.data[8:12] in (b"avif", b"avis")
        walk.cover(start, body + 4)
        for kind, begin, at, stop in boxes(walk.data, body + 4, end):
            if kind in _PADDING:
                walk.cover(begin, at)
            elif kind in _META and kind not in self._parts:
                self._parts[kind] = at, stop
                walk.cover(begin, at)
            else:
                _lose_box(walk, kind, begin, stop)

    def walk(self) -> None:
        """Read the boxes, then say what becomes of each item."""
        walk = self._walk
        for kind, (at, stop) in self._parts.items():
            if kind == b"hdlr":
                walk.cover(at, _after_label(walk.data, at + 24, stop))
            elif kind == b"pitm":
                walk.cover(at, at + (8 if walk.data[at] else 6))
            elif kind == b"dinf":
                walk.cover(at, min(stop, at + 28))  # all is in this file
            elif kind == b"grpl":
                for _, start, body, end in boxes(walk.data, at, stop):
                    n = struct.unpack_from(">I", walk.data, body + 8)[0]
                    walk.cover(start, min(body + 12 + 4 * n, end))
        primary = self._primary()
        for kind, read in (
            (b"iinf", self._read_items),
            (b"iloc", self._read_places),
            (b"iref", self._read_links),
            (b"iprp", self._read_properties),
        ):
            if kind in self._parts:
                read(*self._parts[kind])
        self._shown = set(self._parts_of(primary))
        self._frames(primary)
        self._look(primary)
        # What describes the picture itself goes first.
        own = {a for kind, a, to in self._links if kind == b"cdsc" and primary in to}
        for item in sorted(self._items, key=lambda i: i not in own):
            self._account(item)

    def _primary(self) -> int:
        at = self._parts.get(b"pitm", (0, 0))[0]
        wide = self._walk.data[at] if at else 0
        form = ">I" if wide else ">H"
        return int(struct.unpack_from(form, self._walk.data, at + 4)[0]) if at else 0

    def _read_items(self, at: int, end: int) -> None:
        data = self._walk.data
        head = at + 4 + (4 if data[at] else 2)
        self._walk.cover(at, head)
        for kind, start, body, stop in boxes(data, head, end):
            version = data[body]
            if kind != b"infe" or version < 2:
                continue
            (item,) = struct.unpack_from(">H" if version == 2 else ">I", data, body + 4)
            at = body + (8 if version == 2 else 10)
            # Its name, and for some a MIME type and an encoding.
            words = data[at + 4 : stop].split(b"\0")
            mime = words[1] if len(words) > 1 else b""
            self._items[item] = _Item(data[at : at + 4], mime)
            for _ in range(3 if self._items[item].kind == b"mime" else 1):
                at = _after_label(data, at + 4, stop) - 4
            self._walk.cover(start, at + 4)

    def _read_places(self, at: int, end: int) -> None:
        """The bytes of each item."""
        data, start = self._walk.data, at
        version, sizes, bases = data[at], data[at + 4], data[at + 5]
        o, n, b = sizes >> 4, sizes & 15, bases >> 4
        i = bases & 15 if version else 0
        letter, at = ("H", at + 6) if version < 2 else ("I", at + 6)
        width = struct.calcsize(letter)
        inline = self._parts.get(b"idat", (0, 0))
        at, count = at + width, int.from_bytes(data[at : at + width], "big")
        for _ in range(min(count, MAX_BOXES)):
            item = int.from_bytes(data[at : at + width], "big")
            at += width
            method = data[at + 1] & 15 if version else 0
            at += (2 if version else 0) + 2
            base = int.from_bytes(data[at : at + b], "big")
            (extents,) = struct.unpack_from(">H", data, at + b)
            at += b + 2
            self._walk.spend(extents + 1)
            for _ in range(extents):
                offset = base + int.from_bytes(data[at + i : at + i + o], "big")
                size = int.from_bytes(data[at + i + o : at + i + o + n], "big")
                at += i + o + n
                first, last = inline if method == 1 else (0, len(data))
                begin = min(first + offset, last)
                stop = min(begin + size, last) if size else last
                self._walk.spend(0, stop - begin)
                self._items.setdefault(item, _Item()).spans.append((begin, stop))
        self._walk.cover(start, at)

    def _read_links(self, at: int, end: int) -> None:
        """(type, from, to) of each reference between items."""
        data = self._walk.data
        letter = "H" if data[at] == 0 else "I"
        self._walk.cover(at, at + 4)
        for kind, start, body, _ in boxes(data, at + 4, end):
            item, n = struct.unpack_from(f">{letter}H", data, body)
            body += struct.calcsize(f">{letter}H")
            self._walk.spend(n)
            to = struct.unpack_from(f">{n}{letter}", data, body)
            self._walk.cover(start, body + struct.calcsize(f">{n}{letter}"))
            self._links.append((kind, item, to))

    def _read_properties(self, at: int, end: int) -> None:
        walk, data = self._walk, self._walk.data
        for kind, start, body, stop in boxes(data, at, end):
            if kind == b"ipco" and not self._properties:
                walk.cover(start, body)
                self._properties = list(boxes(data, body, stop))
            elif kind == b"ipma":
                walk.cover(start, self._associate(body))
        used = {n for item in self._items.values() for n in item.properties}
        for n, (kind, start, body, stop) in enumerate(self._properties, 1):
            if kind in _PADDING:
                walk.cover(start, body)
            elif n not in used or not self._cover_property(kind, start, body, stop):
                name = f"property {kind.decode('latin-1')!r}"
                walk.lose(name, start, stop, metadata=kind in _TEXTS)

    def _cover_property(self, kind: bytes, start: int, body: int, stop: int) -> bool:
        """Cover what says how samples lie; whether this does."""
        walk, data = self._walk, self._walk.data
        if kind == b"colr" and data[body : body + 4] == b"nclx":
            walk.cover(start, body + 11)
        elif kind == b"colr" and data[body : body + 4] in (b"prof", b"rICC"):
            walk.cover(start, body + 4)
            walk.keep("icc", data[body + 4 : stop], body + 4, stop)
        elif kind == b"pasp":
            walk.cover(start, body + 8)
            x, y = struct.unpack_from(">II", data, body)
            walk.resolution(x, y, None)
        elif kind == b"auxC":
            end = data.find(b"\0", body + 4, stop) + 1
            walk.cover(start, end if 0 < end <= body + 128 else body + 4)
        elif kind == b"clap" and not self._is_avif:
            walk.cover(start, body + 32)  # libheif cuts what is beyond it off
        elif stop - body <= _PROPERTIES.get(kind, -1):
            walk.cover(start, stop)
            self._lose_surplus(kind, data[body:stop])
        else:
            return False
        return True

    def _lose_surplus(self, kind: bytes, body: bytes) -> None:
        surplus = coded.surplus(kind, body) if body else b""
        if surplus:
            name = f"data between samples of {kind.decode('latin-1')!r}"
            self._walk.lose_among_samples(name, surplus)

    def _associate(self, at: int) -> int:
        """Which items have which properties; returns where that ends."""
        data = self._walk.data
        version, flags = data[at], data[at + 3]
        (count,) = struct.unpack_from(">I", data, at + 4)
        at += 8
        for _ in range(min(count, MAX_BOXES)):
            (item,) = struct.unpack_from(">H" if version < 1 else ">I", data, at)
            at += 2 if version < 1 else 4
            n, at = data[at], at + 1
            self._walk.spend(n)
            found = self._items.setdefault(item, _Item()).properties
            for _ in range(n):
                if flags & 1:
                    found.append(struct.unpack_from(">H", data, at)[0] & 0x7FFF)
                else:
                    found.append(data[at] & 0x7F)
                at += 1 + (flags & 1)
        return at

    def _linked(self, kind: bytes) -> set[int]:
        if kind not in self._sources:
            found = {item for which, item, _ in self._links if which == kind}
            self._sources[kind] = found
        return self._sources[kind]

    def _parts_of(self, item: int) -> list[int]:
        """An item, and the tiles that it is made of."""
        tiles = [to for k, a, tos in self._links if (k, a) == (b"dimg", item) for to in tos]
        return [item, *tiles]

    def _frames(self, primary: int) -> None:
        """Count the pictures that are no part of another."""
        tiles = {to for kind, _, tos in self._links if kind == b"dimg" for to in tos}
        parts = tiles | self._linked(b"thmb") | self._linked(b"auxl")
        pictures = {k for k, i in self._items.items() if i.kind in _PICTURES}
        whole = pictures - parts | {primary}
        told = {k for k, i in self._items.items() if i.kind == b"tmap"}
        # What belongs to none of these, whatever it says, is a picture too.
        orphans = pictures - self._reached(whole | told)
        self._walk.found.n_frames = max(1, len((whole & pictures) | orphans))
        self._walk.found.is_premultiplied = bool(self._linked(b"prem"))

    def _reached(self, items: set[int]) -> set[int]:
        """These items and their tiles, thumbnails and auxiliary pictures."""
        seen, new = set(items), set(items)
        while new:
            found: set[int] = set()
            for kind, item, tos in self._links[:MAX_BOXES]:
                if kind == b"dimg" and item in new:
                    found.update(tos)
                elif kind in (b"thmb", b"auxl") and not new.isdisjoint(tos):
                    found.add(item)
            new = found - seen
            seen |= new
            self._walk.spend(1 << 10)  # chains are short
        return seen

    def _look(self, primary: int) -> None:
        """How the picture is turned, and what colours it has."""
        found: dict[bytes, int] = {}
        for item in self._parts_of(primary):
            for n in self._items.get(item, _Item()).properties:
                if not 0 < n <= len(self._properties):
                    continue
                kind, _, body, _ = self._properties[n - 1]
                if kind == b"colr":
                    kind += self._walk.data[body : body + 4]
                if item == primary or kind.startswith(b"colr"):
                    found.setdefault(kind, body)
        data, contents = self._walk.data, self._walk.found
        quarters = data[found[b"irot"]] & 3 if b"irot" in found else 0
        contents.orientation = _TURNS[quarters]
        if b"imir" in found:
            axis = data[found[b"imir"]] & 1
            contents.orientation = _ORIENTATIONS[quarters, axis]
        if b"colrnclx" in found and not {b"colrprof", b"colrrICC"} & set(found):
            codes = struct.unpack_from(">HH", data, found[b"colrnclx"] + 4)
            if codes not in _SRGB_CICP:
                contents.colours = f"CICP {codes[0]}/{codes[1]}"

    def _account(self, number: int) -> None:
        """Say what becomes of an item."""
        walk, item = self._walk, self._items[number]
        body = b"".join(walk.data[a:b] for a, b in item.spans)
        name = ""
        if item.kind == b"Exif" and self._is_exif(body):
            offset = int.from_bytes(body[:4], "big")
            walk.keep("exif", body[4 + offset :])
        elif item.kind == b"mime" and item.mime == _XMP_TYPE:
            walk.keep("xmp", body)
        elif item.kind == b"tmap":
            name = "gain map"
        elif number in self._linked(b"auxl"):
            name = self._auxiliary(item)
        elif item.kind == b"mime":
            name = f"item of type {item.mime.decode('latin-1')}"
        elif item.kind in _PICTURES:
            self._lose_surplus(item.kind, body)
        else:
            name = f"item {item.kind.decode('latin-1')}"
        is_shown = number in self._shown and item.kind in _PICTURES and not name
        for start, end in item.spans:
            (walk.cover_samples if is_shown else walk.cover)(start, end)
        if name:
            walk.lose(name, data=body)

    def _is_exif(self, body: bytes) -> bool:
        offset = int.from_bytes(body[:4], "big")
        return body[4 : 4 + offset] in (b"", b"Exif\0\0") and len(body) > 4 + offset

    def _auxiliary(self, item: _Item) -> str:
        """What an auxiliary picture is; nothing, where it is alpha."""
        for n in item.properties:
            if not 0 < n <= len(self._properties):
                continue
            kind, _, body, stop = self._properties[n - 1]
            if kind != b"auxC":
                continue
            urn = self._walk.data[body + 4 : stop].split(b"\0")[0].decode("latin-1")
            if urn.endswith(("auxid:1", "alpha")):
                return ""
            if urn.endswith("auxid:2"):
                return "depth map"
            known = [name for part, name in _AUXILIARY.items() if part in urn]
            return known[0] if known else f"item {re.split('[:/]', urn)[-1]}"
        return "auxiliary picture"
