"""What a fork of the process leaves behind, put right in the child.

A forked child (`multiprocessing`, a `DataLoader`, ``gunicorn --preload``) has
all of its parent's memory but one thread alone. So a lock that another
thread held is held for ever, and a session of the engine, when it is freed,
waits for threads that are not there.

===============  =========================================================
`Lock`           a lock that is free in a child, whoever held it
`engine_call`    around each call of the engine: a fork waits for its end,
                 so that a child never inherits the engine's own locks shut
`on_child`       what else a child must do
`keep_for_ever`  an object that must never be freed, not even at exit
===============  =========================================================
"""

import os
import threading
import weakref
from collections.abc import Callable

_locks: "weakref.WeakSet[Lock]" = weakref.WeakSet()
_children: list[Callable[[], None]] = []


class Lock:
    """A lock for ``with``; in a forked child it starts anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _locks.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


class _EngineCalls:
    """Counts the calls of each thread."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[int, int] = {}

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            self._running[me] = self._running.get(me, 0) + 1

    def __exit__(self, *error: object) -> None:
        me = threading.get_ident()
        with self._changed:
            self._running[me] -= 1
            if not self._running[me]:
                del self._running[me]
                self._changed.notify_all()

    def wait(self) -> None:
        """Until no other thread is in a call; none begins before `go_on`."""
        self._changed.acquire()
        while self._running.keys() - {threading.get_ident()}:
            self._changed.wait()

    def go_on(self) -> None:
        self._changed.release()


engine_call = _EngineCalls()


def on_child(act: Callable[[], None]) -> None:
    """Call ``act`` in every forked child, at its start."""
    _children.append(act)


def keep_for_ever(thing: object) -> None:
    """Add a reference that nothing takes away."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _in_child() -> None:
    engine_call.clear()
    for lock in list(_locks):
        lock._lock = threading.Lock()
    for act in _children:
        act()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=engine_call.wait,
        after_in_parent=engine_call.go_on,
        after_in_child=_in_child,
    )
