"""Makes the man pages and completions again: ``python -m codec.cli.share``."""

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

import codec
from codec.bench import cli as aebench
from codec.training import cli as aetrain

from .. import options
from . import _NAMES

_PARSERS = {
    "aecompress": functools.partial(options.parser, "aecompress"),
    "aedecompress": functools.partial(options.parser, "aedecompress"),
    "aebench": aebench.parser,
    "aetrain": aetrain.parser,
}
_EXAMPLES = {
    "aecompress": """\
aecompress photo.png                      write photo.aec
aecompress -q 80 photo.png small.aec      at quality 80
aecompress --compare photo.png            show it beside a JPEG of equal size
aecompress --target-size 200k photo.png   the best of at most 200,000 bytes
aecompress --target-psnr 38 photo.png     the smallest of at least 38 dB
aecompress --effort 5 photo.png           search longer for a smaller file
aecompress -r photos --output-dir small   a whole tree
aecompress --rm -p -r photos              in place of the pictures
aecompress --stack *.png -o digits.aec    pictures of one size in one file
aecompress - < photo.png > photo.aec      from a stream to a stream
""",
    "aedecompress": """\
aedecompress small.aec                    write small.png
aedecompress small.aec back.webp          any format that Pillow writes
aedecompress -t *.aec                     decode everything, write nothing
aedecompress -l --json *.aec              size, quality and model, as JSON
aedecompress --index 7 digits.aec         picture 7 of a stack
aedecompress --features all.npy *.aec     describe files by rows of numbers
""",
    "aebench": """\
aebench photos --quick                    PSNR only, fewer codecs
aebench photos --out results              everything, results/report.html
aebench --report --out results            the page again, nothing measured
aebench photos --speed --threads all      times and memory
""",
    "aetrain": """\
aetrain photos --out mine --hours 20      a new model of the shipped kind
aetrain photos --init look --hours 1      fine-tune the shipped model
aetrain --preset digits --out digits      a small model of handwritten digits
aetrain --resume --state mine-state       go on after a kill
aecompress -m mine photo.png              use the model
""",
}


def make(prog: str) -> Iterator[tuple[str, str]]:
    """Name and text of each file that belongs to a command."""
    yield f"{prog}.1", page(prog)
    for shell, name in _NAMES.items():
        p = _PARSERS[prog]()
        p.prog = prog
        for action in p._actions:
            if action.dest == "folder" or action.metavar in ("DIR", "MODEL"):
                action.complete = shtab.DIRECTORY
            elif action.dest in ("files", "output", "model", "init", "save_weights"):
                action.complete = shtab.FILE
        yield name.format(prog), shtab.complete(p, shell)


def page(prog: str) -> str:
    """The man page of a command."""
    p = _PARSERS[prog]()
    epilog, p.epilog = p.epilog, None
    page = Manpage(p)
    page.date = ""  # the same text on every day
    page.source = f"aecompress {codec.__version__}"
    page.manual = "aecompress"
    what = re.split(r"\.(?:\s|$)", p.description)[0]
    names, _, codes = epilog.strip().rpartition("Exit code: ")
    parts = [
        str(page)
        .rstrip()
        .replace(  # whatis wants the purpose there
            f".SH NAME\n{prog}\n",
            f".SH NAME\n{prog} \\- {what[0].lower()}{what[1:]}\n",
        ),
        f".SH NOTES\n{names.strip()}" if names else "",
        f".SH EXIT STATUS\n{codes}",
        f".SH EXAMPLES\n.nf\n{_EXAMPLES[prog]}.fi".replace("-", "\\-"),
        ".SH SEE ALSO\n" + ",\n".join(f".BR {n} (1)" for n in _PARSERS if n != prog),
    ]
    return "\n".join(filter(None, parts)) + "\n"


def main() -> None:
    """Write the man pages and completions into this folder."""
    os.environ["COLUMNS"] = "80"
    for prog in _PARSERS:
        for name, text in make(prog):
            (Path(__file__).parent / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
