"""One file of ``aedecompress``: decode it, or test it."""

import argparse
import io
import time
import warnings
from typing import Any

from ..errors import ConversionWarning
from ..progress import Progress
from ..types import Picture
from . import files, models, stack, tables, verify
from .jobs import Job
from .notes import Coder, Notes
from .report import Refusal


def _format(job: Job, picture: Picture, options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Pillow's name of the format to write, and options of its writer."""
    from ..picture import origin

    if options.original_format and picture.origin is not None:
        if origin.can_write(picture.origin):
            return picture.origin.format, origin.options(picture.origin)
        format = picture.origin.format
        package = origin.PACKAGES.get(format)
        how = f" without {package} (pip install {package})" if package else " here"
        warnings.warn(
            f"{format} cannot be written{how}; PNG instead",
            ConversionWarning,
            stacklevel=2,
        )
    return files.picture_format(job.dst, options.format), {}


def write_kept(coder: Coder, job: Job, notes: Notes, progress: Progress | None) -> None:
    """Write what --keep-all kept, instead of the picture; arguments as of ``compress``."""
    from ..api import kept

    assert job.dst is not None
    files.refuse(job.src, job.dst, coder.options.force)
    with files.source(job.src) as file:
        data = files.take_aec(file)
    found = kept(data)
    if found is None:
        raise Refusal("holds nothing that --keep-all kept")
    files.save(job, found, coder.options)
    notes.n_in, notes.n_out = len(data), len(found)


def _stack(coder: Coder, job: Job, file: Any, notes: Notes, progress: Any) -> None:
    if coder.options.region:
        raise Refusal("is a stack; --region is for one picture")
    stack.decompress(coder, job, file, notes, progress)


def decompress(coder: Coder, job: Job, notes: Notes, progress: Progress | None) -> None:
    """Decompress or test one job; arguments as of ``compress``."""
    options = coder.options
    start = time.perf_counter()
    with files.source(job.src) as file:
        if tables.decompress(coder, job, file, notes):
            return
        models.find_beside(job.src, file, notes)
        if files.is_stack(file):
            return _stack(coder, job, file, notes, progress)
        data = files.take_aec(file)
    if options.index:
        raise Refusal(f"is one picture, number 0; it has no {options.index}")
    made, is_done = (None, False) if job.dst is None else files.begin(job, notes, options)
    if is_done:
        return
    notes.n_in = len(data)
    read = time.perf_counter()
    picture = coder.decoder.decode_picture(data, progress=progress, region=options.region)
    height, width = picture.pixels.shape[:2]
    notes.pixels = width * height
    coded = time.perf_counter()
    if job.dst is not None:
        from ..picture import save

        kind, how = _format(job, picture, options)
        if made is None:
            out = io.BytesIO()
            save(picture, out, format=kind, **how)
            made = out.getvalue()
            files.save(job, made, options)
        notes.n_out = len(made)
        if options.rm:
            verify.remove(
                job,
                notes,
                options,
                lambda: verify.decompressed(job, made, picture, "" if how else kind, options),
            )
    written = time.perf_counter()
    notes.say(
        job.src,
        f"{width}x{height} from {len(data)} bytes" + ("" if job.dst else ", sound"),
    )
    notes.say(job.src, files.times(start, read, coded, written), level=2)
