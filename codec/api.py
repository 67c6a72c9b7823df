"""Pictures <-> files: the public functions and the two reusable objects.

    encode   picture.load -> pipeline.encode -> container.pack
    decode   container.unpack -> pipeline.read_symbols -> reconstruct
    info     container.read_header
"""

import threading

import numpy as np

from . import container, picture
from .effort import DEFAULT as DEFAULT_EFFORT
from .effort import PLANS
from .errors import InputError
from .model import bundle as models
from .pipeline import Pipeline
from .types import Header, Picture

_lock = threading.Lock()
_shared = {}


def _check_quality(quality):
    """Quality as it is stored: a multiple of 0.01 in 1..100."""
    try:
        q = round(float(quality) * 100) / 100
    except (TypeError, ValueError):
        q = float("nan")
    if not 1 <= q <= 100:
        raise InputError(f"quality must be 1..100, not {quality!r}")
    return q


def _check_effort(effort):
    if isinstance(effort, bool) or effort not in PLANS:
        raise InputError(f"effort must be 1..{max(PLANS)}, not {effort!r}")
    return int(effort)


def _as_rgb(pixels):
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, 2)
    return np.ascontiguousarray(pixels)


def _as_grey(pixels):
    total = pixels.astype(np.uint16).sum(2, dtype=np.uint16)
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
    """

    def __init__(self, model=None, threads=None, effort=DEFAULT_EFFORT):
        self._effort = _check_effort(effort)
        self._pipeline = Pipeline(models.load(model), threads)

    @property
    def model_id(self):
        """Id of the model: 16 hexadecimal digits."""
        return self._pipeline.bundle.id

    def encode(self, image, quality=50.0, effort=None):
        """Encode one picture.

        Parameters
        ----------
        image : uint8 ndarray, PIL.Image.Image or Picture
            (height, width), (height, width, 3) or (height, width, 4),
            0..255, each side 1..16384.
        quality : float
            1..100, higher is better; kept to 0.01.
        effort : int or None
            1..9; None: the encoder's.

        Returns
        -------
        bytes
            A whole ``.aec`` file.

        Raises
        ------
        InputError
            Not a picture that this codec takes.

        References
        ----------
        .. [1] docs/format.md, sections 2 to 8.
        """
        quality = _check_quality(quality)
        effort = self._effort if effort is None else _check_effort(effort)
        pic = image if isinstance(image, Picture) else picture.load(image)
        payload, crc = self._pipeline.encode(_as_rgb(pic.pixels), quality,
                                             effort)
        height, width = pic.pixels.shape[:2]
        header = Header(
            width=width, height=height, quality=quality,
            colour="grey" if pic.pixels.ndim == 2 else "rgb",
            model=self.model_id, symbol_crc=crc)
        return container.pack(header, payload, picture.to_sections(pic))


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
        self._extra = None if model is None else models.load(model)
        self._threads = threads
        self._pipelines, self._lock = {}, threading.Lock()

    def __reduce__(self):
        return _decoder, (self._extra, self._threads)

    def _pipeline(self, model_id):
        with self._lock:
            if model_id not in self._pipelines:
                self._pipelines[model_id] = Pipeline(
                    models.by_id(model_id, self._extra), self._threads)
            return self._pipelines[model_id]

    def decode(self, data):
        """Decode one file to an array.

        Parameters
        ----------
        data : bytes-like
            The whole file.

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
        """
        pic = self.decode_picture(data)
        if pic.alpha is None:
            return pic.pixels
        return np.dstack([_as_rgb(pic.pixels), pic.alpha])

    def decode_picture(self, data):
        """Decode one file with its metadata: a ``Picture``."""
        header, sections, payload = container.unpack(data)
        p = self._pipeline(header.model)
        z, s = p.read_symbols(payload, header.height, header.width,
                              header.quality, header.symbol_crc)
        pixels = p.reconstruct(z, s, header.quality, header.height,
                               header.width)
        if header.colour == "grey":
            pixels = _as_grey(pixels)
        return picture.from_sections(pixels, sections)

    def symbols(self, data):
        """z and latent symbols of a file, int16; no network runs."""
        header, _, payload = container.unpack(data)
        return self._pipeline(header.model).read_symbols(
            payload, header.height, header.width, header.quality,
            header.symbol_crc)


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


def encode(image, *, quality=50.0, model=None, effort=None):
    """Encode a picture; see :meth:`Encoder.encode`.

    Examples
    --------
    >>> import numpy as np, codec
    >>> data = codec.encode(np.zeros((40, 60, 3), np.uint8), quality=50)
    >>> codec.decode(data).shape
    (40, 60, 3)
    """
    return _cached(Encoder, model).encode(image, quality, effort)


def decode(data):
    """Decode an ``.aec`` file; see :meth:`Decoder.decode`."""
    return _cached(Decoder, None).decode(data)


def info(data):
    """Header of an ``.aec`` file, nothing else read.

    Parameters
    ----------
    data : bytes-like

    Returns
    -------
    Header

    Raises
    ------
    FormatError, UnsupportedError
        As :meth:`Decoder.decode`, as far as the header shows it.
    """
    return container.read_header(data)
