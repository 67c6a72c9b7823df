"""How long each effort takes by the clock: a table of docs/effort.md.

    python -m benchmarks.effort_speed PICTURES --csv FILE
    python -m benchmarks.effort_speed --csv FILE

The first measures all efforts in turns, all cores in one call as a single
`aecompress` has them, and writes FILE anew; it wants an idle machine. Both
print the table: seconds per megapixel of encoding, and milliseconds of
decoding what was encoded, medians over the pictures of the medians of each.
"""

import argparse
import csv
import statistics
import time
from pathlib import Path

from codec.bench import pictures

COLUMNS = (
    "picture",
    "sha256",
    "pixels",
    "threads",
    "quality",
    "effort",
    "turn",
    "encode_s",
    "decode_s",
    "model",
)
EFFORTS, QUALITY, PICTURES, TURNS = range(1, 10), 50, 3, 3


def measure(sources, turns):
    """Rows of all efforts, in turns."""
    import codec
    from codec.cli.pool import cores
    from codec.model import find

    model, threads = find.load(None).id, cores()
    encoders = {e: codec.Encoder(threads=threads, effort=e) for e in EFFORTS}
    decoder = codec.Decoder(threads=threads)
    for source in sources:
        x = pictures.read(source.path)
        decoder.decode(encoders[2].encode(x, QUALITY))  # graphs are loaded
        for turn in range(turns):
            for effort, encoder in encoders.items():
                a = time.perf_counter()
                data = encoder.encode(x, QUALITY)
                b = time.perf_counter()
                decoder.decode(data)
                c = time.perf_counter()
                yield dict(
                    zip(
                        COLUMNS,
                        (
                            source.name,
                            source.sha256,
                            x.shape[0] * x.shape[1],
                            threads,
                            QUALITY,
                            effort,
                            turn,
                            round(b - a, 4),
                            round(c - b, 4),
                            model,
                        ),
                    )
                )


def medians(rows, effort, column):
    """Seconds per megapixel: median of the pictures' medians."""
    found = {}
    for r in rows:
        if int(r["effort"]) == effort:
            found.setdefault(r["sha256"], []).append(
                1e6 * float(r[column]) / int(r["pixels"])
            )
    return statistics.median(map(statistics.median, found.values()))


def table(rows):
    """Lines of Markdown."""
    yield "| Effort | encode s/MP | times effort 1 | decode ms/MP |"
    yield "|---:|---:|---:|---:|"
    plain = medians(rows, 1, "encode_s")
    for effort in sorted({int(r["effort"]) for r in rows}):
        seconds = medians(rows, effort, "encode_s")
        yield (
            f"| {effort} | {seconds:.2f} | {seconds / plain:.1f} | "
            f"{1e3 * medians(rows, effort, 'decode_s'):.0f} |"
        )
    yield ""
    n = len({r["sha256"] for r in rows})
    yield (
        f"{n} pictures at quality {rows[0]['quality']}, {rows[0]['threads']} threads"
    )


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument(
        "pictures",
        type=Path,
        nargs="*",
        help=f"folders or files; the first {PICTURES} are used",
    )
    p.add_argument("--csv", type=Path, required=True)
    p.add_argument("--turns", type=int, default=TURNS)
    o = p.parse_args(argv)
    sources = [s for path in o.pictures for s in pictures.survey(path)[0]]
    if sources:
        rows = list(measure(sources[:PICTURES], o.turns))
        with open(o.csv, "w", newline="", encoding="utf-8") as f:
            out = csv.DictWriter(f, COLUMNS, lineterminator="\n")
            out.writeheader()
            out.writerows(rows)
    if not o.csv.exists():
        p.error(f"{o.csv}: nothing there; name pictures to measure")
    with open(o.csv, encoding="utf-8") as f:
        print(*table(list(csv.DictReader(f))), sep="\n")


if __name__ == "__main__":
    main()
