"""The four passes over a slab of the latent plane, exact part.

A checkerboard times two groups of channels. Rows of a pass depend on z and
on the symbols of earlier passes only, so a decoder has all symbols before
it needs a single float (docs/format.md, sections 5 and 7).
"""

import dataclasses

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
    even = np.broadcast_to((np.arange(h)[:, None] + np.arange(w)) % 2 == 0,
                           shape)
    places, found = (np.flatnonzero(even), np.flatnonzero(~even)), []
    for p in range(4):
        group, end = ((0, k), (k, m))[p >> 1]
        starts = {group: None} | {start: n for n, (first, start, _)
                                  in enumerate(cuts) if first == group}
        for start, stop in zip(starts, [*list(starts)[1:], end]):
            found.append(Step(p, places[p & 1], slice(start, stop), group,
                              starts[start], stop == end))
    return found


class Slab:
    """Rows of one slab, step by step.

    Parameters
    ----------
    rows : Rows
    base : int32 (h, w, M), or (n, h, w, M)
        Base of the rows of the slab, of one picture or of several.
    k : int
        Channels of the first group.

    Attributes
    ----------
    symbols : int16, of the shape of ``base``
        Filled by ``put``.
    """

    def __init__(self, rows, base, k):
        self.r, self.base, self.k = rows, base, k
        m = base.shape[-1]
        self.steps = steps(base.shape[:-1], k, m, rows.cuts)
        self.symbols = np.zeros(base.shape, np.int16)
        self.flat = self.symbols.reshape(-1, m)
        self._ctx = self._sums = self._rows = None
        self._seen = []

    def rows(self, step):
        """Row indices of a step, after those before it: uint8 (n, c)."""
        if step.cut is None:
            group = slice(step.group, None if step.group else self.k)
            base = self.base.reshape(self.flat.shape)[step.at, group]
            context = self._context(step.p, step.at)
            if step.last:
                return self.r.rows(base, context, step.p)
            self._sums = self.r.sums(base, context, step.p)
            self._seen = []
        lo, hi = (c - step.group for c in (step.channels.start,
                                           step.channels.stop))
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
            self._ctx = np.concatenate(
                [level.reshape(n, k), near(level)], 1)
            return self._ctx[at]
        level = self.r.levels(self.symbols[..., k:])
        return np.concatenate([self._ctx[at], near(level)[at]], 1)

    def put(self, step, symbols):
        """Set the symbols of a step: int16 (n, c)."""
        self.flat[step.at, step.channels] = symbols
        if not step.last:
            self._seen.append(self.r.surprise(symbols, self._rows))


def read_symbols(reader, rows, model_shape, latent_shape, quality_index,
                 progress=None, follower=None):
    """All symbols of a picture.

    Parameters
    ----------
    reader : Reader
    rows : Rows
    model_shape : (int, int)
        NZ and K.
    latent_shape : (int, int) or (int, int, int)
        hy and wy, after the number of pictures where there are several.
    quality_index : int, 0..99
    progress : function of float, or None
    follower : object, optional
        With ``begin(z, lo, hi)``, told of each slab before it is read, and
        ``add(symbols, p)``, told of each pass of it after.

    Returns
    -------
    z : int16 (.., hz, wz, NZ)
    s : int16 (.., hy, wy, M)
    """
    nz, k = model_shape
    *n, hy, wy = latent_shape
    z = reader.read_z((*n, -(-hy // 4), -(-wy // 4), nz))
    s = np.empty((*n, hy, wy, rows.m), np.int16)
    for lo, hi in told(slabs(hy), progress):
        if follower is not None:
            follower.begin(z, lo, hi)
        base = rows.base(rows.hidden(z, lo // 4, -(-hi // 4)), quality_index)
        slab = Slab(rows, base[..., :hi - lo, :wy, :], k)
        for step in slab.steps:
            slab.put(step, reader.read(slab.rows(step)))
            if follower is not None and step.last:
                follower.add(slab.symbols, step.p)
        s[..., lo:hi, :, :] = slab.symbols
    reader.finish()
    return z, s
