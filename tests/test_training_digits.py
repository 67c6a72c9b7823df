"""Digits: pictures under 64 pixels, IDX files, the preset, the report."""

import gzip
import math
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("sklearn")

sys.path.append(str(Path(__file__).parent.parent))

from training_runs import TINY, psnr, quiet, scene

import codec
from benchmarks.digits import __main__ as report
from benchmarks.digits import coding, knowing, models
from codec.insight import anomaly
from codec.model.bundle import Bundle
from codec.symbols.pipeline import Pipeline
from codec.training import cli, curves, data, digits, functional, state, train
from codec.training.config import PRESETS, Config, TrainingError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """scikit-learn's digits as IDX files."""
    return digits.unpack(tmp_path_factory.mktemp("digits") / "in")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model as the command makes it without a folder of pictures."""
    tmp = tmp_path_factory.mktemp("preset")
    assert (
        cli.main(
            [
                "--preset",
                "digits",
                "--steps",
                "40",
                "--warmup",
                "4",
                "--ema",
                "0.8",
                "--rate",
                "4",
                "--dropout",
                "0.1",
                "--workers",
                "1",
                "--batch",
                "32",
                "--bf16",
                "off",
                "--table-pictures",
                "200",
                "--out",
                str(tmp / "model"),
                "--state",
                str(tmp / "state"),
            ]
        )
        == 0
    )
    return tmp


# Files


def test_idx_files_come_back(tmp_path):
    rng = np.random.default_rng(1)
    for shape in (3, 5, 7), (4,), (0, 2, 2):
        a = rng.integers(0, 256, shape).astype(np.uint8)
        digits.write(a, tmp_path / "a")
        assert np.array_equal(digits.read(tmp_path / "a"), a)
        packed = gzip.compress((tmp_path / "a").read_bytes())
        (tmp_path / "a").write_bytes(packed)
        assert np.array_equal(digits.read(tmp_path / "a"), a)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x08\x03" + bytes(8),
        b"\0\0\x0d\x01" + bytes(4),
        b"\0\0\x08\x01\0\0\0\x05abcd",
        b"\0\0\x08\x01\xff\xff\xff\xffabcd",
        b"\0\0\x08\x01\0\0\0\x03abcd",
        b"\0\0\x08\x02" + bytes(8),
    ],
)
def test_damaged_idx_files_are_errors(tmp_path, bad):
    (tmp_path / "a-idx3-ubyte").write_bytes(bad)
    with pytest.raises(ValueError):
        digits.read(tmp_path / "a-idx3-ubyte")
    lines = []
    with pytest.raises(TrainingError, match="none of its 1"):
        data.build_cache(tmp_path, tmp_path / "cache", lines.append, 28)
    assert any("a-idx3-ubyte: left out" in line for line in lines)


def test_labels_belong_to_pictures(folder, tmp_path):
    pictures, labels = digits.load(folder)
    assert pictures.shape == (1797, 28, 28) and set(labels) == {*range(10)}
    assert not pictures[:, :2].any() and pictures.max() == 255
    with pytest.raises(TrainingError, match="labels"):
        digits.load(tmp_path)
    digits.write(pictures[:3], tmp_path / "x-idx3-ubyte")
    digits.write(labels[:2], tmp_path / "x-idx1-ubyte")
    with pytest.raises(TrainingError, match="3 pictures, 2 labels"):
        digits.load(tmp_path)


def test_every_picture_of_an_idx_file_is_there(folder, tmp_path):
    index = data.build_cache(folder, tmp_path / "cache", quiet, 28)
    assert len(index) == 1797
    crops = data.Crops(tmp_path / "cache", index, 28)
    want = digits.load(folder)[0][5]
    assert np.array_equal(crops.picture(5), np.repeat(want[..., None], 3, 2))
    with pytest.raises(TrainingError, match="64"):
        data.build_cache(folder, tmp_path / "other", quiet)


# Crops


def crops_of(tmp_path, array, *args):
    digits.write(array, tmp_path / "a-idx3-ubyte")
    index = data.build_cache(tmp_path, tmp_path / "c", quiet, 8)
    return data.Crops(tmp_path / "c", index, array.shape[1], *args)


def test_shifts_move_and_never_mirror(tmp_path):
    a = np.zeros((1, 9, 9), np.uint8)
    a[0, 3, 4:6] = 200, 90  # a mirrored one would differ
    crops = crops_of(tmp_path, a, False, 2)
    seen = set()
    for b in crops.batch(400, np.random.default_rng(0))[..., 0]:
        y, x = np.argwhere(b == 200)[0]
        assert b[y, x + 1] == 90 and b.astype(int).sum() == 290
        seen.add((y - 3, x - 4))
    assert seen == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def test_whole_pictures_go_together(tmp_path, monkeypatch):
    a = np.random.default_rng(2).integers(0, 256, (7, 10, 10)).astype(np.uint8)
    crops = crops_of(tmp_path, a)
    monkeypatch.setattr(data, "WHOLE_PIXELS", 300)
    found = list(crops.whole([0, 2, 4, 6], 64))
    assert [n for n, _ in found] == [[0, 1, 2], [3]]
    assert np.array_equal(np.concatenate([p[..., 0] for _, p in found]), a[::2])


# The preset


def test_the_preset_makes_a_model_of_the_format(trained):
    rows = [r for r in curves.read(trained / "state/log.csv") if r["kind"] == "valid"]
    assert rows and {r["lambda"] for r in rows} <= {*train.VALID_LAMBDAS}
    pictures = digits.bundled()[0][-150:]
    model = trained / "model"
    sizes, errors = [], []
    for q in (10, 50, 90):
        stack = codec.encode_batch(pictures, quality=q, model=model)
        with codec.Stack(stack, codec.Decoder(model=model)) as s:
            back = s[:]
        assert back.shape == pictures.shape
        sizes.append(len(stack))
        errors.append(psnr(back, pictures))
        one = codec.Encoder(model=model).encode(pictures[3], q)
        assert np.abs(codec.Decoder(model=model).decode(one).astype(int) - back[3]).max() <= 1
    assert sizes == sorted(sizes) and errors == sorted(errors)
    assert errors[2] > 20 and sizes[2] < pictures.nbytes / 4
    size = sum(f.stat().st_size for f in model.iterdir())
    assert size < 10**6


def test_what_was_trained_is_what_runs(trained):
    """Bits and error of a digit of odd size, in torch and in its file."""
    saved = state.read(trained / "state/checkpoint.pt")
    model = state.averaged(saved).eval()
    cfg = Config.from_dict(saved["config"])
    assert cfg.dropout == 0.1 and cfg.loss == "bce"
    x = np.repeat(digits.bundled()[0][7, 1:, :25, None], 3, 2)
    functional.use_bf16(False)
    with torch.no_grad():
        lam = model.lambda_of(torch.tensor([0.8]))
        bpp, _, x_hat, _ = model(functional.to_float(x[None]), lam)
    functional.use_bf16(True)
    shown = ((x_hat[0].numpy() + 0.5) * 255).round().clip(0, 255)
    data_ = codec.Encoder(model=trained / "model").encode(x[..., 0], 1 + 99 * 0.8)
    back = codec.Decoder(model=trained / "model").decode(data_)
    assert np.abs(back - shown[..., 0]).mean() < 1
    bits = bpp.item() * x.shape[0] * x.shape[1]
    assert 8 * (len(data_) - 32) < 1.5 * bits + 64


def test_dropout_is_for_training_only(trained):
    saved = state.read(trained / "state/checkpoint.pt")
    model = state.averaged(saved)
    for block in model.synthesis.blocks8:
        block.dropout = 0.5
    y = torch.randn(2, 2, 2, model.shape.m)
    q = torch.tensor([0.5, 0.5])
    with torch.no_grad():
        assert not torch.equal(model.synthesis(y, q), model.synthesis(y, q))
        model.eval()
        assert torch.equal(model.synthesis(y, q), model.synthesis(y, q))


def test_clamped_samples_have_no_error_beyond_black(trained):
    cfg = Config(shape=TINY)
    model = state.empty_model(cfg.shape)
    with torch.no_grad():
        model.synthesis.bias -= 3.0  # darker than black
    x = torch.full((1, 20, 30, 3), -0.5)
    lam = torch.tensor([0.01])
    with torch.no_grad():
        assert model(x, lam)[1].item() > 1000
        model.clamped = True
        assert model(x, lam)[1].item() == 0


def test_sizes_do_not_change_what_whole_cells_give():
    """A picture of whole cells is coded as it was before there were others."""
    torch.manual_seed(0)
    model = state.empty_model(TINY)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape) * 0.05)
    x = functional.to_float(scene(1, 64, 64)[None].copy())
    assert functional.padded(x, 16) is x
    y = functional.padded(x[:, :50, :33], 16)
    assert y.shape == (1, 64, 48, 3)
    assert torch.equal(y[:, 60, :33], x[:, 49, :33])
    assert torch.equal(y[:, :50, 47], x[:, :50, 32])
    with torch.no_grad():
        shown = model(x[:, :50, :33], torch.tensor([0.01]))[2]
    assert shown.shape == (1, 50, 33, 3)


def test_presets_are_settings():
    for preset in PRESETS.values():
        cfg = Config(**preset)
        assert Config.from_dict(cfg.to_dict()) == cfg


# The report


def test_many_pictures_are_measured_as_one_is(trained):
    pipeline = Pipeline(Bundle(trained / "model"), 1)
    pictures = digits.bundled()[0][:7]
    found = knowing.measured(pictures, pipeline)
    for a, row in zip(pictures, found):
        assert row == pytest.approx(anomaly.measure(a, pipeline), abs=0.02)
    known = knowing.known(found)
    scores = [anomaly.score(row, known) for row in found]
    assert np.mean([s.error for s in scores]) == pytest.approx(0, abs=1e-9)
    assert np.std([s.bits for s in scores], ddof=1) == pytest.approx(1)


def test_sets_are_split_by_index():
    parts = models.sets(None)
    whole = digits.bundled()
    assert [len(p) for p in parts] == [1437, 180, 180]
    assert np.array_equal(np.concatenate([p.labels for p in parts]), whole[1])


def test_a_set_side_by_side():
    a = np.random.default_rng(0).integers(0, 256, (45, 4, 3)).astype(np.uint8)
    whole = coding.mosaic(a)
    assert whole.shape == (8, 120)
    assert np.array_equal(whole[4:, 12:15], a[44])
    a = digits.bundled()[0][:5]
    d = coding.distortion(a, a)
    assert d["mae"] == 0 and math.isclose(d["ms_ssim"], 1, abs_tol=1e-5)
    d = coding.distortion(a, a ^ 4)
    assert d["mae"] == pytest.approx(4, abs=1e-3)
    assert d["psnr"] == pytest.approx(10 * math.log10(255**2 / 16))


@pytest.mark.slow
def test_the_report_is_written(tmp_path):
    argv = [
        "--out",
        tmp_path / "docs",
        "--work",
        tmp_path / "work",
        "--steps",
        60,
        "--loss-steps",
        20,
        "--anomaly-steps",
        20,
    ]
    report.main([str(a) for a in argv])
    page = (tmp_path / "docs/digits.md").read_text()
    assert "scikit-learn" in page and "{" not in page
    for name in ("digits", "rates", "map", "losses"):
        assert f"digits/{name}.png" in page
        assert (tmp_path / f"docs/digits/{name}.png").stat().st_size > 1000
