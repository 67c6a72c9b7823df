"""What files of equal size look like: pictures for README and report.

    python -m benchmarks.crops VALID [--out FOLDER]

Codes three whole pictures at a quarter of a bit per pixel or a little more, with
ours and with JPEG and AVIF at the same size, and writes a PNG of each: a window
at twice its size, of the original and of what the three decoders give. Prints
Markdown: bytes and scores of the whole files. VALID has the pictures, whose
sources and licences are in docs/training-pictures.csv.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codec.bench import codecs, metrics, pictures, tables, viewer

SIZE, SCALE, CAPTION = (224, 168), 2, 22
SHOWN = ("jpeg-420", "avif-444-iq", codecs.OURS)
HEADER = ["Files of one size", "bytes", "bpp", "SSIMULACRA 2", "PSNR, dB"]
CROPS = {
    "budgerigar": ("0011.png", (310, 60), 0.25),
    "colosseum": ("0018.png", (150, 110), 0.25),
    "brewery": ("0036.png", (300, 70), 0.4),
}
"""Name to picture, left upper corner of the window, and bits per pixel; chosen
for feathers and saturated colours, for stone before a sky, and for skin and
letters."""


def coded(original, bpp):
    """The picture through every codec of `SHOWN` at one size.

    Parameters
    ----------
    original : ndarray of uint8, shape (height, width, 3)
    bpp : float
        Of ours, as near as its settings come; the others take its size.

    Returns
    -------
    dict
        Codec name to decoded pixels.
    rows : list of list of str
        Of `HEADER`.
    """
    n_pixels = original.shape[0] * original.shape[1]
    target, found, rows = round(bpp * n_pixels / 8), {}, {}
    for name in reversed(SHOWN):  # ours first
        codec = codecs.load(name)
        setting, data = viewer.match_size(codec, original, target, 1)
        target = len(data) if name == codecs.OURS else target
        found[name] = np.asarray(codec.decode(data, original.shape, 1))
        rows[name] = [
            f"{codec.label} at {setting:g}",
            len(data),
            f"{8 * len(data) / n_pixels:.2f}",
            tables.number(metrics.ssimulacra2(original, found[name])),
            f"{metrics.psnr(original, found[name]):.1f}",
        ]
    return {n: found[n] for n in SHOWN}, [rows[n] for n in SHOWN]


def grid(original, found, rows, corner, size=SIZE):
    """Original and decoded windows, two by two, with what they are below.

    Parameters
    ----------
    original : ndarray
    found, rows
        What `coded` returned.
    corner, size : (int, int)
        Left upper corner, and width and height, of the window.
    """
    (x, y), (w, h) = corner, size
    w, h = min(w, original.shape[1] - x), min(h, original.shape[0] - y)
    labels = ["original"] + [
        f"{codecs.load(name).label.split(',')[0]}: {row[1]:,} bytes, "
        f"SSIMULACRA 2: {row[3]}".replace("−", "-")  # which the font lacks
        for name, row in zip(found, rows)
    ]
    step = w * SCALE + 4, h * SCALE + CAPTION
    image = Image.new("RGB", (2 * step[0] - 4, 2 * step[1]), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    for i, (label, pixels) in enumerate(zip(labels, (original, *found.values()))):
        at = i % 2 * step[0], i // 2 * step[1]
        part = Image.fromarray(pixels[y : y + h, x : x + w])
        part = part.resize((w * SCALE, h * SCALE), Image.Resampling.NEAREST)
        image.paste(part, at)
        draw.text((at[0] + 2, at[1] + h * SCALE + 3), label, "black", font)
    return image


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("valid", type=Path)
    p.add_argument("--out", type=Path, default=Path("docs/crops"))
    o = p.parse_args(argv)
    o.out.mkdir(parents=True, exist_ok=True)
    for name, (file, corner, bpp) in CROPS.items():
        original = pictures.read(o.valid / file)
        found, rows = coded(original, bpp)
        grid(original, found, rows, corner).save(o.out / f"{name}.png", optimize=True)
        print(f"{name}:\n\n{tables.markdown(HEADER, rows)}\n")


if __name__ == "__main__":
    main()
