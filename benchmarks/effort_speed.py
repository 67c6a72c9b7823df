"""How long each effort takes by the clock: a table of docs/effort.md.

    python -m benchmarks.effort_speed PICTURES --csv FILE
    python -m benchmarks.effort_speed --csv FILE

The first measures all efforts in turns, all cores in one call as a single
`aecompress` has them, and writes FILE anew; it wants an idle machine. Both
print the table: seconds per megapixel of encoding, and milliseconds of
decoding what was encoded, medians over the pictures of the medians of each.
"""

import argparse
import time
from pathlib import Path

from codec.bench import pictures, tables
from codec.bench.store import Store

KEY = ("sha256", "threads", "quality", "effort", "turn", "model")
EFFORTS, QUALITY, PICTURES, TURNS = range(1, 10), 50, 3, 3


def measure(sources, turns):
    """Rows of all efforts, in turns."""
    import codec
    from codec.limits import cores
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
                yield {
                    "picture": source.name,
                    "sha256": source.sha256,
                    "pixels": x.shape[0] * x.shape[1],
                    "threads": threads,
                    "quality": QUALITY,
                    "effort": effort,
                    "turn": turn,
                    "encode_s": round(b - a, 4),
                    "decode_s": round(c - b, 4),
                    "model": model,
                }


def medians(rows, column):
    """Seconds per megapixel by effort: median of the pictures' medians."""
    found = rows.assign(found=1e6 * rows[column] / rows["pixels"])
    each = found.groupby(["effort", "sha256"])["found"].median()
    return each.groupby("effort").median()


def table(rows):
    """Markdown."""
    encode, decode = (medians(rows, c) for c in ("encode_s", "decode_s"))
    lines = (
        [
            effort,
            f"{encode[effort]:.2f}",
            f"{encode[effort] / encode[1]:.1f}",
            f"{1e3 * decode[effort]:.0f}",
        ]
        for effort in encode.index
    )
    header = ["Effort", "encode s/MP", "times effort 1", "decode ms/MP"]
    first = rows.iloc[0]
    return (
        f"{tables.markdown(header, lines, 0)}\n\n{rows['sha256'].nunique()} pictures "
        f"at quality {first['quality']}, {first['threads']} threads"
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
    store = Store(o.csv, KEY)
    if sources:
        store.rows = {}
        store.add(measure(sources[:PICTURES], o.turns))
        store.write()
    if not store.rows:
        p.error(f"{o.csv}: nothing there; name pictures to measure")
    print(table(store.frame()))


if __name__ == "__main__":
    main()
