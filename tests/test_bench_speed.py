"""Times are interleaved, memory is of a fresh process."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from test_bench_metrics import photograph

from codec.bench import codecs, peak, pictures, speed


@pytest.fixture
def sources(tmp_path):
    for seed in range(2):
        Image.fromarray(photograph(48, 64, seed)).save(tmp_path / f"{seed}.png")
    return pictures.survey(tmp_path)[0]


def test_fit_cuts_the_middle_and_mirrors_the_edges():
    picture = np.arange(5 * 4 * 3).reshape(5, 4, 3)
    assert np.array_equal(speed.fit(picture, 2, 3), picture[1:4, 1:3])
    larger = speed.fit(picture, 6, 5)
    assert np.array_equal(larger[:, :4], picture)
    assert np.array_equal(larger[:, 4:], picture[:, :1:-1])


def test_codecs_take_turns_and_a_slow_one_gets_no_larger_picture(sources, monkeypatch):
    calls = []

    def spied(name):
        png = dataclasses.replace(load("png"), name=name)
        return dataclasses.replace(
            png,
            encode=lambda picture, *rest: (
                calls.append((name, picture.shape[0])),
                png.encode(picture, *rest),
            )[1],
        )

    load = codecs.load
    monkeypatch.setattr(codecs, "load", spied)
    monkeypatch.setattr(speed, "SLOW_S", 1e9)
    rows = list(
        speed.times(
            sources,
            ["a", "b"],
            1,
            [(32, 16), (48, 24)],
            repeats=3,
            say=lambda line: None,
        )
    )
    assert calls == ([("a", 16), ("b", 16)] * 4 + [("a", 24), ("b", 24)] * 3)
    assert [(row["codec"], row["width"], row["repeats"]) for row in rows] == [
        ("a", 32, 3),
        ("b", 32, 3),
        ("a", 48, 3),
        ("b", 48, 3),
    ]
    # Rounding of the seconds limits how well they agree.
    assert rows[0]["encode_mp_per_s"] == pytest.approx(32 * 16 / 1e6 / rows[0]["encode_s"], rel=0.1)

    monkeypatch.setattr(speed, "SLOW_S", 0)
    rows = list(
        speed.times(sources, ["a"], 1, [(32, 16), (48, 24)], repeats=3, say=lambda line: None)
    )
    assert [(row["width"], row["repeats"]) for row in rows] == [(32, 1)]


def test_memory_counts_what_encoding_takes(sources):
    found = speed.memory(sources[0], "zlib", 1, 2000, 1500)
    # Encoding holds the raw bytes once more: 9 MB.
    assert found["encode_mib"] > found["idle_mib"] + 6
    assert found["decode_mib"] > 5
    assert peak.peak_mib() > 20


def test_cold_start_runs_the_real_commands(sources):
    found = speed.cold_start(sources[0], repeats=1)
    assert set(found) == {"python", "aecompress", "aedecompress"}
    # Python alone is part of both.
    assert min(found, key=found.get) == "python"


def test_the_process_whose_memory_is_measured_loads_the_codec_only():
    code = (
        "import sys; from codec.bench import peak; print(*sorted({"
        "'pandas', 'tqdm', 'torch', 'matplotlib', 'onnxruntime'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "\n")
