"""GIF files, block by block (CompuServe, GIF89a)."""

import struct
from collections.abc import Callable, Iterator

from . import lzw
from .walk import Walk

_LOOPS = b"NETSCAPE2.0", b"ANIMEXTS1.0"
_XMP_END = b"\1" + bytes(range(255, -1, -1)) + b"\0"
_CONTROL = b"control"  # of the next image: delay, transparency
_SQUARE = 49  # of 64ths, less 15


def walk(walk: Walk) -> None:
    """Account for a GIF file, as `parts.read` does."""
    data, frames, once = walk.data, 0, set[bytes]()
    walk.cover(0, 13)
    if data[12] not in (0, _SQUARE):
        walk.resolution(data[12] + 15, 64, None)
    at = 13 + _palette(data[10])
    walk.cover(13, at)
    while data[at] != 0x3B:
        walk.spend(8)
        start, kind = at, data[at]
        if kind == 0x2C:
            at = _image(walk, at, walk.cover if frames else walk.cover_samples)
            frames += 1
            once.discard(_CONTROL)
        elif kind == 0x21:
            blocks = list(_blocks(data, start + 2))
            at = blocks[-1][1] + 1 if blocks else start + 2
            at = at + (not blocks)
            _extension(walk, start, at, blocks, once)
        else:
            return
    walk.cover(at, at + 1)
    walk.found.n_frames = max(1, frames)


def _palette(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Where the bytes of each block lie; an empty one ends them."""
    while data[at]:
        yield at + 1, at + 1 + data[at]
        at += data[at] + 1


def _extension(
    walk: Walk, start: int, end: int, blocks: list[tuple[int, int]], once: set[bytes]
) -> None:
    """Account for one; ``once`` has those that may not come again here."""
    data, label = walk.data, walk.data[start + 1]
    first = data[slice(*blocks[0])] if blocks else b""
    is_known = label == 0xFF and len(first) == 11
    name = _CONTROL if label == 0xF9 else first
    if name in once:
        walk.lose(f"extension {label}, once more", start, end)
    elif label == 0xF9 and len(first) == 4:
        once.add(name)
        # Of what further blocks hold nothing is known.
        walk.cover(start, blocks[0][1])
        walk.cover(end - 1, end)
    elif is_known and first in _LOOPS:
        once.add(name)
        walk.cover(start, blocks[0][1])
        walk.cover(end - 1, end)
        for a, b in blocks[1:]:
            if (b - a, data[a]) in ((3, 1), (5, 2)):  # loops, bytes to buffer
                walk.cover(a - 1, b)
    elif is_known and first == b"XMP DataXMP":
        # Not in blocks: the packet itself, and a tail that ends it.
        packet, tail = start + 14, data.find(_XMP_END, start + 14, end)
        if tail < 0:
            walk.lose("XMP that cannot be read", start, end, metadata=True)
        else:
            walk.cover(start, packet)
            walk.keep("xmp", data[packet:tail], packet, tail + len(_XMP_END))
    elif label == 0xFE:
        walk.lose("comment", start, end, metadata=True)
    else:
        known = first.decode("latin-1") if is_known else label
        walk.lose(f"extension {known}", start, end)


def _image(walk: Walk, at: int, cover: Callable[[int, int], None]) -> int:
    """Cover an image as far as its samples go; returns where it ends."""
    data, start = walk.data, at
    width, height, flags = struct.unpack_from("<HHB", data, at + 5)
    at += 10 + _palette(flags)
    bits = data[at]
    blocks = list(_blocks(data, at + 1))
    walk.cover(start, at + 1)
    end = (blocks[-1][1] if blocks else at + 1) + 1
    walk.cover(end - 1, end)
    if not (1 <= bits <= 11 and walk.may_unpack(width * height)):
        walk.cover(at, end)  # damaged or too large, as Pillow will say
        return end
    codes = b"".join(data[a:b] for a, b in blocks)
    n = lzw.used(codes, bits, width * height)
    for a, b in blocks:
        cover(a - 1, a + min(b - a, n))
        n = max(0, n - (b - a))
    return end
