"""Numbers and byte strings <-> bytes: what models of tables are written with.

A reader believes nothing: every length is compared with what is left, every number
with what is allowed, and what is wrong is a FormatError.
"""

import lzma
import zlib
from collections.abc import Iterable

import numpy as np

from ..errors import FormatError, LimitError
from ..limits import MAX_BYTES
from ..types import Array, Buffer
from . import mixing

_RAW, _ZLIB, _LZMA, _MIXED = range(4)
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 24}]
_MIXED_MOST = 1 << 20  # bytes; beyond it the mixer takes too long for what it gives


class Room:
    """What a table that is decoded may still take.

    Parameters
    ----------
    most : int
        Bytes.
    """

    def __init__(self, most: int = MAX_BYTES) -> None:
        self.most = self.left = most

    def take(self, size: int, what: str = "texts and columns of no kind of their own") -> None:
        """Count bytes before they are there; LimitError if there is no room for them."""
        self.left -= size
        if self.left < 0:
            raise LimitError(
                f"{what} may take {self.most - self.left} bytes, over the limit of {self.most}; "
                "raise it (--max-bytes, max_bytes) if you trust the source"
            )


class Writer:
    """Collects bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def number(self, value: int) -> None:
        """A number from 0 on, in 7 bits a byte, the lowest first."""
        while value > 127:
            self.data.append(value & 127 | 128)
            value >>= 7
        self.data.append(value)

    def signed(self, value: int) -> None:
        """Any number of 64 bits."""
        self.number(value << 1 if value >= 0 else ~value << 1 | 1)

    def numbers(self, values: Iterable[int]) -> None:
        """A list of numbers from 0 on, after its length."""
        values = list(values)
        self.number(len(values))
        for value in values:
            self.number(value)

    def string(self, data: Buffer) -> None:
        """Bytes, after their length."""
        self.number(len(data))
        self.data += data


def unfolded(value: int) -> int:
    """The number with a sign that a number without one stands for."""
    return ~(value >> 1) if value & 1 else value >> 1


class Reader:
    """Reads what a `Writer` wrote.

    Parameters
    ----------
    data : bytes-like
    """

    def __init__(self, data: Buffer) -> None:
        self.data, self.at = memoryview(data), 0

    def number(self, most: int = (1 << 64) - 1, least: int = 0) -> int:
        """A number that has to be in least..most."""
        value = shift = 0
        while True:
            if self.at >= len(self.data) or shift > 63:
                raise FormatError("a table's model is cut short: file is damaged")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if not least <= value <= most:
            raise FormatError(f"a number of a table's model, {value}, is out of range")
        return value

    def signed(self) -> int:
        """Any number of 64 bits."""
        return unfolded(self.number())

    def many(self, count: int) -> list[int]:
        """So many numbers of any size."""
        data, at, found = self.data, self.at, list[int]()
        try:
            for _ in range(count):
                value = byte = data[at]
                at += 1
                if byte > 127:
                    self.at = at - 1
                    value, at = self.number(), self.at
                found.append(value)
        except IndexError:
            raise FormatError("a table's model is cut short: file is damaged") from None
        self.at = at
        return found

    def numbers(self, most_of_them: int, most: int = (1 << 64) - 1) -> list[int]:
        """A list of at most so many numbers up to ``most``."""
        return [self.number(most) for _ in range(self.number(most_of_them))]

    def string(self, size: int | None = None) -> bytes:
        """Bytes: so many, or as many as stands before them."""
        size = self.number() if size is None else size
        if size > len(self.data) - self.at:
            raise FormatError("a table's model is cut short: file is damaged")
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def finish(self) -> None:
        """Raise FormatError if something is left."""
        if self.at != len(self.data):
            raise FormatError("a table's model has bytes left: file is damaged")


def squeeze(data: Buffer, modelled: bool = True) -> bytes:
    """Bytes in the shortest of four ways, the way first.

    Parameters
    ----------
    data : bytes-like
    modelled : bool
        Whether the mixer is one of them; it is slow on long texts.
    """
    data = bytes(data)
    ways = [data, zlib.compress(data, 9)]
    if len(data) > 256:
        ways.append(lzma.compress(data, lzma.FORMAT_RAW, filters=_FILTERS))
    found = [(len(way), i, way) for i, way in enumerate(ways)]
    if modelled and 64 < len(data) <= _MIXED_MOST:
        mixed = mixing.encode(_text(len(data)), np.frombuffer(data, np.uint8))
        found.append((len(mixed), _MIXED, mixed))
    size, way, best = min(found)
    out = Writer()
    out.number(len(data) << 2 | way)
    return bytes(out.data) + best


def unsqueeze(data: Buffer, most: int, room: Room | None = None) -> bytes:
    """The inverse of `squeeze`; more than ``most`` bytes are a FormatError."""
    reader = Reader(data)
    size, way = divmod(reader.number(most << 2 | 3), 4)
    if room is not None:
        room.take(size)
    rest = reader.data[reader.at :]
    try:
        if way == _RAW:
            out = bytes(rest)
        elif way == _ZLIB:
            out = zlib.decompressobj().decompress(rest, size + 1)
        elif way == _LZMA:
            out = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS).decompress(
                rest, size + 1
            )
        elif size > _MIXED_MOST:
            raise FormatError("too long a text of a table's model")
        else:
            out = mixing.decode(_text(size), rest).astype(np.uint8).tobytes()
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise FormatError(f"a table's column does not decode: {error}") from error
    if len(out) != size:
        raise FormatError("a table's column has another length: file is damaged")
    return out


def _text(n: int) -> mixing.Column:
    """Bytes by the one, the two and the three before."""
    at: Array = np.arange(n, dtype=np.int32)[None] - np.array([[1], [2], [3]], np.int32)
    return mixing.Column(
        n=n,
        tree=mixing.Tree.of(np.array([0]), np.array([8]), np.array([1])),
        context=np.zeros((4, n), np.uint32) + np.arange(4, dtype=np.uint32)[:, None],
        lag=np.array([[-1, -1], [0, -1], [0, 1], [1, 2]], np.int8),
        coarse=np.zeros(4, np.uint8),
        at=np.maximum(at, -1),
        guess_lag=np.zeros(0, np.int8),
        guess=np.zeros((0, n), np.int64),
        bits=min(16, max(6, n.bit_length())),
    )
