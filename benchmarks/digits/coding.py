"""Sizes and distortion of digits: ours at several rates, and others'."""

import io
import zlib

import numpy as np
from PIL import Image

import codec
from codec.training.functional import to_float
from codec.training.loss import binary_cross_entropy, ms_ssim

from ..domains import others_bytes

QUALITIES = (1.0, 10.0, 20.0, 27.0, 35.0, 50.0, 75.0)
CLASS_QUALITIES = (1.0, 10.0, 50.0)  # and that of the claims
SINGLES = 100  # digits that are also written one per file
COLUMNS = 40  # of the picture that holds a whole set


def coded(pictures, model, quality):
    """A stack and what comes back."""
    data = codec.encode_batch(pictures, quality=quality, model=model)
    with codec.Stack(data, codec.Decoder(model=model)) as stack:
        return data, stack[:]


def distortion(pictures, back):
    """Mean errors of uint8 pictures (n, h, w), by four measures."""
    x, y = (to_float(a[..., None]) for a in (pictures, back))
    mse = (x - y).square().mean().item() * 255**2
    return {
        # Of the mean error over the set, which is below the mean of PSNRs.
        "psnr": 10 * np.log10(255**2 / max(mse, 1e-9)),
        "mae": (x - y).abs().mean().item() * 255,
        "bce": binary_cross_entropy(x, y).mean().item() / (255**2 / 2),
        "ms_ssim": ms_ssim(x, y).mean().item(),
    }


def rates(pictures, model, qualities=QUALITIES, singles=SINGLES):
    """Bits per digit and distortion of a model at several qualities.

    Returns
    -------
    list of dict
        ``stack`` and ``single``: bytes per digit of the whole file.
    """
    encoder = codec.Encoder(model=model, threads=1)
    rows = []
    for q in qualities:
        data, back = coded(pictures, model, q)
        row = {
            "quality": q,
            "stack": len(data) / len(pictures),
            **distortion(pictures, back),
        }
        if singles:
            row["single"] = np.mean([len(encoder.encode(a, q)) for a in pictures[:singles]])
        rows.append(row)
    return rows


def mosaic(pictures):
    """All pictures of a set side by side in one."""
    n, h, w = pictures.shape
    rows = -(-n // COLUMNS)
    out = np.zeros((rows * COLUMNS, h, w), np.uint8)
    out[:n] = pictures
    return out.reshape(rows, COLUMNS, h, w).swapaxes(1, 2).reshape(rows * h, COLUMNS * w)


def _pillow(a, format, **options):
    out = io.BytesIO()
    Image.fromarray(a).save(out, format, **options)
    return len(out.getvalue())


def _jpeg_xl(a):
    import imagecodecs

    return len(imagecodecs.jpegxl_encode(a, lossless=True, effort=9))


OTHERS = {
    "PNG, optimised": lambda a: _pillow(a, "PNG", optimize=True),
    "zlib -9": lambda a: len(zlib.compress(a.tobytes(), 9)),
    "WebP lossless": lambda a: _pillow(a, "WEBP", lossless=True, method=6, quality=100),
    "JPEG XL lossless": _jpeg_xl,
}


def others(pictures):
    """Bytes per digit of other codecs, each digit alone and all in one.

    A stack is to a file per digit what one picture of all of them is to
    a PNG per digit, so both are compared with their like. zlib, which
    knows no pictures, gets the samples in the order of the set.
    """
    found = {}
    for name, size in OTHERS.items():
        together = pictures if name.startswith("zlib") else mosaic(pictures)
        try:
            found[name] = {
                "single": np.mean([size(a) for a in pictures]),
                "stack": size(np.ascontiguousarray(together)) / len(pictures),
            }
        except ImportError as e:
            print(f"{name}: left out ({e})")
    return found


def lossy(pictures, floor_db):
    """Bytes per digit of lossy codecs at the least setting that is as good.

    Whole sets as one picture, so that headers count once.
    """
    whole = np.repeat(mosaic(pictures)[..., None], 3, -1)
    out = {}
    for name in ("jpeg-420", "webp", "avif-444-psnr"):
        size = others_bytes(name, whole, floor_db)
        if size is not None:
            out[name] = size / len(pictures)
    return out


def at_bits(rows, bits):
    """Distortions interpolated to a number of bits per digit.

    None outside what was measured.
    """
    x = np.log([8 * r["stack"] for r in rows])
    if not x[0] <= np.log(bits) <= x[-1]:
        return None
    return {
        k: float(np.interp(np.log(bits), x, [r[k] for r in rows]))
        for k in ("psnr", "mae", "bce", "ms_ssim")
    }
