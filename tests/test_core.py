"""The exact path in C: the same symbols and bytes as in Python, any bytes."""

import functools
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import numpy as np
import pytest
from conformance import cases
from data import make_bad
from reference import decoder as ref
from reference.samples import make_file, make_model

from codec.errors import FormatError, ModelError
from codec.model import find
from codec.search import choose
from codec.symbols import core, passes
from codec.symbols.slabs import slabs
from codec.transform.means import Means

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "core" / "aec.c"
FILES = sorted(cases.FILES.glob("*.aec"))
WANTED = {name: case["symbol_crc"] for name, case in cases.CASES.items()}
WARNINGS = "-std=c11 -Wall -Wextra -Wpedantic -Werror".split()

needs_core = pytest.mark.skipif(not core.AVAILABLE, reason="built without a compiler")


def compiler(name=None):
    """A C compiler, or the test is skipped."""
    name = name or (sysconfig.get_config_var("CC") or "cc").split()[0]
    if not shutil.which(name):
        pytest.skip(f"no {name}")
    return name


def run(*command, **more):
    return subprocess.run(
        [str(c) for c in command], check=True, capture_output=True, text=True, **more
    ).stdout


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The default model's tables in a file."""
    path = tmp_path_factory.mktemp("core") / "tables"
    path.write_bytes(core.flat(find.load()))
    return path


# In Python


def small_model(folder, seed, change=lambda arrays: None):
    """A random model in parts, as both engines take it."""
    model = make_model(folder, seed, parts=(1, 2, 6, 11))
    with np.load(folder / "tables.npz") as arrays:
        arrays = dict(arrays)
    change(arrays)
    np.savez(folder / "tables.npz", **arrays)
    names = "NZ", "M", "K", "HYPER", "Z_MAX", "ROW_SKIP"
    arrays["z_min"] = np.zeros(len(arrays["z_freq"]), np.uint32)
    return types.SimpleNamespace(
        tables=arrays,
        row_skip=arrays["skip"],
        manifest={"constants": {n: getattr(model, n) for n in names}},
        nz=model.NZ,
        m=model.M,
        k=model.K,
    )


def zero_has_a_level(arrays):
    arrays["level"][0] = 2


def nothing_is_skipped(arrays):
    arrays["skip"][:] = 6
    arrays["b2"] += 30000


@needs_core
@pytest.mark.parametrize("change", [lambda arrays: None, zero_has_a_level, nothing_is_skipped])
def test_random_models_as_in_plain_integers(tmp_path, change):
    """Escapes, parts, odd sizes; read and written as the reference does."""
    bundle = small_model(tmp_path, 4, change)
    exact = core.Core(bundle)
    for seed in range(12):
        data, header, z, s = make_file(tmp_path, seed, width=1 + 37 * seed)
        if len(slabs(*(-(-header[n] // 16) for n in ("height", "width")))) > 1:
            continue
        # The reference's slabs are smaller than the format's: take the rows.
        model = ref.Model(tmp_path)
        model.SLAB = 32
        _, stream = written(model, header, z, s)
        hy, wy, hz, wz = ref.sizes(header)
        q = ref.quality_step(header) - 1
        reader = exact.reader(stream, q)
        found = reader.read_z((hz, wz, bundle.nz))
        assert found.ravel().tolist() == z
        place = slabs(hy, wy)[0]
        slab = exact.slab(place, found, q)
        slab.read(reader)
        reader.finish()
        assert slab.symbols.ravel().tolist() == s
        writer, again = exact.writer(q), exact.slab(place, found, q)
        writer.write_z(found)
        symbols = slab.symbols.reshape(-1, bundle.m)
        passes.walk(
            again,
            lambda step, _: symbols[step.at, step.channels],
            [lambda _, s, rows: writer.write(s, rows)],
        )
        assert writer.finish() == stream


def written(model, header, z, s):
    """File and stream of symbols by the reference; s is settled in place."""
    from reference.encoder import encode_symbols

    data = encode_symbols(model, header, z, s)
    return data, data[28:-4]


@needs_core
def test_noise_ends_in_symbols_or_an_error():
    exact, rng = core.Core(find.load()), random.Random(1)
    ends = set()
    for _ in range(60):
        stream = rng.randbytes(4 * rng.randrange(400))
        try:
            reader = exact.reader(stream, rng.randrange(100))
            z = reader.read_z((2, 3, exact.bundle.nz))
            slab = exact.slab(slabs(8, 12)[0], z, 50)
            slab.read(reader)
            ends.add("read")
            reader.finish()
        except FormatError:
            ends.add("error")
    assert ends == {"read", "error"}


@needs_core
def test_sizes_are_checked():
    exact = core.Core(find.load())
    z = np.zeros((1, 1, exact.bundle.nz), np.int16)
    place = slabs(4, 4)[0]
    with pytest.raises(ValueError):
        exact.slab(place, z[..., 1:], 50)
    with pytest.raises(ValueError):
        exact.slab(place, z, 100)
    with pytest.raises(ValueError):
        exact.slab(place, z + 64, 50)
    slab = exact.slab(place, z, 50)
    step = slab.steps[0]
    rows = slab.scale_indices(step)
    with pytest.raises(ValueError):
        slab.put(step, np.zeros((1, 1), np.int16))
    wild = np.full(rows.shape, -32768, np.int16)
    for symbols, given in ((wild, rows), (wild[:1, :1] * 0 + 1, rows[:1, :1] * 0)):
        with pytest.raises(ValueError):  # out of range, and not coded but not zero
            exact.writer(50).write(symbols, given)
    with pytest.raises(ValueError):
        slab.put(step, wild)
    with pytest.raises(ValueError):
        exact.reader(b"123", 50)


@needs_core
def test_floats_are_those_of_numpy(monkeypatch):
    """To the last bit, or a file would depend on whether there is a core."""
    rng, place = np.random.default_rng(2), slabs(8, 12)[0]
    y = (rng.normal(size=(8, 12, 30)) * rng.choice([1, 9, 1e5], (8, 12, 30))).astype("f4")
    y[0, 0, 4:12] = 0.5, -0.5, 1.5, 2.5, -1.5, 0.56, 0.55, 0
    gain = np.ones(30, np.float32)
    gain[12:] = rng.uniform(0.3, 3, 18)
    at, channels = np.arange(0, 96, 2), slice(4, 15)
    mean = rng.normal(size=(48, 20)).astype("f4")
    mean[0] = 0
    scales = rng.integers(0, 64, (48, 11)).astype(np.uint8)
    scales[0] = 60

    def found():
        chosen = choose.nearest(y, gain, 4)(place)
        symbols, _ = chosen(at, channels, mean[:, 3:14], scales)
        means = Means(None, None, 1 / gain, np.zeros((8, 12, 30), np.float32))
        means.put(at, channels, symbols, mean[:, 3:14])
        return symbols, means.out

    here = found()
    assert np.abs(here[0]).max() == 32767 and (here[0][scales < 4] == 0).all()
    monkeypatch.setattr(core, "nearest", None)
    monkeypatch.setattr(core, "dequantise", None)
    for c, python in zip(here, found(), strict=True):
        assert c.dtype == python.dtype and np.array_equal(c, python)


@needs_core
def test_pixels_are_laid_out_as_by_numpy():
    rng, (n, h, w) = np.random.default_rng(5), (2, 5, 7)
    squares = rng.integers(0, 256, (4, n, h, w, 48), np.uint8)
    whole = squares.reshape(2, 2, n, h, w, 4, 4, 3).transpose(2, 3, 0, 5, 4, 1, 6, 7)
    whole = whole.reshape(n, 8 * h, 8 * w, 3)[:, 2:-6, 2:-6]
    for y, x, height, width, top, left in (
        (0, 0, 32, 48, 0, 0),
        (3, 2, 9, 11, 5, 6),
        (1, 0, 1, 1, 31, 47),
        (0, 5, 5, 2, 2, 1),
        (4, 4, 0, 3, 0, 0),
    ):
        out = np.full((n, 40, 50, 3), 7, np.uint8)
        want = out.copy()
        want[:, y : y + height, x : x + width] = whole[:, top : top + height, left : left + width]
        core.pixels(*squares, out, y, x, height, width, top, left)
        assert np.array_equal(out, want)


@needs_core
def test_sizes_of_pixels_are_checked():
    squares, out = [np.zeros((5, 7, 48), np.uint8)] * 4, np.zeros((32, 48, 3), np.uint8)
    whole = 0, 0, 32, 48, 0, 0
    assert core.pixels(*squares, out, *whole) == 0
    wrong = [
        (*squares, out, *whole[:i], n, *whole[i + 1 :])
        for i in range(6)
        for n in (whole[i] + 1, -1, 2**31 - 1)
    ]
    for one in np.zeros((5, 6, 48), "u1"), np.zeros((5, 7, 47), "u1"), np.zeros((5, 7, 48)):
        wrong.append((*squares[:3], one, out, *whole))
    for other in (2, 32, 48, 3), (0, 48, 3), (32, 48, 4), (48, 3):
        wrong.append((*squares, np.zeros(other, np.uint8), *whole))
    for arguments in wrong:
        with pytest.raises(ValueError):
            core.pixels(*arguments)


@needs_core
def test_places_of_floats_are_checked():
    out, at = np.zeros((4, 6), np.float32), np.array([3])
    ones = np.ones((1, 2), np.int16), np.ones(6, np.float32), np.ones((1, 2), "f4")
    core.dequantise(out, at, 4, *ones)
    assert out[3].tolist() == [0, 0, 0, 0, 2, 2]
    for wrong in ((at + 1, 0), (at - 4, 0), (at, 5), (at, -1)):
        with pytest.raises(ValueError):
            core.dequantise(out, *wrong, *ones)
        with pytest.raises(ValueError):
            zone = np.zeros(64, np.float32)
            core.nearest(out, *wrong, ones[2], bytes(2), ones[1], zone, ones[0])


@needs_core
@pytest.mark.parametrize(
    "name, change",
    [
        ("bias", lambda a: a * 0 + 2**24),
        ("level", lambda a: a + 1),
        ("row_freq", lambda a: a + 1),
        ("z_freq", lambda a: a + 1),
        ("parts", lambda a: a[::-1]),
        ("expected", lambda a: a + 40000),
        ("b1", lambda a: np.full_like(a, -(2**31))),
    ],
)
def test_tables_that_are_none_are_refused(name, change):
    """Also where Python's own checks were left out."""
    b = find.load()
    wrong = {**b.tables, name: change(b.tables[name]).astype(b.tables[name].dtype)}
    with pytest.raises(ModelError):
        core.Core(
            types.SimpleNamespace(
                tables=wrong, row_skip=b.row_skip, manifest=b.manifest, k=b.k, m=b.m
            )
        )


# In C


@pytest.mark.parametrize("name", [None, "clang"])
def test_a_compiler_has_nothing_to_say(tmp_path, name):
    run(compiler(name), *WARNINGS, "-O2", "-c", SOURCE, "-o", tmp_path / "aec.o")


def test_the_example_prints_the_checksums(tmp_path, tables):
    example = tmp_path / "example"
    run(compiler(), *WARNINGS, "-O2", ROOT / "core/example.c", SOURCE, "-o", example)
    for path in FILES:
        assert run(example, tables, path).strip() == WANTED[path.stem]


def test_sanitizers_find_nothing(tmp_path, tables):
    """A moment of what `core/fuzz.c` does for long; docs/platforms.md."""
    fuzz = tmp_path / "fuzz"
    sources = ROOT / "core/fuzz.c", SOURCE
    checks = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all".split()
    try:
        run(compiler(), *WARNINGS, *checks, *sources, "-o", fuzz)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no sanitizers: {error.stderr[-200:]}")
    small = [f for f in FILES if f.stat().st_size < 3000]
    assert run(fuzz, tables, 200, 1, *small) == "200 runs\n"


def test_in_webassembly(tmp_path, tables):
    """The whole set by web/core.js in Node."""
    compiler("clang"), compiler("wasm-ld"), compiler("node")
    wasm = tmp_path / "core.wasm"
    run(ROOT / "web/build-core.sh", wasm)
    script = ROOT / "tests/core_symbols.mjs"
    lines = run("node", script, wasm, tables, *FILES).splitlines()
    assert dict(line.split() for line in lines) == WANTED
    bad = tmp_path / "bad.aec"
    data = bytearray(cases.data("slabs-528x544"))
    data[-40] ^= 1
    bad.write_bytes(make_bad.seal(data[:-4]))
    said = run("node", script, wasm, tables, bad)
    assert "does not decode" in said or "symbol checksum mismatch" in said


@functools.cache
def build(cc, folder):
    """Build the extension with a compiler; returns what was made."""
    code = "import setuptools; setuptools.setup()"
    command = [sys.executable, "-c", code, "build_ext", "--build-lib", folder / "lib"]
    run(
        *[*command, "--build-temp", folder / "temp"],
        cwd=ROOT,
        env={**os.environ, "CC": cc},
    )
    return [p.name for p in folder.rglob("_core*") if p.suffix in (".so", ".pyd")]


def test_it_is_left_out_without_a_compiler(tmp_path):
    assert build("false", tmp_path) == []


def test_it_serves_every_version_of_python(tmp_path):
    # One of pictures and one of tables.
    assert build(compiler(), tmp_path) == 2 * ["_core.abi3.so"]
