"""SSIMULACRA 2 and its slope, in numpy.

The metric [1]_ compares two pictures in a perceptual colour space (XYB) at six
scales by three maps: structural difference ``D``, ``ARTEFACT`` (edges that only
the copy has) and ``LOST`` detail. Each map counts by its mean and by its 4-norm,
so 108 figures are weighted and summed.

Contents
--------
``score``   of two pictures
``Look``    an original that copies are compared with, and slopes from there
``total``   sums over a picture -> what the metric sums, and each map's slope

Only 25 of the figures weigh more than ``LEAST``: the others together move the
sum by less than 0.02, and most of the work is theirs. So colour is never looked
at in full size. A blur is a product with a banded matrix, block by block: it
takes a quarter of the time of sums of shifted arrays, and what lies beyond the
borders is just other numbers in the matrix. The original has zeros there, the
library that the tests compare with has zeros left and right and mirrors above
and below, and training mirrors on all sides.

References
----------
.. [1] https://github.com/cloudinary/ssimulacra2, version 2.1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..types import Array

X, Y, B = 0, 1, 2
D, ARTEFACT, LOST = 0, 1, 2
MEAN, NORM = 0, 1
N_SCALES = 6
MIN_SIDE = 8  # scales with less are left out
OPSIN = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
)
BIAS = 0.0037930732552754493
OFFSETS = 0.42, 0.01 - BIAS ** (1 / 3), 0.55  # of X, Y, B
C = 0.0009
SCALE = 0.9562382616834844
POLYNOMIAL = 2.326765642916932, -0.020884521182843837, 6.248496625763138e-05
POWER = 0.6276336467831387
LEAST = 0.02
EPSILON = 1e-18  # under the fourth root, whose slope at zero has no bound
TAPS = tuple(
    math.exp(-(k**2) / (2 * 1.5**2)) / sum(math.exp(-(j**2) / (2 * 1.5**2)) for j in range(-5, 6))
    for k in range(-5, 6)
)
REACH = len(TAPS) // 2
BLOCK = 32  # rows or columns that one product blurs
CHUNK = 2**16  # values: as many as the caches hold
# Rows that are scored at once, and that they need above and below: what blurs
# reach at the coarsest scale, and as many as no scale is left out for.
STEP, MARGIN = 1024, 256

# By channel, scale, MEAN or NORM, and map.
WEIGHTS = np.array(
    (
        ((0, 0.0007376606707406586, 0), (0, 0.0007793481682867309, 0)),
        (
            (0, 0.0004371155730107379, 0),
            (1.1041726426657346, 0.00066284834129271, 0.00015231632783718752),
        ),
        (
            (0, 0.0016406437456599754, 0),
            (1.8422455520539298, 11.441172603757666, 0),
        ),
        (
            (0.0007989109436015163, 0.000176816438078653, 0),
            (1.8787594979546387, 10.94906990605142, 0),
        ),
        (
            (0.0007289346991508072, 0.9677937080626833, 0),
            (0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053),
        ),
        ((0.0004550992113792063, 0, 0), (0.0013648766163243398, 0, 0)),
        ((0, 0, 0), (7.466890328078848, 0, 17.445833984131262)),
        (
            (0.0006235601634041466, 0, 0),
            (6.683678146179332, 0.00037724407979611296, 1.027889937768264),
        ),
        (
            (225.20515300849274, 0, 0),
            (19.213238186143016, 0.0011401524586618361, 0.001237755635509985),
        ),
        (
            (176.39317598450694, 0, 0),
            (24.43300999870476, 0.28520802612117757, 0.0004485436923833408),
        ),
        ((0, 0, 0), (34.77906344483772, 44.835625328877896, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((0, 0.0008680556573291698, 0), (0, 0, 0)),
        ((0, 0.0005313191874358747, 0), (0.00016533814161379112, 0, 0)),
        ((0, 0, 0), (0.0004179171803251336, 0.0017290828234722833, 0)),
        (
            (0.0020827005846636437, 0, 0),
            (8.826982764996862, 23.19243343998926, 0),
        ),
        (
            (95.1080498811086, 0.9863978034400682, 0.9834382792465353),
            (0.0012286405048278493, 171.2667255897307, 0.9807858872435379),
        ),
        ((0, 0, 0), (0.0005130064588990679, 0, 0.00010854057858411537)),
    )
).reshape(3, N_SCALES, 2, 3)


def _linear() -> tuple[Array, Array]:
    """Linear light of each sample, and its slope."""
    v = np.arange(256) / 255
    high = (v + 0.055) / 1.055
    low = v <= 0.04045
    light = np.where(low, v / 12.92, high**2.4)
    slope = np.where(low, 1 / 12.92, 2.4 / 1.055 * high**1.4) / 255
    return light.astype(np.float32), slope.astype(np.float32)


LIGHT, LIGHT_SLOPE = _linear()


@functools.lru_cache(maxsize=256)
def _products(n: int, mirrored: bool) -> list[tuple[int, int, int, int, Array]]:
    """What blurs n values: (first, one after the last, lo, hi, matrix).

    ``matrix`` (hi - lo, last - first) makes values lo..hi - 1.
    """
    found = []
    for lo in range(0, n, BLOCK):
        hi = min(n, lo + BLOCK)
        first, last = max(0, lo - REACH), min(n, hi + REACH)
        matrix = np.zeros((hi - lo, last - first), np.float32)
        for k, tap in enumerate(TAPS, -REACH):
            to = np.arange(lo, hi)
            at = to + k
            if mirrored:
                at = np.where(at < 0, -1 - at, at)
                at = np.where(at >= n, 2 * n - 1 - at, at)
            inside = (at >= 0) & (at < n)
            np.add.at(matrix, (to[inside] - lo, at[inside] - first), tap)
        found.append((first, last, lo, hi, matrix))
    return found


def blur(x: Array, mirrored: tuple[bool, bool] = (True, True)) -> Array:
    """Gaussian of sigma 1.5 over a plane.

    Parameters
    ----------
    x : float32 (h, w)
        At least 5 a side.
    mirrored : (bool, bool)
        Rows, columns: mirrored beyond the borders, or zero there.

    Returns
    -------
    float32 (h, w)
    """
    out, half = np.empty_like(x), np.empty_like(x)
    for first, last, lo, hi, matrix in _products(len(x), mirrored[0]):
        np.matmul(matrix, x[first:last], out=half[lo:hi])
    for first, last, lo, hi, matrix in _products(x.shape[1], mirrored[1]):
        np.matmul(half[:, first:last], matrix.T, out=out[:, lo:hi])
    return out


def halved(x: Array) -> Array:
    """Means of 2 x 2, fewer at odd borders: (c, h, w) -> (c, h / 2, w / 2)."""
    h, w = x.shape[1:]
    if h % 2 or w % 2:
        x = np.pad(x, ((0, 0), (0, h % 2), (0, w % 2)), "edge")
    x = x[:, ::2] + x[:, 1::2]
    return (x[..., ::2] + x[..., 1::2]) * np.float32(0.25)


def _doubled(g: Array, shape: tuple[int, int]) -> Array:
    """The slope at what was halved, (c, h, w), of that shape."""
    h, w = shape
    g = (g * np.float32(0.25)).repeat(2, 1)[:, :h].repeat(2, 2)[..., :w]
    if h % 2:
        g[:, -1] *= 2
    if w % 2:
        g[..., -1] *= 2
    return g


def _light(pixels: Array) -> Array:
    """Linear light, float32 (3, h, w), of samples uint8 (h, w, 3)."""
    return np.stack([LIGHT.take(pixels[..., c]) for c in range(3)])


def _roots(light: Array, n: int) -> Array:
    """Cube roots that n of the channels X, Y, B are made of: (2 or 3, h, w)."""
    m = np.array(OPSIN, np.float32)[: max(2, n)]
    mixed = m @ light.reshape(3, -1)
    for i in range(0, mixed.shape[1], CHUNK):
        part = mixed[:, i : i + CHUNK]
        part += np.float32(BIAS)
        np.log(part, out=part)
        part *= np.float32(1 / 3)
        np.exp(part, out=part)
    return mixed.reshape(-1, *light.shape[1:])


def _plane(roots: Array, channel: int) -> Array:
    """X, Y or B, float32 (h, w), with what makes them positive."""
    if channel == X:
        out = roots[0] - roots[1]
        out *= 7
    else:
        out = roots[0] + roots[1]
        out *= 0.5
        if channel == B:
            np.subtract(roots[2], out, out=out)
    out += np.float32(OFFSETS[channel])
    return out


class Look:
    """An original, ready to be compared with copies.

    Parameters
    ----------
    pixels : uint8 (h, w, 3)
    weights : float (3, N_SCALES, 2, 3)
        Maps whose figures weigh no more than ``LEAST`` are not looked at.
    mirrored : (bool, bool)
        As of `blur`; slopes need both.
    kept : (slice, slice)
        Rows and columns to sum over, from a multiple of 32 on.
    """

    def __init__(
        self,
        pixels: Array,
        weights: Array = WEIGHTS,
        mirrored: tuple[bool, bool] = (True, True),
        kept: tuple[slice, slice] = np.s_[:, :],
    ) -> None:
        self.weights, self.mirrored, self.kept = weights, mirrored, kept
        self.used = weights > LEAST
        self.planes: dict[tuple[int, int], tuple[Array, Array, Any, Array]] = {}
        for scale, _, roots in self._scales(pixels):
            for channel in self._channels(scale):
                a = _plane(roots, channel)
                mean = blur(a, mirrored)
                edge = 1 / (1 + np.abs(a - mean))
                variance = (
                    blur(a * a, mirrored) - mean * mean
                    if self.used[channel, scale, :, D].any()
                    else None
                )
                self.planes[scale, channel] = a, mean, variance, edge

    def _channels(self, scale: int) -> list[int]:
        return [c for c in (X, Y, B) if self.used[c, scale].any()]

    def _scales(self, pixels: Array) -> Iterator[tuple[int, Any, Array]]:
        """Each scale that counts: its number, its shape and its roots."""
        light = _light(pixels)
        for scale in range(N_SCALES):
            if scale:
                light = halved(light)
            if min(light.shape[1:]) < MIN_SIDE:
                return
            if not self.used[:, scale:].any():
                return
            n = 1 + max(self._channels(scale), default=0)
            yield scale, light.shape[1:], _roots(light, n)

    def compare(self, pixels: Array) -> _Copy:
        """Maps of a copy, uint8 (h, w, 3): a `_Copy`."""
        return _Copy(self, pixels)


class _Copy:
    """A copy, compared.

    Attributes
    ----------
    sums : float (3, N_SCALES, 2, 3)
        Of the values of each map and of their fourth powers, where kept.
    """

    def __init__(self, look: Look, pixels: Array) -> None:
        self.look, self.pixels = look, pixels
        self.sums, self.scales = np.zeros(look.weights.shape), []
        for scale, shape, roots in look._scales(pixels):
            self.scales.append((scale, shape, roots))
        self.maps = {
            (scale, channel): self._maps(scale, channel, _plane(roots, channel))
            for scale, _, roots in self.scales
            for channel in look._channels(scale)
        }

    def _maps(self, scale: int, channel: int, b: Array) -> tuple[Any, ...]:
        """What slopes need of a plane, and the sums of its maps."""
        look = self.look
        a, mean, variance, edge = look.planes[scale, channel]
        used = look.used[channel, scale].any(0)
        kept = tuple(
            slice((s.start or 0) >> scale, s.stop and -(-s.stop >> scale)) for s in look.kept
        )
        sums = self.sums[channel, scale]
        mean_b = blur(b, look.mirrored)
        d = edges = squares = products = None
        if used[D]:
            squares, products = (blur(x, look.mirrored) for x in (b * b, a * b))
            d = _structure(mean, mean_b, variance, squares, products)
            _add(sums, D, d[0][kept])
        if used[ARTEFACT] or used[LOST]:
            edges = (1 + np.abs(b - mean_b)) * edge - 1
            for n, sign in ((ARTEFACT, 1), (LOST, -1)):
                if used[n]:
                    _add(sums, n, np.maximum(sign * edges[kept], 0))
        return b, mean_b, d, edges

    def slope(self, slopes: Array) -> Array:
        """How a weighted sum of the maps rises with every sample.

        Parameters
        ----------
        slopes : float (3, N_SCALES, 2, 3)
            As of `total`.

        Returns
        -------
        float32 (h, w, 3)
        """
        below: Any = None
        for scale, shape, roots in reversed(self.scales):
            g = np.zeros_like(roots)
            for channel in self.look._channels(scale):
                one = self._plane_slope(scale, channel, slopes[channel, scale])
                if channel == X:
                    g[0] += 7 * one
                    g[1] -= 7 * one
                else:
                    half = 0.5 * one if channel == Y else -0.5 * one
                    g[0] += half
                    g[1] += half
                    if channel == B:
                        g[2] += one
            # Of a cube root t: 1 / (3 t^2).
            roots *= roots
            roots *= 3
            g /= roots
            m = np.array(OPSIN, np.float32)[: len(g)]
            g = (m.T @ g.reshape(len(g), -1)).reshape(3, *shape)
            if below is not None:
                g += _doubled(below, shape)
            below = g
        out = np.empty(self.pixels.shape, np.float32)
        for c in range(3):
            np.multiply(below[c], LIGHT_SLOPE.take(self.pixels[..., c]), out[..., c])
        return out

    def _plane_slope(self, scale: int, channel: int, slopes: Array) -> Array:
        look = self.look
        a, mean, _, edge = look.planes[scale, channel]
        b, mean_b, d, edges = self.maps[scale, channel]
        out, by_mean = np.zeros_like(b), np.zeros_like(b)
        if edges is not None:
            g: Any = 0
            for n, sign in ((ARTEFACT, 1), (LOST, -1)):
                if look.used[channel, scale, :, n].any():
                    value = np.maximum(sign * edges, 0)
                    g = g + sign * _slope(value, slopes[:, n], edges * sign > 0)
            out = g * edge * np.sign(b - mean_b)
            by_mean -= out
        if d is not None:
            value, by_product, by_square, by_distance = d
            g = _slope(value, slopes[:, D], value > 0)
            # d = 1 - (1 - D) * num / den
            by_product *= g
            by_square *= g
            by_mean += 2 * (
                by_distance * g * (mean_b - mean) - by_product * mean - by_square * mean_b
            )
            out += a * blur(2 * by_product) + 2 * b * blur(by_square)
        return out + blur(by_mean)


def _structure(
    mean: Array, mean_b: Array, variance: Array, squares: Array, products: Array
) -> tuple[Array, Array, Array, Array]:
    """Map D, and its slopes by half of the products' blur, squares, distance."""
    difference = mean_b - mean
    near = 1 - difference * difference
    den = 1 / (variance + (squares - mean_b * mean_b) + np.float32(C))
    ratio = (2 * (products - mean * mean_b) + np.float32(C)) * den
    value = np.maximum(1 - near * ratio, 0)
    den *= near
    return value, -den, den * ratio, ratio


def _slope(values: Array, slopes: Array, where: Array) -> Array:
    """Slope of a sum of values and of their fourth powers."""
    by_mean, by_norm = slopes
    g = where * np.float32(by_mean)
    if by_norm:
        g += np.float32(by_norm) * values * values * values
    return g


def _add(sums: Array, n: int, values: Array) -> None:
    squares = values * values
    sums[MEAN, n] += values.sum(dtype=np.float64)
    sums[NORM, n] += np.square(squares, out=squares).sum(dtype=np.float64)


def total(sums: Array, shape: tuple[int, int], weights: Array = WEIGHTS) -> tuple[float, Array]:
    """What the metric sums, after its polynomial and before its last power.

    Parameters
    ----------
    sums : float (3, N_SCALES, 2, 3)
        Of maps of the whole picture, as of `_Copy`.
    shape : (int, int)
        The picture's height and width.
    weights : float (3, N_SCALES, 2, 3)

    Returns
    -------
    total : float
        0 for a perfect copy; 1, 5.7, 13 and 22 for scores of 90, 70, 50, 30.
    slopes : float (3, N_SCALES, 2, 3)
        By each value of a map, and by its third power.
    """
    sizes = [math.prod(-(-n >> scale) for n in shape) for scale in range(N_SCALES)]
    count = np.array(sizes, float)[:, None]
    weights = np.where(weights > LEAST, weights, 0) * SCALE
    means, fourths = (sums[:, :, n] / count for n in (MEAN, NORM))
    fourths = fourths + EPSILON
    s = (weights[:, :, MEAN] * means + weights[:, :, NORM] * fourths**0.25).sum()
    first, second, third = POLYNOMIAL
    rise = first + s * (2 * second + s * 3 * third)
    slopes = rise * weights / count[:, None]
    slopes[:, :, NORM] *= fourths**-0.75
    return s * (first + s * (second + s * third)), slopes


def score(original: Array, copy: Array) -> float:
    """SSIMULACRA 2 of two pictures.

    Parameters
    ----------
    original, copy : uint8 (h, w, 3)

    Returns
    -------
    float
        100 for equal pictures; 90 cannot be told apart, 70 is good, 50
        medium. NaN under 8 pixels a side.
    """
    h, w = original.shape[:2]
    if min(h, w) < MIN_SIDE:
        return math.nan
    if np.array_equal(original, copy):
        return 100.0  # sums of rounding errors are not quite 0
    # The original's weights move on to other scales where some are missing.
    n = sum(min(-(-h >> s), -(-w >> s)) >= MIN_SIDE for s in range(N_SCALES))
    weights = np.zeros_like(WEIGHTS)
    weights[:, :n] = WEIGHTS.ravel()[: 18 * n].reshape(3, n, 2, 3)
    sums = np.zeros_like(WEIGHTS)
    for lo in range(0, h, STEP):
        first, hi = max(0, lo - MARGIN), min(h, lo + STEP)
        band = slice(first, hi + MARGIN)
        look = Look(original[band], weights, (True, False), np.s_[lo - first : hi - first, :])
        sums = sums + look.compare(copy[band]).sums
    return 100 - 10 * max(0, total(sums, (h, w), weights)[0]) ** POWER
