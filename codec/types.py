"""What travels between the stages: two frozen values, arrays and bytes."""

import dataclasses
import os
from typing import Any, BinaryIO

from numpy.typing import NDArray

# Shapes, kinds and ranges are in the docstrings.
Array = NDArray[Any]
Buffer = bytes | bytearray | memoryview
# Top, left, height and width, in pixels.
Region = tuple[int, int, int, int]
# A whole file: its bytes, its name, or what reads them.
File = Buffer | str | os.PathLike[str] | BinaryIO
Sections = dict[str, bytes]


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a picture's file was.

    Attributes
    ----------
    format : str
        As Pillow calls it, such as ``"JPEG"``.
    extension : str
        Of its name, without the dot.
    quality : int or None
        1..100 of a JPEG, as libjpeg counts; 100 for what has no loss; None
        where that is not known.
    """

    format: str
    extension: str = ""
    quality: int | None = None


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture in memory.

    Attributes
    ----------
    pixels : uint8 ndarray of shape (height, width) or (height, width, 3)
        Grey or RGB samples, 0..255, orientation already applied.
    alpha : uint8 ndarray of shape (height, width), or None
    icc, exif, xmp : bytes or None
        As in the source; ``exif`` starts with the TIFF header.
    dpi : (float, float) or None
        Pixels per inch, horizontal and vertical.
    origin : Origin or None
        What the file was that it was read from; encoding keeps it of a
        `Picture` only.
    kept : bytes or None
        That file without its samples, as section ``kept`` has it.
    """

    pixels: Array
    alpha: Array | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    origin: Origin | None = None
    kept: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Header:
    """What the header of a file says (docs/format.md, section 2).

    Attributes
    ----------
    width, height : int, 1..16384
    colour : {"grey", "rgb"}
    quality : float, 1..100, in steps of 0.01
    model : str
        Model id, 16 hexadecimal digits.
    symbol_crc : int
    version : int
        Of the container.
    sections : tuple of str
        Types of the sections in the file, in order.
    payload_length : int, bytes
    blend : int, 0..255
        Share of the second of a model's two sets of weights, in 255ths;
        0 for all models that there are.
    """

    width: int
    height: int
    colour: str
    quality: float
    model: str
    symbol_crc: int = 0
    version: int = 2
    sections: tuple[str, ...] = ()
    payload_length: int = 0
    blend: int = 0

    @property
    def is_stack(self) -> bool:
        """Whether the file holds several pictures of this size."""
        return "STAK" in self.sections
