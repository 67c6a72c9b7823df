"""What ``aedecompress`` does with one file: decode, test or list it."""

import dataclasses
import functools
import io
import json
import os
import time

from . import files
from .compress import save, times
from .report import Refusal
from ..errors import FormatError, InputError, LimitError


def decompressor(options, report):
    """Make the function that decompresses or tests one job.

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
    def decoder():
        from codec import Decoder
        return Decoder(model=options.model, threads=options.threads)

    def decompress(job):
        from codec import info
        start = time.perf_counter()
        if job.dst is not None:
            files.refuse(job.src, job.dst, options.force)
            kind = picture_format(job.dst, options.format)
        data = _load(job.src)
        header = info(data)
        if header.width * header.height > options.max_pixels:
            raise LimitError(
                f"{header.width}x{header.height} is more than "
                f"{options.max_pixels} pixels; see --max-pixels")
        read = time.perf_counter()
        picture = decoder().decode_picture(data)
        coded = time.perf_counter()
        if job.dst is not None:
            from ..picture import save as save_picture
            if options.strip:
                picture = dataclasses.replace(picture, exif=None, xmp=None)
            out = io.BytesIO()
            save_picture(picture, out, format=kind)
            save(job, out.getvalue(), options)
        written = time.perf_counter()
        report.say(job.src, f"{header.width}x{header.height} "
                   f"from {len(data)} bytes"
                   + ("" if job.dst else ", sound"))
        report.say(job.src, times(start, read, coded, written), level=2)

    return decompress


def picture_format(name, extension=None):
    """Pillow's name of the format to write.

    Parameters
    ----------
    name : str
        Output; its extension decides, PNG if it has none.
    extension : str or None
        What ``--format`` says; goes before ``name``.

    Raises
    ------
    Refusal
        Pillow writes no such format.
    """
    from ..picture import format_of
    if extension is not None:
        name = f"--format.{extension.lstrip('.')}"
    try:
        return format_of(name)
    except InputError as error:
        raise Refusal(f"{error}; try --format png",
                      name if extension is None else None) from None


def lister(options):
    """Make the function that lists one job, and the one that ends the list."""
    from .. import container
    rows = []

    def show(job):
        data = _load(job.src)
        header = container.unpack(data)[0]  # checks the whole file as well
        row = {"file": job.src, "bytes": len(data), "width": header.width,
               "height": header.height, "colour": header.colour,
               "bpp": round(8 * len(data) / (header.width * header.height), 4),
               "quality": header.quality, "model": header.model,
               "version": header.version, "sections": list(header.sections)}
        rows.append(row)
        if not options.json:
            row["sections"] = "".join(f", {s}" for s in header.sections)
            line = ("{file}: {width}x{height} {colour}, {bytes} bytes, "
                    "{bpp:.3f} bpp, quality {quality:g}, model {model}, "
                    "version {version}{sections}\n").format_map(row)
            files.write(files.STREAM, line.encode("utf-8", "surrogateescape"))

    def end():
        if options.json:
            files.write(files.STREAM,
                        (json.dumps(rows, indent=1) + "\n").encode())

    return show, end


def _load(name):
    """All bytes of what begins like an ``.aec`` file."""
    with files.source(name) as file:
        if not files.is_aec(file):
            raise FormatError("not an .aec file")
        return files.take(file)
