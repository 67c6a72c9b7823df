"""Slabs of the latent plane, and where their streams lie in a payload.

A slab is a rectangle of cells that is coded by itself: an entropy stream of
its own, for which nothing but z is needed (docs/format.md, section 5).

Contents
--------
``Place``   where a slab lies
``slabs``   the slabs of a plane, row by row
``join``    streams -> payload
``split``   payload -> streams
"""

import dataclasses
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FormatError
from ..types import Buffer

SIDE = 8  # of a slab at most, in positions of z: 32 cells, 512 pixels
_ENTRY = struct.Struct("<II")


@dataclasses.dataclass(frozen=True)
class Place:
    """A rectangle of cells.

    Attributes
    ----------
    top, left : int
        Multiples of 4.
    height, width : int
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def rows(self) -> slice:
        """Rows of its cells."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """Columns of its cells."""
        return slice(self.left, self.left + self.width)

    @property
    def cells(self) -> tuple[Any, ...]:
        """Index of its cells in an array (.., h, w, c)."""
        return ..., self.rows, self.columns, slice(None)

    @property
    def z_cells(self) -> tuple[Any, ...]:
        """Index of its positions in an array of z, (.., hz, wz, c)."""
        return (
            ...,
            slice(self.top // 4, -(-(self.top + self.height) // 4)),
            slice(self.left // 4, -(-(self.left + self.width) // 4)),
            slice(None),
        )

    def flat(self, at: np.ndarray, width: int) -> np.ndarray:
        """Flat places in a plane of flat places in the slab.

        Parameters
        ----------
        at : int ndarray
        width : int
            Of the plane.
        """
        y, x = np.divmod(at, self.width)
        return (self.top + y) * width + self.left + x


def sides(n: int) -> list[tuple[int, int]]:
    """First cell and number of cells of each part of a side of n cells."""
    positions = -(-n // 4)
    parts = -(-positions // SIDE)
    edges = [min(4 * (positions * i // parts), n) for i in range(parts + 1)]
    return [(lo, hi - lo) for lo, hi in zip(edges, edges[1:])]


def slabs(height: int, width: int) -> list[Place]:
    """Slabs of a plane of cells, row by row."""
    return [Place(top, left, h, w) for top, h in sides(height) for left, w in sides(width)]


def join(streams: Sequence[bytes], checksums: Sequence[int]) -> tuple[bytes, int]:
    """Payload of the streams of all slabs.

    Parameters
    ----------
    streams : list of bytes
        Each a multiple of 4.
    checksums : list of int
        Of the symbols of each.

    Returns
    -------
    payload : bytes
    crc : int
        The first checksum, which the header holds.
    """
    index = [_ENTRY.pack(len(s), crc) for s, crc in zip(streams[1:], checksums[1:], strict=True)]
    return b"".join([*index, *streams]), checksums[0]


def split(payload: Buffer, crc: int | None, n: int) -> list[tuple[memoryview, int]]:
    """Streams of a payload, each with the checksum of its symbols.

    Parameters
    ----------
    payload : bytes
    crc : int or None
        Of the first one, from the header.
    n : int
        Of slabs.

    Returns
    -------
    list of (memoryview, int or None)

    Raises
    ------
    FormatError
        The index is not one of this payload.
    """
    view, start = memoryview(payload), _ENTRY.size * (n - 1)
    if len(view) < start:
        raise FormatError("payload is too short for its index: file is damaged")
    index = list(_ENTRY.iter_unpack(view[:start]))
    first = len(view) - start - sum(length for length, _ in index)
    if first < 0 or first % 4 or any(length % 4 for length, _ in index):
        raise FormatError("the index of the payload contradicts itself")
    found = []
    for length, checksum in [(first, crc), *index]:
        found.append((view[start : start + length], checksum))
        start += length
    return found
