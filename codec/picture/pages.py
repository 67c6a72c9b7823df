"""TIFF files, tag by tag (TIFF 6.0): what is kept, what is the picture, what is lost.

A tag that says how samples lie is understood only if it holds no more than
that; strips and tiles are covered up to the end of their samples.
"""

import struct
import zlib

from . import jpeg, lzw
from .tiff import (
    EXIF,
    GPS,
    ICC,
    INTEROPERABILITY,
    ORIENTATION,
    PHOTO,
    RESOLUTION_UNIT,
    SIZES,
    SUB_IFDS,
    XMP,
    Directory,
    Entry,
    chain,
    directory,
    start_of,
    write,
)
from .walk import Walk

# What says how the samples lie, and how many values that takes at most.
_PIXELS = {n: 1 for n in (254, 255, 256, 257, 259, 262, 263, 264, 265, 266, 274)}
_PIXELS |= {n: 1 for n in (277, 278, 282, 283, 284, 292, 293, 296, 317, 322, 323)}
_PIXELS |= {n: 1 for n in (332, 334, 513, 514)}
_PIXELS |= {321: 2, 529: 3, 530: 2, 531: 1, 532: 6}
_A_SAMPLE = 258, 280, 281, 338, 339, 340, 341  # one value a sample
_PLACES = {273: 279, 324: 325}  # offsets and sizes, of strips or tiles
PALETTE, JPEG_TABLES, PREVIEW = 320, 347, (513, 514)
_NAMES = {
    269: "document name",
    285: "page name",
    297: "page number",
    301: "transfer function",
    318: "white point",
    319: "primaries",
    320: "palette",
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
_FAX = 2, 3, 4
# Metadata: names of documents, pages and inks, IPTC, Windows' texts.
_TEXTS = {269, 285, 297, 333, 337, 33723, *range(40091, 40096)}


def walk(walk: Walk) -> None:
    """Account for a TIFF file, as `parts.read` does."""
    data = walk.data
    order, big, at = start_of(data)
    walk.cover(0, 16 if big else 8)
    for number, ifd in enumerate(chain(data, order, big, at)):
        walk.found.n_frames = number + 1
        before = data[ifd.start - 8 : ifd.start]
        if number and before[:4] in (b"II*\0", b"MM\0*"):  # of an appended file
            walk.cover(ifd.start - 8, ifd.start)
        _Page(walk, ifd, order, big, is_first=number == 0).walk()


class _Page:
    """One picture of a file, and what its tags say."""

    def __init__(self, walk: Walk, ifd: Directory, order: str, big: bool, is_first: bool) -> None:
        self._walk, self._ifd, self._is_first = walk, ifd, is_first
        self._order, self._big = order, big
        self._tags = {e.tag: e for e in ifd.entries}  # the last one counts
        self._inner: dict[int, list[Entry]] = {}
        self._is_preview_lost = False

    def _value(self, tag: int, default: int) -> int:
        found = self._tags[tag].integers(self._order) if tag in self._tags else []
        return found[0] if found else default

    def walk(self) -> None:
        """Account for the tags, then for what they point to."""
        walk, ifd, tags = self._walk, self._ifd, self._tags
        walk.spend(len(ifd.entries) + 1, sum(len(e.value) for e in ifd.entries))
        walk.cover(ifd.start, ifd.end)
        walk.align(ifd.start)
        for tag in ifd.missing:
            walk.lose(f"tag {tag}, whose value is not there" if tag else "further tags")
        self._cover_samples()
        for e in ifd.entries:
            if e is not tags[e.tag]:
                self._lose(e, f"second {self._name(e.tag)}")
            elif not self._is_understood(e):
                self._lose(e, self._name(e.tag))
            else:
                walk.cover(e.at, e.at + len(e.value))
        if not self._is_first:
            return
        photo = [e for e in tags.values() if e.tag in PHOTO and e.value]
        photo = [e for e in photo if e.kind in SIZES]
        if photo or any(self._inner.values()):
            walk.found.exif = write(self._order, photo, self._inner)
        if ORIENTATION in tags:
            walk.found.orientation = self._value(ORIENTATION, 1)
        walk.found.is_premultiplied = self._value(338, 0) == 1
        self._resolution()

    def _name(self, tag: int) -> str:
        return _NAMES.get(tag, f"tag {tag}")

    def _lose(self, e: Entry, name: str) -> None:
        is_text = e.tag in _TEXTS or e.tag in PHOTO
        end = e.at + len(e.value)
        self._walk.lose(name, e.at, end, e.value, metadata=is_text)

    def _is_understood(self, e: Entry) -> bool:
        """Whether a tag is kept, or says how the samples lie and no more."""
        if e.tag in (ICC, XMP):
            if self._is_first:
                self._walk.keep("icc" if e.tag == ICC else "xmp", e.value)
            return True
        if e.tag in PHOTO:
            return e.kind in SIZES
        if e.tag in (EXIF, GPS):
            return self._read_inner(e)
        if e.tag == SUB_IFDS:
            self._cover_pictures(e)
            return False
        if e.tag in PREVIEW and self._value(259, 1) != 6:
            self._cover_preview()
            return False
        if e.tag == PALETTE:
            return self._value(262, 1) == 3 and e.count == 3 << self._value(258, 1)
        if e.tag == JPEG_TABLES:
            return self._value(259, 1) == 7 and _is_tables(e.value)
        if e.tag in (*_PLACES, *_PLACES.values()):
            return e.count <= self._n_places(e.tag >= 324)
        samples = self._value(277, 1)
        most = samples if e.tag in _A_SAMPLE else _PIXELS.get(e.tag, 0)
        return e.count <= min(most, 64) and bool(e.numbers(self._order))

    def _n_places(self, tiled: bool) -> int:
        """How many strips or tiles there must be."""
        width, height = self._value(256, 0), self._value(257, 0)
        planes = self._value(277, 1) if self._value(284, 1) == 2 else 1
        if not tiled:
            rows = max(1, min(self._value(278, height), height))
            return planes * -(-height // rows)
        across, down = max(1, self._value(322, 1)), max(1, self._value(323, 1))
        return planes * -(-width // across) * -(-height // down)

    def _cover_samples(self) -> None:
        """Cover strips and tiles, as far as their samples need."""
        for offsets, sizes in _PLACES.items():
            if offsets not in self._tags:
                continue
            tiled, order = offsets >= 324, self._order
            starts = self._tags[offsets].integers(order)[: self._n_places(tiled)]
            self._walk.spend(len(starts))
            found = self._tags[sizes].integers(order) if sizes in self._tags else []
            for n, at in enumerate(starts):
                most = self._most(n, tiled)
                size = found[n] if n < len(found) else most
                self._walk.spend(0, min(size, len(self._walk.data)))
                used = self._used(self._walk.data[at : at + size], most)
                cover = self._walk.cover_samples if self._is_first else self._walk.cover
                cover(at, at + min(size, used))

    def _most(self, n: int, tiled: bool) -> int:
        """Bytes of a strip or tile, unpacked."""
        bits = sum(self._tags[258].integers(self._order)) if 258 in self._tags else 1
        samples, height = self._value(277, 1), self._value(257, 0)
        if 258 in self._tags and self._tags[258].count < samples:
            bits = self._value(258, 1) * samples
        if self._value(284, 1) == 2:
            bits = self._value(258, 1)
        if tiled:
            return -(-self._value(322, 0) * bits // 8) * self._value(323, 0)
        rows = max(1, min(self._value(278, height), height))
        strips = -(-height // rows)
        rows = min(rows, height - n % max(1, strips) * rows)
        width, up, down = self._value(256, 0), 1, 1
        if self._value(262, 1) == 6 and 530 in self._tags:  # fewer of colour
            up, down = (self._tags[530].integers(self._order) + [2, 2])[:2]
            across, rows = -(-width // max(1, up)), -(-rows // max(1, down))
            return across * rows * (up * down + 2) * self._value(258, 8) // 8
        return -(-width * bits // 8) * rows

    def _used(self, data: bytes, most: int) -> int:
        """Bytes of a strip or tile up to the end of its samples.

        Of some ways of packing nothing is known but that they do not grow
        much.
        """
        packing = self._value(259, 1)
        if packing == 1:
            return most
        if packing == 7:
            return _used_of_jpeg(data)
        if packing not in (5, 8, 32946, 32773):
            return most * (6 if packing in _FAX else 1) + most // 8 + 1024
        if not self._walk.may_unpack(most):
            return len(data)
        if packing in (8, 32946):
            return _used_of_zlib(data, most)
        if packing == 5:
            return lzw.used(data, 8, most, is_gif=False)
        return _used_of_runs(data, most)

    def _read_inner(self, pointer: Entry) -> bool:
        """The tags of the directory that a tag points to; whether they can be read."""
        walk, order = self._walk, self._order
        places = pointer.integers(order)
        try:
            (at,) = places
            found = directory(walk.data, order, self._big, at)
        except (struct.error, ValueError):
            found = None
        if found and self._is_first and walk.is_covered(found.start, found.end):
            found = None  # within what is something else
        if not found or not found.entries:
            walk.lose("Exif that cannot be read", data=pointer.value, metadata=True)
            return True
        walk.spend(len(found.entries) + 1, sum(len(e.value) for e in found.entries))
        walk.cover(found.start, found.end)
        kept, last = [], {e.tag: e for e in found.entries}
        for tag in found.missing:
            walk.lose(f"Exif tag {tag}, whose value is not there", metadata=True)
        for e in found.entries:
            walk.cover(e.at, e.at + len(e.value))
            # A further directory in there would be an offset into nowhere.
            is_odd = e.kind not in SIZES or e.kind > 13 or e.tag == INTEROPERABILITY
            if is_odd or e is not last[e.tag]:
                name = f"Exif tag {e.tag}"
                walk.lose(name, data=e.value or b"\0", metadata=True)
            else:
                kept.append(e)
        self._inner[pointer.tag] = kept
        return True

    def _cover_pictures(self, pointer: Entry) -> None:
        """Cover what further directories point to: they are told as a whole."""
        for at in pointer.integers(self._order)[:64]:
            try:
                inner = directory(self._walk.data, self._order, self._big, at)
            except struct.error:
                continue
            n_bytes = sum(len(e.value) for e in inner.entries)
            self._walk.spend(len(inner.entries) + 1, n_bytes)
            self._walk.cover(inner.start, inner.end)
            for e in inner.entries:
                self._walk.cover(e.at, e.at + len(e.value))
            _Page(self._walk, inner, self._order, self._big, is_first=False)._cover_samples()
        self._walk.lose("further pictures", data=pointer.value)

    def _cover_preview(self) -> None:
        """Cover the JPEG of a preview."""
        start, size = self._value(513, 0), self._value(514, 0)
        if start and size and not self._is_preview_lost:
            self._is_preview_lost = True
            self._walk.lose("preview", start, start + size)

    def _resolution(self) -> None:
        x, y = (
            self._tags[t].numbers(self._order)[:1] if t in self._tags else [] for t in (282, 283)
        )
        if x or y:
            scale = {2: 1.0, 3: 2.54}.get(self._value(RESOLUTION_UNIT, 2))
            self._walk.resolution((x or [0])[0], (y or [0])[0], scale)


def _is_tables(data: bytes) -> bool:
    """Whether this is a JPEG of tables alone."""
    inner = jpeg.Picture(Walk(data))
    try:
        jpeg.segments(inner, 0)
    except (struct.error, IndexError):
        return False
    for start, end in inner.tables.values():
        inner.walk.cover(start, end)
    return not inner.walk.end().lost


def _used_of_jpeg(data: bytes) -> int:
    """Bytes of a JPEG, if it holds nothing but its samples."""
    inner = Walk(data)
    try:
        end = jpeg.segments(jpeg.Picture(inner), 0)
    except (struct.error, IndexError):
        return 0
    inner.cover(end, len(data))
    return 0 if inner.end().lost else end


def _used_of_zlib(data: bytes, most: int) -> int:
    stream = zlib.decompressobj()
    try:
        left, rest = most, data
        while rest and not stream.eof and left >= 0:
            left -= len(stream.decompress(rest, 1 << 20))
            rest = stream.unconsumed_tail
    except zlib.error:
        return 0
    return len(data) - len(stream.unused_data) if left >= 0 else 0


def _used_of_runs(data: bytes, most: int) -> int:
    """Bytes of PackBits up to so many bytes unpacked."""
    at = 0
    while most > 0 and at < len(data):
        n = data[at]
        at += 1 if n == 128 else 2 if n > 128 else 2 + n
        most -= 0 if n == 128 else 257 - n if n > 128 else 1 + n
    return at
