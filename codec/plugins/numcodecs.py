"""``.aec`` as a codec of numcodecs, for Zarr format 2 and the like.

    zarr.create_array(..., zarr_format=2, chunks=(100, 28, 28),
                      compressors=numcodecs.get_codec(
                          {"id": "aecompress", "quality": 60}))

Found through the entry point ``numcodecs.codecs``; nothing needs to be
imported. What the axes of a chunk of uint8 are:

====================  =================================================
(H, W)                one grey picture
(H, W, 3), (H, W, 1)  one picture, colours last
(.., H, W, 3)         a stack of pictures in one file
(.., H, W)            a stack of grey pictures, if W is not 1 or 3
====================  =================================================

`AecompressTable` is the codec of chunks of any numbers, (n, features).
"""

import contextlib
import io
import struct
import warnings
from typing import Any

import numpy as np

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_bytes, ndarray_copy
except ImportError as error:
    raise ImportError("codec.plugins.numcodecs needs numcodecs: pip install numcodecs") from error

from .. import api, container, stacks, table
from ..errors import FormatError, InputError, UnsupportedError
from ..model import find
from ..options import EncodeOptions, Model
from ..table.file import EFFORT
from ..types import Array

NAME = "aecompress"
TABLE_NAME = "aecompress_table"
FORTRAN = "ford"  # section with the shape of a chunk in that order


def options_of(settings: dict[str, Any]) -> EncodeOptions:
    """Options as a store's metadata name them.

    Parameters
    ----------
    settings : dict
        Fields of `EncodeOptions`.

    Returns
    -------
    EncodeOptions

    Raises
    ------
    InputError
        Out of range, or a model that is not a string.
    TypeError
        No such field.
    """
    options = EncodeOptions().changed(**settings)
    if not (options.model is None or isinstance(options.model, str)):
        raise InputError(f"model must be a name, id or folder, not {options.model!r}")
    return options


def settings_of(options: EncodeOptions) -> dict[str, Any]:
    """The inverse: what a store's metadata keep, quality first.

    The model is there by its id: names and folders may mean another, or none,
    where the store is read.
    """
    settings = {"quality": options.quality, **options.settings()}
    if options.quality is None:
        del settings["quality"]
    with contextlib.suppress(UnsupportedError):  # not here, but to be read
        settings["model"] = _lasting(options.model)
    return {
        name: int(value) if isinstance(value, float) and value == int(value) else value
        for name, value in settings.items()
    }


def _lasting(model: Model | None) -> str:
    """The id of a model; the name of one that is only another's encoder."""
    bundle = find.load(model)
    try:
        known = find.by_id(bundle.id)
    except UnsupportedError:
        return find.register_model(bundle)
    return bundle.id if known.content == bundle.content else str(model)


def check_shape(chunk: tuple[int, ...], array: tuple[int, ...] | None = None) -> str | None:
    """What is wasteful about a chunk's shape, and what to write instead.

    Parameters
    ----------
    chunk : tuple of int
    array : tuple of int, optional
        Shape of the array, where it is known.

    Returns
    -------
    str or None

    Examples
    --------
    >>> check_shape((32, 28, 28))
    >>> print(check_shape((50, 64, 128, 2), (500, 256, 512, 3)))
    chunks of (50, 64, 128, 2) part the colours; write chunks=(50, 256, 512, 3)
    >>> check_shape((8, 3, 64, 64)).partition("; ")[2]
    'if axis 1 is colours, write them last: (8, 64, 64, 3)'
    """
    if array is not None and len(chunk) > 2 and array[-1] == 3 != chunk[-1]:
        size = chunk if chunk[-1] == 1 else array  # Zarr's own cut the pictures, too
        better = (*chunk[:-3], *size[-3:-1], 3)
        return f"chunks of {chunk} part the colours; write chunks={better}"
    if len(chunk) > 2 and chunk[-1] in (2, 4, 5, 6, 7):
        return (
            f"chunks of {chunk} are grey pictures of {chunk[-2]} x {chunk[-1]}; "
            "colours are 3, or 1, on the last axis: write other channels as pictures "
            f"of their own, {(chunk[-1], *chunk[:-1])}"
        )
    if len(chunk) > 3 and chunk[-3] == 3 and chunk[-1] != 3:
        n = int(np.prod(chunk[:-2]))
        return (
            f"chunks of {chunk} are {n} grey pictures of {chunk[-2]} x {chunk[-1]}; if "
            f"axis {len(chunk) - 3} is colours, write them last: "
            f"{(*chunk[:-3], *chunk[-2:], 3)}"
        )
    return None


def encode_chunk(array: Array, options: EncodeOptions) -> bytes:
    """A chunk of pictures as one ``.aec`` file.

    Parameters
    ----------
    array : uint8 ndarray
        See the module's table.
    options : EncodeOptions
        Targets are those of a chunk.

    Returns
    -------
    bytes
    """
    if array.ndim < 2:
        raise InputError(
            f"a chunk of shape {array.shape} is no picture; "
            "(height, width) are the last axes, or the last "
            "but one of colours"
        )
    n_colours = array.shape[-1] if array.shape[-1] in (1, 3) else 0
    if array.ndim == 2:
        n_colours = 0
    colours = (3,) if n_colours == 3 else ()
    n_axes = array.ndim - bool(n_colours)
    size = array.shape[n_axes - 2 : n_axes]
    if n_axes == 2:
        return api.encode(array.reshape(*size, *colours), options=options)
    return stacks.encode_batch(array.reshape(-1, *size, *colours), options=options)


def decode_chunk(
    data: bytes, options: EncodeOptions, shape: tuple[int, ...] | None = None
) -> Array:
    """The inverse of `encode_chunk`.

    Parameters
    ----------
    data : bytes-like
    options : EncodeOptions
        Of the array; its model is tried first.
    shape : tuple of int, optional
        Of the chunk; otherwise one of the table's.

    Raises
    ------
    FormatError
        Damaged, or not of this shape.
    """
    model = options.model
    try:
        find.load(model)
    except UnsupportedError:
        model = None  # its folder was elsewhere; the file names it by its id
    decode = stacks.decode_batch if api.info(data).is_stack else api.decode
    pixels = decode(data, model=model, threads=options.threads)
    if shape is None:
        return pixels
    if pixels.size != np.prod(shape):
        raise FormatError(f"the chunk holds {pixels.shape}, not {tuple(shape)}")
    return pixels.reshape(shape)


def _with_shape(data: bytes, shape: tuple[int, ...]) -> bytes:
    """The file with the shape of a chunk in Fortran's order."""
    header, sections, payload = container.unpack(data)
    sections[FORTRAN] = struct.pack(f"<{len(shape)}I", *shape)
    return container.pack(header, payload, sections)


def _shape(data: bytes) -> tuple[int, ...] | None:
    """The shape of a chunk in Fortran's order; None of others."""
    found = container.read_sections(io.BytesIO(data))[1].get(FORTRAN)
    if found is None:
        return None
    if len(found) % 4:
        raise FormatError(f"section {FORTRAN} has {len(found)} bytes")
    return struct.unpack(f"<{len(found) // 4}I", found)


class Aecompress(Codec):
    """Lossy codec for chunks of 8-bit pictures.

    Parameters
    ----------
    **fields
        Fields of `codec.options.EncodeOptions`; targets are those of a chunk.
        ``model`` (a name, id or folder) decodes as well.

    Examples
    --------
    >>> import numpy as np
    >>> codec = Aecompress(quality=80)
    >>> codec.get_config()  # doctest: +ELLIPSIS
    {'id': 'aecompress', 'quality': 80, 'model': '...'}
    >>> codec.decode(codec.encode(np.zeros((9, 8, 8), np.uint8))).shape
    (9, 8, 8)
    """

    codec_id = NAME

    def __init__(self, **fields: Any) -> None:
        self.options = options_of(fields)

    def encode(self, buf: Any) -> bytes:
        """Encode a chunk; see the module's table for its axes."""
        array = np.asarray(buf)
        if array.dtype != np.uint8:
            raise InputError(f"{NAME} takes uint8, not {array.dtype}")
        wasteful = check_shape(array.shape)
        if wasteful:
            warnings.warn(wasteful, UserWarning, stacklevel=2)
        data = encode_chunk(array, self.options)
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            data = _with_shape(data, array.shape)
        return data

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk, into ``out`` if it is given.

        A chunk in Fortran's order comes back in it: what follows, as Zarr,
        takes the samples as they lie in memory.
        """
        data = ensure_bytes(buf)
        shape = _shape(data)
        pixels = decode_chunk(data, self.options, shape)
        if out is not None and getattr(out, "shape", None) == pixels.shape:
            np.copyto(out, pixels)
            return out
        if shape is not None:
            pixels = np.asfortranarray(pixels)
        return pixels if out is None else ndarray_copy(pixels, out)

    def get_config(self) -> dict[str, Any]:
        """What a store keeps; `numcodecs.get_codec` takes it back."""
        return {"id": NAME, **settings_of(self.options)}

    def __repr__(self) -> str:
        fields = (f"{k}={v!r}" for k, v in settings_of(self.options).items())
        return f"{type(self).__name__}({', '.join(fields)})"


def check_rows(max_error: float | str, effort: int) -> None:
    """Raise InputError where `codec.table.encode` would, whatever the chunk."""
    if not isinstance(max_error, int | float | str):
        raise InputError(f"max_error of a chunk is a number or a share, not {max_error!r}")
    table.encode(np.zeros((1, 1)), max_error, effort=effort)


def encode_rows(array: Array, max_error: float | str, effort: int) -> bytes:
    """A chunk of numbers as one ``.aec`` file of a table.

    Parameters
    ----------
    array : ndarray (.., features) or (n,)
        Columns of one in Fortran's order are coded by name, which tells it apart.
    max_error, effort
        As of `AecompressTable`.

    Returns
    -------
    bytes
    """
    rows: Any = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(-1)
    if array.ndim == 2 and array.flags.f_contiguous and not array.flags.c_contiguous:
        rows = {str(i): column for i, column in enumerate(array.T)}
    return table.encode(rows, max_error, effort=effort)


def decode_rows(
    data: Any, shape: tuple[int, ...] | None = None, dtype: np.dtype[Any] | None = None
) -> Array:
    """The inverse of `encode_rows`.

    Parameters
    ----------
    data : bytes-like
    shape : tuple of int, optional
        Of the chunk; otherwise (rows, features), or (n,).
    dtype : dtype, optional
        What the chunk is of.

    Raises
    ------
    FormatError
        Damaged, or not of this shape or type.
    """
    found = table.decode(data)
    if isinstance(found, dict) and found:
        found = np.stack(list(found.values())).T
    if not isinstance(found, np.ndarray) or found.dtype.names is not None:
        raise FormatError("the chunk holds a table that is no array")
    if dtype is not None and found.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise FormatError(f"the chunk holds {found.dtype}, not {dtype}")
    if shape is not None and found.size != np.prod(shape):
        raise FormatError(f"the chunk holds {found.shape}, not {tuple(shape)}")
    return found if shape is None else found.reshape(shape)


class AecompressTable(Codec):
    """Codec for chunks of numbers, (n, features): `codec.table`, columns of one type.

    Axes before the last are rows; one axis is one column.

    Parameters
    ----------
    max_error : float or str
        What a value of a column of floats may be off by: a number, or a share of the
        column's range in the chunk as ``"1%"``. 0, the default: nothing.
    effort : int, 1..9

    Examples
    --------
    >>> import numpy as np
    >>> codec = AecompressTable(max_error="1%")
    >>> rows = np.random.default_rng(0).normal(size=(1000, 3))
    >>> back = codec.decode(codec.encode(rows))
    >>> bool((abs(back - rows) <= 0.01 * np.ptp(rows, 0)).all())
    True
    """

    codec_id = TABLE_NAME

    def __init__(self, max_error: float | str = 0, effort: int = EFFORT) -> None:
        check_rows(max_error, effort)
        self.max_error, self.effort = max_error, effort

    def encode(self, buf: Any) -> bytes:
        """Encode a chunk."""
        return encode_rows(np.asarray(buf), self.max_error, self.effort)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk, into ``out`` if it is given; Fortran's order comes back."""
        rows = decode_rows(ensure_bytes(buf))
        if out is not None and getattr(out, "shape", None) == rows.shape:
            np.copyto(out, rows)
            return out
        return rows if out is None else ndarray_copy(rows, out)
