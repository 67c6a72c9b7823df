"""Better symbols by the decoder run backwards.

One backward pass (``codec.training.gradient``) says how the error of the decoded
picture rises with every value of its latent. Values go down the slope of rate +
lambda * error from where the analysis put them, while they are held less and
less between two whole numbers (`relax`). How strongly the decoder reacts to one
symbol differs between places as well as channels: random probes of the
picture at hand scale the model's averages, place by place.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..model.bundle import Bundle
from ..model.session import Graphs
from ..progress import Progress, part, track
from ..symbols.slabs import sides
from ..types import Array
from . import Plan, choose, objectives
from .costs import Costs
from .relax import Relaxed

# On what the decoder's reaction counts, at quality 0 and 100: the lower it is,
# the more alike what symbols of a cell do to the picture.
CAUTION = 1.35, 0.65
LEAST_SEEN = 0.1  # of the average, where a mask says that errors count nothing
FALLS, LEAST = 0.4, 0.05  # last share of the passes, over which the rate falls
# Pixels that are refined at once, besides a slab above and below. Each takes some
# 120 bytes.
BAND = 2**24


def bands(height: int, width: int) -> list[tuple[slice, slice, slice]]:
    """Parts of a latent plane to refine one after the other.

    Slabs meet in the synthesis only, so a band takes one more on either
    side along, for what it shows of it.

    Parameters
    ----------
    height, width : int
        Of the plane, in cells.

    Returns
    -------
    list of (kept, seen, cut)
        Slices: the rows of the plane that a band is for, those that it
        works on, and which of them are kept.
    """
    edges = [0, *(top + n for top, n in sides(height))]
    step = max(1, BAND // (256 * edges[1] * width))
    last, found = len(edges) - 1, []
    for first in range(0, last, step):
        end = min(first + step, last)
        lo, hi = edges[first], edges[end]
        top, bottom = edges[max(0, first - 1)], edges[min(end + 1, last)]
        found.append((slice(lo, hi), slice(top, bottom), slice(lo - top, hi - top)))
    return found


def refined(
    graphs: Graphs,
    costs: Costs,
    pixels: Array,
    y: Array,
    quality: float,
    coded: "Callable[[slice], Code]",
    plan: Plan,
    progress: Progress | None = None,
) -> Any:
    """Symbols of a picture, band by band.

    Parameters
    ----------
    graphs : Graphs
    costs : Costs
    pixels : uint8 (height, width, 3)
    y : float32 (hy, wy, M)
        Latent plane.
    quality : float
    coded : callable
        Slice of latent rows -> ``Refiner``'s ``code`` for them.
    plan : Plan
    progress : function of float, or None

    Returns
    -------
    int16 (hy, wy, M)
    """
    symbols = np.empty(y.shape, np.int16)
    objective = objectives.of(graphs, pixels, quality, plan.tune, plan.mask)
    parts = bands(*y.shape[:2])
    for i, (kept, seen, cut) in enumerate(parts):
        symbols[kept] = Refiner(costs, objective(seen), graphs.bundle, quality, coded(seen)).run(
            y[seen], plan, part(progress, i / len(parts), (i + 1) / len(parts))
        )[cut]
    return symbols


class Refiner:
    """One picture at one quality.

    Parameters
    ----------
    costs : Costs
    objective : one of `objectives`
        What counts beside bits.
    bundle : Bundle
    quality : float
    code : callable
        Choice of symbols (`choose`) -> ``State``.
    """

    def __init__(
        self,
        costs: Costs,
        objective: objectives.Objective,
        bundle: Bundle,
        quality: float,
        code: "Code",
    ) -> None:
        self.costs, self.objective, self.code = costs, objective, code
        self.k, self.gain = bundle.k, bundle.gain(quality)
        # Bits per squared error of a sample, rate + lambda * MSE.
        self.price = bundle.multiplier(quality) / 3
        # A channel that nothing follows from has none.
        self.energy = (
            self.price
            / self.gain**2
            * np.maximum(bundle.at_quality("energy", quality), np.float32(1e-6))
        )
        self.caution = np.float32(np.interp(bundle.trained(quality), (0, 100), CAUTION))

    def run(self, y: Array, plan: Plan, progress: Progress | None = None) -> Any:
        """The best symbols found.

        Parameters
        ----------
        y : float32 (hy, wy, M)
            Latent plane.
        plan : Plan
        progress : function of float, or None

        Returns
        -------
        int16 (hy, wy, M)
            Of what is cheaper, the nearest ones or those after all passes.
        """
        relaxed = Relaxed(y * self.gain, self.costs, plan.noise)
        nearest = choose.rounded(self.costs.row_skip)
        rate = plan.steps(isinstance(self.objective, objectives.Look))
        # The first pass sees the nearest symbols, a last look the result.
        for n in track(range(plan.passes), progress, 0, plan.passes / (plan.passes + 1)):
            done = n / plan.passes
            state = self.code(relaxed.choice(self.gain, plan.width(done), None if n else nearest))
            error, gradient, seen = self.objective.backward(state.latent, 0 if n else plan.probes)
            if not n:
                start, nearest_ones = self._cost(state, error), state.symbols
                energy = self._weights(seen)
                energy *= self.caution
            gradient *= 2 * self.price / self.gain
            relaxed.step(
                gradient,
                energy,
                rate * min(1, max(LEAST, (1 - done) / FALLS)),
                plan.caution(done),
                plan.prior,
            )
        state = self.code(
            choose.nearest(relaxed.latent / self.gain, self.gain, self.costs.row_skip)
        )
        better = self._cost(state, self.objective.value(state.latent)) < start
        return state.symbols if better else nearest_ones

    def _cost(self, state: "State", error: float) -> float:
        """Bits of the symbols and of the error."""
        bits = self.costs.cells(state.symbols, state.scales).sum(dtype=np.float64)
        return float(bits + self.price * error)

    def _weights(self, seen: Array) -> Array:
        """Bits of error that moving each symbol by one brings, alone."""
        k = self.k
        h, w = seen.shape[:2]
        odd = (np.arange(h)[:, None] + np.arange(w)) % 2
        energy = self.energy[odd]
        seen *= self.price / self.gain**2 / energy
        for group in (np.s_[..., :k], np.s_[..., k:]):
            share = seen[group].mean(2, keepdims=True)
            if self.objective.mask is not None:  # where nothing counts, steps stay finite
                share = np.maximum(share, np.float32(LEAST_SEEN))
            energy[group] *= share
        return energy


class State:
    """A picture as it would be coded now.

    Attributes
    ----------
    symbols : int16 (hy, wy, M), after those that are skipped
    scales : uint8 of that shape
    latent : float32 of that shape, decoded
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.symbols = np.empty(shape, np.int16)
        self.scales = np.empty(shape, np.uint8)
        self.latent = np.empty(shape, np.float32)


# Of a choice of symbols: what would be coded.
Code = Callable[[choose.Choice], State]
