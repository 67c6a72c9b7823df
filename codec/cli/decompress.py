"""What ``aedecompress`` does with one file: decode or test it."""

import io
import time

from ..progress import Progress
from . import files, stack, verify
from .jobs import Job
from .notes import Coder, Notes
from .report import Refusal


def decompress(coder: Coder, job: Job, notes: Notes, progress: Progress | None) -> None:
    """Decompress or test one job; arguments as of ``compress``."""
    options = coder.options
    start = time.perf_counter()
    with files.source(job.src) as file:
        if files.is_stack(file):
            if options.region:
                raise Refusal("is a stack; --region is for one picture")
            return stack.decompress(coder, job, file, notes, progress)
        data = files.take_aec(file)
    if options.index:
        raise Refusal(f"is one picture, number 0; it has no {options.index}")
    if job.dst is not None:
        files.refuse(job.src, job.dst, options.force)
        kind = files.picture_format(job.dst, options.format)
    notes.n_in = len(data)
    read = time.perf_counter()
    picture = coder.decoder.decode_picture(
        data, progress=progress, region=options.region
    )
    height, width = picture.pixels.shape[:2]
    notes.pixels = width * height
    coded = time.perf_counter()
    if job.dst is not None:
        from ..picture import save

        out = io.BytesIO()
        save(picture, out, format=kind)
        notes.n_out = out.tell()
        files.save(job, out.getbuffer(), options)
        if options.rm:
            verify.remove(
                job,
                notes,
                lambda: verify.decompressed(
                    job, out.getbuffer(), picture, kind, options
                ),
            )
    written = time.perf_counter()
    notes.say(
        job.src,
        f"{width}x{height} from {len(data)} bytes" + ("" if job.dst else ", sound"),
    )
    notes.say(job.src, files.times(start, read, coded, written), level=2)
