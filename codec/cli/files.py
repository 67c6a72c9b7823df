"""Inputs of the commands, and outputs: standard streams, URLs, devices and files."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import stat
import sys
from collections.abc import Iterator

from ..errors import CodecError, FormatError, InputError, LimitError
from ..io import atomic, urls
from .jobs import STREAM, Job
from .report import Refusal

TYPE_CHECKING = False  # typing takes long to load, and --help comes by here
if TYPE_CHECKING:
    from typing import BinaryIO

    from .notes import Notes

MAX_BYTES = 1 << 30  # of one input held in memory
EXISTS = "exists; use -f"
_COARSE_S = 2  # file systems round times so much


@contextlib.contextmanager
def source(name: str) -> Iterator[BinaryIO]:
    """Open an input for reading.

    Parameters
    ----------
    name : str
        A path, or ``-`` for standard input.

    Yields
    ------
    binary file
        Seekable, at its beginning.
    """
    if name == STREAM:
        if sys.stdin is None or sys.stdin.isatty():
            raise Refusal("is a terminal; name a file or use a pipe")
        yield io.BytesIO(take(sys.stdin.buffer))
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(urls.open_anywhere(name))
        except IsADirectoryError:
            raise Refusal("is a directory; use -r for what is in it") from None
        yield file if file.seekable() else io.BytesIO(take(file))


def take(file: BinaryIO) -> bytes:
    """All bytes of a file, if they are fewer than ``MAX_BYTES``."""
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise LimitError(f"larger than {MAX_BYTES} bytes")
    return data


def is_aec(file: BinaryIO) -> bool:
    """Whether a seekable file begins like an ``.aec`` file."""
    from ..container import MAGIC

    head = file.read(len(MAGIC))
    file.seek(0)
    return head == MAGIC


def is_stack(file: BinaryIO) -> bool:
    """Whether a seekable file is an ``.aec`` file of several pictures."""
    from ..container import read_head, read_header

    try:
        return is_aec(file) and read_header(read_head(file)).is_stack
    except CodecError:  # whatever reads it whole says what is wrong
        return False
    finally:
        file.seek(0)


def load_aec(name: str) -> bytes:
    """All bytes of what begins like an ``.aec`` file."""
    with source(name) as file:
        return take_aec(file)


def take_aec(file: BinaryIO) -> bytes:
    """The same of a seekable file."""
    if not is_aec(file):
        raise FormatError("not an .aec file")
    return take(file)


def picture_format(name: str, extension: str | None = None) -> str:
    """Pillow's name of the format to write.

    Parameters
    ----------
    name : str
        Output; its extension decides, PNG if it has none.
    extension : str or None
        What ``--format`` says; goes before ``name``.

    Raises
    ------
    Refusal
        Pillow writes no such format.
    """
    from ..picture import format_of

    if extension is not None:
        name = f"--format.{extension.lstrip('.')}"
    try:
        return format_of(name)
    except InputError as error:
        raise Refusal(f"{error}; try --format png", name if extension is None else None) from None


def refuse(src: str, dst: str, force: bool) -> None:
    """Raise if ``dst`` must not be written, before any work is done."""
    if dst == STREAM:
        if not force and sys.stdout is not None and sys.stdout.isatty():
            raise Refusal("is a terminal; use -o or -f", "standard output")
        return
    if urls.is_url(dst):
        if not force and urls.exists(dst):
            raise Refusal(EXISTS, dst)
        return
    if os.path.isdir(dst):
        raise Refusal("is a directory; name a file in it", dst)
    if os.path.exists(src) and os.path.exists(dst) and os.path.samefile(src, dst):
        raise Refusal("is both input and output; name another output", dst)
    if not force and os.path.lexists(dst) and not is_device(dst):
        raise Refusal(EXISTS, dst)


def made_before(job: Job, options: argparse.Namespace) -> bytes | None:
    """The output of a job, where an earlier command has made it.

    Parameters
    ----------
    job : Job
    options : argparse.Namespace

    Returns
    -------
    bytes or None
        The whole file, sound; None where there is none, or ``-f`` makes it
        again.

    Raises
    ------
    Refusal
        It is there, but older than its input or damaged.
    """
    src, dst = job
    if not options.skip_existing or options.force or STREAM in job:
        return None
    if urls.is_url(dst):
        if not urls.exists(dst):
            return None
    elif not os.path.isfile(dst) or os.path.samefile(src, dst):
        return None
    elif _mtime(dst) + _COARSE_S * options.preserve < _mtime(src):
        raise Refusal("exists, and is older than its input; use -f", dst)
    with source(dst) as file:
        data = take(file)
    if not _is_sound(data, options):
        raise Refusal("exists, and is damaged; use -f", dst)
    return data


def begin(job: Job, notes: Notes, options: argparse.Namespace) -> tuple[bytes | None, bool]:
    """What an earlier command has made of a job, and whether nothing is left to do.

    Parameters
    ----------
    job : Job
        With an output.
    notes : Notes
        Told whether it was made before.
    options : argparse.Namespace

    Raises
    ------
    Refusal
        The output must not be written.
    """
    made = made_before(job, options)
    notes.before = made is not None
    if made is None:
        refuse(job.src, job.dst, options.force)
    return made, notes.before and not options.rm


def _mtime(name: str) -> float:
    return float("-inf") if urls.is_url(name) else os.stat(name).st_mtime


def _is_sound(data: bytes, options: argparse.Namespace) -> bool:
    """Whether checksums and lengths of an output are right."""
    try:
        if options.mode == "compress":
            from ..container import unpack

            unpack(data)
        else:
            from PIL import Image

            with Image.open(io.BytesIO(data)) as image:
                image.verify()
    except Exception:  # Pillow's are of many types
        return False
    return True


def save(job: Job, data: bytes | memoryview, options: argparse.Namespace) -> None:
    """Write the output of a job as the options say."""
    if options.output_dir is not None and not urls.is_url(job.dst):
        folder = os.path.dirname(job.dst)
        try:
            os.makedirs(folder, exist_ok=True)
        except FileExistsError:
            raise Refusal("is no directory", folder) from None
    write(
        job.dst,
        data,
        src=job.src,
        force=options.force,
        times=options.preserve,
        sync=options.rm,
    )


def save_smaller(
    job: Job, data: bytes | memoryview, notes: Notes, options: argparse.Namespace
) -> bool:
    """Write an output; what is not smaller than its input is told, or left.

    Parameters
    ----------
    job : Job
    data : bytes
    notes : Notes
        ``n_in`` is the size of the input.
    options : argparse.Namespace

    Returns
    -------
    bool
        Whether it is written.
    """
    notes.larger = len(data) >= notes.n_in
    if notes.larger and options.skip_larger:
        notes.say(
            job.src,
            f"{notes.n_in} bytes; left as it is, as it would have {len(data)}",
        )
        notes.n_in = 0
        return False
    if not notes.before:
        save(job, data, options)
    notes.n_out = len(data)
    if notes.larger:
        notes.warn(
            job.src,
            f"not smaller: {notes.n_in} to {len(data)} bytes; try a lower "
            "quality, or --skip-larger",
        )
    return True


def times(start: float, read: float, coded: float, written: float) -> str:
    """Seconds of the three stages, for ``-vv``."""
    return f"read {read - start:.3f} s, code {coded - read:.3f} s, write {written - coded:.3f} s"


def write(
    dst: str,
    data: bytes | memoryview,
    *,
    src: str = STREAM,
    force: bool = False,
    times: bool = False,
    sync: bool = False,
) -> None:
    """Write one output, whole or not at all.

    Parameters
    ----------
    dst : str
        A path, or ``-`` for standard output.
    data : bytes
    src : str
        The input; its permission bits are copied.
    force : bool
        Replace ``dst`` if it exists.
    times : bool
        Copy the times of ``src`` as well.
    sync : bool
        Return when the bytes are on the disk.

    Raises
    ------
    Refusal
        ``dst`` exists and ``force`` is not set.
    OSError
        With ``filename``; nothing is left behind.
    """
    try:
        if dst == STREAM:
            if sys.stdout is None:
                raise OSError(errno.EBADF, "is closed")
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        elif urls.is_url(dst):
            urls.write(dst, bytes(data))
        elif is_device(dst):  # /dev/null, a pipe: nothing to replace
            with open(dst, "wb") as file:
                file.write(data)
        else:
            atomic.write(
                dst,
                data,
                exclusive=not force,
                like=None if src == STREAM else src,
                times=times,
                sync=sync,
            )
    except FileExistsError:
        raise Refusal(EXISTS, dst) from None
    except OSError as error:
        error.filename = "standard output" if dst == STREAM else dst
        raise


def is_device(path: str) -> bool:
    """Whether a path is there and is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
