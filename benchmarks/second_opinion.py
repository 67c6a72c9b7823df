"""SSIMULACRA 2 by a second implementation: a table of benchmarks/README.md.

    pip install vapoursynth-vszip               # of Python 3.12 or newer
    python -m benchmarks.second_opinion PICTURES [--count N]

The library that aebench uses mirrors pictures at their borders; the original
pads them with zeros, and so does vszip, which was ported from it. Codes some
pictures with ours and with the AVIF that is tuned for SSIMULACRA 2, and prints
mean scores by both, and the BD-rate by both.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from codec.bench import codecs, curves, metrics, pictures, run, tables

NAMES = codecs.tuned_avif("ssimulacra2"), codecs.OURS


def vszip(original, decoded, folder):
    """The score of two uint8 arrays by vszip, which reads files."""
    from vapoursynth import core

    paths = [str(Path(folder, f"{name}.png")) for name in ("original", "decoded")]
    for path, pixels in zip(paths, (original, decoded)):
        Image.fromarray(pixels).save(path, compress_level=1)
    clips = [core.vszip.ImageRead(path) for path in paths]
    return core.vszip.SSIMULACRA2(*clips).get_frame(0).props["SSIMULACRA2"]


def scores(sources, name):
    """(bpp, score by the library, by vszip) at each setting, means."""
    codec, rows = codecs.load(name), []
    with (
        tempfile.TemporaryDirectory() as folder,
        run.progress(len(codec.settings) * len(sources), "files") as bar,
    ):
        for setting in codec.settings:
            found = []
            for source in sources:
                a = pictures.read(source.path)
                data = codec.encode(a, setting, 1)
                b = np.asarray(codec.decode(data, a.shape, 1))
                bpp = 8 * len(data) / (a.shape[0] * a.shape[1])
                found.append([bpp, metrics.ssimulacra2(a, b), vszip(a, b, folder)])
                bar.update()
            rows.append(np.mean(found, 0))
    return np.array(rows)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("pictures", help="a folder")
    p.add_argument("--count", type=int, default=4)
    o = p.parse_args(argv)
    sources = pictures.survey(o.pictures)[0]
    pick = np.linspace(0, len(sources) - 1, min(o.count, len(sources)))
    sources = [sources[int(i)] for i in pick]
    found = {name: scores(sources, name) for name in NAMES}
    rows = [
        [
            codecs.load(name).label,
            setting,
            *map(tables.number, (by, second, second - by)),
        ]
        for name in NAMES
        for setting, (_, by, second) in zip(codecs.load(name).settings, found[name])
    ]
    header = ["Codec", "at", "library", "vszip", "difference"]
    rates = (curves.bd_rate(*((found[n][:, 0], found[n][:, i]) for n in NAMES)) for i in (1, 2))
    print(
        f"{len(sources)} pictures; BD-rate of ours to that AVIF, %: "
        "{} by the library, {} by vszip\n\n".format(*map(tables.signed, rates))
        + tables.markdown(header, rows)
    )


if __name__ == "__main__":
    main()
