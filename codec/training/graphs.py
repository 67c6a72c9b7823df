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

from .functional import array
from .graph import Graph, window
from .hyper import ACT_SHIFT


def analysis(net):
    """uint8 (n, 16 h, 16 w, 3), modulation -> y float32 (n, h, w, M)."""
    g = Graph("analysis")
    blocks = [*net.blocks8, *net.blocks16]
    x = g.input("pixels", TensorProto.UINT8, ["n", "height", "width", 3])
    s = g.modulations(blocks, net.sets)
    x = g.op("Cast", g.to_nchw(x), to=TensorProto.FLOAT)
    x = g.op("Sub", x, g.const(np.float32(127.5)))
    x = g.op("Conv", x, g.mixed(net, "in8", lambda w: w / 255, half=False), **window(net.in8))
    for b, m in zip(net.blocks8, s):
        x = b.write(g, x, m)
    x = g.op("SpaceToDepth", x, blocksize=2)
    x = g.trunk(x, net, "in16")
    for b, m in zip(net.blocks16, s[len(net.blocks8) :]):
        x = b.write(g, x, m)
    g.output("latent", g.to_hwc(x), TensorProto.FLOAT, ["n", "h", "w", net.in16.shape[0]])
    return g.finish()


def synthesis(net):
    """y_hat (n, h, w, M), modulation -> uint8 (n, 16 h, 16 w, 3)."""
    g = Graph("synthesis")
    x = g.latent(net.out16.shape[1])
    s = g.modulations([*net.blocks16, *net.blocks8], net.sets)
    x = decoded(g, x, net, s)
    # Rounds to even and clamps to 0..255.
    x = g.pixels(
        x,
        net,
        lambda x: g.op("QuantizeLinear", x, g.const(np.float32(1)), g.const(np.uint8(0))),
    )
    g.output("pixels", x, TensorProto.UINT8, ["n", "height", "width", 3])
    return g.finish()


def decoded(g, x, net, s):
    """The layers of ``nets.Synthesis`` but for the last, there and back."""
    x = g.blocked(x, net.out16.shape[1])
    for b, m in zip(net.blocks16, s):
        x = b.write(g, x, m)
    x = g.unfold(g.trunk(x, net, "out16"), len(net.out8))
    for b, m in zip(net.blocks8, s[len(net.blocks16) :]):
        x = b.write(g, x, m)
    return x


def hyper_analysis(net):
    """Scaled latent (n, 4 h, 4 w, M) -> z (n, h, w, NZ), unrounded."""
    g = Graph("hyper_analysis")
    m = net.w1.shape[1] // 2
    y = g.input("scaled", TensorProto.FLOAT, ["n", "h", "w", m])
    y = g.to_nchw(y)
    one = g.const(np.float32(1))
    mag = g.op("Log", g.op("Add", g.op("Abs", y), one))
    # The engine's ``Sign`` takes as long as its logarithm.
    sign = g.op("Clip", g.op("Mul", y, g.const(np.float32(1e30))), g.const(np.float32(-1)), one)
    f = g.op("Concat", mag, g.op("Mul", mag, sign), axis=1)
    a = g.op("Relu", g.linear(f, array(net.w1), array(net.b1)))
    a = g.op("SpaceToDepth", a, blocksize=4)
    a = g.op("Relu", g.linear(a, array(net.w2), array(net.b2)))
    z = g.linear(a, array(net.w3), array(net.b3))
    g.output("z", g.to_hwc(z), TensorProto.FLOAT, ["n", "hz", "wz", net.w3.shape[0]])
    return g.finish()


def features(net):
    """z (n, h, w, NZ) -> features (n, 4 h, 4 w, FEAT)."""
    g = Graph("features")
    z = g.input("z", TensorProto.FLOAT, ["n", "hz", "wz", net.w1.shape[1] // 9])
    feat = net.w2.shape[0] // 16
    n, h, w = g.sizes(z)
    a = g.op("Relu", g.conv3(g.to_nchw(z), array(net.w1), array(net.b1)))
    a = g.op("MatMul", g.to_hwc(a), g.weight(array(net.w2).T))
    a = g.reshape(a, 0, 0, 0, 4, 4, feat)
    a = g.op("Transpose", a, perm=[0, 1, 3, 2, 4, 5])
    a = g.reshape(a, n, g.times(h, 4), g.times(w, 4), feat)
    g.output("features", a, TensorProto.FLOAT, ["n", "h", "w", feat])
    return g.finish()


def mean(net, p):
    """Graph of pass ``p``: features, latent, places -> mean (places, c).

    ``at`` are the flat places of the pass, half of all: products are worked
    out there only. ``latent`` (n, h, w, M) is what is decoded so far; pass 0
    has no such input.
    """
    g = Graph(f"mean{p}")
    k, feat, r = net.k, net.w2.shape[0] // 16, net.o3.shape[0]
    f = g.input("features", TensorProto.FLOAT, ["n", "h", "w", feat])
    y = g.input("latent", TensorProto.FLOAT, ["n", "h", "w", k + r]) if p else None
    at = g.input("at", TensorProto.INT64, ["places"])
    white, scale = array(net.scale_in), array(net.scale_out)
    low, high = slice(0, k), slice(k, k + r)

    def here(x, c):
        return g.op("Gather", g.op("Reshape", x, g.const(np.array([-1, c]))), at, axis=0)

    def half(of):
        return g.op("Slice", y, *(g.const(np.array([i])) for i in (of.start, of.stop, 3)))

    def around(of, dw):
        d = g.depthwise(g.to_nchw(half(of)), array(dw) * white[of, None, None, None])
        return here(g.to_hwc(d), len(dw))

    x = here(f, feat)
    if p == 0:
        x = g.op("MatMul", x, g.weight((array(net.h0) * scale[low, None]).T))
        g.output("mean", x, TensorProto.FLOAT, ["places", k])
        return g.finish()
    if p == 1:
        x = g.op("Concat", around(low, net.dw1), x, axis=1)
        a, b, o = array(net.a1), net.ba[0], net.o1
    else:
        a, b, o = array(net.a2).copy(), net.ba[1], net.o2
        a[:, :k] *= white[low]
        x = [here(half(low), k), around(low, net.dw2), x]
        if p == 3:
            a, o = np.concatenate([a, array(net.a3)], 1), net.o3
            x.append(around(high, net.dw3))
        x = g.op("Concat", *x, axis=1)
    x = g.op("Relu", g.op("Gemm", x, g.weight(a.T), g.const(array(b))))
    of = low if p == 1 else high
    x = g.op("MatMul", x, g.weight((array(o) * scale[of, None]).T))
    g.output("mean", x, TensorProto.FLOAT, ["places", len(o)])
    return g.finish()


def exact():
    """The integer layers of docs/format.md, section 7, in float32.

    The same for every model: the weights are inputs, from ``tables.npz``.
    Rows are multiples of 2**-10 here, what section 7 has before it shifts
    by 10: a sum is 2**-10 times an integer below 2**24, so any engine gets it
    exactly. The one that can pass 2**24 is base + 16 e: then its rounded value
    does so too, and the clamp makes it the same row.

    Returns
    -------
    dict of str to bytes
        ``exact_hidden``, ``exact_base``, ``exact_rows0`` (base -> rows),
        ``exact_rows`` (base and what is seen -> rows) and ``exact_sum`` (the
        same, before it is made rows).
    """
    out = {}

    def start(name, **inputs):
        g = Graph(name)
        return g, [g.input(n, TensorProto.FLOAT, s) for n, s in inputs.items()]

    def done(g, x, kind, shape):
        g.output("out", x, kind, shape)
        out[g.name] = g.finish()

    def rows(g, x):
        # The cast drops the fraction of what is not negative.
        x = g.op("Clip", x, g.const(np.float32(0)), g.const(np.float32(63.5)))
        done(g, g.op("Cast", x, to=TensorProto.UINT8), TensorProto.UINT8, ["n", "c"])

    def product(g, x, w, base):
        return g.op("Add", g.op("MatMul", x, w), base)

    g, (x, w, b) = start("exact_hidden", x=["n", "i"], w=["i", "o"], b=["o"])
    x = g.op("Floor", g.op("Mul", product(g, x, w, b), g.const(np.float32(2.0**-ACT_SHIFT))))
    done(
        g,
        g.op("Clip", x, g.const(np.float32(0)), g.const(np.float32(255))),
        TensorProto.FLOAT,
        ["n", "o"],
    )
    g, (x, w, b) = start("exact_base", x=["n", "i"], w=["i", "o"], b=["o"])
    done(g, product(g, x, w, b), TensorProto.FLOAT, ["n", "o"])
    g, (base,) = start("exact_rows0", base=["n", "c"])
    rows(g, base)
    seen = {"base": ["n", "c"], "x": ["n", "i"], "w": ["i", "c"]}
    g, (base, x, w) = start("exact_rows", **seen)
    rows(g, product(g, x, w, base))
    g, (base, x, w) = start("exact_sum", **seen)
    done(g, product(g, x, w, base), TensorProto.FLOAT, ["n", "c"])
    return out
