"""Work that several threads share, its results in order.

Threads with nothing to do are kept, at most `KEPT` of them: new ones for each
picture would ask the system for their memory anew, 3 % of the time of a small
one. A fork has none of them.
"""

import collections
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

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
        1: each is done when it is asked for, in the thread that asks.
        Else up to ``AHEAD`` of them for each thread are done before.

    Yields
    ------
    object
        An error is raised where its result would be; nothing is begun after
        it.
    """
    items = list(items)
    threads = min(threads, len(items))
    if threads < 2:
        yield from map(work, items)
        return
    pools = [_take() for _ in range(threads)]
    jobs: collections.deque[Future[B]] = collections.deque()
    left = iter(enumerate(items))

    def begin() -> None:
        for n, item in left:
            jobs.append(pools[n % threads].submit(work, item))
            return

    try:
        for _ in range(AHEAD * threads):
            begin()
        while jobs:
            result = jobs.popleft().result()
            begin()
            yield result
    finally:
        for job in jobs:
            job.cancel()
        wait(jobs)
        for pool in pools:
            _give_back(pool)


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
