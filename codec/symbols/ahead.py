"""Work that several threads share, its results in order.

Threads with nothing to do are kept, at most `KEPT` of them: new ones for each
picture would ask the system for their memory anew, 3 % of the time of a small
one. A fork has none of them.
"""

import collections
import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

KEPT = 8
AHEAD = 4  # results that wait to be taken, for each thread
_idle: list[ThreadPoolExecutor] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)


def ordered(work: Callable[[A], B], items: Iterable[A], threads: int) -> Iterator[B]:
    """``work`` of each item, in their order.

    Parameters
    ----------
    work : function
    items : iterable
    threads : int
        The one that asks among them. Up to ``AHEAD`` items for each of the
        others are done before they are asked for; who waits for a result
        does one that nobody has begun.

    Yields
    ------
    object
        An error is raised where its result would be; nothing is begun after
        it.
    """
    items = list(items)
    others = min(threads, len(items)) - 1
    if others < 1:
        yield from map(work, items)
        return
    pools = [_take() for _ in range(others)]
    jobs: collections.deque[_Job[B]] = collections.deque()
    left = iter(enumerate(items))

    def begin() -> None:
        for n, item in left:
            task = functools.partial(work, item)
            jobs.append(_Job(task, pools[n % others].submit(task)))
            return

    try:
        for _ in range(AHEAD * others + 1):
            begin()
        while jobs:
            for job in jobs:
                if jobs[0].future.done() or job.done_here():
                    break
            result = jobs[0].future.result()
            jobs.popleft()
            begin()
            yield result
    finally:
        for job in jobs:
            job.future.cancel()
        wait([job.future for job in jobs])
        for pool in pools:
            _give_back(pool)


@dataclasses.dataclass
class _Job(Generic[B]):
    """A task, and the result that is waited for."""

    task: Callable[[], B]
    future: "Future[B]"

    def done_here(self) -> bool:
        """Do it in this thread, if no other has begun."""
        if not self.future.cancel():
            return False
        self.future = Future()
        try:
            self.future.set_result(self.task())
        except Exception as error:
            self.future.set_exception(error)
        return True


def _take() -> ThreadPoolExecutor:
    try:
        return _idle.pop()
    except IndexError:
        return ThreadPoolExecutor(1)


def _give_back(pool: ThreadPoolExecutor) -> None:
    if len(_idle) < KEPT:
        _idle.append(pool)
    else:
        pool.shutdown()
