"""Every codec behind one pair of functions, with its true settings.

A builder returns a `Codec` or raises ``ImportError``, so that a library
which is not installed costs its own rows only. All of them take the 8-bit
RGB picture as an array and give the bytes of the whole file.
"""

import functools
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
from PIL import Image, features

from ..limits import cores
from .metrics import METRICS

ANCHOR = "jpeg-420"
OURS = "aec"
OURS_NAME = re.compile(OURS + r"(-e(?P<effort>[1-9]))?(-(?P<tune>[a-z][a-z-]*))?(@(?P<model>.+))?")
STRONG = 5
"""The effort that is measured beside the default one."""


def tuned_avif(metric: str) -> str:
    """Name of the AVIF that was tuned for a metric.

    Parameters
    ----------
    metric : str
        A key of `metrics.METRICS`.
    """
    return f"avif-444-{METRICS[metric].opponent}"


@dataclass(frozen=True)
class Codec:
    """One codec with the settings at which it is measured.

    Parameters
    ----------
    name : str
        What ``--codecs`` and the CSV call it.
    label : str
        What people read.
    kind : {"lossy", "lossless", "general"}
        ``general`` compresses the raw pixels and knows no picture.
    settings : tuple
        From small to large files; as few as draw the curve, since every
        one costs two seconds of metrics on a Kodak picture.
    typical : object
        The setting whose speed is measured: about 1 bit per pixel.
    description : str
        The options that were set, in the library's own words.
    version : str
        Library versions; rows of another version are measured again.
    encode : callable
        ``encode(picture, setting, threads) -> bytes``.
    decode : callable
        ``decode(data, shape, threads) -> ndarray``; ``shape`` is for
        the general compressors alone.
    slow : bool
        Takes long, or is of interest to few: measured with ``--slow`` or by
        name only.
    """

    name: str
    label: str
    kind: str
    settings: tuple
    typical: object
    description: str
    version: str
    encode: Callable
    decode: Callable
    slow: bool = False


def _pillow_version(library):
    return f"Pillow {metadata.version('pillow')}, {library} {features.version(library)}"


def _save(picture, format, **options):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format, **options)
    return out.getvalue()


def _open(data, shape=None, threads=1):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _jpeg(sampling):
    settings = (5, 10, 15, 20, 30, 40, 50, 60, 75, 85, 90, 95, 97)
    if sampling != "4:2:0":  # not the anchor
        settings = (5, 15, 30, 50, 75, 90, 97)
    return Codec(
        name="jpeg-" + sampling.replace(":", ""),
        label=f"JPEG {sampling}",
        kind="lossy",
        settings=settings,
        typical=75,
        description=f"Pillow JPEG, optimize=True, subsampling={sampling}",
        version=_pillow_version("libjpeg_turbo"),
        encode=lambda picture, quality, threads: _save(
            picture, "JPEG", quality=quality, optimize=True, subsampling=sampling
        ),
        decode=_open,
    )


def _webp():
    return Codec(
        name="webp",
        label="WebP",
        kind="lossy",
        settings=(1, 10, 30, 50, 70, 80, 90, 95, 100),
        typical=80,
        description="Pillow WebP, method=6",
        version=_pillow_version("webp"),
        encode=lambda picture, quality, threads: _save(picture, "WEBP", quality=quality, method=6),
        decode=_open,
    )


def _avif(sampling, tune):
    # Pillow decodes with every core unless this module global says
    # otherwise; it has no argument for it.
    from PIL import AvifImagePlugin

    if not features.check("avif"):
        raise ImportError("this Pillow has no AVIF")
    libaom = AvifImagePlugin.get_codec_version("aom").removeprefix("v")
    if tune == "ssimulacra2" and [int(n) for n in libaom.split(".")[:2]] < [3, 13]:
        raise ImportError(f"tune={tune} needs libaom 3.13; this Pillow has {libaom}")

    def decode(data, shape=None, threads=1):
        AvifImagePlugin.DEFAULT_MAX_THREADS = threads
        return _open(data)

    # The default has moved (libavif 1.4: iq), and it is worth a tenth.
    return Codec(
        name=f"avif-{sampling.replace(':', '')}-{tune}",
        label=f"AVIF {sampling}, tune={tune}",
        kind="lossy",
        settings=(5, 20, 35, 50, 65, 80, 90, 95)
        if sampling == "4:4:4"
        else (5, 25, 45, 60, 75, 90),
        typical=65,
        description=f"Pillow AVIF, aom, speed=6, subsampling={sampling}, tune={tune}",
        version=f"{_pillow_version('avif')}, libaom {libaom}",
        encode=lambda picture, quality, threads: _save(
            picture,
            "AVIF",
            quality=quality,
            speed=6,
            subsampling=sampling,
            max_threads=threads,
            codec="aom",
            advanced={"tune": tune},
        ),
        decode=decode,
    )


def _imagecodecs_version(library):
    import imagecodecs

    found = imagecodecs.version(dict).get(library, "")
    return f"imagecodecs {imagecodecs.__version__}, {library} {found}"


def _jxl(effort):
    import imagecodecs

    return Codec(
        name=f"jxl-e{effort}",
        label=f"JPEG XL, effort {effort}",
        kind="lossy",
        settings=(15.0, 7.0, 3.5, 2.0, 1.3, 0.8, 0.5, 0.2),
        typical=1.3,
        description=f"imagecodecs JPEG XL, effort={effort}, the setting is the distance",
        version=_imagecodecs_version("libjxl"),
        encode=lambda picture, distance, threads: imagecodecs.jpegxl_encode(
            picture, effort=effort, distance=distance, numthreads=threads
        ),
        decode=lambda data, shape=None, threads=1: imagecodecs.jpegxl_decode(
            data, numthreads=threads
        ),
    )


def _j2k():
    import imagecodecs

    return Codec(
        name="j2k",
        label="JPEG 2000",
        kind="lossy",
        settings=(26, 30, 34, 38, 42, 46),
        typical=35,
        description="imagecodecs JPEG 2000, irreversible wavelet, the setting is the target PSNR",
        version=_imagecodecs_version("openjpeg"),
        encode=lambda picture, decibel, threads: imagecodecs.jpeg2k_encode(
            picture,
            level=decibel,
            reversible=False,
            codecformat="jp2",
            numthreads=threads,
        ),
        decode=lambda data, shape=None, threads=1: imagecodecs.jpeg2k_decode(
            data, numthreads=threads
        ),
    )


def _heic(sampling):
    import pillow_heif

    chroma = sampling.replace(":", "")

    def encode(picture, quality, threads):
        out = io.BytesIO()
        heif = pillow_heif.from_pillow(Image.fromarray(picture))
        heif.save(out, quality=quality, chroma=chroma, enc_params={"x265:pools": str(threads)})
        return out.getvalue()

    def decode(data, shape=None, threads=1):
        pillow_heif.options.DECODE_THREADS = threads
        image = pillow_heif.open_heif(io.BytesIO(data)).to_pillow()
        return np.asarray(image.convert("RGB"))

    info = pillow_heif.libheif_info()
    if not info["encoders"]:
        raise ImportError("this pillow-heif has no HEVC encoder")
    return Codec(
        name=f"heic-{chroma}",
        label=f"HEIC {sampling}",
        kind="lossy",
        settings=(10, 25, 40, 50, 60, 70, 80, 90),
        typical=50,
        description=f"pillow-heif HEIC, x265, chroma={chroma}",
        version=f"pillow-heif {pillow_heif.__version__}, libheif "
        f"{info['libheif']}, {'; '.join(info['encoders'].values())}",
        encode=encode,
        decode=decode,
        slow=True,
    )


def _png():
    return _lossless(
        "png",
        "PNG",
        "Pillow PNG, optimize=True",
        _pillow_version("zlib"),
        lambda picture, _, threads: _save(picture, "PNG", optimize=True),
    )


def _webp_lossless():
    return _lossless(
        "webp-lossless",
        "WebP lossless",
        "Pillow WebP, lossless, method=6",
        _pillow_version("webp"),
        lambda picture, _, threads: _save(picture, "WEBP", lossless=True, method=6, exact=True),
    )


def _jxl_lossless():
    lossy = _jxl(7)
    import imagecodecs

    return _lossless(
        "jxl-lossless",
        "JPEG XL lossless",
        "imagecodecs JPEG XL, effort=7, lossless",
        lossy.version,
        lambda picture, _, threads: imagecodecs.jpegxl_encode(
            picture, effort=7, lossless=True, numthreads=threads
        ),
        lossy.decode,
    )


def _lossless(name, label, description, version, encode, decode=_open, kind="lossless"):
    return Codec(
        name=name,
        label=label,
        kind=kind,
        settings=("lossless",),
        typical="lossless",
        description=description,
        version=version,
        encode=encode,
        decode=decode,
    )


def _general(name, label, description, version, compress, decompress):
    """Any byte compressor on the raw pixels, row by row, R G B."""
    return _lossless(
        name,
        label,
        description,
        version,
        lambda picture, _, threads: compress(picture.tobytes()),
        lambda data, shape, threads=1: np.frombuffer(decompress(data), np.uint8).reshape(shape),
        kind="general",
    )


def _zlib():
    import zlib

    return _general(
        "zlib",
        "zlib -9",
        "zlib level 9 on the raw pixels",
        f"zlib {zlib.ZLIB_RUNTIME_VERSION}",
        lambda data: zlib.compress(data, 9),
        zlib.decompress,
    )


def _zstd():
    import zstandard

    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    return _general(
        "zstd",
        "zstd -19",
        "zstandard level 19 on the raw pixels",
        f"zstandard {zstandard.__version__}, zstd {version}",
        lambda data: zstandard.ZstdCompressor(level=19).compress(data),
        lambda data: zstandard.ZstdDecompressor().decompress(data),
    )


def _xz():
    import lzma

    # The standard library's module does not tell liblzma's version, so
    # Python's stands in for it.
    import platform

    return _general(
        "xz",
        "xz -9e",
        "xz preset 9 extreme on the raw pixels",
        f"Python {platform.python_version()} lzma",
        lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
        lzma.decompress,
    )


@functools.cache
def _ours_at_work(model, effort, tune, threads):
    """Loaded once per process: a measurement is of pictures, not loading."""
    import codec

    return (
        codec.Encoder(model, threads, effort=effort, tune=tune),
        codec.Decoder(model=model, threads=threads),
    )


def _ours(model=None, effort=None, tune=None):
    """Ours with a model at an effort, for a metric; None: the default."""
    import codec
    from codec.options import EncodeOptions
    from codec.search import DEFAULT

    effort_ = effort or DEFAULT
    at_work = functools.partial(_ours_at_work, model, effort_, tune)
    try:
        options = EncodeOptions(model=model, effort=effort_, tune=tune)
        at_work(1)
    except codec.CodecError as error:
        raise ImportError(str(error)) from None
    return Codec(
        name=ours_name(effort, tune, model),
        label="aecompress"
        + (f", effort {effort}" if effort else "")
        + (f", tune={tune}" if tune else "")
        + (f" ({model})" if model else ""),
        kind="lossy",
        settings=(1, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 100)
        if effort_ == DEFAULT
        else (1, 20, 35, 50, 65, 80, 90, 100),
        typical=60 if effort_ == DEFAULT else 65,
        description=f"codec.Encoder, effort {effort_}, tune {tune}",
        # Not of the release: `run.outdated` tells whether it codes otherwise.
        version=f"model {_model_key(options.encoder)}",
        encode=lambda picture, quality, threads: at_work(threads)[0].encode(
            picture, quality=quality
        ),
        decode=lambda data, shape=None, threads=1: at_work(threads)[1].decode(data),
        # A model of other pictures has nothing to say by default.
        slow=model is not None or effort_ not in (DEFAULT, STRONG) or tune not in (None, "psnr"),
    )


def _model_key(model):
    """A model's id, and what tells its encoder from that of the same id."""
    from ..model import find
    from ..model.encoder import MANIFEST

    found = find.load(model)
    other = found.folder / MANIFEST
    return found.id + (
        "+" + hashlib.sha256(other.read_bytes()).hexdigest()[:8] if other.exists() else ""
    )


BUILDERS = {
    OURS: _ours,
    "jpeg-420": functools.partial(_jpeg, "4:2:0"),
    "jpeg-444": functools.partial(_jpeg, "4:4:4"),
    "webp": _webp,
    "avif-444-psnr": functools.partial(_avif, "4:4:4", "psnr"),
    "avif-444-iq": functools.partial(_avif, "4:4:4", "iq"),
    "avif-444-ssimulacra2": functools.partial(_avif, "4:4:4", "ssimulacra2"),
    "avif-420-iq": functools.partial(_avif, "4:2:0", "iq"),
    "jxl-e7": functools.partial(_jxl, 7),
    "jxl-e9": functools.partial(_jxl, 9),
    "j2k": _j2k,
    "heic-420": functools.partial(_heic, "4:2:0"),
    "heic-444": functools.partial(_heic, "4:4:4"),
    "png": _png,
    "webp-lossless": _webp_lossless,
    "jxl-lossless": _jxl_lossless,
    "zlib": _zlib,
    "zstd": _zstd,
    "xz": _xz,
}


def ours_name(effort: int | None = None, tune: str | None = None, model: str | None = None) -> str:
    """The name of ours; what is the default is not in it."""
    from ..search import DEFAULT

    return (
        OURS
        + (f"-e{effort}" if effort not in (None, DEFAULT) else "")
        + (f"-{tune}" if tune else "")
        + (f"@{model}" if model else "")
    )


def names() -> list[str]:
    """Every codec: ours at each effort, tune and model, then the others."""
    from ..limits import TUNES
    from ..model import find
    from ..search import PLANS

    ours = [ours_name(effort, tune) for tune in (None, *TUNES) for effort in PLANS]
    ours += [ours_name(model=name) for name in find.shipped() if name != find.DEFAULT]
    return ours + [name for name in BUILDERS if name != OURS]


def parse(name: str) -> dict[str, Any] | None:
    """Effort, tune and model of a name of ours, None where it is not one.

    Returns
    -------
    dict or None
        ``effort``, ``tune``, ``model``, each None for the default.
    """
    from ..search import DEFAULT

    found = OURS_NAME.fullmatch(name)
    if not found:
        return None
    effort = int(found["effort"] or DEFAULT)
    return {
        "effort": effort if effort != DEFAULT else None,
        "tune": found["tune"],
        "model": found["model"],
    }


@functools.cache
def load(name: str) -> Codec:
    """Build one codec.

    Parameters
    ----------
    name : str
        A key of `BUILDERS`; ``aec-eN-TUNE@MODEL`` is ours at effort N, tuned
        for a metric, with that model, each part left out for the default.

    Returns
    -------
    Codec

    Raises
    ------
    ImportError
        Its library is not installed.
    KeyError
        There is no such codec.
    """
    ours = parse(name)
    if ours:
        return _ours(**ours)
    return BUILDERS[name]()


def count_threads(text: str) -> int:
    """``1``, ``all`` or any number of threads as an int."""
    if text == "all":
        return cores()
    count = int(text)
    if count < 1:
        raise ValueError("at least one thread")
    return count
