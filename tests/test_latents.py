"""Latents that are taken out of files, changed and shown."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from test_stacks import drawn

import codec
from codec.errors import InputError, LimitError
from codec.search import targets
from codec.search.targets import psnr

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


def scratched(height, width):
    """A mask with a slanted scratch, four pixels wide: False on it."""
    y, x = np.mgrid[:height, :width]
    return np.abs(x - y * 0.7 - 20) > 2


@pytest.mark.parametrize("colours", [3, 1])
def test_what_does_not_matter_costs_little(photograph, colours):
    image = photograph[100:260, 150:310].squeeze()
    image = image if colours == 3 else image[..., 1]
    mask = scratched(160, 160)
    damaged = np.where(mask if colours == 1 else mask[..., None], image, 255)
    damaged = damaged.astype(np.uint8)
    files = [codec.encode(damaged), codec.encode(damaged, mask=mask)]
    assert len(files[1]) < len(files[0])
    back = codec.decode(files[1]).astype(float)
    assert np.square(back - image)[~mask].mean() < 700  # not the scratch's 255
    assert np.square(back - image)[mask].mean() < 200
    assert codec.encode(image, mask=np.ones((160, 160), bool)) == codec.encode(image)
    for wrong in (mask[1:], mask.astype(np.uint8)):
        with pytest.raises(InputError, match="mask"):
            codec.encode(image, mask=wrong)


@pytest.mark.parametrize("tune, effort", [("look", 4), ("psnr", 3)])
def test_efforts_do_not_count_what_does_not_matter(photograph, tune, effort):
    image = np.ascontiguousarray(photograph[100:228, 130:322])
    mask = np.ones(image.shape[:2], bool)
    mask[:, 96:] = False
    encoder = codec.Encoder(tune=tune, effort=effort, quality=75, threads=1)
    filled = encoder._filled(image, mask, encoder.options)
    files = encoder.encode(filled), encoder.encode(image, mask=mask)
    assert len(files[1]) < len(files[0])
    left = [psnr(image[:, :96], codec.decode(data)[:, :96]) for data in files]
    assert abs(left[0] - left[1]) < 0.15
    assert encoder.encode(image, mask=mask | True) == encoder.encode(image)


def test_targets_do_not_count_what_does_not_matter(photograph, monkeypatch):
    image = np.ascontiguousarray(photograph[100:164, 130:194])
    mask = np.ones(image.shape[:2], bool)
    mask[:, 32:] = False
    seen, metric = [], targets.METRICS["target_psnr"]

    def measure(blocks, copies):
        seen.append(np.square(blocks[0].astype(float) - copies[0]).sum((0, 2)))
        return metric.measure(blocks, copies)

    monkeypatch.setitem(
        targets.METRICS, "target_psnr", dataclasses.replace(metric, measure=measure)
    )
    encoder = codec.Encoder(tune="psnr", target_psnr=36, threads=1)
    assert psnr(image[:, :32], codec.decode(encoder.encode(image, mask=mask))[:, :32]) > 32.9
    assert seen and all(not s[32:].any() and s[:32].any() for s in seen)


def test_the_page(photograph):
    page = (Path(__file__).parent.parent / "docs" / "latents.md").read_text()
    parts = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert len(parts) == 3
    image = photograph[:64, :96]
    names = {
        "digits": DIGITS,
        "photograph": image,
        "scratch": np.where(scratched(64, 96), 0, 255),
    }
    for part in parts:
        exec(compile(part, "docs/latents.md", "exec"), names)
    for name in re.findall(r"\((latents/\w+\.png)\)", page):
        assert (Path(__file__).parent.parent / "docs" / name).is_file()
