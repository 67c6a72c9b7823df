"""Time, memory and cold start: for a machine that does nothing else.

Codecs take turns within each repeat, so that a machine that warms up or is
disturbed hits all of them alike, and the median over the repeats is kept.
Each repeat takes another picture of the folder, and all codecs take the
same. Sizes other than a picture's own are cut out of its middle or mirrored
at its edges, because scaled pictures are smoother than photographs are.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from . import codecs, pictures

SIZES = ((384, 256), (768, 512), (1536, 1024), (3072, 2048), (6000, 4000))
"""Width and height: 0.1, 0.4, 1.6, 6.3 and 24 megapixels."""

REPEATS = 5
SLOW_S = 30
"""A codec that takes longer for one picture is not given larger ones."""

COMMANDS = {
    "aecompress": ("picture.png", "packed.aec"),
    "aedecompress": ("packed.aec", "again.png"),
}


def fit(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Cut to a size, or mirror to it.

    Parameters
    ----------
    picture : ndarray, shape (h, w, 3)
    width, height : int

    Returns
    -------
    ndarray, shape (height, width, 3)
    """
    h, w = picture.shape[:2]
    top, left = max(0, (h - height) // 2), max(0, (w - width) // 2)
    cut = picture[top : top + height, left : left + width]
    more = height - cut.shape[0], width - cut.shape[1]
    return np.ascontiguousarray(np.pad(cut, ((0, more[0]), (0, more[1]), (0, 0)), "symmetric"))


def times(
    sources: Sequence[pictures.Source],
    names: Sequence[str],
    threads: int,
    sizes: Sequence[tuple[int, int]] = SIZES,
    repeats: int = REPEATS,
    say: Callable[[str], None] = print,
) -> Iterator[dict]:
    """Median times of every codec at every size.

    Parameters
    ----------
    sources : list of pictures.Source
    names : list of str
    threads : int
    sizes : sequence of (int, int)
        Width and height.
    repeats : int
    say : callable

    Yields
    ------
    dict
        One codec at one size: ``encode_s``, ``decode_s`` and the like.
    """
    first = fit(pictures.read(sources[0].path), *sizes[0])
    for name in names:  # loads libraries and models, not counted
        _once(codecs.load(name), first, threads)
    too_slow = set()
    for width, height in sizes:
        taken = {name: [] for name in names if name not in too_slow}
        for repeat in range(repeats):
            source = sources[repeat % len(sources)]
            picture = fit(pictures.read(source.path), width, height)
            for name in taken:
                if repeat and name in too_slow:
                    continue
                taken[name].append(_once(codecs.load(name), picture, threads))
                if max(taken[name][-1][:2]) > SLOW_S:
                    too_slow.add(name)
        for name in taken:
            row = _row(name, width, height, threads, taken[name])
            say(
                f"{width}x{height} {name}: encodes "
                f"{row['encode_mp_per_s']:.2f}, decodes "
                f"{row['decode_mp_per_s']:.2f} MP/s"
            )
            yield row


def _once(codec, picture, threads):
    start = time.perf_counter()
    data = codec.encode(picture, codec.typical, threads)
    middle = time.perf_counter()
    codec.decode(data, picture.shape, threads)
    return middle - start, time.perf_counter() - middle, len(data)


def _row(name, width, height, threads, taken):
    codec = codecs.load(name)
    megapixels = width * height / 1e6
    encode_s, decode_s, size = (statistics.median(column) for column in zip(*taken))
    return {
        "codec": name,
        "label": codec.label,
        "kind": codec.kind,
        "setting": str(codec.typical),
        "version": codec.version,
        "threads": threads,
        "width": width,
        "height": height,
        "repeats": len(taken),
        "encode_s": round(encode_s, 5),
        "decode_s": round(decode_s, 5),
        "encode_mp_per_s": round(megapixels / encode_s, 3),
        "decode_mp_per_s": round(megapixels / decode_s, 3),
        "bpp": round(8 * size / (width * height), 4),
    }


def memory(source: pictures.Source, name: str, threads: int, width: int, height: int) -> dict:
    """Peak resident memory of fresh processes that do one thing each.

    Parameters
    ----------
    source : pictures.Source
    name : str
    threads : int
    width, height : int

    Returns
    -------
    dict
        ``encode_mib`` and ``decode_mib``; ``idle_mib`` is the same process
        with the picture in memory and nothing done to it.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw, packed = Path(folder, "picture.npy"), Path(folder, "packed")
        np.save(raw, fit(pictures.read(source.path), width, height))
        peaks = {}
        for task in ("idle", "encode", "decode"):
            run = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "codec.bench.peak",
                    task,
                    name,
                    str(threads),
                    str(raw),
                    str(packed),
                ],
                capture_output=True,
                text=True,
                check=True,
                env=_environment(),
            )
            peaks[f"{task}_mib"] = round(float(run.stdout), 1)
    return {
        "codec": name,
        "threads": threads,
        "width": width,
        "height": height,
        **peaks,
    }


def cold_start(source: pictures.Source, repeats: int = REPEATS) -> dict[str, float]:
    """Seconds from a shell's view: both commands, and Python alone.

    The commands run on a Kodak-sized picture; Python alone is what no
    command in Python can be faster than.

    Returns
    -------
    dict
        Median seconds.
    """
    found = {"python": []}
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(fit(pictures.read(source.path), 768, 512)).save(Path(folder, "picture.png"))
        for _ in range(repeats):
            found["python"].append(_timed([sys.executable, "-c", ""], folder))
            for command, files in COMMANDS.items():
                call = "from codec.cli.main import " + command + f"; raise SystemExit({command}())"
                found.setdefault(command, []).append(
                    _timed([sys.executable, "-c", call, "-f", *files], folder)
                )
    return {name: round(statistics.median(values), 3) for name, values in found.items()}


def _timed(command, folder):
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=_environment())
    return time.perf_counter() - start


def _environment():
    """The package is found from a checkout that is not installed, too."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}
