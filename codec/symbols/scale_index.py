"""Scale indices from integers (docs/format.md, section 7).

Everything here is integer arithmetic carried out in float32: each product
and each partial sum, in any order, is an integer below 2**24 in magnitude
(times 2**-10 where it is to be shifted by 10), hence exact on every machine
and with every engine. ``codec.model.tables``
proves that for the arrays of a model when it is loaded, ``selftest`` tries
the engine. The graphs themselves are ``codec.training.graphs.exact``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..model.tables import LEVEL_ONE, cuts
from ..types import Array
from .slabs import Place

ONE = np.float32(2**-10)  # of what section 7 shifts right by 10


def neighbourhoods(z: Array, place: Place) -> Array:
    """What section 7 multiplies by W1, of the positions of a slab.

    Parameters
    ----------
    z : int16 (.., hz, wz, NZ)
    place : Place

    Returns
    -------
    float32 (.., h, w, 9 NZ)
    """
    part = z[place.z_cells].astype(np.float32)
    *n, h, w, _ = part.shape
    p = np.pad(part, (*((0, 0) for _ in n), (1, 1), (1, 1), (0, 0)))
    return np.concatenate([p[..., i : i + h, j : j + w, :] for i in range(3) for j in range(3)], -1)


class ScaleIndex:
    """Scale indices of a model.

    Arrays are of one picture, (h, w, c), or of several, (n, h, w, c).

    Parameters
    ----------
    t : dict of ndarray
        The integer arrays of the model.
    run : callable
        ``Graphs.run``: the products run in the engine, which is faster
        than numpy where its BLAS is an old one, and as exact.
    """

    def __init__(self, t: dict[str, Array], run: Callable[..., list[Array]]) -> None:
        self.run = run
        self.w1 = np.ascontiguousarray(t["w1"].T, np.float32)
        self.b1 = t["b1"].astype(np.float32)
        self.m, k = t["bias"].shape[1], len(t["c1"])
        self.groups = slice(0, k), slice(k, self.m)
        w2 = t["w2"].reshape(16, self.m, -1)
        self.w2 = [
            np.ascontiguousarray(w2[:, g].reshape(-1, w2.shape[2]).T, np.float32) * ONE
            for g in self.groups
        ]
        self.b2, self.bias = t["b2"], t["bias"]
        self.context: list[Any] = [None] + [
            np.ascontiguousarray(t[n].T, np.float32) * (16 * ONE) for n in ("c1", "c2", "c3")
        ]
        # By the bits of an int16 symbol, so that one look-up does it all.
        v = np.abs(np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32))
        self.level = t["level"][np.minimum(v, 255)]
        self.cuts = cuts(t["parts"], k, self.m) if "parts" in t else []
        self.parts = [
            np.ascontiguousarray(t[f"d{n}"].T, np.float32) * ONE for n in range(len(self.cuts))
        ]
        if self.cuts:
            self.expected = t["expected"].astype(np.int16)
            # Not times np.int16: numpy 1 would keep the bytes of a table that fits them.
            self.fixed_level = self.level.astype(np.int16) * LEVEL_ONE

    def hidden(self, z: Array, place: Place) -> Array:
        """Activations of the positions of a slab.

        Parameters
        ----------
        z : int16 (.., hz, wz, NZ)
        place : Place

        Returns
        -------
        float32 (.., h, w, HYPER) of integers
        """
        x = neighbourhoods(z, place)
        a = self.run("exact_hidden", x=x.reshape(-1, x.shape[-1]), w=self.w1, b=self.b1)
        return a[0].reshape(*x.shape[:-1], -1)

    def base(self, hidden: Array, quality_index: int, group: int) -> Array:
        """Base of the scale indices of a group of channels.

        Parameters
        ----------
        hidden : float32 (.., h, w, HYPER)
        quality_index : int, 0..99
        group : int
            0 or 1.

        Returns
        -------
        float32 (.., 4 h, 4 w, c)
        """
        *n, h, w, c = hidden.shape
        channels = self.groups[group]
        b = (self.b2 + self.bias[quality_index])[:, channels].astype(np.float32) * ONE
        r = self.run("exact_base", x=hidden.reshape(-1, c), w=self.w2[group], b=b.ravel())[0]
        r = r.reshape(-1, h, w, 4, 4, b.shape[1]).swapaxes(2, 3)
        return r.reshape(*n, 4 * h, 4 * w, b.shape[1])

    def levels(self, symbols: Array) -> Array:
        """Magnitude levels of int16 symbols, uint8 0..15, same shape."""
        return self.level.take(symbols.view(np.uint16))

    def indices(self, base: Array, context: Array | None, which: int) -> Array:
        """Scale indices of one pass.

        Parameters
        ----------
        base : float32 (n, c)
        context : uint8 (n, c_in), or None
        which : int
            Pass, 0..3.

        Returns
        -------
        uint8 (n, c), 0..63
        """
        if context is None:
            return self._first(base)
        return self._seen("exact_rows", base, self.context[which], context)

    def _first(self, base: Array) -> Array:
        return self.run("exact_rows0", base=base)[0]

    def _seen(self, name: str, base: Array, w: Array, x: Array) -> Array:
        return self.run(name, base=base, w=w, x=x.astype(np.float32))[0]

    def sums(self, base: Array, context: Array | None, which: int) -> Array:
        """What `indices` makes scale indices of, for passes that have parts.

        Parameters
        ----------
        base, context, which
            As of `indices`.

        Returns
        -------
        float32 (n, c)
        """
        if context is None:
            return base
        return self._seen("exact_sum", base, self.context[which], context)

    def part(self, sums: Array, seen: list[Array], n: int | None) -> Array:
        """Scale indices of one part of a pass.

        Parameters
        ----------
        sums : float32 (n, c)
            Those channels of `sums`.
        seen : list of int16 (n, c_in)
            `surprise` of the parts before it.
        n : int or None
            Which cut it begins at; None: it is the first part.

        Returns
        -------
        uint8 (n, c), 0..63
        """
        sums = np.ascontiguousarray(sums)
        if n is None:
            return self._first(sums)
        return self._seen("exact_rows", sums, self.parts[n], np.concatenate(seen, 1))

    def surprise(self, symbols: Array, scales: Array) -> Array:
        """By how much levels exceed what scale indices let expect.

        Parameters
        ----------
        symbols : int16 (n, c)
        scales : uint8 (n, c), 0..63

        Returns
        -------
        int16 (n, c), in 1 / LEVEL_ONE of a level
        """
        return self.fixed_level.take(symbols.view(np.uint16)) - self.expected.take(scales)


def neighbour_sum(x: Array) -> Array:
    """Sum over the four neighbours of uint8 (.., h, w, c), zero outside.

    Levels are at most 15, so a byte holds the sum.
    """
    out = np.zeros_like(x)
    out[..., 1:, :, :] += x[..., :-1, :, :]
    out[..., :-1, :, :] += x[..., 1:, :, :]
    out[..., 1:, :] += x[..., :-1, :]
    out[..., :-1, :] += x[..., 1:, :]
    return out
