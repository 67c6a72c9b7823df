"""JPEG 2000: boxes and codestreams (ISO/IEC 15444-1, annexes A and I)."""

import re
import struct
from collections.abc import Callable

from .boxes import boxes, lose_box
from .boxes import walk as walk_boxes
from .walk import Walk

# All that say how samples are coded: SIZ, COD, COC, TLM, .. up to CRG.
_MARKERS = {*range(0xFF50, 0xFF64)}
# CMYK, sRGB, grey, sYCC: those that are read for what they are.
_SPACES = {12, 16, 17, 18}
# What the library that writes them all leaves in each.
_OPENJPEG = re.compile(rb"Created by OpenJPEG version [\d.]{1,12}")


def walk(walk: Walk) -> None:
    """Account for a file of boxes or a bare codestream, as `parts.read` does."""
    if walk.data[4:8] == b"jP  ":
        walk_boxes(walk, _box)
        return
    walk.found.reads_metadata = False
    walk.found.has_unnamed_alpha = True
    _codestream(walk, 0, len(walk.data))


def _box(walk: Walk, kind: bytes, is_first: bool, start: int, body: int, end: int) -> bool:
    """Account for a box of a JPEG 2000 file; whether it belongs there."""
    if kind == b"jp2h" and is_first:
        _header(walk, start, body, end)
    elif kind == b"jp2c" and is_first:
        walk.cover(start, body)
        _codestream(walk, body, end)
    elif kind == b"rreq" and is_first:
        walk.cover(start, _after_features(walk.data, body))
    else:
        return False
    return True


def _header(walk: Walk, start: int, body: int, end: int) -> None:
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
            if space not in _SPACES and walk.found.colours is None:
                walk.found.colours = f"colour space {space}"
        elif kind == b"res " and is_first:
            _resolution(walk, inner, at, stop)
        elif kind in _SIZES and is_first:
            end = at + _SIZES[kind](walk.data[at:stop])
            walk.cover(inner, min(stop, end))
            if kind == b"cdef":
                types = set(struct.unpack_from(f">{(end - at) // 2}H", walk.data, at)[2::3])
                walk.found.is_premultiplied = 2 in types
                walk.found.has_unnamed_alpha = types.isdisjoint({1, 2})
        else:
            lose_box(walk, kind, inner, stop)


def _palette_size(body: bytes) -> int:
    """Bytes of a palette: entries, columns, their bits, the values."""
    n, columns = struct.unpack_from(">HB", body)
    bits = body[3 : 3 + columns]
    return 3 + columns + n * sum(((b & 127) + 8) // 8 for b in bits)


# How long boxes of a header are, by what they say of it.
_SIZES: dict[bytes, Callable[[bytes], int]] = {
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


def _resolution(walk: Walk, start: int, body: int, end: int) -> None:
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


def _codestream(walk: Walk, at: int, end: int) -> None:
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
            _tile(walk, at, stop)
        elif marker == 0xFF64:
            _comment(walk, at, stop)
        elif marker in _MARKERS:
            walk.cover(at, min(stop, end))
        else:
            walk.lose(f"segment {marker:X}", at, min(stop, end))
        at = stop
    if data[at : at + 2] == b"\xff\xd9":
        walk.cover(at, at + 2)


def _tile(walk: Walk, start: int, end: int) -> None:
    """Cover a part of a tile: its header may have comments."""
    data, at = walk.data, start + 12
    walk.cover(start, at)
    while at + 4 <= end:
        walk.spend(1)
        marker, size = struct.unpack_from(">HH", data, at)
        if marker == 0xFF93:
            break
        if marker == 0xFF64:
            _comment(walk, at, at + 2 + size)
        elif marker in _MARKERS:
            walk.cover(at, at + 2 + size)
        else:
            walk.lose(f"segment {marker:X}", at, at + 2 + size)
        at += 2 + size
    walk.cover_samples(at, end)  # packets


def _comment(walk: Walk, at: int, end: int) -> None:
    body = walk.data[at + 6 : end]
    if _OPENJPEG.fullmatch(body):
        walk.cover(at, end)
    else:
        is_text = walk.data[at + 4 : at + 6] == b"\0\1"
        walk.lose("comment", at, end, body, metadata=is_text)
