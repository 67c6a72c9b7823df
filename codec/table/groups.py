"""A group of rows <-> bytes that stand alone: its model, then its streams.

The model has the plan of every stream, the lattices and what is kept as it was; words
of dictionaries and columns of no kind are streams of their own.
"""

import copy
import dataclasses
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FormatError
from ..types import Array, Buffer
from . import known as coding
from . import lattice as lattices
from .choose import Chooser, Stream
from .fields import Field, Numbers, Opaque, Texts
from .known import Known
from .lattice import KEPT, MISSING, ORDINARY, Lattice
from .plan import Plan
from .wire import Reader, Room, Writer, squeeze, unsqueeze

MAX_ROWS = 1 << 24
MAX_BYTES = 1 << 28  # of the model, the words or one column of no kind
WORD = 48  # bytes that a word takes beside its own
_NUMBERS, _TEXTS, _OPAQUE, _WIDE = range(4)
_MANY = 64  # columns, more than rows: they are coded row by row


@dataclasses.dataclass(frozen=True)
class Group:
    """A coded group.

    Attributes
    ----------
    data : bytes
    crc : int
        CRC-32 of the numbers of all streams.
    """

    data: bytes
    crc: int


class _Out:
    """What a group is written to: model, streams and checksum."""

    def __init__(self) -> None:
        self.model, self.streams, self.crc = Writer(), bytearray(), 0

    def stream(self, data: bytes) -> None:
        self.model.number(len(data))
        self.streams += data

    def numbers(self, values: Array) -> None:
        self.crc = zlib.crc32(np.ascontiguousarray(values, "<i8").data, self.crc)

    def size(self) -> int:
        return len(self.model.data) + len(self.streams)

    def keep(self, other: "_Out") -> None:
        """Add what another one has."""
        self.model.data += other.model.data
        self.streams += other.streams
        self.crc = other.crc

    def finish(self) -> Group:
        model = squeeze(self.model.data)
        head = Writer()
        head.number(len(model))
        return Group(bytes(head.data + model + self.streams), self.crc)


def encode(
    fields: list[Field],
    bounds: list[float],
    n: int,
    effort: int,
    progress: Callable[[float], object] | None = None,
) -> Group:
    """Code the rows of all columns.

    Parameters
    ----------
    fields : list of Numbers, Texts or Opaque
    bounds : list of float
        The error that is allowed in each column; 0: none.
    n : int
    effort : int, 1..9
    progress : function of float, optional
    """
    out, chooser = _Out(), Chooser(n, effort)
    order = _order(fields)
    natural = order == list(range(len(fields)))
    out.model.numbers([] if natural else order)
    i = 0
    while i < len(order):
        at = order[i]
        field = fields[at]
        wide = _alike(fields, order[i:])
        if _is_wide(len(wide), n):
            _put_wide(out, wide, [bounds[k] for k in order[i:]], effort)
            i += len(wide) - 1
        elif isinstance(field, Numbers):
            _put_numbers(out, chooser, field, bounds[at])
        elif isinstance(field, Texts):
            _put_texts(out, chooser, field)
        else:
            out.model.number(_OPAQUE)
            out.stream(squeeze(field.data, False))
        i += 1
        if progress is not None:
            progress(i / len(order))
    return out.finish()


def _order(fields: list[Field]) -> list[int]:
    """The order of coding: as the columns stand."""
    return list(range(len(fields)))


def _put(out: _Out, chooser: Chooser, stream: Stream) -> Array:
    plan, data, values = chooser.choose(stream)
    plan.write(out.model)
    out.stream(data)
    out.numbers(values)
    chooser.add(values, stream.there)
    return values


def _put_state(out: _Out, chooser: Chooser, state: Array) -> Array | None:
    """Write states where there is more than one; which rows are ordinary."""
    if not state.any():
        return None
    _put(out, chooser, Stream(state.astype(np.int64), number=False))
    return state == ORDINARY


def _alike(fields: list[Field], order: list[int]) -> list[Numbers]:
    """The columns of numbers of one type that are coded next."""
    found: list[Numbers] = []
    for at in order:
        field = fields[at]
        if not isinstance(field, Numbers):
            break
        if found and field.values.dtype != found[0].values.dtype:
            break
        found.append(field)
    return found


def _is_wide(columns: int, n: int) -> bool:
    """Whether columns of n rows are coded row by row; there are more of them than rows."""
    return columns > max(_MANY, n)


def _put_wide(out: _Out, columns: list[Numbers], bounds: list[float], effort: int) -> None:
    """Code columns of few rows: row after row, each as if it were a column."""
    values = np.stack([c.values for c in columns])
    state = np.stack([lattices.states(c.values, c.missing) for c in columns])
    bound = np.array(bounds[: len(columns)])
    tries = []
    for fine in (True, False):
        lattice = lattices.common(values, state, bounds, fine)
        part, chooser = _Out(), Chooser(len(columns), effort, turned=True)
        part.crc = out.crc
        part.model.number(_WIDE)
        part.model.number(len(columns))
        dataclasses.replace(lattice, size=0).write(part.model)
        if lattice.kind == lattices.GRID:
            _put(part, chooser, Stream(lattice.size))
        for own, states in zip(values.T, state.T):
            trial = _Trial(part, chooser, False)
            trial.put(Numbers(np.ascontiguousarray(own)), bound, states.copy(), lattice)
            trial.keep()
        tries.append(part)
        if lattice.kind != lattices.GRID:
            break
    out.keep(min(tries, key=_Out.size))


def _put_numbers(out: _Out, chooser: Chooser, field: Numbers, bound: float) -> None:
    values = field.values
    state = lattices.states(values, field.missing)
    tries = []
    for one in _lattices(values[state == ORDINARY], bound):
        trial = _Trial(out, chooser)
        trial.put(field, bound, state.copy(), one)
        tries.append(trial)
    min(tries, key=lambda t: t.out.size()).keep()


def _lattices(values: Array, bound: float) -> list[Lattice]:
    """A grid of a step or of fifteen: which one it shall be is measured."""
    found = lattices.find(values, bound, True)
    if found.kind != lattices.GRID:
        return [found]
    return [found, lattices.find(values, bound, False)]


class _Trial:
    """A column coded in one of several ways, of which one is kept."""

    def __init__(self, out: _Out, chooser: Chooser, alone: bool = True) -> None:
        self.into, self.chooser, self.alone = out, chooser, alone
        self.n_streams = len(chooser.known.values)

    def put(self, field: Numbers, bound: Any, state: Array, lattice: Lattice) -> None:
        """Code it, and keep as they are the values that would break the bound."""
        while True:
            self.out = _Out()
            self.out.crc = self.into.crc
            coded = self._code(field, state, lattice)
            ordinary = state == ORDINARY
            back = lattice.of(ordinary).values(coded[ordinary], field.values.dtype)
            own = bound if self.alone else bound[ordinary]
            wrong = lattices.broken(field.values[ordinary], back, own)
            self.taken = self.chooser.take(self.n_streams)
            if not wrong.any():
                break
            state[np.flatnonzero(ordinary)[wrong]] = KEPT

    def _code(self, field: Numbers, state: Array, lattice: Lattice) -> Array:
        model = self.out.model
        ordinary = state == ORDINARY
        whole = np.zeros(len(state), np.int64)
        whole[ordinary] = lattices.whole(field.values[ordinary], lattice.of(ordinary))
        # What the lattice itself does not give back needs no trial.
        if lattice.step == 1 and lattice.kind != lattices.GRID:
            back = lattice.values(whole[ordinary], field.values.dtype)
            wrong = lattices.broken(field.values[ordinary], back, 0)
            state[np.flatnonzero(ordinary)[wrong]] = KEPT
        model.number(_NUMBERS | bool(state.any()) << 2)
        there = _put_state(self.out, self.chooser, state)
        if self.alone:
            lattice.write(model)
        kept = field.values[state == KEPT]
        model.string(kept.astype(kept.dtype.newbyteorder("<")).tobytes())
        return _put(self.out, self.chooser, Stream(whole, there, lattice.step))

    def keep(self) -> None:
        """Make it part of the group."""
        self.into.keep(self.out)
        self.chooser.give(self.taken)


def _put_texts(out: _Out, chooser: Chooser, field: Texts) -> None:
    state = np.zeros(len(field.codes), np.uint8)
    if field.missing is not None:
        state[field.missing] = MISSING
    out.model.number(_TEXTS | bool(state.any()) << 2)
    there = _put_state(out, chooser, state)
    out.stream(_pack_words(field.words))
    _put(out, chooser, Stream(field.codes, there, number=False))


def _pack_words(words: list[bytes]) -> bytes:
    """Words, each less what it has in common with the one before."""
    sizes, rest, before = Writer(), bytearray(), b""
    sizes.number(len(words))
    for word in words:
        common = 0
        for a, b in zip(before, word):
            if a != b:
                break
            common += 1
        sizes.number(common)
        sizes.number(len(word) - common)
        rest += word[common:]
        before = word
    out = Writer()
    out.string(squeeze(sizes.data))
    return bytes(out.data) + squeeze(rest)


def _unpack_words(data: bytes, room: Room) -> list[bytes]:
    source = Reader(data)
    sizes = Reader(unsqueeze(source.string(), MAX_BYTES, room))
    rest = Reader(unsqueeze(source.data[source.at :], MAX_BYTES, room))
    words, before = [], b""
    for _ in range(sizes.number(len(sizes.data) // 2)):
        common = sizes.number(len(before))
        more = sizes.number(len(rest.data))
        room.take(common + more + WORD)
        before = before[:common] + rest.string(more)
        words.append(before)
    sizes.finish()
    rest.finish()
    return words


# ---- Decoding ----------------------------------------------------------------------


class _In:
    """What a group is read from."""

    def __init__(self, data: Buffer, n: int, room: Room) -> None:
        head = Reader(data)
        self.model = Reader(unsqueeze(head.string(), MAX_BYTES))
        self.streams = Reader(head.data[head.at :])
        self.known, self.n, self.crc, self.room = Known(n), n, 0, room

    def turned(self, n: int) -> "_In":
        """The same bytes, for streams of another length."""
        other = copy.copy(self)
        other.known, other.n = Known(n), n
        return other

    def stream(self) -> bytes:
        return self.streams.string(self.model.number(len(self.streams.data)))

    def numbers(self, there: Array | None = None) -> Array:
        plan = Plan.read(self.model, len(self.known.values), self.n)
        values = coding.decode(self.known, plan, self.stream(), there)
        self.crc = zlib.crc32(np.ascontiguousarray(values, "<i8").data, self.crc)
        self.known.add(values, there)
        return values

    def state(self, present: int) -> Array | None:
        if not present:
            return None
        state = self.numbers()
        if len(state) and (state.min() < ORDINARY or state.max() > KEPT):
            raise FormatError("a state of a table is none: file is damaged")
        return state


def decode(
    data: Buffer, types: list[Any], n: int, crc: int | None, room: Room | None = None
) -> list[Field]:
    """Read the rows of all columns.

    Parameters
    ----------
    data : bytes-like
        As of `encode`.
    types : list of numpy dtype or None
        For columns of numbers their type.
    n : int
    crc : int or None
        What the checksum of the numbers is.
    room : Room, optional
        For what is not as long as the rows are many.

    Returns
    -------
    list of Numbers, Texts or Opaque

    Raises
    ------
    FormatError
    LimitError
    """
    source = _In(data, n, room or Room())
    order = source.model.numbers(len(types), max(0, len(types) - 1))
    if order and sorted(order) != list(range(len(types))):
        raise FormatError("the order of a table's columns is none: file is damaged")
    left = list(order or range(len(types)))
    fields: list[Any] = [None] * len(types)
    while left:
        found = _get(source, [types[at] for at in left])
        for at, field in zip(left, found):
            fields[at] = field
        del left[: len(found)]
    source.model.finish()
    source.streams.finish()
    if crc is not None and source.crc != crc:
        raise FormatError("checksum of a table's numbers differs: file is damaged")
    return fields


def _get(source: _In, types: list[Any]) -> list[Field]:
    """The columns that come next."""
    dtype = types[0]
    kind = source.model.number(7)
    present, kind = kind >> 2, kind & 3
    if (kind in (_NUMBERS, _WIDE)) != (dtype is not None):
        raise FormatError("a column of a table is of another kind: file is damaged")
    if kind == _WIDE:
        return _get_wide(source, types)
    if kind == _OPAQUE:
        return [Opaque(source.n, unsqueeze(source.stream(), MAX_BYTES, source.room))]
    if kind == _NUMBERS:
        return [_get_numbers(source, present, dtype, None)]
    state = source.state(present)
    there = None if state is None else state == ORDINARY
    words = _unpack_words(source.stream(), source.room)
    codes = source.numbers(there)
    own = codes if there is None else codes[there]
    if len(own) and (own.min() < 0 or own.max() >= len(words)):
        raise FormatError("a word of a table is not there: file is damaged")
    return [Texts(codes, words, _missing(state))]


def _get_numbers(source: _In, present: int, dtype: Any, lattice: Lattice | None) -> Numbers:
    """A column; or a row, whose lattice is known."""
    state = source.state(present)
    there = None if state is None else state == ORDINARY
    if lattice is None:
        lattice = Lattice.read(source.model)
    kept = source.model.string()
    if len(kept) % dtype.itemsize:
        raise FormatError("kept values of a table are cut short: file is damaged")
    values = lattice.values(source.numbers(there), dtype)
    missing = _missing(state)
    if state is not None:
        stored = np.frombuffer(kept, dtype.newbyteorder("<")).astype(dtype)
        lattices.special(state, values, stored)
        if missing is not None:
            values[missing] = np.zeros(1, dtype)[0]
    return Numbers(values, missing)


def _get_wide(source: _In, types: list[Any]) -> list[Field]:
    """Columns that were coded row by row."""
    n = source.model.number(len(types), 1)
    dtype = types[0]
    if any(t != dtype for t in types[:n]) or not _is_wide(n, source.n):
        raise FormatError("columns of a table are of other types: file is damaged")
    rows = source.turned(n)
    lattice = Lattice.read(source.model)
    if lattice.kind == lattices.GRID:
        size = lattices.checked(rows.numbers())
        lattice = dataclasses.replace(lattice, size=size)
    found = [_get_numbers(rows, rows.model.number(4) >> 2, dtype, lattice) for _ in range(source.n)]
    source.crc = rows.crc
    values = np.array([row.values for row in found], dtype).reshape(source.n, n).T.copy()
    if all(row.missing is None for row in found):
        return [Numbers(v) for v in values]
    missing = np.array([_none(row) for row in found], bool).reshape(source.n, n).T.copy()
    return [Numbers(v, m if m.any() else None) for v, m in zip(values, missing)]


def _missing(state: Array | None) -> Array | None:
    missing = None if state is None else state == MISSING
    return missing if missing is not None and missing.any() else None


def _none(row: Numbers) -> Array:
    return np.zeros(len(row), bool) if row.missing is None else row.missing
