"""Pictures: PIL modes, files, metadata, alpha."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from codec import picture
from codec.errors import (ConversionWarning, FormatError, InputError,
                          LimitError)
from codec.picture import alpha as alphas, metadata
from codec.types import Picture

# A warning that a test does not expect is a failure.
pytestmark = pytest.mark.filterwarnings(
    "error::codec.errors.ConversionWarning")

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
ALPHA = RNG.integers(1, 255, (5, 7), dtype=np.uint8)
RGBA = np.dstack([RGB, ALPHA])
XMP = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>é</x:xmpmeta>".encode()
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(order="<", **tags):
    e = Image.Exif()
    e.endian = order
    e[271] = "Maker"
    e[34665] = {36867: "2020:01:01 00:00:00"}
    for tag, value in tags.items():
        e[int(tag[1:])] = value
    return e.tobytes()[6:]


def equal(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and (a == b).all()


def file(image, format="PNG", **options):
    fp = io.BytesIO()
    image.save(fp, format, **options)
    fp.seek(0)
    return fp


# Arrays

@pytest.mark.parametrize("a, pixels, alpha", [
    (GREY, GREY, None), (GREY[..., None], GREY, None), (RGB, RGB, None),
    (RGBA, RGB, ALPHA), (RGBA[::-1, ::2], RGB[::-1, ::2], ALPHA[::-1, ::2]),
    (np.asfortranarray(RGB), RGB, None)])
def test_arrays(a, pixels, alpha):
    p = picture.load(a)
    assert equal(p.pixels, pixels) and p.pixels.flags.c_contiguous
    if alpha is None:
        assert p.alpha is None
    else:
        assert equal(p.alpha, alpha) and p.alpha.flags.c_contiguous
    assert (p.icc, p.exif, p.xmp) == (None, None, None)


@pytest.mark.parametrize("a, match", [
    (GREY.astype(np.uint16), "uint16"), (RGB / 255, "float64"),
    (GREY > 9, "bool"), (np.zeros((5, 7, 2), np.uint8), "shape"),
    (np.zeros((5, 7, 5), np.uint8), "shape"), (GREY[0], "shape"),
    (RGB[None], "shape"), (GREY[:0], "7x0"), (GREY[:, :0], "0x5"),
    (np.zeros((1, 16385), np.uint8), "16385x1"),
    (np.zeros((16385, 1, 3), np.uint8), "1x16385"),
    (GREY.tolist(), "list"), (None, "NoneType"), (b"abc", "bytes")])
def test_bad_arrays(a, match):
    with pytest.raises(InputError, match=match):
        picture.load(a)


def test_largest_sides():
    row = np.zeros((1, 16384), np.uint8)
    assert equal(picture.load(row).pixels, row)


# PIL modes

def palette_image(transparency=None):
    im = Image.fromarray(GREY % 4, "P")
    im.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    if transparency is not None:
        im.info["transparency"] = transparency
    return im


PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]],
                   np.uint8)[GREY % 4]


@pytest.mark.parametrize("im, pixels, alpha", [
    (Image.fromarray(GREY), GREY, None),
    (Image.fromarray(RGB), RGB, None),
    (Image.fromarray(RGBA), RGB, ALPHA),
    (Image.fromarray(np.dstack([GREY, ALPHA])), GREY, ALPHA),
    (Image.fromarray(GREY > 99), np.uint8(255) * (GREY > 99), None),
    (Image.fromarray(RGBA, "RGBX"), RGB, None),
    (palette_image(), PALETTE, None),
    (palette_image(bytes([9, 8, 255, 255])), PALETTE,
     np.array([9, 8, 255, 255], np.uint8)[GREY % 4]),
    (palette_image().convert("PA"), PALETTE, None)])
def test_exact_modes(im, pixels, alpha):
    for p in picture.load(im), picture.load(im.copy()):
        assert equal(p.pixels, pixels)
        assert p.alpha is None if alpha is None else equal(p.alpha, alpha)


def test_transparent_colour():
    grey, rgb = Image.fromarray(GREY), Image.fromarray(RGB)
    grey.info["transparency"] = int(GREY[0, 0])
    rgb.info["transparency"] = tuple(map(int, RGB[1, 2]))
    for im, at in (grey, (0, 0)), (rgb, (1, 2)):
        for p in picture.load(im), picture.open_picture(file(im)):
            assert p.alpha[at] == 0 and p.alpha.max() == 255


@pytest.mark.parametrize("mode, match", [
    ("CMYK", "CMYK .* without"), ("YCbCr", "YCbCr"), ("HSV", "HSV"),
    ("LAB", "LAB"), ("RGBa", "RGBa"), ("La", "La")])
def test_converted_modes(mode, match):
    n = len(Image.new(mode, (1, 1)).getbands())
    im = Image.frombytes(mode, (7, 5), np.full((5, 7, n), 90, np.uint8))
    with pytest.warns(ConversionWarning, match=match):
        p = picture.load(im)
    assert p.pixels.shape in ((5, 7), (5, 7, 3))
    assert (p.alpha is not None) == (mode in ("RGBa", "La"))


def test_cmyk_profile_does_not_stay():
    im = Image.new("CMYK", (3, 3), (0, 255, 255, 0))
    profile = bytearray(ICC)
    profile[16:20] = b"CMYK"
    im.info["icc_profile"] = bytes(profile)
    with pytest.warns(ConversionWarning, match="CMYK .* not usable"):
        p = picture.open_picture(file(im, "JPEG", icc_profile=bytes(profile)))
    assert p.icc is None
    assert np.abs(p.pixels.astype(int) - [255, 0, 0]).max() < 9


@pytest.mark.parametrize("im", [
    Image.new("I;16", (3, 3)), Image.new("I;16B", (3, 3)),
    Image.new("I", (3, 3)), Image.new("F", (3, 3))])
def test_deep_modes(im):
    with pytest.raises(InputError, match=r"more than 8 bits.*uint8"):
        picture.load(im)


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data)))


def png(width, height, depth, colour, raw):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(
        ">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("data", [
    png(1, 1, 16, 0, bytes(3)), png(1, 1, 16, 2, bytes(7)),
    png(1, 1, 16, 4, bytes(5)), png(1, 1, 16, 6, bytes(9)),
    b"P6 1 1 65535\n" + bytes(6), b"P5 1 1 65535\n" + bytes(2),
    b"P5 1 1 1023\n" + bytes(2)])
def test_deep_files(data):
    """Pillow alone would cut most of them to 8 bits without a word."""
    with pytest.raises(InputError, match="more than 8 bits"):
        picture.open_picture(io.BytesIO(data))


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG"])
def test_several_frames(format):
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue", "lime")]
    fp = file(frames[0], format, save_all=True, append_images=frames[1:],
              **({"lossless": True} if format == "WEBP" else {}))
    with pytest.warns(ConversionWarning, match="one frame") as caught:
        p = picture.open_picture(fp)
    assert len(caught) == 1
    assert (p.pixels == [255, 0, 0]).all()


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
    from PIL import ImageOps
    grey = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
    for turn in range(1, 9):
        options = {"lossless": True} if format == "WEBP" else {}
        fp = file(Image.fromarray(grey), format, **options,
                  exif=b"Exif\0\0" + exif(order, t274=turn))
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
    p = picture.load(im)
    assert equal(p.alpha, np.rot90(ALPHA, -1))
    assert equal(p.pixels, np.rot90(RGB, -1))
    assert p.xmp == xmp.replace(b"6", b"1").replace(b"3", b"1")
    im.info["exif"] = exif()
    assert picture.load(im).xmp == xmp


def test_foreign_orientation_is_ignored():
    p = picture.from_sections(RGB, {"exif": exif(t274=8)})
    assert metadata.orientation(p.exif) == 1
    fp = io.BytesIO()
    picture.save(Picture(RGB, exif=exif(t274=8)), fp)
    assert equal(picture.open_picture(fp).pixels, RGB)


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


# Alpha

def test_opaque_alpha_is_dropped():
    assert picture.load(np.dstack([RGB, np.full((5, 7), 255, np.uint8)])
                        ).alpha is None


@pytest.mark.parametrize("pixels", [GREY, RGB])
def test_hidden_colours(pixels):
    big = np.tile(pixels, (9, 9) + (1,) * (pixels.ndim - 2))
    alpha = np.ones(big.shape[:2], np.uint8)
    alpha[:40] = 0
    alpha[41, 3] = 0
    filled = alphas.fill_hidden(big, alpha)
    assert equal(filled[alpha > 0], big[alpha > 0])
    # They follow from the visible pixels alone ..
    other = np.where((alpha > 0).reshape(alpha.shape + (1,) * (big.ndim - 2)),
                     big, 255 - big)
    assert equal(alphas.fill_hidden(other, alpha), filled)
    # .. and are cheap: one colour per block.
    assert (filled[:16, :16] == filled[0, 0]).all()
    assert alphas.fill_hidden(big, np.ones_like(alpha)) is big
    assert not alphas.fill_hidden(big, np.zeros_like(alpha)).any()


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_hidden_mean(height, width, seed):
    rng = np.random.default_rng(seed)
    alpha = rng.integers(0, 2, (height, width), dtype=np.uint8)
    alpha[rng.integers(height), rng.integers(width)] = 1
    flat = np.full((height, width, 3), 77, np.uint8)
    noise = np.where(alpha[..., None], flat, rng.integers(
        0, 256, flat.shape, dtype=np.uint8))
    assert equal(alphas.fill_hidden(noise, alpha), flat)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (37, 53)])
def test_alpha_png(shape):
    alpha = RNG.integers(0, 256, shape, dtype=np.uint8)
    data = alphas.alpha_to_png(alpha)
    assert equal(alphas.png_to_alpha(data, *shape), alpha)


def refuse(data, height=5, width=7, match="ALPH"):
    with pytest.raises(FormatError, match=match):
        alphas.png_to_alpha(data, height, width)


def test_bad_alpha():
    good = alphas.alpha_to_png(ALPHA)
    for n in range(len(good) - 12):
        refuse(good[:n])
    refuse(good, 7, 5, match="7x5, 8 bits")
    refuse(b"", match="not a PNG")
    refuse(file(Image.fromarray(RGB)).getvalue(), match="colour type 2")
    refuse(file(Image.fromarray(GREY > 9)).getvalue(), match="1 bits")
    refuse(png(7, 5, 8, 0, bytes(39)))
    refuse(png(7, 5, 8, 0, b"\x09" + bytes(39)))
    refuse(png(7, 5, 8, 0, b"")[:-12] + b"\0\0\0\x04JUNK\0\0\0\0")
    for i in range(8 * len(good)):
        bad = bytearray(good)
        bad[i // 8] ^= 1 << i % 8
        try:
            assert equal(alphas.png_to_alpha(bytes(bad), 5, 7), ALPHA)
        except FormatError:
            pass


def test_alpha_bombs():
    # A huge size needs as large a stream, before anything is allocated.
    refuse(png(16384, 16384, 8, 0, bytes(99)), 16384, 16384,
           match="cut short")
    # A small size does not unpack a large stream.
    bomb = png(7, 5, 8, 0, bytes(2**24))
    assert not alphas.png_to_alpha(bomb, 5, 7).any()
    # Nor are texts and profiles looked at.
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**24)))
    good = alphas.alpha_to_png(ALPHA)
    both = good[:33] + text + chunk(b"acTL", bytes(8)) + good[33:]
    assert equal(alphas.png_to_alpha(both, 5, 7), ALPHA)


# Opening files

def test_open_path_and_streams(tmp_path):
    name = tmp_path / "a.png"
    Image.fromarray(RGB).save(name)
    assert equal(picture.open_picture(name).pixels, RGB)
    assert equal(picture.open_picture(str(name)).pixels, RGB)
    read, write = os.pipe()
    os.write(write, name.read_bytes())
    os.close(write)
    with open(read, "rb") as pipe:
        assert equal(picture.open_picture(pipe).pixels, RGB)


def test_open_errors(tmp_path):
    for path, match in ((tmp_path, "directory"),
                        (tmp_path / "none.png", "No such file"),
                        ("a\0b", "null")):
        with pytest.raises(InputError, match=match):
            picture.open_picture(path)
    for data in b"", b"text", bytes(1000), b"\x89PNG\r\n\x1a\n":
        with pytest.raises(InputError, match="not a picture"):
            picture.open_picture(io.BytesIO(data))
    eps = io.BytesIO()
    picture.save(Picture(RGB), eps, "EPS")
    with pytest.raises(InputError, match="EPS"):
        picture.open_picture(eps)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
def test_truncated_files(format):
    data = file(Image.fromarray(RGB).convert("L"), format).getvalue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(len(data)):
            try:
                p = picture.open_picture(io.BytesIO(data[:n]))
            except InputError:
                continue
            # Pillow needs no trailer, and fills in the end of a GIF.
            assert p.pixels.shape[:2] == (5, 7)


def test_truncated_png_says_so():
    noise = RNG.integers(0, 256, (90, 90), dtype=np.uint8)
    data = file(Image.fromarray(noise)).getvalue()
    with pytest.raises(InputError, match="damaged picture"):
        picture.open_picture(io.BytesIO(data[:4000]))


def test_limits():
    before = Image.MAX_IMAGE_PIXELS
    fp = file(Image.fromarray(GREY))
    assert picture.open_picture(fp, max_pixels=35).pixels.shape == (5, 7)
    for limit in 34, 17, 1:
        with pytest.raises(LimitError):
            picture.open_picture(fp, max_pixels=limit)
    bomb = io.BytesIO(png(16384, 16384, 8, 2, b""))
    with pytest.raises(LimitError):
        picture.open_picture(bomb, max_pixels=10**6)
    # Within our own limit, though beyond Pillow's: found to be damaged.
    with pytest.raises(InputError, match="damaged"):
        picture.open_picture(io.BytesIO(png(16384, 16384, 8, 0, b"")))
    with pytest.raises(InputError, match="16385"):
        picture.open_picture(io.BytesIO(png(16385, 1, 8, 0, bytes(16386))))
    assert Image.MAX_IMAGE_PIXELS == before


# Saving

def test_format_of():
    for name, format in (("a", "PNG"), ("a.png", "PNG"), ("b.JPG", "JPEG"),
                         ("x.tar.tif", "TIFF"), ("d.d/a", "PNG")):
        assert picture.format_of(name) == format
    for name in "a.txt", "a.mpg", "a.psd":
        with pytest.raises(InputError, match=name[1:]):
            picture.format_of(name)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "TGA", "WEBP", "QOI",
                                    "JPEG2000", "DDS", "SGI", None])
def test_lossless_formats(format):
    for p in (Picture(GREY), Picture(RGB), Picture(RGB, ALPHA),
              Picture(GREY, ALPHA)):
        fp = io.BytesIO()
        picture.save(p, fp, format)
        found = np.asarray(Image.open(fp).convert("RGBA"))
        assert equal(found[..., :3], np.broadcast_to(
            p.pixels.reshape(5, 7, -1), (5, 7, 3)))
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


@pytest.mark.parametrize("format, match", [
    ("GIF", "256 colours"), ("PALM", "256 colours"), ("XBM", "black"),
    ("SPIDER", "no colours"), ("ICO", "sizes")])
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
    with pytest.warns(ConversionWarning,
                      match="BMP cannot hold this colour profile, XMP"):
        picture.save(Picture(RGB, None, ICC, None, XMP), fp, "BMP")
    long = exif(t270="x" * 70000)
    with pytest.warns(ConversionWarning, match="hold this Exif, XMP"):
        picture.save(Picture(RGB, None, ICC, long, XMP), fp, "JPEG")
    fp = io.BytesIO()
    grey = bytearray(ICC)
    grey[16:20] = b"GRAY"
    with pytest.warns(ConversionWarning, match="profile"):
        picture.save(Picture(GREY, None, bytes(grey)), fp, "WEBP")


def test_save_errors(tmp_path):
    for format in "NONE", "PSD", "HDF5":
        with pytest.raises(InputError, match=format):
            picture.save(Picture(RGB), tmp_path / "a.png", format)
    with pytest.raises(InputError, match="JPEG"):
        picture.save(Picture(RGB), tmp_path / "a.jpg", quality="bad")
    with pytest.raises(InputError, match="WEBP"):
        picture.save(Picture(np.zeros((1, 16384), np.uint8)),
                     tmp_path / "a.webp")
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
