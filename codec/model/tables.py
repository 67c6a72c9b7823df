"""The integer tables of a model: read, and judged before they are used.

A model folder can come from anywhere, and sound hashes do not make it
sensible. What these checks let through cannot make the exact path raise
anything but a ``CodecError``, nor leave the integers that float32 holds
(docs/format.md, sections 7 and 9).
"""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ModelError
from ..types import Array

EXACT = 2**24  # float32 holds every integer below
TOTAL = 2**24  # sum of the frequencies of an alphabet
LEVEL_ONE = 32  # fixed point of expected levels
MAX_BYTES = 2**28  # of all arrays, unpacked
_RANGES = {
    "NZ": (1, 1024),
    "M": (2, 2048),
    "K": (1, 2047),
    "HYPER": (1, 2048),
    "Z_MAX": (1, 1023),
    "N_ROWS": (64, 64),
    "ROW_SKIP": (0, 63),
    "SLAB": (32, 32),
}

# Type and shape of each array; None is any size.
_Shapes = dict[str, tuple[str, tuple[int | None, ...]]]


def cuts(parts: Sequence[int] | Array, k: int, m: int) -> list[tuple[int, int, int]]:
    """What the parts of a pass are and see, but for the first of each.

    Parameters
    ----------
    parts : sequence of int
        Channels at which passes are cut, in order, without k.
    k, m : int
        Channels of the first group, and of both.

    Returns
    -------
    list of (first, start, end)
        Channels start..end-1 see first..start-1 of their cell.
    """
    ends = [*parts[1:], m]
    return [
        (0, start, min(int(end), k)) if start < k else (k, int(start), int(end))
        for start, end in zip(map(int, parts), ends)
    ]


def _need(condition: object, what: str) -> None:
    if not condition:
        raise ModelError(f"model: {what}")


def check_constants(c: Any) -> None:
    """Raise ModelError unless the constants of a manifest make sense."""
    _need(isinstance(c, dict), "the manifest has no constants")
    for name, (low, high) in _RANGES.items():
        value = c.get(name)
        _need(
            type(value) is int and low <= value <= high,
            f"constant {name} is {value!r}, not {low}..{high}",
        )
    _need(c["K"] < c["M"], "constant K is not below M")


def read(data: bytes, c: dict[str, Any]) -> dict[str, Array]:
    """Arrays of a ``tables.npz`` that fit the constants.

    Parameters
    ----------
    data : bytes
    c : dict
        Constants that ``check_constants`` let through.

    Returns
    -------
    dict of ndarray

    Raises
    ------
    ModelError
    """
    try:
        size = sum(i.file_size for i in zipfile.ZipFile(io.BytesIO(data)).infolist())
        _need(size <= MAX_BYTES, f"tables of {size} bytes")
        with np.load(io.BytesIO(data), allow_pickle=False) as z:
            t = {k: z[k] for k in z.files}
    except ModelError:
        raise
    except Exception as e:  # of many types, from zipfile, zlib and numpy
        raise ModelError(f"tables.npz cannot be read: {e}") from e
    _check_shapes(t, c)
    _check_frequencies(t, c)
    _need(t["level"].max() <= 15, "a level is over 15")
    if "skip" in t:
        _need(
            c["ROW_SKIP"] <= t["skip"].min() and t["skip"].max() < 64,
            "rows that are not coded are out of range",
        )
    for name, a in t.items():
        _need(a.dtype.kind != "f" or np.isfinite(a).all(), f"{name} is not finite")
    _need(np.abs(t["log_gain"]).max() <= 30, "a gain is out of range")
    check_bounds(t, c["Z_MAX"])
    return t


def _check_shapes(t: dict[str, Array], c: dict[str, Any]) -> None:
    """Every array is there, of its type and shape; None is any size."""
    nz, m, k, hyper = c["NZ"], c["M"], c["K"], c["HYPER"]
    more: _Shapes = {"energy": ("f4", (None, 2, m))} if "energy" in t else {}
    if "skip" in t:
        more["skip"] = "u1", (100,)
    if "parts" in t:
        more |= _parts(t["parts"], k, m)
    wanted: _Shapes = {
        "z_band": ("u1", (100,)),
        "z_min": ("u4", (None,)),
        "z_freq": ("u4", (None, nz, 2 * c["Z_MAX"] + 1)),
        "row_max": ("i4", (64,)),
        "row_freq": ("u4", (64, None)),
        "level": ("u1", (256,)),
        "w1": ("i1", (hyper, 9 * nz)),
        "b1": ("i4", (hyper,)),
        "w2": ("i1", (16 * m, hyper)),
        "b2": ("i4", (16, m)),
        "bias": ("i4", (100, m)),
        "c1": ("i1", (k, k)),
        "c2": ("i1", (m - k, 2 * k)),
        "c3": ("i1", (m - k, m + k)),
        "log_gain": ("f4", (None, m)),
        "analysis_mod": ("f4", (None, None)),
        "synthesis_mod": ("f4", (None, None)),
    }
    for name, (kind, shape) in (wanted | more).items():
        _need(name in t, f"table {name} is missing")
        a = t[name]
        _need(
            a.dtype == kind
            and a.ndim == len(shape)
            and a.size
            and all(w in (None, n) for n, w in zip(a.shape, shape)),
            f"table {name} is {a.dtype} of {a.shape}",
        )
        if kind == "f4":
            _need(len(a) >= 2, f"table {name} has one row")


def _parts(parts: Array, k: int, m: int) -> _Shapes:
    """Arrays of a model whose passes have parts."""
    _need(
        parts.dtype == "u2"
        and parts.ndim == 1
        and 0 < len(parts) < 64
        and parts[0] > 0
        and (np.diff(parts.astype(int)) > 0).all()
        and parts[-1] < m
        and k not in parts,
        "its passes cannot be cut where parts says",
    )
    own: _Shapes = {"parts": ("u2", (None,)), "expected": ("u2", (64,))}
    return own | {
        f"d{n}": ("i1", (end - start, start - first))
        for n, (first, start, end) in enumerate(cuts(parts, k, m))
    }


def _check_frequencies(t: dict[str, Array], c: dict[str, Any]) -> None:
    bands = len(t["z_freq"])
    _need(
        t["z_band"].max() < bands and len(t["z_min"]) == bands,
        "z_band names a band that is not there",
    )
    _need(
        t["z_freq"].min() >= 1 and (t["z_freq"].sum(2, dtype=np.int64) == TOTAL).all(),
        "frequencies of z are not positive with sum 2^24",
    )
    least = (24 - np.log2(t["z_freq"].max(2).astype(float))).sum(1)
    _need((t["z_min"] <= 1000 * least + 1).all(), "z_min is more than z can cost")
    width = t["row_freq"].shape[1]
    for r in range(c["ROW_SKIP"], 64):
        n = 2 * int(t["row_max"][r]) + 2
        _need(2 <= n <= min(width, 65534), f"row {r} has {n} frequencies")
        f = t["row_freq"][r, :n]
        _need(
            f.min() >= 1 and f.sum(dtype=np.int64) == TOTAL,
            f"frequencies of row {r} are not positive with sum 2^24",
        )


def check_bounds(t: dict[str, Array], z_max: int) -> Any:
    """Raise ModelError unless every sum of section 7 stays exact.

    Parameters
    ----------
    t : dict of ndarray
        ``w1`` .. ``c3``, ``b1``, ``b2``, ``bias``, ``level``.
    z_max : int
        Largest magnitude of a z symbol.
    """

    def worst(w: Array, x: int) -> int:
        return int(np.abs(w.astype(np.int64)).sum(1).max()) * x

    def largest(b: Array) -> int:  # in 64 bits: -2**31 has no magnitude in 32
        return int(np.abs(b.astype(np.int64)).max())

    top = int(t["level"].max())
    far = max(LEVEL_ONE * top, largest(t["expected"])) if "parts" in t else 0
    _need(far < 2**15, "an expected level is out of range")
    # What passed 2**24 must not come back to where rows differ.
    parts = [worst(t[f"d{n}"], far) + 2**17 for n in range(len(t.get("parts", ())))]
    ctx = max(worst(t["c1"], 4 * top), worst(t["c2"], 4 * top), worst(t["c3"], 4 * top))
    # base + 16 e may pass 2**24: rounding keeps it beyond the clamp.
    sums = [
        worst(t["w1"], z_max) + largest(t["b1"]),
        worst(t["w2"], 255) + largest(t["b2"]) + largest(t["bias"]),
        ctx,
        *parts,
    ]
    _need(max(sums) < EXACT, "the tables leave the exact range")
