"""Distortions: named terms, and the weighted sums that a run minimises.

A new term is one function and its line in ``TERMS``: it can then be trained
for, and each validation logs it. All are in the scale of a mean squared error
of 0..255**2, so that a lambda means about the same for each of them.
"""

import torch
import torch.nn.functional as F

from .config import TrainingError
from .functional import bounded
from .ssimulacra2 import ssimulacra2_sum

HALF_LEVEL = 0.5 / 255  # what a sample next to black is rounded to it
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def squared_error(x, x_hat):
    """Mean squared error per picture, 0..255**2."""
    return (x_hat - x).square().mean((1, 2, 3)) * 255**2


def absolute_error(x, x_hat):
    """Squared mean absolute error, times what makes it an MSE of Gaussians."""
    e = (x_hat - x).abs().mean((1, 2, 3)) * 255
    return e.square() * (torch.pi / 2)


def binary_cross_entropy(x, x_hat):
    """Cross-entropy of samples as probabilities, without their entropy.

    Nought for a perfect copy; 2 e^2 nats for a small error e at mid-grey,
    where the factor makes it the squared error, and e at black and white.
    """
    p = x + 0.5
    o = bounded(x_hat + 0.5, HALF_LEVEL, 1 - HALF_LEVEL, margin=0)
    nats = torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p) - p * o.log() - (1 - p) * (1 - o).log()
    return nats.mean((1, 2, 3)) * (255**2 / 2)


def ms_ssim_error(x, x_hat):
    """One minus MS-SSIM, times 1500."""
    return (1 - ms_ssim(x, x_hat)) * 1500.0


def ssimulacra2_error(x, x_hat):
    """Sum of SSIMULACRA 2, times 4: see `ssimulacra2.ssimulacra2_sum`.

    A model trained for squared error alone has a sum of 0.24 to 0.28 for each
    unit of it at any quality (validation crops, docs/training-log-runs.md).
    """
    return 4 * ssimulacra2_sum(x, x_hat)


TERMS = {
    "mse": squared_error,
    "mae": absolute_error,
    "bce": binary_cross_entropy,
    "ms-ssim": ms_ssim_error,
    "ssimulacra2": ssimulacra2_error,
}


def described() -> str:
    """A line about each term."""
    return "\n".join(f"{name:12} {term.__doc__.splitlines()[0]}" for name, term in TERMS.items())


def weights_of(text: str) -> dict[str, float]:
    """Weights of the terms of ``NAME[:WEIGHT],..``.

    Returns
    -------
    dict of str to float

    Raises
    ------
    TrainingError
        No such term, or a weight that is not positive.
    """
    found = {}
    for part in text.split(","):
        name, _, weight = part.partition(":")
        try:
            found[name] = float(weight or 1)
        except ValueError:
            found[name] = 0.0
        if name not in TERMS or not 0 < found[name] < float("inf"):
            raise TrainingError(f"loss {part!r}: give NAME[:WEIGHT],.. of " + ", ".join(TERMS))
    return found


def distortion(cfg, q, x, x_hat, mse):
    """What a run minimises beside the rate, per picture.

    Parameters
    ----------
    cfg : Config
        ``loss``, and where the quality is high ``loss_high``: between
        ``loss_turn`` and 1 the one goes over into the other smoothly.
    q : Tensor (n,)
        Quality, 0..1.
    x, x_hat : Tensor (n, h, w, 3), -0.5..0.5
    mse : Tensor (n,), 0..255**2

    Returns
    -------
    Tensor (n,)
    """
    low = weights_of(cfg.loss)
    high = weights_of(cfg.loss_high or cfg.loss)
    u = ((q - cfg.loss_turn) / (1 - cfg.loss_turn)).clamp(0, 1)
    u = u * u * (3 - 2 * u)
    out = 0.0
    for name in low | high:
        weight = low.get(name, 0.0) * (1 - u) + high.get(name, 0.0) * u
        term = mse if name == "mse" else TERMS[name](x, x_hat)
        out = out + weight * term
    return out


def ms_ssim(x, y):
    """Multi-scale SSIM [1]_ of (n, h, w, 3) pictures, -0.5..0.5.

    NaN for pictures under 11 pixels a side.

    References
    ----------
    .. [1] Wang, Simoncelli, Bovik, "Multi-scale structural similarity for
       image quality assessment", 2003.
    """
    x, y = (t.permute(0, 3, 1, 2) + 0.5 for t in (x, y))
    g = torch.exp(-((torch.arange(11.0, device=x.device) - 5) ** 2) / (2 * 1.5**2))
    g = g / g.sum()
    c1, c2 = 0.01**2, 0.03**2

    def blur(t):
        c = t.shape[1]
        t = F.conv2d(t, g.view(1, 1, 11, 1).expand(c, 1, 11, 1), groups=c)
        return F.conv2d(t, g.view(1, 1, 1, 11).expand(c, 1, 1, 11), groups=c)

    if min(x.shape[2:]) < 11:
        return x.new_full((len(x),), torch.nan)
    levels = [k for k in range(5) if min(x.shape[2:]) >= 11 * 2**k]
    total = sum(MS_SSIM_WEIGHTS[: len(levels)])
    out = 1.0
    for k in levels:
        mx, my = blur(x), blur(y)
        vx, vy = blur(x * x) - mx * mx, blur(y * y) - my * my
        cov = blur(x * y) - mx * my
        cs = (2 * cov + c2) / (vx + vy + c2)
        if k == levels[-1]:
            cs = cs * (2 * mx * my + c1) / (mx * mx + my * my + c1)
        out = out * cs.mean((2, 3)).clamp(min=1e-4) ** (MS_SSIM_WEIGHTS[k] / total)
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return out.mean(1)
