"""aecompress: a learned picture codec.

``encode`` and ``decode`` turn pictures into ``.aec`` files and back,
``info`` reads a header; ``Encoder`` and ``Decoder`` keep a model loaded.
Not to be confused with the standard library's ``codecs``.
"""

from .errors import (CodecError, FormatError, InputError, LimitError,
                     ModelError, UnsupportedError)

__version__ = "0.1.0"
__all__ = ["encode", "decode", "info", "Encoder", "Decoder", "Header",
           "Picture", "CodecError", "InputError", "FormatError",
           "UnsupportedError", "LimitError", "ModelError", "__version__"]

_API = {"encode", "decode", "info", "Encoder", "Decoder"}
_TYPES = {"Header", "Picture"}


def __getattr__(name):
    # numpy, Pillow and the engine load when first used, so that a
    # command's --help does not wait for them.
    if name in _API:
        from . import api
        return getattr(api, name)
    if name in _TYPES:
        from . import types
        return getattr(types, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
