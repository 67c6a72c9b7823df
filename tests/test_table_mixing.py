"""The mixer: the same in C and in Python, and integers on every machine."""

import dataclasses
from decimal import Decimal

import numpy as np
import pytest

from codec.errors import FormatError
from codec.table import mixing


@pytest.fixture(params=[0, 1, 2, 3])
def case(request):
    """A column of everything there is, and symbols for it."""
    rng = np.random.default_rng(request.param)
    n = int(rng.integers(1, 150))
    known = rng.integers(0, 9, n)
    symbols = known * 3 + rng.integers(0, 3, n) * rng.integers(0, 30, n) * 4 - 5
    symbols[rng.integers(0, n, n // 9)] = rng.integers(-(1 << 40), 1 << 40, n // 9)
    base = [-(1 << 41), -5, -4, -3, 0, 8, 16, 1 << 10, 1 << 12]
    nbits = [40, 0, 0, 1, 3, 3, 9, 9, 41]
    tree = mixing.Tree.of(np.array(base), np.array(nbits), np.arange(1, 10))
    before = np.arange(n)[None] - np.array([[1], [3]])
    column = mixing.Column(
        n=n,
        tree=tree,
        context=np.stack([known * 0, known * 0, known, known]).astype(np.uint32),
        lag=np.array([[-1, -1], [0, 1], [-1, -1], [1, -1]], np.int8),
        coarse=np.array([0, 1, 0, 0], np.uint8),
        at=np.maximum(before, -1).astype(np.int32),
        guess_lag=np.array([-1, 0, 1], np.int8),
        guess=(known[None] * 3 - 5).astype(np.int64),
        hit=bool(request.param % 2),
        modelled=int(rng.integers(0, 12)),
        bits=int(rng.integers(2, 10)),
        limit=int(rng.integers(1, 1024)),
        rate=int(rng.integers(0, 30)),
    )
    inside = np.array([tree.bucket(int(s)) >= 0 for s in symbols])
    return column, np.where(inside, symbols, 0)


def test_what_is_written_is_read(case):
    column, symbols = case
    data = mixing.encode(column, symbols)
    assert np.array_equal(mixing.decode(column, data), symbols)
    assert abs(mixing.cost(column, symbols)[0] / 8 - len(data)) < 8


@pytest.mark.skipif(mixing._core is None, reason="built without a C compiler")
def test_c_and_python_agree(case, monkeypatch):
    column, symbols = case
    data, (bits, work) = mixing.encode(column, symbols), mixing.cost(column, symbols)
    garbage = np.random.default_rng(0).bytes(column.n * 20)

    def decoded():
        try:
            return mixing.decode(column, garbage).tolist()
        except FormatError:
            return None

    of_garbage = decoded()
    monkeypatch.setattr(mixing, "_core", None)
    assert mixing.encode(column, symbols) == data
    assert np.array_equal(mixing.decode(column, data), symbols)
    assert mixing.cost(column, symbols) == (pytest.approx(bits), work)
    assert decoded() == of_garbage


def test_short_bytes_are_damage():
    rng = np.random.default_rng(0)
    n = 500
    column = mixing.Column(
        n=n,
        tree=mixing.Tree.of(np.array([0]), np.array([8]), np.array([1])),
        context=np.zeros((1, n), np.uint32),
        lag=np.full((1, 2), -1, np.int8),
        coarse=np.zeros(1, np.uint8),
        at=np.zeros((0, n), np.int32),
        guess_lag=np.zeros(0, np.int8),
        guess=np.zeros((0, n), np.int64),
    )
    data = mixing.encode(column, rng.integers(0, 256, n))
    for bad in data[: len(data) // 2], data + bytes(9):
        with pytest.raises(FormatError):
            mixing.decode(column, bad)
    with pytest.raises(ValueError, match="bucket"):
        mixing.encode(column, np.full(n, 256))


@pytest.mark.parametrize(
    "base, nbits", [([0, 1], [1, 0]), ([1, 0], [0, 0]), ([], []), ([1 << 62], [63])]
)
def test_trees_that_are_none(base, nbits):
    with pytest.raises(FormatError):
        mixing.Tree.of(np.array(base, np.int64), np.array(nbits, np.uint8), np.ones(len(base)))


def test_a_tree_of_odd_weights_is_not_too_deep():
    n = 300
    weight = 1 << np.minimum(np.arange(n), 31).astype(np.int64)
    tree = mixing.Tree.of(np.arange(n), np.zeros(n, int), weight)
    assert tree.depth.max() <= 64
    assert len(set(zip(tree.path.tolist(), tree.depth.tolist()))) == n


def test_the_constants_are_far_from_halves():
    """So that no machine's logarithm rounds them otherwise."""
    stretch, squash, recip = mixing.constants()
    for i in range(4096):
        odds = (2 * Decimal(i) + 1) / (8191 - 2 * Decimal(i))
        exact = max(Decimal(-2047), min(Decimal(2047), 256 * odds.ln()))
        assert abs(exact - int(stretch[i])) < Decimal("0.4999999")
    for i in range(-3072, 3073):
        exact = 65536 / (1 + (Decimal(-i) / 256).exp())
        exact = max(Decimal(1), min(Decimal(65535), exact))
        assert abs(exact - int(squash[i + 3072])) < Decimal("0.4999999")
    assert recip[0] == 43690 and recip[1023] == 131072 // 2049


@pytest.mark.parametrize("step", [1, 3, 15])
@pytest.mark.parametrize("lag", [(), (1,), (1, 2), (7,)])
def test_predicted_values_are_near(step, lag, monkeypatch):
    rng = np.random.default_rng(0)
    wanted = np.cumsum(rng.integers(-100, 100, 300)) + (1 << 40)
    given = None if step == 1 else wanted + rng.integers(-9, 9, 300)
    weight = tuple(4096 // (k + 1) - 3 for k in range(len(lag)))
    prediction = mixing.Prediction(given, lag, weight, step)
    symbols, values = mixing.residual(prediction, wanted)
    assert np.abs(values - wanted).max() <= step // 2
    assert np.array_equal(mixing.restore(prediction, symbols), values)
    monkeypatch.setattr(mixing, "_core", None)
    again = mixing.residual(prediction, wanted)
    assert np.array_equal(again[0], symbols) and np.array_equal(again[1], values)
    assert np.array_equal(mixing.restore(prediction, symbols), values)


def test_sums_wrap(monkeypatch):
    ends = np.array([(1 << 63) - 1, -(1 << 63), 5, -(1 << 63)], np.int64)
    prediction = mixing.Prediction(None, (1,), (4096,))
    found = mixing.residual(prediction, ends)
    assert np.array_equal(mixing.restore(prediction, found[0]), ends)
    monkeypatch.setattr(mixing, "_core", None)
    for a, b in zip(mixing.residual(prediction, ends), found):
        assert np.array_equal(a, b)


def test_a_column_that_is_not_sound_is_refused_by_c(case):
    if mixing._core is None:
        pytest.skip("built without a C compiler")
    column, symbols = case
    for changes in (
        {"at": column.at + 200},
        {"bits": 0},
        {"guess": column.guess[:, :0]},
        {"lag": column.lag + 9},
    ):
        with pytest.raises(ValueError, match="sound"):
            mixing.encode(dataclasses.replace(column, **changes), symbols)
