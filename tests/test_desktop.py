"""The desktop's files under share/, through the desktop's own tools."""

import configparser
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from test_stacks import drawn

import codec
from codec.cli.thumbnail import main
from codec.plugins.pillow import MIME

SHARE = pathlib.Path(__file__).parent.parent / "share"


def tool(name):
    found = shutil.which(name)
    return pytest.mark.skipif(found is None, reason=f"{name} is missing")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photo.aec").write_bytes(codec.encode(drawn(1, 40, 90, (3,))[0], quality=70.5))
    (tmp_path / "grey").write_bytes(codec.encode(drawn(1, 40, 90)[0]))
    (tmp_path / "stack").write_bytes(codec.encode_batch(drawn(7, 20, 30)))
    (tmp_path / "other.aec").write_bytes(b"\x89AEC\r\n")
    return tmp_path


def call(*args, **more):
    return subprocess.run(args, capture_output=True, text=True, check=True, **more).stdout


@tool("file")
def test_magic(folder):
    def look(*options):
        return call(
            "file",
            "-b",
            *options,
            "-m",
            str(SHARE / "aecompress" / "magic"),
            "photo.aec",
            "grey",
            "stack",
            "other.aec",
            cwd=folder,
        ).splitlines()

    assert look()[:3] == [
        "AEC image data, RGB, 90x40, quality 70",
        "AEC image data, greyscale, 90x40, quality 75",
        "AEC image data, greyscale, 30x20, quality 75, stack of 7 pictures",
    ]
    assert "AEC" not in look()[3]
    assert look("--mime-type")[:3] == 3 * [MIME]
    assert look("--extension")[0] == "aec"


@tool("update-mime-database")
@tool("xdg-mime")
def test_mime_type(folder):
    """Known by its content, and by its name."""
    home = folder / "data"
    shutil.copytree(SHARE / "mime", home / "mime")
    env = {
        **os.environ,
        "XDG_DATA_HOME": str(home),
        "HOME": str(folder),
        "XDG_DATA_DIRS": os.environ.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
    }
    env.pop("DESKTOP_SESSION", None)
    run = subprocess.run(
        ["update-mime-database", home / "mime"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    assert f"{MIME}:*.aec" in (home / "mime" / "globs").read_text()
    assert b"\x89AEC\n" in (home / "mime" / "magic").read_bytes()
    asked = subprocess.run(
        ["xdg-mime", "query", "filetype", "photo.aec"],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if shutil.which("mimetype"):
        assert asked == MIME  # else xdg-mime asks file(1), without our magic


@tool("gio")
def test_mime_type_of_content(folder):
    home = folder / "data"
    shutil.copytree(SHARE / "mime", home / "mime")
    env = {**os.environ, "XDG_DATA_HOME": str(home)}
    subprocess.run(["update-mime-database", home / "mime"], env=env, check=True)
    for name in ("photo.aec", "grey", "stack"):
        told = call("gio", "info", "-a", "standard::content-type", name, cwd=folder, env=env)
        assert f"standard::content-type: {MIME}" in told


def test_thumbnailer_entry():
    entry = configparser.ConfigParser(interpolation=None)
    entry.optionxform = str
    entry.read(SHARE / "thumbnailers" / "aecompress.thumbnailer")
    entry = entry["Thumbnailer Entry"]
    assert entry["MimeType"] == f"{MIME};"
    program, *arguments = entry["Exec"].split()
    assert entry["TryExec"] == program == "aecompress-thumbnailer"
    assert arguments == ["%i", "%o", "%s"]


@pytest.mark.parametrize(
    "name, size", [("photo.aec", (64, 28)), ("grey", (64, 28)), ("stack", (30, 20))]
)
def test_thumbnails(name, size, folder):
    out = folder / "out"
    assert main([str(folder / name), str(out), "64"]) == 0
    with Image.open(out) as image:
        assert image.format == "PNG" and image.size == size


def test_thumbnail_as_the_entry_calls_it(folder):
    program = pathlib.Path(sys.executable).parent / "aecompress-thumbnailer"
    if not program.exists():
        pytest.skip("the package is not installed here")
    call(program, "photo.aec", "out.png", "128", cwd=folder)
    assert np.asarray(Image.open(folder / "out.png")).shape == (40, 90, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "b", "x"],
        ["a", "b", "0"],
        ["missing", "b", "64"],
        ["other.aec", "b", "64"],
    ],
)
def test_thumbnailer_refuses(arguments, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(arguments) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (folder / "b").exists()
