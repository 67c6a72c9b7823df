"""What is read of picture files beside their pixels, from strange files too."""

import io
import itertools
import pathlib
import struct
import sys
import warnings
import zlib

import carried
import numpy as np
import pytest
from carried import PIXELS, box, plain, segment, with_chunk, with_tag
from pictures import GREY, ICC, RGB, equal, exif, png
from PIL import Image, ImageOps

import codec
from codec import picture
from codec.cli.main import main
from codec.errors import ConversionNote, ConversionWarning, InputError, LimitError
from codec.picture import jxl, metadata, parts, tiff, walk
from codec.types import Picture

pytestmark = pytest.mark.filterwarnings("error::codec.errors.ConversionWarning")

TURNED = np.rot90(PIXELS, -1)


def opened(data, **more):
    return picture.open_picture(io.BytesIO(data), **more)


def with_warning(data, match, **more):
    with pytest.warns(ConversionWarning, match=match) as caught:
        found = opened(data, **more)
    assert len(caught) == 1, [str(w.message) for w in caught]
    return found


# Commands ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, container, kind",
    [
        ("a.jpg", "JPEG", "gain map"),
        ("b.jpg", "JPEG", "audio, video"),
        ("c.jpg", "JPEG", "extended XMP"),
        ("d.png", "PNG", "text"),
        ("e.tif", "TIFF", "extra bands"),
        ("f.gif", "GIF", "trailing bytes"),
    ],
)
def test_rm_keeps_what_the_output_does_not(tmp_path, monkeypatch, capsys, name, container, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(carried.build(container, kind))
    assert main("aecompress", ["-q", "30", "--rm", name]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "input kept" in lines[1]
    assert (tmp_path / name).exists()


def test_no_chunk_commands_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = with_chunk(plain("PNG"), b"a\x1bcx", b"secret")
    (tmp_path / "a.png").write_bytes(data)
    assert main("aecompress", ["a.png"]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and r"\x1b" in said


def test_strip_says_that_one_knows_of_metadata(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, kind, exit in (("a.png", "text", 0), ("b.png", "trailing bytes", 2)):
        (tmp_path / name).write_bytes(carried.build("PNG", kind))
        assert main("aecompress", ["-q", "30", "--strip", "--rm", name]) == exit
        assert (tmp_path / name).exists() == bool(exit)


# JPEG ----------------------------------------------------------------------


def test_sizes_and_names_are_told():
    with_warning(segment(plain("JPEG"), 0xFE, b"hello"), r"left out: comment \(5 bytes\)$")
    data = plain("JPEG")
    with_warning(data + carried.VIDEO, f"{len(carried.VIDEO)} bytes .*a video")
    opened(data + bytes(99))  # padding


def whole_video():
    """A file of boxes that is sound by itself."""
    box = carried.box
    return (
        box(b"ftyp", b"mp42\0\0\0\0mp42isom")
        + box(b"moov", b"secret payload" * 20)
        + box(b"mdat", b"secret payload" * 100)
    )


@pytest.mark.parametrize(
    "kind, more",
    [
        ("AVIF", whole_video()),
        ("AVIF", carried.plain("AVIF")),
        ("AVIF", carried.box(b"free", b"secret payload")),
        ("AVIF", carried.box(b"jp2c", b"secret payload")),
        ("JPEG2000", carried.box(b"mdat", b"secret payload")),
        ("JPEG2000", carried.box(b"jp2c", b"secret payload")),
    ],
)
def test_boxes_that_another_kind_of_file_has(kind, more):
    with_warning(carried.plain(kind) + more, "box|after the end|video")


def test_padding_is_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture.read(io.BytesIO(carried.plain("AVIF") + carried.box(b"free", bytes(40))))


def test_xmp_claims_nothing_that_is_gone():
    p = with_warning(carried.build("JPEG", "gain map"), "only one frame of 2")
    assert b"hdrgm:Version" not in p.xmp and b'dc:title="keep"' in p.xmp
    p = with_warning(carried.build("JPEG", "extended XMP"), "extended XMP")
    assert b"HasExtendedXMP" not in p.xmp and b"hdrgm:Version" in p.xmp
    assert opened(carried._xmp("JPEG")).xmp == carried.XMP


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-32-be"])
def test_claims_as_elements(encoding):
    a = '<r xmlns:c="http://ns.google.com/photos/1.0/container/" xmlns:d="x">'
    gone = '<c:Directory><li c:x="1"><c:Item/></li></c:Directory>'
    kept = '<d:Directory d:c="1"/></r>'
    found = metadata.without_claims((a + gone + kept).encode(encoding), False)
    assert found == (a + kept).encode(encoding)


def test_profiles_in_parts_in_any_order():
    part = b"ICC_PROFILE\0"
    data = segment(plain("JPEG"), 0xE2, part + b"\1\2" + ICC[:200])
    data = segment(data, 0xE2, part + b"\2\2" + ICC[200:])
    assert opened(data).icc == ICC


@pytest.mark.parametrize("unit, value, dpi", [(1, 300, 300), (2, 118, 299.72)])
def test_jfif_resolution(unit, value, dpi):
    data = bytearray(plain("JPEG"))
    struct.pack_into(">BHH", data, data.index(b"JFIF") + 7, unit, value, value)
    assert opened(bytes(data)).dpi == pytest.approx((dpi, dpi))


def test_no_resolution_is_invented():
    """Pillow says 72 where Exif has none."""
    assert opened(plain("JPEG", exif=b"Exif\0\0" + exif())).dpi is None


# PNG -----------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_raw_profiles(packed):
    def text(kind, value):
        lines = f"\n{kind}\n{len(value):8}\n{value.hex()}\n".encode()
        name = f"Raw profile type {kind}".encode()
        if packed:
            return b"zTXt", name + b"\0\0" + zlib.compress(lines)
        return b"tEXt", name + b"\0" + lines

    block = b"Exif\0\0" + exif(t274=6)
    for kind in ("exif", "APP1"):
        p = opened(with_chunk(plain("PNG"), *text(kind, block)))
        assert equal(p.pixels, TURNED) and b"Maker" in p.exif
    assert opened(with_chunk(plain("PNG"), *text("icc", ICC))).icc == ICC
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + carried.XMP
    assert opened(with_chunk(plain("PNG"), *text("APP1", xmp))).xmp == carried.XMP
    # A chunk of its own goes before it, and what cannot be read is with_warning.
    both = with_chunk(plain("PNG", exif=exif()), *text("exif", block))
    assert equal(with_warning(both, "further Exif").pixels, PIXELS)
    bad = with_chunk(plain("PNG"), b"tEXt", b"Raw profile type exif\0\nexif\n 9\nxyz")
    with_warning(bad, "Raw profile type exif")


@pytest.mark.parametrize(
    "kind, body",
    [
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_500_000))),
        (b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(1_500_000))),
    ],
)
def test_large_texts(kind, body):
    with_warning(with_chunk(plain("PNG"), kind, body), "left out: text")


def test_large_xmp_and_bombs(monkeypatch):
    xmp = b"<x>" + b" " * 1_500_000 + b"</x>"
    body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)
    data = with_chunk(plain("PNG"), b"iTXt", body)
    assert opened(data).xmp == xmp
    monkeypatch.setattr(walk, "MAX_INFLATED", 1 << 20)
    with_warning(data, "XMP that cannot be read")


def test_large_profiles(tmp_path, monkeypatch):
    icc = ICC + bytes(2_000_000)
    data = with_chunk(plain("PNG"), b"iCCP", b"x\0\0" + zlib.compress(icc))
    p = opened(data)
    assert p.icc == icc
    out = io.BytesIO()
    with pytest.warns(ConversionNote, match="written as text"):
        picture.save(p, out)
    with Image.open(out) as image:  # Pillow does not refuse it
        image.load()
    back = opened(out.getvalue())
    assert back.icc == icc and equal(back.pixels, PIXELS)
    # A note is no warning: nothing is lost.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.aec").write_bytes(codec.encode(p))
    assert main("aedecompress", ["--rm", "a.aec"]) == 0
    assert not (tmp_path / "a.aec").exists()


@pytest.mark.parametrize("bits, value", [(1, 1), (2, 2), (4, 9), (8, 200)])
def test_one_transparent_grey(bits, value):
    row = np.arange(16) % (1 << bits)
    packed = np.packbits(((row[:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8).ravel())
    data = png(16, 1, bits, 0, b"\0" + packed.tobytes())
    data = with_chunk(data, b"tRNS", struct.pack(">H", value))
    if value not in row:
        assert opened(data).alpha is None
    else:
        assert equal(opened(data).alpha[0], np.where(row == value, 0, 255).astype("u1"))


def test_one_transparent_colour_of_16_bits():
    raw = b"\0" + b"\x12\x34" * 6
    data = with_chunk(png(2, 1, 16, 2, raw), b"tRNS", b"\x12\x34" * 3)
    with pytest.warns(ConversionWarning) as caught:
        assert opened(data).alpha is None
    assert any("transparent colour" in str(w.message) for w in caught)


# TIFF ----------------------------------------------------------------------

TYPES = {5: 8, 10: 8, 11: 4, 12: 8, 3: 2, 4: 4, 7: 1, 1: 1}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("tag", tiff.PHOTO)
def test_tags_of_any_type(tag, kind):
    value = bytes(range(1, 1 + TYPES[kind]))
    p = opened(with_tag(plain("TIFF"), tag, kind, 1, value))
    (found,) = tiff.directory(p.exif, "<", False, 8).entries
    assert (found.tag, found.kind, found.value) == (tag, kind, value)
    # What the writer of TIFF cannot hold is with_warning, and costs nothing else.
    p = Picture(RGB, exif=tiff.write("<", [found, tiff.Entry(271, 2, 2, b"M\0", 0)], {}))
    out = io.BytesIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picture.save(p, out, "TIFF")
    assert all(str([tag]) in str(w.message) for w in caught)
    with Image.open(out) as image:
        assert tag in image.getexif() or caught
        assert 271 in image.getexif() or tag == 271


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
def test_directories_of_exif(order, big):
    """Photo, GPS and Exif tags come through, in the file's byte order."""
    inner = [tiff.Entry(36867, 2, 20, b"2020:01:01 00:00:00\0", 0)]
    block = tiff.write(
        order,
        [tiff.Entry(271, 2, 6, b"Maker\0", 0)],
        {tiff.EXIF: inner, tiff.GPS: [tiff.Entry(1, 2, 2, b"N\0", 0)]},
    )
    with Image.open(io.BytesIO(plain("PNG", exif=block))) as image:
        e = image.getexif()
        assert e[271] == "Maker" and e.get_ifd(tiff.GPS)[1] == "N"
        assert e.get_ifd(tiff.EXIF)[36867] == "2020:01:01 00:00:00"
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "TIFF", exif=block, big_tiff=big)
    p = opened(file.getvalue())
    assert b"Maker" in p.exif and b"2020:01:01" in p.exif


@pytest.mark.parametrize("unit, dpi", [(2, 300), (3, 762), (1, None)])
def test_tiff_resolution(unit, dpi):
    data = plain("TIFF", resolution=300, resolution_unit=unit)
    assert opened(data).dpi == (dpi and pytest.approx((dpi, dpi)))


def test_bytes_that_no_tag_names():
    data = plain("TIFF")
    with_warning(data + b"secret", "6 bytes after the end")
    with_warning(with_tag(data + b"secret", 271, 2, 6, b"Maker\0"), "6 bytes that nothing names")


def test_grey_with_a_further_band():
    two = Image.fromarray(np.dstack([GREY, GREY]), "LA")
    data = plain("TIFF", two)
    at = data.index(struct.pack("<HHI", 338, 3, 1)) + 8
    data = data[:at] + bytes(2) + data[at + 2 :]
    try:
        Image.open(io.BytesIO(data)).close()
    except OSError:
        pytest.skip("before 13, Pillow refuses such a file")
    with pytest.warns(ConversionWarning):
        opened(data)


# Resolution ----------------------------------------------------------------


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP"])
def test_resolution_comes_through(format):
    p = opened(plain(format, dpi=(300, 150)))
    decoded = codec.Decoder().decode_picture(codec.encode(p))
    assert decoded.dpi == pytest.approx((300, 150), abs=0.02)
    out = io.BytesIO()
    picture.save(decoded, out, format)
    with Image.open(out) as image:
        assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("dpi", [(300, 150), (0, 0), "a", None, (1,), (float("nan"), 1)])
def test_resolution_of_images_in_memory(dpi):
    want = pytest.approx(dpi) if dpi == (300, 150) else None
    assert picture.load(image_with(dpi=dpi)).dpi == want


def test_resolution_in_pillow():
    codec.register_pillow()
    file = io.BytesIO()
    image_with(dpi=(300, 300)).save(file, "AEC", dpi=(300, 150))
    with Image.open(file) as image:
        assert image.info["dpi"] == (300, 150)
    file = io.BytesIO()
    image_with(dpi=(300, 300)).save(file, "AEC")  # only what is asked for
    with Image.open(file) as image:
        assert "dpi" not in image.info


def test_resolution_turns_with_the_picture():
    data = plain("PNG", dpi=(300, 150), exif=exif(t274=6))
    assert opened(data).dpi == pytest.approx((150, 300), abs=0.02)


def test_formats_without_resolution_say_so():
    with pytest.raises(ConversionWarning, match="WEBP cannot hold this resolution"):
        picture.save(Picture(RGB, dpi=(300, 300)), io.BytesIO(), "WEBP")


@pytest.mark.parametrize("data", [b"", b"1234567", bytes(8), b"\1\0\0\0" + bytes(4)])
def test_resolutions_that_are_none(data):
    assert picture.from_sections(RGB, {"dpi0": data}).dpi is None


# Orientation ---------------------------------------------------------------

FORMS = [
    "<r tiff:Orientation='{}'/>",
    '<r tiff:Orientation = "{}" />',
    "<tiff:Orientation>{}</tiff:Orientation>",
    "<tiff:Orientation>\n {}\n</tiff:Orientation>",
    '<r xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="{}"/>',
]


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WebP", "TIFF"])
@pytest.mark.parametrize("form", FORMS)
def test_orientation_in_xmp_alone(container, form):
    xmp = form.format(6).encode()
    p = opened(carried._xmp(container, xmp))
    near = 30 if container == "JPEG" else 0
    assert p.pixels.shape == TURNED.shape
    assert np.abs(p.pixels.astype(int) - TURNED).max() <= near
    assert p.xmp == form.format(1).encode()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_orientation_in_xmp_of_wide_letters(encoding):
    for mark in ("", "\ufeff"):
        xmp = (mark + FORMS[0].format(6)).encode(encoding)
        p = picture.load(image_with(xmp=xmp))
        assert equal(p.pixels, TURNED)
        assert p.xmp == (mark + FORMS[0].format(1)).encode(encoding)


def image_with(**info):
    image = Image.fromarray(PIXELS)
    image.info.update(info)
    return image


@pytest.mark.parametrize("kind, form", [(1, "B"), (3, "H"), (4, "I"), (8, "h"), (9, "i")])
@pytest.mark.parametrize("order", "<>")
def test_orientation_of_any_integer_type(kind, form, order):
    value = struct.pack(order + form, 6)
    block = tiff.write(order, [tiff.Entry(274, kind, 1, value, 0)], {})
    p = opened(plain("PNG", exif=block))
    assert equal(p.pixels, TURNED) and metadata.orientation(p.exif) == 1


@pytest.mark.parametrize("a, b", itertools.product(range(9), repeat=2))
def test_contradictions(a, b):
    """Exif goes before XMP; 0 stands for none."""
    info = {"exif": b"Exif\0\0" + exif(t274=a)} if a else {}
    if b:
        info["xmp"] = FORMS[0].format(b).encode()
    want = np.asarray(ImageOps.exif_transpose(image_with(exif=exif(t274=a or b or 1))))
    if a and b and b not in (a, 1):
        with pytest.warns(ConversionWarning, match=f"{a} is applied"):
            p = picture.load(image_with(**info))
    else:
        p = picture.load(image_with(**info))
    assert equal(p.pixels, want)
    assert set(metadata.orientations(p.exif, p.xmp)) <= {1}


def test_two_entries_of_one_block():
    entries = [tiff.Entry(274, 3, 1, struct.pack("<H", n), 0) for n in (3, 6)]
    with pytest.warns(ConversionWarning, match="differs; 6"):
        p = opened(plain("PNG", exif=tiff.write("<", entries, {})))
    assert equal(p.pixels, TURNED) and metadata.orientations(p.exif) == [1, 1]


# Boxes ---------------------------------------------------------------------


def test_heic():
    pytest.importorskip("pillow_heif")
    data = plain("HEIC", exif=exif(t274=6), icc_profile=ICC, xmp=carried.XMP)
    p = opened(data)
    assert p.pixels.shape == TURNED.shape
    assert np.abs(p.pixels.astype(int) - TURNED).mean() < 6
    assert p.icc and b"Maker" in p.exif and b"keep" in p.xmp
    assert metadata.orientation(p.exif) == 1


def test_heic_is_turned_by_its_boxes_alone():
    pytest.importorskip("pillow_heif")
    p = with_warning(plain("HEIC", xmp=FORMS[0].format(6).encode()), "differs; 1 is applied")
    assert p.pixels.shape == PIXELS.shape and b"6" not in p.xmp


def test_jpeg_xl():
    pytest.importorskip("pillow_jxl")
    data = plain("JXL", exif=exif(t274=6), xmp=FORMS[0].format(6).encode())
    p = with_warning(data, "differs; 1 is applied")
    assert equal(p.pixels, PIXELS)  # Exif does not turn a JPEG XL
    assert metadata.orientations(p.exif, p.xmp) == [1, 1]


def test_deep_heic_and_jpeg_xl():
    pillow_heif = pytest.importorskip("pillow_heif")
    imagecodecs = pytest.importorskip("imagecodecs")
    pytest.importorskip("pillow_jxl")
    deep = np.multiply(PIXELS, 257, dtype=np.uint16)
    with_warning(imagecodecs.jpegxl_encode(deep, lossless=True), "16 bits a sample cut to 8")
    heif = pillow_heif.from_bytes("RGB;16", deep.shape[1::-1], deep.tobytes())
    file = io.BytesIO()
    heif.save(file, quality=90)
    with_warning(file.getvalue(), "1[02] bits a sample cut to 8")


@pytest.mark.parametrize(
    "shape, kind, more",
    [
        ((48, 64, 3), np.uint8, {}),
        ((31, 517, 3), np.uint16, {}),
        ((10, 20), np.uint16, {"bitspersample": 12}),
        ((9, 9, 3), np.float32, {}),
        ((20, 30, 3), np.uint8, {"usecontainer": True}),
        ((3, 40, 64, 3), np.uint8, {}),
    ],
)
def test_headers_of_jpeg_xl(shape, kind, more):
    imagecodecs = pytest.importorskip("imagecodecs")
    data = imagecodecs.jpegxl_encode(np.zeros(shape, kind), lossless=True, **more)
    bits = more.get("bitspersample", np.dtype(kind).itemsize * 8)
    size = shape[-3:] if shape[-1] == 3 else shape
    assert jxl.header(data) == jxl.Header(size[1], size[0], bits, len(shape) == 4)
    if len(shape) == 4:
        pytest.importorskip("pillow_jxl")
        with_warning(data, "only one frame of 2")


def test_extra_channels_of_jpeg_xl():
    """Depth with a name, alpha, a spot colour, a second alpha: bit by bit."""
    bits = []

    def put(*values):  # (value, bits)
        for value, n in values:
            bits.extend(value >> i & 1 for i in range(n))

    put((0x0AFF, 16), (1, 1), (3, 5), (1, 3))  # 32 x 32
    put((0, 1), (0, 1), (0, 1), (0, 2), (1, 1), (2, 2), (2, 4))  # 8 bits, 4 channels
    put((0, 1), (1, 2), (0, 1), (0, 2), (0, 2), (1, 2), (5, 4))  # depth, a name of 5
    put(*((letter, 8) for letter in b"depth"))
    put((0, 1), (0, 2), (0, 1), (0, 2), (0, 2), (0, 2), (1, 1))  # alpha, premultiplied
    put((0, 1), (2, 2), (0, 4), (0, 1), (0, 2), (0, 2), (0, 2), (7, 64))  # a spot colour
    put((1, 1))  # alpha
    bits += [0] * (-len(bits) % 8)
    data = bytes(
        sum(bit << i for i, bit in enumerate(bits[n : n + 8])) for n in range(0, len(bits), 8)
    )
    found = jxl.header(data)
    assert found.channels == ("depth map", "spot colour", "further alpha")
    assert (found.width, found.bits, found.is_premultiplied) == (32, 8, True)
    assert jxl.header(data[:-6]) is None


def test_colours_of_jpeg_2000():
    data = plain("JP2")
    at = data.index(b"colr") + 7
    with_warning(data[:at] + struct.pack(">I", 21) + data[at + 4 :], "colour space 21 is left out")


def test_signed_samples_are_refused():
    data = plain("TIFF", Image.fromarray(PIXELS[..., 0]))
    assert opened(with_tag(data, 339, 3, 1, b"\1\0\0\0")).pixels.shape == PIXELS.shape[:2]
    with pytest.raises(InputError, match="signed"):
        opened(with_tag(data, 339, 3, 1, b"\2\0\0\0"))


def test_grey_jpeg_xl_of_16_bits():
    imagecodecs = pytest.importorskip("imagecodecs")
    pytest.importorskip("pillow_jxl")
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    data = imagecodecs.jpegxl_encode(deep, lossless=True)
    with_warning(data, "16 bits a sample cut to 8")


def test_large_jpeg_xl_is_refused_before_it_is_decoded(monkeypatch):
    pytest.importorskip("pillow_jxl")
    data = plain("JXL")
    monkeypatch.setattr("pillow_jxl.JpegXLImagePlugin.Decoder", None)
    with pytest.raises(LimitError, match="48x32"):
        opened(data, max_pixels=48 * 32 - 1)


@pytest.mark.parametrize(
    "start, name, extra, module",
    [
        (b"\0\0\0\x18ftypheic", "HEIC", "pillow-heif", "pillow_heif"),
        (b"\xff\x0a\0", "JPEG XL", "pillow-jxl-plugin", "pillow_jxl.JpegXLImagePlugin"),
    ],
)
def test_extras_that_are_missing(monkeypatch, start, name, extra, module):
    monkeypatch.setitem(sys.modules, module, None)
    for kind in ("HEIF", "JXL"):  # that the host program may have registered
        monkeypatch.delitem(Image.OPEN, kind, raising=False)
    monkeypatch.setattr(Image, "ID", [i for i in Image.ID if i in Image.OPEN])
    with pytest.raises(InputError, match=f"{name} needs pip install {extra}"):
        opened(start + bytes(99))


@pytest.mark.parametrize(
    "codes, good",
    [((1, 13), True), ((2, 2), True), ((12, 13), False), ((9, 16), False)],
)
def test_colours_of_avif(codes, good):
    data = plain("AVIF")
    at = data.index(b"colrnclx") + 8
    data = data[:at] + struct.pack(">HH", *codes) + data[at + 4 :]
    if good:
        opened(data)
    else:
        with_warning(data, "CICP {}/{} is left out".format(*codes))


def test_boxes_that_lead_nowhere_end():
    for data in (
        box(b"ftyp", b"avif") + b"\0\0\0\1meta" + b"\xff" * 8,
        box(b"ftyp", b"avif") + box(b"meta", bytes(4) + box(b"iinf", bytes(6) + b"\xff" * 8)),
        b"\0\0\0\2ftyp",
    ):
        assert parts.read(data).lost


# Many threads ---------------------------------------------------------------


def test_pictures_load_side_by_side(monkeypatch):
    """No lock is held while a picture of an ordinary size is decoded."""
    from codec.picture import identify

    class Held:
        def __enter__(self):
            raise AssertionError("locked")

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(identify, "_pillow_limit_lock", Held())
    opened(plain("JPEG"))
    with pytest.raises(InputError, match="locked"):
        opened(plain("JPEG"), max_pixels=10**9)


# Pages -----------------------------------------------------------------------


@pytest.mark.parametrize("container", ["TIFF", "PNG", "WebP", "GIF"])
def test_all_pages(container, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(carried.build(container, "pages"))
    assert main("aecompress", ["--pages", "all", "-q95", "a"]) == 2
    lines = capsys.readouterr().err.splitlines()
    lines = [line for line in lines if "not smaller" not in line]
    assert len(lines) == 1 and "of pages only" in lines[0]
    main("aecompress", ["--pages", "all", "--strip", "-fq95", "a"])
    lines = capsys.readouterr().err.splitlines()
    assert not [line for line in lines if "not smaller" not in line]
    for found, want in zip(codec.Stack("a.aec"), (PIXELS, PIXELS[:, ::-1]), strict=True):
        assert np.abs(found.astype(int) - want).mean() < 12


def test_a_file_of_one_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(plain("PNG", dpi=(300, 300)))
    assert main("aecompress", ["--pages", "all", "a.png"]) in (0, 2)  # not smaller
    assert not codec.info("a.aec").is_stack
    assert codec.Decoder().decode_picture(pathlib.Path("a.aec").read_bytes()).dpi


def test_pages_and_limits():
    data = carried.build("TIFF", "pages")
    with pytest.raises(LimitError):
        list(picture.open_pages(io.BytesIO(data), 2 * PIXELS[..., 0].size - 1))


@pytest.mark.parametrize("more", [["--rm"], ["--stack", "-o", "x"], ["-d"]])
def test_pages_clash(more, capsys):
    assert main("aecompress", ["--pages", "all", "a.tif", *more]) == 1
    assert "--pages all is for compressing" in capsys.readouterr().err
