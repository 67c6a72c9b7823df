"""codec.anomaly_score and the statistics that it rests on."""

import json
import math
import shutil

import numpy as np
import pytest
from conformance import cases
from test_stacks import drawn

import codec
from codec.insight import anomaly, calibrate
from codec.model import find
from codec.model.bundle import STATISTICS, Bundle
from codec.symbols.pipeline import Pipeline


@pytest.fixture(scope="module")
def photo():
    return codec.decode(cases.data("photo-160x240"))


@pytest.fixture
def folder(tmp_path):
    """A copy of the default model, to be altered."""
    return shutil.copytree(find.load().folder, tmp_path / "model")


def test_measure_is_of_the_file(photo):
    """Bits and error are those of what encode and decode do."""
    p = Pipeline(find.load(), 1)
    for image in photo, photo[:100, :90, 0]:
        error, bits = anomaly.measure(image, p)
        data = codec.encode(image, quality=anomaly.QUALITY)
        size = 2**bits * image.shape[0] * image.shape[1] / 8
        assert size - 8 < codec.info(data).payload_length < size + 16
        mse = np.square(codec.decode(data).astype(float) - image).mean()
        assert math.isclose(2**error, mse, rel_tol=1e-3)


def test_the_formula(photo):
    known = find.load().statistics
    measured = anomaly.measure(photo, Pipeline(find.load(), 1))
    z = [(x - known[n]["mean"]) / known[n]["std"] for x, n in zip(measured, ("error", "bits"))]
    r = known["correlation"]
    square = np.array(z) @ np.linalg.inv([[1, r], [r, 1]]) @ z
    got = codec.anomaly_score(photo)
    assert np.allclose(got, (*z, math.sqrt(square)), rtol=1e-3)


def test_noise_is_not_a_photograph(photo):
    noise = np.random.default_rng(1).integers(0, 256, (96, 96, 3))
    noise = codec.anomaly_score(noise.astype(np.uint8))
    usual = codec.anomaly_score(photo)
    assert noise.bits > 2 and noise.error > 2
    assert max(map(abs, usual[:2])) < 2.5


def test_flat_pictures_have_a_score():
    got = codec.anomaly_score(np.full((40, 40), 128, np.uint8))
    assert all(map(math.isfinite, got)) and got.bits < -2


def test_statistics_are_no_part_of_the_id(folder):
    assert (folder / STATISTICS).exists()
    (folder / STATISTICS).unlink()
    b = Bundle(folder)
    assert b.id == find.load().id and b.statistics is None
    with pytest.raises(codec.ModelError, match="calibrate"):
        codec.anomaly_score(np.zeros((9, 9), np.uint8), model=b)
    made = calibrate.write(b, drawn(4, 40, 40, (3,)), threads=1)
    assert Bundle(folder).statistics == made
    assert made["pictures"] == 4 and made["model"] == b.id
    assert codec.anomaly_score(drawn(1, 40, 40, (3,), seed=5)[0], model=folder).distance < 10


def test_calibrated_pictures_are_the_middle_of_their_scores(folder):
    b = Bundle(folder)
    pictures = drawn(8, 48, 48, (3,))
    calibrate.write(b, pictures, threads=1)
    got = np.array([codec.anomaly_score(a, model=b) for a in pictures])
    assert np.allclose(got[:, :2].mean(0), 0, atol=1e-3)
    assert np.allclose(got[:, :2].std(0, ddof=1), 1, atol=1e-3)
    assert np.isclose(np.square(got[:, 2]).sum(), 2 * 7, rtol=1e-2)


@pytest.mark.parametrize("pictures", [[], [np.zeros((9, 9, 3), np.uint8)] * 4])
def test_too_little_to_calibrate_with(folder, pictures):
    with pytest.raises(codec.InputError, match="three pictures"):
        calibrate.write(Bundle(folder), pictures, threads=1)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "0" * 16},
        {"quality": 49},
        {"correlation": 1.0},
        {"correlation": "x"},
        {"error": {"mean": 0, "std": 0}},
        {"bits": {"mean": math.nan, "std": 1}},
        {"bits": None},
    ],
)
def test_senseless_statistics(folder, change):
    path = folder / STATISTICS
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(codec.ModelError, match="statistics"):
        codec.anomaly_score(np.zeros((9, 9), np.uint8), model=folder)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000])
def test_unreadable_statistics(folder, text):
    (folder / STATISTICS).write_bytes(text)
    with pytest.raises(codec.ModelError, match="statistics"):
        codec.anomaly_score(np.zeros((9, 9), np.uint8), model=folder)


def test_the_command(folder, tmp_path, capsys):
    from PIL import Image

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, a in enumerate(drawn(3, 32, 40, (3,))):
        Image.fromarray(a).save(pictures / f"{i}.png")
    (pictures / "notes.txt").write_text("no picture")
    assert calibrate.main([str(pictures), "--model", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["pictures"] == 3 and "notes.txt: left out" in err
    assert calibrate.main([str(tmp_path / "none")]) == 1
