"""Which plan the encoder takes, and what is known of rows: the same by other ways."""

import numpy as np
import pytest

from codec.table import choose, known, mixing
from codec.table.choose import Chooser, Stream
from codec.table.known import Known
from codec.table.plan import Lag, Linear, Plan, Term

N = 6000


def chosen(stream, *before, effort=2):
    """The plan of a stream, its bytes, and how long they take to decode."""
    chooser = Chooser(N, effort)
    for values in before:
        chooser.add(values, None)
    plan, data, _ = chooser.choose(stream)
    given = chooser.known.linear(plan.linear)
    symbols, _ = known.to_symbols(chooser.known, plan, stream.wanted, None, given)
    return plan, len(data), mixing.cost(chooser.known.column(plan, None, given), symbols)[1]


def test_time_has_a_price_at_low_efforts(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 40, (2, N))
    stream = Stream(a // 3 + b // 8 + (rng.random(N) < 0.1), number=False)
    _, size, work = chosen(stream, a, b)
    monkeypatch.setattr(choose, "_PRICE", {})
    _, least, most = chosen(stream, a, b)
    assert work < 0.8 * most
    assert least <= size < 1.3 * least


def test_bits_of_noise_are_not_predicted():
    rng = np.random.default_rng(1)
    plan, _, _ = chosen(Stream(np.cumsum(rng.integers(-(1 << 30), 1 << 30, N))))
    assert plan.lag
    assert plan.modelled <= 2


def test_floats_follow_from_floats():
    rng = np.random.default_rng(2)
    x = np.exp(rng.normal(0, 0.4, N))
    y = x * (1 + 1e-4 * rng.normal(0, 1, N))
    plan, size, _ = chosen(Stream(y.view(np.int64).copy()), x.view(np.int64).copy())
    assert plan.linear.inputs
    assert size < 0.9 * chosen(Stream(y.view(np.int64).copy()))[1]


@pytest.mark.parametrize("size", [0, 3, 20, 62, 63])
def test_a_bucket_holds_every_symbol(size):
    rng = np.random.default_rng(size)
    ends = [0, (1 << size) - 1, -(1 << size)]
    symbols = np.array([*rng.integers(*ends[:0:-1], 500, endpoint=True), *ends], np.int64)
    tree = choose.tree_for(Plan(), symbols).tree
    assert all(tree.bucket(int(s)) >= 0 for s in symbols)


@pytest.mark.parametrize("most", [1, 9, 300, 1 << 40])
def test_parts_are_those_of_sorted_numbers(most):
    rng = np.random.default_rng(3)
    own = rng.integers(-most, most, 700)
    values = rng.choice(own, 900)
    edges = np.sort(own)[700 * np.arange(1, 64) >> 6]
    assert np.array_equal(known._parts(own, 6, values), (values[:, None] >= edges).sum(1))


@pytest.mark.parametrize("shift", [0, 14])
def test_the_last_row_of_the_same_key(shift):
    rng = np.random.default_rng(4)
    keys = rng.integers(0, 60, 500) << shift
    rows = Known(500)
    rows.add(keys)
    last, wanted = {}, []
    for i, key in enumerate(keys.tolist()):
        wanted.append(last.get(key, -1))
        last[key] = i
    assert rows._at(Lag(0, (Term(0),)), lambda a: a, 500).tolist() == wanted


@pytest.mark.parametrize("row", [-1, 0, 1])
def test_predictions_are_sums_of_inputs(row):
    rng = np.random.default_rng(5)
    rows = Known(50)
    rows.add(rng.integers(-(1 << 62), 1 << 62, 50), rng.random(50) < 0.7)
    linear = Linear((Term(0, row),), (12,), (1 << 61,), 3, 5)
    gaps = [int(v) - 12 for v in rows.input(Term(0, row), 12)]
    wanted = [(mixing._wrapped(gap << 61) >> 3) + 5 for gap in gaps]
    assert rows.linear(linear).tolist() == wanted
