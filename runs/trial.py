"""A short run that exports nothing: its log is its result.

    python runs/trial.py TRAIN VALID STATE [NAME=VALUE..]

Trains as `aetrain` does with those settings of `codec.training.config.Config`;
``shape.NAME=VALUE`` changes the sizes of the weights that ``init`` names
(`runs/psnr/weights.safetensors` if it is not given). Pictures that another
run beside STATE has decoded already are taken from there.
"""

import ast
import dataclasses
import os
import sys
from pathlib import Path

from codec.training import data, processes, state
from codec.training.config import Config


def settings(folder, train, valid, given):
    values, sizes = {}, {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            pass  # a string
        to = sizes if name.startswith("shape.") else values
        to[name.removeprefix("shape.")] = value
    values.setdefault("export_share", 0.0)
    values.setdefault("init", "runs/psnr/weights.safetensors")
    shape = state.load_weights(values["init"]).shape
    return Config(
        data=train,
        valid=valid,
        state=str(folder),
        shape=dataclasses.replace(shape, **sizes),
        **values,
    )


def main():
    train, valid, folder, *given = sys.argv[1:]
    folder = Path(folder)
    cfg = settings(folder, train, valid, given)
    folder.mkdir(parents=True, exist_ok=True)
    for cache in folder.parent.glob("*/*.bin"):
        for name in (cache.name, cache.with_suffix(".json").name):
            if not (folder / name).exists():
                os.link(cache.with_name(name), folder / name)
    data.prepare(cfg)
    processes.run(cfg, (folder / "checkpoint.pt").exists())


if __name__ == "__main__":
    main()
