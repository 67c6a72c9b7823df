"""The log of a run: a CSV, a picture of its curves, a line of progress.

A row is ``COLUMNS``; validations write one row per lambda, with the score of
SSIMULACRA 2 and each term that a loss can have (``loss.TERMS``), whatever is
trained for.
"""

import csv
import math
import os
import sys
import time
from pathlib import Path

COLUMNS = "kind", "hours", "step", "pixels", "loss", "bpp", "psnr", "lambda", "score"
# What stood behind these in logs whose first line did not say so.
UNNAMED = "mse", "mae", "bce", "ms-ssim", "ssimulacra2"
KINDS = "train", "valid", "shipped"  # the last: the model that a run is compared with
ROW_SECONDS = 30  # of training in one row


def read(log):
    """Rows of a log as dicts of numbers, none where there is no file."""
    try:
        with open(log, newline="") as f:
            names, *rows = csv.reader(f)
    except (FileNotFoundError, ValueError):
        return []
    names = [*COLUMNS, *(names[len(COLUMNS) :] or UNNAMED)]
    return [
        {"kind": r[0]} | {n: float(v) for n, v in zip(names[1:], r[1:]) if v}
        for r in rows
        if len(r) >= 7 and r[0] in KINDS
    ]


def last(rows, kind):
    """The last validation of a kind, by rising lambda."""
    rows = [r for r in rows if r["kind"] == kind]
    # A resumed run may have validated the same step twice.
    found = {r["lambda"]: r for r in rows if r["step"] == rows[-1]["step"]}
    return sorted(found.values(), key=lambda r: r["lambda"])


def last_validation(log, step):
    """Rows of the last validation up to a step, by rising lambda."""
    return last([r for r in read(log) if r["step"] <= step], "valid")


class Log:
    """Writes the log; what a killed run wrote after its checkpoint goes.

    Parameters
    ----------
    file : path-like
    step : int
        Where the run goes on; later rows are dropped.
    """

    def __init__(self, file, step):
        from .loss import TERMS  # brings torch

        file = Path(file)
        self.columns = [*COLUMNS, *TERMS]
        old = [r for r in read(file) if r["step"] <= step] if step else []
        tmp = file.with_suffix(".csv.tmp")
        with open(tmp, "w", newline="") as f:
            out = csv.writer(f, lineterminator="\n")
            out.writerow(self.columns)
            for r in old:
                values = [r.get(n, "") for n in self.columns]
                out.writerow([f"{v:.12g}" if isinstance(v, float) else v for v in values])
        os.replace(tmp, file)
        self.out = open(file, "a", buffering=1, newline="")
        self.csv = csv.writer(self.out, lineterminator="\n")

    def row(self, kind, state, *values):
        self.csv.writerow([kind, f"{state.seconds / 3600:.5f}", state.step, state.pixels, *values])


class Progress:
    """Means over the steps since the last row, and the line on stderr.

    Parameters
    ----------
    log : Log
    """

    def __init__(self, log):
        self.log, self.live = log, sys.stderr.isatty()
        self.shown = self.since = time.monotonic()
        self.clear()

    def clear(self):
        self.n, self.pixels, self.sums = 0, 0, [0.0, 0.0, 0.0]

    def step(self, state, pixels, loss, bpp, psnr):
        """Count one step; say and write what is due."""
        for i, v in enumerate((loss, bpp, psnr)):
            self.sums[i] += v
        self.n, self.pixels = self.n + 1, self.pixels + pixels
        now = time.monotonic()
        due = now - self.since >= ROW_SECONDS
        if due or self.live and now - self.shown >= 1:
            self.say(self.line(state, now), "\n" if due else "")
            self.shown = now
        if due:
            self.row(state, now)

    def row(self, state, now=None):
        """Write a row of what was not written yet."""
        if self.n:
            loss, bpp, psnr = (s / self.n for s in self.sums)
            self.log.row("train", state, f"{loss:.5f}", f"{bpp:.4f}", f"{psnr:.3f}")
        self.since = now or time.monotonic()
        self.clear()

    def line(self, state, now):
        loss, bpp, psnr = (s / self.n for s in self.sums)
        rate = self.pixels / max(now - self.since, 1e-3)
        return (
            f"{state.seconds / 3600:7.3f} h  step {state.step}  "
            f"{rate / 1e6:.2f} MP/s  loss {loss:.4f}  {bpp:.3f} bpp  "
            f"{psnr:.2f} dB  norm {state.norm or 0:.3g}  "
            f"left {_duration(left(state))}"
        )

    def say(self, line, end="\n"):
        """On a terminal a line replaces an unfinished one."""
        start = "\r\x1b[K" if self.live else ""
        try:
            print(start + line, end=end, file=sys.stderr, flush=True)
        except OSError:
            pass  # nobody listens any more; the run goes on

    def validation(self, state, points, loss, far=""):
        """Say and write one validation, and how far it is from the shipped model."""
        self.say(
            f"valid {state.seconds / 3600:.3f} h  step {state.step}  "
            f"{state.pixels / 1e9:.2f} GP  loss {loss:.4f}  bpp/dB/score  "
            + "  ".join(f"{b:.3f}/{p:.2f}/{s:.1f}" for _, b, p, s, *_ in points)
        )
        if far:
            self.say(far)
        self.rows("valid", state, points, loss)

    def rows(self, kind, state, points, loss):
        """Write one validation, a row for each lambda."""
        for lam, bpp, psnr, *more in points:
            self.log.row(
                kind,
                state,
                f"{loss:.5f}",
                f"{bpp:.5f}",
                f"{psnr:.4f}",
                lam,
                *(f"{v:.4f}" for v in more),
            )


def left(state):
    """Seconds that the run still takes, about."""
    if not state.cfg.steps:
        return state.cfg.hours * 3600 - state.seconds
    return (state.cfg.steps - state.step) * state.seconds / max(state.step, 1)


def _duration(seconds):
    minutes = max(0, round(seconds / 60))
    return f"{minutes // 60}:{minutes % 60:02} h" if minutes >= 5 else f"{max(0, seconds):.0f} s"


def mean_by_step(rows, name):
    """(hours, mean of a column) of each validation."""
    steps = {}
    for r in rows:
        steps.setdefault(r["step"], {})[r["lambda"]] = r
    found = [list(by_lambda.values()) for by_lambda in steps.values()]
    return [(rs[0]["hours"], sum(r[name] for r in rs) / len(rs)) for rs in found]


def draw(log, picture):
    """Plot a log; does nothing without matplotlib.

    Returns
    -------
    bool
        Whether ``picture`` was written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    rows = read(log)
    train = [r for r in rows if r["kind"] == "train"]
    valid = [r for r in rows if r["kind"] == "valid"]
    if not rows:
        return False
    fig = Figure(figsize=(15, 4), layout="constrained")
    loss, rd, terms = fig.subplots(1, 3)
    once = {r["step"]: r for r in valid}.values()
    for part, style, label in (
        (train, "-", "training"),
        (once, "o-", "validation, averaged weights"),
    ):
        loss.plot(
            [r["hours"] for r in part],
            [r["loss"] for r in part],
            style,
            lw=1,
            ms=3,
            label=label,
        )
    low = sorted(r["loss"] for r in train + valid if math.isfinite(r["loss"])) or [0, 1]
    loss.set(
        xlabel="hours",
        ylabel="loss",
        title="Loss",
        ylim=(low[0] * 0.97, low[int(len(low) * 0.97)] * 1.03),
    )
    loss.legend()
    steps = sorted({r["step"] for r in valid})
    for step in {*steps[:1], *steps[len(steps) // 2 :][:1], *steps[-1:]}:
        part = [r for r in valid if r["step"] == step]
        rd.plot(
            [r["bpp"] for r in part],
            [r["psnr"] for r in part],
            "o-",
            lw=1,
            ms=3,
            label=f"{part[0]['hours']:.2f} h",
        )
    shipped = last(rows, "shipped")
    rd.plot([r["bpp"] for r in shipped], [r["psnr"] for r in shipped], "k--", lw=1, label="shipped")
    rd.set(
        xlabel="bits per pixel (estimated)",
        ylabel="PSNR, dB",
        title="Validation",
        xscale="log",
    )
    rd.legend()
    names = [n for n in {n: 0 for r in valid for n in r} if n not in COLUMNS]
    for name in names:
        points = mean_by_step([r for r in valid if math.isfinite(r.get(name, math.nan))], name)
        if points and points[0][1]:
            hours, means = zip(*points)
            terms.plot(hours, [m / means[0] for m in means], "o-", lw=1, ms=3, label=name)
    terms.set(
        xlabel="hours",
        ylabel="mean over qualities / its first value",
        title="Terms of the loss",
    )
    if names:
        terms.legend()
    for axes in (loss, rd, terms):
        axes.grid(alpha=0.3)
    tmp = Path(f"{picture}.tmp")
    fig.savefig(tmp, format="png", dpi=110)
    os.replace(tmp, picture)
    return True
