"""The one table of the README."""

import pytest

pytest.importorskip("bjontegaard")

from codec.bench import codecs, summary


def made_up(names):
    """A summary of these codecs; the k-th is k % smaller than JPEG."""
    figures = {
        metric: {
            name: {"rate": -float(10 * i + k)} for k, name in enumerate(names) if name != "jpeg-420"
        }
        | {"jpeg-420": {"rate": 0.0}}
        for i, metric in enumerate(("psnr", "ssimulacra2"))
    }
    labels = {name: name.upper() for name in names}
    anchors = dict.fromkeys(figures, "jpeg-420")
    return summary.Summary(None, ["a", "b"], {}, figures, labels, anchors)


SPEEDS = {
    "threads": 2,
    "times": [
        {
            "codec": codec,
            "label": codec.upper(),
            "width": width,
            "height": 512,
            "encode_mp_per_s": 1.25,
            "decode_mp_per_s": 20.0,
        }
        for codec in ("aec", "jpeg-420", "avif-444-iq")
        for width in (384, 768)
    ],
}


def test_avif_is_the_one_that_is_tuned_for_the_column():
    tuned = [codecs.tuned_avif(m) for m in ("psnr", "ssimulacra2")]
    found = made_up(["jpeg-420", "aec", "avif-444-iq", *tuned])
    title, header, rows = summary.glance(found, SPEEDS, (768, 512))
    assert "against JPEG-420 at equal quality" in title and "2 pictures" in title
    assert header[1:3] == ["by PSNR, %", "by SSIMULACRA 2, %"]
    assert rows == [
        ["AEC", "−1.0", "−11.0", "1.2", "20.0"],
        ["JPEG-420", "0", "0", "1.2", "20.0"],
        ["AVIF 4:4:4, tuned for each metric", "−3.0", "−14.0", "1.2", "20.0"],
    ]


def test_without_all_tunes_it_is_the_one_that_was_timed():
    found = made_up(["jpeg-420", "aec", "avif-444-iq"])
    rows = summary.glance(found, SPEEDS, (768, 512))[2]
    assert rows[2][:3] == ["AVIF-444-IQ", "−2.0", "−12.0"]
    del found.figures["psnr"]["avif-444-iq"]
    assert summary.glance(found, SPEEDS, (768, 512))[2][2][1] == "–"
