"""Trains the autoencoder of a table's rows (`codec.table.network`).

A step takes some rows, hides a share of their cells, adds noise to numbers, and asks for
the rows as they were: all cells of the rounded latents, and those that were hidden of
the encoder. Numbers count by their squared or absolute error, classes by their
cross-entropy. The average of the weights over the last steps is validated; the best one
is kept.
"""

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import InputError, UnsupportedError
from ..io import atomic
from ..table import pictures
from ..table.network import Layers, Network
from ..table.rows import Rows
from .config import TableConfig, TrainingError

WARMUP = 50  # steps
EVERY = 50  # steps until a validation
VALID = 2048  # rows of it, at most, and of the beginning
UNHIDDEN = 0.25  # share of the rows of a step that are shown whole
START = 0.5  # deviation of what tanh makes latents of, at the beginning
LEAST = 1e-3  # of a component that latents begin with, beside the first one
# Of random weights that are not to say much at the beginning.
GAINS = dict.fromkeys(("straight", "rows", "latents", "into", "out"), 0.1) | {"missing": 0.0}
CLIP = 1.0  # norm of a gradient, at most


def train(table, settings=TableConfig(), step=None):
    """Train a network on a table.

    Parameters
    ----------
    table : ndarray, mapping, DataFrame or pyarrow.Table
        As of `codec.table.encode`.
    settings : TableConfig
    step : function of two ints, optional
        Called with the steps that are done and their number.

    Returns
    -------
    network : Network
    curves : list of tuple
        A row of `codec.table.pictures.CURVES` for each validation.

    Raises
    ------
    InputError
        No table to learn from.
    """
    rows = Rows.of(table, settings.categorical, settings.scale)
    matrix = rows.matrix(table)
    matrix[~np.isfinite(matrix)] = np.nan
    other = rows.in_one_scale() if settings.scale == "auto" else None
    n, tell = settings.steps * (2 if other else 1), step or (lambda done, all: None)
    weights, curves = _trained(rows, matrix, settings, lambda done, _: tell(done, n))
    view = None
    if other:
        moved = rows.moved(matrix, other)
        seen, _ = _trained(other, moved, settings, lambda done, all: tell(all + done, n))
        view = Network.of(other, seen, settings.levels, moved)
    return Network.of(rows, weights, settings.levels, matrix, view), curves


def command(run, given, say):
    """``aetrain TABLE --preset table``: a network, its log and pictures as files.

    Parameters
    ----------
    run : Command
    given : dict
        Options that were given.
    say : function of str
    """
    from ..cli import tables

    known = {f.name for f in dataclasses.fields(TableConfig)}
    source = Path(run.dir)
    out = run.out or Path(f"{source.stem}.safetensors")
    folder = Path(given.pop("state", f"{out}-state"))
    for name in sorted(given.keys() - known):
        raise TrainingError(f"--{name.replace('_', '-')} is not for tables")
    if out.exists() and not run.force:
        raise TrainingError(f"{out}: exists; use -f to replace it, or another --out")
    with open(source, "rb") as file:
        table = tables.read(file, source.name)
    if table is None:
        raise InputError(f"{source}: no table: CSV, Parquet, Arrow or NumPy")
    network, curves = train(table, TableConfig(**given), lambda i, n: say(f"step {i} of {n}"))
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "log.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([pictures.CURVES, *curves])
    try:
        pictures.draw_curves(curves, folder / "curves.png")
        pictures.draw_map(network, table, folder / "map.png")
    except UnsupportedError as error:
        say(str(error))
    atomic.write(out, network.write())
    least = min(sum(row[3:]) for row in curves)
    say(f"{len(network.rows.columns)} columns, loss {least:.4f}; log and pictures in {folder}")
    print(out)


def _views(flat, shapes):
    """The matrices and biases that a vector holds one after the other."""
    sides = [s for n, (a, b) in shapes.items() for s in ((n, (a, b)), (n + ".bias", (b,)))]
    parts = flat.split([math.prod(shape) for _, shape in sides])
    return {name: part.view(shape) for (name, shape), part in zip(sides, parts)}


def _initial(shapes, features, rng):
    """Weights of a new network."""
    flat = torch.zeros(sum((a + 1) * b for a, b in shapes.values()))
    for name, w in _views(flat, shapes).items():
        if not name.endswith(".bias"):
            gain = GAINS.get(name, 1.0)
            w += torch.from_numpy(rng.standard_normal(w.shape)) * (gain / math.sqrt(len(w)))
    _begin(_views(flat, shapes), features)
    return flat.requires_grad_()


def _begin(weights, features):
    """Let a network begin with principal components: the best that lines can do.

    Parameters
    ----------
    weights : dict of str to tensor
        Changed.
    features : float32 ndarray (n, n_features)
    """
    centre = features.mean(0)
    away = features - centre
    _, size, along = np.linalg.svd(away, full_matrices=False)
    size /= math.sqrt(len(away))
    latents, outputs = weights["out"].shape
    k = min(latents, np.count_nonzero(size > LEAST * size[0]))
    into = along[:k].T * (START / size[:k])
    out, *_ = np.linalg.lstsq(np.tanh(away @ into), away[:, :outputs], rcond=None)
    weights["into"][:, :k] = torch.from_numpy(into)
    weights["into.bias"][:k] = torch.from_numpy(-centre @ into)
    weights["out"][:k] = torch.from_numpy(out)
    weights["out.bias"][:] = torch.from_numpy(centre[:outputs])


def _error(rows, outputs, cells, wanted, loss):
    """Mean over the cells that are wanted."""
    at = rows.numbers
    there = wanted[:, at]
    error = outputs[:, : len(at)] - torch.where(there, cells[:, at], 0)
    error = torch.where(there, error.square() if loss == "mse" else error.abs(), 0).sum()
    for i, place in rows.groups:
        if place.stop > place.start:
            one = wanted[:, i]
            target = torch.where(one, cells[:, i], 0).long()
            nats = F.cross_entropy(outputs[:, place], target, reduction="none")
            error = error + (nats * one).sum()
    return error / wanted.sum().clamp(min=1)


def _hidden(rows, cells, where):
    """Features of cells of which some are hidden."""
    return torch.from_numpy(rows.features(np.where(where, np.float32(np.nan), cells)))


def _split(matrix, s, rng):
    """Rows to learn from, and others to validate on; few rows are both."""
    order = rng.permutation(len(matrix))
    n = min(VALID, round(len(matrix) * s.valid_split))
    return matrix[order[n:]], matrix[order[:n]] if n else matrix[:VALID]


def _trained(rows, matrix, s, told):
    rng = np.random.default_rng(s.seed)
    noise = torch.Generator().manual_seed(s.seed)
    learn, valid = _split(matrix, s, rng)
    shapes = Layers.shapes(rows.n_features, rows.n_outputs, s.hidden, s.latents)
    flat = _initial(shapes, rows.features(learn[:VALID]), rng)
    average = flat.detach().clone()
    optimiser = torch.optim.AdamW([flat], lr=s.adam_lr, weight_decay=s.weight_decay, fused=True)
    reach = (s.levels - 1) / 2

    def dropout(x):
        if not s.dropout:
            return x
        return x * (torch.rand(x.shape, generator=noise) >= s.dropout) / (1 - s.dropout)

    def near(z):  # noise as large as rounding is: it has a gradient
        return z + (torch.rand(z.shape, generator=noise) - 0.5) / reach

    def rounded(z):
        return torch.round(z * reach) / reach

    where = rng.random(valid.shape) < s.mask / 2
    proof = _hidden(rows, valid, where), torch.from_numpy(valid), torch.from_numpy(where)

    def errors(layers, through, features, cells, hidden):
        inner = layers.hidden(features)
        there = ~torch.isnan(cells)
        return (
            _error(
                rows, layers.rows(through(layers.latents(inner, features))), cells, there, s.loss
            ),
            _error(rows, layers.missing(inner, features), cells, there & hidden, s.loss),
        )

    layers = Layers(_views(flat, shapes), F.silu, torch.tanh, dropout)
    judged = Layers(_views(average, shapes), F.silu, torch.tanh)
    is_number = np.zeros(len(rows.columns), np.float32)
    is_number[rows.numbers] = s.noise
    best, kept, since, curves, sums = math.inf, average.clone(), 0, [], np.zeros(2)
    for i in range(1, s.steps + 1):
        cells = learn[rng.integers(0, len(learn), s.batch)]
        share = 2 * s.mask * rng.random((s.batch, 1)) * (rng.random((s.batch, 1)) >= UNHIDDEN)
        where = rng.random(cells.shape) < share
        noisy = cells + is_number * rng.standard_normal(cells.shape, np.float32)
        both = errors(
            layers,
            near,
            _hidden(rows, noisy, where),
            torch.from_numpy(cells),
            torch.from_numpy(where),
        )
        loss = sum(both) + (s.l1 * flat.abs().sum() if s.l1 else 0)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([flat], CLIP)
        falling = (1 + math.cos(math.pi * i / s.steps)) / 2
        optimiser.param_groups[0]["lr"] = s.adam_lr * min(1, i / WARMUP) * falling
        optimiser.step()
        average.lerp_(flat.detach(), 1 - min(s.ema, i / (i + 10)))
        sums += [e.item() for e in both]
        if i % EVERY and i < s.steps:
            continue
        with torch.no_grad():
            of_valid = [e.item() for e in errors(judged, rounded, *proof)]
        curves.append((i, *(sums / ((i - 1) % EVERY + 1)).tolist(), *of_valid))
        sums[:] = 0
        told(i, s.steps)
        since += 1
        if sum(of_valid) < best:
            best, kept, since = sum(of_valid), average.clone(), 0
        if s.patience and since >= s.patience:
            break
    return {n: w.numpy().copy() for n, w in _views(kept, shapes).items()}, curves
