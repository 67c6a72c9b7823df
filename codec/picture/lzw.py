"""Where a stream of LZW ends, as GIF and TIFF have it.

Nothing is unpacked: the widths of codes depend on their number alone, and the
lengths of what they stand for on each other.
"""

import functools

import numpy as np

from ..types import Array

_MAX_CODES, _FEW_CODES = 4096, 128
MAX_CLEARS = 2000


def used(data: bytes, bits: int, n_pixels: int, is_gif: bool = True) -> int:
    """Bytes up to the last pixel, and the end that follows.

    Parameters
    ----------
    data : bytes
    bits : int
        Of a pixel, 1..11.
    n_pixels : int
    is_gif : bool
        Or of a TIFF file: there the first bit is the highest, and codes grow
        one code earlier.

    Returns
    -------
    int
        Of damaged data whatever is found.

    Raises
    ------
    ValueError
        So many clears that following them would take too long.
    """
    codes = _Codes(data, bits, is_gif)
    clears = MAX_CLEARS + len(data) // 256
    at, since, table = 0, 0, np.zeros(0, np.int64)
    while at < codes.n_bits:
        found, ends = codes.read(at, since)
        stop = np.flatnonzero(found >> 1 == codes.clear >> 1)
        n = int(stop[0]) if len(stop) else len(found)
        if since == 0:
            table = _lengths(found[:n], codes.clear)
        lengths = table if since == 0 else codes.look_up(table, found[:n])
        total = np.cumsum(lengths)
        if n and total[-1] >= n_pixels:
            n = int(np.searchsorted(total, n_pixels)) + 1
            return codes.after_end(int(ends[n - 1]), since + n)
        n_pixels -= int(total[-1]) if n else 0
        if len(stop):
            at, since, clears = int(ends[n]), 0, clears - 1
            if clears < 0:
                raise ValueError("too many clears")
            if found[n] != codes.clear:
                break
        elif n:
            at, since = int(ends[-1]), since + n
        else:
            break
    return (at + 7) // 8


@functools.cache
def _widths(bits: int, is_gif: bool) -> Array:
    """Of each code since a clear."""
    limits = 1 << np.arange(bits + 1, 12)
    entries = np.arange(_MAX_CODES) + (1 << bits) + (1 if is_gif else 2)
    return np.asarray(bits + 1 + np.searchsorted(limits, entries, "right"))


class _Codes:
    """Codes of a stream of LZW.

    Their widths depend on nothing but their number since the last clear, so
    all up to the next one can be taken at once.
    """

    def __init__(self, data: bytes, bits: int, is_gif: bool) -> None:
        self.clear, self.n_bits = 1 << bits, 8 * len(data)
        self._data, self._is_gif = np.frombuffer(data + bytes(4), np.uint8), is_gif
        self._widths = _widths(bits, is_gif)

    def read(self, at: int, since: int) -> tuple[Array, Array]:
        """The next codes from a bit on, and the bits where they end.

        Up to a clear or the end, if one of them is near.
        """
        for most in (_FEW_CODES, _MAX_CODES):
            widths = self._widths[:most] if since == 0 else np.full(most, 12)
            ends = at + np.cumsum(widths)
            n = int(np.searchsorted(ends, self.n_bits, "right"))
            ends, widths = ends[:n], widths[:n]
            found = self._at(ends - widths, widths)
            if n < most or (found >> 1 == self.clear >> 1).any():
                break
        return found, ends

    def _at(self, starts: Array, widths: Array) -> Array:
        """Codes of these widths from these bits on."""
        order = range(3) if self._is_gif else range(2, -1, -1)
        found = np.zeros(len(starts), np.int64)
        for i, shift in zip(range(3), order):
            found |= self._data[(starts >> 3) + i].astype(np.int64) << 8 * shift
        behind = starts & 7 if self._is_gif else 24 - (starts & 7) - widths
        return found >> behind & (1 << widths) - 1

    def look_up(self, table: Array, codes: Array) -> Array:
        """Lengths of codes that the table has, once it is full."""
        if not len(table):
            return np.ones(len(codes), np.int64)
        at = np.clip(codes - self.clear - 2, 0, len(table) - 1)
        return np.where(codes < self.clear, 1, 1 + table[at])

    def after_end(self, at: int, since: int) -> int:
        """The byte after a pixel's code, and after the end if that is next."""
        for _ in range(2):
            width = int(self._widths[min(since, _MAX_CODES - 1)])
            if at + width > self.n_bits:
                break
            code = int(self._at(np.array([at]), np.array([width]))[0])
            if code >> 1 != self.clear >> 1:
                break
            at, since = at + width, 0
            if code != self.clear:
                break
        return (at + 7) // 8


def _lengths(codes: Array, clear: int) -> Array:
    """Pixels of each code of a table that begins with them.

    An entry is one pixel longer than the code that it was made of; all those
    chains are followed at once, each step twice as far.
    """
    n = len(codes)
    before = codes - clear - 2
    before = np.where((before >= 0) & (before < np.arange(n)), before, n)
    before = np.append(before, n)
    lengths = np.append(np.ones(n, np.int64), 0)
    while (before < n).any():
        lengths = lengths + lengths[before]
        before = before[before]
    return lengths[:n]
