"""Pictures, networks and runs that the tests of codec.training share."""

import math

import numpy as np
from PIL import Image

from codec.training.config import Config, Shape

TINY = Shape(
    c8=16,
    m=24,
    k=8,
    a8=1,
    a16=1,
    s8=1,
    s16=1,
    hidden8=16,
    hidden16=16,
    s_hidden8=16,
    s_hidden16=16,
    nz=6,
    hyper=12,
    feat=8,
    ctx0=8,
    ctx1=8,
)


def scene(seed, height=128, width=160):
    """A smooth picture with edges, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    size = width, height
    smooth = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC), float)
    edges = np.asarray(Image.fromarray(small[::-1]).resize(size, Image.Resampling.NEAREST), float)
    noise = rng.normal(0, 3, smooth.shape)
    return np.clip(0.7 * smooth + 0.3 * edges + noise, 0, 255).astype(np.uint8)


def pictures(folder, n=4, **size):
    """A folder of ``n`` scenes."""
    folder.mkdir(exist_ok=True)
    for i in range(n):
        Image.fromarray(scene(i, **size)).save(folder / f"{i}.png")
    return folder


def config(tmp_path, **more):
    """Settings of a run over four pictures, which are made."""
    settings = {
        "data": str(pictures(tmp_path / "pictures")),
        "state": str(tmp_path / "state"),
        "shape": TINY,
        "crop": 64,
        "batch": 2,
        "workers": 1,
        "warmup": 2,
        "steps": 6,
        "ema": 0.9,
        "name": "test",
        "bf16": "off",
        "against": "none",
    }
    return Config(**{**settings, **more})


def quiet(line):
    """Say nothing."""


def run(cfg, **more):
    """Decode the pictures of a run, and train."""
    from codec.training import data, train  # not all tests have torch

    data.prepare(cfg, quiet)
    return train.train(cfg, **more)


def psnr(a, b):
    mse = np.square(a.astype(float) - b).mean()
    return 10 * math.log10(255**2 / max(mse, 1e-9))
