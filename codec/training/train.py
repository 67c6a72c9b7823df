"""The training loop: one function, one loop, the same in every process.

Each process has a device of its own (``device``) and a share of the batch;
gradients are averaged over gloo (``processes`` starts them, or ``ranks`` joins
them). On two cores that is a quarter faster than one process with two threads,
and loses less when something else runs.

Every random number of a step follows from seed, step and place in the batch,
and is drawn on the CPU, a step ahead. So a run that was resumed sees the crops
and the noise that it would have seen, and what is learned depends neither on the
number of processes nor, but for rounding, on the device.
"""

import dataclasses
import functools
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from . import against, curves, data, device, functional, group, nets, noise, reshape, state
from .config import Config
from .loss import TERMS, distortion
from .ssimulacra2 import score, ssimulacra2_sum

VALID_LAMBDAS = (0.0006, 0.002, 0.0067, 0.025, 0.1, 0.5)
VALID_SIDE = 384
# What takes as long as so many pixels of training: one that is validated, an
# export, and each picture that its tables are fitted to (``clock.STAGES``).
VALID_WORK, EXPORT_PIXELS, TABLE_PIXELS = 0.45, 18e6, 1e6
MAX_BAD = 50  # steps in a row without a finite gradient


def start_model(cfg, crops):
    """Weights of ``cfg.init``, or the optimal linear codec of pictures."""
    if cfg.init:
        return reshape.reshaped(state.load_weights(cfg.init), cfg.shape, crops, cfg.seed)
    s = cfg.shape
    pca = {k: torch.from_numpy(v) for k, v in data.principal_components(crops, s, cfg.seed).items()}
    lam = torch.exp(torch.linspace(math.log(s.lambda_min), math.log(s.lambda_max), nets.N_KNOTS))
    # dR/d(step^2) = -lambda dD/d(step^2) at high rate, 768 values a patch
    step = (12 * 768 / (2 * math.log(2) * 256 * 255**2) / lam).sqrt()
    pca["gain"] = (1 / step)[:, None].expand(-1, s.m).clone()
    return nets.Codec(s, pca)


def sample_lambda(cfg, rng, n):
    """Log-uniform and stratified over the batch."""
    s = cfg.shape
    u = (rng.permutation(n) + rng.random(n)) / n
    lam = s.lambda_min * (s.lambda_max / s.lambda_min) ** u
    return torch.from_numpy(lam.astype(np.float32))


@dataclasses.dataclass
class Batch:
    """A part of a step's batch, on the device that takes the step.

    Attributes
    ----------
    seen, wanted : Tensor (n, h, w, 3), -0.5..0.5
        The crops; with noise, and the same without it, where the run is to
        learn that.
    lam : Tensor (n,)
    noise : tuple of Tensor, or None
        In place of rounding.
    seed : int
        Of whatever else is random.
    """

    seen: torch.Tensor
    wanted: torch.Tensor
    lam: torch.Tensor
    noise: tuple | None
    seed: int


def draw(cfg, step, model, crops, mine, device=functional.CPU) -> Batch:
    """The part ``mine`` (slice) of the batch of a step."""
    rng = np.random.default_rng([cfg.seed, step])  # on all ranks
    lam = sample_lambda(cfg, rng, cfg.batch)[mine].to(device)
    seeds = np.random.SeedSequence([cfg.seed, step]).spawn(cfg.batch)[mine]
    rngs = [np.random.default_rng(seed) for seed in seeds]
    pixels = [crops.batch(1, rng) for rng in rngs]
    numbers = [int(seed.generate_state(1, np.uint64)[0] >> 1) for seed in seeds]
    of_rounding = None
    if not cfg.finish:
        generators = [torch.Generator(functional.CPU).manual_seed(n) for n in numbers]
        of_rounding = model.noise_of(*pixels[0].shape[1:3], generators)
        of_rounding = tuple(t.to(device) for t in of_rounding)
    wanted = seen = functional.to_float(np.concatenate(pixels), device)
    if cfg.denoise:
        noisy = [noise.added(a, noise.drawn(cfg.denoise, rng), rng) for a, rng in zip(pixels, rngs)]
        seen = functional.to_float(np.concatenate(noisy), device)
    return Batch(seen, wanted, lam, of_rounding, numbers[0])


def rate_weight(lam):
    """Makes every part of the range count alike."""
    return (lam / 0.0067) ** -0.55


def schedule(cfg, step, share):
    """Factor on every rate: warm-up, constant, linear to zero.

    ``share`` is how much of the run is done, 0..1.
    """
    f = cfg.rate * min(1.0, (step + 1) / max(cfg.warmup, 1))
    if share > cfg.decay_from:
        f *= max(0.0, (1 - share) / max(1 - cfg.decay_from, 1e-9))
    return f


def training_seconds(run, valid):
    """Seconds of the run's hours that are for training.

    The others are for the last validation and the export. How long those take
    follows from the speed of the steps so far: as long as it takes to train on
    so many pixels.
    """
    cfg = run.cfg
    validated = run.validated or affordable(run, valid)
    # The shipped model is validated as well, once.
    times = 1 + (run.shipped is None and against.name_of(cfg) != against.NONE)
    pixels = times * VALID_WORK * valid_pixels(valid, validated)
    pixels += EXPORT_PIXELS + TABLE_PIXELS * cfg.table_pictures
    most = 3600 * cfg.hours * cfg.export_share
    if not run.pixels:
        return 3600 * cfg.hours - most
    return 3600 * cfg.hours - min(most, pixels * run.seconds / run.pixels)


def valid_pixels(valid, n):
    """Pixels that a validation of n pictures sees, at all its qualities."""
    sides = [(min(h, VALID_SIDE), min(w, VALID_SIDE)) for _, _, h, w in valid.index]
    mean = sum(h * w for h, w in sides) / len(sides)
    return len(VALID_LAMBDAS) * min(n, len(sides)) * mean


def affordable(run, valid):
    """Pictures of a validation, fewer where a run is so short.

    A third of what the export may take, at most.
    """
    cfg, n = run.cfg, min(run.cfg.valid_pictures, len(valid.index))
    if cfg.steps or not run.pixels or not cfg.export_share:  # no export, no budget
        return n
    seconds = VALID_WORK * valid_pixels(valid, n) * run.seconds / run.pixels
    most = 3600 * cfg.hours * cfg.export_share / 3
    return max(1, min(n, int(n * most / seconds)))


@torch.no_grad()
def validate(model, crops, cfg, rank=0, world=1, n_pictures=None):
    """Rate and PSNR over fixed centre crops at fixed lambdas.

    Returns
    -------
    list of tuple of float
        For each lambda: lambda, bits per pixel (an estimate with really
        rounded symbols), PSNR, SSIMULACRA 2, and each of ``loss.TERMS``.
    float
        The mean loss.
    """
    s = cfg.shape
    lambdas = [l for l in VALID_LAMBDAS if s.lambda_min <= l <= s.lambda_max]
    place = model.place
    sums = torch.zeros(len(lambdas), 5 + len(TERMS), dtype=torch.float64, device=functional.CPU)
    pick = crops.spread(n_pictures or cfg.valid_pictures)
    model.eval()
    for _, px in crops.whole(pick[rank::world], VALID_SIDE):
        seen = (
            px
            if not cfg.denoise
            else noise.added(px, noise.typical(cfg.denoise), np.random.default_rng(cfg.seed))
        )
        seen, px = (functional.to_float(a, place) for a in (seen, px))
        for j, l in enumerate(lambdas):
            lam = torch.full((len(px),), l, device=place)
            bpp, mse, x_hat, _ = model(seen, lam, wanted=px)
            d = distortion(cfg, model.q_of(lam), px, x_hat, mse)
            psnr = 10 * torch.log10(255**2 / mse.clamp(min=1e-9))
            loss = rate_weight(lam) * (bpp + lam * d)
            terms = [term(px, x_hat) for term in TERMS.values()]
            look = score(ssimulacra2_sum(px, x_hat))
            sums[j] += (
                torch.stack([torch.ones_like(lam), loss, bpp, psnr, look, *terms]).sum(1).cpu()
            )
    model.train()
    if world > 1:
        dist.all_reduce(sums)
    mean = sums[:, 1:] / sums[:, :1]
    points = [(l, *mean[j, 1:].tolist()) for j, l in enumerate(lambdas)]
    return points, mean[:, 0].mean().item()


def update(run, share, world):
    """Average the gradients, clip, step; False if they are not finite."""
    g, cfg = run.gradient, run.cfg
    if world > 1:
        dist.all_reduce(g)
        g.div_(world)
    norm = g.norm().item()
    if not math.isfinite(norm):
        return False
    run.norm = (
        norm
        if run.norm is None
        else 0.99 * run.norm + 0.01 * (min(norm, cfg.clip * run.norm) if cfg.clip else norm)
    )
    if cfg.clip and norm > cfg.clip * run.norm:
        g.mul_(cfg.clip * run.norm / norm)
    run.move(schedule(cfg, run.step, share))
    return True


def prepare(cfg, rank, world, resume):
    """Model, optimisers and pictures of a run.

    Returns
    -------
    run : state.State
    crops, valid : data.Crops
        To train on, to validate on.
    """
    folder = Path(cfg.state)
    place = device.own(cfg.device, rank)
    saved = None
    if resume:  # other machines need not see the file
        saved = group.agreed(lambda: state.read(folder / "checkpoint.pt"))
        if cfg.bf16 == "auto":
            cfg.bf16 = Config.from_dict(saved["config"]).bf16
    if cfg.bf16 == "auto":  # once, or a run would go on in another precision
        pays = group.agreed(lambda: functional.bf16_pays(place))
        cfg.bf16 = "on" if pays else "off"
    functional.use_bf16(cfg.bf16 == "on")
    train_index, valid_index = data.indices(cfg)
    crops = data.Crops(folder / "train", train_index, cfg.crop, cfg.flips, cfg.shift)
    valid = data.Crops(data.validation_cache(cfg), valid_index, data.least(cfg))
    torch.manual_seed(cfg.seed)
    model = start_model(cfg, crops) if rank == 0 and not resume else state.empty_model(cfg.shape)
    if world > 1 and not resume:
        for t in model.state_dict().values():
            dist.broadcast(t, 0)
    model.clamped = cfg.clamped
    for m in model.modules():
        if isinstance(m, nets.Block):
            m.dropout = cfg.dropout
    run = state.State(model.to(place), cfg, rank, world, dist.broadcast)
    if resume:
        run.load(saved)
    return run, crops, valid


def train(cfg, rank=0, world=1, resume=False, stopping=lambda: False):
    """Train until the hours or steps of ``cfg`` are spent.

    Parameters
    ----------
    cfg : Config
    rank, world : int
    resume : bool
        Go on from the checkpoint in ``cfg.state``.
    stopping : callable
        Asked before each step; once true on any rank, the run ends.

    Returns
    -------
    {"done", "stopped", "patience", "diverged"}
    """
    folder, main = Path(cfg.state), rank == 0
    run, crops, valid = prepare(cfg, rank, world, resume)
    progress = curves.Progress(curves.Log(folder / "log.csv", run.step)) if main else None
    n, bad, first = cfg.batch // world, 0, run.step
    mine = slice(rank * n, (rank + 1) * n)
    place = run.gradient.device

    drawing = ThreadPoolExecutor(1)  # the next batch, while a card is at work
    ahead = functools.partial(
        drawing.submit, draw, cfg, model=run.model, crops=crops, mine=mine, device=place
    )
    batches = ahead(step=run.step)
    figures = [0.0, 0.0, 0.0]  # of the last step: loss, bpp, psnr
    t0 = saved_at = valid_at = time.monotonic()
    while True:
        now = time.monotonic()
        # Time is rank 0's: all ranks must take the same decisions.
        spent, stopped, valid_due, save_due, *figures = summed(
            world,
            main * (now - t0),
            stopping(),
            main * (now - valid_at > 60 * cfg.valid_minutes),
            main * (now - saved_at > 60 * cfg.save_minutes),
            *figures,
        )
        run.seconds, t0 = run.seconds + spent, now
        if main and run.step > first:
            progress.step(run, cfg.batch * cfg.crop**2, *figures)
        share = (
            run.step / cfg.steps
            if cfg.steps
            else run.seconds / max(training_seconds(run, valid), 1e-9)
        )
        end = (
            "stopped"
            if stopped
            else "done"
            if share >= 1
            else "diverged"
            if bad >= MAX_BAD
            else None
        )
        if end:
            break
        if valid_due:
            measure(run, valid, rank, world, progress)
            valid_at = time.monotonic()
            if cfg.patience and run.since >= cfg.patience:
                end = "patience"
                break
        if save_due and main and not bad:
            run.save(folder / "checkpoint.pt")
            saved_at = time.monotonic()
        batch, batches = batches.result(), ahead(step=run.step + 1)
        good, figures = learn(run, batch, share, world)
        bad = 0 if good else bad + 1
    drawing.shutdown(cancel_futures=True)
    if main:
        progress.row(run)
    if main and end != "diverged":  # first of all: who stops is in a hurry
        run.save(folder / "checkpoint.pt")
    if end in ("done", "stopped"):
        measure(run, valid, rank, world, progress)
    return end


def summed(world, *values):
    """Sums over all ranks, floats."""
    shared = torch.tensor(values, dtype=torch.float64, device=functional.CPU)
    if world > 1:
        dist.all_reduce(shared)
    return shared.tolist()


def learn(run, batch, share, world):
    """Take a step, when a share of the run is done.

    Returns
    -------
    good : bool
        The gradient was finite.
    figures : list of float
        What this rank adds to the means of loss, bits per pixel and PSNR.
    """
    cfg = run.cfg
    torch.manual_seed(batch.seed)
    run.gradient.zero_()
    bpp, mse, x_hat, _ = run.model(batch.seen, batch.lam, batch.noise, batch.wanted)
    d = distortion(cfg, run.model.q_of(batch.lam), batch.wanted, x_hat, mse)
    loss = (rate_weight(batch.lam) * (bpp + batch.lam * d)).mean()
    loss.backward()
    good = update(run, share, world)
    run.step += 1
    run.pixels += cfg.batch * cfg.crop**2
    psnr = (255**2 / mse.detach().clamp(min=1e-9)).log10().mean() * 10
    return good, [v.item() / world for v in (loss, bpp.mean(), psnr)]


def measure(run, valid, rank, world, progress):
    """Validate the averaged weights; keep the best ones for patience."""
    if run.validated is None:  # stays, or validations could not be compared
        run.validated = affordable(run, valid)
    run.swap()
    sizes = rank, world, run.validated
    points, loss = validate(run.model, valid, run.cfg, *sizes)
    better = loss < run.best
    if better and rank == 0 and run.cfg.patience:
        state.write(
            {"step": run.step, "model": run.model.state_dict()},
            Path(run.cfg.state) / "best.pt",
        )
    run.swap()
    run.best, run.since = (loss, 0) if better else (run.best, run.since + 1)
    bundle = against.model_of(run.cfg) if run.shipped is None else None
    if bundle is not None:
        model = against.Shipped(bundle, run.model)
        run.shipped, of_shipped = validate(model, valid, run.cfg, *sizes)
        if progress:
            progress.rows("shipped", run, run.shipped, of_shipped)
    if progress:
        far = against.described(points, run.shipped or [], against.name_of(run.cfg))
        progress.validation(run, points, loss, far)
