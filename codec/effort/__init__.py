"""What an encoder may do to choose its symbols, the decoder being fixed.

Contents
--------
``PLANS``   effort 1..9 -> how much is tried
``costs``   bits of symbols by the model's tables
``tune``    what a squared error counts, and where
``refine``  better symbols, by the decoder run backwards

Effort 1 rounds. Every other effort changes symbols one step up or down
where that saves more in rate + lambda * error than it costs, some
changes at a time, and keeps what was best of each part.
"""

import dataclasses

TUNES = "psnr", "ms-ssim"
# Every other effort takes several times as long: docs/effort.md.
DEFAULT = 1


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
    block : int
        Cells of a side of what is kept or undone together: small where
        few passes have to do, larger where the last bit is wanted.
    means : bool
        Whether what a symbol moves through the means of later passes
        counts: many passes gain by it, few lose (docs/effort.md).
    tune : str
        One of ``TUNES``: the metric that symbols are chosen for.
    """
    passes: int
    probes: int
    block: int = 4
    means: bool = False
    tune: str = "psnr"


PLANS = {1: Plan(0, 0), 2: Plan(1, 1, 1), 3: Plan(2, 1, 1),
         4: Plan(4, 1, 2), 5: Plan(6, 1, 2), 6: Plan(10, 1, 2),
         7: Plan(18, 2), 8: Plan(36, 2, means=True),
         9: Plan(80, 4, means=True)}
