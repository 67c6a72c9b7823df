"""Pixels <-> latent plane through the analysis and synthesis graphs."""

import numpy as np

from ..progress import told
from .tiles import tiles


def padded(pixels, rows, columns):
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


def analyse(pixels, graphs, modulation, progress=None):
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
    for (y, yy, a, b), (x, xx, c, d) in told(
        tiles(h, w, graphs.bundle.halo["analysis"]), progress
    ):
        latent = graphs.run(
            "analysis", modulation=modulation, pixels=padded(pixels, (a, b), (c, d))
        )[0]
        out[..., y:yy, x:xx, :] = latent[..., y - a : yy - a, x - c : xx - c, :]
    return out


def synthesise(latent, graphs, modulation, height, width, progress=None):
    """Picture of a latent plane, or of several.

    Parameters
    ----------
    latent : float32 (.., hy, wy, M)
    graphs : Graphs
    modulation : float32 (n,)
    height, width : int
    progress : function of float, or None

    Returns
    -------
    uint8 (.., height, width, 3)
    """
    *n, h, w, _ = latent.shape
    out = np.empty((*n, height, width, 3), np.uint8)
    for (y, yy, a, b), (x, xx, c, d) in told(
        tiles(h, w, graphs.bundle.halo["synthesis"]), progress
    ):
        px = graphs.run(
            "synthesis",
            modulation=modulation,
            latent=np.ascontiguousarray(latent[..., a:b, c:d, :]),
        )[0]
        if px.shape == out.shape:  # all of it, and whole cells
            out = px
            continue
        to = out[..., 16 * y : 16 * yy, 16 * x : 16 * xx, :]
        to[:] = px[..., 16 * (y - a) :, 16 * (x - c) :, :][
            ..., : to.shape[-3], : to.shape[-2], :
        ]
    return out
