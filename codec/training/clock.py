"""An export that knows how long it may take, and says how long it does.

`Clock.over` goes through the pictures of a stage until the time of that stage is
up. Where there is time for all of them, which is the rule, a model does not
depend on it.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

# Stages of an export, and how long each takes with the default numbers of
# pictures, in seconds of one core (photo model, 2026).
STAGES = {
    "counting rounded symbols": 76,
    "measuring the decoder's energy": 7,
    "finding scale indices not worth coding": 14,
    "counting coded symbols": 83,
    "measuring pictures for anomaly scores": 24,
}
SAY_SECONDS = 10


class Clock:
    """Shares out the time of an export.

    Parameters
    ----------
    seconds : float
        That it may take; infinite if that does not matter.
    say : callable
        Told how far it is, every ten seconds.
    """

    def __init__(self, seconds: float = math.inf, say: Callable = lambda line: None):
        self.seconds, self.say = max(seconds, 0.0), say
        self.begun = self.said = time.monotonic()
        self.whole = 1.0  # share of the pictures that the first stage had time for

    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.monotonic() - self.begun)

    def pictures(self, n: int) -> np.ndarray:
        """Numbers 0 to n - 1 in the order in which pictures are taken.

        Where time is short any first part of them is spread over all.
        """
        order = np.arange(n)
        if math.isfinite(self.seconds):
            np.random.default_rng(1).shuffle(order)
        return order

    def over(self, stage: str, batches: Iterable, n: int, size=len) -> Iterator:
        """What a stage goes through, at least one batch of it.

        Parameters
        ----------
        stage : str
            One of ``STAGES``.
        batches : iterable
        n : int
            Pictures in all of them.
        size : callable
            Pictures of a batch.
        """
        remaining = list(STAGES)[list(STAGES).index(stage) :]
        share = STAGES[stage] / sum(STAGES[s] for s in remaining)
        start = time.monotonic()
        end, done = start + share * self.left(), 0
        for batch in batches:
            yield batch
            done += size(batch)
            now = time.monotonic()
            took = (now - start) / done * n  # about, for the whole stage
            rest = min(took * (1 - done / n) + took * (1 / share - 1), self.left())
            if now - self.said >= SAY_SECONDS:
                self.said = now
                self.say(f"{stage}: {done} of {n} pictures; export done in {minutes(rest)}")
            if now > end and done < n:
                self.say(f"{stage}: {done} of {n} pictures, as the time is short")
                break
        if stage == next(iter(STAGES)):
            self.whole = done / n


def minutes(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min"
