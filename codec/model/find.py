"""Which models there are, and where.

Those that ship with the package lie in ``codec/models``; a path to any other
folder does as well.
"""

import functools
import hashlib
from pathlib import Path

from ..errors import UnsupportedError
from . import encoder
from .bundle import MANIFEST, STATISTICS, Bundle

SHIPPED = Path(__file__).parent.parent / "models"
DEFAULT = "photo"


def shipped():
    """Names of the models in the package, the default first."""
    names = sorted(p.parent.name for p in SHIPPED.glob(f"*/{MANIFEST}"))
    return sorted(names, key=lambda n: n != DEFAULT)


# What tells one content of a folder from another: they hold hashes of the rest.
_TELLING = (MANIFEST, STATISTICS, encoder.MANIFEST, f"{encoder.MODEL}/{MANIFEST}")


def _load(folder):
    """The model of a folder, read again only if it has changed."""
    folder = Path(folder).resolve()
    return _read(folder, tuple(_bytes(folder / name) for name in _TELLING))


def _bytes(path):
    try:
        return path.read_bytes()
    except OSError:
        return None


@functools.lru_cache(maxsize=4)
def _read(folder, content):
    if content[_TELLING.index(encoder.MANIFEST)] is not None:
        return encoder.load(folder, by_id)
    return Bundle(folder)


def load(model=None):
    """A model by name, id or folder, which may be an encoder's only.

    Parameters
    ----------
    model : str, path-like, Bundle or None
        None: the default.

    Returns
    -------
    Bundle

    Raises
    ------
    UnsupportedError
        No such model here.
    """
    if isinstance(model, Bundle):
        return model
    if model is None:
        model = DEFAULT
    name = str(model)
    if name in shipped():
        return _load(SHIPPED / name)
    if any(
        (Path(name) / manifest).is_file() for manifest in (MANIFEST, encoder.MANIFEST)
    ):
        return _load(name)
    if len(name) == 16:
        return by_id(name)
    raise UnsupportedError(
        f"unknown model {name!r}; there are: " + ", ".join(shipped()), name
    )


@functools.lru_cache
def _ids():
    return {
        hashlib.sha256((SHIPPED / n / MANIFEST).read_bytes()).hexdigest()[:16]: n
        for n in shipped()
    }


def is_shipped(model_id):
    """Whether every installation of this version has a model."""
    return model_id in _ids()


def by_id(model_id, extra=None):
    """The model that a file names.

    Parameters
    ----------
    model_id : str
    extra : Bundle or None
        A model that the caller has at hand, tried first.

    Raises
    ------
    UnsupportedError
        It is not installed.
    """
    if extra is not None and extra.id == model_id:
        return extra
    name = _ids().get(model_id)
    if name is None:
        raise UnsupportedError(
            f"the file needs model {model_id}, which is not installed "
            f"(there are: {', '.join(_ids())}); install the version of "
            "aecompress that wrote it, or give the model's folder",
            model_id,
        )
    return _load(SHIPPED / name)
