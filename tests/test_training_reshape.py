"""Trained networks in other sizes: what is new changes nothing, until it learns."""

import argparse
import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training_runs import TINY, config

from codec.training import data, functional, hyper, nets, reshape, state, train
from codec.training.config import Shape, TrainingError
from codec.training.settings import sizes

read = sizes(Shape)


pytestmark = pytest.mark.usefixtures("one_thread")


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
        cfg,
        init=str(file),
        state=str(tmp_path / "more"),
        shape=reshape.changed(TINY, read("a8=3,a16=2,s16=2")),
    ), crops


def coded(model, crops):
    x = functional.to_float(crops.batch(2, np.random.default_rng(0)))
    with torch.no_grad():
        return model(x, torch.tensor([0.003, 0.2]))


def test_a_grown_model_computes_the_same(trained):
    cfg, crops = trained
    old = state.load_weights(cfg.init)
    new = reshape.reshaped(old, cfg.shape, crops)
    for want, got in zip(coded(old, crops), coded(new, crops)):
        assert torch.equal(want, got)
    assert [len(reshape.stream(new, n)) for n in ("a8", "a16", "s8", "s16")] == [
        3,
        2,
        old.shape.s8,
        2,
    ]


def test_new_blocks_whiten_what_comes_in_and_learn(trained):
    cfg, crops = trained
    new = reshape.reshaped(state.load_weights(cfg.init), cfg.shape, crops)
    last = new.analysis.blocks8[-1]
    (deviation,) = reshape.deviations(new, [last], crops, 1)
    assert torch.allclose(last.scale_in * (deviation + 0.02), torch.ones(len(deviation)), rtol=1e-4)
    data.prepare(cfg, lambda line: None)
    train.train(cfg)
    model = state.averaged(state.read(f"{cfg.state}/checkpoint.pt"))
    assert model.shape == cfg.shape
    for name in ("a8", "a16", "s16"):
        block = reshape.stream(model, name)[-1]
        assert block.w2.abs().max() > 0
    again = dataclasses.replace(cfg, steps=cfg.steps + 1)
    assert train.train(again, resume=True) == "done"


def learnt(cfg, crops, shape):
    """The model of a short run from the weights of ``cfg``, grown first."""
    cfg = dataclasses.replace(cfg, shape=shape)
    old = state.load_weights(cfg.init)
    new = reshape.reshaped(old, shape, crops)
    for want, got in zip(coded(old, crops), coded(new, crops)):
        torch.testing.assert_close(want, got, rtol=1e-5, atol=1e-5)
    data.prepare(cfg, lambda line: None)
    train.train(cfg)
    return state.averaged(state.read(f"{cfg.state}/checkpoint.pt"))


def test_sets_of_weights_start_at_nothing_and_learn(trained):
    model = learnt(*trained, reshape.changed(TINY, read("mix=3")))
    sets = {n: p for n, p in model.named_parameters() if "delta_" in n}
    assert len(sets) == 2 * (2 + 5)
    for one in sets.values():
        assert len(one) == 3 and one.flatten(1).abs().amax(1).min() > 0


def test_parts_start_at_nothing_and_learn(trained):
    model = learnt(*trained, reshape.changed(TINY, {"parts": (3, 5, 12)}))
    assert model.shape.parts == (3, 5, 12)
    assert [tuple(d.shape) for d in model.rows.d] == [(2, 3), (3, 5), (12, 4)]
    assert min(d.abs().max() for d in model.rows.d) > 0
    # More parts do the same at first, and then more.
    finer = reshape.changed(model.shape, {"parts": (3, 5, 9, 12)})
    more = reshape.reshaped(model, finer, None)
    assert [tuple(d.shape) for d in more.rows.d] == [(2, 3), (3, 5), (3, 1), (12, 4)]
    torch.manual_seed(2)
    y, q = torch.randn(1, 8, 8, TINY.m), torch.tensor([0.7])
    rows = [m.code(y, q)[3]["rows"] for m in (model, more)]
    assert torch.equal(*rows)
    more.rows.d[2].data += 1
    assert not torch.equal(rows[0], more.code(y, q)[3]["rows"])
    # What begins earlier sees less, and the rest of it is as it was.
    fewer = reshape.reshaped(model, reshape.changed(model.shape, {"parts": (3, 10)}), None)
    old, new = model.rows.d[2], fewer.rows.d[1]
    assert torch.equal(new[2:, :2], old[:, :2]) and not new[:2].any()


def test_levels_are_as_expected():
    """The means of what a row's distribution gives."""
    rng = np.random.default_rng(5)
    expected = nets.ExactRows(
        TINY, {"sigma16": torch.ones(TINY.m), "gain": torch.ones(nets.N_KNOTS, TINY.m)}
    ).expected.numpy()
    for row in 8, 20, 40:
        sigma = 0.11 * (256 / 0.11) ** ((row + 0.5) / 63)
        v = torch.from_numpy(np.rint(rng.logistic(0, sigma * np.sqrt(3) / np.pi, 400000)))
        mean = hyper.level(v).mean().item()
        assert expected[row] == pytest.approx(32 * mean, abs=0.6, rel=0.01)


def test_steps_and_what_quality_adds_move_at_rates_of_their_own(trained):
    cfg, _ = trained
    cfg = dataclasses.replace(
        cfg, mix_rate=3.0, gain_rate=8.0, shape=dataclasses.replace(TINY, mix=2)
    )
    model = state.empty_model(cfg.shape)
    rates = {
        id(p): g["lr"]
        for part in state.split_parameters(model, cfg)
        for g in part
        for p in g["params"]
    }
    named = dict(model.named_parameters())
    pairs = [(named[n], named[n.replace("delta_", "")]) for n in named if "delta_" in n]
    assert len(pairs) == 2 * (2 + 5) and len(rates) == len(named)
    for delta, weight in pairs:
        assert rates[id(delta)] == 3 * rates[id(weight)]
    assert rates[id(model.log_gain)] == 8 * rates[id(model.z_loc)] / cfg.table_lr * (cfg.adam_lr)


def test_each_picture_has_the_weights_of_its_quality():
    torch.manual_seed(4)
    model = state.empty_model(dataclasses.replace(TINY, mix=3))
    for p in model.parameters():
        p.data.normal_(0, 0.1)
    x, q = torch.randn(3, 32, 48, 3), torch.tensor([0.0, 0.4, 1.0])
    with torch.no_grad():
        together = model.analysis(x, q)
        apart = torch.cat([model.analysis(x[i : i + 1], q[i : i + 1]) for i in range(3)])
        assert torch.allclose(together, apart, atol=1e-5)
        # At an end of the range it is that end's set.
        net = model.analysis
        net.in16 += net.delta_in16[2]
        net.delta_in16.zero_()
        assert torch.allclose(net(x, q)[2], together[2], atol=1e-5)
        assert not torch.allclose(net(x, q)[0], together[0], atol=1e-2)
    shares = nets.hats(4)
    assert torch.allclose(shares.sum(1), torch.ones(nets.N_KNOTS))
    assert shares[0, 0] == shares[-1, -1] == 1 and shares.min() == 0


@pytest.mark.parametrize(
    "text",
    ["", "a8", "a8=03x", "z=400", "a8=3;s8=4", "a8=3,", "a8=3,a8=4", "a8=1/2"]
    + ["parts=", "parts=0", "parts=9/4", "parts=4/4", "lambda_min=1"],
)
def test_what_is_no_size(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not like"):
        read(text)


def test_sizes_are_read():
    assert read("s8=0,parts=16/48,m=400") == {"s8": 0, "parts": (16, 48), "m": 400}


@pytest.mark.parametrize(
    "values, message",
    [
        ({"mix": 4}, "mix is 3 already"),
        ({"mix": 0}, "mix is 3 already"),
        ({"s_hidden8": TINY.s_hidden8 + 1}, "is 16 only"),
        ({"m": 32}, "m stays at 24"),
        ({"parts": (8, 12)}, "cannot be cut there"),
        ({"parts": (24,)}, "24 channels"),
    ],
)
def test_what_trained_weights_cannot_become(values, message):
    with pytest.raises(TrainingError, match=message):
        reshape.changed(dataclasses.replace(TINY, mix=3), values)


def test_sizes_that_were_always_the_same_are_forgotten():
    assert Shape.from_dict({"leak8": 0.0, "m": 40, "k": 8}).m == 40
    with pytest.raises(TrainingError, match="leak8"):
        Shape.from_dict({"leak8": 0.1})


def test_a_shrunk_model_keeps_what_adds_most(trained):
    cfg, crops = trained
    old = learnt(*trained, reshape.changed(TINY, read("mix=3,s8=2")))
    block = old.synthesis.blocks8[0]
    n = len(block.w1)
    with torch.no_grad():
        block.w2[:, ::2] = 0
        block.delta_w2[:, :, ::2] = 0
    shape = reshape.changed(old.shape, {"s8": 1, "s_hidden8": n // 2})
    new = reshape.reshaped(old, shape, crops)
    assert [b.w1.shape[0] for b in new.synthesis.blocks8] == [n // 2]
    assert torch.equal(new.synthesis.blocks8[0].w1, block.w1[1::2])
    assert len(new.analysis.blocks8[0].w1) == len(old.analysis.blocks8[0].w1)
    with torch.no_grad():
        old.synthesis.blocks8[1].w2.zero_()
        old.synthesis.blocks8[1].delta_w2.zero_()
        old.synthesis.blocks8[1].b2.zero_()
        old.synthesis.blocks8[1].delta_b2.zero_()
    for want, got in zip(coded(old, crops), coded(new, crops)):
        assert torch.allclose(want, got, atol=1e-4, rtol=1e-4)
