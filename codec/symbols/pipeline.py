"""RGB samples <-> payload: the straight line through all stages.

    pixels -> latent -> z, symbols -> payload          ``encode``
    payload -> z, symbols                              ``read_symbols``
    z, symbols -> latent -> pixels                     ``reconstruct``
    payload -> pixels                                  ``decode``

``read_symbols`` is the exact path: integers only. Slabs are coded by
themselves (docs/format.md, section 5), so threads share them, and ``decode``
has pixels of the first ones before the last ones are read.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import FormatError, ModelError
from ..model.bundle import Bundle
from ..model.session import Graphs
from ..progress import Progress, part, track
from ..search import PLANS, Plan, choose, refine
from ..search.costs import Costs, Counter
from ..transform import plane, transform
from ..transform.means import Means
from ..types import Array, Buffer, Region
from . import coder, core, passes, selftest
from .ahead import ordered
from .passes import Step
from .slabs import Place, join, slabs, split

BAND = 32  # rows of cells that the hyper-analysis sees at once


class Pipeline:
    """A model made ready to run.

    Parameters
    ----------
    bundle : codec.model.bundle.Bundle
    threads : int or None
    optimise : bool
        Graph optimisations of the engine; False exists for tests.
    one_thread : Graphs, optional
        The model's networks on one thread, where there are some already.

    Attributes
    ----------
    exact : core.Core or passes.Python
        What makes symbols of bytes and back.
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        optimise: bool = True,
        one_thread: Graphs | None = None,
    ) -> None:
        self.bundle = bundle
        # Networks on one thread, for what runs beside the rest.
        self.one_thread = one_thread or Graphs(bundle, 1, optimise)
        self.graphs = self.one_thread
        if threads != 1:
            self.graphs = Graphs(bundle, threads, optimise)
            if self.graphs.threads == 1:
                self.graphs = self.one_thread
        self._costs: dict[int, Costs] = {}
        self.take_tables()

    def take_tables(self) -> None:
        """Make ``exact`` of the model's tables, again where they were changed."""
        self.exact: core.Core | passes.Python
        if core.AVAILABLE:
            self.exact = core.Core(self.bundle)
        else:
            self.exact = passes.Python(self.bundle, self.one_thread.run)
        selftest.check(self.exact, self.bundle)

    @property
    def can_search(self) -> bool:
        """Whether the model has the decoder's gradients, for efforts above 1."""
        return "energy" in self.bundle.tables and not self.bundle.decoder_only

    def costs(self, quality: float) -> Costs:
        """Bits of symbols, for encoders that choose: decoders need none."""
        skip = self._skip(quality)
        if skip not in self._costs:
            self._costs[skip] = Costs(self.bundle.tables, skip)
        return self._costs[skip]

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.bundle, self.graphs.threads, self.graphs.optimise)

    def _hyper(self, y: Array, quality: float) -> Array:
        """z symbols of a latent plane, int16, slab by slab."""
        b, gain = self.bundle, self.bundle.gain(quality)
        bits = self.costs(quality).z_bits(quality_index(quality))
        *n_pictures, hy, wy, _ = y.shape
        out = []
        for lo in range(0, hy, BAND):
            hi = min(hy, lo + BAND)
            n = hi - lo
            scaled = np.zeros((*n_pictures, n + -n % 4, wy + -wy % 4, b.m), np.float32)
            np.multiply(y[..., lo:hi, :, :], gain, out=scaled[..., :n, :wy, :])
            z = self.graphs.run("hyper_analysis", scaled=scaled)[0]
            out.append(choose.hyper(np.nan_to_num(z), bits))
        return np.concatenate(out, -3)

    def analyse(
        self, pixels: Array, quality: float, progress: Progress | None = None
    ) -> Array:
        """Latent plane, float32 (hy, wy, M), of uint8 (h, w, 3)."""
        mod = self.bundle.at_quality("analysis_mod", quality)
        y = transform.analyse(pixels, self.graphs, mod, progress)
        if not np.isfinite(y).all():
            raise ModelError("model: the analysis is not finite")
        return y

    def encode(
        self,
        pixels: Array,
        quality: float,
        plan: Plan = PLANS[1],
        progress: Progress | None = None,
    ) -> tuple[bytes, int]:
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
        self,
        y: Array,
        quality: float,
        plan: Plan = PLANS[1],
        pixels: Array | None = None,
        progress: Progress | None = None,
        decoded: Array | None = None,
    ) -> tuple[bytes, int]:
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
        if not plan.passes or not self.can_search:
            chosen = self._nearest(y, quality)
            return self._write(z, y.shape, quality, chosen, progress, decoded)
        each = [()] if y.ndim == 3 else list(np.ndindex(y.shape[:-3]))
        if pixels is None:
            raise ValueError("a search needs the pixels")
        symbols = np.empty(y.shape, np.int16)
        for i, at in enumerate(each):
            symbols[at] = self._refined(
                z[at],
                y[at],
                quality,
                plan,
                pixels[at],
                part(progress, 0.9 * i / len(each), 0.9 * (i + 1) / len(each)),
            )
        progress, chosen = (
            part(progress, 0.9, 1),
            choose.given(symbols, self._skip(quality)),
        )
        return self._write(z, y.shape, quality, chosen, progress, decoded)

    def _refined(
        self,
        z: Array,
        y: Array,
        quality: float,
        plan: Plan,
        pixels: Array,
        progress: Progress | None,
    ) -> Array:
        """Symbols of one picture, better than rounded ones."""

        def coded(seen: slice) -> refine.Code:
            return functools.partial(self._state, z, seen, y.shape, quality, {})

        return refine.refined(
            self.graphs, self.costs(quality), pixels, y, quality, coded, plan, progress
        )

    def code_length(self, y: Array, quality: float) -> tuple[float, Array]:
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
        z, decoded = self.write_symbols(y, quality, counter)
        return counter.bits + costs.z(z, quality_index(quality)), decoded

    def write_symbols(
        self, y: Array, quality: float, writer: Any
    ) -> tuple[Array, Array]:
        """Write the latent's symbols, chosen as at effort 1.

        Parameters
        ----------
        y, quality : as of `encode_latent`
        writer : coder.Writer, or what else has its ``write(symbols, scales)``

        Returns
        -------
        z : int16 (.., hz, wz, NZ)
        decoded : float32 (.., hy, wy, M), as of `code_length`
        """
        z = self._hyper(y, quality)
        decoded, chosen = np.empty(y.shape, np.float32), self._nearest(y, quality)

        def write(_: Step, symbols: Array, scales: Array) -> None:
            writer.write(symbols, scales)

        for place in slabs(*y.shape[-3:-1]):
            decoded[place.cells] = self._walk(
                self.graphs, z, place, quality, chosen(place), [write]
            )[1]
        return z, decoded

    def _nearest(self, y: Array, quality: float) -> choose.Choice:
        """Choice of the nearest symbols, for `_walk`."""
        return choose.nearest(y, self.bundle.gain(quality), self._skip(quality))

    def _skip(self, quality: float) -> int:
        """Scale indices below are skipped."""
        return int(self.bundle.row_skip[quality_index(quality)])

    def _threads(self, places: list[Place]) -> tuple[int, Graphs]:
        """Threads that share slabs, and the graphs that each of them runs."""
        threads = min(self.graphs.threads, len(places))
        return threads, self.graphs if threads < 2 else self.one_thread

    def _walk(
        self,
        graphs: Graphs,
        z: Array,
        place: Place,
        quality: float,
        choice: choose.StepChoice,
        sinks: Iterable[Callable[[Step, Array, Array], None]] = (),
        seen: Array | None = None,
    ) -> tuple[Any, Array]:
        """An encoder's walk over a slab.

        Parameters
        ----------
        graphs : Graphs
        z, place, quality
        choice : function
            Of flat positions, channels, means and scale indices: the symbols of a
            step, and what the decoder is to be shown instead, or None.
        sinks : as of `passes.walk`
        seen : float32 (.., height, width, FEAT), optional
            As of `plane.features`, where that is known.

        Returns
        -------
        slab : passes.Slab or core.Slab
        latent : float32 (.., height, width, M), decoded
        """
        qi = quality_index(quality)
        slab = self.exact.slab(place, z, qi)
        means = Means(
            graphs,
            plane.features(graphs, z, place) if seen is None else seen,
            1 / self.bundle.gain(quality),
            np.zeros((*z.shape[:-3], place.height, place.width, self.bundle.m), "f4"),
        )
        skip, mean = self._skip(quality), np.empty((0, 0))

        def decide(step: Step, scales: Array) -> Array:
            nonlocal mean
            at, channels = step.at, step.channels
            if step.cut is None:
                mean = means.mean(step.p, at)
            mu = mean[:, channels.start - step.group : channels.stop - step.group]
            symbols, shown = choice(at, channels, mu, scales)
            if symbols.dtype != np.int16:
                symbols[scales < skip] = 0
                symbols = np.clip(symbols, -coder.MAX_SYMBOL, coder.MAX_SYMBOL)
                symbols = symbols.astype(np.int16)
            means.put(at, channels, symbols if shown is None else shown, mu)
            return symbols

        passes.walk(slab, decide, sinks)
        return slab, means.out

    def _write(
        self,
        z: Array,
        shape: tuple[int, ...],
        quality: float,
        chosen: choose.Choice,
        progress: Progress | None = None,
        decoded: Array | None = None,
    ) -> tuple[bytes, int]:
        """Payload and checksum of symbols as they are chosen."""
        places, qi = slabs(*shape[-3:-1]), quality_index(quality)
        threads, graphs = self._threads(places)
        crc = self.exact.crc(0, z)

        def code(place: Place) -> tuple[bytes, int]:
            writer = self.exact.writer(qi)
            if place is places[0]:
                writer.write_z(z)

            def write(_: Step, symbols: Array, scales: Array) -> None:
                writer.write(symbols, scales)

            slab, latent = self._walk(graphs, z, place, quality, chosen(place), [write])
            if decoded is not None:
                decoded[place.cells] = latent
            return writer.finish(), slab.crc(crc)

        coded = list(track(ordered(code, places, threads), progress, n=len(places)))
        return join(*zip(*coded))

    def _state(
        self,
        z: Array,
        seen: slice,
        shape: tuple[int, ...],
        quality: float,
        known: dict[Place, Array],
        chosen: choose.Choice,
    ) -> refine.State:
        """What would be coded of some rows, for an encoder that wants better.

        Parameters
        ----------
        z : int16 (hz, wz, NZ)
        seen : slice
            Rows of cells, of whole slabs.
        shape : tuple of int
            Of the whole latent plane.
        quality : float
        known : dict
            Keeps what follows from z alone for the next call.
        chosen : function
            Of places in these rows to choices, as of `_walk`.
        """
        state = refine.State((seen.stop - seen.start, *shape[1:]))
        places = [p for p in slabs(*shape[:2]) if seen.start <= p.top < seen.stop]
        threads, graphs = self._threads(places)
        symbols, scales = (
            a.reshape(-1, shape[2]) for a in (state.symbols, state.scales)
        )

        def code(place: Place) -> None:
            here = dataclasses.replace(place, top=place.top - seen.start)

            def record(step: Step, *found: Array) -> None:
                at = here.flat(step.at, shape[1])
                symbols[at, step.channels], scales[at, step.channels] = found

            if place not in known:
                known[place] = plane.features(graphs, z, place)
            state.latent[here.cells] = self._walk(
                graphs, z, place, quality, chosen(here), [record], known[place]
            )[1]

        for _ in ordered(code, places, threads):
            pass
        return state

    def decode(
        self,
        payload: Buffer,
        height: int,
        width: int,
        quality: float,
        crc: int | None = None,
        progress: Progress | None = None,
        region: Region | None = None,
    ) -> Array:
        """Pixels of a payload of one picture.

        Parameters
        ----------
        payload, height, width, quality, crc, progress
            As of `read_symbols`, as are the errors.
        region : (int, int, int, int), optional
            Top, left, height and width of what is wanted; all. Slabs that
            show nothing of it are not read.

        Returns
        -------
        uint8 (height, width, 3), of the region
        """
        region = region or (0, 0, height, width)
        shape, halo = cells_of(height, width), self.bundle.halo["synthesis"]
        (top, bottom), (left, right) = (
            (first // 16 - halo, -(-(first + n) // 16) + halo)
            for first, n in (region[::2], region[1::2])
        )
        z, places, read = self._reading(payload, (), shape, quality, crc)
        wanted = [
            p
            for p in places
            if p.top < bottom
            and p.rows.stop > top
            and p.left < right
            and p.columns.stop > left
        ]
        threads, graphs = self._threads(wanted)

        def latent(place: Place) -> Array:
            return plane.dequantise(graphs, place, z, read(place).symbols, quality)

        flow = plane.Flow(wanted, ordered(latent, wanted, threads))
        return transform.synthesise(
            flow,
            self.graphs,
            self.bundle.at_quality("synthesis_mod", quality),
            shape,
            region,
            progress,
        )

    def _reading(
        self,
        payload: Buffer,
        n: tuple[int, ...],
        shape: tuple[int, int],
        quality: float,
        crc: int | None,
    ) -> tuple[Array, list[Place], Callable[[Place], Any]]:
        """z of a payload, its slabs, and what reads one of them.

        Parameters
        ----------
        payload : bytes
        n : tuple of int
            Number of pictures, where the payload is of several.
        shape : (int, int)
            hy and wy.
        quality : float
        crc : int or None

        Returns
        -------
        z : int16 (*n, hz, wz, NZ)
        places : list of Place
        read : function of Place
            To its slab, read and checked.
        """
        places, qi = slabs(*shape), quality_index(quality)
        streams = dict(zip(places, split(payload, crc, len(places))))
        first = self.exact.reader(streams[places[0]][0], qi)
        z = first.read_z((*n, *(-(-side // 4) for side in shape), self.bundle.nz))
        of_z = self.exact.crc(0, z)

        def read(place: Place) -> Any:
            stream, checksum = streams[place]
            reader = self.exact.reader(stream, qi) if place.top or place.left else first
            slab: Any = self.exact.slab(place, z, qi)
            slab.read(reader)
            reader.finish()
            if checksum not in (None, slab.crc(of_z)):
                raise FormatError(
                    "symbol checksum mismatch: the file is damaged, or "
                    "this machine's arithmetic is not exact"
                )
            return slab

        return z, places, read

    def read_symbols(
        self,
        payload: Buffer,
        height: int,
        width: int,
        quality: float,
        crc: int | None = None,
        progress: Progress | None = None,
        n: tuple[int, ...] = (),
    ) -> tuple[Array, Array]:
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
        shape = cells_of(height, width)
        z, places, read = self._reading(payload, n, shape, quality, crc)
        s = np.empty((*n, *shape, self.bundle.m), np.int16)

        def fill(place: Place) -> None:
            read(place).copy(s, place.top, place.left)

        threads, _ = self._threads(places)
        for _ in track(ordered(fill, places, threads), progress, n=len(places)):
            pass
        return z, s

    def reconstruct(
        self,
        z: Array,
        s: Array,
        quality: float,
        height: int,
        width: int,
        progress: Progress | None = None,
    ) -> Array:
        """Pixels of symbols: uint8 (.., height, width, 3)."""
        latent = self.dequantise(z, s, quality, progress=part(progress, 0, 0.3))
        return self.synthesise(latent, quality, height, width, part(progress, 0.3, 1))

    def dequantise(
        self,
        z: Array,
        s: Array,
        quality: float,
        leading: bool = False,
        progress: Progress | None = None,
        graphs: Graphs | None = None,
    ) -> Array:
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
        m = self.bundle.k if leading else self.bundle.m
        latent = np.empty((*s.shape[:-1], m), np.float32)
        places = slabs(*s.shape[-3:-1])
        threads, mine = (1, graphs) if graphs else self._threads(places)

        def fill(place: Place) -> None:
            latent[place.cells] = plane.dequantise(
                mine, place, z, s[place.cells], quality, leading
            )

        for _ in track(ordered(fill, places, threads), progress, n=len(places)):
            pass
        return latent

    def synthesise(
        self,
        latent: Array,
        quality: float,
        height: int,
        width: int,
        progress: Progress | None = None,
    ) -> Array:
        """Pixels of a decoded latent plane: uint8 (.., height, width, 3)."""
        return transform.synthesise(
            latent,
            self.graphs,
            self.bundle.at_quality("synthesis_mod", quality),
            latent.shape[:-1],
            (0, 0, height, width),
            progress,
        )


def cells_of(height: int, width: int) -> tuple[int, int]:
    """hy and wy of a picture of so many pixels."""
    return -(-height // 16), -(-width // 16)


def quality_index(quality: float) -> int:
    """Row of the tables by quality: 0..99, as docs/format.md section 5."""
    return (int(round(quality * 100)) + 50) // 100 - 1
