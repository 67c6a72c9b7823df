"""The public functions for single pictures, on `Encoder` and `Decoder`."""

import collections
import os
from collections.abc import Iterable, Iterator
from typing import Any, Unpack, cast

import numpy as np

from . import container, picture
from .decoder import Decoder
from .encoder import Encoder
from .io import urls
from .options import DecodeFields, DecodeOptions, EncodeFields, EncodeOptions
from .picture.source import Source
from .types import Array, Buffer, File, Header, Region


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


def kept(data: File) -> bytes | None:
    """What ``metadata="all"`` kept of the file that a picture was read from.

    Parameters
    ----------
    data : bytes-like, path or binary file object
        An ``.aec`` file.

    Returns
    -------
    bytes or None
        That file, with zeros where its coded samples were; all the rest of
        it is as it was, at the same places. None where nothing was kept.

    Raises
    ------
    FormatError, UnsupportedError
        As :meth:`Decoder.decode`, but symbols are not looked at.
    """
    header, sections, _ = container.unpack(urls.contents(data))
    section = sections.get(picture.kept.SECTION, b"")
    return picture.kept.read(section, header.width * header.height)


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
            return container.read_header(container.read_head(file))
    return container.read_header(cast(Buffer, data))
