"""Pictures of a table's autoencoder: a map of its latents, and its curves.

They need matplotlib; clusters need scikit-learn.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..types import Array
from .network import Network

CURVES = "step", "train rows", "train missing", "valid rows", "valid missing"
SHOWN = 20000  # rows of a map, at most
File = str | os.PathLike[str]


def draw_map(
    network: Network,
    table: Any,
    file: File,
    *,
    labels: Any = None,
    clusters: int = 8,
    seed: int = 0,
) -> Array:
    """Draw the latents of rows in two dimensions, in colours.

    Parameters
    ----------
    network : Network
    table : ndarray, mapping, DataFrame or pyarrow.Table
        At most 20,000 of its rows are drawn.
    file : path-like
        A picture: PNG, SVG, PDF.
    labels : array of n, optional
        What the colours stand for; otherwise the cluster of each row (k-means).
    clusters : int
    seed : int

    Returns
    -------
    ndarray (n,)
        The labels, or the cluster of each row.
    """
    figure, axes = _figure()
    z = network.latents(table).astype(float)
    labels = _clusters(z, clusters, seed) if labels is None else np.asarray(labels)
    z -= z.mean(0)
    if z.shape[1] > 2:  # the two directions in which they spread most
        z = z @ np.linalg.eigh(z.T @ z)[1][:, :-3:-1]
    flat = np.hstack([z, np.zeros_like(z)])[:, :2]
    some = np.random.default_rng(seed).permutation(len(z))[:SHOWN]
    for i, kind in enumerate(np.unique(labels)):
        at = some[labels[some] == kind]
        axes.scatter(*flat[at].T, s=4, alpha=0.6, color=f"C{i % 10}", label=str(kind))
    axes.set(title="Latents", xlabel="first component", ylabel="second component")
    axes.legend(markerscale=3, fontsize="small")
    figure.savefig(file, dpi=110)
    return labels


def draw_curves(curves: Sequence[Sequence[float]], file: File) -> None:
    """Draw the losses of training and validation.

    Parameters
    ----------
    curves : sequence of rows
        ``CURVES`` names their values.
    file : path-like
    """
    figure, axes = _figure()
    steps, *losses = zip(*curves)
    for name, values in zip(CURVES[1:], losses):
        axes.plot(steps, values, label=name)
    axes.set(title="Losses", xlabel="step", ylabel="loss", yscale="log")
    axes.legend()
    figure.savefig(file, dpi=110)


def _clusters(z: Array, n: int, seed: int) -> Array:
    try:
        from sklearn.cluster import KMeans
    except ImportError as error:
        raise UnsupportedError("clusters need scikit-learn: pip install scikit-learn") from error
    n = min(n, len(np.unique(z, axis=0)))
    return KMeans(n, n_init=4, random_state=seed).fit_predict(z)


def _figure() -> tuple[Any, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnsupportedError("pictures need matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=(7, 6), layout="constrained")
    return figure, figure.subplots()
