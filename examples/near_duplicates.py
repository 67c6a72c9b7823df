"""Find pictures that were rescaled, recompressed or cropped, by their files.

    python examples/near_duplicates.py FOLDER PICTURE...
    python examples/near_duplicates.py --measure PICTURES

The first indexes the .aec files of FOLDER without rendering one, and names
for each PICTURE (.aec or any other format) the file that is nearest, if it
is clearly nearer than the second. The second makes such a folder and such
queries out of pictures, and prints how often the answer is right.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import codec

CLEARLY = 0.6  # of the distance of the second nearest
PARTS = 3  # of a side; both chosen on 24 training pictures
SIDE = 384  # of the pictures that --measure makes


def layout(source):
    """The latent averaged over 3 x 3 parts of a picture: one vector.

    Coarse enough to survive another size and a moderate crop. The units
    of the latent are those of the pixels, so plain distances make sense.
    """
    grid = codec.features(source, pooling="grid")
    parts = [
        block.mean((0, 1))
        for rows in np.array_split(grid, PARTS, 0)
        for block in np.array_split(rows, PARTS, 1)
        if block.size
    ]
    if len(parts) < PARTS**2:
        sys.exit(f"pictures must have {16 * PARTS} pixels a side")
    return np.concatenate(parts), grid.model


class Index:
    """Files by the layout of their latent.

    Parameters
    ----------
    paths : list of path-like
        At least two ``.aec`` files.
    """

    def __init__(self, paths):
        self.names = [Path(p).name for p in paths]
        rows, models = zip(*map(layout, paths))
        self.rows, self.models = np.stack(rows), set(models)

    def nearest(self, source):
        """Name of the nearest file, and whether it clearly is that."""
        row, model = layout(source)
        if self.models != {model}:
            sys.exit("the files are of several models")
        away = np.linalg.norm(self.rows - row, axis=1)
        first, second = np.argsort(away)[:2]
        return self.names[first], away[first] < CLEARLY * away[second]


def variants(image):
    """Name and ``.aec`` bytes of what becomes of pictures in the world."""
    w, h = image.size
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=30)
    for name, made, quality in (
        ("half the size", image.resize((w // 2, h // 2)), 50),
        ("three quarters", image.resize((w * 3 // 4, h * 3 // 4)), 50),
        ("JPEG at 30, then quality 20", Image.open(jpeg), 20),
        (
            "cropped by a tenth on each side",
            image.crop((w // 10, h // 10, w - w // 10, h - h // 10)),
            50,
        ),
        (
            "cropped to a quarter",
            image.crop((w // 4, h // 4, w * 3 // 4, h * 3 // 4)),
            50,
        ),
    ):
        yield name, codec.encode(made, quality=quality)


def measure(folder):
    """Print recall@1, and precision and recall where half are unknown."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        paths = sorted(p for p in Path(folder).iterdir() if p.is_file())
        images, files = [], []
        for path in paths:
            with Image.open(path) as image:
                image.draft("RGB", (SIDE, SIDE))
                image = image.convert("RGB")
            image.thumbnail((SIDE, SIDE))
            images.append(image)
            files.append(Path(place) / f"{path.stem}.aec")
            files[-1].write_bytes(codec.encode(image))
        every, half = Index(files), Index(files[::2])
        for path, image in zip(files, images):
            for kind, data in variants(image):
                counts = found.setdefault(kind, np.zeros(4, int))
                name, _ = every.nearest(data)
                counts[0] += name == path.name
                name, sure = half.nearest(data)
                counts[1:] += (
                    sure and name == path.name,
                    sure,
                    path.name in half.names,
                )
    print("| Query | recall@1 | half unknown: precision | recall |")
    print("|---|---:|---:|---:|")
    for kind, n in [*found.items(), ("**all**", sum(found.values()))]:
        of = len(files) * (1 if kind in found else len(found))
        print(f"| {kind} | {n[0] / of:.3f} | {n[1] / max(1, n[2]):.3f} | {n[1] / n[3]:.3f} |")


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--measure", action="store_true")
    p.add_argument("folder")
    p.add_argument("queries", nargs="*", metavar="PICTURE")
    options = p.parse_args(argv)
    if options.measure:
        return measure(options.folder)
    paths = sorted(Path(options.folder).glob("*.aec"))
    if len(paths) < 2:
        sys.exit(f"{options.folder}: fewer than two .aec files")
    index = Index(paths)
    for query in options.queries:
        name, sure = index.nearest(query)
        print(f"{query}: {name if sure else 'nothing like it'}")


if __name__ == "__main__":
    main()
