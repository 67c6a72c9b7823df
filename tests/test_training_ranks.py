"""``aetrain`` under torchrun: one process of several, on machines of its own."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from training_runs import pictures, scene

import codec
from codec.training import cli, curves, export_run, processes, state

HERE = pathlib.Path(__file__).parent
TORCHRUN = ["-m", "torch.distributed.run", "--standalone"]
TRAIN = [
    "--preset",
    "tiny",
    "--batch",
    4,
    "--bf16",
    "off",
    "--steps",
    6,
    "--valid-minutes",
    0,
    "--save-minutes",
    0,
    "--table-pictures",
    2,
]
PATIENCE = 600  # seconds, on a machine that has better to do
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}


@pytest.fixture
def folder(tmp_path):
    pictures(tmp_path / "in", 5)
    return tmp_path


def torchrun(folder, *arguments):
    return subprocess.Popen(
        [
            sys.executable,
            *TORCHRUN,
            "--nproc-per-node=2",
            "-m",
            "codec.training",
            *map(str, arguments),
        ],
        cwd=folder,
        env=ENV,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def alone(folder, monkeypatch):
    """aetrain with one worker of its own; what it learned is not exported."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(export_run, "export_run", lambda cfg, out, **more: out)

    def train(*arguments):
        return cli.main([str(a) for a in [*arguments, "--workers", 1]])

    return train


def curve(folder, kind, *columns):
    return np.array(
        [[r[c] for c in columns] for r in curves.read(folder / "log.csv") if r["kind"] == kind],
        float,
    )


def test_two_ranks_learn_what_one_does(folder, alone):
    """The same batch, noise and all, whoever shares it."""
    assert alone("in", "--out", "m1", *TRAIN) == 0
    with torchrun(folder, "in", "--out", "m2", *TRAIN) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    # Rank 0 alone exports, and alone says so.
    assert out.strip() == codec.info(codec.encode(scene(9), model=folder / "m2")).model
    assert err.count("wrote") == err.count("in 2 processes") == 1
    one, two = (
        curve(folder / f"m{n}-state", "valid", "step", "lambda", "bpp", "psnr") for n in (1, 2)
    )
    assert len(set(one[:, 0])) >= 6 and one.shape == two.shape
    assert (one[:, :2] == two[:, :2]).all()
    np.testing.assert_allclose(two[:, 2:], one[:, 2:], rtol=1e-4)
    # They do learn: the curve moves far more than the two differ.
    first, last = (one[one[:, 0] == s][:, 2:] for s in (one[0, 0], one[-1, 0]))
    assert np.abs(last / first - 1).max() > 5e-4
    one, two = (
        curve(folder / f"m{n}-state", "train", "step", "loss", "bpp", "psnr") for n in (1, 2)
    )
    np.testing.assert_allclose(two, one, rtol=1e-3)

    # Gone on with by another number of processes.
    assert alone("--resume", "--state", "m2-state", "--out", "m2", "--steps", 7) == 0
    assert state.read(folder / "m2-state" / "checkpoint.pt")["step"] == 7


def test_machines_with_folders_of_their_own(folder):
    """Only rank 0 has the checkpoint; the other decodes for itself."""
    places = []
    for rank in 0, 1:
        places.append(folder / str(rank))
        places[-1].mkdir()
        pictures(places[-1] / "in", 5)
    port = processes._free_port()

    def together(*arguments):
        runs = [
            subprocess.Popen(
                [sys.executable, "-m", "codec.training", *map(str, arguments)],
                cwd=places[rank],
                text=True,
                stderr=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={
                    **ENV,
                    "RANK": str(rank),
                    "WORLD_SIZE": "2",
                    "LOCAL_RANK": "0",
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(port),
                },
            )
            for rank in (0, 1)
        ]
        said = [run.communicate(timeout=PATIENCE) for run in runs]
        return [run.returncode for run in runs], said

    codes, said = together("in", "--out", "m", *TRAIN)
    assert codes == [0, 0], said
    assert said[1] == ("", "aetrain: decoding 5 files of in\n")
    assert (places[1] / "m-state" / "train.bin").exists()
    assert not (places[1] / "m-state" / "checkpoint.pt").exists()
    codes, said = together("--resume", "--state", "m-state", "--out", "m", "--steps", 8)
    assert codes == [0, 0], said
    assert state.read(places[0] / "m-state" / "checkpoint.pt")["step"] == 8
    assert not (places[1] / "m").exists()

    # What is wrong is said once, by rank 0, and ends both.
    codes, said = together("in", "--out", "m", *TRAIN)
    assert codes == [1, 1]
    assert "--resume goes on" in said[0][1] and said[1] == ("", "")
    # A machine without the pictures says so; the other one is not left alone.
    (places[1] / "in").rename(places[1] / "elsewhere")
    (places[1] / "m-state" / "train.json").unlink()
    codes, said = together("in", "--out", "new", *TRAIN)
    assert codes == [1, 1]
    assert said[1][1] == "aetrain: in: no such folder\n"
    assert "has lost the others" in said[0][1].splitlines()[-1]
    assert "Traceback" not in said[0][1]


def test_interrupted(folder):
    """One signal to torchrun: all end, the run is saved."""
    checkpoint = folder / "m-state" / "checkpoint.pt"
    with torchrun(folder, "in", "--out", "m", *TRAIN, "--steps", 10**6) as process:
        while not checkpoint.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode and "stopping after this step" in err
    assert state.read(checkpoint)["step"] > 0


@pytest.mark.parametrize("option", ["--export", "--workers=1"])
def test_options_that_clash(folder, option, monkeypatch, capsys):
    for name, value in (
        ("RANK", "0"),
        ("LOCAL_RANK", "0"),
        ("WORLD_SIZE", "2"),
        ("MASTER_ADDR", "127.0.0.1"),
        ("MASTER_PORT", "1"),
    ):
        monkeypatch.setenv(name, value)
    assert cli.main([str(folder / "in"), option]) == 1
    assert "not for torchrun" in capsys.readouterr().err


def test_gradients_are_those_of_ddp(tmp_path):
    """One sum of a flat buffer is what DistributedDataParallel does."""
    run = subprocess.run(
        [sys.executable, *TORCHRUN, "--nproc-per-node=2", HERE / "training_ddp.py"],
        capture_output=True,
        text=True,
        env=ENV,
        cwd=tmp_path,
        timeout=PATIENCE,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    # Lines of two processes may end after both have begun.
    assert "".join(run.stdout.split()) == "samesame"
