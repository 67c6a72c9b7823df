"""Quality as a score: positions, and the model that has them."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from test_training_export import made  # noqa: F401
from training_runs import scene

import codec
from codec.model.bundle import Bundle
from codec.search import objectives
from codec.training import quality

AT = (1, 20, 50, 80, 100)


def test_quality_is_the_score():
    p = quality.positions(AT, (-10, 30, 60, 85, 97))
    assert p[[0, 99]].tolist() == [1, 100] and (np.diff(p) > 0).all()
    assert p[30 - 1] == pytest.approx(20) and p[60 - 1] == pytest.approx(50)
    assert p[45 - 1] == pytest.approx(35)


@pytest.mark.parametrize("found", [(40, 50, 60, 70, 80), (5, 9, 9, 8, 20), (3, 2, 1, 0, 0)])
def test_scores_out_of_reach(found):
    p = quality.positions(AT, found)
    assert p[[0, 99]].tolist() == [1, 100] and (np.diff(p) > 0).all()


def test_a_rescaled_model_codes_as_the_other_elsewhere(made, tmp_path):  # noqa: F811
    p = np.interp(np.arange(1, 101), (1, 40, 100), (1, 20, 100))
    new = quality.rescaled(made[1], p, tmp_path / "new")
    old, now = Bundle(made[1]), Bundle(tmp_path / "new")
    assert now.id == new != old.id
    assert now.multiplier(40) == pytest.approx(old.multiplier(20))
    assert now.trained(40) == pytest.approx(20) and old.trained(20) == pytest.approx(20)
    assert np.allclose(now.gain(40), old.gain(20))
    assert objectives.mixed(now, 82) == pytest.approx(objectives.mixed(old, 76), abs=1e-3)
    x = scene(3, 96, 90)
    sizes = [
        len(codec.encode(x, quality=q, model=folder, effort=2))
        for q, folder in ((40, tmp_path / "new"), (20, made[1]))
    ]
    assert sizes[0] == pytest.approx(sizes[1], abs=8)
    data = codec.encode(x, quality=40, model=tmp_path / "new")
    assert codec.decode(data, model=tmp_path / "new").shape == x.shape
    with open(tmp_path / "new" / "model.json") as file:
        assert len(json.load(file)["lambda"]) == 100
