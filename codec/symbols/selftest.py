"""Known answers: whether this machine computes as the format needs.

A few milliseconds when a pipeline is made. The exact path relies on an
engine whose float32 products of small integers are exact, and on a coder
whose words are part of the format. An engine that computes in bfloat16, a
broken BLAS or another coder would write files that nobody can read, so it
is better not to start.
"""

from typing import Any

import numpy as np

from ..errors import FormatError, UnsupportedError
from ..model.bundle import Bundle
from ..model.tables import LEVEL_ONE
from ..types import Array
from . import coder, passes
from .scale_index import ONE
from .slabs import Place

# Indices with these frequencies, then four of sixteen bits each, and the
# payload that docs/format.md, section 6, makes of them.
_FREQ = (1, 5000000, 11000000, 777208, 7)
_INDICES = (2, 1, 4, 2, 0, 3, 2, 1, 1, 2, 3, 2)
_BITS = (40503, 1, 65535, 0)
_PAYLOAD = "ec1b3473c19bcdaafe509db3260b5100"


def check(exact: Any, bundle: Bundle) -> None:
    """Raise UnsupportedError unless the known answers come out.

    Parameters
    ----------
    exact : core.Core or passes.Python
    bundle : codec.model.bundle.Bundle
        The model that it was made of.
    """
    if isinstance(exact, passes.Python):
        _check_coder()
        _check_engine(exact.scale_index, bundle.tables, bundle.z_max)
        return
    try:
        _check_core(exact, bundle)
    except FormatError as error:
        raise UnsupportedError(f"the core is not exact ({error})", "core") from error


def _check_core(core: Any, b: Any) -> None:
    """A slab's scale indices against integers, its stream written and read again."""
    place = Place(0, 0, 2, 3)
    z = _pattern(b.nz, 2 * b.z_max + 1).reshape(1, 1, -1) - b.z_max
    z = z.astype(np.int16)
    slab, again = core.slab(place, z, 49), core.slab(place, z, 49)
    writer, skip = core.writer(49), b.row_skip[49]
    writer.write_z(z)
    known: dict[Any, Array] = {}

    def decide(step: Any, scales: Array) -> Array:
        _same(scales, _indices(b.tables, z, slab.symbols, known, step), "scale indices")
        # Small ones and escapes.
        symbols = _pattern(scales.size, 1201).reshape(scales.shape) - 600
        symbols = np.where(symbols % 3, symbols % 5 - 2, symbols)
        return np.where(scales < skip, 0, symbols).astype(np.int16)

    passes.walk(slab, decide)
    passes.walk(
        again,
        lambda step, _: slab.symbols.reshape(-1, b.m)[step.at, step.channels],
        [lambda _, symbols, scales: writer.write(symbols, scales)],
    )
    reader = core.reader(writer.finish(), 49)
    _same(reader.read_z(z.shape), z, "z")
    again = core.slab(place, z, 49)
    again.read(reader)
    reader.finish()
    _same(again.symbols, slab.symbols, "symbols")


def _indices(t: dict[str, Array], z: Array, symbols: Array, known: Any, step: Any) -> Array:
    """Section 7 in integers, of a slab that is one position of z.

    ``known`` keeps the scale indices of earlier parts by step.
    """
    t = {k: v.astype(np.int32) for k, v in t.items() if v.dtype.kind in "iu"}
    h, w, m = symbols.shape
    k, nz = len(t["c1"]), z.shape[-1]
    x = np.zeros((1, 9 * nz), np.int32)
    x[:, 4 * nz : 5 * nz] = z.reshape(1, nz)
    a = np.clip((_product(x, t["w1"]) + t["b1"]) >> 4, 0, 255)
    base = _product(a, t["w2"]) + (t["b2"] + t["bias"][49]).ravel()
    base = base.reshape(4, 4, m)[:h, :w].reshape(-1, m)[step.at, step.channels]
    level = t["level"][np.minimum(np.abs(symbols.astype(np.int32)), 255)]
    near = np.pad(level, ((1, 1), (1, 1), (0, 0)))
    near = near[:-2, 1:-1] + near[2:, 1:-1] + near[1:-1, :-2] + near[1:-1, 2:]
    level, near = (x.reshape(-1, m)[step.at] for x in (level, near))
    low = level[:, :k]
    d: Any = 0
    seen = [None, near[:, :k], np.hstack([low, near[:, :k]]), np.hstack([low, near])]
    inside = slice(step.channels.start - step.group, step.channels.stop - step.group)
    e = 0 if not step.p else _product(seen[step.p], t[f"c{step.p}"][inside])
    if step.cut is None:
        known.clear()
    else:
        before = np.hstack(list(known.values()))
        x = LEVEL_ONE * level[:, step.group : step.channels.start] - before
        d = _product(x, t[f"d{step.cut}"])
    scales = np.clip((base + 16 * e + d) >> 10, 0, 63)
    if "expected" in t:
        known[step.channels.start] = t["expected"][scales]
    return scales


def _check_engine(scale_index: Any, tables: dict[str, Array], z_max: int) -> None:
    t = {k: tables[k].astype(np.int32) for k in ("w1", "b1", "w2", "b2", "bias", "c1", "c2", "c3")}
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
        scale_index.run("exact_hidden", x=x.astype(np.float32), w=scale_index.w1, b=scale_index.b1)[
            0
        ],
        want,
        "hidden",
    )
    n = t["w2"].shape[1]
    a = np.stack([np.full(n, 255), _pattern(n, 256)]).astype(np.int32)
    base = _product(a, t["w2"]) + (t["b2"] + t["bias"][49]).ravel()
    a = a.reshape(1, 2, n).astype(np.float32)
    got = np.concatenate([scale_index.base(a, 49, group) for group in (0, 1)], -1)
    m = scale_index.m
    _same(
        got / ONE,
        base.reshape(2, 4, 4, m).transpose(1, 0, 2, 3).reshape(4, 8, m),
        "base",
    )
    base = base.reshape(-1, m)
    k = len(t["c1"])
    for p, part in enumerate((slice(0, k), slice(0, k), slice(k, m), slice(k, m))):
        b, context = base[:, part], None
        e: Any = 0
        scaled = b.astype(np.float32) * ONE
        if p:
            c = t[f"c{p}"]
            context = _pattern(len(b) * c.shape[1], 61).reshape(len(b), -1)
            e = 16 * _product(context, c)
        _same(
            scale_index.indices(scaled, context, p),
            np.clip((b + e) >> 10, 0, 63),
            f"scale indices of pass {p}",
        )
        if scale_index.cuts:
            _same(scale_index.sums(scaled, context, p) / ONE, b + e, f"sums of pass {p}")
    for n, (first, start, end) in enumerate(scale_index.cuts):
        b, w = base[:, start:end], tables[f"d{n}"].astype(np.int32)
        seen = (_pattern(len(b) * (start - first), 961) - 480).reshape(len(b), -1).astype(np.int16)
        _same(
            scale_index.part(b.astype(np.float32) * ONE, [seen], n),
            np.clip((b + _product(seen, w)) >> 10, 0, 63),
            f"part {n}",
        )


def _pattern(n: int, modulus: int) -> Array:
    """Integers 0..modulus-1 that look random and are the same anywhere."""
    return np.arange(1, n + 1, dtype=np.int64) * 40503 % 65537 % modulus


def _product(x: Array, w: Array) -> Array:
    # Integers throughout: no BLAS, nothing to be inexact.
    return np.einsum("ij,kj->ik", x.astype(np.int32), w, dtype=np.int32)


def _same(got: Any, want: Any, what: str) -> None:
    if got.shape != want.shape or not (got == want).all():
        raise UnsupportedError(
            f"the arithmetic of this machine is not exact ({what}): its "
            "files would not decode elsewhere; try other versions of "
            "onnxruntime and numpy",
            what,
        )


def _check_coder() -> None:
    tables: Any = None  # none of its own are coded with
    writer = coder.Writer(tables)
    writer.put(np.array(_INDICES), coder.categorical(_FREQ))
    writer.put(np.array(_BITS), coder.uniform(1 << 16))
    payload = bytes.fromhex(_PAYLOAD)
    reader = coder.Reader(payload, tables)
    got = [reader.decode(model, len(index)).tolist() for index, model in writer.groups]
    if writer.finish() != payload or got != [[*_INDICES], [*_BITS]]:
        raise UnsupportedError(
            "the entropy coder is not the format's: constriction 0.5 is needed", "coder"
        )
