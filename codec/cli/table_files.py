"""CSV, Parquet, Arrow and NumPy files <-> tables, whole or in parts.

A file that is small is read whole. Of others one part is in memory at a time: parts
come from the file again for each walk over them.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InputError, UnsupportedError
from .report import Refusal

if TYPE_CHECKING:
    import numpy as np

WHOLE = 1 << 26  # bytes of a table that is read at once
VALUES = 1 << 22  # of a part


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
            source, how = self._csv()
            return pa.csv.read_csv(source, **how)

    def __iter__(self) -> Iterator[Any]:
        pa = _pyarrow()
        with _reading(self.kind):
            kept: list[Any] = []
            values = 0
            for batch in self.batches():
                kept.append(batch)
                values += batch.num_rows * max(1, batch.num_columns)
                if values >= VALUES:
                    yield pa.Table.from_batches(kept)
                    kept, values = [], 0
            if kept:
                yield pa.Table.from_batches(kept)

    def batches(self) -> Iterator[Any]:
        """Rows as they come, or at most a part."""
        pa = _pyarrow()
        self.file.seek(0)
        if self.kind == "parquet":
            file = self._parquet()
            yield from file.iter_batches(max(1, VALUES // max(1, file.metadata.num_columns)))
        elif self.kind == "feather":
            with pa.ipc.open_file(self.file) as reader:
                for i in range(reader.num_record_batches):
                    yield reader.get_batch(i)
        else:
            source, how = self._csv()
            options = pa.csv.ReadOptions(block_size=WHOLE // 4)
            with pa.csv.open_csv(source, read_options=options, **how) as reader:
                yield from reader

    def _parquet(self) -> Any:
        import pyarrow.parquet

        self.file.seek(0)
        return pyarrow.parquet.ParquetFile(self.file)

    def _csv(self) -> tuple[Any, dict[str, Any]]:
        """Empty cells of numbers are missing, those of texts are empty."""
        from pyarrow import csv

        delimiter = "\t" if self.kind == "tsv" else ","
        return _pyarrow().PythonFile(_Shared(self.file), "r"), {
            "parse_options": csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            "convert_options": csv.ConvertOptions(null_values=[""]),
        }


class _Shared(io.RawIOBase):
    """A file that stays open when Arrow closes this."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        """As of the file."""
        return self._file.readable()

    def writable(self) -> bool:
        """As of the file."""
        return self._file.writable()

    def read(self, size: int = -1) -> bytes:
        """As of the file."""
        return self._file.read(size)

    def write(self, data: Any) -> int:
        """As of the file."""
        return self._file.write(data)


@contextlib.contextmanager
def _reading(kind: str) -> Iterator[None]:
    """Errors of Arrow, as ours."""
    try:
        yield
    except (_pyarrow().ArrowException, OSError) as error:
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
