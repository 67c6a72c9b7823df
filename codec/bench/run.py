"""Takes the measurements that are missing, one codec on one picture a job.

Sizes and metrics do not depend on how busy the machine is, so jobs run in
as many processes as there are cores; times are `speed`'s business.
"""

import concurrent.futures
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from . import codecs, metrics, pictures
from .store import Store


class MismatchError(Exception):
    """A lossless codec gave other pixels back, or a picture's shape."""


@dataclass(frozen=True)
class Job:
    """One codec on one picture, at the settings that lack these metrics."""

    source: pictures.Source
    codec: str
    settings: tuple
    metrics: tuple[str, ...]
    threads: int


def columns(source: pictures.Source, names: Sequence[str]) -> dict[str, str]:
    """Column to metric, of the metrics that are defined for a picture."""
    side = min(source.width, source.height)
    return {
        metrics.METRICS[name].column: name
        for name in names
        if side >= metrics.METRICS[name].min_side
    }


def missing(
    store: Store,
    sources: Sequence[pictures.Source],
    plan: Mapping[str, Sequence],
    wanted_metrics: Sequence[str],
    threads: int,
) -> list[Job]:
    """The jobs that the store does not answer yet.

    Parameters
    ----------
    store : Store
    sources : sequence of pictures.Source
    plan : mapping
        Codec name to settings.
    wanted_metrics : sequence of str
    threads : int

    Returns
    -------
    list of Job
        Picture by picture, so that an interrupted run has whole pictures.
    """
    jobs = []
    for source in sources:
        wanted = columns(source, wanted_metrics)
        for name, settings in plan.items():
            version = codecs.load(name).version
            left: dict[tuple[str, ...], list] = {}
            for setting in settings:
                key = (source.sha256, name, str(setting), threads, version)
                lacking = store.lacking(key, ("bytes", *wanted))
                if lacking:
                    needed = tuple(wanted[c] for c in lacking if c in wanted)
                    left.setdefault(needed, []).append(setting)
            jobs += [
                Job(source, name, tuple(settings), needed, threads)
                for needed, settings in left.items()
            ]
    return jobs


def outdated(
    store: Store, source: pictures.Source, names: Sequence[str], threads: int
) -> list[str]:
    """Those of our codecs that no longer write the bytes that are kept.

    A row's version has the model and the release, not the code that is being
    worked on; one picture coded again tells.

    Parameters
    ----------
    store : Store
    source : pictures.Source
        The picture.
    names : sequence of str
    threads : int
    """
    original, found = pictures.read(source.path), []
    for name in filter(codecs.parse, names):
        codec = codecs.load(name)
        key = (source.sha256, name, str(codec.typical), threads, codec.version)
        if not store.lacking(key, ["bytes"]):
            data = codec.encode(original, codec.typical, threads)
            if len(data) != store.rows[key]["bytes"]:
                found.append(name)
    return found


def measure(job: Job) -> list[dict[str, Any]]:
    """Rows of one job.

    Raises
    ------
    MismatchError
        What comes back cannot be compared, or should be equal and is not.
    """
    original = pictures.read(job.source.path)
    codec = codecs.load(job.codec)
    rows = []
    for setting in job.settings:
        data = codec.encode(original, setting, job.threads)
        decoded = np.asarray(codec.decode(data, original.shape, job.threads))
        if decoded.shape != original.shape or decoded.dtype != np.uint8:
            raise MismatchError(f"decodes to {decoded.dtype} {decoded.shape}")
        if codec.kind != "lossy" and not np.array_equal(original, decoded):
            raise MismatchError("is not lossless here")
        height, width = original.shape[:2]
        rows.append(
            {
                "picture": job.source.name,
                "sha256": job.source.sha256,
                "width": width,
                "height": height,
                "codec": job.codec,
                "setting": str(setting),
                "threads": job.threads,
                "version": codec.version,
                "bytes": len(data),
                "bpp": 8 * len(data) / (width * height),
                "ratio": original.size / len(data),
                **metrics.measure(original, decoded, job.metrics),
            }
        )
    return rows


def run(
    jobs: Sequence[Job],
    store: Store,
    n_processes: int = 1,
    say: Callable[[str], None] = tqdm.write,
) -> list[tuple[Job, str]]:
    """Measure all jobs; rows reach the store as they come.

    Parameters
    ----------
    jobs : sequence of Job
    store : Store
    n_processes : int
    say : callable
        Takes one line for people.

    Returns
    -------
    list of (Job, str)
        Jobs that failed, with their reason.

    Raises
    ------
    KeyboardInterrupt
        After which the store has every job that was done.
    """
    failed = []
    with progress(sum(len(job.settings) for job in jobs), "measurements") as bar:
        for job, rows, reason in each(_attempt, jobs, n_processes):
            if reason:
                failed.append((job, reason))
                bar.clear()
                say(f"{job.source.name}: {job.codec}: {reason}")
            else:
                store.add(rows)
            bar.update(len(job.settings))
    return failed


def progress(total: int, unit: str) -> tqdm:
    """The progress bar of every measurement, once a minute in a log."""
    bar = tqdm(total=total, unit=f" {unit}", disable=not total, leave=False)
    if not bar.disable and not bar.fp.isatty():
        bar.mininterval = 60
    return bar


def _attempt(job: Job) -> tuple[list[dict[str, Any]], str]:
    """The job's rows or its failure: one bad file must not end the run."""
    try:
        return measure(job), ""
    except Exception as error:
        return [], f"{type(error).__name__}: {error}"


def each(function: Callable, jobs: Sequence, n_processes: int = 1) -> Iterator[tuple]:
    """``(job, *function(job))`` of every job, as they are done.

    Parameters
    ----------
    function : callable
        At the top of a module, as it may run in another process.
    jobs : sequence
    n_processes : int
    """
    if n_processes <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield (job, *function(job))
        return
    # Metrics ask for the same large arrays again and again; glibc would give
    # them back to the system each time, which costs a quarter of the time.
    for name in "MMAP", "TRIM":
        os.environ.setdefault(f"MALLOC_{name}_THRESHOLD_", str(2**32))
    # Spawned, because inference engines and forks do not agree.
    pool = concurrent.futures.ProcessPoolExecutor(
        n_processes, multiprocessing.get_context("spawn"), _begin
    )
    try:
        waiting = {pool.submit(function, job): job for job in jobs}
        for done in concurrent.futures.as_completed(waiting):
            yield (waiting[done], *done.result())
    finally:
        # Also on Ctrl-C: what runs may finish, what waits is dropped.
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """Workers: Ctrl-C is the parent's to handle; one thread for metrics."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
