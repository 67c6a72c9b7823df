"""The parser of both commands, and which file becomes which.

The command line contract is that of zstd and xz, with ``-q`` for quality as in
cwebp, cjxl and avifenc.
"""

import argparse
import dataclasses
import os

from .files import STREAM
from .report import Refusal, UsageError

MAX_PIXELS = 1 << 28
QUALITY = 50.0
PICTURES = (".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".jp2", ".jpeg",
            ".jpg", ".jxl", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".qoi",
            ".tga", ".tif", ".tiff", ".webp")

EPILOG = """\
Two names are IN and OUT, unless the second one looks like an input too; more
are all inputs. Without a name, standard input goes to standard output.
Exit code: 0 good, 1 error, 2 warnings only.
"""


@dataclasses.dataclass(frozen=True)
class Job:
    """One input and its output: paths, ``-`` for a stream, None for none."""
    src: str
    dst: str | None


class Parser(argparse.ArgumentParser):
    """argparse, but a usage error is exit 1 and one line (see ``main``)."""

    def error(self, message):
        raise UsageError(f"{message}; see {self.prog} --help")


def parser(prog):
    """The parser of ``prog``, ``aecompress`` or ``aedecompress``."""
    p = Parser(
        prog=prog, allow_abbrev=False, add_help=False, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{prog} [options] [IN [OUT] | FILE...]",
        description={
            "aecompress": "Compress pictures to .aec files.",
            "aedecompress": "Turn .aec files back into pictures."}[prog])
    p.add_argument("files", nargs="*", metavar="FILE",
                   help="- is standard input or output")
    mode = p.add_argument_group("what to do")
    mode.set_defaults(mode="compress" if prog == "aecompress" else "decompress")
    for flags, value, text in (
            (("-d", "--decompress"), "decompress", "act as aedecompress"),
            (("-t", "--test"), "test", "decode fully, write nothing"),
            (("-l", "--list"), "list", "show what the headers say")):
        mode.add_argument(*flags, dest="mode", action="store_const",
                          const=value, help=text)
    mode.add_argument("--json", action="store_true", help="stable form of -l")
    mode.add_argument("-h", "--help", action="store_true", help="show this")
    mode.add_argument("-V", "--version", action="store_true",
                      help="versions of program, format, engine and opset")
    coding = p.add_argument_group("coding")
    coding.add_argument("-q", "--quality", type=_quality, metavar="N",
                        help=f"1..100, higher is better ({QUALITY:g})")
    coding.add_argument("--effort", type=int, choices=range(1, 10),
                        metavar="N", default=None,
                        help="1..9, more is slower and smaller (1)")
    coding.add_argument("-m", "--model", metavar="ID",
                        help="name, id or folder of a model")
    coding.add_argument("--format", metavar="EXT",
                        help="of the pictures written (from OUT, else png)")
    coding.add_argument("--strip", action="store_true",
                        help="drop Exif and XMP; colours stay")
    coding.add_argument("-T", "--threads", type=_count, metavar="N",
                        help="worker threads (one per core)")
    coding.add_argument("--max-pixels", type=_count, metavar="N",
                        default=MAX_PIXELS,
                        help="refuse larger pictures (2^28)")
    out = p.add_argument_group("files")
    out.add_argument("-o", "--output", metavar="FILE", help="write to FILE")
    out.add_argument("--output-dir", metavar="DIR", help="write to DIR")
    out.add_argument("-c", "--stdout", action="store_true",
                     help="write to standard output")
    out.add_argument("-f", "--force", action="store_true",
                     help="replace outputs that exist")
    out.set_defaults(rm=False)
    out.add_argument("-k", "--keep", dest="rm", action="store_const",
                     const=False, help="keep inputs (default)")
    out.add_argument("--rm", action="store_const", const=True,
                     help="remove each input after its output is written")
    talk = p.add_argument_group("messages")
    talk.add_argument("-v", "--verbose", action="count", default=0,
                      help="a line per file; twice: times")
    talk.add_argument("--quiet", action="count", default=0,
                      help="no warnings; twice: no errors")
    return p


def parse(prog, argv):
    """Parse and check a command line.

    Returns
    -------
    argparse.Namespace
        With ``jobs``, a list of Job, besides the options.

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
    options.files += argv[cut + 1:]
    if not (options.help or options.version):
        _split(options)
        _check(options)
        options.jobs = _jobs(options)
    return options


def _split(options):
    """Take OUT off the names, if the second of two can only be that."""
    names = options.files
    if (len(names) == 2 and options.mode in ("compress", "decompress")
            and not (options.output or options.output_dir or options.stdout)
            and not _looks_like_input(names[1], options.mode)):
        options.output = names.pop()


def _looks_like_input(name, mode):
    # By name alone, so that a script does the same the second time.
    return name.lower().endswith(".aec" if mode == "decompress" else PICTURES)


def _check(options):
    """Raise UsageError where options clash."""
    several = len(options.files) > 1
    writes = options.mode in ("compress", "decompress")
    to_stream = (options.stdout or options.output == STREAM
                 or not options.files and not options.output)
    rules = (
        (options.quality is not None and options.mode != "compress",
         "-q is for compressing"),
        (options.effort is not None and options.mode != "compress",
         "--effort is for compressing"),
        (options.format is not None and options.mode != "decompress",
         "--format is for decompressing"),
        (options.json and options.mode != "list", "--json needs -l"),
        (options.output is not None and several, "-o takes one input"),
        (options.output is not None and options.stdout, "-o clashes with -c"),
        (options.output_dir is not None and (options.output or options.stdout),
         "--output-dir clashes with -o and -c"),
        (options.output_dir is not None
         and (not options.files or STREAM in options.files),
         "--output-dir needs named inputs"),
        (options.stdout and several, "-c takes one input"),
        (options.files.count(STREAM) > 1, "- is named twice"),
        (options.rm and (not writes or to_stream or STREAM in options.files),
         "--rm needs named inputs and outputs"),
        (options.output == "", "-o needs a name"),
        ("" in options.files, "an empty file name"),
    )
    for clash, message in rules:
        if clash:
            raise UsageError(f"{message}; see {options.prog} --help")


def _jobs(options):
    names = options.files or [STREAM]
    if options.mode in ("test", "list"):
        return [Job(name, None) for name in names]
    extension = options.format or "png"
    suffix = ".aec" if options.mode == "compress" else f".{extension.lstrip('.')}"

    def target(name):
        if options.output:
            return options.output
        if options.stdout or name == STREAM:
            return STREAM
        path = os.path.splitext(name)[0] + suffix
        if options.output_dir is not None:
            path = os.path.join(options.output_dir, os.path.basename(path))
        return path

    jobs = [Job(name, target(name)) for name in names]
    seen = set()
    for job in jobs:
        key = os.path.abspath(job.dst)
        if key in seen:
            raise Refusal("is the output of two inputs; nothing was written",
                          job.dst)
        seen.add(key)
    return jobs


def _quality(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not in 1..100")
    return value


def _count(text):
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value
