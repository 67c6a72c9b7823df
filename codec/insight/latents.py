"""The latent in the hand: out of a file, changed, and shown.

    latents   file or picture -> `Latents`
    render    `Latents` -> pixels
    sample    `Latents` that the model's own prior makes up

No file is needed to look at a changed latent. What lies far from all that a
model has seen renders as anything; docs/latents.md has pictures.
"""

import dataclasses
import operator

import numpy as np

from .. import container, picture, runtime
from ..errors import InputError
from ..io import urls
from ..limits import MAX_PIXELS, MAX_SIDE, check_pixels
from ..model.bundle import Bundle
from ..options import EncodeOptions, Model
from ..picture.source import Source
from ..stacks import Stack
from ..symbols.slabs import slabs
from ..symbols.stages import cells_of, quality_index
from ..types import Array, Buffer
from .features import QUALITY


@dataclasses.dataclass(frozen=True)
class Latents:
    """What the synthesis makes a picture of.

    ``mix`` gives what lies between two; `dataclasses.replace` puts another
    plane in.

    Attributes
    ----------
    plane : float32 ndarray (.., ceil(height / 16), ceil(width / 16), M)
        A cell stands for 16 x 16 pixels; the units do not depend on quality.
    height, width : int
        Pixels.
    quality : float
        What the synthesis is told.
    grey : bool
    model : Bundle
    """

    plane: Array
    height: int
    width: int
    quality: float
    grey: bool
    model: Bundle = dataclasses.field(repr=False)

    def mix(self, other: "Latents", share: float = 0.5) -> "Latents":
        """The straight line to another: this one at 0, the other at 1.

        Raises
        ------
        InputError
            Another size or model.
        """
        if (self.plane.shape, self.model.id) != (other.plane.shape, other.model.id):
            raise InputError("only latents of one size and model mix")
        plane = self.plane + np.float32(share) * (other.plane - self.plane)
        return dataclasses.replace(self, plane=plane)


def latents(
    source: Source | Buffer,
    *,
    model: Model | None = None,
    threads: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Latents:
    """The latent of a file, as its decoder has it, or of a picture.

    Parameters
    ----------
    source : bytes-like, or picture
        An ``.aec`` file, also a stack; or an array or PIL image as
        `codec.encode` takes it, of which the latent is not quantised.
    model, threads, max_pixels
        As of `codec.features`.

    Returns
    -------
    Latents

    Raises
    ------
    CodecError
        As `codec.features`.

    Examples
    --------
    >>> import numpy as np, codec
    >>> a, b = (codec.encode(np.full((28, 28), v, np.uint8)) for v in (9, 99))
    >>> between = codec.latents(a).mix(codec.latents(b))
    >>> codec.render(between).shape
    (28, 28)
    """
    if not isinstance(source, (bytes, bytearray, memoryview)):
        pic = picture.read(source, max_pixels, metadata=False)
        pipeline = runtime.of_model(model, threads)
        plane = pipeline.analyse(picture.as_rgb(pic.pixels), QUALITY)
        height, width = pic.pixels.shape[:2]
        return Latents(plane, height, width, QUALITY, pic.pixels.ndim == 2, pipeline.bundle)
    header, _, payload = container.unpack(source)
    check_pixels(header.width, header.height, max_pixels)
    pipeline = runtime.of_file(header, model, threads)
    if header.is_stack:
        with Stack(urls.contents(source)) as stack:
            n = len(stack)
            check_pixels(16, 16 * container.cells(header) * n, max_pixels)
            planes = [pipeline.dequantise(z, s, header.quality) for z, s in stack.symbols(pipeline)]
        plane = np.concatenate(planes)
    else:
        z, s = pipeline.read_symbols(
            payload, header.height, header.width, header.quality, header.symbol_crc
        )
        plane = pipeline.dequantise(z, s, header.quality)
    grey = header.colour == "grey"
    return Latents(plane, header.height, header.width, header.quality, grey, pipeline.bundle)


def render(latents: Latents, *, threads: int | None = None) -> Array:
    """Pixels of a latent, whatever was done to it.

    Parameters
    ----------
    latents : Latents
    threads : int or None

    Returns
    -------
    uint8 ndarray (.., height, width[, 3])

    Raises
    ------
    InputError
        The plane is of another shape, or not finite.
    """
    plane = np.asarray(latents.plane, np.float32)
    wanted = (*cells_of(latents.height, latents.width), latents.model.m)
    if plane.shape[-3:] != wanted or not np.isfinite(plane).all():
        raise InputError(
            f"the plane has shape {plane.shape}; (.., {', '.join(map(str, wanted))}) "
            "and finite values are needed"
        )
    pipeline = runtime.pipeline(latents.model, threads)
    quality = EncodeOptions(quality=latents.quality).quality
    assert quality is not None  # the options have no other goal
    size = quality, latents.height, latents.width
    ones = plane.reshape(-1, *wanted)
    pixels = np.stack([pipeline.synthesise(np.array(p), *size) for p in ones])
    pixels = pixels.reshape(*plane.shape[:-3], *pixels.shape[1:])
    return picture.as_grey(pixels) if latents.grey else pixels


def sample(
    height: int,
    width: int,
    *,
    model: Model | None = None,
    quality: float = QUALITY,
    grey: bool = False,
    seed: int = 0,
    threads: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Latents:
    """A latent that the model's prior draws: what it would code in few bits.

    Symbols are drawn as a decoder reads them, in place of those of a file: z
    by its frequencies, then each symbol by those of its scale index.

    Parameters
    ----------
    height, width : int
        Pixels.
    model, threads, max_pixels
        As of `latents`.
    quality : float, 1..100
    grey : bool
    seed : int
        The same gives the same.

    Returns
    -------
    Latents

    Raises
    ------
    InputError, LimitError
    """
    height, width = operator.index(height), operator.index(width)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise InputError(f"{width}x{height} pixels; each side must be 1..{MAX_SIDE}")
    check_pixels(width, height, max_pixels)
    quality = EncodeOptions(quality=quality).quality or QUALITY
    pipeline = runtime.of_model(model, threads)
    bundle = pipeline.bundle
    draw = _Draw(bundle, quality, np.random.default_rng(seed))
    hy, wy = cells_of(height, width)
    z = draw.hyper(-(-hy // 4), -(-wy // 4))
    plane = np.empty((hy, wy, bundle.m), np.float32)
    for place in slabs(hy, wy):
        plane[place.cells] = pipeline.drawn(z, place, quality, draw.symbols)
    return Latents(plane, height, width, quality, grey, bundle)


class _Draw:
    """Draws symbols by a model's frequencies."""

    def __init__(self, bundle: Bundle, quality: float, rng: np.random.Generator) -> None:
        self.tables, self.z_max, self.rng = bundle.tables, bundle.z_max, rng
        self.index = quality_index(quality)
        self.skip = int(bundle.row_skip[self.index])

    def hyper(self, rows: int, columns: int) -> Array:
        """z: int16 (rows, columns, NZ)."""
        frequencies = self.tables["z_freq"][self.tables["z_band"][self.index]]
        drawn = [self._of(f, (rows, columns)) - self.z_max for f in frequencies]
        return np.stack(drawn, -1).astype(np.int16)

    def symbols(self, scales: Array) -> Array:
        """Symbols of scale indices of any shape, int16; no escapes."""
        out = np.zeros(scales.shape, np.int16)
        for row in np.unique(scales):
            if row < self.skip:
                continue
            at, largest = scales == row, int(self.tables["row_max"][row])
            f = self.tables["row_freq"][row, : 2 * largest + 1]
            out[at] = self._of(f, int(at.sum())) - largest
        return out

    def _of(self, frequencies: Array, shape: int | tuple[int, ...]) -> Array:
        ends = np.cumsum(frequencies, dtype=np.int64)
        drawn = self.rng.integers(0, ends[-1], shape)
        return np.searchsorted(ends, drawn, "right")
