"""codec.features: from pictures and from files, the same units."""

import importlib.util
import io
import pathlib
import pickle

import numpy as np
import pytest
from conformance import cases
from PIL import Image
from test_damage import corruptions, sealed
from test_stacks import drawn

import codec
from codec import container
from codec.insight.features import POOLINGS, QUALITY
from codec.model import find
from codec.model.session import Graphs
from codec.transform import tiles

ROOT = pathlib.Path(__file__).parent.parent
PHOTO = cases.data("photo-160x240")


@pytest.fixture(scope="module")
def photo():
    return codec.decode(PHOTO)


def test_shapes(photo):
    b = find.load()
    for source in photo, PHOTO:
        for pooling, shape in (
            ("stats", (3 * b.k,)),
            ("grid", (10, 15, b.k)),
            ("none", (10, 15, b.m)),
        ):
            found = codec.features(source, pooling=pooling)
            assert (found.shape, found.dtype) == (shape, np.float32)
            assert found.model == b.id


def test_none_is_what_the_synthesis_sees(photo, monkeypatch):
    seen = []
    run = Graphs.run

    def watched(self, name, **inputs):
        if name in ("synthesis", "squares"):
            seen.append(inputs["latent"])
        return run(self, name, **inputs)

    monkeypatch.setattr(Graphs, "run", watched)
    codec.decode(PHOTO)
    (latent,) = seen
    found = codec.features(PHOTO, pooling="none")
    assert len(seen) == 1  # no synthesis for features
    assert np.allclose(found, latent, atol=1e-5)
    grid = codec.features(PHOTO, pooling="grid")
    assert np.array_equal(grid, found[..., : grid.shape[-1]])


def test_stats_are_of_the_grid(photo):
    grid = codec.features(PHOTO, pooling="grid").reshape(150, -1)
    grid = grid.astype(float)
    gain = find.load().gain(QUALITY)[: grid.shape[1]]
    want = [grid.mean(0), grid.std(0), (abs(grid * gain) >= 0.5).mean(0)]
    assert np.allclose(codec.features(PHOTO), np.concatenate(want), atol=1e-5)


def test_units_do_not_depend_on_quality(photo):
    """What a file says is near what its picture says, at every quality."""
    want = codec.features(photo, pooling="grid")
    power = np.square(want).mean()
    errors = [
        np.square(codec.features(codec.encode(photo, quality=q), pooling="grid") - want).mean()
        / power
        for q in (10, 50, 90)
    ]
    assert errors[0] < 0.25 and errors[1] < 0.06 and errors[2] < 0.1


@pytest.mark.parametrize("shape", [(160, 240), (20, 1100)])
def test_files_give_the_same_bits(shape):
    """On every run and thread count, of one tile and slab or of several."""
    data = codec.encode(drawn(1, *shape, (3,))[0])
    for pooling in POOLINGS:
        want = codec.features(data, pooling=pooling, threads=1)
        for threads in (1, 2, 3, None):
            got = codec.features(data, pooling=pooling, threads=threads)
            assert got.tobytes() == want.tobytes()


def test_threads_of_the_engine_do_not_matter_either(photo):
    """The promise is kept by one thread; this is what it rests on less."""
    _, _, payload = container.unpack(PHOTO)
    h = codec.info(PHOTO)
    found = set()
    for threads in (1, 2, 4):
        p = codec.Decoder(threads=threads)._pipeline(h)
        z, s = p.read_symbols(payload, h.height, h.width, h.quality)
        found.add(p.dequantise(z, s, h.quality).tobytes())
    assert len(found) == 1


def test_tiles_do_not_show(photo, monkeypatch):
    want = codec.features(photo, pooling="none")
    monkeypatch.setattr(tiles, "SIDE", 4)
    got = codec.features(photo, pooling="none")
    assert np.allclose(got, want, atol=1e-3)


def test_sources(tmp_path, photo):
    image = Image.fromarray(photo)
    image.save(tmp_path / "a.png")
    (tmp_path / "a.aec").write_bytes(PHOTO)
    want = codec.features(photo)
    for source in (
        image,
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        io.BytesIO((tmp_path / "a.png").read_bytes()),
    ):
        assert np.array_equal(codec.features(source), want)
    want = codec.features(PHOTO)
    for source in (
        tmp_path / "a.aec",
        io.BytesIO(PHOTO),
        bytearray(PHOTO),
        memoryview(PHOTO),
    ):
        assert np.array_equal(codec.features(source), want)


def test_grey_and_alpha(photo):
    grey = photo[..., 0]
    same = codec.features(np.repeat(grey[..., None], 3, 2))
    assert np.array_equal(codec.features(grey), same)
    alpha = np.full(grey.shape, 9, np.uint8)
    assert np.array_equal(codec.features(np.dstack([photo, alpha])), codec.features(photo))


def test_stacks():
    pictures = drawn(9, 100, 120, (3,))
    data = codec.encode_batch(pictures)
    for pooling in POOLINGS:
        found = codec.features(data, pooling=pooling)
        assert len(found) == 9
        alone = codec.features(codec.encode(pictures[7]), pooling=pooling)
        assert np.allclose(found[7], alone, atol=1e-3)


def test_the_model_travels():
    found = codec.features(PHOTO, pooling="grid")
    for other in (
        found[0],
        found * 2,
        found.copy(),
        found.reshape(-1),
        pickle.loads(pickle.dumps(found)),
    ):
        assert other.model == found.model == codec.info(PHOTO).model
    assert np.asarray(found).__class__ is np.ndarray


def test_parts_have_names(photo):
    found, grid = codec.features(photo), codec.features(photo, pooling="grid")
    parts = pickle.loads(pickle.dumps(found)).parts
    assert np.array_equal(np.concatenate(parts), found)
    assert np.allclose(parts.mean, grid.mean((0, 1)), atol=1e-4)
    assert np.allclose(parts.deviation, grid.std((0, 1)), atol=1e-4)
    assert 0 < parts.active.mean() < 1
    with pytest.raises(codec.InputError, match="no parts"):
        _ = grid.parts


def test_bad_calls(photo):
    with pytest.raises(codec.InputError, match="pooling"):
        codec.features(photo, pooling="max")
    with pytest.raises(codec.InputError):
        codec.features([1, 2])
    with pytest.raises(codec.UnsupportedError):
        codec.features(photo, model="nothing")
    for source in photo, PHOTO:
        with pytest.raises(codec.LimitError):
            codec.features(source, max_pixels=1000)
    with pytest.raises(codec.LimitError):  # cells count, not pixels
        codec.features(codec.encode_batch(np.zeros((99, 1, 1), np.uint8)), max_pixels=9999)


def test_hostile_bytes():
    """Our errors, or finite numbers of the shape that the header says."""
    data = cases.data("block-64x64")
    stack = codec.encode_batch(drawn(3, 20, 20))
    caught = n = 0
    for source, seed in ((data, 1), (stack, 2)):
        for d in corruptions(source, 150, seed):
            for bad in (d, sealed(d)) if len(d) > 8 else (d,):
                n += 1
                try:
                    found = codec.features(bad, pooling="none")
                except codec.CodecError:
                    caught += 1
                    continue
                assert np.isfinite(found).all()
    assert 0.9 * n < caught


def test_every_prefix():
    data = cases.data("one-pixel")
    for n in range(len(data)):
        with pytest.raises(codec.CodecError):
            codec.features(data[:n])


def test_near_duplicates(tmp_path, photo, capsys):
    spec = importlib.util.spec_from_file_location(
        "near_duplicates", ROOT / "examples" / "near_duplicates.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    images = [*drawn(4, 160, 160, (3,)), photo]
    for i, image in enumerate(images):
        Image.fromarray(image).save(pictures / f"{i}.png")
        (tmp_path / f"{i}.aec").write_bytes(codec.encode(image))
    small = tmp_path / "small.png"
    Image.fromarray(photo).resize((120, 80)).save(small)
    script.main([str(tmp_path), str(small)])
    assert capsys.readouterr().out == f"{small}: 4.aec\n"
    script.main(["--measure", str(pictures)])
    assert "| **all** | " in capsys.readouterr().out
