"""A picture beside its JPEG and its ``.aec`` file of equal size: ``--compare``.

The three windows show the same middle part, enlarged, each as its decoder gives it.
``demo`` makes such a picture of an example.
"""

import dataclasses
import io
import math
import typing

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..progress import Progress
from ..search.targets import psnr
from . import files
from .jobs import Job
from .notes import Coder, Notes

WINDOW = 320  # pixels a side, at most, of what is shown
SHOWN = 640  # pixels a side that a window is enlarged to, at most
_FONT, _MARGIN = 15, 4


@dataclasses.dataclass(frozen=True)
class Coded:
    """A file and its picture.

    Attributes
    ----------
    name : str
        Of the codec, with its setting.
    data : bytes
    pixels : uint8 ndarray of shape (height, width) or (height, width, 3)
    psnr_db : float
        Of ``pixels`` against the original.
    """

    name: str
    data: bytes
    pixels: np.ndarray
    psnr_db: float


def jpeg(pixels: np.ndarray, quality: int) -> Coded:
    """A picture as JPEG, as tightly as Pillow does it.

    Parameters
    ----------
    pixels : uint8 ndarray of shape (height, width) or (height, width, 3)
    quality : int, 1..100
    """
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
    with Image.open(out) as image:
        back = np.asarray(image)
    return Coded(f"JPEG at {quality}", out.getvalue(), back, psnr(pixels, back))


def around(
    pixels: np.ndarray, wanted: float, key: typing.Callable[[Coded], float]
) -> tuple[Coded, Coded]:
    """The JPEGs of two neighbouring qualities between which a value lies.

    Parameters
    ----------
    pixels : uint8 ndarray
    wanted : float
    key : function of Coded
        The value; it must grow with quality.

    Returns
    -------
    low, high : Coded
        ``key(low) <= wanted < key(high)``, or the first or last two of JPEG.
    """
    low, high = 1, 100
    while high - low > 1:
        middle = (low + high) // 2
        if key(jpeg(pixels, middle)) <= wanted:
            low = middle
        else:
            high = middle
    return jpeg(pixels, low), jpeg(pixels, high)


def jpeg_of_size(pixels: np.ndarray, size: int) -> Coded:
    """The JPEG that is nearest to a size in bytes."""
    return min(
        around(pixels, size, lambda coded: len(coded.data)),
        key=lambda coded: abs(len(coded.data) - size),
    )


def middle(pixels: np.ndarray) -> np.ndarray:
    """The middle of a picture, at most `WINDOW` a side."""
    y, x = (max(0, n - WINDOW) // 2 for n in pixels.shape[:2])
    return pixels[y : y + WINDOW, x : x + WINDOW]


def panel(original: np.ndarray, coded: typing.Sequence[Coded]) -> Image.Image:
    """Original and decoded windows side by side, with what they are below.

    Parameters
    ----------
    original : uint8 ndarray of shape (height, width) or (height, width, 3)
    coded : sequence of Coded
    """
    font = ImageFont.load_default(_FONT)
    shown = [("original", original)] + [
        (f"{c.name}: {len(c.data):,} bytes, {c.psnr_db:.1f} dB", c.pixels) for c in coded
    ]
    h, w = middle(original).shape[:2]
    scale = max(1, SHOWN // max(h, w))
    text = math.ceil(max(font.getlength(label) for label, _ in shown))
    step = max(w * scale, text) + _MARGIN
    image = Image.new("RGB", (len(shown) * step - _MARGIN, h * scale + 2 * _FONT), "white")
    draw = ImageDraw.Draw(image)
    for i, (label, pixels) in enumerate(shown):
        part = Image.fromarray(np.ascontiguousarray(middle(pixels)))
        part = part.resize((w * scale, h * scale), Image.Resampling.NEAREST)
        image.paste(part, (i * step, 0))
        draw.text((i * step, h * scale + _FONT // 3), label, "black", font)
    return image


def png(image: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def compare(coder: Coder, job: Job, notes: Notes, progress: Progress | None) -> None:
    """Compare one job; arguments as of ``compress``.

    Colours and size are those of the pixels alone: alpha and metadata stay out of
    both files.
    """
    from codec import info

    from ..picture import read

    options = coder.options
    with files.source(job.src) as file:
        files.refuse(job.src, job.dst, options.force)
        pixels = read(file, options.max_pixels).pixels
        notes.n_in = file.seek(0, 2)
    notes.pixels = pixels.shape[0] * pixels.shape[1]
    data = coder.encoder.encode(pixels, progress=progress)
    back = coder.decoder.decode(data)
    ours = Coded(f"aecompress at {info(data).quality:g}", data, back, psnr(pixels, back))
    theirs = jpeg_of_size(pixels, len(data))
    out = png(panel(pixels, (theirs, ours)))
    notes.n_out = len(out)
    files.save(job, out, options)
    notes.say(job.dst, "original, JPEG and .aec file at equal size", level=0)
    for coded in theirs, ours:
        notes.say(job.src, f"{coded.name}: {len(coded.data)} bytes, {coded.psnr_db:.2f} dB")
