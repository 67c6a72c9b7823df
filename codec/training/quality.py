"""Quality as a score: a model whose q is the SSIMULACRA 2 of pictures.

    python -m codec.training.quality MODEL PICTURES OUT [--name NAME]

Networks know lambda, and a model's tables are even in its logarithm. Here the
middles of pictures are coded at effort 1, and the model is written anew so
that quality q, from ``LOW`` to ``HIGH``, is where their mean score is q. Below and
above, q goes on to the ends of what was trained.

Only tables change: the decoder finds at q what it found elsewhere before, and
so a file's header says how good it is. The model gets another id. Networks'
weights by quality are linear between every ``STEP``-th; those of scale indices
and of z are of whole ones.
"""

import argparse
from pathlib import Path

import numpy as np

from ..bench import pictures
from ..model.bundle import Bundle
from ..search.ssimulacra2 import score
from ..symbols.pipeline import Pipeline
from ..symbols.stages import quality_index
from . import export

LOW, HIGH = 30, 95
STEP = 3  # divides 99
AT = (1, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100)
KNOTS = "log_gain", "analysis_mod", "synthesis_mod", "energy"
WHOLE = "z_band", "skip", "bias"


def scores(bundle, crops, at=AT):
    """Mean score of pictures at each of a model's qualities.

    Parameters
    ----------
    bundle : Bundle
    crops : list of uint8 (h, w, 3)
    at : sequence of float, 1..100

    Returns
    -------
    list of float
    """
    pipeline = Pipeline(bundle)
    found = []
    for quality in at:
        copies = (
            pipeline.decode(pipeline.encode(x, quality)[0], *x.shape[:2], quality) for x in crops
        )
        found.append(float(np.mean([score(x, y) for x, y in zip(crops, copies)])))
    return found


def positions(at, found):
    """The model's qualities that are to be qualities 1 to 100.

    Parameters
    ----------
    at : sequence of float
        Rising, from 1 to 100.
    found : sequence of float
        Mean score at each.

    Returns
    -------
    float (100,)
        Rising, from 1 to 100. What the model cannot reach is shared among
        the qualities above.
    """
    risen = np.maximum.accumulate(np.asarray(found, float))
    new = np.append(True, np.diff(risen) > 0)
    risen, at = risen[new], np.asarray(at, float)[new]
    q = np.arange(LOW, HIGH + 1)
    q = q[(q > risen[0]) & (q < risen[-1])]
    p = np.interp(q, risen, at)
    inside = (p > 1) & (p < 100)
    return np.interp(np.arange(1, 101), [1, *q[inside], 100], [1, *p[inside], 100])


def rescaled(folder, p, out, name=None):
    """Write a model whose quality q is quality p[q - 1] of another.

    Parameters
    ----------
    folder : path-like
    p : float (100,), as of `positions`
    out : path-like
        A folder, which may be there already.
    name : str or None
        Of the new model; None: the old one's.

    Returns
    -------
    str
        Id of the new model.
    """
    bundle, out = Bundle(folder), Path(out)
    tables, manifest = dict(bundle.tables), dict(bundle.manifest)
    index = [quality_index(x) for x in p]
    for name in KNOTS:
        if name in tables:
            tables[name] = np.stack([bundle.at_quality(name, x) for x in p[::STEP]])
    for name in WHOLE:
        if name in tables:
            tables[name] = tables[name][index]
    manifest["lambda"] = [float(bundle.multiplier(x)) for x in p]
    manifest["name"] = name or manifest["name"]
    files = {n: (bundle.folder / n).read_bytes() for n in manifest.pop("files")}
    out.mkdir(parents=True, exist_ok=True)
    return export.write(out, manifest, files, tables)


def middles(folder, count, side):
    """Middles of pictures spread over a folder."""
    found = pictures.survey(folder)[0]
    crops = []
    for i in np.linspace(0, len(found) - 1, min(count, len(found))).astype(int):
        x = pictures.read(found[i].path)
        y, z = (max(0, n - side) // 2 for n in x.shape[:2])
        crops.append(np.ascontiguousarray(x[y : y + side, z : z + side]))
    return crops


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("model", type=Path, help="a model folder")
    p.add_argument("pictures", help="a folder")
    p.add_argument("out", type=Path)
    p.add_argument("--name", help="of the new model (the old one's)")
    p.add_argument("--count", type=int, default=40)
    p.add_argument("--side", type=int, default=640)
    o = p.parse_args(argv)
    found = scores(Bundle(o.model), middles(o.pictures, o.count, o.side))
    for quality, value in zip(AT, found):
        print(f"{quality:3d} {value:6.2f}")
    new = rescaled(o.model, positions(AT, found), o.out, o.name)
    print(f"{o.out}, now {new}: quality {LOW} to {HIGH} is the mean score")


if __name__ == "__main__":
    main()
