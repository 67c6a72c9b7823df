"""``.aec`` as an array codec of Zarr format 3.

    zarr.create_array(..., chunks=(100, 28, 28),
                      serializer={"name": "aecompress",
                                  "configuration": {"quality": 60}},
                      compressors=None)

Found through the entry points ``zarr.codecs``. It turns an array into bytes,
so it takes the place of the serializer; what the axes of a chunk mean is
told in `codec.plugins.numcodecs`. ``aecompress_table`` is the codec of chunks of
any numbers, (n, features).
"""

import asyncio
import dataclasses
import warnings
from collections.abc import Callable
from typing import Any, Self, Unpack

import numpy as np

try:
    from zarr.abc.codec import ArrayBytesCodec
    from zarr.core.common import JSON, parse_named_configuration
except ImportError as error:
    raise ImportError("codec.plugins.zarr needs zarr: pip install zarr numcodecs") from error

from ..options import EncodeFields, EncodeOptions
from ..table.file import EFFORT
from .numcodecs import (
    NAME,
    TABLE_NAME,
    check_rows,
    check_shape,
    decode_chunk,
    decode_rows,
    encode_chunk,
    encode_rows,
    options_of,
    settings_of,
)


def encoding(
    options: EncodeOptions = EncodeOptions(), **fields: Unpack[EncodeFields]
) -> dict[str, Any]:
    """What to write in a call that creates an array, whatever its format.

    ``compressors="aecompress"`` cannot work: Zarr 3 has compressors for bytes,
    after a serializer that has forgotten what a picture is.

    Parameters
    ----------
    options : EncodeOptions, optional
    **fields
        Fields of `EncodeOptions`.

    Examples
    --------
    >>> import zarr
    >>> from codec.plugins.zarr import encoding
    >>> array = zarr.create_array(
    ...     {}, shape=(9, 32, 32), chunks=(9, 32, 32), dtype="uint8",
    ...     **encoding(quality=60, effort=2),
    ... )
    >>> array[:] = 7
    >>> array[3].shape
    (32, 32)
    """
    configuration = settings_of(options.changed(**fields))
    serializer = {"name": NAME, "configuration": configuration}
    return {"serializer": serializer, "compressors": None}


class _Codec(ArrayBytesCodec):
    """What both codecs share: threads, and no fixed size."""

    is_fixed_size = False
    _encode_sync: Callable[..., Any]
    _decode_sync: Callable[..., Any]

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        return await asyncio.to_thread(self._encode_sync, chunk_array, chunk_spec)

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Raise NotImplementedError: the size depends on the pictures."""
        raise NotImplementedError("depends on the pictures")


@dataclasses.dataclass(frozen=True, init=False)
class AecompressCodec(_Codec):
    """Lossy codec for chunks of 8-bit pictures.

    Parameters
    ----------
    options : EncodeOptions, optional
        Targets are those of a chunk; the model decodes as well.
    **fields
        Fields of `codec.options.EncodeOptions`, instead.
    """

    options: EncodeOptions

    def __init__(
        self, options: EncodeOptions = EncodeOptions(), **fields: Unpack[EncodeFields]
    ) -> None:
        object.__setattr__(self, "options", options.changed(**fields))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """The codec that a store's metadata name."""
        _, settings = parse_named_configuration(data, NAME, require_configuration=False)
        return cls(options_of(settings or {}))

    def to_dict(self) -> dict[str, JSON]:
        """What a store's metadata keep."""
        return {"name": NAME, "configuration": settings_of(self.options)}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise ValueError where the array cannot be pictures."""
        native = dtype.to_native_dtype()
        if native != np.uint8:
            raise ValueError(f"{NAME} takes arrays of uint8, not {native}")
        if len(shape) < 2:
            raise ValueError(f"{NAME} takes arrays of pictures, not of {len(shape)} axes")
        chunk = getattr(chunk_grid, "chunk_shape", None)
        wasteful = chunk and check_shape(tuple(chunk), tuple(shape))
        if wasteful and shape[-1] == 3:
            raise ValueError(wasteful)
        if wasteful:
            warnings.warn(wasteful, UserWarning, stacklevel=2)

    def _encode_sync(self, chunk_array: Any, chunk_spec: Any) -> Any:
        data = encode_chunk(chunk_array.as_numpy_array(), self.options)
        return chunk_spec.prototype.buffer.from_bytes(data)

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        pixels = decode_chunk(chunk_bytes.to_bytes(), self.options, chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(pixels)


@dataclasses.dataclass(frozen=True)
class AecompressTableCodec(_Codec):
    """Codec for chunks of numbers, (n, features); `numcodecs.AecompressTable` says more.

    Parameters
    ----------
    max_error : float or str
    effort : int
    """

    max_error: float | str = 0
    effort: int = EFFORT

    def __post_init__(self) -> None:
        check_rows(self.max_error, self.effort)

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """The codec that a store's metadata name."""
        _, settings = parse_named_configuration(data, TABLE_NAME, require_configuration=False)
        return cls(**(settings or {}))  # type: ignore[arg-type]  # it is checked

    def to_dict(self) -> dict[str, JSON]:
        """What a store's metadata keep."""
        return {"name": TABLE_NAME, "configuration": dataclasses.asdict(self)}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise ValueError where the array has no numbers."""
        native = dtype.to_native_dtype()
        if native.kind not in "biufmM" or native.itemsize > 8:
            raise ValueError(f"{TABLE_NAME} takes arrays of numbers, not of {native}")

    def _encode_sync(self, chunk_array: Any, chunk_spec: Any) -> Any:
        rows = np.ascontiguousarray(chunk_array.as_numpy_array())
        data = encode_rows(rows, self.max_error, self.effort)
        return chunk_spec.prototype.buffer.from_bytes(data)

    def _decode_sync(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        native = chunk_spec.dtype.to_native_dtype()
        rows = decode_rows(chunk_bytes.to_bytes(), chunk_spec.shape, native)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(rows)
