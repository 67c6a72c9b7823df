"""The model for digits that ships, by the ordinary decoder."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import codec
from codec.model import find


@pytest.fixture(scope="module")
def digits():
    """Printed digits in MNIST's frame: white on black, soft edges."""
    out = []
    for text in "0123456789":
        image = Image.new("L", (28, 28))
        ImageDraw.Draw(image).text(
            (14, 14), text, fill=255, anchor="mm", font=ImageFont.load_default(24)
        )
        out.append(np.asarray(image))
    return np.stack(out)


def test_it_is_small_and_not_the_default():
    assert find.DEFAULT in find.shipped()[0]
    folder = find.SHIPPED / "digits"
    assert sum(f.stat().st_size for f in folder.iterdir()) < 10**6
    assert find.load("digits").id != find.load().id


def test_stacks_and_files_decode_without_a_word(digits):
    data = codec.encode_batch(digits, model="digits")
    back = codec.decode_batch(data)
    assert codec.info(data).model == find.load("digits").id
    assert back.shape == digits.shape
    error = np.square(back.astype(float) - digits).mean()
    assert error < digits.var() / 4
    one = codec.encode(digits[4], model="digits")
    assert np.abs(codec.decode(one).astype(int) - back[4]).max() <= 1
    assert len(one) < 200


def test_strangers_stand_out(digits):
    known = codec.anomaly_score(digits[3], model="digits")
    noise = np.random.default_rng(1).integers(0, 256, (28, 28))
    strange = codec.anomaly_score(noise.astype(np.uint8), model="digits")
    assert strange.distance > known.distance
    assert strange.error > 5
