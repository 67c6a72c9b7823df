"""The exact path in C (``core/``), where the package was built with a compiler.

Everything here has a twin in Python, which gives the same bytes and symbols:
`Reader` and `Writer` in ``coder``, `Slab` in ``passes``. A machine without
a compiler uses those; both are made by an object with the methods ``reader``,
``writer``, ``slab`` and ``crc``.

Contents
--------
``AVAILABLE``  whether the core is there
``flat``       a model's tables as the core takes them, which
               ``python -m codec.symbols.core MODEL FILE`` writes
``Core``       makes readers, writers and slabs, as `passes.Python` does

``nearest`` and ``dequantise`` are floats, of `choose` and `Means`, and ``pixels`` lays
out what `transform.synthesise` gives; None without the core.
"""

import functools
import math
from typing import Any

import numpy as np

from ..errors import FormatError, ModelError
from ..model.bundle import Bundle
from ..model.tables import cuts
from ..types import Array, Buffer
from .passes import Step, steps
from .slabs import Place

_core: Any
try:
    from . import _core  # type: ignore[attr-defined,no-redef]
except ImportError:
    _core = None

AVAILABLE = _core is not None
nearest = _core.nearest if AVAILABLE else None
dequantise = _core.dequantise if AVAILABLE else None
pixels = _core.pixels if AVAILABLE else None
MAGIC = 0x54434541
_DAMAGED, _MODEL = 1, 2  # of core/aec.h
_ORDER = ("z_band z_freq z_min row_max row_freq skip level w1 b1 w2 b2 bias c1 c2 c3").split()


def flat(bundle: Bundle) -> bytes:
    """Tables of a model as one run of bytes (core/aec.h).

    Parameters
    ----------
    bundle : codec.model.bundle.Bundle

    Returns
    -------
    bytes
    """
    t, c = bundle.tables | {"skip": bundle.row_skip}, bundle.manifest["constants"]
    n_parts = len(t["parts"]) if "parts" in t else 0
    names = [*_ORDER]
    if n_parts:
        names += ["parts", "expected", *(f"d{n}" for n in range(n_parts))]
    head = [MAGIC, *(c[n] for n in ("NZ", "M", "K", "HYPER", "Z_MAX", "ROW_SKIP"))]
    head += [len(t["z_freq"]), t["row_freq"].shape[1], n_parts, *[0] * 6]
    parts = [np.array(head, "<i4").tobytes()]
    for name in names:
        a = t[name]
        data = np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes()
        parts.append(data + bytes(-len(data) % 8))
    return b"".join(parts)


def _check(status: Any) -> Any:
    """What the core gave, if it is no error."""
    if type(status) is not int or not status:
        return status
    if status == _DAMAGED:
        raise FormatError("payload does not decode: file is damaged")
    if status == _MODEL:
        raise ModelError("model: its tables leave the exact range")
    raise ValueError(f"the core says {status}")


class Core:
    """The exact path of a model, in C.

    Parameters
    ----------
    bundle : codec.model.bundle.Bundle
    """

    name = "C"

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.model = _check(_core.model(flat(bundle)))
        t = bundle.tables
        self.cuts = cuts(t["parts"], bundle.k, bundle.m) if "parts" in t else []

    def reader(self, stream: Buffer, quality_index: int) -> "Reader":
        """As `coder.Reader`, of one stream."""
        return Reader(self, stream, quality_index)

    def writer(self, quality_index: int) -> "Writer":
        """As `coder.Writer`, of one stream."""
        return Writer(self, quality_index)

    def slab(self, place: Place, z: np.ndarray, quality_index: int) -> "Slab":
        """As `passes.Slab`."""
        return Slab(self, place, z, quality_index)

    def crc(self, crc: int, symbols: np.ndarray) -> int:
        """CRC-32 of symbols, continued (docs/format.md, section 4)."""
        return _core.crc(self.model, crc, np.ascontiguousarray(symbols, np.int16))


def _dimensions(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(n, hz, wz) of the shape of z, of one picture or of several."""
    *n, hz, wz, _ = shape
    return math.prod(n), hz, wz


class Reader:
    """As `coder.Reader`."""

    def __init__(self, core: Core, stream: Buffer, quality_index: int) -> None:
        self.core, self.quality = core, quality_index + 1
        self.handle = _check(_core.reader(stream))

    def read_z(self, shape: tuple[int, ...]) -> Array:
        """As `coder.Reader.read_z`."""
        z = np.empty(shape, np.int16)
        _check(_core.read_z(self.core.model, self.handle, self.quality, *_dimensions(shape), z))
        return z

    def finish(self) -> None:
        """As of the class named above."""
        _check(_core.reader_end(self.handle))


class Writer:
    """As `coder.Writer`."""

    def __init__(self, core: Core, quality_index: int) -> None:
        self.core, self.quality = core, quality_index + 1
        self.handle = _core.writer()

    def write_z(self, z: Array) -> None:
        """As `coder.Writer.write_z`."""
        z = np.ascontiguousarray(z, np.int16)
        _check(_core.write_z(self.core.model, self.handle, self.quality, *_dimensions(z.shape), z))

    def write(self, symbols: Array, scales: Array) -> None:
        """As `coder.Writer.write`."""
        _check(
            _core.write(
                self.core.model,
                self.handle,
                self.quality,
                np.ascontiguousarray(symbols, np.int16),
                np.ascontiguousarray(scales),
            )
        )

    def finish(self) -> bytes:
        """As of the class named above."""
        return _check(_core.writer_end(self.handle, self.core.model, self.quality))


class Slab:
    """As `passes.Slab`."""

    def __init__(self, core: Core, place: Place, z: Array, quality_index: int) -> None:
        b = core.bundle
        self.shape = (*z.shape[:-3], place.height, place.width, b.m)
        self._cuts = b.k, b.m, core.cuts
        where = place.top, place.left, place.height, place.width
        self.handle = _check(
            _core.slab(
                core.model,
                (*_dimensions(z.shape), *where),
                quality_index + 1,
                np.ascontiguousarray(z, np.int16),
            )
        )

    @functools.cached_property
    def steps(self) -> list[Step]:
        """As of `passes.Slab`."""
        return steps(self.shape[:-1], *self._cuts)

    def scale_indices(self, step: Step) -> np.ndarray:
        """As of `passes.Slab`."""
        channels = step.channels.stop - step.channels.start
        scales = np.empty((len(step.at), channels), np.uint8)
        _check(_core.slab_rows(self.handle, scales))
        return scales

    def put(self, step: Step, symbols: np.ndarray) -> None:
        """As of `passes.Slab`."""
        _check(_core.slab_put(self.handle, np.ascontiguousarray(symbols, np.int16)))

    def read(self, reader: Reader) -> None:
        """As of `passes.Slab`."""
        _check(_core.slab_read(self.handle, reader.handle))

    @property
    def symbols(self) -> np.ndarray:
        """As of `passes.Slab`."""
        symbols = np.empty(self.shape, np.int16)
        self.copy(symbols, 0, 0)
        return symbols

    def copy(self, plane: np.ndarray, top: int, left: int) -> None:
        """As of `passes.Slab`."""
        _check(_core.slab_symbols(self.handle, plane, *plane.shape[-3:-1], top, left))

    def crc(self, crc: int) -> int:
        """As of `passes.Slab`."""
        return _core.slab_crc(self.handle, crc)


if __name__ == "__main__":
    import sys

    from ..model import find

    if len(sys.argv) != 3:
        sys.exit("usage: python -m codec.symbols.core MODEL FILE")
    with open(sys.argv[2], "wb") as file:
        file.write(flat(find.load(sys.argv[1])))
