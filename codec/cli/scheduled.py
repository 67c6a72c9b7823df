"""``--scheduler``: the jobs of a command on a Dask cluster."""

from .report import UsageError
from .work import Notes


def add(group):
    """Add the option to a group of the parser."""
    group.add_argument(
        "--scheduler",
        metavar="URL",
        help="run on the Dask cluster at URL (tcp://host:8786), whose "
        "workers see the same files; outputs that exist count as done",
    )


def check(options):
    """Raise UsageError where other options clash."""
    if options.scheduler is None:
        return
    for clash, name in (
        (options.mode not in ("compress", "decompress"), "-t, -l and --features"),
        (options.stack, "--stack"),
        (options.index is not None, "--index"),
        (options.rm, "--rm"),
        (options.preserve, "-p"),
        (options.stdout or "-" in options.files or not options.files, "streams"),
    ):
        if clash:
            raise UsageError(
                f"--scheduler does not go with {name}; see {options.prog} --help"
            )


def outcomes(options):
    """Pairs of job number and Notes, as tasks end."""
    try:
        from codec.plugins import dask
    except ImportError:
        raise UsageError(
            "--scheduler needs dask: pip install 'aecompress[dask]'"
        ) from None
    from .decompress import picture_format
    from .options import QUALITY

    given = (
        {}
        if options.format is None
        else {"format": picture_format("-", options.format)}
    )
    settings = dask.Settings(
        quality=QUALITY if options.quality is None else options.quality,
        target_size=options.target_size,
        target_psnr=options.target_psnr,
        effort=options.effort,
        tune=options.tune,
        max_pixels=options.max_pixels,
        model=options.model,
        strip=options.strip,
        replace=options.force,
        **given,
    )
    kind = dask.COMPRESS if options.mode == "compress" else dask.DECOMPRESS
    jobs = [(job.src, dask.absolute(job.dst)) for job in options.jobs]
    with dask.connect(options.scheduler) as client:
        for index, result in dask.run(client, kind, jobs, settings):
            yield index, _notes(result, options.jobs[index], options)


def _notes(result, job, options):
    notes = Notes(options.verbose)
    notes.pixels, notes.n_in = result.pixels, result.n_in
    notes.n_out = result.n_out
    if result.state == "failed":
        notes.error(job.src, result.error)
    elif result.state == "there":
        notes.say(job.src, f"{job.dst} exists; left as it is")
    else:
        notes.say(job.src, f"{result.n_in} to {result.n_out} bytes")
    return notes
