"""What is fuzzed: functions of bytes that raise only what is a bug.

No fuzzer is imported here: ``run.py`` drives these with atheris,
``tests/test_fuzz.py`` with hypothesis and with the files kept in
``tests/data/bad``.
"""

import functools
import struct
import warnings
import zlib

import numpy as np
from PIL import Image

import codec
from codec import container, picture
from codec.model import find
from codec.table import Table, encode, groups
from codec.table.wire import Reader, Writer, unsqueeze

MAX_PIXELS = 1 << 15  # a file that claims more is refused at once
DTYPES = (
    "u1",
    "u1",
    "u1",
    ">u2",
    "i1",
    "f4",
    "f8",
    "c8",
    "?",
    "O",
    "S2",
    "M8[s]",
    "u1,u1",
)
MODES = (
    "1",
    "L",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "LA",
    "PA",
    "RGBX",
    "RGBa",
    "La",
    "I;16",
)
QUALITIES = (
    1,
    100,
    50.004,
    0,
    101,
    -1,
    float("nan"),
    float("inf"),
    "50",
    "x",
    None,
    True,
    10**400,
    1 + 1j,
    np.float32(30),
    [50],
)


def sealed(data):
    """The bytes with a file checksum that fits."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def mended(data):
    """Sealed, and as one of ours for the default model: gets further."""
    if len(data) < 32:
        return data
    model = bytes.fromhex(find.load().id)
    return sealed(container.MAGIC + data[5:6] + model + data[14:])


def parser(data):
    """The container, and metadata and alpha of what it takes apart."""
    try:
        header = codec.info(data)
        assert 1 <= header.width <= 16384 and 1 <= header.height <= 16384
        assert 1 <= header.quality <= 100
    except codec.CodecError:
        pass
    try:
        header, sections, payload = container.unpack(data)
    except codec.CodecError:
        return
    assert header == codec.info(data)
    again = container.pack(header, payload, sections)  # packed in its own way
    assert container.unpack(again) == (header, sections, payload)
    if header.width * header.height > MAX_PIXELS:
        return
    pixels = np.zeros((header.height, header.width), np.uint8)
    try:
        pic = picture.from_sections(pixels, sections)
    except codec.CodecError:
        return
    assert (pic.alpha is not None) == ("ALPH" in sections)


@functools.cache
def _decoder():
    return codec.Decoder(threads=1)


def decoder(data):
    """The whole decoder, then again as if the symbol checksum fitted."""
    d = _decoder()
    try:
        d.decode(data, MAX_PIXELS)
    except codec.CodecError:
        pass
    try:
        header, _, payload = container.unpack(data)
    except codec.CodecError:
        return
    size = header.height, header.width
    if size[0] * size[1] > MAX_PIXELS:
        return
    try:
        p = d._pipeline(header)
        z, s = p.read_symbols(payload, *size, header.quality)
    except codec.CodecError:
        return
    assert np.abs(z).max() <= p.bundle.z_max
    assert s.dtype == np.int16 and s.min() > -32768
    pixels = p.reconstruct(z, s, header.quality, *size)
    assert pixels.shape == (*size, 3) and pixels.dtype == np.uint8


@functools.cache
def _encoder():
    return codec.Encoder(threads=1)


def _odd_array(take):
    """An array of odd type, shape, layout and content."""
    dtype = np.dtype(DTYPES[take() % len(DTYPES)])
    n_axes = (2, 3, 3, 3, 2, 1, 4, 0)[take() % 8]
    shape = [take() % 34 for _ in range(n_axes)]
    if n_axes == 3:
        shape[2] = (3, 4, 1, 2, 5, 0, 3, 4)[take() % 8]
    n = int(np.prod(shape, dtype=np.int64))
    raw = np.arange(n, dtype=np.uint32) * (take() + 1) + take() * 7919
    samples = (raw >> take() % 8).astype(np.uint8)
    a = samples.reshape(shape).astype(dtype) if dtype.names is None else np.zeros(shape, dtype)
    layout = take() % 7
    if layout == 1:
        a = np.asfortranarray(a)
    elif layout == 2 and a.ndim:
        a = a[::-1]
    elif layout == 3 and a.ndim > 1:
        a = np.swapaxes(a, 0, 1)
    elif layout == 4 and a.ndim:
        a = a[::2]
    elif layout == 5:
        a = np.ma.masked_equal(a, 0) if dtype.kind == "u" else a
    elif layout == 6:
        a.flags.writeable = False
    return a


def _odd_image(take):
    mode = MODES[take() % len(MODES)]
    size = take() % 34, take() % 34
    image = Image.new(mode, size)
    if mode in ("L", "RGB", "RGBA", "LA", "CMYK") and all(size):
        n = size[0] * size[1] * len(image.getbands())
        image.frombytes(bytes(i * 37 % 256 for i in range(n)))
    elif mode == "P":
        image.putpalette(bytes(range(take() % 250 // 3 * 3)))
    extra = bytes(take() for _ in range(take() % 40))
    for key in ("exif", "icc_profile", "xmp", "transparency"):
        if take() % 4 == 0:
            image.info[key] = (b"II*\0" if key == "exif" else b"") + extra
    if take() % 8 == 0:
        image.info["transparency"] = take()
    return image


def encoder(data):
    """Odd pictures at odd qualities: our error, or a file that decodes."""
    left = iter(data)

    def take():
        return next(left, 0)

    odd = take()
    thing = _odd_image(take) if odd % 3 == 0 else _odd_array(take) if odd % 16 else bytes(data)
    quality = QUALITIES[take() % len(QUALITIES)] if take() % 4 == 0 else 1 + take() * 99 / 255
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            file = _encoder().encode(thing, quality)
        except codec.CodecError:
            return
    pixels = _decoder().decode(file)
    shape = thing.shape if isinstance(thing, np.ndarray) else thing.size[::-1]
    # A picture with an orientation may come back on its side.
    assert sorted(pixels.shape[:2]) == sorted(shape[:2])


_TABLE_ROWS = 6


@functools.cache
def table_seeds():
    """Small tables, each its column types and one input of `table`."""
    rng = np.random.default_rng(0)
    n = _TABLE_ROWS
    x = rng.normal(size=n)
    holes = np.where(np.arange(n) % 7 == 0, np.nan, x)
    kinds = rng.integers(0, 5, n)
    words = np.array(["one", "two", "three"])[kinds % 3]
    mixed = {"x": holes, "y": np.float32(x * 2 + 1), "k": kinds, "w": words}
    mixed |= {"again": kinds * 1000 + 3, "wide": kinds.astype(np.uint64) << np.uint64(60)}
    found = []
    for made in (
        mixed,
        np.sin(np.arange(66) + rng.normal(size=(n, 1))).round(1),
        {"b": kinds > 2, "c": np.full(n, 7)},
    ):
        for bound in ("1%", 0):
            file = encode(made, bound, effort=2)
            reader = Table(file)
            start, entry = reader._starts[0], reader.index[0]
            source = Reader(file[start : start + entry.length])
            model = unsqueeze(source.string(), groups.MAX_BYTES)
            out = Writer()
            out.number(len(found))
            out.string(model)
            found.append((reader.types, bytes(out.data + source.data[source.at :])))
    return found


def table(data):
    """A group of a table, its model not packed and no checksum in the way."""
    seeds = table_seeds()
    source = Reader(data)
    try:
        types, _ = seeds[source.number() % len(seeds)]
        model = source.string()
    except codec.CodecError:
        return
    rest = bytes(source.data[source.at :])
    plain, out = Writer(), Writer()
    plain.number(len(model) << 2)  # as it is: nothing to pack takes no time
    out.string(plain.data + model)
    try:
        found = groups.decode(bytes(out.data) + rest, types, _TABLE_ROWS, None)
    except codec.FormatError:
        return
    assert [len(field) for field in found] == [_TABLE_ROWS] * len(types)


TARGETS = {"parser": parser, "decoder": decoder, "encoder": encoder, "table": table}
