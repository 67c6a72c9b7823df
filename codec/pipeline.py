"""RGB samples <-> payload: the straight line through all stages.

    pixels -> latent -> z, symbols -> payload          ``encode``
    payload -> z, symbols                              ``read_symbols``
    z, symbols -> latent -> pixels                     ``reconstruct``

``read_symbols`` is the exact path: integers only. The other two run the
float networks.
"""

import zlib

import numpy as np

from .entropy import coder, passes, selftest
from .errors import FormatError, ModelError
from .entropy.rows import Rows
from .latent import transform
from .latent.means import Means
from .model.session import Graphs
from .progress import part, told


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
        self.bundle = bundle
        self.graphs = Graphs(bundle, threads, optimise)
        self.tables = coder.Tables(bundle.tables, bundle.row_skip)
        self.rows = Rows(bundle.tables, self.graphs.run)
        selftest.check(self.rows, bundle.tables, bundle.z_max)

    def __reduce__(self):
        return type(self), (self.bundle, self.graphs.threads,
                            self.graphs.optimise)

    def _hyper(self, y, gain):
        """z symbols of a latent plane, int16, slab by slab."""
        b = self.bundle
        *n_pictures, hy, wy, _ = y.shape
        out = []
        for lo, hi in passes.slabs(hy):
            n = hi - lo
            scaled = np.zeros((*n_pictures, n + -n % 4, wy + -wy % 4, b.m),
                              np.float32)
            np.multiply(y[..., lo:hi, :, :], gain,
                        out=scaled[..., :n, :wy, :])
            z = self.graphs.run("hyper_analysis", scaled=scaled)[0]
            z = np.nan_to_num(z)
            out.append(np.clip(np.rint(z), -b.z_max, b.z_max))
        return np.concatenate(out, -3).astype(np.int16)

    def _slab_means(self, z, lo, hi, width, step):
        """``Means`` of latent rows lo..hi-1; features see a halo of z."""
        a, b = max(0, lo // 4 - 1), min(z.shape[-3], -(-hi // 4) + 1)
        f = self.graphs.run("features", z=z[..., a:b, :, :].astype(
            np.float32))[0]
        top = lo - 4 * a
        f = np.ascontiguousarray(f[:, :, top:top + hi - lo, :width])
        out = np.zeros((*z.shape[:-3], hi - lo, width, self.bundle.m),
                       np.float32)
        return Means(self.graphs, f, step, out)

    def analyse(self, pixels, quality, progress=None):
        """Latent plane, float32 (hy, wy, M), of uint8 (h, w, 3)."""
        mod = self.bundle.at_quality("analysis_mod", quality)
        y = transform.analyse(pixels, self.graphs, mod, progress)
        if not np.isfinite(y).all():
            raise ModelError("model: the analysis is not finite")
        return y

    def encode(self, pixels, quality, progress=None):
        """Payload of a picture.

        Parameters
        ----------
        pixels : uint8 (height, width, 3)
        quality : float, 1..100, a multiple of 0.01
        progress : function of float, or None

        Returns
        -------
        payload : bytes
        crc : int
            Of the symbols (docs/format.md, section 4).
        """
        y = self.analyse(pixels, quality, part(progress, 0, 0.8))
        return self.encode_latent(y, quality, part(progress, 0.8, 1))

    def encode_latent(self, y, quality, progress=None, decoded=None):
        """Payload of a latent plane.

        Parameters
        ----------
        y : float32 (hy, wy, M)
            As of `analyse`, of this quality or of one close to it.
        quality : float, 1..100, a multiple of 0.01
        progress : function of float, or None
        decoded : float32 (hy, wy, M), or None
            Filled with the latent plane that a decoder will have.

        Returns
        -------
        payload, crc
            As of `encode`.
        """
        b = self.bundle
        gain = b.gain(quality)
        hy, wy, _ = y.shape
        z = self._hyper(y, gain)
        qi = quality_index(quality)
        writer = coder.Writer(self.tables)
        writer.write_z(z, qi)
        crc = zlib.crc32(z.astype("<i2", copy=False))
        for lo, hi in told(passes.slabs(hy), progress):
            base = self.rows.base(
                self.rows.hidden(z, lo // 4, -(-hi // 4)), qi)
            slab = passes.Slab(self.rows, base[:hi - lo, :wy], b.k)
            means = self._slab_means(z, lo, hi, wy, 1 / gain)
            flat = (y[lo:hi] * gain).reshape(-1, b.m)
            for p in range(4):
                at, ch = slab.where(p)
                mu = means.mean(p)[at]
                rows = slab.rows(p)
                s = np.rint(flat[at, ch] - mu * gain[ch])
                s[rows < b.row_skip] = 0
                s = np.clip(s, -coder.MAX_SYMBOL,
                            coder.MAX_SYMBOL).astype(np.int16)
                slab.put(p, s)
                means.put(at, ch, s, mu)
                writer.write(s, rows)
            crc = zlib.crc32(slab.symbols.astype("<i2", copy=False), crc)
            if decoded is not None:
                decoded[lo:hi] = means.out
        return writer.finish(), crc

    def encode_block(self, pixels, quality):
        """Payload of several pictures of one size.

        Parameters
        ----------
        pixels : uint8 (n, height, width, 3)
        quality : float

        Returns
        -------
        payload : bytes
        crc : int
            Of the symbols.
        """
        b = self.bundle
        y, gain = self.analyse(pixels, quality), b.gain(quality)
        n, hy, wy, _ = y.shape
        qi = quality_index(quality)
        z = self._hyper(y, gain)
        writer = coder.Writer(self.tables)
        writer.write_z(z, qi)
        symbols = np.empty(y.shape, np.int16)
        for lo, hi in passes.slabs(hy):
            base = self.rows.base(
                self.rows.hidden(z, lo // 4, -(-hi // 4)), qi)
            slab = passes.Slab(self.rows, base[:, :hi - lo, :wy], b.k)
            means = self._slab_means(z, lo, hi, wy, 1 / gain)
            flat = (y[:, lo:hi] * gain).reshape(-1, b.m)
            for p in range(4):
                at, ch = slab.where(p)
                mu, rows = means.mean(p)[at], slab.rows(p)
                s = np.rint(flat[at, ch] - mu * gain[ch])
                s[rows < b.row_skip] = 0
                s = np.clip(s, -coder.MAX_SYMBOL,
                            coder.MAX_SYMBOL).astype(np.int16)
                slab.put(p, s)
                means.put(at, ch, s, mu)
                writer.write(s, rows)
            symbols[:, lo:hi] = slab.symbols
        crc = zlib.crc32(symbols.astype("<i2", copy=False),
                         zlib.crc32(z.astype("<i2", copy=False)))
        return writer.finish(), crc

    def read_symbols(self, payload, height, width, quality, crc=None,
                     progress=None, n=()):
        """The exact path: symbols of a payload.

        Parameters
        ----------
        payload : bytes
        height, width, quality
            As the header says.
        crc : int, optional
        progress : function of float, or None
        n : tuple of int
            Number of pictures, where the payload is of several.

        Returns
        -------
        z : int16 (*n, hz, wz, NZ)
        s : int16 (*n, hy, wy, M)

        Raises
        ------
        FormatError
            The payload does not decode, or ``crc`` is not the symbols'.
        """
        b = self.bundle
        reader = coder.Reader(payload, self.tables)
        z, s = passes.read_symbols(
            reader, self.rows, (b.nz, b.k),
            (*n, -(-height // 16), -(-width // 16)),
            quality_index(quality), progress)
        if crc is not None:
            got = zlib.crc32(s.astype("<i2", copy=False),
                             zlib.crc32(z.astype("<i2", copy=False)))
            if got != crc:
                raise FormatError(
                    "symbol checksum mismatch: the file is damaged, or "
                    "this machine's arithmetic is not exact")
        return z, s

    def reconstruct(self, z, s, quality, height, width, progress=None):
        """Pixels of symbols: uint8 (.., height, width, 3)."""
        b = self.bundle
        step = 1 / b.gain(quality)
        latent = np.empty(s.shape, np.float32)
        *n, hy, wy, _ = s.shape
        for lo, hi in told(passes.slabs(hy), progress, 0, 0.3):
            means = self._slab_means(z, lo, hi, wy, step)
            flat = s[..., lo:hi, :, :].reshape(-1, b.m)
            even = np.broadcast_to((np.arange(hi - lo)[:, None]
                                    + np.arange(wy)) % 2 == 0,
                                   (*n, hi - lo, wy))
            at = np.flatnonzero(even), np.flatnonzero(~even)
            for p in range(4):
                i, ch = at[p & 1], (slice(0, b.k), slice(b.k, None))[p >> 1]
                means.put(i, ch, flat[i, ch], means.mean(p)[i])
            latent[..., lo:hi, :, :] = means.out
        return self.synthesise(latent, quality, height, width,
                               part(progress, 0.3, 1))

    def synthesise(self, latent, quality, height, width, progress=None):
        """Pixels of a decoded latent plane: uint8 (.., height, width, 3)."""
        mod = self.bundle.at_quality("synthesis_mod", quality)
        return transform.synthesise(latent, self.graphs, mod, height, width,
                                    progress)


def quality_index(quality):
    """Row of the tables by quality: 0..99, as docs/format.md section 5."""
    return (int(round(quality * 100)) + 50) // 100 - 1
