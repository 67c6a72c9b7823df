"""``--scheduler``: the jobs of a command on a Dask cluster."""

from .notes import Notes
from .report import UsageError


def outcomes(options):
    """Pairs of job number and Notes, as tasks end."""
    try:
        from codec.plugins import dask
    except ImportError:
        raise UsageError(
            "--scheduler needs dask: pip install 'aecompress[dask]'"
        ) from None
    from .files import picture_format
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
