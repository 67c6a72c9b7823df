"""Jobs: pairs of an input and its output."""

import argparse
import os
from collections import namedtuple  # typing's one takes long to load
from collections.abc import Callable

from ..errors import CodecError
from ..io import names, urls
from . import report
from .report import Refusal

STREAM = "-"
KEPT = "kept"  # what --format says for what --keep-all kept
# What a Mac writes beside each file on a disk that is not its own.
_APPLE_DOUBLE = b"\0\5\x16\7"
# What undoes a mode: its inputs are the outputs of the other.
_BACK = {"compress": "decompress", "decompress": "compress"}


class Job(namedtuple("Job", "src dst")):
    """One input and its output: paths, ``-`` for a stream, None for none."""

    __slots__ = ()


def looks_like_input(name: str, mode: str) -> bool:
    """Whether a name is that of an input of this mode.

    By name alone, so that a script does the same the second time.
    """
    return (names.is_picture(name) and mode in ("compress", "compare", "view")) or (
        name.lower().endswith(".aec") and mode not in ("compress", "compare")
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


def make(options: argparse.Namespace, complain: Callable[[Exception], object]) -> list[Job]:
    """The jobs of a command line.

    Parameters
    ----------
    options : argparse.Namespace
        Gets ``remarks``, lines for the user, and ``linked``, a dict: the
        link in a tree by the file that it leads to.
    complain : function of OSError
        Told of each folder that cannot be read.

    Returns
    -------
    list of Job

    Raises
    ------
    Refusal
        Several inputs would have the same output; nothing was written.
    """
    options.remarks, options.linked = [], {}
    found: list[tuple[str, str | None]] = []  # names, and where they were found
    for name in options.files or [STREAM]:
        if options.recursive and name != STREAM:
            if urls.is_url(name):
                found += [(path, name) for path in _walk_url(name, options, complain)]
                continue
            if os.path.isdir(name):
                found += [(path, name) for path in _walk(name, options, complain)]
                continue
        if not _excluded(name, None, options):
            found.append((name, None))
    if options.stack:  # one job, whatever goes into it
        options.members = [name for name, _ in found]
        if not found:
            return []
        return [Job(options.members[0], target(*found[0], options))]
    return _distinct(found, options)


def _walk_url(
    top: str, options: argparse.Namespace, complain: Callable[[Exception], object]
) -> list[str]:
    """Inputs under a URL, sorted."""
    try:
        paths = urls.walk(top)
    except OSError as error:
        complain(error)
        return []
    start = top.split("::")[0].rstrip("/") + "/"
    return [
        path
        for path, name in ((path, path.split("::")[0]) for path in paths)
        if looks_like_input(name, options.mode)
        and not _excluded(name, name.removeprefix(start), options)
    ]


def _walk(
    top: str, options: argparse.Namespace, complain: Callable[[Exception], object]
) -> list[str]:
    """Inputs under a folder, sorted; each once, whatever links lead to it."""
    found: list[str] = []
    links: list[str] = []
    n_outputs = 0
    for folder, folders, files in os.walk(top, onerror=complain):
        folders[:] = _entered(folder, sorted(folders), top, options)
        for name in files:
            path = os.path.join(folder, name)
            n_outputs += looks_like_input(name, _BACK.get(options.mode, ""))
            if _is_input(path, top, options):
                (links if os.path.islink(path) else found).append(path)
    real = {os.path.realpath(path) for path in found} if links else set()
    for path in sorted(links):
        leads_to = os.path.realpath(path)
        options.linked[leads_to] = path
        if leads_to not in real:
            real.add(leads_to)
            found.append(path)
    if not found and n_outputs:
        options.remarks.append((top, f"nothing to do; {n_outputs} files were done"))
    elif not found:
        complain(Refusal("holds no file for this command", top))
    return sorted(found, key=lambda path: path.split(os.sep))


def _entered(folder: str, folders: list[str], top: str, options: argparse.Namespace) -> list[str]:
    """Folders in a folder that may hold inputs."""
    skip = options.output_dir and os.path.abspath(options.output_dir)
    kept = []
    for name in folders:
        path = os.path.join(folder, name)
        # What an earlier run wrote there is no input.
        if skip == os.path.abspath(path) or _excluded(path, os.path.relpath(path, top), options):
            continue
        kept.append(name)
        if os.path.islink(path) and not _inside(path, top):
            options.remarks.append((path, "is a link to a folder; not followed"))
    return kept


def _is_input(path: str, top: str, options: argparse.Namespace) -> bool:
    """Whether a file in a tree is an input."""
    name = os.path.basename(path)
    return (
        looks_like_input(name, options.mode)
        and not (name.startswith("._") and _start(path, 4) == _APPLE_DOUBLE)
        and not _excluded(path, os.path.relpath(path, top), options)
    )


def _inside(path: str, top: str) -> bool:
    real, top = (os.path.join(os.path.realpath(p), "") for p in (path, top))
    return real.startswith(top)


def _excluded(path: str, inner: str | None, options: argparse.Namespace) -> bool:
    """Whether an option ``--exclude`` means this name, or the path in the tree."""
    if not options.exclude:
        return False
    from fnmatch import fnmatch

    return any(
        fnmatch(name, pattern.rstrip("/"))
        for pattern in options.exclude
        for name in (os.path.basename(path), inner or path)
    )


def target(
    name: str, top: str | None, options: argparse.Namespace, whole: bool = False
) -> str | None:
    """The output of one input.

    Parameters
    ----------
    name : str
    top : str or None
        The folder on the command line in which it was found: what is below
        is repeated under ``--output-dir``.
    options : argparse.Namespace
    whole : bool
        Keep the extension of the name, so that other extensions make other
        outputs.
    """
    if options.mode in ("test", "list", "features", "view"):
        return None
    if options.output:
        return options.output
    if options.stdout or name == STREAM:
        return STREAM
    suffix = {"compress": ".aec", "compare": "-compare.png"}.get(
        options.mode, f".{(options.format or 'png').lstrip('.')}"
    )
    if options.original_format:
        suffix = _original_extension(name) or suffix
    if urls.is_url(name) or urls.is_url(options.output_dir):
        return urls.target(name, suffix, options.output_dir, top, whole)
    path = names.output(name, suffix, whole)
    if options.output_dir is not None:
        inner = os.path.basename(path) if top is None else os.path.relpath(path, top)
        path = os.path.join(options.output_dir, inner)
    return path


def _original_extension(name: str) -> str | None:
    """The extension that a compressed picture had, with its dot.

    None where the file does not say, or its format cannot be written.
    """
    from ..container import read_sections
    from ..picture import origin

    if name == STREAM:
        return None
    try:
        with urls.open_anywhere(name) as file:
            found = origin.read(read_sections(file)[1].get(origin.SECTION))
    except (CodecError, OSError):
        return None  # whatever reads it whole says what is wrong
    if found is None or not origin.can_write(found):
        return None
    return f".{found.extension}"


def _distinct(found: list[tuple[str, str | None]], options: argparse.Namespace) -> list[Job]:
    """Jobs whose outputs differ, by the whole names where the stems are alike."""
    whole = options.suffix == "append"
    jobs = [Job(name, target(name, top, options, whole)) for name, top in found]
    if options.skip_existing and options.suffix is None:
        # Of two names that were alike one may be gone since, as --rm does.
        for i, one in enumerate(found):
            dst = target(*one, options, whole=True)
            if dst is not None and not urls.is_url(dst) and os.path.exists(dst):
                jobs[i] = Job(one[0], dst)
    alike = _alike(jobs)
    if alike and options.suffix is None:
        for i in sorted(i for group in alike for i in group):
            jobs[i] = Job(found[i][0], target(*found[i], options, whole=True))
        if not _alike(jobs):
            named = [str(jobs[i].dst) for group in alike for i in group]
            options.remarks.append(
                (
                    None,
                    "names that differ only in their extensions keep them: "
                    + report.listed(named, options.verbose),
                )
            )
    alike = _alike(jobs)
    if alike:
        remedy = ", or --suffix append" if options.suffix == "replace" else ""
        raise Refusal(
            "; ".join(
                f"{jobs[group[0]].dst} is the output of both "
                + " and ".join(jobs[i].src for i in group)
                for group in alike
            )
            + f"; nothing was written; name another --output-dir{remedy}"
        )
    return jobs


def _alike(jobs: list[Job]) -> list[list[int]]:
    """The numbers of jobs with one output, where that is so of several."""
    by_output: dict[str, list[int]] = {}
    for i, job in enumerate(jobs):
        if job.dst is not None:
            key = job.dst if urls.is_url(job.dst) else os.path.abspath(job.dst)
            by_output.setdefault(key, []).append(i)
    return [group for group in by_output.values() if len(group) > 1]
