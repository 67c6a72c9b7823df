"""Models on crops, against the AVIF that is tuned for each metric."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_bench_metrics import photograph

pytest.importorskip("bjontegaard")

sys.path.append(str(Path(__file__).parent.parent))

from benchmarks import look
from codec.bench import codecs, run
from codec.bench.store import Store


@pytest.fixture
def valid(tmp_path):
    folder = tmp_path / "valid"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(photograph(96, 130, seed)).save(folder / f"{seed}.png")
    return folder


def test_crops_are_middles_spread_over_the_folder(valid, tmp_path):
    found = look.crops(valid, tmp_path / "out", 2, 64)
    assert [source.name for source in found] == ["0.png", "2.png"]
    whole, part = photograph(96, 130, 2), np.asarray(Image.open(found[1].path))
    assert np.array_equal(part, whole[16:80, 33:97])


def test_models_are_measured_once_and_compared(valid, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    command = ["--valid", str(valid), "--out", str(out), "--metrics", "psnr"]
    command += ["--crops", "2", "--side", "64", "--qualities", "20", "50", "65", "80"]
    look.main([*command, "--efforts", "1", "2"])
    said = capsys.readouterr().out
    assert "PSNR, to tune=psnr" in said
    assert "| AVIF 4:4:4, tune=psnr (anchor) | 0 | 0 | 0 | 0 | 0 | 0 |" in said
    assert said.count("| aecompress, effort 2 |") == 2

    taken, measure = [], run.measure
    monkeypatch.setattr(run, "measure", lambda job: (taken.append(job.codec), measure(job))[1])
    look.main([*command, "--efforts", "1", "2"])
    assert capsys.readouterr().out == said and taken == []
    look.main([*command, "--fresh"])
    assert set(taken) == {codecs.OURS}
    rows = Store(out / "look.csv").frame()
    assert (rows["codec"] == "aec-e2").sum() == 8
