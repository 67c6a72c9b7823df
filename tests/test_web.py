"""web/: the package for browsers, by its own tests in Node and in Chromium."""

import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conformance import cases
from PIL import Image, ImageFilter

import codec
from codec import limits

WEB = Path(__file__).resolve().parent.parent / "web"


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f"no {name}")


def run(*command, **variables):
    done = subprocess.run(
        command,
        cwd=WEB,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def packages():
    """What package.json names, as package-lock.json has it."""
    need("node", "npm", "clang", "wasm-ld")
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]
    if not all((WEB / "node_modules" / name).is_dir() for name in wanted):
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")


def test_npm_test(packages, tmp_path):
    """Node and, where there is one, Chromium; what the page made decodes here."""
    said = run("npm", "test", "--silent", DOWNLOADS=str(tmp_path))
    assert "# fail 0" in said
    if "# SKIP no chromium" in said:
        pytest.skip("no chromium: the rest passed")
    pixels = cases.picture("photo-160x240", source=True)
    decoder = codec.Decoder()
    for name, quality in ("bird", limits.QUALITY), ("bird-85", 85):
        data = (tmp_path / f"{name}.aec").read_bytes()
        mine = codec.encode(pixels, quality=quality)
        for a, b in zip(decoder.symbols(data), decoder.symbols(mine)):
            d = np.abs(a.astype(int) - b)
            assert d.max() <= 1 and d.mean() <= 1e-4  # next to a half
    with Image.open(tmp_path / "bird-85.png") as image:
        assert cases.within(
            np.asarray(image), codec.decode(data), cases.SET["cases"][0]["tolerance"]
        )


def test_the_package_is_small(packages):
    """Under 2 MB without engine and models, which are no part of it."""
    [packed] = json.loads(run("npm", "pack", "--dry-run", "--json", "--silent"))
    names = {f["path"] for f in packed["files"]}
    assert packed["unpackedSize"] < 2e6
    assert {"index.js", "index.d.ts", "worker.js", "core.wasm"} <= names
    names.remove("assemble.mjs")
    assert not any(n.endswith((".onnx", ".npz", ".mjs")) for n in names)


# A network's sums may differ in their last bit, and a value next to a half then rounds
# the other way: one of a million symbols. In these pictures none does.
PICTURES = "photo-160x240", "alpha-80x50", "slabs-528x544", "column-70x1"


@pytest.mark.parametrize("quality", [12.5, 60])
def test_files_are_those_that_python_writes(packages, tmp_path, quality):
    run("./build.sh")
    names = [cases.FILES / f"{name}.in.png" for name in PICTURES]
    run("node", "test/encode.js", str(tmp_path), str(quality), *map(str, names))
    decoder = codec.Decoder()
    for name in PICTURES:
        data = (tmp_path / f"{name}.in.aec").read_bytes()
        mine = codec.encode(cases.picture(name, source=True), quality=quality)
        assert codec.info(data).symbol_crc == codec.info(mine).symbol_crc
        for a, b in zip(decoder.symbols(data), decoder.symbols(mine)):
            assert np.array_equal(a, b)
        assert np.array_equal(decoder.decode(data), decoder.decode(mine))


def test_scores_are_those_of_the_library(packages, tmp_path):
    """Real distortions; odd sizes and ones of fewer scales, too."""
    compute = pytest.importorskip("ssimulacra2").compute_ssimulacra2
    whole = Image.fromarray(cases.picture("photo-160x240", source=True))
    for size in (240, 160), (131, 77), (9, 30):
        image = whole.crop((3, 0, 3 + size[0], size[1])) if size[0] < 200 else whole
        names = [str(tmp_path / f"{name}.png") for name in "0123"]
        made = [image.filter(ImageFilter.GaussianBlur(1)), image.quantize(32)]
        for quality in 10, 80:
            image.save(tmp_path / "copy.jpg", quality=quality)
            made.append(Image.open(tmp_path / "copy.jpg"))
        for name, copy in zip(names, made):
            copy.convert("RGB").save(name)
        image.save(tmp_path / "a.png")
        original = str(tmp_path / "a.png")
        lines = run("node", "test/score.js", original, original, *names).splitlines()
        found = [tuple(map(float, line.split())) for line in lines]
        assert found[0] == (math.inf, pytest.approx(100, abs=1e-3))
        for (psnr, score), name in zip(found[1:], names):
            assert score == pytest.approx(compute(original, name), abs=0.01)
            a, b = (np.asarray(Image.open(n), float) for n in (original, name))
            assert psnr == pytest.approx(10 * np.log10(255**2 / np.mean((a - b) ** 2)))
