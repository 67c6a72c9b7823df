"""Effort: other symbols, the same decoder, never a worse picture."""

import json
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from reference import decoder as reference
from test_training_export import made  # noqa: F401
from training_runs import scene

import codec
from codec import search as effort
from codec.errors import InputError
from codec.model import find
from codec.model.bundle import Bundle
from codec.search import (
    choose,
    costs,
    objectives,
    targets,
    tune,
)
from codec.symbols import coder
from codec.symbols.pipeline import Pipeline
from codec.transform import tiles

QUALITIES = (1, 50, 100)


@pytest.fixture(scope="module")
def pipeline(made):  # noqa: F811
    return Pipeline(Bundle(made[1]), threads=1)


@pytest.fixture(scope="module")
def photo():
    from PIL import Image

    return np.asarray(
        Image.open(Path(__file__).parent.parent / "examples" / "budgerigar.png").convert("RGB")
    )[100:300, 250:450]


def test_z_symbols_are_the_nearest_unless_one_is_dearer():
    bits = np.array([[9.0, 3.0, 1.0, 5.0, 20.0]] * 2)  # of -2..2
    z = np.array([[0.49, 0.51], [-0.4985, -0.4975], [1.51, 1.54], [-5, 7], [-2, 2], [0, -0.5]])
    got = choose.hyper(z, bits)
    # 4 bits more move the threshold by 1 / 128, 15 by 15 / 512.
    assert got.tolist() == [[0, 1], [0, 0], [1, 2], [-2, 2], [-2, 2], [0, 0]]
    assert choose.hyper(np.array([[0.505, -0.503]]), bits).tolist() == [[0, 0]]
    assert got.dtype == np.int16
    rng = np.random.default_rng(0)
    z = rng.normal(0, 1, (100, 4)).astype(np.float32)
    assert np.array_equal(choose.hyper(z, np.ones((4, 11))), np.clip(np.rint(z), -5, 5))


def total(pipeline, pixels, quality, level):
    """Real rate + lambda * error of a coded picture, in bits."""
    payload, crc = pipeline.encode(pixels, quality, effort.PLANS[level])
    h, w = pixels.shape[:2]
    z, s = pipeline.read_symbols(payload, h, w, quality, crc)
    back = pipeline.reconstruct(z, s, quality, h, w).astype(float)
    return 8 * len(payload) + pipeline.bundle.multiplier(quality) / 3 * np.square(
        back - pixels
    ).sum(), s


@pytest.mark.parametrize("quality", QUALITIES)
def test_more_effort_is_no_worse(pipeline, quality):
    x = scene(6, 120, 170)
    found = [total(pipeline, x, quality, n)[0] for n in (1, 2, 3, 4, 6)]
    # Words of 32 bits and rounded samples: all that is not counted.
    for n, cost in enumerate(found[1:], 1):
        assert cost < 1.002 * found[0] + 64
        assert cost < 1.005 * min(found[:n]) + 64


def test_effort_pays_and_changes_symbols(pipeline):
    x = scene(7, 128, 160)
    (plain, s), (better, t) = (total(pipeline, x, 60, n) for n in (1, 6))
    assert better < 0.995 * plain
    assert np.abs(s - t).max() >= 1


def test_every_decoder_reads_it(made):  # noqa: F811
    x = scene(8, 33, 50)
    coded = codec.Encoder(model=made[1], threads=1, effort=6).encode(x, 70)
    assert codec.Decoder(model=made[1]).decode(coded).shape == x.shape
    z, s = codec.Decoder(model=made[1], threads=1).symbols(coded)
    for one, two in zip((z, s), codec.Decoder(model=made[1], threads=2).symbols(coded)):
        assert np.array_equal(one, two)
    _, slow_z, slow_s = reference.decode_symbols(coded, made[1])
    assert slow_z == z.ravel().tolist() and slow_s == s.ravel().tolist()


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 300, 3), (70, 9)])
def test_any_shape(made, shape):  # noqa: F811
    x = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    encoder = codec.Encoder(model=made[1], threads=1)
    a, b = (encoder.encode(x, 40, effort=3) for _ in range(2))
    assert a == b
    assert codec.Decoder(model=made[1]).decode(a).shape == x.shape


def test_a_model_without_gradients_rounds(made, tmp_path):  # noqa: F811
    """As those from before there was any effort."""
    import hashlib

    shutil.copytree(made[1], tmp_path / "old")
    manifest = json.loads((tmp_path / "old" / "model.json").read_text())
    with np.load(made[1] / "tables.npz") as t:
        np.savez(
            tmp_path / "old" / "tables.npz",
            **{k: t[k] for k in t.files if k != "energy"},
        )
    del manifest["files"]["synthesis_gradient.onnx"]
    (tmp_path / "old" / "synthesis_gradient.onnx").unlink()
    manifest["files"]["tables.npz"] = hashlib.sha256(
        (tmp_path / "old" / "tables.npz").read_bytes()
    ).hexdigest()
    (tmp_path / "old" / "model.json").write_text(json.dumps(manifest))
    encoder = codec.Encoder(model=tmp_path / "old", threads=1)
    x = scene(2, 64, 64)
    with pytest.warns(codec.EffortWarning, match="effort 9 does what effort 1 does"):
        slow = encoder.encode(x, effort=9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert slow == encoder.encode(x, effort=1)


@pytest.mark.parametrize("level", [0, 10, 2.5, "4", [4], True])
def test_wrong_efforts(level):
    with pytest.raises(InputError, match="effort"):
        codec.Encoder(effort=level)


def test_plans_grow():
    plans = [effort.PLANS[n] for n in range(1, 10)]
    assert all(a.passes < b.passes and a.probes <= b.probes for a, b in zip(plans, plans[1:]))
    assert effort.DEFAULT in effort.PLANS


def test_costs_are_what_the_coder_writes(pipeline):
    rng = np.random.default_rng(3)
    tables = coder.Tables(pipeline.bundle.tables, pipeline.bundle.row_skip)
    skip = pipeline.bundle.row_skip[59]
    rows = rng.integers(0, 64, (40, 50, 6)).astype(np.uint8)
    s = (rng.laplace(0, 1, rows.shape) * 1.1**rows).astype(np.int16)
    s[rows < skip] = 0
    found = costs.Costs(pipeline.bundle.tables, skip)
    writer = coder.Writer(tables, 59)
    writer.write(s.reshape(-1, 6), rows.reshape(-1, 6))
    bits = 8 * len(writer.finish())
    assert found.cells(s, rows).sum() == pytest.approx(bits, rel=1e-3)
    signed = np.array([-6.0, -1.0, 0.0, 5.0, -5000.0, 5000.0], np.float32)
    r = np.full(6, 30, np.uint8)
    k = np.minimum(np.abs([signed, signed + 1]), costs.TOP + 1).astype(int)
    assert np.allclose(found.upward(signed, r), found.bits[30, k[1]] - found.bits[30, k[0]])


def test_tiles_give_the_gradient_of_the_whole(pipeline, monkeypatch):
    x = scene(9, 200, 260)
    h, w = 13, 17
    latent = np.random.default_rng(4).normal(0, 0.2, (h, w, pipeline.bundle.m)).astype(np.float32)

    def gradient():
        objective = objectives.SquaredError(pipeline.graphs, x, 50)
        found = objective.backward(latent, 0)[:2]
        # Without the way back, the way there is the same.
        assert objective.value(latent) == found[0]
        return found

    error, whole = gradient()
    monkeypatch.setattr(tiles, "SIDE", 8)
    error8, tiled = gradient()
    assert error8 == pytest.approx(error, rel=1e-4)
    # Only what a halo's own rim gets wrong is left.
    assert np.abs(tiled - whole).max() < 0.02 * np.abs(whole).max()


@pytest.mark.parametrize("level", [2, 4])
def test_targets(made, level):  # noqa: F811
    x = scene(4, 96, 128)
    encoder = codec.Encoder(model=made[1], threads=1, effort=level)
    size = len(encoder.encode(x, 50))
    data = encoder.encode(x, target_size=size + 40)
    assert 0.9 * size <= len(data) <= size + 40
    decoder = codec.Decoder(model=made[1])
    wanted = targets.psnr(x, decoder.decode(data)) - 0.5
    data = encoder.encode(x, target_psnr=wanted)
    assert targets.psnr(x, decoder.decode(data)) >= wanted


def test_rates_and_errors_rise_with_quality(photo):
    """Of the shipped model; one of random weights need not do that."""
    x = photo[60:188, 60:188]
    encoder, sizes, found = codec.Encoder(threads=1, effort=4), [], []
    for q in (5, 35, 65, 95):
        data = encoder.encode(x, q)
        sizes.append(len(data))
        found.append(targets.psnr(x, codec.decode(data)))
    assert sizes == sorted(sizes) and found == sorted(found)


def test_progress_is_told_in_refinement(pipeline):
    shares = []
    pipeline.encode(scene(5, 64, 64), 60, effort.PLANS[5], shares.append)
    assert shares == sorted(shares) and shares[-1] == 1
    # Every pass is a step: no long silence.
    assert np.diff([0, *shares]).max() < 0.35


def test_weights_follow_the_formula():
    """Flat counts more than busy, by the root of SSIM's own weights."""
    busy = np.random.default_rng(1).normal(128, 20, (1600, 1600, 1))
    x = np.repeat(busy, 3, 2).clip(0, 255).astype(np.uint8)
    x[:, :800] = 90
    weights = tune.ms_ssim(x)
    assert weights.shape == (400, 400) and weights.dtype == np.float32
    assert abs(weights.mean() - 1) < 1e-5
    flat, busy = weights[200, 90], weights[200, 310]
    assert flat / busy == pytest.approx(((2 * 20**2 + tune.C2) / tune.C2) ** 0.5, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (17, 1), (601, 90)])
def test_weights_of_any_shape(shape):
    x = np.random.default_rng(2).integers(0, 256, (*shape, 3)).astype(np.uint8)
    weights = tune.ms_ssim(x)
    assert weights.shape == tuple(-(-n // 4) for n in shape)
    assert (weights > 0).all() and np.isfinite(weights).all()
    assert np.allclose(tune.ms_ssim(np.full((*shape, 3), 7, np.uint8)), 1)


def test_what_is_asked_for_improves(photo):
    """Equal bytes: more MS-SSIM, less PSNR."""
    ms_ssim = pytest.importorskip("codec.bench.metrics").ms_ssim
    pytest.importorskip("pytorch_msssim")
    coders = [codec.Encoder("psnr", threads=1, effort=5, tune=name) for name in ("psnr", "ms-ssim")]
    tuned = coders[1].encode(photo, 40)
    plain = coders[0].encode(photo, target_size=len(tuned) + 20)
    assert len(plain) >= len(tuned) - 20
    a, b = (codec.decode(data) for data in (plain, tuned))
    assert ms_ssim(photo, b) > ms_ssim(photo, a)
    assert targets.psnr(photo, b) < targets.psnr(photo, a)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"tune": "ms-ssim"}, "needs an effort"),
        ({"tune": "ms-ssim", "effort": 1}, "needs an effort"),
        ({"tune": "look", "model": "psnr"}, "needs an effort of 2 or more, or no"),
        ({"tune": "psnr", "model": "digits"}, "needs an effort of 2 or more, or no"),
        ({"tune": "ssim", "effort": 3}, "tune must be look or psnr or ms-ssim"),
    ],
)
def test_tunes_that_are_none(options, message):
    with pytest.raises(codec.InputError, match=message):
        codec.Encoder(**options)
    with pytest.raises(codec.InputError, match="needs an effort"):
        codec.encode(scene(1, 20, 20), tune="ms-ssim")


def test_a_tune_names_the_model():
    x = scene(1, 40, 40)
    for name, model in (("psnr", "psnr"), ("look", find.DEFAULT), (None, find.DEFAULT)):
        data = codec.encode(x, tune=name)
        assert codec.info(data).model == find.load(model).id
        assert codec.Encoder(tune=name).model_id == find.load(model).id
    with pytest.raises(codec.InputError, match="has one model"):
        codec.Encoder().encode(x, tune="psnr")
    named = codec.Encoder("digits")
    assert named.encode(x[..., 0], tune="psnr", effort=2)


REFINING = """
import sys
from codec.cli.main import main
from codec.search import relax
step = relax.Relaxed.step
def announced(*args):
    print("refining", flush=True)
    return step(*args)
relax.Relaxed.step = announced
sys.exit(main("aecompress", sys.argv[1:]))
"""


def test_interrupted_in_refinement(tmp_path):
    """A real process: nothing is written, whatever was there stays."""
    from PIL import Image

    Image.fromarray(scene(3, 200, 200)).save(tmp_path / "a.png")
    (tmp_path / "a.aec").write_bytes(b"older")
    p = subprocess.Popen(
        [
            sys.executable,
            "-c",
            REFINING,
            "-f",
            "-T",
            "1",
            "--effort",
            "9",
            str(tmp_path / "a.png"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert p.stdout.readline() == "refining\n"
    p.send_signal(signal.SIGINT)
    p.communicate()
    assert p.returncode == 130
    assert (tmp_path / "a.aec").read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["aec", "aec-e3", "aec-e2-ms-ssim"])
def test_the_benchmark_knows_efforts(name):
    codecs = pytest.importorskip("codec.bench.codecs")
    assert codecs.load(name).name == name


def test_command_line(tmp_path):
    from PIL import Image

    from codec.cli.main import main

    Image.fromarray(scene(3, 40, 40)).save(tmp_path / "a.png")
    files = [str(tmp_path / "a.png"), str(tmp_path / "a.aec")]
    assert main("aecompress", ["--effort", "2", *files]) == 0
    assert main("aecompress", ["--effort", "10", *files]) == 1
    assert main("aedecompress", ["--effort", "2", files[1]]) == 1


def test_known_rows_are_those_of_the_symbols(pipeline):
    """Slabs and all: the same file whether rows are found again or not."""
    x = scene(7, 560, 48)
    y = pipeline.analyse(x, 55)
    short = pipeline.encode_latent(y, 55, effort.PLANS[3], x)
    found = np.empty_like(y)
    assert short == pipeline.encode_latent(y, 55, effort.PLANS[3], x, decoded=found)
    z, s = pipeline.read_symbols(short[0], 560, 48, 55, short[1])
    assert np.abs(pipeline.dequantise(z, s, 55) - found).max() < 1e-3


def test_models_of_older_exports_take_efforts():
    """Those whose graph has no part without probes."""
    pictures = np.arange(2 * 28 * 28, dtype=np.uint32).reshape(2, 28, 28) * 7 // 9 % 251
    pictures = pictures.astype(np.uint8)
    plain = codec.encode_batch(pictures, model="digits")
    better = codec.encode_batch(pictures, model="digits", effort=3)
    assert len(better) != len(plain)
    assert codec.decode_batch(better).shape == (2, 28, 28)
