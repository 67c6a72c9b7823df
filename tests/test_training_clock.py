"""``--hours`` counts the export: who is short of time, and by how much."""

import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training_runs import config

from codec.training import clock, data, train


@pytest.fixture
def now(monkeypatch):
    """A time that passes when the test says so."""
    at = types.SimpleNamespace(time=100.0)
    monkeypatch.setattr(clock.time, "monotonic", lambda: at.time)
    return at


def spend(limit, now, stage, n, each):
    """Go through pictures that take ``each`` seconds; how many there was time for."""
    done = 0
    for _ in limit.over(stage, [[i] for i in range(n)], n):
        now.time += each
        done += 1
    return done


def test_without_a_limit_all_pictures_are_taken_in_order(now):
    limit = clock.Clock()
    assert limit.pictures(5).tolist() == [0, 1, 2, 3, 4]
    for stage in clock.STAGES:
        assert spend(limit, now, stage, 7, 1e4) == 7
    assert limit.whole == 1


def test_every_stage_has_its_share(now):
    seconds, lines = 100.0, []
    limit = clock.Clock(seconds, lines.append)
    total = sum(clock.STAGES.values())
    for stage, share in clock.STAGES.items():
        done = spend(limit, now, stage, 1000, 1.0)
        assert abs(done - seconds * share / total) <= 2
    assert abs(limit.left()) <= 3
    assert limit.whole == pytest.approx(0.038, abs=0.003)
    assert sum("as the time is short" in line for line in lines) == len(clock.STAGES)


def test_what_one_stage_leaves_the_next_ones_have(now):
    limit, (first, second, *_) = clock.Clock(100.0), clock.STAGES
    assert spend(limit, now, first, 5, 0.1) == 5
    assert limit.left() == pytest.approx(99.5)
    assert spend(limit, now, second, 1000, 0.1) > 1000 * 0.99 * 7 / 140 * 0.9


def test_there_is_always_something(now):
    limit = clock.Clock(-5.0)
    for stage in clock.STAGES:
        assert spend(limit, now, stage, 9, 3.0) == 1


def test_short_of_time_pictures_come_from_everywhere():
    order = clock.Clock(1.0).pictures(100)
    assert sorted(order) == list(range(100))
    assert np.ptp(order[:10]) > 50


def test_it_says_how_long_it_takes(now):
    lines = []
    limit = clock.Clock(say=lines.append)
    spend(limit, now, next(iter(clock.STAGES)), 76, 1.0)
    # The other stages take 128 seconds where this one takes 76.
    assert lines[0].startswith("counting rounded symbols: 10 of 76 pictures")
    assert lines[0].endswith("export done in 3 min") and len(lines) == 7
    assert lines[-1].endswith("export done in 2 min")


def test_training_ends_before_the_hours_do(tmp_path):
    cfg = config(tmp_path, steps=0, hours=1.0)
    data.prepare(cfg, lambda line: None)
    run, _, valid = train.prepare(cfg, 0, 1, False)
    hour = 3600.0
    assert train.training_seconds(run, valid) == pytest.approx(0.7 * hour)
    # A fast machine needs little for the rest, a slow one no more than that.
    run.pixels, run.seconds = 10**9, 100.0
    rest = hour - train.training_seconds(run, valid)
    assert 5 < rest < 60
    cfg.table_pictures = 600
    assert hour - train.training_seconds(run, valid) > 4 * rest
    run.pixels = 10**3
    assert train.training_seconds(run, valid) == pytest.approx(0.7 * hour)
    assert train.affordable(run, valid) == 1
    cfg.export_share = 0.0
    assert train.training_seconds(run, valid) == hour
    assert train.affordable(run, valid) == len(valid.index)
    cfg.export_share, cfg.steps = 0.3, 5
    assert train.affordable(run, valid) == len(valid.index)
