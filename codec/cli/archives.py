"""Archives of zip and tar: their members as inputs, and outputs as members.

An archive is a folder for as long as the command runs: one that is read is
unpacked, as far as its members are inputs; one that is written is made of its
folder in one step at the end. Messages name the archive.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import os
from collections.abc import Callable, Iterator

from .report import ALIASES, Refusal, UsageError

TYPE_CHECKING = False  # typing takes long to load, and --help comes by here
if TYPE_CHECKING:
    from typing import IO, Any

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def is_archive(name: str | None) -> bool:
    """Whether a name is that of an archive."""
    return name is not None and name.lower().endswith(_ZIP + _TAR)


def prepare(options: argparse.Namespace, wanted: Callable[[str], bool]) -> None:
    """Let folders take the place of archives among inputs and as output.

    Parameters
    ----------
    options : argparse.Namespace
        ``files`` and ``output_dir`` are changed; ``archive`` is the output.
    wanted : function of str
        Whether a member's name is that of an input.

    Raises
    ------
    Refusal
        An archive cannot be read, or that to be written exists.
    UsageError
        Outputs would have no place.
    """
    options.archive = None
    for i, name in enumerate(options.files):
        if options.recursive and is_archive(name) and os.path.isfile(name):
            if options.mode in ("compress", "decompress") and not (
                options.output_dir or options.stack
            ):
                raise UsageError(f"{name} is an archive, and needs --output-dir")
            if options.rm:
                raise UsageError(f"{name} is an archive; --rm is for files")
            options.files[i] = _unpack(name, wanted)
    name = options.output_dir
    if not is_archive(name) or os.path.isdir(name):
        return
    if os.path.lexists(name) and not options.force:
        raise Refusal("exists; use -f", name)
    folder, last = os.path.split(name)
    options.archive = name
    options.output_dir = os.path.join(folder, f".{last[:50]}.{os.urandom(6).hex()}.part")
    ALIASES[options.output_dir] = name


@contextlib.contextmanager
def written(options: argparse.Namespace) -> Iterator[None]:
    """Make the archive of what is written within, if one is wanted."""
    try:
        yield
        if options.archive is not None and os.path.isdir(options.output_dir):
            _pack(options.output_dir, options.archive)
    finally:
        for folder in list(ALIASES):
            _remove(folder)


def _remove(folder: str) -> None:
    import shutil  # it is slow to load

    ALIASES.pop(folder, None)
    shutil.rmtree(folder, ignore_errors=True)


def _unpack(name: str, wanted: Callable[[str], bool]) -> str:
    """Write the inputs in an archive to a new folder; returns its name."""
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="aecompress-")
    ALIASES[folder] = name
    atexit.register(_remove, folder)
    try:
        for member, file in _members(name, wanted):
            parts = member.replace("\\", "/").split("/")
            if ".." in parts or os.path.isabs(member):
                raise Refusal(f"holds {member}, which would leave its folder", name)
            path = os.path.join(folder, *parts)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as out:
                shutil.copyfileobj(file, out)
    except (Refusal, OSError):
        raise
    except Exception as error:  # of broken archives, of many types
        raise Refusal(f"cannot be read: {type(error).__name__}: {error}", name) from error
    return folder


def _members(name: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and contents of the files in an archive that are inputs."""
    if name.lower().endswith(_ZIP):
        import zipfile

        with zipfile.ZipFile(name) as archive:
            for info in archive.infolist():
                if not info.is_dir() and wanted(info.filename):
                    with archive.open(info) as file:
                        yield info.filename, file
        return
    import tarfile

    with tarfile.open(name) as archive:
        for one in archive:
            content = archive.extractfile(one) if one.isfile() else None
            if content is not None and wanted(one.name):
                yield one.name, content


def _pack(folder: str, name: str) -> None:
    """Write what is in a folder as an archive, whole or not at all."""
    members = sorted(
        (os.path.relpath(path, folder), path)
        for top, _, found in os.walk(folder)
        for path in (os.path.join(top, one) for one in found)
    )
    whole = folder + os.path.splitext(name)[1]  # of which tarfile makes the same
    try:
        if name.lower().endswith(_ZIP):
            import zipfile

            with zipfile.ZipFile(whole, "w") as out:  # stored: they are packed
                for inner, path in members:
                    out.write(path, inner)
        else:
            import tarfile

            kind = os.path.splitext(name)[1][1:].replace("tgz", "gz").lower()
            mode: Any = f"w:{'' if kind == 'tar' else kind}"
            with tarfile.open(whole, mode) as out:
                for inner, path in members:
                    out.add(path, inner)
        os.replace(whole, name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(whole)
