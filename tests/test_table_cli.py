"""Tables through aecompress and aedecompress."""

import json
import tracemalloc

import numpy as np
import pytest

import codec
from codec.cli import table_files
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


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(table_files, "WHOLE", 1 << 14)
    monkeypatch.setattr(table_files, "VALUES", 1 << 12)


@pytest.mark.parametrize("kind", ["csv", "parquet", "feather", "npy"])
def test_large_tables_come_in_parts(tmp_path, small_parts, kind):
    rng = np.random.default_rng(0)
    n = 5000
    x, k = rng.normal(size=n), rng.integers(0, 9, n)
    whole = pa.table({"x": x, "k": k, "w": np.array(list("abc"))[k % 3]})
    src = tmp_path / f"t.{kind}"
    if kind == "csv":
        csv.write_csv(whole, src)
    elif kind == "npy":
        np.save(src, np.stack([x, k], 1))
    elif kind == "parquet":
        parquet.write_table(whole, src)
    else:
        with pa.ipc.new_file(src, whole.schema) as writer:
            writer.write_table(whole, max_chunksize=700)
    assert run("aecompress", "--effort", "1", src) in (0, 2)
    data = (tmp_path / "t.aec").read_bytes()
    assert len(codec.table.info(data).groups) > 1
    assert run("aedecompress", "-t", tmp_path / "t.aec") == 0
    back = tmp_path / "back" / f"t.{kind}"
    back.parent.mkdir()
    assert run("aedecompress", "-o", back, tmp_path / "t.aec") == 0
    with open(back, "rb") as file:
        found = table_files.load(file, kind)
        if kind == "npy":
            found = np.concatenate(list(found))
        elif isinstance(found, table_files.Parts):
            found = found.whole()
    y = found[:, 0] if kind == "npy" else found["x"].to_numpy()
    assert len(y) == n and 0 < np.abs(x - y).max() <= 0.001 * np.ptp(x)
    assert np.array_equal(found[:, 1] if kind == "npy" else found["k"].to_numpy(), k)


@pytest.mark.parametrize("last, kind", [("one", "string"), ("1.5", "double"), ("\xe9", "binary")])
def test_columns_of_csv_that_change_late(tmp_path, small_parts, last, kind):
    src = tmp_path / "t.csv"
    src.write_text("a,b\n" + "1,\n" * 20000 + f"{last},2020-01-01\n", encoding="latin-1")
    assert run("aecompress", "--effort", "1", "--lossless", src) == 0
    file = codec.table.Table((tmp_path / "t.aec").read_bytes())
    assert file.info.types == (kind, "date32[day]") and len(file) > 1
    one, end = (1.0, 1.5) if kind == "double" else ("1", last)
    if kind == "binary":
        one, end = b"1", last.encode("latin-1")
    assert file.rows()["a"].to_pylist() == [one] * 20000 + [end]


@pytest.mark.parametrize(
    "text",
    [
        'zip,b\n"00501",1\n"10001",2\n',
        'id,b\n"12345678901234567890",1\n"7",2\n',
        'x,b\n"0.5",1\n"9007199254740993",2\n',
        'x,b\n"007.5",1\n"0x10",2\n',
        "a\n1\n\n3\n",
    ],
)
def test_csv_loses_no_digits_and_no_rows(tmp_path, text):
    src = tmp_path / "t.csv"
    src.write_text(text)
    assert run("aecompress", "--lossless", src) == 2
    assert run("aedecompress", "-o", tmp_path / "u.csv", tmp_path / "t.aec") == 0
    head, rows = (tmp_path / "u.csv").read_text().split("\n", 1)
    assert head.replace('"', "") + "\n" + rows == text


def test_long_texts_come_in_small_parts(tmp_path, small_parts):
    texts = pa.table({"t": [f"{i}" * 300 for i in range(200)]})
    src = tmp_path / "t.parquet"
    parquet.write_table(texts, src, row_group_size=20)
    with open(src, "rb") as file:
        parts = list(table_files.Parts(file, "parquet"))
    assert len(parts) > 3 and pa.concat_tables(parts).equals(texts)


def test_headers_of_other_encodings_are_refused(tmp_path, capsys):
    (tmp_path / "t.csv").write_bytes("\xe9,b\n1,2\n".encode("latin-1"))
    assert run("aecompress", tmp_path / "t.csv") == 1
    assert "does not read as csv" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_table(tmp_path, small_parts):
    peaks = []
    for n in 1 << 13, 1 << 13, 1 << 19:  # the first one imports what there is
        src = tmp_path / f"{len(peaks)}.npy"
        np.save(src, np.arange(n).reshape(-1, 2))
        tracemalloc.start()
        try:
            assert run("aecompress", "--lossless", "--effort", "1", "--rm", src) == 0
            assert run("aedecompress", src.with_suffix(".aec")) == 0
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert np.array_equal(np.load(src), np.arange(n).reshape(-1, 2))
    assert peaks[2] < 2 * peaks[1] + (1 << 19)


def test_limit_of_memory(tmp_path, capsys):
    np.save(tmp_path / "t.npy", np.zeros((1 << 12, 4)))
    assert run("aecompress", "--lossless", tmp_path / "t.npy") == 0
    capsys.readouterr()
    for args in ["-t"], ["-f"]:
        assert run("aedecompress", *args, "--max-bytes", "64Ki", tmp_path / "t.aec") == 1
        assert "--max-bytes" in capsys.readouterr().err
    assert run("aedecompress", "-t", "--max-bytes", "128Ki", tmp_path / "t.aec") == 0


def test_rows_of_csv_longer_than_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(table_files, "WHOLE", 1 << 14)
    path = tmp_path / "long.csv"
    path.write_text("a,b\n" + "".join(f"{i},{'x' * 6000}\n" for i in range(9)))
    with path.open("rb") as file:
        parts = table_files.load(file, "csv")
        assert isinstance(parts, table_files.Parts)
        assert [n for part in parts for n in part["a"].to_pylist()] == list(range(9))
