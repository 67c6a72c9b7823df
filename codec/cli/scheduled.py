"""``--scheduler``: the jobs of a command on a Dask cluster."""

import argparse
from collections.abc import Iterator
from typing import Any

from .jobs import Job
from .notes import Notes
from .report import UsageError


def outcomes(options: argparse.Namespace) -> Iterator[tuple[int, Notes]]:
    """Pairs of job number and Notes, as tasks end."""
    try:
        from codec.plugins import dask
    except ImportError:
        raise UsageError("--scheduler needs dask: pip install dask distributed") from None
    from .files import picture_format

    task = dask.Task(
        options.encode if options.mode == "compress" else options.decode,
        options.format and picture_format("-", options.format),
        options.force,
    )
    jobs = [(job.src, dask.absolute(job.dst)) for job in options.jobs]
    with dask.connect(options.scheduler) as client:
        for index, result in dask.run(client, jobs, task):
            yield index, _notes(result, options.jobs[index], options)


def _notes(result: Any, job: Job, options: argparse.Namespace) -> Notes:
    notes = Notes(options.verbose)
    notes.pixels, notes.n_in = result.pixels, result.n_in
    notes.n_out = result.n_out
    if result.state == "failed":
        notes.error(job.src, result.error)
    elif result.state == "there":
        notes.say(job.src, f"{job.dst} exists; left as it is")
    else:
        notes.say(job.src, f"{result.n_in} to {result.n_out} bytes")
    for text in result.warnings:
        notes.warn(job.src, text)
    for text in result.notes:
        notes.say(job.src, f"note: {text}", level=0)
    return notes
