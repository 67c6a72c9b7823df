"""The report: self-contained, and alive in a real Chromium."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import bench_chromium
import numpy as np
import pytest
from PIL import Image
from test_bench_metrics import photograph

from codec.bench import cli, codecs, curves, published, report, viewer


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A run over three pictures, named as if it were Kodak's."""
    place = tmp_path_factory.mktemp("report")
    folder = place / "pictures"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(photograph(120, 160, seed)).save(folder / f"picture-{seed}.png")
    assert (
        cli.main(
            [
                str(folder),
                "--out",
                str(place),
                "--jobs",
                "1",
                "--metrics",
                "psnr",
                "--codecs",
                "jpeg-*",
                "webp",
                "png",
            ]
        )
        == 0
    )
    kept = json.loads((place / "environment.json").read_text())
    (place / "pictures.csv").rename(place / "kodak.csv")
    (place / "environment.json").write_text(json.dumps({**kept, "dataset": "kodak"}))
    assert cli.main(["--report", "--out", str(place)]) == 0
    return place


class _References(HTMLParser):
    """What a page would load from elsewhere, and ids used twice."""

    def __init__(self):
        super().__init__()
        self.outside, self.ids = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "srcset", "data") and not (value.startswith(("data:", "#"))):
                self.outside.append(value)


def test_page_is_self_contained_and_small(out):
    text = (out / "report.html").read_text("utf-8")
    found = _References()
    found.feed(text)
    assert not found.outside
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    assert {"v-canvas", "pictures-table"} <= set(found.ids)
    assert len(text.encode()) < report.MAX_BYTES
    for words in (
        "3 pictures (Kodak)",
        "Published, not measured here",
        "InterDigitalInc/CompressAI",
        "JPEG 4:2:0 (anchor)",
    ):
        assert words in text


def test_published_curves_are_dashed_and_only_they(out):
    text = (out / "report.html").read_text("utf-8")
    keys = {
        key: "stroke-dasharray" in drawn
        for key, drawn in re.findall(r'<g class="series" data-key="([^"]*)">(.*?)</g>', text, re.S)
    }
    assert {key for key, dashed in keys.items() if not dashed} == {
        "jpeg-420",
        "jpeg-444",
        "webp",
    }
    assert {key for key, dashed in keys.items() if dashed} == {
        label for label, (curve, _) in published.curves().items() if curve["psnr"].notna().any()
    }


def test_published_curves_have_sources_and_their_known_order():
    listed = published.curves()
    assert all(source for _, source in listed.values())
    # VVC was made to halve HEVC's rate; for pictures it saves a quarter.
    assert (
        -35
        < curves.bd_rate(
            curves.points(listed["HM (HEVC intra)"][0], "psnr"),
            curves.points(listed["VTM (VVC intra)"][0], "psnr"),
        )
        < -15
    )


def test_match_size_finds_the_nearest_file():
    png = codecs.load("png")
    fake = dataclasses.replace(
        png,
        kind="lossy",
        settings=(1, 50, 100),
        encode=lambda picture, setting, threads: bytes(10 * setting),
    )
    for target, wanted in ((333, 33), (337, 34), (1, 1), (5000, 100)):
        assert viewer.match_size(fake, None, target, 1)[0] == wanted
    falling = dataclasses.replace(
        fake,
        settings=(15.0, 1.0, 0.1),
        encode=lambda picture, setting, threads: bytes(round(1000 / setting)),
    )
    setting, data = viewer.match_size(falling, None, 400, 1)
    assert abs(len(data) - 400) < 30 and setting == pytest.approx(2.5, 0.1)


def test_window_is_the_middle_and_exact():
    picture = photograph(500, 700)
    shown = viewer.window(picture)
    assert shown.shape == (320, 480, 3)
    assert np.array_equal(shown, picture[90:410, 110:590])
    assert viewer.window(photograph(90, 70)).shape == (90, 70, 3)


def test_main_plot_is_a_picture_of_its_own(out):
    root = ElementTree.parse(out / "psnr.svg").getroot()
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "JPEG 4:2:0" in words and "bits per pixel (whole file)" in words
    assert "VTM (VVC intra): published, not measured here" in words


needs_chromium = pytest.mark.skipif(not bench_chromium.PROGRAM, reason="no Chromium here")
READY = "document.querySelector('#v-canvas').dataset.ready === 'yes'"
SLIDER = "Number(document.querySelector('#v-slider').value)"
ZOOM = "document.querySelector('#v-zoom').textContent"
DRAWN = "document.querySelector('#v-canvas').toDataURL()"
COLUMN = (
    "[...document.querySelectorAll('#pictures-table tbody tr')].map("
    "r => Number(r.cells[2].dataset.value))"
)


@needs_chromium
def test_mouse_and_keys(out, tmp_path):
    with bench_chromium.Page(tmp_path) as page:
        page.open(out / "report.html", 1200, 900)
        page.wait(READY)
        # The divider follows the mouse, and what is drawn follows it.
        seen = {}
        for at in (0.2, 0.8):
            page.drag(page.spot("#v-canvas", 0.5), page.spot("#v-canvas", at))
            assert page.run(SLIDER) == pytest.approx(100 * at, abs=0.6)
            seen[at] = page.run(DRAWN)
        assert seen[0.2] != seen[0.8]
        page.key("ArrowLeft", 37)
        assert page.run(SLIDER) == pytest.approx(78, abs=0.6)
        page.run("document.querySelector('#v-slider').focus()")
        page.key("Home", 36)
        assert page.run(SLIDER) == 0
        # At 0 the right side fills the picture, whatever is on the left.
        whole = page.run(DRAWN)
        page.run("""(() => { const s = document.querySelector('#v-left');
            s.value = 'webp'; s.dispatchEvent(new Event('change')); })()""")
        page.wait(READY)
        assert page.run(DRAWN) == whole

        page.click("#v-in")
        page.click("#v-in")
        assert page.run(ZOOM) == "4×" and page.run(DRAWN) != whole
        zoomed = page.run(DRAWN)
        page.drag(page.spot("#v-canvas", 0.7), page.spot("#v-canvas", 0.4))
        assert page.run(DRAWN) != zoomed and page.run(SLIDER) == 0
        page.run("document.querySelector('#v-canvas').focus()")
        page.key("0", 48)
        assert page.run(ZOOM) == "1×"
        page.key("d", 68)
        assert (
            page.run("document.querySelector('#v-difference').getAttribute('aria-pressed')")
            == "true"
        )
        assert page.run(DRAWN) != whole
        # A picture has no difference from itself.
        page.run("""for (const id of ['left', 'right']) {
            const s = document.querySelector('#v-' + id);
            s.value = 'original'; s.dispatchEvent(new Event('change')); }""")
        assert page.run(
            "[...document.querySelector('#v-canvas').getContext('2d')"
            ".getImageData(5, 5, 50, 50).data]"
            ".every((v, i) => i % 4 === 3 || v === 0)"
        )

        before = page.run(COLUMN)
        head = "#pictures-table th:nth-child(3) button"
        page.click(head)
        assert page.run(COLUMN) == sorted(before)
        page.click(head)
        assert page.run(COLUMN) == sorted(before, reverse=True)

        off = "document.querySelectorAll('.series.off').length"
        hidden = page.run(off)
        page.click(".key[data-key='webp']")
        assert page.run(off) == hidden + 2  # wide and narrow
        colour = "getComputedStyle(document.body).backgroundColor"
        light = page.run(colour)
        page.click("#theme")
        assert page.run(colour) != light
        assert page.problems == []


@needs_chromium
def test_touch_on_a_phone(out, tmp_path):
    with bench_chromium.Page(tmp_path) as page:
        page.open(out / "report.html", 390, 844, phone=True, dark=True)
        page.wait(READY)
        assert page.run("document.documentElement.dataset.theme") == "dark"
        # Nothing but the tables' own boxes scrolls sideways.
        assert page.run("document.documentElement.scrollWidth") <= 390
        assert page.run("document.querySelector('.narrow').offsetHeight") > 0
        page.touch(
            [page.spot("#v-canvas", 0.5)],
            [page.spot("#v-canvas", 0.4)],
            [page.spot("#v-canvas", 0.3)],
        )
        assert page.run(SLIDER) == pytest.approx(30, abs=1)
        page.touch(
            [page.spot("#v-canvas", 0.4), page.spot("#v-canvas", 0.6)],
            [page.spot("#v-canvas", 0.4), page.spot("#v-canvas", 0.8)],
            [page.spot("#v-canvas", 0.2), page.spot("#v-canvas", 0.8)],
        )
        assert page.run(ZOOM) == "3×"
        assert page.problems == []
