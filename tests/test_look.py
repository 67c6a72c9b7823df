"""The look: SSIMULACRA 2 in numpy, and symbols that are chosen for it."""

import dataclasses
import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from PIL import Image
from test_effort import photo, pipeline  # noqa: F401
from test_training_export import made  # noqa: F401
from training_runs import scene

import codec
from codec.model import find
from codec.model.part import inputs_of, part_of
from codec.model.session import Graphs
from codec.search import PLANS, objectives, refine, ssimulacra2, targets, tune
from codec.training import loss
from codec.training import ssimulacra2 as in_torch
from codec.training.config import Config
from codec.training.functional import to_float
from codec.transform import tiles


def copy_of(picture, quality):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality)
    with Image.open(out) as image:
        return np.array(image)


def library(a, b):
    compute = pytest.importorskip("ssimulacra2").compute_ssimulacra2
    files = [io.BytesIO() for _ in range(2)]
    for file, picture in zip(files, (a, b)):
        Image.fromarray(picture).save(file, "PNG")
    return compute(*files)


@pytest.mark.parametrize("shape", [(263, 300), (256, 256), (201, 64), (8, 90)])
@pytest.mark.parametrize("quality", [10, 50, 90])
def test_the_score_is_the_library_s(shape, quality):
    a = scene(3, *shape)
    b = copy_of(a, quality)
    assert ssimulacra2.score(a, b) == pytest.approx(library(a, b), abs=0.05)


def test_the_score_of_bands_is_that_of_the_whole(monkeypatch):
    a = scene(4, 700, 100)
    b = copy_of(a, 40)
    whole = ssimulacra2.score(a, b)
    monkeypatch.setattr(ssimulacra2, "STEP", 96)
    assert ssimulacra2.score(a, b) == pytest.approx(whole, abs=1e-3)


def test_scores_at_the_ends():
    a = scene(5, 100, 120)
    assert ssimulacra2.score(a, a) == 100
    assert np.isnan(ssimulacra2.score(a[:7], a[:7]))


@pytest.mark.parametrize("shape", [(264, 300), (130, 171)])
@pytest.mark.parametrize("quality", [10, 60])
def test_the_slope_is_torch_s(shape, quality):
    a = scene(6, *shape)
    b = copy_of(a, quality)
    compared = ssimulacra2.Look(a).compare(b)
    total, slopes = ssimulacra2.total(compared.sums, shape)
    x, y = (to_float(p)[None] for p in (a, b))
    y.requires_grad_()
    wanted = in_torch.ssimulacra2_sum(x, y)
    (g,) = torch.autograd.grad(wanted.sum(), y)
    assert total == pytest.approx(wanted.item(), rel=2e-3)
    got, g = compared.slope(slopes), g[0].numpy() / 255
    assert np.linalg.norm(got - g) < 0.02 * np.linalg.norm(g)


def test_a_model_is_refined_for_what_it_was_trained_for(monkeypatch):
    bundle = find.load(None)
    monkeypatch.setitem(bundle.manifest, "training", {"loss": "mse"})
    assert objectives.default(bundle) == "psnr"
    assert objectives.mixed(bundle, 30) == pytest.approx((0.2, 0.8, 0))
    assert objectives.mixed(bundle, 100) == pytest.approx((1, 0, 0))
    training = {"loss": "mse:0.3,ssimulacra2:0.7", "loss_high": "mse", "loss_turn": 0.4}
    monkeypatch.setitem(bundle.manifest, "training", training)
    assert objectives.default(bundle) == "look"
    x, y = (torch.rand(1, 64, 64, 3) - 0.5 for _ in range(2))
    mse = loss.squared_error(x, y)
    terms = mse, loss.ssimulacra2_error(x, y)
    for quality in (1, 40, 70, 90, 100):
        q = torch.tensor([(bundle.trained(quality) - 1) / 99])
        wanted = loss.distortion(Config(**training), q, x, y, mse)
        got = sum(w * t for w, t in zip(objectives.mixed(bundle, quality), terms))
        assert got.item() == pytest.approx(wanted.item(), rel=1e-4)
    monkeypatch.setitem(bundle.manifest, "training", {"loss": "ssimulacra2:x"})
    with pytest.raises(codec.ModelError, match="trained for"):
        objectives.mixed(bundle, 40)


def test_slopes_alone_are_those_of_probes():
    graphs = Graphs(find.load(None), threads=1)
    rng = np.random.default_rng(1)
    inputs = {
        "latent": rng.normal(0, 0.3, (3, 4, graphs.bundle.m)).astype("f4"),
        "modulation": graphs.bundle.at_quality("synthesis_mod", 40),
        "pixels": rng.integers(0, 256, (48, 64, 3), np.uint8),
        "weight": rng.random((48, 64), np.float32),
        "probes": rng.integers(-99, 99, (2, 48, 64, 3)).astype(np.int8),
    }
    _, whole = graphs.run("synthesis_gradient", **inputs)
    del inputs["pixels"]
    (slopes,) = graphs.run("synthesis_slopes", **inputs)
    assert np.allclose(slopes, whole[1:], rtol=1e-4, atol=1e-4 * np.abs(whole).max())
    model = graphs.bundle.graphs["synthesis_gradient"]
    assert len(part_of(model, "error")) < len(model)
    with pytest.raises(ValueError, match="does not make"):
        inputs_of(model, "nothing")


def look(pipeline, x, quality=40):  # noqa: F811
    return objectives.of(pipeline.graphs, x, quality, "look")(slice(0, 10**4))


def trained_for(pipeline, monkeypatch, loss):  # noqa: F811
    monkeypatch.setitem(pipeline.bundle.manifest, "training", {"loss": loss})


def test_a_share_of_ms_ssim_is_a_weighted_squared_error(pipeline, monkeypatch):  # noqa: F811
    x = scene(9, 150, 177)
    y = pipeline.analyse(x, 40)
    error = objectives.SquaredError(pipeline.graphs, x, 40, tune.ms_ssim(x)).value(y)
    trained_for(pipeline, monkeypatch, "mse:0.1,ssimulacra2:0.5")
    without = look(pipeline, x).value(y)
    trained_for(pipeline, monkeypatch, "mse:0.1,ssimulacra2:0.5,ms-ssim:0.4")
    share = look(pipeline, x).value(y) - without
    assert share == pytest.approx(0.4 * objectives.MS_SSIM * error, rel=0.02)


LOSSES = "mse:0.2,ssimulacra2:0.8", "mse:0.1,ssimulacra2:0.4,ms-ssim:0.9"


@pytest.mark.parametrize("loss", LOSSES)
def test_the_slope_by_the_latent_is_that_of_differences(pipeline, monkeypatch, loss):  # noqa: F811
    """Far along the slope, for the decoder's samples are whole numbers."""
    trained_for(pipeline, monkeypatch, loss)
    x = scene(9, 160, 176)
    y = pipeline.analyse(x, 40)
    objective = look(pipeline, x)
    value, g, seen = objective.backward(y, 2)
    assert value == pytest.approx(objective.value(y))
    assert seen.shape == y.shape and (seen >= 0).all() and seen.max() > 0
    step = np.float32(0.02 * value / np.square(g, dtype=float).sum()) * g
    more, less = (objective.value(y + s * step) for s in (1, -1))
    assert (more - less) / 2 == pytest.approx(2 * (g * step).sum(), rel=0.1)


@pytest.mark.parametrize("loss", LOSSES)
def test_tiles_give_the_slope_of_the_whole(pipeline, monkeypatch, loss):  # noqa: F811
    trained_for(pipeline, monkeypatch, loss)
    x = scene(9, 330, 260)
    y = pipeline.analyse(x, 40)
    value, whole, _ = look(pipeline, x).backward(y, 0)
    monkeypatch.setattr(tiles, "SIDE", 11)
    objective = look(pipeline, x)
    for _ in range(2):  # the first pass has no sums but a tile's own
        tiled_value, tiled, _ = objective.backward(y, 0)
    assert tiled_value == pytest.approx(value, rel=1e-3)
    assert np.linalg.norm(tiled - whole) < 0.1 * np.linalg.norm(whole)


def cost(objective, pipeline, x, quality, plan):  # noqa: F811
    """Rate + lambda * what the objective says of a coded picture, in bits."""
    payload, crc = pipeline.encode(x, quality, plan)
    z, s = pipeline.read_symbols(payload, *x.shape[:2], quality, crc)
    error = objective.value(pipeline.dequantise(z, s, quality))
    return 8 * len(payload) + pipeline.bundle.multiplier(quality) / 3 * error


@pytest.mark.parametrize("quality", [10, 50, 95])
def test_more_effort_is_no_worse(pipeline, quality):  # noqa: F811
    x = scene(6, 144, 170)
    objective = look(pipeline, x, quality)
    plans = (dataclasses.replace(PLANS[n], tune="look") for n in (1, 2, 3, 5))
    found = [cost(objective, pipeline, x, quality, plan) for plan in plans]
    for n, each in enumerate(found[1:], 1):
        assert each < 1.005 * min(found[:n]) + 64


def test_bands_change_little(pipeline, monkeypatch):  # noqa: F811
    x = scene(7, 16 * 70 - 9, 144)
    objective, plan = look(pipeline, x), dataclasses.replace(PLANS[3], tune="look")
    whole, plain = (cost(objective, pipeline, x, 40, p) for p in (plan, PLANS[1]))
    monkeypatch.setattr(refine, "BAND", 144 * 16 * 32)
    parts = cost(objective, pipeline, x, 40, plan)
    assert abs(parts - whole) < 0.2 * (plain - whole)


def test_the_look_is_what_improves(photo):  # noqa: F811
    """Of the shipped model, at equal bytes: a better score, less PSNR."""
    encoder = codec.Encoder(find.DEFAULT, threads=1, effort=4)
    seen = encoder.encode(photo, 20, tune="look")
    plain = encoder.encode(photo, target_size=len(seen) + 20, tune="psnr")
    assert len(plain) >= len(seen) - 20
    a, b = (codec.decode(data) for data in (plain, seen))
    assert ssimulacra2.score(photo, b) > ssimulacra2.score(photo, a) + 1
    assert targets.psnr(photo, b) < targets.psnr(photo, a)


def test_files_and_scores_rise_with_quality(photo):  # noqa: F811
    x = photo[:160, :160]
    encoder = codec.Encoder(threads=1, effort=3, tune="look")
    sizes, scores = [], []
    for q in (5, 25, 45, 65):
        data = encoder.encode(x, q)
        sizes.append(len(data))
        scores.append(ssimulacra2.score(x, codec.decode(data)))
    assert sizes == sorted(sizes) and scores == sorted(scores)


@pytest.mark.parametrize("shape", [(1, 1, 3), (127, 300, 3), (128, 131), (150, 140, 4)])
def test_any_shape(shape):
    x = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    data = codec.encode(x, quality=30, effort=2, tune="look")
    assert codec.decode(data).shape == x.shape
