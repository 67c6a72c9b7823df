"""Means of the four passes over a slab, the float part.

Means move the reconstruction only, never the entropy coder's tables, so a
last bit that differs between machines costs at most one level of a pixel
(docs/format.md, section 8).
"""

import numpy as np


class Means:
    """Decoded latent of one slab, pass by pass.

    Parameters
    ----------
    graphs : Graphs
    features : float32 (n, FEAT, h, w)
    step : float32 (M,)
        Quantisation steps.
    out : float32 (h, w, M) or (n, h, w, M), zeros
        Where the decoded latent goes.
    """

    def __init__(self, graphs, features, step, out):
        self.graphs, self.features, self.step = graphs, features, step
        self.k = graphs.bundle.k
        self.flat = out.reshape(-1, out.shape[-1])
        self.out, self.hidden = out, None

    def mean(self, p):
        """Means of pass ``p`` everywhere: float32 (n * h * w, c)."""
        k, run = self.k, self.graphs.run
        if p == 0:
            mu = run("mean0", features=self.features)[0]
        elif p == 3:
            mu = run("mean3", hidden=self.hidden, latent=np.
                     ascontiguousarray(self.out[..., k:]))[0]
        else:
            y0 = np.ascontiguousarray(self.out[..., :k])
            mu, *rest = run(f"mean{p}", features=self.features, latent=y0)
            self.hidden = rest[0] if rest else None
        return mu.reshape(-1, mu.shape[-1])

    def put(self, at, channels, symbols, mean):
        """Dequantise: y_hat = symbol * step + mean, at flat positions."""
        self.flat[at, channels] = symbols * self.step[channels] + mean
