"""The models in use: one set of networks for each model and number of threads.

Encoders, decoders, features, stacks and plugins all take their networks here,
so that what one of them has loaded serves the others. A model is told by its
content (`Bundle.content`): a folder that was exported anew is another model,
and two paths to one folder are the same. The models used last are kept,
``MOST_MODELS`` of them; whoever holds a pipeline may go on using it.
"""

import collections

from .model import forks
from .model.bundle import Bundle
from .model.session import Graphs, cores
from .symbols.pipeline import Pipeline

MOST_MODELS = 4

_lock = forks.Lock()
_models: collections.OrderedDict[str, dict[int, Pipeline]] = collections.OrderedDict()


def pipeline(bundle: Bundle, threads: int | None = None) -> Pipeline:
    """A model ready to run, shared by all that ask for the same.

    Parameters
    ----------
    bundle : Bundle
    threads : int or None
        Threads inside the networks; None: all cores.

    Returns
    -------
    Pipeline
    """
    n = threads or cores()
    with _lock:
        made = _models.setdefault(bundle.content, {})
        _models.move_to_end(bundle.content)
        while len(_models) > MOST_MODELS:
            _models.popitem(last=False)
        if n not in made:
            made[n] = Pipeline(bundle, n, one_thread=_on_one_thread(bundle, made))
        return made[n]


def _on_one_thread(bundle: Bundle, made: dict[int, Pipeline]) -> Graphs:
    for one in made.values():
        return one.one_thread
    return Graphs(bundle, 1)


def clear() -> None:
    """Let go of all networks."""
    with _lock:
        _models.clear()
