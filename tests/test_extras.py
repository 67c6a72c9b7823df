"""What is said where an extra is missing: the name that pip knows."""

import pathlib
import subprocess
import sys

import pytest

BLOCKED = (
    "sklearn zarr numcodecs dask distributed fsspec pillow_heif pillow_jxl torch onnx "
    "safetensors bjontegaard pandas pyarrow tqdm matplotlib"
).split()
# An installation without any extra, in one process: a name, what is done, what is said.
CASES = {
    "sklearn": ("import codec.plugins.sklearn", "pip install scikit-learn"),
    "rows": ("import codec.plugins.sklearn_table", "pip install scikit-learn"),
    "aetrain of tables": ("train(['a', '--preset', 'table'])", "pip install '.[train]'"),
    "zarr": ("import codec.plugins.zarr", "pip install zarr numcodecs"),
    "numcodecs": ("import codec.plugins.numcodecs", "pip install numcodecs"),
    "dask": ("import codec.plugins.dask", "pip install dask distributed"),
    "urls": ("codec.open('memory://a')", "pip install fsspec"),
    "heif": ("codec.encode(io.BytesIO(HEIC))", "pip install pillow-heif"),
    "jxl": ("codec.encode(io.BytesIO(JXL))", "pip install pillow-jxl-plugin"),
    "scheduler": (
        "main('aecompress', ['--scheduler', 'tcp://a:1', 'a.png'])",
        "pip install dask distributed",
    ),
    "tables": ("main('aecompress', ['t.csv'])", "pip install pandas pyarrow"),
    "aetrain": ("train(['.'])", "pip install '.[train]'"),
    "aebench": ("bench([])", "pip install '.[bench]'"),
}
CODE = """
import contextlib, io, sys, traceback
sys.modules.update(dict.fromkeys({blocked!r}))
sys.stderr = sys.stdout
import codec
from codec.bench.__main__ import main as bench
from codec.cli.main import main
from codec.training.cli import main as train
HEIC = b"\\0\\0\\0\\x18ftypheic\\0\\0\\0\\0mif1heic" + bytes(40)
JXL = b"\\xff\\x0a" + bytes(40)
open("a.png", "wb").close()
open("t.csv", "w").write("a,b\\n1,2\\n")
for name, (code, _) in {cases!r}.items():
    print("==", name)
    try:
        exec(code)
    except (ImportError, codec.CodecError) as error:
        print(error)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each case says, by name."""
    run = subprocess.run(
        [sys.executable, "-c", CODE.format(blocked=BLOCKED, cases=CASES)],
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("bare"),
        env={"PYTHONPATH": str(pathlib.Path(__file__).parent.parent)},
    )
    assert run.returncode == 0, run.stderr + run.stdout
    found = (part.split("\n", 1) for part in run.stdout.split("== ")[1:])
    return {name: text.strip() for name, text in found}


@pytest.mark.parametrize("name", CASES)
def test_a_missing_package_is_named(said, name):
    assert CASES[name][1] in said[name] and said[name].count("\n") == 0
