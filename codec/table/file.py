"""Tables <-> ``.aec`` files: the public functions.

A file of a table is one like any other (`codec.container`) with a critical section
``TABL``: what the table was, and where its groups of rows are in the payload
(docs/format.md, section 13). Decoders of pictures refuse it by that name.
"""

import dataclasses
import io
import math
import numbers
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from .. import container
from ..container.header import TABLE as SECTION
from ..errors import FormatError, InputError, UnsupportedError
from ..limits import MAX_BYTES
from ..progress import Progress, part
from ..types import Array, Buffer, Header
from . import fields as tables
from . import groups, lattice
from .fields import Field, Numbers, Opaque, Schema, Texts
from .wire import Reader, Room, Writer, squeeze, unsqueeze

VERSION = 1
EFFORT = 2
VALUES = 1 << 23  # of a group, unless something else is said
MAX_VALUES = 1 << 28  # of a group, at most
MAX_TEXTS = 1 << 28  # bytes of a group's texts and columns of no kind
MAX_SCHEMA = 1 << 24  # bytes of names and types
DEFAULT = "0.1%"
_PAYLOAD_LENGTH = 24  # where the header has it
MaxError = float | str | Mapping[str, float | str] | None


@dataclasses.dataclass(frozen=True)
class Info:
    """What the index of a file says.

    Attributes
    ----------
    rows : int
    names, types : tuple of str
        Of the columns.
    kind : str
        What the table was: array, record, columns, arrow or pandas.
    groups : tuple of int
        Rows of each group.
    """

    rows: int
    names: tuple[str, ...]
    types: tuple[str, ...]
    kind: str
    groups: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Entry:
    """A group in the index."""

    rows: int
    length: int
    data_crc: int
    crc: int


# ---- Encoding ----------------------------------------------------------------------


def encode(
    table: Any,
    max_error: MaxError = None,
    *,
    effort: int = EFFORT,
    row_group: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Encode a table.

    Parameters
    ----------
    table : ndarray, mapping of arrays, pandas.DataFrame or pyarrow.Table
        An array of (rows, columns), of one axis, or of records.
    max_error : float, str or mapping, optional
        What a value may be off by: a number, or a share of the column's range
        as ``"1%"``. Alone it is for columns of floats; a mapping has one for
        each column named, whole numbers and times too (of those in their
        unit), and ``"*"`` for all numbers. None: 0.1 % of floats, nothing of
        all others. 0: nothing at all.
    effort : int, 1..9
        How long to look for a good model. 1 and 2 count the time that decoding
        takes as well as the size; from 3 on decoding may be slow.
    row_group : int, optional
        Rows that are coded together and can be read alone.
    progress : function of float, optional
        Called with the share that is done, 0..1.

    Returns
    -------
    bytes
        A whole ``.aec`` file. What it decodes to was compared: no value is
        farther than allowed.

    Raises
    ------
    InputError
        No table, or no such column or error.
    """
    schema, columns = tables.load(table)
    allowed = bounds(schema, columns, max_error)
    index, payload = [], bytearray()
    for entry, data in _groups(schema, columns, allowed, effort, row_group, progress):
        index.append(entry)
        payload += data
    return _pack(schema, index, bytes(payload))


def write(
    parts: Iterable[Any],
    file: BinaryIO,
    max_error: MaxError = 0,
    *,
    effort: int = EFFORT,
    row_group: int | None = None,
) -> None:
    """Encode a table that comes in parts, of which one is in memory at a time.

    Parameters
    ----------
    parts : iterable of tables
        As of `encode`, with the same columns; dictionaries of categories too.
        It is walked over twice where ``max_error`` has a share of a range.
    file : binary file
        To write to, from where it is.
    max_error, effort, row_group
        As of `encode`.

    Raises
    ------
    InputError
        As of `encode`; or parts that differ in their columns.
    """
    reach = None
    given = max_error.values() if isinstance(max_error, Mapping) else [max_error]
    if any(v is None or _share(v)[1] for v in given):
        if iter(parts) is parts:
            raise InputError("parts that come but once have no range: max_error takes numbers")
        for one in parts:
            found = [_reach(f) for f in tables.load(one)[1]]
            reach = found if reach is None else [_wider(a, b) for a, b in zip(reach, found)]
    index: list[_Entry] = []
    schema = None
    with tempfile.TemporaryFile() as payload:
        for one in parts:
            own, columns = tables.load(tables.going_on(one, sum(e.rows for e in index)))
            if schema is not None and own != schema:
                raise InputError("parts of a table differ in columns, their types or an index")
            schema = own
            allowed = bounds(schema, columns, max_error, reach)
            for entry, data in _groups(schema, columns, allowed, effort, row_group):
                index.append(entry)
                payload.write(data)
        if schema is None:
            raise InputError("a table of no parts")
        if not schema.names:
            raise InputError("a table in parts needs columns")
        payload.write(bytes(-payload.tell() % 4))
        _join(schema, index, payload, file)


def _join(schema: Schema, index: list[_Entry], payload: BinaryIO, file: BinaryIO) -> None:
    """Write a whole file whose payload is in another."""
    size = payload.tell()
    if size > 1 << 31:
        raise InputError(f"the groups take {size} bytes, more than a file holds")
    head = bytearray(_pack(schema, index, b"")[:-4])
    struct.pack_into("<I", head, _PAYLOAD_LENGTH, size)
    file.write(head)
    crc = zlib.crc32(head)
    payload.seek(0)
    while chunk := payload.read(1 << 20):
        crc = zlib.crc32(chunk, crc)
        file.write(chunk)
    file.write(struct.pack("<I", crc))


def _groups(
    schema: Schema,
    columns: list[Field],
    allowed: list[float],
    effort: int,
    row_group: int | None,
    progress: Progress | None = None,
) -> Iterator[tuple[_Entry, bytes]]:
    """Code a table group by group."""
    if not isinstance(effort, numbers.Integral) or not 1 <= effort <= 9:
        raise InputError(f"effort must be 1..9, not {effort!r}")
    n = _rows(schema, columns)
    size = _group_rows(n, len(columns), row_group)
    types = tables.number_types(schema)
    fixed = [t.startswith("dictionary") for t in schema.types]
    parts = [
        rows
        for start in (range(0, n, size) if columns else ())
        for rows in _light(columns, fixed, slice(start, min(start + size, n)))
    ]
    for i, rows in enumerate(parts):
        some = [tables.cut(f, rows, kept) for f, kept in zip(columns, fixed)]
        own = part(progress, i / len(parts), (i + 1) / len(parts))
        yield _encode_group(some, allowed, types, int(effort), own)


def _rows(schema: Schema, columns: list[Field]) -> int:
    return len(columns[0]) if columns else int(schema.extra.get("rows", 0))


def _group_rows(n: int, n_columns: int, row_group: int | None) -> int:
    most = min(groups.MAX_ROWS, MAX_VALUES // max(1, n_columns))
    if row_group is None:
        parts = -(-n * n_columns // VALUES)
        return min(most, max(1, -(-n // max(1, parts))))
    if not isinstance(row_group, numbers.Integral) or row_group < 1:
        raise InputError(f"row_group must be a positive number, not {row_group!r}")
    return min(most, int(row_group))


def _light(columns: list[Field], fixed: list[bool], rows: slice) -> Iterator[slice]:
    """Halve rows until the texts of each part are no more than a group may have."""
    size = sum(_weight(tables.cut(f, rows, kept), kept) for f, kept in zip(columns, fixed))
    if size <= MAX_TEXTS:
        yield rows
        return
    middle = (rows.start + rows.stop) // 2
    if middle == rows.start:
        raise InputError(f"a row, with its columns' categories, takes {size} bytes: too many")
    yield from _light(columns, fixed, slice(rows.start, middle))
    yield from _light(columns, fixed, slice(middle, rows.stop))


def _weight(field: Field, fixed: bool) -> int:
    """Bytes of a column that the number of its rows does not tell."""
    if isinstance(field, Numbers):
        return 0
    if isinstance(field, Opaque):
        return len(field.data)
    words = sum(map(len, field.words)) + groups.WORD * len(field.words)
    return words if fixed else words + field.spread()


def _encode_group(
    some: list[Field],
    allowed: list[float],
    types: list[Any],
    effort: int,
    progress: Progress | None,
) -> tuple[_Entry, bytes]:
    """Code a group, and compare what it decodes to."""
    n = len(some[0])
    group = groups.encode(some, allowed, n, effort, progress)
    back = groups.decode(group.data, types, n, group.crc)
    for i, (field, copy, bound) in enumerate(zip(some, back, allowed)):
        if not same(field, copy, bound):
            raise RuntimeError(f"column {i} does not decode within its bound")
    crc = zlib.crc32(group.data)
    return _Entry(n, len(group.data), crc, group.crc), group.data


def same(field: Field, copy: Field, bound: float) -> bool:
    """Whether a copy of a column is within its bound."""
    if isinstance(field, Opaque) or isinstance(copy, Opaque):
        return field == copy
    missing = _none(field.missing, len(field))
    if not np.array_equal(missing, _none(copy.missing, len(field))):
        return False
    if isinstance(field, Texts) or isinstance(copy, Texts):
        assert isinstance(field, Texts) and isinstance(copy, Texts)
        there = ~missing
        return field.words == copy.words and np.array_equal(field.codes[there], copy.codes[there])
    state = lattice.states(field.values, field.missing)
    plain = state == lattice.ORDINARY
    exact = ~plain & ~missing
    size = field.values.dtype.itemsize
    bits = [v[exact].view(f"u{size}") for v in (field.values, copy.values)]
    return bool(
        np.array_equal(*bits)
        and not lattice.broken(field.values[plain], copy.values[plain], bound).any()
    )


def _none(missing: Array | None, n: int) -> Array:
    return np.zeros(n, bool) if missing is None else missing


_Reach = tuple[Any, Any] | None  # the least and the greatest of a column's numbers


def bounds(
    schema: Schema,
    columns: list[Field],
    max_error: MaxError,
    reach: list[_Reach] | None = None,
) -> list[float]:
    """What the values of each column may be off by, as numbers.

    Raises
    ------
    InputError
        No such column, or one without numbers; no such error.
    """
    wanted: dict[str, float | str] = {}
    if isinstance(max_error, Mapping):
        wanted = {str(k): v for k, v in max_error.items()}
        unknown = wanted.keys() - {*schema.names, "*"}
        if unknown:
            raise InputError(f"no column {', '.join(sorted(unknown))}")
        alone: float | str = DEFAULT
    else:
        alone = DEFAULT if max_error is None else max_error
    out = []
    for i, (name, field) in enumerate(zip(schema.names, columns)):
        value: float | str = 0.0
        if isinstance(field, Numbers) and field.values.dtype.kind != "b":
            if field.values.dtype.kind == "f":
                value = alone
            value = wanted.get(name, wanted.get("*", value))
        elif name in wanted and _share(wanted[name]) != (0.0, False):
            raise InputError(f"column {name} has no numbers that could be off")
        amount, relative = _share(value)
        if relative and amount:
            amount *= _range(_reach(field) if reach is None else reach[i])
        out.append(amount)
    return out


def _reach(field: Field) -> _Reach:
    if not isinstance(field, Numbers):
        return None
    plain = field.values[lattice.states(field.values, field.missing) == lattice.ORDINARY]
    if plain.dtype.kind != "f":
        plain = lattice.to_int64(plain)
    return (plain.min().item(), plain.max().item()) if len(plain) else None


def _wider(a: _Reach, b: _Reach) -> _Reach:
    """The reach of two parts."""
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def _range(reach: _Reach) -> float:
    low, high = reach or (0, 0)
    # Halves, as the range of floats may be more than one holds.
    return float(high - low) if isinstance(low, int) else (high / 2 - low / 2) * 2


def _share(value: float | str) -> tuple[float, bool]:
    """An error as a number, and whether it is a share of the range."""
    try:
        relative = isinstance(value, str) and value.strip().endswith("%")
        if isinstance(value, str):
            amount = float(value.strip().rstrip("%")) / (100 if relative else 1)
        else:
            amount = float(value)
    except (TypeError, ValueError, OverflowError):
        amount, relative = math.nan, False
    if not 0 <= amount < math.inf or isinstance(value, bool):
        raise InputError(f"max_error must be a number or a share as '1%', not {value!r}")
    return amount, relative


# ---- Files -------------------------------------------------------------------------


def _pack(schema: Schema, index: list[_Entry], payload: bytes) -> bytes:
    payload += bytes(-len(payload) % 4)
    section = _write_index(schema, index)
    header = Header(1, 1, "grey", 1.0, "0" * 16, zlib.crc32(section))
    return container.pack(header, payload, {SECTION: section})


def _write_index(schema: Schema, index: list[_Entry]) -> bytes:
    out = Writer()
    out.number(VERSION)
    out.number(len(index))
    for entry in index:
        out.number(entry.rows)
        out.number(entry.length)
        out.data += struct.pack("<II", entry.data_crc, entry.crc)
    text = schema.write()
    if len(text) > MAX_SCHEMA:
        raise InputError(f"names and types of columns take {len(text)} bytes: too many")
    return bytes(out.data) + squeeze(text)


def _read_index(section: bytes) -> tuple[Schema, list[_Entry]]:
    source = Reader(section)
    version = source.number()
    if version != VERSION:
        raise UnsupportedError(f"version {version} of tables", version)
    index = []
    for _ in range(source.number(len(section) // 10)):
        rows, length = source.number(groups.MAX_ROWS, 1), source.number()
        index.append(_Entry(rows, length, *struct.unpack("<II", source.string(8))))
    schema = Schema.read(unsqueeze(source.data[source.at :], MAX_SCHEMA))
    if any(e.rows * len(schema.names) > MAX_VALUES for e in index):
        raise FormatError("a group of a table is too large: file is damaged")
    return schema, index


class Table:
    """A file of a table, whose groups are read when they are asked for.

    Parameters
    ----------
    file : bytes-like or binary file
        A file has to be seekable; no more of it is read than is needed.
    max_bytes : int
        What is decoded at once may have so many.

    Attributes
    ----------
    info : Info
    """

    def __init__(self, file: Buffer | BinaryIO, max_bytes: int = MAX_BYTES) -> None:
        if isinstance(file, bytes | bytearray | memoryview):
            file = io.BytesIO(file)
        self._file, self.max_bytes = file, max_bytes
        header, sections, head = container.read_sections(file, table=True)
        section = sections[SECTION]
        if zlib.crc32(section) != header.symbol_crc:
            raise FormatError("checksum of a table's index differs: file is damaged")
        self.schema, self.index = _read_index(section)
        self.types = tables.number_types(self.schema)
        self._width = max(8, sum(tables.widths(self.schema)))
        ends = np.cumsum([len(head), *(e.length for e in self.index)]).tolist()
        if -(ends[-1] - len(head)) % 4 + ends[-1] != len(head) + header.payload_length:
            raise FormatError("groups of a table do not add up: file is damaged")
        self._starts = ends
        rows = tuple(e.rows for e in self.index)
        n = sum(rows) if self.schema.names else self.schema.extra.get("rows", 0)
        if not isinstance(n, int) or not 0 <= n < 1 << 40:
            raise FormatError("rows of a table are no number: file is damaged")
        self.info = Info(n, self.schema.names, self.schema.types, self.schema.kind, rows)

    def __len__(self) -> int:
        return len(self.index)

    def group(self, i: int) -> Any:
        """The rows of one group, as a table."""
        n = self.index[i].rows
        room = self._room(n)
        return tables.save(self.schema, self._fields(i, room), n, room)

    def __iter__(self) -> Iterator[Any]:
        """The groups as tables, one after the other."""
        return (self.group(i) for i in range(len(self)))

    def rows(self, start: int = 0, stop: int | None = None) -> Any:
        """A table of some rows; only their groups are read."""
        n = self.info.rows
        start, stop, _ = slice(start, stop).indices(n)
        stop = max(start, stop)
        room = self._room(stop - start)
        parts: list[list[Field]] = []
        first = 0
        for i, entry in enumerate(self.index):
            lo, hi = max(start - first, 0), min(stop - first, entry.rows)
            if lo < hi:
                fields = self._fields(i, room)
                parts.append([tables.cut(f, slice(lo, hi), True) for f in fields])
            first += entry.rows
        columns = (
            parts[0]
            if len(parts) == 1
            else [joined([p[k] for p in parts], dtype) for k, dtype in enumerate(self.types)]
        )
        return tables.save(self.schema, columns, stop - start, room)

    def _room(self, rows: int) -> Room:
        """What is left of the limit beside the numbers of some rows."""
        room = Room(self.max_bytes)
        room.take(rows * self._width, f"{rows} rows of {len(self.types)} columns")
        return room

    def _fields(self, i: int, room: Room) -> list[Field]:
        entry = self.index[i]
        self._file.seek(self._starts[i])
        data = self._file.read(entry.length)
        if zlib.crc32(data) != entry.data_crc or len(data) != entry.length:
            raise FormatError(f"checksum of group {i} differs: file is damaged", self._starts[i])
        return groups.decode(data, self.types, entry.rows, entry.crc, room)


def joined(parts: list[Field], dtype: Any) -> Field:
    """The columns of several groups as one."""
    if not parts:
        empty = np.zeros(0, np.int64)
        return Texts(empty, []) if dtype is None else Numbers(np.zeros(0, dtype))
    first = parts[0]
    if len(parts) == 1:
        return first
    if any(type(p) is not type(first) for p in parts):
        raise FormatError("a column of two kinds: file is damaged")
    if isinstance(first, Opaque):
        return tables.together([p for p in parts if isinstance(p, Opaque)])
    missing = None
    if any(not isinstance(p, Opaque) and p.missing is not None for p in parts):
        missing = np.concatenate(
            [_none(p.missing, len(p)) for p in parts if not isinstance(p, Opaque)]
        )
    if isinstance(first, Numbers):
        return Numbers(np.concatenate([p.values for p in parts if isinstance(p, Numbers)]), missing)
    words, codes = first.words, []
    place = {word: i for i, word in enumerate(words)}
    for p in parts:
        assert isinstance(p, Texts)
        if p.words == words:
            codes.append(p.codes)
            continue
        for word in p.words:
            place.setdefault(word, len(place))
        own = np.array([place[w] for w in p.words] or [0], np.int64)
        codes.append(own[p.codes])
    return Texts(np.concatenate(codes), list(place), missing)


def decode(data: Buffer, max_bytes: int = MAX_BYTES) -> Any:
    """Decode a whole file to the table that it was.

    Parameters
    ----------
    data : bytes-like
    max_bytes : int
        Larger tables are refused.

    Returns
    -------
    ndarray, dict of ndarray, pandas.DataFrame or pyarrow.Table

    Raises
    ------
    FormatError
        Damaged.
    UnsupportedError
        Sound, but no table, or pandas and pyarrow are needed.
    LimitError
        More than ``max_bytes``.
    """
    container.unpack(data, table=True)  # the checksum of all of it
    return Table(data, max_bytes).rows()


def check(file: BinaryIO) -> None:
    """Read a whole file for its checksum, a piece at a time; FormatError if it differs."""
    file.seek(0)
    header, _, head = container.read_sections(file, table=True)
    left, crc = header.payload_length, zlib.crc32(head)
    while left and (chunk := file.read(min(left, 1 << 20))):
        left, crc = left - len(chunk), zlib.crc32(chunk, crc)
    if left or file.read(5) != struct.pack("<I", crc):
        raise FormatError("checksum mismatch; file is damaged or cut short")


def info(data: Buffer) -> Info:
    """What the index of a file says; its groups are not looked at."""
    return Table(data).info
