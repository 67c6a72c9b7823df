"""The table of efforts: from real files, and what it would say of others."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("bjontegaard")

from PIL import Image

sys.path.append(str(Path(__file__).parent.parent))

from benchmarks import effort, effort_speed
from codec.bench.store import Store


def test_measured_once_and_as_the_files_are(tmp_path, capsys):
    x = np.random.default_rng(1).integers(0, 256, (48, 80, 3), np.uint8)
    Image.fromarray(x).save(tmp_path / "a.png")
    args = [
        str(tmp_path),
        "--csv",
        str(tmp_path / "e.csv"),
        "--efforts",
        "1",
        "2",
        "--qualities",
        "20",
        "50",
        "80",
    ]
    effort.main(args)
    rows = Store(tmp_path / "e.csv", effort.KEY).frame()
    assert len(rows) == 6
    import codec

    (size,) = rows.query("effort == 2 and quality == 50")["bytes"]
    assert size == len(codec.Encoder(threads=1, effort=2).encode(x, 50))
    written = (tmp_path / "e.csv").read_bytes()
    effort.main(args)
    assert (tmp_path / "e.csv").read_bytes() == written
    said = capsys.readouterr().out
    assert "1 pictures at quality 20, 50, 80" in said
    assert "| 2 | " in said


def made_up(sizes, costs):
    """Rows of two pictures, three qualities; size factor by effort."""
    rows = [
        dict(
            sha256=p,
            pixels=1000.0,
            effort=float(e),
            quality=float(q),
            bytes=100.0 * 2 ** (q / 10) * f,
            psnr_db=20.0 + q,
            cost_bits=c,
            encode_cpu_s=e,
        )
        for (e, f), c in zip(enumerate(sizes, 1), costs)
        for p in "ab"
        for q in (5, 10, 15)
    ]
    return pd.DataFrame(rows)


def test_figures():
    found = effort.figures(made_up([1, 0.9, 0.8], [100.0, 90.0, 91.8]))
    assert [f["bd"] for f in found] == pytest.approx([0, -10, -20])
    assert [f["worst"] for f in found] == pytest.approx([0, 0, 2])
    assert [f["cpu_ms"] for f in found] == pytest.approx([1e6, 2e6, 3e6])


def test_only_what_all_efforts_have_counts():
    rows = made_up([1, 0.9], [100.0, 90.0])
    rows = rows[(rows["effort"] == 1) | (rows["sha256"] == "a")]
    assert effort.figures(rows)[1]["pictures"] == 1


def test_the_help_says_what_was_measured():
    """Times and gains of ``--effort`` are those of the committed table."""
    from codec.cli.options import parser

    results = Path(__file__).parent.parent / "benchmarks/results/0.2.0"
    rows = Store(results / "effort.csv", effort.KEY).frame()
    found = {f["effort"]: f for f in effort.figures(rows)}
    words = " ".join(parser("aecompress").format_help().split())
    said = re.findall(
        r"(\d) takes? (\d+) times (?:as long )?and saves ([\d.]+) %",
        words,
    )
    assert [int(e) for e, _, _ in said] == [2, 5, 9]
    for e, times, gain in said:
        f = found[int(e)]
        assert float(times) == pytest.approx(f["cpu_ms"] / found[1]["cpu_ms"], abs=0.6)
        assert float(gain) == pytest.approx(-f["bd"], abs=0.05)


def test_times_by_the_clock(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(effort_speed, "EFFORTS", (1, 2))
    x = np.random.default_rng(1).integers(0, 256, (48, 80, 3), np.uint8)
    Image.fromarray(x).save(tmp_path / "a.png")
    file = tmp_path / "e.csv"
    effort_speed.main([str(tmp_path / "a.png"), "--csv", str(file), "--turns", "2"])
    said = capsys.readouterr().out
    assert len(Store(file, effort_speed.KEY).rows) == 4
    assert "1 pictures at quality 50" in said
    assert re.search(r"^\| 1 \| [\d.]+ \| 1\.0 \| \d+ \|$", said, re.M)
    effort_speed.main(["--csv", str(file)])
    assert capsys.readouterr().out == said


def test_medians_of_medians():
    rows = [
        dict(sha256=p, pixels=1000000, effort=4, encode_s=s)
        for p, found in (("a", (1, 2, 30)), ("b", (4, 5, 6)))
        for s in found
    ]
    assert effort_speed.medians(pd.DataFrame(rows), "encode_s")[4] == 3.5


def test_the_table_of_plans_is_theirs():
    from codec import search as efforts

    page = (Path(__file__).parent.parent / "docs/effort.md").read_text(encoding="utf-8")
    said = re.findall(
        r"^\| (\d) \| (\d+) \| (\d) \| ([\d.]+) \| ([\d. to]+) "
        r"\| ([\d. to]+) \| ([\d.]+) \|$",
        page,
        re.M,
    )
    assert [int(row[0]) for row in said] == [*efforts.PLANS][1:]
    for level, passes, probes, rate, widths, cautions, noise in said:
        plan = efforts.PLANS[int(level)]
        assert (int(passes), int(probes), float(rate), float(noise)) == (
            plan.passes,
            plan.probes,
            plan.rate,
            plan.noise,
        )
        for text, pair in ((widths, plan.widths), (cautions, plan.cautions)):
            first, *last = map(float, text.split(" to "))
            # One pass sees the first of both only.
            assert first == pair[0] and (not last or last[0] == pair[1])
            assert last or pair[0] == pair[1] or plan.passes == 1
