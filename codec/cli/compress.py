"""What ``aecompress`` does with one file."""

import dataclasses
import functools
import os
import time

from . import files
from .options import QUALITY


def compressor(options, report):
    """Make the function that compresses one job.

    Parameters
    ----------
    options : argparse.Namespace
    report : Report

    Returns
    -------
    function of a Job
        Raises CodecError, Refusal or OSError.
    """
    @functools.cache
    def encoder():  # after the first refusals, before the first picture
        from codec import Encoder
        return Encoder(model=options.model, threads=options.threads)

    quality = QUALITY if options.quality is None else options.quality

    def compress(job):
        from ..picture import open_picture
        start = time.perf_counter()
        with files.source(job.src) as file:
            if files.is_aec(file):
                report.warn(job.src, "is an .aec file already; skipped")
                return
            files.refuse(job.src, job.dst, options.force)
            picture = open_picture(file, max_pixels=options.max_pixels)
        if options.strip:
            picture = dataclasses.replace(picture, exif=None, xmp=None)
        read = time.perf_counter()
        data = encoder().encode(picture, quality=quality,
                                effort=options.effort)
        coded = time.perf_counter()
        save(job, data, options)
        written = time.perf_counter()
        height, width = picture.pixels.shape[:2]
        report.say(job.src, f"{width}x{height} to {len(data)} bytes, "
                   f"{8 * len(data) / (width * height):.3f} bpp")
        report.say(job.src, times(start, read, coded, written), level=2)

    return compress


def save(job, data, options):
    """Write the output of a job, then remove its input if asked to."""
    if options.output_dir is not None:
        os.makedirs(options.output_dir, exist_ok=True)
    files.write(job.dst, data, src=job.src, force=options.force)
    if options.rm:
        os.unlink(job.src)


def times(start, read, coded, written):
    """Seconds of the three stages, for ``-vv``."""
    return (f"read {read - start:.3f} s, code {coded - read:.3f} s, "
            f"write {written - coded:.3f} s")
