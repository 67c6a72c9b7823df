"""BD-rate and how curves are averaged."""

import numpy as np
import pandas as pd
import pytest

from codec.bench import checks, codecs, curves, metrics, summary

RATE = np.array([0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
DECIBEL = np.array([26.0, 29.0, 32.5, 36.0, 39.5, 43.0])


def test_half_the_rate_is_minus_fifty():
    test = RATE / 2, DECIBEL
    assert curves.bd_rate((RATE, DECIBEL), test) == pytest.approx(-50)
    for band in metrics.BANDS["psnr"]:
        assert curves.bd_rate((RATE, DECIBEL), test, band) == pytest.approx(-50)
    assert curves.bd_rate(test, (RATE, DECIBEL)) == pytest.approx(100)


def test_one_decibel_more_is_bd_psnr_one():
    assert curves.bd_quality((RATE, DECIBEL), (RATE, DECIBEL + 1)) == pytest.approx(1)


def test_a_band_sees_only_itself():
    # Half the rate above 35 dB only; the lower band does not hear of it.
    rate = np.geomspace(0.05, 4, 40)
    quality = np.linspace(24, 44, 40)
    test = np.where(quality > 35, rate / 2, rate)
    assert curves.bd_rate((rate, quality), (test, quality), (27, 31)) == pytest.approx(0, abs=1e-6)
    assert curves.bd_rate((rate, quality), (test, quality), (39, 42)) == pytest.approx(
        -50, abs=1e-6
    )


def test_short_overlap_is_refused():
    whole = RATE, DECIBEL
    # Of 10 dB, 6 must be shared: the anchor ends at 43.
    assert curves.bd_rate(whole, (RATE, np.linspace(37.1, 47.1, 6))) is None
    assert curves.bd_rate(whole, (RATE, np.linspace(36.9, 46.9, 6))) is not None
    # Measured far beyond the anchor, a codec keeps its figure.
    assert curves.bd_rate((RATE[:4], DECIBEL[:4]), (RATE / 2, DECIBEL)) == pytest.approx(-50)
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
    }


def test_mean_curve_uses_only_pictures_that_all_codecs_have():
    rows = pd.DataFrame(
        [
            row("a", "x", "1", 1.0, 30.0),
            row("b", "x", "1", 2.0, 34.0),
            row("c", "x", "1", 9.0, 99.0),
            row("a", "y", "1", 1.0, 31.0),
            row("b", "y", "1", 3.0, 33.0),
            row("b", "y", "2", 8.0, 88.0),
        ]
    )
    found, pictures = curves.mean_curves(rows, {"x": ["1"], "y": ["1"]})
    assert pictures == ["a", "b"]
    assert found["x"]["bpp"].tolist() == [1.5]
    assert found["x"]["psnr"].tolist() == [32.0]
    assert found["y"]["bpp"].tolist() == [2.0]
    assert found["x"]["ratio"].tolist() == [3.0] and "ms-ssim" not in found["x"]


def test_curves_average_qualities_not_figures():
    """The mean of two pictures' dB, in the order of the plan."""
    rows = [row(p, "x", s, 1.0, 30.0) for p in "ab" for s in ("9", "10")]
    for r, similarity in zip(rows, (0.9, 0.99, 0.999, 0.9999)):
        r |= {"ms_ssim": similarity, "width": 200, "height": 200}
    found, _ = curves.mean_curves(pd.DataFrame(rows), {"x": ["9", "10"]})
    assert found["x"].index.tolist() == ["9", "10"]
    assert found["x"]["ms-ssim"].tolist() == pytest.approx([20, 30])
    assert found["x"]["ms_ssim"].tolist() == pytest.approx([0.9495, 0.99495])


def test_a_metric_that_a_picture_lacks_has_no_mean():
    rows = pd.DataFrame([row(p, "x", "1", 1.0, 30.0) for p in "ab"])
    rows["ssimulacra2"] = [50.0, np.nan]
    assert "ssimulacra2" not in curves.mean_curves(rows, {"x": ["1"]})[0]["x"]
    # Of a picture that is too small for it nobody expects the figure.
    rows["ms_ssim"] = [0.9, np.nan]
    rows[["width", "height"]] = [[200, 200], [200, 160]]
    found = curves.mean_curves(rows, {"x": ["1"]})[0]["x"]
    assert found["ms-ssim"].tolist() == pytest.approx([10])


def test_points_leave_out_a_setting_that_gives_no_more():
    curve = pd.DataFrame({"bpp": [1.0, 3.0, 2.0, 4.0], "psnr": [30.0, 31.0, 32.0, 35.0]})
    rate, quality = curves.points(curve, "psnr")
    assert rate.tolist() == [1.0, 2.0, 4.0]
    assert quality.tolist() == [30.0, 32.0, 35.0]
    assert [len(x) for x in curves.points(curve, "cvvdp")] == [0, 0]


def test_bands_lie_where_the_anchor_has_those_scores():
    score = np.array([10.0, 30.0, 50.0, 70.0, 90.0, 95.0])
    curve = pd.DataFrame({"bpp": RATE, "psnr": DECIBEL, "ssimulacra2": score, "cvvdp": score / 10})
    assert curves.bands(curve, "psnr") == list(metrics.BANDS["psnr"])
    found = np.array(curves.bands(curve, "cvvdp"))
    assert found.ravel() == pytest.approx([3, 5, 5, 7, 7, 9])
    assert curves.bands(curve.drop(columns="ssimulacra2"), "cvvdp") == [None] * 3
    assert curves.bands(curve[:4], "cvvdp")[1:] == [pytest.approx((5, 7)), None]


def test_quality_at_a_size():
    assert curves.at_rate((RATE, DECIBEL), 0.2 * 2**0.5) == pytest.approx(30.75)
    assert curves.at_rate((RATE, DECIBEL), 0.09) is None


def test_promises_are_compared_with_the_avif_that_they_name():
    """Half of one opponent's bytes and twice another's."""
    score = np.linspace(20, 95, 6)
    found = {
        name: pd.DataFrame({"bpp": RATE * size, "ssimulacra2": score, "cvvdp": score})
        for name, size in (
            (codecs.OURS, 1),
            ("avif-444-ssimulacra2", 2),
            ("avif-444-iq", 0.5),
        )
    }
    rates = {
        (p.codec, p.metric): figures and round(figures["rate"])
        for p, figures in checks.promised(found)
    }
    assert rates.pop((codecs.OURS, "ssimulacra2")) == -50
    assert rates.pop((codecs.OURS, "cvvdp")) == 100
    assert set(rates.values()) == {None}
    rows = {line[0]: line for line in checks.table(found)[1]}
    line = rows["default, by SSIMULACRA 2, to AVIF tune=ssimulacra2"]
    assert line[1:] == ["−10", "−25", "−50.0", "−50.0, −50.0, −50.0", "yes"]
    assert rows["default, by ColorVideoVDP, to AVIF tune=iq"][-1] == "no"
    assert rows["default, by MS-SSIM, to AVIF tune=iq"][3:] == ["–", "–", "no"]


def test_checks_fail_where_they_should():
    rows = [
        row("a", "aec", q, bpp, psnr, size)
        for q, bpp, psnr, size in (
            ("1", 0.1, 26.0, 10),
            ("50", 0.2, 33.0, 20),
            ("100", 2, 43.0, 200),
        )
    ]

    def judged():
        frame = pd.DataFrame(rows)
        found, _ = curves.mean_curves(frame, {"aec": ["1", "50", "100"]})
        return frame, checks.judge(frame, found)

    assert all(good for good, _ in judged()[1])
    rows[1]["psnr_db"] = 25.9
    assert checks.monotone(judged()[0], "aec") == [
        "a: psnr falls from 26 to 25.9 dB between q=1 and q=50"
    ]
    rows[1].update(psnr_db=33.0, bytes=9)
    assert len(checks.monotone(judged()[0], "aec")) == 1
    rows[0]["psnr_db"], rows[2]["psnr_db"] = 27.1, 41.9
    assert [good for good, _ in judged()[1]][-2:] == [False, False]


def test_codecs_that_were_not_measured_by_a_metric_are_not_in_its_table():
    rows = [row("a", n, s, *p) for n in "xy" for s, p in zip("123", zip(RATE, DECIBEL))]
    for r in rows[:3]:
        r["ssimulacra2"] = r["psnr_db"] * 2
    card = {"settings": ["1", "2", "3"], "kind": "lossy", "label": "", "version": ""}
    found = summary.summarise(
        pd.DataFrame(rows), {"x": card, "y": card}, ["psnr", "ssimulacra2"], "x"
    )
    assert {m: set(names) for m, names in found.figures.items()} == {
        "psnr": {"x", "y"},
        "ssimulacra2": {"x"},
    }
