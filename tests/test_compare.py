"""``--compare`` and the demo: pictures of original, JPEG and ours at equal size."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from test_cli import BIN, run

import codec
from codec.cli import compare, demo, options
from codec.cli.report import UsageError

ROOT = pathlib.Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "budgerigar.png"
PHOTO = np.asarray(Image.open(EXAMPLE))[100:340, 200:560]


def test_jpegs_around_a_value():
    low, high = compare.around(PHOTO, 9000, lambda coded: len(coded.data))
    assert len(low.data) <= 9000 < len(high.data)
    found = compare.jpeg_of_size(PHOTO, 9000)
    assert found.name in (low.name, high.name)
    assert abs(len(found.data) - 9000) < 450  # a step of quality is a few percent
    assert found.pixels.shape == PHOTO.shape
    assert found.psnr_db == compare.psnr(PHOTO, found.pixels)


def test_the_smallest_jpeg_where_ours_is_smaller_still():
    assert compare.jpeg_of_size(PHOTO, 10).name == "JPEG at 1"


def test_grey_pictures_are_compared_with_grey_jpegs():
    grey = np.ascontiguousarray(PHOTO[..., 1])
    assert compare.jpeg(grey, 50).pixels.shape == grey.shape
    assert len(compare.jpeg(grey, 50).data) < len(compare.jpeg(PHOTO, 50).data)


@pytest.mark.parametrize("shape", [(1, 1, 3), (28, 28), (900, 40, 3), (240, 360, 3)])
def test_windows_are_the_middle_enlarged(shape):
    y, x = np.indices(shape[:2])
    pixels = ((3 * y + 5 * x) % 251).astype(np.uint8)
    if len(shape) == 3:
        pixels = np.stack([pixels, 255 - pixels, pixels // 2], -1)
    coded = [compare.jpeg(pixels, q) for q in (30, 90)]
    image = np.asarray(compare.panel(pixels, coded))
    part = compare.middle(pixels)
    scale = 640 // max(part.shape[:2])
    large = part.repeat(scale, 0).repeat(scale, 1)
    large = np.broadcast_to(large.T, (3, *large.T.shape)).T if part.ndim == 2 else large
    h, w = large.shape[:2]
    assert np.array_equal(image[:h, :w], large)
    assert (image[h:] < 128).any()  # the captions


def test_compare_command(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    Image.fromarray(PHOTO[..., 0]).save(tmp_path / "b.png")
    result = run("aecompress", "--compare", "-v", "-q30", "a.png", "b.png", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a-compare.png",
        "a.png",
        "b-compare.png",
        "b.png",
    ]
    data = codec.encode(PHOTO, quality=30)
    said = result.stderr.decode()
    assert f"a.png: aecompress at 30: {len(data)} bytes" in said
    theirs = re.search(r"a.png: JPEG at \d+: (\d+) bytes", said)
    assert abs(int(theirs[1]) - len(data)) < 0.06 * len(data)
    image = Image.open(tmp_path / "a-compare.png")
    ours = Image.fromarray(compare.middle(codec.decode(data)))
    scale = 640 // max(ours.size)
    assert image.width >= 3 * scale * ours.width
    shown = np.asarray(image)[: scale * ours.height, -scale * ours.width :]
    assert np.array_equal(shown[::scale, ::scale], np.asarray(ours))
    again = run("aecompress", "--compare", "a.png", cwd=tmp_path)
    assert again.returncode == 1 and b"a-compare.png: exists" in again.stderr


@pytest.mark.parametrize(
    "argv",
    ["--compare --rm a.png", "--compare --stack -o b a.png", "--compare --index 1"],
)
def test_compare_clashes(argv):
    with pytest.raises(UsageError):
        options.parse("aecompress", argv.split())


def test_demo_leaves_files_to_look_at(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "codec.cli.demo", EXAMPLE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"aecompress +[\d,]+ bytes +[\d.]+ bpp +[\d.]+ dB", lines[1])
    assert re.match(r"JPEG +[\d,]+ bytes.* at equal size", lines[2])
    assert re.match(r"JPEG +[\d,]+ bytes.* at equal PSNR", lines[3])
    assert len(lines) == 6  # two more say where to look and what comes next
    left = {p.name: p for p in (tmp_path / "demo").iterdir()}
    assert set(left) == {
        "budgerigar.aec",
        "budgerigar.png",
        "budgerigar-compare.png",
    }
    decoded = codec.decode(left["budgerigar.aec"].read_bytes())
    assert np.array_equal(Image.open(left["budgerigar.png"]), decoded)
    assert "demo/budgerigar-compare.png" in lines[4]
    shown = re.match(r"Next: (\S+) --compare", lines[5])[1]
    assert pathlib.Path(shown).name == "aecompress"
    assert pathlib.Path(shown) == BIN / "aecompress"


def test_jpeg_of_a_psnr_is_between_its_neighbours():
    low, high = compare.around(PHOTO, 34.0, lambda coded: coded.psnr_db)
    assert len(low.data) < demo.jpeg_size(PHOTO, 34.0) < len(high.data)
    assert demo.jpeg_size(PHOTO, 90.0) is None
