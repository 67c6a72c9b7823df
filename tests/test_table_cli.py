"""Tables through aecompress and aedecompress."""

import json

import numpy as np
import pytest

import codec
from codec.cli.main import main

pa = pytest.importorskip("pyarrow")
from pyarrow import csv, parquet

TEXT = "day,price,name\n2020-01-01,1.25,a\n2020-01-02,,\n2020-01-03,3.5,b\n"


def run(prog, *args):
    return main(prog, [str(a) for a in args])


def test_csv_and_back(tmp_path, capsys):
    src = tmp_path / "t.csv"
    src.write_text(TEXT)
    assert run("aecompress", src) == 2  # it is not smaller, which is a warning
    assert "0.1 %" in capsys.readouterr().err
    assert run("aedecompress", "-t", tmp_path / "t.aec") == 0
    assert run("aedecompress", tmp_path / "t.aec") == 0  # to Parquet
    assert parquet.read_table(tmp_path / "t.parquet").num_rows == 3
    assert run("aedecompress", tmp_path / "t.aec", tmp_path / "u.csv") == 0
    found = csv.read_csv(tmp_path / "u.csv").to_pydict()
    assert found["name"] == ["a", "", "b"] and found["price"][1] is None


def test_parquet_lossless(tmp_path):
    src = tmp_path / "t.parquet"
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=500), "k": rng.integers(0, 3, 500)})
    parquet.write_table(table, src)
    assert run("aecompress", "--lossless", src) == 0
    assert codec.table.decode((tmp_path / "t.aec").read_bytes()).equals(table)


def test_max_error_by_column(tmp_path):
    src = tmp_path / "t.npy"
    x = np.random.default_rng(0).uniform(0, 10, (500, 2))
    np.save(src, x)
    assert run("aecompress", src, "--max-error", "0=1%", "--max-error", "1=0") == 0
    assert run("aedecompress", tmp_path / "t.aec", "--force") == 0
    y = np.load(tmp_path / "t.npy")
    assert 0.02 < np.abs(x - y)[:, 0].max() <= 0.1
    assert np.array_equal(x[:, 1], y[:, 1])


@pytest.mark.parametrize(
    "options",
    [
        ["--lossless", "--max-error", "1%"],
        ["--max-error", "1%", "--max-error", "2%"],
        ["--max-error", "1%", "--max-error", "0=2%"],
        ["--max-error", "nothing"],
        ["--max-error", "z=1"],
    ],
)
def test_wrong_errors(tmp_path, options):
    np.save(tmp_path / "t.npy", np.zeros((3, 2)))
    assert run("aecompress", tmp_path / "t.npy", *options) == 1
    assert not (tmp_path / "t.aec").exists()


def test_remove_and_list(tmp_path, capsys):
    src = tmp_path / "t.npy"
    np.save(src, np.arange(2000).reshape(-1, 2))
    assert run("aecompress", "--rm", src) == 0
    assert not src.exists()
    assert run("aecompress", "-l", "--json", tmp_path / "t.aec") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["kind"], row["rows"], len(row["columns"])) == ("table", 1000, 2)
    assert run("aecompress", "-l", tmp_path / "t.aec") == 0
    assert "1000x2" in capsys.readouterr().out
    assert run("aedecompress", "--rm", tmp_path / "t.aec") == 0
    assert np.array_equal(np.load(src), np.arange(2000).reshape(-1, 2))


def test_formats_of_pictures_are_refused(tmp_path, capsys):
    np.save(tmp_path / "t.npy", np.zeros(3))
    assert run("aecompress", "--lossless", tmp_path / "t.npy") in (0, 2)
    assert run("aedecompress", "--format", "bmp", tmp_path / "t.aec") == 1
    assert "is a table" in capsys.readouterr().err
