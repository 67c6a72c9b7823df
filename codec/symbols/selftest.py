"""Known answers: is the arithmetic of this machine what the format needs?

A few milliseconds when a pipeline is made. The exact path relies on an
engine whose float32 products of small integers are exact, and on a coder
whose words are part of the format. An engine that computes in bfloat16, a
broken BLAS or another coder would write files that nobody can read, so it
is better not to start.
"""

import numpy as np

from ..errors import UnsupportedError
from . import coder
from .rows import ONE

# Indices with these frequencies, then four of sixteen bits each, and the
# payload that docs/format.md, section 6, makes of them.
_FREQ = (1, 5000000, 11000000, 777208, 7)
_INDICES = (2, 1, 4, 2, 0, 3, 2, 1, 1, 2, 3, 2)
_BITS = (40503, 1, 65535, 0)
_PAYLOAD = "ec1b3473c19bcdaafe509db3260b5100"


def check(rows, tables, z_max):
    """Raise UnsupportedError unless the known answers come out.

    Parameters
    ----------
    rows : codec.symbols.rows.Rows
    tables : dict of ndarray
        The arrays that ``rows`` was made of.
    z_max : int
    """
    _check_coder()
    t = {
        k: tables[k].astype(np.int32)
        for k in ("w1", "b1", "w2", "b2", "bias", "c1", "c2", "c3")
    }
    n = t["w1"].shape[1]
    x = np.stack(
        [
            _pattern(n, 2 * z_max + 1) - z_max,
            np.full(n, z_max),
            np.where(t["w1"][0] < 0, -z_max, z_max),
        ]
    )
    want = np.clip((_product(x, t["w1"]) + t["b1"]) >> 4, 0, 255)
    _same(
        rows.run("exact_hidden", x=x.astype(np.float32), w=rows.w1, b=rows.b1)[0],
        want,
        "hidden",
    )
    n = t["w2"].shape[1]
    a = np.stack([np.full(n, 255), _pattern(n, 256)]).astype(np.int32)
    base = _product(a, t["w2"]) + (t["b2"] + t["bias"][49]).ravel()
    a = a.reshape(1, 2, n).astype(np.float32)
    got = np.concatenate([rows.base(a, 49, group) for group in (0, 1)], -1)
    m = rows.m
    _same(
        got / ONE,
        base.reshape(2, 4, 4, m).transpose(1, 0, 2, 3).reshape(4, 8, m),
        "base",
    )
    base = base.reshape(-1, m)
    k = len(t["c1"])
    for p, part in enumerate((slice(0, k), slice(0, k), slice(k, m), slice(k, m))):
        b, e, context = base[:, part], 0, None
        scaled = b.astype(np.float32) * ONE
        if p:
            c = t[f"c{p}"]
            context = _pattern(len(b) * c.shape[1], 61).reshape(len(b), -1)
            e = 16 * _product(context, c)
        for r in rows.engines():
            _same(
                r.rows(scaled, context, p),
                np.clip((b + e) >> 10, 0, 63),
                f"rows of pass {p}",
            )
            if r.cuts:
                _same(r.sums(scaled, context, p) / ONE, b + e, f"sums of pass {p}")
    for n, (first, start, end) in enumerate(rows.cuts):
        b, w = base[:, start:end], tables[f"d{n}"].astype(np.int32)
        seen = (
            (_pattern(len(b) * (start - first), 961) - 480)
            .reshape(len(b), -1)
            .astype(np.int16)
        )
        for r in rows.engines():
            _same(
                r.part(b.astype(np.float32) * ONE, [seen], n),
                np.clip((b + _product(seen, w)) >> 10, 0, 63),
                f"part {n}",
            )


def _pattern(n, modulus):
    """Integers 0..modulus-1 that look random and are the same anywhere."""
    return np.arange(1, n + 1, dtype=np.int64) * 40503 % 65537 % modulus


def _product(x, w):
    # Integers throughout: no BLAS, nothing to be inexact.
    return np.einsum("ij,kj->ik", x.astype(np.int32), w, dtype=np.int32)


def _same(got, want, what):
    if got.shape != want.shape or not (got == want).all():
        raise UnsupportedError(
            f"the arithmetic of this machine is not exact ({what}): its "
            "files would not decode elsewhere; try other versions of "
            "onnxruntime and numpy",
            what,
        )


def _check_coder():
    writer = coder.Writer(None)
    writer.put(np.array(_INDICES), coder.categorical(_FREQ))
    writer.put(np.array(_BITS), coder.uniform(1 << 16))
    payload = bytes.fromhex(_PAYLOAD)
    reader = coder.Reader(payload, None)
    got = [reader.decode(model, len(index)).tolist() for index, model in writer.groups]
    if writer.finish() != payload or got != [[*_INDICES], [*_BITS]]:
        raise UnsupportedError(
            "the entropy coder is not the format's: constriction 0.5 is needed", "coder"
        )
