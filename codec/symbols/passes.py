"""The four passes over a slab of the latent plane, exact part.

A checkerboard times two groups of channels. Rows of a pass depend on z and
on the symbols of earlier passes only, so a decoder has all symbols before
it needs a single float (docs/format.md, sections 5 and 7).
"""

import dataclasses
import functools

import numpy as np

from ..progress import told
from .rows import neighbour_sum

SLAB = 32


def slabs(height):
    """(first, last + 1) latent rows of each slab."""
    return [(i, min(i + SLAB, height)) for i in range(0, height, SLAB)]


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


def steps(shape, k, m, cuts=()):
    """The steps of a slab in order.

    Parameters
    ----------
    shape : tuple of int
        (.., h, w) of the slab. They begin at even rows, so parity in the
        slab is parity in the picture.
    k, m : int
        Channels of the first group, and of both.
    cuts : list
        Of `rows.cuts`.

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


def bases(rows, z, lo, hi, width, quality_index, later=functools.cache):
    """Base of the rows lo..hi-1 of the latent plane.

    Parameters
    ----------
    rows : Rows
    z : int16 (.., hz, wz, NZ)
    lo, hi, width : int
    quality_index : int, 0..99
    later : callable
        Is given a function, which may be told to use one thread, and gives
        one that has its result: the second group is needed only when the
        first is decoded.

    Returns
    -------
    two functions
        Of each group of channels: float32 (.., hi - lo, width, c).
    """
    hidden = rows.hidden(z, lo // 4, -(-hi // 4))

    def base(group, alone=False):
        return rows.base(hidden, quality_index, group, alone)[..., : hi - lo, :width, :]

    high = later(functools.partial(base, 1))
    return functools.cache(functools.partial(base, 0)), high


class Slab:
    """Rows of one slab, step by step.

    Parameters
    ----------
    rows : Rows
    shape : tuple of int
        (h, w), or (n, h, w), of one picture or of several.
    bases : two functions
        Of `bases`.

    Attributes
    ----------
    symbols : int16 (*shape, M)
        Filled by ``put``.
    """

    def __init__(self, rows, shape, bases):
        self.r, self.bases, self.k = rows, bases, rows.groups[0].stop
        self.steps = steps(shape, self.k, rows.m, rows.cuts)
        self.symbols = np.zeros((*shape, rows.m), np.int16)
        self.flat = self.symbols.reshape(-1, rows.m)
        self._ctx = self._sums = self._rows = None
        self._seen = []

    def rows(self, step):
        """Row indices of a step, after those before it: uint8 (n, c)."""
        if step.cut is None:
            base = self.bases[step.p >> 1]()
            base = base.reshape(-1, base.shape[-1]).take(step.at, 0)
            context = self._context(step.p, step.at)
            if step.last:
                return self.r.rows(base, context, step.p)
            self._sums = self.r.sums(base, context, step.p)
            self._seen = []
        lo, hi = (c - step.group for c in (step.channels.start, step.channels.stop))
        self._rows = self.r.part(self._sums[:, lo:hi], self._seen, step.cut)
        return self._rows

    def _context(self, p, at):
        if p == 0:
            return None
        k, n = self.k, len(self.flat)

        def near(x):
            return neighbour_sum(x).reshape(n, -1)

        if p == 1:
            return near(self.r.levels(self.symbols[..., :k]))[at]
        if p == 2:
            level = self.r.levels(self.symbols[..., :k])
            self._ctx = np.concatenate([level.reshape(n, k), near(level)], 1)
            return self._ctx[at]
        level = self.r.levels(self.symbols[..., k:])
        return np.concatenate([self._ctx[at], near(level)[at]], 1)

    def put(self, step, symbols):
        """Set the symbols of a step: int16 (n, c)."""
        self.flat[step.at, step.channels] = symbols
        if not step.last:
            self._seen.append(self.r.surprise(symbols, self._rows))


def read_symbols(
    reader, rows, nz, latent_shape, quality_index, progress=None, follower=None
):
    """All symbols of a picture.

    Parameters
    ----------
    reader : Reader
    rows : Rows
    nz : int
        Channels of z.
    latent_shape : (int, int) or (int, int, int)
        hy and wy, after the number of pictures where there are several.
    quality_index : int, 0..99
    progress : function of float, or None
    follower : object, optional
        With ``begin(z, lo, hi)``, told of each slab before it is read,
        ``add(symbols, p)``, told of each pass of it after, and ``later``, as
        of `bases`.

    Returns
    -------
    z : int16 (.., hz, wz, NZ)
    s : int16 (.., hy, wy, M)
    """
    *n, hy, wy = latent_shape
    z = reader.read_z((*n, -(-hy // 4), -(-wy // 4), nz))
    s = np.empty((*n, hy, wy, rows.m), np.int16)
    later = functools.cache if follower is None else follower.later
    for lo, hi in told(slabs(hy), progress):
        base = bases(rows, z, lo, hi, wy, quality_index, later)
        if follower is not None:
            follower.begin(z, lo, hi)
        slab = Slab(rows, (*n, hi - lo, wy), base)
        for step in slab.steps:
            slab.put(step, reader.read(slab.rows(step)))
            if follower is not None and step.last:
                follower.add(slab.symbols, step.p)
        s[..., lo:hi, :, :] = slab.symbols
    reader.finish()
    return z, s
