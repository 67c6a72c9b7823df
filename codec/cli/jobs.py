"""Which file becomes which."""

import argparse
import os
from collections import namedtuple  # typing's one takes long to load
from collections.abc import Callable, Iterator

from ..io import names, urls
from .report import Refusal

STREAM = "-"
# What a Mac writes beside each file on a disk that is not its own.
_APPLE_DOUBLE = b"\0\5\x16\7"


class Job(namedtuple("Job", "src dst")):
    """One input and its output: paths, ``-`` for a stream, None for none."""

    __slots__ = ()


def looks_like_input(name: str, mode: str) -> bool:
    """Whether a name is that of an input of this mode.

    By name alone, so that a script does the same the second time.
    """
    return (
        names.is_picture(name)
        if mode in ("compress", "compare")
        else name.lower().endswith(".aec")
    )


def is_output(name: str, mode: str) -> bool:
    """Whether the second of two names can only be that of an output.

    A picture, or what else is there, must never be taken for the output of
    another because of its name: content decides. An output that exists is
    an ``.aec`` file, or has its name.
    """
    if looks_like_input(name, mode):
        return False
    if urls.is_url(name) or not os.path.isfile(name):
        return True
    from ..container import MAGIC  # it loads numpy

    start = _start(name, len(MAGIC))
    if mode == "compress":
        return not start or start == MAGIC or name.lower().endswith(".aec")
    return start != MAGIC


def _start(path: str, n: int) -> bytes:
    """The first bytes of a file; none of one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(n)
    except OSError:
        return b""


def make(
    options: argparse.Namespace, complain: Callable[[Exception], object]
) -> list[Job]:
    """The jobs of a command line.

    Parameters
    ----------
    options : argparse.Namespace
    complain : function of OSError
        Told of each folder that cannot be read.

    Returns
    -------
    list of Job

    Raises
    ------
    Refusal
        Two inputs would have the same output; nothing was written.
    """
    jobs: list[Job] = []
    for name in options.files or [STREAM]:
        if options.recursive and urls.is_url(name):
            try:
                paths = urls.walk(name)
            except OSError as error:
                complain(error)
                continue
            jobs += [
                Job(path, target(path, options, name))
                for path in paths
                if looks_like_input(path.split("::")[0], options.mode)
            ]
            continue
        if not (options.recursive and name != STREAM and os.path.isdir(name)):
            jobs.append(Job(name, target(name, options)))
            continue
        found = [
            Job(path, target(path, options, name))
            for path in _walk(name, options, complain)
        ]
        if not found:
            complain(Refusal("holds no file for this command", name))
        jobs += found
    if options.stack:  # one job, whatever goes into it
        options.members = [job.src for job in jobs]
        return [Job(options.members[0], jobs[0].dst)] if jobs else []
    _refuse_equal_outputs(jobs)
    return jobs


def _walk(
    top: str, options: argparse.Namespace, complain: Callable[[Exception], object]
) -> Iterator[str]:
    """Inputs under a folder, sorted; not through links to folders."""
    skip = options.output_dir and os.path.abspath(options.output_dir)
    if skip == os.path.abspath(top):
        skip = None
    for folder, folders, found in os.walk(top, onerror=complain):
        # What an earlier run wrote there is no input.
        folders[:] = sorted(
            f
            for f in folders
            if not skip or os.path.abspath(os.path.join(folder, f)) != skip
        )
        for name in sorted(found):
            path = os.path.join(folder, name)
            if looks_like_input(name, options.mode) and not (
                name.startswith("._") and _start(path, 4) == _APPLE_DOUBLE
            ):
                yield path


def target(
    name: str, options: argparse.Namespace, top: str | None = None
) -> str | None:
    """The output of one input.

    Parameters
    ----------
    name : str
    options : argparse.Namespace
    top : str or None
        The folder on the command line in which it was found: what is below
        is repeated under ``--output-dir``.
    """
    if options.mode in ("test", "list", "features"):
        return None
    if options.output:
        return options.output
    if options.stdout or name == STREAM:
        return STREAM
    suffix = {"compress": ".aec", "compare": "-compare.png"}.get(
        options.mode, f".{(options.format or 'png').lstrip('.')}"
    )
    if urls.is_url(name) or urls.is_url(options.output_dir):
        return urls.target(name, suffix, options.output_dir, top)
    path = names.stem(name) + suffix
    if options.output_dir is not None:
        inner = os.path.basename(path) if top is None else os.path.relpath(path, top)
        path = os.path.join(options.output_dir, inner)
    return path


def _refuse_equal_outputs(jobs: list[Job]) -> None:
    seen: dict[str, str] = {}
    for job in jobs:
        if job.dst is None:
            continue
        key = job.dst if urls.is_url(job.dst) else os.path.abspath(job.dst)
        if key in seen:
            raise Refusal(
                f"is the output of both {seen[key]} and {job.src}; nothing was written",
                job.dst,
            )
        seen[key] = job.src
