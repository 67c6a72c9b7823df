"""Distortions, all in the scale of a mean squared error of 0..255**2."""

import torch
import torch.nn.functional as F

from .functional import bounded

HALF_LEVEL = 0.5 / 255  # what a sample next to black is rounded to it
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def distortion(name, x, x_hat, mse):
    """Distortion per picture.

    Parameters
    ----------
    name : {"mse", "mae", "bce", "ms-ssim", "mse+ms-ssim"}
    x, x_hat : Tensor (n, h, w, 3), -0.5..0.5
    mse : Tensor (n,), 0..255**2

    Returns
    -------
    Tensor (n,)
        Scaled so that a lambda means about the same for each loss.
    """
    if name == "mse":
        return mse
    if name == "mae":
        # E|e| of a Gaussian error is sqrt(2/pi) sigma: squared, an MSE.
        e = (x_hat - x).abs().mean((1, 2, 3)) * 255
        return e.square() * (torch.pi / 2)
    if name == "bce":
        return binary_cross_entropy(x, x_hat)
    d = (1 - ms_ssim(x, x_hat)) * 1500.0
    return d if name == "ms-ssim" else 0.5 * (d + mse)


def binary_cross_entropy(x, x_hat):
    """Cross-entropy of samples as probabilities, without their entropy.

    Nought for a perfect copy; 2 e^2 nats for a small error e at mid-grey,
    where the factor makes it the squared error, and e at black and white.
    """
    p = x + 0.5
    o = bounded(x_hat + 0.5, HALF_LEVEL, 1 - HALF_LEVEL, margin=0)
    nats = (
        torch.xlogy(p, p)
        + torch.xlogy(1 - p, 1 - p)
        - p * o.log()
        - (1 - p) * (1 - o).log()
    )
    return nats.mean((1, 2, 3)) * (255**2 / 2)


def ms_ssim(x, y):
    """Multi-scale SSIM [1]_ of (n, h, w, 3) pictures, -0.5..0.5.

    References
    ----------
    .. [1] Wang, Simoncelli, Bovik, "Multi-scale structural similarity for
       image quality assessment", 2003.
    """
    x, y = (t.permute(0, 3, 1, 2) + 0.5 for t in (x, y))
    g = torch.exp(-((torch.arange(11.0) - 5) ** 2) / (2 * 1.5**2))
    g = (g / g.sum()).to(x)
    c1, c2 = 0.01**2, 0.03**2

    def blur(t):
        c = t.shape[1]
        t = F.conv2d(t, g.view(1, 1, 11, 1).expand(c, 1, 11, 1), groups=c)
        return F.conv2d(t, g.view(1, 1, 1, 11).expand(c, 1, 1, 11), groups=c)

    levels = [k for k in range(5) if min(x.shape[2:]) >= 11 * 2**k]
    weights = torch.tensor(MS_SSIM_WEIGHTS[: len(levels)])
    weights = weights / weights.sum()
    out = 1.0
    for k in levels:
        mx, my = blur(x), blur(y)
        vx, vy = blur(x * x) - mx * mx, blur(y * y) - my * my
        cov = blur(x * y) - mx * my
        cs = (2 * cov + c2) / (vx + vy + c2)
        if k == levels[-1]:
            cs = cs * (2 * mx * my + c1) / (mx * mx + my * my + c1)
        out = out * cs.mean((2, 3)).clamp(min=1e-4) ** weights[k]
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return out.mean(1)
