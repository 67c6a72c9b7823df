"""AVIF and HEIC: boxes, and the items of ``meta`` (ISO/IEC 23008-12)."""

import dataclasses
import re
import struct

from . import coded
from .boxes import MAX_BOXES, PADDING, after_label, boxes, lose_box
from .boxes import walk as walk_boxes
from .walk import Walk

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


def walk(walk: Walk) -> None:
    """Account for a file, as `parts.read` does."""
    walk.found.reads_metadata = False  # Pillow and the extra give the profile that applies
    walk_boxes(walk, _box)


@dataclasses.dataclass
class _Item:
    """An item of a box ``meta``."""

    kind: bytes = b""
    mime: bytes = b""
    spans: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    properties: list[int] = dataclasses.field(default_factory=list)


def _box(walk: Walk, kind: bytes, is_first: bool, start: int, body: int, end: int) -> bool:
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
            if kind in PADDING:
                walk.cover(begin, at)
            elif kind in _META and kind not in self._parts:
                self._parts[kind] = at, stop
                walk.cover(begin, at)
            else:
                lose_box(walk, kind, begin, stop)

    def walk(self) -> None:
        """Read the boxes, then say what becomes of each item."""
        walk = self._walk
        for kind, (at, stop) in self._parts.items():
            if kind == b"hdlr":
                walk.cover(at, after_label(walk.data, at + 24, stop))
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
                at = after_label(data, at + 4, stop) - 4
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
            if kind in PADDING:
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
