"""Latents that are taken out of files, changed and shown."""

import dataclasses

import numpy as np
import pytest
from test_stacks import drawn

import codec
from codec.errors import InputError, LimitError

PHOTO = drawn(1, 90, 70, (3,))[0]
DIGITS = drawn(3, 28, 28, ())


@pytest.mark.parametrize("image", [PHOTO, PHOTO[..., 0]])
def test_rendered_unchanged_it_is_the_picture(image):
    data = codec.encode(image)
    latents = codec.latents(data)
    assert latents.plane.shape[:2] == (6, 5) and latents.plane.dtype == np.float32
    back, whole = codec.render(latents), codec.decode(data)
    assert back.shape == whole.shape
    assert np.abs(back.astype(int) - whole).max() <= 1
    near = codec.render(codec.latents(image))
    assert np.abs(near.astype(int) - image).mean() < 6


def test_stacks_and_what_lies_between():
    data = codec.encode_batch(DIGITS, model="digits")
    latents = codec.latents(data)
    assert latents.plane.shape[0] == 3
    whole = codec.decode_batch(data)
    assert np.abs(codec.render(latents).astype(int) - whole).max() <= 1
    a, b = (dataclasses.replace(latents, plane=latents.plane[i]) for i in (0, 1))
    assert (a.mix(b, 0).plane == a.plane).all()
    assert np.allclose(a.mix(b, 1).plane, b.plane, atol=1e-4)
    middle = codec.render(a.mix(b)).astype(int)
    assert (middle != whole[0]).any() and (middle != whole[1]).any()
    with pytest.raises(InputError, match="one size and model"):
        a.mix(codec.latents(PHOTO))


def test_what_cannot_be_rendered():
    latents = codec.latents(PHOTO)
    for plane in (latents.plane[:-1], latents.plane * np.float32(np.nan)):
        with pytest.raises(InputError, match="finite"):
            codec.render(dataclasses.replace(latents, plane=plane))


def test_sampled():
    """Such a latent is cheap to code, as it is what the model expects."""
    one = codec.sample(28, 28, model="digits", grey=True, seed=5)
    again = codec.sample(28, 28, model="digits", grey=True, seed=5)
    other = codec.sample(28, 28, model="digits", grey=True, seed=6)
    assert (one.plane == again.plane).all() and (one.plane != other.plane).any()
    pixels = codec.render(one)
    assert pixels.shape == (28, 28) and pixels.std() > 5
    noise = np.random.default_rng(1).integers(0, 256, (28, 28), np.uint8)
    sizes = [len(codec.encode(p, model="digits")) for p in (pixels, noise)]
    assert sizes[0] < 0.7 * sizes[1]
    assert codec.render(codec.sample(600, 40, seed=1)).shape == (600, 40, 3)
    with pytest.raises(LimitError):
        codec.sample(1000, 1000, max_pixels=10**5)
    with pytest.raises(InputError):
        codec.sample(0, 5)
