"""Means that are worked out behind the entropy decoder."""

import threading

import numpy as np
import pytest

import codec
from codec import container, pipeline
from codec.model import bundle
from codec.model.session import Graphs
from codec.pipeline import Pipeline
from codec.plane import Behind, Plane

from conformance import cases

PHOTO = cases.data("photo-160x240")


def tall():
    """Three slabs, the last of one row of cells."""
    rng = np.random.default_rng(3)
    small = rng.integers(0, 255, (66, 4, 3)).astype(np.float32)
    wide = np.repeat(np.repeat(small, 16, 0), 16, 1)[:1030]
    return wide.astype(np.uint8)


@pytest.fixture(scope="module")
def pipelines():
    return [Pipeline(bundle.load(), threads) for threads in (1, 2)]


@pytest.mark.parametrize("threads, most", [(1, 2 ** 24), (2, 2 ** 24),
                                           (2, 1000)])
def test_as_one_after_the_other(pipelines, monkeypatch, threads, most):
    monkeypatch.setattr(pipeline, "MOST_BEHIND", most)
    p, picture = pipelines[threads - 1], tall()
    h, w = picture.shape[:2]
    payload, crc = p.encode(picture, 40)
    z, s = p.read_symbols(payload, h, w, 40, crc)
    want = p.reconstruct(z, s, 40, h, w)
    told = []
    got = p.decode(payload, h, w, 40, crc, told.append)
    assert np.abs(got.astype(int) - want).max() <= 1
    assert (got != want).mean() < 1e-3
    assert told == sorted(told) and told[-1] == 1


def test_leading_channels_are_those_of_the_whole(pipelines):
    p, picture = pipelines[1], tall()
    payload, crc = p.encode(picture, 40)
    z, s = p.read_symbols(payload, *picture.shape[:2], 40, crc)
    whole = p.dequantise(z, s, 40)
    some = p.dequantise(z, s, 40, leading=True)
    assert some.shape == (65, 4, p.bundle.k)
    assert np.array_equal(some, whole[..., :p.bundle.k])


def test_damage_is_told_and_leaves_no_thread():
    header, _, payload = container.unpack(PHOTO)
    before = threading.active_count()
    p = Pipeline(bundle.load(), 2)
    size = header.height, header.width
    for wrong in (payload[:-40], payload + b"\1\0\0\0"):
        with pytest.raises(codec.FormatError):
            p.decode(wrong, *size, header.quality, header.symbol_crc)
    with pytest.raises(codec.FormatError, match="checksum"):
        p.decode(payload, *size, header.quality, header.symbol_crc ^ 1)
    assert threading.active_count() == before


def test_an_error_of_the_thread_is_raised(monkeypatch):
    header, _, payload = container.unpack(PHOTO)
    run = Graphs.run

    def broken(self, name, **inputs):
        if name == "mean1":
            raise codec.ModelError("no such mean")
        return run(self, name, **inputs)

    monkeypatch.setattr(Graphs, "run", broken)
    p = Pipeline(bundle.load(), 2)
    with pytest.raises(codec.ModelError, match="no such mean"):
        p.decode(payload, header.height, header.width, header.quality,
                 header.symbol_crc)


def test_jobs_keep_their_order():
    class Slow:
        def __init__(self):
            self.seen, self.go = [], threading.Event()

        def begin(self, *args):
            self.go.wait(5)
            self.seen.append(args)

        def add(self, *args):
            self.seen.append(args)

    plane = Slow()
    with Behind(plane) as behind:
        behind.begin("z", 0, 32)
        for p in range(4):
            behind.add("s", p)
        assert plane.seen == []
        plane.go.set()
    assert plane.seen == [("z", 0, 32), *(("s", p) for p in range(4))]


def test_a_plane_is_filled_slab_by_slab(pipelines):
    p, picture = pipelines[0], tall()
    payload, crc = p.encode(picture, 40)
    z, s = p.read_symbols(payload, *picture.shape[:2], 40, crc)
    plane = Plane(p.graphs, 40, s.shape[:2])
    plane.latent[:] = np.nan
    plane.begin(z, 32, 64)
    for n in range(4):
        assert np.isnan(plane.latent).all()
        plane.add(s[32:64], n)
    assert np.isfinite(plane.latent[32:64]).all()
    assert np.isnan(plane.latent[:32]).all()
