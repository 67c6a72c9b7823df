"""Make the API reference: ``python docs/api.py FOLDER``."""

import sys
from pathlib import Path

import pdoc

import codec

MODULES = [
    "codec",
    "codec.api",
    "codec.encoder",
    "codec.decoder",
    "codec.stacks",
    "codec.errors",
    "codec.types",
    "codec.io.urls",
    "codec.plugins.pillow",
    "codec.insight.features",
    "codec.insight.anomaly",
    "codec.plugins.sklearn",
    "codec.plugins.numcodecs",
    "codec.plugins.zarr",
    "codec.plugins.dask",
]


def main(folder):
    for name in codec.__all__:  # they load when first used
        getattr(codec, name)
    pdoc.render.configure(docformat="numpy")
    pdoc.pdoc(*MODULES, output_directory=Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
