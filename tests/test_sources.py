"""Whatever holds a picture is opened in one way, everywhere."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

import codec
from codec import picture

PIXELS = np.random.default_rng(2).integers(0, 255, (6, 5, 3), np.uint8)
PIXELS = PIXELS.repeat(8, 0).repeat(8, 1)
RAMP = np.linspace(0, 65535, 64 * 80).astype(np.uint16).reshape(64, 80)


def to_file(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return io.BytesIO(file.getvalue())


def to_path(pixels, tmp_path, kind=str):
    path = tmp_path / "a.png"
    path.write_bytes(to_file(pixels).getvalue())
    return kind(path)


SOURCES = {
    "array": lambda tmp_path: PIXELS,
    "image": lambda tmp_path: Image.fromarray(PIXELS),
    "picture": lambda tmp_path: codec.Picture(PIXELS),
    "file": lambda tmp_path: to_file(PIXELS),
    "name": lambda tmp_path: to_path(PIXELS, tmp_path),
    "path": lambda tmp_path: to_path(PIXELS, tmp_path, lambda path: path),
    "opened": lambda tmp_path: codec.open(to_path(PIXELS, tmp_path)),
}
ENTRIES = {
    "encode": codec.encode,
    "Encoder": lambda source, **more: codec.Encoder().encode(source, **more),
    "encode_batch": lambda source, **more: codec.encode_batch([source], **more),
    "features": lambda source, **more: codec.features(source, **more).tobytes(),
    "anomaly_score": codec.anomaly_score,
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_takes_every_kind(entry, kind, tmp_path):
    found = ENTRIES[entry](SOURCES[kind](tmp_path))
    assert found == ENTRIES[entry](PIXELS)
    with pytest.raises(codec.LimitError):
        ENTRIES[entry](SOURCES[kind](tmp_path), max_pixels=40 * 48 - 1)


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_says_what_was_converted(entry, tmp_path):
    with pytest.warns(codec.ConversionWarning, match="16 bits a sample cut to 8"):
        found = ENTRIES[entry](to_path(RAMP, tmp_path))
    assert found == ENTRIES[entry]((RAMP >> 8).astype(np.uint8))


def test_training_does_not_clip_deep_greys(tmp_path):
    """Pillow's own conversion makes all but 0.4 % of the ramp white."""
    pytest.importorskip("torch")
    from codec.training import data

    to_path(RAMP, tmp_path)
    said = []
    [(name, offset, height, width)] = data.build_cache(tmp_path, tmp_path / "cache", said.append)
    cache = np.fromfile(tmp_path / "cache.bin", np.uint8)[offset:]
    found = cache[: height * width * 3].reshape(height, width, 3)
    assert np.array_equal(found, picture.as_rgb((RAMP >> 8).astype(np.uint8)))
    assert any("a.png: 16 bits a sample cut to 8" in line for line in said)


def test_benchmarks_refuse_what_is_converted(tmp_path):
    from codec.bench import pictures

    assert np.array_equal(pictures.read(to_path(PIXELS, tmp_path)), PIXELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(pictures.PictureError, match="8-bit pictures only"):
            pictures.read(to_path(RAMP, tmp_path))
