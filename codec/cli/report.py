"""Every line on stderr, and the exit code.

A line says program, file, where, what, remedy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ..errors import CodecError, FormatError

TYPE_CHECKING = False  # typing takes long to load, and --help comes by here
if TYPE_CHECKING:
    from typing import Any

GOOD, ERROR, WARNING = 0, 1, 2
# Folders of our own, and what the user knows them as.
ALIASES: dict[str, str] = {}
_LISTED = 20  # names in a line
TRACEBACK = "\0"  # between a message and a traceback, with -vv


_TEXTS = {
    FileNotFoundError: "no such file or directory",
    PermissionError: "permission denied",
}


class UsageError(Exception):
    """The command line contradicts itself; nothing was read."""


class Refusal(Exception):
    """One file cannot be processed.

    Parameters
    ----------
    message : str
        Why, and what to do.
    name : str or None
        The file it is about, where that is not the input.
    """

    def __init__(self, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.filename = name


class Report:
    """What a run has to say.

    Parameters
    ----------
    prog : str
        Name of the command, first on every line.
    quiet : int
        1: no warnings; 2: no errors either.
    before : function
        Called before each line, to take a progress bar away.

    Attributes
    ----------
    exit : {0, 1, 2}
        The worst that happened: 1 before 2 before 0.
    """

    def __init__(self, prog: str, quiet: int = 0) -> None:
        self.prog = prog
        self.quiet = quiet
        self.before: Callable[[], object] = lambda: None
        self.exit = GOOD

    def error(self, name: str | None, error: str | BaseException) -> None:
        """Count an error, given as text or exception, and say it."""
        self.exit = ERROR
        if self.quiet < 2:
            self._line(name, describe(error))

    def warn(self, name: str | None, text: str) -> None:
        """Count a warning and say it."""
        self.exit = self.exit or WARNING
        if not self.quiet:
            self._line(name, f"warning: {text}")

    def say(self, name: str | None, text: str) -> None:
        """Say something that was asked for."""
        self._line(name, text)

    def take(self, notes: Any) -> None:
        """Say what has happened to a job."""
        for kind, name, text in notes.lines:
            {"error": self.error, "warning": self.warn, "say": self.say}[kind](name, text)

    def _line(self, name: str | None, text: str) -> None:
        text, *traceback = text.split(TRACEBACK)
        parts = [self.prog] + ([display(name)] if name else []) + [text]
        # One line whatever a file's name, its chunks' or a library's message
        # holds, and nothing that a terminal obeys.
        line = " ".join(": ".join(parts).split("\n"))
        line = _known(line)
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
        self.before()
        try:
            print(line, *traceback, sep="\n", file=sys.stderr, flush=True)
        except (OSError, ValueError, AttributeError):
            pass  # stderr is closed: the exit code still tells


def display(name: str | os.PathLike[str]) -> str:
    """A file name as it can be printed anywhere."""
    if name == "-":
        return "standard input"
    return _known(os.fspath(name).encode("utf-8", "replace").decode("utf-8"))


def _known(text: str) -> str:
    for folder, name in ALIASES.items():
        text = text.replace(folder, name)
    return text


def listed(names: list[str], verbose: int = 0) -> str:
    """Names in one line, not more than some unless asked for.

    >>> listed(["a", "b"])
    'a, b'
    """
    shown = names if verbose else names[:_LISTED]
    more = f" and {len(names) - len(shown)} more" if shown != names else ""
    return ", ".join(map(display, shown)) + more


def describe(error: str | BaseException) -> str:
    """An error as the end of a line: where, what, remedy."""
    if isinstance(error, FormatError) and error.offset is not None:
        return f"at byte {error.offset}: {error}"
    if isinstance(error, (str, CodecError, Refusal, UsageError)):
        return str(error)
    if isinstance(error, OSError):  # those of fsspec may have no text
        text = error.strerror or _TEXTS.get(type(error)) or f"cannot be read: {error}"
        return text[0].lower() + text[1:]
    if isinstance(error, MemoryError):
        return "out of memory; try a smaller picture"
    return f"internal error, please report: {type(error).__name__}: {error}"
