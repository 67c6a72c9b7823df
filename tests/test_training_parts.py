"""Autograd nodes, losses and optimisers against slow, plain ones."""

import math
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training_runs import scene

from codec.training import block, kernels, loss, nets, optim
from codec.training import functional as fn


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16"])
def bf16(request):
    torch.manual_seed(0)
    fn.use_bf16(request.param)
    yield request.param
    fn.use_bf16(True)


def plain_linear(x, w, b):
    return x @ w.t() + b


def plain_depthwise(x, w):
    y = torch.nn.functional.conv2d(
        x.permute(0, 3, 1, 2), w, groups=len(w), padding=w.shape[-1] // 2
    )
    return y.permute(0, 2, 3, 1)


def plain_unfold8(x, w, b):
    y = torch.nn.functional.conv_transpose2d(
        x.permute(0, 3, 1, 2), w, b, stride=8, padding=(w.shape[-1] - 8) // 2
    )
    return y.permute(0, 2, 3, 1)


def plain_block(x, dw, s, w1, b1, w2, b2, t):
    u = plain_depthwise(x, dw) * s
    return x + (torch.relu(u @ w1.t() + b1) @ w2.t() + b2) * t


def randn(*shape):
    return torch.randn(*shape, requires_grad=True)


def block_of(s, t):
    # Biases decide every unit: none is near enough to zero to flip.
    return (
        randn(2, 6, 5, 8),
        randn(8, 1, 5, 5),
        s,
        randn(12, 8),
        (torch.tensor([90.0, -90] * 6)).requires_grad_(),
        randn(8, 12),
        randn(8),
        t,
    )


NODES = {
    "linear": (
        fn.linear,
        plain_linear,
        lambda: (randn(2, 3, 4, 8), randn(6, 8), randn(6)),
    ),
    "linear_bf16": (
        fn.linear_bf16,
        plain_linear,
        lambda: (randn(2, 3, 4, 8), randn(6, 8), randn(6)),
    ),
    "depthwise": (
        fn.depthwise,
        plain_depthwise,
        lambda: (randn(2, 6, 5, 8), randn(8, 1, 5, 5)),
    ),
    # So few cells that a product of matrices does it.
    "depthwise_small": (
        fn.depthwise,
        plain_depthwise,
        lambda: (randn(3, 2, 4, 8), randn(8, 1, 5, 5)),
    ),
    "depthwise_row": (
        fn.depthwise,
        plain_depthwise,
        lambda: (randn(2, 1, 7, 4), randn(4, 1, 3, 3)),
    ),
    "unfold8": (
        fn.unfold8,
        plain_unfold8,
        lambda: (randn(2, 3, 4, 8), randn(8, 3, 12, 12), randn(3)),
    ),
    "block": (
        block.residual,
        plain_block,
        lambda: block_of(randn(2, 1, 1, 8), torch.rand(8)),
    ),
    "block modulated at its output": (
        block.residual,
        plain_block,
        lambda: block_of(torch.rand(8), randn(2, 1, 1, 8)),
    ),
}


def test_bounded_lets_values_come_back():
    """Beyond the margin only the gradient that leads inside passes."""
    x = torch.tensor([-2.0, -2, -0.5, 0.5, 0.5, 1.5, 3, 3], requires_grad=True)
    y = fn.bounded(x, 0, 1, margin=1)
    assert y.tolist() == [0, 0, 0, 0.5, 0.5, 1, 1, 1]
    y.backward(torch.tensor([1.0, -1, 1, 1, -1, -1, 1, -1]))
    assert x.grad.tolist() == [0, -1, 1, 1, -1, -1, 1, 0]


def test_bounded_does_not_turn_noise_into_a_drift():
    """A value that is best below the range stays there."""
    torch.manual_seed(1)
    x = torch.zeros(1, requires_grad=True)
    for _ in range(500):
        noisy = torch.randn(1) + 0.2  # down is better, on average
        x.data -= 0.1 * torch.autograd.grad(fn.bounded(x, 0.0, 9.0, margin=4), x, noisy)[0]
    assert x.item() < -2


def test_bounded_rises_from_where_a_clamp_is_stuck():
    target, found = torch.tensor([0.5, 0.5]), {}
    for name, bound in (
        ("clamp", torch.clamp),
        ("bounded", lambda x, a, b: fn.bounded(x, a, b, 0.2)),
    ):
        x = torch.tensor([-1.0, 2.0], requires_grad=True)
        for _ in range(200):
            loss = (bound(x, 0.0, 1.0) - target).square().sum()
            x.data -= 0.1 * torch.autograd.grad(loss, x)[0]
        found[name] = x.tolist()
    assert found["clamp"] == [-1, 2]
    assert found["bounded"] == pytest.approx([0.5, 0.5], abs=1e-3)


@pytest.mark.parametrize("name", NODES)
def test_nodes_are_plain_autograd(name, bf16):
    node, plain, make = NODES[name]
    args = make()
    leaves = [a for a in args if a.requires_grad]
    y, want = node(*args).float(), plain(*args)
    g = torch.randn(y.shape)
    close(y, want, bf16)
    for a, b in zip(torch.autograd.grad(y, leaves, g), torch.autograd.grad(want, leaves, g)):
        close(a, b, bf16)


def test_kernels_are_not_needed(monkeypatch):
    """Without numba torch finds the same gradients."""
    pytest.importorskip("numba")
    torch.manual_seed(0)
    x, w = randn(2, 7, 9, 8), randn(8, 1, 5, 5)
    y = fn.depthwise(x, w)
    g = torch.randn(y.shape)
    with_it = torch.autograd.grad(y, (x, w), g, retain_graph=True)
    assert torch.equal(with_it[1], kernels.depthwise_weights(g, x, 5))
    monkeypatch.setitem(sys.modules, "numba", None)
    kernels._correlation.cache_clear()
    try:
        assert kernels.depthwise_weights(g, x, 5) is None
        for a, b in zip(with_it, torch.autograd.grad(y, (x, w), g)):
            close(a, b, False)
    finally:
        kernels._correlation.cache_clear()


def close(a, b, bf16):
    # Eight bits of mantissa, and sums that may cancel.
    assert (a - b).norm() <= (0.03 if bf16 else 1e-5) * b.norm()


def test_gradients_of_code_length():
    torch.manual_seed(0)
    v = (torch.randn(40, dtype=torch.double) * 3).requires_grad_()
    t = (torch.rand(40, dtype=torch.double) * 4 + 0.02).requires_grad_()
    assert torch.autograd.gradcheck(fn.logistic_bits, (v, t))


def test_code_length_is_that_of_a_distribution():
    v = torch.arange(-4000.0, 4001).double()
    for t in (0.01, 0.5, 3.0, 16.0):
        p = 2 ** -fn.logistic_bits(v, torch.full_like(v, t))
        assert abs(p.sum().item() - 1) < 1e-6
    far = fn.logistic_bits(torch.tensor([1e4]), torch.tensor([50.0]))
    assert torch.isfinite(far).all()


@pytest.mark.parametrize("lap", [0, 2])
def test_windows_of_a_basis_are_blocks(lap):
    """Started from 8x8 blocks, overlapping windows change nothing."""
    torch.manual_seed(0)
    v = torch.linalg.qr(torch.randn(192, 192))[0][:128]
    x, w = torch.rand(2, 16, 24, 3), nets.windows(v, lap)
    y = fn.fold8(x, w)
    assert w.shape == (128, 3, 8 + 2 * lap, 8 + 2 * lap)
    assert torch.allclose(y, fn.space_to_depth(x, 8) @ v.t(), atol=1e-5)
    back = fn.depth_to_space(y @ v, 8) + torch.arange(3.0)
    assert torch.allclose(fn.unfold8(y, w, torch.arange(3.0)), back, atol=1e-5)


def test_windows_overlap():
    w = torch.rand(5, 3, 12, 12)
    y = torch.zeros(1, 3, 3, 5)
    y[0, 1, 1, 0] = 1
    x = fn.unfold8(y, w, torch.zeros(3))
    assert torch.allclose(x[0, 6:18, 6:18], w[0].permute(1, 2, 0))
    assert x[0, :6].abs().max() == 0 and x[0, :, 18:].abs().max() == 0
    # The one is the other's transpose.
    u = torch.rand(1, 24, 24, 3)
    assert torch.allclose((fn.fold8(u, w) * y).sum(), (u * x).sum())


def test_space_and_depth_are_inverse():
    x = torch.randn(2, 8, 16, 3)
    y = fn.space_to_depth(x, 4)
    assert y.shape == (2, 2, 4, 48)
    assert torch.equal(fn.depth_to_space(y, 4), x)
    assert torch.equal(y[0, 1, 2, :3], x[0, 4, 8])


def test_rounding_passes_gradients():
    x = torch.tensor([0.4, 1.6], requires_grad=True)
    y = fn.round_ste(x)
    assert y.tolist() == [0, 2]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [1, 1]


@pytest.mark.parametrize("on, kind", [(True, torch.bfloat16), (False, torch.float32)])
def test_choice_of_bfloat16(on, kind):
    fn.use_bf16(on)
    assert fn.linear_bf16(torch.ones(2, 3), torch.ones(4, 3)).dtype is kind
    fn.use_bf16(True)
    assert fn.bf16_pays(seconds=0) in (True, False)


@pytest.mark.parametrize("shape", [(24, 60), (60, 24), (32, 32)])
def test_orthogonalise(shape, bf16):
    g = torch.randn(shape) * 1e-3
    u = optim.orthogonalise(g)
    values = torch.linalg.svdvals(u)
    assert 0.4 < values.min() and values.max() < 1.35
    assert (u * g).sum() > 0
    several = torch.stack([g, -2 * g])
    assert torch.equal(optim.orthogonalise(several)[0], u)


@pytest.mark.parametrize("shape", [(16, 64), (80, 16), (3, 16, 48)])
def test_wide_matrices_are_orthogonalised_alike(shape, monkeypatch):
    torch.manual_seed(0)
    fn.use_bf16(False)
    g = torch.randn(shape)
    g[..., 3, :] *= 1e-4
    quick = optim.orthogonalise(g)
    monkeypatch.setattr(optim, "WIDE", 99)
    plain = optim.orthogonalise(g)
    fn.use_bf16(True)
    assert not torch.equal(quick, plain)
    assert (quick - plain).norm() < 1e-4 * plain.norm()


def test_muon_deals_its_matrices_out():
    """Two ranks with shared updates do what one rank does alone."""
    torch.manual_seed(0)
    start = [torch.randn(s) for s in ((8, 12), (12, 4), (2, 6, 6))]
    grads = [torch.randn_like(p) for p in start]

    def muon(rank, world, share=None):
        params = [p.clone() for p in start]
        for p, g in zip(params, grads):
            p.grad = g
        return optim.Muon(params, [0.1, 0.1, 0.3], decay=0.5, rank=rank, world=world, share=share)

    alone = muon(0, 1)
    alone.step()
    other = muon(1, 2, lambda piece, owner: None)
    other.step()
    first = muon(0, 2, lambda piece, owner: owner and piece.copy_(other.flat[owner]))
    first.step()
    assert sorted(first.owner) == [0, 0, 1] or sorted(first.owner) == [0, 1, 1]
    for a, b in zip(alone.params, first.params):
        assert torch.equal(a, b)
    # Decay and an orthogonal step, each at the parameter's own rate.
    for lr, was, now in zip(alone.rates, start, alone.params):
        step = now - was * (1 - lr * 0.5)
        assert 0.4 * lr < torch.linalg.svdvals(step).max() < 1.35 * lr * 2


# Losses


def batch(*pictures):
    return fn.to_float(np.stack(pictures))


def test_cross_entropy_at_black_and_white():
    """An error counts by its size there, and leads back from beyond."""
    x = torch.tensor([-0.5, -0.5, 0.5, 0.5]).reshape(4, 1, 1, 1)
    x = x.expand(4, 2, 2, 3)
    off = torch.tensor([0.1, -0.1, -0.1, -1.5]).reshape(4, 1, 1, 1)
    y = (x + off).requires_grad_()
    d = loss.binary_cross_entropy(x, y)
    (g,) = torch.autograd.grad(d.sum(), y)
    d = d.detach()
    assert d[0] == pytest.approx(-math.log(0.9) * 255**2 / 2, rel=1e-3)
    assert d[1] < d[0] / 20  # shown as black, as it should
    assert d[2] == pytest.approx(d[0].item(), rel=1e-3)
    assert (g[0] > 0).all() and (g[1] == 0).all() and (g[2:] < 0).all()


def test_dropout_leaves_out_units_and_their_gradients():
    torch.manual_seed(0)
    c, hidden = 1, 4000
    x, dw = torch.ones(1, 1, 1, c), torch.ones(c, 1, 1, 1)
    w1 = torch.ones(hidden, c, requires_grad=True)
    w2 = torch.ones(c, hidden, requires_grad=True)
    y = block.residual(
        x,
        dw,
        torch.ones(1),
        w1,
        torch.zeros(hidden),
        w2,
        torch.zeros(c),
        torch.ones(c),
        0.1,
        0.25,
    ).float()
    # The mean stays; what is left is as much larger.
    assert y.item() == pytest.approx(1 + hidden, rel=0.05)
    g1, g2 = torch.autograd.grad(y, (w1, w2))
    left = g2.flatten() != 0
    assert 0.7 < left.float().mean() < 0.8
    assert torch.equal(g1.flatten() != 0, left)
    assert g1.flatten()[left].sub(1 / 0.75).abs().max() < 0.02


def slow_ms_ssim(a, b):
    """Wang 2003, from the paper, channel by channel, in 0..255."""
    r = np.arange(11) - 5
    window = np.exp(-(r[:, None] ** 2 + r**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(x):
        v = np.lib.stride_tricks.sliding_window_view(x, (11, 11))
        return np.einsum("ijkl,kl->ij", v, window)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    result = []
    for x, y in zip(np.moveaxis(a, 2, 0), np.moveaxis(b, 2, 0)):
        total = 1.0
        for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            mx, my = mean(x), mean(y)
            vx, vy = mean(x * x) - mx**2, mean(y * y) - my**2
            cov = mean(x * y) - mx * my
            value = (2 * cov + c2) / (vx + vy + c2)
            if scale == 4:
                value *= (2 * mx * my + c1) / (mx**2 + my**2 + c1)
            total *= value.mean() ** weight
            if scale < 4:
                x, y = (z.reshape(len(z) // 2, 2, -1, 2).mean((1, 3)) for z in (x, y))
        result.append(total)
    return np.mean(result)


def test_ms_ssim_is_the_papers():
    rng = np.random.default_rng(0)
    a = scene(1, 176, 208)
    b = np.clip(a + rng.normal(0, 12, a.shape), 0, 255).astype(np.uint8)
    got = loss.ms_ssim(batch(a), batch(b)).item()
    assert math.isclose(got, slow_ms_ssim(a.astype(float), b.astype(float)), abs_tol=2e-5)
    assert loss.ms_ssim(batch(a), batch(a)).item() == pytest.approx(1)
    assert got < 0.99


def test_ms_ssim_of_small_crops_has_a_gradient():
    x, y = batch(scene(1, 64, 64)), batch(scene(2, 64, 64)).requires_grad_()
    loss.ms_ssim(x, y).sum().backward()
    assert torch.isfinite(y.grad).all() and y.grad.abs().max() > 0
