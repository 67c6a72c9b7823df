"""Takes the measurements that are missing, one codec on one picture a job.

Sizes and metrics do not depend on how busy the machine is, so jobs run in
as many processes as there are cores; times are `speed`'s business.
"""

import concurrent.futures
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass

import numpy as np

from . import codecs, metrics, pictures


class MismatchError(Exception):
    """A lossless codec gave other pixels back, or a picture's shape."""


@dataclass(frozen=True)
class Job:
    """One codec on one picture, at the settings that are missing."""

    source: pictures.Source
    codec: str
    settings: tuple
    metrics: tuple
    threads: int


def missing(table, sources, plan, wanted_metrics, threads):
    """The jobs that the table does not answer yet.

    Parameters
    ----------
    table : store.Table
    sources : list of pictures.Source
    plan : dict
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
        for name, settings in plan.items():
            version = codecs.load(name).version
            left = tuple(
                setting
                for setting in settings
                if not table.has(
                    (source.sha256, name, str(setting), threads, version),
                    wanted_metrics,
                )
            )
            if left:
                jobs.append(Job(source, name, left, tuple(wanted_metrics), threads))
    return jobs


def measure(job):
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
                "bytes": len(data),
                "bpp": 8 * len(data) / (width * height),
                "ratio": original.size / len(data),
                "version": codec.version,
                **(
                    metrics.EQUAL
                    if codec.kind != "lossy"
                    else metrics.measure(original, decoded, job.metrics)
                ),
            }
        )
    return rows


def run(jobs, table, n_processes=1, say=print):
    """Measure all jobs; rows reach the table as they come.

    Parameters
    ----------
    jobs : list of Job
    table : store.Table
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
        After which the table has every job that was done.
    """
    failed = []
    progress = Progress(jobs)
    for job, rows, reason in _results(jobs, n_processes):
        if reason:
            failed.append((job, reason))
            progress.clear()
            say(f"{job.source.name}: {job.codec}: {reason}")
        else:
            table.add(rows)
        progress.step(job)
    progress.clear()
    return failed


def _attempt(job):
    """The job's rows or its failure: one bad file must not end the run."""
    try:
        return measure(job), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def _results(jobs, n_processes):
    if n_processes <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield (job, *_attempt(job))
        return
    # Spawned, because inference engines and forks do not agree.
    pool = concurrent.futures.ProcessPoolExecutor(
        n_processes, multiprocessing.get_context("spawn"), _begin
    )
    waiting = {}
    try:
        waiting = {pool.submit(_attempt, job): job for job in jobs}
        for done in concurrent.futures.as_completed(waiting):
            yield (waiting[done], *done.result())
    finally:
        # Also on Ctrl-C: what runs may finish, what waits is dropped.
        pool.shutdown(wait=True, cancel_futures=True)


def _begin():
    """Workers: Ctrl-C is the parent's to handle; one thread for metrics."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", "1")


class Progress:
    """A line that is drawn over itself, with the time left.

    Drawn on a terminal only; a log gets a line a minute.
    """

    def __init__(self, jobs, out=None):
        self.total = sum(len(job.settings) for job in jobs)
        self.done = 0
        self.out = out or sys.stderr
        self.terminal = self.out.isatty()
        self.started = self.said = time.monotonic()

    def step(self, job):
        """One job is done."""
        self.done += len(job.settings)
        now = time.monotonic()
        if not self.terminal and now - self.said < 60:
            return
        self.said = now
        left = (now - self.started) / self.done * (self.total - self.done)
        text = (
            f"{self.done}/{self.total} measurements, "
            f"{left // 60:.0f} min {left % 60:02.0f} s left, "
            f"{job.codec} on {job.source.name}"
        )
        self.out.write(f"\r\033[K{text}" if self.terminal else f"{text}\n")
        self.out.flush()

    def clear(self):
        """Make room for a line of text."""
        if self.terminal:
            self.out.write("\r\033[K")
            self.out.flush()
