"""Decisions of rank 0, for all processes of a run."""

import sys

from .config import TrainingError


class RankZeroFailed(TrainingError):
    """Rank 0 has failed, and says so itself."""


def agreed(make):
    """What rank 0 makes, on every rank of a group of any kind.

    Raises
    ------
    Exception
        On rank 0 what ``make`` raises, on the others ``RankZeroFailed``.
    """
    dist = sys.modules.get("torch.distributed")  # whoever is in a group has loaded it
    if not (dist and dist.is_available() and dist.is_initialized()):
        return make()
    found, error = None, None
    if dist.get_rank() == 0:
        try:
            found = make()
        except Exception as e:
            error = e
    box = [(found, error is not None)]
    dist.broadcast_object_list(box)
    if error is not None:
        raise error
    if box[0][1]:
        raise RankZeroFailed("rank 0 has failed")
    return box[0][0]
