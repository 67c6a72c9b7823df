"""Time and memory that damage, lies and bombs can cost.

    python tests/fuzz/cost.py [--write [GROUP...]]

``--write`` puts the tables into SECURITY.md, with the rows of the groups
that are named, or of all, measured anew.
Each group runs in a process of its own. CPU seconds, as wall-clock time says
more about what else the machine does; MiB are the peak of the process, of
which the libraries and the model alone take what the first line says.
"""

import json
import pathlib
import re
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "SECURITY.md"
sys.path.insert(0, str(HERE.parent))

from conformance import cases
from data import make_bad, table_bombs

from codec.bench.peak import peak_mib


def flips(data):
    """Every file that differs in one bit."""
    for i in range(8 * len(data)):
        bad = bytearray(data)
        bad[i // 8] ^= 1 << i % 8
        yield bytes(bad)


def swapped(data):
    """Sections exchanged, doubled and left out, sealed again."""
    from codec import container

    header, sections, payload = container.unpack(data)
    found = [(k.encode(), v) for k, v in sections.items()]
    bare = container.pack(header, payload)
    for a in found:
        for b in found:
            yield make_bad.with_sections(bare, a, b)
            yield make_bad.with_sections(bare, (a[0], b[1]), (b[0], a[1]))


def claim(width, height, n_bytes):
    """A small file that claims to be large."""
    from codec import container

    noise = bytes(i * i * 7 % 251 + 1 for i in range(n_bytes))
    data = make_bad.with_payload(cases.data("block-64x64"), noise)
    assert container.unpack(data)
    return make_bad.patch(data, 14, struct.pack("<HH", width, height))


def shortest(width, height):
    """A file that claims so much, hardly longer than the model demands."""
    from codec import FormatError, container
    from codec.model import find
    from codec.symbols import coder
    from codec.symbols.stages import quality_index

    header, n = container.unpack(claim(width, height, 68))[0], 68
    tables = find.load().tables
    while True:
        try:
            coder.check_size(tables, n, container.z_cells(header), quality_index(header.quality))
            return claim(width, height, n)
        except FormatError:
            n += n // 8 * 4  # whole words


def groups():
    """Name to function that gives files, all of them wrong but the first."""
    small, full = cases.data("block-64x64"), cases.data("metadata")
    alpha = cases.data("alpha-80x50")
    return {
        "a sound file of 64 x 64": lambda: [small],
        "tests/data/bad": lambda: [f[-1] for f in make_bad.files()],
        "cut at every byte": lambda: [d[:n] for d in (small, alpha) for n in range(len(d))],
        "every single bit flipped": lambda: flips(small),
        "every bit flipped, checksum mended": lambda: (make_bad.seal(d) for d in flips(small[:-4])),
        "sections swapped or doubled": lambda: swapped(full),
        "what inflates to 64 MiB, or 16 of a section": lambda: [b[-1] for b in make_bad.bombs()],
        "100 bytes claim 16384 x 16384": lambda: [claim(16384, 16384, 68)],
        "65 kB claim 16384 x 16384": lambda: [claim(16384, 16384, 65536)],
        "100 bytes claim 9400 x 9400": lambda: [claim(9400, 9400, 68)],
        "as few bytes as may claim 9400 x 9400": lambda: [shortest(9400, 9400)],
        "the conformance tables, cut at every byte": lambda: (
            d[:n] for d in tables() for n in range(len(d))
        ),
        "the conformance tables, every bit flipped": lambda: (
            f for d in tables() for f in flips(d)
        ),
        "tables that claim texts without end": lambda: [
            table_bombs.texts("columns", "<U99999", 1, 1),
            table_bombs.texts("arrow", "large_string", 1, 1 << 20),
            table_bombs.texts("columns", "O", 1 << 20, 1000, 1),
            table_bombs.nested("pandas"),
            table_bombs.long_names(),
        ],
        "a table of 2^27 numbers, of 100 bytes": lambda: [table_bombs.constants()],
        "a table of 2^20 numbers that take longest": lambda: [table_bombs.slow(1 << 20)],
        "a table of 4096 columns that take longest": lambda: [
            table_bombs.slow(2, buckets=2, nbits=0, columns=4096)
        ],
    }


def tables():
    """The sound files of tables."""
    folder = HERE.parent / "conformance" / "tables"
    return [f.read_bytes() for f in sorted(folder.glob("*.aec")) if f.name[:4] != "bad-"]


def measure(name):
    """Decode a group; a dict of what it cost."""
    import codec

    decode = codec.table.decode if "table" in name else codec.decode
    decode(tables()[0] if "table" in name else cases.data("one-pixel"))  # loads what there is
    n, errors, slowest = 0, {}, 0
    for data in groups()[name]():
        start = time.process_time()
        try:
            decode(data)
            outcome = "decoded"
        except codec.CodecError as error:
            outcome = type(error).__name__
        slowest = max(slowest, time.process_time() - start)
        n += 1
        errors[outcome] = errors.get(outcome, 0) + 1
    # Not getrusage: its peak starts with the parent's at the fork.
    peak = peak_mib()
    return {"files": n, "outcomes": errors, "slowest": slowest, "mib": peak}


def fuzz_table():
    """The long runs that were recorded, the last of each target."""
    last = {r["target"]: r for r in json.loads((HERE / "results.json").read_text())}
    return (
        "| Target | Executions | Seconds | Findings | Date |\n"
        "|---|---:|---:|---:|---|\n"
        + "".join(
            f"| {r['target']} | {r['executions']:,} | {r['seconds']:,} | 0 | {r['date']} |\n"
            for r in last.values()
        )
    )


def put(page, mark, text):
    """A page with another text between two marks."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    return re.sub(f"{begin}.*?{end}", lambda _: begin + text + end, page, flags=re.S)


def main():
    if sys.argv[1:] and sys.argv[1] != "--write":
        print(json.dumps(measure(sys.argv[1])))
        return
    lines = [
        "| Files | How many | Outcome | Slowest, CPU s | MiB |\n",
        "|---|---:|---|---:|---:|\n",
    ]
    page = PAGE.read_text()
    for name in groups():
        old = re.search(rf"^\| {re.escape(name)} \|.*\n", page, flags=re.M)
        if old and sys.argv[2:] and name not in sys.argv[2:]:
            lines.append(old[0])
            continue
        done = subprocess.run(
            [sys.executable, __file__, name], check=True, capture_output=True, text=True
        )
        r = json.loads(done.stdout)
        outcome = ", ".join(
            f"{v} {k}" if len(r["outcomes"]) > 1 else k for k, v in sorted(r["outcomes"].items())
        )
        lines.append(
            f"| {name} | {r['files']} | {outcome} | {r['slowest']:.3f} | {r['mib']:.0f} |\n"
        )
        print(lines[-1], end="", flush=True)
    if sys.argv[1:]:
        page = put(page, "cost", "".join(lines))
        PAGE.write_text(put(page, "fuzz", fuzz_table()))


if __name__ == "__main__":
    main()
