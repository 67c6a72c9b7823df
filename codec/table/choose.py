"""Which plan codes a stream in the fewest bits: measured on some rows, then on all.

The rows are a few runs of neighbours, so that the row before is there as well. Every
candidate is measured by what the mixer would write (`mixing.cost`), the model's own
bytes included.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterable

import numpy as np

from ..types import Array
from . import mixing
from .known import Known, encode, to_symbols
from .plan import (
    CONSTANT,
    MAX_LINES,
    SQUEEZED,
    Context,
    Lag,
    Linear,
    Plan,
    Term,
    tree_of,
)
from .wire import Writer

_RUNS = 4  # of neighbours, in the rows that are measured
_SMALL = 256  # numbers that a context takes as they are
_TINY = 32  # rows that no search pays for
_BUCKET = 40  # bits that one is worth: in the model, and to read it
_FIRST = Context(), Context(lags=(0,))
_BEFORE = 64  # streams that a later one may look at
# What decoding's time is worth: bits for a unit of `mixing.cost`, about 7 ns. By it most
# tables of benchmarks/tables.py decode at 20 MB/s and more. From effort 3 on only size counts.
_PRICE = {1: 0.01, 2: 0.01}
_TURNED = 4  # times that for tables that are turned: their many plans take long enough
_INPUT = 0.001  # of a number's bits: what an input of theirs has to save
# Units of a row: to look for the last one that has the same key, to join terms; of a line of
# a context, to make room for it.
_SAME, _TERM, _ROOM = 4, 1, 1.5


@dataclasses.dataclass(frozen=True)
class Stream:
    """What is to be coded.

    Attributes
    ----------
    wanted : int64 (n,)
    there : bool (n,), or None
    step : int
    number : bool
        Whether neighbouring numbers are alike, so that they can be predicted.
    """

    wanted: Array
    there: Array | None = None
    step: int = 1
    number: bool = True

    def some(self, rows: Array) -> "Stream":
        """The same of some rows."""
        there = None if self.there is None else self.there[rows]
        return Stream(self.wanted[rows], there, self.step, self.number)

    @property
    def own(self) -> Array:
        """The numbers that are there."""
        return self.wanted if self.there is None else self.wanted[self.there]


def sample(n: int, most: int) -> Array:
    """Rows to measure on: runs of neighbours, at most so many: int (k,)."""
    if n <= most:
        return np.arange(n)
    run = most // _RUNS
    starts = np.linspace(0, n - run, _RUNS).astype(np.int64)
    return (starts[:, None] + np.arange(run)).ravel()


class Chooser:
    """Chooses the plans of the streams of one group, in the order of coding.

    Parameters
    ----------
    n : int
        Rows.
    effort : int, 1..9
    turned : bool
        Whether the rows are those of a table that is turned.
    """

    def __init__(self, n: int, effort: int = 5, turned: bool = False) -> None:
        self.n, self.effort = n, effort
        self.price = _PRICE.get(effort, 0.0) * (_TURNED if turned else 1)
        self.input = _INPUT if turned and self.price else 0.0
        self.rows = sample(n, 2000 * 2**effort if effort > 1 else 4000)
        self.known = Known(n)
        self.some = Known(len(self.rows))
        # Candidates are ranked on fewer rows than they are tried on.
        self.few_rows = sample(n, len(self.rows) // 4 + 500)
        self.few = Known(len(self.few_rows))

    def add(self, values: Array, there: Array | None) -> None:
        """A stream is coded: later ones may look at it."""
        for known, rows in (
            (self.known, slice(None)),
            (self.some, self.rows),
            (self.few, self.few_rows),
        ):
            known.add(values[rows], None if there is None else there[rows])

    def take(self, first: int) -> list[tuple[Array, Array | None]]:
        """Take off the streams from this one on; `give` puts them back."""
        found = list(zip(self.known.values[first:], self.known.there[first:]))
        for one in self.known, self.some, self.few:
            one.cut(first)
        return found

    def give(self, streams: list[tuple[Array, Array | None]]) -> None:
        """Add streams again."""
        for values, there in streams:
            self.add(values, there)

    def choose(self, stream: Stream) -> tuple[Plan, bytes, Array]:
        """The best plan of a stream.

        Returns
        -------
        plan : Plan
        data : bytes
        values : int64 (n,)
            What is decoded.
        """
        own = stream.own
        if not len(own) or own.min() == own.max():
            start = int(own[0]) if len(own) else 0
            return (
                Plan(CONSTANT, linear=Linear(start=start)),
                b"",
                np.full(self.n, start),
            )
        plans = [self._whole(stream, self._best(stream))]
        if self.effort > 2:
            plans.append(Plan(SQUEEZED, stream.step))
        tried = [(plan, *encode(self.known, plan, stream.wanted, stream.there)) for plan in plans]
        return min(tried, key=lambda t: len(t[1]) + size_of(t[0]))

    def _best(self, stream: Stream) -> Plan:
        """The plan that is shortest on some rows."""
        starts = self._starts(stream)
        if self.effort == 1 or len(stream.own) <= _TINY:
            return next(iter(starts))
        # The first predicts nothing; of the others the better one is looked at further.
        first, *others = [_Search(self, stream, plan) for plan in starts]
        others.sort(key=lambda s: s.bits)
        found = [first, *others[: None if self.effort > 5 else 1]]
        for search in found:
            search.run()
        return min(found, key=lambda s: s.bits).plan

    def _starts(self, stream: Stream) -> Iterable[Plan]:
        """Plans that differ in what is predicted."""
        own = stream.own
        start = Plan(step=stream.step, lags=(Lag(1),), contexts=_FIRST)
        yield dataclasses.replace(start, linear=Linear(start=int(own.min())), apart=True)
        if not stream.number:
            return
        yield dataclasses.replace(start, lag=(1,), weight=(4096,))
        linear = self._linear(stream)
        if linear is not None:
            yield dataclasses.replace(start, linear=linear)
            rest = self._carried(stream, linear)
            if rest:
                lag, weight = zip(*rest)
                yield dataclasses.replace(start, linear=linear, lag=lag, weight=weight)

    def _linear(self, stream: Stream) -> Linear | None:
        """The best few inputs and their weights, by least squares."""
        some = stream.some(self.rows)
        y = some.own.astype(np.float64)
        terms, columns = [], []
        for k in range(max(0, len(self.some.values) - _BEFORE), len(self.some.values)):
            for row in (0, -1, 1):
                centre = _centre(self.some, k)
                x = self.some.input(Term(k, row), centre)
                x = (x if some.there is None else x[some.there]) - float(centre)
                if np.abs(x).max(initial=0) > 2.0**54 or not x.any():
                    continue
                terms.append((Term(k, row), centre))
                columns.append(x)
        if not terms:
            return None
        chosen = _pursue(np.array(columns), y, 4 + 2 * self.effort, self.input)
        return _fixed([terms[i] for i in chosen], np.array(columns)[chosen], y)

    def _carried(self, stream: Stream, linear: Linear) -> list[tuple[int, int]]:
        """How much of the errors before carries over: lags and weights."""
        given = self.known.linear(linear)
        gap = stream.wanted - (0 if given is None else given)
        gap = (gap if stream.there is None else gap[stream.there]).astype(np.float64)
        if len(gap) < 8:
            return []
        x = np.stack([gap[1:-1], gap[:-2]])
        try:
            w = np.linalg.solve(x @ x.T + np.eye(2) * 1e-6, x @ gap[2:])
        except np.linalg.LinAlgError:
            return []
        fixed = np.clip(np.rint(w * 4096), -(1 << 20), 1 << 20).astype(int).tolist()
        return [(lag, v) for lag, v in zip((1, 2), fixed) if abs(v) > 40]

    def _whole(self, stream: Stream, plan: Plan) -> Plan:
        """A plan as it is for all rows: its tree, and room for its contexts."""
        given = self.known.linear(plan.linear)
        symbols, _ = to_symbols(self.known, plan, stream.wanted, stream.there, given)
        searched, plan = plan, tree_for(plan, symbols)
        if searched.tree is not None:
            plan = dataclasses.replace(plan, modelled=searched.modelled)
        bits = _bits(len(symbols), plan)
        if not self.price:
            return dataclasses.replace(plan, bits=bits)
        column, found = self.known.column(plan, stream.there, given), []
        for fewer in 0, 2, 4:
            one = dataclasses.replace(column, bits=max(2, bits - fewer))
            size, work = mixing.cost(one, symbols)
            room = _ROOM * (len(plan.contexts) << one.bits)
            found.append((size + self.price * (work + room), one.bits))
        return dataclasses.replace(plan, bits=min(found)[1])


def _centre(known: Known, stream: int) -> int:
    values, there = known.values[stream], known.there[stream]
    own = values if there is None else values[there]
    return int(np.median(own)) if len(own) else 0


def _pursue(x: Array, y: Array, most: int, share: float) -> Array:
    """Orthogonal matching pursuit: rows of x that explain y, each this share of its bits."""
    y = y - y.mean()
    x = x - x.mean(1, keepdims=True)
    norm = np.sqrt((x**2).sum(1))
    left, chosen = y, list[int]()
    before = float(left @ left)
    for _ in range(min(most, len(x))):
        score = np.abs(x @ left) / np.maximum(norm, 1e-9)
        score[chosen] = -1
        best = int(score.argmax())
        if score[best] <= 0:
            break
        trial = [*chosen, best]
        w, *_ = np.linalg.lstsq(x[trial].T, y, rcond=None)
        rest = y - w @ x[trial]
        now = float(rest @ rest)
        bits = np.log2(max(2.0, now / len(y))) / 2
        if now > before * min(0.995, 2 ** (-2 * share * bits)):
            break
        chosen, left, before = trial, rest, now
    return np.array(chosen, int)


def _fixed(terms: list[tuple[Term, int]], x: Array, y: Array) -> Linear | None:
    """Least squares in whole numbers."""
    if not terms:
        return None
    means = x.mean(1)
    w, *_ = np.linalg.lstsq((x - means[:, None]).T, y - y.mean(), rcond=None)
    reach = np.abs(w @ x).max() + 1  # of the sum; its parts may wrap
    shift = int(min(24, max(0, 60 - np.ceil(np.log2(reach)))))
    scaled = np.rint(w * 2.0**shift)
    if np.abs(scaled).max() > 2.0**50:
        return None
    return Linear(
        tuple(term for term, _ in terms),
        tuple(centre for _, centre in terms),
        tuple(int(v) for v in scaled),
        shift,
        round(float(y.mean() - w @ means)),
    )


def size_of(plan: Plan) -> int:
    """Bytes of a plan in the model."""
    out = Writer()
    plan.write(out)
    return len(out.data)


# ---- Trees -------------------------------------------------------------------------


def tree_for(plan: Plan, symbols: Array) -> Plan:
    """A plan with the tree of its symbols."""
    low, high = int(symbols.min()), int(symbols.max())
    span, n = high - low, len(symbols)
    if plan.apart:
        kinds, counts = _counts(symbols, low, span)
        if len(kinds) <= min(1024, max(2, n // 32)):
            base, nbits, weight = kinds.tolist(), [0] * len(kinds), counts.tolist()
        else:
            base, nbits, weight = _ranges(kinds, counts, low, high, n)
        tree = _tree(base, nbits, weight)
        return dataclasses.replace(plan, tree=tree, modelled=14)
    tree = _tree(*_octaves(symbols, low, high))
    # Bits that are as good as random are learned to be so, which few symbols do not pay.
    return dataclasses.replace(plan, tree=tree, modelled=min(6, max(1, n.bit_length() - 8)))


def _counts(symbols: Array, low: int, span: int) -> tuple[Array, Array]:
    if span < 1 << 20:
        counts = np.bincount(symbols - low)
        kinds = np.flatnonzero(counts)
        return kinds + low, counts[kinds]
    return np.unique(symbols, return_counts=True)


def _ranges(
    kinds: Array, counts: Array, low: int, high: int, n: int
) -> tuple[list[int], list[int], list[int]]:
    """Buckets of many numbers, and of one each of the most frequent."""
    often = kinds[counts > max(8, n // 40)][:64].tolist()
    base, nbits, weight = [], [], []
    at = low
    for stop in [*often, high + 1]:
        while at < stop:
            size = (stop - at).bit_length() - 1
            # The last one may reach beyond what there is.
            if stop > high and at + (1 << size + 1) <= 1 << 63 and size < 62:
                size = (stop - at - 1).bit_length()
            end = at + (1 << size)
            lo, hi = np.searchsorted(kinds, [at, min(end, (1 << 63) - 1)])
            if hi > lo:
                base.append(at)
                nbits.append(size)
                weight.append(int(counts[lo:hi].sum()))
            at = end
        if stop <= high:
            base.append(stop)
            nbits.append(0)
            weight.append(int(counts[np.searchsorted(kinds, stop)]))
            at = stop + 1
    return base, nbits, weight


def _octaves(symbols: Array, low: int, high: int) -> tuple[list[int], list[int], list[int]]:
    """Buckets that double with the distance from zero, halves of them apart.

    Around zero, where numbers are as frequent as each other, there is one instead.
    """
    ranked, found = np.sort(symbols), []
    for core in range(-1, max(-low, high).bit_length() if high < 1 << 62 else 0):
        base, nbits = _shells(core)
        part = slice(np.searchsorted(base, low, "right") - 1, np.searchsorted(base, high, "right"))
        counts = np.diff(np.searchsorted(ranked, base[part]), append=len(ranked))
        kept = counts > 0
        base, nbits, counts = base[part][kept], nbits[part][kept], counts[kept]
        bits = counts @ (np.log2(len(ranked) / counts) + nbits) + _BUCKET * len(base)
        found.append((float(bits), base.tolist(), nbits.tolist(), counts.tolist()))
    # Contexts tell numbers near zero apart, so that has to pay.
    first, *others = found
    best = min(others, default=first)
    return (best if best[0] < 0.998 * first[0] else first)[1:]


@functools.cache
def _shells(core: int) -> tuple[Array, Array]:
    """Buckets of all numbers, and but one of those within 2^core."""
    up: list[tuple[int, int]] = [(v, 0) for v in range(1, 8)]
    for k in range(2, 61):
        up += [(1 << k + 1, k), ((1 << k + 1) + (1 << k), k)]
    up += [(1 << 62, 61), ((1 << 62) + (1 << 61), 61)]
    down = [(-b - (1 << k) + 1, k) for b, k in reversed(up)]
    down.insert(0, (-(1 << 63), 0))
    within = [(0, 0)]
    if core >= 0:
        # 1 - 2^core .. 2^core; those above are one farther.
        up = [(b + 1, k) for b, k in up if b >= 1 << core]
        down = [(b, k) for b, k in down if b + (1 << k) <= 1 - (1 << core)]
        within = [(1 - (1 << core), core + 1)]
    base, nbits = zip(*down, *within, *up)
    return np.array(base, np.int64), np.array(nbits)


def _tree(base: list[int], nbits: list[int], weight: list[int]) -> mixing.Tree:
    total = sum(weight)
    depth = [min(31, max(0, (total // max(1, w)).bit_length() - 1)) for w in weight]
    return tree_of(base, nbits, depth)


def _bits(n: int, plan: Plan) -> int:
    """Lines of a context, by how many a stream may fill."""
    many = max(1, len(plan.contexts))
    bits = max(4, min(18, (2 * n).bit_length()))
    while bits > 2 and many << bits > min(MAX_LINES, 64 * n + (1 << 14)):
        bits -= 1
    return bits


# ---- Contexts ----------------------------------------------------------------------


class _Rows:
    """Some rows of a stream, on which plans are measured."""

    def __init__(self, known: Known, rows: Array, stream: Stream, plan: Plan, price: float) -> None:
        self.known, self.there, self.price = known, stream.some(rows).there, price
        self.given = known.linear(plan.linear)
        self.symbols, _ = to_symbols(known, plan, stream.wanted[rows], self.there, self.given)
        self.share = len(stream.own) / max(1, len(self.symbols))

    def cost(self, plan: Plan) -> float:
        """Bits and work of the whole stream, as far as these rows tell."""
        bits = min(14, _bits(len(self.symbols), plan))
        plan = dataclasses.replace(plan, bits=bits)
        column = self.known.column(plan, self.there, self.given)
        size, work = mixing.cost(column, self.symbols)
        work += self.known.n * (
            _SAME * sum(bool(lag.terms) for lag in plan.lags)
            + _TERM * sum(len(one.terms) for one in plan.contexts)
        )
        return (size + self.price * work) * self.share + 8 * size_of(plan)


class _Search:
    """Finds contexts and guesses for one way of predicting."""

    def __init__(self, chooser: Chooser, stream: Stream, plan: Plan) -> None:
        self.chooser = chooser
        self.some = _Rows(chooser.some, chooser.rows, stream, plan, chooser.price)
        self.few = _Rows(chooser.few, chooser.few_rows, stream, plan, chooser.price)
        symbols = np.concatenate([self.some.symbols, self.few.symbols])
        self.plan, self.bits = plan, 0.0
        if len(symbols):
            self.plan = tree_for(plan, symbols)
            self.bits = self.some.cost(self.plan)

    def run(self) -> None:
        """Try what may help, the most promising first."""
        if not len(self.few.symbols):
            return
        found, start = [], self.few.cost(self.plan)
        for change in self._candidates():
            plan = change(self.plan)
            if plan is not None:
                found.append((self.few.cost(plan), change))
        found.sort(key=lambda pair: pair[0])
        for bits, change in found[: 4 + 3 * self.chooser.effort]:
            if bits > start * 1.01 + 100:
                break
            self._try(change(self.plan))
        for limit in 1023, 60:
            self._try(dataclasses.replace(self.plan, limit=limit))
        for rate in 2, 14:
            self._try(dataclasses.replace(self.plan, rate=rate))
        assert self.plan.tree is not None
        most = min(self.plan.modelled, int(self.plan.tree.nbits.max()))
        for modelled in 2 * most // 3, most // 2, most // 3, 0:
            self._drop(dataclasses.replace(self.plan, modelled=modelled))
        for first in self.plan.guesses:
            rest = tuple(g for g in self.plan.guesses if g != first)
            self._try(dataclasses.replace(self.plan, guesses=(first, *rest), hit=True))
        self._prune()

    def _try(self, plan: Plan | None) -> None:
        if plan is None or plan == self.plan:
            return
        bits = self.some.cost(plan)
        if bits < self.bits * 0.999:
            self.plan, self.bits = plan, bits

    def _prune(self) -> None:
        """Drop contexts and guesses that others have made useless: decoding is faster."""
        for j in reversed(range(len(self.plan.contexts))):
            contexts = self.plan.contexts[:j] + self.plan.contexts[j + 1 :]
            if contexts:
                self._drop(dataclasses.replace(self.plan, contexts=contexts))
        for j in reversed(range(len(self.plan.guesses))):
            guesses = self.plan.guesses[:j] + self.plan.guesses[j + 1 :]
            hit = self.plan.hit and bool(guesses)
            self._drop(dataclasses.replace(self.plan, guesses=guesses, hit=hit))

    def _drop(self, plan: Plan) -> None:
        plan = _tidy(plan)
        bits = self.some.cost(plan)
        if bits < self.bits * 1.0005:
            self.plan, self.bits = plan, bits

    def _related(self) -> list[tuple[float, Term]]:
        """Terms of other streams, by what they tell of the symbols."""
        known, there = self.some.known, self.some.there
        own = _ranks(self.some.symbols)
        found = []
        first = max(0, len(known.values) - _BEFORE)
        for k in range(first, len(known.values)):
            level = known.levels(k, 6)
            if there is not None:
                level = level[there]
            gain = _information(own, np.minimum(level, 64))
            if gain > 0.003:
                found.append((gain, Term(k, 0, 6)))
        found.sort(key=lambda pair: -pair[0])
        return found[: 2 + 2 * self.chooser.effort]

    def _candidates(self) -> Iterable["_Change"]:
        related = [term for _, term in self._related()]
        singles = []
        for term in related:
            small = self._kinds(term.stream) <= _SMALL
            singles.append(_exact(term) if small else dataclasses.replace(term, bits=8))
        for term, rough in zip(singles, related):
            yield _Change(Context((term,)))
            yield _Change(Context((term,), (0,), not self.plan.apart))
            if term.bits:
                yield _Change(Context((_exact(term),)))
                yield _Change(Context((rough,)))
            yield _Change(Context((dataclasses.replace(term, row=-1),)))
            yield _Change(Context((_exact(term),)), self._same(term))
        few = 2 + self.chooser.effort // 2
        for a, b in itertools.combinations(range(min(few, len(singles))), 2):
            yield _Change(Context((singles[a], singles[b])))
            yield _Change(Context((related[a], related[b])))
            yield _Change(Context(), self._same(singles[a], singles[b]))
        for three in itertools.combinations(singles[:4], 3):
            yield _Change(Context(three))
            yield _Change(Context(), self._same(*three))
        coarse = not self.plan.apart
        yield _Change(Context(), Lag(1))
        yield _Change(Context(lags=(0, 0)), Lag(2), second=True, coarse=coarse)
        yield _Change(Context((), (0,), coarse), Lag(2))
        if self.plan.linear.inputs:
            for bits in (4, 8, 12):
                yield _Change(Context((Term(-1, 0, bits),)))

    def _same(self, *terms: Term) -> Lag:
        return Lag(0, tuple(_exact(t) for t in terms))

    def _kinds(self, stream: int) -> int:
        return len(np.unique(self.some.known.levels(stream, 0)[:8192]))


@dataclasses.dataclass(frozen=True)
class _Change:
    """Adds a context to a plan, or a lag with a context and a guess of its own."""

    context: Context
    lag: Lag | None = None
    second: bool = False
    coarse: bool = False

    def __call__(self, plan: Plan) -> Plan | None:
        if len(plan.contexts) >= mixing.CONTEXTS - 4:
            return None
        context, lags, guesses = self.context, plan.lags, plan.guesses
        if self.lag is not None:
            if self.lag not in lags:
                lags = (*lags, self.lag)
            at = lags.index(self.lag)
            context = Context((), (0, at) if self.second else (at,), self.coarse)
            if not self.second and at not in guesses:
                if len(guesses) >= mixing.GUESSES - 1:
                    return None
                guesses = (*guesses, at)
        contexts = plan.contexts
        if context not in contexts:
            contexts = (*contexts, context)
        return dataclasses.replace(plan, contexts=contexts, lags=lags, guesses=guesses)


def _tidy(plan: Plan) -> Plan:
    """A plan without the lags that it does not use."""
    used = {k for one in plan.contexts for k in one.lags} | set(plan.guesses)
    kept = [k for k in range(len(plan.lags)) if k in used]
    return dataclasses.replace(
        plan,
        lags=tuple(plan.lags[k] for k in kept),
        contexts=tuple(
            dataclasses.replace(one, lags=tuple(kept.index(k) for k in one.lags))
            for one in plan.contexts
        ),
        guesses=tuple(kept.index(g) if g >= 0 else g for g in plan.guesses),
    )


def _exact(term: Term) -> Term:
    """A term of the number itself."""
    return dataclasses.replace(term, bits=0)


def _ranks(symbols: Array) -> Array:
    """Which 64th of all a symbol is in."""
    ranked = np.sort(symbols)
    edges = ranked[len(ranked) * np.arange(1, 64) >> 6]
    return np.searchsorted(edges, symbols, "right")


def _information(a: Array, b: Array) -> float:
    """Bits that b tells of a, less what chance would."""
    n = len(a)
    table = np.bincount(a * 65 + b, minlength=64 * 65).reshape(64, 65).astype(float)
    rows, columns = table.sum(1), table.sum(0)
    where = table > 0
    expected = np.outer(rows, columns)[where] / n
    gain = (table[where] * np.log2(table[where] / expected)).sum() / n
    chance = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1)
    return float(gain - chance / (2 * n * np.log(2)))
