"""The parser of both commands, the source of ``--help`` and man pages.

The command line contract is that of zstd and xz, with ``-q`` for quality as in
cwebp, cjxl and avifenc.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable

from ..errors import InputError
from ..limits import EFFORTS, MAX_BYTES, MAX_PIXELS, QUALITY, TUNES
from . import archives, features, jobs, rules, values
from .report import UsageError

TYPE_CHECKING = False  # typing takes long to load, and --help comes by here
if TYPE_CHECKING:
    from typing import Any, NoReturn

SHELLS = ("bash", "tcsh", "zsh")

EPILOG = """\
A second name is the output, unless it is or looks like an input too; with more
names, all are inputs. Without a name, the command reads standard input and writes
standard output.
Exit code: 0 good, 1 error, 2 warnings only, 130 interrupted.
"""


class Parser(argparse.ArgumentParser):
    """argparse, but a usage error is exit 1 and one line (see ``main``)."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        raise UsageError(f"{message}; see {self.prog} --help")


class _Size(argparse.Action):
    """Bytes are one option, bits per pixel and a share of the input others."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        value: Any,
        option_string: str | None = None,
    ) -> None:
        name = {values.Share: "target_share", float: "target_bpp"}.get(type(value), "target_size")
        setattr(namespace, name, value)


class Help(argparse.RawDescriptionHelpFormatter):
    """argparse's, but it does not load shutil to find the width."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, **{"width": columns() - 2, **more})


@functools.cache
def columns() -> int:
    """How wide the terminal is; 80 where nothing tells."""
    stdout: Any = sys.__stdout__
    try:
        return (
            int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(stdout.fileno()).columns or 80
        )
    except (AttributeError, ValueError, OSError):
        return 80


def parser(prog: str) -> Parser:
    """The parser of ``prog``, ``aecompress`` or ``aedecompress``.

    Both take all options, because ``-d`` makes one the other; each shows its own.
    """
    p = Parser(
        prog=prog,
        allow_abbrev=False,
        add_help=False,
        epilog=EPILOG,
        formatter_class=Help,
        usage=f"{prog} [options] [IN [OUT] | FILE...]",
        description={
            "aecompress": "Compress pictures to .aec files.",
            "aedecompress": "Turn .aec files back into pictures.",
        }[prog],
    )
    _shown(p, "names")(
        "files",
        nargs="*",
        metavar="FILE",
        help="path or URL; - is standard input or output",
    )
    _add_modes(p, prog)
    _add_compressing(_shown(p, "compressing", prog == "aecompress"))
    _add_decompressing(_shown(p, "decompressing", prog == "aedecompress"))
    _add_coding(_shown(p, "both ways"))
    _add_files(_shown(p, "files"))
    _add_messages(_shown(p, "messages"))
    return p


def _shown(p: Parser, title: str, shown: bool = True) -> Callable[..., Any]:
    """``add_argument`` of a new group, which help shows or hides."""
    group = p.add_argument_group(title)

    def add(*flags: str, help: str, **more: Any) -> Any:
        text = help if shown else argparse.SUPPRESS
        return group.add_argument(*flags, help=text, **more)

    return add


def _add_modes(p: Parser, prog: str) -> None:
    mode = "compress" if prog == "aecompress" else "decompress"
    p.set_defaults(mode=mode, target_bpp=None, target_share=None, rm=False)
    add = _shown(p, "what to do")
    hidden = _shown(p, "of the other command", False)
    for to, flags, value, text in (
        (
            add if prog == "aecompress" else hidden,
            ("-d", "--decompress"),
            "decompress",
            "act as aedecompress, with its options",
        ),
        (
            add if prog == "aecompress" else hidden,
            ("--compare",),
            "compare",
            "make a picture, IN-compare.png, of the original, a JPEG and the .aec "
            "file, both of equal size",
        ),
        (
            add if prog == "aecompress" else hidden,
            ("--view",),
            "view",
            "show FILEs in a browser: sizes, scores and a slider, at any quality",
        ),
        (add, ("-t", "--test"), "test", "decode fully, write nothing"),
        (add, ("-l", "--list"), "list", "show what the headers say"),
    ):
        to(*flags, dest="mode", action="store_const", const=value, help=text)
    (add if prog == "aedecompress" else hidden)(
        "--features",
        metavar="FILE.npy",
        help="write a row of numbers that describes each .aec file; write names to FILE.csv",
    )
    add("--json", action="store_true", help="print -l as JSON, in a stable form")
    add("-h", "--help", action="store_true", help="show this help")
    add(
        "-V",
        "--version",
        action="store_true",
        help="show the versions of program, format, engine and models",
    )
    add(
        "--models",
        nargs="?",
        const="list",
        choices=("list", "verify", "add", "save"),
        help="list the models that are here, verify them, add one from FILE, or save "
        "the decoder's part of the one of -m to FILE.zip",
    )
    add(
        "--completion",
        choices=SHELLS,
        metavar="SHELL",
        help=f"print the completions for {', '.join(SHELLS[:-1])} or {SHELLS[-1]}",
    )


def _add_compressing(add: Callable[..., Any]) -> None:
    add(
        "-q",
        "--quality",
        type=float,
        metavar="N",
        help=f"choose a quality of 1..100 ({QUALITY:g}), which is the mean SSIMULACRA 2 score "
        "to expect: 50 is medium, 70 high, 90 cannot be told from the original",
    )
    add(
        "--target-size",
        action=_Size,
        type=values.target_size,
        metavar="SIZE",
        help="find the best quality of at most SIZE: 20000, 20k or 20Ki bytes, "
        "10%% of the input, or 0.5bpp (bits per pixel)",
    )
    add(
        "--target-psnr",
        type=float,
        metavar="DB",
        help="find the smallest file with a PSNR of at least DB",
    )
    add(
        "--target-score",
        type=float,
        metavar="N",
        help="find the smallest file with an SSIMULACRA 2 of at least N, below 100",
    )
    add(
        "--effort",
        type=int,
        choices=EFFORTS,
        metavar="N",
        help="search longer for a smaller file, 1..9 (1): 2 takes 3 times as long and "
        "saves 1.8 %%, 5 takes 8 times and saves 6.2 %%, 9 takes 55 times and saves "
        "8.3 %%; of tables 1..9 (2)",
    )
    add(
        "--max-error",
        action="append",
        metavar="[COLUMN=]N[%]",
        help="of tables: how far the numbers of a column may be off, or of all "
        "columns of floats; 1%% is a share of the range; * is all columns "
        "(0.1%% of floats, 0 of others)",
    )
    add("--lossless", action="store_true", help="of tables: nothing may be off")
    add(
        "--tune",
        choices=TUNES,
        help="make files smaller by this metric: look (default) and psnr name the model, "
        "unless -m does; --effort 2 or more searches by it",
    )
    add(
        "--stack",
        action="store_true",
        help="put all inputs, of one size and colour, into the one file of -o",
    )
    add(
        "--pages",
        choices=("first", "all"),
        default="first",
        help="take the first page or frame of a file, or all of them as a stack (first)",
    )
    add(
        "--keep-all",
        dest="metadata",
        action="store_const",
        const="all",
        help="keep in the .aec file whatever the picture's file holds beside its samples "
        "and would else be left out, where `aedecompress` finds it (docs/pictures.md)",
    )
    add(
        "--with-model",
        action="store_true",
        help="put the decoder's part of the model once beside the files, in a folder "
        "aecompress-models, where aedecompress finds it",
    )
    add(
        "--skip-larger",
        action="store_true",
        help="leave inputs alone whose .aec file would not be smaller",
    )


def _add_decompressing(add: Callable[..., Any]) -> None:
    add(
        "--index",
        type=values.index,
        metavar="N",
        help="decode only picture N of a stack; the first is 0",
    )
    add(
        "--region",
        type=values.region,
        metavar="T,L,H,W",
        help="decode only H x W pixels from row T and column L on",
    )
    add(
        "--format",
        metavar="EXT",
        help="write this format (that of OUT's name, else png); kept: instead of the "
        "picture what --keep-all kept, the file that was compressed with zeros for its samples",
    )
    add(
        "--original-format",
        action="store_true",
        help="write the format, and the extension, that the compressed picture had; "
        "PNG where that is not known or cannot be written",
    )


def _add_coding(add: Callable[..., Any]) -> None:
    add(
        "-m",
        "--model",
        metavar="ID",
        help="use this model: a name, an id or a folder",
    )
    add(
        "--strip",
        dest="metadata",
        action="store_const",
        const=False,
        help="leave out Exif and XMP; keep the colour profile",
    )
    add(
        "-T",
        "--threads",
        type=values.count,
        metavar="N",
        help="use N cores, for one picture or for many at once (all)",
    )
    add(
        "--device",
        dest="provider",
        choices=("cpu", "gpu"),
        help="run the networks there (cpu); gpu needs an onnxruntime that has one",
    )
    add(
        "--max-pixels",
        type=values.count,
        metavar="N",
        default=MAX_PIXELS,
        help=f"refuse larger pictures ({MAX_PIXELS})",
    )
    add(
        "--max-bytes",
        type=values.count,
        metavar="N",
        default=MAX_BYTES,
        help=f"refuse tables of which more has to be in memory at once ({MAX_BYTES})",
    )


def _add_files(add: Callable[..., Any]) -> None:
    add("-o", "--output", metavar="FILE", help="write to FILE")
    add(
        "--output-dir",
        metavar="DIR",
        help="write into DIR, made if it is missing; with -r the same tree in it. "
        "A name that ends in .zip or .tar makes an archive",
    )
    add(
        "--suffix",
        choices=("replace", "append"),
        help="replace the old extension or append to it: a.jpg becomes a.aec or "
        "a.jpg.aec (replace; append where names collide)",
    )
    add(
        "-r",
        "--recursive",
        action="store_true",
        help="take all inputs in a folder and in the folders below it, or in an "
        "archive (.zip, .tar)",
    )
    add(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="leave out names, or paths in a tree, such as '*.gif' or 'raw/*'; may be "
        "given several times",
    )
    add(
        "--skip-existing",
        action="store_const",
        const=True,
        help="skip inputs whose outputs are there, sound and newer (default with -r)",
    )
    add(
        "--dry-run",
        action="store_true",
        help="print what would become what, and write nothing",
    )
    add("-c", "--stdout", action="store_true", help="write to standard output")
    add("-f", "--force", action="store_true", help="replace outputs that exist")
    add(
        "-p",
        "--preserve",
        action="store_true",
        help="give outputs the times of their inputs as well as the permissions",
    )
    add(
        "--scheduler",
        metavar="URL",
        help="work on the Dask cluster at URL (tcp://host:8786), whose workers must "
        "see the same files; outputs that exist count as done",
    )
    add(
        "-k",
        "--keep",
        dest="rm",
        action="store_const",
        const=False,
        help="keep inputs (default)",
    )
    add(
        "--rm",
        action="store_const",
        const=True,
        help="delete an input after its output was read back, decoded and compared; "
        "inputs with a warning are kept",
    )


def _add_messages(add: Callable[..., Any]) -> None:
    add(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="print a line per file, also where a PNG would be smaller; twice: times as well",
    )
    add(
        "--quiet",
        action="count",
        default=0,
        help="print no warnings and no summary; twice: no errors either",
    )
    add("--no-progress", action="store_true", help="show no bar, even on a terminal")


def parse(prog: str, argv: list[str]) -> argparse.Namespace:
    """Parse and check a command line.

    Returns
    -------
    argparse.Namespace
        With ``jobs``, a list of Job, and ``problems``, a list of exceptions
        about inputs that cannot be read, besides the options.

    Raises
    ------
    UsageError
        Nothing was read.
    """
    # What follows "--" is names; argparse's own treatment differs between
    # Python versions once options and names are mixed.
    cut = argv.index("--") if "--" in argv else len(argv)
    options = parser(prog).parse_intermixed_args(argv[:cut])
    options.prog = prog
    options.files += argv[cut + 1 :]
    if not (options.help or options.version or options.completion or options.models):
        if options.skip_existing is None:
            options.skip_existing = options.recursive and not options.force
        features.check(options)
        _split(options)
        rules.check(options)
        _set_coding(options)
        options.problems = []
        archives.prepare(options, lambda name: jobs.looks_like_input(name, options.mode))
        options.jobs = (
            jobs.make(options, options.problems.append)
            if options.files or options.mode != "view"
            else []
        )
    return options


def _set_coding(options: argparse.Namespace) -> None:
    """``encode`` and ``decode``: what the flags say, as the codec takes it."""
    from ..options import DecodeOptions, EncodeOptions  # slow to load

    options.encode = _options(options, EncodeOptions)
    options.decode = _options(options, DecodeOptions)
    if options.target_share is not None:
        _options(
            argparse.Namespace(**{**vars(options), "target_size": 1}), EncodeOptions
        )  # which refuses a second goal
    if options.mode not in ("compress", "compare", "view"):
        for name in EncodeOptions.__annotations__:
            if name in DecodeOptions.__annotations__ or not getattr(options, name):
                continue
            flag = name.replace("_", "-").replace("target-bpp", "target-size")
            raise UsageError(f"--{flag} is for compressing; see {options.prog} --help")


def _split(options: argparse.Namespace) -> None:
    """Take OUT off the names: a folder at the end, or what can only be that."""
    names = options.files
    if (
        len(names) < 2
        or options.mode not in ("compress", "decompress")
        or options.output
        or options.output_dir
        or options.stdout
        or options.recursive
        or options.stack
    ):
        return
    if os.path.isdir(names[-1]) or names[-1].endswith(("/", os.sep)):
        options.output_dir = names.pop()
    elif len(names) == 2 and jobs.is_output(names[1], options.mode):
        options.output = names.pop()


def _options(options: argparse.Namespace, kind: Any) -> Any:
    """The value of ``kind`` that the flags say; each is called as its field.

    Raises
    ------
    UsageError
        Out of range, or excluding each other.
    """
    fields = {name: getattr(options, name) for name in kind.__annotations__}
    try:
        return kind().changed(**fields)
    except InputError as error:
        raise UsageError(f"{error}; see {options.prog} --help") from None
