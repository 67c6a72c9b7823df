"""Encoders that write files of a model that is there already.

A folder with ``encoder.json`` has another analysis for a model, which no
decoder runs. The files carry that model's id, and every decoder that has the model reads them
(docs/denoising.md).
"""

import copy
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ModelError, UnsupportedError
from . import bundle

MANIFEST = "encoder.json"
MODEL = "model"  # folder of a model that the package has not
GRAPH = "analysis.onnx"


def load(folder: str | os.PathLike[str], by_id: Callable[[str], bundle.Bundle]) -> bundle.Bundle:
    """The model with the folder's analysis in place of its own.

    The model is in the folder's own folder ``model``, or else among those
    that ship with the package. Symbols are rounded at every effort: better
    ones would be sought by the distance to the picture that the encoder
    sees, which is not the one it was asked for.

    Parameters
    ----------
    folder : path-like
    by_id : function of str
        Gives the model of an id: a ``Bundle``.

    Returns
    -------
    bundle.Bundle

    Raises
    ------
    ModelError
        A file is missing or altered, or not for an encoder to replace.
    UnsupportedError
        The model is not installed.
    """
    folder = Path(folder)
    text, manifest, files = bundle.read(folder, MANIFEST)
    if set(files) != {GRAPH}:
        raise ModelError(f"{folder / MANIFEST}: an encoder is {GRAPH} and nothing else")
    wanted: Any = manifest.get("model")
    if (folder / MODEL).is_dir():
        model = bundle.Bundle(folder / MODEL)
    else:
        try:
            model = by_id(wanted)
        except (UnsupportedError, TypeError):
            raise UnsupportedError(
                f"{folder}: an encoder for model {_named(wanted, manifest)}, which is not "
                "here; an encoder has to be trained anew for another model, also for one of "
                "the same name (docs/denoising.md)",
                str(wanted),
            ) from None
    if model.id != wanted:
        raise ModelError(f"{folder}: an encoder for model {wanted}, with model {model.id}")
    model = copy.copy(model)
    model.folder, model.statistics = folder, None
    model.content = hashlib.sha256(model.content.encode() + text).hexdigest()
    model.graphs = {**model.graphs, **bundle.graphs(files)}
    model.tables = {k: v for k, v in model.tables.items() if k != "energy"}
    return model


def _named(model_id: object, manifest: dict[str, Any]) -> str:
    """A model's id, and what it was called where the manifest says."""
    base = manifest.get("base")
    return f"{model_id} ({base})" if isinstance(base, str) else str(model_id)
