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
import time
from pathlib import Path

import numpy as np

import codec
from codec.bench import curves, metrics, pictures, run, tables
from codec.bench.store import Store
from codec.model import find

EFFORTS, QUALITIES = tuple(range(1, 10)), (5, 20, 35, 50, 65, 80, 95)
KEY = ("sha256", "effort", "quality", "model")
OTHERS = {"jpeg-420": "JPEG 4:2:0", "avif-444-psnr": "AVIF tune=psnr"}


def measure(job):
    """Rows of one picture at the efforts and qualities of a job."""
    source, wanted = job
    encoders = {e: codec.Encoder(threads=1, effort=e) for e, _ in wanted}
    decoder, model = codec.Decoder(threads=1), find.load(None)
    x = pictures.read(source.path)
    n, rows = x.shape[0] * x.shape[1], []
    for encoder in encoders.values():
        encoder.encode(x[:64, :64])  # the graphs are loaded
    for effort, quality in wanted:
        t = time.process_time()
        data = encoders[effort].encode(x, quality)
        t = time.process_time() - t
        db = metrics.psnr(x, decoder.decode(data))
        error = model.multiplier(quality) * 255**2 * 10 ** (-db / 10)
        rows.append(
            {
                "picture": source.name,
                "sha256": source.sha256,
                "pixels": n,
                "effort": effort,
                "quality": quality,
                "bytes": len(data),
                "psnr_db": round(db, 5),
                "cost_bits": round(8 * len(data) + n * error),
                "encode_cpu_s": round(t, 3),
                "model": model.id,
            }
        )
    return (rows,)


def fill(store, sources, efforts, qualities, jobs):
    """Measure what the store does not have."""
    model, left = find.load(None).id, []
    for source in sources:
        todo = [
            (e, q)
            for e in efforts
            for q in qualities
            if store.lacking((source.sha256, e, q, model), ["bytes"])
        ]
        if todo:
            left.append((source, todo))
    with run.progress(len(left), "pictures") as bar:
        for _, rows in run.each(measure, left, jobs):
            store.add(rows)
            bar.update()


def mean_curve(rows):
    """(bpp, PSNR) of rows of equal settings, means over the pictures."""
    points = rows.assign(bpp=8 * rows["bytes"] / rows["pixels"])
    found = points.groupby("quality")[["bpp", "psnr_db"]].mean().sort_values("bpp")
    return tuple(found.to_numpy().T)


def others(path, shas):
    """Mean curves of other codecs on these pictures."""
    rows = Store(path).frame()
    rows = rows[rows["sha256"].isin(shas)]
    rows = rows.assign(quality=rows["setting"], pixels=rows["width"] * rows["height"])
    return {name: mean_curve(rows[rows["codec"] == name]) for name in OTHERS}


def figures(rows, rates=None):
    """One dict per effort, over pictures and qualities that all have.

    ``worst`` is by how many percent rate + lambda * error of any picture at
    any quality is above that of the best lower effort.
    """
    n_efforts = rows["effort"].nunique()
    rows = rows.groupby(["sha256", "quality"]).filter(lambda r: len(r) == n_efforts)
    anchors = others(rates, set(rows["sha256"])) if rates else {}
    found, least = [], np.inf
    plain = mean_curve(rows[rows["effort"] == 1])
    for effort, mine in rows.groupby("effort"):
        curve = mean_curve(mine)
        cost = mine.set_index(["sha256", "quality"])["cost_bits"]
        found.append(
            {
                "effort": int(effort),
                "pictures": mine["sha256"].nunique(),
                "qualities": sorted(mine["quality"].unique()),
                "cpu_ms": 1e9 * mine["encode_cpu_s"].sum() / mine["pixels"].sum(),
                "bd": curves.bd_rate(plain, curve),
                "worst": max(0.0, (100 * (cost / least - 1)).max()),
                "others": {n: curves.bd_rate(a, curve) for n, a in anchors.items()},
            }
        )
        least = np.minimum(cost, least)
    return found


def table(found):
    """Markdown."""
    names = list(found[0]["others"])
    header = [
        "Effort",
        "CPU ms/MP",
        "times plain",
        "BD-rate to effort 1, %",
        *(f"to {OTHERS[n]}, %" for n in names),
        "worst, %",
    ]
    rows = (
        [
            f["effort"],
            f"{f['cpu_ms']:.0f}",
            f"{f['cpu_ms'] / found[0]['cpu_ms']:.1f}",
            tables.signed(f["bd"]),
            *(tables.signed(f["others"][n]) for n in names),
            f"{f['worst']:.2f}",
        ]
        for f in found
    )
    return (
        f"{tables.markdown(header, rows, 0)}\n\n{found[0]['pictures']} pictures at "
        "quality " + ", ".join(f"{q:g}" for q in found[0]["qualities"])
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
    store = Store(o.csv, KEY)
    sources = [s for path in o.pictures for s in pictures.survey(path)[0]]
    fill(store, sources, o.efforts, o.qualities, o.jobs)
    rows = store.frame()
    if rows.empty:
        p.error(f"{o.csv}: nothing there; name pictures to measure")
    model = rows["model"].iloc[-1]  # of older ones nothing is said
    print(table(figures(rows[rows["model"] == model], o.rates)))


if __name__ == "__main__":
    main()
