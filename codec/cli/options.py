"""The parser of both commands, the source of ``--help`` and man pages.

The command line contract is that of zstd and xz, with ``-q`` for quality as in
cwebp, cjxl and avifenc.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import sys
from collections.abc import Callable

from ..errors import InputError
from ..limits import EFFORTS, MAX_PIXELS, QUALITY, TUNES
from . import archives, features, jobs
from .jobs import STREAM
from .report import UsageError

TYPE_CHECKING = False  # typing takes long to load, and --help comes by here
if TYPE_CHECKING:
    from typing import Any, NoReturn

SHELLS = ("bash", "tcsh", "zsh")
_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
}

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


class Share(float):
    """A part of the size of an input, 0..1."""


class _Size(argparse.Action):
    """Bytes are one option, bits per pixel and a share of the input others."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        value: Any,
        option_string: str | None = None,
    ) -> None:
        name = {Share: "target_share", float: "target_bpp"}.get(type(value), "target_size")
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
        help="describe .aec files by a row of numbers each; write their names to FILE.csv",
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
        help=f"1..100 ({QUALITY:g}): the SSIMULACRA 2 score of pictures on average, "
        "50 is medium, 70 high, 90 cannot be told from the original",
    )
    add(
        "--target-size",
        action=_Size,
        type=_target_size,
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
        help="1..9 (1): search longer for a smaller file; 2 takes 3 times as long "
        "for 1.8 %% less, 5 takes 8 times for 6.2 %% less, 9 takes 55 times for "
        "8.3 %% less",
    )
    add(
        "--tune",
        choices=TUNES,
        help="what files are smaller for: look (default) and psnr name the model, "
        "unless -m does; --effort 2 or more searches for it",
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
        help="of a file of several pages or frames, take them all as a stack (first)",
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
        type=_index,
        metavar="N",
        help="decode only picture N of a stack; the first is 0",
    )
    add(
        "--region",
        type=_region,
        metavar="T,L,H,W",
        help="decode only H x W pixels from row T and column L on",
    )
    add(
        "--format",
        metavar="EXT",
        help="write this format (that of OUT's name, else png)",
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
        type=_count,
        metavar="N",
        help="use N cores, for one picture or for many at once (all)",
    )
    add(
        "--device",
        dest="provider",
        choices=("cpu", "gpu"),
        help="where the networks run (cpu); gpu needs an onnxruntime that has one",
    )
    add(
        "--max-pixels",
        type=_count,
        metavar="N",
        default=MAX_PIXELS,
        help=f"refuse larger pictures ({MAX_PIXELS})",
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
        help="what a new extension does to the old one: a.jpg becomes a.aec or "
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
        "said several times",
    )
    add(
        "--skip-existing",
        action="store_const",
        const=True,
        help="count outputs as done that are there, sound and newer than their "
        "inputs (default with -r)",
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
        _check(options)
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


def _check(options: argparse.Namespace) -> None:
    """Raise UsageError where options clash."""
    several = len(options.files) > 1
    compresses = options.mode == "compress"
    writes = options.mode in ("compress", "decompress", "compare")
    to_stream = (
        options.stdout or options.output == STREAM or not options.files and not options.output
    )
    streams = not writes or to_stream or STREAM in options.files
    to = options.output or options.stdout
    rules = (
        (
            options.format is not None and options.mode != "decompress",
            "--format is for decompressing",
        ),
        (options.json and options.mode != "list", "--json needs -l"),
        (
            options.stack and not (compresses and to),
            "--stack is for compressing, and needs -o or -c",
        ),
        (
            options.stack and (options.rm or options.preserve),
            "--stack clashes with --rm and -p",
        ),
        (
            options.pages == "all" and (not compresses or options.stack or options.rm),
            "--pages all is for compressing, without --stack and --rm",
        ),
        (
            options.mode == "compare" and options.rm,
            "--compare keeps its inputs; it clashes with --rm",
        ),
        (
            options.index is not None and (options.mode != "decompress" or options.rm),
            "--index is for decompressing, without --rm",
        ),
        (
            options.region is not None
            and (options.mode != "decompress" or options.rm or options.index is not None),
            "--region is for decompressing, without --rm and --index",
        ),
        (
            options.output is not None and several and not options.stack,
            "-o takes one input",
        ),
        (options.output is not None and options.stdout, "-o clashes with -c"),
        (
            options.output_dir is not None and (options.output or options.stdout),
            "--output-dir clashes with -o and -c",
        ),
        (
            options.output_dir is not None and (not options.files or STREAM in options.files),
            "--output-dir needs named inputs",
        ),
        (options.recursive and to and not options.stack, "-r clashes with -o and -c"),
        (options.recursive and not options.files, "-r needs named inputs"),
        (options.stdout and several and not options.stack, "-c takes one input"),
        (options.files.count(STREAM) > 1, "- is named twice"),
        (options.rm and streams, "--rm needs named inputs and outputs"),
        (options.preserve and streams, "-p needs named inputs and outputs"),
        (options.output == "", "-o needs a name"),
        (
            options.dry_run and (streams or options.stack),
            "--dry-run needs named inputs and outputs",
        ),
        (
            options.original_format
            and (options.mode != "decompress" or options.format or options.output),
            "--original-format is for decompressing, without --format and -o",
        ),
        (
            (options.skip_larger or options.target_share or options.with_model) and not compresses,
            "--skip-larger, --target-size and --with-model are for compressing",
        ),
        (
            options.target_share and (options.stack or options.pages == "all"),
            "--target-size N% is for single pictures",
        ),
        (
            options.rm and archives.is_archive(options.output_dir),
            "--rm clashes with an archive as output",
        ),
        ("" in options.files, "an empty file name"),
    )
    for clash, message in rules:
        if clash:
            raise UsageError(f"{message}; see {options.prog} --help")
    _check_scheduler(options)


def _check_scheduler(options: argparse.Namespace) -> None:
    """Raise UsageError where an option does not go with --scheduler."""
    if options.scheduler is None:
        return
    for clash, name in (
        (
            options.mode not in ("compress", "decompress"),
            "-t, -l, --compare, --view and --features",
        ),
        (options.stack, "--stack"),
        (options.pages == "all", "--pages all"),
        (options.skip_larger, "--skip-larger"),
        (options.target_share, "--target-size N%"),
        (options.original_format, "--original-format"),
        (options.with_model, "--with-model"),
        (archives.is_archive(options.output_dir), "archives"),
        (options.index is not None, "--index"),
        (options.region is not None, "--region"),
        (options.rm, "--rm"),
        (options.preserve, "-p"),
        (options.stdout or "-" in options.files or not options.files, "streams"),
    ):
        if clash:
            raise UsageError(f"--scheduler does not go with {name}; see {options.prog} --help")


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


def _region(text: str) -> tuple[int, ...]:
    numbers = text.split(",")
    if len(numbers) != 4 or not all(n.isdecimal() for n in numbers):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not top, left, height and width: 0,512,256,256"
        )
    return tuple(map(int, numbers))


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _whole(text: str) -> int:
    """A whole number such as 8, 100M or 64Ki; 0 for what is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?i?)", text.lower())
    if not match or match[2] not in _UNITS:
        return 0
    from decimal import Decimal  # slow to load

    # Of decimals that are exact: 16.1k is 16100. Of 16.1Ki the whole part.
    value = Decimal(match[1]) * _UNITS[match[2]]
    return int(value) if match[2] or value % 1 == 0 else 0


def _count(text: str) -> int:
    if not (value := _whole(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return value


def _target_size(text: str) -> int | float:
    """Bytes as ``int``, bits per pixel as ``float``, or a ``Share``."""
    if text.endswith("%"):
        return Share(_positive(text[:-1]) / 100)
    if text.lower().endswith("bpp"):
        return _positive(text[:-3])
    if not (value := _whole(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number nor such as 20k, 20Ki, 10% or 0.5bpp"
        )
    return value
