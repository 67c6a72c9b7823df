"""Tables come back within the error that was asked for."""

import inspect
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import codec
from codec import table
from codec.table import lattice

QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DTYPES = st.one_of(
    arrays.integer_dtypes(),
    arrays.unsigned_integer_dtypes(),
    arrays.floating_dtypes(sizes=(16, 32, 64)),
    arrays.boolean_dtypes(),
    arrays.datetime64_dtypes(),
    arrays.timedelta64_dtypes(),
    arrays.unicode_string_dtypes(max_len=5),
)


@st.composite
def tables_of_numpy(draw):
    n = draw(st.integers(0, 40))
    names = draw(st.lists(st.text(max_size=3), max_size=5, unique=True))
    columns = {name: draw(arrays.arrays(draw(DTYPES), n)) for name in names}
    if columns and draw(st.booleans()):  # many alike
        last = columns.popitem()[1]
        columns |= {f"{i:04}": np.roll(last, i) for i in range(draw(st.integers(2, 100)))}
    return columns


def bits(a):
    return a.view(f"u{a.dtype.itemsize}") if a.dtype.kind == "f" else a


def within(a, b, bound):
    """Every value, and what is no number bit by bit."""
    assert a.dtype == b.dtype and a.shape == b.shape
    if a.dtype.kind != "f":
        return np.array_equal(bits(a), bits(b)) or (
            a.dtype.kind in "mM" and np.array_equal(a.view("i8"), b.view("i8"))
        )
    plain = np.isfinite(a) & (a != 0)
    wide = a[plain].astype(np.longdouble), b[plain].astype(np.longdouble)
    return (
        np.all(np.abs(wide[0] - wide[1]) <= bound)
        and np.array_equal(np.isnan(a), np.isnan(b))
        and np.array_equal(bits(a[~np.isfinite(a)]), bits(b[~np.isfinite(a)]))
        and np.all(np.abs(b[a == 0].astype(float)) <= bound)
    )


ERRORS = st.sampled_from(["0", "0.1%", "1%", "5%", 1e-300, 0.5, 1e9])


@pytest.mark.slow
@settings(QUICK, max_examples=1000)
@given(tables_of_numpy(), ERRORS)
def test_a_thousand_random_tables(columns, error):
    check_table(columns, error)


@QUICK
@given(tables_of_numpy(), ERRORS)
def test_random_tables(columns, error):
    check_table(columns, error)


def check_table(columns, error):
    effort = 1 + len(columns) % 3
    back = table.decode(table.encode(columns, error, effort=effort))
    assert list(back) == list(columns)
    for name, a in columns.items():
        bound = 0.0
        if a.dtype.kind == "f":
            bound = float(error) if not isinstance(error, str) else 0.0
            finite = a[np.isfinite(a) & ~((a == 0) & np.signbit(a))]
            if isinstance(error, str) and error != "0" and len(finite):
                low, high = float(finite.min()), float(finite.max())
                bound = float(error[:-1]) / 100 * (high / 2 - low / 2) * 2
        assert within(a, back[name], bound)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (0,), (5,), (1, 200)])
@pytest.mark.parametrize("dtype", ["f8", "f4", "u1", "i8", "?", "M8[s]"])
def test_shapes(shape, dtype):
    a = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    b = table.decode(table.encode(a, 0, effort=1))
    assert a.dtype == b.dtype and np.array_equal(a, b)


def test_many_columns():
    a = np.random.default_rng(0).integers(0, 4, (3, 5000))
    assert np.array_equal(table.decode(table.encode(a, effort=1)), a)


def test_records_and_objects():
    a = np.array([(1, 2.5, "é"), (2, -0.0, "")], [("a", "<i2"), ("b", ">f8"), ("c", "U2")])
    b = table.decode(table.encode(a, 0))
    assert a.dtype == b.dtype and (a == b).all() and np.signbit(b["b"][1])
    words = {"w": np.array(["x", None, ""], object)}
    assert table.decode(table.encode(words))["w"].tolist() == ["x", None, ""]


def test_dependent_columns_cost_little():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 1000, 5000)
    alone = len(table.encode({"a": a}))
    assert len(table.encode({"a": a, "b": 7 - 3 * a})) < alone * 1.03


def test_every_effort_decodes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 1)) * [1, 2, 3] + rng.normal(size=(150, 3)) * 0.01
    for effort in range(1, 10):
        y = table.decode(table.encode(x, "1%", effort=effort))
        assert np.all(np.abs(x - y) <= 0.01 * np.ptp(x, 0))


def test_rows_are_read_alone():
    a = np.arange(3000).reshape(-1, 3)
    file = table.Table(table.encode(a, row_group=100))
    assert len(file) == 10 and np.array_equal(file.group(3), a[300:400])
    assert np.array_equal(file.rows(250, 450), a[250:450])
    assert np.array_equal(np.concatenate(list(file)), a)
    words = {"w": np.array([str(i % 7 + i // 500) for i in range(1000)])}
    data = table.encode(words, row_group=300)
    assert np.array_equal(table.decode(data)["w"], words["w"])


@pytest.mark.parametrize(
    "what",
    [np.zeros((2, 2, 2)), {"a": np.zeros(2), "b": np.zeros(3)}, np.zeros(2, complex)]
    + [{"a": np.array([{}], object)}, {"a": np.zeros((2, 2))}, [[1], [2, 3]]]
    + [np.ma.masked_less(np.arange(3), 1), {1: np.zeros(2), "1": np.ones(2)}],
)
def test_what_is_no_table(what):
    with pytest.raises(codec.InputError):
        table.encode(what)


@pytest.mark.parametrize(
    "error", [-1, "x%", "nan", float("inf"), 10**400, True, {"z": 1}, {"s": 1}]
)
def test_wrong_errors(error):
    with pytest.raises(codec.InputError):
        table.encode({"a": np.zeros(2), "s": np.array(["x", "y"])}, error)


def test_pictures_and_tables_refuse_each_other():
    picture = codec.encode(np.zeros((8, 8), np.uint8))
    coded = table.encode(np.zeros((2, 2)))
    with pytest.raises(codec.UnsupportedError, match="picture"):
        table.decode(picture)
    for read in codec.decode, codec.info, codec.features, codec.decode_batch:
        with pytest.raises(codec.UnsupportedError, match=r"codec\.table\.decode"):
            read(coded)


def test_limit():
    assert inspect.signature(table.decode).parameters["max_bytes"].default == 1 << 30
    data = table.encode(np.zeros((1 << 16, 4)), effort=1)
    with pytest.raises(codec.LimitError):
        table.decode(data, max_bytes=1 << 20)
    assert len(data) < 200


@pytest.mark.parametrize("size", ["f2", "f4", "f8"])
def test_bounds_at_the_edge_of_a_type(size):
    rng = np.random.default_rng(1)
    dtype = np.dtype(size)
    for scale in (1e-3, 1.0, 1e3):
        a = (rng.normal(size=200) * scale + 3 * scale).astype(dtype)
        for bound in (float(np.spacing(np.abs(a).max())) * k for k in (0.4, 1, 1.7, 9)):
            b = table.decode(table.encode({"a": a}, bound, effort=2))["a"]
            assert not lattice.broken(a, b, bound).any()


def test_pandas_and_arrow():
    pd = pytest.importorskip("pandas")
    pa = pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    n = 60
    frame = pd.DataFrame(
        {
            "f": rng.normal(size=n).astype("f4"),
            "i": pd.array(rng.integers(-5, 5, n), dtype="Int16"),
            "t": pd.date_range("2020-01-01", periods=n, freq="h", tz="Europe/Berlin"),
            "d": pd.to_timedelta(np.arange(n), unit="s"),
            "c": pd.Categorical(rng.choice(list("zyx"), n), categories=list("zyxw")),
            "s": rng.choice(["", "a", None], n),
            "b": rng.integers(0, 2, n) > 0,
        },
        index=pd.Index(rng.permutation(n), name="id"),
    )
    frame.loc[frame.index[3], ["i", "t", "c"]] = None
    pd.testing.assert_frame_equal(table.decode(table.encode(frame, 0)), frame)
    rows = pa.table(
        {
            "list": [[1, 2], None, []],
            "text": pa.array(["a", None, "ß"], pa.large_string()),
            "decimal": pa.array([None, "1.5", "2"]).cast(pa.decimal128(9, 2)),
            "time": pa.array([1, None, 3], pa.time64("us")),
            "half": pa.array(np.array([1, 2, 3], "f2")),
            "day": pa.array([1, None, 3], pa.date32()),
            "null": pa.nulls(3),
        }
    ).replace_schema_metadata({"who": "me"})
    back = table.decode(table.encode(rows))
    assert back.equals(rows, check_metadata=True)
    sliced = pa.chunked_array([["a", "b"], ["c", None]]).slice(1)
    assert table.decode(table.encode(pa.table({"x": sliced})))["x"].to_pylist() == [
        *("b", "c", None)
    ]


def arrow_columns(n):
    """A column of each kind of what Arrow has, with what is missing in some rows only."""
    pa = pytest.importorskip("pyarrow")
    some = np.arange(n) % 11 != 5
    words = np.array(["b", "a", "", "c"])[np.arange(n) % 4]
    return pa.table(
        {
            "text": pa.array(words, mask=~some),
            "category": pa.array(words, mask=~some).dictionary_encode(),
            "list": [[i] * (i % 3) if i % 5 else None for i in range(n)],
            "decimal": pa.array([str(i / 4) for i in range(n)]).cast(pa.decimal128(9, 2)),
            "classes": pa.array(np.arange(n) % 3).dictionary_encode(),
            "null": pa.nulls(n),
        }
    )


@pytest.mark.parametrize("row_group", [4, 30])
def test_groups_of_every_kind(row_group):
    """Texts with nothing missing in a group, and columns of no kind, were refused."""
    pa = pytest.importorskip("pyarrow")
    whole = arrow_columns(60)
    data = table.encode(whole, effort=1, row_group=row_group)
    file = table.Table(data)
    assert len(file) == 60 // row_group
    assert table.decode(data).equals(whole)
    assert file.rows(7, 41).equals(whole.slice(7, 34))
    assert pa.concat_tables(file).equals(whole)
    out = io.BytesIO()
    table.write([whole.slice(0, 25), whole.slice(25)], out, effort=1, row_group=row_group)
    assert table.decode(out.getvalue()).equals(whole)


def test_words_are_in_the_groups_that_have_them():
    n = 2000
    words = {"w": np.array([f"this is word number {i * i}" for i in range(n)])}
    data = table.encode(words, effort=1, row_group=n // 8)
    assert len(data) < 1.5 * len(table.encode(words, effort=1))
    assert np.array_equal(table.decode(data)["w"], words["w"])


def test_groups_are_halved_until_texts_fit(monkeypatch):
    monkeypatch.setattr("codec.table.file.MAX_TEXTS", 700)
    whole = arrow_columns(60).select(["text", "list"])
    data = table.encode(whole, effort=1)
    assert len(table.Table(data)) > 3 and table.decode(data).equals(whole)
    for text in "long " * 500, "café" * 500:
        with pytest.raises(codec.InputError, match="too many"):
            table.encode({"w": np.array(["a", text])})


def test_no_rows_and_no_columns():
    pd = pytest.importorskip("pandas")
    pa = pytest.importorskip("pyarrow")
    empty = arrow_columns(30)[:0]
    back = table.decode(table.encode(empty))
    assert back.schema.equals(empty.schema) and back.num_rows == 0
    bare = pa.table({"c": pa.nulls(4)}).select([])
    assert table.decode(table.encode(bare)).num_rows == 4
    for frame in (
        pd.DataFrame(index=range(5)),
        pd.DataFrame({"c": pd.Categorical([], categories=["b", "a"], ordered=True), "x": []}),
    ):
        pd.testing.assert_frame_equal(table.decode(table.encode(frame)), frame)


def test_frames_that_arrow_does_not_give_back():
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    for column in [10**30, 1], pd.cut(np.arange(9.0), 3), [1, "a"]:
        with pytest.raises(codec.InputError, match="Arrow does not take"):
            table.encode(pd.DataFrame({"c": column}))


def test_names_that_are_too_long():
    with pytest.raises(codec.InputError, match="names"):
        table.encode({"n" * (1 << 24): np.zeros(2)})


def test_a_table_in_parts():
    rng = np.random.default_rng(0)
    parts = [
        {"x": rng.normal(size=n), "w": rng.choice(["a", "bb", str(n)], n)} for n in (50, 3, 80)
    ]
    out = io.BytesIO()
    table.write(iter(parts), out, {"x": 0.01}, effort=1)
    back = table.decode(out.getvalue())
    for name in "xw":
        whole = np.concatenate([p[name] for p in parts])
        if name == "x":
            assert np.abs(back[name] - whole).max() <= 0.01
        else:
            assert np.array_equal(back[name], whole)
    assert table.info(out.getvalue()).groups == (50, 3, 80)


def test_parts_of_a_frame():
    """As of slices, or of pandas.read_csv with a chunk size."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": np.arange(9), "w": list("abcabcabc")})
    out = io.BytesIO()
    table.write((frame[i : i + 4] for i in (0, 4, 8)), out, effort=1)
    pd.testing.assert_frame_equal(table.decode(out.getvalue()), frame)
    with pytest.raises(codec.InputError, match="differ"):
        table.write([frame[:4], frame[5:]], io.BytesIO(), effort=1)


@pytest.mark.parametrize("error", ["1%", {"x": "1%"}])
def test_parts_have_no_range(error):
    with pytest.raises(codec.InputError, match="range"):
        table.write(iter([{"x": np.zeros(3)}]), io.BytesIO(), error)


def test_a_share_of_the_range_of_all_parts():
    parts = [{"x": np.linspace(0, 1, 50)}, {"x": np.linspace(9, 10, 50)}]
    out = io.BytesIO()
    table.write(parts, out, "1%", effort=1)
    back = table.decode(out.getvalue())["x"]
    gap = np.abs(back - np.concatenate([p["x"] for p in parts])).max()
    assert 0.04 < gap <= 0.1


def test_parts_that_differ():
    for parts in ([], [{"x": np.zeros(3)}, {"y": np.zeros(3)}]):
        with pytest.raises(codec.InputError):
            table.write(parts, io.BytesIO(), effort=1)
