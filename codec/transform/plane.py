"""The decoded latent plane, slab by slab.

Contents
--------
``features``    what means see of z
``dequantise``  symbols of a slab -> its decoded latent
``Flow``        cells of a plane whose slabs come one after the other
"""

from collections.abc import Iterator

import numpy as np

from ..model.session import Graphs
from ..symbols import passes
from ..symbols.slabs import Place
from .means import Means


def features(graphs: Graphs, z: np.ndarray, place: Place) -> np.ndarray:
    """What the means of a slab see of z, which is nothing beyond the slab.

    So a slab's border is what networks were trained for, a picture's border.

    Parameters
    ----------
    graphs : Graphs
    z : int16 (.., hz, wz, NZ)
    place : Place

    Returns
    -------
    float32 (.., height, width, FEAT)
    """
    f = graphs.run("features", z=z[place.z_cells].astype(np.float32))[0]
    return np.ascontiguousarray(f[..., : place.height, : place.width, :])


def dequantise(
    graphs: Graphs,
    place: Place,
    z: np.ndarray,
    symbols: np.ndarray,
    quality: float,
    leading: bool = False,
) -> np.ndarray:
    """Decoded latent of a slab.

    Parameters
    ----------
    graphs : Graphs
    place : Place
    z : int16 (.., hz, wz, NZ)
        Of the whole picture, or of several.
    symbols : int16 (.., height, width, M)
    quality : float
    leading : bool
        Only channels [0, K), which need but two of the four passes.

    Returns
    -------
    float32 (.., height, width, M or K)
    """
    b = graphs.bundle
    means = Means(
        graphs,
        features(graphs, z, place),
        1 / b.gain(quality),
        np.zeros(symbols.shape, np.float32),
    )
    flat = symbols.reshape(-1, b.m)
    for step in passes.steps(symbols.shape[:-1], b.k, b.m):
        if step.group and leading:
            break
        at, channels = step.at, step.channels
        means.put(at, channels, flat[at, channels], means.mean(step.p, at))
    return means.out[..., : b.k] if leading else means.out


class Flow:
    """Cells of a plane whose slabs come one after the other.

    Memory is that of the slabs that were asked for last.

    Parameters
    ----------
    places : list of Place
        Row by row.
    latents : iterator of float32 (.., height, width, M)
        Of these places, in their order.
    """

    def __init__(self, places: list[Place], latents: Iterator[np.ndarray]) -> None:
        self.coming = list(reversed(places))
        self.latents = latents
        self.kept: list[tuple[Place, np.ndarray]] = []

    def __call__(self, rows: slice, columns: slice) -> np.ndarray:
        """Cells of these rows and columns; rows never begin further up again.

        Returns
        -------
        float32 (.., h, w, M)
        """
        self.kept = [(p, x) for p, x in self.kept if p.rows.stop > rows.start]
        while self.coming and self.coming[-1].top < rows.stop:
            place, latent = self.coming.pop(), next(self.latents)
            if place.rows.stop > rows.start:
                self.kept.append((place, latent))
        first = self.kept[0][1]
        h, w = rows.stop - rows.start, columns.stop - columns.start
        out = np.empty((*first.shape[:-3], h, w, first.shape[-1]), np.float32)
        for place, latent in self.kept:
            y, from_y = _overlap(rows, place.rows)
            x, from_x = _overlap(columns, place.columns)
            out[..., y, x, :] = latent[..., from_y, from_x, :]
        return out


def _overlap(wanted: slice, there: slice) -> tuple[slice, slice]:
    """What two spans share, counted in the first and in the second."""
    lo = max(wanted.start, there.start)
    hi = max(lo, min(wanted.stop, there.stop))
    return (
        slice(lo - wanted.start, hi - wanted.start),
        slice(lo - there.start, hi - there.start),
    )
