"""Make the pictures of docs/latents.md: python docs/latents.py [FOLDER]."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import codec
from codec.training.digits import bundled

ROOT = Path(__file__).parent.parent


def scratch(height, width):
    """Where a photograph is scratched: uint8 (height, width), 255 there."""
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    rng = np.random.default_rng(3)
    for _ in range(6):
        ends = rng.integers(0, (width, height), (2, 2))
        draw.line([tuple(map(int, end)) for end in ends], fill=255, width=3)
    return np.asarray(image)


def enlarged(pictures, columns, factor=3):
    """Pictures of one size beside each other, enlarged."""
    rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
    image = Image.fromarray(np.vstack(rows))
    size = image.width * factor, image.height * factor
    return image.resize(size, Image.Resampling.NEAREST)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    digits = bundled()[0]
    rows = []
    for i, j in ((0, 1), (3, 8), (4, 7)):
        a, b = (codec.latents(codec.encode(digits[n], model="digits")) for n in (i, j))
        rows += [codec.render(a.mix(b, share)) for share in np.linspace(0, 1, 7)]
    enlarged(rows, 7).save(folder / "between.png")
    drawn = [codec.sample(28, 28, model="digits", grey=True, seed=n) for n in range(16)]
    enlarged([codec.render(one) for one in drawn], 8).save(folder / "sampled.png")
    with Image.open(ROOT / "examples" / "budgerigar.png") as image:
        photograph = np.asarray(image.convert("RGB"))[60:380, 120:440]
    where = scratch(*photograph.shape[:2])
    damaged = np.where(where[..., None], 255, photograph).astype(np.uint8)
    restored = codec.decode(codec.encode(damaged, mask=where == 0))
    Image.fromarray(np.hstack([damaged, restored])).save(folder / "restored.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "latents"))
