"""From the arguments of a command to its exit code.

The contract: 0 good, 1 error, 2 warnings only; 130 interrupted; 141 the reader
of standard output went away. A failed file does not stop the next one, and the
worst exit wins.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

import codec

from ..errors import CodecError
from ..io.names import TABLES
from . import archives, features
from .bar import Bar
from .jobs import KEPT, Job
from .notes import Notes
from .options import parse, parser
from .report import ERROR, Refusal, Report, UsageError, display, listed


def aecompress() -> int:
    """The command ``aecompress``."""
    return main("aecompress", sys.argv[1:])


def aedecompress() -> int:
    """The command ``aedecompress``."""
    return main("aedecompress", sys.argv[1:])


def main(prog: str, argv: list[str]) -> int:
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


def _forget_stdout() -> None:
    # Python flushes once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(prog: str, argv: list[str]) -> int:
    report = Report(prog)
    try:
        try:
            options = parse(prog, argv)
        except OSError as error:  # the current folder is gone
            report.error(".", error)
            return report.exit
        if options.help:  # argparse would hide a closed pipe
            print(parser(prog).format_help(), end="")
            return report.exit
        if options.version:
            print(versions(prog))
            return report.exit
        if options.completion:
            from .share import completion

            print(completion(prog, options.completion))
            return report.exit
        if options.models:
            from . import models

            models.act(options, report)
            return report.exit
        _check_names(options)
    except (UsageError, Refusal, CodecError) as error:
        report.error(getattr(error, "filename", None), error)
        return report.exit
    _act(options, report)
    return report.exit


def _act(options: argparse.Namespace, report: Report) -> None:
    """What the options say."""
    report.quiet = options.quiet
    for problem in options.problems:
        report.error(problem.filename, problem)
    if not options.quiet:
        for name, text in options.remarks:
            report.say(name, text)
    act = {"list": _list, "view": _view}.get(options.mode, _work)
    try:
        with archives.written(options):
            (_rehearse if options.dry_run else act)(options, report)
            if options.with_model and not options.dry_run:
                from . import models

                models.keep(options)
    except (UsageError, CodecError) as error:  # no cluster there
        report.error(None, error)
    except Refusal as error:
        report.error(error.filename, error)


def _check_names(options: argparse.Namespace) -> None:
    """Refuse unknown formats and models before anything is read."""
    if options.format not in (None, KEPT) and f".{options.format}" not in TABLES:
        from .files import picture_format

        picture_format("-", options.format)
    if options.model is not None:
        from ..model import find

        find.load(options.model)


def _list(options: argparse.Namespace, report: Report) -> None:
    from .listing import Listing

    listing = Listing(options)
    for job in options.jobs:
        try:
            listing.show(job)
        except BrokenPipeError:
            raise
        except Exception as error:
            report.error(getattr(error, "filename", None) or job.src, error)
    listing.end()


def _view(options: argparse.Namespace, report: Report) -> None:
    from .view import view  # it loads a server

    view(options, report)


def _work(options: argparse.Namespace, report: Report) -> None:
    """All modes but the list: one bar, lines in order, a summary."""
    table = features.Table(options) if options.mode == "features" else None
    terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    show = terminal and not (options.quiet or options.no_progress)
    bar = Bar([_size(job.src) for job in options.jobs] if show else [], show)
    report.before = bar.clear
    start = time.monotonic()
    total = Total()
    waiting, due = {}, 0  # what has ended before its turn to be told
    try:
        for index, notes in _outcomes(options, bar.update):
            bar.finish(index, notes.pixels)
            total.add(options.jobs[index].src, notes)
            waiting[index] = notes
            while due in waiting:
                if table is not None:
                    table.add(options.jobs[due], waiting[due])
                report.take(waiting.pop(due))
                due += 1
    except (KeyboardInterrupt, SystemExit):
        bar.clear()
        if len(options.jobs) > 1:
            _interrupted(options, report, total)
        raise
    finally:
        bar.clear()
    if table is not None:
        try:
            table.write()
        except (OSError, Refusal) as error:
            report.error(error.filename, error)
    if len(options.jobs) > 1 or total.before:
        _summary(
            options,
            report,
            total,
            time.monotonic() - start,
            options.verbose or show,
        )


def _outcomes(
    options: argparse.Namespace, progress: Callable[[int, float, int], None]
) -> Iterator[tuple[int, Notes]]:
    """Pairs of job number and Notes, as jobs end."""
    if options.scheduler:
        from . import scheduled

        yield from scheduled.outcomes(options)
        return
    from . import pool

    n = pool.size(options)
    if n > 1:
        yield from pool.run(options, n, progress)
        return
    from .work import Coder

    coder = Coder(options)
    for index, job in enumerate(options.jobs):
        yield (
            index,
            coder.run(job, lambda share, pixels: progress(index, share, pixels)),
        )


def _rehearse(options: argparse.Namespace, report: Report) -> None:
    """Print what would become what, for ``--dry-run``."""
    from . import files

    for src, dst in options.jobs:
        try:
            before = files.made_before(Job(src, dst), options) is not None
            if not before:
                files.refuse(src, dst, options.force)
            print(f"{display(src)} -> {display(dst)}", *["(done before)"] * before)
        except (Refusal, CodecError, OSError) as error:
            report.error(getattr(error, "filename", None) or src, error)


class Total:
    """Sums over all jobs.

    Attributes
    ----------
    pixels, n_in, n_out : int
        Of what was made now.
    made, before : int
        Jobs that were done now, and by an earlier command.
    failed, larger, worse : list of str
        Inputs: those that failed, did not become smaller, look worse than promised.
    """

    def __init__(self) -> None:
        self.pixels = self.n_in = self.n_out = self.made = self.before = 0
        self.failed: list[str] = []
        self.larger: list[str] = []
        self.worse: list[str] = []

    def add(self, name: str, notes: Notes) -> None:
        """Count a job."""
        if notes.failed:
            self.failed.append(name)
            return
        if notes.larger:
            self.larger.append(name)
        if notes.worse:
            self.worse.append(name)
        if notes.before:
            self.before += 1
            return
        self.made += 1
        self.pixels += notes.pixels
        self.n_in += notes.n_in
        self.n_out += notes.n_out


def _interrupted(options: argparse.Namespace, report: Report, total: Total) -> None:
    """Say how far a command has come, and how to go on."""
    if options.quiet:
        return
    how = "the same command" if options.skip_existing else "--skip-existing"
    report.say(
        None,
        f"interrupted: {total.made + total.before} of {len(options.jobs)} files done; "
        f"{how} goes on",
    )


def _summary(
    options: argparse.Namespace,
    report: Report,
    total: Total,
    seconds: float,
    wanted: object,
) -> None:
    n, failed = len(options.jobs), total.failed
    if wanted and not options.quiet:
        sizes = (
            f", {total.n_in} to {total.n_out} bytes ({total.n_out / total.n_in:.1%})"
            if total.n_in and total.n_out
            else ""
        )
        report.say(
            None,
            f"{n - len(failed)} of {n} files{sizes}, "
            f"{total.pixels / 1e6:.1f} megapixels in {seconds:.1f} s, "
            f"{total.pixels / 1e6 / max(seconds, 1e-9):.1f} MP/s",
        )
    if total.before and not options.quiet:
        report.say(None, f"{total.before} done before, {total.made} made now")
    if total.larger and not options.quiet:
        report.say(
            None,
            f"{len(total.larger)} of {n} files "
            + ("left as they are" if options.skip_larger else "did not become smaller")
            + f": {listed(total.larger, options.verbose)}",
        )
    if total.worse and not options.quiet:
        report.say(
            None,
            f"{len(total.worse)} of {n} files look worse than their quality promises: "
            f"{listed(total.worse, options.verbose)}",
        )
    if failed and options.quiet < 2:
        report.say(
            None,
            f"{len(failed)} of {n} files failed: {listed(sorted(failed), options.verbose)}",
        )


def _size(name: str) -> int:
    try:
        return max(1, os.stat(name).st_size)
    except OSError:
        return 1


def versions(prog: str) -> str:
    """Versions of program, format, engine and models, one a line.

    Cheap: read from what is installed, without loading any of it.
    """
    import hashlib
    import json
    from importlib import metadata
    from pathlib import Path

    try:
        engine = metadata.version("onnxruntime")
    except metadata.PackageNotFoundError:
        engine = "missing"
    package = Path(codec.__file__).parent
    built = any((package / "symbols").glob("_core.*"))
    lines = [
        f"{prog} {codec.__version__}",
        "format 2",
        "exact path in " + ("C" if built else "Python (built without a C compiler)"),
        f"onnxruntime {engine}",
    ]
    models = package / "models"
    for path in sorted(models.glob("*/model.json")):
        text = path.read_bytes()
        model_id = hashlib.sha256(text).hexdigest()[:16]
        lines.append(f"model {path.parent.name} {model_id}, opset {json.loads(text)['opset']}")
    return "\n".join(lines)
