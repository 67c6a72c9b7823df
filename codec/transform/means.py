"""Means of the four passes over a slab, the float part.

Means move the reconstruction only, never the entropy coder's tables, so a
last bit that differs between machines costs at most one level of a pixel
(docs/format.md, section 8).
"""

from typing import Any

import numpy as np

from ..model.session import Graphs
from ..symbols import core
from ..types import Array


class Means:
    """Decoded latent of one slab, pass by pass.

    Parameters
    ----------
    graphs : Graphs
    features : float32 (n, h, w, FEAT), or (h, w, FEAT)
    step : float32 (M,)
        Quantisation steps.
    out : float32 (h, w, M) or (n, h, w, M), zeros
        Where the decoded latent goes.
    """

    def __init__(self, graphs: Graphs, features: Array, step: Array, out: Array) -> None:
        self.graphs, self.features, self.step = graphs, features, step
        self.flat, self.out = out.reshape(-1, out.shape[-1]), out

    def mean(self, p: int, at: Any) -> Array:
        """Means of pass ``p`` at flat positions: float32 (n, c)."""
        seen = {"latent": self.out} if p else {}
        return self.graphs.run(f"mean{p}", features=self.features, at=at, **seen)[0]

    def put(self, at: Any, channels: slice, symbols: Array, mean: Array) -> None:
        """Dequantise: y_hat = symbol * step + mean, at flat positions."""
        if core.dequantise and symbols.dtype == np.int16:
            symbols = np.ascontiguousarray(symbols)
            core.dequantise(self.flat, at, channels.start, symbols, self.step, mean)
        else:
            self.flat[at, channels] = symbols * self.step[channels] + mean
