"""Pictures <-> files: the public functions and the two reusable objects.

encode   picture.load -> pipeline.encode -> container.pack
decode   container.unpack -> pipeline.decode
info     container.read_header
"""

import dataclasses
import math
import numbers

import numpy as np

from . import container, picture
from .errors import InputError, UnsupportedError
from .io import urls
from .limits import MAX_PIXELS, check_pixels
from .model import find, forks
from .search import DEFAULT as DEFAULT_EFFORT
from .search import PLANS, TUNES, targets
from .symbols.pipeline import Pipeline
from .types import Header, Picture

_lock = forks.Lock()
_shared = {}


def _check_quality(quality):
    """Quality as it is stored: a multiple of 0.01 in 1..100."""
    try:
        q = round(float(quality) * 100) / 100
    except (TypeError, ValueError, OverflowError):
        q = float("nan")
    if not 1 <= q <= 100:
        raise InputError(f"quality must be 1..100, not {quality!r}")
    return q


def _check_effort(effort):
    if (
        isinstance(effort, bool)
        or not isinstance(effort, numbers.Integral)
        or effort not in PLANS
    ):
        raise InputError(f"effort must be 1..{max(PLANS)}, not {effort!r}")
    return int(effort)


def _check_tune(tune):
    if tune not in TUNES:
        raise InputError(f"tune must be {' or '.join(TUNES)}, not {tune!r}")
    return tune


def _number(value, name):
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError(f"{name} must be a positive number, not {value!r}")
    return number


def _as_rgb(pixels):
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, 2)
    return np.ascontiguousarray(pixels)


def _as_grey(pixels):
    total = pixels.astype(np.uint16).sum(-1, dtype=np.uint16)
    return ((total + 1) // 3).astype(np.uint8)


class Encoder:
    """Encodes many pictures with one model, loaded once.

    Safe to share between threads; picklable.

    Parameters
    ----------
    model : str, path-like or None
        Name, id or folder of a model; None: the default.
    threads : int or None
        Threads inside the networks; None: all cores. Bytes may differ
        between thread counts where the engine's sums do; every variant
        decodes (docs/format.md, section 8).
    effort : int
        1..9: more takes longer and makes smaller files; decoding does
        not change.
    tune : {"psnr", "ms-ssim"}
        The metric that files are made smaller for, beyond effort 1.

    Raises
    ------
    InputError
        No such effort or metric, or a metric at effort 1.
    UnsupportedError
        No such model, or this machine's arithmetic is not exact.
    ModelError
        The model's folder is altered or makes no sense.
    """

    def __init__(self, model=None, threads=None, effort=DEFAULT_EFFORT, tune="psnr"):
        self._effort, self._tune = _check_effort(effort), _check_tune(tune)
        self._plan()
        self._pipeline = Pipeline(find.load(model), threads)

    @property
    def model_id(self):
        """Id of the model: 16 hexadecimal digits."""
        return self._pipeline.bundle.id

    def _plan(self, effort=None, tune=None):
        effort = self._effort if effort is None else _check_effort(effort)
        tune = self._tune if tune is None else _check_tune(tune)
        plan = dataclasses.replace(PLANS[effort], tune=tune)
        if tune != TUNES[0] and not plan.passes:
            raise InputError(f"tune={tune!r} needs an effort of 2 or more")
        return plan

    def encode(
        self,
        image,
        quality=50.0,
        *,
        effort=None,
        tune=None,
        target_size=None,
        target_psnr=None,
        max_pixels=MAX_PIXELS,
        progress=None,
    ):
        """Encode one picture.

        Parameters
        ----------
        image : uint8 ndarray, PIL.Image.Image or Picture
            (height, width), (height, width, 3) or (height, width, 4),
            0..255, each side 1..16384.
        quality : float
            1..100, higher is better; kept to 0.01.
        effort, tune : int or None, str or None
            As of the class; None: the encoder's.
        target_size : int, optional
            Instead of ``quality``: the best file of at most so many bytes.
        target_psnr : float, optional
            Instead of ``quality``: the smallest file of at least so many
            dB, over the 8-bit samples of all colours; alpha is lossless.
        max_pixels : int
            Refuse larger pictures, as `Decoder.decode` does by default.
        progress : function of float, optional
            Called now and then with the share that is done, 0..1.

        Returns
        -------
        bytes
            A whole ``.aec`` file.

        Raises
        ------
        InputError
            Not a picture that this codec takes.
        LimitError
            More than ``max_pixels``, or the target is out of reach.

        References
        ----------
        .. [1] docs/format.md, sections 2 to 8.
        """
        quality = _check_quality(quality)
        plan = self._plan(effort, tune)
        pic = image if isinstance(image, Picture) else picture.load(image, max_pixels)
        height, width = pic.pixels.shape[:2]
        check_pixels(width, height, max_pixels)
        sections = picture.to_sections(pic)

        def pack(quality, payload, crc):
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

        rgb = _as_rgb(pic.pixels)
        if target_size is not None and target_psnr is not None:
            raise InputError("target_size and target_psnr exclude each other")
        if target_size is not None:
            room = _number(target_size, "target_size") - len(pack(1, b"", 0))
            return pack(*targets.for_size(self._pipeline, rgb, room, plan, progress))
        if target_psnr is not None:
            return pack(
                *targets.for_psnr(
                    self._pipeline,
                    rgb,
                    _number(target_psnr, "target_psnr"),
                    plan,
                    progress,
                )
            )
        return pack(quality, *self._pipeline.encode(rgb, quality, plan, progress))


class Decoder:
    """Decodes many files; models are loaded as files name them.

    Safe to share between threads; picklable.

    Parameters
    ----------
    model : str, path-like or None
        A model folder to try beside the shipped ones.
    threads : int or None
        Threads inside the networks; never changes the symbols.
    """

    def __init__(self, model=None, threads=None):
        self._extra = None if model is None else find.load(model)
        self._threads = threads
        self._pipelines, self._lock = {}, forks.Lock()

    def __reduce__(self):
        return _decoder, (self._extra, self._threads)

    def _pipeline(self, model_id):
        with self._lock:
            if model_id not in self._pipelines:
                self._pipelines[model_id] = Pipeline(
                    find.by_id(model_id, self._extra), self._threads
                )
            return self._pipelines[model_id]

    def decode(self, data, max_pixels=MAX_PIXELS):
        """Decode one file to an array.

        Parameters
        ----------
        data : bytes-like
            The whole file.
        max_pixels : int
            Refuse larger pictures before anything of their size is made.

        Returns
        -------
        uint8 ndarray
            (height, width), (height, width, 3), or (height, width, 4)
            where the picture has alpha (grey becomes RGB then).

        Raises
        ------
        FormatError
            Damaged; ``offset`` is the first bad byte where known.
        UnsupportedError
            Sound, but needs a newer version or another model.
        LimitError
            More than ``max_pixels``.
        """
        pic = self.decode_picture(data, max_pixels)
        if pic.alpha is None:
            return pic.pixels
        return np.dstack([_as_rgb(pic.pixels), pic.alpha])

    def decode_picture(self, data, max_pixels=MAX_PIXELS, progress=None):
        """Decode one file with its metadata: a ``Picture``.

        Parameters and errors as of `decode`; ``progress`` as of
        `Encoder.encode`.
        """
        header, sections, payload = container.unpack(data)
        _one(header)
        check_pixels(header.width, header.height, max_pixels)
        p = self._pipeline(header.model)
        pixels = p.decode(
            payload,
            header.height,
            header.width,
            header.quality,
            header.symbol_crc,
            progress,
        )
        if header.colour == "grey":
            pixels = _as_grey(pixels)
        return picture.from_sections(pixels, sections)

    def symbols(self, data, max_pixels=MAX_PIXELS):
        """z and latent symbols of a file, int16; no network runs."""
        header, _, payload = container.unpack(data)
        _one(header)
        check_pixels(header.width, header.height, max_pixels)
        return self._pipeline(header.model).read_symbols(
            payload, header.height, header.width, header.quality, header.symbol_crc
        )


def _one(header):
    if header.is_stack:
        raise UnsupportedError(
            "the file is a stack of pictures; use codec.decode_batch", "STAK"
        )


def _decoder(extra, threads):
    d = Decoder(threads=threads)
    d._extra = extra
    return d


def _cached(kind, model):
    key = kind, None if model is None else str(model)
    with _lock:
        if key not in _shared:
            _shared[key] = kind(model)
        return _shared[key]


def encode(
    image,
    *,
    quality=50.0,
    model=None,
    effort=None,
    tune=None,
    target_size=None,
    target_psnr=None,
    max_pixels=MAX_PIXELS,
):
    """Encode a picture; see :meth:`Encoder.encode`.

    ``image`` may also be a picture file: a path, a URL that fsspec opens
    (``s3://bucket/a.png``, with the extra ``[remote]``) or a binary file
    object.

    Examples
    --------
    >>> import numpy as np, codec
    >>> data = codec.encode(np.zeros((40, 60, 3), np.uint8), quality=50)
    >>> codec.decode(data).shape
    (40, 60, 3)
    """
    if urls.is_source(image):
        with urls.opened(image) as file:
            image = picture.open_picture(file, max_pixels)
    return _cached(Encoder, model).encode(
        image,
        quality,
        effort=effort,
        tune=tune,
        target_size=target_size,
        target_psnr=target_psnr,
        max_pixels=max_pixels,
    )


def decode(data, *, max_pixels=MAX_PIXELS):
    """Decode an ``.aec`` file; see :meth:`Decoder.decode`.

    ``data`` may also be a path, a URL or a binary file object.
    """
    return _cached(Decoder, None).decode(urls.contents(data), max_pixels)


def info(data):
    """Header of an ``.aec`` file, nothing else read.

    Parameters
    ----------
    data : bytes-like, path, URL or binary file object

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
    return container.read_header(data)
