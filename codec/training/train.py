"""The training loop: one function, one loop, as many processes as cores.

Each process has one thread and a share of the batch; gradients are
averaged over gloo. On two cores that is a quarter faster than one
process with two threads, and loses less when something else runs.
"""

import csv
import math
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from . import data, nets, optim
from .config import Config
from .loss import distortion

VALID_LAMBDAS = (0.0006, 0.002, 0.0067, 0.025, 0.1, 0.5)


def split_parameters(model, cfg):
    """Hidden matrices for Muon, groups with their rates for AdamW."""
    hidden, groups = [], {}
    rate = {"trunk": cfg.trunk_lr, "rows": cfg.rows_lr,
            "table": cfg.table_lr, "other": cfg.adam_lr}
    for name, p in model.named_parameters():
        leaf = name.split(".")[-1]
        if leaf in ("in8", "in16", "out8", "out16"):
            kind = "trunk"
        elif name.startswith("rows."):
            kind = "table" if leaf in ("b1", "b2", "bias") else "rows"
        elif name.startswith("z_"):
            kind = "table"
        elif p.dim() == 2 and leaf not in ("mod", "log_gain"):
            hidden.append(p)
            continue
        else:
            kind = "other"
        groups.setdefault(kind, []).append(p)
    return hidden, [{"params": v, "lr": rate[k]} for k, v in groups.items()]


def start_model(cfg, crops, log=print):
    """A codec that starts as the optimal linear one of these pictures."""
    s = cfg.shape
    pca = {k: torch.from_numpy(v) for k, v in
           data.principal_components(crops, s).items()}
    lam = torch.exp(torch.linspace(math.log(s.lambda_min),
                                   math.log(s.lambda_max), nets.N_KNOTS))
    # dR/d(step^2) = -lambda dD/d(step^2) at high rate, 768 values a patch
    step = (12 * 768 / (2 * math.log(2) * 256 * 255 ** 2) / lam).sqrt()
    pca["gain"] = (1 / step)[:, None].expand(-1, s.m).clone()
    return nets.Codec(s, pca)


def empty_model(shape):
    """The same modules with nothing in them, to load weights into."""
    pca = {"v8": torch.zeros(shape.c8, 192),
           "v16": torch.zeros(shape.m, 4 * shape.c8),
           "sigma8": torch.ones(shape.c8), "sigma16": torch.ones(shape.m),
           "gain": torch.ones(nets.N_KNOTS, shape.m)}
    return nets.Codec(shape, pca)


def sample_lambda(cfg, rng, n):
    """Log-uniform and stratified over the batch."""
    s = cfg.shape
    u = (rng.permutation(n) + rng.random(n)) / n
    lam = s.lambda_min * (s.lambda_max / s.lambda_min) ** u
    return torch.from_numpy(lam.astype(np.float32))


def rate_weight(lam):
    """Makes every part of the range count alike."""
    return (lam / 0.0067) ** -0.55


def to_float(batch):
    return torch.from_numpy(batch).float().mul_(1 / 255).sub_(0.5)


@torch.no_grad()
def validate(model, crops, cfg, rank, world):
    """Rate and PSNR over fixed centre crops at fixed lambdas.

    Returns
    -------
    list of (lambda, bpp, psnr), float
        Estimated rate with really rounded symbols; and the mean loss.
    """
    sums = torch.zeros(len(VALID_LAMBDAS), 4, dtype=torch.float64)
    for i in range(rank, len(crops.index), world):
        a = crops.picture(i)
        h, w = (min(n // 64 * 64, 384) for n in a.shape[:2])
        y, x = (a.shape[0] - h) // 2, (a.shape[1] - w) // 2
        px = to_float(np.ascontiguousarray(a[y:y + h, x:x + w]))[None]
        for j, l in enumerate(VALID_LAMBDAS):
            lam = torch.tensor([l])
            bpp, mse, x_hat, _ = model(px, lam, noise=False)
            d = distortion(cfg.loss, px, x_hat, mse)
            sums[j] += torch.tensor([
                bpp.item(), 10 * math.log10(255 ** 2 / mse.item()),
                (rate_weight(lam) * (bpp + lam * d)).item(), 1.0])
    if world > 1:
        dist.all_reduce(sums)
    mean = sums[:, :3] / sums[:, 3:]
    points = [(l, *mean[j, :2].tolist())
              for j, l in enumerate(VALID_LAMBDAS)]
    return points, mean[:, 2].mean().item()


class Checkpoint:
    """Everything a run needs to go on; written so that a kill is safe."""

    def __init__(self, path):
        self.path = Path(path)

    def save(self, **state):
        tmp = self.path.with_suffix(".tmp")
        with open(tmp, "wb") as f:
            torch.save(state, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(tmp, self.path)

    def load(self):
        if not self.path.exists():
            return None
        return torch.load(self.path, weights_only=True)


def schedule(cfg, step, hours):
    """Factor on every rate: warm-up, constant, linear to zero."""
    f = min(1.0, (step + 1) / cfg.warmup)
    start = cfg.hours * cfg.decay_from
    if hours > start:
        f *= max(0.0, (cfg.hours - hours) / max(cfg.hours - start, 1e-9))
    return f


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def prepare(cfg, log=print):
    """Decode the pictures; returns (train index, valid index)."""
    state = Path(cfg.state)
    state.mkdir(parents=True, exist_ok=True)
    index = data.build_cache(cfg.data, state / "train", log=log)
    if cfg.valid:
        return index, data.build_cache(cfg.valid, state / "valid", log=log)
    n = max(1, int(len(index) * cfg.valid_split))
    if len(index) < 2:
        return index, index
    return index[n:], index[:n]


def run(cfg, resume=False, on_done=None):
    """Train until ``cfg.hours`` are spent, stopped or out of patience.

    Returns
    -------
    str
        "done", "stopped" (signal) or "patience".
    """
    prepare(cfg)
    port = free_port()
    ctx = torch.multiprocessing.get_context("spawn")
    procs = [ctx.Process(target=worker, args=(r, cfg, resume, port))
             for r in range(cfg.workers)]

    def forward(sig, frame):
        for p in procs:
            if p.is_alive():
                os.kill(p.pid, signal.SIGTERM)
    old = {s: signal.signal(s, forward)
           for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        for p in procs:
            p.start()
        for p in procs:
            p.join()
    finally:
        for p in procs:
            if p.is_alive():
                p.kill()
        for s, h in old.items():
            signal.signal(s, h)
    codes = [p.exitcode for p in procs]
    if any(codes):
        raise RuntimeError(f"training processes ended with {codes}")
    return (Path(cfg.state) / "end.txt").read_text()


def worker(rank, cfg, resume, port):
    """One process of the run."""
    torch.set_num_threads(1)
    stop = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *a: stop.append(1))
    world = cfg.workers
    if world > 1:
        dist.init_process_group("gloo", rank=rank, world_size=world,
                                init_method=f"tcp://127.0.0.1:{port}")
    try:
        end = _loop(rank, world, cfg, resume, stop)
        if rank == 0:
            (Path(cfg.state) / "end.txt").write_text(end)
    finally:
        if world > 1:
            dist.destroy_process_group()


def _loop(rank, world, cfg, resume, stop):
    state = Path(cfg.state)
    train_index, valid_index = prepare(cfg, log=lambda *a: None)
    ckpt = Checkpoint(state / "checkpoint.pt")
    saved = ckpt.load() if resume else None
    step = saved["step"] if saved else 0
    seconds = saved["seconds"] if saved else 0.0
    pixels = saved["pixels"] if saved else 0
    best, since = (saved["best"], saved["since"]) if saved else (1e9, 0)
    crops = data.Crops(state / "train", train_index, cfg.crop,
                       [cfg.seed, rank, step])
    valid = data.Crops(state / ("valid" if cfg.valid else "train"),
                       valid_index, 64, 0)
    torch.manual_seed(cfg.seed)
    model = empty_model(cfg.shape) if saved else start_model(
        cfg, data.Crops(state / "train", train_index, cfg.crop, cfg.seed))
    if saved:
        model.load_state_dict(saved["model"])
    params = list(model.parameters())
    flat = torch.zeros(sum(p.numel() for p in params))
    o = 0
    for p in params:
        p.grad = flat[o:o + p.numel()].view_as(p)
        o += p.numel()
    average = [p.detach().clone() for p in params]
    hidden, groups = split_parameters(model, cfg)
    muon = optim.Muon(hidden, cfg.muon_lr, decay=cfg.weight_decay,
                      rank=rank, world=world, reduce=dist.all_reduce)
    adam = optim.AdamW(groups, decay=cfg.weight_decay)
    if saved:
        for a, b in zip(average, saved["average"]):
            a.copy_(b)
        muon.load_state_dict(saved["muon"])
        adam.load_state_dict(saved["adam"])
    rng = np.random.default_rng([cfg.seed, step])   # the same on all ranks
    torch.manual_seed(cfg.seed * 1000 + rank + step)
    norm_avg = saved["norm"] if saved else None
    n = cfg.batch // world
    last_save = last_valid = last_log = time.monotonic()
    seen, t0 = 0, time.monotonic()
    shown = np.zeros(4)
    log = csv.writer(open(state / "log.csv", "a", buffering=1)) \
        if rank == 0 else None
    end = "done"

    def swap():
        for p, a in zip(params, average):
            p.data, a.data = a.data, p.data

    def save():
        if rank == 0:
            ckpt.save(step=step, seconds=seconds, pixels=pixels, best=best,
                      since=since, model=model.state_dict(),
                      average=average, muon=muon.state_dict(),
                      adam=adam.state_dict(), norm=norm_avg,
                      config=cfg.to_dict())

    while True:
        now = time.monotonic()
        # Time is rank 0's: every rank must take the same decisions.
        clock = torch.tensor([now - t0, float(bool(stop))],
                             dtype=torch.float64)
        if world > 1:
            mine = clock[1].item()
            dist.broadcast(clock, 0)
            flag = torch.tensor([mine])
            dist.all_reduce(flag)
            clock[1] += flag[0]
        seconds += clock[0].item()
        t0 = now
        hours = seconds / 3600
        stopped = clock[1] > 0
        if stopped or hours >= cfg.hours:
            end = "stopped" if stopped else "done"
            break
        lam = sample_lambda(cfg, rng, cfg.batch)[rank * n:(rank + 1) * n]
        x = to_float(crops.batch(n))
        flat.zero_()
        bpp, mse, x_hat, _ = model(x, lam)
        d = distortion(cfg.loss, x, x_hat, mse)
        loss = (rate_weight(lam) * (bpp + lam * d)).mean()
        loss.backward()
        if world > 1:
            dist.all_reduce(flat)
            flat.div_(world)
        norm = flat.norm().item()
        if math.isfinite(norm):
            norm_avg = norm if norm_avg is None else \
                0.99 * norm_avg + 0.01 * min(norm, cfg.clip * norm_avg)
            if norm > cfg.clip * norm_avg:
                flat.mul_(cfg.clip * norm_avg / norm)
            f = schedule(cfg, step, hours)
            muon.step(f)
            adam.step(f)
            w = max(1 - cfg.ema, 1 / (step + 2))
            torch._foreach_lerp_(average, [p.detach() for p in params], w)
        step += 1
        pixels += cfg.batch * cfg.crop ** 2
        seen += cfg.batch * cfg.crop ** 2
        shown += [loss.item(), bpp.mean().item(),
                  (10 * torch.log10(255 ** 2 / mse)).mean().item(), 1]
        now = time.monotonic()
        if rank == 0 and now - last_log > 30:
            l, b, p, k = shown
            print(f"{hours:6.3f} h  step {step}  "
                  f"{seen / (now - last_log) / 1e6:.2f} MP/s  "
                  f"loss {l / k:.4f}  {b / k:.3f} bpp  {p / k:.2f} dB  "
                  f"norm {norm_avg:.3g}  "
                  f"left {cfg.hours - hours:.2f} h", flush=True)
            log.writerow(["train", f"{hours:.4f}", step, pixels,
                          f"{l / k:.5f}", f"{b / k:.4f}", f"{p / k:.3f}"])
            seen, last_log = 0, now
            shown[:] = 0
        due = torch.tensor([float(now - last_valid
                                  > 60 * cfg.valid_minutes),
                            float(now - last_save > 60 * cfg.save_minutes)])
        if world > 1 and step % 20 == 0:
            dist.broadcast(due, 0)
        elif world > 1:
            due.zero_()
        if due[0]:
            swap()
            points, v = validate(model, valid, cfg, rank, world)
            swap()
            last_valid = time.monotonic()
            best, since = (v, 0) if v < best else (best, since + 1)
            if rank == 0:
                report(points, v, hours, step, pixels, log)
            if cfg.patience and since >= cfg.patience:
                end = "patience"
                break
        if due[1]:
            save()
            last_save = time.monotonic()
    swap()
    points, v = validate(model, valid, cfg, rank, world)
    swap()
    if rank == 0:
        report(points, v, seconds / 3600, step, pixels, log)
    save()
    return end


def report(points, loss, hours, step, pixels, log):
    """One validation: a line on stdout, a row per lambda in the CSV."""
    print(f"valid {hours:.3f} h  step {step}  {pixels / 1e9:.2f} GP  "
          f"loss {loss:.4f}  " + "  ".join(
              f"{b:.3f}/{p:.2f}" for _, b, p in points), flush=True)
    for l, b, p in points:
        log.writerow(["valid", f"{hours:.4f}", step, pixels,
                      f"{loss:.5f}", f"{b:.5f}", f"{p:.4f}", l])


if __name__ == "__main__":          # the bare loop; ``aetrain`` is cli.py
    import sys
    c = Config()
    for a in sys.argv[1:]:
        if "=" in a:
            k, v = a.split("=")
            t = type(getattr(c, k))
            setattr(c, k, t(v))
    print(run(c, resume="resume" in sys.argv[1:]))
