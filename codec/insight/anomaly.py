"""How unusual a picture is for a model: bits and errors, calibrated.

A model is trained to code its pictures in few bits with small errors. What
it has never seen costs more of either, or of one more than it should for
the other. Both are compared with what the training pictures need
(`calibrate`; docs/features.md).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .. import picture, runtime
from ..errors import ModelError
from ..limits import MAX_PIXELS
from ..model import find
from ..model.bundle import Bundle
from ..options import Model
from ..picture.source import Source
from ..symbols.pipeline import Pipeline
from ..types import Array
from .features import QUALITY

# What is measured is at least that, so that its logarithm is there.
LEAST_MSE = 1e-3
LEAST_BPP = 1e-4
ROWS = 256


class AnomalyScore(NamedTuple):
    """How far a picture is from the training pictures of a model.

    Attributes
    ----------
    error : float
        z-score of log2(mean squared error) of the decoded picture.
    bits : float
        z-score of log2(bits per pixel).
    distance : float
        Of both together, their correlation taken into account
        (Mahalanobis): 0 is the middle of the training pictures.
    """

    error: float
    bits: float
    distance: float


def anomaly_score(
    image: Source,
    *,
    model: Model | None = None,
    threads: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> AnomalyScore:
    """Say how unusual a picture is for a model.

    With e = log2(MSE) and b = log2(bits per pixel) at quality 50, and with
    means, standard deviations and correlation r of e and b over the model's
    training pictures: ``error = (e - mean_e) / std_e``, ``bits`` likewise,
    and ``distance`` is the root of
    (error^2 - 2 r error bits + bits^2) / (1 - r^2).

    Parameters
    ----------
    image : picture, path or binary file object
        As `codec.encode` takes it; alpha is not looked at.
    model : str, path-like or None
        Whose training pictures are the measure; None: the default.
    threads : int or None
        Threads inside the networks; None: all cores.
    max_pixels : int

    Returns
    -------
    AnomalyScore

    Raises
    ------
    InputError
        Not a picture.
    LimitError
        More than ``max_pixels``.
    ModelError
        The model has no statistics; see `codec.insight.calibrate`.

    Examples
    --------
    >>> import numpy as np, codec
    >>> noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3))
    >>> codec.anomaly_score(noise.astype(np.uint8)).bits > 2
    True
    """
    pic = picture.read(image, max_pixels, metadata=False)
    bundle = find.load(model)
    return score(measure(pic.pixels, runtime.pipeline(bundle, threads)), statistics(bundle))


def measure(pixels: Array, pipeline: Pipeline, quality: float = QUALITY) -> tuple[float, float]:
    """log2 of mean squared error and of bits per pixel: two floats.

    Parameters
    ----------
    pixels : uint8 (height, width) or (height, width, 3)
    pipeline : Pipeline
    quality : float
    """
    height, width = pixels.shape[:2]
    y = pipeline.analyse(picture.as_rgb(pixels), quality)
    bits, latent = pipeline.code_length(y, quality)
    back = pipeline.synthesise(latent, quality, height, width)
    if pixels.ndim == 2:
        back = picture.as_grey(back)
    error = (
        sum(
            float(np.square(pixels[i : i + ROWS].astype(np.float32) - back[i : i + ROWS]).sum())
            for i in range(0, height, ROWS)
        )
        / pixels.size
    )
    return (
        math.log2(max(error, LEAST_MSE)),
        math.log2(max(bits / (height * width), LEAST_BPP)),
    )


def score(measured: tuple[float, float], known: dict[str, Any]) -> AnomalyScore:
    """`AnomalyScore` of what `measure` gave, by what is known."""
    error, bits = (
        (x - known[name]["mean"]) / known[name]["std"]
        for x, name in zip(measured, ("error", "bits"))
    )
    r = known["correlation"]
    square = (error**2 - 2 * r * error * bits + bits**2) / (1 - r**2)
    return AnomalyScore(error, bits, math.sqrt(max(square, 0)))


def statistics(bundle: Bundle) -> dict[str, Any]:
    """The statistics of a model, judged before they are used."""
    known = bundle.statistics
    if known is None:
        raise ModelError(
            f"model {bundle.id} has no statistics of its training pictures; "
            "make them with python -m codec.insight.calibrate PICTURES "
            "--model FOLDER"
        )
    try:
        fine = known["model"] == bundle.id and known["quality"] == QUALITY
        numbers = [
            known["correlation"],
            *(known[name][k] for name in ("error", "bits") for k in ("mean", "std")),
        ]
        fine = (
            fine
            and all(math.isfinite(x) for x in numbers)
            and (abs(numbers[0]) < 1 and numbers[2] > 0 and numbers[4] > 0)
        )
    except (KeyError, TypeError):
        fine = False
    if not fine:
        raise ModelError(f"model {bundle.id}: statistics of another model, or senseless ones")
    return known
