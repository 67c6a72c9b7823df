"""Files -> pictures: container.unpack, pipeline.decode, picture.from_sections."""

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from . import container, picture, runtime
from .errors import InputError, UnsupportedError
from .limits import check_pixels
from .model import find
from .options import DecodeOptions, Model
from .progress import Progress
from .symbols.pipeline import Pipeline
from .types import Array, Buffer, Header, Picture, Region


class Decoder:
    """Decodes many files; models are loaded as files name them.

    Safe to share between threads; picklable.

    Parameters
    ----------
    model, threads
        As of `DecodeOptions`.
    options : DecodeOptions, optional
        What is not said otherwise, here or for a file.
    **fields
        Fields of `DecodeOptions`.

    Attributes
    ----------
    options : DecodeOptions
    """

    def __init__(
        self,
        model: Model | None = None,
        threads: int | None = None,
        *,
        options: DecodeOptions = DecodeOptions(),
        **fields: Any,
    ) -> None:
        self.options = options.changed(model=model, threads=threads, **fields)
        model = self.options.model
        self._extra = None if model is None else find.load(model)

    def _pipeline(self, header: Header, name: bytes = b"") -> Pipeline:
        """The pipeline that a file needs."""
        options = self.options
        return runtime.of_file(header, self._extra, options.threads, options.provider, name)

    def decode(
        self,
        data: Buffer,
        max_pixels: int | None = None,
        *,
        region: Region | None = None,
        layout: str = "hwc",
        dtype: Any = np.uint8,
        out: Array | None = None,
    ) -> Array:
        """Decode one file, or a part of it, to an array.

        Parameters
        ----------
        data : bytes-like
            The whole file.
        max_pixels : int, optional
            As of `DecodeOptions`; where a region is asked for, of that.
        region : (int, int, int, int), optional
            Top, left, height and width in pixels of the part that is wanted,
            inside the picture; slabs that show nothing of it are not read.
            Samples may differ by one level from those of the whole picture.
        layout : {"hwc", "chw"}
            Where the axis of colours is; "chw" has one of grey as well.
        dtype : {uint8, float32, float16}
            Levels 0..255, or their 255ths 0..1.
        out : ndarray, optional
            To write to, of the shape and type of the result.

        Returns
        -------
        ndarray
            (height, width), (height, width, 3), or (height, width, 4)
            where the picture has alpha (grey becomes RGB then); with "chw"
            (1, 3 or 4, height, width). ``out``, if it is given.

        Raises
        ------
        FormatError
            Damaged; ``offset`` is the first bad byte where known.
        UnsupportedError
            Sound, but needs a newer version or another model.
        LimitError
            More than ``max_pixels``.
        InputError
            The region is not inside the picture; or no such layout or type,
            or ``out`` has another.
        """
        give = _form(layout, dtype)
        pic = self.decode_picture(data, max_pixels, region=region)
        if pic.alpha is None:
            return give(pic.pixels, out)
        return give(np.dstack([picture.as_rgb(pic.pixels), pic.alpha]), out)

    def decode_picture(
        self,
        data: Buffer,
        max_pixels: int | None = None,
        progress: Progress | None = None,
        *,
        region: Region | None = None,
    ) -> Picture:
        """Decode one file with its metadata: a ``Picture``.

        Parameters and errors as of `decode`; ``progress`` as of
        `Encoder.encode`.
        """
        options = self.options.changed(max_pixels=max_pixels)
        header, sections, payload = container.unpack(data)
        _one(header)
        alpha, region = sections.get("ALPH"), _region(region, header)
        height, width = header.height, header.width
        if region is not None and alpha is None:
            height, width = region[2:]
        check_pixels(width, height, options.max_pixels)
        pixels = self._pipeline(header, sections.get("modl", b"")).decode(
            payload,
            header.height,
            header.width,
            header.quality,
            header.symbol_crc,
            progress,
            region,
        )
        if header.colour == "grey":
            pixels = picture.as_grey(pixels)
        if region is None or alpha is None:
            pic = picture.from_sections(pixels, sections)
        else:
            top, left, height, width = region
            del sections["ALPH"]
            whole = picture.png_to_alpha(alpha, header.height, header.width)
            pic = dataclasses.replace(
                picture.from_sections(pixels, sections),
                alpha=whole[top : top + height, left : left + width],
            )
        if options.metadata:
            return pic
        return dataclasses.replace(pic, exif=None, xmp=None, kept=None)

    def symbols(self, data: Buffer, max_pixels: int | None = None) -> tuple[Array, Array]:
        """z and latent symbols of a file, int16; no network runs."""
        max_pixels = self.options.changed(max_pixels=max_pixels).max_pixels
        header, _, payload = container.unpack(data)
        _one(header)
        check_pixels(header.width, header.height, max_pixels)
        return self._pipeline(header).read_symbols(
            payload, header.height, header.width, header.quality, header.symbol_crc
        )


def _form(layout: str, dtype: Any) -> Callable[[Array, Array | None], Array]:
    """A function that gives pixels another form, in an array that may be there."""
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise InputError(f"no type: {dtype!r}") from error
    if layout not in ("hwc", "chw") or kind.name not in ("uint8", "float32", "float16"):
        raise InputError(
            "layout must be hwc or chw and dtype uint8, float32 or float16, not "
            f"{layout!r} and {kind.name}"
        )

    def give(pixels: Array, out: Array | None) -> Array:
        if layout == "chw":
            pixels = np.atleast_3d(pixels).transpose(2, 0, 1)
        if out is None:
            if kind == pixels.dtype:
                return np.ascontiguousarray(pixels)
            out = np.empty(pixels.shape, kind)
        if (out.shape, out.dtype) != (pixels.shape, kind):
            raise InputError(
                f"out is {out.dtype} of shape {out.shape}; {kind} of shape {pixels.shape} is needed"
            )
        if kind == np.uint8:
            np.copyto(out, pixels)
        else:
            np.multiply(pixels, np.float32(1 / 255), out=out, casting="unsafe")
        return out

    return give


def _one(header: Header) -> None:
    if header.is_stack:
        raise UnsupportedError("the file is a stack of pictures; use codec.decode_batch", "STAK")


def _region(region: Region | None, header: Header) -> Region | None:
    """A region that is asked for, if it lies in the picture."""
    if region is None:
        return None
    try:
        top, left, height, width = (operator.index(n) for n in region)
    except (TypeError, ValueError) as error:
        raise InputError(f"region must be top, left, height and width, not {region!r}") from error
    if (
        min(top, left) < 0
        or min(height, width) < 1
        or top + height > header.height
        or left + width > header.width
    ):
        raise InputError(
            f"region {top}, {left}, {height}, {width} is not in a picture of "
            f"{header.height} rows and {header.width} columns"
        )
    return top, left, height, width
