"""Stacks: many pictures of one size and colour in one file.

    encode_batch   pictures -> file; blocks of pictures share one entropy
                   coder and go through the networks together
    decode_batch   the inverse, of all pictures or of some
    Stack          a file opened for reading one picture at a time

Each picture is coded as it would be alone, only without a header, a start
of the entropy coder and a call of every network of its own
(docs/format.md, section 12).
"""

import contextlib
import dataclasses
import io
import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Self, Unpack, cast

import numpy as np

from . import api, container, picture
from .decoder import Decoder
from .encoder import Encoder
from .errors import FormatError, InputError, LimitError
from .io import urls
from .limits import MAX_PIXELS as ONE_PICTURE
from .limits import over
from .options import DecodeFields, DecodeOptions, EncodeFields, EncodeOptions
from .picture.source import Source
from .symbols import coder
from .symbols.pipeline import Pipeline
from .symbols.stages import quality_index
from .types import Array, Buffer, File, Header

# Of 16 x 16 pixels: what one picture of a stack costs to decode symbols for.
BLOCK_CELLS = 512
MAX_PIXELS = 2**28  # of all pictures that are decoded at once
_BATCH = DecodeOptions(max_pixels=MAX_PIXELS)


def encode_batch(
    images: Array | Iterable[Source],
    *,
    options: EncodeOptions = EncodeOptions(),
    encoder: Encoder | None = None,
    **fields: Unpack[EncodeFields],
) -> bytes:
    """Encode pictures of one size and colour into one file.

    Parameters
    ----------
    images : uint8 ndarray, or iterable of pictures
        (n, height, width) or (n, height, width, 3), or arrays and images
        as `codec.encode` takes them, which must be alike in size and colour
        and opaque. An ICC profile that all share is kept; Exif and XMP
        are not.
    options : EncodeOptions, optional
        Targets are those of the whole file; ``max_pixels`` those of each
        picture.
    encoder : codec.Encoder, optional
        One that is there already, with its options.
    **fields
        Fields of `EncodeOptions`, in place of those of ``options``.

    Returns
    -------
    bytes
        A whole ``.aec`` file.

    Raises
    ------
    InputError
        Not such pictures.

    Examples
    --------
    >>> import numpy as np, codec
    >>> data = codec.encode_batch(np.zeros((5, 28, 28), np.uint8))
    >>> codec.decode_batch(data).shape
    (5, 28, 28)
    >>> codec.decode_batch(data, 3).shape
    (28, 28)
    """
    if encoder is None:
        encoder = Encoder(options=options.changed(**fields))
        options = encoder.options
    else:
        options = encoder.changed(**fields)
    pixels, icc = _load(images, options.max_pixels)
    n, height, width = pixels.shape[:3]
    header = Header(
        width=width,
        height=height,
        quality=1.0,
        colour="grey" if pixels.ndim == 3 else "rgb",
        model=encoder.model_id,
    )
    per_block = min(n, max(1, BLOCK_CELLS // container.cells(header)))

    def pack(quality: float, coded: list[tuple[bytes, int]]) -> bytes:
        blocks = [(len(payload), crc) for payload, crc in coded]
        return container.pack_stack(
            dataclasses.replace(header, quality=quality),
            container.Index(n, per_block, blocks),
            [payload for payload, _ in coded],
            {"ICCP": icc} if icc else None,
        )

    blocks = _Blocks(pixels, per_block)
    n_other = len(pack(1.0, [(b"", 0)] * len(blocks)))
    return pack(*encoder.code(blocks, options, n * height * width, n_other))


class _Blocks(Sequence[Array]):
    """Blocks of pictures as RGB samples, each made when it is looked at."""

    def __init__(self, pixels: Array, per_block: int) -> None:
        self.pixels, self.per_block = pixels, per_block

    def __len__(self) -> int:
        return -(-len(self.pixels) // self.per_block)

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < len(self):
            raise IndexError(i)
        block = self.pixels[i * self.per_block : (i + 1) * self.per_block]
        return block if block.ndim == 4 else np.repeat(block[..., None], 3, -1)


def _load(images: Array | Iterable[Source], max_pixels: int) -> tuple[Array, bytes | None]:
    """Pixels (n, height, width[, 3]) and the ICC profile of all."""
    if isinstance(images, np.ndarray):
        if images.ndim == 4 and images.shape[3] == 1:
            images = images[..., 0]
        if (
            images.dtype == np.uint8
            and len(images)
            and (images.ndim == 3 or images.ndim == 4 and images.shape[3] == 3)
        ):
            picture.load(images[0], max_pixels)  # checks the size
            return images, None
        if images.ndim not in (3, 4) or not len(images):
            raise InputError(
                f"shape {images.shape}; (n, height, width) or (n, height, width, 3) is needed"
            )
    pictures = []
    for i, image in enumerate(images):
        pic = picture.read(image, max_pixels)
        pictures.append(pic)
        if pic.alpha is not None:
            raise InputError(f"picture {i} has alpha, which a stack has not")
        if pic.pixels.shape != pictures[0].pixels.shape or pic.icc != pictures[0].icc:
            raise InputError(
                f"picture {i} differs from the first one in size, colour or ICC profile"
            )
    if not pictures:
        raise InputError("a stack needs at least one picture")
    return np.stack([pic.pixels for pic in pictures]), pictures[0].icc


class Stack:
    """A stack opened for reading.

    Only its index is read at first, then the block of the picture that is
    asked for; the last block used is kept. Not to be shared between
    threads, as its file is not.

    Parameters
    ----------
    source : bytes-like, path or seekable binary file
        A path is opened and read in parts until ``close``; a file
        object is read from its start and stays open.
    decoder : codec.Decoder, optional
        One that is there already, instead of what follows.
    options : DecodeOptions, optional
    **fields
        Fields of `DecodeOptions`, in place of those of ``options``.

    Attributes
    ----------
    header : Header
    shape : tuple of int
        (n, height, width) or (n, height, width, 3).
    icc : bytes or None

    Raises
    ------
    FormatError, UnsupportedError
        As `codec.decode`; also where the file is one picture.
    """

    def __init__(
        self,
        source: File,
        decoder: Decoder | None = None,
        *,
        options: DecodeOptions = DecodeOptions(),
        **fields: Unpack[DecodeFields],
    ) -> None:
        self._open = contextlib.ExitStack()
        self._file: BinaryIO = (
            self._open.enter_context(urls.opened(source))
            if urls.is_source(source)
            else io.BytesIO(cast(Buffer, source))
        )
        self._file.seek(0)
        (self.header, sections, self._index, start) = container.read_stack(self._file)
        self._starts = np.cumsum([start] + [size for size, _ in self._index.blocks]).tolist()
        self.icc = sections.get("ICCP") or None
        self._decoder = decoder or Decoder(options=options, **fields)
        self._kept: tuple[int | None, Any, Any] = None, None, None

    def close(self) -> None:
        """Close the file, if its path was given."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._index.count

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all pictures as one array."""
        colours = () if self.header.colour == "grey" else (3,)
        return (len(self), self.header.height, self.header.width, *colours)

    def __getitem__(self, which: int | slice | Sequence[int]) -> Array:
        """One picture by its number, or several by a slice, list or mask.

        Raises
        ------
        IndexError
            No such picture, or an index of more than one axis.
        TypeError
            No index.

        Returns
        -------
        uint8 ndarray
            (height, width[, 3]), or (n, height, width[, 3]).
        """
        numbers = self.numbers(which)
        one = not isinstance(which, slice) and np.ndim(which) == 0
        return self.read(numbers)[0 if one else ...]

    def numbers(self, which: int | slice | Sequence[int]) -> Sequence[int]:
        """Numbers 0..n-1 of the pictures that an index means.

        Raises
        ------
        IndexError
            No such picture.
        """
        every = range(len(self))
        if isinstance(which, slice):
            return every[which]
        index = np.asarray(which)
        if isinstance(which, tuple) or index.ndim > 1:
            raise IndexError("one axis of pictures; index the result for the others")
        if index.dtype == bool:
            if index.shape != (len(self),):
                raise IndexError(f"a mask of {index.shape}, not of {len(self)} pictures")
            return np.flatnonzero(index).tolist()
        return [every[operator.index(i)] for i in np.atleast_1d(index).tolist()]

    def read(self, numbers: Sequence[int]) -> Array:
        """Pictures by their numbers, 0..n-1, in any order: an array."""
        h, per_block = self.header, self._index.per_block
        pipeline = self._decoder._pipeline(h)
        for block in {i // per_block for i in numbers}:
            self._check_size(pipeline, block)
        try:
            out = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        except MemoryError as error:
            raise LimitError(f"not enough memory for {len(numbers)} pictures") from error
        each = np.asarray(numbers, np.int64)
        for block in np.unique(each // per_block).tolist():
            where = np.flatnonzero(each // per_block == block)
            wanted, back = np.unique(each[where] - block * per_block, return_inverse=True)
            z, s = self._symbols(pipeline, block)
            pixels = pipeline.reconstruct(z[wanted], s[wanted], h.quality, h.height, h.width)
            if h.colour == "grey":
                pixels = picture.as_grey(pixels)
            out[where] = pixels[back]
        return out

    def __iter__(self) -> Iterator[Array]:
        return self.pictures(range(len(self)))

    def pictures(self, numbers: Iterable[int]) -> Iterator[Array]:
        """Pictures by their numbers, one after the other.

        Those of a block that follow each other are decoded together; no
        more than a block is held in memory.
        """
        for _, block in itertools.groupby(numbers, lambda i: i // self._index.per_block):
            yield from self.read(list(block))

    def symbols(self, pipeline: Pipeline | None = None) -> Iterator[tuple[Array, Array]]:
        """z and latent symbols of each block; no network runs."""
        pipeline = pipeline or self._decoder._pipeline(self.header)
        for block in range(len(self._index.blocks)):
            yield self._symbols(pipeline, block)

    def _check_size(self, pipeline: Pipeline, block: int) -> None:
        first, end = self._index.span(block)
        coder.check_size(
            pipeline.bundle.tables,
            self._index.blocks[block][0],
            (end - first) * container.z_cells(self.header),
            quality_index(self.header.quality),
        )

    def _symbols(self, pipeline: Pipeline, block: int) -> tuple[Array, Array]:
        kept, z, s = self._kept
        if kept == block:
            return z, s
        size, crc = self._index.blocks[block]
        first, end = self._index.span(block)
        self._check_size(pipeline, block)
        self._file.seek(self._starts[block])
        payload = self._file.read(size)
        if len(payload) < size:
            raise FormatError("file is cut short", self._starts[block] + len(payload))
        h = self.header
        z, s = pipeline.read_symbols(payload, h.height, h.width, h.quality, crc, n=(end - first,))
        self._kept = block, z, s
        return z, s


def decode_batch(
    data: File,
    index: int | slice | Sequence[int] | None = None,
    *,
    options: DecodeOptions = _BATCH,
    **fields: Unpack[DecodeFields],
) -> Array:
    """Decode the pictures of a stack.

    Parameters
    ----------
    data : bytes-like, path or binary file object
        The whole file, of one picture or of many.
    index : int, slice or list of int, optional
        Which; all if left out. With an ``int``, the result is one picture.
    options : DecodeOptions, optional
        ``max_pixels`` are those of all pictures that are asked for; 2^28 if
        nothing is said.
    **fields
        Fields of `DecodeOptions`, in place of those of ``options``.

    Returns
    -------
    uint8 ndarray
        (n, height, width) or (n, height, width, 3).

    Raises
    ------
    FormatError, UnsupportedError
        As `codec.decode`.
    LimitError
        More than ``max_pixels``.
    IndexError
        No such picture.
    """
    options = options.changed(**fields)
    max_pixels = options.max_pixels
    content = urls.contents(data)
    if not container.unpack(content)[0].is_stack:
        most = min(max_pixels, ONE_PICTURE)
        one = api.decode(content, options=options, max_pixels=most)[None]
        return one if index is None else one[index]
    stack = Stack(content, options=options)
    which = slice(None) if index is None else index
    n = len(stack.numbers(which))
    if n * stack.shape[1] * stack.shape[2] > max_pixels:
        raise over(f"{n} pictures of {stack.shape[2]}x{stack.shape[1]} pixels", max_pixels)
    return stack[which]
