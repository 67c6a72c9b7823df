"""Tiles of a picture with halos: bounded memory, nothing to see.

A tile carries as much neighbourhood as the network's receptive field, so a
cell computed in a tile sees exactly what it would see in the whole
picture; at the picture's own borders there is no halo and the network
pads with zeros, as it does untiled. Only the networks run tile by tile:
there is one latent plane.
"""

from collections.abc import Iterator
from typing import Any

SIDE = 64  # latent cells: a tile has at most 1024 x 1024 pixels
# Of what is synthesised, whose halo is smaller: 100 MiB less, 1 % of the time more.
SYNTHESIS_SIDE = 48


def spans(
    n: int, halo: int, part: Any = None, side: int | None = None
) -> list[tuple[int, int, int, int]]:
    """Cut n cells, or a part of them, into equal parts of at most ``SIDE``.

    Parameters
    ----------
    n : int
    halo : int
        Cells of neighbourhood that a part needs on either side.
    part : (int, int), optional
        First cell of those to cut, and the one after the last; all.
    side : int, optional
        At most so many, if that is less.

    Returns
    -------
    list of (lo, hi, first, last)
        Cells lo..hi-1 are kept of a part that spans first..last-1.
    """
    start, stop = part or (0, n)
    parts = -(-(stop - start) // min(SIDE, side or SIDE))
    edges = [start + (stop - start) * i // parts for i in range(parts + 1)]
    return [(lo, hi, max(0, lo - halo), min(n, hi + halo)) for lo, hi in zip(edges, edges[1:])]


def tiles(
    height: int,
    width: int,
    halo: int,
    rows: Any = None,
    columns: Any = None,
    side: int | None = None,
) -> Iterator[tuple[tuple[int, int, int, int], tuple[int, int, int, int]]]:
    """Row and column span of each tile, row by row, as of `spans`."""
    for down in spans(height, halo, rows, side):
        for across in spans(width, halo, columns, side):
            yield down, across
