"""Networks that are trained already, in other sizes.

More blocks, fewer or narrower ones, sets of weights for quality to mix, passes
cut otherwise: `changed` says which sizes there may be, `reshaped` fills them.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from . import functional as fn
from . import state
from .block import Block
from .config import Shape, TrainingError
from .hyper import knots
from .nets import Codec

BLOCKS = "a8", "a16", "s8", "s16"  # how many blocks a stream has
HIDDEN = "hidden8", "hidden16", "s_hidden8", "s_hidden16"  # their hidden units
N_CROPS = 64
RIDGE = 1e-4  # of the mean square of hidden units


def changed(shape: Shape, values: dict) -> Shape:
    """A shape with other sizes that trained weights can be brought to.

    Raises
    ------
    TrainingError
        Hidden units only become fewer, sets of weights begin once, and all but
        these, the numbers of blocks and the parts stays as it was trained.
    """
    for name, n in values.items():
        now = getattr(shape, name)
        if name in HIDDEN and n > now:
            raise TrainingError(f"{name} is {now} only")
        if name == "mix" and now not in (0, n):
            raise TrainingError(f"mix is {now} already")
        if name not in (*BLOCKS, *HIDDEN, "mix", "parts") and n != now:
            raise TrainingError(f"{name} stays at {now} with weights that are trained")
    return dataclasses.replace(shape, **values)


@torch.no_grad()
def reshaped(model: Codec, shape: Shape, crops, seed: int = 1) -> Codec:
    """A model of another shape that knows what ``model`` does, to be trained on.

    What is new adds nothing at first: blocks come last in their stream, with a
    second matrix of zeros, whiten what really comes in and start with the
    modulation of the block before, as what a block may add falls with the
    quantisation step, by a factor of 50; what quality adds to weights
    (``Shape.mix``) and the matrices of new parts are zero. Only where a part that
    there was begins earlier now, it sees less.

    Of fewer blocks the first of each stream stay. Hidden units leave one at a
    time, that one whose loss the others make up for best, and the second matrix
    is what makes up for it: Optimal Brain Surgeon [1]_, on a block's output.

    Parameters
    ----------
    model : nets.Codec
    shape : Shape
        Of `changed`.
    crops : data.Crops
        Pictures that deviations and hidden units are measured on.
    seed : int
        Of the new weights and the crops.

    Returns
    -------
    nets.Codec

    References
    ----------
    .. [1] Hassibi, Stork, "Second order derivatives for network pruning:
       Optimal Brain Surgeon", 1992.
    """
    if shape == model.shape:
        return model
    torch.manual_seed(seed)
    new = state.empty_model(shape)
    pairs, fresh = [], []
    for name in BLOCKS:
        olds, news = stream(model, name), stream(new, name)
        pairs += zip(olds, news)
        fresh += [(b, olds[-1] if olds else None) for b in news[len(olds) :]]
    narrower = [(old, b) for old, b in pairs if len(old.w1) > len(b.w1)]
    filled = {id(p) for _, b in narrower for p in b.state_dict(keep_vars=True).values()}
    of_old = model.state_dict()
    for name, to in new.state_dict(keep_vars=True).items():
        if name in of_old and id(to) not in filled and "rows.d." not in name:
            to.copy_(of_old[name])
    recut(new.rows, model.rows)
    if narrower:
        grams = hidden_products(model, [old for old, _ in narrower], crops, seed)
        for (old, b), gram in zip(narrower, grams, strict=True):
            remove_units(old, b, gram)
    for b, before in fresh:
        if before is not None:
            b.mod.copy_(before.mod)
            b.scale_out.copy_(before.scale_out)
    if fresh:
        whiten(new, [b for b, _ in fresh], crops, seed)
    return new


def whiten(model, blocks, crops, seed):
    """Let blocks see what comes in with a deviation of one."""
    for b, deviation in zip(blocks, deviations(model, blocks, crops, seed)):
        b.scale_in.copy_(1 / (deviation + 0.02))


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
                to[low - start : high - start, :seen] = d[low - begin : high - begin, :seen]


def stream(model, name):
    """The blocks that a field of ``Shape`` counts.

    Parameters
    ----------
    model : nets.Codec
    name : str
        One of ``BLOCKS``.

    Returns
    -------
    torch.nn.ModuleList
    """
    network = model.analysis if name[0] == "a" else model.synthesis
    return getattr(network, f"blocks{name[1:]}")


def remove_units(old, new, gram):
    """Fill a narrower block from a wide one; see `reshaped`.

    Parameters
    ----------
    old, new : Block
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


def deviations(model: Codec, blocks: list[Block], crops, seed: int) -> list:
    """Root mean square of what enters blocks of a model, by channel: (c,) each."""

    def square(b, q, x, mix):
        return x.square().mean((0, 1, 2))

    return [total.sqrt() for total in means(model, blocks, crops, seed, square)]


def hidden_products(model: Codec, blocks: list[Block], crops, seed: int) -> list:
    """Mean products of each two hidden units of blocks, over all qualities.

    A unit counts once for each set of weights that quality mixes, times the
    share of that set; a last unit is always one. Crops count as they do in
    the loss.

    Returns
    -------
    list of float64 Tensor (sets, hidden + 1, sets, hidden + 1), one per block
    """
    span = math.log(model.shape.lambda_max / model.shape.lambda_min)

    def products(b, q, x, mix):
        m = 1 + knots(b.mod, q)[0]
        dw, w1, b1, *_ = (
            getattr(b, n)
            + (0 if mix is None else torch.tensordot(mix[0], getattr(b, f"delta_{n}"), 1))
            for n in b.MIXED
        )
        u = fn.depthwise(x, dw) * (b.scale_in if b.at_output else b.scale_in * m)
        a = F.leaky_relu(F.linear(u, w1, b1), b.leak).flatten(0, 2)
        a = F.pad(a, (0, 1), value=1.0).double()
        scale = m.square().mean() if b.at_output else 1.0
        shares = torch.ones(1) if mix is None else mix[0]
        by_set = torch.outer(shares, shares).double()[:, None, :, None]
        weight = math.exp(0.45 * q.item() * span) * scale / len(a)
        return by_set * (weight * (a.T @ a))[None, :, None, :]

    return means(model, blocks, crops, seed, products)


def means(model: Codec, blocks: list[Block], crops, seed: int, measure: Callable):
    """Means of ``measure(block, q, x, mix)`` over crops and all qualities."""
    sums = {id(b): 0.0 for b in blocks}

    def look(b, inputs):
        x, q, *mix = inputs
        sums[id(b)] += measure(b, q, x, mix[0] if mix else None) / N_CROPS

    hooks = [b.register_forward_pre_hook(look) for b in blocks]
    rng = np.random.default_rng(seed)
    for u in (np.arange(N_CROPS) + 0.5) / N_CROPS:
        lam = model.lambda_of(torch.tensor([u], dtype=torch.float32))
        model(fn.to_float(crops.batch(1, rng)), lam)
    for h in hooks:
        h.remove()
    return [sums[id(b)] for b in blocks]
