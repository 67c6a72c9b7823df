"""The pictures that people compare: every codec at the same file size.

A window of each picture is shown, without any further loss, as it comes
out of the decoder; the file sizes and figures are of the whole picture.
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from . import codecs, metrics, pictures

LEVELS = ((0.25, "small"), (0.6, "medium"))
"""Target bits per pixel and what the page calls them."""

WINDOW = 480, 320
BUDGET_BYTES = 4_000_000
"""Of pictures in one page, before base64 adds a third."""

SHOWN = (codecs.OURS, codecs.ANCHOR, "webp", "avif-444-ssimulacra2", "jxl-e7")


@dataclass(frozen=True)
class View:
    """One picture that can be put on either side of the slider."""

    codec: str
    label: str
    level: str
    setting: str
    bytes: int
    bpp: float
    psnr_db: float
    image: str


def match_size(
    codec: codecs.Codec, picture: np.ndarray, target: int, threads: int
) -> tuple[float, bytes]:
    """The setting whose file is nearest to a size.

    Parameters
    ----------
    codec : codecs.Codec
        Lossy, with numbers as settings, ordered by growing size.
    picture : ndarray
    target : int
        Bytes.
    threads : int

    Returns
    -------
    setting : int or float
    data : bytes
    """
    low, high = codec.settings[0], codec.settings[-1]
    whole = all(isinstance(setting, int) for setting in codec.settings)
    tried = {}

    def size(setting):
        if setting not in tried:
            tried[setting] = codec.encode(picture, setting, threads)
        return len(tried[setting])

    # Between the ends; a codec that is not monotone still ends somewhere.
    for setting in (low, high):
        size(setting)
    for _ in range(8):
        middle = (low + high) / 2
        middle = round(middle) if whole else round(middle, 2)
        if middle in tried and middle in (low, high):
            break
        if size(middle) < target:
            low = middle
        else:
            high = middle
    best = min(tried, key=lambda setting: abs(size(setting) - target))
    return best, tried[best]


def window(pixels: np.ndarray) -> np.ndarray:
    """The middle of a picture, at most `WINDOW` large."""
    height, width = pixels.shape[:2]
    w, h = min(width, WINDOW[0]), min(height, WINDOW[1])
    if height > width:
        w, h = min(width, WINDOW[1]), min(height, WINDOW[0])
    top, left = (height - h) // 2, (width - w) // 2
    return pixels[top : top + h, left : left + w]


def views(source: pictures.Source, names: Sequence[str], threads: int) -> dict:
    """Original and decoded windows of one picture.

    Parameters
    ----------
    source : pictures.Source
    names : list of str
        Codecs; those of `SHOWN` among them are shown. Ours, or else the
        first, sets the size that the others match.
    threads : int

    Returns
    -------
    dict
        ``name``, ``width``, ``height`` and ``views``.
    """
    original = pictures.read(source.path)
    pixels = source.width * source.height
    shown = [
        View(
            "original",
            "original",
            "",
            "",
            original.size,
            24.0,
            float("inf"),
            _data_uri(window(original)),
        )
    ]
    for bpp, level in LEVELS:
        target = round(bpp * pixels / 8)
        for name in [name for name in SHOWN if name in names]:
            codec = codecs.load(name)
            setting, data = match_size(codec, original, target, threads)
            if name == codecs.OURS:
                target = len(data)
            decoded = np.asarray(codec.decode(data, original.shape, threads))
            shown.append(
                View(
                    name,
                    codec.label,
                    level,
                    str(setting),
                    len(data),
                    round(8 * len(data) / pixels, 4),
                    round(metrics.psnr(original, decoded), 3),
                    _data_uri(window(decoded)),
                )
            )
    height, width = window(original).shape[:2]
    return {
        "name": source.name,
        "width": width,
        "height": height,
        "views": [asdict(view) for view in shown],
    }


def choose(
    sources: Sequence[pictures.Source],
    names: Sequence[str],
    threads: int,
    n_pictures: int = 4,
    say: Callable[[str], None] = print,
) -> list[dict]:
    """Pictures for the viewer, as many as the page may hold.

    They are taken evenly from the folder, not picked by how they look.
    """
    found, used = [], 0
    order = dict.fromkeys(
        round((i + 0.5) * len(sources) / n_pictures - 0.5) for i in range(n_pictures)
    )
    for index in order:
        one = views(sources[index], names, threads)
        size = sum(len(view["image"]) for view in one["views"]) * 3 // 4
        if found and used + size > BUDGET_BYTES:
            break
        say(f"comparison viewer: {one['name']}")
        found.append(one)
        used += size
    return found


def _data_uri(pixels):
    out = io.BytesIO()
    # More effort costs seconds a picture and saves a percent.
    Image.fromarray(pixels).save(out, "WEBP", lossless=True, method=4)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")
