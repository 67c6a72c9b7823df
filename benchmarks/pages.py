"""Make tables of the documentation anew, each by the command it names.

    python -m benchmarks.pages --valid VALID ... [PAGE[:WORD] ...]

A table stands between ``<!-- table: COMMAND -->`` and ``<!-- end -->``; what
COMMAND prints replaces it. TRAIN, VALID, KODAK and DIGITS in a command are
folders of pictures, WORK is a folder for the time of the command; commands joined
by ``&&`` run in turn. ``PAGE:WORD`` takes only tables whose command has the
word. A page is written when all its commands have succeeded.
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = "train", "valid", "kodak", "digits"
MARKED = re.compile(r"(<!-- table: (.*?) -->\n).*?(<!-- end -->)", re.S)


def output(command, folders):
    """What a command prints, the last one of several.

    Parameters
    ----------
    command : str
    folders : dict of str to str
        What the words in capitals stand for.

    Raises
    ------
    SystemExit
        A folder was not named, or a command failed.
    """
    with tempfile.TemporaryDirectory() as work:
        known, done = {**folders, "WORK": work}, None
        for part in command.split(" && "):
            words = [_meant(word, known) for word in shlex.split(part)]
            words[0] = str(Path(sys.executable).with_name(words[0]))
            print(*words, file=sys.stderr)
            done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                raise SystemExit(f"{part}: exit code {done.returncode}")
    return done.stdout.strip() + "\n"


def _meant(word, known):
    """A word of a command, or the path that it begins with the name of."""
    first, *rest = word.split("/")
    if first not in known:
        return word
    if known[first] is None:
        raise SystemExit(f"--{first.lower()} is missing, for {word}")
    return str(Path(known[first], *rest))


def written(text, folders, word=""):
    """A page with its tables made anew."""
    return MARKED.sub(
        lambda m: m[0] if word not in m[2] else m[1] + output(m[2], folders) + m[3],
        text,
    )


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument(
        "pages",
        nargs="*",
        metavar="PAGE[:WORD]",
        help="README.md and all of docs if none is named",
    )
    for name in FOLDERS:
        p.add_argument(f"--{name}", metavar="FOLDER")
    o = p.parse_args(argv)
    folders = {n.upper(): getattr(o, n) and str(Path(getattr(o, n)).resolve()) for n in FOLDERS}
    pages = o.pages or ["README.md", *map(str, sorted((ROOT / "docs").glob("*.md")))]
    for page in pages:
        path, _, word = page.partition(":")
        path = ROOT / path
        old = path.read_text("utf-8")
        new = written(old, folders, word)
        if new != old:
            path.write_text(new, "utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
