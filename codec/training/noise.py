"""Noise on pictures, for encoders that are to take it away."""

import numpy as np

CLEAN = 1 / 8  # share of crops without noise, where sigma varies


def added(pixels, sigma, rng):
    """Pictures with Gaussian noise, rounded and clipped as real ones are.

    Parameters
    ----------
    pixels : uint8 array
    sigma : float
        Of the noise, in grey levels.
    rng : numpy.random.Generator

    Returns
    -------
    uint8 array
    """
    noise = rng.standard_normal(pixels.shape, np.float32)
    noise *= sigma
    noise += pixels
    return np.clip(np.rint(noise), 0, 255).astype(np.uint8)


def drawn(denoise, rng):
    """A sigma: the only one, or uniform in the range and sometimes 0."""
    low, high = denoise[0], denoise[-1]
    if low != high and rng.random() < CLEAN:
        return 0.0
    return rng.uniform(low, high)


def typical(denoise):
    """The sigma to validate at: the middle of the range."""
    return (denoise[0] + denoise[-1]) / 2
