"""Table rows from integers (docs/format.md, section 7).

Everything here is integer arithmetic carried out in float32: each product
and each partial sum, in any order, is an integer below 2**24 in magnitude,
hence exact on every machine and with every BLAS. ``check_bounds`` proves
that for the arrays of a model when it is loaded.
"""

import numpy as np

ACT_SHIFT = 6
ROW_SHIFT = 10
CTX_FACTOR = 16
EXACT = 2 ** 24


def check_bounds(t, z_max):
    """Raise ValueError unless every sum of section 7 stays exact.

    Parameters
    ----------
    t : dict of ndarray
        ``w1`` .. ``c3``, ``b1``, ``b2``, ``bias``, ``level``.
    z_max : int
        Largest magnitude of a z symbol.
    """
    def worst(w, x):
        return int(np.abs(w.astype(np.int64)).sum(1).max()) * x

    top = int(t["level"].max())
    ctx = max(worst(t["c1"], 4 * top), worst(t["c2"], 4 * top),
              worst(t["c3"], 4 * top))
    # The base is an integer sum too; its biases are added as integers.
    sums = [worst(t["w1"], z_max) + int(np.abs(t["b1"]).max()),
            worst(t["w2"], 255), ctx]
    total = (worst(t["w2"], 255) + int(np.abs(t["b2"]).max())
             + int(np.abs(t["bias"]).max()) + CTX_FACTOR * ctx)
    if max(sums) >= EXACT or total >= 2 ** 31:
        raise ValueError("the model's tables leave the exact range")


def neighbourhoods(z):
    """(h, w, c) -> (h * w, 9 c) float32, zero padded, as section 7."""
    h, w, c = z.shape
    p = np.zeros((h + 2, w + 2, c), np.float32)
    p[1:-1, 1:-1] = z
    return np.concatenate([p[i:i + h, j:j + w] for i in range(3)
                           for j in range(3)], -1).reshape(h * w, 9 * c)


class Rows:
    """Row indices of a model.

    Parameters
    ----------
    t : dict of ndarray
        The integer arrays of the model.
    """

    def __init__(self, t):
        self.w1 = np.ascontiguousarray(t["w1"].T, np.float32)
        self.b1 = t["b1"].astype(np.float32)
        self.w2 = np.ascontiguousarray(t["w2"].T, np.float32)
        self.b2, self.bias = t["b2"], t["bias"]
        self.context = [None] + [np.ascontiguousarray(t[n].T, np.float32)
                                 for n in ("c1", "c2", "c3")]
        self.level = t["level"]
        self.m = self.bias.shape[1]

    def hidden(self, z):
        """Activations of z symbols, int (hz, wz, HYPER) in float32."""
        a = neighbourhoods(z) @ self.w1 + self.b1
        a = np.floor(a * (1 / 2 ** ACT_SHIFT))      # an arithmetic shift
        return np.clip(a, 0, 255, a).reshape(*z.shape[:2], -1)

    def base(self, hidden, quality_index):
        """Base of the rows, int32 (4 hz, 4 wz, M)."""
        h, w, n = hidden.shape
        r = (hidden.reshape(h * w, n) @ self.w2).astype(np.int32)
        r = r.reshape(h, w, 16, self.m)
        r += self.b2 + self.bias[quality_index]
        r = r.reshape(h, w, 4, 4, self.m).transpose(0, 2, 1, 3, 4)
        return r.reshape(4 * h, 4 * w, self.m)

    def levels(self, symbols):
        """Magnitude levels, float32, same shape."""
        a = np.minimum(np.abs(symbols), 255)
        return self.level[a].astype(np.float32)

    def rows(self, base, context, which):
        """Row index of one pass.

        Parameters
        ----------
        base : int32 (n, c)
        context : float32 (n, c_in) of integers, or None
        which : int
            Pass, 0..3.

        Returns
        -------
        uint8 (n, c), 0..63
        """
        if context is not None:
            e = (context @ self.context[which]).astype(np.int32)
            base = base + CTX_FACTOR * e
        return np.clip(base >> ROW_SHIFT, 0, 63).astype(np.uint8)


def neighbour_sum(x):
    """Sum over the four neighbours of (h, w, c), zero outside."""
    out = np.zeros_like(x)
    out[1:] += x[:-1]
    out[:-1] += x[1:]
    out[:, 1:] += x[:, :-1]
    out[:, :-1] += x[:, 1:]
    return out
