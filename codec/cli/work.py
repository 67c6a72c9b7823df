"""One job from start to end, in this process or in a worker of the pool."""

import functools
import os
import warnings

from ..io import urls
from . import report


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
    found : (str, ndarray) or None
        Model and rows of features, where they were asked for.
    """

    def __init__(self, verbose=0):
        self.verbose = verbose
        self.lines = []
        self.pixels = self.n_in = self.n_out = 0
        self.failed = self.warned = False
        self.found = None

    def error(self, name, error):
        """The job has failed."""
        self.failed = True
        text = report.describe(error)
        if self.verbose > 1:
            import traceback

            text += report.TRACEBACK + "".join(traceback.format_exception(error))
        self.lines.append(("error", name, text))

    def warn(self, name, text):
        """Something that the user must know, though it went on."""
        self.warned = True
        self.lines.append(("warning", name, text))

    def say(self, name, text, level=1):
        """Something that was asked for with ``-v``."""
        if self.verbose >= level:
            self.lines.append(("say", name, text))


class Coder:
    """What all jobs of a process share: the options, the model loaded once.

    Parameters
    ----------
    options : argparse.Namespace
    """

    def __init__(self, options):
        self.options = options

    @functools.cached_property
    def encoder(self):
        """Made after the first refusals, before the first picture."""
        from codec import Encoder

        return Encoder(model=self.options.model, threads=self.options.threads)

    @functools.cached_property
    def decoder(self):
        """Made when the first file is decoded or read back."""
        from codec import Decoder

        return Decoder(model=self.options.model, threads=self.options.threads)

    def run(self, job, progress=None):
        """Run one job.

        Parameters
        ----------
        job : Job
        progress : function of (float, int), or None
            Told the share that is done, and the pixels of the whole.

        Returns
        -------
        Notes
            Failures are in it; only a closed pipe, an interrupt and the
            like come out as exceptions.
        """
        from ..errors import ConversionWarning
        from . import compress, decompress, features, stack

        act = {"compress": compress.compress, "features": features.describe}.get(
            self.options.mode, decompress.decompress
        )
        if self.options.stack:
            act = stack.compress
        notes = Notes(self.options.verbose)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ConversionWarning)
            warnings.showwarning = lambda message, *_, **__: notes.warn(
                job.src, str(message)
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


def remove(job, notes, check):
    """Remove the input of a job whose output is written.

    Parameters
    ----------
    job : Job
    notes : Notes
        After a warning the input stays, for it may hold what was left out.
    check : function
        Raises if the output is not all that it should be.
    """
    if notes.warned:
        notes.warn(job.src, "input kept, because of the warning before")
    elif urls.is_url(job.src):
        check()
        urls.remove(job.src)
    elif os.path.islink(job.src):
        notes.warn(job.src, "input kept, as it is a link")
    else:
        check()
        os.unlink(job.src)
