"""The slow reference: against itself, by hand, conformance set."""

import hashlib
import pathlib
import random
import struct
import zlib

import numpy as np
import pytest
from conformance import cases
from data import make_bad
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import decoder as ref
from reference.encoder import settle
from reference.samples import make_file, make_model, symbols

import codec
from codec import container
from codec.errors import CodecError, FormatError, UnsupportedError

FILES = pathlib.Path(__file__).parent / "conformance" / "files"
MODELS = pathlib.Path(codec.__file__).parent / "models"

few = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", params=[(), (1, 2, 6, 11)], ids=["", "in parts"])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_model(folder, seed=1, parts=request.param)
    return folder


# Sections 2 to 5 and 7


@few
@given(seed=seeds)
def test_round_trip(folder, seed):
    data, header, z, s = make_file(folder, seed)
    got, got_z, got_s = ref.decode_symbols(data, folder)
    assert (got_z, got_s) == (z, s)
    assert header.items() <= got.items()


def test_round_trip_meets_every_case(folder):
    """The random files hold escapes, skipped symbols and many rows."""
    rng, model = random.Random(2), ref.Model(folder)
    header = dict(width=100, height=100, quality=5000, sections={})
    z, s = symbols(rng, model, header)
    before = list(s)
    settle(model, header, z, s)
    assert s != before  # some are skipped
    used = {
        row: [s[at] for at in places]
        for found in ref.groups(model, header, z, s)
        for row, places in found
    }
    assert len(used) > 20
    assert any(abs(v) > model.row_max[row] for row, values in used.items() for v in values)


def test_slabs_are_independent(folder):
    """The rows of a slab ignore the other ones."""
    data, header, z, s = make_file(folder, 3, width=30, height=16 * 70)
    assert ref.decode_symbols(data, folder)[1:] == (z, s)
    model, cut = ref.Model(folder), 64 * 2 * 12
    changed = [v + 100 for v in s[:cut]] + s[cut:]

    def second(s):
        return [
            group
            for found in ref.groups(model, header, z, s)
            for group in found
            if group[1][0] >= cut
        ]

    assert second(s) == second(changed) != []


def test_rows_by_hand(tmp_path):
    """Section 7 worked out with pencil, 2 x 1 symbols of two channels."""
    model = make_model(tmp_path, 0)
    model.NZ = model.HYPER = model.K = 1
    model.M, model.skip = 2, [0] * 100
    model.w1 = [[100, 100, 100, 100, 16, 100, 100, 100, 100]]
    model.b1, model.w2 = [16], [[j] for j in range(32)]
    model.b2 = [[1000 * j, 0] for j in range(16)]
    model.bias = [[0, 0]] * 49 + [[5, -3000]] + [[0, 0]] * 50
    model.c1, model.c2, model.c3 = [[3]], [[10, 20]], [[1, 2, -40]]
    header = dict(width=17, height=1, quality=4951)  # Q is 50
    # One z, 9: a = (16 * 9 + 16) >> 4 = 10; base = 10 j + b2 + bias.
    bases = [0 + 0 + 5, 10 + 0 - 3000, 20 + 1000 + 5, 30 + 0 - 3000]
    assert ref.base(model, header, [9]) == bases
    s = [4, -2, -300, 7]  # levels 4, 2, 15, 7
    assert model.level[255] == 15
    want = {
        0: (5 >> 10),
        2: (1025 + 16 * 3 * 4) >> 10,
        1: (-2990 + 16 * (10 * 4 + 20 * 15)) >> 10,
        3: 0,
    }
    # Position 1, pass 3: e = 1 * 15 + 2 * 4 - 40 * 2 < 0, so R is clamped.
    got = [
        (row, at)
        for found in ref.groups(model, header, [9], s)
        for row, places in found
        for at in places
    ]
    assert got == [(want[at], at) for at in (0, 2, 1, 3)]
    assert sorted(want.values()) == [0, 0, 1, 2]


def largest_sums(model):
    """Sums of magnitudes that section 7 bounds.

    Returns
    -------
    products : list of int
        The largest of each row of each matrix product.
    totals : list of int
        Those of base + 16 e, for every symbol of a 4 x 4 block.
    """
    m, k, top = model.M, model.K, max(model.level)

    def sums(matrix, *limits):
        return [sum(abs(w) * limit for w, limit in zip(row, limits)) for row in matrix]

    first = sums(model.w1, *[model.Z_MAX] * (9 * model.NZ))
    products = [x + abs(b) for x, b in zip(first, model.b1)]
    block = sums(model.w2, *[255] * model.HYPER)
    near, around = [top] * k, [4 * top] * m
    e = [
        sums(model.c1, *around[:k]),
        sums(model.c2, *near, *around[:k]),
        sums(model.c3, *near, *around),
    ]
    worst = e[0] + list(map(max, e[1], e[2]))
    bias = [max(map(abs, column)) for column in zip(*model.bias)]
    totals = [
        block[i] + abs(model.b2[i // m][i % m]) + bias[i % m] + 16 * worst[i % m]
        for i in range(16 * m)
    ]
    return products + block + sum(e, []), totals


@pytest.mark.parametrize(
    "name", [None, *sorted(path.parent.name for path in MODELS.glob("*/model.json"))]
)
def test_models_keep_the_bounds(folder, name):
    products, totals = largest_sums(ref.Model(MODELS / name if name else folder))
    assert max(products) < 2**24 and max(totals) < 2**31


def test_bounds_by_hand(folder):
    model = ref.Model(folder)
    model.NZ = model.HYPER = model.K = 1
    model.M, model.Z_MAX, model.level = 2, 7, [0, 15]
    model.w1, model.b1, model.w2 = [[-1] * 9], [-5], [[j] for j in range(32)]
    model.b2, model.bias = [[-1000, 0]] * 16, [[0, 0], [0, -3]]
    model.c1, model.c2, model.c3 = [[3]], [[10, -20]], [[1, 2, -40]]
    products, totals = largest_sums(model)
    assert products == [68, *range(0, 32 * 255, 255), 180, 1350, 2535]
    assert totals[:2] == [1000 + 16 * 180, 255 + 3 + 16 * 2535]


def test_sections(folder):
    sections = {b"ALPH": b"\x01", b"abcd": b"", b"exif": b"II*\0"}
    data, _, z, s = make_file(folder, 4, sections=sections)
    header, *rest = ref.decode_symbols(data, folder)
    assert header["sections"] == sections and rest == [z, s]
    for bad, error in (
        ({b"Abcd": b""}, UnsupportedError),
        ({b"1bcd": b""}, FormatError),
        ({b"ab d": b""}, FormatError),
    ):
        with pytest.raises(error):
            ref.parse(make_file(folder, 4, sections=bad)[0])


@pytest.mark.parametrize("name", ["metadata", "packed-sections"])
def test_packed_sections(name):
    data = cases.data(name)
    found = {kind.decode(): content for kind, content in ref.parse(data)[0]["sections"].items()}
    assert found == container.unpack(data)[1]


@pytest.mark.parametrize("name, _, error, data", [*make_bad.files()], ids=lambda v: str(v)[:20])
def test_bad_containers_are_refused(name, _, error, data):
    """Those that are bad before the payload: as the codec itself refuses them."""
    try:
        container.unpack(data)
    except CodecError as expected:
        with pytest.raises(type(expected)):
            ref.parse(data)


def seal(data):
    """The same bytes with a sound file_crc."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def test_damage_is_refused(folder):
    data, _, z, s = make_file(folder, 5, width=20, height=20)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            ref.decode_symbols(data[:length], folder)
    for at in range(len(data)):
        bent = bytearray(data)
        bent[at] ^= 1 << at % 8
        with pytest.raises(CodecError):
            ref.decode_symbols(bent, folder)
        try:  # with a sound file_crc, the rest must notice what matters
            assert ref.decode_symbols(seal(bent), folder)[1:] == (z, s)
        except CodecError:
            pass
    for more in (b"\0\0\0\0", b"\0\0\0\0\0\0\0\0", b"more"):
        for at in (28, len(data) - 4):  # around the payload
            longer = bytearray(data[:at] + more + data[at:])
            longer[24:28] = struct.pack("<I", len(longer) - 32)
            with pytest.raises(FormatError, match="payload|symbol"):
                ref.decode_symbols(seal(longer), folder)


@pytest.mark.parametrize(
    "at, value, error",
    [
        (0, 0x88, FormatError),
        (5, 0x00, FormatError),
        (5, 0x11, UnsupportedError),
        (5, 0x31, UnsupportedError),
        (5, 0x23, UnsupportedError),
        (6, None, UnsupportedError),
    ],
)
def test_header_is_checked(folder, at, value, error):
    data = bytearray(make_file(folder, 6)[0])
    data[at] = data[at] ^ 255 if value is None else value
    with pytest.raises(error):
        ref.decode_symbols(seal(data), folder)


def test_order_of_checks(folder):
    """Each flaw hides those that were there before it (section 4)."""
    sections = {b"Abcd": b"", b"1bcd": b""}
    data = bytearray(make_file(folder, 7, sections=sections)[0])
    data[6] ^= 1  # the model
    for at, bent, error in (
        (37, b"Bbcd", "unknown section Abcd"),
        (37, b"Abcd", "twice"),
        (37, b"1bcd", "section type"),
        (16, b"\0\0", "height"),
        (5, b"\x26", "16 bits"),
        (len(data) - 1, b"", "file_crc"),
        (28, b"\0", "count"),
        (24, b"\1", "payload_length"),
        (5, b"\x3e", "version 3"),
        (4, b"\r", "not an .aec"),
    ):
        data[at : at + len(bent)] = bent
        data = bytearray(seal(data))
        if not bent:
            data[at] ^= 1
        with pytest.raises(CodecError, match=error):
            ref.decode_symbols(data, folder)


# Golden files


def conformance():
    """The conformance set; what is large or at high quality is slow."""
    found = []
    for path in sorted(FILES.glob("*.aec")):
        width, height = struct.unpack_from("<HH", path.read_bytes(), 14)
        slow = [pytest.mark.slow] if width * height > 5000 else []
        found.append(pytest.param(path, marks=slow, id=path.stem))
    return found


@pytest.mark.parametrize("path", conformance())
def test_conformance(path):
    """The reference decodes it; `symbol_crc` says: to the same symbols."""
    data = path.read_bytes()
    ids = {
        hashlib.sha256(manifest.read_bytes()).digest()[:8]: manifest.parent
        for manifest in MODELS.glob("*/model.json")
    }
    header, z, s = ref.decode_symbols(data, ids[data[6:14]])
    # It has checked every slab; the header's checksum is of z and the first one.
    rows, columns = ref.slabs(ref.Model(ids[data[6:14]]), header)[0]
    hy, wy, _, _ = ref.sizes(header)
    first = np.array(s, "<i2").reshape(hy, wy, -1)[: rows.stop, : columns.stop]
    crc = zlib.crc32(first.tobytes(), zlib.crc32(np.array(z, "<i2").tobytes()))
    assert crc == header["symbol_crc"]
    assert any(s)
