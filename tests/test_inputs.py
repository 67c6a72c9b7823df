"""Which file is an input, what its output is called, and who may read that."""

import errno
import io
import os
import stat
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

import codec
from codec.cli import values
from codec.cli.main import main
from codec.io import atomic, modes, names, urls
from codec.picture import format_of

RNG = np.random.default_rng(1)
posix = pytest.mark.skipif(os.name != "posix", reason="no permission bits here")


def picture(format="PNG"):
    file = io.BytesIO()
    pixels = RNG.integers(0, 256, (24, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(**files):
    for name, data in files.items():
        with open(name, "wb") as file:
            file.write(data)


# Inputs and outputs --------------------------------------------------------


@pytest.mark.parametrize("extension", [".jfif", ".jpe", ".apng", ".j2k", ".pcx", ".unheard", ""])
def test_a_second_picture_is_an_input_whatever_its_name(folder, extension):
    a, b = "a" + extension, "b" + extension
    second = picture("JPEG")
    put(**{a: picture(), b: second})
    assert main("aecompress", ["-f", a, b]) == 0
    assert (folder / b).read_bytes() == second
    known = extension in names.PICTURES
    for name in (a, b):
        output = name.removesuffix(extension) if known else name
        assert codec.info(folder / f"{output}.aec").width == 30


def test_a_second_file_of_another_kind_is_not_overwritten_either(folder, capsys):
    put(a=picture(), notes=b"do not lose me")
    assert main("aecompress", ["-f", "a", "notes"]) == 1
    assert (folder / "notes").read_bytes() == b"do not lose me"
    assert "notes: not a picture" in capsys.readouterr().err


def test_what_may_be_the_output(folder):
    put(a=picture())
    assert main("aecompress", ["a", "new"]) == 0
    first = (folder / "new").read_bytes()
    assert main("aecompress", ["-fq20", "a", "new"]) == 0  # an .aec file
    assert (folder / "new").read_bytes() != first
    put(**{"b.aec": b"cut", "empty": b""})
    assert main("aecompress", ["-f", "a", "b.aec"]) == 0  # by its name
    assert main("aecompress", ["-f", "a", "empty"]) == 0  # nothing to lose
    for name in ("b.aec", "empty"):
        assert codec.info(name).width == 30
    put(c=picture())
    assert main("aecompress", ["-f", "a", "-o", "c"]) == 0  # it was said
    assert codec.info("c").width == 30


def test_a_second_aec_file_is_an_input(folder):
    data = codec.encode(np.zeros((9, 8), np.uint8))
    put(a=data, b=data)
    assert main("aedecompress", ["-f", "a", "b"]) == 0
    assert (folder / "b").read_bytes() == data
    assert sorted(os.listdir()) == ["a", "a.png", "b", "b.png"]


@pytest.mark.parametrize(
    "name, stem",
    [
        ("a.png", "a"),
        ("a.b/c.JPEG", "a.b/c"),
        ("a.aec", "a"),
        ("scan 12.05.2021", "scan 12.05.2021"),
        ("v1.2 final", "v1.2 final"),
        ("a.tar", "a.tar"),
        ("a", "a"),
        (".png", ".png"),
    ],
)
def test_stems(name, stem):
    assert names.stem(name) == stem


def test_names_with_dots(folder):
    for name in ("scan 12.05.2020", "scan 12.05.2021"):
        put(**{name: picture()})
    assert main("aecompress", ["scan 12.05.2020", "scan 12.05.2021"]) == 0
    assert codec.info("scan 12.05.2021.aec").width == 30
    os.remove("scan 12.05.2021")
    assert main("aedecompress", ["scan 12.05.2021.aec", "scan 12.05.2021"]) == 0
    with Image.open("scan 12.05.2021") as image:
        assert image.format == "PNG"
    assert format_of("a.b.2021") == "PNG" and format_of("a.2021.jpg") == "JPEG"


def test_what_pillow_reads_has_a_known_name():
    Image.init()
    missing = {
        e
        for e, kind in Image.EXTENSION.items()
        if kind not in ("PDF", "EPS", "WMF", "MPEG", "HDF5", "GRIB", "BUFR", "AEC")
    } - names.PICTURES
    assert missing <= set(
        ".fpx .ftc .ftu .gbr .iim .pcd .palm .pxr .xv .emf .icb .vda .vst .icm .jps .mic".split()
    )


def test_companions_of_a_mac_are_skipped(folder):
    os.mkdir("d")
    put(**{"d/a.png": picture(), "d/._a.png": b"\0\5\x16\7" + bytes(90)})
    put(**{"d/._b.png": picture()})
    assert main("aecompress", ["-r", "d"]) == 0
    assert sorted(os.listdir("d")) == [
        "._a.png",
        "._b.aec",
        "._b.png",
        "a.aec",
        "a.png",
    ]


@pytest.mark.parametrize(
    "text, value",
    [
        ("16.1k", 16100),
        ("2.01M", 2010000),
        ("1.1g", 1100000000),
        ("16.1Ki", 16486),
        ("8", 8),
        ("0.5bpp", 0.5),
    ],
)
def test_decimals_of_sizes(text, value):
    assert values.target_size(text) == value


@pytest.mark.parametrize("text", ["1.5", "0", "0.1", "i", "8i", "k", "-1", "1e3"])
def test_what_is_no_count(text):
    with pytest.raises(Exception, match="not a positive whole number"):
        values.count(text)


# URLs ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["std::vector.png", "x::y.aec", "C:\\a::b", "a::"])
def test_two_colons_make_no_url(name):
    assert not urls.is_url(name)


def test_a_name_with_colons(folder):
    put(**{"std::vector.png": picture()})
    data = codec.encode("std::vector.png")
    assert main("aecompress", ["std::vector.png"]) == 0
    assert np.array_equal(codec.decode("std::vector.aec"), codec.decode(data))
    assert main("aecompress", ["std::vector.png", "-o", "x::y.aec"]) == 0
    assert codec.info("x::y.aec").width == 30


@pytest.fixture
def archives(folder):
    pytest.importorskip("fsspec")
    with zipfile.ZipFile("ok.zip", "w") as z:
        z.writestr("p.png", picture())
    data = (folder / "ok.zip").read_bytes()
    put(**{"cut.zip": data[:500], "bad.zip": data.replace(b"IDAT", b"IDOT")})
    put(**{"bad.tar": b"x" * 900, "bad.gz": b"\x1f\x8b" + bytes(50)})


@pytest.mark.parametrize(
    "url",
    [
        "zip://p.png::cut.zip",
        "zip://p.png::bad.zip",
        "zip://none.png::ok.zip",
        "zip://p.png::none.zip",
        "tar://p.png::cut.zip",
        "tar://p.png::bad.tar",
        "nope://p.png",
    ],
)
def test_broken_archives(archives, capsys, url):
    with pytest.raises((codec.CodecError, OSError)):
        codec.decode(url)
    with pytest.raises((codec.CodecError, OSError)):
        codec.encode(url)
    assert main("aecompress", [url, "-o", "o.aec"]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "internal" not in text and "Error(" not in text


@pytest.mark.parametrize("url", ["zip://::cut.zip", "tar://::ok.zip", "zip://::no.zip"])
def test_walks_over_broken_archives(archives, capsys, url):
    assert main("aecompress", ["-r", url, "--output-dir", "o"]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text


# Who may read it ------------------------------------------------------------


def mode(name):
    return stat.S_IMODE(os.stat(name).st_mode)


@posix
@pytest.mark.parametrize("umask", [0o022, 0o027])
def test_a_pipe_has_no_permissions_to_copy(folder, umask):
    put(**{"a.png": picture()})
    code = """
import os, sys
os.umask(%d)
from codec.cli.main import main
sys.exit(main("aecompress", ["/dev/stdin", "-o", "a.aec"]))
"""
    with open("a.png", "rb") as file:
        pipe = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        done = subprocess.run([sys.executable, "-c", code % umask], stdin=pipe.stdout)
        pipe.stdout.close()
        pipe.wait()
    assert done.returncode == 0 and mode("a.aec") == 0o666 & ~umask


@posix
def test_the_umask_of_the_process_is_left_alone(folder, monkeypatch):
    """It belongs to all threads."""
    monkeypatch.setattr(os, "umask", None)
    put(**{"a.png": picture()})
    os.chmod("a.png", 0o640)
    assert main("aecompress", ["a.png"]) == 0 and mode("a.aec") == 0o640
    urls.write("b", b"1")
    atomic.write("c", b"2", exclusive=True)
    assert mode("b") == mode("c") == mode_of_a_new_file()


def mode_of_a_new_file():
    put(new=b"")
    return mode("new")


@posix
@pytest.mark.parametrize(
    "wanted, found", [(0o660, 0o600), (0o664, 0o644), (0o770, 0o700), (0o644, 0o644)]
)
def test_another_group_gets_no_more_than_all_others(folder, monkeypatch, wanted, found):
    put(a=b"")
    os.chmod("a", wanted)
    source = list(os.stat("a"))
    source[5] += 1  # its group
    monkeypatch.setattr(modes, "_source", lambda like: os.stat_result(source))

    def refuses(*args):
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuses)
    atomic.write("b", b"", like="a")
    assert mode("b") == found
    monkeypatch.setattr(os, "fchown", lambda *args: None)  # it can be set
    atomic.write("c", b"", like="a")
    assert mode("c") == wanted


@posix
@pytest.mark.parametrize(
    "what, code, arguments, exit",
    [
        ("fchmod", errno.EPERM, [], 0),
        ("fchmod", errno.EOPNOTSUPP, [], 0),
        ("utime", errno.EPERM, ["-p"], 2),
        ("fsync", errno.EINVAL, ["--rm"], 0),
        ("fsync", errno.EIO, ["--rm"], 1),  # that one means it
    ],
)
def test_mounts_that_refuse(folder, monkeypatch, capsys, what, code, arguments, exit):
    def refuses(*args, **more):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, what, refuses)
    put(**{"a.png": picture()})
    assert main("aecompress", [*arguments, "a.png"]) == exit
    assert os.path.exists("a.aec") == (exit != 1)
    assert os.path.exists("a.png") or "--rm" in arguments and exit == 0
    assert ("times" in capsys.readouterr().err) == (what == "utime")
