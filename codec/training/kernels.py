"""Loops that torch is slow at, compiled where ``numba`` is installed.

All of them run in the calling thread, as everything of a training process.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F


@functools.cache
def _correlation():
    """Adds to ``out`` (k, k, c) in machine code; None without numba.

    Only who trains waits for numba: importing it takes half a second.
    """
    try:
        import numba
    except ImportError:
        return None

    @numba.njit(fastmath={"contract"}, boundscheck=False)
    def correlate(x, g, out):
        n, h, w, c = x.shape
        k = len(out)
        p = k // 2
        for b in range(n):
            for y in range(h):
                for i in range(max(0, p - y), min(k, h + p - y)):
                    for j in range(k):
                        sums = out[i, j]
                        for u in range(max(0, p - j), min(w, w + p - j)):
                            left = g[b, y, u]
                            right = x[b, y + i - p, u + j - p]
                            for q in range(c):
                                sums[q] += left[q] * right[q]

    return correlate


@functools.cache
def _blur():
    """Writes blurred planes to ``out``, in machine code; None without numba."""
    try:
        import numba
    except ImportError:
        return None

    @numba.njit(fastmath={"contract"}, boundscheck=False)
    def blur(x, taps, out):
        n, h, w = x.shape
        r = len(taps) // 2
        row = np.zeros(w + 2 * r, np.float32)
        for b in range(n):
            for y in range(h):
                inner = row[r : r + w]
                inner[:] = 0
                for i in range(2 * r + 1):
                    v = y + i - r
                    above = x[b, -1 - v if v < 0 else 2 * h - 1 - v if v >= h else v]
                    for u in range(w):
                        inner[u] += taps[i] * above[u]
                for u in range(r):
                    row[u], row[w + r + u] = row[2 * r - 1 - u], row[w + r - 1 - u]
                to = out[b, y]
                to[:] = 0
                for j in range(2 * r + 1):
                    left = row[j : j + w]
                    for u in range(w):
                        to[u] += taps[j] * left[u]

    return blur


def blur(x, taps):
    """Planes blurred down and across by the same taps, mirrored at the borders.

    Where taps are symmetric, so is the blur's matrix: it is its own adjoint.

    Parameters
    ----------
    x : float32 Tensor (.., h, w)
        At least as many rows and columns as half of the taps.
    taps : sequence of float
        An odd number of them.

    Returns
    -------
    Tensor (.., h, w)
    """
    compiled = _blur() if x.device.type == "cpu" else None
    flat = x.detach().reshape(-1, *x.shape[-2:])
    if compiled is None:
        g, r = x.new_tensor(taps), len(taps) // 2
        for dim, shape in ((1, (1, 1, -1, 1)), (2, (1, 1, 1, -1))):
            before = flat.narrow(dim, 0, r).flip(dim)
            after = flat.narrow(dim, flat.shape[dim] - r, r).flip(dim)
            flat = torch.cat([before, flat, after], dim)
            flat = F.conv2d(flat[:, None], g.view(shape))[:, 0]
        return flat.reshape(x.shape)
    out = torch.empty_like(flat, memory_format=torch.contiguous_format)
    compiled(flat.contiguous().numpy(), np.array(taps, np.float32), out.numpy())
    return out.reshape(x.shape)


# sRGB (IEC 61966-2-1): linear below KINK, above it a power.
KINK, LINEAR = 0.04045, 12.92
OFFSET, POWER = 0.055, 2.4


@functools.cache
def _decode():
    """Samples to linear light and its slope in machine code; None without numba.

    The power is a polynomial of twelfth degree in the sample, which vectors can
    do: to 3e-7, as near as a float32 is.
    """
    try:
        import numba
    except ImportError:
        return None

    middle, half = (1 + KINK) / 2, (1 - KINK) / 2
    power = np.polynomial.Chebyshev.interpolate(
        lambda x: ((x + OFFSET) / (1 + OFFSET)) ** POWER, 12, domain=[KINK, 1]
    )
    terms = np.polynomial.chebyshev.cheb2poly(power.coef)[::-1]
    of_value = tuple(np.float32(c) for c in terms)
    of_slope = tuple(np.float32(c) for c in np.polyder(terms) / half)
    middle, scale = np.float32(middle), np.float32(1 / half)
    kink, below = np.float32(KINK), np.float32(1 / LINEAR)

    @numba.njit(fastmath={"contract", "nnan"}, boundscheck=False, error_model="numpy")
    def decode(x, out, slope):
        n, pixels, colours = x.shape
        for b in range(n):
            for c in range(colours):
                for i in range(pixels):
                    v = x[b, i, c]
                    k = (v - middle) * scale
                    r, s = of_value[0], of_slope[0]
                    for a in of_value[1:]:
                        r = r * k + a
                    for a in of_slope[1:]:
                        s = s * k + a
                    out[b, c, i] = r if v > kink else v * below
                    slope[b, c, i] = s if v > kink else below

    return decode


def linear_light(x):
    """sRGB samples to linear light, and how fast that rises there.

    Parameters
    ----------
    x : float32 Tensor (n, h, w, c), 0..1

    Returns
    -------
    two Tensors (n, c, h, w)
    """
    n, h, w, c = x.shape
    compiled = _decode() if x.device.type == "cpu" else None
    if compiled is None:
        x = x.permute(0, 3, 1, 2)
        base = (x.clamp(min=KINK) + OFFSET) / (1 + OFFSET)
        slope = POWER / (1 + OFFSET) * base ** (POWER - 1)
        low = x <= KINK
        return (
            torch.where(low, x / LINEAR, base**POWER),
            slope.masked_fill(low, 1 / LINEAR),
        )
    out, slope = x.new_empty(2, n, c, h * w)
    compiled(x.reshape(n, h * w, c).numpy(), out.numpy(), slope.numpy())
    return out.reshape(n, c, h, w), slope.reshape(n, c, h, w)


@functools.cache
def compare():
    """What SSIMULACRA 2 sees in two planes, and its gradient, in machine code.

    Returns
    -------
    two functions, or None without numba
        Both get planes a and b (n, h, w), their blurs, the blurs of a a + b b and
        of (a - b)^2, and the metric's constant. The first adds up the maps d, artefact
        and lost detail and their fourth powers: float64 (n, 6). The second gets
        how much each map and its third power count, float32 (n, 3), and writes the
        gradients by b, its blur, and the two blurred squares.
    """
    try:
        import numba
    except ImportError:
        return None
    fast = {"contract", "nnan", "reassoc", "nsz"}
    one, two, nought = np.float32(1), np.float32(2), np.float32(0)

    @numba.njit(fastmath=fast, boundscheck=False, error_model="numpy")
    def add_up(a, b, ma, mb, energy, error, c, sums):
        n, h, w = a.shape
        for i in range(n):
            for y in range(h):
                d1 = a1 = l1 = d4 = a4 = l4 = nought
                for x in range(w):
                    p, q = ma[i, y, x], mb[i, y, x]
                    far = (p - q) * (p - q)
                    share = (error[i, y, x] - far) / (energy[i, y, x] - p * p - q * q + c)
                    d = max(far + (one - far) * share, nought)
                    e = (one + abs(b[i, y, x] - q)) / (one + abs(a[i, y, x] - p)) - one
                    art, lost = max(e, nought), max(-e, nought)
                    d1 += d
                    a1 += art
                    l1 += lost
                    d4 += d * d * (d * d)
                    a4 += art * art * (art * art)
                    l4 += lost * lost * (lost * lost)
                sums[i, 0] += d1
                sums[i, 1] += a1
                sums[i, 2] += l1
                sums[i, 3] += d4
                sums[i, 4] += a4
                sums[i, 5] += l4

    @numba.njit(fastmath=fast, boundscheck=False, error_model="numpy")
    def turn_back(a, b, ma, mb, energy, error, c, by_map, by_cube, out):
        n, h, w = a.shape
        for i in range(n):
            d1, a1, l1 = by_map[i, 0], by_map[i, 1], by_map[i, 2]
            d3, a3, l3 = by_cube[i, 0], by_cube[i, 1], by_cube[i, 2]
            for y in range(h):
                for x in range(w):
                    p, q = ma[i, y, x], mb[i, y, x]
                    over = one / (energy[i, y, x] - p * p - q * q + c)
                    far = (p - q) * (p - q)
                    share = (error[i, y, x] - far) * over
                    d = max(far + (one - far) * share, nought)
                    gd = d1 + d3 * (d * d * d) if d > nought else nought
                    ge = (one - far) * over * gd  # by the error
                    gs = -ge * share  # by the energy
                    gf = gd * (one - share) - ge
                    low = one / (one + abs(a[i, y, x] - p))
                    side = b[i, y, x] - q
                    e = (one + abs(side)) * low - one
                    cube = e * e * e
                    edge = low * (a1 + a3 * cube if e > nought else l3 * cube - l1)
                    edge = -edge if side < nought else edge
                    out[0, i, y, x] = edge
                    out[1, i, y, x] = two * ((q - p) * gf - q * gs) - edge
                    out[2, i, y, x] = gs
                    out[3, i, y, x] = ge

    return add_up, turn_back


def depthwise_weights(g, x, k):
    """Gradient of depth-wise kernels, in a tenth to a third of torch's time.

    Parameters
    ----------
    g : float32 Tensor (n, h, w, c)
        Gradient of the convolution's output.
    x : float32 Tensor (n, h, w, c)
        Its input, zero around.
    k : int
        Side of the kernels, odd.

    Returns
    -------
    Tensor (c, 1, k, k), or None without numba and for other devices than CPUs
    """
    correlate = _correlation() if x.device.type == "cpu" else None
    if correlate is None:
        return None
    out = np.zeros((k, k, x.shape[-1]), np.float32)
    correlate(x.detach().contiguous().numpy(), g.detach().contiguous().numpy(), out)
    return torch.from_numpy(out).permute(2, 0, 1)[:, None].contiguous()
