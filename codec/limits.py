"""What values may be: sides and pixels of a picture, bytes of a table, qualities, efforts.

Light, so that a command's ``--help`` can name the numbers.
"""

import os

from .errors import LimitError

QUALITY = 75.0  # unless something else is said
EFFORTS = range(1, 10)
TUNES = "look", "psnr", "ms-ssim"
MAX_SIDE = 16384
# Pillow's own limit against decompression bombs: what opens elsewhere opens
# here, and the encoder writes no file that the decoder then refuses.
MAX_PIXELS = 89_478_485
MAX_BYTES = 1 << 30  # of a table's numbers, as 8 bytes each, that are decoded at once


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise LimitError for a picture of more than ``max_pixels``."""
    if width * height > max_pixels:
        raise over(f"{width}x{height} are {width * height} pixels", max_pixels)


def over(what: str, max_pixels: int) -> LimitError:
    """The LimitError for what has more than ``max_pixels``."""
    return LimitError(
        f"{what}, over the limit of {max_pixels}; raise it (--max-pixels, "
        f"max_pixels) if you trust the source"
    )


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
