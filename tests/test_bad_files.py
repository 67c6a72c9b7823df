"""tests/data/bad: each file ends in the error that its README names."""

import re
from pathlib import Path

import pytest
from data import make_bad

import codec
from codec.model import find

FOLDER = Path(__file__).parent / "data" / "bad"
ROWS = re.findall(r"^\| `(.+?)` \| (.+) \| (\w+) \|$", (FOLDER / "README.md").read_text(), re.M)


def test_every_file_has_a_line():
    files = {f.name for f in FOLDER.glob("*.aec")}
    assert files == {name for name, *_ in ROWS} and len(files) > 30


@pytest.mark.parametrize("name, what, error", ROWS, ids=[r[0] for r in ROWS])
def test_is_refused(name, what, error):
    data = (FOLDER / name).read_bytes()
    with pytest.raises(getattr(codec, error)) as caught:
        codec.decode(data)
    assert type(caught.value).__name__ == error and str(caught.value)
    if error == "LimitError":
        with pytest.raises(codec.FormatError):
            codec.decode(data, max_pixels=2**28)


def test_the_files_are_what_their_maker_makes():
    """So that a new recipe is not forgotten when the set is remade."""
    for name, what, error, data in make_bad.files():
        assert (name + ".aec", what, error) in ROWS
        assert (FOLDER / f"{name}.aec").read_bytes() == data
    assert (FOLDER / "blend-7.aec").read_bytes()[6:14].hex() == find.load().id


@pytest.mark.parametrize(
    "name, what, data",
    [*make_bad.bombs()],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_bombs(name, what, data):
    """What inflates to many MiB ends in the picture or in our error."""
    try:
        assert codec.decode(data).shape[:2] == (64, 64)
    except codec.FormatError:
        pass
