"""Pictures -> files with one model: picture.read, pipeline.encode, container.pack."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from . import container, picture, runtime
from .errors import EffortWarning, InputError
from .limits import QUALITY
from .model.bundle import Bundle
from .options import EncodeFields, EncodeOptions, Model
from .picture.source import Source
from .progress import Progress, part
from .search import plan_of, targets
from .types import Array, Header, Picture

_FILLING = 4  # times that what decodes takes the place of what does not matter


class Encoder:
    """Encodes many pictures with one model, loaded once.

    Safe to share between threads; picklable.

    Parameters
    ----------
    model, threads
        As of `EncodeOptions`.
    options : EncodeOptions, optional
        What is not said otherwise, here or for a picture.
    **fields
        Fields of `EncodeOptions`.

    Attributes
    ----------
    options : EncodeOptions

    Raises
    ------
    InputError
        Options out of range, or that exclude each other.
    UnsupportedError
        No such model, or this machine's arithmetic is not exact.
    ModelError
        The model's folder is altered or makes no sense.
    """

    def __init__(
        self,
        model: Model | None = None,
        threads: int | None = None,
        *,
        options: EncodeOptions = EncodeOptions(),
        **fields: Any,
    ) -> None:
        self.options = options.changed(model=model, threads=threads, **fields)
        self._pipeline = runtime.of_model(*_runs_on(self.options))

    def __getstate__(self) -> tuple[Bundle, EncodeOptions]:
        # The model itself travels: there, its folder may be another or none.
        return self.bundle, self.options

    def __setstate__(self, state: tuple[Bundle, EncodeOptions]) -> None:
        bundle, self.options = state
        self._pipeline = runtime.pipeline(bundle, self.options.threads, self.options.provider)

    @property
    def bundle(self) -> Bundle:
        """The model."""
        return self._pipeline.bundle

    @property
    def model_id(self) -> str:
        """Id of the model: 16 hexadecimal digits."""
        return self._pipeline.bundle.id

    def changed(self, **fields: Unpack[EncodeFields]) -> EncodeOptions:
        """The encoder's options with other fields; what it runs on stays.

        Raises
        ------
        InputError
            Out of range, excluding each other, or another model.
        """
        options = self.options.changed(**fields)
        if _runs_on(options) != _runs_on(self.options):
            raise InputError(
                "an encoder has one model, which a tune may name, one number "
                "of threads and one provider"
            )
        return options

    def encode(
        self,
        image: Source,
        quality: float | None = None,
        *,
        mask: Array | None = None,
        progress: Progress | None = None,
        **fields: Any,
    ) -> bytes:
        """Encode one picture.

        Parameters
        ----------
        image : uint8 ndarray, PIL.Image.Image, Picture or picture file
            (height, width), (height, width, 3) or (height, width, 4),
            0..255, each side 1..16384. A file is a path or a binary file
            object, such as `codec.open` gives for a URL.
        quality : float, optional
            As of `EncodeOptions`.
        mask : bool ndarray (height, width), optional
            False where a pixel does not matter, as of a scratch: there the
            file holds what the model takes for likely, in few bits. Efforts
            from 2 on also search without counting errors there.
        progress : function of float, optional
            Called now and then with the share that is done, 0..1.
        **fields
            Fields of `EncodeOptions`, in place of the encoder's.

        Returns
        -------
        bytes
            A whole ``.aec`` file.

        Raises
        ------
        InputError
            Not a picture that this codec takes, or such options.
        LimitError
            More than ``max_pixels``, or the target is out of reach.

        Warns
        -----
        ConversionWarning
            For each thing of the picture that was converted or left out.
        EffortWarning
            The model cannot do the effort; effort 1 is done.

        References
        ----------
        .. [1] docs/format.md, sections 2 to 8.
        """
        options = self.changed(quality=quality, **fields)
        pic = picture.read(image, options.max_pixels, options.metadata)
        height, width = pic.pixels.shape[:2]
        if mask is not None:
            mask = np.asarray(mask)
            pic = dataclasses.replace(pic, pixels=self._filled(pic.pixels, mask, options))
            mask = None if mask.all() else mask
        if not isinstance(image, Picture):  # equal pictures make equal files
            pic = dataclasses.replace(pic, origin=None)
        if not options.metadata:
            pic = dataclasses.replace(pic, exif=None, xmp=None, origin=None, kept=None)
        sections = picture.to_sections(pic)

        def pack(quality: float, payload: bytes, crc: int) -> bytes:
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

        quality, [(payload, crc)] = self.code(
            [picture.as_rgb(pic.pixels)],
            options,
            width * height,
            len(pack(1, b"", 0)),
            progress,
            mask,
        )
        return pack(quality, payload, crc)

    def _filled(self, pixels: Array, mask: Array, options: EncodeOptions) -> Array:
        """Pixels that do not matter, as the decoder would have them in any case.

        They begin as means of their neighbours; then what decodes takes
        their place, again and again.
        """
        if mask.shape != pixels.shape[:2] or mask.dtype != bool:
            raise InputError(
                f"mask is {mask.dtype} of shape {mask.shape}; bool of shape "
                f"{pixels.shape[:2]} is needed"
            )
        if mask.all():
            return pixels
        pixels = picture.fill_hidden(pixels, mask.astype(np.uint8), 2)
        quality = options.quality or QUALITY
        for _ in range(_FILLING):
            y = self._pipeline.analyse(picture.as_rgb(pixels), quality)
            latent = self._pipeline.code_length(y, quality)[1]
            back = self._pipeline.synthesise(latent, quality, *pixels.shape[:2])
            if pixels.ndim == 2:
                back = picture.as_grey(back)
            pixels = np.where(mask.reshape(*mask.shape, *(1,) * (pixels.ndim - 2)), pixels, back)
        return pixels

    def code(
        self,
        blocks: Sequence[Array],
        options: EncodeOptions,
        n_pixels: int,
        n_other: int,
        progress: Progress | None = None,
        mask: Array | None = None,
    ) -> tuple[float, list[tuple[bytes, int]]]:
        """Encode samples, one quality for all, as good as the options say.

        Parameters
        ----------
        blocks : list of uint8 (.., height, width, 3)
            One picture, or the blocks of a stack.
        options : EncodeOptions
        n_pixels : int
            Of all blocks.
        n_other : int
            Bytes that the file has besides the payloads.
        progress : function of float, optional

        Returns
        -------
        quality : float
        coded : list of (bytes, int)
            Payload and checksum of each block.

        Raises
        ------
        LimitError
            The target is out of reach.
        """
        pipeline, plan = self._pipeline, plan_of(options, mask)
        if plan.passes and not pipeline.can_search:
            warnings.warn(
                f"model {self.model_id} has no gradients: effort "
                f"{options.effort} does what effort 1 does",
                EffortWarning,
                stacklevel=3,
            )
        for name in targets.METRICS:
            wanted = getattr(options, name)
            if wanted is not None:
                return targets.for_metric(pipeline, blocks, name, wanted, plan, progress)
        largest = options.largest(n_pixels)
        if largest is not None:
            return targets.for_size(pipeline, blocks, largest - n_other, plan, progress)
        assert options.quality is not None  # the only goal that is left
        quality, n = options.quality, len(blocks)
        return quality, [
            pipeline.encode(block, quality, plan, part(progress, i / n, (i + 1) / n))
            for i, block in enumerate(blocks)
        ]


def _runs_on(options: EncodeOptions) -> tuple[Model | None, int | None, str | None]:
    return options.encoder, options.threads, options.provider
