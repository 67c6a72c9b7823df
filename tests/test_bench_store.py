"""Rows are kept as they come, whatever ends the run."""

import math

import pytest

from codec.bench.store import Store

KEY = ("sha256", "setting")


def row(sha, setting, **figures):
    return {"sha256": sha, "setting": setting, **figures}


def test_rows_come_back_as_they_were(tmp_path):
    rows = [
        row("123e4", "1", bytes=3, psnr_db=math.inf),
        row("0012", "", bytes=4, psnr_db=0.1234567),
    ]
    store = Store(tmp_path / "a.csv", KEY)
    store.add(rows[:1])
    store.add(rows[1:])
    again = Store(tmp_path / "a.csv", KEY)
    # Digits stay text, integers stay integers; micro-units are enough.
    assert list(again.rows.values()) == [rows[0], {**rows[1], "psnr_db": 0.123457}]
    assert again.frame()["bytes"].dtype == int
    assert again.lacking(("0012", ""), ["bytes", "psnr_db"]) == ()


def test_a_later_row_adds_what_the_earlier_lacks(tmp_path):
    """A new metric costs itself only, and its column is written."""
    path = tmp_path / "a.csv"
    store = Store(path, KEY)
    store.add([row("a", "1", bytes=3), row("b", "1", bytes=4)])
    assert store.lacking(("a", "1"), ["bytes", "cvvdp_jod"]) == ("cvvdp_jod",)
    store.add([row("a", "1", cvvdp_jod=9.5)])
    for found in (store, Store(path, KEY)):
        assert found.rows["a", "1"] == row("a", "1", bytes=3, cvvdp_jod=9.5)
        assert found.lacking(("a", "1"), ["bytes", "cvvdp_jod"]) == ()
        assert found.lacking(("b", "1"), ["cvvdp_jod"]) == ("cvvdp_jod",)
    store.add([row("b", "1", cvvdp_jod=8.5)])
    assert Store(path, KEY).rows == store.rows


def test_a_line_cut_short_is_dropped(tmp_path):
    path = tmp_path / "a.csv"
    Store(path, KEY).add([row("a", "1", bytes=3), row("b", "1", bytes=45)])
    path.write_bytes(path.read_bytes()[:-2])
    store = Store(path, KEY)
    assert list(store.rows) == [("a", "1")]
    store.add([row("c", "1", bytes=6)])
    assert list(Store(path, KEY).rows) == [("a", "1"), ("c", "1")]


def test_what_is_forgotten_leaves_the_file(tmp_path):
    path = tmp_path / "a.csv"
    store = Store(path, KEY)
    store.add([row(sha, "1", bytes=3) for sha in "cab"])
    store.forget(lambda r: r["sha256"] == "a")
    assert [sha for sha, _ in Store(path, KEY).rows] == ["c", "b"]
    store.write(by=["sha256"])
    assert [sha for sha, _ in Store(path, KEY).rows] == ["b", "c"]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("text", ["", "sha256,setting,bytes\n", "sha256,set"])
def test_a_file_without_rows(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    store = Store(tmp_path / "a.csv", KEY)
    assert store.rows == {} and store.frame().empty
    store.add([row("a", "1", bytes=3)])
    assert Store(tmp_path / "a.csv", KEY).rows == store.rows
