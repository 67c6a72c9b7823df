"""Every line on stderr, and the exit code.

A line says program, file, where, what, remedy.
"""

import os
import sys
import traceback

from ..errors import CodecError, FormatError

GOOD, ERROR, WARNING = 0, 1, 2


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

    def __init__(self, message, name=None):
        super().__init__(message)
        self.filename = name


class Report:
    """What a run has to say.

    Parameters
    ----------
    prog : str
        Name of the command, first on every line.
    verbose : int
        1: a line per file; 2: times and tracebacks as well.
    quiet : int
        1: no warnings; 2: no errors either.

    Attributes
    ----------
    exit : {0, 1, 2}
        The worst that happened: 1 before 2 before 0.
    """

    def __init__(self, prog, verbose=0, quiet=0):
        self.prog = prog
        self.verbose = verbose
        self.quiet = quiet
        self.exit = GOOD

    def error(self, name, error):
        """Count an error, given as text or exception, and say it."""
        self.exit = ERROR
        if self.quiet < 2:
            self._line(name, describe(error))
            if self.verbose > 1 and isinstance(error, BaseException):
                traceback.print_exception(error)

    def warn(self, name, text):
        """Count a warning and say it."""
        self.exit = self.exit or WARNING
        if not self.quiet:
            self._line(name, f"warning: {text}")

    def say(self, name, text, level=1):
        """Say something that was asked for with ``-v``."""
        if self.verbose >= level:
            self._line(name, text)

    def _line(self, name, text):
        parts = [self.prog] + ([display(name)] if name else []) + [text]
        # One line whatever a file's name or a library's message holds.
        line = " ".join(": ".join(parts).split("\n"))
        try:
            print(line, file=sys.stderr, flush=True)
        except (OSError, ValueError, AttributeError):
            pass  # stderr is closed: the exit code still tells


def display(name):
    """A file name as it can be printed anywhere."""
    if name == "-":
        return "standard input"
    return os.fspath(name).encode("utf-8", "replace").decode("utf-8")


def describe(error):
    """An error as the end of a line: where, what, remedy."""
    if isinstance(error, FormatError) and error.offset is not None:
        return f"at byte {error.offset}: {error}"
    if isinstance(error, (str, CodecError, Refusal, UsageError)):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    if isinstance(error, MemoryError):
        return "out of memory; try a smaller picture"
    return f"internal error, please report: {type(error).__name__}: {error}"
