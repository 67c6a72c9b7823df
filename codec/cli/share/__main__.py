"""Makes the man pages and completions again: ``python -m codec.cli.share``."""

import os
import sys
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

import codec

from ..options import parser
from . import _NAMES

_SECTIONS = """\
.SH EXAMPLES
.nf
aecompress photo.png                      photo.aec
aecompress \\-q 80 photo.png small.aec      quality 1..100
aecompress \\-\\-target\\-size 200k photo.png  the best of at most 200,000 bytes
aecompress \\-r photos \\-\\-output\\-dir small   a whole tree
aecompress \\-\\-stack *.png \\-o digits.aec     all of one size in one file
aedecompress small.aec back.webp          any format that Pillow writes
aedecompress \\-\\-index 7 digits.aec        one picture of a stack
.fi
.SH SEE ALSO
.BR aecompress (1),
.BR aedecompress (1)
"""


def make(prog):
    """Name and text of each file that belongs to a command."""
    yield f"{prog}.1", page(prog)
    for shell, name in _NAMES.items():
        p = parser(prog)
        for action in p._actions:
            if action.dest in ("files", "output", "model"):
                action.complete = shtab.FILE
            if action.dest == "output_dir":
                action.complete = shtab.DIRECTORY
        yield name.format(prog), shtab.complete(p, shell)


def page(prog):
    """The man page of a command."""
    p = parser(prog)
    epilog, p.epilog = p.epilog, None
    page = Manpage(p)
    page.date = ""  # the same text on every day
    page.source = f"aecompress {codec.__version__}"
    page.manual = "aecompress"
    names, _, codes = epilog.strip().partition("Exit code: ")
    text = (
        str(page)
        .rstrip()
        .replace(
            f".SH NAME\n{prog}\n",  # whatis wants the purpose there
            f".SH NAME\n{prog} \\- {p.description[0].lower()}{p.description[1:-1]}\n",
        )
    )
    return (
        text
        + f"\n.SH NAMES\n{names.strip()}\n"
        + f".SH EXIT STATUS\n{codes}\n"
        + _SECTIONS
    )


def main():
    os.environ["COLUMNS"] = "80"
    for prog in "aecompress", "aedecompress":
        for name, text in make(prog):
            (Path(__file__).parent / name).write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
