"""Whether a file looks as its quality promises.

Quality is the score (SSIMULACRA 2) that photographs have on average. Other pictures
may fall far behind it: letters in colours, fine patterns, noise, faxes. The busiest
window of a picture is decoded from its file and scored, so that what this takes does
not grow with the picture. How far below is far was measured: docs/domains.md.
"""

import numpy as np

from ..decoder import Decoder
from ..search import ssimulacra2
from ..types import Array, Picture
from .jobs import Job
from .notes import Coder, Notes

WINDOW = 256  # pixels a side, inside one slab
LEAST = 128  # a picture with a smaller side has no score to rely on
REACHED = 90.0  # the score of the highest qualities
FAR = 1.65  # of `falls_short`: photographs have 1 on average


def score(original: Array, copy: Array) -> float:
    """SSIMULACRA 2 of uint8 (height, width) or (height, width, 3); NaN of tiny ones."""
    shape = *original.shape[:2], 3
    return ssimulacra2.score(
        *(
            np.ascontiguousarray(np.broadcast_to(p.reshape(*shape[:2], -1), shape))
            for p in (original, copy)
        )
    )


def judge(coder: Coder, job: Job, notes: Notes, picture: Picture, data: bytes) -> None:
    """Warn where a file looks far worse than its quality promises.

    Nothing is said where quality promises no score, or where the target was measured.

    Parameters
    ----------
    coder : Coder
    job : Job
    notes : Notes
    picture : Picture
        What was encoded.
    data : bytes
        Its file.
    """
    from codec import info

    encode, pixels = coder.options.encode, picture.pixels
    if (
        encode.target_psnr is not None
        or encode.target_score is not None
        or min(pixels.shape[:2]) < LEAST
        or not coder.encoder.bundle.promises_score
    ):
        return
    quality, found = info(data).quality, of_busiest(pixels, data, coder.decoder)
    notes.worse = falls_short(quality, found) > FAR
    if notes.worse:
        notes.warn(
            job.src,
            f"looks worse than quality {quality:g} promises: its busiest part has a score of "
            f"{found:.0f}; a photograph? Try a higher quality, or keep the original",
        )


def of_busiest(pixels: Array, data: bytes, decoder: Decoder) -> float:
    """The score of the busiest window of a picture in its file."""
    top, left, height, width = region = busiest(pixels)
    copy = decoder.decode_picture(data, region=region).pixels
    return score(pixels[top : top + height, left : left + width], copy)


def falls_short(quality: float, score: float) -> float:
    """What a score leaves to 100, over what the quality leaves."""
    return (100 - score) / (100 - min(quality, REACHED))


def busiest(pixels: Array) -> tuple[int, int, int, int]:
    """The window with the largest differences between neighbours.

    Returns
    -------
    top, left, height, width : int
    """
    height, width = (min(n, WINDOW) for n in pixels.shape[:2])
    best = (-1.0, 0, 0)
    for top in range(0, pixels.shape[0] - height + 1, WINDOW):
        for left in range(0, pixels.shape[1] - width + 1, WINDOW):
            part = pixels[top : top + height, left : left + width].astype(np.int16)
            part = part.reshape(height, width, -1).sum(2, dtype=np.int16)
            differences = sum(np.abs(np.diff(part, axis=axis)).mean() for axis in (0, 1))
            best = max(best, (float(differences), -top, -left))
    return -best[1], -best[2], height, width
