"""The slow reference: against constriction, against itself, golden files."""

import bisect
import collections
import hashlib
import json
import pathlib
import random
import struct
import zlib

import constriction
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import codec
from codec.errors import CodecError, FormatError, UnsupportedError

from reference import decoder as ref
from reference.encoder import RangeEncoder, encode_symbols, settle

queue = constriction.stream.queue
models = constriction.stream.model

GOLDEN = pathlib.Path(__file__).parent / "golden"
MODELS = pathlib.Path(codec.__file__).parent / "models"
TOTAL = 2**24

few = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)


# What the tests are made of

def frequencies(rng, n, shape):
    """`n` random frequencies, at least 1, with sum 2^24."""
    weight = {"even": lambda: 0.5 + rng.random(),
              "wide": lambda: rng.random()**20,
              "spike": lambda: 0.0}[shape]
    weights = [weight() for _ in range(n)]
    weights[rng.randrange(n)] += 1
    free = TOTAL - n
    f = [1 + int(free * w / sum(weights)) for w in weights]
    f[rng.randrange(n)] += TOTAL - sum(f)
    return f


def library_model(f):
    """constriction's model of exactly these frequencies."""
    return models.Categorical(np.array(f, np.float64) - 1, perfect=False)


def alphabets(rng, count):
    """Pairs of (cumulative frequencies, constriction's model)."""
    pairs = [(ref.uniform(2**k), models.Uniform(2**k)) for k in range(1, 17)]
    for _ in range(count):
        f = frequencies(rng, rng.choice([2, 3, 8, 40, 255]),
                        rng.choice(["even", "wide", "spike"]))
        pairs.append((ref.cumulate(f), library_model(f)))
    return pairs


def stream(rng, pairs, length):
    """Encode random indices with both encoders.

    Half of the streams seek the edge where the interval straddles a multiple
    of 2^64, so that the carry stays open for long.

    Returns
    -------
    plan : list of (cumulative, library model, index)
    words : list of int
        What both encoders wrote.
    """
    mine, theirs, plan = RangeEncoder(), queue.RangeEncoder(), []
    edge = rng.random() < 0.5
    for _ in range(length):
        c, model = rng.choice(pairs)
        q = (2**64 - mine.lower) // (mine.range >> 24)
        if not edge or q >= TOTAL or rng.random() < 0.1:
            q = rng.randrange(TOTAL)
        i = bisect.bisect_right(c, q) - 1
        mine.encode(i, c)
        theirs.encode(np.array([i], np.int32), model)
        plan.append((c, model, i))
    words = theirs.get_compressed().tolist()
    assert mine.finish() == words
    return plan, words


def read_mine(plan, words):
    """(indices, finished) of the reference; None where it refuses."""
    decoder = ref.RangeDecoder(words)
    try:
        return [decoder.decode(c) for c, _, _ in plan], decoder.finished()
    except FormatError:
        return None


def read_theirs(plan, words):
    """The same of constriction."""
    decoder = queue.RangeDecoder(np.array(words, np.uint32))
    try:
        return ([decoder.decode(model) for _, model, _ in plan],
                decoder.maybe_exhausted())
    except AssertionError:
        return None


def make_model(folder, seed):
    """Write a small random model."""
    rng = random.Random(seed)
    ints = np.random.default_rng(seed)
    nz, m, k, hyper, z_max, skip = 3, 12, 4, 5, 7, 6
    row_max = [rng.randrange(9) for _ in range(64)]
    row_freq = np.zeros((64, 2 * max(row_max) + 2), np.uint32)
    for row in range(skip, 64):  # skipped rows have no use for frequencies
        n = 2 * row_max[row] + 2
        row_freq[row, :n] = frequencies(rng, n, rng.choice(["even", "wide"]))

    def int8(*shape):
        return ints.integers(-128, 128, shape, np.int8)

    np.savez(folder / "tables.npz",
             z_band=ints.integers(0, 2, 100, np.uint8),
             z_freq=np.array([[frequencies(rng, 2 * z_max + 1, "even")
                               for _ in range(nz)] for _ in range(2)],
                             np.uint32),
             row_max=np.array(row_max, np.int32), row_freq=row_freq,
             level=np.minimum(np.arange(256), 15).astype(np.uint8),
             w1=int8(hyper, 9 * nz),
             b1=ints.integers(0, 9000, hyper, np.int32),
             w2=int8(16 * m, hyper) // 4,
             b2=ints.integers(-9000, 60000, (16, m), np.int32),
             bias=ints.integers(-9000, 9000, (100, m), np.int32),
             c1=int8(k, k) // 8, c2=int8(m - k, 2 * k) // 8,
             c3=int8(m - k, m + k) // 8)
    (folder / "model.json").write_text(json.dumps({"constants": dict(
        NZ=nz, M=m, K=k, HYPER=hyper, Z_MAX=z_max, N_ROWS=64, ROW_SKIP=skip,
        SLAB=64)}))
    return ref.Model(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_model(folder, seed=1)
    return folder


def symbols(rng, model, header):
    """Random z and s; small, large and extreme values."""
    hy, wy, hz, wz = ref.sizes(header)
    z = [rng.randint(-model.Z_MAX, model.Z_MAX)
         for _ in range(hz * wz * model.NZ)]
    largest = [0, 1, 9, 40, 300, 32767]
    s = []
    for _ in range(hy * wy * model.M):
        top = rng.choices(largest, [50, 30, 10, 5, 2, 1])[0]
        s.append(rng.choice([top, -top, rng.randint(-top, top)]))
    t_max = max(model.row_max)  # an excess of 2^15 - 1 fits every row
    return z, [max(-32767 + t_max, min(32767 - t_max, v)) for v in s]


def make_file(folder, seed, **changes):
    """A random file; returns it with its header, z and s."""
    rng, model = random.Random(seed), ref.Model(folder)
    header = dict(width=rng.randint(1, 100), height=rng.randint(1, 100),
                  quality=rng.randint(100, 10000), sections={},
                  colour=rng.random() < 0.5) | changes
    z, s = symbols(rng, model, header)
    data = encode_symbols(model, header, z, s)
    return data, header, z, s


# Section 6 and constriction

@few
@given(n=st.integers(2, 2000),
       shape=st.sampled_from(["even", "wide", "spike"]),
       seed=seeds)
def test_library_has_exactly_these_frequencies(n, shape, seed):
    """After one symbol the library's state shows its c[i] and f[i]."""
    f = frequencies(random.Random(seed), n, shape)
    c, model, scale = ref.cumulate(f), library_model(f), 2**40 - 1
    for i in range(n):
        encoder = queue.RangeEncoder()  # clear() forgets to drop a carry
        encoder.encode(np.array([i], np.int32), model)
        assert encoder.pos() == (0, (scale * c[i], scale * f[i]))


@pytest.mark.parametrize("k", range(1, 17))
def test_library_uniform_is_even(k):
    n, scale = 2**k, 2**40 - 1
    for i in {0, 1, n // 2, n - 2, n - 1}:
        encoder = queue.RangeEncoder()
        encoder.encode(np.array([i], np.int32), models.Uniform(n))
        assert encoder.pos() == (0, (scale * i * (TOTAL // n),
                                     scale * (TOTAL // n)))
    assert list(ref.uniform(n)) == ref.cumulate([TOTAL // n] * n)


@few
@given(seed=seeds, length=st.integers(0, 400))
def test_range_coder_agrees_with_library(seed, length):
    rng = random.Random(seed)
    plan, words = stream(rng, alphabets(rng, 4), length)
    want = [i for _, _, i in plan], True
    assert read_mine(plan, words) == read_theirs(plan, words) == want


def test_end_rule():
    """`finished` is `maybe_exhausted`; the writer ends in 1 or 2 words."""
    rng = random.Random(5)
    pairs, seen = alphabets(rng, 60), collections.Counter()
    for _ in range(10000):
        plan, words = stream(rng, rng.sample(pairs, 3), rng.randint(1, 25))
        decoder = ref.RangeDecoder(words)
        for c, _, i in plan:
            assert decoder.decode(c) == i
        behind = decoder.n_read - len(words)
        assert behind == 1 or behind == 0 and words[-1] == 0
        assert (decoder.point - decoder.lower) & ref.MASK < 2**32
        seen[f"{2 - behind} words"] += 1
        bent = list(words)
        bent[rng.randrange(len(bent))] ^= 1 << rng.randrange(32)
        for other in (bent, words[:-1], words + [0], [2**32 - 1] * 2,
                      words + [rng.getrandbits(32), 0],
                      words[:-1] + [words[-1] + 1 & 2**32 - 1]):
            mine = read_mine(plan, other)
            assert mine == read_theirs(plan, other)
            seen["refused" if mine is None else mine[1]] += 1
    assert len(seen) == 5 and min(seen.values()) > 20, seen


def test_empty_stream():
    assert stream(random.Random(0), [], 0) == ([], [])
    assert read_mine([], []) == read_theirs([], []) == ([], True)


def test_carry_runs_through_many_words():
    """A carry that turns FFFFFFFF words into zeros, by both encoders."""
    rng, longest = random.Random(3), 0
    f = [1, TOTAL // 2 - 1, 1, TOTAL // 2 - 1]
    c, model = ref.cumulate(f), library_model(f)
    for _ in range(200):
        plan, words = stream(rng, [(c, model)], 300)
        assert read_mine(plan, words) == ([i for _, _, i in plan], True)
        for value in (0, 2**32 - 1):
            runs = "".join("x" if w == value else " " for w in words).split()
            longest = max([longest, *map(len, runs)])
    assert longest >= 2


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
    used = {row: [s[at] for at in places]
            for row, places in ref.groups(model, header, z, s)}
    assert len(used) > 20
    assert any(abs(v) > model.row_max[row]
               for row, values in used.items() for v in values)


def test_slabs_are_independent(folder):
    """More than 64 rows of s; the rows of a slab ignore the other one."""
    data, header, z, s = make_file(folder, 3, width=30, height=16 * 70)
    assert ref.decode_symbols(data, folder)[1:] == (z, s)
    model, cut = ref.Model(folder), 64 * 2 * 12
    changed = [v + 100 for v in s[:cut]] + s[cut:]

    def second(s):
        return [group for group in ref.groups(model, header, z, s)
                if group[1][0] >= cut]
    assert second(s) == second(changed) != []


def test_rows_by_hand(tmp_path):
    """Section 7 worked out with pencil, 2 x 1 symbols of two channels."""
    model = make_model(tmp_path, 0)
    model.NZ = model.HYPER = model.K = 1
    model.M, model.ROW_SKIP = 2, 0
    model.w1 = [[100, 100, 100, 100, 64, 100, 100, 100, 100]]
    model.b1, model.w2 = [64], [[j] for j in range(32)]
    model.b2 = [[1000 * j, 0] for j in range(16)]
    model.bias = [[0, 0]] * 49 + [[5, -3000]] + [[0, 0]] * 50
    model.c1, model.c2, model.c3 = [[3]], [[10, 20]], [[1, 2, -40]]
    header = dict(width=17, height=1, quality=4951)  # Q is 50
    # One z, 9: a = (64 * 9 + 64) >> 6 = 10; base = 10 j + b2 + bias.
    bases = [0 + 0 + 5, 10 + 0 - 3000, 20 + 1000 + 5, 30 + 0 - 3000]
    assert ref.base(model, header, [9]) == bases
    s = [4, -2, -300, 7]  # levels 4, 2, 15, 7
    assert model.level[255] == 15
    want = {0: (5 >> 10), 2: (1025 + 16 * 3 * 4) >> 10,
            1: (-2990 + 16 * (10 * 4 + 20 * 15)) >> 10, 3: 0}
    # Position 1, pass 3: e = 1 * 15 + 2 * 4 - 40 * 2 < 0, so R is clamped.
    got = [(row, at) for row, places in ref.groups(model, header, [9], s)
           for at in places]
    assert got == [(want[at], at) for at in (0, 2, 1, 3)]
    assert sorted(want.values()) == [0, 0, 1, 2]


def test_sections(folder):
    sections = {b"ALPH": b"\x01", b"abcd": b"", b"exif": b"II*\0"}
    data, _, z, s = make_file(folder, 4, sections=sections)
    header, *rest = ref.decode_symbols(data, folder)
    assert header["sections"] == sections and rest == [z, s]
    for bad, error in (({b"Abcd": b""}, UnsupportedError),
                       ({b"1bcd": b""}, FormatError),
                       ({b"ab d": b""}, FormatError)):
        with pytest.raises(error):
            ref.parse(make_file(folder, 4, sections=bad)[0])


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
    for more in (b"\0\0\0\0", b"\0\0\0\0\0\0\0\0"):
        longer = bytearray(data[:-4] + more + data[-4:])
        longer[24:28] = struct.pack("<I", len(longer) - 32)
        with pytest.raises(FormatError):
            ref.decode_symbols(seal(longer + more), folder)


@pytest.mark.parametrize("at, value, error", [
    (0, 0x88, FormatError), (5, 0x00, FormatError),
    (5, 0x21, UnsupportedError), (5, 0x13, UnsupportedError),
    (5, 0x19, UnsupportedError), (6, None, UnsupportedError)])
def test_header_is_checked(folder, at, value, error):
    data = bytearray(make_file(folder, 6)[0])
    data[at] = data[at] ^ 255 if value is None else value
    with pytest.raises(error):
        ref.decode_symbols(seal(data), folder)


# Golden files

def golden():
    """The golden files; those over 200 x 200 are slow."""
    found = []
    for path in sorted(GOLDEN.glob("*.aec")):
        width, height = struct.unpack_from("<HH", path.read_bytes(), 14)
        slow = [pytest.mark.slow] if width * height > 200 * 200 else []
        found.append(pytest.param(path, marks=slow, id=path.stem))
    return found


def test_golden_are_there():
    """Once the folder exists it must not be incomplete."""
    if GOLDEN.exists():
        assert len(golden()) >= 5


@pytest.mark.parametrize("path", golden())
def test_golden_files(path):
    """The reference decodes it; `symbol_crc` says: to the same symbols."""
    data = path.read_bytes()
    ids = {hashlib.sha256(manifest.read_bytes()).digest()[:8]: manifest.parent
           for manifest in MODELS.glob("*/model.json")}
    header, z, s = ref.decode_symbols(data, ids[data[6:14]])
    assert zlib.crc32(struct.pack(f"<{len(z + s)}h", *z, *s)) == \
        header["symbol_crc"]
    assert any(s)
