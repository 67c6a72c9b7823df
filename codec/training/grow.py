"""More for networks that are trained already: blocks, sets of weights, parts."""

import dataclasses

import numpy as np
import torch

from . import functional, state
from .config import BLOCKS

N_CROPS = 32


@torch.no_grad()
def grown(model, shape, crops, seed=1):
    """A larger model that computes what ``model`` does.

    New blocks come last in their stream. They add nothing at first (their
    second matrix is zero), whiten what really comes in and start with the
    modulation of the block before: what a block may add falls with the
    quantisation step, by a factor of 50. What quality adds to weights
    (``Shape.mix``) starts at zero, and so do the matrices of new parts; only
    where a part that there was begins earlier now, it sees less.

    Parameters
    ----------
    model : nets.Codec
    shape : Shape
        Of ``larger``.
    crops : data.Crops
        Pictures that the deviations are taken from.
    seed : int
        Of the new weights and the crops.

    Returns
    -------
    nets.Codec
    """
    if shape == model.shape:
        return model
    torch.manual_seed(seed)
    new = state.empty_model(shape)
    new.load_state_dict(
        {
            **new.state_dict(),
            **{
                n: w
                for n, w in model.state_dict().items()
                if not n.startswith("rows.d.")
            },
        }
    )
    recut(new.rows, model.rows)
    fresh = []
    for name in BLOCKS:
        blocks, n = stream(new, name), getattr(model.shape, name)
        fresh += blocks[n:]
        for b in blocks[n:]:
            if n:
                b.mod.copy_(blocks[n - 1].mod)
                b.scale_out.copy_(blocks[n - 1].scale_out)
    seen = deviations(new, fresh, crops, seed) if fresh else []
    for b, deviation in zip(fresh, seen):
        b.scale_in.copy_(1 / (deviation + 0.02))
    return new


def recut(new, old):
    """Let parts see what the parts of the same rows saw where cut otherwise.

    Parameters
    ----------
    new : hyper.ExactRows
        Whose ``d``, all zero, are filled.
    old : hyper.ExactRows
        Of as many channels in the same groups.
    """
    for (first, start, end), to in zip(new.cuts, new.d):
        for (group, begin, stop), d in zip(old.cuts, old.d):
            low, high = max(start, begin), min(end, stop)
            seen = min(start, begin) - first
            if group == first and low < high:
                to[low - start : high - start, :seen] = d[
                    low - begin : high - begin, :seen
                ]


def stream(model, name):
    """The blocks that a field of ``Shape`` counts.

    Parameters
    ----------
    model : nets.Codec
    name : str
        One of ``config.BLOCKS``.

    Returns
    -------
    torch.nn.ModuleList
    """
    network = model.analysis if name[0] == "a" else model.synthesis
    return getattr(network, f"blocks{name[1:]}")


def deviations(model, blocks, crops, seed):
    """Root mean square of what enters blocks of a model, by channel.

    Parameters
    ----------
    model : nets.Codec
    blocks : list of nets.Block
        Of that model.
    crops : data.Crops
    seed : int
        Of the crops.

    Returns
    -------
    list of float32 Tensor (c,), one per block
    """
    sums = {id(b): 0.0 for b in blocks}

    def look(block, inputs):
        sums[id(block)] += inputs[0].square().mean((0, 1, 2))

    hooks = [b.register_forward_pre_hook(look) for b in blocks]
    rng = np.random.default_rng(seed)
    s = model.shape
    for u in (np.arange(N_CROPS) + 0.5) / N_CROPS:
        lam = s.lambda_min * (s.lambda_max / s.lambda_min) ** u
        model(
            functional.to_float(crops.batch(1, rng)),
            torch.tensor([lam], dtype=torch.float32),
            noise=False,
        )
    for h in hooks:
        h.remove()
    return [(sums[id(b)] / N_CROPS).sqrt() for b in blocks]


def larger(shape, numbers, parts=()):
    """A shape with more blocks, with sets of weights, or in parts.

    Parameters
    ----------
    shape : Shape
    numbers : dict of str to int
        How many, by names of ``config.GROWS``.
    parts : tuple of int
        Channels at which passes are cut, in order, where that is not as
        it was. Rows of a part see what came before in the pass
        (docs/format.md, section 7).

    Returns
    -------
    Shape

    Raises
    ------
    ValueError
        Where that is fewer than there are, other sets of weights, or
        passes cannot be cut there.
    """
    for name, n in numbers.items():
        if n < getattr(shape, name) or name == "mix" and shape.mix:
            raise ValueError(f"{name} is {getattr(shape, name)} already")
    if parts and (parts[-1] >= shape.m or shape.k in parts):
        raise ValueError(
            f"{shape.m} channels, of which {shape.k} in the "
            "first group, cannot be cut there"
        )
    return dataclasses.replace(shape, **numbers, parts=parts or shape.parts)
