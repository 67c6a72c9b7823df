"""Pictures decoded once into a memory map; random crops out of it."""

import hashlib
import json
import os
import warnings
from pathlib import Path

import numpy as np

from .. import picture
from ..errors import ConversionWarning
from ..io import atomic
from . import digits
from .config import TrainingError

SUFFIXES = {
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".ppm",
    ".avif",
    ".jp2",
}
MIN_SIDE = 64  # unless the crops are smaller
WHOLE_PIXELS = 2**18  # of pictures that go through together
MAX_COMPLAINTS = 5


def find_pictures(folder):
    """Sorted picture files below ``folder``; IDX files hold many."""
    return sorted(
        p
        for p in Path(folder).rglob("*")
        if (p.suffix.lower() in SUFFIXES or digits.is_pictures(p)) and p.is_file()
    )


def build_cache(folder, cache, log=print, least=MIN_SIDE):
    """Decode every picture below ``folder`` into ``cache``.bin/.json.

    Nothing is decoded again while the files stay the same. Pictures that
    are broken, or under ``least`` pixels a side, are left out.

    Parameters
    ----------
    folder, cache : path-like
    log : callable
    least : int

    Returns
    -------
    list of (str, int, int, int)
        Name, byte offset, height, width of each picture.

    Raises
    ------
    TrainingError
        No picture is there that can be used.
    """
    if not Path(folder).is_dir():
        raise TrainingError(f"{folder}: no such folder")
    cache = Path(cache)
    files = find_pictures(folder)
    if not files:
        raise TrainingError(
            f"{folder}: no pictures in it (names end in " + ", ".join(sorted(SUFFIXES)) + ")"
        )
    stamp = [[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in files]
    old = _read(cache)
    if old and old["stamp"] == stamp:
        return load_index(cache)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.with_suffix(".json").unlink(missing_ok=True)
    log(f"decoding {len(files)} files of {folder}")
    index, skipped = [], []
    with open(cache.with_suffix(".tmp"), "wb") as out:
        for p in files:
            for name, a in _decode(p, skipped, least):
                index.append((name, out.tell(), *a.shape[:2]))
                out.write(a.tobytes())
    for line in skipped[:MAX_COMPLAINTS]:
        log(line)
    if len(skipped) > MAX_COMPLAINTS:
        log(f"... and {len(skipped) - MAX_COMPLAINTS} more such lines")
    if not index:
        raise TrainingError(
            f"{folder}: none of its {len(files)} pictures "
            f"can be used; each side must have {least} "
            "pixels or more"
        )
    os.replace(cache.with_suffix(".tmp"), cache.with_suffix(".bin"))
    # The index comes last and whole: without it the cache is not there.
    text = json.dumps({"stamp": stamp, "index": index})
    atomic.write(cache.with_suffix(".json"), text.encode())
    return index


def _decode(path, skipped, least):
    """Name and uint8 (h, w, 3) of each picture of a file."""
    try:
        if digits.is_pictures(path):
            many = [
                (f"{path.name}-{i}", np.repeat(a[..., None], 3, -1))
                for i, a in enumerate(digits.read(path))
            ]
        else:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always", ConversionWarning)
                many = [
                    (
                        path.name,
                        picture.as_rgb(picture.read(path, metadata=False).pixels),
                    )
                ]
            skipped += [f"{path}: {w.message}" for w in warned]
    except Exception as e:  # a broken file must not stop a run
        skipped.append(f"{path}: left out ({e})")
        return []
    h, w = many[0][1].shape[:2] if many else (0, 0)
    if min(h, w) < least:
        skipped.append(f"{path}: left out ({w}x{h} is under {least} pixels a side)")
        return []
    return many


def _read(cache):
    try:
        return json.loads(cache.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return None


def load_index(cache):
    """The index of a cache as it is, whatever its pictures do now."""
    old = _read(Path(cache))
    if old is None:
        raise TrainingError(f"{cache}.json: no decoded pictures there")
    return [tuple(e) for e in old["index"]]


def prepare(cfg, log=print):
    """Decode the pictures of a run; see :func:`indices`."""
    state = Path(cfg.state)
    build_cache(cfg.data, state / "train", log, least(cfg))
    if cfg.valid:
        build_cache(cfg.valid, state / "valid", log, least(cfg))
    return indices(cfg)


def least(cfg):
    """Side that a picture of a run must have."""
    return min(cfg.crop, MIN_SIDE)


def indices(cfg):
    """Index of the training pictures, and of those to validate on.

    Without a folder for validation a share of the pictures is kept from
    training, chosen by a hash of the name: more pictures in the folder
    change little about who is where.
    """
    index = load_index(Path(cfg.state) / "train")
    if cfg.valid:
        return index, load_index(Path(cfg.state) / "valid")
    if len(index) < 2:
        return index, index
    n = min(max(1, round(len(index) * cfg.valid_split)), len(index) - 1)
    order = sorted(range(len(index)), key=lambda i: hashlib.sha256(index[i][0].encode()).digest())
    held = set(order[:n])
    return (
        [e for i, e in enumerate(index) if i not in held],
        [index[i] for i in sorted(held)],
    )


def validation_cache(cfg):
    """Path of the cache that the validation index counts in."""
    return Path(cfg.state) / ("valid" if cfg.valid else "train")


class Crops:
    """Random crops, flipped or shifted, uniform over all pixels.

    Parameters
    ----------
    cache : path-like
    index : list
        As of :func:`build_cache`; smaller pictures than the crop are left
        out.
    crop : int
    flips : bool
        Mirror crops at random, which digits do not bear.
    shift : int
        Move crops by up to so many pixels either way; what comes in
        repeats the border.
    """

    def __init__(self, cache, index, crop, flips=True, shift=0):
        self.data = np.memmap(Path(cache).with_suffix(".bin"), np.uint8, "r")
        self.index = [e for e in index if min(e[2], e[3]) >= crop]
        if not self.index:
            raise TrainingError(
                f"no picture has {crop} pixels a side; use larger pictures or --crop {MIN_SIDE}"
            )
        area = np.array([e[2] * e[3] for e in self.index], float)
        self.p, self.crop = area / area.sum(), crop
        self.flips, self.shift = flips, shift

    def picture(self, i):
        """uint8 (h, w, 3), mapped."""
        _, o, h, w = self.index[i]
        return self.data[o : o + 3 * h * w].reshape(h, w, 3)

    def batch(self, n, rng):
        """uint8 (n, crop, crop, 3)."""
        c = self.crop
        out = np.empty((n, c, c, 3), np.uint8)
        for j, i in enumerate(rng.choice(len(self.p), n, p=self.p)):
            a = self.picture(i)
            y = rng.integers(a.shape[0] - c + 1)
            x = rng.integers(a.shape[1] - c + 1)
            a = a[y : y + c, x : x + c]
            f = rng.integers(4) if self.flips else 0
            a = a[:: -1 if f & 1 else 1, :: -1 if f & 2 else 1]
            if self.shift:
                y, x = np.clip(
                    np.arange(c) + rng.integers(-self.shift, self.shift + 1, (2, 1)),
                    0,
                    c - 1,
                )
                a = a[y[:, None], x]
            out[j] = a
        return out

    def spread(self, n):
        """Numbers of n pictures, or of all, spread over those there are."""
        last = len(self.index) - 1
        return np.linspace(0, last, min(n, last + 1)).astype(int)

    def whole(self, pick, side):
        """The centres of pictures, those of one size together.

        Parameters
        ----------
        pick : sequence of int
        side : int
            At most so many pixels, and whole cells of 64 where there are
            as many.

        Yields
        ------
        numbers : list of int
            Places in ``pick``.
        pixels : uint8 (n, h, w, 3)
        """
        numbers, pixels = [], []
        for n, i in enumerate(pick):
            a = self.picture(i)
            h, w = (min(k // 64 * 64 or k, side) for k in a.shape[:2])
            y, x = (a.shape[0] - h) // 2, (a.shape[1] - w) // 2
            if pixels and (
                pixels[0].shape[:2] != (h, w) or (len(pixels) + 1) * h * w > WHOLE_PIXELS
            ):
                yield numbers, np.stack(pixels)
                numbers, pixels = [], []
            numbers.append(n)
            pixels.append(a[y : y + h, x : x + w])
        if pixels:
            yield numbers, np.stack(pixels)


def principal_components(crops, shape, seed, n_batches=40):
    """The optimal linear codec of the data, as ``nets.Codec`` starts.

    Returns
    -------
    dict of float32 arrays
        ``v8`` (c8, 192): 8x8 basis; ``v16`` (m, 4 c8): basis of 2x2
        groups of those; ``sigma8``, ``sigma16``: root mean squares.
    """

    def depth(x, b):
        n, h, w, c = x.shape
        x = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(n, h // b, w // b, -1)

    n = max(8, 2**16 // crops.crop**2)

    def patches():
        rng = np.random.default_rng(seed)  # the same ones each time
        for _ in range(n_batches):
            x = crops.batch(n, rng)
            x = np.pad(
                x,
                ((0, 0), (0, -x.shape[1] % 16), (0, -x.shape[2] % 16), (0, 0)),
                "edge",
            )
            yield depth(x.astype(np.float32) / 255 - 0.5, 8)

    def basis(batches, n):
        total, cov = 0, 0.0
        for x in batches:
            x = x.reshape(-1, x.shape[-1]).astype(np.float64)
            cov, total = cov + x.T @ x, total + len(x)
        val, vec = np.linalg.eigh(cov / total)
        order = np.argsort(val)[::-1][:n]
        return vec[:, order].T, np.sqrt(np.maximum(val[order], 0))

    v8, s8 = basis(patches(), shape.c8)
    v16, s16 = basis((depth(x @ v8.T, 2) for x in patches()), shape.m)
    return {
        "v8": v8.astype(np.float32),
        "sigma8": s8.astype(np.float32),
        "v16": v16.astype(np.float32),
        "sigma16": s16.astype(np.float32),
    }
