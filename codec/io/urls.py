"""Pictures and files anywhere: paths, URLs, file objects.

A URL is what fsspec opens (``s3://``, ``memory://``, ``zip://a.png::b.zip``)
and needs the extra ``[remote]``; what it needs beyond that, as s3fs, is told
when it is missing. Everything else is a local path, also ``std::vector.png``.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from ..errors import CodecError, InputError, UnsupportedError
from . import atomic, names

TYPE_CHECKING = False  # typing takes long to load, and --help comes by here
if TYPE_CHECKING:
    from typing import Any, BinaryIO, TypeGuard

    from ..types import Buffer, File

# Two letters at least: "C:" is a drive. In a chain some part has "://".
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::.*://)")


def is_url(name: object) -> bool:
    """Whether a name is a URL rather than a local path."""
    return isinstance(name, str) and bool(_URL.match(name))


def is_source(value: object) -> TypeGuard[str | os.PathLike[str] | BinaryIO]:
    """Whether a value names or is a file, rather than its content."""
    return isinstance(value, (str, os.PathLike)) or hasattr(value, "read")


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it.

    Raises
    ------
    UnsupportedError
        fsspec, or what it needs for this URL, is not installed.
    InputError
        No such kind of URL.
    """
    try:
        import fsspec
    except ImportError as error:
        raise UnsupportedError("URLs need fsspec: pip install fsspec", url) from error
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise UnsupportedError(f"{url}: {error}", url) from error
    except ValueError as error:
        raise InputError(f"{url}: {error}") from error
    except OSError:
        raise
    except Exception as error:  # of a broken archive, of many types
        raise InputError(f"{url}: {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _errors(url: str) -> Iterator[None]:
    """What fsspec raises, of many types, as errors that say the URL.

    Broken archives give those of zipfile, tarfile and zlib, and TypeErrors;
    stores those of their clients.
    """
    try:
        yield
    except (CodecError, MemoryError):
        raise
    except OSError as error:
        error.filename = url
        raise
    except Exception as error:
        raise InputError(f"{url}: cannot be read: {type(error).__name__}: {error}") from error


class _File:
    """A file at a URL, with our errors."""

    def __init__(self, file: BinaryIO, url: str, fs: Any) -> None:
        # An archive closes its own file with its last reference.
        self._file, self._url, self._fs = file, url, fs

    def read(self, n: int = -1) -> bytes:
        with _errors(self._url):
            return self._file.read(n)

    def seek(self, *where: int) -> int:
        with _errors(self._url):
            return self._file.seek(*where)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return self._file.seekable()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_anywhere(name: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading, at a path or a URL.

    The functions of this package take paths, but no URLs: a name that comes
    from elsewhere must not make them fetch something.

    Parameters
    ----------
    name : str or os.PathLike

    Returns
    -------
    binary file
        To be closed, or used with ``with``.

    Raises
    ------
    UnsupportedError
        fsspec, or what it needs for this URL, is not installed.
    InputError
        No such kind of URL.
    OSError
        The file cannot be opened.

    Examples
    --------
    >>> import codec
    >>> with codec.open("examples/budgerigar.png") as file:
    ...     data = codec.encode(file, effort=1)
    >>> codec.info(data).is_stack
    False
    """
    if not isinstance(name, str) or not is_url(name):
        return open(name, "rb")
    fs, path = file_system(name)
    with _errors(name):
        file: Any = _File(fs.open(path, "rb"), name, fs)
    return file


@contextlib.contextmanager
def opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """A binary file to read from.

    Parameters
    ----------
    source : str, os.PathLike or binary file
        A file object is left open, where it stands.

    Raises
    ------
    InputError
        A URL: nothing is fetched that the caller did not open.
    """
    if not isinstance(source, (str, os.PathLike)):
        yield source
        return
    if is_url(source):
        raise InputError(f"{source} is a URL; open it with codec.open")
    with open(source, "rb") as file:
        yield file


def contents(data: File) -> Buffer:
    """All bytes of a file, named or open; other values as they are."""
    if is_source(data):
        with opened(data) as file:
            return file.read()
    content: Any = data
    return content


def exists(url: str) -> bool:
    """Whether there is a file at a URL."""
    fs, path = file_system(url)
    with _errors(url):
        return fs.exists(path)


def remove(url: str) -> None:
    """Remove the file at a URL."""
    fs, path = file_system(url)
    fs.rm_file(path)


def walk(url: str) -> list[str]:
    """The URLs of all files below one, sorted."""
    fs, path = file_system(url)
    scheme, *chain = url.split("::")
    scheme = scheme.split("://")[0]
    with _errors(url):
        found = fs.find(path)
    return [
        "::".join([f"{scheme}://{name}", *chain])
        for name in sorted(
            name if getattr(fs, "local_file", False) else name.lstrip("/") for name in found
        )
    ]


def target(
    name: str,
    suffix: str,
    folder: str | None = None,
    top: str | None = None,
    whole: bool = False,
) -> str:
    """The output of an input, where one of the two is a URL.

    Parameters
    ----------
    name : str
        The input.
    suffix : str
        Of the output.
    folder : str or None
        Path or URL to write to; None: beside the input.
    top : str or None
        What was searched for the input: what is below it is repeated below
        ``folder``.
    whole : bool
        As of `names.output`.

    Raises
    ------
    InputError
        Nothing can be written beside the input, or it would be written
        elsewhere than in the folder.
    """
    name, *chain = name.split("::")
    output = names.output(name, suffix, whole)
    if folder is None:
        if chain:
            raise InputError(f"{name} lies in an archive; say where to write (-o, --output-dir)")
        return output
    output = output.replace(os.sep, "/")
    if top is not None:
        start = top.split("::")[0].replace(os.sep, "/").rstrip("/") + "/"
    if top is not None and output.startswith(start):
        inner = output.removeprefix(start).lstrip("/")
    else:
        inner = output.rsplit("/", 1)[-1]
    if ".." in inner.split("/"):  # as the names in an archive may say
        raise InputError(f"{name} would be written outside of {folder}")
    return f"{folder.rstrip('/')}/{inner}"


def write(target: str | os.PathLike[str] | BinaryIO, data: bytes) -> None:
    """Write a file whole or not at all, in the place of an old one.

    Parameters
    ----------
    target : str, os.PathLike or binary file
        A local file gets its name when its bytes are on the disk; a store of
        objects shows an object when all of it has arrived.
    data : bytes
    """
    if not isinstance(target, (str, os.PathLike)):
        target.write(data)
    elif isinstance(target, str) and is_url(target):
        _put(target, data)
    else:
        atomic.write(target, data)


def _put(url: str, data: bytes) -> None:
    fs, path = file_system(url)
    local = getattr(fs, "local_file", False)
    if local:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        atomic.write(path, data)
        return
    if "::" not in url:
        with contextlib.suppress(NotImplementedError):
            fs.makedirs(fs._parent(path), exist_ok=True)
    try:
        fs.pipe_file(path, data)
    except (NotImplementedError, ValueError) as error:  # as in an archive
        raise UnsupportedError(f"{url}: cannot be written to", url) from error
