"""Starts the processes of a run, stops them, and outlives none of them.

Processes are spawned, which is the same on every system. A child ends by
itself when its parent is gone, however that ended: it waits for the other
end of a pipe that only the parent holds.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing import connection

from . import ranks
from .config import TrainingError

ENDS = {"done": 0, "stopped": 40, "patience": 41, "diverged": 42}
# Large tensors come and go; giving their pages back costs a tenth, and small
# pages a fortieth (Linux; others do not look at these).
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "OMP_NUM_THREADS": "1",
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",  # Apple's devices lack an operation or two
}


def run(cfg, resume=False, idle=lambda: None, say=print):
    """Train in ``cfg.workers`` processes.

    The first SIGINT or SIGTERM lets the run save and end; the second one
    kills it and raises ``KeyboardInterrupt``.

    Parameters
    ----------
    cfg : Config
    resume : bool
    idle : callable
        Called every few seconds meanwhile.
    say : callable
        Told that the run is being stopped.

    Returns
    -------
    end : {"done", "stopped", "patience"}
    number : int
        The signal that stopped the run, 0 if none did.

    Raises
    ------
    TrainingError
        A process was killed, or the loss diverged.
    """
    context = multiprocessing.get_context("spawn")
    stop, port = context.Event(), _free_port()
    workers = [
        context.Process(target=_worker, args=(rank, cfg, resume, stop, port))
        for rank in range(cfg.workers)
    ]
    got = []

    def on_signal(number, frame):
        got.append(number)
        if len(got) > 1:
            raise KeyboardInterrupt
        stop.set()
        say("stopping after this step; once more ends at once")

    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    # A terminal signals children too; they wait for the parent's word, and
    # inherit that from their first moment on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    own = {k: v for k, v in ENVIRONMENT.items() if k not in os.environ}
    try:
        os.environ.update(own)
        for w in workers:
            w.start()
        for name in own:  # for the children only
            del os.environ[name]
        for s in before:
            signal.signal(s, on_signal)
        _wait(workers, idle)
    finally:
        for w in workers:
            if w.pid and w.is_alive():
                w.kill()
        for s, handler in before.items():
            signal.signal(s, handler)
    end = {code: name for name, code in ENDS.items()}[workers[0].exitcode]
    if end == "diverged":
        raise TrainingError(
            "the loss is not finite any more; resume from the last checkpoint with a lower --rate"
        )
    return end, got[0] if got else 0


def _wait(workers, idle):
    """Until all have ended; raises as soon as one ended too soon."""
    running = set(workers)
    while running:
        connection.wait([w.sentinel for w in running], timeout=5)
        running = {w for w in running if w.is_alive()}
        for w in workers:
            if w not in running and w.exitcode not in ENDS.values():
                raise TrainingError(_why(w.exitcode))
        idle()


def _why(code):
    if code == -getattr(signal, "SIGKILL", 9):
        return (
            "a training process was killed (out of memory?); --resume "
            "goes on, a smaller --batch or --workers takes less"
        )
    return f"a training process ended with code {code}; --resume goes on from the last checkpoint"


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _end_with_parent():
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _worker(rank, cfg, resume, stop, port):
    """One process of the run; its exit code is one of ``ENDS``."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asked = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where not inherited
    signal.signal(signal.SIGTERM, lambda *a: asked.append(1))
    import torch
    import torch.distributed as dist

    from . import device
    from .train import train

    torch.set_num_threads(1)
    if cfg.workers > 1:
        dist.init_process_group(
            device.backend(),
            rank=rank,
            world_size=cfg.workers,
            init_method=f"tcp://127.0.0.1:{port}",
        )
    try:
        code = ENDS[train(cfg, rank, cfg.workers, resume, lambda: bool(asked) or stop.is_set())]
    except TrainingError as e:
        print(f"aetrain: {e}", file=sys.stderr)
        code = 1
    finally:
        if cfg.workers > 1:
            dist.destroy_process_group()
    ranks.leave(code)
