"""Symbols of one column <-> bytes: a tree of binary decisions, contexts and a mixer.

A symbol is a whole number. It is written as the walk through a `Tree` to the bucket
that holds it, and its place in the bucket. Each decision is predicted by adaptive odds
in several contexts, and by guesses of the whole symbol; a mixer, which learns as well,
weighs them; an arithmetic coder writes what they did not know. Contexts may join what
was known before the column (other columns, a network) with earlier symbols of it.

There are only integers between symbols and bytes. What is here is the same as in C
(``core/table.c``), which does the work where it was built; docs/format.md, section 13,
has it in words.

Contents
--------
``Tree``         buckets and how they are told apart
``Column``       all that is known before the first symbol
``encode``, ``decode``, ``cost``
                 symbols -> bytes, bytes -> symbols, symbols -> bits
``Prediction``   value = prediction + step * symbol
``residual``, ``restore``
                 values -> symbols, symbols -> values
"""

import bisect
import dataclasses
import functools
import importlib
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FormatError
from ..types import Array, Buffer

Ints = Sequence[int] | Array

_core: Any
try:
    _core = importlib.import_module("._core", __package__)
except ImportError:
    _core = None

CONTEXTS, GUESSES, LAGS = 12, 4, 8
MAX_BUCKETS = 4096
_LINE, _CONF, _SETS, _RUNS = 16, 8, 40, 8
_INPUTS = CONTEXTS + GUESSES + 1
_M1, _M2, _M3 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1
_FRESH = 1 << 31
_FIRST = 98304  # the sum of the first weights, in 65536ths
# How sure a prediction is by how often it was tried, up to 1023 times.
_CONFIDENCE = [0, 1, 2, 3, 3, *[4] * 4, *[5] * 11, *[6] * 80, *[7] * 924]


@functools.cache
def constants() -> tuple[Array, Array, Array]:
    """Tables of the logistic function and of reciprocals.

    Floats make them, but no value is near enough to a half for another
    machine to round it otherwise: tests/test_table_mixing.py.

    Returns
    -------
    stretch : int16 (4096,)
        256 ln(p / (1 - p)) for p = (i + 1/2) / 4096, up to 2047.
    squash : uint16 (6145,)
        65536 / (1 + exp(-i / 256)) for i = -3072..3072, 1..65535.
    recip : uint16 (1024,)
        65536 / (i + 3/2).
    """
    odds = [(i + 0.5) / (4095.5 - i) for i in range(4096)]
    stretch = [max(-2047, min(2047, round(256 * math.log(o)))) for o in odds]
    squash = [
        max(1, min(65535, round(65536 / (1 + math.exp(-i / 256))))) for i in range(-3072, 3073)
    ]
    recip = [131072 // (2 * i + 3) for i in range(1024)]
    return (
        np.array(stretch, np.int16),
        np.array(squash, np.uint16),
        np.array(recip, np.uint16),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Tree:
    """Buckets of symbols, and the decisions between them.

    Attributes
    ----------
    base : int64 (buckets,)
        The first symbol of each; they ascend.
    nbits : uint8 (buckets,)
        A bucket holds 2**nbits symbols and ends before the next begins.
    child : int32 (buckets - 1, 2)
        Where a decision leads: a later node, or ~bucket.
    path : uint64 (buckets,)
    depth : uint8 (buckets,)
        The decisions before a bucket, the last one in the lowest bit.
    """

    base: Array
    nbits: Array
    child: Array
    path: Array
    depth: Array

    @classmethod
    def of(cls, base: Ints, nbits: Ints, weight: Ints) -> "Tree":
        """The tree that halves the weight at each decision, in order.

        Parameters
        ----------
        base, nbits, weight : sequence of int (buckets,)
            A weight is at least 1, at most 2**32; the more, the nearer to the root.

        Raises
        ------
        FormatError
            Buckets that overlap, or too many.
        """
        n = len(base)
        base, nbits = list(map(int, base)), list(map(int, nbits))
        ends = [b + (1 << k) for b, k in zip(base, nbits)]
        if not 1 <= n <= MAX_BUCKETS or max(nbits, default=0) > 63:
            raise FormatError("a tree of no buckets, or of too many")
        if any(map(operator.gt, ends, base[1:])) or ends[-1] > 1 << 63:
            raise FormatError("buckets of a tree overlap")
        sums = [0, *itertools.accumulate(map(int, weight))]
        child, path, depth = list[int](), [0] * n, [0] * n
        todo = [(0, n, -1, 0, 0)] if n > 1 else []
        while todo:
            lo, hi, at, way, deep = todo.pop()
            # Below 40 decisions by number, so that none is deeper than 64.
            middle = (lo + hi) // 2
            if deep < 40:
                half = (sums[lo] + sums[hi]) / 2
                middle = min(bisect.bisect_left(sums, half, lo + 1, hi), hi - 1)
                if middle > lo + 1 and half - sums[middle - 1] < sums[middle] - half:
                    middle -= 1
            node, deep = len(child), deep + 1
            child += 0, 0
            if at >= 0:
                child[at] = node // 2
            for first, last, bit in (middle, hi, 1), (lo, middle, 0):
                if last - first > 1:
                    todo.append((first, last, node + bit, way << 1 | bit, deep))
                else:
                    child[node + bit], path[first], depth[first] = ~first, way << 1 | bit, deep
        return cls(
            np.array(base, np.int64),
            np.array(nbits, np.uint8),
            np.array(child, np.int32).reshape(-1, 2),
            np.array(path, np.uint64),
            np.array(depth, np.uint8),
        )

    def bucket(self, symbol: int) -> int:
        """The bucket of a symbol, or -1."""
        b = int(np.searchsorted(self.base, symbol, "right")) - 1
        if b < 0 or symbol - int(self.base[b]) >> int(self.nbits[b]):
            return -1
        return b


@dataclasses.dataclass(frozen=True)
class Column:
    """What is known of n symbols before the first.

    Attributes
    ----------
    n : int
    tree : Tree
    context : uint32 (contexts, n)
    lag : int8 (contexts, 2)
        Rows of ``at`` whose symbols a context joins, or -1.
    coarse : uint8 (contexts,)
        Whether it joins their buckets rather than the symbols.
    at : int32 (lags, n)
        Earlier places, or -1.
    guess_lag : int8 (guesses,)
        The row of ``at`` whose symbol is a guess; -1: the next row of ``guess``.
    guess : int64 (_, n)
    hit : bool
        Whether the first decision is if guess 0 is right.
    modelled : int
        Upper bits of a place that contexts predict.
    bits : int
        A context has 2**bits lines of 64 bytes.
    limit : int, 1..1023
        How slow a prediction may become.
    rate : int, 0..64
        How fast the mixer learns.
    """

    n: int
    tree: Tree
    context: Array
    lag: Array
    coarse: Array
    at: Array
    guess_lag: Array
    guess: Array
    hit: bool = False
    modelled: int = 12
    bits: int = 12
    limit: int = 255
    rate: int = 6

    def _core(self) -> tuple[tuple[int, ...], tuple[Array, ...]]:
        t, c = self.tree, np.ascontiguousarray
        numbers = (
            self.n,
            self.modelled,
            int(self.hit),
            self.bits,
            self.limit,
            self.rate,
            len(self.context),
            len(self.at),
            len(self.guess_lag),
        )
        arrays = (
            c(t.child, np.int32),
            t.base,
            t.nbits,
            c(t.path, np.uint64),
            c(t.depth, np.uint8),
            c(self.context, np.uint32),
            c(self.lag, np.int8),
            c(self.coarse, np.uint8),
            c(self.at, np.int32),
            c(self.guess_lag, np.int8),
            c(self.guess, np.int64),
            *constants(),
        )
        return numbers, arrays


def encode(column: Column, symbols: Array) -> bytes:
    """Write symbols.

    Parameters
    ----------
    column : Column
    symbols : int64 (n,)
        Each in a bucket of the tree.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        A symbol is in no bucket.
    """
    symbols = np.ascontiguousarray(symbols, np.int64)
    if _core is None:
        out = _Encoder()
        _Mixer(column, out).run(symbols.tolist())
        return out.finish()
    data = _core.encode(*column._core(), symbols)
    if data is None:
        raise ValueError("a symbol that is in no bucket")
    return data


def cost(column: Column, symbols: Array) -> tuple[float, int]:
    """What `encode` would write; parameters and errors as there.

    Returns
    -------
    bits : float
    work : int
        How long decoding takes, in units of about 7 ns: a decision takes 3 and
        1 for each prediction, a line of a context 2.
    """
    symbols = np.ascontiguousarray(symbols, np.int64)
    if _core is None:
        out = _Cost()
        mixer = _Mixer(column, out)
        mixer.run(symbols.tolist())
        return out.bits, mixer.work
    bits, work = _core.cost(*column._core(), symbols)
    if bits < 0:
        raise ValueError("a symbol that is in no bucket")
    return bits, work


def decode(column: Column, data: Buffer) -> Array:
    """Read what `encode` wrote; any bytes end in symbols or in FormatError.

    Returns
    -------
    int64 (n,)
    """
    if _core is None:
        decoder = _Decoder(bytes(data))
        symbols = np.array(_Mixer(column, decoder).run(None), np.int64)
        sound = decoder.place - 4 <= len(data) <= decoder.place
    else:
        symbols = np.zeros(column.n, np.int64)
        try:
            sound = _core.decode(*column._core(), data, symbols)
        except ValueError as e:  # a plan that only the core finds to be damaged
            raise FormatError(f"a column does not decode: {e}") from e
    if not sound:
        raise FormatError("a column does not decode: file is damaged")
    return symbols


# ---- The same in Python ------------------------------------------------------------


class _Encoder:
    """The arithmetic coder, writing."""

    def __init__(self) -> None:
        self.low, self.high, self.out = 0, 0xFFFFFFFF, bytearray()

    def code(self, p: int, bit: int) -> int:
        middle = self.low + ((self.high - self.low) * p >> 16)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while not (self.low ^ self.high) >> 24:
            self.out.append(self.high >> 24)
            self.low = self.low << 8 & 0xFFFFFFFF
            self.high = self.high << 8 & 0xFFFFFFFF | 255
        return bit

    def finish(self) -> bytes:
        last = (self.low >> 24) + 1 if self.low else 0
        if last > 255 or last << 24 > self.high:
            self.out += self.high.to_bytes(4, "big")
        elif last:
            self.out.append(last)
        return bytes(self.out)


class _Decoder:
    """The arithmetic coder, reading; zeros follow the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0
        self.low, self.high, self.x = 0, 0xFFFFFFFF, 0
        for _ in range(4):
            self._next()

    def _next(self) -> None:
        byte = self.data[self.place] if self.place < len(self.data) else 0
        self.x = self.x << 8 & 0xFFFFFFFF | byte
        self.place += 1

    def code(self, p: int, bit: int) -> int:
        middle = self.low + ((self.high - self.low) * p >> 16)
        bit = int(self.x <= middle)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while not (self.low ^ self.high) >> 24:
            self._next()
            self.low = self.low << 8 & 0xFFFFFFFF
            self.high = self.high << 8 & 0xFFFFFFFF | 255
        if self.place > len(self.data) + 4:
            raise FormatError("a column does not decode: file is damaged")
        return bit


class _Cost:
    """Only counts."""

    bits = 0.0

    def code(self, p: int, bit: int) -> int:
        self.bits -= math.log2((p if bit else 65536 - p) / 65536)
        return bit


class _Mixer:
    """core/table.c, line by line."""

    def __init__(self, column: Column, coder: Any) -> None:
        self.c, self.coder = column, coder
        self.stretch, self.squash, self.recip = (a.tolist() for a in constants())
        n = len(column.context) + len(column.guess_lag) + 1
        self.first = _FIRST // n
        self.weights = [[[self.first] * _CONF for _ in range(_INPUTS)] for _ in range(_SETS)]
        self.trust = [[[_FRESH] * _RUNS for _ in range(_SETS)] for _ in column.guess_lag]
        self.lines: list[dict[int, list[int]]] = [{} for _ in column.context]
        self.line: list[list[int]] = [[] for _ in column.context]
        self.run_of = [0] * len(column.guess_lag)
        self.alive = [False] * len(column.guess_lag)
        self.hash = [0] * len(column.context)
        self.work = 0
        self.paths = list(zip(column.tree.path.tolist(), column.tree.depth.tolist()))

    def learn(self, v: int, bit: int) -> int:
        n, p = v & 1023, v >> 10
        p += ((4194303 if bit else 0) - p) * self.recip[n] >> 16
        return p << 10 | (n + 1 if n < self.c.limit else n)

    def stage(self, key: int) -> None:
        self.work += 2 * len(self.hash)
        for j, start in enumerate(self.hash):
            h = (start + key) * _M3 & _MASK
            h ^= h >> 29
            h = h * _M1 & _MASK
            check = h & 0xFFFFFFFF | 1
            line = self.lines[j].get(h >> 64 - self.c.bits)
            if line is None or line[0] != check:
                line = self.lines[j][h >> 64 - self.c.bits] = [check, *[_FRESH] * 15]
            self.line[j] = line
        self.local = 1

    def decide(self, at: int, wanted: list[int], bit: int) -> int:
        weights, dot = self.weights[at], 0
        used: list[tuple[int, list[int], int]] = []
        for j, line in enumerate(self.line):
            v = line[self.local]
            conf = _CONFIDENCE[v & 1023]
            x = self.stretch[v >> 20] if conf else 0
            used.append((x, weights[j], conf))
            dot += x * weights[j][conf]
        for g, alive in enumerate(self.alive):
            if alive:
                v = self.trust[g][at][self.run_of[g]]
                x = self.stretch[v >> 20]
                x = x if wanted[g] else -x
                w, conf = weights[CONTEXTS + g], _CONFIDENCE[v & 1023]
                used.append((x, w, conf))
                dot += x * w[conf]
        self.work += 3 + len(used)
        used.append((256, weights[-1], 0))
        dot += 256 * (weights[-1][0] - self.first)
        p = self.squash[max(-3072, min(3072, dot >> 16)) + 3072]
        bit = self.coder.code(p, bit)
        error = ((bit << 16) - p) * self.rate
        for x, w, conf in used:
            w[conf] += x * error + (1 << 21) >> 22
        for line in self.line:
            line[self.local] = self.learn(line[self.local], bit)
        for g, alive in enumerate(self.alive):
            if alive:
                trust, right = self.trust[g][at], wanted[g] == bit
                trust[self.run_of[g]] = self.learn(trust[self.run_of[g]], right)
                self.alive[g] = right
        self.local = self.local * 2 + bit
        return bit

    def prepare(self, i: int) -> None:
        c = self.c
        for j in range(len(self.hash)):
            h = (int(c.context[j, i]) + 1) * _M1 & _MASK
            for k in c.lag[j].tolist():
                if k >= 0:
                    at = int(c.at[k, i])
                    before = self.buckets if c.coarse[j] else self.symbols
                    s = _M1 if at < 0 else before[at] & _MASK
                    h = (h ^ h >> 31 ^ s) * _M2 & _MASK
            self.hash[j] = h ^ h >> 32
        self.guess: list[int | None] = []
        given = 0
        for lag in c.guess_lag.tolist():
            if lag < 0:
                self.guess.append(int(c.guess[given, i]))
                given += 1
            else:
                at = int(c.at[lag, i])
                self.guess.append(None if at < 0 else self.symbols[at])
        self.guess_bucket = [-1 if g is None else c.tree.bucket(g) for g in self.guess]
        self.alive = [b >= 0 for b in self.guess_bucket]

    def turn(self, bucket: int, depth: int) -> int:
        path, deep = self.paths[bucket]
        return path >> deep - 1 - depth & 1

    def walk(self, bucket: int | None) -> int:
        child = self.c.tree.child
        node, depth = 0 if len(child) else -1, 0
        while node >= 0:
            if depth % 4 == 0:
                self.stage(node)
            wanted = [
                self.turn(b, depth) if alive else 0
                for b, alive in zip(self.guess_bucket, self.alive)
            ]
            bit = 0 if bucket is None else self.turn(bucket, depth)
            bit = self.decide(min(depth, 15), wanted, bit)
            node = int(child[node, bit])
            depth += 1
        return ~node

    def place(self, bucket: int, place: int | None) -> int:
        base, nbits = int(self.c.tree.base[bucket]), int(self.c.tree.nbits[bucket])
        found = 0
        for k in range(nbits):
            shift = nbits - 1 - k
            bit = 0 if place is None else place >> shift & 1
            if k >= self.c.modelled:
                found = found << 1 | self.coder.code(32768, bit)
                continue
            if k % 4 == 0:
                self.stage(bucket + 1 << 32 ^ (found << 5 | k) * _M2 & _MASK)
            wanted = [
                (g or 0) - base >> shift & 1 if alive else 0
                for g, alive in zip(self.guess, self.alive)
            ]
            found = found << 1 | self.decide(16 + k if k < 22 else 38, wanted, bit)
        return found

    def hit(self, symbol: int | None) -> bool:
        """Whether guess 0 is right; guesses that are the same go with it."""
        before = self.alive[:]
        first = self.guess[0]
        wanted = [int(g == first) for g in self.guess]
        self.stage(_M1)
        done = bool(self.decide(39, wanted, int(symbol == first)))
        self.alive = [a and (done or g != first) for a, g in zip(before, self.guess)]
        return done

    def run(self, known: list[int] | None) -> list[int]:
        c, tree = self.c, self.c.tree
        self.symbols, self.buckets = [] if known is None else known, []
        for i in range(c.n):
            self.prepare(i)
            self.rate = c.rate + c.rate * 1024 // (i + 128)
            symbol = None if known is None else known[i]
            bucket = None if symbol is None else tree.bucket(symbol)
            if bucket == -1:
                raise ValueError("a symbol that is in no bucket")
            if c.hit and self.alive[0] and self.hit(symbol):
                symbol, bucket = self.guess[0], self.guess_bucket[0]
            else:
                bucket = self.walk(bucket)
                base = int(tree.base[bucket])
                symbol = base + self.place(bucket, None if symbol is None else symbol - base)
            assert symbol is not None and bucket is not None
            if known is None:
                self.symbols.append(symbol)
            self.buckets.append(bucket)
            for g, guess in enumerate(self.guess):
                if self.guess_bucket[g] >= 0:
                    run = self.run_of[g]
                    wrong = 2 if run > 2 else 0
                    self.run_of[g] = min(run + 1, _RUNS - 1) if guess == symbol else wrong
        return self.symbols


# ---- Predicted columns -------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Prediction:
    """How values follow from symbols: value = prediction + step * symbol.

    The prediction is ``given`` and the sum of ``weight[k]`` 4096ths of (value
    - given), ``lag[k]`` rows before, where there is such a row. Sums wrap at
    64 bits.

    Attributes
    ----------
    given : int64 (n,), or None
        None: zeros.
    lag : tuple of int
    weight : tuple of int
    step : int, at least 1
    """

    given: Array | None = None
    lag: tuple[int, ...] = ()
    weight: tuple[int, ...] = ()
    step: int = 1

    def _core(self) -> tuple[Any, ...]:
        given = b"" if self.given is None else np.ascontiguousarray(self.given, np.int64)
        return (
            given,
            np.array(self.lag, np.int32),
            np.array(self.weight, np.int32),
            self.step,
        )

    def _given(self, n: int) -> list[int]:
        return [0] * n if self.given is None else self.given.tolist()

    def _at(self, given: list[int], values: list[int], i: int) -> int:
        total = 2048
        for lag, weight in zip(self.lag, self.weight):
            if lag <= i:
                total += weight * (values[i - lag] - given[i - lag])
        return given[i] + (_wrapped(total) >> 12)


def _wrapped(value: int) -> int:
    """A number as 64 bits hold it."""
    return (value + (1 << 63) & _MASK) - (1 << 63)


def residual(prediction: Prediction, wanted: Array) -> tuple[Array, Array]:
    """The symbols of the values that are nearest to those wanted.

    Parameters
    ----------
    prediction : Prediction
    wanted : int64 (n,)

    Returns
    -------
    symbols, values : int64 (n,)
        No value is farther than half a step.
    """
    wanted = np.ascontiguousarray(wanted, np.int64)
    if _core is not None:
        symbols, values = np.empty_like(wanted), np.empty_like(wanted)
        _core.residual(*prediction._core(), wanted, symbols, values)
        return symbols, values
    step, half = prediction.step, prediction.step // 2
    given = prediction._given(len(wanted))
    found: list[int] = []
    reached: list[int] = []
    for i, value in enumerate(wanted.tolist()):
        at = prediction._at(given, reached, i)
        gap = _wrapped(value - at)
        s, rest = divmod(abs(gap), step)
        s = (s + (rest > half)) * (1 if gap >= 0 else -1)
        found.append(s)
        reached.append(_wrapped(at + step * s))
    return np.array(found, np.int64), np.array(reached, np.int64)


def restore(prediction: Prediction, symbols: Array) -> Array:
    """The values of symbols: the inverse of `residual`.

    Returns
    -------
    int64 (n,)
    """
    symbols = np.ascontiguousarray(symbols, np.int64)
    if not prediction.lag:
        with np.errstate(over="ignore"):
            values = symbols * np.int64(prediction.step)
            return values if prediction.given is None else values + prediction.given
    if _core is not None:
        values = np.empty_like(symbols)
        try:
            _core.restore(*prediction._core(), symbols, values)
        except ValueError as e:  # as of `decode`
            raise FormatError(f"a column does not decode: {e}") from e
        return values
    given = prediction._given(len(symbols))
    reached: list[int] = []
    for i, s in enumerate(symbols.tolist()):
        at = prediction._at(given, reached, i)
        reached.append(_wrapped(at + prediction.step * s))
    return np.array(reached, np.int64)
