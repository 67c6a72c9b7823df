"""Pictures and helpers that the tests of codec.picture share."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

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


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, raw):
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
