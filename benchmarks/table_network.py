"""What a network in a table's file could save at most: a trial, not a part of the codec.

    python -m benchmarks.table_network [TABLE...] [--error 1%] [--rows 50000] [--effort 2]
        [--hidden 16]

Each column of numbers is coded twice: as always, and with one more column beside it that
a network has predicted, of which no bytes are counted. The network (two hidden layers)
sees the columns before, of the same row and of the row before, as plans may; a network
that sees the column's own past would have to run row after row. It is trained on the very
rows that are coded. What it saves is compared with its own size at one byte a weight,
which no file could go below by much.
"""

import argparse

import numpy as np

from benchmarks.tables import TABLES
from codec.table import choose, file, groups

EPOCHS, BATCH, KINDS = 8, 512, 24


def inputs(known):
    """What the network sees: float32 (n, inputs)."""
    found = []
    for values, there in zip(known.values[-24:], known.there[-24:], strict=True):
        kinds = np.unique(values)
        if len(kinds) <= KINDS:
            one = (values[:, None] == kinds[None, 1:]).astype(np.float32)
        else:
            one = _scaled(values)[:, None]
        if there is not None:
            one = np.concatenate([one * there[:, None], there[:, None]], 1)
        found += [one, np.concatenate([one[:1], one[:-1]])]
    return np.concatenate(found, 1).astype(np.float32)


def _scaled(values):
    middle, spread = np.median(values), np.std(values.astype(np.float64))
    return np.clip((values - middle) / (spread or 1), -8, 8).astype(np.float32)


def predict(known, stream, hidden):
    """A column as the network has it, int64 (n,), and the bytes of its weights."""
    import torch

    torch.manual_seed(0)
    x = torch.from_numpy(inputs(known))
    own = stream.own.astype(np.float64)
    middle, spread = np.median(own), np.std(own)
    y = torch.from_numpy(((stream.wanted - middle) / spread).astype(np.float32))
    rows = np.arange(len(x)) if stream.there is None else np.flatnonzero(stream.there)
    net = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], hidden),
        torch.nn.GELU(),
        torch.nn.Linear(hidden, hidden),
        torch.nn.GELU(),
        torch.nn.Linear(hidden, 1),
    )
    steps = max(2000, EPOCHS * len(rows) // BATCH)
    way = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-4)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(way, steps)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        at = torch.from_numpy(rng.choice(rows, min(BATCH, len(rows))))
        loss = (net(x[at])[:, 0] - y[at]).abs().mean()
        way.zero_grad()
        loss.backward()
        way.step()
        fall.step()
    with torch.no_grad():
        found = net(x)[:, 0].double().numpy() * spread + middle
    weights = sum(p.numel() for p in net.parameters())
    return np.rint(np.clip(found, own.min(), own.max())).astype(np.int64), weights


class Taught(choose.Chooser):
    """Measures beside what it chooses what the network would have saved."""

    hidden = 16
    measured: dict[int, tuple[int, int, int]] = {}  # by the streams before

    def choose(self, stream):
        found = super().choose(stream)
        own = stream.own
        if not (stream.number and self.known.values) or len(own) < 1000 or own.min() == own.max():
            return found
        guess, weights = predict(self.known, stream, self.hidden)
        first = len(self.known.values)
        self.add(guess, None)
        taught = super().choose(stream)
        self.take(first)
        sizes = [len(data) + choose.size_of(plan) for plan, data, _ in (found, taught)]
        # Several lattices are tried for a column, of which the shortest is kept.
        one = (*sizes, weights)
        self.measured[first] = min(self.measured.get(first, one), one)
        return found


def main(argv=None):
    p = argparse.ArgumentParser(prog="python -m benchmarks.table_network")
    p.add_argument("tables", nargs="*", default=list(TABLES))
    p.add_argument("--error", default="1%")
    p.add_argument("--rows", type=int, default=50000)
    p.add_argument("--effort", type=int, default=2)
    p.add_argument("--hidden", type=int, default=16, help="width of the layers")
    options = p.parse_args(argv)
    groups.Chooser, Taught.hidden = Taught, options.hidden
    print("| Table | Columns | Bytes | Saved by free networks, % | Saved less their weights, % |")
    print("|---|---:|---:|---:|---:|")
    for name in options.tables:
        Taught.measured = {}
        frame = TABLES[name]().iloc[: options.rows]
        size = len(file.encode(frame, options.error, effort=options.effort))
        gross = sum(max(0, a - b) for a, b, _ in Taught.measured.values())
        net = sum(max(0, a - b - w) for a, b, w in Taught.measured.values())
        print(
            f"| {name} | {len(Taught.measured)} | {size} | {100 * gross / size:.1f} "
            f"| {100 * net / size:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
