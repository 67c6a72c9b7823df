"""Symbols between two whole numbers, while which of them is best is open.

A value v of the latent, in steps and less its mean, lies between floor(v) and the
whole number above. The decoder is shown

    q = floor(v) + s,   s = t^2 (3 - 2 t),   t = 1/2 + (v - floor(v) - 1/2) / width

with t kept in 0..1. Were the upper symbol taken with chance s, each value by
itself, q would be the mean, and as the error is nearly quadratic in the symbols
the cost to expect would be

    bits between those of both + error of the decoded q + sum of e s (1 - s)

(a mean field), where e is what a symbol of its own adds to the error when it moves by
one. `Relaxed.step` goes down that cost's slope. The last part is largest in the
middle, so values leave it; the width falls from pass to pass, until nearly all
are whole.
"""

from typing import Any

import numpy as np

from ..symbols.slabs import Place
from ..types import Array
from .choose import Choice, StepChoice
from .costs import Costs

MOMENTUM, MEMORY = 0.3, 0.85  # of Adam's two averages
CHUNK = 2**15  # values: as many as the caches hold


class Relaxed:
    """The latent of one picture on its way to whole symbols.

    Parameters
    ----------
    latent : float32 (hy, wy, M)
        In steps. Changed in place.
    costs : Costs
    noise : float
        Values are seen up to half of this times the width away from where
        they are: shakes them out of what is best only nearby.

    Attributes
    ----------
    latent : float32 (hy, wy, M)
    """

    def __init__(self, latent: Array, costs: Costs, noise: float = 0.0) -> None:
        self.latent, self.costs, self.noise = latent, costs, noise
        # How far q follows the value, s, and what the upper symbol costs
        # more, in bits.
        self.follows, self.upper, self.more = (np.zeros_like(latent) for _ in range(3))
        self.mean, self.square = np.zeros_like(latent), np.zeros_like(latent)
        self.n = 0

    def choice(self, gain: Array, width: float, nearest: Any = None) -> Choice:
        """What symbols are now, as of `choose.nearest`.

        Parameters
        ----------
        gain : float32 (M,)
        width : float
            Of the part between two whole numbers where q lies between them.
        nearest : function, or None
            Of values and scale indices: symbols to take as they are, rather than q.

        Returns
        -------
        function of Place
            Its functions give the nearest symbols and q, float32 (n, c), or
            the symbols of ``nearest`` and None.
        """
        _, wide, m = self.latent.shape
        latent, follows, upper, more = (
            a.reshape(-1, m) for a in (self.latent, self.follows, self.upper, self.more)
        )

        def of_slab(place: Place) -> StepChoice:
            # Of the slab and the pass, so that threads may share the slabs.
            rng = np.random.default_rng((1, self.n, place.top, place.left))

            def of_step(
                at: Any, channels: slice, mean: Array, scales: Array
            ) -> tuple[Array, Array | None]:
                at = place.flat(at, wide)
                v = latent[at, channels] - mean * gain[channels]
                low = np.floor(v)
                t = v - low
                if self.noise:
                    t += (rng.random(t.shape, np.float32) - 0.5) * (self.noise * width)
                t -= 0.5 * (1 - width)
                t *= 1 / width
                t.clip(0, 1, out=t)
                slope = t * (1 - t)
                slope *= 6 / width
                dead = scales < self.costs.row_skip
                slope[dead] = 0
                follows[at, channels] = slope
                more[at, channels] = self.costs.upward(low, scales)
                if nearest is not None:
                    symbols = nearest(v, scales)
                    upper[at, channels] = symbols - low
                    return symbols, None
                t *= t * (3 - 2 * t)
                upper[at, channels] = t
                low += t
                low[dead] = 0
                return np.rint(low), low

            return of_step

        return of_slab

    def step(
        self,
        gradient: Array,
        energy: Array,
        rate: float,
        caution: Any = 1.0,
        prior: float = 0.0,
    ) -> None:
        """Move the latent down its slope, a step of Adam.

        Parameters
        ----------
        gradient : float32 (hy, wy, M)
            Bits by which the error rises per step of q.
        energy : float32 (hy, wy, M)
            e, in bits.
        rate : float
            In steps.
        caution : float
            On e: the more, the sooner values become whole.
        prior : float
            Times e: what slopes are taken to have been before the first
            one. 0: nothing.
        """
        if not self.n and prior:
            self.square = np.square(np.float32(prior * caution) * energy)
        self.n += 1
        first = rate / (1 - MOMENTUM**self.n)
        second = 1 if prior else 1 / (1 - MEMORY**self.n)
        flat = [
            a.reshape(-1)
            for a in (
                self.latent,
                gradient,
                energy,
                self.follows,
                self.upper,
                self.more,
                self.mean,
                self.square,
            )
        ]
        for i in range(0, self.latent.size, CHUNK):
            latent, g, e, follows, upper, more, mean, square = (a[i : i + CHUNK] for a in flat)
            slope = (g + more + e * (caution - 2 * caution * upper)) * follows
            mean += (1 - MOMENTUM) * (slope - mean)
            square += (1 - MEMORY) * (slope * slope - square)
            latent -= first * mean / (np.sqrt(second * square) + 1e-8)
