"""Many files at once: worker processes that each load the model once.

Processes, not threads: only the networks run outside Python's global lock.
Workers that hold one pipe each, not ``concurrent.futures``: when a worker is
killed (by a system short of memory, or by a broken picture library) only the
file at which it was is lost, and a worker ends when its parent does.
"""

import argparse
import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import connection, resource_tracker
from typing import Any

from ..limits import cores
from .jobs import Job
from .notes import Notes
from .report import Refusal
from .work import Coder

FEW = 4  # jobs that do not pay the start of processes
WORKER_BYTES = 1 << 30  # what a worker may need for a large photograph
_EVERY_S = 0.1
_ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def size(options: argparse.Namespace) -> int:
    """How many workers suit the jobs of ``options``; 1: no pool.

    Parameters
    ----------
    options : argparse.Namespace
    """
    if options.mode == "list" or len(options.jobs) < FEW or any("-" in job for job in options.jobs):
        return 1
    return max(
        1,
        min(
            options.threads or cores(),
            len(options.jobs) // 2,
            _memory() // WORKER_BYTES,
        ),
    )


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


def run(
    options: argparse.Namespace,
    n: int,
    progress: Callable[[int, float, int], None],
    coder: type[Coder] = Coder,
) -> Iterator[tuple[int, Notes]]:
    """Run the jobs in ``n`` workers.

    Parameters
    ----------
    options : argparse.Namespace
        ``threads`` are shared out between the workers.
    n : int
    progress : function of (int, float, int)
        Told the number of a job, the share of it that is done, and the
        pixels of the whole.
    coder : class
        What runs the jobs in a worker.

    Yields
    ------
    index : int
    notes : Notes
        As the jobs end.
    """
    shared = dict(
        vars(options),
        jobs=None,
        files=None,
        problems=None,
        threads=max(1, (options.threads or cores()) // n),
    )
    context = multiprocessing.get_context("spawn")
    todo = iter(enumerate(options.jobs))
    workers: dict[Any, tuple[Any, int]] = {}  # by connection: process, number of job
    if os.name == "posix":
        resource_tracker.ensure_running()  # it would lift what is deferred

    def start() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, shared, coder), daemon=True)
        # A worker that is interrupted while it starts would print a traceback.
        with _deferred():
            process.start()
            theirs.close()
            give(ours, process)

    def give(ours: Any, process: Any) -> None:
        job = next(todo, None)
        if job is None:
            ours.close()  # which ends it
            process.join()
            return
        workers[ours] = process, job[0]
        with contextlib.suppress(OSError):  # it has died: receiving tells
            ours.send(job[1])

    try:
        for _ in range(n):
            start()
        while workers:
            for ours in list[Any](connection.wait(list(workers))):
                process, index = workers[ours]
                kind, value = _received(ours)
                if kind == "share":
                    progress(index, *value)
                    continue
                del workers[ours]
                if kind == "done":
                    yield index, value
                    give(ours, process)
                else:
                    process.join()
                    yield index, _lost(options.jobs[index], process.exitcode)
                    start()
    finally:
        _end([process for process, _ in workers.values()])


def _received(pipe: Any) -> tuple[str, Any]:
    """What a worker says: ``share`` or ``done``; ``lost`` if it has died."""
    try:
        return pipe.recv()
    except (EOFError, OSError):
        pipe.close()
        return "lost", None


def _end(processes: list[Any]) -> None:
    for process in processes:
        process.terminate()  # removes what it was writing
    for process in processes:
        process.join(30)
        process.kill()


@contextlib.contextmanager
def _deferred() -> Iterator[None]:
    """Signals that end us wait; a process started here inherits that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _lost(job: Job, code: int | None) -> Notes:
    notes = Notes()
    why = f"signal {-code}" if code and code < 0 else f"exit code {code}"
    notes.error(
        job.src,
        Refusal(f"its worker process ended with {why}; if memory is short, try -T 1"),
    )
    return notes


def _serve(pipe: Any, shared: dict[str, Any], coder: type[Coder]) -> None:
    """A worker: one job after another, until the pipe is closed."""
    # While signals still wait: one that ends an import of numpy is told as an
    # error of numpy's.
    from .. import runtime  # noqa: F401

    for number in _ENDS:
        signal.signal(number, lambda n, frame: sys.exit(128 + n))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    at_work = coder(argparse.Namespace(**shared))
    last = time.monotonic()

    def progress(share: float, pixels: int) -> None:
        nonlocal last
        if time.monotonic() - last > _EVERY_S:
            last = time.monotonic()
            pipe.send(("share", (share, pixels)))

    try:
        while True:
            job = pipe.recv()
            pipe.send(("done", at_work.run(job, progress)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # no more work, or the parent is gone
