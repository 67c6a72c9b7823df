"""JPEG XL: boxes, and the first bits of a codestream (ISO/IEC 18181-1, annex D).

The plugin decodes a file as soon as it is opened, and tells neither its depth
nor whether it moves. So size, depth and animation are read here before.
"""

import dataclasses

from . import boxes
from .walk import Walk

_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))

_CHANNELS = {
    0: "alpha",
    1: "depth map",
    2: "spot colour",
    3: "selection",
    4: "black",
    5: "colour filter",
    6: "thermal image",
}


@dataclasses.dataclass(frozen=True)
class Header:
    """Size in pixels, bits a sample, orientation as in Exif, and the rest.

    ``is_animated``: whether there are several frames. ``channels``: what the
    extra ones are, by name, but for one of alpha. ``is_premultiplied``: whether
    colours are multiplied by it.
    """

    width: int
    height: int
    bits: int
    is_animated: bool
    orientation: int = 1
    channels: tuple[str, ...] = ()
    is_premultiplied: bool = False


@dataclasses.dataclass(frozen=True)
class Codestream:
    """The codestream of a file, and what other boxes hold as one."""

    data: bytes
    surplus: bytes


class _Bits:
    """Bits of bytes, the lowest of each first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, n: int) -> int:
        first, skipped = divmod(self._at, 8)
        self._at += n
        if self._at > 8 * len(self._data):
            raise ValueError("cut short")
        found = int.from_bytes(self._data[first : (self._at + 7) // 8], "little")
        return found >> skipped & (1 << n) - 1

    def choose(self, *ways: tuple[int, int]) -> int:
        """One of four (offset, bits), by two bits."""
        offset, n = ways[self.read(2)]
        return offset + self.read(n)


def walk(walk: Walk) -> None:
    """Account for a file of boxes or a bare codestream, as `parts.read` does."""
    walk.found.reads_metadata = False  # the plugin gives the profile that applies
    if walk.data[4:8] == b"JXL ":
        boxes.walk(walk, _box)
    else:
        walk.cover_samples(0, len(walk.data))
    _account(walk)


def _box(walk: Walk, kind: bytes, is_first: bool, start: int, body: int, end: int) -> bool:
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
        walk.cover_samples(body, end)  # `codestream` says which of them count
    else:
        return False
    return True


def _account(walk: Walk) -> None:
    """What the codestream says itself."""
    found = header(walk.data)
    if found:
        walk.found.orientation = found.orientation
        walk.found.n_frames = 2 if found.is_animated else 1  # or more
        walk.found.is_premultiplied = found.is_premultiplied
        if found.is_animated:
            walk.keep_samples()
        for name in found.channels:
            walk.lose_among_samples(name)
    stream = codestream(walk.data)
    if stream.surplus:
        walk.lose_among_samples("further codestreams", stream.surplus)


def header(data: bytes) -> Header | None:
    """What the first bits say.

    Parameters
    ----------
    data : bytes
        The whole file, in boxes or bare.

    Returns
    -------
    Header or None
        None of what is no JPEG XL.
    """
    try:
        bits = _Bits(codestream(data).data)
        if bits.read(16) != 0x0AFF:
            return None
        width, height = _size(bits)
        if bits.read(1):  # all as usual
            return Header(width, height, 8, False)
        is_animated, orientation = _extra(bits) if bits.read(1) else (False, 1)
        depth = _depth(bits)
        bits.read(1)  # how wide a decoder's buffers are
        n = bits.choose((0, 0), (1, 0), (2, 4), (1, 12))
        alphas, others = [], []
        for _ in range(n):
            name, is_premultiplied = _channel(bits)
            if name == "alpha":
                alphas.append(is_premultiplied)
            else:
                others.append(name)
        others += ["further alpha"] * (len(alphas) - 1)
        premultiplied = any(alphas[:1])
        return Header(width, height, depth, is_animated, orientation, tuple(others), premultiplied)
    except (ValueError, LookupError):
        return None


def _depth(bits: _Bits) -> int:
    """Bits a sample."""
    if not bits.read(1):
        return bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    depth = bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
    bits.read(4)  # of the exponent
    return depth


def _channel(bits: _Bits) -> tuple[str, bool]:
    """What an extra channel is, and whether colours are multiplied by it."""
    if bits.read(1):
        return "alpha", False
    kind = bits.choose((0, 0), (1, 0), (2, 4), (18, 6))
    _depth(bits)
    bits.choose((0, 0), (3, 0), (4, 0), (1, 3))  # how much smaller it is
    bits.read(8 * bits.choose((0, 0), (0, 4), (16, 5), (48, 10)))  # its name
    is_premultiplied = kind == 0 and bool(bits.read(1))
    if kind == 2:
        bits.read(64)  # colour and opacity
    if kind == 5:
        bits.choose((1, 0), (0, 2), (3, 4), (19, 8))
    return _CHANNELS.get(kind, f"channel of type {kind}"), is_premultiplied


def codestream(data: bytes) -> Codestream:
    """The codestream of a file: bare, in a box, or in parts until the last.

    Raises
    ------
    ValueError
        There is none.
    """
    if data[4:8] != b"JXL ":
        return Codestream(data, b"")
    at, is_whole = 0, False
    parts: list[bytes] = []
    surplus: list[bytes] = []
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = at + 8
        if size == 1:
            size = int.from_bytes(data[body : body + 8], "big")
            body += 8
        end = at + size if size else len(data)
        if kind in (b"jxlc", b"jxlp"):
            if is_whole or parts and kind == b"jxlc":
                surplus.append(data[body:end])
            else:
                is_part = kind == b"jxlp"
                parts.append(data[body + 4 * is_part : end])
                is_whole = not is_part or bool(data[body] & 0x80)
        if end < at + 8:
            break
        at = end
    if not parts:
        raise ValueError("no codestream")
    return Codestream(b"".join(parts), b"".join(surplus))


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.read(1)

    def side() -> int:
        if small:
            return 8 * (1 + bits.read(5))
        return 1 + bits.choose((0, 9), (0, 13), (0, 18), (0, 30))

    height = side()
    ratio = _RATIOS[bits.read(3)]
    return (height * ratio[0] // ratio[1] if ratio else side()), height


def _extra(bits: _Bits) -> tuple[bool, int]:
    """Whether it is animated, and the orientation; a preview may lie between."""
    orientation = 1 + bits.read(3)
    if bits.read(1):
        _size(bits)
    if bits.read(1):
        _preview(bits)
    if not bits.read(1):
        return False, orientation
    bits.choose((100, 0), (1000, 0), (1, 10), (1, 30))
    bits.choose((1, 0), (1001, 0), (1, 8), (1, 10))
    bits.choose((0, 0), (0, 3), (0, 16), (0, 32))
    bits.read(1)
    return True, orientation


def _preview(bits: _Bits) -> None:
    if bits.read(1):
        ways = (16, 0), (32, 0), (1, 5), (33, 9)
    else:
        ways = (1, 6), (65, 8), (321, 10), (1345, 12)
    bits.choose(*ways)
    if not bits.read(3):  # no ratio: a width of its own
        bits.choose(*ways)
