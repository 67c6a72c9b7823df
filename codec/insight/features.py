"""Descriptions of pictures, from pixels or straight from ``.aec`` files.

    picture -> analysis -> latent -> pooled
    .aec    -> z, symbols -> decoded latent -> pooled

Of a file only the entropy decoder and half of the passes that the decoder
makes over the latent run (all for ``pooling="none"``); the synthesis, which
is most of decoding, never does.
"""

import io
from typing import Any, NamedTuple, cast

import numpy as np

from .. import container, picture, runtime
from ..errors import InputError, ModelError
from ..io import urls
from ..limits import MAX_PIXELS, check_pixels
from ..model.bundle import Bundle
from ..options import Model
from ..picture.source import Source
from ..stacks import Stack
from ..types import Array, Buffer

POOLINGS = ("stats", "grid", "none")
# The analysis sees the quality; pictures are described as at the default one.
QUALITY = 50.0


class Stats(NamedTuple):
    """The parts of what ``pooling="stats"`` gives, a value for each channel.

    Attributes
    ----------
    mean, deviation : float32 (.., K)
        Over the cells.
    active : float32 (.., K)
        Share of cells that are at least half a quantisation step from zero.
    """

    mean: Array
    deviation: Array
    active: Array


class Features(np.ndarray[Any, Any]):
    """An array that knows of which model it is, and what its parts are called.

    Attributes
    ----------
    model : str or None
        Id of the model: vectors compare only where it is the same. Kept by
        slices, arithmetic and pickle, not by ``numpy.save`` or
        ``numpy.stack``.
    pooling : str or None
        What `features` was asked for.
    """

    model: str | None = None
    pooling: str | None = None

    def __array_finalize__(self, other: object) -> None:
        self.model = getattr(other, "model", None)
        self.pooling = getattr(other, "pooling", None)

    def __reduce__(self) -> tuple[Any, ...]:
        make, arguments, state = cast(tuple[Any, ...], super().__reduce__())
        return make, arguments, (self.model, self.pooling, state)

    def __setstate__(self, state: Any) -> None:
        self.model, self.pooling, state = state
        super().__setstate__(state)

    @property
    def parts(self) -> Stats:
        """A vector of ``pooling="stats"`` by names: a `Stats`.

        Raises
        ------
        InputError
            Of another pooling.
        """
        if self.pooling != "stats":
            raise InputError(f"pooling {self.pooling!r} has no parts with names; stats has")
        return Stats(*np.split(np.asarray(self), 3, -1))


def features(
    source: Source | Buffer,
    *,
    pooling: str = "stats",
    model: Model | None = None,
    threads: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Features:
    """Describe a picture by its latent.

    Parameters
    ----------
    source : picture, bytes-like, path or binary file object
        A picture as `codec.encode` takes it (alpha is not looked at), or
        the bytes of an ``.aec`` file; a file may be either. A stack is
        described picture by picture.
    pooling : {"stats", "grid", "none"}
        "grid": the latent's leading channels, of which a cell stands for
        16 x 16 pixels. "stats": one vector for the picture, in this order
        the mean of each of these channels, its standard deviation, and the
        share of cells where it is not zero, that is, at least half a
        quantisation step of quality 50. "none": the whole latent as the
        synthesis would see it.
    model : str, path-like or None
        For pictures, the model to describe with (None: the default); for
        files, one to try beside the shipped ones.
    threads : int or None
        Threads of the analysis of a picture; None: all cores. Files are
        read by one, so that what they give cannot depend on it.
    max_pixels : int
        Refuse larger pictures; of a stack, larger in all.

    Returns
    -------
    Features
        float32, (3 K,) for "stats", (h, w, K) for "grid", (h, w, M) for
        "none", with h = ceil(height / 16), K and M of the model; a stack
        has one axis more in front. The units do not depend on quality.
        The attribute ``model`` is the model's id; ``parts`` names the
        three parts of "stats".

    Raises
    ------
    InputError
        Neither a picture nor a file that this codec takes.
    FormatError, UnsupportedError, LimitError
        As `codec.decode`.

    References
    ----------
    .. [1] docs/features.md

    Examples
    --------
    >>> import numpy as np, codec
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> grid = codec.features(image, pooling="grid")
    >>> grid.shape[:2]
    (3, 4)
    >>> from_file = codec.features(codec.encode(image))
    >>> from_file.shape == (3 * grid.shape[2],)
    True
    >>> bool(from_file.parts.active.max() <= 1)
    True
    """
    if pooling not in POOLINGS:
        raise InputError(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}")
    if urls.is_source(source):
        with urls.opened(source) as file:
            source = file.read()
        if not source.startswith(container.MAGIC):
            source = picture.read(io.BytesIO(source), max_pixels, metadata=False)
    if isinstance(source, (bytes, bytearray, memoryview)):
        out, bundle = _of_file(source, pooling, model, threads, max_pixels)
    else:
        out, bundle = _of_picture(source, pooling, model, threads, max_pixels)
    found = np.ascontiguousarray(out, np.float32).view(Features)
    found.model, found.pooling = bundle.id, pooling
    return found


def _of_picture(
    image: Source,
    pooling: str,
    model: Model | None,
    threads: int | None,
    max_pixels: int,
) -> tuple[Array, Bundle]:
    pic = picture.read(image, max_pixels, metadata=False)
    pipeline = runtime.of_model(model, threads)
    y = pipeline.analyse(picture.as_rgb(pic.pixels), QUALITY)
    return _pooled(y, pipeline.bundle, pooling), pipeline.bundle


def _of_file(
    data: Buffer,
    pooling: str,
    model: Model | None,
    threads: int | None,
    max_pixels: int,
) -> tuple[Array, Bundle]:
    header, _, payload = container.unpack(data)
    check_pixels(header.width, header.height, max_pixels)
    pipeline = runtime.of_file(header, model, threads)
    bundle = pipeline.bundle

    def describe(z: Array, s: Array) -> Array:
        # On one thread, so that what a file gives cannot depend on their number.
        latent = pipeline.dequantise(
            z,
            s,
            header.quality,
            leading=pooling != "none",
            graphs=pipeline.one_thread,
        )
        return _pooled(latent, bundle, pooling)

    if not header.is_stack:
        return describe(
            *pipeline.read_symbols(
                payload, header.height, header.width, header.quality, header.symbol_crc
            )
        ), bundle
    with Stack(data) as stack:
        # A picture of one pixel takes a cell: it is cells that need memory.
        side = 16 * container.cells(header) * len(stack)
        check_pixels(16, side, max_pixels)
        return np.concatenate([describe(*block) for block in stack.symbols(pipeline)]), bundle


def _pooled(latent: Array, bundle: Bundle, pooling: str) -> Array:
    """(.., h, w, c) as asked for."""
    if not np.isfinite(latent).all():
        raise ModelError("model: the latent is not finite")
    if pooling == "none":
        return latent
    latent = latent[..., : bundle.k]
    if pooling == "grid":
        return latent
    threshold = 0.5 / bundle.gain(QUALITY)[: bundle.k]
    cells = -3, -2
    return np.concatenate(
        [
            latent.mean(cells, np.float64),
            latent.std(cells, np.float64),
            (np.abs(latent) >= threshold).mean(cells),
        ],
        -1,
    ).astype(np.float32)
