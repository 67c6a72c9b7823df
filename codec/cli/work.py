"""One job from start to end, in this process or in a worker of the pool."""

from __future__ import annotations

import argparse
import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from .jobs import KEPT, Job
from .notes import Notes

if TYPE_CHECKING:  # numpy takes long to load
    from ..decoder import Decoder
    from ..encoder import Encoder


class Coder:
    """What all jobs of a process share: the options, the model loaded once.

    Parameters
    ----------
    options : argparse.Namespace
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    @functools.cached_property
    def encoder(self) -> Encoder:
        """Made after the first refusals, before the first picture."""
        from ..encoder import Encoder

        return Encoder(options=self.options.encode, threads=self.options.threads)

    @functools.cached_property
    def decoder(self) -> Decoder:
        """Made when the first file is decoded or read back."""
        from ..decoder import Decoder

        return Decoder(options=self.options.decode, threads=self.options.threads)

    def run(self, job: Job, progress: Callable[[float, int], object] | None = None) -> Notes:
        """Run one job.

        Parameters
        ----------
        job : Job
        progress : function of (float, int), or None
            Told the share that is done, and the pixels of the whole.

        Returns
        -------
        notes : Notes
            Failures are in it; only a closed pipe, an interrupt and the
            like come out as exceptions.
        """
        from ..errors import ConversionNote, ConversionWarning
        from . import compress, decompress, features, stack

        act = {"compress": compress.compress, "features": features.describe}.get(
            self.options.mode, decompress.decompress
        )
        if self.options.format == KEPT:
            act = decompress.write_kept
        if self.options.mode == "compare":
            from .compare import compare as act  # it loads Pillow's fonts
        if self.options.stack:
            act = stack.compress
        notes = Notes(self.options.verbose)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ConversionWarning)
            warnings.showwarning = lambda message, *_, **__: (
                notes.say(job.src, f"note: {message}", level=0)
                if isinstance(message, ConversionNote)
                else notes.warn(job.src, str(message))
            )
            try:
                act(
                    self,
                    job,
                    notes,
                    progress and (lambda share: progress(share, notes.pixels)),
                )
            except BrokenPipeError:
                raise
            except Exception as error:
                notes.error(getattr(error, "filename", None) or job.src, error)
        return notes
