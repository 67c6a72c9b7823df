"""docs/format.md says what the code does."""

import re
from pathlib import Path

import numpy as np
from conformance import cases

import codec

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "format.md").read_text()


def test_file_in_hex():
    block = re.search(r"```hex\n(.*?)```", TEXT, re.S)[1]
    data = bytes.fromhex("".join(re.findall(r"^[0-9a-f]{4}  ((?:[0-9a-f]{2} ?)+)", block, re.M)))
    assert data == cases.data("one-pixel")
    header = codec.info(data)
    assert (header.width, header.height, header.quality) == (1, 1, 50)
    pixel = codec.decode(data)
    assert pixel.shape == (1, 1, 3)
    assert np.abs(pixel.astype(int) - 200).max() < 20


def test_longest_sides_round_trip():
    for shape in ((1, 16384), (16384, 1, 3)):
        a = np.full(shape, 90, np.uint8)
        out = codec.decode(codec.encode(a, quality=50))
        assert out.shape == shape and np.abs(out.astype(int) - 90).max() < 9
