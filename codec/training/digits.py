"""Handwritten digits: IDX files, and those that scikit-learn brings.

An IDX file is what MNIST comes in: two zero bytes, the type (8: bytes),
the number of sides, each side as a big-endian u32, then the samples.
"""

import gzip
import math
import re
import struct
from pathlib import Path

import numpy as np

from .config import TrainingError

NAME = re.compile(r"idx([13])-ubyte(\.gz)?$")
SIDE = 28


def is_pictures(path):
    """Whether a file's name is that of an IDX file of pictures."""
    found = NAME.search(Path(path).name)
    return bool(found) and found[1] == "3"


def read(path):
    """Samples of an IDX file of bytes, perhaps gzipped.

    Returns
    -------
    uint8 ndarray
        (n,) or (n, height, width), as the file says.

    Raises
    ------
    ValueError
        It is not such a file.
    """
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:3] != b"\0\0\x08" or data[3] not in (1, 3):
        raise ValueError("not an IDX file of bytes")
    n = data[3]
    shape = struct.unpack_from(f">{n}I", data, 4) if (len(data) >= 4 + 4 * n) else (-1,)
    if len(data) != 4 + 4 * n + math.prod(shape):
        raise ValueError("the size is not what the header says")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * n).reshape(shape)


def write(array, path):
    """Write uint8 (n,) or (n, height, width) as an IDX file."""
    array = np.ascontiguousarray(array, np.uint8)
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    Path(path).write_bytes(head + array.tobytes())


def load(folder):
    """Pictures and labels of a folder with one IDX file of each.

    Returns
    -------
    pictures : uint8 (n, height, width)
    labels : uint8 (n,)

    Raises
    ------
    TrainingError
        It has not, or their numbers differ.
    """
    out = {}
    for path in sorted(Path(folder).iterdir()):
        found = NAME.search(path.name)
        if found and out.setdefault(found[1], path) != path:
            raise TrainingError(f"{folder}: more than one IDX file of a kind")
    try:
        pictures, labels = read(out["3"]), read(out["1"])
    except KeyError:
        raise TrainingError(
            f"{folder}: pictures (*idx3-ubyte, or .gz) and labels (*idx1-ubyte) are needed"
        ) from None
    except (OSError, EOFError, ValueError) as e:
        raise TrainingError(f"{folder}: {e}") from e
    if len(pictures) != len(labels):
        raise TrainingError(f"{folder}: {len(pictures)} pictures, {len(labels)} labels")
    return pictures, labels


def bundled():
    """The 1,797 digits of scikit-learn, enlarged from 8x8 to 28x28.

    Returns
    -------
    pictures : uint8 (1797, 28, 28)
    labels : uint8 (1797,)
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise TrainingError(
            "scikit-learn is not installed; pip install scikit-learn, or name a folder with digits"
        ) from None
    from PIL import Image

    small, labels = load_digits(return_X_y=True)
    small = np.rint(small.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    # 24x24 in a frame of two pixels, as MNIST's digits have one.
    out = np.zeros((len(small), SIDE, SIDE), np.uint8)
    for to, a in zip(out, small):
        to[2:-2, 2:-2] = Image.fromarray(a).resize((SIDE - 4, SIDE - 4), Image.Resampling.BICUBIC)
    return out, labels.astype(np.uint8)


def unpack(folder):
    """`bundled` as IDX files in a folder, unless they are there."""
    folder = Path(folder)
    names = [folder / f"digits-idx{n}-ubyte" for n in (3, 1)]
    if not all(n.exists() for n in names):
        folder.mkdir(parents=True, exist_ok=True)
        for array, name in zip(bundled(), names):
            write(array, name)
    return str(folder)
