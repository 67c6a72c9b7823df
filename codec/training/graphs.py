"""The runtime's graphs, from the networks' weights.

Contents
--------
``analysis``, ``synthesis``  picture -> latent -> picture
``hyper_analysis``           latent -> z
``features``, ``mean``       z and what is decoded -> means of the next pass
``exact``                    the integer layers, the same for every model

`graph.Graph` writes them; those that run backwards are in `gradient`.
"""

import numpy as np
from onnx import TensorProto

from .graph import Graph, _np, window
from .hyper import ACT_SHIFT


def analysis(net):
    """uint8 (n, 16 h, 16 w, 3), modulation -> y float32 (n, h, w, M)."""
    g = Graph("analysis")
    blocks = [*net.blocks8, *net.blocks16]
    x = g.input("pixels", TensorProto.UINT8, ["n", "height", "width", 3])
    s = g.modulations(blocks, net.sets)
    x = g.op("Cast", g.to_nchw(x), to=TensorProto.FLOAT)
    x = g.op("Sub", x, g.const(np.float32(127.5)))
    x = g.op("Conv", x, g.mixed(net, "in8", lambda w: w / 255, half=False),
             **window(net.in8))
    for b, m in zip(net.blocks8, s):
        x = g.block(x, b, m)
    x = g.op("SpaceToDepth", x, blocksize=2)
    x = g.trunk(x, net, "in16")
    for b, m in zip(net.blocks16, s[len(net.blocks8):]):
        x = g.block(x, b, m)
    g.output("latent", g.to_hwc(x), TensorProto.FLOAT,
             ["n", "h", "w", net.in16.shape[0]])
    return g.finish()


def synthesis(net):
    """y_hat (n, h, w, M), modulation -> uint8 (n, 16 h, 16 w, 3)."""
    g = Graph("synthesis")
    blocks = [*net.blocks16, *net.blocks8]
    x = g.latent(net.out16.shape[1])
    s = g.modulations(blocks, net.sets)
    x = g.blocked(x, net.out16.shape[1])
    for b, m in zip(net.blocks16, s):
        x = g.block(x, b, m)
    x = g.unfold(g.trunk(x, net, "out16"), len(net.out8))
    for b, m in zip(net.blocks8, s[len(net.blocks16):]):
        x = g.block(x, b, m)
    # Rounds to even and clamps to 0..255.
    x = g.pixels(x, net, lambda x: g.op(
        "QuantizeLinear", x, g.const(np.float32(1)), g.const(np.uint8(0))))
    g.output("pixels", x, TensorProto.UINT8, ["n", "height", "width", 3])
    return g.finish()


def hyper_analysis(net):
    """Scaled latent (n, 4 h, 4 w, M) -> z (n, h, w, NZ), unrounded."""
    g = Graph("hyper_analysis")
    m = net.w1.shape[1] // 2
    y = g.input("scaled", TensorProto.FLOAT, ["n", "h", "w", m])
    y = g.to_nchw(y)
    one = g.const(np.float32(1))
    mag = g.op("Log", g.op("Add", g.op("Abs", y), one))
    # The engine's ``Sign`` takes as long as its logarithm.
    sign = g.op("Clip", g.op("Mul", y, g.const(np.float32(1e30))),
                g.const(np.float32(-1)), one)
    f = g.op("Concat", mag, g.op("Mul", mag, sign), axis=1)
    a = g.op("Relu", g.linear(f, _np(net.w1), _np(net.b1)))
    a = g.op("SpaceToDepth", a, blocksize=4)
    a = g.op("Relu", g.linear(a, _np(net.w2), _np(net.b2)))
    z = g.linear(a, _np(net.w3), _np(net.b3))
    g.output("z", g.to_hwc(z), TensorProto.FLOAT,
             ["n", "hz", "wz", net.w3.shape[0]])
    return g.finish()


def features(net):
    """z (n, h, w, NZ) -> features (n, FEAT, 4 h, 4 w)."""
    g = Graph("features")
    z = g.input("z", TensorProto.FLOAT,
                ["n", "hz", "wz", net.w1.shape[1] // 9])
    a = g.op("Relu", g.conv3(g.to_nchw(z), _np(net.w1), _np(net.b1)))
    a = g.op("DepthToSpace", g.linear(a, _np(net.w2)), blocksize=4)
    g.output("features", a, TensorProto.FLOAT,
             ["n", net.w2.shape[0] // 16, "h", "w"])
    return g.finish()


def _mean(g, a, w, scale, m):
    mu = g.linear(a, _np(w) * _np(scale)[:, None])
    g.output("mean", g.to_hwc(mu), TensorProto.FLOAT, ["n", "h", "w", m])


def mean(net, p):
    """Graph of pass ``p``: features, decoded latents -> mean (n, h, w, c)."""
    g = Graph(f"mean{p}")
    k, feat = net.k, net.w2.shape[0] // 16
    r = net.o3.shape[0]
    lo, hi = net.scale_out[:k], net.scale_out[k:]
    if p == 3:
        pre = g.input("hidden", TensorProto.FLOAT,
                      ["n", net.a3.shape[0], "h", "w"])
        y1 = g.to_nchw(g.input("latent", TensorProto.FLOAT,
                               ["n", "h", "w", r]))
        dw = _np(net.dw3) * _np(net.scale_in[k:])[:, None, None, None]
        a = g.op("Add", pre, g.linear(g.depthwise(y1, dw), _np(net.a3)))
        _mean(g, g.op("Relu", a), net.o3, hi, r)
        return g.finish()
    f = g.input("features", TensorProto.FLOAT, ["n", feat, "h", "w"])
    if p == 0:
        _mean(g, f, net.h0, lo, k)
        return g.finish()
    y0 = g.to_nchw(g.input("latent", TensorProto.FLOAT, ["n", "h", "w", k]))
    white = _np(net.scale_in[:k])
    if p == 1:
        d = g.depthwise(y0, _np(net.dw1) * white[:, None, None, None])
        a = g.linear(g.op("Concat", d, f, axis=1), _np(net.a1),
                     _np(net.ba[0]))
        _mean(g, g.op("Relu", a), net.o1, lo, k)
        return g.finish()
    d = g.depthwise(y0, _np(net.dw2) * white[:, None, None, None])
    w = _np(net.a2).copy()
    w[:, :k] *= white
    pre = g.linear(g.op("Concat", y0, d, f, axis=1), w, _np(net.ba[1]))
    _mean(g, g.op("Relu", pre), net.o2, hi, r)
    g.output("hidden", pre, TensorProto.FLOAT,
             ["n", w.shape[0], "h", "w"])
    return g.finish()


def exact():
    """The integer layers of docs/format.md, section 7, in float32.

    The same for every model: the weights are inputs, from ``tables.npz``.
    Each sum is an integer below 2**24, so any engine gets it exactly. The
    one that can pass 2**24 is base + 16 e: then its rounded value does so
    too, and the clamp makes it the same row.

    Returns
    -------
    dict of str to bytes
        ``exact_hidden``, ``exact_base``, ``exact_rows``, ``exact_rows0``,
        and for passes in parts ``exact_sum``, ``exact_part``.
    """
    out = {}

    def start(name, **inputs):
        g = Graph(name)
        return g, [g.input(n, TensorProto.FLOAT, s)
                   for n, s in inputs.items()]

    def done(g, x, kind, shape):
        g.output("out", x, kind, shape)
        out[g.name] = g.finish()

    def scaled_floor(g, x, shift, top):
        x = g.op("Floor", g.op("Mul", x, g.const(np.float32(2. ** -shift))))
        return g.op("Clip", x, g.const(np.float32(0)),
                    g.const(np.float32(top)))

    g, (x, w, b) = start("exact_hidden", x=["n", "i"], w=["i", "o"],
                         b=["o"])
    x = g.op("Add", g.op("MatMul", x, w), b)
    done(g, scaled_floor(g, x, ACT_SHIFT, 255), TensorProto.FLOAT, ["n", "o"])
    g, (x, w, b) = start("exact_base", x=["n", "i"], w=["i", "o"], b=["o"])
    done(g, g.op("Add", g.op("MatMul", x, w), b), TensorProto.FLOAT,
         ["n", "o"])
    g, (base,) = start("exact_rows0", base=["n", "c"])
    done(g, g.op("Cast", scaled_floor(g, base, 10, 63),
                 to=TensorProto.UINT8), TensorProto.UINT8, ["n", "c"])
    g, (base, x, w) = start("exact_part", base=["n", "c"], x=["n", "i"],
                            w=["i", "c"])
    e = g.op("MatMul", x, w)
    done(g, g.op("Cast", scaled_floor(g, g.op("Add", base, e), 10, 63),
                 to=TensorProto.UINT8), TensorProto.UINT8, ["n", "c"])
    g, (base, x, w) = start("exact_sum", base=["n", "c"], x=["n", "i"],
                            w=["i", "c"])
    e = g.op("Mul", g.op("MatMul", x, w), g.const(np.float32(16)))
    done(g, g.op("Add", base, e), TensorProto.FLOAT, ["n", "c"])
    g, (base, x, w) = start("exact_rows", base=["n", "c"], x=["n", "i"],
                            w=["i", "c"])
    e = g.op("Mul", g.op("MatMul", x, w), g.const(np.float32(16)))
    done(g, g.op("Cast", scaled_floor(g, g.op("Add", base, e), 10, 63),
                 to=TensorProto.UINT8), TensorProto.UINT8, ["n", "c"])
    return out
