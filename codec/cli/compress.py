"""One file of ``aecompress``, from reading to writing."""

import dataclasses
import math
import time
from typing import Any

from ..progress import Progress
from ..types import Picture
from . import files, looks, models, stack, tables, verify
from .jobs import Job
from .notes import Coder, Notes


def compress(coder: Coder, job: Job, notes: Notes, progress: Progress | None) -> None:
    """Compress one job.

    Parameters
    ----------
    coder : Coder
    job : Job
    notes : Notes
    progress : function of float, or None

    Raises
    ------
    CodecError, Refusal, OSError
    """
    from ..picture import read as read_picture

    options = coder.options
    start = time.perf_counter()
    with files.source(job.src) as file:
        if files.is_aec(file):
            notes.warn(job.src, "is an .aec file already; skipped")
            return
        if tables.compress(coder, job, file, notes, progress):
            return
        data, is_done = files.begin(job, notes, options)
        if is_done:
            return
        if options.pages == "all":
            return stack.pages(coder, job, file, notes)
        picture = read_picture(file, options.max_pixels, options.encode.metadata)
        notes.n_in = file.seek(0, 2)
    height, width = picture.pixels.shape[:2]
    notes.pixels = width * height
    read = time.perf_counter()
    if not options.encode.metadata:
        picture = dataclasses.replace(picture, exif=None, xmp=None, origin=None, kept=None)
    if data is None:
        data = _encode(coder, picture, notes, progress)
    coded = time.perf_counter()
    if not files.save_smaller(job, data, notes, options):
        return
    looks.judge(coder, job, notes, picture, data)
    if options.rm:
        verify.remove(
            job,
            notes,
            options,
            lambda: verify.compressed(coder, job, data, picture),
        )
    written = time.perf_counter()
    _tell(job, notes, picture, data, coder)
    notes.say(job.src, files.times(start, read, coded, written), level=2)


def _encode(coder: Coder, picture: Picture, notes: Notes, progress: Progress | None) -> bytes:
    """The ``.aec`` file of a picture."""
    from ..model import archive

    share = coder.options.target_share
    goal = {"target_size": share * notes.n_in} if share else {}
    data = coder.encoder.encode(picture, progress=progress, **goal)
    if coder.options.with_model:
        data = models.named(data, archive.name_of(coder.encoder.bundle))
    return data


def _tell(job: Job, notes: Notes, picture: Picture, data: bytes, coder: Coder) -> None:
    if not notes.verbose:
        return
    height, width = picture.pixels.shape[:2]
    found = ""
    if coder.options.encode.quality is None:
        from codec import info

        found = f", quality {info(data).quality:g}"
    notes.say(
        job.src,
        f"{width}x{height} to {len(data)} bytes, "
        f"{8 * len(data) / (width * height):.3f} bpp{found}"
        + score(picture, coder.decoder.decode_picture(data)),
    )
    size = png_size(picture, below=len(data))
    if size is not None:
        notes.say(
            job.src,
            f"a PNG, without any loss, would have {size} bytes; better keep the picture as PNG",
        )


def score(picture: Picture, copy: Picture) -> str:
    """What is said of a copy's SSIMULACRA 2; nothing of tiny pictures."""
    value = looks.score(picture.pixels, copy.pixels)
    return "" if math.isnan(value) else f", SSIMULACRA 2 {value:.1f}"


class _Enough(Exception):
    pass


class _Counter:
    """Counts what is written, up to a limit."""

    def __init__(self, limit: int) -> None:
        self.limit, self.n, self.most, self.at = limit, 0, 0, 0

    def write(self, data: bytes) -> int:
        self.n += len(data)
        if self.n >= self.limit:
            raise _Enough
        return len(data)

    def flush(self) -> None:
        pass


def png_size(picture: Picture, below: int) -> int | None:
    """Bytes of a plain PNG of the picture, if fewer than ``below``.

    Cheap: of a photograph only the small part is compressed that already
    has as many bytes.

    Parameters
    ----------
    picture : Picture
    below : int

    Returns
    -------
    int or None
    """
    from PIL import Image

    from ..picture import to_image

    image = to_image(picture)
    if image.mode == "RGB":
        # Few colours make a palette, as any PNG optimiser would.
        image = (
            image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
            if image.getcolors(256)
            else image
        )
    counter: Any = _Counter(below)
    try:
        image.save(counter, "PNG")
    except _Enough:
        return None
    return counter.n
