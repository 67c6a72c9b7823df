"""Better symbols by the decoder run backwards.

The error of the decoded picture is, to good accuracy, quadratic in the
symbols: a symbol moved by d changes it by 2 g d + e d^2. One backward pass
(``codec.training.gradient``) gives g of all symbols. e, the decoder's
reaction to one symbol, differs between places as well as channels: random
probes of the picture at hand scale the model's averages, place by place.
Symbols that influence each other, above all those of one cell, must not
all move together: each change is made with a chance that falls with what it
saves, from that of the best one in its cell. Each block of the picture goes
on from its own best, more boldly after a success, and the best state of the
whole is the result.
"""

import numpy as np

from ..entropy import passes
from ..latent.tiles import tiles
from ..latent.transform import padded
from ..progress import told
from . import tune

CHANCE = 0.85        # that the best change of a cell is made in a round
SHYER = 0.8          # factor on a block's chance where a round was no gain
TIMID = 0.035        # least chance
CAUTION = 1.65, 0.95        # on e, at quality 0 and 100: neighbours move too
BATCH = 2            # probes in one run


class Refiner:
    """One picture at one quality.

    Parameters
    ----------
    graphs : Graphs
    costs : Costs
    pixels : uint8 (height, width, 3)
    quality : float
    code : callable
        Symbols int16 (hy, wy, M) -> ``State``.
    metric : str
        One of ``effort.TUNES``.
    """

    def __init__(self, graphs, costs, pixels, quality, code,
                 metric="psnr"):
        b = graphs.bundle
        self.graphs, self.costs, self.code = graphs, costs, code
        self.pixels, self.bundle = pixels, b
        self.importance = (tune.ms_ssim(pixels) if metric == "ms-ssim"
                           else None)
        self.modulation = b.at_quality("synthesis_mod", quality)
        self.step = 1 / b.gain(quality)
        # Bits per squared error of a sample, rate + lambda * MSE.
        self.price = b.multiplier(quality) / 3
        self.energy = (self.price * b.at_quality("energy", quality)
                       * self.step ** 2)
        # The lower the quality, the more alike what symbols of a cell do.
        self.caution = np.float32(np.interp(quality, (0, 100), CAUTION))

    def run(self, state, plan, progress=None):
        """The best symbols found.

        Parameters
        ----------
        state : State
            To start from.
        plan : Plan
        progress : function of float, or None

        Returns
        -------
        symbols : int16 (hy, wy, M)
            Of the cheapest state that was looked at as a whole.
        rows : uint8 (hy, wy, M)
            That code them.
        """
        moves, probing = np.random.default_rng(1), np.random.default_rng(2)
        best, kept, weight = None, None, None
        # Beyond the backward passes come two looks that need no gradient:
        # at the last changes, and at the best blocks together.
        for n in told(range(plan.passes + 2), progress):
            if n:
                state = self.code(symbols)
            gradient = None
            if n < plan.passes:
                error, gradient, seen = self._backward(
                    state.latent, probing, 0 if n else plan.probes)
            else:
                error = self._error(state.latent)
            cost = state.bits + self.price * error
            if best is None or cost.sum() < best[0]:
                best = cost.sum(), state.symbols, state.rows
            if gradient is not None and plan.means:
                self._through_means(state, gradient)
            if gradient is not None:
                gradient *= 2 * self.price * self.step
            if kept is None:
                kept = Kept(state, gradient, cost, plan.block)
                weight = self._weights(cost.shape, seen)
            else:
                kept.take_better(state, gradient, cost)
            symbols = kept.symbols.copy()
            if n < plan.passes:
                self._change(symbols.reshape(-1), kept.rows.ravel(),
                             kept.slope.ravel(), weight.ravel(),
                             kept.chances().ravel(), moves)
        return best[1:]

    def _inputs(self, latent):
        """Of the decoder's gradient: where to, what of it, arrays."""
        h, w, _ = latent.shape
        for (y, yy, a, b), (x, xx, c, d) in tiles(
                h, w, self.bundle.halo["synthesis"]):
            yield np.s_[y:yy, x:xx], np.s_[y - a:yy - a, x - c:xx - c], {
                "latent": np.ascontiguousarray(latent[a:b, c:d]),
                "modulation": self.modulation,
                "pixels": padded(self.pixels, (a, b), (c, d)),
                "weight": self._important((a, b), (c, d))}

    def _error(self, latent):
        """Error of cells, (h, w)."""
        error = np.empty(latent.shape[:2], np.float32)
        for to, cut, inputs in self._inputs(latent):
            none = np.empty((0, *inputs["pixels"].shape), np.int8)
            e, = self.graphs.run("synthesis_error", probes=none, **inputs)
            error[to] = e[cut]
        return error

    def _backward(self, latent, rng, n_probes):
        """Error of cells, its gradient by the latent, squares of probes."""
        h, w, m = latent.shape
        error, seen = np.empty((h, w), np.float32), None
        gradient = np.empty((h, w, m), np.float32)
        if n_probes:
            seen = np.zeros((h, w, m), np.float32)
        for to, cut, inputs in self._inputs(latent):
            left = n_probes
            while True:
                n = min(left, BATCH)
                probes = rng.integers(
                    0, 2, (n, *inputs["pixels"].shape), np.int8) * 2 - 1
                e, g = self.graphs.run("synthesis_gradient", probes=probes.
                                       astype(np.int8), **inputs)
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

    def _important(self, rows, columns):
        """What an error counts, zero beyond the picture: (16 h, 16 w)."""
        height, width = self.pixels.shape[:2]
        y, x = (np.arange(16 * first, 16 * last) < end for
                (first, last), end in ((rows, height), (columns, width)))
        inside = (y[:, None] & x).astype(np.float32)
        if self.importance is not None:
            part = self.importance[tuple(
                slice(16 * first // tune.BLOCK, 16 * last // tune.BLOCK)
                for first, last in (rows, columns))]
            part = part.repeat(tune.BLOCK, 0).repeat(tune.BLOCK, 1)
            inside[:part.shape[0], :part.shape[1]] *= part
        return inside

    def _through_means(self, state, gradient):
        """Add, in place, what a latent moves through later passes' means."""
        h, w = gradient.shape[:2]
        for (lo, hi), features in zip(passes.slabs(h), state.features):
            even = (np.arange(hi - lo)[:, None] + np.arange(w)) % 2 == 0
            total, = self.graphs.run(
                "means_gradient", features=features,
                latent=state.latent[lo:hi], gradient=gradient[lo:hi],
                even=even[None, None].astype(np.float32))
            gradient[lo:hi] = total

    def _weights(self, shape, seen):
        """Bits of error that moving each symbol by one brings, alone."""
        k = self.bundle.k
        h, w = shape
        odd = (np.arange(h)[:, None] + np.arange(w)) % 2
        energy = self.energy[odd]
        seen *= self.price * self.step ** 2 / energy
        for part in (np.s_[..., :k], np.s_[..., k:]):
            energy[part] *= self.caution * seen[part].mean(2, keepdims=True)
        return energy

    def _change(self, symbols, rows, slope, curve, chances, rng):
        """Move symbols in place: some of those that pay.

        Arrays are flat, ``chances`` of cells, the others of symbols.
        """
        at = np.flatnonzero(((symbols != 0) | (np.abs(slope) > curve))
                            & (rows >= self.costs.row_skip))
        s = symbols[at]
        more, less = self.costs.steps(np.abs(s.astype(np.int32)), rows[at])
        up = np.where(s >= 0, more, less) + slope[at]
        down = np.where(s <= 0, more, less) - slope[at]
        saved = -curve[at] - np.minimum(up, down)
        pays = saved > 0
        at, saved, way = at[pays], saved[pays], (up < down)[pays]
        cell = at // self.bundle.m
        most = np.zeros(len(chances), np.float32)
        np.maximum.at(most, cell, saved)
        do = rng.random(len(at), np.float32) < (chances / np.maximum(
            most, 1e-9))[cell] * saved
        symbols[at[do]] += np.where(way, 1, -1)[do].astype(np.int16)


class Kept:
    """The best of each block of cells so far.

    Blocks hardly influence each other, so a round that was good here and
    bad there is kept where it was good.
    """

    def __init__(self, state, slope, cost, side):
        self.symbols, self.rows = state.symbols.copy(), state.rows.copy()
        self.slope, self.side = slope, side
        self.cost = _blocks(cost, side)
        self.chance = np.full(self.cost.shape, CHANCE, np.float32)

    def take_better(self, state, slope, cost):
        """Take over the blocks that became better; no slope, no more
        changes."""
        cost = _blocks(cost, self.side)
        better = cost < self.cost
        self.cost[better] = cost[better]
        self.chance[~better] *= SHYER
        self.chance.clip(TIMID, out=self.chance)
        cells = self._of_cells(better)
        self.symbols[cells] = state.symbols[cells]
        self.rows[cells] = state.rows[cells]
        if slope is not None:
            self.slope[cells] = slope[cells]

    def chances(self):
        """Of the best change of each cell, (h, w)."""
        return self._of_cells(self.chance)

    def _of_cells(self, blocks):
        h, w = self.rows.shape[:2]
        return blocks.repeat(self.side, 0)[:h].repeat(self.side, 1)[:, :w]


def _blocks(cost, side):
    """Sums over blocks of side x side cells."""
    h, w = cost.shape
    cost = np.add.reduceat(cost, np.arange(0, h, side), 0)
    return np.add.reduceat(cost, np.arange(0, w, side), 1)


def _means(a, side):
    """Means over blocks of side x side, those at the edges smaller."""
    return _blocks(a, side) / _blocks(np.ones_like(a), side)


class State:
    """A picture as it would be coded now.

    Attributes
    ----------
    symbols : int16 (hy, wy, M), after rows that are not coded
    rows : uint8 of that shape
    latent : float32 of that shape, decoded
    features : list of ndarray, per slab
    bits : float32 (hy, wy), of the symbols of each cell
    """

    def __init__(self, shape):
        self.symbols = np.empty(shape, np.int16)
        self.rows = np.empty(shape, np.uint8)
        self.latent = np.empty(shape, np.float32)
        self.bits = np.empty(shape[:2], np.float32)
        self.features = []
