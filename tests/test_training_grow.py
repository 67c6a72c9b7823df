"""Blocks added to trained networks: nothing changes, until they learn."""

import argparse
import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from codec.training import data, functional, grow, state, train  # noqa: E402
from codec.training.values import blocks  # noqa: E402
from training_runs import TINY, config  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    yield
    functional.use_bf16(True)


@pytest.fixture
def trained(tmp_path):
    """Config and crops of a short run, and its weights."""
    pytest.importorskip("safetensors")
    cfg = config(tmp_path, steps=3)
    data.prepare(cfg, lambda line: None)
    train.train(cfg)
    file = tmp_path / "w.safetensors"
    state.export_averaged(cfg.state, file)
    index, _ = data.indices(cfg)
    crops = data.Crops(f"{cfg.state}/train", index, cfg.crop)
    return dataclasses.replace(
        cfg, init=str(file), state=str(tmp_path / "more"),
        shape=grow.larger(TINY, blocks("a8=3,a16=2,s16=2"))), crops


def coded(model, crops):
    x = functional.to_float(crops.batch(2, np.random.default_rng(0)))
    with torch.no_grad():
        return model(x, torch.tensor([0.003, 0.2]), noise=False)


def test_a_grown_model_computes_the_same(trained):
    cfg, crops = trained
    old = state.load_weights(cfg.init)
    new = grow.grown(old, cfg.shape, crops)
    for want, got in zip(coded(old, crops), coded(new, crops)):
        assert torch.equal(want, got)
    assert [len(grow.stream(new, n)) for n in ("a8", "a16", "s8", "s16")] \
        == [3, 2, old.shape.s8, 2]


def test_new_blocks_whiten_what_comes_in_and_learn(trained):
    cfg, crops = trained
    new = grow.grown(state.load_weights(cfg.init), cfg.shape, crops)
    last = new.analysis.blocks8[-1]
    deviation, = grow.deviations(new, [last], crops, 1)
    assert torch.allclose(last.scale_in * (deviation + 0.02),
                          torch.ones(len(deviation)), rtol=1e-4)
    data.prepare(cfg, lambda line: None)
    train.train(cfg)
    model = state.averaged(state.read(f"{cfg.state}/checkpoint.pt"))
    assert model.shape == cfg.shape
    for name in ("a8", "a16", "s16"):
        block = grow.stream(model, name)[-1]
        assert block.w2.abs().max() > 0
    again = dataclasses.replace(cfg, steps=cfg.steps + 1)
    assert train.train(again, resume=True) == "done"


@pytest.mark.parametrize("text", ["", "a8", "a8=0", "m=400", "a8=3;s8=4",
                                  "a8=3,", "a8=3,a8=4"])
def test_what_is_no_number_of_blocks(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not like"):
        blocks(text)


def test_nothing_is_taken_away():
    with pytest.raises(ValueError, match="a16 is 1 already"):
        grow.larger(dataclasses.replace(TINY, a16=1), {"a16": 0})
