"""Pixels <-> latent plane through the analysis and synthesis graphs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..model.session import Graphs
from ..progress import Progress, track
from ..symbols import core
from ..types import Array, Region
from .tiles import SYNTHESIS_SIDE, tiles


def padded(pixels: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """Samples of the cells first..last of both spans.

    Beyond the picture the last row and column repeat, up to whole cells.
    """
    (top, bottom), (left, right) = rows, columns
    px = pixels[..., 16 * top : 16 * bottom, 16 * left : 16 * right, :]
    *n, h, w, _ = px.shape
    return np.pad(
        px,
        (
            *[(0, 0) for _ in n],
            (0, 16 * (bottom - top) - h),
            (0, 16 * (right - left) - w),
            (0, 0),
        ),
        "edge",
    )


def analyse(
    pixels: Array,
    graphs: Graphs,
    modulation: Array | None,
    progress: Progress | None = None,
) -> Array:
    """Latent plane of a picture, or of several of one size.

    Parameters
    ----------
    pixels : uint8 (.., height, width, 3)
    graphs : Graphs
    modulation : float32 (n,)
    progress : function of float, or None

    Returns
    -------
    float32 (.., hy, wy, M)
    """
    h, w = -(-pixels.shape[-3] // 16), -(-pixels.shape[-2] // 16)
    out = np.empty((*pixels.shape[:-3], h, w, graphs.bundle.m), np.float32)
    for (y, yy, a, b), (x, xx, c, d) in track(
        tiles(h, w, graphs.bundle.halo["analysis"]), progress
    ):
        latent = graphs.run(
            "analysis", modulation=modulation, pixels=padded(pixels, (a, b), (c, d))
        )[0]
        out[..., y:yy, x:xx, :] = latent[..., y - a : yy - a, x - c : xx - c, :]
    return out


def synthesise(
    cells: Array | Callable[[slice, slice], Array],
    graphs: Graphs,
    modulation: Array | None,
    shape: tuple[int, int],
    region: Region,
    progress: Progress | None = None,
) -> Array:
    """Pixels of a decoded latent plane, or of several.

    Parameters
    ----------
    cells : function of (slice, slice), or float32 (.., hy, wy, M)
        Rows and columns of the plane to float32 (.., h, w, M); it is asked
        for tile after tile, row by row. Or all of the plane.
    graphs : Graphs
    modulation : float32 (n,)
    shape : (.., int, int)
        (.., hy, wy) of the plane.
    region : (int, int, int, int)
        Top, left, height and width in pixels of what is wanted.
    progress : function of float, or None

    Returns
    -------
    uint8 (.., height, width, 3)
    """

    def cut(rows: slice, columns: slice) -> Array:
        if isinstance(cells, np.ndarray):
            return np.ascontiguousarray(cells[..., rows, columns, :])
        return cells(rows, columns)

    n, (h, w) = shape[:-2], shape[-2:]
    top, left, height, width = region
    rows, columns = (
        (first // 16, -(-(first + size) // 16)) for first, size in ((top, height), (left, width))
    )
    out = np.empty((*n, height, width, 3), np.uint8)
    halo = graphs.bundle.halo["synthesis"]
    for (y, yy, a, b), (x, xx, c, d) in track(
        tiles(h, w, halo, rows, columns, SYNTHESIS_SIDE), progress
    ):
        latent = cut(slice(a, b), slice(c, d))
        y, x = max(16 * y, top), max(16 * x, left)
        size = min(16 * yy, top + height) - y, min(16 * xx, left + width) - x
        of, to = (y - 16 * a, x - 16 * c), (y - top, x - left)
        if core.pixels and graphs.squares:
            squares = graphs.run("squares", modulation=modulation, latent=latent)
            core.pixels(*squares, out, *to, *size, *of)
        else:
            (px,) = graphs.run("synthesis", modulation=modulation, latent=latent)
            out[_box(to, size)] = px[_box(of, size)]
    return out


def _box(first: tuple[int, int], size: tuple[int, int]) -> tuple[Any, ...]:
    """Index of so many rows and columns in an array (.., h, w, c)."""
    (y, x), (h, w) = first, size
    return ..., slice(y, y + h), slice(x, x + w), slice(None)
