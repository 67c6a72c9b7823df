"""Mutated metadata: an error of ours or a picture, and never one that is turned
twice, or not at all, without a line.
"""

import io
import random
import struct
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")

import carried
from pictures import exif

from codec import picture
from codec.errors import CodecError, ConversionWarning
from codec.picture import metadata, parts

N = 2000
_WAYS = "tag type count order swap byte cut grow".split()


def mutated(block, rng):
    """An Exif block with one to three things changed."""
    block = bytearray(block)
    order = "<" if block[:2] == b"II" else ">"
    for way in rng.choices(_WAYS, k=rng.randint(1, 3)):
        if len(block) < 26:
            break
        (n,) = struct.unpack_from(order + "H", block, 8)
        at = 10 + 12 * rng.randrange(max(1, min(n, (len(block) - 10) // 12)))
        other = 10 + 12 * rng.randrange(max(1, min(n, (len(block) - 10) // 12)))
        if way == "tag":
            tag = rng.choice([274, 271, 34665, 34853, 700, rng.randrange(65536)])
            struct.pack_into(order + "H", block, at, tag)
        elif way == "type":
            struct.pack_into(order + "H", block, at + 2, rng.randrange(20))
        elif way == "count":
            count = rng.choice([0, 1, 2, 3, 255, 1 << 16, (1 << 32) - 1])
            struct.pack_into(order + "I", block, at + 4, count)
        elif way == "order":
            block[:2] = rng.choice([b"II", b"MM"])
        elif way == "swap":
            block[at : at + 12], block[other : other + 12] = (
                block[other : other + 12],
                block[at : at + 12],
            )
        elif way == "byte":
            block[rng.randrange(len(block))] = rng.randrange(256)
        elif way == "cut":
            del block[rng.randrange(8, len(block)) :]
        else:
            block += bytes(rng.randrange(40))
    return bytes(block)


def build(container, block):
    if container == "PNG":
        return carried.with_chunk(carried.plain("PNG"), b"eXIf", block)
    if container == "JPEG":
        return carried.segment(carried.plain("JPEG"), 0xE1, b"Exif\0\0" + block)
    return carried.plain("WebP", exif=b"Exif\0\0" + block)


def by_pillow(data):
    """The picture as Pillow turns it; None where it cannot read the Exif."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data)) as image:
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception:
        return None


def same(a, b):
    return a.shape == b.shape and np.abs(a.astype(int) - b).max() < 30


def check(data):
    """Whether there was a picture."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        try:
            p = picture.open_picture(io.BytesIO(data))
        except CodecError:
            return False
    assert set(metadata.orientations(p.exif, p.xmp)) <= {0, 1}
    warned = any(w.category is ConversionWarning for w in caught)
    want = by_pillow(data)
    if want is not None and not warned:
        # Pillow reads no bytes and no spaces there; the block meant a turn.
        right = want, np.rot90(carried.PIXELS, -1)
        assert any(same(p.pixels, r) for r in right)
    # And once it is written, nobody turns it again.
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture.save(p, out)
    again = by_pillow(out.getvalue())
    assert again is None or again.shape[:2] == p.pixels.shape[:2]
    return True


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize("order", "<>")
def test_mutated_exif(container, order):
    rng = random.Random(container + order)
    block = exif(order, t274=6, t272="Model")
    found = [check(build(container, mutated(block, rng))) for _ in range(N // 8)]
    assert sum(found) > len(found) // 2


@pytest.mark.parametrize("order", "<>")
def test_mutated_tiff(order):
    """Its own directory, samples' tags and all."""
    rng = random.Random(order)
    file = io.BytesIO()
    image = Image.fromarray(carried.PIXELS)
    image.save(file, "TIFF", exif=exif(order, t274=6, t272="Model"))
    data = file.getvalue()
    at = struct.unpack_from("<I", data, 4)[0]
    assert at == 8
    found = [check(mutated(data, rng)) for _ in range(N // 8)]
    assert 0 < sum(found) < len(found)


def test_mutated_xmp():
    rng = random.Random(5)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    for _ in range(N // 8):
        changed = bytearray(xmp)
        for _ in range(rng.randint(1, 3)):
            changed[rng.randrange(len(changed))] = rng.choice(b"0123456789<>='\" :t\0")
        check(carried._xmp(rng.choice(["PNG", "WebP", "JPEG"]), bytes(changed)))


@pytest.mark.parametrize("container", carried.CONTAINERS)
def test_any_byte_of_any_container(container):
    """What is read beside Pillow ends, and in nothing but an answer."""
    rng = random.Random(container)
    whole = [carried.build(container, k) for k in carried.KINDS]
    whole = [w for w in whole if w]
    for _ in range(N // 8):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(min(len(data), 600))
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        parts.read(bytes(data[: rng.randrange(len(data)) if rng.random() < 0.2 else None]))
