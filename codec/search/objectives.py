"""What an encoder makes less beside bits, and its slope through the decoder.

Contents
--------
``SquaredError``  of samples, by weights from place to place
``Look``          squared error and SSIMULACRA 2, as models are trained for
``mixed``         how much of either counts at a quality
``default``       what a model was trained for
``of``            the objective of each band of a picture

All are in the scale of a sum of squared errors over the samples of a picture.
Both classes use one graph of the model, ``synthesis_gradient``: it runs the
decoder there and back, for the squared error and for any other slopes by
samples, given as weights (float, one a pixel) times ``probes`` (int8, one a
sample).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from ..errors import ModelError
from ..model.bundle import Bundle
from ..model.session import Graphs
from ..transform.tiles import tiles
from ..transform.transform import padded
from ..types import Array
from . import ssimulacra2, tune

TERM = "ssimulacra2"
# Of a model that was trained for nothing of the kind (`codec.training.loss`).
LOSS = {"loss": f"mse:0.2,{TERM}:0.8", "loss_high": "mse", "loss_turn": 0.5}
# The sum of SSIMULACRA 2 times this is about the mean squared error.
UNIT = 4.0
# Blocks of so many pixels a side share a curvature, within these bounds.
BLOCK, CURVATURES = 16, (0.1, 10.0)
# MS-SSIM's term (`codec.training.loss`) is about so much of the squared error;
# `tune.ms_ssim` says from where (models for either, docs/training-log-runs.md).
MS_SSIM = 0.53
GRAIN = 0.3  # of random probes, as a slope: see `Look._back`
INT8 = 127
# Of pictures that have all scales of the metric that count.
LEAST_SIDE = 128


class Objective(Protocol):
    """What is to be little beside bits; see `SquaredError`."""

    mask: Array | None

    def value(self, latent: Array) -> float:
        """As of `SquaredError`."""
        ...

    def backward(self, latent: Array, n_probes: int) -> tuple[float, Array, Array]:
        """As of `SquaredError`."""
        ...


def default(bundle: Bundle) -> str:
    """What `Plan.tune` is where nothing is asked for: "look" or "psnr"."""
    return "look" if TERM in _training(bundle)["loss"] else "psnr"


def mixed(bundle: Bundle, quality: float) -> tuple[float, float, float]:
    """Weights of what a model was trained for, or of what ``LOSS`` says.

    Parameters
    ----------
    bundle : Bundle
    quality : float, 1..100

    Returns
    -------
    mse, look, ms_ssim : float
        Of the squared error, of ``UNIT`` times SSIMULACRA 2's sum, and of the
        squared error as `tune.ms_ssim` weighs it.
    """
    training = _training(bundle)
    if TERM not in training["loss"]:
        training = LOSS
    try:
        low, high = (
            {
                name: float(weight or 1)
                for name, _, weight in (t.partition(":") for t in text.split(","))
            }
            for text in (
                training["loss"],
                training.get("loss_high") or training["loss"],
            )
        )
        turn = float(training.get("loss_turn", LOSS["loss_turn"]))
    except (ValueError, TypeError, AttributeError) as e:
        raise ModelError(f"model: what it was trained for makes no sense ({e})") from e
    u = min(1, max(0, ((bundle.trained(quality) - 1) / 99 - turn) / max(1 - turn, 1e-6)))
    u = u * u * (3 - 2 * u)
    mse, look, ms_ssim = (
        (1 - u) * low.get(name, 0.0) + u * high.get(name, 0.0) for name in ("mse", TERM, "ms-ssim")
    )
    return mse, look, MS_SSIM * ms_ssim


def _training(bundle: Bundle) -> dict[str, Any]:
    training = bundle.manifest.get("training")
    training = training if isinstance(training, dict) else {}
    return {**training, "loss": str(training.get("loss"))}


def of(
    graphs: Graphs,
    pixels: Array,
    quality: float,
    name: str | None,
    mask: Array | None = None,
) -> Callable[[slice], Objective]:
    """The objective that is called so, of a part of a picture.

    Parameters
    ----------
    graphs : Graphs
    pixels : uint8 (height, width, 3)
    quality : float
    name : str or None
        One of `codec.limits.TUNES`, or what the model was trained for.
    mask : bool (height, width), optional
        False where errors count nothing.

    Returns
    -------
    function of slice
        Of the latent's rows, to their `SquaredError` or `Look`.
    """
    name = name or default(graphs.bundle)
    looked_at = name == "look" and min(pixels.shape[:2]) >= LEAST_SIDE
    kind = Look if looked_at else SquaredError
    weighed = mixed(graphs.bundle, quality)[2] if looked_at else name == "ms-ssim"
    importance = tune.ms_ssim(pixels) if weighed else None

    def of_rows(rows: slice) -> Objective:
        here, n = slice(16 * rows.start, 16 * rows.stop), 16 // tune.BLOCK
        return kind(
            graphs,
            pixels[here],
            quality,
            None if importance is None else importance[n * rows.start : n * rows.stop],
            None if mask is None else mask[here],
        )

    return of_rows


class _Decoded:
    """The tiles of a picture at one quality, as a decoder shows them.

    Parameters
    ----------
    graphs : Graphs
    pixels : uint8 (height, width, 3)
        The original.
    quality : float
    """

    def __init__(self, graphs: Graphs, pixels: Array, quality: float) -> None:
        self.graphs, self.pixels = graphs, pixels
        self.modulation = graphs.bundle.at_quality("synthesis_mod", quality)

    def _tiles(self, latent: Array) -> Iterator[tuple[Any, ...]]:
        """Cells to write, those of the tile to take, rows and columns of it."""
        h, w, _ = latent.shape
        halo = self.graphs.bundle.halo["synthesis"]
        for (y, yy, a, b), (x, xx, c, d) in tiles(h, w, halo):
            cut = np.s_[y - a : yy - a, x - c : xx - c]
            yield np.s_[y:yy, x:xx], cut, (a, b), (c, d)

    def _run(
        self, name: str, latent: Array, rows: Any, columns: Any, **inputs: Array
    ) -> list[Array]:
        part = latent[slice(*rows), slice(*columns)]
        return self.graphs.run(
            name,
            modulation=self.modulation,
            latent=np.ascontiguousarray(part),
            **inputs,
        )


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Random signs, int8."""
    return (rng.integers(0, 2, shape, np.int8) * 2 - 1).astype(np.int8)


class SquaredError(_Decoded):
    """Squared error of samples.

    Parameters
    ----------
    graphs, pixels, quality
        As of `_Decoded`.
    importance : float32 (ceil(height / 4), ceil(width / 4)), or None
        What an error counts (`tune`); None: the same everywhere.
    mask : bool (height, width), or None
        False where it counts nothing.
    """

    def __init__(
        self,
        graphs: Graphs,
        pixels: Array,
        quality: float,
        importance: Array | None = None,
        mask: Array | None = None,
    ) -> None:
        super().__init__(graphs, pixels, quality)
        self.importance, self.mask = importance, mask

    def value(self, latent: Array) -> float:
        """The error of a latent plane, float32 (hy, wy, M): a float."""
        total = 0.0
        for _, cut, *where in self._tiles(latent):
            inputs = self._inputs(*where)
            (e,) = self._run("synthesis_error", latent, *where, **inputs)
            total += e[cut].sum(dtype=np.float64)
        return total

    def backward(self, latent: Array, n_probes: int) -> tuple[float, Array, Array]:
        """The error, its slope and its curvature.

        Parameters
        ----------
        latent : float32 (hy, wy, M)
        n_probes : int

        Returns
        -------
        error : float
        gradient : float32 (hy, wy, M)
            Half of its derivative by the latent.
        seen : float32 (hy, wy, M), or empty without probes
            Half of its second derivative by each value alone, as the mean
            square of what probes give.
        """
        total, gradient = 0.0, np.empty(latent.shape, np.float32)
        seen = np.zeros(latent.shape if n_probes else 0, np.float32)
        rng = np.random.default_rng(2)
        for to, cut, *where in self._tiles(latent):
            inputs, name = self._inputs(*where), "synthesis_descent"
            if n_probes or not self.graphs.is_parted:
                name = "synthesis_gradient"
                inputs["probes"] = _signs(rng, (n_probes, *inputs["pixels"].shape))
            e, g = self._run(name, latent, *where, **inputs)
            for one in g[1:]:
                seen[to] += np.square(one[cut]) / n_probes
            gradient[to] = g[0][cut]
            total += e[cut].sum(dtype=np.float64)
        if n_probes and self.importance is not None:
            # The graph weights probes, so their squares twice.
            seen /= _means(self.importance, 16 // tune.BLOCK)[..., None]
        return total, gradient, seen

    def _inputs(self, rows: Any, columns: Any) -> dict[str, Array]:
        return {
            "pixels": padded(self.pixels, rows, columns),
            "weight": self._important(rows, columns),
        }

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
        if self.mask is not None:
            counts = self.mask[tuple(slice(16 * lo, 16 * hi) for lo, hi in (rows, columns))]
            inside[: counts.shape[0], : counts.shape[1]] *= counts
        return inside


class Look(_Decoded):
    """Squared error and SSIMULACRA 2 of what a decoder shows, rounded.

    The metric's 4-norms are of the whole picture, but tiles go there and
    back one after the other. So slopes in a tile are by the sums of the
    pass before, and in the first pass by the tile's own. A tile's halo
    is all that blurs see of its neighbours: at 1/16, where they reach
    farthest, that is six samples.

    Parameters
    ----------
    graphs, pixels, quality, importance, mask
        As of `SquaredError`; the importance is of the model's share of MS-SSIM.
        Where the mask is False, copies are taken to have no error.
    """

    def __init__(
        self,
        graphs: Graphs,
        pixels: Array,
        quality: float,
        importance: Array | None = None,
        mask: Array | None = None,
    ) -> None:
        super().__init__(graphs, pixels, quality)
        self.mask = None if mask is None else mask[..., None]
        by_mse, look, ms_ssim = mixed(graphs.bundle, quality)
        self.by_look = 3 * UNIT * look
        # What a squared error counts: float32 (height, width, 1).
        self.by_mse = np.full((*pixels.shape[:2], 1), by_mse, np.float32)
        if importance is not None:
            h, w = pixels.shape[:2]
            counts = importance.repeat(tune.BLOCK, 0).repeat(tune.BLOCK, 1)
            self.by_mse += ms_ssim * counts[:h, :w, None]
        self.originals: dict[tuple[int, int], ssimulacra2.Look] = {}
        self.sums: Array | None = None

    def _shown(self, latent: Array) -> Iterator[tuple[Any, ...]]:
        """Each tile: place, squares and shape of what is kept, error, slope, score."""
        for to, cut, rows, columns in self._tiles(latent):
            (px,) = self._run("synthesis", latent, rows, columns)
            place = tuple(slice(16 * lo, 16 * hi) for lo, hi in (rows, columns))
            original = self.pixels[place]
            h, w = original.shape[:2]
            down, across = cut
            kept = (
                slice(16 * down.start, min(16 * down.stop, h)),
                slice(16 * across.start, min(16 * across.stop, w)),
            )
            key = rows[0], columns[0]
            if key not in self.originals:
                self.originals[key] = ssimulacra2.Look(original, kept=kept)
            copy = np.ascontiguousarray(px[:h, :w])
            if self.mask is not None:
                copy = np.where(self.mask[place], copy, original)
            error = copy.astype(np.float32) - original
            slope = error * self.by_mse[16 * rows[0] :, 16 * columns[0] :][:h, :w]
            yield (
                (to, cut, rows, columns),
                (slope * error)[kept].sum(dtype=np.float64),
                error[kept].shape,
                error,
                slope,
                self.originals[key].compare(copy),
            )

    def _total(self, squares: float, sums: Array) -> tuple[float, Array]:
        n = self.pixels.shape[0] * self.pixels.shape[1]
        look, slopes = ssimulacra2.total(sums, self.pixels.shape[:2])
        return squares + self.by_look * n * look, n * slopes

    def value(self, latent: Array) -> float:
        """As of `SquaredError`."""
        squares, sums = 0.0, np.zeros_like(ssimulacra2.WEIGHTS)
        for _, part, *_, compared in self._shown(latent):
            squares += part
            sums = sums + compared.sums
        return self._total(squares, sums)[0]

    def backward(self, latent: Array, n_probes: int) -> tuple[float, Array, Array]:
        """As of `SquaredError`; the second derivative is a guess.

        In a block of pixels it is taken to be what it would be of an error
        that is quadratic and has the slope that was found.
        """
        gradient = np.empty(latent.shape, np.float32)
        seen = np.zeros(latent.shape if n_probes else 0, np.float32)
        rng = np.random.default_rng(2)
        squares, sums = 0.0, np.zeros_like(ssimulacra2.WEIGHTS)
        for at, part, shape, error, by_squares, compared in self._shown(latent):
            to, cut, *where = at
            squares += part
            sums = sums + compared.sums
            slope = compared.slope(self._slopes(compared.sums, shape))
            slope *= 0.5 * self.by_look
            slope += by_squares
            if self.mask is not None:
                slope *= self.mask[tuple(slice(16 * lo, 16 * hi) for lo, hi in where)]
            probes = [slope]
            if n_probes:
                root = np.sqrt(_curvature(slope, error))[..., None] * GRAIN
                probes += [root * _signs(rng, slope.shape) for _ in range(n_probes)]
            g = self._back(latent, where, probes)
            gradient[to] = g[0][cut]
            for one in g[1:]:
                seen[to] += np.square(one[cut] / GRAIN) / n_probes
        self.sums = sums
        return self._total(squares, sums)[0], gradient, seen

    def _slopes(self, sums: Array, shape: tuple[int, ...]) -> Array:
        """Of maps of a tile, per pixel of the picture."""
        height, width, _ = shape
        if (height, width) == self.pixels.shape[:2]:
            return self._total(0, sums)[1]
        if self.sums is not None:
            return self._total(0, self.sums)[1]
        return height * width * ssimulacra2.total(sums, (height, width))[1]

    def _back(self, latent: Array, where: Any, slopes: list[Array]) -> Array:
        """What is seen of slopes by samples at the latent: (n, h, w, M).

        A pixel's weight takes the largest of its slopes to the end of
        what int8 holds.
        """
        h, w = (16 * (hi - lo) for lo, hi in where)
        weight = np.full((h, w), 1e-20, np.float32)
        inner = weight[tuple(map(slice, slopes[0].shape[:2]))]
        for one in slopes:
            np.maximum(inner, np.abs(one).max(2) / INT8, out=inner)
        probes = np.zeros((len(slopes), h, w, 3), np.int8)
        for to, one in zip(probes, slopes):
            to[: inner.shape[0], : inner.shape[1]] = np.rint(one / inner[..., None])
        return self._run("synthesis_slopes", latent, *where, weight=weight, probes=probes)[0]


def _curvature(slope: Array, error: Array) -> Array:
    """What a squared error counts, block by block: float32 (h, w)."""
    h, w = slope.shape[:2]
    rises, squares = (
        np.pad((x * error).sum(2), ((0, -h % BLOCK), (0, -w % BLOCK)))
        .reshape(-(-h // BLOCK), BLOCK, -1, BLOCK)
        .sum((1, 3))
        for x in (slope, error)
    )
    found = np.clip(rises / np.maximum(squares, 1e-6), *CURVATURES)
    return found.repeat(BLOCK, 0).repeat(BLOCK, 1)[:h, :w].astype(np.float32)


def _means(a: Array, side: int) -> Array:
    """Means over blocks of side x side, those at the edges smaller."""

    def sums(a: Array) -> Array:
        a = np.add.reduceat(a, np.arange(0, len(a), side), 0)
        return np.add.reduceat(a, np.arange(0, a.shape[1], side), 1)

    return sums(a) / sums(np.ones_like(a))
