"""Pictures <-> files: the public functions and the two reusable objects.

encode   picture.load -> pipeline.encode -> container.pack
decode   container.unpack -> pipeline.decode
info     container.read_header
"""

import collections
import dataclasses
import operator
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Unpack, cast

import numpy as np

from . import container, picture, runtime
from .errors import EffortWarning, InputError, UnsupportedError
from .io import urls
from .limits import QUALITY, check_pixels
from .model import find
from .model.bundle import Bundle
from .options import DecodeFields, DecodeOptions, EncodeFields, EncodeOptions, Model
from .picture.source import Source
from .progress import Progress, part
from .search import plan_of, targets
from .symbols.pipeline import Pipeline
from .types import Array, Buffer, File, Header, Picture, Region

_FILLING = 4  # times that what decodes takes the place of what does not matter


class Encoder:
    """Encodes many pictures with one model, loaded once.

    Safe to share between threads; picklable.

    Parameters
    ----------
    model, threads
        As of `EncodeOptions`.
    options : EncodeOptions, optional
        What is not said otherwise, here or for a picture.
    **fields
        Fields of `EncodeOptions`.

    Attributes
    ----------
    options : EncodeOptions

    Raises
    ------
    InputError
        Options out of range, or that exclude each other.
    UnsupportedError
        No such model, or this machine's arithmetic is not exact.
    ModelError
        The model's folder is altered or makes no sense.
    """

    def __init__(
        self,
        model: Model | None = None,
        threads: int | None = None,
        *,
        options: EncodeOptions = EncodeOptions(),
        **fields: Any,
    ) -> None:
        self.options = options.changed(model=model, threads=threads, **fields)
        options = self.options
        self._pipeline = runtime.pipeline(
            find.load(options.encoder), options.threads, options.provider
        )

    def __reduce__(self) -> tuple[object, ...]:
        # The model itself travels: there, its folder may be another or none.
        return _encoder, (self._pipeline.bundle, self.options)

    @property
    def bundle(self) -> Bundle:
        """The model."""
        return self._pipeline.bundle

    @property
    def model_id(self) -> str:
        """Id of the model: 16 hexadecimal digits."""
        return self._pipeline.bundle.id

    def changed(self, **fields: Unpack[EncodeFields]) -> EncodeOptions:
        """The encoder's options with other fields; what it runs on stays.

        Raises
        ------
        InputError
            Out of range, excluding each other, or another model.
        """
        options = self.options.changed(**fields)
        if _runs_on(options) != _runs_on(self.options):
            raise InputError(
                "an encoder has one model, which a tune may name, one number "
                "of threads and one provider"
            )
        return options

    def encode(
        self,
        image: Source,
        quality: float | None = None,
        *,
        mask: Array | None = None,
        progress: Progress | None = None,
        **fields: Any,
    ) -> bytes:
        """Encode one picture.

        Parameters
        ----------
        image : uint8 ndarray, PIL.Image.Image, Picture or picture file
            (height, width), (height, width, 3) or (height, width, 4),
            0..255, each side 1..16384. A file is a path or a binary file
            object, such as `codec.open` gives for a URL.
        quality : float, optional
            As of `EncodeOptions`.
        mask : bool ndarray (height, width), optional
            False where a pixel does not matter, as of a scratch: there the
            file holds what the model takes for likely, in few bits.
        progress : function of float, optional
            Called now and then with the share that is done, 0..1.
        **fields
            Fields of `EncodeOptions`, in place of the encoder's.

        Returns
        -------
        bytes
            A whole ``.aec`` file.

        Raises
        ------
        InputError
            Not a picture that this codec takes, or such options.
        LimitError
            More than ``max_pixels``, or the target is out of reach.

        Warns
        -----
        ConversionWarning
            For each thing of the picture that was converted or left out.
        EffortWarning
            The model cannot do the effort; effort 1 is done.

        References
        ----------
        .. [1] docs/format.md, sections 2 to 8.
        """
        options = self.changed(quality=quality, **fields)
        pic = picture.read(image, options.max_pixels, options.metadata)
        height, width = pic.pixels.shape[:2]
        if mask is not None:
            pic = dataclasses.replace(
                pic, pixels=self._filled(pic.pixels, np.asarray(mask), options)
            )
        if not isinstance(image, Picture):  # equal pictures make equal files
            pic = dataclasses.replace(pic, origin=None)
        if not options.metadata:
            pic = dataclasses.replace(pic, exif=None, xmp=None, origin=None)
        sections = picture.to_sections(pic)

        def pack(quality: float, payload: bytes, crc: int) -> bytes:
            return container.pack(
                Header(
                    width=width,
                    height=height,
                    quality=quality,
                    colour="grey" if pic.pixels.ndim == 2 else "rgb",
                    model=self.model_id,
                    symbol_crc=crc,
                ),
                payload,
                sections,
            )

        quality, [(payload, crc)] = self.code(
            [picture.as_rgb(pic.pixels)],
            options,
            width * height,
            len(pack(1, b"", 0)),
            progress,
        )
        return pack(quality, payload, crc)

    def _filled(self, pixels: Array, mask: Array, options: EncodeOptions) -> Array:
        """Pixels that do not matter, as the decoder would have them in any case.

        They begin as means of their neighbours; then what decodes takes
        their place, again and again.
        """
        if mask.shape != pixels.shape[:2] or mask.dtype != bool:
            raise InputError(
                f"mask is {mask.dtype} of shape {mask.shape}; bool of shape "
                f"{pixels.shape[:2]} is needed"
            )
        if mask.all():
            return pixels
        pixels = picture.fill_hidden(pixels, mask.astype(np.uint8), 2)
        quality = options.quality or QUALITY
        for _ in range(_FILLING):
            y = self._pipeline.analyse(picture.as_rgb(pixels), quality)
            latent = self._pipeline.code_length(y, quality)[1]
            back = self._pipeline.synthesise(latent, quality, *pixels.shape[:2])
            if pixels.ndim == 2:
                back = picture.as_grey(back)
            pixels = np.where(mask.reshape(*mask.shape, *(1,) * (pixels.ndim - 2)), pixels, back)
        return pixels

    def code(
        self,
        blocks: Sequence[Array],
        options: EncodeOptions,
        n_pixels: int,
        n_other: int,
        progress: Progress | None = None,
    ) -> tuple[float, list[tuple[bytes, int]]]:
        """Encode samples, one quality for all, as good as the options say.

        Parameters
        ----------
        blocks : list of uint8 (.., height, width, 3)
            One picture, or the blocks of a stack.
        options : EncodeOptions
        n_pixels : int
            Of all blocks.
        n_other : int
            Bytes that the file has besides the payloads.
        progress : function of float, optional

        Returns
        -------
        quality : float
        coded : list of (bytes, int)
            Payload and checksum of each block.

        Raises
        ------
        LimitError
            The target is out of reach.
        """
        pipeline, plan = self._pipeline, plan_of(options)
        if plan.passes and not pipeline.can_search:
            warnings.warn(
                f"model {self.model_id} has no gradients: effort "
                f"{options.effort} does what effort 1 does",
                EffortWarning,
                stacklevel=3,
            )
        for name in targets.METRICS:
            wanted = getattr(options, name)
            if wanted is not None:
                return targets.for_metric(pipeline, blocks, name, wanted, plan, progress)
        largest = options.largest(n_pixels)
        if largest is not None:
            return targets.for_size(pipeline, blocks, largest - n_other, plan, progress)
        assert options.quality is not None  # the only goal that is left
        quality, n = options.quality, len(blocks)
        return quality, [
            pipeline.encode(block, quality, plan, part(progress, i / n, (i + 1) / n))
            for i, block in enumerate(blocks)
        ]


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
        bundle = find.by_id(header.model, self._extra, header.blend, name)
        options = self.options
        return runtime.pipeline(bundle, options.threads, options.provider)

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
        return pic if options.metadata else dataclasses.replace(pic, exif=None, xmp=None)

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


def _encoder(bundle: Bundle, options: EncodeOptions) -> Encoder:
    encoder = Encoder.__new__(Encoder)
    encoder.options = options
    encoder._pipeline = runtime.pipeline(bundle, options.threads, options.provider)
    return encoder


def _runs_on(options: EncodeOptions) -> tuple[object, ...]:
    return options.encoder, options.threads, options.provider


def encode(
    image: Source,
    *,
    mask: Array | None = None,
    options: EncodeOptions = EncodeOptions(),
    **fields: Unpack[EncodeFields],
) -> bytes:
    """Encode a picture; see :meth:`Encoder.encode`.

    Parameters
    ----------
    image, mask
        As of :meth:`Encoder.encode`.
    options : EncodeOptions, optional
    **fields
        Fields of `EncodeOptions`, in place of those of ``options``.

    Examples
    --------
    >>> import numpy as np, codec
    >>> data = codec.encode(np.zeros((40, 60, 3), np.uint8), quality=50)
    >>> codec.decode(data).shape
    (40, 60, 3)
    """
    return Encoder(options=options, **fields).encode(image, mask=mask)


def decode(
    data: File,
    *,
    region: Region | None = None,
    layout: str = "hwc",
    dtype: Any = np.uint8,
    out: Array | None = None,
    options: DecodeOptions = DecodeOptions(),
    **fields: Unpack[DecodeFields],
) -> Array:
    """Decode an ``.aec`` file; see :meth:`Decoder.decode`.

    Parameters
    ----------
    data : bytes-like, path or binary file object
    region : (int, int, int, int), optional
        Top, left, height and width of the part to decode.
    layout, dtype, out
        As of :meth:`Decoder.decode`.
    options : DecodeOptions, optional
    **fields
        Fields of `DecodeOptions`, in place of those of ``options``.
    """
    return Decoder(options=options, **fields).decode(
        urls.contents(data), region=region, layout=layout, dtype=dtype, out=out
    )


def decode_many(
    files: Iterable[File],
    *,
    workers: int | None = None,
    layout: str = "hwc",
    dtype: Any = np.uint8,
    options: DecodeOptions = DecodeOptions(),
    **fields: Unpack[DecodeFields],
) -> Iterator[Array]:
    """Decode many ``.aec`` files of any sizes, some at once.

    Parameters
    ----------
    files : iterable of bytes-like, path or binary file object
        Taken as they are needed, a few ahead.
    workers : int, optional
        Threads; all cores by default. Each decodes with one thread, unless
        ``threads`` says otherwise.
    layout, dtype
        As of :meth:`Decoder.decode`.
    options : DecodeOptions, optional
    **fields
        Fields of `DecodeOptions`, in place of those of ``options``.

    Yields
    ------
    ndarray
        In the order of the files.

    Raises
    ------
    CodecError, OSError
        As :meth:`Decoder.decode`, at the file that it is about; none after
        it is yielded.

    Examples
    --------
    >>> import numpy as np, codec
    >>> files = [codec.encode(np.zeros((n, 60), np.uint8)) for n in (40, 50)]
    >>> [pixels.shape for pixels in codec.decode_many(files, layout="chw")]
    [(1, 40, 60), (1, 50, 60)]
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # slow to load

    options = options.changed(**fields)
    decoder = Decoder(options=options.changed(threads=options.threads or 1))

    def one(file: File) -> Array:
        return decoder.decode(urls.contents(file), layout=layout, dtype=dtype)

    workers = workers or os.cpu_count() or 1
    ahead: collections.deque[Future[Array]] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for file in files:
                ahead.append(pool.submit(one, file))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def info(data: File) -> Header:
    """Header of an ``.aec`` file, nothing else read.

    Parameters
    ----------
    data : bytes-like, path or binary file object

    Returns
    -------
    Header

    Raises
    ------
    FormatError, UnsupportedError
        As :meth:`Decoder.decode`, as far as the header shows it.
    """
    if urls.is_source(data):
        with urls.opened(data) as file:
            return container.read_sections(file)[0]
    return container.read_header(cast(Buffer, data))
