"""``aetrain`` as one process of a group that something else has started.

    torchrun --nproc-per-node 2 -m codec.training PICTURES --out MODEL

torchrun, or a batch system that sets the same variables, starts the command once
for each process, on one machine or on several. Each joins the group and takes
its share of the batch. Rank 0 reads the options, keeps the run's folder and
exports; every machine decodes the pictures for itself, unless it sees rank 0's
folder.
"""

import contextlib
import datetime
import os
import signal
import sys

from .config import TrainingError
from .group import RankZeroFailed, agreed

_VARIABLES = "RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"
# How long the others wait for one of them: as it decodes its pictures.
PATIENCE = datetime.timedelta(hours=3)


def launched():
    """Whether this process is one of a group."""
    return all(name in os.environ for name in _VARIABLES)


def rank():
    """Number of this process; 0 if it is not one of a group."""
    return int(os.environ["RANK"]) if launched() else 0


def world():
    """Number of processes."""
    return int(os.environ["WORLD_SIZE"]) if launched() else 1


@contextlib.contextmanager
def joined():
    """Be in the group, if there is one.

    Raises
    ------
    TrainingError
        Another process of the group has ended too soon.
    """
    if not launched():
        yield
        return
    import torch
    import torch.distributed as dist

    from . import device

    torch.set_num_threads(1)
    try:
        dist.init_process_group(device.backend(), timeout=PATIENCE)
        try:
            yield
        finally:
            dist.destroy_process_group()
    except RuntimeError as e:
        if "gloo" not in str(e) and not isinstance(e, dist.DistError):
            raise
        raise TrainingError(
            f"rank {rank()} has lost the others ({str(e).splitlines()[0]}); "
            "--resume goes on from the last checkpoint"
        ) from e


def leave(code):
    """End a process of a group, without what Python does at its end.

    Threads of gloo may still let go of a tensor then, need an interpreter
    that is being taken down, and abort a process whose work is done
    (github.com/pytorch/pytorch, pull request 179291).
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody listens any more
            stream.flush()
    os._exit(code)


def on_each_machine(make):
    """Call once on each machine: rank 0 first, then the others together.

    Where they see the same files, the others find what rank 0 has made.
    """
    agreed(make)
    if launched():
        import torch.distributed as dist

        if rank() and int(os.environ["LOCAL_RANK"]) == 0:
            make()
        dist.barrier()


def run(cfg, resume, say):
    """Train as one of the group; as ``processes.run`` but for that.

    The first SIGINT or SIGTERM that any process gets lets all save and end.
    """
    from .train import train

    got = []

    def on_signal(number, frame):
        got.append(number)
        if len(got) > 1:
            raise KeyboardInterrupt
        say("stopping after this step; once more ends at once")

    before = {s: signal.signal(s, on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        end = train(cfg, rank(), world(), resume, lambda: bool(got))
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
    if end == "diverged":
        raise (RankZeroFailed if rank() else TrainingError)(
            "the loss is not finite any more; resume from the last checkpoint with a lower --rate"
        )
    return end, got[0] if got else 0
