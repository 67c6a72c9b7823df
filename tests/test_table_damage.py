"""Whatever the bytes of a table are: a table, or an error of ours, soon."""

import dataclasses
import io
import zlib

import numpy as np
import pytest

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
