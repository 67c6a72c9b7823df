"""Tables of NumPy, pandas and Arrow <-> columns of three kinds.

=========  ===============================================================
`Numbers`  integers, booleans, times and floats, with what is missing
`Texts`    strings or bytes by a dictionary
`Opaque`   anything else of Arrow, as a stream of its own
=========  ===============================================================

pandas and pyarrow are needed for their own tables only (the extra ``[table]``).
"""

import base64
import dataclasses
import functools
import json
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import FormatError, InputError, UnsupportedError
from ..types import Array
from .nested import spread
from .wire import Room

_NUMBERS = "biufmM"
_BLOCK = 4096  # rows


@dataclasses.dataclass
class Numbers:
    """Values, and where they are missing (bool, or None)."""

    values: Array
    missing: Array | None = None

    def __len__(self) -> int:
        return len(self.values)


@dataclasses.dataclass
class Texts:
    """Places in a dictionary, and where there is none.

    Attributes
    ----------
    codes : int64 (n,)
    words : list of bytes
    missing : bool (n,), or None
    """

    codes: Array
    words: list[bytes]
    missing: Array | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def spread(self) -> int:
        """Bytes of all values, one after the other."""
        there = self.codes if self.missing is None else self.codes[~self.missing]
        sizes = np.array([len(w) for w in self.words] or [0], np.int64)
        return int(sizes[there].sum())


@dataclasses.dataclass
class Opaque:
    """n values as bytes."""

    n: int
    data: bytes

    def __len__(self) -> int:
        return self.n


Field = Numbers | Texts | Opaque


@dataclasses.dataclass(frozen=True)
class Schema:
    """What a table was.

    Attributes
    ----------
    kind : {"array", "record", "columns", "arrow", "pandas"}
        A plain array, one with names, a dictionary of arrays, or a table.
    names : tuple of str
    types : tuple of str
        Of NumPy (``"<f8"``) or Arrow (``"double"``).
    extra : dict
        What else is needed to make it again.
    """

    kind: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def write(self) -> bytes:
        """As bytes."""
        types: Any = self.types
        if len(set(types)) == 1:
            types = types[0]
        names: Any = self.names
        if names == _numbered(len(names)):
            names = len(names)
        return json.dumps([self.kind, names, types, self.extra], separators=(",", ":")).encode(
            "utf-8", "surrogatepass"
        )

    @classmethod
    def read(cls, data: bytes) -> "Schema":
        """The inverse of `write`."""
        try:
            kind, names, types, extra = json.loads(data.decode("utf-8", "surrogatepass"))
            if isinstance(names, int):
                if not 0 <= names <= MAX_COLUMNS:
                    raise ValueError("too many columns")
                names = _numbered(names)
            if isinstance(types, str):
                types = [types] * len(names)
            good = (
                kind in ("array", "record", "columns", "arrow", "pandas")
                and len(names) == len(types) <= MAX_COLUMNS
                and all(isinstance(s, str) for s in (*names, *types))
                and isinstance(extra, dict)
            )
        except (ValueError, TypeError, RecursionError) as error:
            raise FormatError(f"a table's schema does not read: {error}") from error
        if not good:
            raise FormatError("a table's schema makes no sense: file is damaged")
        return cls(kind, tuple(names), tuple(types), extra)


MAX_COLUMNS = 1 << 16


def _numbered(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))


# ---- From tables -------------------------------------------------------------------


def load(table: Any) -> tuple[Schema, list[Field]]:
    """Take a table apart.

    Parameters
    ----------
    table : ndarray, mapping of arrays, pandas.DataFrame or pyarrow.Table
        An array of one or two axes, or of records.

    Returns
    -------
    schema : Schema
    fields : list of Numbers, Texts or Opaque

    Raises
    ------
    InputError
        Not a table that this codec takes.
    """
    module = type(table).__module__.partition(".")[0]
    if module == "pandas":
        return _from_pandas(table)
    if module == "pyarrow":
        return _from_arrow(table, "arrow")
    if isinstance(table, Mapping):
        return _from_mapping(table)
    array = _as_array(table)
    if array.dtype.names is not None and array.ndim == 1:
        columns = {name: array[name] for name in array.dtype.names}
        if any(c.ndim != 1 for c in columns.values()):
            raise InputError("records of a table hold one number a field")
        return _from_columns("record", columns, {})
    if array.ndim not in (1, 2):
        raise InputError(
            f"an array of shape {array.shape} is no table: rows and columns are needed"
        )
    if array.ndim == 2 and array.shape[1] > MAX_COLUMNS:
        raise InputError(f"a table has at most {MAX_COLUMNS} columns")
    wide = array if array.ndim == 2 else array[:, None]
    named = {str(i): wide[:, i] for i in range(wide.shape[1])}
    extra: dict[str, Any] = {} if array.ndim == 2 else {"ndim": 1}
    if not named:
        extra["type"], extra["rows"] = array.dtype.str, array.shape[0]
    return _from_columns("array", named, extra)


def _from_mapping(table: Mapping[Any, Any]) -> tuple[Schema, list[Field]]:
    arrays = {str(k): _as_array(v) for k, v in table.items()}
    if len({a.shape for a in arrays.values()}) > 1 or any(a.ndim != 1 for a in arrays.values()):
        raise InputError("columns of a table are arrays of one length")
    if len(arrays) != len(table):
        raise InputError("two columns of a table have one name")
    return _from_columns("columns", arrays, {})


def _as_array(values: Any) -> Array:
    if isinstance(values, np.ma.MaskedArray):
        raise InputError("masked arrays have no table; fill them, or use pandas or Arrow")
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"no table: {error}") from error


def _from_columns(
    kind: str, arrays: dict[str, Array], extra: dict[str, Any]
) -> tuple[Schema, list[Field]]:
    fields = [_field(name, a) for name, a in arrays.items()]
    types = tuple(a.dtype.str for a in arrays.values())
    return Schema(kind, tuple(arrays), types, extra), fields


def _field(name: str, array: Array) -> Field:
    dtype = array.dtype
    if dtype.kind in _NUMBERS and dtype.itemsize <= 8:
        return Numbers(np.ascontiguousarray(array.astype(dtype.newbyteorder("="))))
    if dtype.kind in "US":
        return _dictionary(name, array.tolist(), None)
    if dtype.kind == "O":
        missing = np.array([v is None for v in array], bool)
        words = ["" if v is None else v for v in array]
        if not all(type(v) is str for v in words):
            raise InputError(f"column {name}: objects that are no strings")
        return _dictionary(name, words, missing)
    raise InputError(f"column {name}: no way to code {dtype}")


def _dictionary(name: str, values: list[Any], missing: Array | None) -> Texts:
    words = sorted(set(values))
    place = {word: i for i, word in enumerate(words)}
    codes = np.fromiter((place[v] for v in values), np.int64, len(values))
    if missing is not None and not missing.any():
        missing = None
    return Texts(codes, [_bytes(w) for w in words], missing)


def _bytes(word: str | bytes) -> bytes:
    return word.encode("utf-8", "surrogatepass") if isinstance(word, str) else word


def _from_pandas(frame: Any) -> tuple[Schema, list[Field]]:
    pa = _pyarrow("a DataFrame")
    if type(frame).__name__ == "Series":
        frame = frame.to_frame()
    try:
        table = pa.Table.from_pandas(frame)
        plain = table.replace_schema_metadata(None)
        same = table.num_columns == len(frame.columns) and _same_frame(plain.to_pandas(), frame)
    except Exception as error:  # of any kind: what Arrow does not know, pandas tries
        raise InputError(f"Arrow does not take this DataFrame: {error}") from error
    if same:
        table = plain  # pandas' own notes tell nothing else
    return _from_arrow(table, "pandas")


def going_on(table: Any, row: int) -> Any:
    """A part of a table from a row on: pandas numbers rows from there, and needs no index."""
    index: Any = getattr(table, "index", None)
    if type(index).__name__ != "RangeIndex" or index.name is not None:
        return table
    goes_on = (index.start, index.step) == (row, 1) and hasattr(table, "reset_index")
    return table.reset_index(drop=True) if goes_on else table


def _same_frame(made: Any, frame: Any) -> bool:
    return (
        list(made.columns) == list(frame.columns)
        and list(made.dtypes) == list(frame.dtypes)
        and type(made.index) is type(frame.index)
        and made.index.equals(frame.index)
        and frame.index.name is None
        and frame.columns.name is None
        and not frame.attrs
        and type(made.columns) is type(frame.columns)
    )


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise UnsupportedError(
            f"{what} needs pandas and pyarrow: pip install pandas pyarrow"
        ) from error
    return pyarrow


def _from_arrow(table: Any, kind: str) -> tuple[Schema, list[Field]]:
    pa = _pyarrow("a table of Arrow")
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if not isinstance(table, pa.Table):
        raise InputError(f"{type(table).__name__} is no table")
    if table.num_columns > MAX_COLUMNS:
        raise InputError(f"a table has at most {MAX_COLUMNS} columns")
    names, types = tuple(table.column_names), tuple(str(f.type) for f in table.schema)
    extra: dict[str, Any] = {}
    made = _schema_of(names, types)
    if not table.num_rows and any(pa.types.is_dictionary(t) for t in table.schema.types):
        extra["schema"] = base64.b64encode(_stream(table)).decode()  # with its categories
    elif made is None or not made.equals(table.schema, check_metadata=True):
        extra["schema"] = base64.b64encode(table.schema.serialize()).decode()
    if not names:
        extra["rows"] = table.num_rows
    fields = [_from_chunks(name, table.column(i)) for i, name in enumerate(table.column_names)]
    return Schema(kind, names, types, extra), fields


def _from_chunks(name: str, column: Any) -> Field:
    pa = _pyarrow("a table of Arrow")
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], type=column.type)
    t = array.type
    missing = None
    if array.null_count:
        missing = np.asarray(array.is_null())
    dtype = _number_type(t)
    if dtype is not None:
        return Numbers(_flat(array, dtype), missing)
    values = array
    if pa.types.is_dictionary(t):
        values = array.dictionary
        if not _is_text(values.type) or values.null_count:
            return _opaque(array)
        codes = _flat(array.indices, np.dtype(t.index_type.to_pandas_dtype()))
        codes = codes.astype(np.int64)
        if missing is not None:
            codes[missing] = 0
        return Texts(codes, [_bytes(w) for w in values.to_pylist()], missing)
    if _is_text(t):
        coded = array.dictionary_encode()
        words = [_bytes(w) for w in coded.dictionary.to_pylist()]
        order = sorted(range(len(words)), key=words.__getitem__)
        place = np.empty(len(words) + 1, np.int64)
        place[order] = np.arange(len(words))
        codes = _flat(coded.indices, np.dtype(np.int32))
        return Texts(place[codes], [words[i] for i in order], missing)
    return _opaque(array)


def _is_text(t: Any) -> bool:
    return str(t) in ("string", "large_string", "binary", "large_binary")


def _flat(array: Any, dtype: np.dtype[Any]) -> Array:
    """An array of Arrow as numbers; what is missing is zero."""
    pa = _pyarrow("a table of Arrow")
    if dtype.kind == "b":
        return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), bool)
    integer = pa.from_numpy_dtype(np.dtype(f"i{dtype.itemsize}"))
    bits = array.view(integer)
    if bits.null_count:
        bits = bits.fill_null(0)
    return np.ascontiguousarray(bits.to_numpy(zero_copy_only=False)).view(dtype)


def _number_type(t: Any) -> np.dtype[Any] | None:
    """The type of NumPy that holds a type of Arrow; None: there is none."""
    text = str(t)
    if text in ("float", "double", "halffloat"):
        return np.dtype({"float": "f4", "double": "f8", "halffloat": "f2"}[text])
    if re.fullmatch(r"u?int\d+|bool", text):
        return np.dtype(text)
    if text in ("date32[day]", "time32[s]", "time32[ms]"):
        return np.dtype("i4")
    if re.match(r"(date64|time64|timestamp|duration)\[", text):
        return np.dtype("i8")
    return None


def _opaque(column: Any) -> Opaque:
    pa = _pyarrow("a table of Arrow")
    return Opaque(len(column), _stream(pa.table({"c": column})))


def _stream(table: Any) -> bytes:
    """A table in Arrow's own format."""
    pa = _pyarrow("a table of Arrow")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        if table.num_rows:
            writer.write_table(table)
        else:  # a table of no rows has no batches, but may have dictionaries
            columns = [c.combine_chunks() for c in table.columns]
            writer.write_batch(pa.record_batch(columns, schema=table.schema))
    return sink.getvalue().to_pybytes()


def cut(field: Field, rows: slice, fixed: bool) -> Field:
    """Some rows of a column.

    Parameters
    ----------
    field : Numbers, Texts or Opaque
    rows : slice
        Its start and stop are not None.
    fixed : bool
        Whether a dictionary stays as it is; otherwise only words that occur are kept.
    """
    if (rows.start, rows.stop) == (0, len(field)):
        return field
    if isinstance(field, Opaque):
        return _opaque(_unpacked(field)[rows])
    missing = None if field.missing is None else field.missing[rows]
    if isinstance(field, Numbers):
        return Numbers(field.values[rows], missing)
    if fixed or not field.words:
        return Texts(field.codes[rows], field.words, missing)
    used, codes = np.unique(field.codes[rows], return_inverse=True)
    return Texts(codes.astype(np.int64), [field.words[i] for i in used], missing)


def together(parts: list[Opaque]) -> Opaque:
    """Columns of no kind, one below the other."""
    pa = _pyarrow("this file")
    try:
        chunks = [chunk for part in parts for chunk in _unpacked(part).chunks]
        return _opaque(pa.chunked_array(chunks))
    except pa.ArrowException as error:
        raise FormatError(f"a table's column does not read: {error}") from error


def _schema_of(names: tuple[str, ...], types: tuple[str, ...]) -> Any:
    pa = _pyarrow("a table of Arrow")
    found = [_arrow_type(t) for t in types]
    if None in found:
        return None
    return pa.schema(list(zip(names, found)))


@functools.lru_cache(64)
def _arrow_type(text: str) -> Any:
    """The type that Arrow writes so; None: one of those that are not simple."""
    pa = _pyarrow("a table of Arrow")
    simple = [
        *(pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.bool_()),
        *(pa.float16(), pa.float32(), pa.float64(), pa.date32(), pa.date64()),
        *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
        *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    ]
    for t in simple:
        if str(t) == text:
            return t
    found = re.fullmatch(r"(timestamp|duration)\[(s|ms|us|ns)(?:, tz=([^\]]+))?\]", text)
    if found:
        kind, unit, zone = found.groups()
        return pa.duration(unit) if kind == "duration" else pa.timestamp(unit, zone)
    found = re.fullmatch(r"dictionary<values=(\w+), indices=(\w+), ordered=([01])>", text)
    if found:
        values, indices = _arrow_type(found[1]), _arrow_type(found[2])
        if values is not None and indices is not None:
            return pa.dictionary(indices, values, found[3] == "1")
    return None


# ---- To tables ---------------------------------------------------------------------


def number_types(schema: Schema) -> list[np.dtype[Any] | None]:
    """For each column the type of NumPy that holds it; None: no numbers.

    Raises
    ------
    FormatError
        A type that is none.
    """
    if schema.kind in ("arrow", "pandas"):
        return [_number_type(t) if not t.startswith("dictionary") else None for t in schema.types]
    found: dict[str, np.dtype[Any] | None] = {}
    for text in set(schema.types):
        if not re.fullmatch(r"[<>|=]?[biufmMUSO]\d*(\[\d*\w+\])?", text):
            raise FormatError(f"a table's type {text[:40]!r} is none: file is damaged")
        try:
            dtype = np.dtype(text)
        except (TypeError, ValueError) as error:
            raise FormatError(f"a table's type is none: {error}") from error
        number = dtype.kind in _NUMBERS and dtype.itemsize <= 8
        found[text] = dtype.newbyteorder("=") if number else None
    return [found[text] for text in schema.types]


def widths(schema: Schema) -> list[int]:
    """Bytes of a value of each column; of Arrow those of its numbers and places of words."""
    if schema.kind in ("arrow", "pandas"):
        return [8] * len(schema.types)
    return [max(8, np.dtype(t).itemsize) for t in schema.types]


def save(schema: Schema, fields: list[Field], n: int, room: Room | None = None) -> Any:
    """Build the table again: the inverse of `load`.

    Parameters
    ----------
    schema : Schema
    fields : list of Numbers, Texts or Opaque
    n : int
        Rows.
    room : Room, optional
        For texts that were in a dictionary and come out of it.
    """
    try:
        if schema.kind in ("arrow", "pandas"):
            table = _to_arrow(schema, fields, n, room or Room())
            return _to_pandas(table) if schema.kind == "pandas" else table
        return _to_numpy(schema, fields, n)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"a table's schema does not fit: {error}") from error


def _to_numpy(schema: Schema, fields: list[Field], n: int) -> Any:
    types = {t: np.dtype(t) for t in set(schema.types)}
    arrays = [_array(f, types[t]) for f, t in zip(fields, schema.types)]
    if schema.kind == "columns":
        return dict(zip(schema.names, arrays))
    if schema.kind == "record":
        out = np.empty(n, list(zip(schema.names, schema.types)))
        for name, array in zip(schema.names, arrays):
            out[name] = array
        return out
    if not arrays:
        return np.empty((n, 0), np.dtype(schema.extra["type"]))
    if schema.extra.get("ndim") == 1:
        return arrays[0]
    out = np.empty((n, len(arrays)), arrays[0].dtype)
    for at in range(0, n, _BLOCK):  # what is written at once stays in a processor's cache
        out[at : at + _BLOCK] = np.stack([a[at : at + _BLOCK] for a in arrays], 1)
    return out


def _array(field: Field, dtype: np.dtype[Any]) -> Array:
    if isinstance(field, Numbers):
        return field.values.astype(dtype, copy=False)
    if not isinstance(field, Texts):
        raise FormatError("a column of no kind of NumPy: file is damaged")
    words: list[Any] = list(field.words)
    if dtype.kind != "S":
        words = [w.decode("utf-8", "surrogatepass") for w in words]
    table = np.empty(len(words) + 1, object)
    table[: len(words)] = words
    codes = field.codes
    if field.missing is not None:
        codes = np.where(field.missing, len(words), codes)
    return table[codes].astype(dtype)


def _to_pandas(table: Any) -> Any:
    try:
        return table.to_pandas()
    except Exception as error:  # of any kind: a file may have any notes of pandas
        raise FormatError(f"no table of pandas: {error}") from error


def _to_arrow(schema: Schema, fields: list[Field], n: int, room: Room) -> Any:
    pa = _pyarrow("this file")
    try:
        if "schema" in schema.extra:
            data = base64.b64decode(schema.extra["schema"])
            if not n and fields:
                return _read_stream(data, 0)
            made = pa.ipc.read_schema(pa.py_buffer(data))
        else:
            made = _schema_of(schema.names, schema.types)
        if made is None or len(made) != len(fields):
            raise FormatError("a table's schema does not fit: file is damaged")
        if not fields:
            # A table without columns still has rows.
            base = pa.table({"c": pa.nulls(n)})
            return base.replace_schema_metadata(made.metadata).select([])
        arrays = [_to_column(f, one.type, room) for f, one in zip(fields, made)]
        return pa.Table.from_arrays(arrays, schema=made)
    except pa.ArrowException as error:
        raise FormatError(f"a table's column does not read: {error}") from error


def _read_stream(stream: bytes, n: int) -> Any:
    """A table of n rows in Arrow's own format."""
    pa = _pyarrow("this file")
    _check_plain(stream)
    with pa.ipc.open_stream(pa.py_buffer(stream)) as reader:
        table = reader.read_all()
    if table.num_rows != n:
        raise FormatError("a table's column has another length: file is damaged")
    table.validate(full=True)
    return table


def _unpacked(field: Opaque) -> Any:
    table = _read_stream(field.data, field.n)
    if table.num_columns != 1:
        raise FormatError("a table's column is not one: file is damaged")
    return table.column(0)


def _to_column(field: Field, t: Any, room: Room) -> Any:
    pa = _pyarrow("this file")
    if isinstance(field, Opaque):
        column = _unpacked(field)
        for chunk in column.chunks:
            room.take(int(min(spread(chunk, room).sum(), 1 << 62)))
        return column
    if not len(field):
        return pa.array([], t)
    if isinstance(field, Numbers):
        values = field.values
        if values.dtype == bool:
            return pa.array(values, mask=field.missing)
        fits = pa.types.is_primitive(t) and t.bit_width == 8 * values.dtype.itemsize
        if fits and field.missing is None:  # in half of the time, which many columns feel
            data = pa.py_buffer(np.ascontiguousarray(values))
            return pa.Array.from_buffers(t, len(values), [None, data])
        return pa.array(values.view(f"i{values.dtype.itemsize}"), mask=field.missing).view(t)
    indices = pa.array(field.codes, mask=field.missing)
    if pa.types.is_dictionary(t):
        words = _words(field.words, t.value_type)
        return pa.DictionaryArray.from_arrays(indices.cast(t.index_type), words, ordered=t.ordered)
    room.take(field.spread())
    return _words(field.words, t).take(indices)


def _check_plain(stream: bytes) -> None:
    """Refuse an Arrow stream with compressed buffers: what they unpack to has no bound."""
    pa = _pyarrow("this file")
    from flatbuffers import encode, packer, table

    def inner(t: Any, field: int) -> Any:
        at = t.Offset(4 + 2 * field)
        return table.Table(t.Bytes, t.Indirect(t.Pos + at)) if at else None

    try:
        for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(stream)):
            data = message.metadata.to_pybytes()
            # Message.header; DictionaryBatch.data; RecordBatch.compression
            batch = inner(table.Table(data, encode.Get(packer.uoffset, data, 0)), 2)
            if message.type == "dictionary":
                batch = inner(batch, 1)
            if message.type != "schema" and inner(batch, 3) is not None:
                raise FormatError("a table's column is compressed within: file is damaged")
    except (struct.error, IndexError, TypeError, AttributeError) as error:
        raise FormatError(f"a table's column does not read: {error}") from error


def _words(words: list[bytes], t: Any) -> Any:
    pa = _pyarrow("this file")
    big = pa.types.is_large_string(t) or pa.types.is_large_binary(t)
    array = pa.array(words, pa.large_binary() if big else pa.binary())
    made = array.view(t)
    made.validate(full=True)
    return made
