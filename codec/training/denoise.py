"""Encoders that see noisy pictures and are asked for the clean ones.

They are trained against the frozen decoder of a model and shipped for it: the
analysis and a manifest that names the model (``codec.model.encoder``).
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from ..decoder import Decoder
from ..encoder import Encoder
from ..model import bundle, encoder, find
from ..search.targets import psnr
from . import graphs, noise
from .config import TrainingError

CHECK_QUALITY = 50.0
SAME = 0.02  # how far float16 may have moved a table


def belongs(model, base):
    """Refuse weights whose decoder is not the model's.

    Parameters
    ----------
    model : nets.Codec
    base : Bundle

    Raises
    ------
    TrainingError
    """
    blocks = [*model.synthesis.blocks16, *model.synthesis.blocks8]
    for name, mine in (
        ("log_gain", model.log_gain.detach().numpy()),
        (
            "synthesis_mod",
            1 + np.concatenate([b.mod.detach().numpy() for b in blocks], 1),
        ),
    ):
        other = base.tables[name][:, : mine.shape[1]]  # then what mixes
        qualities = [base.trained(q) for q in np.linspace(1, 100, len(other))]
        places = np.linspace(1, 100, len(mine))
        same = mine.shape[1] == other.shape[1] and all(
            np.abs(np.interp(qualities, places, column) - wanted).max() <= SAME
            for column, wanted in zip(mine.T, other.T)
        )
        if not same:
            raise TrainingError(
                f"the weights are not those of the model {base.folder.name} "
                f"({base.id}); --init and --base must be of one training"
            )


def export(model, base, out, *, name, info):
    """Write the folder of an encoder.

    A model that does not ship with the package is copied into it.

    Parameters
    ----------
    model : nets.Codec
    base : Bundle
        The model whose files the encoder writes.
    out : path-like
    name : str
    info : dict
        Of the training.

    Returns
    -------
    str
        The id of ``base``.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    files = {encoder.GRAPH: graphs.analysis(model.analysis)}
    manifest = {
        "name": name,
        "format": 1,
        "model": base.id,
        "base": base.folder.name,
        "files": {f: hashlib.sha256(b).hexdigest() for f, b in files.items()},
        "training": info,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    files[encoder.MANIFEST] = text.encode()
    shutil.rmtree(out / encoder.MODEL, ignore_errors=True)
    if not find.is_shipped(base.id):
        (out / encoder.MODEL).mkdir()
        for f in (bundle.MANIFEST, *base.manifest["files"]):
            shutil.copyfile(base.folder / f, out / encoder.MODEL / f)
    for f, b in files.items():
        (out / f"{f}.tmp").write_bytes(b)
    for f in files:
        os.replace(out / f"{f}.tmp", out / f)
    return base.id


def check(out, base, denoise, pixels, name):
    """Clean one noisy picture by way of a file; a line that says how.

    Raises
    ------
    TrainingError
        The model itself does not decode the file.
    """
    sigma = noise.typical(denoise)
    seen = noise.added(pixels, sigma, np.random.default_rng(1))
    coded = Encoder(model=encoder.load(out, find.by_id)).encode(seen, CHECK_QUALITY)
    back = Decoder(model=base).decode(coded)
    if back.shape != pixels.shape:
        raise TrainingError(f"{out}: model {base.id} does not decode")

    bpp = len(coded) * 8 / (pixels.shape[0] * pixels.shape[1])
    return (
        f"{name}, {pixels.shape[1]}x{pixels.shape[0]}, noise of sigma "
        f"{sigma:g}, quality {CHECK_QUALITY:g}: {bpp:.3f} bpp, "
        f"{psnr(seen, pixels):.2f} -> {psnr(back, pixels):.2f} dB"
    )
