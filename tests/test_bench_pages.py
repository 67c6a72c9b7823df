"""Tables of the documentation come from the commands that they name."""

import pathlib
import sys

import pytest

pytest.importorskip("bjontegaard")

ROOT = pathlib.Path(__file__).parent.parent
sys.path.append(str(ROOT))
from benchmarks import pages

PAGE = """# Page
<!-- table: python -c 'print("| new |")' -->
| old |
<!-- end -->
between
<!-- table: python -c 'import sys; print(sys.argv[1:])' VALID/a WORK -->
| other |
<!-- end -->
"""


def test_what_a_command_prints_replaces_the_table(tmp_path):
    new = pages.written(PAGE, {"VALID": str(tmp_path)})
    assert "| new |\n<!-- end -->\nbetween" in new
    assert "old" not in new and "other" not in new
    assert str(tmp_path / "a") in new and "WORK'" not in new
    assert new.count("<!-- table") == new.count("<!-- end") == 2


def test_only_tables_with_the_word():
    new = pages.written(PAGE, {"VALID": None}, "new")
    assert "| old |" not in new and "| other |" in new


@pytest.mark.parametrize(
    "command, message",
    [
        ("python -c 'raise SystemExit(3)'", "exit code 3"),
        ("python -c 1 KODAK", "--kodak is missing"),
    ],
)
def test_a_page_stays_as_it_was(tmp_path, command, message):
    page = tmp_path / "page.md"
    page.write_text(text := f"<!-- table: {command} -->\nold\n<!-- end -->\n")
    with pytest.raises(SystemExit, match=message):
        pages.main([str(page)])
    assert page.read_text() == text


@pytest.mark.parametrize("page, tables", [("README.md", 1), ("docs/results.md", 9)])
def test_the_readme_has_what_was_measured(page, tables):
    """Its tables are those of the committed results, to the letter."""
    text = (ROOT / page).read_text("utf-8")
    assert text.count("<!-- table: aebench --markdown ") == tables
    assert pages.written(text, {}) == text
