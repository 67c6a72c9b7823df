"""What the pages show is run; what they name exists."""

import doctest
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image
from test_stacks import drawn

import codec

ROOT = pathlib.Path(__file__).parent.parent
BIN = pathlib.Path(sys.executable).parent
README = (ROOT / "README.md").read_text()
TOOLS = (ROOT / "docs" / "tools.md").read_text()
FEATURES = (ROOT / "docs" / "features.md").read_text()
TABLE_TOOLS = (ROOT / "docs" / "table-tools.md").read_text()


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, pixels in enumerate(drawn(3, 120, 160, (3,))):
        Image.fromarray(pixels).save(tmp_path / ("photo.png", "a.jpg", "b.jpg")[i])
    (tmp_path / "photos").mkdir()
    shutil.copy("a.jpg", tmp_path / "photos")
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.write("a.jpg")
    return tmp_path


def run_python(parts, **names):
    for part in parts:
        exec(compile(part, part.splitlines()[0], "exec"), names)


def test_readme_python(folder):
    found = blocks(README, "python")
    assert found
    run_python(found, image=np.asarray(Image.open("photo.png")))


def test_tools_python(folder):
    for name in ("zarr", "xarray", "fsspec", "distributed"):
        pytest.importorskip(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_python(blocks(TOOLS, "python"))


def test_features_python(folder):
    pytest.importorskip("sklearn")
    run_python(blocks(FEATURES, "python"), image=np.asarray(Image.open("photo.png")))


def test_table_tools_python(folder):
    for name in ("sklearn", "torch", "zarr", "matplotlib"):
        pytest.importorskip(name)
    run_python(["\n".join(blocks(TABLE_TOOLS, "python"))])


def shell_blocks():
    return [
        block for text in (README, TOOLS, FEATURES, TABLE_TOOLS) for block in blocks(text, "sh")
    ]


def lines(block):
    return [
        line
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip() and not line.startswith("#")
    ]


def links(page):
    """The files that a page links to, without those on the web."""
    found = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    return [link for link in found if "://" not in link]


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    missing = [link for link in links(page) if not (page.parent / link).exists()]
    assert not missing


def test_the_readme_says_where_each_page_is():
    named = {(ROOT / link).resolve() for link in links(ROOT / "README.md")}
    assert [p.name for p in (ROOT / "docs").glob("*.md") if p not in named] == []


def test_readme_commands(folder):
    """The block of each command line section, as it stands."""
    if not (BIN / "aecompress").exists():
        pytest.skip("the package is not installed here")
    tools = folder / "bin"
    tools.mkdir()
    ssh = tools / "ssh"  # the other machine is a folder here
    ssh.write_text('#!/bin/sh\nmkdir -p "$1" && cd "$1" && shift && sh -c "$*"\n')
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    env = {
        **os.environ,
        "PATH": os.pathsep.join([str(tools), str(BIN), os.environ["PATH"]]),
    }
    section = README.split("## Command line")[1].split("\n## ")[0]
    (shown,) = blocks(section, "sh")[:1]
    for line in lines(shown):
        run = subprocess.run(
            ["sh", "-c", line], env=env, cwd=folder, capture_output=True, text=True
        )
        assert run.returncode == 0, f"{line}\n{run.stderr}"
    assert (folder / "host" / "photo.aec").read_bytes()[:4] == b"\x89AEC"


@pytest.mark.parametrize("line", [line for block in shell_blocks() for line in lines(block)])
def test_options_exist(line):
    """Commands too long, or too far away, to run: their options parse."""
    words = shlex.split(line, comments=True)
    if "|" in words or "<" in words or "&&" in words or "*" in line:
        return  # run as they stand, above or by CI
    program, *arguments = pathlib.Path(words[0]).name, *words[1:]
    if program in ("aecompress", "aedecompress"):
        from codec.cli.options import parser

        parser(program).parse_intermixed_args(arguments)
    elif program == "aetrain":
        pytest.importorskip("torch")
        from codec.training.cli import parser

        parser().parse_args(arguments)
    elif program == "aebench":
        from codec.bench.cli import parser

        parser().parse_args(arguments)
    elif program in ("python", "python3"):
        if arguments[0] == "-m":
            assert importlib.util.find_spec(arguments[1])
        else:
            assert (ROOT / arguments[0]).exists()
    else:
        assert program in ("pip", "pytest", "apt-get", "cd", "bash"), line


@pytest.mark.parametrize(
    "name",
    [
        "codec.api",
        "codec.stacks",
        "codec.plugins.numcodecs",
        "codec.insight.features",
        "codec.insight.anomaly",
        "codec.plugins.sklearn",
        "codec.plugins.sklearn_table",
    ],
)
def test_examples_in_docstrings(name):
    for other in ("numcodecs", "sklearn"):
        if other in name:
            pytest.importorskip(other)
    module = importlib.import_module(name)
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


def test_the_figures_of_stacks_are_measured_again(tmp_path):
    """The command that docs/tools.md names, on fewer pictures."""
    digits = drawn(12, 28, 28)
    (tmp_path / "idx").write_bytes(
        np.array([0x803, 12, 28, 28], ">u4").tobytes() + digits.tobytes()
    )
    assert "python -m benchmarks.scale stack" in TOOLS
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.scale",
            "stack",
            tmp_path / "idx",
            "--rounds",
            "1",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    rows = {
        row.split("|")[1].strip(): row.split("|")[2:4]
        for row in run.stdout.splitlines()
        if row.startswith("|")
    }
    single, stack = map(float, rows["of these no symbols"])
    assert single > 30 and stack < 10
    single, stack = map(float, rows["bytes per picture"])
    assert stack < single - 20


def test_api_reference(tmp_path):
    """pdoc makes it of every public module, without a warning."""
    pytest.importorskip("pdoc")
    run = subprocess.run(
        [
            sys.executable,
            "-W",
            "error::UserWarning",
            ROOT / "docs" / "api.py",
            tmp_path,
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )  # where no folder has the module's name
    assert run.returncode == 0 and run.stderr == "", run.stderr
    page = (tmp_path / "codec.html").read_text()
    for name in ("encode", "decode_batch", "Stack", "register_pillow"):
        assert f'id="{name}"' in page, name
    page = (tmp_path / "codec" / "plugins" / "pillow.html").read_text()
    assert 'id="register_pillow"' in page and "append_images" in page
    assert "<td>all frames, and" in page  # tables are rendered as such


def test_datasets_page(folder):
    """In a process of its own: spawned workers import what runs."""
    pytest.importorskip("torch")
    page = (ROOT / "docs" / "datasets.md").read_text()
    files = []
    for n in range(3):
        pixels = drawn(1, 96, 128, (3,))[0]
        (folder / f"{n}.aec").write_bytes(codec.encode(np.roll(pixels, 9 * n, 0)))
        files.append(f"{n}.aec")
    first, second, third = blocks(page, "python")
    head, loop = third.split("loader = DataLoader", 1)
    body = f"files = {files}\n{first}\n{second}\nloader = DataLoader{loop}"
    (folder / "page.py").write_text(
        f"import codec\nimport numpy as np\n{head}\nif __name__ == '__main__':\n"
        + "\n".join("    " + line for line in body.splitlines())
    )
    done = subprocess.run([sys.executable, "page.py"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
