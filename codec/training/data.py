"""Pictures decoded once into a memory map; random crops out of it."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff",
            ".ppm", ".avif", ".jp2"}


def find_pictures(folder):
    """Sorted picture files below ``folder``."""
    return sorted(p for p in Path(folder).rglob("*")
                  if p.suffix.lower() in SUFFIXES and p.is_file())


def build_cache(folder, cache, min_side=64, log=print):
    """Decode every picture below ``folder`` into ``cache``.bin/.json.

    Parameters
    ----------
    folder, cache : path-like
    min_side : int
        Smaller pictures are left out.

    Returns
    -------
    list of (str, int, int, int)
        Name, byte offset, height, width of each picture.
    """
    cache = Path(cache)
    index, offset = [], 0
    files = find_pictures(folder)
    stamp = [[str(p), p.stat().st_size, p.stat().st_mtime_ns]
             for p in files]
    meta = cache.with_suffix(".json")
    if meta.exists():
        old = json.loads(meta.read_text())
        if old["stamp"] == stamp:
            return [tuple(e) for e in old["index"]]
    cache.parent.mkdir(parents=True, exist_ok=True)
    with open(cache.with_suffix(".tmp"), "wb") as out:
        for p in files:
            try:
                with Image.open(p) as im:
                    a = np.asarray(im.convert("RGB"))
            except Exception as e:      # a broken file must not stop a run
                log(f"{p}: left out ({e})")
                continue
            if min(a.shape[:2]) < min_side:
                log(f"{p}: left out (smaller than {min_side})")
                continue
            out.write(a.tobytes())
            index.append((p.name, offset, a.shape[0], a.shape[1]))
            offset += a.size
    cache.with_suffix(".tmp").replace(cache.with_suffix(".bin"))
    meta.write_text(json.dumps({"stamp": stamp, "index": index}))
    return index


class Crops:
    """Random crops with flips, uniform over the pixels of all pictures."""

    def __init__(self, cache, index, crop, seed):
        self.data = np.memmap(Path(cache).with_suffix(".bin"), np.uint8,
                              "r")
        self.index = [e for e in index if min(e[2], e[3]) >= crop]
        if not self.index:
            raise ValueError(f"no picture has {crop} pixels a side")
        area = np.array([e[2] * e[3] for e in self.index], float)
        self.p = area / area.sum()
        self.crop, self.rng = crop, np.random.default_rng(seed)

    def picture(self, i):
        _, o, h, w = self.index[i]
        return self.data[o:o + 3 * h * w].reshape(h, w, 3)

    def batch(self, n):
        """uint8 (n, crop, crop, 3)."""
        c = self.crop
        out = np.empty((n, c, c, 3), np.uint8)
        for j, i in enumerate(self.rng.choice(len(self.p), n, p=self.p)):
            a = self.picture(i)
            y = self.rng.integers(a.shape[0] - c + 1)
            x = self.rng.integers(a.shape[1] - c + 1)
            a = a[y:y + c, x:x + c]
            f = self.rng.integers(4)
            out[j] = a[::-1 if f & 1 else 1, ::-1 if f & 2 else 1]
        return out


def principal_components(crops, shape, n_batches=40):
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

    x = np.concatenate([crops.batch(8) for _ in range(n_batches)])
    x = depth(x.astype(np.float32) / 255 - 0.5, 8)

    def basis(x, n):
        flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
        val, vec = np.linalg.eigh(flat.T @ flat / len(flat))
        order = np.argsort(val)[::-1][:n]
        return vec[:, order].T, np.sqrt(val[order])

    v8, s8 = basis(x, shape.c8)
    y = depth((x.reshape(-1, 192) @ v8.T).reshape(*x.shape[:3], -1), 2)
    v16, s16 = basis(y, shape.m)
    return {"v8": v8.astype(np.float32), "sigma8": s8.astype(np.float32),
            "v16": v16.astype(np.float32),
            "sigma16": s16.astype(np.float32)}
