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
"""

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from .. import api, stacks
from ..errors import FormatError, InputError

NAME = "aecompress"


def check_settings(quality, model):
    """Quality and model as a store's metadata keep them.

    Raises
    ------
    InputError
        Not a quality, or a model that is not a string.
    """
    quality = api._check_quality(quality)
    if not (model is None or isinstance(model, str)):
        raise InputError(f"model must be a name, id or folder, not {model!r}")
    return int(quality) if quality == int(quality) else quality, model


def encode_chunk(array, quality, model):
    """A chunk of pictures as one ``.aec`` file.

    Parameters
    ----------
    array : uint8 ndarray
        See the module's table.
    quality : float
    model : str or None

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
        return api._cached(api.Encoder, model).encode(
            array.reshape(*size, *colours), quality
        )
    return stacks.encode_batch(
        array.reshape(-1, *size, *colours), quality=quality, model=model
    )


def decode_chunk(data, shape=None):
    """The inverse of `encode_chunk`.

    Parameters
    ----------
    data : bytes-like
    shape : tuple of int, optional
        Of the chunk; otherwise one of the table's.

    Raises
    ------
    FormatError
        Damaged, or not of this shape.
    """
    pixels = stacks.decode_batch(data) if api.info(data).is_stack else api.decode(data)
    if shape is None:
        return pixels
    if pixels.size != np.prod(shape):
        raise FormatError(f"the chunk holds {pixels.shape}, not {tuple(shape)}")
    return pixels.reshape(shape)


class Aecompress(Codec):
    """Lossy codec for chunks of 8-bit pictures.

    Parameters
    ----------
    quality : float
        1..100, higher is better.
    model : str or None
        Name, id or folder of a model to encode with; None: the default.

    Examples
    --------
    >>> import numpy as np
    >>> codec = Aecompress(quality=80)
    >>> codec.get_config()
    {'id': 'aecompress', 'quality': 80, 'model': None}
    >>> codec.decode(codec.encode(np.zeros((9, 8, 8), np.uint8))).shape
    (9, 8, 8)
    """

    codec_id = NAME

    def __init__(self, quality=50, model=None):
        self.quality, self.model = check_settings(quality, model)

    def encode(self, buf):
        """Encode a chunk; see the module's table for its axes."""
        array = np.asarray(buf)
        if array.dtype != np.uint8:
            raise InputError(f"{NAME} takes uint8, not {array.dtype}")
        return encode_chunk(array, self.quality, self.model)

    def decode(self, buf, out=None):
        """Decode a chunk, into ``out`` if it is given."""
        pixels = decode_chunk(ensure_bytes(buf))
        return pixels if out is None else ndarray_copy(pixels, out)

    def get_config(self):
        return {"id": NAME, "quality": self.quality, "model": self.model}
