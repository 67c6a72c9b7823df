"""The decoder run backwards, for encoders that refine what they code.

Contents
--------
``synthesis_gradient``  ONNX graph: squared error, its gradient by latent
``decode``              symbols -> latent in torch, what both are held to
``energy``              what a step of each latent channel costs in pixels

Only encoders use them: files decode without. Each layer has its way back
beside its way there (``block``, ``graph``); tests hold them against torch's own.
"""

import numpy as np
import torch
from onnx import TensorProto

from . import functional as fn
from . import hyper
from .functional import padded, to_float
from .graph import Graph
from .graphs import decoded


def synthesis_gradient(net):
    """Error of a latent's picture and the error's gradient.

    Inputs: ``latent`` float32 (h, w, M); ``modulation`` (n,); ``pixels``
    uint8 (16 h, 16 w, 3), the original; ``weight`` float32 (16 h, 16 w),
    zero where the picture has ended; ``probes`` int8 (n, 16 h, 16 w, 3),
    n at least 0. Outputs: ``error`` (h, w), the weighted squared error of
    each cell before samples are rounded; ``gradient`` (1 + n, h, w, M),
    half the error's derivative, then what the same backward pass makes of
    the weighted probes. ``gradient`` joins the two, in this order: encoders
    cut off the first where they bring slopes of another error as probes
    (`codec.model.session`).
    """
    g = Graph("synthesis_gradient")
    m = net.out16.shape[1]
    x = g.input("latent", TensorProto.FLOAT, ["h", "w", m])
    g.grid = [
        g.const(np.array([1])),
        *(g.op("Shape", x, start=i, end=i + 1) for i in range(2)),
    ]
    x = g.to_nchw(g.op("Unsqueeze", x, g.const(np.array([0]))))
    s = g.modulations([*net.blocks16, *net.blocks8], net.sets)
    px = g.input("pixels", TensorProto.UINT8, ["height", "width", 3])
    wt = g.input("weight", TensorProto.FLOAT, ["height", "width"])
    probes = g.input("probes", TensorProto.INT8, ["n", "height", "width", 3])
    x = decoded(g, x, net, s)
    x = g.pixels(x, net)
    # Of three channels before it meets them: a last axis of one is slow.
    wt = g.to_hwc(
        g.op(
            "Mul",
            g.op("Unsqueeze", wt, g.const(np.array([0, 1]))),
            g.const(np.ones((1, 3, 1, 1), np.float32)),
        )
    )
    shown = g.op("Clip", x, g.const(np.float32(0)), g.const(np.float32(255)))
    e = g.op("Sub", shown, g.op("Cast", px, to=TensorProto.FLOAT))
    we = g.op("Mul", e, wt)
    _, h, w = g.grid
    cells = g.reshape(g.op("Mul", e, we), h, 16, w, 48)
    cells = g.op("ReduceSum", cells, g.const(np.array([1, 3])), keepdims=0)
    g.output("error", cells, TensorProto.FLOAT, ["h", "w"])
    # A sample beyond 0..255 is shown clamped: moving it changes nothing.
    inside = g.op(
        "Sub",
        g.const(np.float32(127.5)),
        g.op("Abs", g.op("Sub", x, g.const(np.float32(127.5)))),
    )
    inside = g.above_zero(inside)
    probes = g.op("Mul", g.op("Cast", probes, to=TensorProto.FLOAT), wt)
    # One after the other: as one batch they would not fit the caches.
    back = [g.to_hwc(g.backward(g.to_nchw(g.op("Mul", each, inside)))) for each in (we, probes)]
    g.output("gradient", g.op("Concat", *back, axis=0), TensorProto.FLOAT, ["b", "h", "w", m])
    return g.finish()


def decode(model, symbols, z, q):
    """Latent of symbols (n, h, w, M), differentiable, as the runtime does.

    Parameters
    ----------
    model : nets.Codec
    symbols : Tensor (n, h, w, M)
    z : Tensor (n, h / 4, w / 4, NZ)
    q : Tensor (n,)
    """
    k, net = model.shape.k, model.means
    h, w = symbols.shape[1:3]
    even = fn.even(h, w, symbols.device)
    add = symbols / hyper.knots(model.log_gain, q).exp()[:, None, None]
    a0, a1 = add[..., :k], add[..., k:]
    f = net.features(z)[:, :h, :w]
    y0 = (a0 + net.pass0(f)) * even
    y0 = torch.where(even, y0, a0 + net.pass1(f, y0))
    mean, pre = net.pass2(f, y0)
    y1 = (a1 + mean) * even
    y1 = torch.where(even, y1, a1 + net.pass3(pre, y1))
    return torch.cat([y0, y1], -1)


def energy(model, crops, clock, n_pictures=8):
    """Squared error in the picture per squared unit of each channel.

    With random signs r for pixels, E (J^T r)^2 is the diagonal of J^T J:
    one backward pass measures all channels of all positions. What a value
    moves through the means of later passes is in it.

    Parameters
    ----------
    model : nets.Codec
    crops : data.Crops
    clock : clock.Clock
    n_pictures : int

    Returns
    -------
    float32 (N_KNOTS, 2, M)
        Of even and of odd positions. Sum over pixels and colours, samples
        in 0..255.
    """
    out, seen = np.zeros((hyper.N_KNOTS, 2, model.shape.m)), 0
    pick = np.linspace(0, len(crops.index) - 1, n_pictures).astype(int)
    batches = crops.whole(pick[clock.pictures(n_pictures)], 256)
    signs = torch.Generator().manual_seed(1)
    for _, x in clock.over(
        "measuring the decoder's energy", batches, n_pictures, lambda b: len(b[0])
    ):
        n, h, w, _ = x.shape
        seen += n
        x = padded(to_float(x), 16)
        odd = (np.arange(x.shape[1] // 16)[:, None] + np.arange(x.shape[2] // 16)) % 2
        for knot in range(hyper.N_KNOTS):
            q = torch.full((n,), knot / (hyper.N_KNOTS - 1))
            gain = hyper.knots(model.log_gain, q[:1]).exp()[0].detach()
            with torch.no_grad():
                y = model.analysis(x, q)
                aux = model.code(y, q)[3]
            s = aux["v"].clone().requires_grad_(True)
            shown = model.synthesis(decode(model, s, aux["z"], q), q)[:, :h, :w]
            r = torch.randint(0, 2, shown.shape, generator=signs) * 2.0 - 1
            (g,) = torch.autograd.grad(shown, s, r)
            g = (g * gain).square().sum(0).numpy()
            out[knot] += [g[odd == p].mean(0) if (odd == p).any() else 0 for p in (0, 1)]
    return (out * 255**2 / seen).astype(np.float32)
