"""TIFF directories: what a file's tags are, and Exif made of some of them.

================  ======================================================
`walk`            account for a TIFF file, tag by tag
`entries`         the tags of a directory, with the bytes of their values
`write`           directories to the bytes of an Exif block
================  ======================================================

Values are copied as bytes, in the byte order and type that they have, so a
tag of an unusual type is as good as any other.
"""

import dataclasses
import struct
from collections.abc import Iterator
from typing import Any

# Bytes of a value, by type; those of BigTIFF (16 to 18) are offsets.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES.update({13: 4, 16: 8, 17: 8, 18: 8})
INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
MAX_ENTRIES = 4096

ORIENTATION, ICC, XMP, RESOLUTION_UNIT = 274, 34675, 700, 296
EXIF, GPS, INTEROPERABILITY, SUB_IFDS = 34665, 34853, 40965, 330
# What describes the photograph, and so goes into Exif.
PHOTO = (270, 271, 272, 305, 306, 315, 316, 33432)
# What says how the samples lie, or is carried in a way of its own.
_PIXELS = {254, 255, *range(256, 260), *range(262, 267), 273, 274, 277, 278, 279}
_PIXELS |= {280, 281, 282, 283, 284, 292, 293, 296, 317, 320, 321, 322, 323, 324, 325}
_PIXELS |= {332, 334, 338, 339, 340, 341, 347, *range(512, 522), *range(529, 533)}
_NAMES = {
    269: "document name",
    285: "page name",
    297: "page number",
    301: "transfer function",
    318: "white point",
    319: "primaries",
    33550: "GeoTIFF",
    33723: "IPTC",
    33922: "GeoTIFF",
    34264: "GeoTIFF",
    34377: "Photoshop's blocks",
    34735: "GeoTIFF",
    34736: "GeoTIFF",
    34737: "GeoTIFF",
    37724: "Photoshop's layers",
    42112: "GDAL's metadata",
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A tag of a directory.

    Attributes
    ----------
    tag, kind, count : int
    value : bytes
        In the file's byte order.
    at : int
        Where the value lies.
    """

    tag: int
    kind: int
    count: int
    value: bytes
    at: int

    def integers(self, order: str) -> list[int]:
        """The value as integers; none of them if it is of another type."""
        letter = INTEGERS.get(self.kind)
        if letter is None:
            return []
        return list(struct.unpack(f"{order}{self.count}{letter}", self.value))

    def numbers(self, order: str) -> list[float]:
        """The value as numbers of any type; those that are none left out."""
        if self.kind in (5, 10):
            letter = "I" if self.kind == 5 else "i"
            n = struct.unpack(f"{order}{2 * self.count}{letter}", self.value)
            return [a / b for a, b in zip(n[::2], n[1::2]) if b]
        if self.kind in (11, 12):
            letter = "f" if self.kind == 11 else "d"
            return list(struct.unpack(f"{order}{self.count}{letter}", self.value))
        return [float(i) for i in self.integers(order)]


@dataclasses.dataclass(frozen=True)
class Directory:
    """Where a directory lies, its tags and where the next one is."""

    start: int
    end: int
    entries: list[Entry]
    next: int


def start_of(data: bytes) -> tuple[str, bool, int]:
    """Byte order, whether it is BigTIFF, and the first directory.

    Raises
    ------
    struct.error
        Too short, or no TIFF header.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        raise struct.error("no TIFF header")
    (version,) = struct.unpack_from(order + "H", data, 2)
    if version == 43:
        return order, True, struct.unpack_from(order + "Q", data, 8)[0]
    return order, False, struct.unpack_from(order + "I", data, 4)[0]


def directory(data: bytes, order: str, big: bool, at: int) -> Directory:
    """One directory, as far as it lies in the data.

    Tags whose values lie elsewhere are left out.

    Raises
    ------
    struct.error
        It does not begin in the data.
    """
    head, form = ("Q", "HHQ8s") if big else ("H", "HHI4s")
    (n,) = struct.unpack_from(order + head, data, at)
    first, size = at + struct.calcsize(head), struct.calcsize("=" + form)
    room, found = (8, []) if big else (4, [])
    n = min(n, MAX_ENTRIES, (len(data) - first) // size)
    for i in range(n):
        place = first + i * size
        tag, kind, count, inline = struct.unpack_from(order + form, data, place)
        length = _SIZES.get(kind, 1) * count
        where = place + size - room
        if length > room:
            (where,) = struct.unpack(order + ("Q" if big else "I"), inline)
        if where + length <= len(data):
            value = bytes(data[where : where + length])
            found.append(Entry(tag, kind, count, value, where))
    after = first + n * size
    following = 0
    if after + room <= len(data):
        (following,) = struct.unpack_from(order + ("Q" if big else "I"), data, after)
    return Directory(at, after + room, found, following)


def chain(data: bytes, order: str, big: bool, at: int) -> Iterator[Directory]:
    """A directory and those that follow it, each once."""
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        found = directory(data, order, big, at)
        yield found
        at = found.next


def write(order: str, tags: list[Entry], inner: dict[int, list[Entry]]) -> bytes:
    """An Exif block.

    Parameters
    ----------
    order : {"<", ">"}
    tags : list of Entry
    inner : dict of int to list of Entry
        Directories of their own, by the tag that points to them.

    Returns
    -------
    bytes
        From the TIFF header on.
    """
    out = bytearray(b"II*\0" if order == "<" else b"MM\0*")
    out += struct.pack(order + "I", 8)
    inner = {tag: found for tag, found in inner.items() if found}
    pointers = [Entry(tag, 4, 1, b"", 0) for tag in inner]
    places = _write(out, order, [*tags, *pointers])
    for tag, found in inner.items():
        struct.pack_into(order + "I", out, places[tag], len(out))
        _write(out, order, found)
    return bytes(out)


def _write(out: bytearray, order: str, tags: list[Entry]) -> dict[int, int]:
    """Append a directory; returns where each tag's four bytes are."""
    tags = sorted(tags, key=lambda e: e.tag)
    at, places = len(out) + 2, {}
    out += struct.pack(order + "H", len(tags)) + bytes(12 * len(tags) + 4)
    for e in tags:
        value = e.value
        if len(value) > 4:
            value = struct.pack(order + "I", len(out))
            out += e.value + bytes(len(e.value) % 2)
        struct.pack_into(order + "HHI4s", out, at, e.tag, e.kind, e.count, value)
        places[e.tag], at = at + 8, at + 12
    return places


def walk(walk: Any) -> None:
    """Account for a TIFF file, as `parts.read` does."""
    data = walk.data
    order, big, at = start_of(data)
    walk.cover(0, 16 if big else 8)
    first = True
    for ifd in chain(data, order, big, at):
        if first:
            _first(walk, ifd, order, big)
        else:
            walk.found.n_frames += 1
            before = data[ifd.start - 8 : ifd.start]
            if before[:4] in (b"II*\0", b"MM\0*"):  # of a file that was appended
                walk.cover(ifd.start - 8, ifd.start)
        _cover(walk, ifd, order, big, depth=0)
        first = False


def _first(walk: Any, ifd: Directory, order: str, big: bool) -> None:
    """What the tags of the picture that is shown say."""
    tags = {e.tag: e for e in ifd.entries}
    for e in ifd.entries:
        end = e.at + len(e.value)
        if e.tag == ICC:
            walk.keep("icc", e.value, e.at, end)
        elif e.tag == XMP:
            walk.keep("xmp", e.value, e.at, end)
        elif e.tag in PHOTO or e.tag in (EXIF, GPS) or e.tag in _PIXELS:
            continue
        elif e.tag == SUB_IFDS:
            walk.lose("further pictures", e.at, end, e.value, metadata=False)
        else:
            name = _NAMES.get(e.tag, f"tag {e.tag}")
            walk.lose(name, e.at, end, e.value, metadata=name != "GeoTIFF")
    inner = {}
    for tag in (EXIF, GPS):
        if tag in tags:
            inner[tag] = _inner(walk, tags[tag], order, big)
    photo = [e for e in ifd.entries if e.tag in PHOTO and e.kind in _SIZES and e.value]
    photo = list({e.tag: e for e in photo}.values())
    if photo or any(inner.values()):
        walk.found.exif = write(order, photo, inner)
    if ORIENTATION in tags:
        walk.found.orientation = (tags[ORIENTATION].integers(order) or [1])[0]
    walk.found.dpi = _dpi(tags, order)


def _dpi(tags: dict[int, Entry], order: str) -> tuple[float, float] | None:
    """Pixels per inch; None where they are not told, or of no unit."""
    x, y = (tags[t].numbers(order)[:1] if t in tags else [] for t in (282, 283))
    unit = tags[RESOLUTION_UNIT].integers(order)[:1] if RESOLUTION_UNIT in tags else [2]
    scale = {2: 1.0, 3: 2.54}.get(*unit) if unit else None
    if not scale or not (x and y and x[0] > 0 and y[0] > 0):
        return None
    return x[0] * scale, y[0] * scale


def _inner(walk: Any, pointer: Entry, order: str, big: bool) -> list[Entry]:
    """The tags of the directory that a tag points to."""
    try:
        (at,) = pointer.integers(order)
        found = directory(walk.data, order, big, at).entries
    except (struct.error, ValueError):
        walk.lose("Exif that cannot be read", 0, 0, pointer.value)
        return []
    kept = []
    for e in {e.tag: e for e in found}.values():
        # A further directory in there would be an offset into nowhere.
        if e.kind not in _SIZES or e.kind > 13 or e.tag == INTEROPERABILITY:
            walk.lose(f"Exif tag {e.tag}", 0, 0, e.value or b"\0")
        else:
            kept.append(e)
    return kept


def _cover(walk: Any, ifd: Directory, order: str, big: bool, depth: int) -> None:
    """All bytes that a directory points to: they are somebody's."""
    walk.spend(len(ifd.entries) + 1)
    walk.cover(ifd.start, ifd.end)
    values = {e.tag: e for e in ifd.entries}
    for e in ifd.entries:
        walk.cover(e.at, e.at + len(e.value))
        if e.tag in (EXIF, GPS, INTEROPERABILITY, SUB_IFDS) and depth < 3:
            for at in e.integers(order)[:64]:
                try:
                    inner = directory(walk.data, order, big, at)
                except struct.error:
                    continue
                _cover(walk, inner, order, big, depth + 1)
    for offsets, sizes in ((273, 279), (324, 325), (513, 514), (288, 289)):
        if offsets in values and sizes in values:
            starts = values[offsets].integers(order)
            for at, size in zip(starts, values[sizes].integers(order)):
                walk.cover(at, at + size)
