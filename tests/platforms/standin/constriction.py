"""As much of constriction as codec.symbols.coder uses, in plain Python.

For machines that the library has no wheel for, so that the rest of the
decoder can be tried there. Slow: one symbol at a time, as docs/format.md,
section 6, says.
"""

import bisect
from types import SimpleNamespace

import numpy as np


class Categorical:
    def __init__(self, weights, lazy, perfect):
        freq = weights.astype(np.int64) + 1
        self.c = [0, *np.cumsum(freq).tolist()]
        assert self.c[-1] == 2**24 and not lazy and not perfect


class Uniform:
    def __init__(self, n):
        self.c = range(0, 2**24 + 1, 2**24 // n)


class AnsCoder:
    def __init__(self, words=()):
        self.words, self.state = [int(w) for w in words], 0
        if self.words and self.words[-1] == 0:
            raise ValueError("the last word is 0")
        self._refill()

    def _refill(self):
        while self.state < 2**32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def _one(self, c):
        q = self.state % 2**24
        i = bisect.bisect_right(c, q) - 1
        self.state = (self.state >> 24) * (c[i + 1] - c[i]) + q - c[i]
        self._refill()
        return i

    def decode(self, model, n):
        return np.array([self._one(model.c) for _ in range(n)], np.int32)

    def encode_reverse(self, indices, model):
        for i in reversed(indices.tolist()):
            c, f = model.c[i], model.c[i + 1] - model.c[i]
            if self.state >> 40 >= f:
                self.words.append(self.state % 2**32)
                self.state >>= 32
            self.state = (self.state // f << 24) + self.state % f + c

    def get_compressed(self):
        words = [*self.words, self.state % 2**32, self.state >> 32]
        while words and words[-1] == 0:
            words.pop()
        return np.array(words, np.uint32)

    def is_empty(self):
        return self.state == 0 and not self.words


stream = SimpleNamespace(
    stack=SimpleNamespace(AnsCoder=AnsCoder),
    model=SimpleNamespace(Categorical=Categorical, Uniform=Uniform),
)
