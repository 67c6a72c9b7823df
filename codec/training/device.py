"""Where a run trains: on cores, on NVIDIA's cards or on Apple's.

A process has one device of its own: a core, of which torch then uses one
thread, or a card. What is random is drawn on the core, so that it is the same
for each device.
"""

import os

import torch

from ..limits import cores
from .config import TrainingError


def available() -> list[str]:
    """Kinds of devices that are here, the fastest first."""
    return [
        *["cuda"] * torch.cuda.is_available(),
        *["mps"] * torch.backends.mps.is_available(),
        "cpu",
    ]


def chosen(name: str) -> str:
    """The kind of device that ``--device`` names, "cpu", "cuda" or "mps".

    Raises
    ------
    TrainingError
        None of that kind is here.
    """
    here = available()
    if name != "auto" and name not in here:
        raise TrainingError(
            f"--device {name}: there is none that torch {torch.__version__} can use; "
            f"here {'are' if len(here) > 1 else 'is'} " + ", ".join(here)
        )
    return here[0] if name == "auto" else name


def workers(kind: str, batch: int) -> int:
    """Processes for a kind of device: as many as there are that divide a batch."""
    if kind == "cuda":
        n = torch.cuda.device_count()
    elif kind == "mps":
        n = 1
    else:
        n = cores()
    return max(k for k in range(1, min(n, batch) + 1) if not batch % k)


def own(name: str, rank: int) -> torch.device:
    """Device of a process of a run, one of its own where that is a card."""
    kind = chosen(name)
    if kind != "cuda":
        return torch.device(kind)
    number = int(os.environ.get("LOCAL_RANK", rank))  # of those on this machine
    if number >= torch.cuda.device_count():
        raise TrainingError(
            f"process {number} has no card of its own; {torch.cuda.device_count()} "
            "are here, start as many processes at most"
        )
    # Streams and trunk are float32 as on every other device.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def backend() -> str:
    """What processes talk through: gloo, and between cards nccl."""
    cards = torch.cuda.is_available() and torch.distributed.is_nccl_available()
    return "cpu:gloo,cuda:nccl" if cards else "gloo"
