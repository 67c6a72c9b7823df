"""The command ``aebench``, also ``python -m benchmarks``."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from . import (
    checks,
    codecs,
    metrics,
    pictures,
    report,
    run,
    speed,
    store,
    summary,
    tables,
    viewer,
)

QUICK_METRICS = ("psnr",)
QUICK_CODECS = (codecs.OURS, codecs.ANCHOR, "webp", codecs.tuned_avif("psnr"))


class UsageError(Exception):
    """A wrong option; exit 1, nothing measured."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(message)


def parser() -> argparse.ArgumentParser:
    """The options of aebench."""
    options = _Parser(
        prog="aebench",
        description="Measure this codec against JPEG, WebP, "
        "AVIF, JPEG XL and others on the pictures of a folder.",
        epilog="Exit code: 0 all measured, 1 a picture or codec was skipped, 130 "
        "interrupted; what was measured is kept, and the same command goes "
        "on from there.",
    )
    options.add_argument(
        "folder", nargs="?", type=Path, help="measure on the pictures of this folder"
    )
    options.add_argument(
        "--dataset",
        choices=["kodak"],
        help="measure on the Kodak pictures, from FOLDER or $"
        + pictures.KODAK_VARIABLE
        + " or the network",
    )
    options.add_argument(
        "--quick",
        action="store_true",
        help="measure PSNR only, ours against JPEG, WebP and AVIF",
    )
    options.add_argument(
        "--slow",
        action="store_true",
        help="measure HEIC and our other efforts too, which take longer than all others together",
    )
    options.add_argument(
        "--codecs",
        nargs="+",
        metavar="NAME",
        help="measure codecs of these names or patterns: "
        + " ".join(codecs.BUILDERS)
        + f"; {codecs.OURS}-eN-TUNE@MODEL is ours at effort N, tuned for a metric, "
        "with that model, each part left out for the default",
    )
    options.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        choices=list(metrics.METRICS),
        help="measure by these metrics: " + " ".join(metrics.METRICS),
    )
    options.add_argument(
        "--threads",
        default="1",
        help="give every codec so many threads: 1 (default), all, N",
    )
    options.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="start N processes (default: the cores that --threads leaves)",
    )
    options.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write results to DIR (default: bench-results)",
    )
    options.add_argument(
        "--report",
        action="store_true",
        help="make report.html of --out anew and measure nothing",
    )
    options.add_argument("--no-report", action="store_true", help="leave report.html as it is")
    options.add_argument(
        "--speed",
        action="store_true",
        help="measure time, memory and cold start instead; leave the machine alone meanwhile",
    )
    options.add_argument(
        "--max-megapixels",
        type=float,
        default=24,
        metavar="M",
        help="leave out larger sizes with --speed (default: 24)",
    )
    options.add_argument(
        "--fresh",
        action="store_true",
        help="measure the codecs again that are there already",
    )
    options.add_argument(
        "--markdown",
        nargs="?",
        const="",
        metavar="WORD",
        help="print the tables of --out, or those with WORD "
        "in their title, as Markdown and measure nothing",
    )
    options.add_argument(
        "--promises",
        action="store_true",
        help="print what this codec promises against AVIF, judged by --out, as "
        "Markdown and measure nothing",
    )
    options.add_argument(
        "--anchor",
        metavar="NAME",
        help="with --markdown: compare with that codec, or with "
        f"{summary.TUNED}: the AVIF that is tuned for the table's metric "
        f"(default: {codecs.ANCHOR})",
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns
    -------
    int
        The exit code.
    """
    try:
        options = parser().parse_args(arguments)
        options.out = options.out or Path("bench-results")
        if options.anchor and options.markdown is None:
            raise UsageError("--anchor is for --markdown")
        code = 0
        if options.markdown is not None:
            _print_markdown(options)
        elif options.promises:
            found, _ = _kept(options.out)
            print(tables.markdown(*checks.table(found.curves)))
        elif options.report:
            _write_report(options.out, *_kept(options.out))
        else:
            code = _measure(options)
        sys.stdout.flush()
        return code
    except (UsageError, pictures.PictureError) as error:
        print(f"aebench: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # As cut by `head`: nobody reads, so nothing is said either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("aebench: interrupted; what was measured is kept", file=sys.stderr)
        return 130


def _say(line):
    print(f"aebench: {line}", file=sys.stderr)


def _measure(options):
    try:
        threads = codecs.count_threads(options.threads)
    except ValueError:
        raise UsageError(f"--threads {options.threads}: 1, all or a number of threads") from None
    folder = options.folder
    if options.dataset == "kodak":
        folder = pictures.kodak(folder, _say)
    if folder is None:
        raise UsageError("give a folder of pictures or --dataset kodak")
    sources, refused = pictures.survey(folder)
    for name, reason in refused:
        _say(f"{name}: {reason}; skipped")
    if not sources:
        raise pictures.PictureError(f"{folder}: no picture to measure")
    names, missing_codecs = _choose_codecs(options)
    if options.speed:
        _measure_speed(options, names, sources, threads)
        return 1 if refused or missing_codecs else 0
    metric_names = _choose_metrics(options)
    plan = {name: codecs.load(name).settings for name in names}

    table = store.Store(options.out / f"{options.dataset or 'pictures'}.csv")
    changed = names if options.fresh else run.outdated(table, sources[0], names, threads)
    table.forget(lambda row: row["codec"] in changed)
    jobs = run.missing(table, sources, plan, metric_names, threads)
    n_jobs = options.jobs or max(1, (os.cpu_count() or 1) // threads)
    _say(
        f"{len(sources)} pictures, {len(plan)} codecs, "
        f"{sum(len(job.settings) for job in jobs)} of "
        f"{len(sources) * sum(map(len, plan.values()))} measurements to "
        "take"
    )
    failed = run.run(jobs, table, n_jobs, _say)
    versions = {name: codecs.load(name).version for name in names}
    table.forget(lambda row: row["version"] != versions.get(row["codec"], row["version"]))
    table.write(by=("codec", "threads", "version", "picture", "bytes"))
    meta = {
        "dataset": options.dataset or folder.name,
        "dataset_sha256": pictures.dataset_hash(sources),
        "n_pictures": len({source.sha256 for source in sources}),
        "pictures": {source.sha256: source.name for source in sources},
        "quick": options.quick,
        "metrics": metric_names,
        "codecs": {name: _card(name, plan[name]) for name in names},
        **store.environment(threads, n_jobs),
    }
    _keep_others(options.out / "environment.json", meta)
    store.write_json(options.out / "environment.json", meta)
    found = _read_back(table, meta)
    _write_curves(options.out, found, meta)
    _print_text(found, meta["n_pictures"])
    if not options.no_report:
        _keep_views(options, meta, sources, names, threads)
        _write_report(options.out, found, meta)
    return 1 if refused or failed or missing_codecs else 0


def _measure_speed(options, names, sources, threads):
    """Write ``speed-N.json`` for N threads, anew after every step."""
    sizes = [size for size in speed.SIZES if size[0] * size[1] / 1e6 <= options.max_megapixels]
    if not sizes:
        raise UsageError("--max-megapixels: the smallest size is 0.1")
    path = options.out / f"speed-{threads}.json"
    found = {
        **store.environment(threads, 1),
        "times": [],
        "memory": [],
        "cold_start_s": {},
    }
    if codecs.OURS in names:
        found["cold_start_s"] = speed.cold_start(sources[0])
    for row in speed.times(sources, names, threads, sizes, say=_say):
        found["times"].append(row)
        store.write_json(path, found)
    for width, height in sizes:
        for name in names:
            found["memory"].append(speed.memory(sources[0], name, threads, width, height))
            store.write_json(path, found)
    print(tables.text(tables.SPEED_HEADER, tables.speed_rows(found)))


def _card(name, settings):
    codec = codecs.load(name)
    return {
        "label": codec.label,
        "kind": codec.kind,
        "description": codec.description,
        "version": codec.version,
        "settings": [str(setting) for setting in settings],
    }


def _choose_codecs(options):
    """Codecs that can run, and whether one that was named cannot."""
    there = codecs.names()
    names = []
    for pattern in options.codecs or (QUICK_CODECS if options.quick else there):
        found = [name for name in there if fnmatch(name, pattern)]
        if not found and codecs.parse(pattern):
            found = [codecs.ours_name(**codecs.parse(pattern))]
        if not found:
            raise UsageError(f"--codecs {pattern}: no such codec; there are " + ", ".join(there))
        names += [name for name in found if name not in names]
    usable = []
    for name in names:
        try:
            codecs.load(name)
        except ImportError as error:
            _say(f"{name}: left out: {error}")
        else:
            if options.codecs or options.slow or not codecs.load(name).slow:
                usable.append(name)
    return usable, bool(options.codecs) and len(usable) < len(names)


def _choose_metrics(options):
    wanted = options.metrics or (QUICK_METRICS if options.quick else tuple(metrics.METRICS))
    usable = []
    for name in wanted:
        try:
            metrics.METRICS[name].require()
        except ImportError as error:
            if options.metrics:
                raise UsageError(f"--metrics {name}: {error}") from None
            _say(f"{name}: left out: {error}")
        else:
            usable.append(name)
    return usable


def _keep_others(path, meta):
    """Add what earlier runs on the same pictures measured of other codecs."""
    try:
        old = json.loads(path.read_text("utf-8"))
    except OSError:
        return
    if any(old[key] != meta[key] for key in ("dataset_sha256", "threads")):
        return
    meta["codecs"] = {**old["codecs"], **meta["codecs"]}
    known = {*old["metrics"], *meta["metrics"]}
    meta["metrics"] = [name for name in metrics.METRICS if name in known]


def _read_back(table, meta, anchor=None):
    """The summary of the rows that ``environment.json`` speaks of."""
    cards = meta["codecs"]
    rows = table.frame()
    version = {name: card["version"] for name, card in cards.items()}
    rows = rows[
        (rows["version"] == rows["codec"].map(version))
        & rows["sha256"].isin(meta["pictures"].keys())
        & (rows["threads"] == meta["threads"])
    ]
    return summary.summarise(rows, cards, meta["metrics"], anchor or codecs.ANCHOR)


def _write_curves(out, found, meta):
    short = {
        name: meta[name] for name in ("dataset", "dataset_sha256", "machine", "threads", "commit")
    }
    short["n_pictures"] = len(found.pictures)
    for name, curve in found.curves.items():
        file = name.replace("@", "-").replace("/", "-") + ".json"
        card = short | meta["codecs"][name]
        store.write_json(out / file, results_json(name, curve, card))


def results_json(name: str, curve: pd.DataFrame, meta: dict) -> dict:
    """One codec's mean curve as CompressAI's plotting tools read it [1]_.

    References
    ----------
    .. [1] https://github.com/InterDigitalInc/CompressAI, results/image/kodak
    """
    results = {"bpp": curve["bpp"], "compression-ratio": curve["ratio"]}
    for key, metric in metrics.METRICS.items():
        if key in curve:
            results[metric.result] = curve[metric.column]
            if not curve[key].equals(curve[metric.column]):
                results[metric.result + "-db"] = curve[key]
    return {
        "name": meta["label"],
        "description": meta["description"],
        "meta": {"codec": name, **meta},
        "results": {title: values.tolist() for title, values in results.items()},
    }


def _print_text(found, n_sources):
    if len(found.pictures) < n_sources:
        _say(
            f"only {len(found.pictures)} of {n_sources} pictures are whole "
            "in every codec; the means are over those"
        )
    for title, header, rows in summary.sections(found):
        print(f"\n{title}\n{tables.text(header, rows)}")
    if codecs.OURS in found.figures.get("psnr", {}):
        print("\nWhat must hold")
        for good, line in checks.judge(found.rows, found.curves):
            print(f"{'holds' if good else 'FAILS'}  {line}")


def _keep_views(options, meta, sources, names, threads):
    """Pictures for the viewer, made again only when something changed."""
    path = options.out / "viewer.json"
    key = [
        meta["dataset_sha256"],
        options.quick,
        {name: meta["codecs"][name]["version"] for name in names if name in viewer.SHOWN},
    ]
    if _load_json(path, {}).get("key") != key:
        views = viewer.choose(sources, names, threads, 2 if options.quick else 4, _say)
        store.write_json(path, {"key": key, "views": views})


def _write_report(out, found, meta):
    views = _load_json(out / "viewer.json", {}).get("views", [])
    speeds = [_load_json(path, {}) for path in sorted(out.glob("speed-*.json"))]
    text = report.page(found, meta, views, speeds)
    (out / "report.html").write_text(text, "utf-8")
    for metric in found.figures:
        plot = report.main_plot(found, meta["dataset"], metric)
        (out / f"{metric}.svg").write_text(plot, "utf-8")
    _say(f"{out / 'report.html'}: {len(text.encode()) / 1e6:.1f} MB")


def _load_json(path, otherwise):
    return json.loads(path.read_text("utf-8")) if path.exists() else otherwise


def _kept(out, anchor=None):
    """Summary and ``environment.json`` of a run that ended."""
    try:
        meta = json.loads((out / "environment.json").read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}") from None
    name = "kodak" if meta["dataset"] == "kodak" else "pictures"
    if (
        anchor not in (None, summary.TUNED)
        and meta["codecs"].get(anchor, {}).get("kind") != "lossy"
    ):
        raise UsageError(f"--anchor {anchor}: not among the lossy codecs of {out}")
    return _read_back(store.Store(out / f"{name}.csv"), meta, anchor), meta


def _print_markdown(options):
    """The tables of docs/results.md, each with the command that remakes it."""
    found, meta = _kept(options.out, options.anchor)
    folder = ("--dataset kodak" if meta["dataset"] == "kodak" else "FOLDER") + (
        " --quick" if meta["quick"] else ""
    )
    shown = [
        (title, f"aebench {folder}", header, rows)
        for title, header, rows in summary.sections(found)
    ]
    speeds_of = [_load_json(p, {}) for p in sorted(options.out.glob("speed-*.json"))]
    if speeds_of and found.figures:
        most = max(speeds_of, key=lambda speeds: speeds["threads"])
        title, header, rows = summary.glance(found, most, report.CAMERA)
        shown.insert(0, (title, f"aebench {folder}, and --speed", header, rows))
    for speeds in speeds_of:
        threads = speeds["threads"]
        shown.append(
            (
                f"Speed on 768 × 512 pixels, threads: {threads}",
                f"aebench {folder.removesuffix(' --quick')} --speed --threads {threads}",
                tables.SPEED_HEADER,
                tables.speed_rows(speeds, report.CAMERA),
            )
        )
    for title, command, header, rows in shown:
        if options.markdown in title:
            print(f"**{title}** (`{command}`)\n\n{tables.markdown(header, rows)}\n")
