"""The Python API on real photographs."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codec
from codec.model import find
from codec.symbols.pipeline import Pipeline
from codec.symbols.slabs import slabs
from codec.transform import tiles, transform

PHOTO = np.asarray(
    Image.open(Path(__file__).parent.parent / "examples" / "budgerigar.png").convert("RGB")
)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


@pytest.fixture(scope="module")
def curve():
    """(quality, bytes, PSNR) of a photograph over the whole range."""
    out = []
    for q in (1, 5, 10, 25, 40, 50, 60, 75, 90, 100):
        data = codec.encode(PHOTO, quality=q)
        out.append((q, len(data), psnr(codec.decode(data), PHOTO)))
    return out


def test_monotone_in_quality(curve):
    sizes, db = [c[1] for c in curve], [c[2] for c in curve]
    assert sizes == sorted(sizes) and db == sorted(db)
    assert db[-1] > 40


def test_smaller_than_jpeg(curve):
    """At no less PSNR, for every JPEG quality that people use."""
    for q in (20, 50, 75, 90):
        f = io.BytesIO()
        Image.fromarray(PHOTO).save(f, "JPEG", quality=q, optimize=True)
        jpeg = psnr(np.asarray(Image.open(f)), PHOTO)
        x = np.interp(jpeg, [c[2] for c in curve], [c[0] for c in curve])
        data = codec.encode(PHOTO, quality=x)
        assert abs(psnr(codec.decode(data), PHOTO) - jpeg) < 1
        assert len(data) < 0.8 * len(f.getvalue())


@pytest.mark.parametrize(
    "shape",
    [
        (1, 1),
        (1, 1, 3),
        (16, 16, 3),
        (17, 15, 3),
        (63, 65),
        (64, 64, 4),
        (1, 300, 3),
        (300, 1, 3),
        (129, 97, 4),
    ],
)
def test_shapes(shape):
    a = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    out = codec.decode(codec.encode(a, quality=50))
    assert out.shape == shape and out.dtype == np.uint8
    if shape[2:] == (4,):
        assert np.array_equal(out[..., 3], a[..., 3])


def test_overhead_is_32_bytes():
    data = codec.encode(PHOTO[:100, :100], quality=50)
    assert len(data) - codec.info(data).payload_length == 32


def test_info_reads_the_header_only():
    data = codec.encode(PHOTO[:50, :70], quality=12.34)
    h = codec.info(data[:40])
    assert (h.width, h.height, h.colour, h.quality) == (70, 50, "rgb", 12.34)
    assert h.model == find.load().id


@pytest.mark.parametrize("quality", [0, 0.99, 100.01, -1, float("nan"), "x"])
def test_bad_quality(quality):
    with pytest.raises(codec.InputError):
        codec.encode(PHOTO[:16, :16], quality=quality)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4), float),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 16385), np.uint8),
        7,
        None,
        b"",
    ],
)
def test_bad_pictures(image):
    with pytest.raises(codec.InputError):
        codec.encode(image)


def test_unknown_model():
    with pytest.raises(codec.UnsupportedError, match="nothere"):
        codec.encode(PHOTO[:16, :16], model="nothere")


def test_quality_is_continuous():
    a, b, c = (len(codec.encode(PHOTO, quality=q)) for q in (50, 50.49, 51))
    assert a < b < c


def test_tiles_do_not_show(monkeypatch):
    """Tiled and untiled networks differ by at most one level."""
    p = Pipeline(find.load(), 1)
    h, w = PHOTO.shape[:2]
    mod = p.bundle.at_quality("synthesis_mod", 75)
    whole = p.analyse(PHOTO, 75)
    where = whole.shape[:2], (0, 0, h, w)
    pixels = transform.synthesise(whole, p.graphs, mod, *where)
    monkeypatch.setattr(tiles, "SIDE", 12)
    assert len(list(tiles.tiles(-(-h // 16), -(-w // 16), 9))) > 8
    tiled = p.analyse(PHOTO, 75)
    assert np.abs(tiled - whole).max() < 1e-4
    tiled = transform.synthesise(whole, p.graphs, mod, *where)
    assert np.abs(tiled.astype(int) - pixels).max() <= 1


def test_slabs_join():
    """A picture of several slabs is as good as its parts."""
    tall = np.tile(PHOTO[:, :128], (3, 1, 1))
    assert len(slabs(len(tall) // 16, 8)) > 1
    whole = codec.decode(codec.encode(tall, quality=50))
    part = codec.decode(codec.encode(PHOTO[:, :128], quality=50))
    assert abs(psnr(whole, tall) - psnr(part, PHOTO[:, :128])) < 0.2


MEMORY = """
import sys, numpy as np, codec
from codec.bench.peak import peak_mib
from PIL import Image
a = np.asarray(Image.open(sys.argv[1]).convert("RGB"))
a = np.tile(a, (8, 8, 1))[:4000, :6000]
e = codec.encode(a, quality=75)
print(round(peak_mib()))
del a
assert codec.decode(e).shape == (4000, 6000, 3)
print(round(peak_mib()))
"""


@pytest.mark.slow
def test_24_megapixels_under_1_gib():
    photo = Path(__file__).parent.parent / "examples" / "budgerigar.png"
    out = subprocess.run(
        [sys.executable, "-c", MEMORY, str(photo)],
        capture_output=True,
        text=True,
        check=True,
    )
    encode, both = map(int, out.stdout.split())
    assert encode < 1024 and both < 1024


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4)])
def test_other_forms_of_pixels(shape):
    image = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    data = codec.encode(image)
    want = codec.decode(data)
    assert want.shape == shape
    chw = codec.decode(data, layout="chw")
    assert chw.flags.c_contiguous and chw.dtype == np.uint8
    assert (chw == np.atleast_3d(want).transpose(2, 0, 1)).all()
    for kind in np.float32, np.float16:
        out = np.empty(chw.shape, kind)
        assert codec.decode(data, layout="chw", dtype=kind, out=out) is out
        assert np.allclose(out, chw / 255, atol=1e-3) and out.max() <= 1
    for fields in (
        {"layout": "cwh"},
        {"dtype": "int16"},
        {"dtype": "nothing"},
        {"out": np.empty(shape, np.float32)},
        {"out": np.empty(shape[::-1], np.uint8)},
    ):
        with pytest.raises(codec.InputError):
            codec.decode(data, **fields)


def test_decode_many(tmp_path):
    rng = np.random.default_rng(4)
    images = [rng.integers(0, 256, (9 + n, 40), np.uint8) for n in range(9)]
    files = [codec.encode(image) for image in images]
    (tmp_path / "a.aec").write_bytes(files[0])
    want = [codec.decode(file) for file in files]
    got = list(codec.decode_many([tmp_path / "a.aec", *files[1:]], workers=3))
    assert all((a == b).all() for a, b in zip(got, want, strict=True))
    taken = []

    def endless():
        for n in range(10**6):
            taken.append(n)
            yield files[n % 9]

    many = codec.decode_many(endless(), workers=2)
    assert (next(many) == want[0]).all()
    many.close()
    assert len(taken) <= 6
    found = codec.decode_many([files[0], files[1][:-1], files[2]], workers=2)
    assert (next(found) == want[0]).all()
    with pytest.raises(codec.FormatError):
        next(found)
