"""How the codec does on what it was not trained for, and on what is hard.

    python -m benchmarks.domains [VALID] [--only NAME ...] [--pictures FOLDER]

Draws small sets of pictures that are not photographs (always the same ones),
and cuts parts with small text, fine patterns, saturated colours, skin and skies
out of those of VALID. Codes them at two qualities, and prints a Markdown table:
our bytes against PNG's, and against those of JPEG (Pillow, optimised, 4:2:0)
and AVIF (4:4:4, speed 6) at no lower PSNR or SSIMULACRA 2, the AVIF being tuned
for that metric. VALID adds photographs, the same in grey, and thumbnails as
well; without it the example picture of this repository stands in. FOLDER gets a
PNG for each kind of part: original, JPEG, AVIF and ours in files of one size.
"""

import argparse
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import codec
from benchmarks import crops, look
from codec import picture
from codec.bench import codecs, tables
from codec.bench.metrics import METRICS

EXAMPLES = Path(__file__).parent.parent / "examples"
SIDE = 256
PARTS = {
    "small text": {"0036.png": (40, 0), "0038.png": (390, 56), "0039.png": (130, 130)},
    "fine patterns": {
        "0007.png": (500, 120),
        "0023.png": (256, 128),
        "0033.png": (256, 128),
    },
    "saturated colours": {
        "0015.png": (140, 100),
        "0019.png": (256, 100),
        "0026.png": (256, 128),
        "0027.png": (370, 60),
    },
    "skin": {"0001.png": (200, 160), "0006.png": (180, 60), "0036.png": (290, 80)},
    "skies": {
        "0018.png": (500, 100),
        "0029.png": (400, 0),
        "0031.png": (256, 0),
        "0040.png": (40, 30),
    },
}
"""Pictures of VALID and the left upper corners of what is cut out, `SIDE`
pixels wide and high."""
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
        paper, ink = ((30, 32, 38), (220, 222, 225)) if dark else ((250, 250, 250), (20, 20, 25))
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
            draw.text((x + w - 70, y + h - 33), "OK", (0, 0, 0), ImageFont.load_default(14))
        yield np.asarray(image)


def scans(rng):
    """Printed pages: soft edges, uneven light, grain."""
    for points in (14, 20):
        page = _page((640, 800), (25, 25, 30), (244, 241, 232), rng, points)
        page = page.rotate(0.7, Image.Resampling.BICUBIC, fillcolor=(244, 241, 232))
        a = np.asarray(page.filter(ImageFilter.GaussianBlur(0.7)), float)
        light = np.linspace(0.9, 1.03, a.shape[1])[None, :, None]
        yield (a * light + rng.normal(0, 2.5, a.shape)).clip(0, 255).astype(np.uint8)


def faxes(rng):
    """Pages of text, black on white, nothing between."""
    for points in (14, 24):
        page = _page((640, 800), (0, 0, 0), (255, 255, 255), rng, points)
        yield np.asarray(page.convert("L").point(lambda v: 255 * (v > 127)))


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
        a = np.stack([90 + 110 * (x * tilt + y), 120 + 80 * y + 30 * x, 200 - 60 * x * y], -1)
        yield a.clip(0, 255).astype(np.uint8)


def noise(rng):
    """Nothing to predict: white noise, and the same in grey."""
    yield rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)
    yield np.repeat(rng.normal(128, 40, (256, 256, 1)).clip(0, 255).astype(np.uint8), 3, 2)


def photographs(folder):
    """Pictures of a folder at most 768 pixels wide, at most eight."""
    paths = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in (".png", ".jpg"))
    for path in paths[:: max(1, len(paths) // 8)][:8]:
        image = Image.fromarray(picture.as_rgb(picture.read(path).pixels))
        image.thumbnail((768, 768))
        yield np.asarray(image)


def letters(rng):
    """Text of 8 to 11 pixels in colours, as maps and tables have it."""
    for points, ink, paper in (
        (8, (20, 20, 20), (255, 255, 255)),
        (9, (200, 30, 40), (240, 240, 250)),
        (11, (250, 220, 60), (30, 40, 90)),
    ):
        yield np.asarray(_page((SIDE, SIDE), ink, paper, rng, points))


def gratings(rng):
    """Lines and dots that are a few pixels apart."""
    y, x = np.mgrid[:SIDE, :SIDE]
    for period, angle in ((2.5, 0.3), (4, 1.2), (7, 0.8)):
        wave = np.sin(2 * np.pi / period * (x * np.cos(angle) + y * np.sin(angle)))
        dots = wave * np.sin(2 * np.pi / period * (y * np.cos(angle) - x * np.sin(angle)))
        low, high = rng.integers(0, 100, 3), rng.integers(150, 256, 3)
        for a in (wave, dots):
            yield (low + (a[..., None] + 1) / 2 * (high - low)).astype(np.uint8)


def parts(folder):
    """Name of each kind of part and its pictures, of those in the folder."""
    for name, places in PARTS.items():
        found = [
            np.ascontiguousarray(
                picture.as_rgb(picture.read(folder / file).pixels)[y : y + SIDE, x : x + SIDE]
            )
            for file, (x, y) in places.items()
            if (folder / file).exists()
        ]
        if found:
            yield name, found


def domains(folder):
    """Name of each domain and its pictures."""
    photos = list(photographs(folder))
    middles = [look.middle(a, 384) for a in photos]
    found = {
        "photographs": middles,
        "photographs, grey": [np.asarray(Image.fromarray(a).convert("L")) for a in middles],
        "thumbnails, 96 pixels": [],
        "icons, 32 pixels": [],
    }
    for a in photos:
        for name, side in (("thumbnails, 96 pixels", 96), ("icons, 32 pixels", 32)):
            image = Image.fromarray(a)
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            found[name].append(np.asarray(image))
    found |= parts(Path(folder))
    for name, draw in (
        ("small text, drawn", letters),
        ("fine patterns, drawn", gratings),
        ("screenshots", screenshots),
        ("scans of text", scans),
        ("faxes", faxes),
        ("flat graphics", flat),
        ("gradients", gradients),
        ("noise", noise),
    ):
        found[name] = list(draw(np.random.default_rng(7)))
    return found


OTHERS = (
    ("jpeg-420", "ssimulacra2"),
    (codecs.tuned_avif("psnr"), "psnr"),
    (codecs.tuned_avif("ssimulacra2"), "ssimulacra2"),
)
HEADER = [
    "Pictures",
    "q",
    "bpp",
    "PSNR, dB",
    "SSIMULACRA 2",
    "against PNG, %",
    "JPEG of that score, %",
    "AVIF of that PSNR, %",
    "AVIF of that score, %",
]


def others_bytes(name, a, metric, floor):
    """Bytes of another codec at the least setting that is as good.

    None where even its best setting is worse.
    """
    # At 100 AVIF is lossless, which goes with no tune.
    other, low, high = codecs.load(name), codecs.load(name).settings[0], 99

    def coded(quality):
        data = other.encode(a, quality, 1)
        return METRICS[metric].measure(a, other.decode(data)) >= floor, len(data)

    good, size = coded(high)
    if not good:
        return None
    while low < high:
        middle = (low + high) // 2
        good, found = coded(middle)
        if good:
            high, size = middle, found
        else:
            low = middle + 1
    return size


def row(name, pictures, quality, encoder, decoder):
    """One line of the table, over all pictures of a domain."""
    ours, worth, png = 0, {"psnr": [], "ssimulacra2": []}, 0
    against = {other: [0, 0] for other in OTHERS}
    for a in pictures:
        data = encoder.encode(a, quality=quality)
        a = picture.as_rgb(a)
        back = picture.as_rgb(decoder.decode(data))
        ours += len(data)
        for metric, values in worth.items():
            values.append(METRICS[metric].measure(a, back))
        png += len(codecs.load("png").encode(a, "lossless", 1))
        for (other, metric), sums in against.items():
            size = others_bytes(other, a, metric, worth[metric][-1])
            if size is not None:
                sums[0] += len(data)
                sums[1] += size
    pixels = sum(a.shape[0] * a.shape[1] for a in pictures)
    return [
        name,
        f"{quality:g}",
        f"{8 * ours / pixels:.2f}",
        *(tables.number(np.mean(values)) for values in worth.values()),
        tables.signed(100 * ours / png - 100, 0),
        *(tables.signed(100 * a / b - 100 if b else None, 0) for a, b in against.values()),
    ]


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("valid", nargs="?", type=Path, default=EXAMPLES)
    p.add_argument("--only", nargs="+", metavar="NAME", help="patterns of domains")
    p.add_argument("--model")
    p.add_argument("--quality", type=float, nargs="+", default=[50, 80])
    p.add_argument("--pictures", type=Path, metavar="FOLDER")
    p.add_argument("--bpp", type=float, default=0.4, help="of those pictures")
    o = p.parse_args(argv)
    encoder = codec.Encoder(model=o.model, threads=1)
    decoder = codec.Decoder(model=o.model, threads=1)
    rows = [
        row(name, pictures, quality, encoder, decoder)
        for name, pictures in domains(o.valid).items()
        if any(fnmatch(name, pattern) for pattern in o.only or ["*"])
        for quality in o.quality
    ]
    print(tables.markdown(HEADER, rows))
    if o.pictures:
        o.pictures.mkdir(parents=True, exist_ok=True)
        for name, (first, *_) in parts(o.valid):
            grid = crops.grid(first, *crops.coded(first, o.bpp), (48, 64), (160, 120))
            grid.save(o.pictures / f"{name.replace(' ', '-')}.png", optimize=True)


if __name__ == "__main__":
    main()
