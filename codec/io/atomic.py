"""Local files that appear whole or not at all.

Where the system can do that, a new file is written without a name, else under
that of a sibling, ``.NAME.*.part``. It then gets its name in one step: by a hard
link, so that nothing is replaced by accident, not even a file that appeared a
moment ago; by a rename where it is to replace a file. Killed at any moment, a
program leaves the old file, none, or the whole new one, and at worst a ``.part``.
"""

from __future__ import annotations

import contextlib
import os

from . import modes

TYPE_CHECKING = False  # typing takes long to load, and --help comes by here
if TYPE_CHECKING:
    from typing import BinaryIO


def write(
    path: str | os.PathLike[str],
    data: bytes | memoryview,
    *,
    exclusive: bool = False,
    like: str | os.PathLike[str] | None = None,
    times: bool = False,
    sync: bool = True,
) -> None:
    """Write a local file.

    Parameters
    ----------
    path : str or os.PathLike
    data : bytes-like
    exclusive : bool
        Raise FileExistsError rather than replace a file.
    like : str or os.PathLike, optional
        A file whose permission bits are copied, if it is there.
    times : bool
        Copy its times as well.
    sync : bool
        Return when the bytes are on the disk.

    Raises
    ------
    OSError
        Nothing is left behind.
    """
    folder, name = os.path.split(path)
    folder = folder or os.curdir
    source = like if times else None
    if not (exclusive and _write_nameless(folder, name, data, like, source, sync)):
        sibling = os.path.join(folder, f".{name[:50]}.{os.urandom(6).hex()}.part")
        fd = _create(sibling, like)
        try:
            with open(fd, "wb") as file:
                _fill(file, data, like, sync)
            if source is not None:
                modes.times(sibling, source)
            _place(sibling, path, exclusive)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(sibling)
            raise
    if sync and hasattr(os, "O_DIRECTORY"):
        _sync_folder(folder)


def _create(path: str | os.PathLike[str], like: str | os.PathLike[str] | None) -> int:
    """Open a new file for writing, to be as readable as ``like`` at most."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, modes.at_first(like))


def _fill(
    file: BinaryIO,
    data: bytes | memoryview,
    like: str | os.PathLike[str] | None,
    sync: bool,
) -> None:
    file.write(data)
    file.flush()
    modes.copy(file.fileno(), like)
    if sync:
        modes.sync(file.fileno())


def _write_nameless(
    folder: str,
    name: str,
    data: bytes | memoryview,
    like: str | os.PathLike[str] | None,
    times_of: str | os.PathLike[str] | None,
    sync: bool,
) -> bool:
    """Write without a name in between; False where the system cannot do that."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except AttributeError:
        return False
    try:
        fd = os.open(folder, os.O_TMPFILE | os.O_WRONLY, modes.at_first(like))
        with open(fd, "wb") as file:
            _fill(file, data, like, sync)
            if times_of is not None:
                modes.times(f"/proc/self/fd/{fd}", times_of)
            # With a folder given, Python follows the link, as it must.
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=place)
        return True
    except FileExistsError:
        raise
    except (AttributeError, OSError):
        return False
    finally:
        os.close(place)


def _place(sibling: str, path: str | os.PathLike[str], exclusive: bool) -> None:
    """Give a whole new file its name."""
    if exclusive:
        try:
            os.link(sibling, path)  # unlike a rename, replaces nothing
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            os.close(_create(path, None))
        else:
            os.unlink(sibling)
            return
    os.replace(sibling, path)


def _sync_folder(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError:  # some network file systems cannot
        pass
    finally:
        os.close(fd)
