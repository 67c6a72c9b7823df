"""What a decoded picture is worth, on its 8-bit pixels.

`METRICS` maps the names that ``--metrics`` takes to functions of two uint8
arrays of shape (height, width, 3). Their libraries are imported when first
used, because PSNR needs none of them.
"""

import io
import math

import numpy as np
from PIL import Image

MS_SSIM_MIN_SIDE = 161
"""Five scales of an 11-tap window need more than 160 pixels a side."""


def psnr(original, decoded):
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


def ms_ssim(original, decoded):
    """Multi-scale structural similarity [1]_, mean over R, G and B.

    Returns
    -------
    float
        0..1; NaN for pictures of 160 pixels or less on a side, where it
        is not defined.

    References
    ----------
    .. [1] Wang, Simoncelli and Bovik, "Multiscale structural similarity
       for image quality assessment", 2003.
    """
    if min(original.shape[:2]) < MS_SSIM_MIN_SIDE:
        return math.nan
    import pytorch_msssim
    import torch

    def tensor(picture):
        # A copy, because arrays that Pillow hands out are read-only.
        planes = np.array(picture, np.float32).transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(planes))[None]

    with torch.inference_mode():
        return float(
            pytorch_msssim.ms_ssim(tensor(original), tensor(decoded), data_range=255)
        )


def ssimulacra2(original, decoded):
    """SSIMULACRA 2 [1]_.

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

    def file(picture):
        # The library reads files; PPM costs the least.
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "PPM")
        return out

    return float(compute_ssimulacra2(file(original), file(decoded)))


METRICS = {"psnr": psnr, "ms-ssim": ms_ssim, "ssimulacra2": ssimulacra2}

MODULES = {
    "psnr": (),
    "ms-ssim": ("torch", "pytorch_msssim"),
    "ssimulacra2": ("ssimulacra2",),
}
"""What each metric imports, so that a missing one is named at the start."""


def decibel(similarity):
    """MS-SSIM in dB, ``-10 log10(1 - x)``, infinite at 1."""
    if similarity >= 1:
        return math.inf
    return -10 * math.log10(1 - similarity)


EQUAL = {
    "max_error": 0,
    "mean_error": 0.0,
    "psnr_db": math.inf,
    "ms_ssim": 1.0,
    "ms_ssim_db": math.inf,
    "ssimulacra2": 100.0,
}
"""The figures of two equal pictures, which need not be computed."""


def measure(original, decoded, names):
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
    difference = np.abs(original.astype(np.int16) - decoded)
    figures = {
        "max_error": int(difference.max()),
        "mean_error": float(difference.mean()),
    }
    for name in names:
        value = METRICS[name](original, decoded)
        if name == "psnr":
            figures["psnr_db"] = value
        elif name == "ms-ssim":
            figures["ms_ssim"] = value
            figures["ms_ssim_db"] = decibel(value)
        else:
            figures["ssimulacra2"] = value
    return figures
