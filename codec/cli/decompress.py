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
from ..errors import FormatError, LimitError


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
        return Decoder(threads=options.threads)

    def decompress(job):
        start = time.perf_counter()
        if job.dst is not None:
            files.refuse(job.src, job.dst, options.force)
            kind = picture_format(job.dst, options.format)
        data, header = _load(job.src)
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

    Returns
    -------
    str

    Raises
    ------
    Refusal
        Pillow writes no such format.
    """
    from PIL import Image
    suffix = os.path.splitext(name)[1].lower() or ".png"
    if extension is not None:
        suffix = "." + extension.lower().lstrip(".")
    if name == files.STREAM and extension is None:
        suffix = ".png"
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE or kind == "AEC":
        raise Refusal(f"no picture format {suffix}; try --format png", name)
    return kind


def lister(options):
    """Make the function that lists one job, and the one that ends the list."""
    rows = []

    def show(job):
        data, header = _load(job.src)
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
    """All bytes of an ``.aec`` file, and its header."""
    from codec import info
    with files.source(name) as file:
        if not files.is_aec(file):
            raise FormatError("not an .aec file")
        data = files.take(file)
    return data, info(data)
