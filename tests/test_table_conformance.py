"""The conformance set of tables: the same numbers from C and from Python."""

import json
import pathlib

import numpy as np
import pytest

import codec
from codec.table import mixing

HERE = pathlib.Path(__file__).parent / "conformance"
SET = json.loads((HERE / "tables.json").read_text())


def data(name):
    return (HERE / "tables" / f"{name}.aec").read_bytes()


@pytest.mark.parametrize("python", [False, True], ids=["built", "python"])
@pytest.mark.parametrize("case", SET["cases"], ids=lambda case: case["name"])
def test_numbers(case, python, monkeypatch):
    if python:
        monkeypatch.setattr(mixing, "_core", None)
    found = codec.table.decode(data(case["name"]))
    assert list(found) == list(case["columns"])
    for name, wanted in case["columns"].items():
        column = found[name]
        assert column.dtype == np.dtype(wanted["type"]) and len(column) == case["rows"]
        if "words" in wanted:
            assert column.tolist() == wanted["words"]
        else:
            little = column.astype(column.dtype.newbyteorder("<"))
            assert little.tobytes().hex() == wanted["hex"]


@pytest.mark.parametrize("case", SET["bad"], ids=lambda case: case["name"])
def test_damage(case):
    with pytest.raises(getattr(codec, case["error"])):
        codec.table.decode(data(f"bad-{case['name']}"))


def test_every_file_is_a_case():
    names = {c["name"] for c in SET["cases"]} | {f"bad-{c['name']}" for c in SET["bad"]}
    assert {p.stem for p in (HERE / "tables").iterdir()} == names
