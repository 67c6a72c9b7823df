"""Pictures to picture files; ICC, Exif and XMP on the way."""

import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import ALPHA, GREY, ICC, RGB, RGBA, RNG, XMP, equal, exif, file
from PIL import Image, ImageOps

from codec import picture
from codec.errors import ConversionWarning, InputError
from codec.picture import metadata
from codec.types import Picture

# A warning that a test does not expect is a failure.
pytestmark = pytest.mark.filterwarnings("error::codec.errors.ConversionWarning")


# Metadata and orientation


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_metadata_bytes(format, tmp_path):
    source = Picture(RGB, None, ICC, exif(), XMP)
    name = tmp_path / f"a.{format.lower()}"
    picture.save(source, name)
    p = picture.open_picture(name)
    assert (p.icc, p.xmp) == (ICC, XMP)
    if format != "TIFF":
        assert p.exif == exif()
    tags = Image.Exif()
    tags.load(p.exif)
    assert tags[271] == "Maker"
    assert tags.get_ifd(34665)[36867] == "2020:01:01 00:00:00"
    if format in ("PNG", "WEBP", "TIFF"):
        assert equal(p.pixels, RGB)


def test_through_sections():
    source = Picture(RGB, ALPHA, ICC, exif(), XMP)
    sections = picture.to_sections(source)
    assert list(sections) == ["ALPH", "ICCP", "exif", "xmp0"]
    p = picture.from_sections(RGB, dict(sections, zzzz=b"new"))
    assert equal(p.pixels, RGB) and equal(p.alpha, ALPHA)
    assert (p.icc, p.exif, p.xmp) == (ICC, exif(), XMP)
    assert picture.to_sections(Picture(GREY)) == {}
    bare = picture.from_sections(GREY, {"exif": b"junk", "ICCP": b""})
    assert (bare.icc, bare.exif, bare.xmp) == (None, None, None)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_orientation(format, order):
    grey = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
    for turn in range(1, 9):
        options = {"lossless": True} if format == "WEBP" else {}
        fp = file(
            Image.fromarray(grey),
            format,
            **options,
            exif=b"Exif\0\0" + exif(order, t274=turn),
        )
        p = picture.open_picture(fp)
        with Image.open(fp) as im:
            wanted = np.asarray(ImageOps.exif_transpose(im))
        assert equal(p.pixels, wanted)
        assert metadata.orientation(p.exif) == 1
        if format != "TIFF":
            assert p.exif == exif(order, t274=1)
        again = io.BytesIO()
        picture.save(p, again)
        assert equal(picture.open_picture(again).pixels, wanted)


def test_orientation_alpha_and_xmp():
    xmp = b"<a tiff:Orientation='6'><tiff:Orientation>3</tiff:Orientation>"
    im = Image.fromarray(RGBA)
    im.info.update(exif=b"Exif\0\0" + exif(t274=6), xmp=xmp)
    with pytest.warns(ConversionWarning, match="differs; 6 is applied"):
        p = picture.load(im)
    assert equal(p.alpha, np.rot90(ALPHA, -1))
    assert equal(p.pixels, np.rot90(RGB, -1))
    assert p.xmp == xmp.replace(b"6", b"1").replace(b"3", b"1")
    im.info.update(exif=exif(), xmp=xmp[:23])  # XMP alone says it
    p = picture.load(im)
    assert equal(p.alpha, np.rot90(ALPHA, -1)) and b"'1'" in p.xmp


def test_foreign_orientation_is_ignored():
    p = picture.from_sections(RGB, {"exif": exif(t274=8)})
    assert metadata.orientation(p.exif) == 1
    fp = io.BytesIO()
    picture.save(Picture(RGB, exif=exif(t274=8)), fp)
    assert equal(picture.open_picture(fp).pixels, RGB)


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"II*\0", b"MM\0*", b""]))
def test_any_exif(data, start):
    e, _ = metadata.upright(start + data, None)
    assert metadata.orientation(e) == 1 and len(e) == len(start + data)
    im = Image.fromarray(RGB)
    im.info["exif"] = start + data
    picture.load(im)


def test_odd_info():
    im = Image.fromarray(RGB)
    im.info.update(icc_profile="text", exif=7, xmp=XMP.decode())
    p = picture.load(im)
    assert (p.icc, p.exif, p.xmp) == (None, None, XMP)


# Saving


def test_format_of():
    for name, format in (
        ("a", "PNG"),
        ("a.png", "PNG"),
        ("b.JPG", "JPEG"),
        ("x.tar.tif", "TIFF"),
        ("d.d/a", "PNG"),
    ):
        assert picture.format_of(name) == format
    for name in "a.txt", "a.mpg", "a.psd":
        with pytest.raises(InputError, match=name[1:]):
            picture.format_of(name)


@pytest.mark.parametrize(
    "format", ["PNG", "TIFF", "TGA", "WEBP", "QOI", "JPEG2000", "DDS", "SGI", None]
)
def test_lossless_formats(format):
    for p in (Picture(GREY), Picture(RGB), Picture(RGB, ALPHA), Picture(GREY, ALPHA)):
        fp = io.BytesIO()
        picture.save(p, fp, format)
        found = np.asarray(Image.open(fp).convert("RGBA"))
        assert equal(found[..., :3], np.broadcast_to(p.pixels.reshape(5, 7, -1), (5, 7, 3)))
        if p.alpha is not None:
            assert equal(found[..., 3], ALPHA)


@pytest.mark.parametrize("format", ["JPEG", "BMP", "PPM", "PCX"])
def test_alpha_on_white(format):
    rgb = np.full((8, 8, 3), (200, 0, 0), np.uint8)
    alpha = np.repeat(np.uint8([0, 51, 102, 255]), 2)[None].repeat(8, 0)
    for pixels in rgb, rgb[..., 0]:
        fp = io.BytesIO()
        with pytest.warns(ConversionWarning, match="white"):
            picture.save(Picture(pixels, alpha), fp, format)
        found = np.asarray(Image.open(fp)).astype(float)
        a = alpha.reshape(alpha.shape + (1,) * (pixels.ndim - 2)) / 255
        assert np.abs(found - (a * pixels + (1 - a) * 255)).max() < 12


@pytest.mark.parametrize(
    "format, match",
    [
        ("GIF", "256 colours"),
        ("PALM", "256 colours"),
        ("XBM", "black"),
        ("SPIDER", "no colours"),
        ("ICO", "sizes"),
    ],
)
def test_poor_formats(format, match):
    with pytest.warns(ConversionWarning, match=match):
        picture.save(Picture(RGB), io.BytesIO(), format)
    with pytest.warns(ConversionWarning):
        picture.save(Picture(RGB, ALPHA), io.BytesIO(), format)


def test_grey_gif_is_exact():
    fp = io.BytesIO()
    picture.save(Picture(GREY), fp, "gif")
    assert equal(np.asarray(Image.open(fp).convert("L")), GREY)


def test_every_format():
    Image.init()
    for format in set(Image.SAVE) - {"PNG"}:
        for p in Picture(GREY, ALPHA), Picture(RGB, None, ICC, exif(), XMP):
            fp = io.BytesIO()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    picture.save(p, fp, format)
                    assert fp.getvalue()
                except InputError as error:
                    assert "handler not installed" in str(error)
                    assert not fp.getvalue()


def test_metadata_that_does_not_fit():
    fp = io.BytesIO()
    with pytest.warns(ConversionWarning, match="BMP cannot hold this colour profile, XMP"):
        picture.save(Picture(RGB, None, ICC, None, XMP), fp, "BMP")
    long = exif(t270="x" * 70000)
    with pytest.warns(ConversionWarning, match="hold this Exif, XMP"):
        picture.save(Picture(RGB, None, ICC, long, XMP), fp, "JPEG")
    fp = io.BytesIO()
    grey = bytearray(ICC)
    grey[16:20] = b"GRAY"
    with pytest.warns(ConversionWarning, match="profile"):
        picture.save(Picture(GREY, None, bytes(grey)), fp, "WEBP")


def test_metadata_in_formats_of_extras():
    heif = pytest.importorskip("pillow_heif")
    pytest.importorskip("pillow_jxl")
    heif.register_heif_opener()
    pixels = np.tile(RGB, (4, 4, 1))
    fp = io.BytesIO()
    picture.save(Picture(pixels, None, ICC, exif(t270="x"), XMP), fp, "HEIF")
    with Image.open(fp) as image:
        assert image.info["icc_profile"] == ICC
        assert image.info["xmp"] == XMP and image.getexif()[270] == "x"
    plain = b"x" * 16 + b"RGB " + "sRGB".encode("utf-16-be")  # what a JPEG XL has anyway
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture.save(Picture(pixels, None, plain), io.BytesIO(), "JXL")
    with pytest.warns(ConversionWarning, match="JXL cannot hold this colour profile"):
        picture.save(
            Picture(pixels, None, ICC.replace("sRGB".encode("utf-16-be"), b"12345678")),
            io.BytesIO(),
            "JXL",
        )


def test_save_errors(tmp_path):
    for format in "NONE", "PSD", "HDF5":
        with pytest.raises(InputError, match=format):
            picture.save(Picture(RGB), tmp_path / "a.png", format)
    with pytest.raises(InputError, match="JPEG"):
        picture.save(Picture(RGB), tmp_path / "a.jpg", quality="bad")
    with pytest.raises(InputError, match="WEBP"):
        picture.save(Picture(np.zeros((1, 16384), np.uint8)), tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError):
        picture.save(Picture(RGB), tmp_path / "none" / "a.png")


def test_options():
    sizes = []
    for options in {}, {"quality": 10}:
        fp = io.BytesIO()
        picture.save(Picture(np.tile(RGB, (9, 9, 1))), fp, "JPEG", **options)
        sizes.append(len(fp.getvalue()))
    assert sizes[1] < sizes[0]
