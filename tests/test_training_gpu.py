"""``runs/gpu.py``: from a checkpoint to another machine and back."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

torch = pytest.importorskip("torch")

from training_runs import config, pictures

from codec.training import data, state, train

SCRIPT = pathlib.Path(__file__).parent.parent / "runs" / "gpu.py"
# Imports of what a bare machine has not got fail there.
BARE = """
import sys
for name in "onnx onnxruntime safetensors constriction numba matplotlib".split():
    sys.modules[name] = None
"""


def call(*arguments, **env):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_goes_to_a_bare_machine_and_comes_back(tmp_path):
    cfg = config(tmp_path, steps=2, near=0.5, data=str(pictures(tmp_path / "in", 9)))
    data.prepare(cfg, lambda line: None)
    assert train.train(cfg) == "done"
    checkpoint = pathlib.Path(cfg.state) / "checkpoint.pt"
    packed, result = tmp_path / "pack", tmp_path / "result"
    say = call(
        SCRIPT,
        "pack",
        packed,
        cfg.data,
        cfg.data,
        checkpoint,
        "--megabytes",
        "1.1",
        "--set",
        "crop=64",
        "batch=2",
        "near=0.5",
        "warmup=2",
        "bf16=off",
        "workers=1",
    )
    assert packed.stat().st_size < 1.1e6 and "of 9 pictures" in say
    with zipfile.ZipFile(packed) as z:
        names = z.namelist()
    assert 2 <= sum(n.startswith("train/") for n in names) <= 9
    assert sum(n.startswith("valid/") for n in names) == 9

    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(BARE)
    bare = {"PYTHONPATH": str(tmp_path / "bare")}
    call(packed, "10", result, "--split", "1", "--set", "steps=3", **bare)
    assert not result.exists() and (tmp_path / "result.0").exists()
    call(SCRIPT, "unpack", result, tmp_path / "back")

    saved = state.read(tmp_path / "back" / "checkpoint.pt")
    assert saved["step"] == 3
    # Its start was the average: three steps later it is still near to that.
    before, after = (state.averaged(s) for s in (state.read(checkpoint), saved))
    a, b = before.analysis.in16, after.analysis.in16
    assert 0 < (a - b).norm() < 0.05 * a.norm()
    assert (tmp_path / "back" / "log.csv").read_text().count("valid") == 6
    # It is a run like any other.
    again = config(tmp_path, state=str(tmp_path / "back"), steps=5, near=0.5)
    again.data = cfg.data
    data.prepare(again, lambda line: None)
    assert train.train(again, resume=True) == "done"
