"""Fused training operations: fewer passes over memory, bfloat16 products.

Everything is channels-last (batch, height, width, channel). Matrix products
run in bfloat16 where that is several times faster (AVX-512 BF16); the
residual streams, the linear trunk and everything that carries sample
values stay in float32, because eight bits of mantissa are not enough for
42 dB.
"""

import functools
import math
import time

import torch
import torch.nn.functional as F

from . import kernels

CPU = torch.device("cpu")
BF16 = torch.bfloat16  # float32 where that is faster: ``use_bf16``


def use_bf16(on):
    """Let the products run in bfloat16, or all of them in float32."""
    global BF16
    BF16 = torch.bfloat16 if on else torch.float32


def bf16_pays(device=CPU, seconds=0.05):
    """Whether a device multiplies bfloat16 matrices faster than float32.

    On a CPU the best of many, as the machine may be busy; rounding the input is
    part of the price.
    """
    if device.type != "cpu":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    x, w = torch.randn(2048, 256), torch.randn(384, 256)
    best = {}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(best) < 2:
        for kind in (torch.float32, torch.bfloat16):
            t = time.perf_counter()
            F.linear(x.to(kind), w.to(kind))
            t = time.perf_counter() - t
            best[kind] = min(t, best.get(kind, t))
    return best[torch.bfloat16] < best[torch.float32]


def to_float(pixels, device=CPU):
    """uint8 array -> float32 tensor of a device, -0.5..0.5."""
    return torch.from_numpy(pixels).to(device).float().mul_(1 / 255).sub_(0.5)


def array(t):
    """float32 array of a tensor."""
    return t.detach().float().cpu().numpy()


def padded(x, b):
    """Repeat the last row and column of (n, h, w, c) up to whole cells.

    As `codec.transform.transform.padded` does at run time.
    """
    h, w = x.shape[1:3]
    if not (h % b or w % b):
        return x
    return F.pad(x.permute(0, 3, 1, 2), (0, -w % b, 0, -h % b), "replicate").permute(0, 2, 3, 1)


def space_to_depth(x, b):
    """(n, h, w, c) -> (n, h/b, w/b, b*b*c), offset-major as in ONNX."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // b, b, w // b, b, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h // b, w // b, b * b * c)


def depth_to_space(x, b):
    """Inverse of :func:`space_to_depth` (ONNX mode DCR)."""
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, b, b, c // (b * b)).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h * b, w * b, c // (b * b))


def fold8(x, w):
    """Pictures (n, h, w, 3) -> (n, h/8, w/8, c), windows (c, 3, k, k).

    Windows of more than 8x8 pixels reach into their neighbours: a lapped
    transform.
    """
    x = F.conv2d(x.permute(0, 3, 1, 2), w, stride=8, padding=(w.shape[-1] - 8) // 2)
    return x.permute(0, 2, 3, 1)


class _Unfold8(torch.autograd.Function):
    """A product and a sum where windows meet.

    Faster than the convolution, whose own way back is the fast one.
    """

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        n, height, width, c = x.shape
        k = w.shape[-1]
        y = (x.reshape(-1, c) @ w.reshape(c, -1)).reshape(n, height * width, -1)
        y = F.fold(
            y.transpose(1, 2),
            (8 * height, 8 * width),
            k,
            padding=(k - 8) // 2,
            stride=8,
        )
        return y.permute(0, 2, 3, 1) + b

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        pad = (w.shape[-1] - 8) // 2
        gx, gw, gb = torch.ops.aten.convolution_backward(
            g.permute(0, 3, 1, 2),
            x.permute(0, 3, 1, 2),
            w,
            [3],
            [8, 8],
            [pad, pad],
            [1, 1],
            True,
            [0, 0],
            1,
            ctx.needs_input_grad,
        )
        return gx.permute(0, 2, 3, 1), gw, gb


def unfold8(x, w, b):
    """Transpose of :func:`fold8`, plus a value for each colour."""
    return _Unfold8.apply(x, w, b)


def even(h, w, device):
    """Cells of the checkerboard that come first, bool (1, h, w, 1)."""
    y, x = (torch.arange(n, device=device) for n in (h, w))
    return ((y[:, None] + x) % 2 == 0)[None, :, :, None]


def round_ste(x):
    """Round to nearest; the gradient passes straight through."""
    return x + (torch.round(x) - x).detach()


def floor_ste(x):
    """Round down; the gradient passes straight through."""
    return x + (torch.floor(x) - x).detach()


class _Bounded(torch.autograd.Function):
    """Clamp whose gradient still leads back inside."""

    @staticmethod
    def forward(ctx, x, low, high, margin):
        ctx.save_for_backward(x)
        ctx.range = low - margin, high + margin
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        low, high = ctx.range
        # A descent step goes against g: up where g is negative.
        stuck = ((x < low) & (g > 0)) | ((x > high) & (g < 0))
        return g.masked_fill(stuck, 0), None, None, None


def bounded(x, low, high, margin):
    """Clamp ``x`` to low..high; values outside can come back.

    With a plain clamp a value that once left the range has no gradient and
    stays there for ever: channels that started below the narrowest row
    were never coded at any quality (docs/training-log-runs.md). Within
    ``margin`` the whole gradient passes, and beyond it only what leads
    back. Without a margin, noise whose mean is zero would become a drift
    inwards, since only half of it passed.
    """
    return _Bounded.apply(x, low, high, margin)


class _Linear(torch.autograd.Function):
    """x W^T + b: forward in float32 (exact on integers), backward bf16."""

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        ctx.has_bias = b is not None
        return F.linear(x, w, b)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        gb = g.reshape(-1, g.shape[-1]).to(BF16)
        gx = gw = None
        if ctx.needs_input_grad[0]:
            gx = (gb @ w.to(BF16)).float().reshape(x.shape)
        if ctx.needs_input_grad[1]:
            gw = (gb.t() @ x.reshape(-1, x.shape[-1]).to(BF16)).float()
        db = g.reshape(-1, g.shape[-1]).sum(0) if ctx.has_bias else None
        return gx, gw, db


def linear(x, w, b=None):
    """Linear layer, float32 forward and bfloat16 gradients."""
    return _Linear.apply(x, w, b)


def linear_bf16(x, w, b=None):
    """Linear layer in bfloat16 both ways; returns bfloat16."""
    return F.linear(x.to(BF16), w.to(BF16), None if b is None else b.to(BF16))


SMALL = 16  # cells of a plane that are not worth a convolution


@functools.cache
def _taps(h, w, k, device):
    """Which weight leads from each cell to each other one; k * k: none."""
    y, x = torch.arange(h, device=device), torch.arange(w, device=device)
    dy = (y[None] - y[:, None] + k // 2)[:, None, :, None]
    dx = (x[None] - x[:, None] + k // 2)[None, :, None, :]
    inside = (dy >= 0) & (dy < k) & (dx >= 0) & (dx < k)
    return torch.where(inside, dy * k + dx, k * k).reshape(h * w, h * w)


def _dense(w, taps):
    """Depth-wise kernels (c, 1, k, k) as a matrix each: (c, cells, cells)."""
    return F.pad(w.flatten(1), (0, 1))[:, taps]


def _planes(x):
    """(n, h, w, c) -> (c, h w, n)."""
    return x.flatten(1, 2).permute(2, 1, 0)


def depthwise_forward(x, w):
    """5x5 or 3x3 depth-wise convolution, zero padding, channels last."""
    height, width = x.shape[1:3]
    if height * width <= SMALL:
        m = _dense(w, _taps(height, width, w.shape[-1], x.device))
        return torch.bmm(m, _planes(x)).permute(2, 1, 0).reshape(x.shape)
    y = F.conv2d(x.permute(0, 3, 1, 2), w, padding=w.shape[-1] // 2, groups=w.shape[0])
    return y.permute(0, 2, 3, 1)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return depthwise_forward(x, w)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return depthwise_backward(g, x, w)


def depthwise_backward(g, x, w, learns=True):
    """Gradients of its input and, if that ``learns``, of its kernels."""
    if x.shape[1] * x.shape[2] <= SMALL:
        taps = _taps(*x.shape[1:3], w.shape[-1], x.device)
        g = _planes(g)
        gx = torch.bmm(_dense(w, taps).transpose(1, 2), g)
        gm = torch.bmm(g, _planes(x).transpose(1, 2))
        gw = w.new_zeros(len(w), w[0].numel() + 1).index_add_(1, taps.flatten(), gm.flatten(1))[
            :, :-1
        ]
        return gx.permute(2, 1, 0).reshape(x.shape), gw.reshape(w.shape)
    k = w.shape[-1]
    gw = kernels.depthwise_weights(g, x, k) if learns else None
    gx, theirs, _ = torch.ops.aten.convolution_backward(
        g.permute(0, 3, 1, 2),
        x.permute(0, 3, 1, 2),
        w,
        [0],
        [1, 1],
        [k // 2, k // 2],
        [1, 1],
        False,
        [0, 0],
        w.shape[0],
        [True, learns and gw is None, False],
    )
    gw = theirs if gw is None else gw
    return gx.permute(0, 2, 3, 1), gw


def depthwise(x, w):
    """Depth-wise convolution of (n, h, w, c) with (c, 1, k, k)."""
    return _Depthwise.apply(x, w)


class _Bits(torch.autograd.Function):
    """Bits of v under a discretised zero-mean logistic of scale 1/t."""

    @staticmethod
    def forward(ctx, v, t):
        m = v.abs()
        a, b = (m - 0.5) * t, (m + 0.5) * t
        e = -torch.expm1(-t)  # 1 - exp(-t), no overflow
        nats = F.softplus(a) + F.softplus(-b) - torch.log(e)
        ctx.save_for_backward(v, t, m, torch.sigmoid(a), torch.sigmoid(-b), (1 - e) / e)
        return nats.mul_(1 / math.log(2))

    @staticmethod
    def backward(ctx, g):
        v, t, m, sa, sb, e = ctx.saved_tensors
        g = g * (1 / math.log(2))
        gv = g * t * (sa - sb) * torch.sign(v)
        gt = g * (sa * (m - 0.5) - sb * (m + 0.5) - e)
        return gv, gt


def logistic_bits(v, t):
    """Code length in bits of ``v`` (rounded or with uniform noise).

    ln P = -softplus(a) - softplus(-b) + ln(1 - exp(-t)) with
    a = (|v| - 1/2) t and b = (|v| + 1/2) t: stable for any argument.
    """
    return _Bits.apply(v, t)
