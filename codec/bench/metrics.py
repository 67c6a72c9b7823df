"""What a decoded picture is worth, on its 8-bit pixels.

`METRICS` is all that the rest of aebench knows of a metric: a new one is
added there. Libraries are imported when first used, because PSNR needs none.
"""

import functools
import importlib
import io
import logging
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:  # `peak` measures memory, and pandas takes as much as a codec
    import pandas as pd

BUTTERAUGLI = "butteraugli_main"
"""Of libjxl; Debian's package libjxl-devtools has it."""

DISPLAY = "standard_4k"
"""ColorVideoVDP's own default: 3840 x 2160 on 30 inches, seen from 0.75 m."""


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all samples of R, G and B.

    Returns
    -------
    float
        In dB, from the squared error of the whole picture; infinite when
        the pictures are equal.
    """
    error = original.astype(np.float64) - decoded
    mse = np.mean(error * error)
    return math.inf if mse == 0 else 10 * math.log10(255**2 / mse)


def ms_ssim(original: np.ndarray, decoded: np.ndarray) -> float:
    """Multi-scale structural similarity [1]_, mean over R, G and B.

    Returns
    -------
    float
        0..1. Five scales of an 11-tap window need more than 160 pixels a
        side.

    References
    ----------
    .. [1] Wang, Simoncelli and Bovik, "Multiscale structural similarity
       for image quality assessment", 2003.
    """
    import pytorch_msssim
    import torch

    def tensor(picture):
        # A copy, because arrays that Pillow hands out are read-only.
        planes = np.array(picture, np.float32).transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(planes))[None]

    with torch.inference_mode():
        return float(pytorch_msssim.ms_ssim(tensor(original), tensor(decoded), data_range=255))


def ssimulacra2(original: np.ndarray, decoded: np.ndarray) -> float:
    """SSIMULACRA 2.1 [1]_ by the library of that name.

    Its blurs mirror the picture at the borders, where the original pads
    with zeros; ``benchmarks/second_opinion.py`` measures what that changes.

    Returns
    -------
    float
        100 is identical, 90 hard to tell apart, 70 high quality, 50
        medium, 30 low; below zero for very bad pictures.

    References
    ----------
    .. [1] https://github.com/cloudinary/ssimulacra2
    """
    from ssimulacra2 import compute_ssimulacra2

    # The library reads files; PPM costs the least.
    return float(compute_ssimulacra2(_ppm(original), _ppm(decoded)))


def _ppm(picture: np.ndarray) -> io.BytesIO:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PPM")
    return out


def butteraugli(original: np.ndarray, decoded: np.ndarray) -> float:
    """Butteraugli's distance, the 3-norm over the picture [1]_.

    By libjxl's program, at its own default of 80 nits.

    Returns
    -------
    float
        0 is identical, 1 just noticeable; it has no upper end.

    References
    ----------
    .. [1] https://github.com/libjxl/libjxl, tools/butteraugli_main.cc
    """
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "original.ppm"), Path(folder, "decoded.ppm")
        for file, picture in zip(files, (original, decoded)):
            file.write_bytes(_ppm(picture).getvalue())
        run = subprocess.run(
            [BUTTERAUGLI, *files, "--pnorm", "3"],
            capture_output=True,
            text=True,
            check=True,
        )
    return float(re.search(r"^3-norm: (\S+)", run.stdout, re.M)[1])


@functools.cache
def _colour_video_vdp():
    # It looks for CUDA when it is imported, and warns where there is none.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import pycvvdp
    import torch

    return pycvvdp.cvvdp(display_name=DISPLAY, device=torch.device("cpu"), quiet=True)


def cvvdp(original: np.ndarray, decoded: np.ndarray) -> float:
    """ColorVideoVDP [1]_ of a still picture on the display `DISPLAY`.

    Returns
    -------
    float
        Just-objectionable differences below 10, which is identical.

    References
    ----------
    .. [1] Mantiuk and others, "ColorVideoVDP: A visual difference predictor
       for image, video and display distortions", 2024.
    """
    import torch

    with torch.inference_mode():
        score, _ = _colour_video_vdp().predict(decoded, original, dim_order="HWC")
    return float(score)


def decibel(similarity: float) -> float:
    """MS-SSIM in dB, ``-10 log10(1 - x)``, infinite at 1."""
    return math.inf if similarity >= 1 else -10 * math.log10(1 - similarity)


def closeness(distance: float) -> float:
    """A distance as something that rises, ``-10 log10(x)``, infinite at 0."""
    return math.inf if distance <= 0 else -10 * math.log10(distance)


def _itself(figure: float) -> float:
    return figure


@dataclass(frozen=True)
class Metric:
    """One metric and everything that tables, plots and files need of it.

    Parameters
    ----------
    title : str
        What people call it.
    axis : str
        Label of its axis in a plot, with the unit of `quality`.
    column : str
        Of the CSV, which has what `measure` gives.
    result : str
        Of the mean in a JSON file, as CompressAI calls it if it does.
    measure : callable
        ``measure(original, decoded)`` of two uint8 arrays of shape
        (height, width, 3).
    equal : float
        What it gives for two equal pictures.
    opponent : str
        The tune of AVIF that is made for it.
    quality : callable
        The figure as a number that rises with quality; curves are means of
        this.
    modules, programs : tuple of str
        What it needs, so that a missing one is named at the start.
    min_side : int
        Of a smaller picture it says nothing.
    bands : str
        Name of the metric whose values part its BD-rate into bands.
    """

    title: str
    axis: str
    column: str
    result: str
    measure: Callable[[np.ndarray, np.ndarray], float]
    equal: float
    opponent: str
    quality: Callable[[float], float] = _itself
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    bands: str = "ssimulacra2"
    min_side: int = 1

    def measured(self, rows: "pd.DataFrame") -> bool:
        """Whether all these rows have it, of pictures where it is defined."""
        small = rows[["width", "height"]].min(axis=1) < self.min_side
        return bool((rows[self.column].notna() | small).all() and not small.all())

    def require(self) -> None:
        """Raise ``ImportError`` that names what is not installed."""
        for module in self.modules:
            importlib.import_module(module)
        for program in self.programs:
            if shutil.which(program) is None:
                raise ImportError(f"no program {program}")


METRICS = {
    "psnr": Metric("PSNR", "PSNR, dB", "psnr_db", "psnr-rgb", psnr, math.inf, "psnr", bands="psnr"),
    "ms-ssim": Metric(
        "MS-SSIM",
        "MS-SSIM, dB",
        "ms_ssim",
        "ms-ssim-rgb",
        ms_ssim,
        1.0,
        "iq",
        decibel,
        ("torch", "pytorch_msssim"),
        min_side=161,
    ),
    "ssimulacra2": Metric(
        "SSIMULACRA 2",
        "SSIMULACRA 2",
        "ssimulacra2",
        "ssimulacra2",
        ssimulacra2,
        100.0,
        "ssimulacra2",
        modules=("ssimulacra2",),
    ),
    "butteraugli": Metric(
        "butteraugli",
        "butteraugli 3-norm, −10 log10",
        "butteraugli_3norm",
        "butteraugli-3norm",
        butteraugli,
        0.0,
        "iq",
        closeness,
        programs=(BUTTERAUGLI,),
    ),
    "cvvdp": Metric(
        "ColorVideoVDP",
        "ColorVideoVDP, JOD",
        "cvvdp_jod",
        "cvvdp-jod",
        cvvdp,
        10.0,
        "iq",
        modules=("torch", "pycvvdp"),
    ),
}

BANDS = {
    "psnr": ((27.0, 31.0), (31.0, 35.0), (35.0, 39.0), (39.0, 42.0)),
    "ssimulacra2": ((30.0, 50.0), (50.0, 70.0), (70.0, 90.0)),
}
"""Ranges of the anchor's quality, by the metric that has them."""

UNITS = {"psnr": " dB", "ssimulacra2": ""}
"""What follows a range in a table's header."""


def errors(original: np.ndarray, decoded: np.ndarray) -> dict[str, float]:
    """Largest and mean absolute difference of samples."""
    difference = np.abs(original.astype(np.int16) - decoded)
    return {
        "max_error": int(difference.max()),
        "mean_error": float(difference.mean()),
    }


def measure(original: np.ndarray, decoded: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """All figures of one decoded picture.

    Parameters
    ----------
    original, decoded : ndarray of uint8, shape (height, width, 3)
    names : sequence of str
        Keys of `METRICS`.

    Returns
    -------
    dict
        Column names of the CSV to floats.
    """
    equal = np.array_equal(original, decoded)
    return errors(original, decoded) | {
        METRICS[name].column: METRICS[name].equal
        if equal
        else METRICS[name].measure(original, decoded)
        for name in names
        if min(original.shape[:2]) >= METRICS[name].min_side
    }
