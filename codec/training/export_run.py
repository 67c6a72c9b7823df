"""From a run's folder to a model that was seen to work."""

import collections
import csv
import math
import re
from pathlib import Path

import numpy as np

from ..decoder import Decoder
from ..encoder import Encoder
from ..errors import InputError
from ..insight import calibrate
from ..model.bundle import Bundle
from ..model.find import load
from ..search.targets import psnr
from . import curves, data, denoise, export, functional, state
from .clock import Clock
from .config import Config, TrainingError

CHECK_SIDE = 1024
CHECK_QUALITY = 50.0
CALIBRATED = 200  # training pictures that the statistics are of


def export_run(cfg, out, *, n_pictures=60, log=print, seconds=math.inf):
    """Export the averaged weights of a run and code a picture with them.

    Parameters
    ----------
    cfg : Config
        Of the run; ``cfg.data`` is looked at for licences only.
    out : path-like
        Folder of the model.
    n_pictures : int
        Training pictures that the tables are fitted to.
    log : callable
    seconds : float
        That the export may take, about: with fewer pictures if need be.

    Returns
    -------
    str
        The model id.
    """
    clock = Clock(seconds, log)
    functional.use_bf16(False)  # what runs is float32
    folder = Path(cfg.state)
    saved = state.read(folder / "checkpoint.pt")
    model, step = weights(folder, saved)
    train_index, valid_index = data.indices(cfg)
    crops = data.Crops(folder / "train", train_index, data.least(cfg))
    info = training_info(cfg, saved, len(train_index), step)
    valid = data.Crops(data.validation_cache(cfg), valid_index, data.least(cfg))
    sample = valid.picture(0)[:CHECK_SIDE, :CHECK_SIDE], valid.index[0][0]
    if cfg.denoise:
        base = load(cfg.base or None)
        model_id = denoise.export(model, base, out, name=cfg.name, info=info)
        log(f"wrote {out}, an encoder for model {model_id}")
        log(denoise.check(out, base, cfg.denoise, *sample))
        return model_id
    log(f"fitting tables to {min(n_pictures, len(train_index))} pictures")
    model_id = export.export(
        model,
        out,
        crops,
        name=cfg.name,
        info=info,
        clock=clock,
        n_pictures=min(n_pictures, len(crops.index)),
    )
    log(f"wrote {out}, model {model_id}")
    statistics(out, crops, log, clock)
    log(check(out, *sample))
    return model_id


def statistics(out, crops, log, clock):
    """How training pictures code, for ``codec.anomaly_score``."""
    pick = crops.spread(CALIBRATED)
    pictures = map(crops.picture, pick[clock.pictures(len(pick))])
    stage = "measuring pictures for anomaly scores"
    try:
        known = calibrate.write(
            Bundle(out), clock.over(stage, pictures, len(pick), lambda picture: 1)
        )
    except InputError as error:  # a model without them is a model
        log(f"no statistics for anomaly scores: {error}")
    else:
        log(f"statistics of {known['pictures']} pictures for anomaly scores")


def weights(folder, saved):
    """The model to export and its step.

    The last averages, or those of the best validation in a run with
    patience, where that is what stopping early means.
    """
    if Config.from_dict(saved["config"]).patience and saved["since"]:
        best = state.read(Path(folder) / "best.pt")
        model = state.averaged(saved)
        model.load_state_dict(best["model"])
        return model, best["step"]
    return state.averaged(saved), saved["step"]


def training_info(cfg, saved, n_pictures, step):
    """What the manifest says of the training; no paths of this machine."""
    then = Config.from_dict(saved["config"])
    rows = curves.last_validation(Path(cfg.state) / "log.csv", step)
    info = {
        "data": Path(cfg.data).resolve().name,
        "pictures": n_pictures,
        "licences": licences(cfg.data),
        "commit": export.commit_id(),
        "hours": round(saved["seconds"] / 3600, 4),
        "steps": step,
        "pixels": saved["pixels"],
        # Encoders make less of the same thing (`codec.search.objectives`).
        **{k: v for k in ("loss", "loss_high", "loss_turn") if (v := getattr(then, k))},
        "seed": then.seed,
        "validation": [{"lambda": r["lambda"], "bpp": r["bpp"], "psnr": r["psnr"]} for r in rows],
    }
    if then.denoise:
        info["denoise"] = list(then.denoise)
    if then.init:
        info["started_from"] = Path(then.init).name
    return info


def licences(folder):
    """How many pictures have which licence, where a SOURCES.csv tells.

    Looked for in the folder and beside it; columns ``file`` (relative to
    the CSV) and ``licence``. None without one.
    """
    folder = Path(folder).resolve()
    for place, start in ((folder, ""), (folder.parent, folder.name + "/")):
        try:
            with open(place / "SOURCES.csv", newline="", encoding="utf-8") as f:
                rows = list(csv.DictReader(f))
        except OSError:
            continue
        # What stands in brackets tells where a licence was found.
        found = collections.Counter(
            re.sub(r"\s*[(:].*", "", r.get("licence") or "").strip(" []") or "unknown"
            for r in rows
            if (r.get("file") or "").startswith(start)
        )
        if found:
            return dict(sorted(found.items()))
    return None


def check(out, pixels, name):
    """Code one picture with an exported model; a line that says how.

    Raises
    ------
    TrainingError
        What came back is not the picture's size.
    """
    bundle = Bundle(out)
    pixels = np.ascontiguousarray(pixels)
    coded = Encoder(model=bundle).encode(pixels, CHECK_QUALITY)
    back = Decoder(model=bundle).decode(coded)
    if back.shape != pixels.shape:
        raise TrainingError(f"{out}: the exported model does not decode")
    bpp = len(coded) * 8 / (pixels.shape[0] * pixels.shape[1])
    return (
        f"{name}, {pixels.shape[1]}x{pixels.shape[0]}, quality "
        f"{CHECK_QUALITY:g}: {bpp:.3f} bpp, "
        f"{psnr(back, pixels):.2f} dB"
    )
