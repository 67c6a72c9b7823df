"""``aetrain`` from outside: errors, kills, Ctrl-C, what is exported."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from training_runs import pictures, psnr, scene

import codec
from codec.training import cli, loss, settings, state
from codec.training.config import Command, Config, TableConfig

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "training.md"
BEGIN, END = "<!-- options -->\n\n", "<!-- end of options -->\n"
AETRAIN = pathlib.Path(__file__).parent.parent / "bin" / "aetrain"
PATIENCE = 300  # seconds, on a machine that has better to do


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return pictures(tmp_path / "in")


def fails(capsys, *argv):
    assert cli.main([str(a) for a in argv]) == 1
    line = capsys.readouterr().err
    assert line.startswith("aetrain: ") and "Traceback" not in line
    return line.splitlines()[-1]


WEIGHTS = str(pathlib.Path(__file__).parent.parent / "runs" / "psnr" / "weights.safetensors")


@pytest.mark.parametrize(
    "argv, message",
    [
        ([], "DIR is missing"),
        (["in", "--loss", "psnr"], "give NAME"),
        (["in", "--crop", "100"], "multiple of 64"),
        (["in", "--hours", "-1"], "not a number from 0"),
        (["in", "--workers", "3"], "not a multiple of --workers"),
        (["in", "--frobnicate"], "unrecognized"),
        (["--resume"], "--state or DIR is missing"),
        (["in", "--resume", "--preset", "tiny"], "for new runs"),
        (["--export", "--state", "none"], "no checkpoint"),
        (["--resume", "--state", "none"], "no checkpoint"),
        (["none"], "none: no such folder"),
        (["in", "--crop", "192"], "no picture has 192"),
        (["in", "--init", "none.safetensors"], "none.safetensors"),
        (["in", "--out", "in"], "is not a model"),
        (["in", "--finish"], "--finish is for --init"),
        (
            ["in", "--init", "w", "--finish", "--denoise", "25"],
            "--finish is for --init, and not for --denoise",
        ),
        (["in", "--resume", "--finish"], "for new runs"),
        (["in", "--only", "synthesis"], "--only is for --init"),
        (["in", "--init", "w", "--only", "rows", "--finish"], "not for --denoise or --finish"),
        (["in", "--init", "w", "--only", "decoder"], "'decoder' is not some of analysis, "),
        (["in", "--init", "w", "--sizes", "parts=48/16"], "is not like c8=2"),
        (["in", "--init", WEIGHTS, "--sizes", "parts=16/96"], "96 in the first group"),
        (["in", "--init", WEIGHTS, "--sizes", "m=400"], "stays at 384"),
        (
            ["in", "--init", "w", "--sizes", "m=4", "--denoise", "9"],
            "not for --denoise",
        ),
        (["--resume", "--state", "s", "--sizes", "m=4"], "for new runs"),
        (["in", "--bf16", "maybe"], "invalid choice"),
    ],
)
def test_errors(folder, capsys, argv, message):
    assert message in fails(capsys, *argv)


def test_nothing_is_replaced(folder, capsys, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.json").write_text("{}")
    assert "use -f" in fails(capsys, folder, "--out", "m")
    (tmp_path / "s").mkdir()
    state.write({}, tmp_path / "s" / "checkpoint.pt")
    assert "--resume" in fails(capsys, folder, "--state", "s")


def test_without_torch(folder, capsys, monkeypatch):
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    assert "pip install '.[train]'" in fails(capsys, folder)


def test_help_loads_no_torch():
    code = (
        "import sys; from codec.training import cli;"
        "assert cli.main(['--help']) == 0; "
        "assert not {'torch', 'numpy'} & {*sys.modules}"
    )
    text = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    # Defaults are words and numbers, not what Python calls them.
    assert not re.search(r"None|True|False|\(\)|''|e-0\d|\(auto: |%", text)
    for word in ("cross-entropy", "early stopping", "augmentation", "L2", "batch size"):
        assert word in " ".join(text.split())


def test_help_lists_the_terms_of_the_loss(capsys):
    assert cli.main(["--loss", "help"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == list(loss.TERMS)


def test_the_page_lists_the_options():
    """`python tests/test_training_cli.py` writes them there."""
    assert PAGE.read_text() == page()


def page():
    """docs/training.md with the options as they are."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + settings.markdown(Command, Config, TableConfig) + END + after


def start(*argv):
    return subprocess.Popen(
        [sys.executable, AETRAIN, *map(str, argv)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait(what):
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        return stat.rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_kill_resume_interrupt(folder, tmp_path):
    """SIGKILL leaves a checkpoint and no orphans; Ctrl-C exports."""
    checkpoint = tmp_path / "m-state" / "checkpoint.pt"
    p = start(
        folder,
        "--preset",
        "tiny",
        "--workers",
        2,
        "--batch",
        2,
        "--out",
        "m",
        "--save-minutes",
        0,
        "--bf16",
        "off",
    )
    wait(lambda: checkpoint.exists() or p.poll() is not None)
    time.sleep(random.random())
    children = pathlib.Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()
    assert len(children) >= 2
    p.kill()
    p.communicate()
    wait(lambda: not any(map(alive, children)))
    step = state.read(checkpoint)["step"]

    p = start(
        folder,
        "--resume",
        "--out",
        "m",
        "--table-pictures",
        2,
        "--save-weights",
        "w.safetensors",
    )
    wait(lambda: state.read(checkpoint)["step"] > step + 1 or p.poll() is not None)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 130, err
    assert "stopping" in err and " dB" in err
    manifest = json.loads((tmp_path / "m" / "model.json").read_text())
    info = manifest["training"]
    assert info["data"] == "in" and info["pictures"] == 3
    assert info["steps"] == state.read(checkpoint)["step"] > step
    assert [v["lambda"] for v in info["validation"]][0] == 0.0006
    assert str(tmp_path) not in json.dumps(manifest)
    known = json.loads((tmp_path / "m" / "statistics.json").read_text())
    assert (known["model"], known["pictures"]) == (out.strip(), 3)
    x = scene(9)
    coded = codec.Encoder(model="m", threads=1).encode(x, 90)
    assert codec.info(coded).model == out.strip()
    assert psnr(codec.Decoder(model="m", threads=1).decode(coded), x) > 25
    assert state.load_weights("w.safetensors").shape.m == 96
    with open(tmp_path / "m-state" / "log.csv") as f:
        assert f.readline().startswith("kind,hours,step")


if __name__ == "__main__":
    PAGE.write_text(page())
