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

import math

import numpy as np
import torch
import torch.nn.functional as F

from . import kernels
from .functional import bounded

OPSIN = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
)
BIAS = 0.0037930732552754493
C = 0.0009
SCALE = 0.9562382616834844
POLYNOMIAL = 2.326765642916932, -0.020884521182843837, 6.248496625763138e-05
LEAST = 0.02
EPSILON = 1e-18  # under the fourth root, whose slope at zero has no bound
MIN_SIDE = 8
TAPS = tuple(
    math.exp(-(k**2) / (2 * 1.5**2))
    / sum(math.exp(-(j**2) / (2 * 1.5**2)) for j in range(-5, 6))
    for k in range(-5, 6)
)

# (channel, scale) -> weights of (d, artefact, lost): of the means, of the 4-norms.
X, Y, B = 0, 1, 2
WEIGHTS = {
    (X, 1): ((0, 0, 0), (1.1041726426657346, 0, 0)),
    (X, 2): ((0, 0, 0), (1.8422455520539298, 11.441172603757666, 0)),
    (X, 3): ((0, 0, 0), (1.8787594979546387, 10.94906990605142, 0)),
    (X, 4): ((0, 0.9677937080626833, 0), (0, 0.9981766977854967, 0)),
    (Y, 0): ((0, 0, 0), (7.466890328078848, 0, 17.445833984131262)),
    (Y, 1): ((0, 0, 0), (6.683678146179332, 0, 1.027889937768264)),
    (Y, 2): ((225.20515300849274, 0, 0), (19.213238186143016, 0, 0)),
    (Y, 3): (
        (176.39317598450694, 0, 0),
        (24.43300999870476, 0.28520802612117757, 0),
    ),
    (Y, 4): ((0, 0, 0), (34.77906344483772, 44.835625328877896, 0)),
    (B, 3): ((0, 0, 0), (8.826982764996862, 23.19243343998926, 0)),
    (B, 4): (
        (95.1080498811086, 0.9863978034400682, 0.9834382792465353),
        (0, 171.2667255897307, 0.9807858872435379),
    ),
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
            out = out + compared(
                planes_a[channel], planes_b[channel], WEIGHTS[channel, scale]
            )
    s = SCALE * out
    first, second, third = POLYNOMIAL
    return s * (first + s * (second + s * third))


def score(total):
    """Score of 100 and below of `ssimulacra2_sum`; its slope at 0 is infinite."""
    return 100 - 10 * total.clamp(min=0) ** 0.6276336467831387
