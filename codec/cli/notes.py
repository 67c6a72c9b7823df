"""What happened to one job."""

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
