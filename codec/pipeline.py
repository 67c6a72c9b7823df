"""RGB samples <-> payload: the straight line through all stages.

    pixels -> latent -> z, symbols -> payload          ``encode``
    payload -> z, symbols                              ``read_symbols``
    z, symbols -> latent -> pixels                     ``reconstruct``

``read_symbols`` is the exact path: integers only. The other two run the
float networks.
"""

import zlib

import numpy as np

from .effort import PLANS
from .effort.costs import Costs
from .effort.refine import Refiner, State
from .entropy import coder, passes
from .errors import FormatError
from .entropy.rows import Rows, check_bounds
from .latent import transform
from .latent.means import Means
from .model.session import Graphs


class Pipeline:
    """A model made ready to run.

    Parameters
    ----------
    bundle : codec.model.bundle.Bundle
    threads : int or None
    optimise : bool
        Graph optimisations of the engine; False exists for tests.
    """

    def __init__(self, bundle, threads=None, optimise=True):
        check_bounds(bundle.tables, bundle.z_max)
        self.bundle = bundle
        self.graphs = Graphs(bundle, threads, optimise)
        self.tables = coder.Tables(bundle.tables, bundle.row_skip)
        self.rows = Rows(bundle.tables, self.graphs.run)
        self.costs = Costs(bundle.tables, bundle.row_skip)

    def __reduce__(self):
        return type(self), (self.bundle, self.graphs.threads,
                            self.graphs.optimise)

    def _hyper(self, y, gain):
        """z symbols of a latent plane, int16, slab by slab."""
        b = self.bundle
        hy, wy, _ = y.shape
        out = []
        for lo, hi in passes.slabs(hy):
            n = hi - lo
            scaled = np.zeros((n + -n % 4, wy + -wy % 4, b.m), np.float32)
            np.multiply(y[lo:hi], gain, out=scaled[:n, :wy])
            z = self.graphs.run("hyper_analysis", scaled=scaled)[0]
            out.append(np.clip(np.rint(z), -b.z_max, b.z_max))
        return np.concatenate(out).astype(np.int16)

    def _slab_means(self, z, lo, hi, width, step):
        """``Means`` of latent rows lo..hi-1; features see a halo of z."""
        a, b = max(0, lo // 4 - 1), min(len(z), -(-hi // 4) + 1)
        f = self.graphs.run("features", z=z[a:b].astype(np.float32))[0]
        top = lo - 4 * a
        f = np.ascontiguousarray(f[:, :, top:top + hi - lo, :width])
        out = np.zeros((hi - lo, width, self.bundle.m), np.float32)
        return Means(self.graphs, f, step, out)

    def analyse(self, pixels, quality):
        """Latent plane, float32 (hy, wy, M), of uint8 (h, w, 3)."""
        mod = self.bundle.at_quality("analysis_mod", quality)
        return transform.analyse(pixels, self.graphs, mod)

    def encode(self, pixels, quality, effort=1):
        """Payload of a picture.

        Parameters
        ----------
        pixels : uint8 (height, width, 3)
        quality : float, 1..100, a multiple of 0.01
        effort : int, 1..9
            Needs the model's ``energy`` and gradients beyond 1; without
            them symbols are rounded.

        Returns
        -------
        payload : bytes
        crc : int
            Of the symbols (docs/format.md, section 4).
        """
        y = self.analyse(pixels, quality)
        gain = self.bundle.gain(quality)
        z = self._hyper(y, gain)

        def rounded(at, ch, mean):
            return np.rint(flat[at, ch] * gain[ch] - mean * gain[ch])

        flat = y.reshape(-1, self.bundle.m)
        plan = PLANS[effort]
        if not plan.rounds or "energy" not in self.bundle.tables:
            return self._write(z, y.shape, quality, rounded)
        state = self._state(z, y.shape, quality, rounded)
        del y, flat
        best = Refiner(
            self.graphs, self.costs, pixels, quality, lambda s: self._state(
                z, s.shape, quality, given(s))).run(state.symbols, plan)
        return self._write(z, best.shape, quality, given(best))

    def _write(self, z, shape, quality, choose):
        """Payload and checksum of symbols as they are chosen."""
        writer = coder.Writer(self.tables)
        writer.write_z(z, quality_index(quality))
        crc = zlib.crc32(z.astype("<i2", copy=False))
        for _, _, slab, _ in self._slabs(z, shape, quality, choose, writer):
            crc = zlib.crc32(slab.symbols.astype("<i2", copy=False), crc)
        return writer.finish(), crc

    def _state(self, z, shape, quality, choose):
        """What would be coded, for an encoder that wants better."""
        state = State(shape)
        for lo, hi, slab, means in self._slabs(z, shape, quality, choose):
            state.symbols[lo:hi] = slab.symbols
            state.latent[lo:hi] = means.out
            rows = state.rows[lo:hi].reshape(-1, self.bundle.m)
            for p in range(4):
                rows[slab.where(p)] = slab.coded[p]
            state.bits[lo:hi] = self.costs.cells(slab.symbols,
                                                 state.rows[lo:hi])
            state.features.append(means.features)
        return state

    def _slabs(self, z, shape, quality, choose, writer=None):
        """Each slab after its four passes: lo, hi, Slab, Means.

        ``choose(at, channels, mean)`` gives the symbols of a pass, ``at``
        flat positions in the picture.
        """
        b = self.bundle
        hy, wy, _ = shape
        qi, step = quality_index(quality), 1 / b.gain(quality)
        hidden = self.rows.hidden(z)
        for lo, hi in passes.slabs(hy):
            base = self.rows.base(hidden[lo // 4:-(-hi // 4)], qi)
            slab = passes.Slab(self.rows, base[:hi - lo, :wy], b.k)
            means = self._slab_means(z, lo, hi, wy, step)
            slab.coded = []
            for p in range(4):
                at, ch = slab.where(p)
                mu = means.mean(p)[at]
                rows = slab.rows(p)
                s = choose(at + lo * wy, ch, mu)
                s[rows < b.row_skip] = 0
                s = np.clip(s, -coder.MAX_SYMBOL,
                            coder.MAX_SYMBOL).astype(np.int16)
                slab.put(p, s)
                means.put(at, ch, s, mu)
                slab.coded.append(rows)
                if writer is not None:
                    writer.write(s, rows)
            yield lo, hi, slab, means

    def read_symbols(self, payload, height, width, quality, crc=None):
        """The exact path: symbols of a payload.

        Returns
        -------
        z : int16 (hz, wz, NZ)
        s : int16 (hy, wy, M)

        Raises
        ------
        FormatError
            The payload does not decode, or ``crc`` is not the symbols'.
        """
        b = self.bundle
        reader = coder.Reader(payload, self.tables)
        z, s = passes.read_symbols(
            reader, self.rows, (b.nz, b.k),
            (-(-height // 16), -(-width // 16)), quality_index(quality))
        if crc is not None:
            got = zlib.crc32(s.astype("<i2", copy=False),
                             zlib.crc32(z.astype("<i2", copy=False)))
            if got != crc:
                raise FormatError(
                    "symbol checksum mismatch: the file is damaged, or "
                    "this machine's arithmetic is not exact")
        return z, s

    def reconstruct(self, z, s, quality, height, width):
        """Pixels of symbols: uint8 (height, width, 3)."""
        b = self.bundle
        step = 1 / b.gain(quality)
        latent = np.empty(s.shape, np.float32)
        for lo, hi in passes.slabs(len(s)):
            means = self._slab_means(z, lo, hi, s.shape[1], step)
            flat = s[lo:hi].reshape(-1, b.m)
            even = (np.arange(hi - lo)[:, None]
                    + np.arange(s.shape[1])) % 2 == 0
            at = np.flatnonzero(even), np.flatnonzero(~even)
            for p in range(4):
                i, ch = at[p & 1], (slice(0, b.k), slice(b.k, None))[p >> 1]
                means.put(i, ch, flat[i, ch], means.mean(p)[i])
            latent[lo:hi] = means.out
        mod = b.at_quality("synthesis_mod", quality)
        return transform.synthesise(latent, self.graphs, mod, height, width)


def given(symbols):
    """Choice of symbols that are known: int16 (hy, wy, M)."""
    flat = symbols.reshape(-1, symbols.shape[2])
    return lambda at, channels, mean: flat[at, channels]


def quality_index(quality):
    """Row of the tables by quality: 0..99, as docs/format.md section 5."""
    return (int(round(quality * 100)) + 50) // 100 - 1
