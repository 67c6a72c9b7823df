"""Better symbols by the decoder run backwards.

One backward pass (``codec.training.gradient``) says how the error of the decoded
picture rises with every value of its latent. Values go down the slope of rate +
lambda * error from where the analysis put them, while they are held less and
less between two whole numbers (`relax`). How strongly the decoder reacts to one
symbol differs between places as well as channels: random probes of the
picture at hand scale the model's averages, place by place.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..model.session import Graphs
from ..progress import Progress, part, told
from ..symbols.slabs import sides
from ..transform.tiles import tiles
from ..transform.transform import padded
from ..types import Array
from . import Plan, choose, tune
from .costs import Costs
from .relax import Relaxed

# On what the decoder's reaction counts, at quality 0 and 100: the lower it is,
# the more alike what symbols of a cell do to the picture.
CAUTION = 1.35, 0.65
FALLS, LEAST = 0.4, 0.05  # last share of the passes, over which the rate falls
BATCH = 2  # probes in one run
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
    importance = tune.ms_ssim(pixels) if plan.tune == "ms-ssim" else None
    parts = bands(*y.shape[:2])
    for i, (kept, seen, cut) in enumerate(parts):
        in_pixels, in_blocks = (
            slice(n * seen.start, n * seen.stop) for n in (16, 16 // tune.BLOCK)
        )
        symbols[kept] = Refiner(
            graphs,
            costs,
            pixels[in_pixels],
            quality,
            coded(seen),
            None if importance is None else importance[in_blocks],
        ).run(y[seen], plan, part(progress, i / len(parts), (i + 1) / len(parts)))[cut]
    return symbols


class Refiner:
    """One picture at one quality.

    Parameters
    ----------
    graphs : Graphs
    costs : Costs
    pixels : uint8 (height, width, 3)
    quality : float
    code : callable
        Choice of symbols (`choose`) -> ``State``.
    importance : float32 (ceil(height / 4), ceil(width / 4)), or None
        What a squared error counts (`tune`); None: the same everywhere.
    """

    def __init__(
        self,
        graphs: Graphs,
        costs: Costs,
        pixels: Array,
        quality: float,
        code: "Code",
        importance: Array | None = None,
    ) -> None:
        b = graphs.bundle
        self.graphs, self.costs, self.code = graphs, costs, code
        self.pixels, self.bundle = pixels, b
        self.importance = importance
        self.modulation = b.at_quality("synthesis_mod", quality)
        self.gain = b.gain(quality)
        # Bits per squared error of a sample, rate + lambda * MSE.
        self.price = b.multiplier(quality) / 3
        # A channel that nothing follows from has none.
        self.energy = (
            self.price
            / self.gain**2
            * np.maximum(b.at_quality("energy", quality), np.float32(1e-6))
        )
        self.caution = np.float32(np.interp(quality, (0, 100), CAUTION))

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
        # The first pass sees the nearest symbols, a last look the result.
        for n in told(range(plan.passes), progress, 0, plan.passes / (plan.passes + 1)):
            done = n / plan.passes
            state = self.code(
                relaxed.choice(self.gain, plan.width(done), None if n else nearest)
            )
            error, gradient, seen = self._backward(
                state.latent, 0 if n else plan.probes
            )
            if not n:
                start, nearest_ones = self._cost(state, error), state.symbols
                energy = self._weights(error.shape, seen)
                energy *= self.caution
            gradient *= 2 * self.price / self.gain
            relaxed.step(
                gradient,
                energy,
                plan.rate * min(1, max(LEAST, (1 - done) / FALLS)),
                plan.caution(done),
                plan.prior,
            )
        state = self.code(
            choose.nearest(relaxed.latent / self.gain, self.gain, self.costs.row_skip)
        )
        better = self._cost(state, self._error(state.latent)) < start
        return state.symbols if better else nearest_ones

    def _cost(self, state: "State", error: Array) -> Any:
        """Bits of the symbols and of the error."""
        bits = self.costs.cells(state.symbols, state.rows)
        return (bits + self.price * error).sum(dtype=np.float64)

    def _inputs(self, latent: Array) -> Iterator[tuple[Any, ...]]:
        """Of the decoder's gradient: where to, what of it, arrays."""
        h, w, _ = latent.shape
        for (y, yy, a, b), (x, xx, c, d) in tiles(h, w, self.bundle.halo["synthesis"]):
            yield (
                np.s_[y:yy, x:xx],
                np.s_[y - a : yy - a, x - c : xx - c],
                {
                    "latent": np.ascontiguousarray(latent[a:b, c:d]),
                    "modulation": self.modulation,
                    "pixels": padded(self.pixels, (a, b), (c, d)),
                    "weight": self._important((a, b), (c, d)),
                },
            )

    def _error(self, latent: Array) -> Array:
        """Error of cells, (h, w)."""
        error = np.empty(latent.shape[:2], np.float32)
        for to, cut, inputs in self._inputs(latent):
            none = np.empty((0, *inputs["pixels"].shape), np.int8)
            (e,) = self.graphs.run("synthesis_error", probes=none, **inputs)
            error[to] = e[cut]
        return error

    def _backward(self, latent: Array, n_probes: int) -> tuple[Array, Array, Array]:
        """Error of cells, its gradient by the latent, squares of probes."""
        h, w, m = latent.shape
        error = np.empty((h, w), np.float32)
        gradient = np.empty((h, w, m), np.float32)
        rng = np.random.default_rng(2)
        seen: Array = np.zeros((h, w, m) if n_probes else 0, np.float32)
        for to, cut, inputs in self._inputs(latent):
            left = n_probes
            while True:
                n = min(left, BATCH)
                probes = (
                    rng.integers(0, 2, (n, *inputs["pixels"].shape), np.int8) * 2 - 1
                )
                e, g = self.graphs.run(
                    "synthesis_gradient", probes=probes.astype(np.int8), **inputs
                )
                for one in g[1:]:
                    seen[to] += np.square(one[cut]) / n_probes
                left -= n
                if not left:
                    break
            gradient[to] = g[0][cut]
            error[to] = e[cut]
        if n_probes and self.importance is not None:
            # The graph weights probes, so their squares twice.
            seen /= _means(self.importance, 16 // tune.BLOCK)[..., None]
        return error, gradient, seen

    def _important(self, rows: Any, columns: Any) -> Array:
        """What an error counts, zero beyond the picture: (16 h, 16 w)."""
        height, width = self.pixels.shape[:2]
        y, x = (
            np.arange(16 * first, 16 * last) < end
            for (first, last), end in ((rows, height), (columns, width))
        )
        inside = (y[:, None] & x).astype(np.float32)
        if self.importance is not None:
            counts = self.importance[
                tuple(
                    slice(16 * first // tune.BLOCK, 16 * last // tune.BLOCK)
                    for first, last in (rows, columns)
                )
            ]
            counts = counts.repeat(tune.BLOCK, 0).repeat(tune.BLOCK, 1)
            inside[: counts.shape[0], : counts.shape[1]] *= counts
        return inside

    def _weights(self, shape: tuple[int, ...], seen: Any) -> Array:
        """Bits of error that moving each symbol by one brings, alone."""
        k = self.bundle.k
        h, w = shape
        odd = (np.arange(h)[:, None] + np.arange(w)) % 2
        energy = self.energy[odd]
        seen *= self.price / self.gain**2 / energy
        for group in (np.s_[..., :k], np.s_[..., k:]):
            energy[group] *= seen[group].mean(2, keepdims=True)
        return energy


def _means(a: Array, side: int) -> Array:
    """Means over blocks of side x side, those at the edges smaller."""

    def sums(a: Array) -> Array:
        a = np.add.reduceat(a, np.arange(0, len(a), side), 0)
        return np.add.reduceat(a, np.arange(0, a.shape[1], side), 1)

    return sums(a) / sums(np.ones_like(a))


class State:
    """A picture as it would be coded now.

    Attributes
    ----------
    symbols : int16 (hy, wy, M), after rows that are not coded
    rows : uint8 of that shape
    latent : float32 of that shape, decoded
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.symbols = np.empty(shape, np.int16)
        self.rows = np.empty(shape, np.uint8)
        self.latent = np.empty(shape, np.float32)


# Of a choice of symbols: what would be coded.
Code = Callable[[choose.Choice], State]
