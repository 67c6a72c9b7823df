"""Runs in this process: learning, resuming, logs, weights, pictures."""

import csv
import dataclasses
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from training_runs import TINY, config, pictures, quiet, run, scene

from codec.training import curves, data, export_run, loss, state, train
from codec.training.config import Config, TrainingError

AVERAGE = pathlib.Path(__file__).parent.parent / "runs" / "average.py"


pytestmark = pytest.mark.usefixtures("one_thread")


def read(cfg):
    return state.read(f"{cfg.state}/checkpoint.pt")


def test_finish_moves_rows_alone_and_lowers_the_rate(tmp_path, monkeypatch):
    cfg = config(tmp_path, finish=True, steps=60, batch=4, warmup=5)
    data.prepare(cfg, quiet)
    crops = data.Crops(f"{cfg.state}/train", data.indices(cfg)[0], 64)
    start = train.start_model(cfg, crops)
    with torch.no_grad():
        start.rows.bias += 0.6  # six rows too wide
    before, _ = train.validate(start, crops, cfg)
    weights = {n: p.clone() for n, p in start.state_dict().items()}
    monkeypatch.setattr(train, "start_model", lambda *_: start)
    run(cfg)
    end = state.averaged(read(cfg))
    after, _ = train.validate(end, crops, cfg)
    moved = {n for n, p in end.state_dict().items() if not torch.equal(p, weights[n])}
    assert "rows.bias" in moved
    assert all(n.startswith("rows.") for n in moved)
    for (_, rate, quality, *_), (_, lower, same, *_) in zip(before, after):
        assert lower < 0.99 * rate
        assert same == pytest.approx(quality, abs=1e-4)


def test_only_the_synthesis_moves(tmp_path):
    """Latents and their bits stay as they were."""
    cfg = config(tmp_path, only=("synthesis",), steps=3, batch=2, warmup=1)
    data.prepare(cfg, quiet)
    start = train.prepare(cfg, 0, 1, resume=False)[0].model
    weights = {n: p.clone() for n, p in start.state_dict().items()}
    run(cfg)
    end = state.averaged(read(cfg)).state_dict()
    moved = {n for n, p in end.items() if not torch.equal(p, weights[n])}
    assert "synthesis.out8" in moved
    assert all(n.startswith("synthesis.") for n in moved)


def test_loss_goes_down(tmp_path, monkeypatch):
    """A start that is spoilt in every group of parameters recovers."""
    start = train.start_model

    @torch.no_grad()
    def spoilt(cfg, crops):
        model = start(cfg, crops)
        model.rows.bias += 0.6  # six rows too wide
        model.synthesis.bias += 0.1  # 25 levels too bright
        model.analysis.in16 *= 1.03
        model.means.w2 *= 3
        return model

    monkeypatch.setattr(train, "start_model", spoilt)
    cfg = config(tmp_path, steps=60, warmup=5, batch=4, adam_lr=4e-3)
    data.prepare(cfg, quiet)
    first, _, valid = train.prepare(cfg, 0, 1, resume=False)
    before = train.validate(first.model, valid, cfg)[1]
    assert train.train(cfg) == "done"
    saved = read(cfg)
    points, after = train.validate(state.averaged(saved), valid, cfg)
    assert after < 0.6 * before
    assert saved["step"] == 60 and saved["pixels"] == 60 * 4 * 64**2
    for values in zip(*(p[:3] for p in points)):  # lambda, rate, quality
        assert all(b > a - 0.01 for a, b in zip(values, values[1:]))


@pytest.mark.parametrize("terms", ["mae", "ms-ssim", "mse:0.3,ssimulacra2:0.7"])
def test_other_losses_train(tmp_path, terms):
    cfg = config(tmp_path, steps=2, loss=terms, bf16="on")
    assert run(cfg) == "done"
    assert np.isfinite(read(cfg)["norm"])


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path):
    whole = config(tmp_path, steps=6)
    run(whole)
    halves = dataclasses.replace(whole, state=str(tmp_path / "halves"))
    asked = iter([0, 0, 0, 1])
    assert run(halves, stopping=lambda: next(asked)) == "stopped"
    assert read(halves)["step"] == 3
    assert run(halves, resume=True) == "done"
    a, b = read(whole), read(halves)
    assert a["step"] == b["step"] == 6
    assert a["norm"] == b["norm"]
    for x, y in zip(
        a["average"] + list(a["model"].values()),
        b["average"] + list(b["model"].values()),
    ):
        assert torch.equal(x, y)


def test_hours_count_over_every_resume(tmp_path):
    cfg = config(tmp_path, steps=0, hours=1e-9)
    assert run(cfg) == "done"
    spent = read(cfg)["seconds"]
    cfg = dataclasses.replace(cfg, hours=(spent + 1e-6) / 3600)
    assert run(cfg, resume=True) == "done"
    assert spent < read(cfg)["seconds"]
    assert read(cfg)["step"] <= 2


def test_patience_keeps_the_best_weights(tmp_path):
    # A rate of nothing: no validation after the first one gains.
    cfg = config(tmp_path, steps=50, rate=0.0, patience=2, valid_minutes=0)
    assert run(cfg) == "patience"
    saved = read(cfg)
    assert saved["since"] == 2 and saved["step"] < 50
    model, step = export_run.weights(cfg.state, saved)
    assert step < saved["step"]


def test_divergence_is_noticed_and_not_saved(tmp_path, monkeypatch):
    cfg = config(tmp_path, steps=9)
    monkeypatch.setattr(train, "MAX_BAD", 2)
    monkeypatch.setattr(train, "update", lambda *a: False)
    assert run(cfg) == "diverged"
    with pytest.raises(TrainingError, match="no checkpoint"):
        read(cfg)


def test_weights_go_out_and_in(tmp_path):
    pytest.importorskip("safetensors")
    cfg = config(tmp_path, steps=2)
    run(cfg)
    file = tmp_path / "weights.safetensors"
    state.export_averaged(cfg.state, file)
    want = state.averaged(read(cfg)).state_dict()
    for source in (file, f"{cfg.state}/checkpoint.pt"):
        model = state.load_weights(source)
        assert model.shape == TINY
        for name, value in model.state_dict().items():
            assert torch.allclose(value, want[name], rtol=1e-3, atol=1e-4)
    warm = dataclasses.replace(cfg, init=str(file), rate=0.0, steps=1, state=str(tmp_path / "warm"))
    run(warm)
    for name, value in state.averaged(read(warm)).state_dict().items():
        assert torch.allclose(value, want[name], rtol=1e-3, atol=1e-4)
    file.write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="not weights"):
        state.load_weights(file)


def test_settings_of_other_versions_load():
    d = Config(crop=128).to_dict()
    d["retired"] = d.pop("patience")
    cfg = Config.from_dict(d)
    assert cfg.crop == 128 and cfg.patience == 0 and cfg.shape.m == 384


def test_damaged_checkpoints_are_errors(tmp_path):
    file = tmp_path / "checkpoint.pt"
    state.write({"step": 1}, file)
    whole = file.read_bytes()
    for text in (b"", whole[:100], whole[:-30], b"x" * 50):
        file.write_bytes(text)
        with pytest.raises(TrainingError, match="not a checkpoint"):
            state.read(file)


# Logs


def test_log_drops_what_the_checkpoint_does_not_have(tmp_path):
    cfg = config(tmp_path)
    run(cfg)
    log = f"{cfg.state}/log.csv"
    with open(log, "a") as f:
        f.write("train,0.5,99,9,1,1,1\nvalid,0.5")  # killed while writing
    assert [r["step"] for r in curves.read(log)].count(99) == 1
    curves.Log(log, 6)
    rows = curves.read(log)
    assert {r["step"] for r in rows} == {6}
    with open(log, newline="") as f:
        names = next(csv.reader(f))
    assert names == [*curves.COLUMNS, *loss.TERMS]
    last = rows[-1]
    assert last["mse"] > 0 and last["ssimulacra2"] > 0 and "mse" not in rows[0]
    points = curves.last_validation(log, 6)
    assert [p["lambda"] for p in points] == list(train.VALID_LAMBDAS)
    assert curves.last_validation(log, 5) == []


@pytest.mark.parametrize(
    "head, row, want",
    [
        # As logs were: no score, then figures without names, then with them.
        ("lambda", "valid,0.5,9,9,1,2,3,0.1", {"lambda": 0.1}),
        ("lambda,score", "valid,0.5,9,9,1,2,3,0.1,70,4,5,6,7,8", {"ms-ssim": 7}),
        ("lambda,score,mse,new", "valid,0.5,9,9,1,2,3,0.1,70,4,5", {"new": 5}),
        ("lambda,score", "train,0.5,9,9,1,2,3", {"psnr": 3}),
    ],
)
def test_old_logs_are_read(tmp_path, head, row, want):
    file = tmp_path / "log.csv"
    file.write_text(f"kind,hours,step,pixels,loss,bpp,psnr,{head}\n{row}\n")
    (found,) = curves.read(file)
    assert found.items() >= want.items() and found["loss"] == 1
    curves.Log(file, 9)
    (again,) = curves.read(file)
    assert again.items() >= (found.items() if "new" not in head else set())


def test_every_term_has_a_curve(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure")
    cfg = config(tmp_path, steps=2, valid_minutes=0)
    run(cfg)
    kept = []
    savefig = figure.Figure.savefig
    monkeypatch.setattr(
        figure.Figure,
        "savefig",
        lambda f, *a, **k: kept.append(f) or savefig(f, *a, **k),
    )
    assert curves.draw(f"{cfg.state}/log.csv", tmp_path / "curves.png")
    drawn = [line.get_label() for line in kept[0].axes[2].lines]
    assert drawn == list(loss.TERMS)


def test_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    cfg = config(tmp_path, steps=2)
    assert not curves.draw(tmp_path / "log.csv", tmp_path / "curves.png")
    run(cfg)
    assert curves.draw(f"{cfg.state}/log.csv", tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").width > 500


# Pictures


def test_unusable_pictures_are_left_out(tmp_path):
    folder = pictures(tmp_path / "in", 3)
    Image.new("RGB", (63, 200)).save(folder / "narrow.png")
    (folder / "broken.png").write_bytes(b"\x89PNG")
    (folder / "notes.txt").write_text("no picture")
    lines = []
    index = data.build_cache(folder, tmp_path / "cache", lines.append)
    assert [e[0] for e in index] == ["0.png", "1.png", "2.png"]
    assert "narrow.png" in lines[2] and "63x200" in lines[2]
    crops = data.Crops(tmp_path / "cache", index, 64)
    assert np.array_equal(crops.picture(2), scene(2))


def test_sixteen_bits_of_grey_keep_their_range(tmp_path):
    """All but the lowest 255 values were white, without a word."""
    ramp = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    (tmp_path / "in").mkdir()
    Image.fromarray(ramp).save(tmp_path / "in" / "ramp.png")
    lines = []
    index = data.build_cache(tmp_path / "in", tmp_path / "cache", lines.append)
    got = data.Crops(tmp_path / "cache", index, 64).picture(0)
    assert np.array_equal(got[..., 0], ramp >> 8)
    assert "ramp.png: 16 bits a sample cut to 8" in lines[1]


def test_pictures_are_decoded_once(tmp_path):
    folder, lines = pictures(tmp_path / "in", 2), []
    first = data.build_cache(folder, tmp_path / "cache", lines.append)
    again = data.build_cache(folder, tmp_path / "cache", lines.append)
    assert again == first and len(lines) == 1
    pictures(folder, 3)
    assert len(data.build_cache(folder, tmp_path / "cache", quiet)) == 3
    # A kill between the two files leaves no index.
    (tmp_path / "cache.json").write_text('{"stamp": [')
    assert len(data.build_cache(folder, tmp_path / "cache", quiet)) == 3


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda d: None, "no such folder"),
        (lambda d: d.mkdir(), "no pictures"),
        (lambda d: pictures(d, 2, height=60), "none of its 2 pictures"),
    ],
)
def test_folders_without_pictures(tmp_path, make, message):
    make(tmp_path / "in")
    with pytest.raises(TrainingError, match=message):
        data.build_cache(tmp_path / "in", tmp_path / "cache", quiet)


def test_crops_need_large_pictures(tmp_path):
    index = data.build_cache(pictures(tmp_path / "in"), tmp_path / "c", quiet)
    with pytest.raises(TrainingError, match="192 pixels"):
        data.Crops(tmp_path / "c", index, 192)


def test_crops_come_from_everywhere(tmp_path):
    index = data.build_cache(pictures(tmp_path / "in", 1), tmp_path / "c", quiet)
    crops = data.Crops(tmp_path / "c", index, 64)
    some = crops.batch(50, np.random.default_rng(0))
    whole = scene(0)
    places = {
        tuple(b.reshape(-1))
        for y in range(65)
        for x in range(97)
        for b in [whole[y : y + 2, x : x + 2]]
    }
    turned = [c for c in some if tuple(c[:2, :2].reshape(-1)) not in places]
    assert len({c.tobytes() for c in some}) == 50
    assert 20 < len(turned) < 50  # flipped, three of four
    assert np.array_equal(some, crops.batch(50, np.random.default_rng(0)))


def test_split_is_stable(tmp_path):
    cfg = config(tmp_path, data=str(pictures(tmp_path / "in", 12)), valid_split=0.25)
    train_index, valid = data.prepare(cfg, quiet)
    assert len(valid) == 3 and len(train_index) == 9
    assert not {e[0] for e in valid} & {e[0] for e in train_index}
    pictures(tmp_path / "in", 13)
    names = {e[0] for e in data.prepare(cfg, quiet)[1]}
    assert len(names & {e[0] for e in valid}) >= 2


def test_licences(tmp_path):
    folder = pictures(tmp_path / "in", 2)
    assert export_run.licences(folder) is None
    (tmp_path / "SOURCES.csv").write_text(
        "file,licence\nin/0.png,CC0 (README)\nin/1.png,[CC BY 4.0]\nout/2.png,GPL\n"
    )
    assert export_run.licences(folder) == {"CC BY 4.0": 1, "CC0": 1}


@pytest.mark.parametrize("near", [0.0, 0.9])
def test_gradients_are_taken_near_the_average(tmp_path, near):
    """The moving weights, their average, and a point between them."""
    cfg = config(tmp_path, near=near)
    torch.manual_seed(0)
    model = state.empty_model(cfg.shape)
    run = state.State(model, cfg)
    mean = [p.detach().clone() for p in run.params]
    for step in range(3):
        run.gradient.normal_()
        before = [f.clone() for f in run.fast]
        run.move(1.0)
        run.step += 1
        w = 0.1 if near else max(0.1, 1 / (step + 2))
        assert any(not torch.equal(a, b) for a, b in zip(before, run.fast))
        for p, f, a, m in zip(run.params, run.fast, run.average, mean):
            m.lerp_(f, w)
            assert torch.allclose(a, m, atol=1e-6)
            assert torch.allclose(p, f + near * (a - f), atol=1e-6)


def test_checkpoints_are_averaged(tmp_path):
    """``runs/average.py`` gives a run that can be exported or resumed."""
    cfg = config(tmp_path)
    run(cfg)
    first = tmp_path / "first.pt"
    shutil.copy(f"{cfg.state}/checkpoint.pt", first)
    run(dataclasses.replace(cfg, steps=12), resume=True)
    last = read(cfg)
    subprocess.run(
        [
            sys.executable,
            AVERAGE,
            tmp_path / "mean",
            first,
            f"{cfg.state}/checkpoint.pt",
        ],
        check=True,
    )
    mean = state.read(tmp_path / "mean" / "checkpoint.pt")
    for a, b, c in zip(state.read(first)["average"], last["average"], mean["average"], strict=True):
        assert not torch.equal(a, b) or not a.any()
        torch.testing.assert_close(c, (a + b) / 2)
    assert all(torch.equal(a, b) for a, b in zip(mean["fast"], last["fast"]))
    rows = curves.last_validation(tmp_path / "mean" / "log.csv", 12)
    assert rows[0]["step"] == 12 and rows[0]["loss"] > 0
    run(dataclasses.replace(cfg, state=str(tmp_path / "mean"), steps=14), resume=True)
    assert state.read(tmp_path / "mean" / "checkpoint.pt")["step"] == 14
