"""Where in a picture a squared error counts how much.

The refinement minimises rate + lambda * weighted squared error. With one
weight for all samples that is PSNR. SSIM forgives errors where the picture
itself varies: for small ones 1 - SSIM is their variance over
2 variance(picture) + C2, window by window (Wang et al. 2004, from
equation 13 with equal means), and MS-SSIM multiplies five scales of that.
"""

import numpy as np

from ..types import Array

BLOCK = 4  # samples of a side of what shares a weight
STRIP = 512  # rows at a time
C2 = (0.03 * 255) ** 2
# Exponents of MS-SSIM's scales (Wang, Simoncelli and Bovik 2003), and its
# window of 11 samples at each of them, in blocks.
SCALES = (0.0448, 3), (0.2856, 5), (0.3001, 11), (0.2363, 21), (0.1333, 43)
LUMA = np.array([0.299, 0.587, 0.114])


def ms_ssim(pixels: Array) -> Array:
    """Weights that stand for MS-SSIM.

    The root of what the formula says: the whole of it moves more error
    into what varies than the quadratic model of the error is good for
    (docs/effort.md has the figures).

    Parameters
    ----------
    pixels : uint8 (height, width, 3)

    Returns
    -------
    float32 (ceil(height / 4), ceil(width / 4)), 1 on average
    """
    mean, square = _blocks(pixels)
    total = np.zeros_like(mean)
    for exponent, side in SCALES:
        side = min(side, min(mean.shape) * 2 - 1)
        variance = _box(square, side) - _box(mean, side) ** 2
        total += exponent / (2 * np.maximum(variance, 0) + C2)
    total **= 0.5
    return (total / total.mean()).astype(np.float32)


def _blocks(pixels: Array) -> list[Array]:
    """Means of luma and of its square over blocks."""
    height, width = pixels.shape[:2]
    pad = (0, -height % BLOCK), (0, -width % BLOCK)
    parts = []
    for first in range(0, height, STRIP):
        luma = pixels[first : first + STRIP] @ LUMA
        luma = np.pad(luma, (pad[0] if first + STRIP >= height else (0, 0), pad[1]), "edge")
        h, w = (n // BLOCK for n in luma.shape)
        luma = luma.reshape(h, BLOCK, w, BLOCK)
        parts.append([luma.mean((1, 3)), np.square(luma).mean((1, 3))])
    return [np.concatenate(p) for p in zip(*parts)]


def _box(a: Array, side: int) -> Array:
    """Mean over side x side, edges repeated; side is odd."""
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = side // 2 + 1, side // 2
        total = np.pad(a, pad, "edge").cumsum(axis)
        upper = np.take(total, range(side, total.shape[axis]), axis)
        a = (upper - np.take(total, range(upper.shape[axis]), axis)) / side
    return a
