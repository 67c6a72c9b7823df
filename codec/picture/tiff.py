"""TIFF directories: what a file's tags are, and Exif made of some of them.

================  ======================================================
`directory`       the tags of one, with the bytes of their values
`chain`           a directory and those that follow it
`write`           directories to the bytes of an Exif block
================  ======================================================

Values are copied as bytes, in the byte order and type that they have, so a
tag of an unusual type is as good as any other.
"""

import dataclasses
import struct
from collections.abc import Iterator

# Bytes of a value, by type; those of BigTIFF (16 to 18) are offsets.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
SIZES.update({13: 4, 16: 8, 17: 8, 18: 8})
INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
MAX_ENTRIES = 4096

ORIENTATION, ICC, XMP, RESOLUTION_UNIT = 274, 34675, 700, 296
EXIF, GPS, INTEROPERABILITY, SUB_IFDS = 34665, 34853, 40965, 330
# What describes the photograph, and so goes into Exif.
PHOTO = (270, 271, 272, 305, 306, 315, 316, 33432)


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
    """Where a directory lies, its tags and where the next one is.

    ``missing``: tags whose values do not lie in the data.
    """

    start: int
    end: int
    entries: list[Entry]
    next: int
    missing: list[int] = dataclasses.field(default_factory=list)


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
    missing = [] if first + n * size <= len(data) and n <= MAX_ENTRIES else [0]
    n = min(n, MAX_ENTRIES, (len(data) - first) // size)
    left = len(data)  # values do not overlap: together they are no longer
    for i in range(n):
        place = first + i * size
        tag, kind, count, inline = struct.unpack_from(order + form, data, place)
        length = SIZES.get(kind, 1) * count
        where = place + size - room
        if length > room:
            (where,) = struct.unpack(order + ("Q" if big else "I"), inline)
        if where + length <= len(data) and (length <= room or length <= left):
            left -= length
            value = bytes(data[where : where + length])
            found.append(Entry(tag, kind, count, value, where))
        else:
            missing.append(tag)
    after = first + n * size
    following = 0
    if after + room <= len(data):
        (following,) = struct.unpack_from(order + ("Q" if big else "I"), data, after)
    return Directory(at, after + room, found, following, missing)


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
