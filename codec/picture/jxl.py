"""The first bits of a JPEG XL codestream (ISO/IEC 18181-1, annex D).

The plugin decodes a file as soon as it is opened, and tells neither its depth
nor whether it moves. So size, depth and animation are read here before.
"""

import dataclasses

_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


@dataclasses.dataclass(frozen=True)
class Header:
    """Size in pixels, bits a sample, and whether there are several frames."""

    width: int
    height: int
    bits: int
    is_animated: bool


class _Bits:
    """Bits of bytes, the lowest of each first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def read(self, n: int) -> int:
        if n > self._left:
            raise ValueError("cut short")
        found = self._value & (1 << n) - 1
        self._value >>= n
        self._left -= n
        return found

    def choose(self, *ways: tuple[int, int]) -> int:
        """One of four (offset, bits), by two bits."""
        offset, n = ways[self.read(2)]
        return offset + self.read(n)


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
        bits = _Bits(_codestream(data)[:64])
        if bits.read(16) != 0x0AFF:
            return None
        width, height = _size(bits)
        if bits.read(1):  # all as usual
            return Header(width, height, 8, False)
        is_animated = _extra(bits) if bits.read(1) else False
        if bits.read(1):  # samples are floats
            depth = bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
        else:
            depth = bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
        return Header(width, height, depth, is_animated)
    except (ValueError, LookupError):
        return None


def _codestream(data: bytes) -> bytes:
    if data[4:8] != b"JXL ":
        return data
    at = 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = at + 8
        if size == 1:
            size = int.from_bytes(data[body : body + 8], "big")
            body += 8
        if kind in (b"jxlc", b"jxlp"):
            return data[body + (4 if kind == b"jxlp" else 0) :][:64]
        if size < 8:
            break
        at += size
    raise ValueError("no codestream")


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.read(1)

    def side() -> int:
        if small:
            return 8 * (1 + bits.read(5))
        return 1 + bits.choose((0, 9), (0, 13), (0, 18), (0, 30))

    height = side()
    ratio = _RATIOS[bits.read(3)]
    return (height * ratio[0] // ratio[1] if ratio else side()), height


def _extra(bits: _Bits) -> bool:
    """Orientation, other sizes, a preview; returns whether it is animated."""
    bits.read(3)
    if bits.read(1):
        _size(bits)
    if bits.read(1):
        _preview(bits)
    if not bits.read(1):
        return False
    bits.choose((100, 0), (1000, 0), (1, 10), (1, 30))
    bits.choose((1, 0), (1001, 0), (1, 8), (1, 10))
    bits.choose((0, 0), (0, 3), (0, 16), (0, 32))
    bits.read(1)
    return True


def _preview(bits: _Bits) -> None:
    if bits.read(1):
        ways = (16, 0), (32, 0), (1, 5), (33, 9)
    else:
        ways = (1, 6), (65, 8), (321, 10), (1345, 12)
    bits.choose(*ways)
    if not bits.read(3):  # no ratio: a width of its own
        bits.choose(*ways)
