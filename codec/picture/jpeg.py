"""JPEG files, segment by segment (ITU-T T.81, annex B)."""

import re
import struct
from collections.abc import Iterator

from . import tiff
from .walk import Walk, after_zeros

_MARKER = re.compile(rb"\xff+[^\0\xff]")
_AFTER_SAMPLES = re.compile(rb"\xff+[^\0\xff\xd0-\xd7]")
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
_ICC = b"ICC_PROFILE\0"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# Photoshop's blocks that are metadata: resolution, IPTC and its digest, Exif, XMP.
_TEXT_BLOCKS = {0x03ED, 0x0404, 0x0425, 0x0422, 0x0424}


class Picture:
    """What is found in one picture of a file."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.profile: list[tuple[int, int, bytes]] = []
        self.once: set[str] = set()
        # Where tables lie that no scan has used yet.
        self.tables: dict[tuple[int, int], tuple[int, int]] = {}
        self.quantisers: dict[int, int] = {}  # of components
        self.height = self.frame = 0
        self.scan_ends: list[int] = []
        self.index: list[bytes] = []

    def is_first(self, name: str) -> bool:
        """Whether nothing of this name was met before."""
        if name in self.once:
            return False
        self.once.add(name)
        return True


def walk(walk: Walk) -> None:
    """Account for a JPEG file, as `parts.read` does."""
    data, picture = walk.data, Picture(walk)
    end = segments(picture, 0)
    _join_profile(walk, picture.profile)
    if picture.frame in (0xC0, 0xC1) and len(picture.scan_ends) == 1:
        walk.found.scan_end = picture.scan_ends[0]
    # Further pictures: of a multi-picture file, a gain map, a preview.
    while True:
        start = after_zeros(data, end)
        if data[start : start + 3] != b"\xff\xd8\xff":
            break
        walk.spend(32)  # that much takes longer
        other = Picture(Walk(data))
        try:
            end = segments(other, start)
        except (struct.error, IndexError):
            break
        walk.lose("frame", start, end)
        other.walk.cover(0, start)
        other.walk.cover(end, len(data))
        walk.found.lost += other.walk.end().lost
        walk.found.n_frames += 1
    for body in picture.index:
        if not _is_index(body, walk.found.n_frames):
            walk.lose("APP2 MPF", data=body)


def segments(picture: Picture, start: int) -> int:
    """Walk to the end of one JPEG; returns where it is."""
    walk, data, at = picture.walk, picture.walk.data, start + 2
    walk.cover(start, at)
    pattern = _MARKER
    while found := pattern.search(data, at):
        if pattern is _AFTER_SAMPLES:
            walk.cover_samples(at, found.start())
            picture.scan_ends.append(found.start())
        pattern = _MARKER
        begin, at = found.start(), found.end()
        marker = data[at - 1]
        if marker == 0xD9:
            walk.cover(begin, at)
            return at
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue  # none of these belongs here
        (size,) = struct.unpack_from(">H", data, at)
        end = at + size
        walk.cover(begin, at + 2)
        walk.spend(1)
        _segment(picture, marker, data[at + 2 : end], at + 2, end)
        at = end
        if marker == 0xDA:
            pattern = _AFTER_SAMPLES
            _use_tables(picture, data[at - size + 2 : at])
            picture.once.discard("interval")
    if pattern is _AFTER_SAMPLES:  # cut short, or the samples have no end
        walk.cover(at, len(data))
    return len(data)


def _segment(picture: Picture, marker: int, body: bytes, at: int, end: int) -> None:
    """Cover what is understood of one segment, whose body begins at ``at``."""
    walk = picture.walk
    if marker == 0xFE:
        walk.lose("comment", at, end, body, metadata=True)
    elif marker in _FRAMES and picture.is_first("frame"):
        picture.height, picture.frame = int.from_bytes(body[1:3], "big"), marker
        walk.cover(at, at + 6 + 3 * body[5])
        entries = body[6 : 6 + 3 * body[5]]
        picture.quantisers = dict(zip(entries[::3], entries[2::3]))
    elif marker == 0xDA:
        walk.cover(at, at + 4 + 2 * body[0])
    elif marker in (0xC4, 0xCC, 0xDB):
        for kind, start, stop in _tables(marker, body):
            # One that comes again before a scan replaces what nobody used.
            picture.tables.setdefault((marker, kind), (at + start, at + stop))
    elif marker == 0xDD and picture.is_first("interval"):
        walk.cover(at, at + 2)
    elif marker == 0xDC and int.from_bytes(body[:2], "big") == picture.height:
        walk.cover(at, at + 2)
    elif 0xE0 <= marker <= 0xEF:
        _application(picture, marker - 0xE0, body, at, end)
    # And else nothing: nobody knows what it would be.


def _use_tables(picture: Picture, body: bytes) -> None:
    """Cover the tables that a scan uses, whose header this is."""
    n = body[0]
    for component, which in zip(body[1 : 1 + 2 * n : 2], body[2 : 2 + 2 * n : 2]):
        quantiser = picture.quantisers.get(component, 0)
        for key in (
            (0xC4, which >> 4),
            (0xC4, 0x10 | which & 15),
            (0xCC, which >> 4),
            (0xCC, 0x10 | which & 15),
            (0xDB, quantiser),
            (0xDB, 0x10 | quantiser),  # of 16 bits
        ):
            picture.walk.cover(*picture.tables.pop(key, (0, 0)))


def _tables(marker: int, body: bytes) -> Iterator[tuple[int, int, int]]:
    """(which, start, end) of each table: Huffman, quantisation, conditioning."""
    at = 0
    while at < len(body):
        if marker == 0xDB:
            size = 65 + 64 * (body[at] >> 4 & 1)
        elif marker == 0xCC:
            size = 2
        else:
            size = 17 + sum(body[at + 1 : at + 17])
        if at + size > len(body):
            return
        yield body[at], at, at + size
        at += size


def _application(picture: Picture, n: int, body: bytes, at: int, end: int) -> None:
    walk = picture.walk
    if n == 0 and body.startswith(b"JFIF\0") and picture.is_first("JFIF"):
        unit, x, y, width, height = struct.unpack_from(">BHHBB", body, 7)
        preview = min(3 * width * height, len(body) - 14)
        walk.cover(at, at + 14)
        walk.resolution(x, y, {1: 1.0, 2: 2.54}.get(unit))
        if preview:
            walk.lose("preview", at + 14, at + 14 + preview, metadata=True)
    elif n == 1 and body.startswith(b"Exif\0"):
        walk.keep("exif", body[6:], at, end)
    elif n == 1 and body.startswith(_XMP):
        walk.keep("xmp", body[len(_XMP) :], at, end)
    elif n == 1 and body.startswith(_EXTENDED):
        walk.lose("extended XMP", at, end, body, metadata=True)
    elif n == 2 and body.startswith(_ICC):
        walk.cover(at, end)
        picture.profile.append((body[12], body[13], body[14:]))
    elif n == 2 and body.startswith(b"MPF\0"):
        walk.cover(at, end)
        picture.index.append(body)
    elif n == 14 and body.startswith(b"Adobe") and picture.is_first("Adobe"):
        walk.cover(at, at + 12)
    elif n == 13 and body.startswith(b"Photoshop 3.0\0"):
        is_text = _photoshop(body)
        name = "IPTC" if b"8BIM\4\4" in body else "Photoshop's blocks"
        walk.lose(name, at, end, body, metadata=is_text)
    else:
        found = re.match(rb"[A-Za-z][ -~]{2,20}", body)
        name = f"APP{n}" + (f" {found[0].decode()}" if found else "")
        walk.lose(name, at, end, body)


def _photoshop(body: bytes) -> bool:
    """Whether Photoshop's blocks are metadata, all of them."""
    at = 14
    while body[at : at + 4] == b"8BIM":
        (kind,) = struct.unpack_from(">H", body, at + 4)
        at += 6 + (body[at + 6] + 2) // 2 * 2
        (size,) = struct.unpack_from(">I", body, at)
        at += 4 + size + size % 2
        if kind not in _TEXT_BLOCKS:
            return False
    return at >= len(body)


def _join_profile(walk: Walk, parts: list[tuple[int, int, bytes]]) -> None:
    """The profile of its parts, if they are all there, and each once."""
    first: dict[int, bytes] = {}
    for number, total, body in parts:
        if total == parts[0][1] and first.get(number, body) == body:
            first[number] = body
        else:
            walk.lose("further colour profile", data=body)
    icc = b"".join(first[k] for k in sorted(first))
    is_whole = first and sorted(first) == [*range(1, parts[0][1] + 1)]
    # Some programs number them in a way of their own; the profile has its size.
    if is_whole or len(icc) > 4 and len(icc) == int.from_bytes(icc[:4], "big"):
        walk.keep("icc", icc)
    elif icc:
        walk.lose("part of a colour profile", data=icc)


def _is_index(body: bytes, n_frames: int) -> bool:
    """Whether this names the pictures of the file, and holds nothing else."""
    inner = Walk(body[4:].rstrip(b" "))  # with which some fill it up
    try:
        order, big, at = tiff.start_of(inner.data)
        inner.cover(0, 8)
        for found in tiff.chain(inner.data, order, big, at):
            inner.cover(found.start, found.end)
            for e in found.entries:
                known = 16 * n_frames if e.tag == 0xB002 else 16
                is_known = 0xB000 <= e.tag <= 0xB002 or 0xB101 <= e.tag <= 0xB20F
                if not is_known or len(e.value) > known:
                    return False
                inner.cover(e.at, e.at + len(e.value))
    except (struct.error, LookupError):
        return False
    return not inner.end().lost
