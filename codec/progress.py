"""How far a long call has come.

``progress`` is a function of one number, the share of the work that is
done, 0..1. It may raise, which ends the call.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[float], object]
_Item = TypeVar("_Item")


def track(
    items: Iterable[_Item],
    progress: Progress | None,
    start: float = 0.0,
    end: float = 1.0,
    n: int | None = None,
) -> Iterator[_Item]:
    """Go through items, and report after each how far that is.

    Parameters
    ----------
    items : iterable
    progress : function of float, or None
    start, end : float
        Shares of the whole work before the first and after the last item.
    n : int, optional
        How many items there are, where they are not made before they are
        asked for.

    Yields
    ------
    object
        Each of ``items``.
    """
    if progress is None:
        yield from items
        return
    if n is None:
        items = list(items)
        n = len(items)
    for i, item in enumerate(items, 1):
        yield item
        progress(start + (end - start) * i / n)


def part(progress: Progress | None, start: float, end: float) -> Progress | None:
    """``progress`` for a part of the work that has its own 0..1."""
    if progress is None:
        return None
    return lambda share: progress(start + (end - start) * share)
