"""The residual block, wherever it runs.

Contents
--------
``Block``     weights; ``forward`` in torch, ``write`` into a graph of the engine,
              there and back
``residual``  what ``forward`` computes, as one autograd node with its gradient
``mixed``     weights that quality mixes, for whoever has some

What a block computes is written down here alone: a new kind of block is a change of
this file.
"""

import functools

import torch
import torch.nn.functional as F
from torch import nn

from . import functional as fn
from .hyper import N_KNOTS, knots, matrix


def add_sets(module, n, *names):
    """For each weight ``w`` a parameter ``delta_w`` of n weights, zero."""
    for name in names if n else ():
        w = getattr(module, name)
        setattr(module, f"delta_{name}", nn.Parameter(torch.zeros(n, *w.shape)))


def mixed(module, names, mix, function, *pictures):
    """``function`` of pictures, then of the weights that their quality mixes.

    Parameters
    ----------
    module : nn.Module
    names : list of str
        Of its weights.
    mix : Tensor (n, sets), or None
        Of n pictures; None: all see the weights as they are.
    function : callable
    *pictures : Tensor (n, ..)
    """
    weights = [getattr(module, name) for name in names]
    if mix is None:
        return function(*pictures, *weights)
    deltas = [getattr(module, f"delta_{name}") for name in names]
    return torch.cat(
        [
            function(*own, *(w + torch.tensordot(m, d, 1) for w, d in zip(weights, deltas)))
            for m, *own in zip(mix, *(p.split(1) for p in pictures))
        ]
    )


class Block(nn.Module):
    """x + o * (W2 relu(W1 (dw(x) * i) + b1) + b2), modulated by quality.

    ``i`` and ``o`` are fixed vectors that whiten the input and scale the
    output by the channel's deviation in the starting linear codec. One of
    them is times 1 + m(q): at 1/16 the output, where what a block may add
    falls with the quantisation step, by a factor of 50. An input that
    falls so leaves every unit on one side of its kink, and the block
    linear (docs/training-log-runs.md). ``leak`` is the slope below zero, ``sets``
    how many sets of weights quality mixes.
    """

    MIXED = "dw", "w1", "b1", "w2", "b2"

    def __init__(self, sigma, hidden, leak, at_output, sets=0):
        super().__init__()
        self.leak, self.dropout, self.at_output = leak, 0.0, at_output
        c = len(sigma)
        self.dw = nn.Parameter(torch.zeros(c, 1, 5, 5))
        with torch.no_grad():
            self.dw.normal_(0, 0.1)
            self.dw[:, 0, 2, 2] += 1
        self.w1 = matrix(hidden, c, 1.4)
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = nn.Parameter(torch.zeros(c, hidden))
        self.b2 = nn.Parameter(torch.zeros(c))
        self.mod = nn.Parameter(torch.zeros(N_KNOTS, c))
        self.register_buffer("scale_in", 1 / (sigma + 0.02))
        self.register_buffer("scale_out", sigma.clamp(0.02, 0.3))
        add_sets(self, sets, *self.MIXED)

    def forward(self, x, q, mix=None):
        s, t = self.scale_in, self.scale_out
        dropout = self.dropout if self.training else 0.0

        def block(x, m, dw, w1, b1, w2, b2):
            i, o = (s, m * t) if self.at_output else (m * s, t)
            return residual(x, dw, i, w1, b1, w2, b2, o, self.leak, dropout)

        return mixed(self, self.MIXED, mix, block, x, 1 + knots(self.mod, q)[:, None, None])

    def write(self, g, x, s):
        """Add the block to a graph, there and back.

        Parameters
        ----------
        g : graph.Graph
            ``g.backward`` goes back through it, from the gradient of what it
            gives to that of what it takes.
        x, s : str
            Input (n, c, h, w) and modulation (1, c, 1, 1), by name.

        Returns
        -------
        str
            Output (n, c, h, w).
        """
        white = fn.array(self.scale_in)[:, None, None, None]
        scale = fn.array(self.scale_out)
        size = self.dw.shape[::3]  # channels, side
        dw = g.mixed(self, "dw", lambda w: w * white)
        w1 = g.mixed(self, "w1", g.matrix)
        b1 = g.mixed(self, "b1", half=False)
        w2 = g.mixed(self, "w2", lambda w: g.matrix(w * scale[:, None]))
        b2 = g.mixed(self, "b2", lambda w: w * scale, half=False)
        u = g.kernels(x, dw, *size)
        if not self.at_output:
            u = g.op("Mul", u, s)
        u = g.op("Conv", u, w1, b1, kernel_shape=[1, 1])
        a = g.op("LeakyRelu", u, alpha=self.leak) if self.leak else g.op("Relu", u)
        v = g.op("Conv", a, w2, b2, kernel_shape=[1, 1])
        if self.at_output:
            v = g.op("Mul", v, s)

        @functools.cache
        def once():  # however often the way back is gone
            return (
                g.above_zero(a, self.leak),
                g.mixed(self, "dw", lambda w: (w * white)[:, :, ::-1, ::-1]),
                g.turned(w1),
                g.turned(w2),
            )

        def back(grad):
            slope, dw, w1, w2 = once()
            d = g.op("Mul", grad, s) if self.at_output else grad
            d = g.op("Mul", g.op("Conv", d, w2, kernel_shape=[1, 1]), slope)
            d = g.op("Conv", d, w1, kernel_shape=[1, 1])
            if not self.at_output:
                d = g.op("Mul", d, s)
            return g.op("Add", g.kernels(d, dw, *size), grad)

        g.back.append(back)
        return g.op("Add", v, x)


class _Residual(torch.autograd.Function):
    """x + t * (W2 act(W1 (dw(x) * s) + b1) + b2) in one node.

    Either ``s`` or ``t`` is (n, 1, 1, c) and has a gradient; the other is
    (c,) and has none.
    """

    @staticmethod
    def forward(ctx, x, dw, s, w1, b1, w2, b2, t, leak, dropout):
        n, h, w, c = x.shape
        ctx.leak, ctx.dropout, ctx.at_output = leak, dropout, t.dim() > 1
        d = fn.depthwise_forward(x, dw)
        u = torch.mul(d, s).to(fn.BF16).reshape(-1, c)
        fixed = torch.ones_like(b2) if ctx.at_output else t
        w1b, w2b = w1.to(fn.BF16), (w2 * fixed[:, None]).to(fn.BF16)
        a = torch.addmm(b1.to(fn.BF16), u, w1b.t())
        a = F.leaky_relu_(a, leak) if leak else a.relu_()
        if dropout:  # what is dropped is zero, and so is its gradient
            keep = torch.rand(a.shape, device=fn.CPU).to(a.device) >= dropout
            a = a.mul_(keep).div_(1 - dropout)
        v = torch.addmm((b2 * fixed).to(fn.BF16), a, w2b.t())
        v = v.reshape(n, h, w, c)
        y = x + v * t if ctx.at_output else x + v
        ctx.save_for_backward(x, dw, s, d, u, a, w1b, w2b, t, v if ctx.at_output else None)
        return y

    @staticmethod
    def backward(ctx, g):
        x, dw, s, d, u, a, w1b, w2b, t, v = ctx.saved_tensors
        n, h, w, c = x.shape
        gs = gt = None
        if ctx.at_output:
            if ctx.needs_input_grad[7]:
                gt = (g * v).sum((1, 2), keepdim=True)
            gv, fixed = g * t, torch.ones_like(s)
        else:
            gv, fixed = g, t
        gb = gv.reshape(-1, c).to(fn.BF16)
        learns = ctx.needs_input_grad[3]
        gdw = gw1 = gb1 = gw2 = gb2 = None
        if learns:
            gw2 = torch.mm(gb.t(), a).float() * fixed[:, None]
            gb2 = gv.sum((0, 1, 2)) * fixed
        ga = torch.mm(gb, w2b)
        if ctx.dropout:
            ga = ga.mul_(a != 0).div_(1 - ctx.dropout)
        if ctx.leak:  # the sign of a is its input's
            ga = torch.ops.aten.leaky_relu_backward(ga, a, ctx.leak, True)
        else:
            ga = torch.ops.aten.threshold_backward(ga, a, 0)
        if learns:
            gb1 = ga.sum(0, dtype=torch.float32)
            gw1 = torch.mm(ga.t(), u).float()
        gu = torch.mm(ga, w1b).float().reshape(n, h, w, c)
        if not ctx.at_output and ctx.needs_input_grad[2]:
            gs = (gu * d).sum((1, 2), keepdim=True)
        gx, gdw = fn.depthwise_backward(gu.mul_(s), x, dw, learns)
        return g + gx, gdw, gs, gw1, gb1, gw2, gb2, gt, None, None


def residual(x, dw, s, w1, b1, w2, b2, t, leak=0.0, dropout=0.0):
    """Residual block as one autograd node.

    One of ``s``, ``t`` is (n, 1, 1, c), the modulation; the other (c,).
    ``leak`` is ReLU's slope below zero, ``dropout`` the share of hidden
    units that a step leaves out.
    """
    return _Residual.apply(x, dw, s, w1, b1, w2, b2, t, leak, dropout)
