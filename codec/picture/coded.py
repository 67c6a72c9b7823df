"""Coded samples of AVIF and HEIC: units, of which some hold no samples.

Where samples end within their unit, only their decoder knows.
"""

from collections.abc import Iterator

_OBU_SAMPLES = {1, 2, 3, 4, 6, 7, 8}  # headers, frames, groups of tiles
_MAX_HEADER = 64  # bytes of a sequence header
_PARAMETERS = {32, 33, 34}  # of HEVC: VPS, SPS, PPS
_NAL_SAMPLES = {*range(32), *_PARAMETERS, 35, 36, 37}
_MAX_PARAMETERS = 512  # bytes of a set
MAX_UNITS = 4096


def surplus(kind: bytes, body: bytes) -> bytes:
    """What an item or property has that is no sample, and no parameter.

    Parameters
    ----------
    kind : bytes
        ``av01``, ``hvc1``, ``grid`` of items; ``av1C``, ``hvcC`` of properties.
    body : bytes

    Returns
    -------
    bytes
        Nothing of other kinds.

    Raises
    ------
    IndexError
        Cut short, or of too many units.
    """
    if kind == b"av01":
        return b"".join(_obus(body))
    if kind == b"av1C":
        return b"".join(_obus(body[4:]))
    if kind == b"hvc1":
        return b"".join(_nals(body, 0, 4, len(body)))
    if kind == b"hvcC":
        return b"".join(_configuration(body))
    if kind == b"grid":
        return body[12 if body[1] & 1 else 8 :]
    return b""


def _obus(body: bytes) -> Iterator[bytes]:
    at = 0
    for _ in range(MAX_UNITS):
        if at >= len(body):
            return
        head, start = body[at], at
        kind, at = head >> 3 & 15, at + 1 + (head >> 2 & 1)
        size = len(body) - at
        if head & 2:
            size, at = _leb128(body, at)
        end = at + size
        is_long = kind == 1 and size > _MAX_HEADER or kind == 2 and size
        is_padding = kind == 15 and not any(body[at:end])
        if (kind not in _OBU_SAMPLES or is_long) and not is_padding:
            yield body[start:end]
        at = end
    raise IndexError("too many units")


def _leb128(body: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = 0
    for i in range(8):
        byte = body[at + i]
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    raise IndexError("a number without an end")


def _nals(body: bytes, at: int, width: int, end: int) -> Iterator[bytes]:
    for _ in range(MAX_UNITS):
        if at >= end:
            return
        size = int.from_bytes(body[at : at + width], "big")
        start, at = at, at + width
        kind = body[at] >> 1 & 63 if size else 0
        is_long = kind in _PARAMETERS and size > _MAX_PARAMETERS
        if kind not in _NAL_SAMPLES or is_long or at + size > end:
            yield body[start : at + size]
        at += size
    raise IndexError("too many units")


def _configuration(body: bytes) -> Iterator[bytes]:
    at = 23
    for _ in range(body[22]):
        n = int.from_bytes(body[at + 1 : at + 3], "big")
        at += 3
        for _ in range(n):
            end = at + 2 + int.from_bytes(body[at : at + 2], "big")
            yield from _nals(body, at, 2, end)
            at = end
    yield body[at:]
