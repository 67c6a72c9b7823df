"""What an encoder may do to choose its symbols, the decoder being fixed.

Contents
--------
``PLANS``         effort 1..9 -> how much is tried
``costs``         bits of symbols by the model's tables
``objectives``    what is to be little beside bits, and its slope
``tune``          what a squared error counts, and where
``ssimulacra2``   the metric, and its slope by samples
``relax``         symbols between two whole numbers
``refine``        better symbols, by the decoder run backwards
``targets``       the quality that gives a size or a metric's value

Effort 1 rounds. Every other effort moves values of the latent to where rate +
lambda * (what the tune names) is less, while they become whole.
"""

import dataclasses

from ..options import EncodeOptions
from ..types import Array

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
    look_rate : float
        ``rate`` where symbols are chosen for the look, whose slope holds
        less far.
    tune : str or None
        One of `codec.limits.TUNES`: what symbols are chosen for; None: what
        the model was trained for.
    mask : bool ndarray (height, width), or None
        False where errors of the picture count nothing.
    """

    passes: int
    probes: int
    rate: float = 0.32
    widths: tuple[float, float] = (1.5, 0.5)
    cautions: tuple[float, float] = (0, 1.1)
    noise: float = 0.0
    prior: float = 0.0
    look_rate: float = 0.16
    tune: str | None = None
    mask: Array | None = None

    def steps(self, for_look: bool) -> float:
        """``rate``, of what symbols are chosen for."""
        return self.look_rate if for_look else self.rate

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
    2: Plan(1, 1, 0.2, cautions=(1.3, 1.3), prior=1, look_rate=0.06),
    3: Plan(2, 1, 0.21, cautions=(1.1, 0.8), prior=0.8, look_rate=0.1),
    4: Plan(3, 1, 0.25, cautions=(0.9, 1), prior=1, look_rate=0.12),
    5: Plan(5, 1, 0.28, cautions=(0.9, 1), prior=1, look_rate=0.14),
    6: Plan(10, 1, widths=(2, 0.5), cautions=(0.3, 1.1)),
    7: Plan(20, 2, noise=0.2, cautions=(0.15, 1.1)),
    8: Plan(30, 2, noise=0.3, cautions=(0.1, 1.1)),
    9: Plan(45, 2, noise=0.4),
}


def plan_of(options: EncodeOptions, mask: Array | None = None) -> Plan:
    """The plan of an effort, for a metric, where a mask says that it counts."""
    return dataclasses.replace(PLANS[options.effort], tune=options.tune, mask=mask)
