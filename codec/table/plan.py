"""How one stream of a group of rows is coded: what its model holds.

A column is one stream of whole numbers, after a stream of states where some of its
values are no ordinary numbers (`lattice`). Streams are coded one after the other, all
rows of one before the next, so whatever came before is known of every row.
"""

import dataclasses
import functools

from ..errors import FormatError
from . import mixing
from .mixing import Tree
from .wire import Reader, Writer, unfolded

CONSTANT, MIXED, SQUEEZED = range(3)
MAX_TERMS = 4
MAX_INPUTS = 64
MAX_LINES = 1 << 22  # of all contexts of a stream; 64 bytes each


@dataclasses.dataclass(frozen=True)
class Term:
    """A number of each row: that of another stream.

    Attributes
    ----------
    stream : int
        In the order of coding; PREDICTED: what is predicted of this one.
    row : int, -1..1
        The row before, the same, or the next.
    bits : int, 0..12
        0: the number itself; else which 2**bits-th of all rows it is in.
    """

    stream: int
    row: int = 0
    bits: int = 0

    def write(self, to: Writer) -> None:
        """Write it down."""
        to.number((self.stream + 1) * 48 + (self.row + 1) * 16 + self.bits)

    @classmethod
    def read(cls, source: Reader, before: int) -> "Term":
        """The inverse of `write`, for a stream with so many before it."""
        return cls.of(source.number(), before)

    @classmethod
    def of(cls, number: int, before: int) -> "Term":
        """The term that was written as a number."""
        value, bits = divmod(number, 16)
        stream, row = divmod(value, 3)
        if stream > before or bits > 12 or (stream == 0 and row != 1):
            raise FormatError("a context of a table is not one: file is damaged")
        return cls(stream - 1, row - 1, bits)


PREDICTED = -1


@dataclasses.dataclass(frozen=True)
class Lag:
    """An earlier place: so many before, or the last with the same terms."""

    back: int = 1
    terms: tuple[Term, ...] = ()


@dataclasses.dataclass(frozen=True)
class Context:
    """Terms and the symbols at up to two lags, in a number each."""

    terms: tuple[Term, ...] = ()
    lags: tuple[int, ...] = ()
    coarse: bool = False


@dataclasses.dataclass(frozen=True)
class Linear:
    """A prediction by other streams.

    Attributes
    ----------
    inputs : tuple of Term
        Their numbers; ``bits`` is 0.
    centres : tuple of int
        Taken off each; stands for a number that is not there.
    weights : tuple of int
    shift : int, 0..40
        Of the sum of the products.
    start : int
        Added to it.
    """

    inputs: tuple[Term, ...] = ()
    centres: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()
    shift: int = 0
    start: int = 0


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a decoder is told of a stream.

    Attributes
    ----------
    method : int
        CONSTANT: every number is ``linear.start``. SQUEEZED: bytes.
    step : int
        Of a symbol.
    linear : Linear
    lag, weight : tuple of int
        As of `mixing.Prediction`.
    tree : Tree
    lags : tuple of Lag
    contexts : tuple of Context
    guesses : tuple of int
        Each a lag, or -1: the symbol that is predicted.
    apart : bool
        The prediction is for contexts and guesses alone: value = ``linear.start``
        + step * symbol.
    hit, modelled, bits, limit, rate
        As of `mixing.Column`.
    """

    method: int = MIXED
    step: int = 1
    linear: Linear = Linear()
    lag: tuple[int, ...] = ()
    weight: tuple[int, ...] = ()
    tree: Tree | None = None
    lags: tuple[Lag, ...] = ()
    contexts: tuple[Context, ...] = ()
    guesses: tuple[int, ...] = ()
    apart: bool = False
    hit: bool = False
    modelled: int = 12
    bits: int = 12
    limit: int = 255
    rate: int = 6

    def write(self, to: Writer) -> None:
        """Write it down."""
        to.number(self.method)
        to.number(self.step)
        to.signed(self.linear.start)
        if self.method == CONSTANT:
            return
        to.number(len(self.linear.inputs))
        if self.linear.inputs:
            to.number(self.linear.shift)
        for term, centre, weight in zip(
            self.linear.inputs, self.linear.centres, self.linear.weights
        ):
            term.write(to)
            to.signed(centre)
            to.signed(weight)
        to.number(len(self.lag))
        for lag, weight in zip(self.lag, self.weight):
            to.number(lag)
            to.signed(weight)
        if self.method == SQUEEZED:
            return
        assert self.tree is not None
        _write_tree(self.tree, to)
        to.number(len(self.lags))
        for place in self.lags:
            to.number(0 if place.terms else place.back)
            if place.terms:
                _write_terms(place.terms, to)
        to.number(len(self.contexts))
        for context in self.contexts:
            _write_terms(context.terms, to)
            to.number(len(context.lags) << 1 | context.coarse)
            for one in context.lags:
                to.number(one)
        to.numbers(one + 1 for one in self.guesses)
        to.number(self.apart | self.hit << 1 | self.bits << 2)
        to.number(self.modelled)
        to.number(self.limit)
        to.number(self.rate)

    @classmethod
    def read(cls, source: Reader, before: int, n: int) -> "Plan":
        """The inverse of `write`.

        Parameters
        ----------
        source : Reader
        before : int
            Streams before this one.
        n : int
            Rows, which bound what the contexts may take.
        """
        number = source.number
        method, step = number(SQUEEZED), number((1 << 62) - 1, 1)
        start = source.signed()
        if method == CONSTANT:
            return cls(method, step, Linear(start=start))
        linear = _read_linear(source, before, start)
        lag, weight = [], []
        for _ in range(number(8)):
            lag.append(number(1 << 20, 1))
            weight.append(source.signed())
        if any(abs(w) >= 1 << 31 for w in weight):
            raise FormatError("a weight of a table is out of range: file is damaged")
        own = method, step, linear, tuple(lag), tuple(weight)
        if method == SQUEEZED:
            return cls(*own)
        tree, lags = _read_tree(source, n), []
        for _ in range(number(mixing.LAGS)):
            back = number(1 << 30)
            lags.append(Lag(back, () if back else _read_terms(source, before)))
            if not (back or lags[-1].terms):
                raise FormatError("a row of a table comes before itself: file is damaged")
        contexts = _read_contexts(source, before, len(lags) - 1)
        guesses = tuple(g - 1 for g in source.numbers(mixing.GUESSES, len(lags)))
        bits, flags = divmod(number(24 << 2 | 3, 4), 4)
        if len(contexts) << bits > min(MAX_LINES, 64 * n + (1 << 14)):
            raise FormatError("a table's contexts take too much: file is damaged")
        if (flags & 2 and not guesses) or (flags & 1 and lag):
            raise FormatError("a table's prediction is not one: file is damaged")
        return cls(
            *own,
            tree,
            tuple(lags),
            contexts,
            guesses,
            bool(flags & 1),
            bool(flags & 2),
            number(64),
            bits,
            number(1023, 1),
            number(64),
        )


def _read_linear(source: Reader, before: int, start: int) -> Linear:
    inputs, centres, weights = [], [], []
    n_inputs = source.number(MAX_INPUTS)
    shift = source.number(40) if n_inputs else 0
    numbers = source.many(3 * n_inputs)
    for term, centre, weight in zip(numbers[::3], numbers[1::3], numbers[2::3]):
        inputs.append(Term.of(term, before))
        centres.append(unfolded(centre))
        weights.append(unfolded(weight))
    if any(term.stream < 0 or term.bits for term in inputs):
        raise FormatError("an input of a table is not one: file is damaged")
    return Linear(tuple(inputs), tuple(centres), tuple(weights), shift, start)


def _read_contexts(source: Reader, before: int, last: int) -> tuple[Context, ...]:
    contexts = []
    for _ in range(source.number(mixing.CONTEXTS)):
        terms = _read_terms(source, before)
        count, coarse = divmod(source.number(5), 2)
        lags = tuple(source.number(last) for _ in range(count))
        contexts.append(Context(terms, lags, bool(coarse)))
    return tuple(contexts)


def _write_terms(terms: tuple[Term, ...], to: Writer) -> None:
    to.number(len(terms))
    for term in terms:
        term.write(to)


def _read_terms(source: Reader, before: int) -> tuple[Term, ...]:
    return tuple(Term.read(source, before) for _ in range(source.number(MAX_TERMS)))


def _write_tree(tree: Tree, to: Writer) -> None:
    """Gaps between buckets, their sizes, and how deep they are."""
    to.data += _bytes_of(tree)


@functools.lru_cache(16)  # a search asks for the size of many plans with one tree
def _bytes_of(tree: Tree) -> bytes:
    to = Writer()
    to.number(len(tree.base))
    end = 0
    for base, nbits, depth in zip(tree.base.tolist(), tree.nbits.tolist(), tree.depth.tolist()):
        to.signed(base - end)
        to.number(nbits | min(depth, 31) << 6)
        end = base + (1 << nbits)
    return bytes(to.data)


def _read_tree(source: Reader, n: int) -> Tree:
    """A tree of n symbols: it takes time, so that not more buckets than symbols are read."""
    base, nbits, depth, end = [], [], [], 0
    numbers = source.many(2 * source.number(min(mixing.MAX_BUCKETS, max(n, 1)), 1))
    for gap, value in zip(numbers[::2], numbers[1::2]):
        first = end + unfolded(gap)
        end = first + (1 << (value & 63))
        if value > (31 << 6) + 63 or not -(1 << 63) <= first < end <= 1 << 63:
            raise FormatError("a bucket of a table is out of range: file is damaged")
        base.append(first)
        nbits.append(value & 63)
        depth.append(value >> 6)
    return tree_of(base, nbits, depth)


def tree_of(base: list[int], nbits: list[int], depth: list[int]) -> Tree:
    """The tree of buckets that shall be about so deep, 0..31."""
    return Tree.of(base, nbits, [1 << 31 - d for d in depth])
