"""From the arguments of a command to its exit code.

The contract: 0 good, 1 error, 2 warnings only; 130 interrupted; 141 the reader
of standard output went away. A failed file does not stop the next one, and the
worst exit wins.
"""

import hashlib
import json
import os
import signal
import sys
import warnings
from importlib import metadata
from pathlib import Path

import codec
from ..errors import CodecError
from .compress import compressor
from .decompress import decompressor, lister, picture_format
from .options import parse, parser
from .report import ERROR, Refusal, Report, UsageError

MODELS = Path(__file__).parent.parent / "models"


def aecompress():
    """The command ``aecompress``."""
    return main("aecompress", sys.argv[1:])


def aedecompress():
    """The command ``aedecompress``."""
    return main("aedecompress", sys.argv[1:])


def main(prog, argv):
    """Run one command.

    Parameters
    ----------
    prog : {"aecompress", "aedecompress"}
    argv : list of str

    Returns
    -------
    int
        The exit code.
    """
    for name in ("SIGTERM", "SIGHUP"):  # so that half an output is removed
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda n, frame: sys.exit(128 + n))
    try:
        try:
            return _run(prog, argv)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _forget_stdout()
        return 141
    except OSError as error:  # help or a version that cannot be written
        _forget_stdout()
        Report(prog).error("standard output", error)
        return ERROR


def _forget_stdout():
    # Python flushes once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(prog, argv):
    report = Report(prog)
    try:
        options = parse(prog, argv)
        if options.help:  # argparse would hide a closed pipe
            print(parser(prog).format_help(), end="")
            return report.exit
        if options.version:
            print(versions(prog))
            return report.exit
        _check_names(options)
    except (UsageError, Refusal, CodecError) as error:
        report.error(getattr(error, "filename", None), error)
        return report.exit
    report.verbose, report.quiet = options.verbose, options.quiet
    end = None
    if options.mode == "compress":
        action = compressor(options, report)
    elif options.mode == "list":
        action, end = lister(options)
    else:
        action = decompressor(options, report)
    for job in options.jobs:
        _attempt(action, job, report)
    if end:
        end()
    return report.exit


def _check_names(options):
    """Refuse unknown formats and models before anything is read."""
    if options.format is not None:
        picture_format("-", options.format)
    if options.model is not None:
        from ..model import bundle
        bundle.load(options.model)


def _attempt(action, job, report):
    """Run one job; say what went wrong, on one line."""
    from ..errors import ConversionWarning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ConversionWarning)
        try:
            action(job)
        except BrokenPipeError:
            raise
        except Exception as error:
            report.error(getattr(error, "filename", None) or job.src, error)
    for warning in caught:
        report.warn(job.src, str(warning.message))


def versions(prog):
    """Versions of program, format, engine and models, one a line.

    Cheap: read from what is installed, without loading any of it.
    """
    try:
        engine = metadata.version("onnxruntime")
    except metadata.PackageNotFoundError:
        engine = "missing"
    lines = [f"{prog} {codec.__version__}", "format 1",
             f"onnxruntime {engine}"]
    for path in sorted(MODELS.glob("*/model.json")):
        text = path.read_bytes()
        model_id = hashlib.sha256(text).hexdigest()[:16]
        lines.append(f"model {path.parent.name} {model_id}, "
                     f"opset {json.loads(text)['opset']}")
    return "\n".join(lines)
