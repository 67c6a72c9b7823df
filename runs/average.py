"""Weights of a run averaged over several of its checkpoints.

    python runs/average.py OUT [WEIGHTS.safetensors...] CHECKPOINT...

OUT becomes the folder of a run, with the training and validation pictures
of the last CHECKPOINT's folder: its checkpoint is the last one with the
mean of all their averaged weights, and of weights that were saved, its log the last
one's, ending in a validation of that mean. `aetrain --state OUT --export` makes a model of it,
`--resume` goes on from it. The average of a run reaches a few hundred
steps back; at a constant rate, points further apart still differ mostly by
noise (docs/training-log-runs.md).
"""

import argparse
import os
import shutil
import types
from pathlib import Path

import torch

from codec.training import curves, data, functional, state, train
from codec.training.config import Config


def averaged(file, saved):
    """Averaged weights of a file, in the order of the checkpoint ``saved``."""
    if file.suffix != ".safetensors":
        return state.read(file)["average"]
    cfg = Config.from_dict(saved["config"])
    return [p.detach() for p in state.trained(state.load_weights(file), cfg).values()]


def average(files):
    """The last checkpoint with the mean of all averaged weights."""
    *others, last = files
    saved = state.read(last)
    for other in others:
        for mean, a in zip(saved["average"], averaged(other, saved), strict=True):
            mean += a
    for mean in saved["average"]:
        mean /= len(files)
    return saved


def validated(saved, cfg):
    """Points and loss of the averaged weights, as a run logs them."""
    functional.use_bf16(False)
    index = data.indices(cfg)[1]
    crops = data.Crops(data.validation_cache(cfg), index, data.least(cfg))
    return train.validate(state.averaged(saved), crops, cfg)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("out", type=Path)
    p.add_argument("checkpoints", type=Path, nargs="+")
    args = p.parse_args()
    source = args.checkpoints[-1].parent
    args.out.mkdir(parents=True, exist_ok=True)
    for cache in source.glob("*.bin"):
        for name in (cache.name, cache.with_suffix(".json").name):
            (args.out / name).unlink(missing_ok=True)
            os.link(source / name, args.out / name)
    shutil.copy(source / "log.csv", args.out)
    saved = average(args.checkpoints)
    saved["config"]["state"] = str(args.out)
    state.write(saved, args.out / "checkpoint.pt")
    points, loss = validated(saved, Config.from_dict(saved["config"]))
    log = curves.Log(args.out / "log.csv", saved["step"])
    counters = types.SimpleNamespace(**{k: saved[k] for k in state.COUNTERS})
    curves.Progress(log).validation(counters, points, loss)
    print(f"loss {loss:.5f}")


if __name__ == "__main__":
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    main()
