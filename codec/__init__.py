"""aecompress: a learned picture codec.

``encode`` and ``decode`` turn pictures into ``.aec`` files and back,
``info`` reads a header; ``Encoder`` and ``Decoder`` keep a model loaded.
``encode_batch``, ``decode_batch`` and ``Stack`` do the same for many
pictures of one size in one file; ``register_pillow`` teaches Pillow the
format. ``features`` describes a picture or a file by its latent,
``anomaly_score`` says how unusual it is. Not to be confused
with the standard library's ``codecs``.
"""

import importlib
import os

from .errors import (
    CodecError,
    ConversionWarning,
    EffortWarning,
    FormatError,
    InputError,
    LimitError,
    ModelError,
    UnsupportedError,
)

__version__ = "0.2.0"

# onnxruntime would note a device, queue events and look for its maker's
# server as soon as it is imported; only the environment stops it in time.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import table as table
    from .api import decode as decode
    from .api import decode_many as decode_many
    from .api import encode as encode
    from .api import info as info
    from .decoder import Decoder as Decoder
    from .encoder import Encoder as Encoder
    from .insight.anomaly import anomaly_score as anomaly_score
    from .insight.features import features as features
    from .insight.latents import Latents as Latents
    from .insight.latents import latents as latents
    from .insight.latents import render as render
    from .insight.latents import sample as sample
    from .io import open as open
    from .model.find import register_model as register_model
    from .options import DecodeOptions as DecodeOptions
    from .options import EncodeOptions as EncodeOptions
    from .stacks import Stack as Stack
    from .stacks import decode_batch as decode_batch
    from .stacks import encode_batch as encode_batch
    from .types import Header as Header
    from .types import Picture as Picture

    def register_pillow() -> None: ...


# numpy, Pillow and the engine load when first used, so that a command's
# --help does not wait for them.
_WHERE = {
    "encode": "api",
    "decode": "api",
    "decode_many": "api",
    "info": "api",
    "kept": "api",
    "Encoder": "encoder",
    "Decoder": "decoder",
    "EncodeOptions": "options",
    "DecodeOptions": "options",
    "Header": "types",
    "Picture": "types",
    "encode_batch": "stacks",
    "decode_batch": "stacks",
    "Stack": "stacks",
    "features": "insight.features",
    "latents": "insight.latents",
    "render": "insight.latents",
    "sample": "insight.latents",
    "Latents": "insight.latents",
    "anomaly_score": "insight.anomaly",
    "open": "io",
    "register_pillow": "plugins.pillow",
    "register_model": "model.find",
}
__all__ = [
    *_WHERE,
    "table",
    "CodecError",
    "ConversionWarning",
    "EffortWarning",
    "InputError",
    "FormatError",
    "UnsupportedError",
    "LimitError",
    "ModelError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name == "table":  # a package of its own
        return importlib.import_module(".table", __name__)
    if name in _WHERE:
        module = importlib.import_module(f".{_WHERE[name]}", __name__)
        value = globals()[name] = getattr(module, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
