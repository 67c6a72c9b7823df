"""Which models there are, and where.

A file names its model by id. It is looked for, in this order,

1. in what the caller gives (``model=``),
2. among the models that ship with the package, in ``codec/models``,
3. among those that `register_model` was told of,
4. in the folders that the environment variable ``AECOMPRESS_MODELS`` lists
   (separated as in ``PATH``), each of which is a model or holds models,
5. in the user's own folder, `user_folder`, which holds models.

The names of folders in 4 and 5 are names of models, too. Where a model lies
is never taken from a file that is decoded.
"""

import functools
import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import UnsupportedError
from . import encoder
from .bundle import MANIFEST, STATISTICS, Bundle

SHIPPED = Path(__file__).parent.parent / "models"
DEFAULT = "look"
VARIABLE = "AECOMPRESS_MODELS"

_registered: dict[str, Bundle] = {}


def shipped() -> list[str]:
    """Names of the models in the package, the default first."""
    names = sorted(p.parent.name for p in SHIPPED.glob(f"*/{MANIFEST}"))
    return sorted(names, key=lambda n: n != DEFAULT)


def shipped_encoders() -> list[str]:
    """Names of the encoders in the package, which write files of its models."""
    return sorted(p.parent.name for p in SHIPPED.glob(f"*/{encoder.MANIFEST}"))


# What tells one content of a folder from another: they hold hashes of the rest.
_TELLING = (MANIFEST, STATISTICS, encoder.MANIFEST, f"{encoder.MODEL}/{MANIFEST}")


def _load(folder: Path) -> Bundle:
    """The model of a folder, read again only if it has changed."""
    return _read(str(folder), tuple(_bytes(f"{folder}/{name}") for name in _TELLING))


def _bytes(path: str) -> bytes | None:
    """A file, read again only if it has changed."""
    try:
        s = os.stat(path)
        return _content(path, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
    except OSError:
        return None


@functools.lru_cache(maxsize=64)
def _content(path: str, *state: int) -> bytes:
    return Path(path).read_bytes()


@functools.lru_cache(maxsize=4)
def _read(name: str, content: tuple[bytes | None, ...]) -> Bundle:
    folder = Path(name).resolve()
    if content[_TELLING.index(encoder.MANIFEST)] is not None:
        return encoder.load(folder, by_id)
    return Bundle(folder)


def user_folder() -> Path:
    """Where a user's models lie; it need not be there."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "aecompress" / "models"


def _folders() -> Iterator[Path]:
    """The folders of models that do not ship with the package."""
    listed = os.environ.get(VARIABLE, "").split(os.pathsep)
    for top in (*(Path(name).expanduser() for name in listed if name), user_folder()):
        for folder in (top, *(sorted(top.iterdir()) if top.is_dir() else ())):
            if _is_model(folder):
                yield folder


def _is_model(folder: Path) -> bool:
    return any((folder / m).is_file() for m in (MANIFEST, encoder.MANIFEST))


def register_model(model: str | os.PathLike[str] | Bundle) -> str:
    """Let this process decode files of a model, wherever it lies.

    Parameters
    ----------
    model : str, path-like or Bundle
        Name or folder of a model.

    Returns
    -------
    str
        Its id, 16 hexadecimal digits, which from now on is a name of it.

    Raises
    ------
    UnsupportedError
        No such model here.
    ModelError
        The folder is altered or makes no sense.
    """
    bundle = load(model)
    _registered[bundle.id] = bundle
    return bundle.id


def load(model: str | os.PathLike[str] | Bundle | None = None) -> Bundle:
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
    ModelError
        The folder is altered or makes no sense.
    """
    if isinstance(model, Bundle):
        return model
    name = DEFAULT if model is None else str(model)
    if name in (*shipped(), *shipped_encoders()):
        return _load(SHIPPED / name)
    if _is_model(Path(name)):
        return _load(Path(name))
    others = list(_folders())
    for folder in others:
        if folder.name == name:
            return _load(folder)
    if len(name) == 16:
        return by_id(name)
    known = [*shipped(), *shipped_encoders(), *_registered, *(folder.name for folder in others)]
    raise UnsupportedError(f"unknown model {name!r}; there are: {', '.join(known)}", name)


@functools.lru_cache
def _ids() -> dict[str, str]:
    return {id_of(SHIPPED / name) or "": name for name in shipped()}


def id_of(folder: Path) -> str | None:
    """The id of the model in a folder; None where there is none."""
    text = _bytes(f"{folder}/{MANIFEST}")
    return None if text is None else hashlib.sha256(text).hexdigest()[:16]


def here() -> list[tuple[str, Path]]:
    """Name and folder of each model that a decoder finds by itself."""
    found = [(name, SHIPPED / name) for name in (*shipped(), *shipped_encoders())]
    return found + [(folder.name, folder) for folder in _folders()]


def is_shipped(model_id: str) -> bool:
    """Whether every installation of this version has a model."""
    return model_id in _ids()


def by_id(model_id: str, extra: Bundle | None = None, blend: int = 0, name: bytes = b"") -> Bundle:
    """The model that a file names.

    Parameters
    ----------
    model_id : str
    extra : Bundle or None
        A model that the caller has at hand, tried first.
    blend : int, 0..255
        That the file says.
    name : bytes
        What the file calls the model, for messages only.

    Raises
    ------
    UnsupportedError
        It is not here, or does not know the blend.
    """
    if blend:
        raise UnsupportedError(
            f"the file is for blend {blend} of model {model_id}, which has one set of weights",
            blend,
        )
    if extra is not None and extra.id == model_id:
        return extra
    if model_id in _ids():
        return _load(SHIPPED / _ids()[model_id])
    if model_id in _registered:
        return _registered[model_id]
    for folder in _folders():
        for model in (folder, folder / encoder.MODEL):
            if id_of(model) == model_id:
                return _load(model)
    raise UnsupportedError(
        f"the file needs model {model_id}{_called(name)}, which is not here (there "
        f"are: {', '.join((*_ids(), *_registered))}); install the version of "
        f"aecompress that wrote it, give the model's folder, or put it where "
        f"{VARIABLE} says or, with aecompress --models add, into {user_folder()}",
        model_id,
    )


def _called(name: bytes) -> str:
    return f" ({name.decode()})" if re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", name) else ""
