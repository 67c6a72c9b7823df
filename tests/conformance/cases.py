"""The conformance set for tests and platforms; numpy and Pillow at most."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = HERE / "files"
SET = json.loads((HERE / "cases.json").read_text())
CASES = {c["name"]: c for c in SET["cases"]}


def data(name):
    """The bytes of a case's file."""
    return (FILES / f"{name}.aec").read_bytes()


def picture(name, source=False):
    """The reference picture of a case, or its source: uint8 ndarray."""
    import numpy as np
    from PIL import Image

    with Image.open(FILES / f"{name}{'.in' * source}.png") as image:
        return np.asarray(image)


def difference(a, b):
    """Largest difference in levels, and how many samples differ."""
    import numpy as np

    d = np.abs(a.astype(np.int16) - b)
    return int(d.max()), int((d > 0).sum())


def within(a, b, tolerance):
    """Whether pixels are as near as the set allows.

    Of a picture of few samples one may differ.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    levels, count = difference(a, b)
    return levels <= tolerance["levels"] and count <= max(1, tolerance["share"] * a.size)
