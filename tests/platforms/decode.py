"""Decode the conformance set on the machine this runs on.

    python tests/platforms/decode.py "x86-64, two threads" --record x86-64

Each case's symbols must have the right CRC and its pixels must be near the
reference pictures. Exit code 1 if not. README.md tells how to run this on
other machines; ``--record NAME`` writes ``results/NAME.json``.
"""

import argparse
import datetime
import json
import pathlib
import platform
import struct
import sys
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from conformance import cases


def engine_decoder(options):
    """A function of a case's name: CRC of its symbols, pixels or None."""
    versions = {}
    if options.wasm:
        import wasm

        versions["onnxruntime-web"] = wasm.use(options.wasm)
    try:
        import constriction

        coder = "constriction"
        del constriction
    except ImportError:
        sys.path.append(str(HERE / "standin"))
        coder = "stand-in in Python"
    import numpy as np

    from codec import container
    from codec.model import find
    from codec.symbols.pipeline import Pipeline

    if not options.wasm:
        import onnxruntime

        versions["onnxruntime"] = onnxruntime.__version__
    pipeline = Pipeline(find.by_id(cases.SET["model"]), options.threads, not options.plain)
    if pipeline.exact.name == "C":
        coder = "core, in C"
    versions |= {"numpy": np.__version__, "coder": coder}

    def decode(name):
        header, _, payload = container.unpack(cases.data(name))
        size = header.height, header.width
        z, s = pipeline.read_symbols(payload, *size, header.quality)
        crc = zlib.crc32(s.tobytes(), zlib.crc32(z.tobytes()))
        if cases.CASES[name]["tolerance"] is None:
            return crc, None
        from codec.picture import as_grey

        pixels = pipeline.reconstruct(z, s, header.quality, *size)
        return crc, (as_grey(pixels) if header.colour == "grey" else pixels)

    return decode, versions


def reference_decoder(options):
    """The same with the slow reference decoder: symbols only."""
    import numpy as np
    from reference import decoder

    from codec.model import find

    def decode(name):
        folder = find.SHIPPED / find.DEFAULT
        _, z, s = decoder.decode_symbols(cases.data(name), folder)
        return zlib.crc32(struct.pack(f"<{len(z) + len(s)}h", *z, *s)), None

    return decode, {"numpy": np.__version__, "coder": "tests/reference"}


def pixels_of(name):
    """The reference picture without its alpha, as the graphs give it."""
    picture, case = cases.picture(name), cases.CASES[name]
    if "ALPH" in case["sections"]:
        picture = picture[..., :3]
        if case["colour"] == "grey":
            picture = picture[..., 0]
    return picture


def features():
    """What numpy found of the vector units that matter here."""
    import numpy as np

    core = np._core if hasattr(np, "_core") else np.core
    found = core._multiarray_umath.__cpu_features__
    return [n for n in ("SSE42", "AVX", "FMA3", "AVX2", "AVX512F", "ASIMD", "SVE") if found.get(n)]


def check(names, decode):
    """What came of the cases: a dict for the record."""
    row = {
        "cases": 0,
        "wrong_symbols": [],
        "wrong_pixels": [],
        "pictures": 0,
        "samples": 0,
        "differ": 0,
        "levels": 0,
        "worst_share": 0.0,
    }
    for name in names:
        start = time.time()
        case = cases.CASES[name]
        crc, pixels = decode(name)
        row["cases"] += 1
        if f"{crc:08x}" != case["symbol_crc"]:
            row["wrong_symbols"].append(name)
        if pixels is not None:
            reference = pixels_of(name)
            levels, count = cases.difference(pixels, reference)
            row["pictures"] += 1
            row["samples"] += pixels.size
            row["differ"] += count
            row["levels"] = max(row["levels"], levels)
            if pixels.size >= 1000:
                row["worst_share"] = max(row["worst_share"], count / pixels.size)
            if not cases.within(pixels, reference, case["tolerance"]):
                row["wrong_pixels"].append(name)
        print(f"{name}: {time.time() - start:.1f} s", flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", help="the machine, in words")
    parser.add_argument("--record", metavar="NAME")
    parser.add_argument(
        "--reference",
        action="store_true",
        help="symbols by tests/reference: Python and numpy are enough",
    )
    parser.add_argument(
        "--wasm", metavar="DIR", help="graphs in onnxruntime-web of DIR/node_modules"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--plain", action="store_true", help="without the engine's graph optimisations"
    )
    parser.add_argument("--max-pixels", type=int, default=1 << 30, help="leave out larger cases")
    options = parser.parse_args()
    make = reference_decoder if options.reference else engine_decoder
    start = time.time()
    decode, versions = make(options)
    row = check(
        [n for n, c in cases.CASES.items() if c["width"] * c["height"] <= options.max_pixels],
        decode,
    )
    row = {
        "what": options.what,
        "machine": platform.machine(),
        "cpu": features(),
        "python": platform.python_version(),
        "versions": versions,
        "model": cases.SET["model"],
        "all_cases": len(cases.CASES),
        "date": datetime.date.today().isoformat(),
        "seconds": round(time.time() - start),
    } | row
    print(json.dumps(row, indent=1))
    if options.record:
        (HERE / "results" / f"{options.record}.json").write_text(json.dumps(row, indent=1) + "\n")
    return 1 if row["wrong_symbols"] or row["wrong_pixels"] else 0


if __name__ == "__main__":
    sys.exit(main())
