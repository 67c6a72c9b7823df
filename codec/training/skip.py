"""Which scale indices are too low to be worth coding, quality by quality.

A symbol of a low scale index is nearly always zero. Where coding such symbols
costs more bits than the few others among them save in error, all of them count
as zero, and decoders have less to read.
"""

import numpy as np

from ..model.bundle import Bundle
from ..symbols.pipeline import Pipeline

QUALITIES = 1, 15, 30, 45, 60, 75, 90, 100
MOST = 16
SIDE = 256  # of the middles that are coded


def first_coded(folder, crops, clock, pixels=24 * SIDE * SIDE):
    """Lowest scale index that is coded, for each quality index.

    Rate + lambda * error of real symbols decides, on average over pictures
    (those of one size together) each compared with itself.

    Parameters
    ----------
    folder : path-like
        The model as it is otherwise, whose constant ROW_SKIP is the least.
    crops : data.Crops
    clock : clock.Clock
    pixels : int
        Of the pictures that are coded, roughly.

    Returns
    -------
    uint8 (100,)
    """
    pipeline = Pipeline(Bundle(folder))
    n = max(1, int(clock.whole * pixels) // min(SIDE * SIDE, crops.picture(0)[..., 0].size))
    pick = np.unique(np.linspace(0, len(crops.index) - 1, n).astype(int))
    pictures = [several for _, several in crops.whole(pick, SIDE)]
    shares = [len(several) / len(pick) for several in pictures]
    least = int(pipeline.bundle.row_skip[0])
    best, found = least, []
    stage = "finding scale indices not worth coding"
    for quality in clock.over(stage, QUALITIES, len(QUALITIES), lambda quality: 1):
        latents = [pipeline.analyse(p, quality) for p in pictures]
        whole = None

        def cost(skip):
            nonlocal whole
            pipeline.bundle.row_skip[:] = skip
            pipeline.take_tables()
            each = np.array(
                [rate_distortion(pipeline, y, p, quality) for y, p in zip(latents, pictures)]
            )
            whole = each if whole is None else whole
            return each / whole @ shares

        best = max(least, best - 1)
        here = cost(best)
        while best < MOST and (more := cost(best + 1)) < here:
            best, here = best + 1, more
        found.append(best)
    done = QUALITIES[: len(found)]
    return np.rint(np.interp(np.arange(1, 101), done, found)).astype(np.uint8)


def rate_distortion(pipeline, y, pixels, quality):
    """Bits per pixel plus lambda * squared error, of pictures of one size.

    Parameters
    ----------
    pipeline : Pipeline
    y : float32 (n, hy, wy, M)
        Their latent plane.
    pixels : uint8 (n, height, width, 3)
    quality : float, 1..100

    Returns
    -------
    float
        Bits per pixel; the error is the mean square of samples of 0..255.
    """
    *_, height, width, _ = pixels.shape
    decoded = np.empty(y.shape, np.float32)
    payload, _ = pipeline.encode_latent(y, quality, decoded=decoded)
    shown = pipeline.synthesise(decoded, quality, height, width)
    error = np.square(shown.astype(np.float32) - pixels).mean()
    return 8 * len(payload) / pixels[..., 0].size + pipeline.bundle.multiplier(quality) * float(
        error
    )
