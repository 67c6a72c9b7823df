"""Latent -> symbols -> payload: what an encoder does with a model."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ModelError
from ..model.session import Graphs
from ..progress import Progress, part, track
from ..search import PLANS, Plan, choose, refine
from ..search.costs import Costs, Counter
from ..transform import plane, transform
from ..transform.means import Means
from ..types import Array
from . import coder, passes
from .passes import Step
from .slabs import Place, join, slabs
from .stages import Stages, quality_index

BAND = 32  # rows of cells that the hyper-analysis sees at once


class Encoding(Stages):
    """From pixels to a payload."""

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

    @functools.cached_property
    def _costs(self) -> dict[int, Costs]:
        return {}

    def analyse(self, pixels: Array, quality: float, progress: Progress | None = None) -> Array:
        """Latent plane, float32 (hy, wy, M), of uint8 (h, w, 3)."""
        mod = self.bundle.at_quality("analysis_mod", quality)
        y = transform.analyse(pixels, self.graphs, mod, progress)
        if not np.isfinite(y).all():
            raise ModelError("model: the analysis is not finite")
        return y

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

    def write_symbols(self, y: Array, quality: float, writer: Any) -> tuple[Array, Array]:
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

        for place in slabs(*y.shape[-3:-1]):
            decoded[place.cells] = self._walk(
                self.graphs, z, place, quality, chosen(place), _into(writer)
            )[1]
        return z, decoded

    def drawn(
        self,
        z: Array,
        place: Place,
        quality: float,
        draw: Callable[[Array], Array],
    ) -> Array:
        """The latent of a slab whose symbols are drawn, not chosen.

        Parameters
        ----------
        z : int16 (hz, wz, NZ)
        place : Place
        quality : float
        draw : function of uint8 (n, c)
            From scale indices to symbols, int16; of skipped ones to zero.

        Returns
        -------
        float32 (height, width, M) of the slab
        """

        def choice(at: Array, channels: slice, mu: Array, scales: Array) -> Any:
            return draw(scales), None

        def nothing(step: Step, symbols: Array, scales: Array) -> None:
            pass

        return self._walk(self.graphs, z, place, quality, choice, nothing)[1]

    def _nearest(self, y: Array, quality: float) -> choose.Choice:
        """Choice of the nearest symbols, for `_walk`."""
        return choose.nearest(y, self.bundle.gain(quality), self._skip(quality))

    def _walk(
        self,
        graphs: Graphs,
        z: Array,
        place: Place,
        quality: float,
        choice: choose.StepChoice,
        sink: Callable[[Step, Array, Array], None],
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
        sink : function of (Step, symbols, scales)
            To write, count or record them.
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

        passes.walk(slab, decide, [sink])
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
        crc = self.exact.crc(0, z)

        def code(graphs: Graphs, place: Place) -> tuple[bytes, int]:
            writer = self.exact.writer(qi)
            if place is places[0]:
                writer.write_z(z)

            slab, latent = self._walk(graphs, z, place, quality, chosen(place), _into(writer))
            if decoded is not None:
                decoded[place.cells] = latent
            return writer.finish(), slab.crc(crc)

        coded = track(self._each(code, places), progress, n=len(places))
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
        symbols, scales = (a.reshape(-1, shape[2]) for a in (state.symbols, state.scales))

        def code(graphs: Graphs, place: Place) -> None:
            here = dataclasses.replace(place, top=place.top - seen.start)

            def record(step: Step, *found: Array) -> None:
                at = here.flat(step.at, shape[1])
                symbols[at, step.channels], scales[at, step.channels] = found

            if place not in known:
                known[place] = plane.features(graphs, z, place)
            state.latent[here.cells] = self._walk(
                graphs, z, place, quality, chosen(here), record, known[place]
            )[1]

        for _ in self._each(code, places):
            pass
        return state


def _into(writer: Any) -> Callable[[Step, Array, Array], None]:
    """A sink of `passes.walk` that writes."""
    return lambda _, symbols, scales: writer.write(symbols, scales)
