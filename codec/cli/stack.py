"""Stacks: ``--stack``, and what ``aedecompress`` does with them.

Of a stack of several pictures ``digits.aec`` becomes ``digits-000.png`` and
so on: the number counts from 0, as for ``--index`` and in Python, with as many
digits as the last one needs, so that names sort.
"""

import argparse
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from ..errors import InputError
from ..io import urls
from ..limits import over
from ..progress import Progress
from ..stacks import Stack
from ..types import Array, Picture
from . import files, verify
from .jobs import STREAM, Job
from .notes import Coder, Notes
from .report import Refusal


def compress(coder: Coder, job: Job, notes: Notes, progress: Progress | None) -> None:
    """Compress all inputs of a command to one stack.

    Arguments as of ``compress.compress``; ``job.src`` is a name for messages,
    ``options.members`` are the inputs.
    """
    from codec import encode_batch

    options, start = coder.options, time.perf_counter()
    for src in options.members:
        files.refuse(src, job.dst, options.force)
    pictures = Members(options, notes)
    try:
        data = encode_batch(pictures, encoder=coder.encoder)
    except InputError as error:
        raise Refusal(str(error), pictures.name) from None
    coded = time.perf_counter()
    if not files.save_smaller(job, data, notes, options):
        return
    written = time.perf_counter()
    notes.say(
        job.dst,
        f"{len(options.members)} pictures to {len(data)} "
        f"bytes, {8 * len(data) / notes.pixels:.3f} bpp",
    )
    notes.say(job.dst, files.times(start, start, coded, written), level=2)


def pages(coder: Coder, job: Job, file: BinaryIO, notes: Notes) -> None:
    """Compress all pages of one file: to a stack, or as one picture.

    Arguments as of ``compress.compress``; ``file`` is the input, open.
    """
    from codec import encode_batch

    from ..picture import open_pages

    options = coder.options
    pictures = list(open_pages(file, options.max_pixels, options.encode.metadata))
    notes.n_in = file.seek(0, 2)
    notes.pixels = sum(p.pixels.shape[0] * p.pixels.shape[1] for p in pictures)
    if len(pictures) == 1:
        data = coder.encoder.encode(pictures[0])
    else:
        data = encode_batch(pictures, encoder=coder.encoder)
    if not files.save_smaller(job, data, notes, options):
        return
    notes.say(
        job.src,
        f"{len(pictures)} pages to {len(data)} bytes, {8 * len(data) / notes.pixels:.3f} bpp",
    )


class Members:
    """The pictures of a stack to be, one after the other.

    Attributes
    ----------
    name : str
        Of the picture at hand, which an error is about.
    """

    def __init__(self, options: argparse.Namespace, notes: Notes) -> None:
        self.options, self.notes = options, notes
        self.name = ""

    def __iter__(self) -> Iterator[Picture]:
        from ..picture import read

        lost = 0
        for name in self.options.members:
            self.name = name
            with files.source(self.name) as file:
                if files.is_aec(file):
                    raise Refusal("is an .aec file already", self.name)
                picture = read(file, self.options.max_pixels, bool(self.options.encode.metadata))
                self.notes.n_in += file.seek(0, 2)
            height, width = picture.pixels.shape[:2]
            self.notes.pixels += width * height
            if self.notes.pixels > self.options.max_pixels:
                raise over(
                    f"the stack has {self.notes.pixels} pixels up to here",
                    self.options.max_pixels,
                )
            lost += bool(picture.exif or picture.xmp)
            yield picture
        if lost and self.options.encode.metadata:
            self.notes.warn(
                None,
                f"Exif and XMP of {lost} pictures left out, "
                "as a stack has none; --strip says that you know",
            )


def decompress(
    coder: Coder, job: Job, file: BinaryIO, notes: Notes, progress: Progress | None
) -> None:
    """Decode the pictures of a stack; write them unless testing.

    Parameters
    ----------
    coder : Coder
    job : Job
        Its ``dst`` is the name that the numbers are put into.
    file : binary file
        Of the stack, seekable.
    notes : Notes
    progress : function of float, or None
    """
    from ..container import unpack

    options, start = coder.options, time.perf_counter()
    notes.n_in = file.seek(0, 2)
    file.seek(0)
    if options.index is None:  # all of it: check all of it
        data = files.take(file)
        unpack(data)
        file = io.BytesIO(data)
    stack = Stack(file, coder.decoder)
    numbers = range(len(stack))
    if options.index is not None:
        numbers = numbers[options.index : options.index + 1]
        if not numbers:
            raise Refusal(f"has pictures 0 to {len(stack) - 1}, no {options.index}")
    height, width = stack.shape[1:3]
    notes.pixels = len(numbers) * width * height
    if notes.pixels > options.max_pixels:
        raise over(
            f"{len(numbers)} pictures of {width}x{height} are {notes.pixels} pixels",
            options.max_pixels,
        )
    write = _writer(stack, numbers, job, notes, options)
    for done, (i, pixels) in enumerate(zip(numbers, stack.pictures(numbers))):
        write(i, pixels)
        if progress:
            progress((done + 1) / len(numbers))
    if options.rm:
        verify.remove(job, notes, options, lambda: None)  # each was checked
    notes.say(
        job.src,
        f"{len(numbers)} of {len(stack)} pictures, "
        f"{width}x{height}" + ("" if job.dst else ", sound"),
    )
    notes.say(job.src, f"all {time.perf_counter() - start:.3f} s", level=2)


def _writer(
    stack: Stack,
    numbers: Sequence[int],
    job: Job,
    notes: Notes,
    options: argparse.Namespace,
) -> Callable[[int, Array], None]:
    """A function of a number and its pixels that writes them."""
    from ..picture import save

    if job.dst is None:
        return lambda i, pixels: None
    kind = files.picture_format(job.dst, options.format)
    one_place = job.dst == STREAM or files.is_device(job.dst)
    if options.index is not None and (options.output or one_place):

        def named(i: int) -> str:
            return job.dst
    elif one_place:
        raise Refusal(
            f"takes one of the {len(stack)} pictures; --index says which one goes there",
            job.dst,
        )
    elif os.path.isdir(job.dst):
        raise Refusal("is a directory; use --output-dir", job.dst)
    else:

        def named(i: int) -> str:
            return name(job.dst, i, len(stack))

    for i in numbers:  # before any is written
        files.refuse(job.src, named(i), options.force)

    def write(i: int, pixels: Array) -> None:
        picture, out = Picture(pixels, icc=stack.icc), io.BytesIO()
        save(picture, out, format=kind)
        notes.n_out += out.tell()
        one = Job(job.src, named(i))
        files.save(one, out.getbuffer(), options)
        if options.rm:
            verify.decompressed(one, out.getbuffer(), picture, kind, options)

    return write


def name(dst: str, number: int, count: int) -> str:
    """The output of one picture of a stack.

    >>> name("out/digits.png", 7, 1000)
    'out/digits-007.png'
    """
    dst, *chain = dst.split("::") if urls.is_url(dst) else [dst]
    stem, extension = os.path.splitext(dst)
    digits = str(number).zfill(len(str(count - 1)))
    return "::".join([f"{stem}-{digits}{extension}", *chain])
