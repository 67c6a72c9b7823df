"""The decoded latent plane, filled as symbols come.

Symbols never wait for floats (docs/format.md, section 5), so means can be
worked out behind the entropy decoder, in a thread of their own.

Contents
--------
``features``  what means see of z
``Plane``     dequantises slab by slab, pass by pass
``Behind``    a ``Plane`` in a thread of its own
"""

import os
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from ..symbols import passes
from .means import Means


def features(graphs, z, lo, hi, width):
    """What the means of latent rows lo..hi-1 see of z: it has a halo.

    Parameters
    ----------
    graphs : Graphs
    z : int16 (.., hz, wz, NZ)
    lo, hi, width : int
        Of the latent plane.

    Returns
    -------
    float32 (.., hi - lo, width, FEAT)
    """
    a, b = max(0, lo // 4 - 1), min(z.shape[-3], -(-hi // 4) + 1)
    f = graphs.run("features", z=z[..., a:b, :, :].astype(np.float32))[0]
    top = lo - 4 * a
    return np.ascontiguousarray(f[..., top : top + hi - lo, :width, :])


class Plane:
    """Decoded latent plane of symbols.

    Parameters
    ----------
    graphs : Graphs
    quality : float
    shape : tuple of int
        (.., hy, wy): cells, of one picture or of several.
    leading : bool
        Only channels [0, K), which need but two of the four passes.

    Attributes
    ----------
    latent : float32 (.., hy, wy, M or K)
        Whole when every pass of every slab is in.
    """

    def __init__(self, graphs, quality, shape, leading=False):
        b = graphs.bundle
        self.graphs, self.step = graphs, 1 / b.gain(quality)
        self.latent = np.empty((*shape, b.k if leading else b.m), np.float32)

    def begin(self, z, lo, hi):
        """Rows lo..hi-1 come next; ``z`` is that of the whole plane."""
        *n, _, wy, channels = self.latent.shape
        b = self.graphs.bundle
        self.to = self.latent[..., lo:hi, :, :]
        self.means = Means(
            self.graphs,
            features(self.graphs, z, lo, hi, wy),
            self.step,
            np.zeros((*n, hi - lo, wy, b.m), np.float32),
        )
        self.steps = [
            s for s in passes.steps((*n, hi - lo, wy), b.k, b.m) if s.group < channels
        ]
        self.mean = self.means.mean(0, self.steps[0].at)

    def add(self, symbols, p):
        """The symbols of pass ``p``, in order.

        Parameters
        ----------
        symbols : int16 (.., hi - lo, wy, M)
            Those of later passes may be missing.
        p : int
        """
        if p >= len(self.steps):
            return
        at, channels = self.steps[p].at, self.steps[p].channels
        flat = symbols.reshape(-1, symbols.shape[-1])
        self.means.put(at, channels, flat[at, channels], self.mean)
        if p + 1 < len(self.steps):
            self.mean = self.means.mean(p + 1, self.steps[p + 1].at)
        else:
            self.to[:] = self.means.out[..., : self.to.shape[-1]]


# Threads with nothing to do, at most KEPT of them: a new one for each picture
# would ask the system for its memory anew, 3 % of the time of a small one. A
# fork has none of them.
KEPT = 4
_idle = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)


class Behind:
    """A ``Plane`` that is filled in a thread of its own, in order.

    A context: where it is left without an error the plane is whole, or an
    error of the thread is raised.

    Parameters
    ----------
    plane : Plane
    """

    def __init__(self, plane):
        self.plane, self.jobs = plane, []

    def begin(self, *args):
        """As of ``Plane``; returns at once."""
        self.jobs.append(self.pool.submit(self.plane.begin, *args))

    def later(self, f):
        """A function that gives the result of ``f(alone=True)``.

        It begins at once, where nothing else is waiting.
        """
        self.jobs.append(self.pool.submit(f, alone=True))
        return self.jobs[-1].result

    def add(self, *args):
        """As of ``Plane``; returns at once.

        The symbols of this pass must not change any more, those of later
        ones may.
        """
        self.jobs.append(self.pool.submit(self.plane.add, *args))

    def __enter__(self):
        try:
            self.pool = _idle.pop()
        except IndexError:
            self.pool = ThreadPoolExecutor(1)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            for job in self.jobs:
                job.cancel()
        wait(self.jobs)
        if len(_idle) < KEPT:
            _idle.append(self.pool)
        else:
            self.pool.shutdown()
        if kind is None:
            for job in self.jobs:
                job.result()
