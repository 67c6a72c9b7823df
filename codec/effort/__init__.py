"""What an encoder may do to choose its symbols, the decoder being fixed.

Contents
--------
``PLANS``   effort 1..9 -> how much is tried
``costs``   bits of symbols by the model's tables
``refine``  better symbols, by the decoder run backwards

Effort 1 rounds. Every other effort changes symbols one step up or down
where that saves more in rate + lambda * error than it costs, some
changes at a time, and keeps what was best of each part.
"""

import dataclasses

# Every other effort takes several times as long: docs/effort.md.
DEFAULT = 1


@dataclasses.dataclass(frozen=True)
class Plan:
    """One effort.

    Attributes
    ----------
    rounds : int
        Backward passes through the decoder, the last one a check of the
        result (with two: the first trial's); 0: plain rounding.
    probes : int
        Random pictures that measure how strongly the decoder reacts to
        each symbol of this picture.
    """
    rounds: int
    probes: int


PLANS = {1: Plan(0, 0), 2: Plan(2, 1), 3: Plan(4, 1), 4: Plan(5, 2),
         5: Plan(7, 2), 6: Plan(10, 4), 7: Plan(18, 4), 8: Plan(32, 8),
         9: Plan(50, 16)}
