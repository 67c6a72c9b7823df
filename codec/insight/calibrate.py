"""Statistics of a model's training pictures, for `codec.anomaly_score`.

    python -m codec.insight.calibrate PICTURES [--model FOLDER]

measures every picture of a folder, at most 512 x 512 pixels out of its
middle, and writes ``statistics.json`` beside the model's manifest. It is
no part of the model's id: files stay what they are.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import picture, runtime
from ..errors import CodecError, InputError
from ..io import atomic
from ..model import find
from ..model.bundle import STATISTICS, Bundle
from ..types import Array
from . import anomaly
from .features import QUALITY

SIDE = 512


def middle(pixels: Array) -> Array:
    """At most ``SIDE`` x ``SIDE`` pixels of a picture."""
    (top, height), (left, width) = ((max(0, n - SIDE) // 2, min(n, SIDE)) for n in pixels.shape[:2])
    return pixels[top : top + height, left : left + width]


def write(bundle: Bundle, pictures: Iterable[Array], threads: int | None = None) -> dict[str, Any]:
    """Measure pictures and write the statistics beside the manifest.

    Parameters
    ----------
    bundle : Bundle
    pictures : iterable of uint8 (height, width[, 3])
    threads : int or None

    Returns
    -------
    dict
        What was written.

    Raises
    ------
    InputError
        Fewer than three pictures, or all alike.
    """
    pipeline = runtime.pipeline(bundle, threads)
    found = np.array([anomaly.measure(np.ascontiguousarray(middle(p)), pipeline) for p in pictures])
    if len(found) < 3 or not found.std(0).all():
        raise InputError("statistics need three pictures or more that differ")
    r = float(np.corrcoef(found.T)[0, 1])
    known = {
        "model": bundle.id,
        "quality": QUALITY,
        "pictures": len(found),
        "side": SIDE,
        "correlation": round(max(-0.999, min(r, 0.999)), 6),
    }
    for name, values in zip(("error", "bits"), found.T):
        known[name] = {
            "mean": round(float(values.mean()), 6),
            "std": round(float(values.std(ddof=1)), 6),
        }
    text = json.dumps(known, indent=1, sort_keys=True) + "\n"
    atomic.write(bundle.folder / STATISTICS, text.encode())
    bundle.statistics = known
    return known


def _pictures(folder: str) -> Iterator[Array]:
    for path in sorted(p for p in Path(folder).iterdir() if p.is_file()):
        try:
            yield picture.read(path, metadata=False).pixels
        except CodecError as error:
            print(f"{path}: left out ({error})", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    p = argparse.ArgumentParser(
        prog="python -m codec.insight.calibrate",
        description="Write the statistics of a model's training pictures.",
    )
    p.add_argument("pictures", help="folder of the training pictures")
    p.add_argument("--model", help="name or folder of the model (the default)")
    p.add_argument("--threads", type=int)
    options = p.parse_args(argv)
    try:
        known = write(find.load(options.model), _pictures(options.pictures), options.threads)
    except (CodecError, OSError) as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 1
    print(json.dumps(known, indent=1, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
