"""Coverage-guided fuzzing with atheris; see README.md beside this file.

python tests/fuzz/run.py parser --runs 1000000
"""

import argparse
import datetime
import json
import pathlib
import sys
import time

import atheris

with atheris.instrument_imports(include=["codec", "PIL.PngImagePlugin"]):
    import targets

HERE = pathlib.Path(__file__).parent
TESTS = HERE.parent
RESULTS = HERE / "results.json"


def seeds():
    """Small sound files, and the bad ones that are kept."""
    files = [*TESTS.glob("conformance/files/*.aec"), *TESTS.glob("data/bad/*.aec")]
    return [f.read_bytes() for f in files if f.stat().st_size < 1000]


def mutate(data, max_size, seed):
    """Libfuzzer's mutation, then mostly a checksum that fits."""
    data = bytes(
        atheris.Mutate(bytes(data), len(data))
        if seed % 5 == 0
        else atheris.Mutate(bytes(data), max_size)
    )
    if seed % 8 == 0 or len(data) < 5:
        return data
    return targets.mended(data) if seed % 8 > 2 else targets.sealed(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=targets.TARGETS)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument(
        "--seconds",
        type=int,
        default=0,
        help="stop after so many; 0: not before --runs",
    )
    parser.add_argument(
        "--corpus",
        type=pathlib.Path,
        required=True,
        help="folder that grows; crashers go there too",
    )
    parser.add_argument(
        "--timeout",
        type=int,
        default=10,
        help="seconds by the clock that an input may take; more where others stop this one",
    )
    parser.add_argument("--seed", type=int, default=0, help="0: any")
    parser.add_argument("--record", action="store_true", help=f"add the outcome to {RESULTS.name}")
    options = parser.parse_args()
    corpus = options.corpus / options.target
    corpus.mkdir(parents=True, exist_ok=True)
    function = targets.TARGETS[options.target]
    if options.target != "encoder":
        known = seeds()
        if options.target == "table":
            known = [data for _, data in targets.table_seeds()]
        for i, data in enumerate(known):
            (corpus / f"seed-{i}").write_bytes(data)
        # The model is loaded then, which is not to count as a slow file.
        function(known[0])
    count, start = 0, time.time()
    to_record = options.record

    def one(data):
        nonlocal count, to_record
        count += 1
        function(data)
        seconds = time.time() - start
        if to_record and (count == options.runs or 0 < options.seconds <= seconds):
            to_record = False
            record(options.target, count, seconds)

    # A little longer than asked, for the last one to be recorded.
    seconds = options.seconds + 20 if options.seconds else 0
    arguments = [
        sys.argv[0],
        f"-runs={options.runs}",
        f"-max_total_time={seconds}",
        "-max_len=2000",
        "-len_control=0",
        f"-timeout={options.timeout}",
        "-rss_limit_mb=1500",
        f"-seed={options.seed}",
        f"-artifact_prefix={corpus}/crash-",
        "-print_final_stats=1",
        str(corpus),
    ]
    hooks = {} if options.target in ("encoder", "table") else {"custom_mutator": mutate}
    atheris.Setup(arguments, one, **hooks)
    atheris.Fuzz()  # does not return


def record(target, count, seconds):
    """Note a run that came to its end without a crash."""
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows.append(
        {
            "target": target,
            "executions": count,
            "seconds": round(seconds),
            "date": datetime.date.today().isoformat(),
        }
    )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
