"""The record of one job: its lines, sizes and times."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Protocol

from . import report

if TYPE_CHECKING:  # numpy takes long to load
    from ..decoder import Decoder
    from ..encoder import Encoder
    from ..types import Array


class Coder(Protocol):
    """What all jobs of a process share (`work.Coder`)."""

    options: argparse.Namespace

    @property
    def encoder(self) -> Encoder:
        """With the options of the command line."""

    @property
    def decoder(self) -> Decoder:
        """With the options of the command line."""


class Notes:
    """What happened to one job; travels from a worker to the report.

    Attributes
    ----------
    lines : list of (kind, name, text)
        ``kind`` is "error", "warning" or "say".
    pixels, n_in, n_out : int
        Pixels, bytes read, bytes written.
    failed : bool
    warned : bool
    before : bool
        An earlier command has made the output.
    larger : bool
        The output is not smaller than the input.
    worse : bool
        The output looks far worse than its quality promises.
    found : (str, ndarray) or None
        Model and rows of features, where they were asked for.
    """

    def __init__(self, verbose: int = 0) -> None:
        self.verbose = verbose
        self.lines: list[tuple[str, str | None, str]] = []
        self.pixels = self.n_in = self.n_out = 0
        self.failed = self.warned = self.before = self.larger = self.worse = False
        self.found: tuple[str, Array] | None = None

    def error(self, name: str | None, error: BaseException) -> None:
        """The job has failed."""
        self.failed = True
        text = report.describe(error)
        if self.verbose > 1:
            import traceback

            text += report.TRACEBACK + "".join(traceback.format_exception(error))
        self.lines.append(("error", name, text))

    def warn(self, name: str | None, text: str) -> None:
        """Something that the user must know, though it went on."""
        self.warned = True
        self.lines.append(("warning", name, text))

    def say(self, name: str | None, text: str, level: int = 1) -> None:
        """Something that was asked for with ``-v``."""
        if self.verbose >= level:
            self.lines.append(("say", name, text))
