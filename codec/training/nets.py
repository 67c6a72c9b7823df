"""The networks in torch, channels-last, for training only.

Contents
--------
``Analysis``   picture -> latent y at 1/16 (``g_a``)
``Synthesis``  quantised latent -> picture (``g_s``)
``HyperAnalysis``  latent -> hyper-latent z at 1/64 (``h_a``)
``ExactRows``  z symbols and decoded magnitudes -> table rows, in integers
``Means``      z and decoded latents -> means, in floats
``Codec``      all of them: rate, distortion and reconstruction

Everything starts as the optimal linear codec: the trunk of ``Analysis`` is
the PCA basis of training patches and every other branch starts at zero.
Quality enters through tables of ``N_KNOTS`` values, linear in ln(lambda).
"""

import dataclasses
import math

import torch
from torch import nn

from . import functional as fn

N_KNOTS = 8
N_ROWS = 64
SIGMA_MIN, SIGMA_MAX = 0.11, 256.0
ROW_STEP = math.log(SIGMA_MAX / SIGMA_MIN) / (N_ROWS - 1)
LOGISTIC = math.pi / math.sqrt(3)      # 1/t = sigma / LOGISTIC
ROW_ONE = 1024                         # fixed point of the row index
CTX_ONE = 64                           # fixed point of the context layers
ACT_SHIFT = 6


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes of the networks; kept in every checkpoint."""
    c8: int = 128          # channels of the streams at 1/8
    m: int = 384           # latent channels at 1/16
    k: int = 96            # channels of the first group
    a8: int = 3            # analysis blocks at 1/8
    a16: int = 3           # analysis blocks at 1/16
    s8: int = 3            # synthesis blocks at 1/8
    s16: int = 1           # synthesis blocks at 1/16
    hidden8: int = 256
    hidden16: int = 384
    nz: int = 96           # hyper-latent channels at 1/64
    hyper: int = 192       # hidden units of the hyper networks
    feat: int = 128        # float hyper features at 1/16
    ctx0: int = 128        # hidden units of the mean network, group 0
    ctx1: int = 192        # the same, group 1
    lambda_min: float = 0.0004
    lambda_max: float = 0.8


def knots(table, q):
    """Interpolate a (N_KNOTS, ...) table at q in [0, 1], shape (n,)."""
    p = q.clamp(0, 1) * (N_KNOTS - 1)
    i = p.floor().clamp(max=N_KNOTS - 2).long()
    f = (p - i).reshape(-1, *[1] * (table.dim() - 1))
    return table[i] * (1 - f) + table[i + 1] * f


def _matrix(rows, cols, gain=1.0):
    return nn.Parameter(torch.randn(rows, cols) * (gain / math.sqrt(cols)))


class Block(nn.Module):
    """x + o * W2 relu(W1 (dw(x) * i * (1 + m(q))) + b1).

    ``i`` and ``o`` are fixed vectors that whiten the input and scale the
    output by the channel's deviation in the starting linear codec.
    """

    def __init__(self, sigma, hidden):
        super().__init__()
        c = len(sigma)
        self.dw = nn.Parameter(torch.zeros(c, 1, 5, 5))
        with torch.no_grad():
            self.dw.normal_(0, 0.1)
            self.dw[:, 0, 2, 2] += 1
        self.w1 = _matrix(hidden, c, 1.4)
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = nn.Parameter(torch.zeros(c, hidden))
        self.mod = nn.Parameter(torch.zeros(N_KNOTS, c))
        self.register_buffer("scale_in", 1 / (sigma + 0.02))
        self.register_buffer("scale_out", sigma.clamp(0.02, 0.3))

    def forward(self, x, q):
        s = (1 + knots(self.mod, q))[:, None, None] * self.scale_in
        return fn.block(x, self.dw, s, self.w1, self.b1, self.w2,
                        self.scale_out)


class Analysis(nn.Module):
    def __init__(self, s, pca):
        super().__init__()
        self.in8 = nn.Parameter(pca["v8"].clone())          # (c8, 192)
        self.in16 = nn.Parameter(pca["v16"].clone())        # (m, 4 c8)
        self.blocks8 = nn.ModuleList(
            Block(pca["sigma8"], s.hidden8) for _ in range(s.a8))
        self.blocks16 = nn.ModuleList(
            Block(pca["sigma16"], s.hidden16) for _ in range(s.a16))

    def forward(self, x, q):
        x = fn.linear(fn.space_to_depth(x, 8), self.in8)
        for b in self.blocks8:
            x = b(x, q)
        x = fn.linear(fn.space_to_depth(x, 2), self.in16)
        for b in self.blocks16:
            x = b(x, q)
        return x


class Synthesis(nn.Module):
    def __init__(self, s, pca):
        super().__init__()
        self.out16 = nn.Parameter(pca["v16"].t().contiguous())   # (4 c8, m)
        self.out8 = nn.Parameter(pca["v8"].t().contiguous())     # (192, c8)
        self.bias = nn.Parameter(torch.zeros(192))
        self.blocks16 = nn.ModuleList(
            Block(pca["sigma16"], s.hidden16) for _ in range(s.s16))
        self.blocks8 = nn.ModuleList(
            Block(pca["sigma8"], s.hidden8) for _ in range(s.s8))

    def forward(self, y, q):
        for b in self.blocks16:
            y = b(y, q)
        x = fn.depth_to_space(fn.linear(y, self.out16), 2)
        for b in self.blocks8:
            x = b(x, q)
        return fn.depth_to_space(fn.linear(x, self.out8, self.bias), 8)


class HyperAnalysis(nn.Module):
    """Scaled latent -> z: logarithms tame six octaves of range."""

    def __init__(self, s):
        super().__init__()
        self.w1 = _matrix(s.hyper, 2 * s.m)
        self.b1 = nn.Parameter(torch.zeros(s.hyper))
        self.w2 = _matrix(s.hyper, 16 * s.hyper, 1.4)
        self.b2 = nn.Parameter(torch.zeros(s.hyper))
        self.w3 = _matrix(s.nz, s.hyper, 3.0)
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
    return torch.cat([x[:, i:i + h, j:j + w] for i in range(3)
                      for j in range(3)], -1)


def neighbours(x):
    """Sum of the four neighbours, zero outside."""
    p = nn.functional.pad(x, (0, 0, 1, 1, 1, 1))
    return (p[:, :-2, 1:-1] + p[:, 2:, 1:-1] + p[:, 1:-1, :-2]
            + p[:, 1:-1, 2:])


def level(v):
    """Magnitude level of a symbol, 0..15: round(2 log2(1 + |v|))."""
    return torch.round(2 * torch.log2(1 + v.abs())).clamp_(max=15)


class ExactRows(nn.Module):
    """Table rows from integers; the weights are int8 from the first step.

    Parameters are floats ``p``; the weight is round(p * S) in -127..127.
    """
    S1, S2, SC = 900.0, 400.0, 400.0

    def __init__(self, s, pca):
        super().__init__()
        self.m, self.k = s.m, s.k
        self.w1 = _matrix(s.hyper, 9 * s.nz)
        self.b1 = nn.Parameter(torch.zeros(s.hyper))
        self.w2 = nn.Parameter(torch.randn(16 * s.m, s.hyper) * 0.004)
        self.b2 = nn.Parameter(torch.zeros(16, s.m))
        start = torch.log(pca["sigma16"] * pca["gain"] / SIGMA_MIN)
        self.bias = nn.Parameter((start / ROW_STEP).clamp(-4, 64) / 10)
        k, r = s.k, s.m - s.k
        self.c1 = nn.Parameter(torch.eye(k) * 0.02)
        self.c2 = nn.Parameter(torch.zeros(r, 2 * k))
        self.c3 = nn.Parameter(torch.cat(
            [torch.zeros(r, 2 * k), torch.eye(r) * 0.02], 1))

    @staticmethod
    def integer(p, scale):
        return fn.round_ste(p * scale).clamp(-127, 127)

    def tables(self):
        """The integers as the runtime will have them."""
        i = self.integer
        return {"w1": i(self.w1, self.S1), "w2": i(self.w2, self.S2),
                "b1": fn.round_ste(self.b1 * 10 * 2 ** ACT_SHIFT),
                "c1": i(self.c1, self.SC), "c2": i(self.c2, self.SC),
                "c3": i(self.c3, self.SC)}

    def base(self, z, q, t):
        """z symbols (n, h/4, w/4, nz) -> row index in 1/ROW_ONE units."""
        a = fn.linear(patches3(z), t["w1"], t["b1"]) / 2 ** ACT_SHIFT
        a = (a + (a.floor() - a).detach()).clamp(0, 255)
        r = fn.linear(a, t["w2"])
        bias = fn.round_ste((10 * ROW_ONE) * (
            self.b2[None] + knots(self.bias, q)[:, None]))
        n, h, w, _ = r.shape
        r = (r.reshape(n, h, w, 16, self.m) + bias[:, None, None])
        return fn.depth_to_space(r.reshape(n, h, w, -1), 4)

    def add(self, base, context, c):
        """Rows, real-valued, in 0..N_ROWS-1."""
        if context is not None:
            base = base + fn.linear(context, c) * (ROW_ONE / CTX_ONE)
        return (base / ROW_ONE).clamp(0, N_ROWS - 1)


class Means(nn.Module):
    """Means of the four passes, in the units of the unscaled latent."""

    def __init__(self, s, pca):
        super().__init__()
        self.k = k = s.k
        r = s.m - k
        self.w1 = _matrix(s.hyper, 9 * s.nz, 0.3)
        self.b1 = nn.Parameter(torch.zeros(s.hyper))
        self.w2 = _matrix(16 * s.feat, s.hyper)
        self.h0 = nn.Parameter(torch.zeros(k, s.feat))
        self.dw1 = nn.Parameter(torch.randn(k, 1, 5, 5) * 0.1)
        self.a1 = _matrix(s.ctx0, k + s.feat, 1.4)
        self.o1 = nn.Parameter(torch.zeros(k, s.ctx0))
        self.dw2 = nn.Parameter(torch.randn(k, 1, 5, 5) * 0.1)
        self.a2 = _matrix(s.ctx1, 2 * k + s.feat, 1.4)
        self.o2 = nn.Parameter(torch.zeros(r, s.ctx1))
        self.dw3 = nn.Parameter(torch.randn(r, 1, 5, 5) * 0.1)
        self.a3 = _matrix(s.ctx1, r, 0.5)
        self.o3 = nn.Parameter(torch.zeros(r, s.ctx1))
        self.ba = nn.ParameterList(
            nn.Parameter(torch.zeros(n)) for n in (s.ctx0, s.ctx1))
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
        u = fn.depthwise(y0 * self.scale_in[:self.k], self.dw1)
        a = fn.linear_bf16(torch.cat([u.to(fn.BF16), h], -1), self.a1,
                           self.ba[0]).relu()
        return self._out(a, self.o1, 0, self.k)

    def pass2(self, h, y0):
        u = y0 * self.scale_in[:self.k]
        d = fn.depthwise(u, self.dw2)
        pre = fn.linear_bf16(torch.cat([u.to(fn.BF16), d.to(fn.BF16), h],
                                       -1), self.a2, self.ba[1])
        mu = self._out(pre.relu(), self.o2, self.k, None)
        return mu, pre

    def pass3(self, pre, y1):
        u = fn.depthwise(y1 * self.scale_in[self.k:], self.dw3)
        a = (pre + fn.linear_bf16(u, self.a3)).relu()
        return self._out(a, self.o3, self.k, None)


class Codec(nn.Module):
    """The whole model.

    Parameters
    ----------
    shape : Shape
    pca : dict of Tensor
        ``v8`` (c8, 192), ``v16`` (m, 4 c8), ``sigma8``, ``sigma16``,
        ``gain`` (N_KNOTS, m): the optimal linear codec of the data.
    """

    def __init__(self, shape, pca):
        super().__init__()
        self.shape = s = shape
        self.analysis = Analysis(s, pca)
        self.synthesis = Synthesis(s, pca)
        self.hyper = HyperAnalysis(s)
        self.rows = ExactRows(s, pca)
        self.means = Means(s, pca)
        self.log_gain = nn.Parameter(pca["gain"].log())
        self.z_loc = nn.Parameter(torch.zeros(N_KNOTS, s.nz))
        self.z_scale = nn.Parameter(torch.zeros(N_KNOTS, s.nz))

    def q_of(self, lam):
        s = self.shape
        return ((lam.log() - math.log(s.lambda_min))
                / math.log(s.lambda_max / s.lambda_min))

    def lambda_of(self, q):
        s = self.shape
        return s.lambda_min * (s.lambda_max / s.lambda_min) ** q

    def code(self, y, q, noise):
        """Quantise and price a latent.

        Returns
        -------
        y_hat : Tensor (n, h, w, m), what the synthesis sees
        bits_y : Tensor (n,)
        bits_z : Tensor (n,)
        aux : dict, symbols and rows for the export's table fit
        """
        n, h, w, m = y.shape
        k = self.shape.k
        gain = knots(self.log_gain, q).exp()[:, None, None]
        ys = y * gain
        z = self.hyper(ys)
        loc = knots(self.z_loc, q)[:, None, None]
        tz = knots(self.z_scale, q)[:, None, None].clamp(max=3).exp() * 2
        zq = fn.round_ste(z).clamp(-63, 63)
        zn = z + (torch.rand_like(z) - 0.5) if noise else zq
        bits_z = fn.logistic_bits(zn - loc, tz.expand_as(z)).sum((1, 2, 3))

        t = self.rows.tables()
        base = self.rows.base(zq, q, t)
        even = ((torch.arange(h)[:, None] + torch.arange(w)) % 2
                == 0)[None, :, :, None]
        b0, b1 = base[..., :k], base[..., k:]
        g0, g1 = gain[..., :k], gain[..., k:]
        s0, s1 = ys[..., :k], ys[..., k:]
        f = self.means.features(zq)

        mu_a = self.means.pass0(f) * g0
        v_a = s0 - mu_a
        q_a = fn.round_ste(v_a) * even
        hat_a = (q_a + mu_a) / g0 * even
        mu_b = self.means.pass1(f, hat_a) * g0
        v0 = torch.where(even, v_a, s0 - mu_b)
        q0 = torch.where(even, q_a, fn.round_ste(v0))
        hat0 = torch.where(even, hat_a, (q0 + mu_b) / g0)

        mu_c, pre = self.means.pass2(f, hat0)
        mu_c = mu_c * g1
        v_c = s1 - mu_c
        q_c = fn.round_ste(v_c) * even
        hat_c = (q_c + mu_c) / g1 * even
        mu_d = self.means.pass3(pre, hat_c) * g1
        v1 = torch.where(even, v_c, s1 - mu_d)
        q1 = torch.where(even, q_c, fn.round_ste(v1))
        hat1 = torch.where(even, hat_c, (q1 + mu_d) / g1)

        with torch.no_grad():
            l0 = level(q0)
            n_a = neighbours(l0 * even)
            ctx2 = torch.cat([l0, neighbours(l0)], -1)
            ctx3 = torch.cat([ctx2, neighbours(level(q_c))], -1)
        r0 = torch.where(even, self.rows.add(b0, None, None),
                         self.rows.add(b0, n_a, t["c1"]))
        r1 = torch.where(even, self.rows.add(b1, ctx2, t["c2"]),
                         self.rows.add(b1, ctx3, t["c3"]))
        v, rows = torch.cat([v0, v1], -1), torch.cat([r0, r1], -1)
        if noise:
            v = v + (torch.rand_like(v) - 0.5)
        else:
            v = torch.cat([q0, q1], -1)
            rows = rows.floor()
        # Rows count from their lower edge: floor() is what runs.
        ty = (LOGISTIC / SIGMA_MIN) * torch.exp((rows + (
            0.0 if noise else 0.5)) * -ROW_STEP)
        bits_y = fn.logistic_bits(v, ty).sum((1, 2, 3))
        return (torch.cat([hat0, hat1], -1), bits_y, bits_z,
                {"z": zq, "v": v, "rows": rows})

    def forward(self, x, lam, noise=True):
        """Rate and distortion of pictures.

        Parameters
        ----------
        x : Tensor (n, h, w, 3), -0.5..0.5; h and w multiples of 64
        lam : Tensor (n,)

        Returns
        -------
        bpp, mse, x_hat, bpp_z : Tensors; mse in units of 255**2
        """
        q = self.q_of(lam)
        y = self.analysis(x, q)
        y_hat, bits_y, bits_z, _ = self.code(y, q, noise)
        x_hat = self.synthesis(y_hat, q)
        n_px = x.shape[1] * x.shape[2]
        mse = (x_hat - x).square().mean((1, 2, 3)) * 255 ** 2
        return (bits_y + bits_z) / n_px, mse, x_hat, bits_z / n_px
