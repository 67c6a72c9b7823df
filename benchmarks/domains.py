"""How the codec does on what it was not trained for.

    python -m benchmarks.domains [PHOTOS] [--model MODEL] [--quality Q ...]

Draws small sets of pictures that are not photographs (always the same
ones), codes them at two qualities, and prints a Markdown table: our bytes
against PNG's, and against those of JPEG (Pillow, optimised, 4:2:0) and
AVIF (4:4:4, speed 6) at no lower PSNR. A folder of PHOTOS adds photographs,
the same in grey, and thumbnails of them; without one the example picture
of this repository stands in.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import codec
from codec import picture
from codec.bench import codecs, metrics

EXAMPLES = Path(__file__).parent.parent / "examples"
WORDS = (
    "the quick brown fox jumps over a lazy dog while seven wizards "
    "pack my box with five dozen liquor jugs and 0123456789"
).split()


def _page(size, ink, paper, rng, points=15):
    """Lines of words, as a text editor or a printed page has them."""
    image = Image.new("RGB", size, paper)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(points)
    for y in range(12, size[1] - points, round(points * 1.5)):
        line = " ".join(rng.choice(WORDS, size[0] // (points * 3)))
        draw.text((14, y), line, fill=ink, font=font)
    return image


def screenshots(rng):
    """Windows with title bars, text and buttons."""
    for dark in (False, True):
        paper, ink = (
            ((30, 32, 38), (220, 222, 225)) if dark else ((250, 250, 250), (20, 20, 25))
        )
        image = Image.new("RGB", (768, 512), (58, 110, 165))
        draw = ImageDraw.Draw(image)
        for x, y, w, h in ((24, 20, 420, 300), (280, 150, 460, 340)):
            draw.rectangle((x, y, x + w, y + h), paper, (90, 90, 90))
            draw.rectangle((x, y, x + w, y + 26), (0, 90, 158))
            draw.text(
                (x + 8, y + 5),
                "Document - Editor",
                (255, 255, 255),
                ImageFont.load_default(14),
            )
            image.paste(_page((w - 20, h - 80), ink, paper, rng, 13), (x + 10, y + 34))
            draw.rounded_rectangle(
                (x + w - 100, y + h - 38, x + w - 12, y + h - 10), 5, (225, 225, 225)
            )
            draw.text(
                (x + w - 70, y + h - 33), "OK", (0, 0, 0), ImageFont.load_default(14)
            )
        yield np.asarray(image)


def scans(rng):
    """Printed pages: soft edges, uneven light, grain."""
    for points in (14, 20):
        page = _page((640, 800), (25, 25, 30), (244, 241, 232), rng, points)
        page = page.rotate(0.7, Image.Resampling.BICUBIC, fillcolor=(244, 241, 232))
        a = np.asarray(page.filter(ImageFilter.GaussianBlur(0.7)), float)
        light = np.linspace(0.9, 1.03, a.shape[1])[None, :, None]
        yield (a * light + rng.normal(0, 2.5, a.shape)).clip(0, 255).astype(np.uint8)


def flat(rng):
    """Logos and charts: few colours, sharp edges."""
    for n in (6, 24):
        image = Image.new("RGB", (512, 512), (255, 255, 255))
        draw = ImageDraw.Draw(image)
        for _ in range(n):
            x, y, r = (
                rng.integers(0, 512),
                rng.integers(0, 512),
                (rng.integers(20, 140)),
            )
            box = (int(x - r), int(y - r), int(x + r), int(y + r))
            shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
            shape(box, tuple(int(v) for v in rng.integers(0, 256, 3)))
        yield np.asarray(image)


def gradients(rng):
    """Skies without clouds: banding shows here."""
    y, x = np.mgrid[:384, :512] / 512
    for tilt in (0.2, 1.5):
        a = np.stack(
            [90 + 110 * (x * tilt + y), 120 + 80 * y + 30 * x, 200 - 60 * x * y], -1
        )
        yield a.clip(0, 255).astype(np.uint8)


def noise(rng):
    """Nothing to predict: white noise, and the same in grey."""
    yield rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)
    yield np.repeat(
        rng.normal(128, 40, (256, 256, 1)).clip(0, 255).astype(np.uint8), 3, 2
    )


def photographs(folder):
    """Pictures of a folder at most 768 pixels wide, at most eight."""
    paths = sorted(
        p for p in Path(folder).iterdir() if p.suffix.lower() in (".png", ".jpg")
    )
    for path in paths[:: max(1, len(paths) // 8)][:8]:
        image = Image.fromarray(picture.as_rgb(picture.read(path).pixels))
        image.thumbnail((768, 768))
        yield np.asarray(image)


def domains(folder):
    """Name of each domain and its pictures."""
    photos = list(photographs(folder))
    found = {
        "photographs": photos,
        "photographs, grey": [
            np.asarray(Image.fromarray(a).convert("L")) for a in photos
        ],
        "thumbnails, 96 pixels": [],
        "icons, 32 pixels": [],
    }
    for a in photos:
        for name, side in (("thumbnails, 96 pixels", 96), ("icons, 32 pixels", 32)):
            image = Image.fromarray(a)
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            found[name].append(np.asarray(image))
    for name, draw in (
        ("screenshots", screenshots),
        ("scans of text", scans),
        ("flat graphics", flat),
        ("gradients", gradients),
        ("noise", noise),
    ):
        found[name] = list(draw(np.random.default_rng(7)))
    return found


def others_bytes(name, a, floor_db):
    """Bytes of another codec at the least setting that is as good.

    None where even its best setting is worse.
    """
    other = codecs.load(name)
    low, high = other.settings[0], 100
    if metrics.psnr(a, other.decode(other.encode(a, high, 1))) < floor_db:
        return None
    while low < high:
        middle = (low + high) // 2
        good = metrics.psnr(a, other.decode(other.encode(a, middle, 1))) >= floor_db
        low, high = (low, middle) if good else (middle + 1, high)
    return len(other.encode(a, high, 1))


def row(name, pictures, quality, encoder, decoder):
    """One line of the table, over all pictures of a domain."""
    ours, decibels, png = 0, [], 0
    against = {"jpeg-420": [0, 0], "avif-444": [0, 0]}
    for a in pictures:
        data = encoder.encode(a, quality=quality)
        back = decoder.decode(data)
        db = metrics.psnr(picture.as_rgb(a), picture.as_rgb(back))
        ours += len(data)
        decibels.append(db)
        png += len(codecs.load("png").encode(a, "lossless", 1))
        for other, sums in against.items():
            size = others_bytes(other, picture.as_rgb(a), db)
            if size is not None:
                sums[0] += len(data)
                sums[1] += size
    cells = [
        f"{100 * a / b - 100:+.0f}".replace("-", "−") if b else "–"
        for a, b in against.values()
    ]
    pixels = sum(a.shape[0] * a.shape[1] for a in pictures)
    return [
        name,
        f"{quality:g}",
        f"{8 * ours / pixels:.2f}",
        f"{np.mean(decibels):.1f}",
        f"{100 * ours / png - 100:+.0f}".replace("-", "−"),
        *cells,
    ]


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("photos", nargs="?", default=EXAMPLES)
    p.add_argument("--model")
    p.add_argument("--quality", type=float, nargs="+", default=[50, 80])
    options = p.parse_args(argv)
    encoder = codec.Encoder(model=options.model, threads=1)
    decoder = codec.Decoder(model=options.model, threads=1)
    print(
        "| Pictures | q | bpp | PSNR, dB | against PNG, % | "
        "JPEG of that PSNR, % | AVIF of that PSNR, % |"
    )
    print("|---|" + "---:|" * 6)
    for name, pictures in domains(options.photos).items():
        for quality in options.quality:
            print(
                "| "
                + " | ".join(row(name, pictures, quality, encoder, decoder))
                + " |",
                flush=True,
            )


if __name__ == "__main__":
    main()
