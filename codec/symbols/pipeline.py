"""RGB samples <-> payload: the straight line through all stages.

    pixels -> latent -> z, symbols -> payload          ``encode``
    payload -> z, symbols                              ``read_symbols``
    z, symbols -> latent -> pixels                     ``reconstruct``
    payload -> pixels                                  ``decode``

``read_symbols`` is the exact path: integers only. ``decode`` has the first
half of ``reconstruct`` run beside it, which like ``encode`` runs the float
networks.
"""

import functools
import zlib

import numpy as np

from ..errors import FormatError, ModelError
from ..model.session import Graphs
from ..progress import part, told
from ..search import PLANS, choose, refine
from ..search.costs import Costs, Counter
from ..transform import transform
from ..transform.means import Means
from ..transform.plane import Behind, Plane, features
from . import coder, passes, selftest
from .rows import Rows

# Pixels up to which means are worked out while symbols are read: what that
# takes is lost where a file turns out to be damaged.
MOST_BEHIND = 2**24


class Pipeline:
    """A model made ready to run.

    Parameters
    ----------
    bundle : codec.model.bundle.Bundle
    threads : int or None
    optimise : bool
        Graph optimisations of the engine; False exists for tests.
    alone : Graphs, optional
        The model's networks on one thread, where there are some already.
    """

    def __init__(self, bundle, threads=None, optimise=True, alone=None):
        self.bundle = bundle
        # Networks on one thread, for what runs beside the rest.
        self.alone = alone or Graphs(bundle, 1, optimise)
        self.graphs = self.alone
        if threads != 1:
            self.graphs = Graphs(bundle, threads, optimise)
            if self.graphs.threads == 1:
                self.graphs = self.alone
        self.tables = coder.Tables(bundle.tables, bundle.row_skip)
        self.rows = Rows(bundle.tables, self.graphs.run, self.alone.run)
        self._costs = {}
        selftest.check(self.rows, bundle.tables, bundle.z_max)

    @property
    def can_search(self):
        """Whether the model has the decoder's gradients, for efforts above 1."""
        return "energy" in self.bundle.tables

    def costs(self, quality):
        """Bits of symbols, for encoders that choose: decoders need none."""
        skip = int(self.bundle.row_skip[quality_index(quality)])
        if skip not in self._costs:
            self._costs[skip] = Costs(self.bundle.tables, skip)
        return self._costs[skip]

    def __reduce__(self):
        return type(self), (self.bundle, self.graphs.threads, self.graphs.optimise)

    def _hyper(self, y, quality):
        """z symbols of a latent plane, int16, slab by slab."""
        b, gain = self.bundle, self.bundle.gain(quality)
        bits = self.costs(quality).z_bits(quality_index(quality))
        *n_pictures, hy, wy, _ = y.shape
        out = []
        for lo, hi in passes.slabs(hy):
            n = hi - lo
            scaled = np.zeros((*n_pictures, n + -n % 4, wy + -wy % 4, b.m), np.float32)
            np.multiply(y[..., lo:hi, :, :], gain, out=scaled[..., :n, :wy, :])
            z = self.graphs.run("hyper_analysis", scaled=scaled)[0]
            out.append(choose.hyper(np.nan_to_num(z), bits))
        return np.concatenate(out, -3)

    def analyse(self, pixels, quality, progress=None):
        """Latent plane, float32 (hy, wy, M), of uint8 (h, w, 3)."""
        mod = self.bundle.at_quality("analysis_mod", quality)
        y = transform.analyse(pixels, self.graphs, mod, progress)
        if not np.isfinite(y).all():
            raise ModelError("model: the analysis is not finite")
        return y

    def encode(self, pixels, quality, plan=PLANS[1], progress=None):
        """Payload of a picture, or of several of one size.

        Parameters
        ----------
        pixels : uint8 (.., height, width, 3)
        quality : float, 1..100, a multiple of 0.01
        plan : effort.Plan
            More than rounding only with a model that has the decoder's
            gradients; else symbols are rounded.
        progress : function of float, or None

        Returns
        -------
        payload : bytes
        crc : int
            Of the symbols (docs/format.md, section 4).
        """
        share = 0.3 if plan.passes else 0.8
        y = self.analyse(pixels, quality, part(progress, 0, share))
        return self.encode_latent(y, quality, plan, pixels, part(progress, share, 1))

    def encode_latent(
        self, y, quality, plan=PLANS[1], pixels=None, progress=None, decoded=None
    ):
        """Payload of a latent plane.

        Parameters
        ----------
        y : float32 (.., hy, wy, M)
            As of `analyse`, of this quality or of one close to it.
        quality : float, 1..100, a multiple of 0.01
        plan, pixels
            As of `encode`; pixels are needed for more than rounding.
        progress : function of float, or None
        decoded : float32 (.., hy, wy, M), or None
            Filled with the latent plane that a decoder will have.

        Returns
        -------
        payload, crc
            As of `encode`.
        """
        z = self._hyper(y, quality)
        chosen = self._nearest(y, quality)
        if plan.passes and self.can_search:
            each = [()] if y.ndim == 3 else list(np.ndindex(y.shape[:-3]))
            symbols = np.empty(y.shape, np.int16)
            for i, at in enumerate(each):
                symbols[at], rows = self._refined(
                    z[at],
                    y[at],
                    quality,
                    plan,
                    pixels[at],
                    part(progress, 0.9 * i / len(each), 0.9 * (i + 1) / len(each)),
                )
            if y.ndim == 3 and decoded is None:
                return self._write_known(
                    z, symbols, rows, quality, part(progress, 0.9, 1)
                )
            chosen = choose.given(symbols)
            progress = part(progress, 0.9, 1)
        return self._write(z, y.shape, quality, chosen, progress, decoded)

    def _refined(self, z, y, quality, plan, pixels, progress):
        """Symbols and rows of one picture, better than rounded ones."""

        def coded(seen):
            part_of_z = z[seen.start // 4 : -(-seen.stop // 4)]
            return functools.partial(
                self._state, part_of_z, y[seen].shape, quality, known={}
            )

        return refine.refined(
            self.graphs, self.costs(quality), pixels, y, quality, coded, plan, progress
        )

    def code_length(self, y, quality):
        """Bits that the latent plane of one picture costs, by the tables.

        Parameters
        ----------
        y, quality
            As of `encode_latent`, of one picture.

        Returns
        -------
        bits : float
            Of all symbols, rounded as at effort 1; no header, and none of
            the coder's rounding to words.
        decoded : float32 (hy, wy, M)
            The latent plane that a decoder would have.
        """
        counter = Counter(costs := self.costs(quality))
        z, decoded = self.tell(y, quality, counter)
        return counter.bits + costs.z(z, quality_index(quality)), decoded

    def tell(self, y, quality, writer):
        """Hand a writer, as of `coder.Writer`, what effort 1 codes but z.

        Parameters
        ----------
        y, quality : as of `encode_latent`
        writer : with ``write(symbols, rows)``, int16 and uint8 (n, c)

        Returns
        -------
        z : int16 (.., hz, wz, NZ)
        decoded : float32 (.., hy, wy, M), as of `code_length`
        """
        z = self._hyper(y, quality)
        decoded = np.empty(y.shape, np.float32)
        for lo, hi, _, means in self._slabs(
            z, y.shape, quality, self._nearest(y, quality), writer
        ):
            decoded[..., lo:hi, :, :] = means.out
        return z, decoded

    def _nearest(self, y, quality):
        """Choice of the nearest symbols, for `_slabs`."""
        return choose.nearest(
            y,
            self.bundle.gain(quality),
            int(self.bundle.row_skip[quality_index(quality)]),
        )

    def _write(self, z, shape, quality, chosen, progress=None, decoded=None):
        """Payload and checksum of symbols as they are chosen."""
        writer = coder.Writer(self.tables, quality_index(quality))
        writer.write_z(z)
        crc, symbols = zlib.crc32(z.astype("<i2", copy=False)), []
        for lo, hi, slab, means in self._slabs(
            z, shape, quality, chosen, writer, progress
        ):
            symbols.append(slab.symbols.astype("<i2", copy=False))
            if len(shape) == 3:  # slabs are in the order of the CRC
                crc = zlib.crc32(symbols.pop(), crc)
            if decoded is not None:
                decoded[..., lo:hi, :, :] = means.out
        if symbols:
            crc = zlib.crc32(np.concatenate(symbols, -3), crc)
        return writer.finish(), crc

    def _write_known(self, z, symbols, rows, quality, progress):
        """As `_write`, of one picture whose rows are known already."""
        writer = coder.Writer(self.tables, quality_index(quality))
        writer.write_z(z)
        for lo, hi in told(passes.slabs(len(symbols)), progress):
            s, r = (a[lo:hi].reshape(-1, self.bundle.m) for a in (symbols, rows))
            for step in passes.steps(
                rows[lo:hi].shape[:2], self.bundle.k, self.bundle.m, self.rows.cuts
            ):
                writer.write(s[step.at, step.channels], r[step.at, step.channels])
        crc = zlib.crc32(z.astype("<i2", copy=False))
        return writer.finish(), zlib.crc32(symbols.astype("<i2", copy=False), crc)

    def _state(self, z, shape, quality, chosen, known):
        """What would be coded, for an encoder that wants better."""
        state = refine.State(shape)
        for lo, hi, slab, means in self._slabs(z, shape, quality, chosen, known=known):
            state.symbols[lo:hi] = slab.symbols
            state.latent[lo:hi] = means.out
            rows = state.rows[lo:hi].reshape(-1, self.bundle.m)
            for step, coded in zip(slab.steps, slab.coded):
                rows[step.at, step.channels] = coded
        return state

    def _slabs(self, z, shape, quality, chosen, writer=None, progress=None, known=None):
        """Each slab after its four passes: lo, hi, Slab, Means.

        ``chosen(lo, hi)`` gives a function for the slab, and that one, of
        flat positions, channels, means and rows, the symbols of a step. A dict
        ``known`` keeps what follows from z alone for the next call with it.
        """
        b = self.bundle
        *_, hy, wy, _ = shape
        qi, step = quality_index(quality), 1 / b.gain(quality)
        for lo, hi in told(passes.slabs(hy), progress):
            if known and lo in known:
                base, seen = known[lo]
            else:
                base = passes.bases(self.rows, z, lo, hi, wy, qi)
                seen = features(self.graphs, z, lo, hi, wy)
            if known is not None:
                known[lo] = base, seen
            slab = passes.Slab(self.rows, (*shape[:-3], hi - lo, wy), base)
            means = Means(
                self.graphs, seen, step, np.zeros(slab.symbols.shape, np.float32)
            )
            symbols_of, slab.coded = chosen(lo, hi), []
            for turn in slab.steps:
                at, ch = turn.at, turn.channels
                if turn.cut is None:
                    mean = means.mean(turn.p, at)
                mu = mean[:, ch.start - turn.group : ch.stop - turn.group]
                rows = slab.rows(turn)
                s, shown = symbols_of(at, ch, mu, rows)
                s[rows < b.row_skip[qi]] = 0
                s = np.clip(s, -coder.MAX_SYMBOL, coder.MAX_SYMBOL).astype(np.int16)
                slab.put(turn, s)
                means.put(at, ch, s if shown is None else shown, mu)
                slab.coded.append(rows)
                if writer is not None:
                    writer.write(s, rows)
            yield lo, hi, slab, means

    def decode(self, payload, height, width, quality, crc=None, progress=None):
        """Pixels of a payload of one picture.

        Parameters and errors are those of `read_symbols`.

        Returns
        -------
        uint8 (height, width, 3)
        """
        if self.graphs.threads == 1 or height * width > MOST_BEHIND:
            z, s = self.read_symbols(
                payload, height, width, quality, crc, part(progress, 0, 0.35)
            )
            return self.reconstruct(
                z, s, quality, height, width, part(progress, 0.35, 1)
            )
        plane = Plane(self.alone, quality, (-(-height // 16), -(-width // 16)))
        with Behind(plane) as follower:
            self.read_symbols(
                payload,
                height,
                width,
                quality,
                crc,
                part(progress, 0, 0.5),
                follower=follower,
            )
        return self.synthesise(
            plane.latent, quality, height, width, part(progress, 0.5, 1)
        )

    def read_symbols(
        self,
        payload,
        height,
        width,
        quality,
        crc=None,
        progress=None,
        n=(),
        follower=None,
    ):
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
        follower : Behind, optional
            Is handed each pass.

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
        reader = coder.Reader(payload, self.tables, quality_index(quality))
        z, s = passes.read_symbols(
            reader,
            self.rows,
            b.nz,
            (*n, -(-height // 16), -(-width // 16)),
            quality_index(quality),
            progress,
            follower,
        )
        if crc is not None:
            got = zlib.crc32(
                s.astype("<i2", copy=False), zlib.crc32(z.astype("<i2", copy=False))
            )
            if got != crc:
                raise FormatError(
                    "symbol checksum mismatch: the file is damaged, or "
                    "this machine's arithmetic is not exact"
                )
        return z, s

    def reconstruct(self, z, s, quality, height, width, progress=None):
        """Pixels of symbols: uint8 (.., height, width, 3)."""
        latent = self.dequantise(z, s, quality, progress=part(progress, 0, 0.3))
        return self.synthesise(latent, quality, height, width, part(progress, 0.3, 1))

    def dequantise(self, z, s, quality, leading=False, progress=None, graphs=None):
        """Decoded latent plane of symbols.

        Parameters
        ----------
        z, s, quality
        leading : bool
            Only channels [0, K), which need but two of the four passes.
        progress : function of float, or None
        graphs : Graphs, optional
            Those to run; by default the pipeline's own.

        Returns
        -------
        float32 (.., hy, wy, M), or (.., hy, wy, K)
        """
        plane = Plane(graphs or self.graphs, quality, s.shape[:-1], leading)
        for lo, hi in told(passes.slabs(s.shape[-3]), progress):
            plane.begin(z, lo, hi)
            for p in range(4):
                plane.add(s[..., lo:hi, :, :], p)
        return plane.latent

    def synthesise(self, latent, quality, height, width, progress=None):
        """Pixels of a decoded latent plane: uint8 (.., height, width, 3)."""
        mod = self.bundle.at_quality("synthesis_mod", quality)
        return transform.synthesise(latent, self.graphs, mod, height, width, progress)


def quality_index(quality):
    """Row of the tables by quality: 0..99, as docs/format.md section 5."""
    return (int(round(quality * 100)) + 50) // 100 - 1
