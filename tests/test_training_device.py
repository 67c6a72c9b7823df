"""One loop for every device: precision, what is random, what a file holds."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")

from training_runs import config, run

from codec.training import data, device, functional, state, train
from codec.training.config import Config, TrainingError

pytestmark = pytest.mark.usefixtures("one_thread")


def validated(cfg):
    """Rate and PSNR of the averaged weights of a run, by quality."""
    functional.use_bf16(False)
    model = state.averaged(state.read(f"{cfg.state}/checkpoint.pt"))
    crops = data.Crops(data.validation_cache(cfg), data.indices(cfg)[1], 64)
    points, _ = train.validate(model, crops, cfg)
    return torch.tensor([p[1:3] for p in points])


def test_precisions_agree(tmp_path):
    """What bfloat16 does to a run is less than what forty steps teach it."""
    cfg = config(tmp_path, steps=40, batch=4, warmup=2, ema=0.5)
    run(dataclasses.replace(cfg, steps=1))
    start = validated(cfg)
    run(cfg, resume=True)
    exact = validated(cfg)
    other = dataclasses.replace(cfg, state=str(tmp_path / "other"), bf16="on")
    run(other)
    rounded = validated(other)
    learned = (exact - start).abs().max(0).values
    assert ((rounded - exact).abs().max(0).values < 0.3 * learned).all()


def test_a_run_keeps_its_precision(tmp_path, monkeypatch):
    """It is measured once, whatever another machine would find."""
    measured = iter([True])
    monkeypatch.setattr(functional, "bf16_pays", lambda place: next(measured))
    cfg = config(tmp_path, steps=1, bf16="auto")
    run(cfg)
    again = config(tmp_path, steps=2, bf16="auto")
    run(again, resume=True)
    saved = state.read(f"{cfg.state}/checkpoint.pt")
    assert saved["step"] == 2 and saved["config"]["bf16"] == "on"
    # A checkpoint of an older version does not say: measured now.
    saved["config"]["bf16"] = "auto"
    state.write(saved, f"{cfg.state}/checkpoint.pt")
    with pytest.raises(StopIteration):
        run(config(tmp_path, steps=3, bf16="auto"), resume=True)


@pytest.mark.parametrize("loss", ["ssimulacra2", "ms-ssim", "bce", "mae"])
@pytest.mark.parametrize("more", [{}, {"mix": 3, "parts": (3, 12)}])
def test_nothing_is_made_on_another_device(tmp_path, monkeypatch, loss, more):
    """Steps work where what names no device is made on one without values."""
    cfg = config(tmp_path, steps=2, loss=f"mse,{loss}", dropout=0.1, ema=0.5)
    cfg.shape = dataclasses.replace(cfg.shape, **more)
    data.prepare(cfg, lambda line: None)
    prepared = train.prepare(cfg, 0, 1, False)
    monkeypatch.setattr(train, "prepare", lambda *a: prepared)
    functional._taps.cache_clear()
    torch.set_default_device("meta")
    try:
        assert train.train(cfg) == "done"
    finally:
        torch.set_default_device(None)
        functional._taps.cache_clear()
    assert prepared[0].step == 2
    assert all(torch.isfinite(p).all() for p in prepared[0].params)


def test_noise_depends_on_seed_and_step_alone(tmp_path):
    cfg = config(tmp_path, batch=3)
    data.prepare(cfg, lambda line: None)
    crops = data.Crops(f"{cfg.state}/train", data.indices(cfg)[0], cfg.crop)
    model = state.empty_model(cfg.shape)
    whole = train.draw(cfg, 5, model, crops, slice(0, 3))
    part = train.draw(cfg, 5, model, crops, slice(1, 3))
    torch.rand(7)
    for a, b in zip(whole.noise, part.noise):
        assert torch.equal(a[1:], b) and -0.5 <= a.min() < -0.4 < 0.4 < a.max() <= 0.5
    assert torch.equal(whole.seen[1:], part.seen)
    assert torch.equal(whole.lam[1:], part.lam)
    other = train.draw(cfg, 6, model, crops, slice(0, 3))
    assert not torch.equal(whole.noise[1], other.noise[1])


def test_a_checkpoint_is_for_every_machine(tmp_path):
    """Tensors of any device are written as those of a CPU."""

    class Far(torch.Tensor):
        """Of a device that is not here."""

        def cpu(self):
            return torch.tensor([3.0])

    far = torch.zeros(1).as_subclass(Far)
    state.write({"a": [far, {"b": (far, 1)}]}, tmp_path / "c.pt")
    back = state.read(tmp_path / "c.pt")["a"]
    assert back[0].item() == back[1]["b"][0].item() == 3


def test_devices(monkeypatch):
    assert device.chosen("cpu") == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="--device cuda: there is none"):
            device.chosen("cuda")
    monkeypatch.setattr(device, "available", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert device.chosen("auto") == "cuda"
    assert device.workers("cuda", 8) == 2 and device.workers("mps", 8) == 1
    with pytest.raises(TrainingError, match="no card of its own"):
        device.own("auto", 3)


def test_settings_of_before_devices_load():
    old = Config().to_dict()
    del old["device"]
    assert Config.from_dict(old).device == "auto"
