"""Random models and files, for the tests of the reference."""

import json
import random

import numpy as np

from codec.model.tables import cuts

from . import decoder as ref
from .encoder import encode_symbols

TOTAL = 2**24


def frequencies(rng, n, shape):
    """`n` random frequencies, at least 1, with sum 2^24."""
    weight = {
        "even": lambda: 0.5 + rng.random(),
        "wide": lambda: rng.random() ** 20,
        "spike": lambda: 0.0,
    }[shape]
    weights = [weight() for _ in range(n)]
    weights[rng.randrange(n)] += 1
    free = TOTAL - n
    f = [1 + int(free * w / sum(weights)) for w in weights]
    f[rng.randrange(n)] += TOTAL - sum(f)
    return f


def make_model(folder, seed, parts=()):
    """Write a small random model.

    ``parts`` cut passes at channels; with them, what is not coded depends on
    the quality.
    """
    rng = random.Random(seed)
    ints = np.random.default_rng(seed)
    nz, m, k, hyper, z_max, skip = 3, 12, 4, 5, 7, 6
    row_max = [rng.randrange(9) for _ in range(64)]
    row_freq = np.zeros((64, 2 * max(row_max) + 2), np.uint32)
    for row in range(skip, 64):  # skipped rows have no use for frequencies
        n = 2 * row_max[row] + 2
        row_freq[row, :n] = frequencies(rng, n, rng.choice(["even", "wide"]))

    def int8(*shape):
        return ints.integers(-128, 128, shape, np.int8)

    more = {
        f"d{n}": int8(end - start, start - first)
        for n, (first, start, end) in enumerate(cuts(parts, k, m))
    }
    if parts:
        more |= {
            "parts": np.array(parts, np.uint16),
            "expected": ints.integers(0, 99, 64).astype(np.uint16),
            "skip": ints.integers(skip, 40, 100, np.uint8),
        }
    np.savez(
        folder / "tables.npz",
        **more,
        z_band=ints.integers(0, 2, 100, np.uint8),
        z_freq=np.array(
            [[frequencies(rng, 2 * z_max + 1, "even") for _ in range(nz)] for _ in range(2)],
            np.uint32,
        ),
        row_max=np.array(row_max, np.int32),
        row_freq=row_freq,
        level=np.minimum(np.arange(256), 15).astype(np.uint8),
        w1=int8(hyper, 9 * nz),
        b1=ints.integers(0, 9000, hyper, np.int32),
        w2=int8(16 * m, hyper) // 4,
        b2=ints.integers(-9000, 60000, (16, m), np.int32),
        bias=ints.integers(-9000, 9000, (100, m), np.int32),
        c1=int8(k, k) // 8,
        c2=int8(m - k, 2 * k) // 8,
        c3=int8(m - k, m + k) // 8,
    )
    (folder / "model.json").write_text(
        json.dumps(
            {
                "constants": dict(
                    NZ=nz,
                    M=m,
                    K=k,
                    HYPER=hyper,
                    Z_MAX=z_max,
                    N_ROWS=64,
                    ROW_SKIP=skip,
                    SLAB=8,
                )
            }
        )
    )
    return ref.Model(folder)


def symbols(rng, model, header):
    """Random z and s; small, large and extreme values."""
    hy, wy, hz, wz = ref.sizes(header)
    z = [rng.randint(-model.Z_MAX, model.Z_MAX) for _ in range(hz * wz * model.NZ)]
    largest = [0, 1, 9, 40, 300, 32767]
    s = []
    for _ in range(hy * wy * model.M):
        top = rng.choices(largest, [50, 30, 10, 5, 2, 1])[0]
        s.append(rng.choice([top, -top, rng.randint(-top, top)]))
    t_max = max(model.row_max)  # an excess of 2^15 - 1 fits every row
    return z, [max(-32767 + t_max, min(32767 - t_max, v)) for v in s]


def make_file(folder, seed, **changes):
    """A random file; returns it with its header, z and s."""
    rng, model = random.Random(seed), ref.Model(folder)
    header = (
        dict(
            width=rng.randint(1, 100),
            height=rng.randint(1, 100),
            quality=rng.randint(100, 10000),
            sections={},
            colour=rng.random() < 0.5,
        )
        | changes
    )
    z, s = symbols(rng, model, header)
    data = encode_symbols(model, header, z, s)
    return data, header, z, s
