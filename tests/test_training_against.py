"""Runs that say how far they are from a model that ships, and that start from one."""

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from training_runs import config, pictures, run

from codec.model import find
from codec.training import against, cli, curves, data, denoise, state, train
from codec.training.config import Config, TrainingError

pytestmark = pytest.mark.usefixtures("one_thread")


EXAMPLE = Path(__file__).parent.parent / "examples/budgerigar.png"
CURVE = [(l, b, p, s) for l, b, p, s in zip((1, 2, 3), (0.2, 0.5, 1.5), (28, 32, 37), (20, 50, 80))]


def more(points, share):
    return [(l, b * share, *rest) for l, b, *rest in points]


def test_ten_percent_more_bytes_are_ten_percent():
    for column in (2, 3):
        assert against.rate(more(CURVE, 1.1), CURVE, column) == pytest.approx(10)
        assert against.rate(CURVE[:2], CURVE, column) == pytest.approx(0)
    better = [(l, b, p + 1, math.nan) for l, b, p, _ in CURVE]
    assert against.rate(better, CURVE, 2) < -10
    assert against.rate(better, CURVE, 3) is None
    assert against.rate([(l, b, p + 30, s) for l, b, p, s in CURVE], CURVE, 2) is None
    assert against.described(better, CURVE, "x").startswith("bytes against x: -")
    assert against.described(better, [], "x") == ""
    worse = [(l, b, p - 30, s - 90) for l, b, p, s in CURVE]
    assert against.described(worse, CURVE, "x") == "bytes against x: no quality in common"


@pytest.mark.parametrize("name", ["psnr", "look"])
def test_weights_are_those_of_the_model(name, tmp_path):
    """So a run that starts from them starts where the model is."""
    pytest.importorskip("safetensors")
    try:
        model = state.load_weights(name)
    except TrainingError:
        pytest.skip("weights are in the repository only")
    denoise.belongs(model, find.load(name))
    # A photograph. Files leave out symbols that estimates price: some four percent.
    photo = tmp_path / "photo"
    photo.mkdir()
    shutil.copy(EXAMPLE, photo)
    cfg = config(tmp_path, shape=model.shape, valid=str(photo))
    data.prepare(cfg, lambda line: None)
    crops = data.Crops(data.validation_cache(cfg), data.indices(cfg)[1], data.least(cfg))
    found, _ = train.validate(model, crops, cfg)
    shipped, _ = train.validate(against.Shipped(find.load(name), model), crops, cfg)
    for column in (2, 3):
        assert abs(against.rate(found, shipped, column)) < 6


def test_a_run_says_how_far_it_is(tmp_path, capsys):
    cfg = config(tmp_path, steps=1, valid_minutes=0, against="digits")
    data.prepare(cfg, lambda line: None)
    train.train(cfg)
    said = [line for line in capsys.readouterr().err.splitlines() if "against" in line]
    log = f"{cfg.state}/log.csv"
    rows = curves.read(log)
    assert len(said) == len({r["step"] for r in rows if r["kind"] == "valid"}) > 1
    assert {r["kind"]: 0 for r in rows}.keys() == {"train", "valid", "shipped"}
    n_lambdas = len(train.VALID_LAMBDAS)
    assert sum(r["kind"] == "shipped" for r in rows) == n_lambdas  # measured once
    assert said[-1] == against.at_the_end(log, cfg)
    assert said[-1].startswith("bytes against digits: ")
    # What the shipped model has is not what the run has.
    found, shipped = (curves.last(rows, kind) for kind in ("valid", "shipped"))
    assert not np.allclose([r["bpp"] for r in found], [r["bpp"] for r in shipped])


def test_a_resumed_run_is_compared_with_what_was_measured_before(tmp_path, monkeypatch, capsys):
    cfg = config(tmp_path, steps=2, valid_minutes=0, against="digits")
    asked = iter([0, 1])
    assert run(cfg, stopping=lambda: next(asked)) == "stopped"
    log = f"{cfg.state}/log.csv"
    before = [r for r in curves.read(log) if r["kind"] == "shipped"]
    assert len(before) == len(train.VALID_LAMBDAS)
    capsys.readouterr()
    monkeypatch.setattr(against, "Shipped", None)  # it is not coded with again
    assert run(cfg, resume=True) == "done"
    assert [r for r in curves.read(log) if r["kind"] == "shipped"] == before
    said = against.at_the_end(log, cfg)
    assert said.startswith("bytes against digits: ")
    assert said in capsys.readouterr().err.splitlines()


def test_what_a_run_is_compared_with():
    assert against.name_of(Config()) == "psnr"
    assert against.name_of(Config(loss="mse:0.3,ssimulacra2:0.7")) == find.DEFAULT
    assert against.name_of(Config(loss_high="ms-ssim")) == find.DEFAULT
    assert against.name_of(Config(denoise=(9,), base="psnr", loss="mae")) == "psnr"
    assert against.model_of(Config(against="none")) is None
    with pytest.raises(Exception, match="unknown model"):
        against.model_of(Config(against="nothing"))


def test_starting_from_a_model_by_name(tmp_path, monkeypatch, capsys):
    training = find.load("look").manifest["training"]
    fine = cli._fine_tuning({"init": "look"})
    assert fine == {"rate": 0.2, "loss": training["loss"], "loss_high": training["loss_high"]} | {
        k: training[k] for k in ["loss_turn"] if k in training
    }
    assert cli._fine_tuning({"init": "look", "loss": "mae"}) == {"rate": 0.2}
    assert cli._fine_tuning({"init": "w.safetensors"}) == cli._fine_tuning({}) == {}
    # A wheel, used elsewhere: the line says where the weights are.
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "in")
    for name in find.shipped():
        (tmp_path / "site" / "codec" / "models" / name).mkdir(parents=True)
        text = (find.SHIPPED / name / "model.json").read_bytes()
        (tmp_path / "site" / "codec" / "models" / name / "model.json").write_bytes(text)
    elsewhere = tmp_path / "site" / "codec" / "models"
    monkeypatch.setattr(cli, "_fine_tuning", lambda given: {})
    monkeypatch.setattr(find, "SHIPPED", elsewhere)
    assert cli.main(["in", "--init", "look"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--init CHECKOUT/runs/look/weights.safetensors" in said
    # In a checkout the current folder has them.
    (tmp_path / "runs" / "look").mkdir(parents=True)
    (tmp_path / "runs" / "look" / "weights.safetensors").write_bytes(b"x")
    assert state.weights_file("look").read_bytes() == b"x"


def test_the_budget_has_room_for_both(tmp_path):
    cfg = config(tmp_path, hours=1.0, steps=0, against="digits")
    data.prepare(cfg, lambda line: None)
    at, _, valid = train.prepare(cfg, 0, 1, resume=False)
    at.pixels, at.seconds = 10**9, 100.0
    both = train.training_seconds(at, valid)
    at.cfg = dataclasses.replace(cfg, against="none")
    alone = train.training_seconds(at, valid)
    at.cfg, at.shipped = cfg, []
    assert both < alone == train.training_seconds(at, valid)
