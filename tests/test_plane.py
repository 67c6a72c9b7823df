"""Means that are worked out behind the entropy decoder."""

import contextlib
import os
import signal
import threading

import numpy as np
import pytest
from conformance import cases

import codec
from codec import container
from codec.model import find
from codec.model.session import Graphs
from codec.symbols import pipeline
from codec.symbols.pipeline import Pipeline
from codec.transform import plane
from codec.transform.plane import Behind, Plane

PHOTO = cases.data("photo-160x240")


def tall():
    """Three slabs, the last of one row of cells."""
    rng = np.random.default_rng(3)
    small = rng.integers(0, 255, (66, 4, 3)).astype(np.float32)
    wide = np.repeat(np.repeat(small, 16, 0), 16, 1)[:1030]
    return wide.astype(np.uint8)


@pytest.fixture(scope="module")
def pipelines():
    return [Pipeline(find.load(), threads) for threads in (1, 2)]


@pytest.mark.parametrize("threads, most", [(1, 2**24), (2, 2**24), (2, 1000)])
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
    assert np.array_equal(some, whole[..., : p.bundle.k])


def test_damage_is_told_and_leaves_one_thread_at_most(pipelines):
    header, _, payload = container.unpack(PHOTO)
    before = threading.active_count()
    p = pipelines[1]
    size = header.height, header.width
    for wrong in (payload[:-40], payload + b"\1\0\0\0"):
        with pytest.raises(codec.FormatError):
            p.decode(wrong, *size, header.quality, header.symbol_crc)
    with pytest.raises(codec.FormatError, match="checksum"):
        p.decode(payload, *size, header.quality, header.symbol_crc ^ 1)
    assert threading.active_count() <= before + 1
    decoded = p.decode(payload, *size, header.quality, header.symbol_crc)
    assert decoded.shape == (*size, 3)
    assert threading.active_count() <= before + 1


def test_threads_are_taken_up_again_and_few_are_kept():
    class Nothing:
        def begin(self):
            pass

    def together(n):
        with contextlib.ExitStack() as stack:
            many = [stack.enter_context(Behind(Nothing())) for _ in range(n)]
            for behind in many:
                behind.begin()
            return {id(behind.pool) for behind in many}

    together(2 * plane.KEPT)
    assert len(plane._idle) == plane.KEPT
    before, first = threading.active_count(), together(1)
    assert together(1) == first
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_does_not_wait_for_threads_it_has_not():
    with Behind(Plane.__new__(Plane)):
        pass
    assert plane._idle
    child = os.fork()
    if not child:

        class Nothing:
            def begin(self):
                pass

        try:
            signal.alarm(60)  # ends this process if it waits for ever
            with Behind(Nothing()) as behind:
                behind.begin()
            os._exit(7)
        finally:  # never back into the tests
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize("wrong", ["mean1", "features", "exact_base"])
def test_an_error_of_the_thread_is_raised(monkeypatch, wrong):
    header, _, payload = container.unpack(PHOTO)
    run = Graphs.run

    def broken(self, name, **inputs):
        if name == wrong and self.threads == 1:
            raise codec.ModelError("no such graph")
        return run(self, name, **inputs)

    monkeypatch.setattr(Graphs, "run", broken)
    p = Pipeline(find.load(), 2)
    with pytest.raises(codec.ModelError, match="no such graph"):
        p.decode(
            payload, header.height, header.width, header.quality, header.symbol_crc
        )


def test_jobs_keep_their_order():
    class Slow:
        def __init__(self):
            self.seen, self.go = [], threading.Event()

        def begin(self, *args):
            self.go.wait(5)
            self.seen.append(args)

        def add(self, *args):
            self.seen.append(args)

    slow = Slow()
    with Behind(slow) as behind:
        behind.begin("z", 0, 32)
        for p in range(4):
            behind.add("s", p)
        assert slow.seen == []
        slow.go.set()
    assert slow.seen == [("z", 0, 32), *(("s", p) for p in range(4))]


def test_a_plane_is_filled_slab_by_slab(pipelines):
    p, picture = pipelines[0], tall()
    payload, crc = p.encode(picture, 40)
    z, s = p.read_symbols(payload, *picture.shape[:2], 40, crc)
    filled = Plane(p.graphs, 40, s.shape[:2])
    filled.latent[:] = np.nan
    filled.begin(z, 32, 64)
    for n in range(4):
        assert np.isnan(filled.latent).all()
        filled.add(s[32:64], n)
    assert np.isfinite(filled.latent[32:64]).all()
    assert np.isnan(filled.latent[:32]).all()
