"""Pixels <-> latent plane through the analysis and synthesis graphs."""

import numpy as np

from .tiles import strips


def pad(pixels, rows):
    """uint8 (h, w, 3) strip -> height ``rows``, width a multiple of 16.

    The last row and column repeat.
    """
    h, w = pixels.shape[:2]
    return np.pad(pixels, ((0, rows - h), (0, -w % 16), (0, 0)), "edge")


def analyse(pixels, graphs, modulation):
    """Latent plane of a picture.

    Parameters
    ----------
    pixels : uint8 (height, width, 3)
    graphs : Graphs
    modulation : float32 (n,)

    Returns
    -------
    float32 (hy, wy, M)
    """
    h, w = -(-pixels.shape[0] // 16), -(-pixels.shape[1] // 16)
    out = None
    for lo, hi, a, b in strips(h, w, graphs.bundle.halo["analysis"]):
        px = pad(pixels[16 * a:16 * b], 16 * (b - a))
        y = graphs.run("analysis", pixels=px, modulation=modulation)[0]
        if out is None:
            if (lo, hi) == (0, h):
                return y
            out = np.empty((h, w, y.shape[2]), np.float32)
        out[lo:hi] = y[lo - a:hi - a]
    return out


def synthesise(latent, graphs, modulation, height, width):
    """Picture of a latent plane.

    Parameters
    ----------
    latent : float32 (hy, wy, M)
    graphs : Graphs
    modulation : float32 (n,)
    height, width : int

    Returns
    -------
    uint8 (height, width, 3)
    """
    h, w = latent.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    for lo, hi, a, b in strips(h, w, graphs.bundle.halo["synthesis"]):
        x = graphs.run("synthesis", latent=latent[a:b],
                       modulation=modulation)[0]
        x = x[16 * (lo - a):16 * (hi - a), :width]
        end = min(16 * hi, height)
        out[16 * lo:end] = x[:end - 16 * lo]
    return out
