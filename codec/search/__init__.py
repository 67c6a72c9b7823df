"""What an encoder may do to choose its symbols, the decoder being fixed.

Contents
--------
``PLANS``   effort 1..9 -> how much is tried
``costs``   bits of symbols by the model's tables
``tune``    what a squared error counts, and where
``relax``   symbols between two whole numbers
``refine``  better symbols, by the decoder run backwards

Effort 1 rounds. Every other effort moves values of the latent to where rate +
lambda * error is less, while they become whole.
"""

import dataclasses

from ..limits import TUNES
from ..options import EncodeOptions

# Every other effort takes several times as long: docs/effort.md.
DEFAULT = EncodeOptions.effort


@dataclasses.dataclass(frozen=True)
class Plan:
    """One effort.

    Attributes
    ----------
    passes : int
        Backward passes through the decoder; 0: plain rounding.
    probes : int
        Random pictures that measure how strongly the decoder reacts to
        each place of this picture.
    rate : float
        How far a pass moves values, in quantisation steps.
    widths : (float, float)
        Of the part between two symbols where a value is between them, at
        the beginning and at the end.
    cautions : (float, float)
        On how much the decoder's reaction counts, at the beginning and at
        the end.
    noise : float
        Times the width: how far values are shaken. Many passes gain by it.
    prior : float
        Of `relax.Relaxed.step`. Up to five passes gain by it.
    tune : str
        One of `codec.limits.TUNES`: the metric that symbols are chosen for.
    """

    passes: int
    probes: int
    rate: float = 0.32
    widths: tuple[float, float] = (1.5, 0.5)
    cautions: tuple[float, float] = (0, 1.1)
    noise: float = 0.0
    prior: float = 0.0
    tune: str = TUNES[0]

    def width(self, done: float) -> float:
        """Width when so much is done, 0..1."""
        first, last = self.widths
        return first * (last / first) ** done

    def caution(self, done: float) -> float:
        """Caution when so much is done, 0..1."""
        first, last = self.cautions
        return first + (last - first) * done


# Found on crops of validation pictures: docs/effort.md.
PLANS = {
    1: Plan(0, 0),
    2: Plan(1, 1, 0.2, cautions=(1.3, 1.3), prior=1),
    3: Plan(2, 1, 0.21, cautions=(1.1, 0.8), prior=0.8),
    4: Plan(3, 1, 0.25, cautions=(0.9, 1), prior=1),
    5: Plan(5, 1, 0.28, cautions=(0.9, 1), prior=1),
    6: Plan(10, 1, widths=(2, 0.5), cautions=(0.3, 1.1)),
    7: Plan(20, 2, noise=0.2, cautions=(0.15, 1.1)),
    8: Plan(30, 2, noise=0.3, cautions=(0.1, 1.1)),
    9: Plan(45, 2, noise=0.4),
}


def plan_of(options: EncodeOptions) -> Plan:
    """The plan of an effort, for a metric."""
    return dataclasses.replace(PLANS[options.effort], tune=options.tune)
