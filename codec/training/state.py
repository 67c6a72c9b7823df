"""What a run needs to go on, in memory and on disk.

A checkpoint is written beside the old one and renamed over it, so that a
kill at any moment leaves one that loads.
"""

import json
import os
import pickle
from pathlib import Path

import torch

from ..io import atomic
from ..model import find
from . import nets, optim
from .config import Config, Shape, TrainingError

COUNTERS = ("step", "seconds", "pixels", "best", "since", "norm")
# What validations are compared with, kept so that those of a resumed run can be.
VALIDATED = ("validated", "shipped")


def trained(model, cfg):
    """The parameters that a run moves, by name.

    With ``denoise`` those of the analysis: nearly all else is also the decoder's,
    or lies in the tables that both share. With ``finish`` what chooses table rows.
    With ``only`` those parts.
    """

    def moves(name):
        if cfg.only:
            return name.split(".")[0] in cfg.only
        if cfg.finish:
            return name.startswith("rows.")
        return not cfg.denoise or (name.startswith("analysis.") and not name.endswith(".mod"))

    return {n: p for n, p in model.named_parameters() if moves(n)}


def split_parameters(model, cfg):
    """What Muon moves, what AdamW does: groups with parameters and a rate.

    What quality adds to a weight goes with it, ``mix_rate`` times as fast, and
    the quantisation steps with what is left, ``gain_rate`` times as fast.
    """
    hidden, groups = {}, {}
    rate = {
        "trunk": cfg.trunk_lr,
        "rows": cfg.rows_lr,
        "table": cfg.table_lr,
        "other": cfg.adam_lr,
        "hidden": cfg.muon_lr,
    }
    for name, p in trained(model, cfg).items():
        leaf = name.split(".")[-1]
        factor = cfg.mix_rate if leaf.startswith("delta_") else 1.0
        factor = cfg.gain_rate if leaf == "log_gain" else factor
        n_dim = p.dim() - leaf.startswith("delta_")
        leaf = leaf.removeprefix("delta_")
        if leaf in ("in8", "in16", "out8", "out16"):
            kind = "trunk"
        elif name.startswith("rows."):
            kind = "table" if leaf in ("b1", "b2", "bias") else "rows"
        elif name.startswith("z_"):
            kind = "table"
        elif n_dim == 2 and leaf not in ("mod", "log_gain"):
            kind = "hidden"
        else:
            kind = "other"
        to = hidden if kind == "hidden" else groups
        to.setdefault((kind, factor), []).append(p)
    return [
        [{"params": v, "lr": rate[kind] * factor} for (kind, factor), v in found.items()]
        for found in (hidden, groups)
    ]


class State:
    """Model, averaged weights, optimisers and counters of a run.

    Parameters
    ----------
    model : nets.Codec
    cfg : Config
    rank, world : int
    share : callable or None
        Called with a tensor and a rank: gives all ranks what that one has.

    Attributes
    ----------
    gradient : Tensor
        All gradients, flat: one sum over the ranks, one norm.
    fast : list of Tensor
        The weights that the optimisers move.
    average : list of Tensor
        Exponential moving average of ``fast``; what is exported.
    step, pixels, since : int
        ``since``: validations since the best one.
    seconds, best, norm : float
        Time spent, best validation loss, running norm of the gradient.
    """

    def __init__(self, model, cfg, rank=0, world=1, share=None):
        self.model, self.cfg = model, cfg
        model.requires_grad_(False)
        self.params = list(trained(model, cfg).values())
        for p in self.params:
            p.requires_grad_()
        self.gradient = torch.zeros(
            sum(p.numel() for p in self.params), device=self.params[0].device
        )
        parts = self.gradient.split([p.numel() for p in self.params])
        for p, g in zip(self.params, parts):
            p.grad = g.view_as(p)
        self.average = [p.detach().clone() for p in self.params]
        self.fast = [p.detach().clone() for p in self.params]
        hidden, groups = split_parameters(model, cfg)
        self.muon = optim.Muon(
            [p for g in hidden for p in g["params"]],
            [g["lr"] for g in hidden for _ in g["params"]],
            decay=cfg.weight_decay,
            rank=rank,
            world=world,
            share=share,
        )
        self.adam = optim.AdamW(groups)
        self.step, self.pixels, self.since = 0, 0, 0
        self.seconds, self.best, self.norm = 0.0, 1e9, None
        self.validated = None  # pictures of a validation
        self.shipped = None  # what it says of the model that the run is compared with

    def load(self, saved):
        """Go on where a checkpoint was made."""
        for name in COUNTERS:
            setattr(self, name, saved[name])
        for name in VALIDATED:  # checkpoints of before have none
            setattr(self, name, saved.get(name))
        self.model.load_state_dict(saved["model"])
        for a, b in zip(self.average, saved["average"], strict=True):
            a.copy_(b)
        for a, b in zip(self.fast, saved.get("fast", self.params), strict=True):
            a.copy_(b.detach())
        self.muon.load_state_dict(saved["muon"])
        self.adam.load_state_dict(saved["adam"])

    def save(self, file):
        """Write a checkpoint."""
        write(
            {
                **{name: getattr(self, name) for name in COUNTERS + VALIDATED},
                "model": self.model.state_dict(),
                "average": self.average,
                "fast": self.fast,
                "muon": self.muon.state_dict(),
                "adam": self.adam.state_dict(),
                "config": self.cfg.to_dict(),
            },
            file,
        )

    def swap(self):
        """Exchange weights and averages; twice is nothing."""
        exchange(self.params, self.average)

    @torch.no_grad()
    def move(self, scale):
        """One step of the optimisers, from the gradients there are.

        With ``near`` above zero it is schedule-free [1]_: the optimisers
        move ``fast``, the gradients are those of weights near the average.
        Taken at ``fast`` itself they teach the model to allow for the
        noise of its own steps.

        References
        ----------
        .. [1] Defazio et al., "The Road Less Scheduled", arXiv 2405.15682.
        """
        cfg = self.cfg
        exchange(self.params, self.fast)
        self.muon.step(scale)
        self.adam.step(scale)
        exchange(self.params, self.fast)
        w = max(1 - cfg.ema, 0 if cfg.near else 1 / (self.step + 2))
        torch._foreach_lerp_(self.average, self.fast, w)
        torch._foreach_copy_(self.params, self.fast)
        if cfg.near:
            torch._foreach_lerp_(self.params, self.average, cfg.near)


def exchange(one, other):
    """Swap the values of two lists of tensors, without a copy."""
    for a, b in zip(one, other):
        a.data, b.data = b.data, a.data


def on_cpu(value):
    """The same with every tensor in it on the CPU: any machine reads it."""
    if isinstance(value, torch.Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {k: on_cpu(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(on_cpu(v) for v in value)
    return value


def write(value, file):
    """``torch.save`` that leaves the old file or the new one, whole."""
    tmp = Path(file).with_suffix(".tmp")
    with open(tmp, "wb") as f:
        torch.save(on_cpu(value), f)
        f.flush()
        os.fsync(f.fileno())
    os.replace(tmp, file)


def read(file):
    """A checkpoint; TrainingError where there is none."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{file}: no checkpoint there") from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as e:
        raise TrainingError(f"{file}: not a checkpoint ({e})") from e


def empty_model(shape):
    """A model with nothing in it, to load weights into."""
    pca = {
        "v8": torch.zeros(shape.c8, 192),
        "v16": torch.zeros(shape.m, 4 * shape.c8),
        "sigma8": torch.ones(shape.c8),
        "sigma16": torch.ones(shape.m),
        "gain": torch.ones(nets.N_KNOTS, shape.m),
    }
    return nets.Codec(shape, pca)


@torch.no_grad()
def averaged(saved):
    """The model of a checkpoint with its averaged weights."""
    cfg = Config.from_dict(saved["config"])
    model = empty_model(cfg.shape)
    model.load_state_dict(saved["model"])
    for p, a in zip(trained(model, cfg).values(), saved["average"], strict=True):
        p.copy_(a)
    return model


def export_averaged(state, file):
    """Averaged weights of a run as one small file, to start others from.

    Matrices are rounded to float16, vectors stay float32. The metadata
    hold the ``Shape`` as JSON, steps and hours.

    Parameters
    ----------
    state : path-like
        Folder of the run.
    file : path-like
        Written as safetensors.
    """
    from safetensors.torch import save

    saved = read(Path(state) / "checkpoint.pt")
    cfg = Config.from_dict(saved["config"])
    weights = {
        k: (v.half() if v.dim() > 1 else v).contiguous()
        for k, v in averaged(saved).state_dict().items()
    }
    text = save(
        weights,
        {
            "name": cfg.name,
            "shape": json.dumps(cfg.to_dict()["shape"]),
            "steps": str(saved["step"]),
            "hours": f"{saved['seconds'] / 3600:.3f}",
        },
    )
    atomic.write(file, text)


def weights_file(name):
    """Where the weights of ``--init`` are: a file, or those of a model that ships.

    A wheel holds no weights: a model's graphs have them rounded to 8 and 16 bits.
    """
    if name not in find.shipped() or Path(name).is_file():
        return Path(name)
    inner = Path("runs", name, "weights.safetensors")
    for root in find.SHIPPED.parent.parent, Path():
        if (root / inner).is_file():
            return root / inner
    raise TrainingError(
        f"the weights of {name} are in a checkout of the project only, and neither this "
        f"folder nor the package is in one: give --init CHECKOUT/{inner.as_posix()}"
    )


def load_weights(file):
    """A model from :func:`export_averaged`'s file, or from a checkpoint.

    Parameters
    ----------
    file : path-like
        As of `weights_file`.

    Returns
    -------
    nets.Codec
    """
    file = weights_file(str(file))
    if file.suffix == ".pt":
        return averaged(read(file))
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as f:
            shape = Shape.from_dict(json.loads(f.metadata()["shape"]))
            model = empty_model(shape)
            model.load_state_dict({k: f.get_tensor(k).float() for k in f.keys()})
    except (
        OSError,
        SafetensorError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as e:
        raise TrainingError(f"{file}: not weights of this codec ({e})") from e
    return model
