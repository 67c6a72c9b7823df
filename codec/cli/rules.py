"""The rules by which options exclude each other."""

import argparse

from . import archives
from .jobs import KEPT, STREAM
from .report import UsageError


def check(options: argparse.Namespace) -> None:
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
        (
            options.format == KEPT and (options.rm or options.region or options.index is not None),
            "--format kept writes no picture; it clashes with --rm, --region and --index",
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
        (options.format == KEPT, "--format kept"),
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
