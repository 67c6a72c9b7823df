"""Files anywhere: URLs of fsspec, file objects, paths; API and commands."""

import gc
import io
import os
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

fsspec = pytest.importorskip("fsspec")

from test_stacks import drawn, near

import codec
from codec import picture
from codec.cli.main import main
from codec.errors import CodecError, InputError, UnsupportedError
from codec.io import atomic, urls

PHOTO = drawn(1, 40, 60, (3,))[0]


def png():
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def memory():
    """fsspec's file system in memory, with a picture and an archive."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pipe_file("/in/a.png", png())
    fs.pipe_file("/in/deep/b.png", png())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("pictures/a.png", png())
        z.writestr("pictures/a.aec", codec.encode(PHOTO))
    fs.pipe_file("/x.zip", archive.getvalue())
    yield fs
    fs.store.clear()


@pytest.mark.parametrize(
    "name, yes",
    [
        ("s3://b/a.png", True),
        ("memory://a", True),
        ("zip://a::b.zip", True),
        ("simplecache::s3://b/a", True),
        ("a.png", False),
        ("C:\\a.png", False),
        ("C://a.png", False),
        ("a:b", False),
        ("./x://y", False),
        (None, False),
    ],
)
def test_what_is_a_url(name, yes):
    assert urls.is_url(name) is yes


# API ----------------------------------------------------------------------


def test_api_takes_files(memory, tmp_path):
    data = codec.encode(PHOTO)
    path = tmp_path / "a.png"
    path.write_bytes(png())
    for source in (
        path,
        str(path),
        io.BytesIO(png()),
        codec.open("memory://in/a.png"),
        codec.open("zip://pictures/a.png::memory://x.zip"),
        codec.open(f"file://{path}"),
        codec.open(str(path)),
        codec.open(path),
    ):
        assert codec.encode(source) == data
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as z:
        z.write(path, "a.png")
    with tarfile.open(tmp_path / "x.tar", "w") as t:
        t.add(path, "a.png")
    for kind in "zip", "tar":
        with codec.open(f"{kind}://a.png::{tmp_path}/x.{kind}") as source:
            gc.collect()  # nothing else holds the archive
            assert codec.encode(source) == data
    memory.pipe_file("/a.aec", data)
    (tmp_path / "a.aec").write_bytes(data)
    for source in (
        tmp_path / "a.aec",
        codec.open("memory://a.aec"),
        io.BytesIO(data),
        codec.open("zip://pictures/a.aec::memory://x.zip"),
    ):
        assert (codec.decode(source) == codec.decode(data)).all()
        if hasattr(source, "seek"):
            source.seek(0)
        assert codec.info(source) == codec.info(data)


def test_any_file_object():
    class Pipe:
        """Reads, and can do nothing else."""

        def __init__(self, data):
            self.file = io.BytesIO(data)

        def read(self, n=-1):
            return self.file.read(n if n < 0 else min(n, 11))

    data = codec.encode(PHOTO)
    assert codec.decode(Pipe(data)).shape == PHOTO.shape


def test_stacks_at_urls(memory):
    data = codec.encode_batch(drawn(5, 20, 30))
    memory.pipe_file("/s.aec", data)
    want = codec.decode_batch(data)
    assert near(codec.decode_batch(codec.open("memory://s.aec")), want)
    with codec.open("memory://s.aec") as file, codec.Stack(file) as stack:
        assert near(stack[3], want[3])


def test_stacks_close_what_they_opened(tmp_path):
    data = codec.encode_batch(drawn(2, 20, 30))
    (tmp_path / "s.aec").write_bytes(data)
    with codec.Stack(tmp_path / "s.aec") as stack:
        file = stack._file
    assert file.closed
    with io.BytesIO(data) as file, codec.Stack(file):
        pass
    with open(tmp_path / "s.aec", "rb") as file:
        codec.Stack(file).close()
        assert not file.closed


def test_errors(monkeypatch):
    with pytest.raises(InputError, match="nope"):
        codec.open("nope://x.aec")
    with pytest.raises(FileNotFoundError):
        codec.open("memory://not/there.aec")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UnsupportedError, match="pip install fsspec"):
        codec.open("s3://bucket/x.aec")


@pytest.mark.parametrize(
    "function",
    [
        codec.decode,
        codec.decode_batch,
        codec.info,
        codec.Stack,
        codec.encode,
        codec.features,
        codec.anomaly_score,
        lambda url: codec.encode_batch([url]),
    ],
)
def test_nothing_is_fetched_unasked(memory, function):
    """A name that comes from elsewhere must not make a program fetch it."""
    memory.pipe_file("/a.aec", codec.encode(PHOTO))
    memory.pipe_file("/a.png", png())
    for url in "memory://a.aec", "memory://a.png":
        with pytest.raises(InputError, match=r"is a URL; open it with codec.open"):
            function(url)


def test_what_a_url_needs_is_told(monkeypatch):
    def missing(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(UnsupportedError, match="Install s3fs"):
        codec.open("s3://bucket/x.aec")


@pytest.mark.parametrize(
    "name, folder, top, want",
    [
        ("s3://b/a.png", None, None, "s3://b/a.aec"),
        ("s3://b/a.png", "out", None, "out/a.aec"),
        ("s3://b/in/c/a.png", "s3://o/", "s3://b/in", "s3://o/c/a.aec"),
        ("s3://b/in/c/a.png", "s3://o", "s3://b/in/", "s3://o/c/a.aec"),
        ("in/c/a.png", "s3://o", "in", "s3://o/c/a.aec"),
        ("a.png", "s3://o", None, "s3://o/a.aec"),
        ("zip://c/a.png::x.zip", "out", "zip://::x.zip", "out/c/a.aec"),
        ("zip://c/a.png::x.zip", "out", None, "out/a.aec"),
    ],
)
def test_names_of_outputs(name, folder, top, want):
    assert urls.target(name, ".aec", folder, top) == want


def test_nothing_is_written_into_archives(memory):
    with pytest.raises(CodecError, match="archive"):
        urls.target("zip://a.png::x.zip", ".aec")
    with pytest.raises(CodecError, match="cannot be written"):
        urls.write("zip://b.aec::memory://x.zip", b"x")


def test_landing(tmp_path):
    path = tmp_path / "a"
    urls.write(path, b"1")
    urls.write(f"file://{path}", b"22")
    assert path.read_bytes() == b"22"
    with pytest.raises(FileExistsError):
        atomic.write(path, b"3", exclusive=True)
    atomic.write(tmp_path / "b", b"4", exclusive=True)
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    assert path.stat().st_mode & 0o777 == (tmp_path / "b").stat().st_mode & 0o777


# Commands -----------------------------------------------------------------


def test_command_reads_and_writes_urls(memory, tmp_path, capsys):
    assert main("aecompress", ["memory://in/a.png"]) == 0
    data = memory.cat_file("/in/a.aec")
    assert data == codec.encode(picture.read(io.BytesIO(png())))
    assert main("aecompress", ["memory://in/a.png"]) == 1
    assert "memory://in/a.aec: exists; use -f" in capsys.readouterr().err
    assert main("aecompress", ["-f", "memory://in/a.png"]) == 0
    assert main("aedecompress", ["memory://in/a.aec", "memory://out/deep/a.webp"]) == 0
    assert memory.cat_file("/out/deep/a.webp")[:4] == b"RIFF"
    assert main("aecompress", ["-l", "memory://in/a.aec"]) == 0
    assert "60x40" in capsys.readouterr().out
    assert (
        main(
            "aecompress",
            ["zip://pictures/a.png::memory://x.zip", "-o", str(tmp_path / "z.aec")],
        )
        == 0
    )
    assert (tmp_path / "z.aec").read_bytes() == data


def test_command_walks_urls(memory):
    assert main("aecompress", ["-r", "memory://in", "--output-dir", "memory://out"]) == 0
    assert memory.find("/out") == ["/out/a.aec", "/out/deep/b.aec"]
    assert (
        main(
            "aedecompress",
            ["--rm", "-r", "memory://out", "--output-dir", "memory://back"],
        )
        == 0
    )
    assert memory.find("/out") == []
    assert memory.find("/back") == ["/back/a.png", "/back/deep/b.png"]


def test_command_tells_what_is_wrong(memory, capsys):
    assert main("aecompress", ["nope://a.png"]) == 1
    assert main("aecompress", ["memory://missing.png"]) == 1
    assert main("aecompress", ["zip://pictures/a.png::memory://x.zip"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "archive" in lines[2], lines


def test_local_files_load_no_fsspec(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    code = """
import sys
from codec.cli.main import main
assert main("aecompress", ["a.png"]) == 0
print("fsspec" in sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "False\n"
    assert np.asarray(Image.open(tmp_path / "a.png")).shape == PHOTO.shape
