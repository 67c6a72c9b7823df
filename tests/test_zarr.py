"""The codecs for Zarr 2 and 3, through the real libraries."""

import json
import shutil

import numpy as np
import pytest

zarr = pytest.importorskip("zarr", minversion="3")
numcodecs = pytest.importorskip("numcodecs")

from test_stacks import drawn

import codec
from codec.errors import CodecError, FormatError, InputError
from codec.model import find
from codec.plugins.numcodecs import Aecompress
from codec.plugins.zarr import encoding

SHAPES = {
    "grey": ((60, 70), (32, 32)),
    "colour": ((60, 70, 3), (32, 70, 3)),
    "colour-stack": ((5, 20, 30, 3), (2, 20, 30, 3)),
    "digits": ((50, 28, 28), (20, 28, 28)),
    "one-channel": ((4, 20, 30, 1), (3, 20, 30, 1)),
    "two-leading-axes": ((2, 3, 20, 30, 3), (1, 2, 20, 30, 3)),
}


def pictures(shape):
    """Smooth pictures of this shape."""
    colours = shape[-1:] if shape[-1] in (1, 3) else ()
    height, width = shape[len(shape) - 2 - len(colours) : len(shape) - len(colours)]
    n = int(np.prod(shape)) // (height * width * max(1, sum(colours)))
    a = drawn(n, height, width, (3,) if colours == (3,) else ())
    return a.reshape(shape)


def close(a, b):
    return (
        a.shape == b.shape
        and a.dtype == b.dtype == np.uint8
        and np.abs(a.astype(int) - b).mean() < 4
    )


def make(path, name, version, quality=90):
    shape, chunks = SHAPES[name]
    options = (
        {"compressors": numcodecs.get_codec({"id": "aecompress", "quality": quality})}
        if version == 2
        else {
            "serializer": {"name": "aecompress", "configuration": {"quality": quality}},
            "compressors": None,
        }
    )
    array = zarr.create_array(
        path, shape=shape, chunks=chunks, dtype="uint8", zarr_format=version, **options
    )
    array[...] = pictures(shape)
    return array


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", SHAPES)
def test_round_trip(name, version, tmp_path):
    make(tmp_path / "a", name, version)
    array = zarr.open_array(tmp_path / "a", mode="r")
    assert close(array[...], pictures(array.shape))
    assert close(array[1], pictures(array.shape)[1])


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_and_files(version, tmp_path):
    make(tmp_path / "a", "digits", version, quality=60.5)
    name = {2: ".zarray", 3: "zarr.json"}[version]
    told = json.loads((tmp_path / "a" / name).read_text())
    settings = {"quality": 60.5, "model": find.load().id}
    if version == 2:
        assert told["compressor"] == {"id": "aecompress", **settings}
    else:
        assert told["codecs"] == [{"name": "aecompress", "configuration": settings}]
    chunks = sorted(
        p for p in (tmp_path / "a").rglob("*") if p.is_file() and p.name not in (name, ".zattrs")
    )
    assert len(chunks) == 3
    for chunk in chunks:  # each is a file that any tool of ours reads
        header = codec.info(chunk.read_bytes())
        assert header.is_stack and header.quality == 60.5
        assert codec.decode_batch(chunk.read_bytes()).shape == (20, 28, 28)


def test_xarray(tmp_path):
    xarray = pytest.importorskip("xarray")
    pixels = pictures((6, 20, 30, 3))
    data = xarray.Dataset({"photo": (("time", "y", "x", "band"), pixels)})
    for version, more in (
        (2, {"compressors": Aecompress(quality=90)}),
        (
            3,
            {
                "serializer": {"name": "aecompress", "configuration": {"quality": 90}},
                "compressors": None,
            },
        ),
    ):
        path = tmp_path / f"v{version}.zarr"
        data.to_zarr(
            path,
            zarr_format=version,
            consolidated=False,
            encoding={"photo": {"chunks": (4, 20, 30, 3), **more}},
        )
        back = xarray.open_zarr(path, consolidated=False, chunks=None)
        assert back.photo.dims == data.photo.dims
        assert close(back.photo.values, pixels)
        assert close(back.photo.isel(time=5).values, pixels[5])


def test_written_in_part(tmp_path):
    array = make(tmp_path / "a", "digits", 3)
    array[10:30] = 255 - pictures((20, 28, 28))
    want = pictures((50, 28, 28))
    want[10:30] = 255 - want[:20]
    assert close(array[...], want)


def test_chunks_that_were_never_written(tmp_path):
    array = zarr.create_array(
        tmp_path / "a",
        shape=(4, 20, 20),
        chunks=(2, 20, 20),
        dtype="uint8",
        fill_value=7,
        serializer={"name": "aecompress"},
        compressors=None,
    )
    assert (array[...] == 7).all()


@pytest.mark.parametrize(
    "shape, dtype", [((10, 10), "uint16"), ((10, 10), "float32"), ((10,), "uint8")]
)
def test_other_arrays_are_refused(shape, dtype, tmp_path):
    with pytest.raises(ValueError, match="aecompress takes"):
        zarr.create_array(
            tmp_path / "a", shape=shape, dtype=dtype, serializer={"name": "aecompress"}
        )
    with pytest.raises(InputError):
        Aecompress().encode(np.zeros(shape, dtype))


@pytest.mark.parametrize("settings", [{"quality": 0}, {"quality": "x"}, {"model": 3}])
def test_settings_are_checked(settings):
    with pytest.raises(InputError):
        numcodecs.get_codec({"id": "aecompress", **settings})


@pytest.mark.parametrize("shape", [(48, 48), (40, 48, 3), (3, 40, 48), (2, 3, 16, 20)])
def test_fortran_order(shape, tmp_path):
    """As C order: the same samples in the same places."""
    y = sum(np.sin(i / (7.0 + k)) for k, i in enumerate(np.indices(shape)))
    a = np.uint8(128 + 20 * y)
    for order in "CF":
        z = zarr.create_array(
            tmp_path / order,
            shape=shape,
            chunks=shape,
            dtype="uint8",
            zarr_format=2,
            order=order,
            compressors=numcodecs.get_codec({"id": "aecompress", "quality": 90}),
        )
        z[:] = a
        assert np.abs(z[:].astype(int) - a).mean() < 4
    codec = numcodecs.get_codec({"id": "aecompress", "quality": 90})
    for into in (np.ascontiguousarray, np.asfortranarray):
        for source in (a, np.asfortranarray(a)):
            out = into(np.zeros_like(a))
            if source.ndim > 3 and source.flags.c_contiguous:
                continue  # the table has no such shape
            assert codec.decode(codec.encode(source), out=out) is out
            assert np.abs(out.astype(int) - a).mean() < 4


def test_numcodecs_contract():
    one = numcodecs.get_codec({"id": "aecompress", "quality": 90})
    assert one == Aecompress(quality=90) != Aecompress()
    assert numcodecs.get_codec(one.get_config()) == one
    assert "aecompress" in numcodecs.registry.codec_registry
    pixels = pictures((3, 16, 20))
    data = one.encode(pixels)
    out = np.empty_like(pixels)
    assert one.decode(data, out=out) is out and close(out, pixels)
    for same in (bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert (one.decode(same) == out).all()
    fortran = one.encode(np.asfortranarray(pixels))
    assert (one.decode(fortran) == out).all()


def test_damaged_chunk(tmp_path):
    array = make(tmp_path / "a", "digits", 3)
    chunk = next(p for p in (tmp_path / "a" / "c").rglob("0") if p.is_file())
    data = bytearray(chunk.read_bytes())
    data[-9] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(CodecError):
        array[...]
    chunk.write_bytes(codec.encode(np.zeros((9, 9), np.uint8)))
    with pytest.raises(FormatError, match="holds"):
        array[...]


@pytest.mark.parametrize(
    "shape, chunks, instead",
    [
        ((500, 256, 512, 3), (50, 64, 128, 2), "write chunks=(50, 256, 512, 3)"),
        ((64, 48, 3), (32, 48, 1), "write chunks=(32, 48, 3)"),
    ],
)
def test_chunks_that_part_the_colours_are_refused(shape, chunks, instead, tmp_path):
    with pytest.raises(ValueError) as error:
        zarr.create_array(tmp_path / "a", shape=shape, chunks=chunks, dtype="uint8", **encoding())
    assert instead in str(error.value)
    assert not (tmp_path / "a" / "zarr.json").exists()


@pytest.mark.parametrize(
    "shape, instead",
    [
        ((6, 3, 16, 20), "write them last: (6, 16, 20, 3)"),
        (
            (4, 16, 20, 2),
            "channels as pictures of their own, (2, 4, 16, 20)",
        ),
        ((4, 16, 20, 4), "pictures of their own, (4, 4, 16, 20)"),
    ],
)
def test_chunks_that_waste_bytes_are_told(shape, instead, tmp_path):
    options = {"shape": shape, "chunks": shape, "dtype": "uint8"}
    with pytest.warns(UserWarning) as told:
        zarr.create_array(tmp_path / "a", **options, **encoding())
    assert any(instead in str(w.message) for w in told)
    with pytest.warns(UserWarning) as told:
        Aecompress().encode(np.zeros(shape, np.uint8))
    assert any(instead in str(w.message) for w in told)


def test_efforts_targets_and_models(tmp_path):
    options = {"shape": (8, 28, 28), "chunks": (8, 28, 28), "dtype": "uint8"}
    sizes = {}
    for name, fields in {
        "plain": {"model": "digits", "quality": 50},
        "effort": {"model": "digits", "quality": 50, "effort": 3},
        "target": {"model": "digits", "target_bpp": 0.4},
    }.items():
        array = zarr.create_array(tmp_path / name, **options, **encoding(**fields))
        array[:] = pictures((8, 28, 28))
        (chunk,) = (p for p in (tmp_path / name / "c").rglob("*") if p.is_file())
        sizes[name] = chunk.stat().st_size
        told = json.loads((tmp_path / name / "zarr.json").read_text())
        (serializer,) = told["codecs"]
        assert serializer["configuration"]["model"] == find.load("digits").id
        assert codec.info(chunk).model == find.load("digits").id
    assert sizes["effort"] < sizes["plain"]
    assert sizes["target"] <= 0.4 * 8 * 28 * 28 / 8


def test_a_store_names_a_model_that_does_not_ship(tmp_path, monkeypatch):
    monkeypatch.setattr(find, "_registered", {})
    mine = tmp_path / "mine"
    shutil.copytree(find.SHIPPED / "digits", mine)
    (mine / "statistics.json").unlink()
    manifest = json.loads((mine / "model.json").read_text())
    (mine / "model.json").write_text(json.dumps({**manifest, "name": "mine"}))
    options = {"shape": (2, 28, 28), "chunks": (2, 28, 28), "dtype": "uint8"}
    array = zarr.create_array(tmp_path / "a", **options, **encoding(model=str(mine)))
    array[:] = pictures((2, 28, 28))
    model = find.load(mine).id
    assert model in (tmp_path / "a" / "zarr.json").read_text()
    assert str(mine) not in (tmp_path / "a" / "zarr.json").read_text()
    monkeypatch.setattr(find, "_registered", {})  # as in another process
    with pytest.raises(CodecError, match=model):
        zarr.open_array(tmp_path / "a")[:]
    monkeypatch.setenv(find.VARIABLE, str(mine))
    assert zarr.open_array(tmp_path / "a")[:].std() > 30


def test_what_zarr_says_of_a_compressor(tmp_path):
    """docs/tools.md tells what to write instead."""
    options = {"shape": (8, 28, 28), "chunks": (8, 28, 28), "dtype": "uint8"}
    for value in "aecompress", {"name": "aecompress"}:
        with pytest.raises(TypeError, match="BytesBytesCodec"):
            zarr.create_array(tmp_path / "a", **options, compressors=value)
