"""The networks around the entropy coder, in torch, channels-last.

Contents
--------
``HyperAnalysis``  latent -> hyper-latent z at 1/64 (``h_a``)
``ExactRows``  z symbols and decoded magnitudes -> table rows, in integers
``Means``      z and decoded latents -> means, in floats

``ExactRows`` trains with the integers that will run (docs/format.md,
section 7); ``Means`` moves the reconstruction only and may be float.
"""

import math

import torch
from torch import nn

from ..model.tables import LEVEL_ONE, cuts
from . import functional as fn

N_KNOTS = 8
N_ROWS = 64
SIGMA_MIN, SIGMA_MAX = 0.11, 256.0
ROW_STEP = math.log(SIGMA_MAX / SIGMA_MIN) / (N_ROWS - 1)
LOGISTIC = math.pi / math.sqrt(3)  # 1/t = sigma / LOGISTIC
ROW_ONE = 1024  # fixed point of the row index
CTX_ONE = 64  # fixed point of the context layers
ACT_SHIFT = 4


def knots(table, q):
    """Interpolate a (N_KNOTS, ...) table at q in [0, 1], shape (n,)."""
    p = q.clamp(0, 1) * (N_KNOTS - 1)
    i = p.floor().clamp(max=N_KNOTS - 2).long()
    f = (p - i).reshape(-1, *[1] * (table.dim() - 1))
    return table[i] * (1 - f) + table[i + 1] * f


def matrix(rows, cols, gain=1.0):
    return nn.Parameter(torch.randn(rows, cols) * (gain / math.sqrt(cols)))


class HyperAnalysis(nn.Module):
    """Scaled latent -> z: logarithms tame six octaves of range."""

    def __init__(self, s):
        super().__init__()
        self.w1 = matrix(s.hyper, 2 * s.m)
        self.b1 = nn.Parameter(torch.zeros(s.hyper))
        self.w2 = matrix(s.hyper, 16 * s.hyper, 1.4)
        self.b2 = nn.Parameter(torch.zeros(s.hyper))
        self.w3 = matrix(s.nz, s.hyper, 3.0)
        self.b3 = nn.Parameter(torch.zeros(s.nz))

    def forward(self, y):
        mag = torch.log1p(y.abs())
        f = torch.cat([mag, torch.copysign(mag, y)], -1)
        a = fn.linear_bf16(f, self.w1, self.b1).relu()
        a = fn.space_to_depth(a, 4)
        a = fn.linear_bf16(a, self.w2, self.b2).relu()
        return fn.linear_bf16(a, self.w3, self.b3).float()


def patches3(x):
    """(n, h, w, c) -> (n, h, w, 9 c): 3x3 neighbourhoods, zero padded."""
    h, w = x.shape[1:3]
    x = nn.functional.pad(x, (0, 0, 1, 1, 1, 1))
    return torch.cat([x[:, i : i + h, j : j + w] for i in range(3) for j in range(3)], -1)


def neighbours(x):
    """Sum of the four neighbours, zero outside."""
    p = nn.functional.pad(x, (0, 0, 1, 1, 1, 1))
    return p[:, :-2, 1:-1] + p[:, 2:, 1:-1] + p[:, 1:-1, :-2] + p[:, 1:-1, 2:]


def level(v):
    """Magnitude level of a symbol, 0..15: round(2 log2(1 + |v|))."""
    return torch.round(2 * torch.log2(1 + v.abs())).clamp_(max=15)


def expected_levels():
    """Mean level of a symbol by its row, in 1/LEVEL_ONE: (N_ROWS,)."""
    sigma = SIGMA_MIN * torch.exp(ROW_STEP * (torch.arange(N_ROWS) + 0.5))
    k = torch.arange(4096.0)
    p = 2 ** -fn.logistic_bits(k.expand(N_ROWS, -1), (LOGISTIC / sigma)[:, None].expand(-1, len(k)))
    p[:, 1:] *= 2
    return (LEVEL_ONE * (p * level(k)).sum(1) / p.sum(1)).round()


class ExactRows(nn.Module):
    """Table rows from integers; the weights are int8 from the first step.

    Parameters are floats ``p``; the weight is round(p * S) in -127..127.
    """

    S1, S2, SC = 900.0, 100.0, 400.0

    def __init__(self, s, pca):
        super().__init__()
        self.m, self.k = s.m, s.k
        self.w1 = matrix(s.hyper, 9 * s.nz)
        self.b1 = nn.Parameter(torch.zeros(s.hyper))
        self.w2 = nn.Parameter(torch.randn(16 * s.m, s.hyper) * 0.004)
        self.b2 = nn.Parameter(torch.zeros(16, s.m))
        start = torch.log(pca["sigma16"] * pca["gain"] / SIGMA_MIN)
        self.bias = nn.Parameter((start / ROW_STEP).clamp(-4, 64) / 10)
        k, r = s.k, s.m - s.k
        self.c1 = nn.Parameter(torch.eye(k) * 0.02)
        self.c2 = nn.Parameter(torch.zeros(r, 2 * k))
        self.c3 = nn.Parameter(torch.cat([torch.zeros(r, 2 * k), torch.eye(r) * 0.02], 1))
        self.cuts = list(cuts(s.parts, k, s.m))
        self.d = nn.ParameterList(
            nn.Parameter(torch.zeros(end - start, start - first)) for first, start, end in self.cuts
        )
        self.register_buffer("expected", expected_levels(), persistent=False)

    @staticmethod
    def integer(p, scale):
        return fn.bounded(fn.round_ste(p * scale), -127, 127, margin=8)

    def tables(self):
        """The integers as the runtime will have them."""
        i = self.integer
        return {
            "w1": i(self.w1, self.S1),
            "w2": i(self.w2, self.S2),
            "b1": fn.round_ste(self.b1 * 10 * 2**ACT_SHIFT),
            "c1": i(self.c1, self.SC),
            "c2": i(self.c2, self.SC),
            "c3": i(self.c3, self.SC),
            **{f"d{n}": i(d, self.SC) for n, d in enumerate(self.d)},
        }

    def base(self, z, q, t):
        """z symbols (n, h/4, w/4, nz) -> row index in 1/ROW_ONE units."""
        a = fn.linear(patches3(z), t["w1"], t["b1"]) / 2**ACT_SHIFT
        a = (a + (a.floor() - a).detach()).clamp(0, 255)
        r = fn.linear(a, t["w2"])
        bias = fn.round_ste((10 * ROW_ONE) * (self.b2[None] + knots(self.bias, q)[:, None]))
        n, h, w, _ = r.shape
        r = r.reshape(n, h, w, 16, self.m) + bias[:, None, None]
        return fn.depth_to_space(r.reshape(n, h, w, -1), 4)

    def add(self, base, context, c):
        """Rows, real-valued, not bounded yet."""
        if context is not None:
            base = base + fn.linear(context, c) * (ROW_ONE / CTX_ONE)
        return base / ROW_ONE

    def cut(self, rows, symbols, t):
        """Rows (.., M) in 0..N_ROWS-1, of `add`'s.

        Parts of a pass see what came before in their cell: by how much
        levels exceed what their rows let expect.
        """

        def bounded(r):
            return fn.bounded(r, 0, N_ROWS - 1, margin=4)

        done, at = [], 0
        for n, (first, start, end) in enumerate(self.cuts):
            done.append(bounded(rows[..., at:start]))
            with torch.no_grad():
                seen = torch.cat(done, -1)[..., first:].floor().long()
                x = LEVEL_ONE * level(symbols[..., first:start]) - self.expected[seen]
            more = fn.linear(x, t[f"d{n}"]) / ROW_ONE
            done.append(bounded(rows[..., start:end] + more))
            at = end
        return torch.cat([*done, bounded(rows[..., at:])], -1)


class Means(nn.Module):
    """Means of the four passes, in the units of the unscaled latent."""

    def __init__(self, s, pca):
        super().__init__()
        self.k = k = s.k
        r = s.m - k
        self.w1 = matrix(s.hyper, 9 * s.nz, 0.3)
        self.b1 = nn.Parameter(torch.zeros(s.hyper))
        self.w2 = matrix(16 * s.feat, s.hyper)
        self.h0 = nn.Parameter(torch.zeros(k, s.feat))
        self.dw1 = nn.Parameter(torch.randn(k, 1, 5, 5) * 0.1)
        self.a1 = matrix(s.ctx0, k + s.feat, 1.4)
        self.o1 = nn.Parameter(torch.zeros(k, s.ctx0))
        self.dw2 = nn.Parameter(torch.randn(k, 1, 5, 5) * 0.1)
        self.a2 = matrix(s.ctx1, 2 * k + s.feat, 1.4)
        self.o2 = nn.Parameter(torch.zeros(r, s.ctx1))
        self.dw3 = nn.Parameter(torch.randn(r, 1, 5, 5) * 0.1)
        self.a3 = matrix(s.ctx1, r, 0.5)
        self.o3 = nn.Parameter(torch.zeros(r, s.ctx1))
        self.ba = nn.ParameterList(nn.Parameter(torch.zeros(n)) for n in (s.ctx0, s.ctx1))
        sigma = pca["sigma16"]
        self.register_buffer("scale_in", 1 / (sigma + 0.02))
        self.register_buffer("scale_out", sigma.clamp(0.02, 0.3))

    def features(self, z):
        a = fn.linear_bf16(patches3(z), self.w1, self.b1).relu()
        return fn.depth_to_space(fn.linear_bf16(a, self.w2), 4)

    def _out(self, h, w, lo, hi):
        return fn.linear(h.float(), w * self.scale_out[lo:hi, None])

    def pass0(self, h):
        return self._out(h, self.h0, 0, self.k)

    def pass1(self, h, y0):
        u = fn.depthwise(y0 * self.scale_in[: self.k], self.dw1)
        a = fn.linear_bf16(torch.cat([u.to(fn.BF16), h], -1), self.a1, self.ba[0]).relu()
        return self._out(a, self.o1, 0, self.k)

    def pass2(self, h, y0):
        u = y0 * self.scale_in[: self.k]
        d = fn.depthwise(u, self.dw2)
        pre = fn.linear_bf16(torch.cat([u.to(fn.BF16), d.to(fn.BF16), h], -1), self.a2, self.ba[1])
        mu = self._out(pre.relu(), self.o2, self.k, None)
        return mu, pre

    def pass3(self, pre, y1):
        u = fn.depthwise(y1 * self.scale_in[self.k :], self.dw3)
        a = (pre + fn.linear_bf16(u, self.a3)).relu()
        return self._out(a, self.o3, self.k, None)
