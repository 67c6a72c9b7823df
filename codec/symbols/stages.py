"""A model made ready to run: what encoders and decoders have in common.

Contents
--------
``Stages``         the networks of a model and its exact path
``cells_of``       hy and wy of a picture
``quality_index``  row of the tables by quality
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from ..model.bundle import Bundle
from ..model.session import Graphs
from . import core, passes, selftest
from .ahead import ordered
from .slabs import Place

A = TypeVar("A")


class Stages:
    """A model made ready to run.

    Parameters
    ----------
    bundle : codec.model.bundle.Bundle
    threads : int or None
    optimise : bool
        Graph optimisations of the engine; False exists for tests.
    one_thread : Graphs, optional
        The model's networks on one thread, where there are some already.
    provider : str or None
        As of `codec.model.session.provider_of`.

    Attributes
    ----------
    exact : core.Core or passes.Python
        What makes symbols of bytes and back.
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        optimise: bool = True,
        one_thread: Graphs | None = None,
        provider: str | None = None,
    ) -> None:
        self.bundle = bundle
        # Networks on one thread, for what runs beside the rest.
        self.one_thread = one_thread or Graphs(bundle, 1, optimise, provider)
        self.graphs = self.one_thread
        if threads != 1:
            self.graphs = Graphs(bundle, threads, optimise, provider)
            if self.graphs.threads == 1:
                self.graphs = self.one_thread
        self.take_tables()

    def __reduce__(self) -> tuple[object, ...]:
        g = self.graphs
        return type(self), (self.bundle, g.threads, g.optimise, None, g.provider)

    def take_tables(self) -> None:
        """Make ``exact`` of the model's tables, again where they were changed."""
        self.exact: core.Core | passes.Python
        if core.AVAILABLE:
            self.exact = core.Core(self.bundle)
        else:
            self.exact = passes.Python(self.bundle, self.one_thread.run)
        selftest.check(self.exact, self.bundle)

    def _skip(self, quality: float) -> int:
        """Scale indices below are skipped."""
        return int(self.bundle.row_skip[quality_index(quality)])

    def _each(
        self,
        work: Callable[[Graphs, Place], A],
        places: list[Place],
        graphs: Graphs | None = None,
    ) -> Iterator[A]:
        """Work on slabs, which threads share; results in their order.

        Parameters
        ----------
        work : function of (Graphs, Place)
            Of the networks that its thread is to run.
        places : list of Place
        graphs : Graphs, optional
            Those to run, in the thread that asks; by default the stages' own.
        """
        threads = 1 if graphs else min(self.graphs.threads, len(places))
        mine = graphs or (self.graphs if threads < 2 else self.one_thread)
        return ordered(lambda place: work(mine, place), places, threads)


def cells_of(height: int, width: int) -> tuple[int, int]:
    """hy and wy of a picture of so many pixels."""
    return -(-height // 16), -(-width // 16)


def quality_index(quality: float) -> int:
    """Row of the tables by quality: 0..99, as docs/format.md section 5."""
    return (int(round(quality * 100)) + 50) // 100 - 1
