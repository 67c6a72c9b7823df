"""Arrays, PIL modes and picture files to pictures."""

import io
import os
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import ALPHA, GREY, ICC, RGB, RGBA, RNG, chunk, equal, file, png
from PIL import Image

from codec import picture
from codec.errors import ConversionWarning, InputError, LimitError
from codec.types import Picture

DEEP = Path(__file__).parent / "data" / "deep"

# A warning that a test does not expect is a failure.
pytestmark = pytest.mark.filterwarnings("error::codec.errors.ConversionWarning")


# Arrays


@pytest.mark.parametrize(
    "a, pixels, alpha",
    [
        (GREY, GREY, None),
        (GREY[..., None], GREY, None),
        (RGB, RGB, None),
        (RGBA, RGB, ALPHA),
        (RGBA[::-1, ::2], RGB[::-1, ::2], ALPHA[::-1, ::2]),
        (np.asfortranarray(RGB), RGB, None),
    ],
)
def test_arrays(a, pixels, alpha):
    p = picture.load(a)
    assert equal(p.pixels, pixels) and p.pixels.flags.c_contiguous
    if alpha is None:
        assert p.alpha is None
    else:
        assert equal(p.alpha, alpha) and p.alpha.flags.c_contiguous
    assert (p.icc, p.exif, p.xmp) == (None, None, None)


@pytest.mark.parametrize(
    "a, match",
    [
        (GREY.astype(np.uint16), "uint16"),
        (RGB / 255, "float64"),
        (GREY > 9, "bool"),
        (np.zeros((5, 7, 2), np.uint8), "shape"),
        (np.zeros((5, 7, 5), np.uint8), "shape"),
        (GREY[0], "shape"),
        (RGB[None], "shape"),
        (GREY[:0], "7x0"),
        (GREY[:, :0], "0x5"),
        (np.zeros((1, 16385), np.uint8), "16385x1"),
        (np.zeros((16385, 1, 3), np.uint8), "1x16385"),
        (GREY.tolist(), "list"),
        (None, "NoneType"),
        (b"abc", "bytes"),
    ],
)
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


PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8)[GREY % 4]


@pytest.mark.parametrize(
    "im, pixels, alpha",
    [
        (Image.fromarray(GREY), GREY, None),
        (Image.fromarray(RGB), RGB, None),
        (Image.fromarray(RGBA), RGB, ALPHA),
        (Image.fromarray(np.dstack([GREY, ALPHA])), GREY, ALPHA),
        (Image.fromarray(GREY > 99), np.uint8(255) * (GREY > 99), None),
        (Image.fromarray(RGBA, "RGBX"), RGB, None),
        (palette_image(), PALETTE, None),
        (
            palette_image(bytes([9, 8, 255, 255])),
            PALETTE,
            np.array([9, 8, 255, 255], np.uint8)[GREY % 4],
        ),
        (palette_image().convert("PA"), PALETTE, None),
    ],
)
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


@pytest.mark.parametrize(
    "mode, match",
    [
        ("CMYK", "CMYK .* without"),
        ("YCbCr", "YCbCr"),
        ("HSV", "HSV"),
        ("LAB", "LAB"),
        ("RGBa", "RGBa"),
        ("La", "La"),
    ],
)
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


@pytest.mark.parametrize(
    "im",
    [
        Image.new("I;16", (3, 3)),
        Image.new("I;16B", (3, 3)),
        Image.new("I", (3, 3)),
        Image.new("F", (3, 3)),
    ],
)
def test_deep_modes(im):
    with pytest.raises(InputError, match=r"range is not known.*8 bits"):
        picture.load(im)


S = b"\x80\xff"  # a sample of 16 bits


@pytest.mark.parametrize(
    "bits, data",
    [
        (16, png(1, 1, 16, 0, b"\0" + S)),
        (16, png(1, 1, 16, 2, b"\0" + 3 * S)),
        (16, png(1, 1, 16, 4, b"\0" + 2 * S)),
        (16, png(1, 1, 16, 6, b"\0" + 4 * S)),
        (16, b"P6 1 1 65535\n" + 3 * S),
        (16, b"P5 1 1 65535\n" + S),
        (10, b"P5 1 1 1023\n" + (516).to_bytes(2, "big")),
    ],
)
def test_deep_files(bits, data):
    """Pillow alone would cut most of them to 8 bits without a word."""
    with pytest.warns(ConversionWarning, match=f"^{bits} bits a .* 8$"):
        p = picture.open_picture(io.BytesIO(data))
    assert p.pixels[0, 0].max() in (128, 129)


@pytest.mark.parametrize(
    "name, bits",
    [
        ("rgb10.avif", 10),
        ("rgb12.avif", 12),
        ("rgb16.jp2", 16),
        ("rgb16.j2k", 16),
        ("grey16.jp2", 16),
    ],
)
def test_deep_files_of_which_pillow_does_not_tell(name, bits):
    y, x = np.mgrid[:24, :32]
    wanted = np.stack([x * 2000, y * 2500, (x + y) * 1100], -1) >> 8
    with open(DEEP / name, "rb") as file:
        with pytest.warns(ConversionWarning, match=f"^{bits} bits a "):
            p = picture.open_picture(file)
    wanted = wanted[..., 0] if p.pixels.ndim == 2 else wanted
    assert np.abs(p.pixels.astype(int) - wanted).max() < 9


@pytest.mark.parametrize("format", ["AVIF", "JPEG2000"])
def test_shallow_files_of_these_formats(format):
    picture.open_picture(file(Image.fromarray(RGB), format))


@pytest.mark.parametrize(
    "a", [GREY.astype(np.uint16), GREY.astype(np.int32), GREY.astype(np.float32)]
)
def test_deep_grey_tiffs(a):
    with pytest.raises(InputError, match="range is not known|no one says what is white"):
        picture.open_picture(file(Image.fromarray(a), "TIFF"))


def test_deep_transparent_grey():
    data = png(1, 1, 16, 0, b"\0" + S).replace(chunk(b"IEND", b""), b"")
    at = data.index(b"IDAT") - 4
    data = data[:at] + chunk(b"tRNS", S) + data[at:] + chunk(b"IEND", b"")
    with pytest.warns(ConversionWarning) as caught:
        p = picture.open_picture(io.BytesIO(data))
    assert p.alpha is None and "transparent" in str(caught[1].message)


# What a viewer shows otherwise


def test_raw_photographs():
    for tags in {254: 1}, {50706: b"\1\4\0\0"}:
        fp = file(Image.fromarray(RGB), "TIFF", tiffinfo=tags)
        with pytest.raises(InputError, match="raw photograph"):
            picture.open_picture(fp)


@pytest.mark.parametrize(
    "kind, data, lost",
    [
        (b"gAMA", (100000).to_bytes(4, "big"), "gamma 1"),
        (b"gAMA", (45455).to_bytes(4, "big"), None),
        (b"cICP", b"\x09\x10\0\1", "cICP"),
        (b"cICP", b"\1\x0d\0\1", None),
        (b"cICP", b"\1\x0d\0\0", "cICP"),  # of narrow range
        (
            b"cHRM",
            b"".join(
                n.to_bytes(4, "big")
                for n in (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
            ),
            "primaries",
        ),
    ],
)
def test_colours_of_png_files(kind, data, lost):
    plain = file(Image.fromarray(RGB)).getvalue()
    fp = io.BytesIO(plain[:33] + chunk(kind, data) + plain[33:])
    if lost:
        with pytest.warns(ConversionWarning, match=f"sRGB; {lost} is left"):
            picture.open_picture(fp)
    else:
        picture.open_picture(fp)


def test_a_png_file_s_cicp_outranks_its_profile():
    plain = file(Image.fromarray(RGB), icc_profile=ICC).getvalue()
    said = chunk(b"cICP", b"\x0c\x10\0\1")
    with pytest.warns(ConversionWarning, match="sRGB; cICP is left"):
        picture.open_picture(io.BytesIO(plain[:33] + said + plain[33:]))


def test_icons():
    with pytest.warns(ConversionWarning, match="largest of 2 icons"):
        p = picture.open_picture(
            file(Image.new("RGB", (32, 32)), "ICO", sizes=[(16, 16), (32, 32)])
        )
    assert p.pixels.shape == (32, 32, 3)


@pytest.mark.parametrize(
    "start, name",
    [
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns=''/>", "SVG"),
        (b"PK\3\4", "archive"),
    ],
)
def test_formats_that_are_not_read(start, name, tmp_path):
    (tmp_path / "a").write_bytes(start + bytes(99))
    for source in io.BytesIO(start + bytes(99)), tmp_path / "a":
        with pytest.raises(InputError, match=f"{name} is not read; convert"):
            picture.open_picture(source)


@pytest.mark.parametrize("options", [{"format": "JPEG", "progressive": True}, {"format": "JPEG"}])
def test_broken_jpegs(options):
    photo = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = file(Image.fromarray(photo), **options).getvalue()
    with pytest.warns(ConversionWarning, match="4 bytes after the end"):
        picture.open_picture(io.BytesIO(data + b"more"))
    # Without its last two bytes a picture may be whole all the same.
    for n in len(data) - 50, len(data) // 2:
        with pytest.raises(InputError, match="damaged picture.*truncated"):
            picture.open_picture(io.BytesIO(data[:n]))


def test_interlaced_png():
    y, x = np.mgrid[:8, :8]
    a = (y * 30 + x).astype(np.uint8)
    passes = (
        (0, 8, 0, 8),
        (0, 8, 4, 8),
        (4, 8, 0, 4),
        (0, 4, 2, 4),
        (2, 4, 0, 2),
        (0, 2, 1, 2),
        (1, 2, 0, 1),
    )
    raw = b"".join(b"\0" + row.tobytes() for y0, dy, x0, dx in passes for row in a[y0::dy, x0::dx])
    data = bytearray(png(8, 8, 8, 0, raw))
    data[28] = 1
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    assert equal(picture.open_picture(io.BytesIO(data)).pixels, a)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG"])
def test_several_frames(format):
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue", "lime")]
    fp = file(
        frames[0],
        format,
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if format == "WEBP" else {}),
    )
    with pytest.warns(ConversionWarning, match="one frame") as caught:
        p = picture.open_picture(fp)
    assert len(caught) == 1
    assert (p.pixels == [255, 0, 0]).all()


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
    for path, match in (
        (tmp_path, "directory"),
        (tmp_path / "none.png", "No such file"),
        ("a\0b", "null"),
    ):
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
            assert format != "PNG"
            assert p.pixels.shape[:2] == (5, 7)


def test_metadata_after_the_samples_of_a_png():
    """Pillow leaves it out, without a word, where it is damaged."""
    exif = b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x04\0\0\0abc\0" + bytes(4)
    data = file(Image.fromarray(GREY)).getvalue()
    whole = data[:-12] + chunk(b"eXIf", exif) + data[-12:]
    p = picture.open_picture(io.BytesIO(whole))
    assert p.exif is not None and np.array_equal(p.pixels, GREY)
    with pytest.warns(ConversionWarning, match="4 bytes after the end"):
        assert picture.open_picture(io.BytesIO(whole + b"more")).exif == p.exif
    at = whole.index(b"eXIf")
    for bad in (
        whole[: at + 9],
        whole[: at + 8] + b"!" + whole[at + 9 :],
        whole[: at - 4] + b"\xff" + whole[at - 3 :],
    ):
        with pytest.raises(InputError, match="damaged picture"):
            picture.open_picture(io.BytesIO(bad))


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
        picture.open_picture(io.BytesIO(png(16384, 16384, 8, 0, b"")), max_pixels=2**28)
    with pytest.raises(LimitError, match="--max-pixels"):
        picture.open_picture(io.BytesIO(png(16384, 16384, 8, 0, b"")))
    with pytest.raises(LimitError, match="max_pixels"):
        picture.load(GREY, max_pixels=34)
    with pytest.raises(InputError, match="16385"):
        picture.open_picture(io.BytesIO(png(16385, 1, 8, 0, bytes(16386))))
    assert Image.MAX_IMAGE_PIXELS == before
