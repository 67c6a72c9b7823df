"""aebench's figures against independent ones."""

import dataclasses
import io
import math
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from codec.bench import codecs, metrics


def photograph(height=208, width=176, seed=0):
    """Smooth shapes, an edge and some grain: enough for every codec."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40
    planes = [128 + 90 * np.sin(x * f + y) * np.cos(y * f) for f in (1, 2, 3)]
    picture = np.stack(planes, -1) + rng.normal(0, 6, (height, width, 3))
    picture[:, width // 2 :] *= 0.7
    return picture.clip(0, 255).astype(np.uint8)


def test_jpeg_has_the_bytes_and_psnr_of_a_three_line_script(tmp_path):
    picture = photograph()
    path = tmp_path / "a.jpg"
    Image.fromarray(picture).save(path, quality=75, optimize=True, subsampling=2)
    difference = np.float64(picture) - np.asarray(Image.open(path))
    psnr = 20 * math.log10(255 / math.sqrt((difference**2).mean()))

    codec = codecs.load("jpeg-420")
    data = codec.encode(picture, 75, 1)
    found = metrics.measure(picture, codec.decode(data), ["psnr"])
    assert len(data) == path.stat().st_size
    assert found["psnr_db"] == pytest.approx(psnr, abs=1e-9)
    assert found["max_error"] == abs(difference).max()
    assert found["mean_error"] == pytest.approx(abs(difference).mean())


def test_chroma_subsampling_is_what_the_name_says():
    picture = photograph()
    for name, wanted in (("jpeg-420", (2, 2)), ("jpeg-444", (1, 1))):
        image = Image.open(io.BytesIO(codecs.load(name).encode(picture, 75, 1)))
        assert image.layer[0][1:3] == wanted


def second_ms_ssim(a, b):
    """MS-SSIM written from the paper with SciPy, plane by plane."""
    from scipy.ndimage import correlate1d

    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blur(plane):
        plane = correlate1d(correlate1d(plane, taps, 0), taps, 1)
        return plane[5:-5, 5:-5]

    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    scores = []
    for c in range(3):
        x, y = a[..., c].astype(float), b[..., c].astype(float)
        score = 1.0
        for scale, weight in enumerate(weights):
            mx, my = blur(x), blur(y)
            vx, vy = blur(x * x) - mx * mx, blur(y * y) - my * my
            cov = blur(x * y) - mx * my
            contrast = (2 * cov + c2) / (vx + vy + c2)
            if scale == 4:
                contrast = contrast * (2 * mx * my + c1) / (mx * mx + my * my + c1)
            score *= max(contrast.mean(), 0) ** weight
            x, y = (
                p[: p.shape[0] // 2 * 2, : p.shape[1] // 2 * 2]
                .reshape(p.shape[0] // 2, 2, p.shape[1] // 2, 2)
                .mean((1, 3))
                for p in (x, y)
            )
        scores.append(score)
    return np.mean(scores)


@pytest.mark.parametrize("quality", [5, 30, 90])
def test_ms_ssim_agrees_with_a_second_implementation(quality):
    pytest.importorskip("pytorch_msssim")
    picture = photograph()
    codec = codecs.load("jpeg-420")
    decoded = codec.decode(codec.encode(picture, quality, 1))
    assert metrics.ms_ssim(picture, decoded) == pytest.approx(
        second_ms_ssim(picture, decoded), abs=2e-5
    )


def test_ms_ssim_of_a_small_picture_is_undefined_not_an_error():
    pytest.importorskip("pytorch_msssim")
    for height, wanted in ((160, {}), (161, {"ms_ssim": 1.0})):
        found = metrics.measure(*[photograph(height, 400)] * 2, ["ms-ssim"])
        assert found == {"max_error": 0, "mean_error": 0, **wanted}


def require(name):
    try:
        metrics.METRICS[name].require()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", metrics.METRICS)
def test_quality_rises_to_that_of_equal_pictures(name):
    """By every metric, after what makes a curve of its figures."""
    require(name)
    metric, picture = metrics.METRICS[name], photograph()
    codec = codecs.load("jpeg-444")
    figures = [
        metric.measure(picture, codec.decode(codec.encode(picture, quality, 1)))
        for quality in (10, 50, 90)
    ]
    figures.append(metric.measure(picture, picture))
    assert figures[-1] == pytest.approx(metric.equal, abs=1e-5)
    qualities = [metric.quality(figure) for figure in figures]
    assert qualities == sorted(qualities) and len(set(qualities)) == 4


def test_butteraugli_is_the_three_norm_of_the_program(tmp_path):
    require("butteraugli")
    picture = photograph()
    decoded = np.roll(picture, 1, 0)
    for name, pixels in (("a", picture), ("b", decoded)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    run = subprocess.run(
        [metrics.BUTTERAUGLI, tmp_path / "a.png", tmp_path / "b.png", "--pnorm", "3"],
        capture_output=True,
        text=True,
        check=True,
    )
    worst, norm = run.stdout.split("\n")[:2]
    found = metrics.butteraugli(picture, decoded)
    assert norm == f"3-norm: {found:.6f}" and found < float(worst)


def test_a_missing_program_is_named():
    metric = dataclasses.replace(metrics.METRICS["psnr"], programs=("no-such",))
    with pytest.raises(ImportError, match="no-such"):
        metric.require()


def loaded(name):
    try:
        return codecs.load(name)
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("tune", ["psnr", "iq", "ssimulacra2"])
def test_avif_is_tuned_for_what_its_name_says(tune, monkeypatch):
    """Named in the file's options and in the versions, never a default."""
    codec = loaded(f"avif-444-{tune}")
    picture, given = photograph(64, 80), {}
    save = Image.Image.save

    def spy(image, file, format, **options):
        given.update(options)
        save(image, file, format, **options)

    monkeypatch.setattr(Image.Image, "save", spy)
    codec.encode(picture, 60, 1)
    assert given["advanced"] == {"tune": tune} and given["codec"] == "aom"
    assert given["subsampling"] == "4:4:4" and given["speed"] == 6
    assert re.search(r"avif [\d.]+, libaom \d", codec.version)
    assert f"tune={tune}" in codec.label


def test_tunes_of_avif_make_different_files():
    picture = photograph(64, 80)
    files = {loaded(codecs.tuned_avif(name)).encode(picture, 60, 1) for name in metrics.METRICS}
    assert len(files) == 3


def test_decibel_of_ms_ssim():
    assert metrics.decibel(0.99) == pytest.approx(20)
    assert metrics.decibel(1.0) == math.inf


@pytest.mark.parametrize("name", [name for name in codecs.BUILDERS if name != codecs.OURS])
def test_every_codec_returns_the_picture(name):
    codec = loaded(name)
    picture = photograph(64, 80)
    sizes = []
    for setting in (codec.settings[0], codec.settings[-1]):
        data = codec.encode(picture, setting, 1)
        decoded = codec.decode(data, picture.shape, 1)
        assert decoded.shape == picture.shape and decoded.dtype == np.uint8
        sizes.append(len(data))
    # The last setting is the best one.
    if codec.kind == "lossy":
        assert sizes[0] < sizes[1]
        assert metrics.psnr(picture, decoded) > 30
    else:
        assert np.array_equal(picture, decoded)
    low, high = codec.settings[0], codec.settings[-1]
    assert codec.typical == low or min(low, high) < codec.typical < max(low, high)
