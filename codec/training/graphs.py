"""The runtime's ONNX graphs, written node by node from the weights.

Inside a graph the layout is NCHW with 1x1 convolutions, which
onnxruntime runs in its blocked layout; at the edges it is (n, height, width,
channel), as the runtime's arrays are, for n pictures of one size. Fixed
vectors (the whitening of a block's input, the scale of its output) are
folded into the weights. Large weights are stored as float16 and cast when a session is
made, which halves the model; what quality adds to them (``Shape.mix``) as int8, with
one scale for each set. It is added where a session is made for a quality.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .hyper import ACT_SHIFT

OPSET = 17
IR_VERSION = 8


def _np(t):
    return t.detach().float().numpy()


def window(w):
    """Attributes of a convolution by windows (c, 3, k, k) 8 pixels apart."""
    k = w.shape[-1]
    return {"strides": [8, 8], "kernel_shape": [k, k],
            "pads": [(k - 8) // 2] * 4}


class Graph:
    """A graph under construction; methods add nodes, return names."""

    def __init__(self, name):
        self.name, self.nodes, self.init = name, [], []
        self.inputs, self.outputs = [], []

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, source, kind, shape):
        self.nodes.append(helper.make_node("Identity", [source], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind,
                                                          shape))

    def const(self, array):
        name = f"c{len(self.init)}"
        self.init.append(numpy_helper.from_array(
            np.ascontiguousarray(array), name))
        return name

    def weight(self, array, half=True):
        """A float weight; stored as float16 unless ``half`` is False."""
        array = np.asarray(array, np.float32)
        if not half:
            return self.const(array)
        return self.op("Cast", self.const(array.astype(np.float16)),
                       to=TensorProto.FLOAT)

    def mixed(self, owner, name, fold=lambda w: w, half=True):
        """A weight of a module, with what quality adds to it.

        Parameters
        ----------
        owner : nets.Block, nets.Analysis or nets.Synthesis
        name : str
        fold : callable
            Of the array (a set at a time): scales and the engine's shape.
        half : bool
            As of `weight`.
        """
        base = fold(_np(getattr(owner, name)))
        w = self.weight(base, half)
        sets = getattr(owner, f"delta_{name}", None)
        if sets is None:
            return w
        sets = np.stack([fold(d).ravel() for d in _np(sets)])
        scale = np.maximum(np.abs(sets).max(1), 1e-30) / 127
        sets = np.rint(sets / scale[:, None]).astype(np.int8)
        share = self.op("Mul", self.mix, self.const(
            scale[None].astype(np.float32)))
        more = self.op("MatMul", share, self.op(
            "Cast", self.const(sets), to=TensorProto.FLOAT))
        return self.op("Add", w, self.op("Reshape", more, self.const(
            np.array(base.shape))))

    def op(self, kind, *inputs, **attributes):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out],
                                           **attributes))
        return out

    def to_nchw(self, x):
        return self.op("Transpose", x, perm=[0, 3, 1, 2])

    def to_hwc(self, x):
        return self.op("Transpose", x, perm=[0, 2, 3, 1])

    def linear(self, x, w, b=None):
        """1x1 convolution with w of shape (out, in)."""
        args = [x, self.weight(matrix(w))]
        if b is not None:
            args.append(self.const(np.asarray(b, np.float32)))
        return self.op("Conv", *args, kernel_shape=[1, 1])

    def conv3(self, x, w, b):
        """3x3 convolution with w (out, 9 in) as ``nets.patches3`` sorts."""
        n = w.shape[1] // 9
        w = w.reshape(-1, 3, 3, n).transpose(0, 3, 1, 2)
        return self.op("Conv", x, self.weight(w),
                       self.const(np.asarray(b, np.float32)),
                       kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def depthwise(self, x, w):
        """Depth-wise convolution with an array (c, 1, k, k)."""
        return self.kernels(x, self.weight(w), *w.shape[::3])

    def kernels(self, x, w, n, k):
        """The same with a named weight, of n channels and k x k."""
        return self.op("Conv", x, w, group=n, kernel_shape=[k, k],
                       pads=[k // 2] * 4)

    def block_weights(self, b):
        """Names of a block's five weights as its convolutions take them."""
        i, o = _np(b.scale_in), _np(b.scale_out)
        return (self.mixed(b, "dw", lambda w: w * i[:, None, None, None]),
                self.mixed(b, "w1", matrix),
                self.mixed(b, "b1", half=False),
                self.mixed(b, "w2", lambda w: matrix(w * o[:, None])),
                self.mixed(b, "b2", lambda w: w * o, half=False))

    def block(self, x, b, s):
        """``nets.Block``; ``s`` names its modulation, (1, c, 1, 1)."""
        dw, w1, b1, w2, b2 = self.block_weights(b)
        u = self.kernels(x, dw, *b.dw.shape[::3])
        if not b.at_output:
            u = self.op("Mul", u, s)
        u = self.op("Conv", u, w1, b1, kernel_shape=[1, 1])
        u = self.op("LeakyRelu", u, alpha=b.leak) if b.leak \
            else self.op("Relu", u)
        v = self.op("Conv", u, w2, b2, kernel_shape=[1, 1])
        if b.at_output:
            v = self.op("Mul", v, s)
        return self.op("Add", v, x)

    def trunk(self, x, owner, name):
        """A 1x1 convolution of the linear trunk, in float32."""
        return self.op("Conv", x, self.mixed(owner, name, matrix, False),
                       kernel_shape=[1, 1])

    def pixels(self, x, net):
        """The last layer of ``nets.Synthesis``, in samples of 0..255."""
        return self.op("ConvTranspose", x, self.last_window(net),
                       self.const(_np(net.bias) * 255 + 127.5),
                       **window(net.out8))

    def last_window(self, net):
        return self.mixed(net, "out8", lambda w: w * 255, half=False)

    def modulations(self, blocks, sets):
        """Graph input ``modulation`` (n,), split for the blocks.

        The last ``sets`` of it are the shares of the sets of weights.
        """
        sizes = [b.mod.shape[1] for b in blocks] + [sets] * bool(sets)
        m = self.input("modulation", TensorProto.FLOAT, [sum(sizes)])
        m = self.op("Reshape", m, self.const(np.array([1, -1, 1, 1])))
        outs = [f"m{i}" for i in range(len(sizes))]
        if len(outs) == 1:
            return [m]
        self.nodes.append(helper.make_node(
            "Split", [m, self.const(np.array(sizes))], outs, axis=1))
        if sets:
            self.mix = self.op("Reshape", outs.pop(),
                               self.const(np.array([1, sets])))
        return outs

    def finish(self):
        """The checked model as bytes."""
        g = helper.make_graph(self.nodes, self.name, self.inputs,
                              self.outputs, self.init)
        m = helper.make_model(g, ir_version=IR_VERSION, opset_imports=[
            helper.make_opsetid("", OPSET)], producer_name="aecompress")
        onnx.checker.check_model(m, full_check=True)
        return m.SerializeToString()


def matrix(w):
    """A matrix as a 1x1 convolution takes it."""
    return w[:, :, None, None]


def analysis(net):
    """uint8 (n, 16 h, 16 w, 3), modulation -> y float32 (n, h, w, M)."""
    g = Graph("analysis")
    blocks = [*net.blocks8, *net.blocks16]
    x = g.input("pixels", TensorProto.UINT8, ["n", "height", "width", 3])
    s = g.modulations(blocks, net.sets)
    x = g.op("Cast", x, to=TensorProto.FLOAT)
    x = g.op("Mul", x, g.const(np.float32(1 / 255)))
    x = g.to_nchw(g.op("Sub", x, g.const(np.float32(0.5))))
    x = g.op("Conv", x, g.mixed(net, "in8", half=False), **window(net.in8))
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
    x = g.input("latent", TensorProto.FLOAT, ["n", "h", "w",
                                              net.out16.shape[1]])
    s = g.modulations(blocks, net.sets)
    x = g.to_nchw(x)
    for b, m in zip(net.blocks16, s):
        x = g.block(x, b, m)
    x = g.trunk(x, net, "out16")
    x = g.op("DepthToSpace", x, blocksize=2)
    for b, m in zip(net.blocks8, s[len(net.blocks16):]):
        x = g.block(x, b, m)
    x = g.pixels(x, net)
    x = g.op("Clip", g.op("Round", x), g.const(np.float32(0)),
             g.const(np.float32(255)))
    x = g.op("Cast", x, to=TensorProto.UINT8)
    g.output("pixels", g.to_hwc(x), TensorProto.UINT8,
             ["n", "height", "width", 3])
    return g.finish()


def hyper_analysis(net):
    """Scaled latent (n, 4 h, 4 w, M) -> z (n, h, w, NZ), unrounded."""
    g = Graph("hyper_analysis")
    m = net.w1.shape[1] // 2
    y = g.input("scaled", TensorProto.FLOAT, ["n", "h", "w", m])
    y = g.to_nchw(y)
    one = g.const(np.float32(1))
    mag = g.op("Log", g.op("Add", g.op("Abs", y), one))
    f = g.op("Concat", mag, g.op("Mul", mag, g.op("Sign", y)), axis=1)
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
