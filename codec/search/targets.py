"""The quality that gives a wanted size, PSNR or score, searched on cached latents.

The analysis network is the expensive part of the encoder, and its output
changes little with quality: encoding a latent plane at a lambda up to
``REACH`` from the one it was made for changes the size by 2 % at most, and
the PSNR in proportion. So a search runs it two or three times and else
repeats only what comes after it (figures: docs/command-line.md).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import LimitError
from ..model.bundle import Bundle
from ..progress import Progress, part
from ..types import Array
from . import PLANS, Plan, ssimulacra2

# Payload and checksum of each block.
Coded = list[tuple[bytes, int]]

REACH = 3.0  # of a cached latent plane, in hundredths of the range of lambda
MAX_STEPS = 12  # tries; two to five do, but for tiny pictures
SIZE_WINDOW = 0.01  # how far below the wanted size is good enough
# Where a search begins, and typical slopes there. They cost tries, not
# results, if a picture or a model is not typical.
_START = 70.0
_SLOPE = 0.05  # of log bytes per quality


class Pipeline(Protocol):
    """What a search needs of `codec.symbols.pipeline.Pipeline`."""

    @property
    def bundle(self) -> Bundle:
        """As of the class named above."""

    def analyse(self, pixels: Array, quality: float, progress: Progress | None = None) -> Array:
        """As of the class named above."""

    def encode_latent(
        self,
        y: Array,
        quality: float,
        plan: Plan = ...,
        pixels: Array | None = None,
        progress: Progress | None = None,
        decoded: Array | None = None,
    ) -> tuple[bytes, int]:
        """As of the class named above."""

    def synthesise(
        self,
        latent: Array,
        quality: float,
        height: int,
        width: int,
        progress: Progress | None = None,
    ) -> Array:
        """As of the class named above."""


def for_size(
    pipeline: Pipeline,
    blocks: Sequence[Array],
    n_bytes: float,
    plan: Plan = PLANS[1],
    progress: Progress | None = None,
) -> tuple[float, Coded]:
    """The best payloads of at most ``n_bytes``.

    Parameters
    ----------
    pipeline : Pipeline
    blocks : list of uint8 (.., height, width, 3)
        What is to have one quality: one picture, or the blocks of a stack.
    n_bytes : float
        Of all payloads.
    plan : search.Plan
    progress : function of float, or None

    Returns
    -------
    quality : float
        A multiple of 0.01.
    coded : list of (bytes, int)
        Payload and checksum of each block; together within 1 % of
        ``n_bytes``, unless quality is 100.

    Raises
    ------
    LimitError
        Even quality 1 needs more.
    """
    trial = _Trials(pipeline, blocks, plan, progress)

    def size(coded: Coded) -> int:
        return sum(len(payload) for payload, _ in coded)

    def evaluate(quality: float) -> tuple[float, Coded]:
        coded = trial.encode(quality)
        return math.log(max(4, size(coded))), coded

    wanted = math.log(max(4, n_bytes))
    found = _search(evaluate, wanted + math.log1p(-SIZE_WINDOW), wanted, _SLOPE, best=max)
    if found is None or size(found[1]) > n_bytes:
        raise LimitError(
            "the wanted size is too small for this picture, even at quality 1; reduce the picture"
        )
    return found


@dataclasses.dataclass(frozen=True)
class _Metric:
    """What a file may be asked to have at least.

    Attributes
    ----------
    measure : function
        Of lists of originals and copies, uint8 (.., h, w, 3).
    scale : function of float
        To what rises evenly with quality.
    slope : float
        Of that, typically, per quality.
    window : float
        How far above what is asked for is near enough.
    unit : str
    """

    measure: Callable[[Sequence[Array], Sequence[Array]], float]
    scale: Callable[[float], float]
    slope: float
    window: float
    unit: str


def for_metric(
    pipeline: Pipeline,
    blocks: Sequence[Array],
    name: str,
    wanted: float,
    plan: Plan = PLANS[1],
    progress: Progress | None = None,
) -> tuple[float, Coded]:
    """The smallest payloads that have at least so much of a metric.

    Parameters
    ----------
    pipeline, blocks, plan, progress
        As of `for_size`.
    name : str
        One of ``METRICS``.
    wanted : float

    Returns
    -------
    quality, coded
        As of `for_size`; within the metric's window, unless quality is 1.

    Raises
    ------
    LimitError
        Even quality 100 has less.
    """
    metric, trial = METRICS[name], _Trials(pipeline, blocks, plan, progress)
    reached = -math.inf

    def evaluate(quality: float) -> tuple[float, Coded]:
        nonlocal reached
        coded, copies = trial.encode_and_decode(quality)
        if plan.mask is not None:  # errors count nothing there
            copies = [np.where(plan.mask[..., None], x, a) for a, x in zip(blocks, copies)]
        value = metric.measure(blocks, copies)
        reached = max(reached, value)
        return metric.scale(value), coded

    low, high = map(metric.scale, (wanted, wanted + metric.window))
    found = _search(evaluate, low, high, metric.slope, best=min)
    if found is None:
        raise LimitError(
            f"{wanted:g}{metric.unit} is out of reach for this picture: quality 100 "
            f"has {reached:.2f}{metric.unit}; ask for less"
        )
    return found


class _Trials:
    """Encodes blocks of pictures at one quality after another."""

    def __init__(
        self,
        pipeline: Pipeline,
        blocks: Sequence[Array],
        plan: Plan,
        progress: Progress | None,
    ) -> None:
        self.pipeline, self.blocks, self.plan = pipeline, blocks, plan
        self.progress, self.n = progress, 0
        # Latent planes, and what each was made for, as of `Bundle.trained`.
        self.planes: list[Any] = [(None, math.inf)] * len(blocks)

    def _parts(self) -> list[Progress | None]:
        # How many tries there will be is not known: each takes half of what
        # is left of the bar.
        self.n += 1
        whole = part(self.progress, 1 - 2.0 ** (1 - self.n), 1 - 2.0**-self.n)
        n = len(self.blocks)
        return [part(whole, i / n, (i + 1) / n) for i in range(n)]

    def _encode(
        self,
        i: int,
        quality: float,
        progress: Progress | None,
        decoded: Array | None = None,
    ) -> tuple[bytes, int]:
        y, made_for = self.planes[i]
        share, at = 0.0, self.pipeline.bundle.trained(quality)
        if abs(at - made_for) > REACH:
            share = 0.8
            # Two planes at once would double the memory.
            y = self.planes[i] = None
            y = self.pipeline.analyse(self.blocks[i], quality, part(progress, 0, share))
            made_for = at
        self.planes[i] = y, made_for
        return self.pipeline.encode_latent(
            y, quality, self.plan, self.blocks[i], part(progress, share, 1), decoded
        )

    def encode(self, quality: float) -> Coded:
        """Payload and checksum of each block at a quality."""
        return [self._encode(i, quality, progress) for i, progress in enumerate(self._parts())]

    def encode_and_decode(self, quality: float) -> tuple[Coded, list[Array]]:
        """Payload and checksum of each block, and the decoded blocks."""
        coded, copies = [], []
        for i, progress in enumerate(self._parts()):
            *several, height, width, _ = self.blocks[i].shape
            decoded = np.empty(
                (*several, -(-height // 16), -(-width // 16), self.pipeline.bundle.m),
                np.float32,
            )
            coded.append(self._encode(i, quality, part(progress, 0, 0.6), decoded))
            copies.append(
                self.pipeline.synthesise(decoded, quality, height, width, part(progress, 0.6, 1))
            )
        return coded, copies


def squared_error(a: Array, b: Array) -> int:
    """Sum of the squared differences of two uint8 arrays, in little memory."""
    return sum(int(np.square(x.astype(np.int32) - y).sum(dtype=np.int64)) for x, y in zip(a, b))


def psnr(a: Array, b: Array) -> float:
    """PSNR of two uint8 arrays of one shape, in dB."""
    return _decibels(squared_error(a, b), a.size)


def _decibels(total: int, n: int) -> float:
    return math.inf if total == 0 else 10 * math.log10(255**2 * n / total)


def _psnr_of_all(blocks: Sequence[Array], copies: Sequence[Array]) -> float:
    total = sum(squared_error(a, b) for a, b in zip(blocks, copies))
    return _decibels(total, sum(a.size for a in blocks))


def _mean_score(blocks: Sequence[Array], copies: Sequence[Array]) -> float:
    scores = [
        ssimulacra2.score(x, y)
        for a, b in zip(blocks, copies)
        for x, y in zip(*(p.reshape(-1, *p.shape[-3:]) for p in (a, b)))
    ]
    return sum(scores) / len(scores)


METRICS = {
    "target_psnr": _Metric(_psnr_of_all, float, 0.25, 0.03, " dB"),
    # What is left to 100 falls by about as many percent everywhere.
    "target_score": _Metric(_mean_score, lambda v: -math.log(max(100 - v, 1e-3)), 0.035, 0.2, ""),
}


def _search(
    evaluate: Callable[[float], tuple[float, Any]],
    low: float,
    high: float,
    slope: float,
    best: Any,
) -> tuple[float, Any] | None:
    """A quality whose value lies in low..high; values rise with quality.

    Parameters
    ----------
    evaluate : function of float
        To (value, result).
    low, high : float
    slope : float
        Expected change of the value per unit of quality.
    best : {min, max}
        Which of the qualities on the right side to take where none lies
        in the window: the right side is above ``low`` for min, below
        ``high`` for max.

    Returns
    -------
    (quality, result), or None if no quality is on the right side
    """
    aim = (low + high) / 2
    lowest, highest = 1.0, 100.0  # of what is still to be searched
    last, good = None, None
    quality = _START
    for n in range(MAX_STEPS):
        value, result = evaluate(quality)
        if value >= low if best is min else value <= high:
            if good is None or best(good[0], quality) == quality:
                good = quality, result
            if low <= value <= high:
                break
        if last and (value - last[1]) * (quality - last[0]) > 0:
            slope = (value - last[1]) / (quality - last[0])
        last = quality, value
        if value < aim:
            lowest = quality + 0.01
        else:
            highest = quality - 0.01
        step = quality + (aim - value) / slope
        if n >= MAX_STEPS // 2:  # a staircase: sizes of a tiny picture
            step = (lowest + highest) / 2
        quality = round(min(max(step, lowest), highest) * 100) / 100
        if lowest > highest:
            break
    return good
