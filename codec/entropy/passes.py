"""The four passes over a slab of the latent plane, exact part.

A checkerboard times two groups of channels. Rows of a pass depend on z and
on the symbols of earlier passes only, so a decoder has all symbols before
it needs a single float (docs/format.md, sections 5 and 7).
"""

import numpy as np

from ..progress import told
from .rows import neighbour_sum

SLAB = 32


def slabs(height):
    """(first, last + 1) latent rows of each slab."""
    return [(i, min(i + SLAB, height)) for i in range(0, height, SLAB)]


class Slab:
    """Rows of one slab, pass by pass.

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
        h, w, m = base.shape[-3:]
        # Slabs begin at even rows, so local parity is parity.
        even = (np.arange(h)[:, None] + np.arange(w)) % 2 == 0
        even = np.broadcast_to(even, base.shape[:-1])
        self.at = (np.flatnonzero(even), np.flatnonzero(~even))
        self.symbols = np.zeros(base.shape, np.int16)
        self.flat = self.symbols.reshape(-1, m)
        self._ctx = None

    def where(self, p):
        """Flat positions and channel slice of pass ``p``."""
        return self.at[p & 1], (slice(0, self.k), slice(self.k, None))[p >> 1]

    def rows(self, p):
        """Row indices of pass ``p``: uint8 (n, c)."""
        at, ch = self.where(p)
        base = self.base.reshape(self.flat.shape)[at, ch]
        return self.r.rows(base, self._context(p, at), p)

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

    def put(self, p, symbols):
        """Set the symbols of pass ``p``: int (n, c)."""
        at, ch = self.where(p)
        self.flat[at, ch] = symbols


def read_symbols(reader, rows, model_shape, latent_shape, quality_index,
                 progress=None):
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

    Returns
    -------
    z : int16 (.., hz, wz, NZ)
    s : int16 (.., hy, wy, M)
    """
    nz, k = model_shape
    *n, hy, wy = latent_shape
    z = reader.read_z((*n, -(-hy // 4), -(-wy // 4), nz), quality_index)
    s = np.empty((*n, hy, wy, rows.m), np.int16)
    for lo, hi in told(slabs(hy), progress):
        base = rows.base(rows.hidden(z, lo // 4, -(-hi // 4)), quality_index)
        slab = Slab(rows, base[..., :hi - lo, :wy, :], k)
        for p in range(4):
            slab.put(p, reader.read(slab.rows(p)))
        s[..., lo:hi, :, :] = slab.symbols
    reader.finish()
    return z, s
