"""The small part of tests/platforms that needs nothing set up."""

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import zlib

import numpy as np
import pytest
from conformance import cases

from codec import container
from codec.model import find
from codec.symbols import coder, core
from codec.symbols.pipeline import Pipeline

HERE = pathlib.Path(__file__).parent / "platforms"
SMALL = [n for n, c in cases.CASES.items() if c["width"] * c["height"] <= 4096]


def load(path):
    """A module that is not on the path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STANDIN = load(HERE / "standin" / "constriction.py")


def plan(seed):
    """Random indices with the frequencies of their alphabets."""
    rng = np.random.default_rng(seed)
    for _ in range(rng.integers(1, 6)):
        n, count = int(rng.integers(2, 300)), int(rng.integers(1, 400))
        p = rng.dirichlet(np.full(n, 0.3))
        freq = 1 + np.floor(p * (2**24 - n)).astype(np.int64)
        freq[0] += 2**24 - freq.sum()
        yield freq, rng.choice(n, count, p=p).astype(np.int32)


@pytest.mark.parametrize("seed", range(8))
def test_the_stand_in_writes_and_reads_what_the_library_does(seed):
    words = []
    for library in coder.constriction, STANDIN:
        ans = library.stream.stack.AnsCoder()
        model = library.stream.model
        groups = [
            (
                i,
                model.Categorical((f - 1).astype(np.float64), lazy=False, perfect=False),
            )
            for f, i in plan(seed)
        ]
        groups.append((np.arange(64, dtype=np.int32), model.Uniform(64)))
        for index, m in reversed(groups):
            ans.encode_reverse(index, m)
        words.append(ans.get_compressed())
        reader = library.stream.stack.AnsCoder(words[-1])
        for index, m in groups:
            assert np.array_equal(reader.decode(m, len(index)), index)
        assert reader.is_empty()
    assert np.array_equal(*words)


@pytest.mark.parametrize("name", SMALL)
def test_conformance_with_the_stand_in(name, monkeypatch):
    monkeypatch.setattr(core, "AVAILABLE", False)
    monkeypatch.setattr(coder, "_ANS", STANDIN.stream.stack.AnsCoder)
    monkeypatch.setattr(coder, "_MODEL", STANDIN.stream.model)
    header, _, payload = container.unpack(cases.data(name))
    z, s = Pipeline(find.load(), 1).read_symbols(
        payload, header.height, header.width, header.quality
    )
    crc = zlib.crc32(s.tobytes(), zlib.crc32(z.tobytes()))
    assert f"{crc:08x}" == cases.CASES[name]["symbol_crc"]


def script(name, *args):
    return subprocess.run(
        [HERE / name, "--max-pixels", "1", *args],
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHON": sys.executable},
    )


def report(done):
    assert done.returncode == 0, done.stderr[-3000:]
    row = json.loads(done.stdout[done.stdout.index("{\n") :])
    assert row["cases"] == 2 and not row["wrong_symbols"]
    assert not row["wrong_pixels"]
    return row


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="qemu-user is not installed")
def test_two_files_without_avx():
    row = report(script("no-avx.sh"))
    assert "SSE42" in row["cpu"] and "AVX" not in row["cpu"]


WASM = pathlib.Path(os.environ.get("WORK", "/nowhere"), "wasm")


@pytest.mark.skipif(not WASM.is_dir(), reason="WORK has no wasm folder")
def test_two_files_in_webassembly():
    assert "onnxruntime-web" in report(script("wasm.sh"))["versions"]


def test_a_wrong_decoder_is_noticed(tmp_path):
    """The runner itself: other symbols and other pixels are named."""
    decode = load(HERE / "decode.py")
    crc = int(cases.CASES["block-64x64"]["symbol_crc"], 16)
    right = decode.pixels_of("block-64x64")
    row = decode.check(["block-64x64"], lambda name: (crc, right))
    assert not row["wrong_symbols"] and not row["wrong_pixels"]
    assert (row["differ"], row["samples"]) == (0, 64 * 64 * 3)
    row = decode.check(["block-64x64"], lambda name: (crc ^ 1, 255 - right))
    assert row["wrong_symbols"] == row["wrong_pixels"] == ["block-64x64"]


def test_the_table_is_what_was_recorded():
    table = load(HERE / "table.py")
    rows = table.rows()
    assert len(rows) >= 4
    assert all(not r["wrong_symbols"] and not r["wrong_pixels"] for r in rows)
    page = table.PAGE.read_text()
    assert table.written(page) == page and table.table() in page


def test_the_table_says_when_it_is_of_another_model(tmp_path, monkeypatch):
    table = load(HERE / "table.py")
    models = {r["model"] for r in table.rows()}
    assert ("measured again" in table.table()) == (models != {cases.SET["model"]})
    other = tmp_path / "cases.json"
    other.write_text('{"model": "0123456789abcdef"}')
    monkeypatch.setattr(table, "SET", other)
    assert "model 0123456789abcdef now" in table.table()
