"""web/: the package for browsers, by its own tests in Node and in Chromium."""

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parent.parent / "web"


def need(*programs):
    for name in programs:
        if not shutil.which(name):
            pytest.skip(f"no {name}")


def run(*command):
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def packages():
    """What package.json names, as package-lock.json has it."""
    need("node", "npm", "clang", "wasm-ld")
    if not (WEB / "node_modules" / "onnxruntime-web").is_dir():
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")


def test_npm_test(packages):
    """Conformance and bad files in Node, and in Chromium where there is one."""
    assert "# fail 0" in run("npm", "test", "--silent")


def test_the_package_is_small(packages):
    """Under 2 MB without engine and models, which are no part of it."""
    import json

    [packed] = json.loads(run("npm", "pack", "--dry-run", "--json", "--silent"))
    names = {f["path"] for f in packed["files"]}
    assert packed["unpackedSize"] < 2e6
    assert {"index.js", "index.d.ts", "worker.js", "core.wasm"} <= names
    assert not any(n.endswith((".onnx", ".npz", ".mjs")) for n in names - {"assemble.mjs"})
