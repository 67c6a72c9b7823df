"""PIL images of any mode to L, LA, RGB or RGBA.

What becomes of each PIL mode (* with a `ConversionWarning`):

======================  ===============================================
1, L                    grey
RGB, RGBX               colour
LA, RGBA                with alpha; without, if it is opaque everywhere
P, PA                   colour, alpha where the palette has any
L, RGB with a colour    with alpha
that is transparent
La, RGBa *              alpha no longer premultiplied
CMYK, LAB *             colour: sRGB through the ICC profile, if any
YCbCr, HSV *            colour
I;16 *, I *             grey, of a file whose samples go from black to
                        white; refused in memory and of TIFF, where
                        they may mean anything
F, I of 32 bits         refused
======================  ===============================================

Pillow itself cuts colour of more than 8 bits to 8, without a word: `hidden`
finds that out.
"""

import io
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError, warn_converted
from . import hidden

_LOSSLESS = {"1": "L", "RGBX": "RGB", "PA": "RGBA"}
_LOSSY = {"La": "LA", "RGBa": "RGBA", "YCbCr": "RGB", "HSV": "RGB"}
# Formats whose 16-bit grey is 0 for black and 65535, for Pillow, for white.
_FULL_RANGE = {"PNG", "PPM", "JPEG2000", "JXL"}


def check_range(image: Image.Image, bits: int) -> None:
    """Refuse samples of which nobody says how large white is."""
    if hidden.is_signed(image):
        raise InputError("signed samples, of which no one says what is white; scale them to 0..255")
    if image.mode[0] in "IF" and image.format not in _FULL_RANGE:
        raise InputError(
            f"samples of {bits} bits in mode {image.mode}, of which the range "
            f"is not known; scale them to 0..255 and 8 bits first"
        )


def unpremultiply(image: Image.Image) -> Image.Image:
    """Colours that are no longer multiplied by alpha."""
    warn_converted("premultiplied alpha converted")
    if image.format != "JPEG2000":
        return image  # its decoder has done it
    done = Image.frombytes(image.mode[:-1] + "a", image.size, image.tobytes())
    done.info, mode = image.info, image.mode
    return done.convert(mode)


def to_8_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits to L; of colour, Pillow has kept the high bits."""
    if image.mode[0] != "I":
        # One of 16 bits a sample: of 8 it would hit its neighbours.
        if image.mode == "RGB" and image.info.pop("transparency", None):
            warn_converted("the transparent colour is left out")
        return image
    high = np.clip(np.asarray(image).astype(np.int32) >> 8, 0, 255)
    done = Image.fromarray(high.astype(np.uint8))
    done.info = image.info
    # A transparent grey is one of 16 bits: of 8 it would hit its neighbours.
    if isinstance(done.info.pop("transparency", None), int):
        warn_converted("the transparent colour is left out")
    return done


def convert(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """To L, LA, RGB or RGBA, and the profile that then holds."""
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" in image.info:
        return image.convert("LA" if mode == "L" else "RGBA"), icc
    if mode in ("L", "LA", "RGB", "RGBA"):
        return image, icc
    if mode == "P":
        seen = "RGBA" if image.has_transparency_data else "RGB"
        return image.convert(seen), icc
    if mode in ("CMYK", "LAB"):
        return _to_srgb(image, icc), None
    if mode in _LOSSY:
        warn_converted(f"{mode} converted to {_LOSSY[mode]}")
        return image.convert(_LOSSY[mode]), icc
    if mode in _LOSSLESS:
        if mode == "1" and "transparency" in image.info:
            return image.convert("LA"), icc
        return image.convert(_LOSSLESS[mode]), icc
    raise InputError(f"mode {mode} is not read; convert it to RGB first")


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """CMYK or LAB to sRGB; the profile, if it fits, says how."""
    from PIL import ImageCms  # here, as it is slow to load and seldom used

    source: Any
    if image.mode == "LAB":
        source = ImageCms.createProfile("LAB")
    elif icc and icc[16:20] == b"CMYK":
        source = io.BytesIO(icc)
    else:
        warn_converted("CMYK converted to RGB without a colour profile")
        return image.convert("RGB")
    try:
        done: Any = ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        if image.mode == "LAB":
            raise
        warn_converted("CMYK converted to RGB; its colour profile is not usable")
        return image.convert("RGB")
    warn_converted(f"{image.mode} converted to sRGB")
    return done
