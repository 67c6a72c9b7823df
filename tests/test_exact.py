"""Golden files: the same symbols everywhere, pixels within a level."""

import json
import pickle
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codec
from codec import container
from codec.entropy import rows
from codec.model import bundle
from codec.pipeline import Pipeline

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(p.stem for p in GOLDEN.glob("*.aec"))
CRCS = json.loads((GOLDEN / "symbols.json").read_text())


def read(name):
    return (GOLDEN / f"{name}.aec").read_bytes()


def reference(name):
    return np.asarray(Image.open(GOLDEN / f"{name}.png"))


def assert_close(a, b):
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    d = np.abs(a.astype(int) - b)
    assert d.max() <= 1
    assert (d > 0).sum() <= max(1, d.size // 1000)


def test_set_is_whole():
    assert len(NAMES) >= 5 and set(NAMES) == set(CRCS)
    assert {codec.info(read(n)).model for n in NAMES} == {
        bundle.load().id}


@pytest.fixture(scope="module", params=[(1, True), (2, True), (1, False),
                                        (2, False)],
                ids=["1t", "2t", "1t-plain", "2t-plain"])
def pipeline(request):
    threads, optimise = request.param
    return Pipeline(bundle.load(), threads, optimise)


@pytest.mark.parametrize("name", NAMES)
def test_symbols_and_pixels(name, pipeline):
    header, sections, payload = container.unpack(read(name))
    size = header.height, header.width
    z, s = pipeline.read_symbols(payload, *size, header.quality)
    crc = zlib.crc32(s.tobytes(), zlib.crc32(z.tobytes()))
    assert crc == header.symbol_crc == CRCS[name]
    pixels = pipeline.reconstruct(z, s, header.quality, *size)
    if header.colour == "rgb":
        assert_close(pixels, reference(name)[..., :3])


@pytest.mark.parametrize("name", NAMES)
def test_public_decoder(name):
    assert_close(codec.decode(read(name)), reference(name))


def test_every_variant_of_an_encoder_decodes(pipeline):
    photo = reference("photo-320x240")
    payload, crc = pipeline.encode(photo, 50.0)
    z, s = Pipeline(bundle.load(), 1).read_symbols(payload, 240, 320, 50.0,
                                                   crc)
    assert zlib.crc32(s.tobytes(), zlib.crc32(z.tobytes())) == crc


def test_threads_share_and_processes_copy():
    decoder = codec.Decoder(threads=1)
    names = NAMES * 3
    with ThreadPoolExecutor(6) as pool:
        out = list(pool.map(lambda n: decoder.decode(read(n)), names))
    for name, pixels in zip(names, out):
        assert_close(pixels, reference(name))
    for obj in (decoder, codec.Encoder(threads=1)):
        assert type(pickle.loads(pickle.dumps(obj))) is type(obj)
    again = pickle.loads(pickle.dumps(decoder))
    assert_close(again.decode(read("alpha-80x50")),
                 reference("alpha-80x50"))


def test_sums_are_exact_in_any_order():
    """float32 products of the model's tables equal int64 ones."""
    b = bundle.load()
    rng = np.random.default_rng(0)
    r = rows.Rows(b.tables, None)
    worst = np.where(rng.random((6, 9 * b.nz)) < 0.5, -b.z_max, b.z_max)
    # The worst case of each output: every term with the same sign.
    worst[0] = np.sign(b.tables["w1"][0]) * b.z_max
    exact = worst @ b.tables["w1"].T.astype(np.int64)
    for order in (slice(None), rng.permutation(worst.shape[1])):
        got = worst[:, order].astype(np.float32) @ r.w1[order]
        assert (got.astype(np.int64) == exact).all()
    a = np.full((3, b.tables["w2"].shape[1]), 255)
    exact = a @ b.tables["w2"].T.astype(np.int64)
    assert ((a.astype(np.float32) @ r.w2).astype(np.int64) == exact).all()


def test_sums_beyond_2_24_clamp_to_the_right_row():
    """base + 16 e is exact where it matters and clamped where not."""
    r = Pipeline(bundle.load(), 1).rows
    rng = np.random.default_rng(0)
    base = rng.integers(-2 ** 24 + 1, 2 ** 24, (2000, r.context[1].shape[1]))
    base[::2] >>= 8
    x = rng.integers(0, 61, (2000, r.context[1].shape[0]))
    exact = base + 16 * (x @ r.context[1].astype(np.int64))
    got = r.rows(base.astype(np.float32), x.astype(np.uint8), 1)
    assert (got == np.clip(exact >> 10, 0, 63)).all()
    got = r.rows(base.astype(np.float32), None, 0)
    assert (got == np.clip(base >> 10, 0, 63)).all()
