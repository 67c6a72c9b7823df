"""Write the table of docs/platforms.md from the files in results/.

python tests/platforms/table.py
"""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "platforms.md"
SET = HERE.parent / "conformance" / "cases.json"
MARKS = "<!-- table -->\n", "<!-- end of table -->\n"


def rows():
    """What was recorded."""
    found = [json.loads(p.read_text()) for p in sorted(HERE.glob("results/*.json"))]
    return sorted(found, key=lambda r: (r["machine"] != "x86_64", r["what"]))


def line(r):
    """One row of the table."""
    versions = ", ".join(f"{k} {v}" for k, v in sorted(r["versions"].items()) if k != "coder")
    share = (
        f"{r['differ']:,} of {r['samples']:,}, by {r['levels']}"
        if r["pictures"]
        else "not computed"
    )
    worst = f"{100 * r['worst_share']:.3f} %" if r["pictures"] else ""
    right = r["cases"] - len(r["wrong_symbols"])
    return (
        f"| {r['what']} | {', '.join(r['cpu'])} | {versions} | "
        f"{r['versions']['coder']} | {right} of {r['cases']} | {share} | "
        f"{worst} |\n"
    )


def table():
    """The table, with a line on where it is from."""
    found = rows()
    models = sorted({r["model"] for r in found})
    shipped = json.loads(SET.read_text())["model"]
    old = (
        ""
        if models == [shipped]
        else (
            f"The set is of model {shipped} now, of which this says nothing: it "
            f"is to be measured again.\n"
        )
    )
    return (
        "| Machine | Vector units | Engine | Entropy coder | Files with the "
        "right symbols | Samples that differ, levels | Worst file |\n"
        "|---|---|---|---|---|---|---|\n"
        + "".join(map(line, found))
        + f"\nModel {', '.join(models)}; measured "
        f"{' and '.join(sorted({r['date'] for r in found}))}.\n{old}"
    )


def written(page):
    """A page with the table of now in it."""
    begin, end = MARKS
    return re.sub(f"{begin}.*?{end}", lambda _: begin + table() + end, page, flags=re.S)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
