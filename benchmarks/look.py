"""How small models are at the same look, on crops of validation pictures.

    python -m benchmarks.look [MODEL ...] --valid FOLDER [--efforts 1 5]

Codes crops as whole files with each model (a folder, or the name of a shipped
one; by default the default one) at each effort and tune, and prints BD-rates by
each metric, each against the AVIF that is tuned for that metric (4:4:4, speed
6). What OUT has of a model's id is not measured again, so that another model or
metric costs its own rows only; rows of a model whose files have changed with
the code go by themselves.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from codec.bench import codecs, curves, metrics, pictures, run, tables
from codec.bench.store import Store


def crops(folder: Path, out: Path, count: int, side: int) -> list[pictures.Source]:
    """The middles of pictures spread over a folder, kept as PNG files.

    Parameters
    ----------
    folder : path-like
    out : Path
    count : int
    side : int
        In pixels; a smaller picture stays as it is.
    """
    found = pictures.survey(folder)[0]
    place = out / f"crops-{count}x{side}"
    place.mkdir(parents=True, exist_ok=True)
    for i in np.linspace(0, len(found) - 1, min(count, len(found))).astype(int):
        file = place / f"{Path(found[i].name).stem}.png"
        if not file.exists():
            Image.fromarray(middle(pictures.read(found[i].path), side)).save(file)
    return pictures.survey(place)[0]


def middle(pixels: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """The middle of a picture, at most so large."""
    y, x = (max(0, n - most) // 2 for n, most in zip(pixels.shape, (height, width or height)))
    return np.ascontiguousarray(pixels[y : y + height, x : x + (width or height)])


def measured(
    sources: list[pictures.Source], plan: dict, names: list[str], out: Path, jobs: int
) -> dict:
    """Mean curves of all codecs of a plan, measured where they are missing."""
    store = Store(out / "look.csv")
    changed = run.outdated(store, sources[0], list(plan), 1)
    store.forget(lambda row: row["codec"] in changed)
    failed = run.run(run.missing(store, sources, plan, names, 1), store, jobs)
    if failed:
        raise SystemExit(f"{len(failed)} measurements failed")
    rows = store.frame()
    versions = {name: codecs.load(name).version for name in plan}
    rows = rows[rows["version"] == rows["codec"].map(versions)]
    rows = rows[rows["sha256"].isin([source.sha256 for source in sources])]
    text = {name: [str(s) for s in settings] for name, settings in plan.items()}
    return curves.mean_curves(rows, text)[0]


def report(found: dict, ours: list[str], names: list[str]) -> str:
    """Markdown: all metrics, then each metric's bands."""
    figures = {
        name: curves.compare(
            {n: found[n] for n in (codecs.tuned_avif(name), *ours)},
            codecs.tuned_avif(name),
            name,
        )
        for name in names
    }
    header = ["BD-rate % by"] + [
        f"{metrics.METRICS[n].title}, to tune={metrics.METRICS[n].opponent}" for n in names
    ]
    labels = {n: codecs.load(n).label for n in found}
    whole = [[labels[o], *(tables.signed(figures[n][o]["rate"]) for n in names)] for o in ours]
    return "\n\n".join(
        [tables.markdown(header, whole)]
        + [
            f"By {metrics.METRICS[n].title}\n\n"
            + tables.markdown(
                tables.bd_header(n),
                tables.bd_rows(figures[n], labels, codecs.tuned_avif(n)),
            )
            for n in names
        ]
    )


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("models", nargs="*", metavar="MODEL", default=[None])
    p.add_argument("--valid", type=Path, required=True, help="a folder of pictures")
    p.add_argument("--out", type=Path, default=Path("look-results"))
    p.add_argument("--efforts", type=int, nargs="+", default=[1])
    p.add_argument("--tunes", nargs="+", default=[None])
    p.add_argument("--qualities", type=float, nargs="+", help="of ours")
    p.add_argument("--metrics", nargs="+", choices=metrics.METRICS, default=list(metrics.METRICS))
    p.add_argument("--crops", type=int, default=12)
    p.add_argument("--side", type=int, default=384)
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--fresh", action="store_true", help="measure ours again")
    o = p.parse_args(argv)
    ours = [
        codecs.ours_name(effort, tune, model)
        for model in o.models
        for effort in o.efforts
        for tune in o.tunes
    ]
    if o.fresh:
        Store(o.out / "look.csv").forget(lambda row: row["codec"] in ours)
    plan = {name: codecs.load(name).settings for name in map(codecs.tuned_avif, o.metrics)}
    plan |= {name: o.qualities or codecs.load(name).settings for name in ours}
    sources = crops(o.valid, o.out, o.crops, o.side)
    found = measured(sources, plan, o.metrics, o.out, o.jobs)
    print(report(found, ours, o.metrics))


if __name__ == "__main__":
    main()
