"""The whole model in torch, channels-last, for training only.

Contents
--------
``Analysis``   picture -> latent y at 1/16 (``g_a``)
``Synthesis``  quantised latent -> picture (``g_s``)
``Codec``      both with those of ``hyper``: rate, distortion and
               reconstruction

Everything starts as the optimal linear codec: the trunk of ``Analysis`` is
the PCA basis of training patches and every other branch starts at zero.
Quality enters through tables of ``N_KNOTS`` values, linear in ln(lambda),
and with ``Shape.mix`` through the weights of the trunk and of the blocks at
1/8: what quality adds to them is mixed once per picture, and no sample takes
longer for it.
"""

import math

import torch
from torch import nn

from . import functional as fn
from .block import Block, add_sets, mixed
from .hyper import (
    LOGISTIC,
    N_KNOTS,
    ROW_STEP,
    SIGMA_MIN,
    ExactRows,
    HyperAnalysis,
    Means,
    knots,
    level,
    neighbours,
)


def hats(n):
    """How much of each of n sets of weights counts at the knots."""
    at = torch.linspace(0, n - 1, N_KNOTS)[:, None]
    return (1 - (at - torch.arange(n)).abs()).clamp(min=0)


def windows(v8, lap):
    """8x8 basis (c8, 192) -> (c8, 3, 8 + 2 lap, 8 + 2 lap), zero around."""
    w = v8.reshape(-1, 8, 8, 3).permute(0, 3, 1, 2)
    return nn.Parameter(nn.functional.pad(w, [lap] * 4).contiguous())


class Analysis(nn.Module):
    def __init__(self, s, pca):
        super().__init__()
        self.in8 = windows(pca["v8"], s.lap)  # (c8, 3, k, k)
        self.in16 = nn.Parameter(pca["v16"].clone())  # (m, 4 c8)
        self.blocks8 = nn.ModuleList(
            Block(pca["sigma8"], s.hidden8, 0.0, False, s.mix) for _ in range(s.a8)
        )
        self.blocks16 = nn.ModuleList(
            Block(pca["sigma16"], s.hidden16, s.leak16, s.output16) for _ in range(s.a16)
        )
        add_sets(self, s.mix, "in8", "in16")
        self.sets = s.mix
        self.register_buffer("hats", hats(s.mix), persistent=False)

    def forward(self, x, q):
        mix = knots(self.hats, q) if self.sets else None
        x = mixed(self, ["in8"], mix, fn.fold8, x)
        for b in self.blocks8:
            x = b(x, q, mix)
        x = mixed(self, ["in16"], mix, fn.linear, fn.space_to_depth(x, 2))
        for b in self.blocks16:
            x = b(x, q)
        return x


class Synthesis(nn.Module):
    def __init__(self, s, pca):
        super().__init__()
        self.out16 = nn.Parameter(pca["v16"].t().contiguous())  # (4 c8, m)
        self.out8 = windows(pca["v8"], s.lap)  # (c8, 3, k, k)
        self.bias = nn.Parameter(torch.zeros(3))
        self.blocks16 = nn.ModuleList(
            Block(pca["sigma16"], s.s_hidden16, s.leak16, s.output16) for _ in range(s.s16)
        )
        self.blocks8 = nn.ModuleList(
            Block(pca["sigma8"], s.s_hidden8, 0.0, False, s.mix) for _ in range(s.s8)
        )
        add_sets(self, s.mix, "out8", "out16")
        self.sets = s.mix
        self.register_buffer("hats", hats(s.mix), persistent=False)

    def forward(self, y, q):
        mix = knots(self.hats, q) if self.sets else None
        for b in self.blocks16:
            y = b(y, q)
        x = fn.depth_to_space(mixed(self, ["out16"], mix, fn.linear, y), 2)
        for b in self.blocks8:
            x = b(x, q, mix)
        return mixed(self, ["out8"], mix, lambda x, w: fn.unfold8(x, w, self.bias), x)


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
        self.clamped = False  # whether samples beyond 0..255 count so
        self.analysis = Analysis(s, pca)
        self.synthesis = Synthesis(s, pca)
        self.hyper = HyperAnalysis(s)
        self.rows = ExactRows(s, pca)
        self.means = Means(s, pca)
        self.log_gain = nn.Parameter(pca["gain"].log())
        self.z_loc = nn.Parameter(torch.zeros(N_KNOTS, s.nz))
        self.z_scale = nn.Parameter(torch.zeros(N_KNOTS, s.nz))

    @property
    def place(self):
        """The device that it is on."""
        return self.log_gain.device

    def q_of(self, lam):
        s = self.shape
        return (lam.log() - math.log(s.lambda_min)) / math.log(s.lambda_max / s.lambda_min)

    def lambda_of(self, q):
        s = self.shape
        return s.lambda_min * (s.lambda_max / s.lambda_min) ** q

    def noise_of(self, height, width, generators):
        """Noise in place of rounding, for pictures of a size: z's and y's.

        Parameters
        ----------
        height, width : int
        generators : list of torch.Generator
            Of CPUs, one for each picture: the same noise on every device.

        Returns
        -------
        tuple of two float32 Tensors of the CPU
        """
        h, w = -(-height // 16), -(-width // 16)
        shapes = (-(-h // 4), -(-w // 4), self.shape.nz), (h, w, self.shape.m)
        drawn = [[torch.rand(s, generator=g, device=fn.CPU) for s in shapes] for g in generators]
        return tuple(torch.stack(each) - 0.5 for each in zip(*drawn))

    def code(self, y, q, noise=None):
        """Quantise and price a latent.

        Parameters
        ----------
        y : Tensor (n, h, w, m)
        q : Tensor (n,)
        noise : tuple of Tensor, or None
            Uniform noise from -0.5 to 0.5 for z and for y, as `noise_of` draws
            it: noisy values are priced. None: rounded ones.

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
        # z is of whole groups of 4 x 4, zero beyond the picture.
        z = self.hyper(nn.functional.pad(ys, (0, 0, 0, -w % 4, 0, -h % 4)))
        loc = knots(self.z_loc, q)[:, None, None]
        tz = knots(self.z_scale, q)[:, None, None].clamp(max=3).exp() * 2
        zq = fn.round_ste(z).clamp(-63, 63)
        zn = zq if noise is None else z + noise[0]
        bits_z = fn.logistic_bits(zn - loc, tz.expand_as(z)).sum((1, 2, 3))

        t = self.rows.tables()
        base = self.rows.base(zq, q, t)[:, :h, :w]
        even = fn.even(h, w, y.device)
        b0, b1 = base[..., :k], base[..., k:]
        g0, g1 = gain[..., :k], gain[..., k:]
        s0, s1 = ys[..., :k], ys[..., k:]
        f = self.means.features(zq)[:, :h, :w]

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
        r0 = torch.where(even, self.rows.add(b0, None, None), self.rows.add(b0, n_a, t["c1"]))
        r1 = torch.where(even, self.rows.add(b1, ctx2, t["c2"]), self.rows.add(b1, ctx3, t["c3"]))
        v, rows = torch.cat([v0, v1], -1), torch.cat([r0, r1], -1)
        rows = self.rows.cut(rows, torch.cat([q0, q1], -1).detach(), t)
        if noise is not None:
            v = v + noise[1]
        else:
            v = torch.cat([q0, q1], -1)
            rows = fn.floor_ste(rows)
        # Rows count from their lower edge: floor() is what runs.
        ty = (LOGISTIC / SIGMA_MIN) * torch.exp(
            (rows + (0.5 if noise is None else 0.0)) * -ROW_STEP
        )
        bits_y = fn.logistic_bits(v, ty).sum((1, 2, 3))
        return (
            torch.cat([hat0, hat1], -1),
            bits_y,
            bits_z,
            {"z": zq, "v": v, "rows": rows},
        )

    def forward(self, x, lam, noise=None, wanted=None):
        """Rate and distortion of pictures.

        Parameters
        ----------
        x : Tensor (n, h, w, 3), -0.5..0.5
        lam : Tensor (n,)
        noise
            As of :meth:`code`.
        wanted : Tensor, like x
            What the distortion is from, if that is not ``x``.

        Returns
        -------
        bpp, mse, x_hat, bpp_z : Tensors; mse in units of 255**2
        """
        q = self.q_of(lam)
        y = self.analysis(fn.padded(x, 16), q)
        y_hat, bits_y, bits_z, _ = self.code(y, q, noise)
        x_hat = self.synthesis(y_hat, q)[:, : x.shape[1], : x.shape[2]]
        if self.clamped:
            x_hat = fn.bounded(x_hat, -0.5, 0.5, margin=0)
        n_px = x.shape[1] * x.shape[2]
        wanted = x if wanted is None else wanted
        mse = (x_hat - wanted).square().mean((1, 2, 3)) * 255**2
        return (bits_y + bits_z) / n_px, mse, x_hat, bits_z / n_px
