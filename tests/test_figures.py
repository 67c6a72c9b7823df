"""A figure that stands on several pages is one figure.

Tables with a command beside them are held by `test_bench_pages.py`.
"""

import pathlib
import re

import pytest

from codec.model import find

ROOT = pathlib.Path(__file__).parent.parent
if not (find.SHIPPED / "psnr").is_dir() or not (ROOT / "docs").is_dir():
    pytest.skip("pages and models are in a checkout", allow_module_level=True)


def figures(page, pattern):
    """Groups of a pattern in a page, with a plain minus; spaces match line ends."""
    pattern = r"\s+".join(re.split(r"(?<!\\) ", pattern))
    text = (ROOT / page).read_text("utf-8").replace("−", "-")
    assert (found := re.search(pattern, text)), f"{page}: {pattern}"
    return found.groups()


def megabytes(name, *patterns):
    folder = find.SHIPPED / name
    return sum(f.stat().st_size for p in patterns for f in folder.glob(p)) / 1e6


@pytest.mark.parametrize(
    "page, pattern",
    [
        ("README.md", r"At equal score, files are (\d+) % smaller"),
        ("CHANGELOG.md", r"its files are (\d+) % smaller than those of AVIF"),
    ],
)
def test_the_promise_in_words(page, pattern):
    row = r"default, by SSIMULACRA 2, to AVIF tune=ssimulacra2 \| -10 \| -25 \| -([\d.]+) \|"
    (said,), (measured,) = figures(page, pattern), figures("docs/results.md", row)
    assert int(said) == round(float(measured))


@pytest.mark.parametrize("name, row", [("look", "aecompress"), ("psnr", "aecompress, tune=psnr")])
def test_the_log_has_the_models_that_ship(name, row):
    rows = re.findall(
        rf"^\| {name}\b[^|]*\| ([0-9a-f]{{16}}) \|.*\| (-[\d.]+) \|$",
        (ROOT / "docs/training-log.md").read_text("utf-8"),
        re.M,
    )
    table = r"JPEG 4:2:0 at equal PSNR, 24 pictures[^#]*?"
    (measured,) = figures("docs/results.md", rf"{table}\n\| {row} \| (-[\d.]+) \|")
    assert rows[0] == (find.load(name).id, measured)


def test_sizes_of_models():
    said = figures(
        "docs/model-card.md",
        "`look` takes ([\\d.]+) MB and `psnr` ([\\d.]+) MB, with ([\\d.]+) MB and ([\\d.]+) MB of",
    )
    files = [(name, which) for which in ("*", "*_gradient.onnx") for name in ("look", "psnr")]
    assert said == tuple(f"{megabytes(*one):.1f}" for one in files)


@pytest.mark.parametrize("name", ["look", "psnr", "digits"])
def test_sizes_on_the_web(name):
    encoder = megabytes(name, "analysis.onnx", "hyper_analysis.onnx")
    others = megabytes(name, "*") - megabytes(name, "exact_*.onnx", "*_gradient.onnx") - encoder
    for size, what in (others, "for decoding"), (encoder, "for encoding as well"):
        (said,) = figures("docs/web.md", rf"model `{name}`,[a-z, ]* {what} \| ([\d.]+) \|")
        assert said == f"{size:.2f}"
