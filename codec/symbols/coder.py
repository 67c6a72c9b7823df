"""Symbols <-> payload bytes through constriction's ANS coder.

Contents
--------
``Tables``  the frequencies of a model as constriction's entropy models
``Writer``  symbols -> payload
``Reader``  payload -> symbols, any bytes

Symbols are coded in groups that share a table, so that a picture takes a
few hundred calls on long arrays (docs/format.md, section 5). ANS is a
stack: what is decoded first is encoded last. It decodes up to three times
faster than the range coder of the same library, as it does not divide.
"""

import math
from collections.abc import Sequence
from typing import Any

import constriction
import numpy as np

from ..errors import FormatError, ModelError
from ..types import Array, Buffer

_ANS = constriction.stream.stack.AnsCoder
_MODEL = constriction.stream.model
TOTAL = 2**24
MAX_SYMBOL = 32767
_SCALES = np.arange(64, dtype=np.uint8)


def categorical(freq: Sequence[int] | Array) -> Any:
    """Entropy model with exactly these frequencies.

    constriction turns float weights p into frequencies floor(p * scale)
    + 1 with scale = (2**24 - n) / sum(p). Handed p = freq - 1, whose sum
    is 2**24 - n, scale is exactly 1 and nothing is rounded.

    Parameters
    ----------
    freq : integer ndarray of shape (n,)
        Each at least 1, sum 2**24.
    """
    f = np.asarray(freq, np.int64)
    if len(f) < 2 or f.min() < 1 or f.sum() != TOTAL:
        raise ValueError("frequencies must be positive and sum to 2**24")
    return _MODEL.Categorical((f - 1).astype(np.float64), lazy=False, perfect=False)


def uniform(n: int) -> Any:
    """Entropy model of n equally likely indices, n a power of two."""
    return _MODEL.Uniform(n)


class Tables:
    """Entropy models of a codec model, built when first needed.

    Parameters
    ----------
    t : dict of ndarray
        ``z_band``, ``z_freq``, ``row_max``, ``row_freq``.
    row_skip : uint8 (100,)
        By quality index: scale indices below are skipped.
    """

    def __init__(self, t: dict[str, Array], row_skip: Array) -> None:
        self.arrays = t
        self.z_freq, self.z_band = t["z_freq"], t["z_band"]
        self.row_freq, self.row_max = t["row_freq"], t["row_max"]
        self.row_skip = row_skip
        self.z_max = self.z_freq.shape[2] // 2
        self._z: dict[int, list[Any]] = {}
        self._tables: dict[int, Any] = {}

    def z(self, quality_index: int) -> list[Any]:
        """Entropy models of the channels of z."""
        band = int(self.z_band[quality_index])
        if band not in self._z:
            self._z[band] = [categorical(f) for f in self.z_freq[band]]
        return self._z[band]

    def table(self, r: int) -> Any:
        """Entropy model of a scale index."""
        if r not in self._tables:
            n = 2 * int(self.row_max[r]) + 2
            self._tables[r] = categorical(self.row_freq[r, :n])
        return self._tables[r]

    def groups(
        self, scales: Array, quality_index: int
    ) -> tuple[Array, list[tuple[int, int, int]], Array]:
        """How the symbols of a part of a pass are coded.

        Parameters
        ----------
        scales : uint8 (n, c)
        quality_index : int, 0..99

        Returns
        -------
        order : int64 (coded,)
            Flat positions of coded symbols, sorted by scale index.
        spans : list of (int, int, int)
            Each scale index that is there, its first place in ``order`` and the one
            after its last.
        tops : int32 (coded,)
            T of each.
        """
        flat = scales.ravel()
        coded = np.flatnonzero(flat >= self.row_skip[quality_index])
        keys = flat.take(coded)
        by_scale = np.argsort(keys, kind="stable")
        ends = np.searchsorted(keys, _SCALES, "right", sorter=by_scale)
        if ends[-1] < len(keys):
            raise ModelError("model: its graphs name scale indices that are not there")
        tops = np.repeat(self.row_max, np.diff(ends, prepend=0))
        ends = ends.tolist()
        return (
            coded.take(by_scale),
            [(r, lo, hi) for r, (lo, hi) in enumerate(zip([0, *ends], ends)) if lo < hi],
            tops,
        )


def check_size(
    tables: dict[str, Array], payload_length: int, z_positions: int, quality_index: int
) -> None:
    """Raise FormatError if a payload is too short for so much of z.

    z costs at least ``z_min`` whatever it is: a few bytes cannot claim a
    huge picture.
    """
    least = int(tables["z_min"][tables["z_band"][quality_index]])
    if 1000 * (8 * payload_length + 64) < z_positions * least:
        raise FormatError("payload is too short for this size of picture: file is damaged")


class Writer:
    """Collects one payload.

    Parameters
    ----------
    tables : Tables
    quality_index : int, 0..99
    """

    def __init__(self, tables: Tables, quality_index: int = 0) -> None:
        self.tables, self.quality_index = tables, quality_index
        self.groups: list[tuple[Array, Any]] = []  # (indices, model), in order

    def write_z(self, z: Array) -> None:
        """z symbols: int (.., hz, wz, NZ) in -Z_MAX..Z_MAX."""
        index = (z + self.tables.z_max).astype(np.int32)
        for c, model in enumerate(self.tables.z(self.quality_index)):
            self.put(index[..., c].ravel(), model)

    def put(self, index: Array, model: Any) -> None:
        """Indices of an alphabet."""
        # 16 bits hold every index and halve what waits for finish().
        self.groups.append((index.astype(np.uint16, copy=False), model))

    def write(self, symbols: Array, scales: Array) -> None:
        """One part of a pass: int (n, c) symbols with their uint8 scale indices.

        Symbols that are skipped must be zero.
        """
        order, spans, tops = self.tables.groups(scales, self.quality_index)
        values = symbols.ravel().take(order).astype(np.int32)
        index = values + tops
        escaped = np.flatnonzero(np.abs(values) > tops)
        index[escaped] = 2 * tops[escaped] + 1
        index = index.astype(np.uint16)
        for r, lo, hi in spans:
            self.put(index[lo:hi], self.tables.table(r))
        if len(escaped):
            self._escapes(values[escaped], tops[escaped])

    def _escapes(self, v: Array, t: Array) -> None:
        u = np.abs(v) - t  # 1..32767
        n = np.frexp(u.astype(np.float64))[1] - 1  # floor(log2 u)
        self.put(n, uniform(16))
        bits = ((u - (1 << n)) << 1) | (v < 0)
        for k in sorted(set(n.tolist())):
            self.put(bits[n == k], uniform(2 << k))

    def finish(self) -> bytes:
        """The payload: bytes, a multiple of four."""
        ans = _ANS()
        for index, model in reversed(self.groups):
            ans.encode_reverse(index.astype(np.int32), model)
        return ans.get_compressed().astype("<u4").tobytes()


class Reader:
    """Reads one payload back; any bytes end in symbols or FormatError.

    Parameters
    ----------
    payload : bytes
    tables : Tables
    quality_index : int, 0..99
    """

    def __init__(self, payload: Buffer, tables: Tables, quality_index: int = 0) -> None:
        self.tables, self.quality_index = tables, quality_index
        words = np.frombuffer(payload, "<u4").astype(np.uint32)
        self.size = len(payload)
        try:
            self.coder = _ANS(words)
        except ValueError as e:  # it ends in a zero word
            raise FormatError("payload does not decode: file is damaged") from e

    def decode(self, model: Any, n: int) -> Array:
        """The next n indices of an alphabet: int32 (n,)."""
        try:
            return self.coder.decode(model, n)
        except (AssertionError, ValueError) as e:
            raise FormatError("payload does not decode: file is damaged") from e

    def read_z(self, shape: tuple[int, ...]) -> Array:
        """z symbols, int16 of ``shape`` (.., hz, wz, NZ)."""
        size = math.prod(shape[:-1])
        check_size(self.tables.arrays, self.size, size, self.quality_index)
        index = np.empty((shape[-1], size), np.int32)
        for c, model in enumerate(self.tables.z(self.quality_index)):
            index[c] = self.decode(model, size)
        z = (index.T - self.tables.z_max).astype(np.int16)
        return np.ascontiguousarray(z).reshape(shape)

    def read(self, scales: Array) -> Array:
        """Symbols of one part of a pass, int16 of the shape of ``scales``."""
        order, spans, tops = self.tables.groups(scales, self.quality_index)
        table = self.tables.table
        index, decode = np.empty(len(order), np.int32), self.decode
        # Hundreds of short groups: little is done for each.
        for r, lo, hi in spans:
            index[lo:hi] = decode(table(r), hi - lo)
        values = index - tops
        escaped = np.flatnonzero(values > tops)
        if len(escaped):
            values[escaped] = self._escapes(tops[escaped])
        out = np.zeros(scales.size, np.int16)
        out[order] = values
        return out.reshape(scales.shape)

    def _escapes(self, t: Array) -> Array:
        n = self.decode(uniform(16), len(t))
        out = np.empty(len(t), np.int32)
        for k in sorted(set(n.tolist())):
            where = np.flatnonzero(n == k)
            bits = self.decode(uniform(2 << k), len(where))
            m = t[where] + (1 << k) + (bits >> 1)
            out[where] = np.where(bits & 1, -m, m)
        if np.abs(out).max() > MAX_SYMBOL:
            raise FormatError("a symbol is out of range: file is damaged")
        return out

    def finish(self) -> None:
        """Raise FormatError unless the payload is used up."""
        if not self.coder.is_empty():
            raise FormatError("payload has bytes left: file is damaged")
