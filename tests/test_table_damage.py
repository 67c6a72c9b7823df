"""Whatever the bytes of a table are: a table, or an error of ours, soon."""

import dataclasses
import io
import zlib

import numpy as np
import pytest
from data import table_bombs

import codec
from codec import container, table
from codec.table import fields, file, groups
from codec.table.wire import Room
from codec.types import Header


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    n = 60
    x = rng.normal(size=n)
    x[::7] = np.nan
    words = np.array(["one", "two", "three"])[rng.integers(0, 3, n)]
    columns = {"x": x, "k": rng.integers(0, 5, n), "w": words, "c": np.full(n, 7)}
    return table.encode(columns, "1%")


def test_every_byte_of_a_file_is_checked(small):
    for at in range(0, len(small), 3):
        bad = bytearray(small)
        bad[at] ^= 1 << at % 8
        with pytest.raises(codec.CodecError):
            table.decode(bytes(bad))
    for size in range(0, len(small), 5):
        with pytest.raises(codec.CodecError):
            table.decode(small[:size])


def test_groups_are_checked_alone(small):
    reader = table.Table(small)
    start = reader._starts[0]
    bad = bytearray(small)
    bad[start + 5] ^= 1
    with pytest.raises(codec.FormatError, match="group 0"):
        table.Table(bytes(bad)).group(0)


def test_no_byte_of_a_group_crashes(small):
    """As of someone who makes the checksums fit."""
    reader = table.Table(small)
    entry, types = reader.index[0], reader.types
    start = reader._starts[0]
    data = small[start : start + entry.length]
    rng = np.random.default_rng(1)
    sound = 0
    for _ in range(150):
        bad = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            bad[rng.integers(0, len(bad))] = rng.integers(0, 256)
        try:
            fields = groups.decode(bytes(bad), types, entry.rows, None)
        except codec.FormatError:
            continue
        sound += 1
        assert [len(f) for f in fields] == [entry.rows] * len(types)
    assert sound < 150


def test_no_model_crashes(small):
    """The same of the model, which is packed."""
    from codec.table.wire import Reader, Writer, squeeze, unsqueeze

    reader = table.Table(small)
    entry, types, start = reader.index[0], reader.types, reader._starts[0]
    source = Reader(small[start : start + entry.length])
    model = unsqueeze(source.string(), groups.MAX_BYTES)
    rest = bytes(source.data[source.at :])
    for at in range(len(model)):
        for value in (0, 1, 127, 255, model[at] ^ 4):
            bad = bytearray(model)
            bad[at] = value
            out = Writer()
            out.string(squeeze(bad, False))
            try:
                fields = groups.decode(bytes(out.data) + rest, types, entry.rows, None)
            except codec.FormatError:
                continue
            assert [len(f) for f in fields] == [entry.rows] * len(types)


def with_index(small, section):
    header, sections, payload = container.unpack(small, table=True)
    header = dataclasses.replace(header, symbol_crc=zlib.crc32(section))
    return container.pack(header, payload, {file.SECTION: section})


def test_no_index_crashes(small):
    section = container.read_sections(io.BytesIO(small), table=True)[1][file.SECTION]
    for at in range(len(section)):
        for value in (0, 1, 127, 255):
            bad = bytearray(section)
            bad[at] = value
            try:
                table.decode(with_index(small, bytes(bad)))
            except codec.CodecError:
                pass


def test_a_few_bytes_do_not_claim_a_huge_table():
    from codec.table.fields import Schema

    schema = Schema("columns", ("a",) * 1000, ("<f8",) * 1000)
    entries = [file._Entry(1 << 18, 4, 0, 0)] * 100
    data = file._pack(schema, entries, bytes(400))
    with pytest.raises(codec.LimitError):
        table.decode(data)
    with pytest.raises(codec.FormatError, match="too large"):
        table.decode(file._pack(schema, [file._Entry(1 << 20, 4, 0, 0)], bytes(4)))


def test_a_newer_version_is_refused_by_name(small):
    section = container.read_sections(io.BytesIO(small), table=True)[1][file.SECTION]
    with pytest.raises(codec.UnsupportedError, match="version 2 of tables"):
        table.decode(with_index(small, b"\2" + section[1:]))
    header = Header(1, 1, "grey", 1.0, "0" * 16)
    with pytest.raises(codec.CodecError):
        table.decode(container.pack(header, b"", {file.SECTION: b""}))


def test_a_column_that_unpacks_within():
    """Arrow's own compression has no bound, so no file may use it."""
    pa = pytest.importorskip("pyarrow")
    column = pa.array([[0] * 10**6, None], pa.list_(pa.int64()))
    data = table.encode(pa.table({"c": column}))
    assert table.decode(data)["c"].combine_chunks() == column
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([column], names=["c"])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    bomb = fields.Opaque(2, sink.getvalue().to_pybytes())
    assert len(bomb.data) < 10**5
    with pytest.raises(codec.FormatError, match="compressed within"):
        fields._to_column(bomb, column.type, Room())


def test_no_row_comes_before_itself():
    """Was a ValueError; the fuzzer found it."""
    from codec.table import mixing
    from codec.table.plan import Lag, Plan
    from codec.table.wire import Reader, Writer

    tree = mixing.Tree.of(np.array([0]), np.array([1]), np.array([1]))
    out = Writer()
    Plan(tree=tree, lags=(Lag(0),), bits=4).write(out)
    with pytest.raises(codec.FormatError, match="before itself"):
        Plan.read(Reader(bytes(out.data)), 0, 10)


@pytest.mark.parametrize(
    "bomb, limit",
    [
        (lambda: table_bombs.texts("columns", "<U99999", 1, 1), 1 << 30),
        (lambda: table_bombs.texts("arrow", "large_string", 1, 1 << 20), 1 << 30),
        (lambda: table_bombs.texts("columns", "O", 1 << 16, 100, 1), 1 << 23),
        (lambda: table_bombs.nested("pandas"), 1 << 30),
    ],
)
def test_few_bytes_take_no_more_than_the_limit(bomb, limit):
    pytest.importorskip("pyarrow")
    data = bomb()
    assert len(data) < 1000
    with pytest.raises(codec.LimitError, match="--max-bytes"):
        table.decode(data, max_bytes=limit)


@pytest.mark.parametrize(
    "bomb",
    [
        table_bombs.row_by_row,
        table_bombs.long_names,
        lambda: table_bombs.slow(9, buckets=10, nbits=0),
    ],
)
def test_few_bytes_take_no_time(bomb):
    with pytest.raises(codec.FormatError):
        table.decode(bomb())


def test_bombs_are_sound_but_for_what_they_ask():
    zeros = np.zeros((100, 3), np.int64)
    assert np.array_equal(table.decode(table_bombs.constants(3, 100)), zeros)
    assert np.array_equal(table.decode(table_bombs.slow(10, 10, 0)), zeros[:10, :1])
    assert table.decode(table_bombs.texts("columns", "<U9", 3, 2, 9))["a"].tolist() == ["aa"] * 9


def test_many_groups_have_one_limit():
    texts = {"w": np.array([f"{i:100}" for i in range(400)], object)}
    data = table.encode(texts, effort=1, row_group=40)
    reader = table.Table(data, 10_000)
    assert sum(len(part["w"]) for part in reader) == 400
    with pytest.raises(codec.LimitError, match="texts"):
        table.decode(data, max_bytes=10_000)


def test_any_notes_of_pandas():
    pd = pytest.importorskip("pandas")
    pa = pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", "y"])}, index=[3, 5])
    whole = pa.Table.from_pandas(frame)
    notes = whole.schema.metadata[b"pandas"]
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(150):
        bad = bytearray(notes)
        for at in rng.integers(0, len(notes), 3):
            bad[at] = rng.integers(32, 127)
        schema, columns = fields.load(whole.replace_schema_metadata({b"pandas": bytes(bad)}))
        try:
            fields.save(dataclasses.replace(schema, kind="pandas"), columns, 2)
            outcomes.add("read")
        except codec.FormatError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_what_is_nested_is_counted():
    pa = pytest.importorskip("pyarrow")
    from codec.table.nested import spread

    words = pa.array(["abc", None, "x" * 40])
    for column, sizes in (
        (words, [11, 8, 48]),
        (words.cast(pa.string_view()), [11, 8, 48]),
        (pa.array([[1, 2], None, []], pa.list_(pa.int8())), [26, 8, 8]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [26, 26]),
        (pa.ListViewArray.from_arrays([0, 0], [2, 2], pa.array([1, 2], pa.int8())), [26, 26]),
        (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), [41, 8]),
        (pa.array([{"a": 1, "b": "xyz"}, None]), [35, 32]),
        (pa.DictionaryArray.from_arrays(pa.array([1, 1, None]), [5, 7]), [16, 16, 0]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "bcd"]), [9, 9, 11]),
        (
            pa.UnionArray.from_dense(
                pa.array([1, 0], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), words]
            ),
            [19, 24],
        ),
        (
            pa.UnionArray.from_sparse(pa.array([1, 0, 1], pa.int8()), [pa.array([1, 2, 3]), words]),
            [19, 24, 56],
        ),
        (pa.nulls(2), [8, 8]),
    ):
        (chunk,) = fields._unpacked(fields._opaque(column)).chunks
        assert spread(chunk, Room()).tolist() == sizes, column.type
