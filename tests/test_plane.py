"""Slabs that threads share: their streams, their latents, their pixels."""

import dataclasses
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
from codec.symbols import ahead, core, passes
from codec.symbols.ahead import ordered
from codec.symbols.pipeline import Pipeline
from codec.symbols.slabs import Place, join, slabs, split
from codec.transform import plane, transform
from codec.transform.plane import Flow

PHOTO = cases.data("photo-160x240")


def large(height=1030, width=570):
    """Three slabs by two."""
    rng = np.random.default_rng(3)
    small = rng.integers(0, 255, (height // 16 + 1, width // 16 + 1, 3))
    wide = np.repeat(np.repeat(small, 16, 0), 16, 1)[:height, :width]
    return wide.astype(np.uint8)


@pytest.fixture(scope="module")
def pipelines():
    return [Pipeline(find.load(), threads) for threads in (1, 2)]


@pytest.fixture(scope="module")
def coded(pipelines):
    picture = large()
    return picture.shape[:2], *pipelines[1].encode(picture, 40)


def near(a, b):
    """Whether pixels are as near as other sums let them be."""
    difference = np.abs(a.astype(int) - b)
    return a.shape == b.shape and difference.max() <= 1 and difference.mean() < 1e-3


# Slabs and their streams


@pytest.mark.parametrize("height, width", [(1, 1), (32, 32), (33, 100), (90, 65)])
def test_slabs_cover_the_plane_once(height, width):
    seen = np.zeros((height, width), int)
    places = slabs(height, width)
    for p in places:
        seen[p.rows, p.columns] += 1
        assert max(p.height, p.width) <= 32 and p.top % 4 == p.left % 4 == 0
    assert (seen == 1).all()
    assert places == sorted(places, key=lambda p: (p.top, p.left))


def test_a_megapixel_has_four_slabs_and_a_small_picture_one():
    assert len(slabs(64, 64)) == 4 == len(slabs(32, 128))
    assert len(slabs(32, 32)) == 1


def test_streams_of_a_payload():
    streams, checks = [b"12345678", b"", b"abcd"], [1, 2, 3]
    payload, crc = join(streams, checks)
    assert crc == 1 and len(payload) == 2 * 8 + 12
    assert split(payload, crc, 3) == list(zip(streams, checks))
    assert join(streams[:1], [9]) == (streams[0], 9)
    with pytest.raises(codec.FormatError, match="index"):
        split(payload, crc, 5)


def test_flat_places_of_a_slab_in_its_plane():
    plane = np.arange(12 * 40).reshape(12, 40)
    place = Place(4, 8, 5, 7)
    assert np.array_equal(place.flat(np.arange(35), 40), plane[place.rows, place.columns].ravel())


# Pixels


def test_as_one_after_the_other(pipelines, coded):
    (h, w), payload, crc = coded
    for p in pipelines:
        z, s = p.read_symbols(payload, h, w, 40, crc)
        want, told = p.reconstruct(z, s, 40, h, w), []
        assert near(p.decode(payload, h, w, 40, crc, told.append), want)
        assert told == sorted(told) and told[-1] == 1


def test_bytes_do_not_depend_on_threads(pipelines, coded):
    assert pipelines[0].encode(large(), 40) == coded[1:]


@pytest.mark.parametrize(
    "region",
    [(0, 0, 1, 1), (500, 300, 30, 270), (513, 0, 17, 570), (1029, 569, 1, 1)],
)
def test_a_region_is_that_of_the_whole(pipelines, coded, region):
    (h, w), payload, crc = coded
    whole = pipelines[1].decode(payload, h, w, 40, crc)
    top, left, height, width = region
    for p in pipelines:
        part = p.decode(payload, h, w, 40, crc, region=region)
        assert near(part, whole[top : top + height, left : left + width])


def test_a_region_reads_no_more_than_it_shows(pipelines, coded):
    """What is wrong elsewhere does not matter."""
    (h, w), payload, crc = coded
    wrong = payload[:-4] + b"\1\2\3\4"  # in the last slab
    whole = pipelines[1].decode(payload, h, w, 40, crc)
    part = pipelines[1].decode(wrong, h, w, 40, crc, region=(0, 0, 200, 200))
    assert near(part, whole[:200, :200])
    for region in None, (900, 500, 9, 9):
        with pytest.raises(codec.FormatError):
            pipelines[1].decode(wrong, h, w, 40, crc, region=region)


def test_regions_of_files():
    data = cases.data("alpha-80x50")
    whole = codec.decode(data)
    assert near(codec.decode(data, region=(9, 3, 20, 40)), whole[9:29, 3:43])
    grey = cases.data("grey-33x17")
    assert codec.decode(grey, region=(32, 0, 1, 17)).shape == (1, 17)
    codec.decode(cases.data("slabs-528x544"), region=(0, 0, 9, 9), max_pixels=81)
    for wrong in ((0, 0, 0, 1), (-1, 0, 2, 2), (70, 0, 11, 1), (0, 1, 1, 50), (1, 2)):
        with pytest.raises(codec.InputError, match="region"):
            codec.decode(data, region=wrong)
    with pytest.raises(codec.LimitError):
        codec.decode(data, region=(0, 0, 9, 9), max_pixels=81)  # alpha is whole


def test_leading_channels_are_those_of_the_whole(pipelines, coded):
    (h, w), payload, crc = coded
    p = pipelines[1]
    z, s = p.read_symbols(payload, h, w, 40, crc)
    whole = p.dequantise(z, s, 40)
    some = p.dequantise(z, s, 40, leading=True)
    assert some.shape == (65, 36, p.bundle.k)
    assert np.array_equal(some, whole[..., : p.bundle.k])


def test_cells_flow_and_are_let_go():
    places = slabs(100, 70)
    plane = np.random.default_rng(0).random((100, 70, 2), np.float32)
    taken = []

    def latents():
        for p in places:
            taken.append(p)
            yield plane[p.cells]

    flow = Flow(places, latents())
    for top in range(0, 100, 20):
        rows, columns = slice(max(0, top - 6), min(100, top + 26)), slice(5, 70)
        assert np.array_equal(flow(rows, columns), plane[rows, columns])
        assert all(p.top < rows.stop for p in taken)
        assert all(p.rows.stop > rows.start for p, _ in flow.kept)


# Errors and threads


def test_damage_is_told_and_few_threads_are_left(pipelines, coded):
    (h, w), payload, crc = coded
    p = pipelines[1]
    p.decode(payload, h, w, 40, crc)
    before = threading.active_count()
    for wrong in (payload[:-40], payload + b"\1\0\0\0"):
        with pytest.raises(codec.FormatError):
            p.decode(wrong, h, w, 40, crc)
    with pytest.raises(codec.FormatError, match="checksum"):
        p.decode(payload, h, w, 40, crc ^ 1)
    assert threading.active_count() <= before
    assert p.decode(payload, h, w, 40, crc).shape == (h, w, 3)


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order(threads):
    assert list(ordered(lambda n: n * n, range(50), threads)) == [n * n for n in range(50)]


def test_no_more_is_done_ahead_than_said():
    begun, go = [], threading.Event()

    def work(n):
        begun.append(n)
        go.wait(5)
        return n

    results = ordered(work, range(100), 2)
    threading.Timer(0.1, go.set).start()
    next(results)
    results.close()
    assert len(begun) <= 2 * ahead.AHEAD + 1


def test_an_error_of_a_thread_is_raised_and_ends_the_work():
    done = []

    def work(n):
        if n == 3:
            raise codec.ModelError("three")
        done.append(n)

    with pytest.raises(codec.ModelError, match="three"):
        list(ordered(work, range(1000), 2))
    assert len(done) < 50 and len(ahead._idle) <= ahead.KEPT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_does_not_wait_for_threads_it_has_not():
    list(ordered(str, range(4), 2))
    assert ahead._idle
    child = os.fork()
    if not child:
        try:
            signal.alarm(60)  # ends this process if it waits for ever
            list(ordered(str, range(4), 2))
            os._exit(7)
        finally:  # never back into the tests
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.parametrize("wrong", ["mean1", "features"])
def test_an_error_of_a_network_is_raised(monkeypatch, wrong, coded):
    (h, w), payload, crc = coded
    run = Graphs.run

    def broken(self, name, **inputs):
        if name == wrong and self.threads == 1:
            raise codec.ModelError("no such graph")
        return run(self, name, **inputs)

    monkeypatch.setattr(Graphs, "run", broken)
    with pytest.raises(codec.ModelError, match="no such graph"):
        Pipeline(find.load(), 2).decode(payload, h, w, 40, crc)


@pytest.mark.skipif(not core.AVAILABLE, reason="built without a compiler")
@pytest.mark.parametrize("name, known", [("look", True), ("psnr", True), ("digits", False)])
def test_the_core_lays_out_the_pixels_of_the_whole_graph(monkeypatch, name, known):
    graphs = Graphs(find.load(name), 1)
    assert bool(graphs.squares) == known
    rng, mod = np.random.default_rng(4), graphs.bundle.at_quality("synthesis_mod", 40)
    monkeypatch.setattr(transform, "SYNTHESIS_SIDE", 4)
    for shape, region in (
        ((9, 6), (0, 0, 9 * 16 - 3, 6 * 16 - 1)),
        ((9, 6), (13, 37, 101, 50)),
        ((2, 3, 5), (0, 0, 48, 80)),
        ((1, 1), (0, 0, 7, 5)),
    ):
        latent = rng.normal(0, 0.5, (*shape, graphs.bundle.m)).astype("f4")
        given = latent, graphs, mod, shape, region
        here = transform.synthesise(*given)
        with monkeypatch.context() as patch:
            patch.setattr(core, "pixels", None)
            assert np.array_equal(here, transform.synthesise(*given))
        assert here.std() > 2


def test_blends_are_refused():
    data = cases.data("one-pixel")
    header, _, payload = container.unpack(data)
    blended = container.pack(dataclasses.replace(header, blend=9), payload)
    assert len(blended) == len(data) + 1 and codec.info(blended).blend == 9
    for use in codec.decode, codec.features:
        with pytest.raises(codec.UnsupportedError, match="blend 9"):
            use(blended)


# Nothing is seen beyond a slab


def test_the_border_of_a_slab_is_the_border_of_a_picture(pipelines):
    """Whatever z is elsewhere: networks were trained for borders that z shows.

    With z from beyond the border they took the symbols from there, which are
    zero, for known ones, and a cell in a dark area became grey.
    """
    pipeline = pipelines[0]
    b, place = pipeline.bundle, slabs(39, 38)[-1]
    rng = np.random.default_rng(4)
    z = rng.integers(-3, 4, (10, 10, b.tables["z_freq"].shape[1])).astype(np.int16)
    alone = z[place.z_cells]
    same = Place(0, 0, place.height, place.width)
    seen = plane.features(pipeline.graphs, z, place)
    assert np.array_equal(seen, plane.features(pipeline.graphs, alone, same))
    for exact in pipeline.exact, passes.Python(b, pipeline.one_thread.run):
        found = []
        for where, symbols in (place, z), (same, alone):
            slab = exact.slab(where, symbols, 39)

            def decide(step, scales):
                found.append(scales.copy())
                return (scales >= b.row_skip[39]).astype(np.int16)

            passes.walk(slab, decide, ())
        half = len(found) // 2
        assert all(map(np.array_equal, found[:half], found[half:]))
