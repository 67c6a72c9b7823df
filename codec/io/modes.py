"""Permissions of a new file: never wider than those of the file it comes from.

===============  ========================================================
`at_first`       the mode to create a file with
`copy`           the permissions that it then gets
`times`          the times of its source, where they are wanted
`sync`           its bytes on the disk, where there is one
===============  ========================================================

Some mounts refuse all of that (CIFS, FUSE, object stores). That is no reason
not to write.
"""

import contextlib
import errno
import os
import stat
import warnings

from ..errors import ConversionWarning

_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def _source(like: str | os.PathLike[str] | None) -> os.stat_result | None:
    """Status of the file whose permissions count; none of a pipe or a URL."""
    if like is None:
        return None
    try:
        status = os.stat(like)
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def at_first(like: str | os.PathLike[str] | None) -> int:
    """The mode to create a file with.

    A copy must not be more readable than the original, not even briefly.
    Without an original, the system's umask decides, which a program with
    threads can only leave to the system.
    """
    return 0o600 if _source(like) else 0o666


def copy(fd: int, like: str | os.PathLike[str] | None) -> None:
    """Give an open file the permissions of another.

    Where it cannot have the group of the other, its own group may no more
    than all others may.
    """
    status = _source(like)
    if status is None or not hasattr(os, "fchmod"):
        return
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if os.fstat(fd).st_gid != status.st_gid:
        try:
            os.fchown(fd, -1, status.st_gid)
        except OSError:
            mode &= 0o707 | (mode & 0o007) << 3
    with contextlib.suppress(OSError):
        os.fchmod(fd, mode)


def times(path: str, like: str | os.PathLike[str]) -> None:
    """Give a file the times of another; warns where that cannot be."""
    status = _source(like)
    if status is None:
        return
    try:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError:
        warnings.warn("the times cannot be kept there", ConversionWarning, stacklevel=2)


def sync(fd: int) -> None:
    """Wait until the bytes are on the disk, where the file system can tell."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
