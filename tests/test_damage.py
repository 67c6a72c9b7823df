"""Any bytes end in the same picture or in one of our errors."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import codec
from codec import container

GOLDEN = Path(__file__).parent / "golden"
SMALL = (GOLDEN / "square-64-q1.aec").read_bytes()
ALPHA = (GOLDEN / "alpha-80x50.aec").read_bytes()


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
            codec.decode(data[n + 1:])


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
                del d[i:i + int(rng.integers(1, 9))]
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


@pytest.mark.parametrize("size", [(16384, 16384), (16384, 1), (1, 16384),
                                  (4000, 3000)])
def test_claimed_size(size):
    header, _, payload = container.unpack(SMALL)
    d = bytearray(SMALL)
    d[14:18] = struct.pack("<HH", *size)
    with pytest.raises(codec.FormatError):
        codec.decode(sealed(bytes(d)), max_pixels=2 ** 28)


def test_unknown_model_is_named():
    d = bytearray(SMALL)
    d[6:14] = bytes(range(8))
    with pytest.raises(codec.UnsupportedError, match="0001020304050607"):
        codec.decode(sealed(bytes(d)))


@pytest.mark.parametrize("data", [b"", b"\x89AEC\n", b"\x89PNG\r\n\x1a\n",
                                  b"\0" * 100, b"\xff" * 100])
def test_not_ours(data):
    with pytest.raises(codec.FormatError):
        codec.decode(data)


def test_symbol_checksum_is_checked():
    d = bytearray(SMALL)
    d[20] ^= 1
    with pytest.raises(codec.FormatError, match="symbol checksum"):
        codec.decode(sealed(bytes(d)))
