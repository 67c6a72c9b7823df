"""The command: what it keeps, skips, resumes and says."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from test_bench_metrics import photograph

from codec.bench import cli, codecs, pictures, run, store


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "pictures"
    place.mkdir()
    for seed in range(2):
        Image.fromarray(photograph(48, 64, seed)).save(place / f"{seed}.png")
    return place


def bench(folder, out, *more):
    return cli.main(
        [
            str(folder),
            "--out",
            str(out),
            "--jobs",
            "1",
            "--no-report",
            "--metrics",
            "psnr",
            *more,
        ]
    )


def test_rows_curves_and_environment(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert bench(folder, out, "--codecs", "jpeg-420", "webp", "png", "xz") == 0
    table = store.Store(out / "pictures.csv")
    wanted = sum(len(codecs.load(name).settings) for name in ("jpeg-420", "webp", "png", "xz"))
    assert len(table.rows) == 2 * wanted
    row = next(row for row in table.rows.values() if row["codec"] == "xz")
    assert row["bpp"] == pytest.approx(8 * row["bytes"] / (48 * 64), 1e-5)
    assert row["ratio"] == pytest.approx(48 * 64 * 3 / row["bytes"], 1e-5)
    assert row["psnr_db"] == np.inf and row["max_error"] == 0

    found = json.loads((out / "webp.json").read_text())
    assert set(found) == {"name", "description", "meta", "results"}
    rows = [row for row in table.rows.values() if row["codec"] == "webp" and row["setting"] == "50"]
    at = found["meta"]["settings"].index("50")
    assert found["results"]["bpp"][at] == pytest.approx(np.mean([row["bpp"] for row in rows]))
    assert found["results"]["psnr-rgb"][at] == pytest.approx(
        np.mean([row["psnr_db"] for row in rows])
    )
    environment = json.loads((out / "environment.json").read_text())
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["threads"] == 1
    printed = capsys.readouterr().out
    assert "JPEG 4:2:0 (anchor)" in printed and "xz -9e" in printed


def test_bad_pictures_are_named_and_skipped(folder, tmp_path, capsys):
    whole = (folder / "0.png").read_bytes()
    (folder / "short.png").write_bytes(whole[: len(whole) // 2])
    (folder / "words.png").write_text("not a picture")
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(folder / "deep.png")
    out = tmp_path / "out"
    assert bench(folder, out, "--codecs", "jpeg-420") == 1
    said = capsys.readouterr().err
    for name in ("short.png", "words.png", "deep.png"):
        assert f"{name}: " in said
    names = {row["picture"] for row in store.Store(out / "pictures.csv").rows.values()}
    assert names == {"0.png", "1.png"}


def test_a_second_run_measures_only_what_is_missing(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    taken = []
    measure = run.measure
    monkeypatch.setattr(run, "measure", lambda job: (taken.append(job), measure(job))[1])
    assert bench(folder, out, "--codecs", "png") == 0
    assert len(taken) == 2
    before = (out / "pictures.csv").read_bytes()
    assert bench(folder, out, "--codecs", "png") == 0
    assert len(taken) == 2
    assert (out / "pictures.csv").read_bytes() == before

    shutil.copy(folder / "0.png", folder / "same.png")
    Image.fromarray(photograph(48, 64, 9)).save(folder / "new.png")
    assert bench(folder, out, "--codecs", "png", "zlib") == 0
    assert sorted((job.codec, job.source.name) for job in taken[2:]) == [
        ("png", "new.png"),
        ("zlib", "0.png"),
        ("zlib", "1.png"),
        ("zlib", "new.png"),
        ("zlib", "same.png"),
    ]

    newer = dataclasses.replace(codecs.load("png"), version="newer")
    monkeypatch.setattr(codecs, "load", lambda name: newer)
    del taken[:]
    assert bench(folder, out, "--codecs", "png") == 0
    assert {job.source.name for job in taken} == {
        "0.png",
        "1.png",
        "new.png",
        "same.png",
    }
    versions = {
        row["version"]
        for row in store.Store(out / "pictures.csv").rows.values()
        if row["codec"] == "png"
    }
    assert versions == {"newer"}


def test_means_are_of_the_folder_given_whatever_else_is_kept(folder, tmp_path):
    out = tmp_path / "out"
    bench(folder, out, "--codecs", "png")
    bench(folder / "0.png", out, "--codecs", "png")
    rows = store.Store(out / "pictures.csv").rows.values()
    assert len(rows) == 2
    found = json.loads((out / "png.json").read_text())
    assert found["meta"]["n_pictures"] == 1
    assert found["results"]["bpp"] == [row["bpp"] for row in rows if row["picture"] == "0.png"]


def test_a_run_of_one_codec_keeps_the_tables_of_others(folder, tmp_path, capsys):
    out = tmp_path / "out"
    bench(folder, out, "--codecs", "jpeg-420", "webp")
    bench(folder, out, "--codecs", "png")
    environment = json.loads((out / "environment.json").read_text())
    assert list(environment["codecs"]) == ["jpeg-420", "webp", "png"]
    capsys.readouterr()
    cli.main(["--markdown", "--out", str(out)])
    assert "WebP" in capsys.readouterr().out
    # Of other pictures it says nothing.
    bench(folder / "0.png", out, "--codecs", "png")
    environment = json.loads((out / "environment.json").read_text())
    assert list(environment["codecs"]) == ["png"]


def test_interrupt_keeps_what_is_done_and_a_kill_mid_line_is_survived(
    folder, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    measure = run.measure

    def once(job):
        if job.source.name == "1.png":
            raise KeyboardInterrupt
        return measure(job)

    monkeypatch.setattr(run, "measure", once)
    assert bench(folder, out, "--codecs", "jpeg-420") == 130
    settings = len(codecs.load("jpeg-420").settings)
    path = out / "pictures.csv"
    assert len(store.Store(path).rows) == settings

    path.write_bytes(path.read_bytes()[:-60])
    assert len(store.Store(path).rows) == settings - 1
    monkeypatch.setattr(run, "measure", measure)
    assert bench(folder, out, "--codecs", "jpeg-420") == 0
    assert len(store.Store(path).rows) == 2 * settings


def test_a_codec_that_fails_is_named_and_the_rest_goes_on(folder, tmp_path, monkeypatch, capsys):
    png = codecs.load("png")
    wrong = dataclasses.replace(png, decode=lambda *_: np.zeros((48, 64, 3), np.uint8))
    load = codecs.load
    monkeypatch.setattr(codecs, "load", lambda name: wrong if name == "png" else load(name))
    out = tmp_path / "out"
    assert bench(folder, out, "--codecs", "png", "zlib") == 1
    assert "0.png: png: MismatchError: is not lossless" in (capsys.readouterr().err)
    assert {row["codec"] for row in store.Store(out / "pictures.csv").rows.values()} == {"zlib"}


def test_two_processes_give_the_rows_of_one(folder, tmp_path):
    for jobs in ("1", "2"):
        assert (
            cli.main(
                [
                    str(folder),
                    "--out",
                    str(tmp_path / jobs),
                    "--jobs",
                    jobs,
                    "--metrics",
                    "psnr",
                    "--codecs",
                    "jpeg-*",
                    "zlib",
                    "--no-report",
                ]
            )
            == 0
        )
    assert (tmp_path / "1/pictures.csv").read_bytes() == (tmp_path / "2/pictures.csv").read_bytes()


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["nowhere"],
        [".", "--codecs", "gif"],
        [".", "--threads", "0"],
        [".", "--metrics", "beauty"],
        ["--markdown", "--out", "nowhere"],
        [".", "--anchor", "webp"],
    ],
)
def test_usage_errors_exit_1_in_one_line(wrong, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(wrong) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("aebench: ")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_markdown_says_what_the_run_said(folder, tmp_path, capsys):
    out = tmp_path / "out"
    bench(folder, out, "--codecs", "jpeg-*", "webp")
    said = capsys.readouterr().out
    assert cli.main(["--markdown", "--out", str(out)]) == 0
    markdown = capsys.readouterr().out
    assert "| Codec | BD-rate % |" in markdown
    row = next(line for line in said.splitlines() if line.startswith("WebP"))
    cells = [
        cell.strip()
        for cell in next(line for line in markdown.splitlines() if line.startswith("| WebP"))
        .strip("|")
        .split("|")
    ]
    assert row.split() == " ".join(cells).split()


def test_another_anchor(folder, tmp_path, capsys):
    """Twice the size one way is half of it the other way."""
    out = tmp_path / "out"
    bench(folder, out, "--codecs", "jpeg-*", "webp")
    capsys.readouterr()
    ratios = []
    for anchor, other in (("webp", "JPEG 4:2:0"), ("jpeg-420", "WebP")):
        assert cli.main(["--markdown", "--out", str(out), "--anchor", anchor]) == 0
        lines = capsys.readouterr().out.splitlines()
        (row,) = (line for line in lines if line.startswith(f"| {other} |"))
        assert sum("(anchor) | 0 |" in line for line in lines) == 1
        percent = row.split("|")[2].replace("−", "-")
        ratios.append(1 + float(percent) / 100)
    assert ratios[0] * ratios[1] == pytest.approx(1, abs=0.01)
    for wrong in "png", "jxl-e7":
        assert cli.main(["--markdown", "--out", str(out), "--anchor", wrong]) == 1
        assert "not among the lossy codecs" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error(folder, tmp_path):
    out = tmp_path / "out"
    bench(folder, out, "--codecs", "jpeg-420")
    with subprocess.Popen(
        [sys.executable, "-m", "codec.bench", "--markdown", "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_kodak_is_checked_and_its_absence_is_said(tmp_path, monkeypatch):
    assert len(pictures.kodak_sums()) == 24
    (tmp_path / "kodim01.png").write_bytes(b"other bytes")
    with pytest.raises(pictures.PictureError, match="kodim01.png: sha256"):
        pictures.kodak(tmp_path)
    with pytest.raises(pictures.PictureError, match="missing"):
        pictures.kodak(tmp_path / "empty")
    # Nobody listens on the discard port: as on a machine with no network.
    monkeypatch.setattr(pictures, "KODAK_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(pictures.KODAK_VARIABLE, raising=False)
    with pytest.raises(pictures.PictureError, match="cannot be fetched"):
        pictures.kodak(say=lambda line: None)


def test_rows_of_code_that_writes_other_files_are_measured_again(folder, tmp_path):
    """The model and the release are the same; only one picture can tell."""
    table, plan = store.Store(tmp_path / "a.csv"), {codecs.OURS: (50, 60)}
    sources = pictures.survey(folder)[0]
    version = codecs.load(codecs.OURS).version
    assert codecs.load(codecs.OURS).typical in plan[codecs.OURS]
    run.run(run.missing(table, sources, plan, ["psnr"], 1), table)
    assert run.outdated(table, sources[0], [*plan, "jpeg-420"], 1) == []
    assert run.missing(table, sources, plan, ["psnr"], 1) == []
    table.rows[sources[0].sha256, codecs.OURS, "60", 1, version]["bytes"] += 1
    assert run.outdated(table, sources[0], [*plan, "jpeg-420"], 1) == [codecs.OURS]
    # Another picture, of which nothing is kept, says nothing.
    assert run.outdated(store.Store(tmp_path / "b.csv"), sources[0], plan, 1) == []


def test_a_new_metric_computes_itself_only(folder, tmp_path):
    table, plan = store.Store(tmp_path / "a.csv"), {"jpeg-420": (50, 75)}
    sources = pictures.survey(folder)[0]
    run.run(run.missing(table, sources, plan, ["psnr"], 1), table)
    jobs = run.missing(table, sources, plan, ["psnr", "ssimulacra2"], 1)
    assert [(j.settings, j.metrics) for j in jobs] == [((50, 75), ("ssimulacra2",))] * 2
    # Pictures of 48 rows are too small for MS-SSIM.
    assert run.missing(table, sources, plan, ["psnr", "ms-ssim"], 1) == []


def test_a_new_metric_is_one_entry(folder, tmp_path, capsys, monkeypatch):
    """Column, curve, table, JSON and plot all follow from it."""
    from codec.bench import metrics

    sharp = metrics.Metric(
        "sharpness",
        "sharpness, lines",
        "sharp_lines",
        "sharp",
        lambda a, b: -float(np.abs(np.diff(np.float64(a) - b, axis=0)).mean()),
        0.0,
        "psnr",
        bands="psnr",
    )
    monkeypatch.setitem(metrics.METRICS, "sharp", sharp)
    out = tmp_path / "out"
    assert (
        cli.main(
            [
                str(folder),
                "--out",
                str(out),
                "--jobs",
                "1",
                "--metrics",
                "psnr",
                "sharp",
            ]
            + ["--codecs", "jpeg-420", "webp"]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "BD-rate against JPEG 4:2:0 at equal sharpness, 2 pictures" in said
    rows = store.Store(out / "pictures.csv").frame()
    assert (rows["sharp_lines"] < 0).all()
    found = json.loads((out / "webp.json").read_text())
    assert len(found["results"]["sharp"]) == len(codecs.load("webp").settings)
    assert "sharpness over bits per pixel" in (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["bjontegaard", "pandas", "tqdm"])
def test_what_is_not_installed_is_named(name):
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        f"u.find_spec = lambda name, *a: None if name == {name!r} else find(name, *a)\n"
        "from codec.bench.__main__ import main; sys.exit(main(['.']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == (f"aebench: {name} is missing; in a checkout: pip install '.[bench]'\n")
