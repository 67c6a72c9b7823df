"""``.aec`` files in Pillow.

    import codec
    codec.register_pillow()         # or: import codec.plugins.pillow

    image = Image.open("a.aec")     # the header alone is read
    image.save("b.aec", quality=60)

Opening reads size, mode, ICC profile, Exif, XMP, resolution; pixels are decoded when
they are first needed. A stack of pictures has frames. Options of ``save``:

| Option | Value |
|---|---|
| ``quality``, ``effort``, .. | the fields of `codec.options.EncodeOptions` |
| ``icc_profile`` | default: the image's own; None: none |
| ``exif``, ``xmp``, ``dpi`` | default: none, as for Pillow's own formats |
| ``save_all`` | all frames, and ``append_images``, as a stack |

Damage is told as Pillow's own plugins tell it: `UnidentifiedImageError` when
a file is opened, ``OSError`` when its pixels are needed, ``SyntaxError`` by
``verify``.
"""

import io
from typing import IO, Any, BinaryIO, cast

import numpy as np
from PIL import Image, ImageFile, ImageSequence

from .. import api, container, stacks
from ..decoder import Decoder
from ..errors import CodecError, FormatError
from ..picture import from_sections, load
from ..types import Array, Picture

# The class is for Pillow to use; all that it shows is inherited from there.
__all__ = ["EXTENSION", "FORMAT", "MIME", "register_pillow"]

FORMAT, MIME, EXTENSION = "AEC", "image/x-aec", ".aec"
# Options of ``save`` that are not fields of `EncodeOptions`.
_OWN = {"append_images", "dpi", "exif", "icc_profile", "xmp"}


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(container.MAGIC)


class AecImageFile(ImageFile.ImageFile):
    """An ``.aec`` file opened by Pillow."""

    format = FORMAT
    format_description = "Learned picture codec"
    _close_exclusive_fp_after_loading = False

    def _open(self) -> None:
        self._file = cast(BinaryIO, self.fp)
        try:
            header, sections, _ = container.read_sections(self._file)
            self.n_frames = 1
            if header.is_stack:
                self._file.seek(0)
                self.n_frames = container.read_stack(self._file)[2].count
        except FormatError as error:
            raise SyntaxError(str(error)) from error
        except CodecError as error:  # sound, but newer than this program
            raise OSError(str(error)) from error
        self.is_animated = self.n_frames > 1
        self._size = header.width, header.height
        grey = header.colour == "grey"
        if "ALPH" in sections:
            self._mode = "LA" if grey else "RGBA"
        else:
            self._mode = "L" if grey else "RGB"
        sections.pop("ALPH", None)
        carried = from_sections(np.empty((0, 0), np.uint8), sections)
        for key, value in (
            ("icc_profile", carried.icc),
            ("exif", carried.exif),
            ("xmp", carried.xmp),
            ("dpi", carried.dpi),
        ):
            if value:
                self.info[key] = value
        self._is_stack = header.is_stack
        self._stack: stacks.Stack | None = None
        self._fp = self._file  # Pillow's own name for what frames are read from
        self._frame = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        if not self._seek_check(frame):
            return
        self._frame, self.fp = frame, self._file
        self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]

    def tell(self) -> int:
        return self._frame

    def load(self) -> Any:
        if not self.tile:
            return super().load()
        self.fp = io.BytesIO(self._decoded().tobytes())
        result = super().load()
        if self.n_frames > 1:
            self.fp = self._file
        elif self._exclusive_fp:
            self._file.close()
        return result

    def load_seek(self, pos: int) -> None:
        pass

    def _decoded(self) -> Array:
        """Samples of the current frame, as the mode has them."""
        try:
            if self._is_stack:
                self._stack = self._stack or stacks.Stack(self._file)
                return self._stack[self._frame]
            self._file.seek(0)
            pic = Decoder().decode_picture(self._file.read())
        except CodecError as error:
            raise OSError(str(error)) from error
        if pic.alpha is None:
            return pic.pixels
        return np.dstack([pic.pixels, pic.alpha])

    def verify(self) -> None:
        """Check the whole file but its symbols."""
        self._file.seek(0)
        try:
            container.unpack(self._file.read())
        except CodecError as error:
            raise SyntaxError(str(error)) from error
        finally:
            super().verify()


def _save(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    picture = _dressed(im, im, im.encoderinfo)
    try:
        data = api.encode(picture, **_fields(im.encoderinfo))
    except CodecError as error:
        raise ValueError(f"cannot write as {FORMAT}: {error}") from error
    fp.write(data)


def _save_all(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    options = im.encoderinfo
    frames = [
        _dressed(frame, im, options)
        for image in (im, *options.get("append_images", ()))
        for frame in ImageSequence.Iterator(image)
    ]
    if len(frames) == 1:
        return _save(im, fp, filename)
    try:
        data = stacks.encode_batch(frames, **_fields(options))
    except CodecError as error:
        raise ValueError(f"cannot write as {FORMAT}: {error}") from error
    fp.write(data)


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """What ``save`` was told of how to encode; a misspelt name is a TypeError."""
    return {name: options[name] for name in options.keys() - _OWN}


def _dressed(frame: Image.Image, im: Image.Image, options: dict[str, Any]) -> Picture:
    """One frame with the metadata that ``save`` was told to write."""
    frame = frame.copy()
    for key, default in (
        ("icc_profile", im.info.get("icc_profile")),
        ("exif", None),
        ("xmp", None),
        ("dpi", None),
    ):
        value = options.get(key, default)
        frame.info.pop(key, None)
        if isinstance(value, Image.Exif):
            value = value.tobytes()
        if value:
            frame.info[key] = value
    frame.info.pop("XML:com.adobe.xmp", None)
    try:
        return load(frame)
    except CodecError as error:
        raise OSError(f"cannot write mode {frame.mode} as {FORMAT}: {error}") from error


def register_pillow() -> None:
    """Teach Pillow to open and save ``.aec`` files; twice does no harm."""
    Image.register_open(FORMAT, AecImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_save_all(FORMAT, _save_all)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME)


register_pillow()
