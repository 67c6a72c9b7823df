"""Weights -> model folder: graphs, integer tables, manifest.

The only bridge from torch to the runtime. Tables of the entropy coder are
fitted here to symbols of real pictures and stored as integers.
"""

import hashlib
import io
import json
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import torch

from . import gradient, graph, graphs, histograms, hyper, nets, skip
from .clock import Clock
from .functional import padded, to_float

TOTAL = 2**24
Z_MAX = 63
N_BANDS = 10
T_CAP = 400


def logistic_pmf(t, n):
    """P(0..n) of a discretised zero-mean logistic of scale 1/t."""
    x = np.arange(n + 1)
    tail = 1 / (1 + np.exp(np.minimum(t * (x - 0.5), 700)))
    p = tail - 1 / (1 + np.exp(np.minimum(t * (x + 0.5), 700)))
    p[1:] *= 2
    return p  # p[k] = P(|s| = k)


def to_frequencies(p):
    """Positive integers summing to 2**24, in proportion to ``p``."""
    p = np.asarray(p, np.float64)
    f = np.maximum(np.floor(p / p.sum() * (TOTAL - len(p))), 0) + 1
    f[np.argmax(f)] += TOTAL - f.sum()
    return f.astype(np.uint32)


@torch.no_grad()
def collect(model, crops, n_pictures, clock):
    """Histograms of real symbols over pictures and qualities.

    Returns
    -------
    rows : int64 (64, 4097), counts of |s| per row
    z : int64 (N_BANDS, NZ, 127)
    """
    rows = np.zeros((hyper.N_ROWS, 4097), np.int64)
    z = np.zeros((N_BANDS, model.shape.nz, 2 * Z_MAX + 1), np.int64)
    pick = crops.spread(n_pictures)
    order = clock.pictures(len(pick))
    batches = crops.whole(pick[order], 512)
    for places, x in clock.over("counting rounded symbols", batches, len(pick), first):
        numbers, x = order[places], padded(to_float(x), 16)
        for band in range(N_BANDS):
            u = (band + numbers * 0.618 % 1) / N_BANDS
            q = torch.tensor(u, dtype=torch.float32)
            y = model.analysis(x, q)
            aux = model.code(y, q)[3]
            zi = aux["z"].numpy().astype(int) + Z_MAX
            for c in range(zi.shape[-1]):
                z[band, c] += np.bincount(zi[..., c].ravel(), minlength=2 * Z_MAX + 1)
            r = aux["rows"].numpy().astype(int).ravel()
            v = np.minimum(np.abs(aux["v"].numpy().ravel()), 4096)
            flat = np.bincount(r * 4097 + v.astype(int), minlength=rows.size)
            rows += flat.reshape(rows.shape)
    return rows, z


def first(batch):
    """How many pictures a batch of `data.Crops.whole` has."""
    return len(batch[0])


def fit_rows(counts):
    """Frequencies of each row from counts of magnitudes.

    The parametric shape counts as 2000 symbols, so that rows and values
    that were hardly seen stay sensible.
    """
    freqs, maxima = [], []
    for r, c in enumerate(counts):
        sigma = hyper.SIGMA_MIN * math.exp((r + 0.5) * hyper.ROW_STEP)
        prior = logistic_pmf(hyper.LOGISTIC / sigma, len(c) - 1)
        p = c + 2000 * prior / prior.sum()
        p /= p.sum()
        tail = 1 - np.cumsum(p)
        t = int(np.argmax(tail < 2e-4)) if (tail < 2e-4).any() else T_CAP
        t = min(max(t, 1), T_CAP)
        half = p[1 : t + 1] / 2
        freqs.append(
            to_frequencies(np.concatenate([half[::-1], p[:1], half, [max(p[t + 1 :].sum(), 1e-7)]]))
        )
        maxima.append(t)
    width = max(map(len, freqs))
    table = np.zeros((len(freqs), width), np.uint32)
    for r, f in enumerate(freqs):
        table[r, : len(f)] = f
    return table, np.array(maxima, np.int32)


def fit_z(model, counts):
    """Frequencies of z per band and channel, smoothed by the prior."""
    out = np.zeros(counts.shape, np.uint32)
    x = np.arange(-Z_MAX, Z_MAX + 1)
    for b in range(N_BANDS):
        q = torch.tensor([(b + 0.5) / N_BANDS])
        loc = hyper.knots(model.z_loc, q)[0].detach().numpy()
        t = hyper.knots(model.z_scale, q)[0].clamp(max=3).exp()
        t = t.detach().numpy() * 2
        for c in range(counts.shape[1]):
            a = np.clip((x - loc[c] + 0.5) * t[c], -60, 60)
            d = np.clip((x - loc[c] - 0.5) * t[c], -60, 60)
            p = 1 / (1 + np.exp(-a)) - 1 / (1 + np.exp(-d))
            p = counts[b, c] + 50 * (p + 1e-6)
            out[b, c] = to_frequencies(p)
    return out


def level_table():
    """L of docs/format.md, section 7, as ``hyper.level`` computes it."""
    v = torch.arange(256.0)
    return hyper.level(v).numpy().astype(np.uint8)


def frequencies(model, row_counts, z_counts):
    """The arrays of tables.npz that symbols are counted for."""
    z = fit_z(model, z_counts)
    rows, maxima = fit_rows(row_counts)
    # Least bits that z can cost per position, in thousandths, rounded down.
    most = z.max(2) / TOTAL
    return {
        "z_freq": z,
        "row_freq": rows,
        "row_max": maxima,
        "z_min": np.floor(-990 * np.log2(most).sum(1)).astype(np.uint32),
    }


def integer_tables(model, row_counts, z_counts):
    """All arrays of tables.npz."""
    t = {k: v.detach() for k, v in model.rows.tables().items()}
    q = torch.arange(100) / 99.0
    bias = 10 * hyper.ROW_ONE * hyper.knots(model.rows.bias, q)
    b2 = 10 * hyper.ROW_ONE * model.rows.b2
    out = {n: t[n].numpy().astype(np.int8) for n in ("w1", "w2", "c1", "c2", "c3")}
    out["b1"] = t["b1"].numpy().astype(np.int32)
    out["b2"] = b2.detach().round().numpy().astype(np.int32)
    out["bias"] = bias.detach().round().numpy().astype(np.int32)
    out["level"] = level_table()
    if model.rows.cuts:
        out["parts"] = np.array(model.shape.parts, np.uint16)
        out["expected"] = model.rows.expected.numpy().astype(np.uint16)
        for n in range(len(model.rows.cuts)):
            out[f"d{n}"] = t[f"d{n}"].numpy().astype(np.int8)
    out["z_band"] = np.minimum(np.arange(100) / 99 * N_BANDS, N_BANDS - 1).astype(np.uint8)
    out |= frequencies(model, row_counts, z_counts)
    out["log_gain"] = model.log_gain.detach().numpy()
    a, s, sets = model.analysis, model.synthesis, model.shape.mix
    shares = [nets.hats(sets).numpy()] if sets else []
    for name, blocks in (
        ("analysis_mod", [*a.blocks8, *a.blocks16]),
        ("synthesis_mod", [*s.blocks16, *s.blocks8]),
    ):
        out[name] = np.concatenate([1 + b.mod.detach().numpy() for b in blocks] + shares, 1)
    return out


def skip_rows(counts):
    """How many of the narrowest rows need no coding."""
    skip = 0
    for c in counts:
        n = c.sum()
        if n and c[1:].sum() / n > 1.2e-2:
            break
        skip += 1
    return max(1, min(skip, 8))


def receptive_field(model):
    """Halo of analysis and synthesis in latent cells (16 pixels)."""
    s = model.shape
    a = 2 * s.a16 + math.ceil((2 * s.a8) / 2) + 1
    return a, 2 * s.s16 + math.ceil((2 * s.s8) / 2) + 1


def export(model, out, crops, *, name, info, n_pictures=60, clock=None):
    """Write a model folder.

    Parameters
    ----------
    model : nets.Codec
        With the weights to export.
    out : path-like
        Folder, made if missing.
    crops : data.Crops
        Pictures of the training set, for the tables.
    name : str
    info : dict
        Training data, licences, commit, hours, validation figures.
    n_pictures : int
    clock : Clock
        How long it may take; as long as it does, if not given.

    Returns
    -------
    str
        The model id.
    """
    clock = clock or Clock()
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    rows, z = collect(model, crops, n_pictures, clock)
    energy = gradient.energy(model, crops, clock)
    tables = {**integer_tables(model, rows, z), "energy": energy}
    files = {
        "analysis.onnx": graphs.analysis(model.analysis),
        "synthesis.onnx": graphs.synthesis(model.synthesis),
        "hyper_analysis.onnx": graphs.hyper_analysis(model.hyper),
        "features.onnx": graphs.features(model.means),
        "synthesis_gradient.onnx": gradient.synthesis_gradient(model.synthesis),
    }
    for p in range(4):
        files[f"mean{p}.onnx"] = graphs.mean(model.means, p)
    for n, b in graphs.exact().items():
        files[f"{n}.onnx"] = b
    s = model.shape
    halo = receptive_field(model)
    manifest = {
        "name": name,
        "format": 1,
        "opset": graph.OPSET,
        "constants": {
            "NZ": s.nz,
            "M": s.m,
            "K": s.k,
            "HYPER": s.hyper,
            "Z_MAX": Z_MAX,
            "N_ROWS": hyper.N_ROWS,
            "ROW_SKIP": skip_rows(rows),
            "SLAB": 32,
        },
        "halo": {"analysis": halo[0], "synthesis": halo[1]},
        "lambda": [s.lambda_min, s.lambda_max],
        "training": info,
    }
    write(out, manifest, files, tables)
    tables["skip"] = skip.first_coded(out, crops, clock)
    write(out, manifest, files, tables)
    tables |= frequencies(model, *histograms.histograms(out, crops, n_pictures, clock))
    return write(out, manifest, files, tables)


def write(out, manifest, files, tables):
    """The files of a model folder; returns the model id."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **tables)
    files = files | {"tables.npz": buffer.getvalue()}
    manifest = manifest | {
        "files": {f: hashlib.sha256(b).hexdigest() for f, b in sorted(files.items())}
    }
    text = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    files["model.json"] = text
    for f, b in files.items():
        (out / f"{f}.tmp").write_bytes(b)
    for f in files:  # all written: a kill can hardly mix two models
        os.replace(out / f"{f}.tmp", out / f)
    return hashlib.sha256(text).hexdigest()[:16]


def commit_id():
    """Commit of the checkout this runs in, or "unknown".

    "-dirty" follows where tracked files differ from it.
    """
    here = Path(__file__)
    try:
        # An installed copy may lie inside somebody else's checkout.
        subprocess.run(
            ["git", "ls-files", "--error-unmatch", here.name],
            capture_output=True,
            cwd=here.parent,
            check=True,
        )
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            cwd=here.parent,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
