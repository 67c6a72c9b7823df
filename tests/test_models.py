"""Models that do not ship with the package are found, and read what they wrote."""

import io
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

import codec
from codec.model import find

PICTURE = np.random.default_rng(4).integers(0, 255, (4, 5), np.uint8)
PICTURE = PICTURE.repeat(8, 0).repeat(8, 1)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of a model that nobody else has."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    monkeypatch.delenv(find.VARIABLE, raising=False)
    monkeypatch.setattr(find, "_registered", {})
    folder = tmp_path / "mine"
    shutil.copytree(find.SHIPPED / "digits", folder)
    manifest = json.loads((folder / "model.json").read_text())
    manifest["name"] = "mine"
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder


def single(own):
    data = codec.encode(PICTURE, model=own)
    return lambda **more: codec.decode(data, **more)


def batch(own):
    data = codec.encode_batch([PICTURE] * 3, model=own)
    return lambda **more: codec.decode_batch(data, 1, **more)


def stack(own):
    data = codec.encode_batch([PICTURE] * 3, model=own)
    return lambda **more: codec.Stack(data, **more)[2]


def pillow(own):
    codec.register_pillow()
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "AEC", model=own)
    return lambda: np.asarray(Image.open(io.BytesIO(file.getvalue())))


def numcodecs(own):
    registry = pytest.importorskip("numcodecs")
    data = registry.get_codec({"id": "aecompress", "model": str(own)}).encode(PICTURE)
    return lambda **more: registry.get_codec({"id": "aecompress", **more}).decode(data)


def zarr(own):
    library = pytest.importorskip("zarr")
    configuration = {"model": str(own)}
    store = {}
    library.create_array(
        store,
        shape=PICTURE.shape,
        chunks=PICTURE.shape,
        dtype="uint8",
        serializer={"name": "aecompress", "configuration": configuration},
        compressors=None,
    )[:] = PICTURE
    return lambda: library.open_array(store)[:]


WRITERS = [single, batch, stack, pillow, numcodecs, zarr]


def in_variable(own, monkeypatch):
    monkeypatch.setenv(find.VARIABLE, os.pathsep.join(["/nowhere", str(own)]))


def below_variable(own, monkeypatch):
    monkeypatch.setenv(find.VARIABLE, str(own.parent))


def in_user_folder(own, monkeypatch):
    shutil.copytree(own, find.user_folder() / "mine")


def registered(own, monkeypatch):
    assert codec.register_model(own) == find.load(own).id


@pytest.mark.parametrize("place", [in_variable, below_variable, registered])
@pytest.mark.parametrize("writer", WRITERS)
def test_it_is_found(own, monkeypatch, writer, place):
    read = writer(own)
    find._registered.clear()  # by Zarr, which stores the id
    other = own.rename(own.parent / "moved")  # a path that is stored leads nowhere
    with pytest.raises((codec.UnsupportedError, OSError), match="needs model"):
        read()
    place(other, monkeypatch)
    assert read().shape == PICTURE.shape


def test_the_users_folder(own, monkeypatch):
    read = single(own)
    in_user_folder(own, monkeypatch)
    assert read().shape == PICTURE.shape
    shutil.rmtree(own)
    assert codec.info(codec.encode(PICTURE, model="mine")).model not in find._ids()


@pytest.mark.parametrize("writer", [single, batch, stack, numcodecs])
def test_it_is_given(own, writer):
    read = writer(own)
    with pytest.raises(codec.UnsupportedError, match="needs model"):
        read()
    assert read(model=str(own)).shape == PICTURE.shape


def test_zarr_has_it_in_its_metadata(own):
    assert zarr(own)().shape == PICTURE.shape


def test_names_and_ids(own, monkeypatch):
    below_variable(own, monkeypatch)
    model = find.load("mine")
    assert model.id == find.load(model.id).id == find.load(own).id
    with pytest.raises(codec.UnsupportedError, match=f"there are: {find.DEFAULT}, .*mine"):
        find.load("other")
    with pytest.raises(codec.UnsupportedError, match="unknown model"):
        codec.register_model("other")


def test_a_damaged_model_that_is_found(own, monkeypatch):
    read = single(own)
    below_variable(own, monkeypatch)
    find._read.cache_clear()
    (own / "synthesis.onnx").write_bytes(b"")
    with pytest.raises(codec.ModelError, match="altered"):
        read()
