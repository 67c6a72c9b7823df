"""BD-rate and how curves are averaged."""

import numpy as np
import pytest

from codec.bench import checks, curves
from codec.bench.curves import Curve

RATE = np.array([0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
DECIBEL = np.array([26.0, 29.0, 32.5, 36.0, 39.5, 43.0])


def test_half_the_rate_is_minus_fifty():
    test = RATE / 2, DECIBEL
    assert curves.bd_rate((RATE, DECIBEL), test) == pytest.approx(-50)
    for band in curves.BANDS_DB:
        assert curves.bd_rate((RATE, DECIBEL), test, band) == pytest.approx(-50)
    assert curves.bd_rate(test, (RATE, DECIBEL)) == pytest.approx(100)


def test_one_decibel_more_is_bd_psnr_one():
    assert curves.bd_quality((RATE, DECIBEL), (RATE, DECIBEL + 1)) == pytest.approx(1)


def test_a_band_sees_only_itself():
    # Half the rate above 35 dB only; the lower band does not hear of it.
    rate = np.geomspace(0.05, 4, 40)
    quality = np.linspace(24, 44, 40)
    test = np.where(quality > 35, rate / 2, rate)
    assert curves.bd_rate((rate, quality), (test, quality), (27, 31)) == pytest.approx(
        0, abs=1e-6
    )
    assert curves.bd_rate((rate, quality), (test, quality), (39, 42)) == pytest.approx(
        -50, abs=1e-6
    )


def test_short_overlap_is_refused():
    whole = RATE, DECIBEL
    # Of 10 dB, 6 must be shared: the anchor ends at 43.
    assert curves.bd_rate(whole, (RATE, np.linspace(37.1, 47.1, 6))) is None
    assert curves.bd_rate(whole, (RATE, np.linspace(36.9, 46.9, 6))) is not None
    # Measured far beyond the anchor, a codec keeps its figure.
    assert curves.bd_rate(
        (RATE[:4], DECIBEL[:4]), (RATE / 2, DECIBEL)
    ) == pytest.approx(-50)
    # 60 % of the band 31..35 is 2.4 dB.
    short = RATE[:3], np.array([26, 30, 33.3])
    assert curves.bd_rate(whole, short, (31, 35)) is None
    short = RATE[:3], np.array([26, 30, 33.5])
    assert curves.bd_rate(whole, short, (31, 35)) is not None
    assert curves.bd_rate(whole, (RATE, DECIBEL + 30)) is None


def row(picture, codec, setting, bpp, psnr, size=100):
    return {
        "picture": picture,
        "sha256": picture,
        "codec": codec,
        "setting": setting,
        "width": 10,
        "height": 10,
        "bytes": size,
        "bpp": bpp,
        "psnr_db": psnr,
        "ms_ssim": "",
        "ms_ssim_db": "",
        "ssimulacra2": "",
    }


def test_mean_curve_uses_only_pictures_that_all_codecs_have():
    rows = [
        row("a", "x", "1", 1.0, 30.0),
        row("b", "x", "1", 2.0, 34.0),
        row("c", "x", "1", 9.0, 99.0),
        row("a", "y", "1", 1.0, 31.0),
        row("b", "y", "1", 3.0, 33.0),
    ]
    found, pictures = curves.mean_curves(rows, {"x": ["1"], "y": ["1"]})
    assert pictures == ["a", "b"]
    assert found["x"].bpp == [1.5] and found["x"].psnr_db == [32.0]
    assert found["y"].bpp == [2.0]
    assert found["x"].ratio == [3.0] and found["x"].ms_ssim_db == []


def test_points_leave_out_a_setting_that_gives_no_more():
    curve = Curve("x", bpp=[1.0, 3.0, 2.0, 4.0], psnr_db=[30.0, 31.0, 32.0, 35.0])
    rate, quality = curve.points("psnr")
    assert rate.tolist() == [1.0, 2.0, 4.0]
    assert quality.tolist() == [30.0, 32.0, 35.0]


def test_bands_of_another_metric_lie_where_the_anchor_has_those_psnrs():
    curve = Curve(
        "jpeg-420",
        bpp=RATE.tolist(),
        psnr_db=DECIBEL.tolist(),
        ms_ssim_db=(DECIBEL / 2).tolist(),
    )
    for found, (low, high) in zip(curves.bands(curve, "ms-ssim"), curves.BANDS_DB):
        assert found == pytest.approx((low / 2, high / 2))


def test_checks_fail_where_they_should():
    rows = [
        row("a", "aec", q, bpp, psnr, size)
        for q, bpp, psnr, size in (
            ("1", 0.1, 26.0, 10),
            ("50", 0.2, 33.0, 20),
            ("100", 2, 43.0, 200),
        )
    ]
    found, _ = curves.mean_curves(rows, {"aec": ["1", "50", "100"]})
    figures = {"aec": {"rate": checks.BD_RATE_TARGET - 0.5}}
    assert all(good for good, _ in checks.judge(rows, found, figures))
    assert not checks.judge(
        rows, found, {"aec": {"rate": checks.BD_RATE_TARGET + 0.1}}
    )[0][0]
    assert not checks.judge(rows, found, {"aec": {"rate": None}})[0][0]
    rows[1]["psnr_db"] = 25.9
    assert checks.monotone(rows, "aec") == [
        "a: psnr falls from 26 to 25.9 dB between q=1 and q=50"
    ]
    rows[1].update(psnr_db=33.0, bytes=9)
    assert len(checks.monotone(rows, "aec")) == 1
    rows[0]["psnr_db"], rows[2]["psnr_db"] = 27.1, 41.9
    found, _ = curves.mean_curves(rows, {"aec": ["1", "50", "100"]})
    assert [good for good, _ in checks.judge(rows, found, figures)][-2:] == [
        False,
        False,
    ]
