"""Fewer blocks and narrower ones for networks that are trained already."""

import dataclasses
import math

import numpy as np
import torch
import torch.nn.functional as F

from . import functional as fn
from . import state
from .config import SHRINKS
from .hyper import knots

N_CROPS = 64
RIDGE = 1e-4  # of the mean square of hidden units


def smaller(shape, numbers):
    """A shape with fewer synthesis blocks or hidden units.

    Parameters
    ----------
    shape : Shape
    numbers : dict of str to int
        How many, by names of ``config.SHRINKS``.

    Raises
    ------
    ValueError
        Where there are not as many.
    """
    for name, n in numbers.items():
        if n > getattr(shape, name):
            raise ValueError(f"{name} is {getattr(shape, name)} only")
    return dataclasses.replace(shape, **numbers)


@torch.no_grad()
def shrunk(model, shape, crops, seed=1):
    """A model whose synthesis is no larger than a shape says, to be trained on.

    The first blocks of each stream stay. Hidden units leave one at a time,
    that one whose loss the others make up for best, and the second matrix
    is what makes up for it: Optimal Brain Surgeon [1]_, on a block's output.

    Parameters
    ----------
    model : nets.Codec
    shape : Shape
        Of which the ``config.SHRINKS`` count.
    crops : data.Crops
        Pictures that the units are measured on.
    seed : int
        Of the crops.

    Returns
    -------
    nets.Codec

    References
    ----------
    .. [1] Hassibi, Stork, "Second order derivatives for network pruning:
       Optimal Brain Surgeon", 1992.
    """
    sizes = {n: min(getattr(shape, n), getattr(model.shape, n)) for n in SHRINKS}
    shape = smaller(model.shape, sizes)
    if shape == model.shape:
        return model
    new = state.empty_model(shape)
    pairs = [
        pair
        for name in ("blocks8", "blocks16")
        for pair in zip(getattr(model.synthesis, name), getattr(new.synthesis, name))
    ]
    narrowed = [pair for pair in pairs if len(pair[0].w1) > len(pair[1].w1)]
    known = dict(pairs)
    of_old = model.state_dict()
    inside = {
        name
        for name, module in new.named_modules()
        if any(module is small for _, small in narrowed)
    }
    new.load_state_dict(
        {n: of_old[n] for n in new.state_dict() if n.rpartition(".")[0] not in inside},
        strict=False,
    )
    grams = hidden_products(model, [old for old, _ in narrowed], crops, seed)
    for (old, _), gram in zip(narrowed, grams, strict=True):
        narrow(old, known[old], gram)
    return new


def narrow(old, new, gram):
    """Fill a narrower block from a wide one; see `shrunk`.

    Parameters
    ----------
    old, new : nets.Block
    gram : float64 Tensor (sets, hidden + 1, sets, hidden + 1)
        Of `hidden_products`.
    """
    sets, units = gram.shape[:2]
    size = sets * units
    base = torch.cat([old.w2, old.b2[:, None]], 1)
    mixed = hasattr(old, "delta_w2")
    if mixed:
        more = torch.cat([old.delta_w2, old.delta_b2[..., None]], -1)
        weights = base + more
    else:
        weights = base[None]
    # (sets, units, c): what each unit adds, by set.
    weights = weights.mT.double().reshape(size, -1)
    h = gram.reshape(size, size).clone()
    h.diagonal().add_(RIDGE * h.diagonal().mean())
    inverse = torch.linalg.inv(h)
    left = list(range(units - 1))  # the last one is the bias and stays
    at = torch.arange(sets) * units
    while len(left) > len(new.w1):
        places = at[None] + torch.tensor(left)[:, None]
        own = torch.linalg.inv(inverse[places[:, :, None], places[:, None]])
        w = weights[places]
        cost = torch.einsum("usc,ust,utc->u", w, own, w)
        worst = cost.argmin().item()
        p, g = places[worst], own[worst]
        column = inverse[:, p]
        weights -= column @ (g @ weights[p])
        inverse -= column @ g @ column.T
        del left[worst]
    kept = torch.tensor(left)
    weights = weights.reshape(sets, units, -1).mT.float()
    for name, p in old.state_dict().items():
        if name.removeprefix("delta_") in ("w1", "b1"):
            p = p.index_select(p.dim() - (2 if name.endswith("w1") else 1), kept)
        elif name.removeprefix("delta_") in ("w2", "b2"):
            whole = weights[..., kept] if name.endswith("w2") else weights[..., -1]
            mean = whole.mean(0)
            p = whole - mean if name.startswith("delta_") else mean
        getattr(new, name).copy_(p)


def hidden_products(model, blocks, crops, seed):
    """Mean products of each two hidden units of blocks, over all qualities.

    A unit counts once for each set of weights that quality mixes, times the
    share of that set; a last unit is always one. Crops count as they do in
    the loss.

    Returns
    -------
    list of float64 Tensor (sets, hidden + 1, sets, hidden + 1), one per block
    """
    sums = {id(b): 0.0 for b in blocks}

    def look(b, inputs):
        x, q, *mix = inputs
        mix = mix[0] if mix else None
        m = 1 + knots(b.mod, q)[0]
        dw, w1, b1, *_ = (
            getattr(b, n)
            + (
                0
                if mix is None
                else torch.tensordot(mix[0], getattr(b, f"delta_{n}"), 1)
            )
            for n in b.MIXED
        )
        u = fn.depthwise(x, dw) * (b.scale_in if b.at_output else b.scale_in * m)
        a = F.leaky_relu(F.linear(u, w1, b1), b.leak).flatten(0, 2)
        a = F.pad(a, (0, 1), value=1.0).double()
        scale = m.square().mean() if b.at_output else 1.0
        shares = torch.ones(1) if mix is None else mix[0]
        by_set = torch.outer(shares, shares).double()[:, None, :, None]
        weight = math.exp(0.45 * q.item() * span) * scale / len(a)
        sums[id(b)] += by_set * (weight * (a.T @ a))[None, :, None, :]

    hooks = [b.register_forward_pre_hook(look) for b in blocks]
    rng = np.random.default_rng(seed)
    s = model.shape
    span = math.log(s.lambda_max / s.lambda_min)
    for u in (np.arange(N_CROPS) + 0.5) / N_CROPS:
        lam = torch.tensor([s.lambda_min * math.exp(span * u)], dtype=torch.float32)
        model(fn.to_float(crops.batch(1, rng)), lam, noise=False)
    for h in hooks:
        h.remove()
    return [sums[id(b)] for b in blocks]
