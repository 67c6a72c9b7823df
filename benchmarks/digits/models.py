"""Which digits are for what, and the models that are trained on them.

By index: 0..7999 train, 8000..8999 choose (a regularisation, when to stop),
9000..9999 give the figures of the report and nothing else. With
scikit-learn's digits the same shares of what there is.
"""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import torch

from codec.model.bundle import Bundle
from codec.training import data, digits, export_run, state, train
from codec.training.config import PRESETS, Config

# For the ten models that each know nine digits.
SMALL = dataclasses.replace(
    PRESETS["digits"]["shape"],
    c8=24,
    m=32,
    k=12,
    a8=1,
    a16=1,
    s8=1,
    s16=1,
    hidden8=48,
    hidden16=64,
    nz=8,
    hyper=24,
    feat=16,
    ctx0=24,
    ctx1=24,
)


@dataclasses.dataclass(frozen=True)
class Set:
    """Pictures uint8 (n, 28, 28) and their labels."""

    pictures: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def where(self, chosen):
        return Set(self.pictures[chosen], self.labels[chosen])


def sets(folder):
    """Training, choosing and figures, split by index.

    Parameters
    ----------
    folder : path-like or None
        With IDX files; None: scikit-learn's digits.
    """
    whole = Set(*(digits.load(folder) if folder else digits.bundled()))
    a, b = len(whole) * 8 // 10, len(whole) * 9 // 10
    return (
        whole.where(slice(0, a)),
        whole.where(slice(a, b)),
        whole.where(slice(b, None)),
    )


def pace(steps):
    """Settings that depend on how long a run is; short ones take leaps."""
    return {
        "steps": steps,
        "warmup": max(1, min(100, steps // 15)),
        "ema": min(0.998, max(0.8, 1 - 12 / steps)),
        "rate": min(4.0, max(1.0, (2400 / steps) ** 0.5)),
    }


def trained(work, name, train_set, choose_set, *, steps, **settings):
    """A model of these digits; one that was trained already is taken.

    Parameters
    ----------
    work : path-like
        Models and states are kept there.
    name : str
    train_set, choose_set : Set
    steps : int
    settings
        Of the preset "digits", to be changed.

    Returns
    -------
    Bundle
    """
    work = Path(work)
    out, folder = work / name, work / f"{name}-state"
    if (out / "model.json").exists():
        return Bundle(out)
    places = []
    for kind, part in ("train", train_set), ("valid", choose_set):
        mark = hashlib.sha256(part.pictures.tobytes()).hexdigest()[:8]
        places.append(work / "data" / f"{kind}-{mark}")
        places[-1].mkdir(parents=True, exist_ok=True)
        if not (file := places[-1] / "digits-idx3-ubyte").exists():
            digits.write(part.pictures, file)
    cfg = Config(
        **{
            **PRESETS["digits"],
            "data": str(places[0]),
            "valid": str(places[1]),
            "name": name,
            "workers": 1,
            "state": str(folder),
            **pace(steps),
            **settings,
        }
    )
    data.prepare(cfg, print)
    train.train(cfg, resume=(folder / "checkpoint.pt").exists())
    export_run.export_run(cfg, out, n_pictures=cfg.table_pictures)
    return Bundle(out)


def seconds(work, name):
    """Of training, as the checkpoint says."""
    return state.read(Path(work) / f"{name}-state/checkpoint.pt")["seconds"]


def threads(n):
    """Threads of torch; the runtime is told by each call."""
    torch.set_num_threads(n)
