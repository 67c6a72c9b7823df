"""A tree of mixed pictures, as an archivist has one.

    python tests/mixed_tree.py FOLDER

makes it; tests call `make`. All are crops of the example photograph, but for
a fax, which no photograph codec makes smaller.
"""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PHOTO = Path(__file__).parent.parent / "examples" / "budgerigar.png"
# Name, left edge of the crop, options of Pillow's writer.
PICTURES = (
    ("2019/IMG_1.JPG", 40, {"quality": 92}),
    ("2019/IMG_1.PNG", 160, {}),
    ("2019/summer holiday/één.webp", 240, {"quality": 90}),
    ("2019/summer holiday/two.tif", 80, {}),
    ("2020/IMG_1.jpeg", 300, {"quality": 75}),
    ("2020/old.bmp", 120, {}),
    ("2020/deep/grey.png", 200, {}),
)


def make(folder):
    """Fill a folder; returns the names of the pictures in it, sorted."""
    folder = Path(folder)
    with Image.open(PHOTO) as image:
        photo = image.convert("RGB")
    for name, left, options in PICTURES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        crop = photo.crop((left, 150, left + 96, 230))
        if "grey" in name:
            crop = crop.convert("L")
        crop.save(path, **options)
    fax = np.random.default_rng(1).random((40, 30)) < 0.08
    fax = Image.fromarray(np.kron(~fax, np.ones((4, 4), bool)))
    fax.save(folder / "2020" / "fax.png", optimize=True)
    (folder / "2020" / "notes.txt").write_text("no picture\n")
    (folder / "2019" / "._IMG_1.JPG").write_bytes(b"\0\5\x16\7 what a Mac leaves")
    os.symlink("IMG_1.jpeg", folder / "2020" / "best.jpeg")  # in the tree
    os.symlink("..", folder / "2020" / "up")  # a circle
    return sorted([name for name, *_ in PICTURES] + ["2020/fax.png"])


if __name__ == "__main__":
    print("\n".join(make(sys.argv[1])))
