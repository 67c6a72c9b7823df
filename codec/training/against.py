"""How far a run is from a model that ships: the same pictures, the same qualities.

The model is coded with as the package does, so its weights need not be here.
"""

import numpy as np
import torch
from torch import nn

from ..model import find
from . import curves, functional

NONE = "none"
N_PLACES = 64  # of quality, at which rates are compared


class Shipped(nn.Module):
    """A model that ships, in place of a `nets.Codec` that is validated.

    Parameters
    ----------
    bundle : Bundle
    of_run : nets.Codec
        Whose lambdas count.
    """

    place = functional.CPU

    def __init__(self, bundle, of_run):
        from ..symbols.pipeline import Pipeline  # a machine that only trains lacks its libraries

        super().__init__()
        self.bundle, self.q_of = bundle, of_run.q_of
        self.pipeline = Pipeline(bundle, 1)

    def forward(self, seen, lam, noise=None, wanted=None):
        """As of `nets.Codec`, of one lambda, rounded and clipped as a decoder does."""
        logs = np.log(self.bundle.manifest["lambda"])
        quality = float(np.interp(np.log(lam[0].item()), logs, np.linspace(1, 100, len(logs))))
        coded = [self._code(pixels, quality) for pixels in seen]
        bpp, x_hat = (torch.stack(part) for part in zip(*coded))
        mse = 255**2 * (x_hat - (seen if wanted is None else wanted)).square().mean((1, 2, 3))
        return bpp, mse, x_hat, None

    def _code(self, pixels, quality):
        height, width, _ = pixels.shape
        pixels = ((pixels + 0.5) * 255).round().to(torch.uint8).numpy()
        y = self.pipeline.analyse(pixels, quality)
        bits, latent = self.pipeline.code_length(y, quality)
        back = self.pipeline.synthesise(latent, quality, height, width)
        return (
            torch.tensor(bits / (height * width), dtype=torch.float32),
            functional.to_float(back, functional.CPU),
        )


def name_of(cfg) -> str:
    """The model that a run is compared with, or ``NONE``."""
    if cfg.against:
        return cfg.against
    if cfg.denoise:
        return cfg.base or find.DEFAULT
    return "psnr" if cfg.loss == "mse" and cfg.loss_high in ("", "mse") else find.DEFAULT


def model_of(cfg):
    """Its `Bundle`; None where there is nothing to compare with."""
    return None if name_of(cfg) == NONE else find.load(name_of(cfg))


def rate(points, shipped, column):
    """How many percent more bytes than the shipped model at equal quality.

    Parameters
    ----------
    points, shipped : list of tuple
        As of `train.validate`.
    column : {2, 3}
        PSNR or score.

    Returns
    -------
    float or None
        The mean over the qualities that both reach; None if they share none.
    """
    (x, a), (y, b) = (_curve(rows, column) for rows in (points, shipped))
    if not len(x) or not len(y):
        return None
    low, high = max(x[0], y[0]), min(x[-1], y[-1])
    if not low < high:
        return None
    at = np.linspace(low, high, N_PLACES)
    return float(100 * np.expm1((np.interp(at, x, a) - np.interp(at, y, b)).mean()))


def _curve(points, column):
    """Quality and the logarithm of the rate, where more bytes bring more."""
    kept = []
    for row in sorted(points, key=lambda row: row[1]):
        if np.isfinite(row[column]) and (not kept or row[column] > kept[-1][0]):
            kept.append((row[column], np.log(row[1])))
    return np.array(kept).reshape(-1, 2).T


def described(points, shipped, name):
    """What a validation says of both, or nothing if one is missing."""
    if not points or not shipped:
        return ""
    found = [
        f"{value:+.1f} % at equal {what}"
        for column, what in ((2, "PSNR"), (3, "score"))
        if (value := rate(points, shipped, column)) is not None
    ]
    return f"bytes against {name}: {', '.join(found) or 'no quality in common'}"


def at_the_end(log, cfg):
    """The same of the last validation in a log."""
    points, shipped = (
        [
            [row.get(name, np.nan) for name in ("lambda", "bpp", "psnr", "score")]
            for row in curves.last(curves.read(log), kind)
        ]
        for kind in ("valid", "shipped")
    )
    return described(points, shipped, name_of(cfg))
