"""What a file carries is kept, told or refused: never silently gone."""

import pytest

pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")

import carried


def test_the_table_of_the_page():
    """``python tests/carried.py`` makes it anew."""
    assert carried.write() == carried.PAGE.read_text("utf-8")


@pytest.mark.parametrize("container", carried.CONTAINERS)
def test_nothing_disappears_silently(container):
    found = {kind: carried.outcome(container, kind) for kind in carried.KINDS}
    assert "SILENT" not in found.values(), found


@pytest.mark.parametrize("container", carried.CONTAINERS)
def test_a_plain_file_is_not_told(container):
    import io
    import warnings

    from codec import picture

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture.open_picture(io.BytesIO(carried.plain(container)))
