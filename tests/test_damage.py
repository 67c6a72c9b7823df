"""Any bytes end in the same picture or in one of our errors."""

import itertools
import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from conformance import cases
from data import make_bad
from fuzz import cost as cost_script

import codec
from codec import container

SMALL = cases.data("block-64x64")
ALPHA = cases.data("alpha-80x50")


def outcome(data, expected):
    """True for one of our errors, False for the identical picture."""
    try:
        pixels = codec.decode(data)
    except codec.CodecError:
        return True
    assert np.array_equal(pixels, expected)
    return False


@pytest.mark.parametrize("data", [SMALL, ALPHA], ids=["plain", "alpha"])
def test_every_prefix(data):
    for n in range(len(data)):
        with pytest.raises(codec.CodecError):
            codec.decode(data[:n])
        if n >= 40:
            continue
        with pytest.raises(codec.CodecError):
            codec.decode(data[n + 1 :])


@pytest.mark.parametrize("data", [SMALL, ALPHA], ids=["plain", "alpha"])
def test_every_bit(data):
    for i in range(8 * len(data)):
        bad = bytearray(data)
        bad[i // 8] ^= 1 << i % 8
        with pytest.raises(codec.CodecError):
            codec.decode(bad)


SECTIONS = {
    "ICCP": b"profile",
    "exif": b"II*\0",
    "xmp0": b"<x/>",
    "ALPH": container.unpack(ALPHA)[1]["ALPH"],
}


def test_sections_in_any_order():
    """Their order is free; what is doubled or mistaken for another is not."""
    header, _, payload = container.unpack(ALPHA)
    expected = codec.Decoder().decode_picture(container.pack(header, payload, SECTIONS))
    for order in itertools.permutations(SECTIONS):
        pic = codec.Decoder().decode_picture(
            container.pack(header, payload, {k: SECTIONS[k] for k in order})
        )
        assert np.array_equal(pic.alpha, expected.alpha)
        assert (
            (pic.icc, pic.exif, pic.xmp)
            == (expected.icc, expected.exif, expected.xmp)
            == (b"profile", b"II*\0", b"<x/>")
        )
    for a, b in itertools.product(SECTIONS, repeat=2):
        bare = container.pack(header, payload)
        doubled = make_bad.with_sections(bare, *((k.encode(), SECTIONS[k]) for k in (a, b, a)))
        with pytest.raises(codec.FormatError, match="second section"):
            codec.decode(doubled)
    for other in "ICCP", "exif", "xmp0":
        with pytest.raises(codec.FormatError, match="ALPH"):
            codec.decode(container.pack(header, payload, {"ALPH": SECTIONS[other]}))


def cost(group):
    """What tests/fuzz/cost.py measures for a group, in its own process."""
    done = subprocess.run(
        [sys.executable, cost_script.__file__, group],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "group",
    [
        "tests/data/bad",
        "what inflates to 64 MiB, or 16 of a section",
        "100 bytes claim 16384 x 16384",
        "65 kB claim 16384 x 16384",
        "100 bytes claim 9400 x 9400",
        "sections swapped or doubled",
    ],
)
def test_memory_of_bombs(group):
    found = cost(group)
    assert found["mib"] < 300
    if "claim" in group:
        assert "decoded" not in found["outcomes"]


@pytest.mark.slow
def test_memory_follows_the_claim():
    """A crafted file within the limit: what its picture would cost."""
    found = cost("as few bytes as may claim 9400 x 9400")
    assert found["outcomes"] == {"FormatError": 1} and found["mib"] < 1000


def corruptions(data, n, seed):
    """Bytes set, flipped, cut out, put in, swapped."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        d = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            i = int(rng.integers(len(d)))
            kind = rng.integers(5)
            if kind == 0:
                d[i] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                d[i] = int(rng.integers(256))
            elif kind == 2:
                del d[i : i + int(rng.integers(1, 9))]
            elif kind == 3:
                d[i:i] = rng.bytes(int(rng.integers(1, 9)))
            else:
                j = int(rng.integers(len(d)))
                d[i], d[j] = d[j], d[i]
            if len(d) < 8:
                break
        yield bytes(d)


def sealed(data):
    """The same bytes with a file checksum that fits."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


@pytest.mark.parametrize("data", [SMALL, ALPHA], ids=["plain", "alpha"])
def test_random_corruptions(data):
    expected = codec.decode(data)
    caught = sum(outcome(d, expected) for d in corruptions(data, 1000, 1))
    assert caught > 900


@pytest.mark.parametrize("data", [SMALL, ALPHA], ids=["plain", "alpha"])
def test_corruptions_with_a_sound_checksum(data):
    """The file checksum fits, so everything behind it is exercised.

    What is not covered by the symbol checksum (quality within a table,
    alpha, metadata) may change what is shown; nothing else may.
    """
    header = codec.info(data)
    caught = 0
    for d in corruptions(data, 500, 2):
        d = sealed(d)
        try:
            pixels = codec.decode(d)
        except codec.CodecError:
            caught += 1
            continue
        assert codec.info(d).symbol_crc == header.symbol_crc
        assert pixels.shape[:2] == (header.height, header.width)
    assert caught > 250


@pytest.mark.parametrize("size", [(16384, 16384), (16384, 1), (1, 16384), (4000, 3000)])
def test_claimed_size(size):
    header, _, payload = container.unpack(SMALL)
    d = bytearray(SMALL)
    d[14:18] = struct.pack("<HH", *size)
    with pytest.raises(codec.FormatError):
        codec.decode(sealed(bytes(d)), max_pixels=2**28)


def test_pixel_limit():
    """64 x 64 are 4096 pixels; 16384 x 16384 are over the default."""
    for decode in codec.decode, codec.Decoder().decode, codec.Decoder().symbols:
        decode(SMALL, max_pixels=4096)
        with pytest.raises(codec.LimitError, match="4095"):
            decode(SMALL, max_pixels=4095)


def test_unknown_model_is_named():
    d = bytearray(SMALL)
    d[6:14] = bytes(range(8))
    with pytest.raises(codec.UnsupportedError, match="0001020304050607"):
        codec.decode(sealed(bytes(d)))


@pytest.mark.parametrize(
    "data", [b"", b"\x89AEC\n", b"\x89PNG\r\n\x1a\n", b"\0" * 100, b"\xff" * 100]
)
def test_not_ours(data):
    with pytest.raises(codec.FormatError):
        codec.decode(data)


def test_symbol_checksum_is_checked():
    d = bytearray(SMALL)
    d[20] ^= 1
    with pytest.raises(codec.FormatError, match="symbol checksum"):
        codec.decode(sealed(bytes(d)))
