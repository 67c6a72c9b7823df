"""Alpha planes: hidden colours, and the PNG in the ALPH section."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import ALPHA, GREY, RGB, RNG, chunk, equal, file, png
from PIL import Image

from codec import picture
from codec.errors import FormatError
from codec.picture import alpha as alphas


def test_opaque_alpha_is_dropped():
    assert picture.load(np.dstack([RGB, np.full((5, 7), 255, np.uint8)])).alpha is None


@pytest.mark.parametrize("pixels", [GREY, RGB])
def test_hidden_colours(pixels):
    big = np.tile(pixels, (9, 9) + (1,) * (pixels.ndim - 2))
    alpha = np.ones(big.shape[:2], np.uint8)
    alpha[:40] = 0
    alpha[41, 3] = 0
    filled = alphas.fill_hidden(big, alpha)
    assert equal(filled[alpha > 0], big[alpha > 0])
    # They follow from the visible pixels alone ..
    other = np.where((alpha > 0).reshape(alpha.shape + (1,) * (big.ndim - 2)), big, 255 - big)
    assert equal(alphas.fill_hidden(other, alpha), filled)
    # .. and are cheap: one colour per block.
    assert (filled[:16, :16] == filled[0, 0]).all()
    assert alphas.fill_hidden(big, np.ones_like(alpha)) is big
    assert not alphas.fill_hidden(big, np.zeros_like(alpha)).any()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_hidden_mean(height, width, seed):
    rng = np.random.default_rng(seed)
    alpha = rng.integers(0, 2, (height, width), dtype=np.uint8)
    alpha[rng.integers(height), rng.integers(width)] = 1
    flat = np.full((height, width, 3), 77, np.uint8)
    noise = np.where(alpha[..., None], flat, rng.integers(0, 256, flat.shape, dtype=np.uint8))
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
    refuse(png(16384, 16384, 8, 0, bytes(99)), 16384, 16384, match="cut short")
    # A small size does not unpack a large stream.
    bomb = png(7, 5, 8, 0, bytes(2**24))
    assert not alphas.png_to_alpha(bomb, 5, 7).any()
    # Nor are texts and profiles looked at.
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**24)))
    good = alphas.alpha_to_png(ALPHA)
    both = good[:33] + text + chunk(b"acTL", bytes(8)) + good[33:]
    assert equal(alphas.png_to_alpha(both, 5, 7), ALPHA)
