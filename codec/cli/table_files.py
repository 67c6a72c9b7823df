"""CSV, Parquet, Arrow and NumPy files <-> tables, whole or in parts.

A file that is small is read whole. Of others one part is in memory at a time: parts
come from the file again for each walk over them.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InputError, UnsupportedError
from .report import Refusal

if TYPE_CHECKING:
    import numpy as np

WHOLE = 1 << 26  # bytes of a table that is read at once
VALUES = 1 << 22  # of a part
# Cells of CSV: whole numbers that come back as they are, and floats that would lose digits.
_WHOLE_NUMBER = "^ *(0|-?[1-9][0-9]*) *$"
_MORE_THAN_FLOAT = "^ *[+-]?(0[0-9]|[0-9]{16,} *$)"


def load(file: BinaryIO, kind: str) -> Any:
    """A whole table, or a `Parts`.

    Parameters
    ----------
    file : binary file
        Seekable; it has to stay open as long as the parts are used.
    kind : {"csv", "tsv", "parquet", "feather", "npy"}

    Raises
    ------
    InputError
        It does not read as that.
    """
    if kind == "npy":
        return _npy(file)
    parts = Parts(file, kind)
    return parts if parts.size() > WHOLE else parts.whole()


class Parts:
    """A table of Arrow in parts; each walk reads the file from its start."""

    def __init__(self, file: BinaryIO, kind: str) -> None:
        self.file, self.kind = file, kind
        self.block = WHOLE // 16  # of CSV; Arrow reads up to 32 ahead

    def size(self) -> int:
        """Bytes, about: those of a Parquet file once they are unpacked."""
        if self.kind == "parquet":
            with _reading(self.kind):
                found = self._parquet().metadata
                return sum(found.row_group(i).total_byte_size for i in range(found.num_row_groups))
        end = self.file.seek(0, 2)
        self.file.seek(0)
        return end

    def whole(self) -> Any:
        """All of it as one table."""
        pa = _pyarrow()
        with _reading(self.kind):
            self.file.seek(0)
            if self.kind == "parquet":
                return self._parquet().read()
            if self.kind == "feather":
                with pa.ipc.open_file(self.file) as reader:
                    return reader.read_all()
            options = self._options(self._types, self._is_single)
            return pa.csv.read_csv(self._source(), **options)

    def __iter__(self) -> Iterator[Any]:
        pa = _pyarrow()
        with _reading(self.kind):
            kept: list[Any] = []
            values = size = 0
            for batch in self.batches():
                kept.append(batch)
                values += batch.num_rows * max(1, batch.num_columns)
                size += batch.nbytes
                if values >= VALUES or size >= WHOLE:
                    yield pa.Table.from_batches(kept)
                    kept, values, size = [], 0, 0
            if kept:
                yield pa.Table.from_batches(kept)

    def batches(self) -> Iterator[Any]:
        """Rows as they come, or at most a part."""
        pa = _pyarrow()
        self.file.seek(0)
        if self.kind == "parquet":
            size = self.size()
            file = self._parquet()
            found = file.metadata
            rows = min(VALUES // max(1, found.num_columns), WHOLE * found.num_rows // max(1, size))
            yield from file.iter_batches(max(1, min(rows // 4, 1 << 16)))
        elif self.kind == "feather":
            with pa.ipc.open_file(self.file) as reader:
                for i in range(reader.num_record_batches):
                    yield reader.get_batch(i)
        else:
            yield from self._blocks(self._types)

    def _parquet(self) -> Any:
        import pyarrow.parquet

        self.file.seek(0)
        return pyarrow.parquet.ParquetFile(self.file)

    # ---- CSV

    def _source(self) -> Any:
        return _pyarrow().PythonFile(_Shared(self.file), "r")

    def _options(self, types: dict[str, Any], single: bool, **how: Any) -> dict[str, Any]:
        """Empty cells of numbers are missing, those of texts are empty."""
        from pyarrow import csv

        delimiter = "\t" if self.kind == "tsv" else ","
        return {
            "parse_options": csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=not single,
            ),
            "convert_options": csv.ConvertOptions(null_values=[""], column_types=types, **how),
        }

    def _open(self, types: dict[str, Any], single: bool, **how: Any) -> Any:
        pa = _pyarrow()
        block = pa.csv.ReadOptions(block_size=self.block)
        options = self._options(types, single, **how)
        return pa.csv.open_csv(self._source(), read_options=block, **options)

    def _blocks(self, types: dict[str, Any], **how: Any) -> Iterator[Any]:
        with self._open(types, self._is_single, **how) as reader:
            yield from reader

    @functools.cached_property
    def _is_single(self) -> bool:
        """Whether there is one column, of which an empty line is a row."""
        with self._open({}, False) as reader:
            return len(reader.schema) == 1

    @functools.cached_property
    def _types(self) -> dict[str, Any]:
        """As of `_settled`; blocks become larger until each row is in one or two."""
        while True:
            try:
                return self._settled()
            except _pyarrow().ArrowInvalid as error:
                if "straddling" not in str(error) or self.block >= WHOLE:
                    raise
                self.block *= 4

    def _settled(self) -> dict[str, Any]:
        """Types of columns where Arrow's own choice does not hold, or would lose digits.

        It looks at the first block alone. What it takes for numbers is a text if not
        all cells come back as numbers: places with leading zeros, numbers of 20 digits.
        """
        pa = _pyarrow()
        types: dict[str, Any] = {}
        with self._open(types, self._is_single) as reader:
            schema = reader.schema
        while True:
            try:
                for _ in self._blocks(types):
                    pass
                break
            except pa.ArrowInvalid as error:
                found = re.match(r"In CSV column #(\d+):.* conversion error", str(error))
                if found is None:
                    raise
                field = schema.field(int(found[1]))
                known = types.get(field.name, field.type)
                if known == pa.binary():
                    raise
                types[field.name] = _next_type(known)
        final = [types.get(f.name, f.type) for f in schema]
        numbers = [(i, t) for i, t in enumerate(final) if t in (pa.int64(), pa.float64())]
        every = dict.fromkeys(schema.names, pa.string())
        for batch in self._blocks(every, check_utf8=False) if numbers else ():
            for i, t in numbers:
                if not _comes_back(batch.column(i), t):
                    types[schema.field(i).name] = pa.string()
        return types


def _next_type(t: Any) -> Any:
    """What Arrow takes a column of CSV for that is not of a type."""
    pa = _pyarrow()
    order = [
        *(pa.null(), pa.int64(), pa.bool_(), pa.date32(), pa.time32("s")),
        *(pa.timestamp(unit, zone) for zone in (None, "UTC") for unit in ("s", "ns")),
        *(pa.float64(), pa.string(), pa.binary()),
    ]
    return order[order.index(t) + 1]


def _comes_back(cells: Any, t: Any) -> bool:
    """Whether cells of CSV lose nothing as numbers of a type."""
    import pyarrow.compute as pc

    cells = cells.filter(pc.not_equal(cells, ""))
    if t == _pyarrow().int64():
        return pc.all(pc.match_substring_regex(cells, _WHOLE_NUMBER)).as_py() is not False
    return not pc.any(pc.match_substring_regex(cells, _MORE_THAN_FLOAT)).as_py()


class _Shared(io.RawIOBase):
    """A file that stays open when Arrow closes this, read from its start.

    Arrow reads ahead in a thread, which another walk over the file must not disturb.
    """

    _lock = threading.Lock()

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        """As of the file."""
        return self._file.readable()

    def writable(self) -> bool:
        """As of the file."""
        return self._file.writable()

    def read(self, size: int = -1) -> bytes:
        """As of the file."""
        with self._lock:
            self._file.seek(self._at)
            data = self._file.read(size)
            self._at += len(data)
        return data

    def write(self, data: Any) -> int:
        """As of the file."""
        return self._file.write(data)


@contextlib.contextmanager
def _reading(kind: str) -> Iterator[None]:
    """Errors of Arrow, as ours."""
    try:
        yield
    except (_pyarrow().ArrowException, OSError, UnicodeError) as error:
        raise InputError(f"does not read as {kind}: {error}") from error


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.csv
    except ImportError as error:
        raise UnsupportedError(
            "tables but .npy need pandas and pyarrow: pip install pandas pyarrow"
        ) from error
    return pyarrow


def _npy(file: BinaryIO) -> Any:
    import numpy as np

    try:
        array = np.load(file, allow_pickle=False) if _is_small(file) else Rows(file)
    except (ValueError, EOFError) as error:
        raise InputError(f"does not read as npy: {error}") from error
    return array


def _is_small(file: BinaryIO) -> bool:
    end = file.seek(0, 2)
    file.seek(0)
    return end <= WHOLE


class Rows:
    """Rows of a ``.npy`` file in parts, as `Parts`."""

    def __init__(self, file: BinaryIO) -> None:
        from numpy.lib import format as npy

        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        self.shape, fortran, self.dtype = read(file)
        self.file, self.start = file, file.tell()
        if fortran and len(self.shape) > 1:
            raise InputError("is larger than what is read at once, by columns; save it by rows")
        if self.dtype.hasobject:
            raise InputError("does not read as npy: it holds objects")

    def whole(self) -> np.ndarray:
        """All of them."""
        import numpy as np

        return np.concatenate(list(self))

    def __iter__(self) -> Iterator[np.ndarray]:
        import numpy as np

        width = int(np.prod(self.shape[1:], dtype=np.int64))
        rows = max(1, VALUES // max(1, width * len(self.dtype.names or "1")))
        size = width * self.dtype.itemsize
        for start in range(0, self.shape[0], rows):
            n = min(rows, self.shape[0] - start)
            self.file.seek(self.start + start * size)
            data = self.file.read(n * size)
            if len(data) < n * size:
                raise InputError("does not read as npy: it is cut short")
            yield np.frombuffer(data, self.dtype).reshape(n, *self.shape[1:])


# ---- Writing -----------------------------------------------------------------------


def save(parts: Iterable[Any], n: int, kind: str, out: BinaryIO) -> None:
    """Write tables, one below the other, as one file.

    Parameters
    ----------
    parts : iterable of tables
        At least one.
    n : int
        Rows of all.
    kind : {"csv", "tsv", "parquet", "feather", "arrow", "npy"}
    out : binary file

    Raises
    ------
    Refusal
        The format has no place for them.
    """
    if kind == "npy":
        return _save_npy(parts, n, out)
    pa = _pyarrow()
    writer = None
    try:
        for part in parts:
            made = _as_arrow(part, pa)
            if writer is None:
                writer = _writer(pa, out, made.schema, kind)
            writer.write_table(made)
    except pa.ArrowException as error:
        raise Refusal(f"cannot be written as {kind}: {error}") from error
    finally:
        if writer is not None:
            writer.close()


def _writer(pa: Any, out: BinaryIO, schema: Any, kind: str) -> Any:
    if kind == "parquet":
        import pyarrow.parquet

        return pyarrow.parquet.ParquetWriter(out, schema, compression="zstd")
    if kind in ("feather", "arrow"):
        return pa.ipc.new_file(out, schema)
    from pyarrow import csv

    options = csv.WriteOptions(delimiter="\t" if kind == "tsv" else ",", quoting_style="needed")
    return csv.CSVWriter(pa.PythonFile(_Shared(out), "w"), schema, write_options=options)


def _save_npy(parts: Iterable[Any], n: int, out: BinaryIO) -> None:
    import numpy as np
    from numpy.lib import format as npy

    begun = False
    for part in parts:
        if not isinstance(part, np.ndarray):
            raise Refusal("has columns of several types; write csv or parquet")
        if not begun:
            head = {
                "descr": npy.dtype_to_descr(part.dtype),
                "fortran_order": False,
                "shape": (n, *part.shape[1:]),
            }
            npy.write_array_header_1_0(out, head)
            begun = True
        out.write(np.ascontiguousarray(part).tobytes())


def _as_arrow(loaded: Any, pa: Any) -> Any:
    import numpy as np

    if isinstance(loaded, pa.Table):
        return loaded
    if isinstance(loaded, dict):
        return pa.table(loaded)
    if not isinstance(loaded, np.ndarray):
        return pa.Table.from_pandas(loaded)
    if loaded.dtype.names:
        return pa.table({n: loaded[n] for n in loaded.dtype.names})
    wide = loaded if loaded.ndim == 2 else loaded[:, None]
    return pa.table({str(i): wide[:, i] for i in range(wide.shape[1])})
