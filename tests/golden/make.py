"""Write the golden files anew; run by hand when the default model changes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

import codec

HERE = Path(__file__).parent
PHOTO = HERE.parent.parent / "examples" / "budgerigar.png"


def pictures():
    """Name, array and quality of each golden file."""
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    h, w = photo.shape[:2]

    def crop(height, width):
        y, x = (h - height) // 2, (w - width) // 2
        return photo[y:y + height, x:x + width]

    yield "one-pixel", np.full((1, 1, 3), 200, np.uint8), 50
    yield "strip-1x70", crop(1, 70), 30
    yield "grey-33x17", crop(33, 17)[..., 1], 60
    yield "square-64-q1", crop(64, 64), 1
    yield "odd-97x129-q100", crop(97, 129), 100
    alpha = np.linspace(0, 255, 80 * 50).astype(np.uint8).reshape(80, 50)
    yield "alpha-80x50", np.dstack([crop(80, 50), alpha]), 40.25
    yield "tall-1090x20", np.tile(crop(109, 20), (10, 1, 1)), 75
    yield "photo-320x240", crop(240, 320), 85
    yield "photo-whole", photo, 50


def main():
    for old in [*HERE.glob("*.aec"), *HERE.glob("*.png")]:
        old.unlink()
    crcs = {}
    for name, pixels, quality in pictures():
        data = codec.encode(pixels, quality=quality)
        (HERE / f"{name}.aec").write_bytes(data)
        Image.fromarray(codec.decode(data)).save(HERE / f"{name}.png",
                                                 optimize=True)
        crcs[name] = codec.info(data).symbol_crc
    (HERE / "symbols.json").write_text(json.dumps(crcs, indent=1) + "\n")


if __name__ == "__main__":
    main()
