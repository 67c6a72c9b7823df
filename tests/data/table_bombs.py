"""Small files of tables that ask for much: memory, or time."""

import base64
import lzma
import zlib

import numpy as np

from codec.table import fields, file, mixing, wire
from codec.table.fields import Schema
from codec.table.known import Known
from codec.table.lattice import Lattice
from codec.table.plan import CONSTANT, Context, Lag, Plan
from codec.table.wire import Writer

ROWS = 1 << 24  # of a group, at most


def squeezed(data):
    """As short as LZMA makes it, however slow the mixer would be."""
    out = Writer()
    out.number(len(data) << 2 | 2)
    return bytes(out.data) + lzma.compress(data, lzma.FORMAT_RAW, filters=wire._FILTERS)


def numbers(n=1):
    """The model of n columns of zeros."""
    out = Writer()
    out.numbers([])
    for _ in range(n):
        out.number(0)
        Lattice().write(out)
        out.string(b"")
        Plan(CONSTANT).write(out)
        out.number(0)
    return out


def packed(schema, n, model, streams=b"", crc=0):
    """A file of one group."""
    head, short = Writer(), squeezed(bytes(model.data))
    head.string(short)
    data = bytes(head.data) + streams
    return file._pack(schema, [file._Entry(n, len(data), zlib.crc32(data), crc)], data)


def crc_of_zeros(n):
    crc, zeros = 0, bytes(1 << 23)
    while n:
        n, crc = n - min(n, 1 << 20), zlib.crc32(zeros[: 8 * min(n, 1 << 20)], crc)
    return crc


def array(columns, dtype="<i8"):
    return Schema("array", tuple(map(str, range(columns))), (dtype,) * columns)


def constants(columns=8, rows=ROWS):
    """As many numbers as are decoded at once, of no bytes."""
    model = numbers(columns)
    return packed(array(columns), rows, model, crc=crc_of_zeros(rows * columns))


def texts(kind, dtype, words, size, rows=ROWS):
    """A column of one text, after ``words`` of them, each of ``size`` bytes."""
    sizes, stream, model = Writer(), Writer(), Writer()
    sizes.number(words)
    pair = Writer()
    pair.number(size)
    pair.number(0)
    sizes.data += b"\0" + bytes(pair.data[:-1]) + (bytes(pair.data[:-1]) + b"\0") * (words - 1)
    stream.string(squeezed(bytes(sizes.data)))
    stream.data += squeezed(b"a" * size)
    model.numbers([])
    model.number(1)
    model.number(len(stream.data))
    Plan(CONSTANT).write(model)
    model.number(0)
    schema = Schema(kind, ("a",), (dtype,))
    return packed(schema, rows, model, bytes(stream.data), crc_of_zeros(rows))


def nested(kind):
    """A list of 2**30 values of no type: in Arrow it takes nothing."""
    import pyarrow as pa

    column = pa.ListArray.from_arrays(pa.array([0, 1 << 30], pa.int32()), pa.nulls(1 << 30))
    stream, model = squeezed(fields._opaque(column).data), Writer()
    model.numbers([])
    model.number(2)
    model.number(len(stream))
    made = base64.b64encode(pa.schema([("a", column.type)]).serialize()).decode()
    return packed(Schema(kind, ("a",), (str(column.type),), {"schema": made}), 1, model, stream)


def long_names():
    """JSON that becomes many objects."""
    section = Writer()
    section.number(1)
    section.number(0)
    section.data += squeezed(b'["array",[' + b"[]," * 5_000_000 + b'[]],"<i8",{}]')
    return _with_section(bytes(section.data))


def _with_section(section):
    from codec import container
    from codec.types import Header

    header = Header(1, 1, "grey", 1.0, "0" * 16, zlib.crc32(section))
    return container.pack(header, b"", {file.SECTION: section})


def row_by_row(rows=10):
    """One column, each row of which is a stream of its own."""
    model = Writer()
    model.numbers([])
    model.number(3)
    model.number(1)
    Lattice().write(model)
    for _ in range(rows):
        model.number(0)
        model.string(b"")
        Plan(CONSTANT).write(model)
        model.number(0)
    return packed(array(1), rows, model, crc=crc_of_zeros(rows))


def slow(n, buckets=1, nbits=62, columns=1):
    """What takes the mixer longest: well predicted decisions, of all contexts."""
    places = np.arange(buckets)
    tree = mixing.Tree.of(places, np.full(buckets, nbits), np.ones(buckets, int))
    plan = Plan(
        tree=tree,
        lags=tuple(Lag(i + 1) for i in range(mixing.LAGS)),
        contexts=tuple(Context((), (i % mixing.LAGS,)) for i in range(mixing.CONTEXTS)),
        guesses=tuple(range(mixing.GUESSES)),
        bits=4 if n < 99 else 18,
        modelled=64,
    )
    stream = mixing.encode(Known(n).column(plan, None, None), np.zeros(n, np.int64))
    one, model = Writer(), Writer()
    one.number(0)
    Lattice().write(one)
    one.string(b"")
    plan.write(one)
    one.number(len(stream))
    model.numbers([])
    model.data += one.data * columns
    return packed(array(columns), n, model, stream * columns, crc_of_zeros(n * columns))
