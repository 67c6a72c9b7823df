"""Which symbols values become, slab by slab and step by step.

Contents
--------
``nearest``  round, with a wider dead zone where more than zero is dear
``rounded``  the same for values less their means, of one step
``given``    symbols that are known
``hyper``    z symbols: round, the dearer one a little later

``nearest`` and ``given`` give a function of a slab's place, and that gives a
function of the flat positions, channels, means and scale indices of a step: its
symbols, and what the decoder is to be shown instead, or None.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..symbols import core
from ..symbols.coder import MAX_SYMBOL
from ..symbols.slabs import Place
from ..types import Array

# Of flat positions, channels, means and scale indices of a step: its symbols, and what
# the decoder is to be shown instead.
StepChoice = Callable[[Any, slice, Array, Array], tuple[Array, Array | None]]
Choice = Callable[[Place], StepChoice]

# What the dead zone has in excess at the lowest scale index that is coded,
# falling to nothing in so many of them.
ZONE, ZONE_SCALES = 0.06, 8
# By how much a bit moves the threshold between two z symbols.
Z_BIT = 1 / 512


def nearest(y: Array, gain: Array, skip: int) -> Choice:
    """Choice of the nearest symbols.

    Parameters
    ----------
    y : float32 (.., hy, wy, M)
        Latent plane.
    gain : float32 (M,)
    skip : int
        Scale indices below are skipped.

    Returns
    -------
    function of Place
        Its functions give int16 (n, c), zero where it is skipped, and None.
    """
    whole, zone = rounded(skip), _zone(skip)
    zone[:skip], gain = np.inf, np.ascontiguousarray(gain, np.float32)

    def of_slab(place: Place) -> StepChoice:
        flat = np.ascontiguousarray(y[place.cells], np.float32).reshape(-1, y.shape[-1])

        def of_step(at: Any, channels: slice, mean: Array, scales: Array) -> tuple[Array, None]:
            if core.nearest:
                symbols = np.empty(scales.shape, np.int16)
                core.nearest(flat, at, channels.start, mean, scales, gain, zone, symbols)
                return symbols, None
            g = gain[channels]
            symbols = whole(flat[at, channels] * g - mean * g, scales)
            symbols[scales < skip] = 0
            return np.clip(symbols, -MAX_SYMBOL, MAX_SYMBOL).astype(np.int16), None

        return of_step

    return of_slab


def rounded(skip: int) -> Callable[[Array, Array], Array]:
    """The nearest symbols.

    Parameters
    ----------
    skip : int
        Scale indices below are skipped.

    Returns
    -------
    function
        Of values float32 (n, c), in steps and less their means, and scale indices
        uint8 (n, c): float32 (n, c) whole numbers.
    """
    zone = _zone(skip)

    def whole(v: Array, scales: Array) -> Array:
        # A product is faster than zeros put in places.
        return np.rint(v) * (np.abs(v) >= zone.take(scales))

    return whole


def _zone(skip: int) -> Array:
    """What values have to reach so as not to be zero, of each scale index, float32."""
    more = np.interp(np.arange(64), (skip, skip + ZONE_SCALES), (ZONE, 0))
    return 0.5 + more.astype(np.float32)


def given(symbols: Array, skip: int) -> Choice:
    """Choice of symbols that are known, int16 (.., hy, wy, M).

    Returns
    -------
    function of Place
        Its functions give int16 (n, c), zero where it is skipped, and None.
    """

    def of_slab(place: Place) -> StepChoice:
        flat = symbols[place.cells].reshape(-1, symbols.shape[-1])
        return lambda at, channels, mean, scales: (
            flat[at, channels] * (scales >= skip),
            None,
        )

    return of_slab


def hyper(z: Array, bits: Array) -> Array:
    """z symbols of what the hyper-analysis gives.

    Parameters
    ----------
    z : float32 (.., NZ)
    bits : float (NZ, 2 Z_MAX + 1)
        What each symbol costs.

    Returns
    -------
    int16 of the shape of ``z``
    """
    top = bits.shape[1] // 2
    low = np.clip(np.floor(z), -top, top - 1)
    at, channel = low.astype(int) + top, np.arange(len(bits))
    more = bits[channel, at + 1] - bits[channel, at]
    return (low + (z - low > 0.5 + more * Z_BIT)).astype(np.int16)
