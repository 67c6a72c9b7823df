"""Write the conformance set of tables: ``tables/*.aec`` and ``tables.json``.

    python tests/conformance/make_tables.py

Run it by hand when the version of tables changes, and only then: an old file that stops
decoding is a bug. It takes some seconds.
"""

import dataclasses
import json
import zlib
from pathlib import Path

import numpy as np

from codec import container, table
from codec.table import file

HERE = Path(__file__).resolve().parent
RNG = np.random.default_rng(7)
N = 200


def cases():
    """Name, what it is for, columns, largest error, options of `table.encode`."""
    t = np.arange(N)
    x = np.cumsum(RNG.normal(size=N))
    odd = x.copy()
    odd[::9], odd[4], odd[5], odd[6] = np.nan, np.inf, -np.inf, -0.0
    odd[7:8].view("u8")[:] = 0x7FF0000000000123  # a NaN whose bits are kept
    k = RNG.integers(0, 5, N)
    yield "empty", "columns without rows", {"a": x[:0], "b": k[:0]}, 0, {}
    yield "constant", "one value, of no bytes", {"a": np.full(N, 7)}, 0, {}
    yield (
        "integers",
        "exact numbers, one of 64 bits without a sign",
        {
            "i": k - 2,
            "u": k.astype("u8") + np.uint64(1 << 63),
            "far": RNG.integers(-(1 << 62), 1 << 62, N),
            "sum": 3 * k + (t % 2),
        },
        0,
        {"effort": 4},
    )
    yield (
        "floats",
        "a grid, decimals, and floats bit by bit",
        {
            "grid": x,
            "digits": np.round(x, 2),
            "bits": RNG.normal(size=N).astype("f4"),
        },
        {"grid": 0.01, "digits": 0.02, "bits": 0},
        {"effort": 4},
    )
    yield "states", "NaN, infinities, -0 and a kept NaN", {"x": odd, "y": 2 * x}, 0.05, {}
    yield (
        "words",
        "texts, flags and times",
        {
            "w": np.array(["one", "two", "", "onerous", "é"])[k],
            "f": k > 2,
            "d": np.datetime64("2020-01-01") + t,
        },
        0,
        {},
    )
    yield (
        "groups",
        "three groups of rows",
        {"x": x, "w": np.array(list("abcde"))[k]},
        ("1%"),
        {"row_group": 25},
    )
    wide = np.cumsum(RNG.normal(size=(3, 100)), 1)
    wide[1, 5] = np.nan
    yield (
        "wide",
        "more columns than rows: coded row by row",
        {str(i): c for i, c in enumerate(wide.T)},
        0.1,
        {"effort": 3},
    )


def column(values):
    """A decoded column as JSON has it."""
    if values.dtype.kind == "U":
        return {"type": values.dtype.str, "words": values.tolist()}
    little = values.astype(values.dtype.newbyteorder("<"))
    return {"type": little.dtype.str, "hex": little.tobytes().hex()}


def damaged(data):
    """Name, what is wrong, bytes and error of files made of a sound one."""
    reader = table.Table(data)
    header, sections, payload = container.unpack(data, table=True)
    index = reader.index[0]

    def packed(section=None, group=payload[: index.length], **changes):
        changes = {"data_crc": zlib.crc32(group), "length": len(group), **changes}
        if section is None:
            entry = dataclasses.replace(index, **changes)
            section = file._write_index(reader.schema, [entry])
        head = dataclasses.replace(header, symbol_crc=zlib.crc32(section))
        return container.pack(head, group + bytes(-len(group) % 4), {file.SECTION: section})

    flipped = bytearray(payload[: index.length])
    flipped[-2] ^= 16
    own = sections[file.SECTION]
    yield "flipped", "one bit", data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "FormatError"
    yield "short", "the last bytes are not there", data[:-6], "FormatError"
    yield (
        "stream",
        "a bit of a stream, checksums of bytes mended",
        packed(group=bytes(flipped)),
        "FormatError",
    )
    yield (
        "numbers",
        "the checksum of the numbers is another",
        packed(crc=index.crc ^ 1),
        "FormatError",
    )
    yield "rows", "more rows than there are", packed(rows=index.rows + 1), "FormatError"
    many = [dataclasses.replace(index, rows=1 << 24), *[file._Entry(1 << 24, 0, 0, 0)] * 2]
    claim = file._write_index(reader.schema, many)
    yield "huge", "2^24 rows of four columns, three times", packed(claim), "LimitError"
    yield "version", "version 2", packed(b"\2" + own[1:]), "UnsupportedError"


def main():
    folder = HERE / "tables"
    folder.mkdir(exist_ok=True)
    made = {"cases": [], "bad": []}
    for name, what, columns, error, options in cases():
        data = table.encode(columns, error, **options)
        (folder / f"{name}.aec").write_bytes(data)
        back = table.decode(data)
        made["cases"].append(
            {
                "name": name,
                "what": what,
                "rows": table.info(data).rows,
                "columns": {k: column(v) for k, v in back.items()},
            }
        )
        if name == "integers":
            sound = data
    for name, what, data, error in damaged(sound):
        (folder / f"bad-{name}.aec").write_bytes(data)
        made["bad"].append({"name": name, "what": what, "error": error})
    (HERE / "tables.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
