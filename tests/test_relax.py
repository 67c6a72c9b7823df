"""Values between two symbols: how they are shown and how they move."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from test_effort import pipeline, total  # noqa: F401
from test_training_export import made  # noqa: F401
from training_runs import scene

from codec import search as effort
from codec.search import choose, objectives, refine, relax, tune
from codec.symbols.slabs import Place


@pytest.fixture
def relaxed(pipeline):  # noqa: F811
    """Values of one slab, and their rows."""
    rng = np.random.default_rng(7)
    m = pipeline.bundle.m
    latent = rng.normal(0, 2, (4, 8, m)).astype(np.float32)
    rows = rng.integers(0, 64, (32, m)).astype(np.uint8)
    return relax.Relaxed(latent, pipeline.costs(60)), rows


def shown(it, rows, width, nearest=None):
    m = it.latent.shape[-1]
    of_step = it.choice(np.ones(m, np.float32), width, nearest)(Place(0, 0, 4, 8))
    return of_step(np.arange(32), slice(0, m), np.zeros((32, m), np.float32), rows)


@pytest.mark.parametrize("width", [0.3, 1.0, 1.7])
def test_slopes_are_those_of_the_cost_to_expect(relaxed, width):
    """In numbers: bits between two symbols and the error of chance."""
    it, rows = relaxed
    rng, shape = np.random.default_rng(8), it.latent.shape
    gradient, energy = rng.normal(0, 3, (2, *shape)).astype(np.float32)
    energy = np.abs(energy)
    flat = it.latent.reshape(32, -1)

    def cost():
        _, q = shown(it, rows, width)
        low = np.floor(flat)
        s = np.where(rows < it.costs.row_skip, 0, q - low)
        up, here = (it.costs.of(np.abs(k).astype(np.int32), rows) for k in (low + 1, low))
        return s * (up - here + gradient.reshape(32, -1)) + energy.reshape(32, -1) * s * (1 - s)

    step, before = 2e-3, it.latent.copy()
    away = np.abs(flat - np.rint(flat)) > 2 * step  # of where q jumps
    it.latent += step
    above = cost()
    it.latent -= 2 * step
    below = cost()
    it.latent[:] = before
    shown(it, rows, width)
    want = (above - below) / (2 * step)
    slope = ((gradient + it.more + energy * (1 - 2 * it.upper)) * it.follows).reshape(32, -1)
    assert np.abs(slope - want)[away].max() < 0.02 * np.abs(want).max()
    it.step(gradient, energy, 0.1)
    moved = (it.latent - before).reshape(32, -1)
    assert (moved[slope > 1e-3] < 0).all() and (moved[slope < -1e-3] > 0).all()
    assert np.allclose(moved[slope == 0], 0)
    assert np.abs(moved).max() < 0.101


def test_what_is_shown_becomes_whole(relaxed):
    it, rows = relaxed
    v, coded = it.latent.reshape(32, -1), rows >= it.costs.row_skip
    symbols, q = shown(it, rows, 1e-3)
    assert np.array_equal(symbols[coded], np.rint(v)[coded])
    assert (q != symbols).mean() < 0.01
    assert (q[~coded] == 0).all() and (~coded).any()
    symbols, q = shown(it, rows, 1.5)
    assert ((np.floor(v) < q) & (q < np.floor(v) + 1))[coded].all()
    assert np.abs(q - v)[coded].max() < 0.2
    nearest = choose.rounded(it.costs.row_skip)
    symbols, q = shown(it, rows, 1.5, nearest)
    assert q is None and np.array_equal(symbols, nearest(v, rows))
    assert np.array_equal(it.upper.reshape(32, -1), symbols - np.floor(v))


def test_bands_are_nearly_the_whole(pipeline, monkeypatch):  # noqa: F811
    x = scene(7, 16 * 100, 48)
    found = total(pipeline, x, 60, 3)[0]
    monkeypatch.setattr(refine, "BAND", 48 * 16 * 32)
    assert [
        (k.start, k.stop, s.start, s.stop, c.start, c.stop) for k, s, c in refine.bands(100, 3)
    ] == [
        (0, 24, 0, 48, 0, 24),
        (24, 48, 0, 72, 24, 48),
        (48, 72, 24, 100, 24, 48),
        (72, 100, 48, 100, 24, 52),
    ]
    banded = total(pipeline, x, 60, 3)[0]
    assert banded == pytest.approx(found, rel=2e-3)
    assert banded < 0.998 * total(pipeline, x, 60, 1)[0]


def test_shaken_values_are_shown_elsewhere(relaxed):
    it, rows = relaxed
    coded = rows >= it.costs.row_skip
    flat, width = it.latent.reshape(32, -1), 0.5
    _, still = shown(it, rows, width)
    it.noise, before = 0.4, it.latent.copy()
    _, one = shown(it, rows, width)
    it.n += 1  # another pass
    _, other = shown(it, rows, width)
    assert (one != other)[coded].mean() > 0.2 and np.array_equal(it.latent, before)
    # As values at most half of noise * width away: slopes are up to 1.5 / width.
    assert np.abs(one - still).max() <= 1.5 / width * 0.2 * width + 1e-5
    assert ((np.floor(flat) <= one) & (one <= np.floor(flat) + 1))[coded].all()


def moved(relaxed, energy, more=0.0, **options):
    """How far one step takes values that all follow."""
    it, _ = relaxed
    it.follows[:], it.upper[:], it.more[:] = 1, 0.25, more
    before = it.latent.copy()
    it.step(np.zeros_like(before), np.full_like(before, energy), 0.1, **options)
    return before - it.latent


def test_caution_counts_the_error_of_chance(relaxed):
    # Half of e holds values back that are a quarter up; bits pull them.
    assert np.allclose(moved(relaxed, 4, -1.0, caution=0.5), 0, atol=1e-6)
    for caution, way in ((0.25, -1), (1.0, 1)):
        relaxed[0].n = 0
        relaxed[0].mean[:] = relaxed[0].square[:] = 0
        assert np.allclose(moved(relaxed, 4, -1.0, caution=caution), 0.1 * way, rtol=1e-3)


def test_with_a_prior_the_first_step_knows_how_steep_it_is(relaxed):
    """Without, all go as far; with, what is half as steep half as far."""
    slope = 0.2  # of e = 4: a twentieth
    got = moved(relaxed, 4, slope - 2, prior=1)
    root = np.sqrt(relax.MEMORY * 16 + (1 - relax.MEMORY) * slope**2)
    assert np.allclose(got, 0.1 * slope / root, rtol=1e-3)


def test_bands_count_errors_as_the_whole_does(
    pipeline,  # noqa: F811
    monkeypatch,
):
    """Weights are of a mean of one over the picture, not over a band."""
    x = scene(7, 16 * 70 - 9, 48)
    x[:500] = x[:500] // 8 + 100  # flat above, busy below
    seen = []

    class Recording(objectives.SquaredError):
        def __init__(self, *args):
            super().__init__(*args)
            seen.append(self.importance)

    monkeypatch.setattr(objectives, "SquaredError", Recording)
    monkeypatch.setattr(refine, "BAND", 48 * 16 * 32)
    pipeline.encode(x, 60, dataclasses.replace(effort.PLANS[2], tune="ms-ssim"))
    whole = tune.ms_ssim(x)
    for got, (lo, hi) in zip(seen, [(0, 192), (0, 280), (96, 280)], strict=True):
        assert np.array_equal(got, whole[lo:hi])


@pytest.mark.filterwarnings("error")
def test_a_channel_that_nothing_follows_from(
    pipeline,  # noqa: F811
    monkeypatch,
):
    """Of no energy: nothing is divided by that."""
    tables = pipeline.bundle.tables
    energy = tables["energy"].copy()
    energy[..., 3] = 0
    monkeypatch.setitem(tables, "energy", energy)
    x = scene(3, 64, 64)
    assert total(pipeline, x, 60, 3)[0] <= 1.002 * total(pipeline, x, 60, 1)[0] + 64
