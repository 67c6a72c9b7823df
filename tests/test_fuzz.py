"""A short run of the fuzzed functions; tests/fuzz/README.md has the long one.

With hypothesis everywhere, with atheris where it is installed.
"""

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conformance import cases
from fuzz import targets
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
BAD = sorted((HERE / "data" / "bad").glob("*.aec"))
SOUND = [
    cases.data(n)
    for n in (
        "one-pixel",
        "block-64x64",
        "alpha-grey",
        "metadata",
        "unknown-section",
        "noise-grey",
    )
]


@st.composite
def damaged(draw):
    """A sound file with some damage, mostly with a checksum that fits."""
    data = bytearray(draw(st.sampled_from(SOUND)))
    rng = draw(st.randoms(use_true_random=False))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at : at + rng.randint(0, 8)] = rng.randbytes(rng.randint(0, 8))
        elif kind == 2:
            other = rng.choice(SOUND)
            data[at : at + 20] = other[at : at + rng.randint(0, 40)]
        else:
            del data[at:]
        data = data or bytearray(b"\x89")
    mend = rng.choice([bytes, targets.sealed, targets.mended, targets.mended])
    return bytes(data) if len(data) < 5 else bytes(mend(bytes(data)))


@settings(max_examples=250, deadline=None)
@given(damaged())
def test_parser(data):
    targets.parser(data)


@settings(max_examples=80, deadline=None)
@given(damaged())
def test_decoder(data):
    targets.decoder(data)


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=8, max_size=120))
def test_encoder(data):
    targets.encoder(data)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_table(rng):
    data = bytearray(rng.choice(targets.table_seeds())[1])
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    targets.table(bytes(data))


@pytest.mark.parametrize(
    "quality",
    [
        0,
        101,
        -1,
        float("nan"),
        float("inf"),
        -float("inf"),
        10**400,
        "x",
        1 + 1j,
        [50],
        np.array([50, 60]),
    ],
    ids=str,
)
def test_odd_qualities(quality):
    """Infinity was an OverflowError; hypothesis found it."""
    with pytest.raises(targets.codec.InputError, match="quality"):
        targets.codec.encode(np.zeros((1, 1), np.uint8), quality=quality)


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_bad_files(path):
    data = path.read_bytes()
    targets.parser(data)
    targets.decoder(data)


def test_damage_is_of_every_kind():
    """The strategy reaches what lies behind the checksum."""
    reached = set()

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(damaged())
    def look(data):
        try:
            targets.container.unpack(data)
            reached.add("sound")
        except targets.codec.CodecError as error:
            reached.add(type(error).__name__)
            if "checksum" in str(error):
                reached.add("checksum")

    look()
    assert reached >= {"sound", "FormatError", "checksum"}


def test_the_harness_sees_a_bug(monkeypatch):
    """A foreign exception comes through."""

    def broken(*args):
        raise KeyError("bug")

    monkeypatch.setattr(targets.picture, "from_sections", broken)
    with pytest.raises(KeyError):
        targets.parser(SOUND[0])


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
@pytest.mark.parametrize("target, runs", [("parser", 2000), ("decoder", 300), ("encoder", 60)])
def test_guided_by_coverage(tmp_path, target, runs):
    # From a shell: a child inherits the peak of its parent's memory, which
    # libFuzzer would take for its own.
    done = subprocess.run(
        [
            "sh",
            "-c",
            '"$@"; exit $?',
            "sh",
            sys.executable,
            HERE / "fuzz" / "run.py",
            target,
            "--runs",
            str(runs),
            "--corpus",
            tmp_path,
            "--seed",
            str(random.randrange(1, 2**31)),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"number_of_executed_units: {runs}" in done.stderr
