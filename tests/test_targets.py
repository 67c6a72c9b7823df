"""Wanted sizes and PSNRs, limits and progress, through the API."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import codec
from codec.limits import MAX_PIXELS
from codec.search import ssimulacra2, targets

PHOTO = np.asarray(
    Image.open(Path(__file__).parent.parent / "examples" / "budgerigar.png").convert("RGB")
)[100:356, 250:506]


@pytest.fixture(scope="module")
def encoder():
    return codec.Encoder()


@pytest.fixture
def counted(encoder, monkeypatch):
    """An encoder and how often its two halves ran."""
    runs, pipeline = {"analyse": 0, "encode_latent": 0}, encoder._pipeline
    for name in runs:

        def run(*args, _name=name, _run=getattr(pipeline, name)):
            runs[_name] += 1
            return _run(*args)

        monkeypatch.setattr(pipeline, name, run)
    return encoder, runs


@pytest.mark.parametrize("size", [1500, 4000, 9000.5])
def test_size(counted, size):
    encoder, runs = counted
    data = encoder.encode(PHOTO, target_size=size)
    assert size * (1 - targets.SIZE_WINDOW) - 4 <= len(data) <= size
    assert codec.decode(data).shape == PHOTO.shape
    # The expensive half runs less often than it would without a cache.
    assert runs["analyse"] <= 4 and runs["encode_latent"] <= 7


def test_size_counts_alpha_and_metadata(encoder):
    alpha = np.arange(256, dtype=np.uint8)[None].repeat(256, 0)
    picture = codec.Picture(PHOTO, alpha, exif=b"II*\0" + bytes(900))
    data = encoder.encode(picture, target_size=6000)
    assert 5900 <= len(data) <= 6000
    with pytest.raises(codec.LimitError, match="too small"):
        encoder.encode(picture, target_size=800)


@pytest.mark.parametrize("db", [28, 34.5])
def test_psnr(counted, db):
    encoder, runs = counted
    data = encoder.encode(PHOTO, target_psnr=db)
    reached = targets.psnr(PHOTO, codec.decode(data))
    assert db <= reached <= db + 0.031
    assert runs["analyse"] <= 4 and runs["encode_latent"] <= 7


@pytest.mark.parametrize("wanted", [45, 72.5])
def test_score(counted, wanted):
    encoder, runs = counted
    data = encoder.encode(PHOTO, target_score=wanted)
    reached = ssimulacra2.score(PHOTO, codec.decode(data))
    assert wanted <= reached <= wanted + 0.5
    assert runs["encode_latent"] <= 7


def test_score_of_a_stack_is_the_mean(encoder):
    pictures = np.stack([PHOTO, PHOTO[::-1] // 4])
    data = codec.encode_batch(pictures, encoder=encoder, target_score=60)
    scores = list(map(ssimulacra2.score, pictures, codec.decode_batch(data)))
    assert 59.9 <= np.mean(scores) <= 60.3 and np.ptp(scores) > 1


def test_grey(encoder):
    data = encoder.encode(PHOTO[..., 0], target_psnr=30)
    assert codec.info(data).colour == "grey"
    assert targets.psnr(PHOTO[..., 0], codec.decode(data)) >= 29.9


def test_ends_of_the_scale(encoder):
    assert codec.info(encoder.encode(PHOTO, target_size=10**7)).quality == 100
    assert codec.info(encoder.encode(PHOTO, target_psnr=1)).quality == 1
    for target in {"target_size": 60}, {"target_psnr": 70}, {"target_score": 99.9}:
        with pytest.raises(codec.LimitError, match="this picture"):
            encoder.encode(PHOTO, **target)


@pytest.mark.parametrize(
    "target",
    [
        {"target_size": 0},
        {"target_size": "x"},
        {"target_psnr": -1},
        {"target_psnr": float("nan")},
        {"target_score": 100},
        {"target_score": 70, "target_psnr": 40},
        {"target_size": 9, "target_psnr": 9},
    ],
)
def test_bad_targets(target):
    with pytest.raises(codec.InputError):
        codec.encode(PHOTO, **target)


@settings(deadline=None, max_examples=300)
@given(
    st.floats(0.02, 0.2),
    st.floats(0.3, 3),
    st.floats(0.001, 0.2),
    st.floats(0, 1),
    st.sampled_from([min, max]),
)
def test_search(slope, bend, stair, at, best):
    """Of any rising function, also one of stairs, it finds what there is."""
    calls = []

    def evaluate(quality):
        assert quality not in calls and 1 <= quality <= 100
        assert round(quality * 100) == pytest.approx(quality * 100)
        calls.append(quality)
        value = slope * 100 * (quality / 100) ** bend
        return math.floor(value / stair) * stair, quality

    low_end, high_end = evaluate(1)[0], evaluate(100)[0]
    calls.clear()
    wanted = low_end + at * (high_end - low_end)
    low, high = (wanted, wanted + 0.01) if best is min else (wanted - 0.01, wanted)
    found = targets._search(evaluate, low, high, 0.04, best)
    assert len(calls) <= targets.MAX_STEPS
    if found is None:  # only where the very end would have to do
        assert (
            wanted < low_end + max(stair, 0.02 * (high_end - low_end))
            if best is max
            else wanted > high_end - max(stair, 0.02 * (high_end - low_end))
        )
        return
    quality, result = found
    assert quality == result
    value = slope * 100 * (quality / 100) ** bend
    value = math.floor(value / stair) * stair
    assert value >= low if best is min else value <= high


# Limits


@pytest.mark.parametrize("image", [PHOTO, Image.fromarray(PHOTO), codec.Picture(PHOTO)])
def test_the_same_limit_on_both_sides(image):
    n = PHOTO.shape[0] * PHOTO.shape[1]
    data = codec.encode(image, max_pixels=n)
    with pytest.raises(codec.LimitError, match=f"the limit of {n - 1};"):
        codec.encode(image, max_pixels=n - 1)
    assert codec.decode(data, max_pixels=n).shape == PHOTO.shape
    decoder = codec.Decoder()
    for read in (codec.decode, decoder.decode, decoder.decode_picture, decoder.symbols):
        with pytest.raises(codec.LimitError, match="max_pixels"):
            read(data, max_pixels=n - 1)


def test_the_limit_is_pillows():
    # What Pillow warns of, unless the program has set it otherwise.
    assert MAX_PIXELS == int(1024 * 1024 * 1024 // 4 // 3)
    row = np.zeros((1, 1, 3), np.uint8)
    huge = np.broadcast_to(row, (9500, 9500, 3))
    with pytest.raises(codec.LimitError, match="90250000 pixels"):
        codec.encode(huge)


# Progress


def test_progress_rises_to_one(encoder):
    tall = np.tile(PHOTO, (9, 1, 1))
    told = []
    data = encoder.encode(tall, progress=told.append)
    assert len(told) > 4 and told == sorted(told) and told[-1] == 1
    told.clear()
    codec.Decoder().decode_picture(data, progress=told.append)
    assert len(told) > 2 and told == sorted(told) and told[-1] == 1
    told.clear()
    one = encoder.encode(np.tile(PHOTO, (2, 2, 1))[:64, :64])  # of one tile
    codec.Decoder().decode_picture(one, progress=told.append)
    assert told == sorted(told) and told[-1] == 1
    told.clear()
    encoder.encode(tall[:500], target_psnr=30, progress=told.append)
    assert told == sorted(told) and 0 < told[-1] <= 1


def test_progress_may_end_the_call(encoder):
    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoder.encode(PHOTO, progress=stop)
    assert encoder.encode(PHOTO[:32, :32])
