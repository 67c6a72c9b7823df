"""A graph for the engine, written node by node from weights.

Inside a graph the layout is NCHW with 1x1 convolutions, which
onnxruntime runs in its blocked layout; at the edges it is (n, height, width,
channel), as the runtime's arrays are, for n pictures of one size. Fixed
vectors (the whitening of a block's input, the scale of its output) are
folded into the weights. Large weights are stored as float16 and cast when a session is
made, which halves the model; what quality adds to them (``Shape.mix``) as int8, with
a scale for each row of each set, or for ``RUN`` weights of it: with one for all rows
R + lambda D is up to a twelfth higher, most at high quality. It is added where a
session is made for a quality.
"""

import functools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .functional import array

OPSET = 17
IR_VERSION = 8
RUN = 64


def window(w):
    """Attributes of a convolution by windows (c, 3, k, k) 8 pixels apart."""
    k = w.shape[-1]
    return {"strides": [8, 8], "kernel_shape": [k, k], "pads": [(k - 8) // 2] * 4}


def matrix(w):
    """A matrix as a 1x1 convolution takes it."""
    return w[:, :, None, None]


class Graph:
    """A graph under construction; methods add nodes, return names."""

    matrix = staticmethod(matrix)

    def __init__(self, name):
        self.name, self.nodes, self.init = name, [], []
        self.inputs, self.outputs = [], []
        self.back, self.window = [], None

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name, source, kind, shape):
        self.nodes.append(helper.make_node("Identity", [source], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def const(self, value):
        name = f"c{len(self.init)}"
        self.init.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, value, half=True):
        """A float weight; stored as float16 unless ``half`` is False."""
        value = np.asarray(value, np.float32)
        if not half:
            return self.const(value)
        return self.op("Cast", self.const(value.astype(np.float16)), to=TensorProto.FLOAT)

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
        base = fold(array(getattr(owner, name)))
        w = self.weight(base, half)
        sets = getattr(owner, f"delta_{name}", None)
        if sets is None:
            return w
        sets = np.stack([fold(d) for d in array(sets)])
        rows = sets.reshape(*sets.shape[:2], -1)
        if rows.shape[2] % RUN == 0:
            rows = rows.reshape(len(rows), -1, RUN)
        scale = np.maximum(np.abs(rows).max(2, keepdims=True), 1e-30) / 127
        share = self.op("Mul", self.mix, self.const(scale.astype(np.float32)))
        more = self.op(
            "ReduceSum",
            self.op(
                "Mul",
                share,
                self.op(
                    "Cast",
                    self.const(np.rint(rows / scale).astype(np.int8)),
                    to=TensorProto.FLOAT,
                ),
            ),
            self.const(np.array([0])),
            keepdims=0,
        )
        return self.op("Add", w, self.op("Reshape", more, self.const(np.array(base.shape))))

    def op(self, kind, *inputs, **attributes):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def to_nchw(self, x):
        return self.op("Transpose", x, perm=[0, 3, 1, 2])

    def to_hwc(self, x):
        return self.op("Transpose", x, perm=[0, 2, 3, 1])

    def latent(self, m):
        """Graph input ``latent`` (n, h, w, m) -> (n, m, h, w).

        ``grid`` names its n, h and w.
        """
        x = self.input("latent", TensorProto.FLOAT, ["n", "h", "w", m])
        self.grid = self.sizes(x)
        return self.to_nchw(x)

    def sizes(self, x):
        """Names of n, h and w of x (n, h, w, c)."""
        return [self.op("Shape", x, start=i, end=i + 1) for i in range(3)]

    def reshape(self, x, *shape):
        """To a shape of numbers, 0 where it stays, and of names."""
        return self.op(
            "Reshape",
            x,
            self.op(
                "Concat",
                *(d if isinstance(d, str) else self.const(np.array([d])) for d in shape),
                axis=0,
            ),
        )

    def times(self, size, factor, more=0):
        """A named size times a number, and more."""
        return self.op(
            "Add",
            self.op("Mul", size, self.const(np.array([factor]))),
            self.const(np.array([more])),
        )

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
        return self.op(
            "Conv",
            x,
            self.weight(w),
            self.const(np.asarray(b, np.float32)),
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
        )

    def depthwise(self, x, w):
        """Depth-wise convolution with an array (c, 1, k, k)."""
        return self.kernels(x, self.weight(w), *w.shape[::3])

    def kernels(self, x, w, n, k):
        """The same with a named weight, of n channels and k x k."""
        return self.op("Conv", x, w, group=n, kernel_shape=[k, k], pads=[k // 2] * 4)

    def backward(self, x):
        """The gradient at the first layer's input, given that at the last's output.

        Layers remember their way back; one that is not gone adds no node.
        """
        for step in reversed(self.back):
            x = step(x)
        return x

    def above_zero(self, x, otherwise=0.0):
        """1 where x > 0, elsewhere ``otherwise``.

        ``Where`` would say it as well, and takes longer than the product
        of a layer: half of the time of ``synthesis_gradient`` was its.
        """
        return self.op(
            "Clip",
            self.op("Mul", x, self.const(np.float32(1e30))),
            self.const(np.float32(otherwise)),
            self.const(np.float32(1)),
        )

    def turned(self, w):
        """The 1x1 convolution that goes back through one; worked out once."""
        return self.op("Transpose", w, perm=[1, 0, 2, 3])

    def trunk(self, x, owner, name):
        """A 1x1 convolution of the linear trunk, in float32."""
        w = self.mixed(owner, name, matrix, False)
        turned = functools.cache(lambda: self.turned(w))
        self.back.append(lambda grad: self.op("Conv", grad, turned(), kernel_shape=[1, 1]))
        return self.op("Conv", x, w, kernel_shape=[1, 1])

    def unfold(self, x, c):
        """(n, 4 c, h, w) -> (n, c, 2 h, 2 w), as DepthToSpace has it.

        With channels last its copies are of whole vectors, which takes the
        engine a third of the time.
        """
        self.back.append(lambda grad: self.op("SpaceToDepth", grad, blocksize=2))
        n, h, w = self.grid
        x = self.reshape(self.to_hwc(x), 0, 0, 0, 2, 2, c)
        x = self.op("Transpose", x, perm=[0, 1, 3, 2, 4, 5])
        x = self.reshape(x, n, self.times(h, 2), self.times(w, 2), c)
        return self.blocked(self.to_nchw(x), c)

    def blocked(self, x, c):
        """x, as what the engine's convolutions give.

        They add it to another's output in passing then, where an ``Add``
        would have both brought into plain order.
        """
        return self.kernels(x, self.const(np.ones((c, 1, 1, 1), np.float32)), c, 1)

    def pixels(self, x, net, last=lambda x: x):
        """The last layer of ``nets.Synthesis`` -> (n, 16 h, 16 w, 3).

        A transposed convolution, its windows 8 pixels apart, in samples of
        0..255. Where windows reach two pixels further they cut the picture
        into squares of four that see one cell, two or four of them: four
        convolutions, which the engine runs in half the time of its
        ``ConvTranspose``. ``last`` is done to each sample.
        """
        self.back.append(  # the transpose, which is the analysis's kind
            lambda grad: self.op("Conv", grad, self.last_window(net), **window(net.out8))
        )
        c, _, k, _ = net.out8.shape
        over = int(k > 8)
        side, reach = (4, ([2, 0], [1])) if over else (8, ([0],))
        w = self.reshape(self.last_window(net), 0, 0, k // side, side, k // side, side)
        bias = self.const(np.tile(array(net.bias) * 255 + 127.5, side * side).astype(np.float32))

        def squares(rows, columns):
            v = self.op("Gather", w, self.const(np.array(rows)), axis=2)
            v = self.op("Gather", v, self.const(np.array(columns)), axis=4)
            v = self.op("Transpose", v, perm=[3, 5, 1, 0, 2, 4])
            kernel = [len(rows), len(columns)]
            v = self.reshape(v, 3 * side * side, c, *kernel)
            return self.op(
                "Conv",
                x,
                v,
                bias,
                kernel_shape=kernel,
                pads=[kernel[0] - 1, kernel[1] - 1, over, over],
            )

        x = last(self.op("Concat", *(squares(i, j) for i in reach for j in reach), axis=1))
        x = self.reshape(self.to_hwc(x), 0, 0, 0, len(reach), len(reach), side, side, 3)
        x = self.op("Transpose", x, perm=[0, 1, 3, 5, 2, 4, 6, 7])
        n, h, w = self.grid
        x = self.reshape(x, n, self.times(h, 16, 8 * over), self.times(w, 16, 8 * over), 3)
        if over:  # half a window before the first cell
            x = self.op(
                "Slice",
                x,
                *(self.const(np.array([i, i])) for i in (2, -6)),
                self.const(np.array([1, 2])),
            )
        return x

    def last_window(self, net):
        """Once in the graph, for the way there and back."""
        self.window = self.window or self.mixed(net, "out8", lambda w: w * 255, half=False)
        return self.window

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
        self.nodes.append(helper.make_node("Split", [m, self.const(np.array(sizes))], outs, axis=1))
        if sets:
            self.mix = self.op("Reshape", outs.pop(), self.const(np.array([sets, 1, 1])))
        return outs

    def finish(self):
        """The checked model as bytes."""
        g = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.init)
        m = helper.make_model(
            g,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="aecompress",
        )
        onnx.checker.check_model(m, full_check=True)
        return m.SerializeToString()
