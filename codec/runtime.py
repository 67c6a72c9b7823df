"""The models in use: one set of networks for each model and number of threads.

Encoders, decoders, features, stacks and plugins all take their networks here,
so that what one of them has loaded serves the others. A model is told by its
content (`Bundle.content`): a folder that was exported anew is another model,
and two paths to one folder are the same. The models used last are kept,
``MOST_MODELS`` of them; whoever holds a pipeline may go on using it.
"""

import collections

from .limits import cores
from .model import find, forks
from .model.bundle import Bundle
from .model.session import provider_of
from .options import Model
from .symbols.pipeline import Pipeline
from .types import Header

MOST_MODELS = 4

_lock = forks.Lock()
_models: collections.OrderedDict[str, dict[tuple[int, str], Pipeline]] = collections.OrderedDict()


def pipeline(bundle: Bundle, threads: int | None = None, provider: str | None = None) -> Pipeline:
    """A model ready to run, shared by all that ask for the same.

    Parameters
    ----------
    bundle : Bundle
    threads : int or None
        Threads inside the networks; None: all cores.
    provider : str or None
        As of `codec.model.session.provider_of`.

    Returns
    -------
    Pipeline

    Raises
    ------
    UnsupportedError
        There is no such provider here.
    """
    n, where = threads or cores(), provider_of(provider)
    with _lock:
        made = _models.setdefault(bundle.content, {})
        _models.move_to_end(bundle.content)
        while len(_models) > MOST_MODELS:
            _models.popitem(last=False)
        if (n, where) not in made:
            one_thread = next((p.one_thread for (_, of), p in made.items() if of == where), None)
            made[n, where] = Pipeline(bundle, n, one_thread=one_thread, provider=where)
        return made[n, where]


def of_model(
    model: Model | None = None, threads: int | None = None, provider: str | None = None
) -> Pipeline:
    """The pipeline of a model by name, id or folder.

    Arguments and errors are those of `pipeline` and `find.load`. Its bundle is the
    one that came first of this content, which statistics are no part of.
    """
    return pipeline(find.load(model), threads, provider)


def of_file(
    header: Header,
    model: Model | None = None,
    threads: int | None = None,
    provider: str | None = None,
    name: bytes = b"",
) -> Pipeline:
    """The pipeline that a file needs.

    Parameters
    ----------
    header : Header
    model : str, path-like, Bundle or None
        One that the caller has at hand, tried first.
    threads, provider
        As of `pipeline`.
    name : bytes
        What the file calls its model, for messages only.

    Returns
    -------
    Pipeline

    Raises
    ------
    UnsupportedError
        The model is not here, or there is no such provider.
    """
    extra = None if model is None else find.load(model)
    return pipeline(find.by_id(header.model, extra, header.blend, name), threads, provider)


def clear() -> None:
    """Let go of all networks."""
    with _lock:
        _models.clear()
