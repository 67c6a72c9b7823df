"""Tables: what `aecompress` and `aedecompress` do with them."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import CodecError
from ..io import names
from . import files, table_files, verify
from .jobs import STREAM, Job
from .notes import Coder, Notes
from .report import Refusal

if TYPE_CHECKING:
    from ..progress import Progress
    from ..table import Table

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
    if kind is None:
        return None
    loaded = table_files.load(file, kind)
    is_large = isinstance(loaded, table_files.Parts | table_files.Rows)
    return loaded.whole() if is_large else loaded


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
    options = coder.options
    before, is_done = files.begin(job, notes, options)
    if is_done:
        return
    notes.n_in = file.seek(0, 2)
    file.seek(0)
    with _spool(job.dst) as out:
        if before is None:
            kind = _format_of(file, job.src) or "csv"
            _encode(file, kind, out, max_error(options), options, progress)
        _finish(job, before or _view(out), notes, options)


def _encode(
    file: BinaryIO, kind: str, out: BinaryIO, wanted: Any, options: Any, progress: Progress | None
) -> None:
    """Write the file of a table, in parts if it is large."""
    from .. import table

    effort = options.effort or table.file.EFFORT
    loaded = table_files.load(file, kind)
    if isinstance(loaded, table_files.Parts | table_files.Rows):
        return table.write(loaded, out, wanted, effort=effort)
    out.write(table.encode(loaded, wanted, effort=effort, progress=progress))


def _finish(job: Job, made: bytes | memoryview, notes: Notes, options: Any) -> None:
    """Save the file of a table."""
    from .. import table

    found = table.Table(made).info
    if not options.lossless and not options.max_error and _has_floats(found.types):
        notes.say(
            job.src,
            "note: floats may be off by 0.1 % of their column's range; "
            "--lossless or --max-error says otherwise",
            level=0,
        )
    if not files.save_smaller(job, made, notes, options):
        return
    if options.rm:
        verify.remove(job, notes, options, lambda: _check(job, made, options))
    notes.say(
        job.src,
        f"{found.rows} rows of {len(found.names)} columns to {len(made)} bytes",
    )


def _has_floats(types: tuple[str, ...]) -> bool:
    return any(t in ("double", "float", "halffloat") or t[1:2] == "f" for t in types)


def _check(job: Job, made: bytes | memoryview, options: Any) -> None:
    """Raise if what was written is not there; the encoder compared its values."""
    from .. import table

    _same_bytes(job, made)
    with files.source(job.dst) as file:
        for _ in table.Table(file, options.max_bytes):
            pass


@contextlib.contextmanager
def _spool(dst: str | None) -> Iterator[BinaryIO]:
    """A file without a name, beside the output: what is large is not in memory."""
    folder = os.path.dirname(os.path.abspath(dst)) if dst and dst != STREAM else None
    if folder is not None and not os.access(folder, os.W_OK):
        folder = None
    with tempfile.TemporaryFile(dir=folder) as file:
        yield file


def _view(file: BinaryIO) -> bytes | memoryview:
    """The bytes of a file, without reading them."""
    file.flush()
    if not file.seek(0, 2):
        return b""
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


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
    notes.n_in = file.seek(0, 2)
    table.check(file)
    file.seek(0)
    reader = table.Table(file, options.max_bytes)
    found = reader.info
    if job.dst is None:
        for _ in reader:
            pass
    else:
        kind, job = _target(job, options, found.kind)
        before, is_done = files.begin(job, notes, options)
        if is_done:
            return
        with _spool(job.dst) as out:
            made: bytes | memoryview
            if before is None:
                table_files.save(_parts(reader), found.rows, kind, out)
                made = _view(out)
                files.save(job, made, options)
            else:
                made = before
            notes.n_out = len(made)
            if options.rm:
                verify.remove(job, notes, options, lambda: _same_bytes(job, made))
    notes.say(
        job.src,
        f"{found.rows} rows of {len(found.names)} columns from {notes.n_in} bytes"
        + ("" if job.dst else ", sound"),
    )


def _parts(reader: Table) -> Iterable[Any]:
    """The groups of a large table; of pandas only all of it has an index."""
    if reader.info.kind == "pandas" or len(reader) < 2:
        return [reader.rows()]
    return reader


def _same_bytes(job: Job, made: bytes | memoryview) -> None:
    with files.source(job.dst) as file:
        at, view = 0, memoryview(made)
        while chunk := file.read(1 << 20):
            if chunk != view[at : at + len(chunk)]:
                break
            at += len(chunk)
        if chunk or at != len(view):
            raise Refusal("differs from what was written there; input kept", job.dst)


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
