"""Fewer blocks and narrower ones for networks that are trained already."""

import dataclasses

import numpy as np
import torch

from . import functional as fn
from . import state
from .config import SHRINKS
from .hyper import knots

N_CROPS = 32


@torch.no_grad()
def shrunk(model, shape, crops, seed=1):
    """A model whose synthesis is no larger than a shape says, to be trained on.

    The first blocks of each stream stay, and of each the hidden units that
    add most to its output.

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
    """
    sizes = {n: min(getattr(shape, n), getattr(model.shape, n)) for n in SHRINKS}
    shape = smaller(model.shape, sizes)
    if shape == model.shape:
        return model
    new = state.empty_model(shape)
    kept = {}
    pairs = [
        pair
        for name in ("blocks8", "blocks16")
        for pair in zip(getattr(model.synthesis, name), getattr(new.synthesis, name))
    ]
    energy = energies(model, [old for old, _ in pairs], crops, seed)
    for (_, small), e in zip(pairs, energy, strict=True):
        kept[small] = e.argsort(descending=True)[: len(small.w1)].sort().values
    weights = dict(model.named_parameters()) | dict(model.named_buffers())
    owners = {f"{n}." if n else "": m for n, m in new.named_modules()}
    to = dict(new.named_parameters()) | dict(new.named_buffers())
    for name, w in to.items():
        owner, _, leaf = name.rpartition(".")
        old, pick = weights[name], kept.get(owners.get(f"{owner}."))
        leaf = leaf.removeprefix("delta_")
        if pick is not None and leaf in ("w1", "b1", "w2"):
            dim = old.dim() - (2 if leaf == "w1" else 1)
            old = old.index_select(dim, pick)
        w.copy_(old)
    return new


def energies(model, blocks, crops, seed):
    """Mean square of what each hidden unit adds to a block's output.

    Returns
    -------
    list of Tensor (hidden,), one per block
    """
    sums = {id(b): 0.0 for b in blocks}

    def look(b, inputs):
        x, q, *mix = inputs
        mix = mix[0] if mix else None
        m = 1 + knots(b.mod, q)[0]
        i = b.scale_in if b.at_output else b.scale_in * m
        o = b.scale_out * m if b.at_output else b.scale_out
        dw, w1, b1, w2, _ = (
            getattr(b, n)
            + (
                0
                if mix is None
                else torch.tensordot(mix[0], getattr(b, f"delta_{n}"), 1)
            )
            for n in b.MIXED
        )
        a = torch.nn.functional.linear(fn.depthwise(x, dw) * i, w1, b1)
        a = torch.nn.functional.leaky_relu(a, b.leak).square().mean((0, 1, 2))
        sums[id(b)] += a * (w2 * o[:, None]).square().sum(0)

    hooks = [b.register_forward_pre_hook(look) for b in blocks]
    rng = np.random.default_rng(seed)
    s = model.shape
    for u in (np.arange(N_CROPS) + 0.5) / N_CROPS:
        lam = s.lambda_min * (s.lambda_max / s.lambda_min) ** u
        model(
            fn.to_float(crops.batch(1, rng)),
            torch.tensor([lam], dtype=torch.float32),
            noise=False,
        )
    for h in hooks:
        h.remove()
    return [sums[id(b)] for b in blocks]


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
