"""What is known of the rows of a group, as numbers for the mixer.

Encoder and decoder build the same `mixing.Column` for a stream from the streams before
it, by whole numbers only.
"""

from collections.abc import Callable

import numpy as np

from ..errors import FormatError
from ..types import Array
from . import mixing
from .plan import CONSTANT, MIXED, PREDICTED, Lag, Linear, Plan, Term
from .wire import squeeze, unsqueeze

_LEVELS = 1 << 30  # bytes of levels that are kept


class Known:
    """Streams of a group of n rows, in the order of coding.

    Parameters
    ----------
    n : int
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.values: list[Array] = []
        self.there: list[Array | None] = []
        self._levels: dict[tuple[int, int], Array] = {}
        self._places: dict[Lag, Array] = {}  # of the stream at hand

    def add(self, values: Array, there: Array | None = None) -> None:
        """Add a stream: int64 (n,), and where it has a number at all."""
        self.values.append(values)
        self.there.append(there)
        self._places.clear()

    def levels(self, stream: int, bits: int) -> Array:
        """A stream as 32-bit numbers: uint32 (n,), see `Term`."""
        key = stream, bits
        if key not in self._levels:
            values, there = self.values[stream], self.there[stream]
            own = values if there is None else values[there]
            if bits and len(own):
                level = _parts(own, bits, values)
            else:
                wide = values.view(np.uint64)
                level = (wide ^ wide >> np.uint64(32)).astype(np.uint32)
            if there is not None:
                level[~there] = 0xFFFFFFFF
            if 4 * self.n * len(self._levels) >= _LEVELS:
                del self._levels[next(iter(self._levels))]
            self._levels[key] = level
        return self._levels[key]

    def cut(self, first: int) -> None:
        """Forget the streams from this one on."""
        del self.values[first:], self.there[first:]
        self._places.clear()
        for key in [k for k in self._levels if k[0] >= first]:
            del self._levels[key]

    def _rows(self, numbers: Array, row: int, outside: int) -> Array:
        if not row:
            return numbers
        out = np.full_like(numbers, outside)
        if row < 0:
            out[1:] = numbers[:-1]
        else:
            out[:-1] = numbers[1:]
        return out

    def joined(self, terms: tuple[Term, ...], predicted: Array | None) -> Array:
        """Terms as one number: uint32 (n,)."""
        out = np.zeros(self.n, np.uint32)
        for term in terms:
            if term.stream == PREDICTED:
                level = np.zeros(self.n, np.uint32) if predicted is None else predicted
                if term.bits:
                    level = level >> np.uint32(12 - term.bits)
            else:
                level = self._rows(self.levels(term.stream, term.bits), term.row, 0xFFFFFFFE)
            if len(terms) == 1:
                return level
            out = (out ^ level) * np.uint32(0x9E3779B1)
            out ^= out >> np.uint32(15)
            out *= np.uint32(0x85EBCA77)
        return out

    def linear(self, linear: Linear) -> Array | None:
        """A prediction for each row: int64 (n,); None: zeros."""
        if not linear.inputs:
            return np.full(self.n, linear.start) if linear.start else None
        total = np.zeros(self.n, np.int64)
        with np.errstate(over="ignore"):
            for term, centre, weight in zip(linear.inputs, linear.centres, linear.weights):
                values, there = self.values[term.stream], self.there[term.stream]
                if there is not None:
                    values = np.where(there, values, centre)
                gap = (values - centre) * weight
                # No row before the first, none after the last: nothing is added.
                if not term.row:
                    total += gap
                elif term.row < 0:
                    total[1:] += gap[:-1]
                else:
                    total[:-1] += gap[1:]
            return (total >> linear.shift) + linear.start

    def input(self, term: Term, centre: int) -> Array:
        """Numbers of a stream; ``centre`` where there is none."""
        values, there = self.values[term.stream], self.there[term.stream]
        if there is not None:
            values = np.where(there, values, centre)
        return self._rows(values, term.row, centre)

    def column(self, plan: Plan, there: Array | None, given: Array | None) -> mixing.Column:
        """What the mixer knows of a stream.

        Parameters
        ----------
        plan : Plan
        there : bool (n,), or None
            Rows that have a number; the others are not coded.
        given : int64 (n,), or None
            What `linear` predicts.
        """
        assert plan.tree is not None
        n = self.n if there is None else int(np.count_nonzero(there))
        predicted = None
        if any(t.stream == PREDICTED for c in plan.contexts for t in c.terms):
            predicted = _parts(given, 12, given) if given is not None and self.n else None

        def own(numbers: Array) -> Array:
            return numbers if there is None else numbers[there]

        context = np.empty((len(plan.contexts), n), np.uint32)
        lag = np.full((len(plan.contexts), 2), -1, np.int8)
        for j, one in enumerate(plan.contexts):
            context[j] = own(self.joined(one.terms, predicted))
            lag[j, : len(one.lags)] = one.lags
        at = np.empty((len(plan.lags), n), np.int32)
        for k, place in enumerate(plan.lags):
            if place not in self._places:
                self._places[place] = self._at(place, own, n)
            at[k] = self._places[place]
        guess = np.zeros((sum(g < 0 for g in plan.guesses), n), np.int64)
        if len(guess) and plan.apart and given is not None:
            with np.errstate(over="ignore"):
                gap = own(given) - plan.linear.start + plan.step // 2
            guess[:] = gap // plan.step
        return mixing.Column(
            n=n,
            tree=plan.tree,
            context=context,
            lag=lag,
            coarse=np.array([c.coarse for c in plan.contexts], np.uint8),
            at=at,
            guess_lag=np.array(plan.guesses, np.int8),
            guess=guess,
            hit=plan.hit,
            modelled=plan.modelled,
            bits=plan.bits,
            limit=plan.limit,
            rate=plan.rate,
        )

    def _at(self, lag: Lag, own: Callable[[Array], Array], n: int) -> Array:
        """Earlier places in a stream: int32 (n,), -1 where there is none."""
        if not lag.terms:
            return np.maximum(np.arange(n, dtype=np.int32) - np.int32(lag.back), np.int32(-1))
        keys = own(self.joined(lag.terms, None))
        # Sorting is quick by 16 bits.
        order = np.argsort(keys.astype(np.uint16), kind="stable")
        high = (keys >> np.uint32(16)).astype(np.uint16)
        if high.any():
            order = order[np.argsort(high[order], kind="stable")]
        ranked = keys[order]
        before = np.full(n, -1, np.int32)
        same = np.flatnonzero(ranked[1:] == ranked[:-1])
        before[order[same + 1]] = order[same]
        return before


def _parts(of: Array, bits: int, values: Array) -> Array:
    """Which of 2**bits parts of some numbers each value, one of them, is in: uint32.

    What is none of them may be in any part.
    """
    # The first of each part; equal numbers are in one.
    edges = len(of) * np.arange(1, 1 << bits) >> bits
    low, high = int(of.min()), int(of.max())
    if high - low > 4 * len(of):
        return np.searchsorted(np.sort(of)[edges], values, "right").astype(np.uint32)
    # The same by counting.
    edges = np.searchsorted(np.cumsum(np.bincount(of - low)), edges, "right")
    level = np.searchsorted(edges, np.arange(high - low + 1), "right").astype(np.uint32)
    return level[np.clip(values, low, high) - low]


# ---- One stream --------------------------------------------------------------------


def encode(known: Known, plan: Plan, wanted: Array, there: Array | None) -> tuple[bytes, Array]:
    """Write a stream.

    Parameters
    ----------
    known : Known
    plan : Plan
    wanted : int64 (n,)
    there : bool (n,), or None

    Returns
    -------
    data : bytes
    values : int64 (n,)
        What `decode` gives; at most half a step from what was wanted.
    """
    given = known.linear(plan.linear)
    if plan.method == CONSTANT:
        return b"", np.full(known.n, plan.linear.start)
    symbols, found = to_symbols(known, plan, wanted, there, given)
    if plan.method == MIXED:
        data = mixing.encode(known.column(plan, there, given), symbols)
    else:
        data = squeeze(_narrow(symbols), False)
    return data, _spread(found, there, known.n)


def to_symbols(
    known: Known, plan: Plan, wanted: Array, there: Array | None, given: Array | None
) -> tuple[Array, Array]:
    """Symbols of a stream and their values, of the rows that have some."""
    own = wanted if there is None else wanted[there]
    return mixing.residual(_prediction(plan, given, there, len(own)), own)


def decode(known: Known, plan: Plan, data: bytes, there: Array | None) -> Array:
    """The inverse of `encode`: int64 (n,)."""
    given = known.linear(plan.linear)
    n = known.n if there is None else int(np.count_nonzero(there))
    if plan.method == CONSTANT:
        return np.full(known.n, plan.linear.start)
    if plan.method == MIXED:
        symbols = mixing.decode(known.column(plan, there, given), data)
    else:
        symbols = _wide(unsqueeze(data, 8 * n + 1), n)
    prediction = _prediction(plan, given, there, n)
    return _spread(mixing.restore(prediction, symbols), there, known.n)


def _prediction(plan: Plan, given: Array | None, there: Array | None, n: int) -> mixing.Prediction:
    if plan.apart:
        given = np.full(n, plan.linear.start)
    elif given is not None and there is not None:
        given = given[there]
    return mixing.Prediction(given, plan.lag, plan.weight, plan.step)


def _spread(values: Array, there: Array | None, n: int) -> Array:
    """Values of rows that have some, among zeros."""
    if there is None:
        return values
    out = np.zeros(n, np.int64)
    out[there] = values
    return out


def _narrow(symbols: Array) -> bytes:
    """Symbols in as few bytes each as hold them all, by place in the number."""
    size = 1
    while size < 8 and np.any(symbols >> (8 * size - 1) != symbols >> 63):
        size *= 2
    narrow = symbols.astype(f"<i{size}")
    return bytes([size]) + narrow.view(np.uint8).reshape(-1, size).T.tobytes()


def _wide(data: bytes, n: int) -> Array:
    size = data[0] if data else 0
    if size not in (1, 2, 4, 8) or len(data) != 1 + size * n:
        raise FormatError("a table's column has another length: file is damaged")
    planes = np.frombuffer(data, np.uint8, offset=1).reshape(size, n)
    return np.ascontiguousarray(planes.T).view(f"<i{size}").ravel().astype(np.int64)
