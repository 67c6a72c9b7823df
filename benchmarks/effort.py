"""What effort costs and gains: the table of docs/effort.md.

    python -m benchmarks.effort PICTURES --csv FILE
    python -m benchmarks.effort --csv FILE --rates FOLDER/kodak.csv

The first measures what FILE does not have yet, picture by picture, in one
thread each, and prints the table; the second prints it only. FILE has a row
per picture, effort and quality: bytes and PSNR of the whole file, rate +
lambda * error in bits, and the processor time of encoding, which unlike the
clock's hardly depends on what else the machine does. With ``--rates``, the
results of `aebench`, BD-rates against other codecs are added, over the
pictures that FILE has.
"""

import argparse
import concurrent.futures
import csv
import multiprocessing
import time
from pathlib import Path

import numpy as np

from codec.bench import curves, pictures
from codec.search.targets import psnr

EFFORTS, QUALITIES = tuple(range(1, 10)), (5, 20, 35, 50, 65, 80, 95)
COLUMNS = (
    "picture",
    "sha256",
    "pixels",
    "effort",
    "quality",
    "bytes",
    "psnr_db",
    "cost_bits",
    "encode_cpu_s",
    "model",
)
OTHERS = {"jpeg-420": "JPEG 4:2:0", "avif-444": "AVIF 4:4:4"}


def measure(source, efforts, qualities):
    """Rows of one picture."""
    import codec
    from codec.model import find

    encoder, decoder = codec.Encoder(threads=1), codec.Decoder(threads=1)
    model, x = find.load(None), pictures.read(source.path)
    n, rows = x.shape[0] * x.shape[1], []
    encoder.encode(x[:64, :64], effort=2)  # the graphs are loaded
    for effort in efforts:
        for quality in qualities:
            t = time.process_time()
            data = encoder.encode(x, quality, effort=effort)
            t = time.process_time() - t
            db = psnr(x, decoder.decode(data))
            error = model.multiplier(quality) * 255**2 * 10 ** (-db / 10)
            rows.append(
                dict(
                    zip(
                        COLUMNS,
                        (
                            source.name,
                            source.sha256,
                            n,
                            effort,
                            quality,
                            len(data),
                            round(db, 5),
                            round(8 * len(data) + n * error),
                            round(t, 3),
                            model.id,
                        ),
                    )
                )
            )
    return rows


def read(path):
    """Rows of a file, numbers as such; none if there is no file."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8") as f:
        return [
            {
                k: v if k in ("picture", "sha256", "model") else float(v)
                for k, v in row.items()
            }
            for row in csv.DictReader(f)
        ]


def add(path, rows):
    """Append rows to a file, which may be new."""
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as f:
        out = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        if new:
            out.writeheader()
        out.writerows(rows)


def fill(path, sources, efforts, qualities, jobs):
    """Measure the pictures that the file does not have whole."""
    from codec.model import find

    there = {
        (r["sha256"], r["effort"], r["quality"])
        for r in read(path)
        if r["model"] == find.load(None).id
    }
    left = []
    for source in sources:
        todo = tuple(
            e
            for e in efforts
            if any((source.sha256, e, q) not in there for q in qualities)
        )
        if todo:
            left.append((source, todo, qualities))
    with concurrent.futures.ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn")
    ) as pool:
        for done in concurrent.futures.as_completed(
            [pool.submit(measure, *one) for one in left]
        ):
            add(path, done.result())


def mean_curve(rows):
    """(bpp, PSNR) of rows of equal settings, means over the pictures."""
    points = {}
    for row in rows:
        points.setdefault(row["quality"], []).append(
            (8 * row["bytes"] / row["pixels"], row["psnr_db"])
        )
    found = sorted(tuple(np.mean(p, 0)) for p in points.values())
    return tuple(np.array(x) for x in zip(*found))


def others(path, shas):
    """Mean curves of other codecs on these pictures."""
    with open(path, encoding="utf-8") as f:
        rows = [
            dict(
                quality=r["setting"],
                bytes=int(r["bytes"]),
                pixels=int(r["width"]) * int(r["height"]),
                psnr_db=float(r["psnr_db"]),
                codec=r["codec"],
            )
            for r in csv.DictReader(f)
            if r["sha256"] in shas
        ]
    return {
        name: mean_curve([r for r in rows if r["codec"] == name]) for name in OTHERS
    }


def figures(rows, rates=None):
    """One dict per effort, over pictures and qualities that all have.

    ``worst`` is by how many percent rate + lambda * error of any picture at
    any quality is above that of the best lower effort.
    """
    by = {}
    for row in rows:
        by.setdefault(row["effort"], {})[row["sha256"], row["quality"]] = row
    shared = sorted(set.intersection(*(set(x) for x in by.values())))
    shas = {sha for sha, _ in shared}
    anchors = others(rates, shas) if rates else {}
    found, least = [], dict.fromkeys(shared, np.inf)
    plain = mean_curve([by[1.0][k] for k in shared])
    for effort in sorted(by):
        mine = [by[effort][k] for k in shared]
        curve = mean_curve(mine)
        cost = {k: by[effort][k]["cost_bits"] for k in shared}
        found.append(
            {
                "effort": int(effort),
                "pictures": len(shas),
                "qualities": sorted({q for _, q in shared}),
                "cpu_ms": 1e9
                * sum(r["encode_cpu_s"] for r in mine)
                / sum(r["pixels"] for r in mine),
                "bd": curves.bd_rate(plain, curve),
                "worst": max(0.0, *(100 * (cost[k] / least[k] - 1) for k in shared)),
                "others": {n: curves.bd_rate(a, curve) for n, a in anchors.items()},
            }
        )
        least = {k: min(least[k], cost[k]) for k in shared}
    return found


def _percent(value):
    return "–" if value is None else f"{value:+.1f}".replace("-", "−")


def table(found):
    """Lines of Markdown."""
    names = list(found[0]["others"])
    head = [
        "Effort",
        "CPU ms/MP",
        "times plain",
        "BD-rate to effort 1, %",
        *(f"to {OTHERS[n]}, %" for n in names),
        "worst, %",
    ]
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---:|" * len(head)
    for f in found:
        yield (
            "| "
            + " | ".join(
                [
                    str(f["effort"]),
                    f"{f['cpu_ms']:.0f}",
                    f"{f['cpu_ms'] / found[0]['cpu_ms']:.1f}",
                    _percent(f["bd"]),
                    *(_percent(f["others"][n]) for n in names),
                    f"{f['worst']:.2f}",
                ]
            )
            + " |"
        )
    yield ""
    yield (
        f"{found[0]['pictures']} pictures at quality "
        + ", ".join(f"{q:g}" for q in found[0]["qualities"])
    )


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("pictures", type=Path, nargs="*", help="folders or files")
    p.add_argument("--csv", type=Path, required=True)
    p.add_argument("--rates", type=Path, help="CSV of an aebench run")
    p.add_argument("--efforts", type=int, nargs="+", default=EFFORTS)
    p.add_argument("--qualities", type=float, nargs="+", default=QUALITIES)
    p.add_argument("--jobs", type=int, default=1)
    o = p.parse_args(argv)
    sources = [s for path in o.pictures for s in pictures.survey(path)[0]]
    if sources:
        fill(o.csv, sources, o.efforts, o.qualities, o.jobs)
    rows = read(o.csv)
    if not rows:
        p.error(f"{o.csv}: nothing there; name pictures to measure")
    model = rows[-1]["model"]  # of older ones nothing is said
    rows = [row for row in rows if row["model"] == model]
    print(*table(figures(rows, o.rates)), sep="\n")


if __name__ == "__main__":
    main()
