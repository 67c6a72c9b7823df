"""Tables: CSV, Parquet, Arrow and NumPy files <-> ``.aec`` files."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import CodecError, InputError, UnsupportedError
from ..io import names
from . import files, verify
from .jobs import STREAM, Job
from .notes import Coder, Notes
from .report import Refusal

if TYPE_CHECKING:
    from ..progress import Progress

_MAGIC = {b"PAR1": "parquet", b"\x93NUMPY": "npy", b"ARROW1": "feather"}
_BY_NAME = {".csv": "csv", ".tsv": "tsv"}
# What a table was -> what it is written as, unless something else is said.
_DEFAULT = {"array": "npy", "record": "npy", "columns": "csv"}


def is_table(file: BinaryIO, name: str) -> bool:
    """Whether a seekable file is a table: by its content, or as CSV by its name."""
    return _format_of(file, name) is not None


def read(file: BinaryIO, name: str) -> Any:
    """The table of a seekable file; None where it is none."""
    kind = _format_of(file, name)
    return None if kind is None else _load(file.read(), kind)


def _format_of(file: BinaryIO, name: str) -> str | None:
    head = file.read(8)
    file.seek(0)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return _BY_NAME.get(os.path.splitext(name)[1].lower())


def is_coded(file: BinaryIO) -> bool:
    """Whether a seekable file is an ``.aec`` file of a table."""
    from ..container import read_sections

    try:
        return files.is_aec(file) and bool(read_sections(file, table=True))
    except CodecError:  # whatever reads it whole says what is wrong
        return False
    finally:
        file.seek(0)


def max_error(options: Any) -> Any:
    """``--max-error`` and ``--lossless`` as `codec.table.encode` takes them.

    Raises
    ------
    Refusal
        Both, or several for all columns.
    """
    given = options.max_error or []
    if options.lossless:
        if given:
            raise Refusal("--lossless clashes with --max-error")
        return 0
    alone = [text for text in given if "=" not in text]
    named = dict(text.rsplit("=", 1) for text in given if "=" in text)
    if len(alone) > 1 or (alone and named):
        raise Refusal("--max-error without a column is said once, and alone")
    return alone[0] if alone else named or None


def compress(
    coder: Coder, job: Job, file: BinaryIO, notes: Notes, progress: Progress | None
) -> bool:
    """Compress one table; arguments as of `codec.cli.compress.compress`.

    Returns
    -------
    bool
        Whether the file is a table.
    """
    if not is_table(file, job.src):
        return False
    _compress(coder, job, file, notes, progress)
    return True


def _compress(
    coder: Coder, job: Job, file: BinaryIO, notes: Notes, progress: Progress | None
) -> None:
    from .. import table

    options = coder.options
    made, is_done = files.begin(job, notes, options)
    if is_done:
        return
    kind = _format_of(file, job.src)
    data = files.take(file)
    notes.n_in = len(data)
    if made is None:
        wanted = max_error(options)
        loaded = _load(data, kind or "csv")
        made = table.encode(
            loaded,
            wanted,
            effort=options.effort or table.file.EFFORT,
            progress=progress,
        )
        if wanted is None and _has_floats(table.info(made).types):
            notes.say(
                job.src,
                "note: floats may be off by 0.1 % of their column's range; "
                "--lossless or --max-error says otherwise",
                level=0,
            )
    if not files.save_smaller(job, made, notes, options):
        return
    if options.rm:
        # The encoder has compared the values.
        verify.remove(job, notes, options, lambda: table.decode(verify.read_back(job, made)))
    found = table.info(made)
    notes.say(
        job.src,
        f"{found.rows} rows of {len(found.names)} columns to {len(made)} bytes",
    )


def _has_floats(types: tuple[str, ...]) -> bool:
    return any(t in ("double", "float", "halffloat") or t[1:2] == "f" for t in types)


def _load(data: bytes, kind: str) -> Any:
    """A table of a file's bytes."""
    if kind == "npy":
        import numpy as np

        try:
            return np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise InputError(f"does not read as {kind}: {error}") from error
    pa = _pyarrow()
    try:
        if kind == "parquet":
            import pyarrow.parquet

            return pyarrow.parquet.read_table(pa.BufferReader(data))
        if kind == "feather":
            with pa.ipc.open_file(pa.BufferReader(data)) as reader:
                return reader.read_all()
        return _load_csv(data, "\t" if kind == "tsv" else ",")
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"does not read as {kind}: {error}") from error


def _load_csv(data: bytes, delimiter: str) -> Any:
    """Empty cells of numbers are missing, those of texts are empty."""
    from pyarrow import csv

    return csv.read_csv(
        io.BytesIO(data),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(null_values=[""]),
    )


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise UnsupportedError(
            "tables but .npy need pandas and pyarrow: pip install pandas pyarrow"
        ) from error
    return pyarrow


def decompress(coder: Coder, job: Job, file: BinaryIO, notes: Notes) -> bool:
    """Decompress or test one table; arguments and result as of `compress`."""
    if not is_coded(file):
        return False
    _decompress(coder, job, file, notes)
    return True


def _decompress(coder: Coder, job: Job, file: BinaryIO, notes: Notes) -> None:
    from .. import table

    options = coder.options
    if options.region or options.index:
        raise Refusal("is a table; --region and --index are for pictures")
    data = files.take_aec(file)
    found = table.info(data)
    notes.n_in = len(data)
    if job.dst is None:
        table.decode(data)
    else:
        kind, job = _target(job, options, found.kind)
        made, is_done = files.begin(job, notes, options)
        if is_done:
            return
        if made is None:
            made = _save(table.decode(data), kind)
            files.save(job, made, options)
        notes.n_out = len(made)
        if options.rm:
            verify.remove(job, notes, options, lambda: verify.read_back(job, made))
    notes.say(
        job.src,
        f"{found.rows} rows of {len(found.names)} columns from {len(data)} bytes"
        + ("" if job.dst else ", sound"),
    )


def _target(job: Job, options: Any, kind: str) -> tuple[str, Job]:
    """The format of an output, and its name: other than a picture's."""
    extension = os.path.splitext(job.dst)[1].lower()
    named = options.output and extension in names.TABLES
    if options.format:
        wanted = f".{options.format.lstrip('.').lower()}"
        if wanted not in names.TABLES:
            raise Refusal(f"is a table; --format {wanted[1:]} is none of a table")
    elif named:
        wanted = extension
    else:
        wanted = f".{_DEFAULT.get(kind, 'parquet')}"
        if job.dst != STREAM and not options.output and extension == ".png":
            job = Job(job.src, job.dst[: -len(extension)] + wanted)
    return wanted[1:], job


def _save(loaded: Any, kind: str) -> bytes:
    """The bytes of a file of a table."""
    out = io.BytesIO()
    if kind == "npy":
        import numpy as np

        if not isinstance(loaded, np.ndarray):
            raise Refusal("has columns of several types; write csv or parquet")
        np.save(out, loaded, allow_pickle=False)
        return out.getvalue()
    pa = _pyarrow()
    made = _as_arrow(loaded, pa)
    try:
        if kind == "parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(made, out, compression="zstd")
        elif kind in ("feather", "arrow"):
            with pa.ipc.new_file(out, made.schema) as writer:
                writer.write_table(made)
        else:
            from pyarrow import csv

            csv.write_csv(
                made,
                out,
                csv.WriteOptions(delimiter="\t" if kind == "tsv" else ",", quoting_style="needed"),
            )
    except pa.ArrowException as error:
        raise Refusal(f"cannot be written as {kind}: {error}") from error
    return out.getvalue()


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
