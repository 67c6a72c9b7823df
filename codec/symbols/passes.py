"""The four passes over a slab of the latent plane, exact part.

A checkerboard times two groups of channels. Scale indices of a pass depend on z and
on the symbols of earlier passes only, so a decoder has all symbols of a slab
before it needs a single float (docs/format.md, sections 5 and 7).

Contents
--------
``Step``, ``steps``  passes, or parts of them, in their order
``walk``             the one walk over a slab, of encoders and decoders
``Slab``             scale indices of a slab step by step
``Python``           makes readers, writers and slabs; its twin in C is `core.Core`
"""

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..model.bundle import Bundle
from ..types import Array, Buffer
from . import coder
from .scale_index import ScaleIndex, neighbour_sum
from .slabs import Place


@dataclasses.dataclass(frozen=True)
class Step:
    """A pass, or a part of one: what is decoded at once.

    Attributes
    ----------
    p : int
        The pass, 0..3.
    at : ndarray
        Flat positions.
    channels : slice
    group : int
        First channel of the pass.
    cut : int or None
        Number of the cut that the part begins at; None: the pass does.
    last : bool
        Of its pass.
    """

    p: int
    at: np.ndarray
    channels: slice
    group: int
    cut: int | None
    last: bool


def steps(
    shape: tuple[int, ...], k: int, m: int, cuts: Sequence[tuple[int, int, int]] = ()
) -> list[Step]:
    """The steps of a slab in order.

    Parameters
    ----------
    shape : tuple of int
        (.., h, w) of the slab. They begin at even rows, so parity in the
        slab is parity in the picture.
    k, m : int
        Channels of the first group, and of both.
    cuts : list
        Of `ScaleIndex.cuts`.

    Returns
    -------
    list of Step
    """
    h, w = shape[-2:]
    even = np.broadcast_to((np.arange(h)[:, None] + np.arange(w)) % 2 == 0, shape)
    places, found = (np.flatnonzero(even), np.flatnonzero(~even)), []
    for p in range(4):
        group, end = ((0, k), (k, m))[p >> 1]
        starts = {group: None} | {
            start: n for n, (first, start, _) in enumerate(cuts) if first == group
        }
        for start, stop in zip(starts, [*list(starts)[1:], end]):
            found.append(
                Step(
                    p,
                    places[p & 1],
                    slice(start, stop),
                    group,
                    starts[start],
                    stop == end,
                )
            )
    return found


def walk(
    slab: Any,
    choose: Callable[[Step, np.ndarray], np.ndarray],
    sinks: Iterable[Callable[[Step, np.ndarray, np.ndarray], None]] = (),
) -> None:
    """Go through the symbols of a slab, as encoders and decoders have to.

    Parameters
    ----------
    slab : Slab, or core.Slab
    choose : function of (Step, scales)
        To its symbols, int16 of the shape of the scale indices, uint8 (n, c): a
        decoder reads them, an encoder decides. What is skipped must be
        zero.
    sinks : functions of (Step, symbols, scales)
        To write, count or record them.
    """
    for step in slab.steps:
        scales = slab.scale_indices(step)
        symbols = choose(step, scales)
        slab.put(step, symbols)
        for sink in sinks:
            sink(step, symbols, scales)


class Slab:
    """Scale indices of one slab, step by step.

    Parameters
    ----------
    scale_index : ScaleIndex
    place : Place
    z : int16 (.., hz, wz, NZ)
        Of the whole picture, or of several.
    quality_index : int, 0..99

    Attributes
    ----------
    symbols : int16 (.., h, w, M)
        Filled by ``put``.
    steps : list of Step
    """

    def __init__(self, scale_index: ScaleIndex, place: Place, z: Array, quality_index: int) -> None:
        self.of, self.k, self.quality_index = (
            scale_index,
            scale_index.groups[0].stop,
            quality_index,
        )
        shape = (*z.shape[:-3], place.height, place.width)
        self.steps = steps(shape, self.k, scale_index.m, scale_index.cuts)
        self.symbols = np.zeros((*shape, scale_index.m), np.int16)
        self.flat = self.symbols.reshape(-1, scale_index.m)
        self.hidden = scale_index.hidden(z, place)
        self._ctx: Any = None
        self._sums: Any = None
        self._scales: Any = None
        self._base: tuple[int | None, Any] = None, None
        self._seen: list[Array] = []

    def _base_of(self, group: int) -> Array:
        """Base of a group of channels: float32 (cells, c)."""
        if self._base[0] != group:
            h, w = self.symbols.shape[-3:-1]
            base = self.of.base(self.hidden, self.quality_index, group)
            base = np.ascontiguousarray(base[..., :h, :w, :])
            self._base = group, base.reshape(-1, base.shape[-1])
        return self._base[1]

    def scale_indices(self, step: Step) -> np.ndarray:
        """Scale indices of a step, after those before it: uint8 (n, c)."""
        if step.cut is None:
            base = self._base_of(step.p >> 1).take(step.at, 0)
            context = self._context(step.p, step.at)
            if step.last:
                return self.of.indices(base, context, step.p)
            self._sums = self.of.sums(base, context, step.p)
            self._seen = []
        lo, hi = (c - step.group for c in (step.channels.start, step.channels.stop))
        self._scales = self.of.part(self._sums[:, lo:hi], self._seen, step.cut)
        return self._scales

    def _context(self, p: int, at: Array) -> Array | None:
        if p == 0:
            return None
        k, n = self.k, len(self.flat)

        def near(x: Array) -> Array:
            return neighbour_sum(x).reshape(n, -1)

        if p == 1:
            return near(self.of.levels(self.symbols[..., :k]))[at]
        if p == 2:
            level = self.of.levels(self.symbols[..., :k])
            self._ctx = np.concatenate([level.reshape(n, k), near(level)], 1)
            return self._ctx[at]
        level = self.of.levels(self.symbols[..., k:])
        return np.concatenate([self._ctx[at], near(level)[at]], 1)

    def put(self, step: Step, symbols: np.ndarray) -> None:
        """Set the symbols of a step: int16 (n, c)."""
        self.flat[step.at, step.channels] = symbols
        if not step.last:
            self._seen.append(self.of.surprise(symbols, self._scales))

    def copy(self, plane: np.ndarray, top: int, left: int) -> None:
        """Put the symbols into a plane, (.., hy, wy, M), at a row and a column."""
        h, w = self.symbols.shape[-3:-1]
        plane[..., top : top + h, left : left + w, :] = self.symbols

    def crc(self, crc: int) -> int:
        """CRC-32 continued with the symbols."""
        return Python.crc(crc, self.symbols)

    def read(self, reader: Any) -> None:
        """Read all symbols from a `coder.Reader`."""
        walk(self, lambda step, scales: reader.read(scales))


class Python:
    """The exact path of a model, in Python: what there is without the core.

    Parameters
    ----------
    bundle : codec.model.bundle.Bundle
    run : callable
        ``Graphs.run``.
    """

    name = "Python"

    def __init__(self, bundle: Bundle, run: Callable[..., list[Array]]) -> None:
        self.tables = coder.Tables(bundle.tables, bundle.row_skip)
        self.scale_index = ScaleIndex(bundle.tables, run)

    def reader(self, stream: Buffer, quality_index: int) -> coder.Reader:
        """Reader of one stream."""
        return coder.Reader(stream, self.tables, quality_index)

    def writer(self, quality_index: int) -> coder.Writer:
        """Writer of one stream."""
        return coder.Writer(self.tables, quality_index)

    def slab(self, place: Place, z: np.ndarray, quality_index: int) -> Slab:
        """A slab whose first step is next."""
        return Slab(self.scale_index, place, z, quality_index)

    @staticmethod
    def crc(crc: int, symbols: np.ndarray) -> int:
        """CRC-32 of symbols, continued (docs/format.md, section 4)."""
        data: Any = np.ascontiguousarray(symbols, "<i2")
        return zlib.crc32(data, crc)
