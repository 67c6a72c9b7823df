"""Two gloo processes learn what one does from the same global batch."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from codec.training import curves, data  # noqa: E402
from training_runs import config  # noqa: E402

SCRIPT = pathlib.Path(__file__).parent / "training_ranks.py"


def curve(tmp_path, world):
    """(step, lambda, bpp, psnr) of the validation after every step."""
    tmp_path.mkdir()
    cfg = config(tmp_path, batch=4, steps=6, valid_minutes=0.0,
                 valid_pictures=2)
    data.prepare(cfg, log=lambda line: None)
    torchrun = ["-m", "torch.distributed.run", "--standalone",
                f"--nproc-per-node={world}"] if world > 1 else []
    run = subprocess.run(
        [sys.executable, *torchrun, SCRIPT, json.dumps(cfg.to_dict())],
        capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RANK": "0",
             "WORLD_SIZE": "1", "PYTHONPATH": str(SCRIPT.parent.parent)})
    assert run.returncode == 0, run.stderr[-2000:]
    return np.array([[r[k] for k in ("step", "lambda", "bpp", "psnr")]
                     for r in curves.read(pathlib.Path(cfg.state) / "log.csv")
                     if r["kind"] == "valid"], float)


def test_torchrun_two_ranks_as_one(tmp_path):
    one, two = (curve(tmp_path / str(n), n) for n in (1, 2))
    assert len(set(one[:, 0])) >= 5 and one.shape == two.shape
    assert (one[:, :2] == two[:, :2]).all()
    np.testing.assert_allclose(two[:, 2:], one[:, 2:], rtol=1e-4)
    # They do learn: the curve moves far more than the two differ.
    first, last = (one[one[:, 0] == s][:, 2:] for s in
                   (one[0, 0], one[-1, 0]))
    assert np.abs(last / first - 1).max() > 2e-3
