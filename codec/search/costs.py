"""Bits that symbols cost, as floats: for choosing only."""

import functools

import numpy as np

from ..types import Array

ONE = 2.0**24
TOP = 1023  # larger symbols cost about as much per step


class Costs:
    """Bits by scale index and magnitude, from the tables that will code them.

    Parameters
    ----------
    t : dict of ndarray
        ``row_freq``, ``row_max``, ``z_freq``, ``z_band``.
    row_skip : int
        Scale indices below are skipped.

    Attributes
    ----------
    bits : float32 (64, TOP + 2)
    """

    def __init__(self, t: dict[str, Array], row_skip: int) -> None:
        self.t, self.row_skip = t, row_skip
        self._z: dict[int, Array] = {}
        k = np.arange(TOP + 2)
        self.bits = np.zeros((len(t["row_max"]), len(k)), np.float32)
        for r, top in enumerate(t["row_max"].tolist()):
            if r < row_skip:
                continue
            p = -np.log2(t["row_freq"][r, top : 2 * top + 2] / ONE)
            self.bits[r, : top + 1] = p[:-1][: len(k)]
            u = np.maximum(k[top + 1 :] - top, 1)
            # An escape, four bits of n, n bits and the sign.
            self.bits[r, top + 1 :] = p[-1] + 5 + np.floor(np.log2(u))

    def z_bits(self, quality_index: int) -> Array:
        """Bits of each z symbol: float64 (NZ, 2 Z_MAX + 1)."""
        band = int(self.t["z_band"][quality_index])
        if band not in self._z:
            self._z[band] = -np.log2(self.t["z_freq"][band] / ONE)
        return self._z[band]

    def z(self, z: Array, quality_index: int) -> float:
        """Bits of all z symbols, int16 (hz, wz, NZ)."""
        bits = self.z_bits(quality_index)
        index = z.reshape(-1, z.shape[-1]).astype(int) + bits.shape[1] // 2
        return float(bits[np.arange(z.shape[-1]), index].sum())

    def cells(self, symbols: Array, scales: Array) -> Array:
        """Bits of each cell, (h, w), of int16 symbols with their scale indices."""
        return self.of(np.abs(symbols.astype(np.int32)), scales).sum(2)

    def of(self, magnitude: Array, scales: Array) -> Array:
        """Bits of symbols of these magnitudes.

        Parameters
        ----------
        magnitude : int32 ndarray, at least 0
        scales : uint8 ndarray of that shape, 0..63

        Returns
        -------
        float32 ndarray of that shape
        """
        # Four times as fast as bits[scales, magnitude].
        at = np.minimum(magnitude, TOP + 1)
        at += scales.astype(np.int32) * np.int32(TOP + 2)
        return self.bits.take(at)

    @functools.cached_property
    def _upward(self) -> Array:
        k = np.abs(np.arange(-TOP - 1, TOP + 2))
        return np.diff(self.bits[:, k], axis=1)

    def upward(self, symbols: Array, scales: Array) -> Array:
        """Bits that symbols one higher would cost more.

        Parameters
        ----------
        symbols : ndarray of whole numbers
        scales : uint8 ndarray of that shape

        Returns
        -------
        float32 ndarray of that shape
        """
        at = symbols.astype(np.int32)
        at += TOP + 1
        at.clip(0, 2 * TOP + 1, out=at)
        at += scales.astype(np.int32) * np.int32(2 * TOP + 2)
        return self._upward.take(at)


class Counter:
    """A writer of symbols that only adds up what they cost.

    Parameters
    ----------
    costs : Costs

    Attributes
    ----------
    bits : float
    """

    def __init__(self, costs: Costs) -> None:
        self.costs, self.bits = costs, 0.0

    def write(self, symbols: Array, scales: Array) -> None:
        """Count symbols int16, of scale indices uint8 of the same shape."""
        self.bits += float(
            self.costs.of(np.abs(symbols.astype(np.int32)), scales).sum(dtype=np.float64)
        )
