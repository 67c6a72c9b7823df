"""Encoders that take noise away: the decoder stays, to the last bit."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("safetensors")

from training_runs import config, pictures, psnr, quiet, scene

import codec
from codec.errors import ModelError, UnsupportedError
from codec.model import bundle, encoder, find
from codec.training import cli, data, denoise, export_run, noise, state, train

SIGMA = 30.0
WEIGHTS = pathlib.Path(__file__).parent.parent / "runs/psnr/weights.safetensors"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of no name, its weights, and an encoder trained for it."""
    tmp = tmp_path_factory.mktemp("denoise")
    plain = config(tmp, steps=2)
    data.prepare(plain, quiet)
    train.train(plain)
    export_run.export_run(plain, tmp / "base", n_pictures=2, log=quiet)
    state.export_averaged(plain.state, tmp / "w.safetensors")
    cfg = dataclasses.replace(
        plain,
        init=str(tmp / "w.safetensors"),
        base=str(tmp / "base"),
        denoise=(SIGMA,),
        state=str(tmp / "denoise-state"),
        steps=24,
        decay_from=0.0,
        adam_lr=4e-3,
    )
    data.prepare(cfg, quiet)
    assert train.train(cfg) == "done"
    lines = []
    model_id = export_run.export_run(cfg, tmp / "encoder", log=lines.append)
    return tmp, cfg, model_id, lines


def noisy(pixels, sigma=SIGMA):
    return noise.added(pixels, sigma, np.random.default_rng(5))


def test_noise_is_what_a_camera_would_give():
    x = np.full((400, 400, 3), 128, np.uint8)
    seen = noisy(x, 10.0)
    assert seen.dtype == np.uint8
    assert abs(seen.std() - np.hypot(10, 12**-0.5)) < 0.05
    assert abs(seen.mean() - 128) < 0.1
    dark = noisy(x * 0)
    assert dark.min() == 0 and (dark == 0).mean() > 0.4  # clipped
    assert np.array_equal(noisy(x, 0.0), x)


def test_sigmas():
    rng = np.random.default_rng(1)
    many = [noise.drawn((10.0, 50.0), rng) for _ in range(4000)]
    clean = [s for s in many if not s]
    rest = np.array([s for s in many if s])
    assert abs(len(clean) / 4000 - noise.CLEAN) < 0.02
    assert 10 <= rest.min() < 11 and 49 < rest.max() <= 50
    assert abs(rest.mean() - 30) < 1
    assert {noise.drawn((7.0,), rng) for _ in range(99)} == {7.0}


def test_only_the_encoder_learns(made):
    tmp, cfg, _, _ = made
    before = state.load_weights(cfg.init).state_dict()
    saved = state.read(f"{cfg.state}/checkpoint.pt")
    after = state.averaged(saved).state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    assert moved == {
        k
        for k in before
        if k.startswith("analysis.") and not k.endswith(("mod", "scale_in", "scale_out"))
    }
    for k, v in saved["model"].items():  # nor do the weights in use
        assert k in moved or torch.equal(v, before[k])


def test_frozen_weights_change_no_other_gradient(made):
    """What is skipped for the frozen decoder is skipped for it alone."""
    x = torch.from_numpy(scene(3)[None, :64, :64] / 255 - 0.5).float()
    model = state.load_weights(made[1].init)
    found = []
    for cfg in (dataclasses.replace(made[1], denoise=()), made[1]):
        model.zero_grad(set_to_none=True)
        run = state.State(model, cfg)
        torch.manual_seed(1)
        bpp, mse, _, _ = model(x, torch.tensor([0.01]))
        (bpp + 0.01 * mse).sum().backward()
        found.append({n: p.grad.clone() for n, p in state.trained(model, cfg).items()})
        assert len(run.gradient) == sum(g.numel() for g in found[-1].values())
    every, some = found
    assert len(some) < len(every)
    for name, g in some.items():
        assert torch.equal(g, every[name]), name


def test_a_resumed_run_is_the_uninterrupted_one(made, tmp_path):
    whole = dataclasses.replace(made[1], steps=4, state=str(tmp_path / "w"))
    halves = dataclasses.replace(whole, state=str(tmp_path / "h"))
    for cfg in (whole, halves):
        data.prepare(cfg, quiet)
    train.train(whole)
    asked = iter([0, 0, 1])
    assert train.train(halves, stopping=lambda: next(asked)) == "stopped"
    assert train.train(halves, resume=True) == "done"
    a, b = (state.read(f"{c.state}/checkpoint.pt") for c in (whole, halves))
    assert a["step"] == b["step"] == 4
    for x, y in zip(a["average"], b["average"], strict=True):
        assert torch.equal(x, y)


def test_noise_is_unlearned(made):
    """Rate and distance to the clean picture fall for noisy ones."""
    _, cfg, _, _ = made
    run, _, valid = train.prepare(cfg, 0, 1, resume=False)
    before = train.validate(run.model, valid, cfg)[1]
    saved = state.read(f"{cfg.state}/checkpoint.pt")
    after = train.validate(state.averaged(saved), valid, cfg)[1]
    # So small a decoder lets little noise through: there is little to gain.
    assert after < 0.995 * before


def test_a_step_sees_noise_and_wants_none(made):
    _, cfg, _, _ = made
    crops = data.Crops(f"{cfg.state}/train", data.indices(cfg)[0], cfg.crop)
    each = slice(0, cfg.batch)
    model = state.load_weights(cfg.init)
    batch = train.draw(cfg, 3, model, crops, each)
    seen, wanted = batch.seen, batch.wanted
    clean = dataclasses.replace(cfg, denoise=())
    plain = train.draw(clean, 3, model, crops, each)
    assert torch.equal(wanted, plain.seen) and plain.seen is plain.wanted
    middle = (wanted * 255).abs() < 40  # where little is clipped
    added = ((seen - wanted) * 255)[middle]
    assert abs(added.std() - SIGMA) < 2 and abs(added.mean()) < 1
    _, mse, x_hat, _ = model(seen, torch.full((len(seen),), 0.1), None, wanted)
    assert torch.allclose(mse, 255**2 * (x_hat - wanted).square().mean((1, 2, 3)))


def test_the_models_decoder_reads_it(made):
    tmp, cfg, model_id, lines = made
    assert "->" in lines[-1] and model_id in lines[0]
    base = bundle.Bundle(tmp / "base")
    assert base.id == model_id
    clean = scene(1)
    coded = codec.encode(noisy(clean), quality=95, model=tmp / "encoder")
    assert codec.info(coded).model == base.id
    back = codec.Decoder(model=base).decode(coded)
    assert psnr(back, clean) > 24  # the noisy one has 18.8
    assert coded != codec.encode(noisy(clean), quality=95, model=base)


def test_every_effort_rounds(made):
    tmp = made[0]
    seen = noisy(scene(1))
    one, two = (codec.encode(seen, quality=60, effort=e, model=tmp / "encoder") for e in (1, 4))
    assert one == two
    assert codec.encode(seen, quality=60, effort=4, model=tmp / "base") != codec.encode(
        seen, quality=60, effort=1, model=tmp / "base"
    )


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """An encoder for the shipped model, as it starts."""
    if not WEIGHTS.exists():
        pytest.skip("weights are in the repository only")
    out = tmp_path_factory.mktemp("shipped") / "encoder"
    model, base = state.load_weights(WEIGHTS), find.load("psnr")
    denoise.belongs(model, base)
    assert denoise.export(model, base, out, name="test", info={}) == base.id
    return out


def test_files_decode_everywhere(shipped, tmp_path):
    """The commands: one has the encoder, the other the shipped model."""
    assert {p.name for p in shipped.iterdir()} == {
        encoder.MANIFEST,
        encoder.GRAPH,
    }  # no copy of the model
    clean = scene(2)
    Image.fromarray(noisy(clean, 5.0)).save(tmp_path / "in.png")
    bin = pathlib.Path(sys.executable).parent
    for command in (
        ["aecompress", "-q", "70", "--model", shipped, "in.png", "-o", "in.aec"],
        ["aedecompress", "in.aec", "-o", "out.png"],
    ):
        subprocess.run(
            [bin / command[0], *map(str, command[1:])],
            cwd=tmp_path,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    assert codec.info(tmp_path / "in.aec").model == find.load("psnr").id
    assert psnr(np.asarray(Image.open(tmp_path / "out.png")), clean) > 28


def test_other_weights_are_refused(made):
    tmp, cfg, _, _ = made
    with pytest.raises(codec.CodecError, match="of one training"):
        denoise.belongs(state.load_weights(cfg.init), find.load())


def altered(folder, **more):
    file = folder / encoder.MANIFEST
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))


def test_folders_are_checked(made, tmp_path):
    out = shutil.copytree(made[0] / "encoder", tmp_path / "e")
    assert encoder.load(out, find.by_id).id == made[2]
    graph = out / encoder.GRAPH
    good = graph.read_bytes()
    graph.write_bytes(good[:-1] + b"x")
    with pytest.raises(ModelError, match="altered"):
        encoder.load(out, find.by_id)
    graph.write_bytes(good)
    table = out / encoder.MODEL / "tables.npz"
    whole = table.read_bytes()
    table.write_bytes(whole + b"x")  # the model's own are, too
    with pytest.raises(ModelError, match="altered"):
        encoder.load(out, find.by_id)
    table.write_bytes(whole)
    altered(out, model="0" * 16)
    with pytest.raises(ModelError, match="an encoder for model 0000"):
        encoder.load(out, find.by_id)
    shutil.rmtree(out / encoder.MODEL)
    for odd in ("0" * 16, 3, None, [1], "../photo"):
        altered(out, model=odd)
        with pytest.raises(UnsupportedError, match="which is not here"):
            codec.encode(scene(1), model=out)
    digests = json.loads((out / encoder.MANIFEST).read_text())["files"]
    for files in (
        {},
        {**digests, "synthesis.onnx": ""},
        [],
        "x",
    ):
        altered(out, files=files)
        with pytest.raises(ModelError):
            encoder.load(out, find.by_id)


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--denoise", "20"], "--init is missing"),
        (["--denoise", "50,10"], "'50,10' is not a sigma"),
        (["--denoise", "0"], "not a sigma"),
        (["--denoise", "nan"], "not a sigma"),
        (["--denoise", "1,2,3"], "not a sigma"),
        (["--base", "psnr"], "--base is for --denoise"),
        (["--resume", "--denoise", "20"], "for new runs"),
    ],
)
def test_wrong_options(tmp_path, monkeypatch, capsys, argv, message):
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "in")
    assert cli.main(["in", *argv]) == 1
    assert message in capsys.readouterr().err


def test_the_command(made, tmp_path, monkeypatch, capsys):
    tmp = made[0]
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "in")
    argv = [
        "in",
        "--denoise",
        "5,40",
        "--init",
        str(tmp / "w.safetensors"),
        "--steps",
        "1",
        "--batch",
        "1",
        "--crop",
        "64",
        "--workers",
        "1",
        "--bf16",
        "off",
        "--out",
        "e",
    ]
    assert cli.main(argv) == 1  # not the shipped model's weights
    assert "of one training" in capsys.readouterr().err
    assert cli.main([*argv, "--base", str(tmp / "base")]) == 0
    assert capsys.readouterr().out == made[2] + "\n"
    manifest = json.loads((tmp_path / "e" / encoder.MANIFEST).read_text())
    assert manifest["training"]["denoise"] == [5, 40]
    assert encoder.load("e", find.by_id).id == made[2]
    assert cli.main([*argv, "--state", "s", "--base", str(tmp / "base")]) == 1
    assert "use -f" in capsys.readouterr().err
