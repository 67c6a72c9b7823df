"""Numbers of a column <-> whole numbers, with an error that is bounded.

A column is whole numbers and a `Lattice`, which says what they stand for. What is no
ordinary number (missing, NaN, infinite, -0) is in a *state* beside them, so are values
that the lattice would not give back within the bound; these are kept as they are.
"""

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from ..errors import FormatError
from ..types import Array
from .wire import Reader, Writer

ORDINARY, MISSING, NAN, INFINITE, NEGATIVE, ZERO, KEPT = range(7)  # NEGATIVE: -inf
WHOLE, DECIMAL, GRID, BITS = range(4)
_INTEGERS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
_DIGITS = 12
_LEAST, _MOST = -1074 * 256, 1015 * 256 - 1  # sizes of units that are floats
_FINE = 15  # lattice points in a step, where a prediction may lie between two


@dataclasses.dataclass(frozen=True)
class Lattice:
    """What whole numbers of a column stand for.

    Attributes
    ----------
    kind : int
        WHOLE: themselves. DECIMAL: divided by 10**digits. GRID: multiples of
        the unit. BITS: the floats in ascending order.
    digits : int
    size : int, or int64 (n,)
        The unit is (256 + size % 256) * 2**(size // 256); each value may have
        its own.
    step : int, odd
        Decoded numbers may be off by (step - 1) / 2.
    """

    kind: int = WHOLE
    digits: int = 0
    size: Any = 0
    step: int = 1

    @functools.cached_property
    def unit(self) -> Any:
        """Of a GRID."""
        return np.ldexp(256.0 + self.size % 256, self.size // 256)

    def of(self, rows: Array) -> "Lattice":
        """The lattice of some values."""
        if isinstance(self.size, int):
            return self
        return dataclasses.replace(self, size=self.size[rows])

    def write(self, to: Writer) -> None:
        """Write it down."""
        to.number(self.kind | self.digits << 2)
        to.number(self.step)
        if self.kind == GRID:
            to.signed(self.size)

    @classmethod
    def read(cls, source: Reader) -> "Lattice":
        """The inverse of `write`."""
        kind, digits = source.number(_DIGITS << 2 | 3), 0
        kind, digits = kind & 3, kind >> 2
        step = source.number((1 << 62) - 1, 1)
        size = source.signed() if kind == GRID else 0
        return cls(kind, digits, checked(size), step)

    def values(self, whole: Array, dtype: Any) -> Array:
        """The numbers that whole ones stand for.

        Parameters
        ----------
        whole : int64 (n,)
        dtype : numpy dtype
            Of the column: integers, booleans, times or floats.
        """
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            return _from_int64(whole, dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.kind == DECIMAL:
                return (whole / 10.0**self.digits).astype(dtype)
            if self.kind == GRID:
                return (self.unit * whole).astype(dtype)
            if self.kind == WHOLE:
                return whole.astype(dtype)
        bits = whole.astype(_INTEGERS[dtype.itemsize])
        return _mirrored(bits).view(dtype)


def checked(size: Any) -> Any:
    """The sizes that a file has; FormatError if they are none."""
    if np.any((size < _LEAST) | (size > _MOST)):
        raise FormatError("a unit of a table is out of range: file is damaged")
    return size


def to_int64(values: Array) -> Array:
    """Integers, booleans and times as int64; uint64 less 2**63."""
    if values.dtype == np.uint64:
        return (values ^ np.uint64(1 << 63)).view(np.int64)
    if values.dtype.kind in "mM":
        return values.view(np.int64)
    return values.astype(np.int64)


def _from_int64(whole: Array, dtype: np.dtype[Any]) -> Array:
    if dtype == np.uint64:
        return whole.view(np.uint64) ^ np.uint64(1 << 63)
    if dtype.kind in "mM":
        return whole.view(dtype)
    return whole.astype(dtype)


def _ordered(values: Array) -> Array:
    """Floats as whole numbers in the same order."""
    bits = np.ascontiguousarray(values).view(_INTEGERS[values.dtype.itemsize])
    return _mirrored(bits).astype(np.int64)


def _mirrored(bits: Array) -> Array:
    """Negative numbers from sign and magnitude to order, or back."""
    return np.where(bits < 0, ~bits ^ np.iinfo(bits.dtype).min, bits)


def states(values: Array, missing: Array | None) -> Array:
    """What each value of a column is: uint8 (n,), see the names above."""
    state = np.zeros(len(values), np.uint8)
    if values.dtype.kind == "f":
        state[np.isnan(values)] = NAN
        state[np.isposinf(values)] = INFINITE
        state[np.isneginf(values)] = NEGATIVE
        state[(values == 0) & np.signbit(values)] = ZERO
        plain = np.array(np.nan, values.dtype).tobytes()
        size = values.dtype.itemsize
        where = np.flatnonzero(state == NAN)
        kinds = np.ascontiguousarray(values[where]).view(f"V{size}")
        state[where[kinds != np.void(plain)]] = KEPT
    elif values.dtype.kind in "mM":
        state[np.isnat(values)] = NAN
    if missing is not None:
        state[missing] = MISSING
    return state


def special(state: Array, values: Array, kept: Array) -> None:
    """Put into ``values`` what is not ordinary; ``kept`` in its order."""
    if values.dtype.kind == "f":
        for code, value in (
            (NAN, np.nan),
            (INFINITE, np.inf),
            (NEGATIVE, -np.inf),
            (ZERO, -0.0),
        ):
            values[state == code] = value
    elif values.dtype.kind in "mM":
        values[state == NAN] = np.array("NaT", values.dtype)
    where = state == KEPT
    if np.count_nonzero(where) != len(kept):
        raise FormatError("another number of kept values: file is damaged")
    values[where] = kept


def find(values: Array, bound: float, fine: bool) -> Lattice:
    """The lattice of a column's ordinary values.

    Parameters
    ----------
    values : ndarray (n,)
        Finite; integers, times or floats.
    bound : float
        The error that is allowed; 0: none.
    fine : bool
        Whether predictions may lie between the steps of a grid.
    """
    if values.dtype.kind != "f":
        return Lattice(WHOLE, step=_odd(bound))
    digits = _decimals(values)
    if digits is not None:
        kind = DECIMAL if digits else WHOLE
        step = _odd(bound * 10.0**digits * (1 - 1e-12))
        return Lattice(kind, digits, step=step)
    step = _FINE if fine else 1
    size = _grid(values, bound, step)
    return Lattice(BITS) if size is None else Lattice(GRID, 0, size, step)


def _grid(values: Array, bound: float, step: int) -> int | None:
    """The size of units of which so many are twice the bound."""
    # What rounding to the type can add to an error.
    most = np.abs(values).max(initial=0).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        room = bound * (1 - 1e-9) - float(np.spacing(values.dtype.type(most)))
        room -= 4 * float(np.spacing(most))
    if not room > bound / 2:
        return None
    return size_of(2 * room / step)


def common(values: Array, state: Array, bounds: list[float], fine: bool) -> Lattice:
    """One lattice for many columns of one type: values and states (columns, n)."""
    found = [find(v[s == ORDINARY], b, fine) for v, s, b in zip(values, state, bounds)]
    kinds = {one.kind for one in found} - {WHOLE}
    steps = {one.step for one in found}
    if kinds <= {DECIMAL} and (len(steps) == 1 or values.dtype.kind != "f"):
        digits = max(one.digits for one in found)
        if all(one.digits == digits for one in found) or steps == {1}:
            return Lattice(DECIMAL if digits else WHOLE, digits, step=min(steps))
    step = _FINE if fine else 1
    sizes = [_grid(v[s == ORDINARY], b, step) for v, s, b in zip(values, state, bounds)]
    if None in sizes:
        return Lattice(BITS)
    return Lattice(GRID, 0, np.array(sizes, np.int64), step)


def size_of(unit: float) -> int:
    """The size of the largest unit of a grid that is not above this one."""
    mantissa, exponent = math.frexp(unit)
    return max(_LEAST, int(mantissa * 512) - 256 + (exponent - 9) * 256)


def _odd(bound: float) -> int:
    return 2 * int(min(bound, 2.0**60)) + 1


def _decimals(values: Array) -> int | None:
    """The fewest digits behind the point that give all values back."""
    some = values[:: max(1, len(values) // 500)]
    for sample in (some, values):
        wide = sample.astype(np.float64)
        if np.abs(wide).max(initial=0) > 1e15:
            return None
        for digits in range(_DIGITS + 1):
            scaled = np.rint(wide * 10.0**digits)
            if np.abs(scaled).max(initial=0) > 2.0**52:
                return None
            again = (scaled / 10.0**digits).astype(values.dtype)
            if np.array_equal(again, sample):
                break
        else:
            return None
    return digits


def whole(values: Array, lattice: Lattice) -> Array:
    """Ordinary values as the nearest whole numbers of a lattice: int64."""
    if values.dtype.kind != "f":
        return to_int64(values)
    if lattice.kind == BITS:
        return _ordered(values)
    wide = values.astype(np.float64)
    if lattice.kind == GRID:
        wide = wide / lattice.unit
    else:
        wide = wide * 10.0**lattice.digits
    return np.rint(wide).astype(np.int64)


def broken(values: Array, back: Array, bound: Any) -> Array:
    """Where decoded values are farther than the bound: bool (n,)."""
    if values.dtype.kind == "f":
        same = values == back
        if not np.any(bound):
            return ~same
        with np.errstate(over="ignore", invalid="ignore"):
            gap = np.abs(values.astype(np.longdouble) - back.astype(np.longdouble))
        return ~(same | (gap <= bound))
    if values.dtype.kind in "mM":
        values, back = values.view(np.int64), back.view(np.int64)
    high, low = np.maximum(values, back), np.minimum(values, back)
    with np.errstate(over="ignore"):
        gap = high.astype(np.uint64) - low.astype(np.uint64)
    return gap > np.minimum(bound, 2.0**62).astype(np.uint64)
