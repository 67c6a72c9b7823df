"""SSIMULACRA 2 as a loss: differentiable, and cheap enough for every step.

The metric [1]_ compares two pictures in a perceptual colour space (XYB) at six
scales by three maps: structural difference ``d``, ``artefact`` (edges that only
the copy has) and ``lost`` detail. Each map counts by its mean and by its
4-norm, so 108 figures are weighted and summed. Only 25 of them weigh more than
``LEAST``: the others together move the sum by less than 0.03, and most of
the work is theirs. So colour is never looked at in full size.

The original pads with zeros. Both pictures then have the same strong edge at
the border and errors there hardly count, which is a quarter of a crop at 1/8.
Here borders are mirrored.

References
----------
.. [1] https://github.com/cloudinary/ssimulacra2, version 2.1.
"""

import numpy as np
import torch
import torch.nn.functional as F

from ..search.ssimulacra2 import (
    BIAS,
    EPSILON,
    LEAST,
    MIN_SIDE,
    OPSIN,
    POLYNOMIAL,
    POWER,
    SCALE,
    TAPS,
    B,
    C,
    X,
    Y,
)
from ..search.ssimulacra2 import WEIGHTS as EACH_WEIGHT
from . import kernels
from .functional import bounded

# (channel, scale) -> weights of (d, artefact, lost): of the means, of the 4-norms.
WEIGHTS = {
    (channel, scale): np.where(weights > LEAST, weights, 0).tolist()
    for channel, of_channel in enumerate(EACH_WEIGHT)
    for scale, weights in enumerate(of_channel)
    if (weights > LEAST).any()
}
N_SCALES = 1 + max(scale for _, scale in WEIGHTS)


class _Blur(torch.autograd.Function):
    """Gaussian blur, sigma 1.5: its own adjoint."""

    @staticmethod
    def forward(ctx, x):
        return kernels.blur(x, TAPS)

    @staticmethod
    def backward(ctx, g):
        return kernels.blur(g, TAPS)


blur = _Blur.apply


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y, slope = kernels.linear_light(x)
        ctx.save_for_backward(slope)
        return y

    @staticmethod
    def backward(ctx, g):
        return (g * ctx.saved_tensors[0]).permute(0, 2, 3, 1)


def linear_light(x):
    """sRGB samples (n, h, w, 3), 0..1 -> linear light (n, 3, h, w)."""
    return _Linear.apply(x)


def xyb(linear, blue=True):
    """Linear light (n, 3, h, w) -> positive X, Y, B - Y, each (n, h, w).

    The last, a third of the work, only where ``blue`` is wanted.
    """
    m = linear.new_tensor(OPSIN if blue else OPSIN[:2])
    n, _, h, w = linear.shape
    mixed = torch.matmul(m, linear.reshape(n, 3, -1)).reshape(n, len(m), h, w)
    root = torch.exp((mixed.clamp(min=0) + BIAS).log() / 3) - BIAS ** (1 / 3)
    long, middle, *short = root.unbind(1)
    x, y = (long - middle) / 2, (long + middle) / 2
    return 14 * x + 0.42, y + 0.01, *(s - y + 0.55 for s in short)


def structure(a, b, blurred_a, blurred_b):
    """Map ``d`` of planes and their blurs: 0 where they look alike.

    The metric has it as 1 - (1 - far) (2 covariance + C) / (variances + C). The
    same without a difference of figures that are nearly equal, which float32 has
    not the digits for:
    """
    far = (blurred_a - blurred_b).square()
    error = blur((a - b).square()) - far
    variances = blur(a * a + b * b) - blurred_a.square() - blurred_b.square()
    return (far + (1 - far) * error / (variances + C)).clamp(min=0)


def weighted(maps, weights):
    """Sum of the means and 4-norms of maps (n, h, w) by their weights."""
    out = 0.0
    for each, by_mean, by_norm in zip(maps, *weights, strict=True):
        if by_mean:
            out = out + by_mean * each.mean((1, 2))
        if by_norm:
            fourth = each.square().square().mean((1, 2))
            out = out + by_norm * (fourth + EPSILON) ** 0.25
    return out


class _Compared(torch.autograd.Function):
    """`compared` in two loops, one each way, instead of dozens of planes."""

    @staticmethod
    def forward(ctx, a, b, weights):
        ma, mb = kernels.blur(a, TAPS), kernels.blur(b, TAPS)
        squares = (kernels.blur(t, TAPS) for t in (a * a + b * b, (a - b).square()))
        planes = [t.contiguous() for t in (a, b, ma, mb, *squares)]
        add_up, _ = kernels.compare()
        sums = torch.zeros(len(a), 6, dtype=torch.float64, device=a.device)
        add_up(*(t.numpy() for t in planes), np.float32(C), sums.numpy())
        means = (sums / a[0].numel()).float()
        by_mean, by_norm = a.new_tensor(weights)
        ctx.save_for_backward(*planes, means)
        ctx.weights = weights
        return means[:, :3] @ by_mean + (means[:, 3:] + EPSILON) ** 0.25 @ by_norm

    @staticmethod
    def backward(ctx, g):
        *planes, means = ctx.saved_tensors
        a, b = planes[:2]
        by_mean, by_norm = a.new_tensor(ctx.weights)
        g = g[:, None] / a[0].numel()
        cubes = g * by_norm * (means[:, 3:] + EPSILON) ** -0.75
        _, turn_back = kernels.compare()
        out = a.new_empty(4, *a.shape)
        turn_back(
            *(t.numpy() for t in planes),
            np.float32(C),
            (g * by_mean).numpy(),
            cubes.numpy(),
            out.numpy(),
        )
        direct = out[0]
        blurred, energy, error = kernels.blur(out[1:], TAPS)
        return None, direct + blurred + 2 * (b * energy + (b - a) * error), None


def compared(a, b, weights):
    """Weighted sum of what the metric sees in planes (n, h, w); b gets a gradient."""
    if a.device.type == "cpu" and a.dtype is torch.float32 and kernels.compare():
        return _Compared.apply(a, b, weights)
    ma, mb = blur(a), blur(b)
    edges = (1 + (b - mb).abs()) / (1 + (a - ma).abs()) - 1
    maps = structure(a, b, ma, mb), edges.clamp(min=0), (-edges).clamp(min=0)
    return weighted(maps, weights)


def ssimulacra2_sum(x, x_hat):
    """What SSIMULACRA 2 sums, after its polynomial and before its last power.

    Parameters
    ----------
    x, x_hat : Tensor (n, h, w, 3), -0.5..0.5
        The original, which gets no gradient, and its copy. Scales under 8
        pixels a side are left out. (Under 256 pixels a side the original
        then takes weights of other scales for those that are left.)

    Returns
    -------
    Tensor (n,)
        0 for a perfect copy; 1, 5.7, 13 and 22 for scores of 90, 70, 50
        and 30. See `score`. NaN for pictures under 8 pixels a side.
    """
    shown = bounded(x_hat, -0.5, 0.5, margin=0)
    if min(x.shape[1:3]) < MIN_SIDE:
        return x.new_full((len(x),), torch.nan)
    a, b = (linear_light(t + 0.5) for t in (x.detach(), shown))
    out = 0.0
    for scale in range(N_SCALES):
        if scale:
            a, b = (F.avg_pool2d(t, 2, ceil_mode=True) for t in (a, b))
        if min(a.shape[2:]) < MIN_SIDE:
            break
        blue = (B, scale) in WEIGHTS
        planes_a, planes_b = xyb(a, blue), xyb(b, blue)
        for channel in (X, Y, B):
            if (channel, scale) not in WEIGHTS:
                continue
            out = out + compared(planes_a[channel], planes_b[channel], WEIGHTS[channel, scale])
    s = SCALE * out
    first, second, third = POLYNOMIAL
    return s * (first + s * (second + s * third))


def score(total):
    """Score of 100 and below of `ssimulacra2_sum`; its slope at 0 is infinite."""
    return 100 - 10 * total.clamp(min=0) ** POWER
