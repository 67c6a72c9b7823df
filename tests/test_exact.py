"""The conformance set: the same symbols everywhere, pixels within a level."""

import pickle
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conformance import cases

import codec
from codec import container
from codec.model import find
from codec.model.session import Graphs
from codec.symbols import core, scale_index
from codec.symbols.pipeline import Pipeline

NAMES = sorted(cases.CASES)
PICTURES = [n for n in NAMES if cases.CASES[n]["tolerance"]]


def assert_close(pixels, name, channels=slice(None)):
    reference = cases.picture(name)
    if reference.ndim == 3:
        reference = reference[..., channels]
    assert cases.within(pixels, reference, cases.CASES[name]["tolerance"])


def test_set_is_whole():
    """All files of all cases and no others, for the default model."""
    assert len(NAMES) >= 30 and cases.SET["model"] == find.load().id
    wanted = {f"{n}.aec" for n in NAMES} | {f"{n}.png" for n in PICTURES}
    found = {f.name for f in cases.FILES.iterdir()}
    assert wanted == {n for n in found if not n.endswith(".in.png")}
    assert len(found) - len(wanted) >= 30
    for name in NAMES:
        header, case = codec.info(cases.data(name)), cases.CASES[name]
        assert header.model == cases.SET["model"]
        assert case | {"sections": tuple(case["sections"])} == case | {
            k: getattr(header, k) for k in ("width", "height", "colour", "quality", "sections")
        }


@pytest.fixture(
    scope="module",
    params=[
        (1, True, True),
        (2, True, True),
        (1, True, False),
        (2, True, False),
        (1, False, False),
        (2, False, False),
    ],
    ids=["1t", "2t", "1t-python", "2t-python", "1t-plain", "2t-plain"],
)
def pipeline(request):
    threads, optimise, in_c = request.param
    if in_c and not core.AVAILABLE:
        pytest.skip("built without a compiler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "AVAILABLE", in_c)
        return Pipeline(find.load(), threads, optimise)


@pytest.mark.parametrize("name", NAMES)
def test_symbols_and_pixels(name, pipeline):
    header, sections, payload = container.unpack(cases.data(name))
    size = header.height, header.width
    z, s = pipeline.read_symbols(payload, *size, header.quality, header.symbol_crc)
    crc = zlib.crc32(s.tobytes(), zlib.crc32(z.tobytes()))
    assert f"{crc:08x}" == cases.CASES[name]["symbol_crc"]
    if name in PICTURES and header.colour == "rgb":
        pixels = pipeline.reconstruct(z, s, header.quality, *size)
        assert_close(pixels, name, slice(0, 3))


@pytest.mark.parametrize("name", PICTURES)
def test_public_decoder(name):
    pixels = codec.decode(cases.data(name))
    assert_close(pixels, name)
    if "ALPH" in cases.CASES[name]["sections"]:
        alpha = cases.picture(name, source=True)[..., -1]
        assert np.array_equal(pixels[..., -1], alpha)


def test_metadata_case():
    pic = codec.Decoder().decode_picture(cases.data("metadata"))
    assert pic.xmp.startswith(b"<x:xmpmeta") and len(pic.icc) > 100
    assert pic.exif.startswith(b"II*\0")


@pytest.mark.parametrize("name", ["row-1x70", "tiles-24x1025", "noise-grey", "photo-160x240"])
def test_the_source_can_be_told(name):
    """The reference pictures are pictures, not only what came out."""
    source = cases.picture(name, source=True).astype(float)
    error = np.mean((source - cases.picture(name)) ** 2)
    assert 10 * np.log10(255**2 / error) > 20


def test_every_variant_of_an_encoder_decodes(pipeline):
    photo = cases.picture("photo-160x240", source=True)
    payload, crc = pipeline.encode(photo, 50.0)
    z, s = Pipeline(find.load(), 1).read_symbols(payload, 160, 240, 50.0, crc)
    assert zlib.crc32(s.tobytes(), zlib.crc32(z.tobytes())) == crc


def test_threads_share_and_processes_copy():
    decoder = codec.Decoder(threads=1)
    names = PICTURES * 2
    with ThreadPoolExecutor(6) as pool:
        out = list(pool.map(lambda n: decoder.decode(cases.data(n)), names))
    for name, pixels in zip(names, out):
        assert_close(pixels, name)
    for obj in (decoder, codec.Encoder(threads=1)):
        assert type(pickle.loads(pickle.dumps(obj))) is type(obj)
    again = pickle.loads(pickle.dumps(decoder))
    assert_close(again.decode(cases.data("alpha-80x50")), "alpha-80x50")


def test_sums_are_exact_in_any_order():
    """float32 products of the model's tables equal int64 ones."""
    b = find.load()
    rng = np.random.default_rng(0)
    r = scale_index.ScaleIndex(b.tables, None)
    worst = np.where(rng.random((6, 9 * b.nz)) < 0.5, -b.z_max, b.z_max)
    # The worst case of each output: every term with the same sign.
    worst[0] = np.sign(b.tables["w1"][0]) * b.z_max
    exact = worst @ b.tables["w1"].T.astype(np.int64)
    for order in (slice(None), rng.permutation(worst.shape[1])):
        got = worst[:, order].astype(np.float32) @ r.w1[order]
        assert (got.astype(np.int64) == exact).all()
    a = np.full((3, b.tables["w2"].shape[1]), 255)
    exact = (a @ b.tables["w2"].T.astype(np.int64)).reshape(3, 16, -1)
    for group, w in zip(r.groups, r.w2):
        assert (
            a.astype(np.float32) @ w == exact[..., group].reshape(3, -1) * scale_index.ONE
        ).all()


def test_sums_beyond_2_24_clamp_to_the_right_index():
    """base + 16 e is exact where it matters and clamped where not."""
    b = find.load()
    r = scale_index.ScaleIndex(b.tables, Graphs(b, 1).run)
    rng = np.random.default_rng(0)
    base = rng.integers(-(2**24) + 1, 2**24, (2000, r.context[1].shape[1]))
    base[::2] >>= 8
    x = rng.integers(0, 61, (2000, r.context[1].shape[0]))
    exact = base + 16 * (x @ b.tables["c1"].T.astype(np.int64))
    given = base.astype(np.float32) * scale_index.ONE
    got = r.indices(given, x.astype(np.uint8), 1)
    assert (got == np.clip(exact >> 10, 0, 63)).all()
    got = r.indices(given, None, 0)
    assert (got == np.clip(base >> 10, 0, 63)).all()
