"""One value for all options: checked once, and handed through whole."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

import codec
from codec.cli.main import main
from codec.encoder import Encoder
from codec.limits import EFFORTS, QUALITY
from codec.model import find
from codec.options import (
    DecodeFields,
    DecodeOptions,
    EncodeFields,
    EncodeOptions,
)
from codec.plugins import pillow  # noqa: F401
from codec.search import PLANS, plan_of

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")
dask = pytest.importorskip("codec.plugins.dask")

PICTURE = np.random.default_rng(3).integers(0, 255, (32, 48, 3), np.uint8)
# Everything that is not as it is by default.
FIELDS = {
    "target_bpp": 6.5,
    "effort": 2,
    "tune": "ms-ssim",
    "max_pixels": 10**6,
    "model": "psnr",
    "threads": 1,
    "metadata": False,
    "provider": "cpu",
}


@pytest.mark.parametrize(
    "value, fields", [(EncodeOptions, EncodeFields), (DecodeOptions, DecodeFields)]
)
def test_keywords_are_the_fields(value, fields):
    names = [field.name for field in dataclasses.fields(value)]
    assert names == list(fields.__annotations__)
    assert set(DecodeFields.__annotations__) < set(EncodeFields.__annotations__)


def test_every_effort_has_a_plan():
    assert list(PLANS) == list(EFFORTS)
    plan = plan_of(EncodeOptions(effort=3, tune="ms-ssim"))
    assert plan == dataclasses.replace(PLANS[3], tune="ms-ssim")


def test_goals_take_each_others_place():
    options = EncodeOptions(quality=33.333)
    assert options.quality == 33.33
    options = options.changed(target_size=900)
    assert (options.quality, options.target_size) == (None, 900)
    assert options.changed(effort=3).target_size == 900
    assert options.changed(quality=20).target_size is None
    assert EncodeOptions().changed(quality=None).quality == QUALITY
    assert EncodeOptions(target_bpp=0.5).largest(1600) == 100
    assert EncodeOptions(target_size=70).largest(1600) == 70


def by_encode(**fields):
    codec.encode(PICTURE, **fields)


def by_encoder(**fields):
    codec.Encoder(**fields).encode(PICTURE)


def by_call(**fields):
    codec.Encoder().encode(PICTURE, **fields)


def by_stack(**fields):
    codec.encode_batch(PICTURE[None], **fields)


def by_pillow(**fields):
    Image.fromarray(PICTURE).save(io.BytesIO(), "AEC", **fields)


def by_pillow_frames(**fields):
    image = Image.fromarray(PICTURE)
    image.save(io.BytesIO(), "AEC", save_all=True, append_images=[image], **fields)


def by_numcodecs(**fields):
    numcodecs.get_codec({"id": "aecompress", **fields}).encode(PICTURE)


def by_zarr(**fields):
    zarr.create_array(
        {},
        shape=PICTURE.shape,
        chunks=PICTURE.shape,
        dtype="uint8",
        serializer={"name": "aecompress", "configuration": fields},
        compressors=None,
    )[:] = PICTURE


def by_dask(**fields):
    options = EncodeOptions().changed(**fields)
    result = dask.one(("a.png", dask.absolute("a.aec")), dask.Task(options))
    assert not result.error, result.error


def by_command(**fields):
    flag = {"target_bpp": "target-size", "provider": "device"}
    flags = {
        f"--{flag.get(name, name.replace('_', '-'))}": value
        for name, value in fields.items()
        if name != "metadata"
    }
    if "--target-size" in flags:
        flags["--target-size"] = f"{flags['--target-size']}bpp"
    strip = ["--strip"] if fields.get("metadata") is False else []
    args = [str(x) for flag in flags.items() for x in flag] + strip
    if main("aecompress", [*args, "a.png"]):
        raise codec.InputError("the command failed")


WAYS = [
    by_encode,
    by_encoder,
    by_stack,
    by_pillow,
    by_pillow_frames,
    by_numcodecs,
    by_zarr,
    by_dask,
    by_command,
]


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """The options that arrive where samples are encoded."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PICTURE).save("a.png")
    found, code = [], Encoder.code

    def watched(self, blocks, options, *rest):
        found.append(options)
        return code(self, blocks, options, *rest)

    monkeypatch.setattr(Encoder, "code", watched)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_the_value_arrives_whole(seen, way):
    way(**FIELDS)
    assert seen == [EncodeOptions(**FIELDS)]


def test_a_call_has_options_of_its_own(seen):
    fixed = "model", "threads", "provider"
    fields = {k: v for k, v in FIELDS.items() if k not in fixed}
    by_call(**fields)
    assert seen == [EncodeOptions(**fields)]
    with pytest.raises(codec.InputError, match="one model"):
        by_call(threads=3)


@pytest.mark.parametrize(
    "fields",
    [
        {"quality": 0},
        {"effort": 10},
        {"tune": "ms-ssim"},
        {"quality": 50, "target_psnr": 40},
        {"target_size": -1},
        {"threads": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("way", [*WAYS, by_call])
def test_every_way_refuses(seen, way, fields):
    # Pillow tells errors as its own plugins do.
    with pytest.raises((codec.InputError, ValueError)):
        way(**fields)
    assert seen == []


@pytest.mark.parametrize(
    "fields",
    [
        {"target_bpp": 0},
        {"target_psnr": float("nan")},
        {"quality": "x"},
        {"effort": True},
        {"effort": 2.0},
        {"tune": "ssim", "effort": 3},
        {"max_pixels": 0},
        {"metadata": "no"},
        {"target_size": 9, "target_bpp": 9},
    ],
    ids=str,
)
def test_values_out_of_range(fields):
    with pytest.raises(codec.InputError, match=next(iter(fields))):
        EncodeOptions(**fields)


@pytest.mark.parametrize("way", [w for w in (*WAYS, by_call) if w != by_command])
def test_misspelt_names_are_errors(seen, way):
    with pytest.raises(TypeError, match="qualty"):
        way(qualty=90)
    assert seen == []


@pytest.mark.parametrize("grey", [False, True])
def test_targets_of_stacks(grey):
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 255, (20, 8, 10) if grey else (20, 8, 10, 3), np.uint8)
    pictures = coarse.repeat(8, 1).repeat(8, 2)  # blocks of 12 and of 8 pictures
    small = codec.encode_batch(pictures, target_size=9000)
    assert 8850 <= len(small) <= 9000
    assert codec.info(small).quality != QUALITY
    n_pixels = 20 * 64 * 80
    assert len(codec.encode_batch(pictures, target_bpp=0.5)) * 8 <= n_pixels * 0.5
    good = codec.encode_batch(pictures, target_psnr=26)
    error = np.square(codec.decode_batch(good) - pictures.astype(float)).mean()
    # Of grey, it is measured before three samples become one.
    assert 26 <= 10 * np.log10(255**2 / error) <= (26.3 if grey else 26.05)
    with pytest.raises(codec.LimitError, match="too small"):
        codec.encode_batch(pictures, target_size=100)


def test_strip():
    exif = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    picture = codec.Picture(PICTURE, icc=b"profile" * 20, exif=exif, xmp=b"<x/>")
    whole, bare = codec.encode(picture), codec.encode(picture, metadata=False)
    found = codec.Decoder().decode_picture(bare)
    assert (found.icc, found.exif, found.xmp) == (picture.icc, None, None)
    assert codec.Decoder().decode_picture(whole).exif == exif
    found = codec.Decoder(metadata=False).decode_picture(whole)
    assert (found.icc, found.exif, found.xmp) == (picture.icc, None, None)


def test_a_store_keeps_what_is_said():
    config = numcodecs.get_codec({"id": "aecompress", **FIELDS}).get_config()
    model = find.load(FIELDS["model"]).id  # a name may mean another one later
    assert config == {"id": "aecompress", **FIELDS, "model": model}
    # As version 0.1 wrote it.
    old = numcodecs.get_codec({"id": "aecompress", "quality": 60, "model": None})
    assert old.options == EncodeOptions(quality=60)
