"""Payload -> symbols -> pixels: what a decoder does with a model."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FormatError
from ..model.session import Graphs
from ..progress import Progress, part, track
from ..transform import plane, transform
from ..types import Array, Buffer, Region
from .slabs import Place, slabs, split
from .stages import Stages, cells_of, quality_index


class Decoding(Stages):
    """From a payload to symbols and pixels."""

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
            if p.top < bottom and p.rows.stop > top and p.left < right and p.columns.stop > left
        ]

        def latent(graphs: Graphs, place: Place) -> Array:
            return plane.dequantise(graphs, place, z, read(place).symbols, quality)

        flow = plane.Flow(wanted, self._each(latent, wanted))
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

        def fill(_: Graphs, place: Place) -> None:
            read(place).copy(s, place.top, place.left)

        for _ in track(self._each(fill, places), progress, n=len(places)):
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

        def fill(mine: Graphs, place: Place) -> None:
            latent[place.cells] = plane.dequantise(mine, place, z, s[place.cells], quality, leading)

        for _ in track(self._each(fill, places, graphs), progress, n=len(places)):
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
