"""Distortions: their scale, their sums, and SSIMULACRA 2 against its library."""

import io
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image
from training_runs import scene

from codec.training import kernels, loss
from codec.training import ssimulacra2 as look
from codec.training.config import Config, TrainingError
from codec.training.functional import to_float


def distortion(text, x, y, q=0.0, **settings):
    q = torch.full((len(x),), q)
    return loss.distortion(Config(loss=text, **settings), q, x, y, loss.squared_error(x, y))


def noisy():
    torch.manual_seed(0)
    x = torch.zeros(2, 64, 64, 3)
    sigma = torch.tensor([2.0, 9.0]).reshape(2, 1, 1, 1) / 255
    return x, x + torch.randn(x.shape) * sigma


def test_distortions_have_one_scale():
    x, y = noisy()
    mse = loss.squared_error(x, y)
    assert torch.equal(distortion("mse", x, y), mse)
    assert torch.allclose(distortion("mae", x, y), mse, rtol=0.05)
    d = distortion("ms-ssim", x, y)
    assert torch.allclose(d, 1500 * (1 - loss.ms_ssim(x, y)))
    for name in loss.TERMS:
        assert distortion(name, x, x).abs().max() < 0.1


def test_a_loss_is_a_weighted_sum():
    x, y = noisy()
    parts = {name: distortion(name, x, y) for name in ("mse", "ms-ssim")}
    both = distortion("mse:0.25,ms-ssim:2", x, y)
    assert torch.allclose(both, parts["mse"] / 4 + 2 * parts["ms-ssim"])


def test_a_loss_goes_over_into_that_of_high_quality():
    x, y = noisy()
    low, high = distortion("ms-ssim", x, y), distortion("mse", x, y)
    for q, share in ((0.0, 0), (0.5, 0), (0.75, 0.5), (1.0, 1)):
        got = distortion("ms-ssim", x, y, q, loss_high="mse", loss_turn=0.5)
        assert torch.allclose(got, (1 - share) * low + share * high)


@pytest.mark.parametrize("text", ["", "psnr", "mse:0", "mse:x", "mse:inf", "mse,"])
def test_no_such_loss(text):
    with pytest.raises(TrainingError, match="give NAME"):
        loss.weights_of(text)


def test_cross_entropy_is_squared_error_at_mid_grey():
    x = torch.full((1, 8, 8, 3), 0.01)
    got = distortion("bce", x, x + 0.02)
    assert torch.allclose(got, loss.squared_error(x, x + 0.02), rtol=0.02)


# SSIMULACRA 2


def saved(picture, quality):
    """A picture and its JPEG, uint8 (h, w, 3)."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality)
    with Image.open(out) as image:
        return picture, np.array(image)


@pytest.fixture
def library(monkeypatch):
    """Score of two pictures by the library, its borders mirrored as ours are."""
    pytest.importorskip("ssimulacra2")
    from scipy import ndimage

    module = sys.modules["ssimulacra2.ssimulacra2"]
    monkeypatch.setattr(
        module,
        "blur_image",
        lambda image, sigma=1.5: ndimage.gaussian_filter(
            image, sigma, truncate=3.33, mode="reflect", axes=(0, 1)
        ),
    )

    def score(*pictures):
        files = [io.BytesIO() for _ in pictures]
        for file, picture in zip(files, pictures):
            Image.fromarray(picture).save(file, "PNG")
        return module.compute_ssimulacra2(*files)

    return score


def ours(*pictures):
    total = look.ssimulacra2_sum(*(to_float(p)[None] for p in pictures))
    return look.score(total).item()


@pytest.mark.parametrize("quality", [5, 30, 60, 85, 95])
def test_the_score_is_the_library_s(library, quality):
    pair = saved(scene(3, 263, 300), quality)
    assert ours(*pair) == pytest.approx(library(*pair), abs=0.15)


def test_colour_errors_count_as_in_the_library(library):
    a = scene(4, 264, 264)
    b = a.copy()
    b[..., 2] = np.clip(b[..., 2] * 0.8 + 20, 0, 255)
    assert ours(a, b) == pytest.approx(library(a, b), abs=0.3)


def test_the_gradient_is_that_of_differences():
    torch.manual_seed(0)
    x = torch.rand(1, 64, 64, 3) * 0.8 - 0.4
    y = (x + 0.03 * torch.randn_like(x)).requires_grad_()
    (g,) = torch.autograd.grad(look.ssimulacra2_sum(x, y).sum(), y)
    step = 1e-3 * torch.randn_like(x)
    more, less = (look.ssimulacra2_sum(x, y.detach() + s * step) for s in (1, -1))
    assert (g * step).sum() == pytest.approx(((more - less) / 2).item(), rel=0.02)


def test_a_perfect_copy_has_a_gradient():
    x = torch.rand(1, 64, 64, 3) - 0.5
    y = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(look.ssimulacra2_sum(x, y).sum(), y)
    assert torch.isfinite(g).all()


def test_blurs_are_the_same_without_compiled_loops(monkeypatch):
    x = torch.rand(2, 3, 9, 14)
    compiled = kernels.blur(x, look.TAPS)
    monkeypatch.setattr(kernels, "_blur", lambda: None)
    assert torch.allclose(kernels.blur(x, look.TAPS), compiled, atol=1e-6)
    flat = torch.full((1, 8, 8), 0.3)
    assert torch.allclose(kernels.blur(flat, look.TAPS), flat)


def test_linear_light_is_the_same_without_compiled_loops(monkeypatch):
    x = torch.linspace(0, 1, 4 * 5 * 77 * 3).reshape(4, 5, 77, 3)
    compiled = kernels.linear_light(x)
    monkeypatch.setattr(kernels, "_decode", lambda: None)
    plain = kernels.linear_light(x)
    for a, b in zip(compiled, plain):
        assert a.shape == (4, 3, 5, 77)
        assert torch.allclose(a, b, atol=3e-7, rtol=1e-4)
    # The slope is the value's.
    x = x.double().requires_grad_()
    value, slope = kernels.linear_light(x)
    (g,) = torch.autograd.grad(value.sum(), x)
    assert torch.allclose(g.permute(0, 3, 1, 2), slope)


@pytest.mark.parametrize("weights", [*look.WEIGHTS.values()])
def test_planes_are_compared_alike_without_compiled_loops(weights, monkeypatch):
    torch.manual_seed(3)
    a = torch.rand(2, 40, 33)
    noise = torch.randn(a.shape) * torch.tensor([0.02, 0.3])[:, None, None]
    found = []
    for compiled in (kernels.compare, lambda: None):
        monkeypatch.setattr(kernels, "compare", compiled)
        b = (a + noise).requires_grad_()
        value = look.compared(a, b, weights)
        (g,) = torch.autograd.grad((value * torch.tensor([1.0, 3.0])).sum(), b)
        found.append((value.detach(), g))
    (one, g), (two, h) = found
    assert torch.allclose(one, two, rtol=1e-5)
    assert (g - h).norm() < 1e-4 * h.norm()


def test_a_picture_too_small_for_a_metric_has_none():
    x = torch.zeros(2, 7, 7, 3)
    assert look.ssimulacra2_sum(x, x).isnan().all()
    assert loss.ms_ssim(x, x).isnan().all()
