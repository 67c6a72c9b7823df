"""Chunks of numbers in Zarr and numcodecs: `codec.table` as a codec of arrays."""

import json

import numpy as np
import pytest

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")

import codec
from codec.errors import CodecError, FormatError, InputError
from codec.plugins.numcodecs import AecompressTable

NAME = "aecompress_table"


def rows(n=90, k=4, dtype=np.float64):
    x = np.linspace(0, 9, n)[:, None] * np.arange(1, k + 1)
    return (100 * np.sin(x)).astype(dtype)


def make(path, version, array, chunks, **settings):
    how = {"id": NAME, **settings}
    codecs = (
        {"compressors": numcodecs.get_codec(how)}
        if version == 2
        else {"serializer": {"name": NAME, "configuration": settings}, "compressors": None}
    )
    made = zarr.create_array(
        path, shape=array.shape, chunks=chunks, dtype=array.dtype, zarr_format=version, **codecs
    )
    made[:] = array
    return made


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "bool", ">f8"])
def test_round_trips(version, dtype, tmp_path):
    array = rows(dtype=dtype)
    make(tmp_path / "a", version, array, (40, 4))
    back = zarr.open_array(tmp_path / "a", mode="r")
    assert back.dtype.newbyteorder("=") == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(back[:], array) and np.array_equal(back[50:60, 1], array[50:60, 1])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("bound, share", [(0.5, None), ("1%", 0.01)])
def test_bounds_hold_and_files_are_smaller(version, bound, share, tmp_path):
    array = rows(400)
    array[7, 2] = np.nan
    make(tmp_path / "a", version, array, (400, 4), max_error=bound)
    exact = make(tmp_path / "b", version, array, (400, 4))
    back = zarr.open_array(tmp_path / "a", mode="r")[:]
    gap = np.abs(back - array)
    allowed = bound if share is None else share * (np.nanmax(array, 0) - np.nanmin(array, 0))
    assert 0 < np.nanmax(gap) and (np.nan_to_num(gap) <= allowed).all()
    assert np.isnan(back[7, 2])
    assert np.array_equal(exact[:], array, equal_nan=True)
    size = [sum(f.stat().st_size for f in (tmp_path / n).rglob("*") if f.is_file()) for n in "ab"]
    assert size[0] < size[1] / 2


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("shape, chunks", [((30,), (10,)), ((6, 10, 3), (2, 10, 3))])
def test_other_axes(version, shape, chunks, tmp_path):
    array = np.arange(np.prod(shape), dtype=np.int64).reshape(shape) ** 2
    assert np.array_equal(make(tmp_path / "a", version, array, chunks)[:], array)


def test_fortran_order(tmp_path):
    array = rows(30, 5)
    made = zarr.create_array(
        tmp_path / "a",
        shape=array.shape,
        chunks=(20, 5),
        dtype="f8",
        zarr_format=2,
        order="F",
        compressors=AecompressTable(),
    )
    made[:] = array
    assert np.array_equal(made[:], array)


def test_metadata_and_files(tmp_path):
    make(tmp_path / "a", 3, rows(), (90, 4), max_error="1%", effort=2)
    told = json.loads((tmp_path / "a" / "zarr.json").read_text())
    assert told["codecs"] == [{"name": NAME, "configuration": {"max_error": "1%", "effort": 2}}]
    (chunk,) = (p for p in (tmp_path / "a" / "c").rglob("*") if p.is_file())
    assert codec.table.info(chunk.read_bytes()).rows == 90  # a file that all tools read


def test_numcodecs_contract():
    one = numcodecs.get_codec({"id": NAME, "max_error": 0.1})
    assert one == AecompressTable(max_error=0.1) != AecompressTable()
    assert numcodecs.get_codec(one.get_config()) == one
    array = rows(20)
    data = one.encode(array)
    out = np.empty_like(array)
    assert one.decode(data, out=out) is out and np.abs(out - array).max() <= 0.1
    assert np.array_equal(one.decode(bytearray(data)), out)
    assert np.array_equal(one.decode(one.encode(np.asfortranarray(array))), out)


@pytest.mark.parametrize("settings", [{"max_error": -1}, {"max_error": "x"}, {"effort": 10}])
def test_settings_are_checked(settings, tmp_path):
    with pytest.raises(InputError):
        AecompressTable(**settings)
    with pytest.raises(InputError):
        make(tmp_path / "a", 3, rows(), (90, 4), **settings)


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="takes arrays of numbers"):
        make(tmp_path / "a", 3, rows(dtype="c16"), (90, 4))
    with pytest.raises(InputError):
        AecompressTable().encode(rows(dtype="c16"))


def test_damaged_chunks(tmp_path):
    array = make(tmp_path / "a", 3, rows(), (90, 4))
    (chunk,) = (p for p in (tmp_path / "a" / "c").rglob("*") if p.is_file())
    data = bytearray(chunk.read_bytes())
    data[-9] ^= 1
    for bad, error in (
        (bytes(data), CodecError),
        (codec.table.encode(rows(9), 0), FormatError),
        (codec.table.encode(rows(dtype="f4"), 0), FormatError),
        (codec.table.encode({"a": np.array(["x"] * 360)}), FormatError),
    ):
        chunk.write_bytes(bad)
        with pytest.raises(error):
            array[:]
