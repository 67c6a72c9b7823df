"""The commands, as real subprocesses of what is installed.

Each folder of ``tests/cli`` is a case: ``cmd.sh`` runs in a copy of
``before``; exit code, stdout and stderr must be those of the files ``exit``,
``stdout`` and ``stderr`` (0 and nothing where there is none), where ``*``
stands for any text on one line. Afterwards the folder must be as ``after``,
or as ``before`` where there is none: nothing written, inputs untouched.
``NAME.any`` stands for a file NAME that is not empty.
"""

import io
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from codec.cli import files, options
from codec.symbols import core

CASES = pathlib.Path(__file__).parent / "cli"
BIN = pathlib.Path(sys.executable).parent
ENV = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def tree(folder):
    """Content of every file under a folder, by relative path."""
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def run(*args, cwd, **more):
    """Run an installed command."""
    return subprocess.run(
        [BIN / args[0], *map(str, args[1:])],
        cwd=cwd,
        env=ENV,
        capture_output=True,
        timeout=300,
        **more,
    )


def fails(result, *words):
    """Check that a result is exit 1 with one line that says ``words``."""
    assert result.returncode == 1
    assert result.stdout == b""
    text = result.stderr.decode()
    assert text.count("\n") == 1 and "Traceback" not in text, text
    for word in words:
        assert word in text


def matches(text, pattern):
    """Whether ``text`` is ``pattern``, its ``*`` taken for any text."""
    expression = re.escape(pattern).replace(r"\*", ".+")
    return re.fullmatch(expression, text) is not None


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir()))
def test_case(case, tmp_path):
    case = CASES / case
    work = tmp_path / "work"
    if (case / "before").is_dir():
        shutil.copytree(case / "before", work)
    else:
        work.mkdir()
    result = subprocess.run(
        ["bash", case / "cmd.sh"],
        cwd=work,
        env=ENV,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )

    def said(name, otherwise=""):
        file = case / name
        return file.read_text("utf-8") if file.is_file() else otherwise

    assert matches(result.stderr, said("stderr")), result.stderr
    assert matches(result.stdout, said("stdout")), result.stdout
    assert result.returncode == int(said("exit", "0"))
    found = tree(work)
    wanted = tree(case / ("after" if (case / "after").is_dir() else "before"))
    for name in [n for n in wanted if n.endswith(".any")]:
        content = found.get(name.removesuffix(".any"))
        assert content, f"{name} is missing or empty"
        del wanted[name]
        wanted[name.removesuffix(".any")] = content
    assert found == wanted


@pytest.fixture(scope="module")
def made(tmp_path_factory, photograph):
    """A folder with a picture, tiny.png, and tiny.aec made from it."""
    folder = tmp_path_factory.mktemp("made")
    Image.fromarray(photograph[249:279, 194:235]).save(folder / "tiny.png")
    assert run("aecompress", "tiny.png", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def tiny(made, tmp_path):
    """A fresh copy of ``made``."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize(
    "extension, format",
    [
        ("png", "PNG"),
        ("webp", "WEBP"),
        ("jpg", "JPEG"),
        ("tif", "TIFF"),
        ("ppm", "PPM"),
        ("", "PNG"),
    ],
)
def test_extension_decides_the_format(tiny, extension, format):
    out = tiny / f"out.{extension}".rstrip(".")
    assert run("aedecompress", "tiny.aec", out, cwd=tiny).returncode == 0
    with Image.open(out) as image:
        assert (image.format, image.size) == (format, (41, 30))


def test_format_option_goes_first(tiny):
    result = run("aedecompress", "--format", "bmp", "tiny.aec", cwd=tiny)
    assert result.returncode == 0
    with Image.open(tiny / "tiny.bmp") as image:
        assert image.format == "BMP"


@pytest.mark.parametrize("force", [(), ("-f",)])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_permission_bits_are_copied(tiny, mode, force):
    (tiny / "tiny.png").chmod(mode)
    assert run("aecompress", "tiny.png", "new.aec", *force, cwd=tiny).returncode == 0
    assert stat.S_IMODE((tiny / "new.aec").stat().st_mode) == mode


def test_umask_decides_without_an_input_file(tiny):
    data = (tiny / "tiny.png").read_bytes()
    assert run("aecompress", "-", "new.aec", cwd=tiny, input=data, umask=0o027).returncode == 0
    assert stat.S_IMODE((tiny / "new.aec").stat().st_mode) == 0o640


def test_quality_counts(tiny):
    for quality in 1, 100:
        assert (
            run("aecompress", f"-q{quality}", "tiny.png", f"{quality}.aec", cwd=tiny).returncode
            == 0
        )
    assert (tiny / "1.aec").stat().st_size < (tiny / "100.aec").stat().st_size


def test_threads(tiny):
    for n in 1, 2:
        assert run("aecompress", "-T", n, "tiny.png", f"{n}.aec", cwd=tiny).returncode == 0
        assert run("aedecompress", "-T", 3 - n, "-t", f"{n}.aec", cwd=tiny).returncode == 0


def test_list_as_json(tiny):
    result = run("aecompress", "-l", "--json", "tiny.aec", cwd=tiny)
    assert result.returncode == 0
    (row,) = json.loads(result.stdout)
    size = (tiny / "tiny.aec").stat().st_size
    assert re.fullmatch("[0-9a-f]{16}", row.pop("model"))
    assert row == {
        "file": "tiny.aec",
        "bytes": size,
        "pictures": 1,
        "width": 41,
        "height": 30,
        "colour": "rgb",
        "bpp": round(8 * size / (41 * 30), 4),
        "quality": 75,
        "version": 2,
        "sections": ["orig"],
    }


def test_a_flipped_bit_is_an_error(tiny):
    data = bytearray((tiny / "tiny.aec").read_bytes())
    data[len(data) // 2] ^= 4
    (tiny / "bad.aec").write_bytes(data)
    before = tree(tiny)
    for args in (), ("-t",), ("-l",):
        fails(
            run("aedecompress", *args, "bad.aec", cwd=tiny),
            "bad.aec: at byte ",
            "damaged",
        )
    assert tree(tiny) == before


def test_absurd_dimensions_in_an_aec(tiny):
    for width in 0, 65535:
        data = bytearray((tiny / "tiny.aec").read_bytes())
        data[14:16] = width.to_bytes(2, "little")
        data[-4:] = zlib.crc32(data[:-4]).to_bytes(4, "little")
        (tiny / "bad.aec").write_bytes(data)
        before = tree(tiny)
        fails(run("aedecompress", "bad.aec", cwd=tiny), "bad.aec")
        fails(run("aecompress", "-l", "bad.aec", cwd=tiny), "bad.aec")
        assert tree(tiny) == before


def test_absurd_dimensions_in_a_picture(tmp_path):
    def chunk(kind, data):
        return (
            len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        )

    size = (1 << 30).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size * 2 + b"\x08\2\0\0\0")
        + chunk(b"IDAT", zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )
    before = tree(tmp_path)
    fails(run("aecompress", "bomb.png", cwd=tmp_path), "bomb.png")
    assert tree(tmp_path) == before


def test_sixteen_bit_input(tmp_path):
    deep = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    result = run("aecompress", "deep.png", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.decode() == ("aecompress: deep.png: warning: 16 bits a sample cut to 8\n")
    # No one says what is white in a TIFF file of this kind.
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    before = tree(tmp_path)
    fails(run("aecompress", "-f", "deep.tif", cwd=tmp_path), "deep.tif", "16", "range")
    assert tree(tmp_path) == before


def test_a_cut_picture_is_an_error(tmp_path):
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(out, "PNG")
    (tmp_path / "cut.png").write_bytes(out.getvalue()[:5000])
    before = tree(tmp_path)
    fails(run("aecompress", "cut.png", cwd=tmp_path), "cut.png")
    assert tree(tmp_path) == before


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission(tiny):
    before = tree(tiny)
    tiny.chmod(0o555)
    try:
        fails(
            run("aecompress", "tiny.png", "new.aec", cwd=tiny),
            "new.aec: permission denied",
        )
    finally:
        tiny.chmod(0o755)
    assert tree(tiny) == before


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(tmp_path, number, code):
    with subprocess.Popen(
        [BIN / "aecompress", "-", "out.aec"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        # More than a pipe holds: once this returns, the command is reading.
        process.stdin.write(bytes(1 << 20))
        process.stdin.flush()
        process.send_signal(number)
        process.stdin.close()  # wakes it, should the signal fall between reads
        assert process.wait(300) == code
        assert process.stderr.read() == b""
    assert not tree(tmp_path)


@pytest.mark.parametrize("args", [("-c", "tiny.png"), ("-l", "tiny.aec"), ("--help",)])
def test_closed_pipe_is_silent(tiny, args):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [BIN / "aecompress", *args], cwd=tiny, stdout=writer, stderr=subprocess.PIPE
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")


def test_terminals_get_no_data(tiny):
    pty = pytest.importorskip("pty")
    controller, terminal = pty.openpty()
    try:
        for args in ("-c", "tiny.png"), ():
            result = subprocess.run(
                [BIN / "aecompress", *args],
                cwd=tiny,
                stdin=terminal,
                stdout=terminal,
                stderr=subprocess.PIPE,
            )
            assert result.returncode == 1
            assert b"is a terminal" in result.stderr
    finally:
        os.close(controller)
        os.close(terminal)


def test_version_names_what_matters(tmp_path):
    result = run("aedecompress", "-V", cwd=tmp_path)
    assert result.returncode == 0
    lines = result.stdout.decode().splitlines()
    assert re.fullmatch(r"aedecompress \d+\.\d+\.\d+", lines[0])
    assert lines[1] == "format 2"
    assert lines[2].startswith("exact path in " + ("Python", "C")[core.AVAILABLE])
    assert lines[3].startswith("onnxruntime ")
    assert re.fullmatch(r"model \w+ [0-9a-f]{16}, opset \d+", lines[4])


def test_shims_run_from_a_checkout(tmp_path):
    shims = pathlib.Path(__file__).parent.parent / "bin"
    for name in "aecompress", "aedecompress":
        result = subprocess.run(
            [sys.executable, shims / name, "-V"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert result.stdout.startswith(name)


@pytest.mark.parametrize(
    "prog, argv, jobs",
    [
        ("aecompress", "", [("-", "-")]),
        ("aecompress", "a.png", [("a.png", "a.aec")]),
        ("aecompress", "a.png b.aec", [("a.png", "b.aec")]),
        ("aecompress", "a.png out", [("a.png", "out")]),
        ("aecompress", "a.png -q 3 -", [("a.png", "-")]),
        ("aecompress", "a.png b.JPG", [("a.png", "a.aec"), ("b.JPG", "b.aec")]),
        ("aecompress", "- a.aec", [("-", "a.aec")]),
        ("aecompress", "-fvq20 -o- a.png", [("a.png", "-")]),
        ("aecompress", "-d a.aec b.webp", [("a.aec", "b.webp")]),
        ("aecompress", "-dtl a.aec b", [("a.aec", None), ("b", None)]),
        ("aecompress", "-- -q a.b.png", [("-q", "-q.aec"), ("a.b.png", "a.b.aec")]),
        ("aedecompress", "a.aec b.aec", [("a.aec", "a.png"), ("b.aec", "b.png")]),
        ("aedecompress", "--format .JPG d/a.aec", [("d/a.aec", "d/a.JPG")]),
        ("aedecompress", "-l -d a.aec", [("a.aec", "a.png")]),
        ("aedecompress", "--output-dir o d/a.aec", [("d/a.aec", "o/a.png")]),
    ],
)
def test_which_file_becomes_which(prog, argv, jobs):
    found = options.parse(prog, argv.split())
    assert [(j.src, j.dst) for j in found.jobs] == jobs
    assert not found.rm


@pytest.mark.parametrize(
    "argv",
    [
        "-o a -c b",
        "-o a --output-dir b c",
        "--output-dir a -",
        "--output-dir a",
        "-c a b",
        "- - a",
        "--rm",
        "--rm -t a",
        "--rm -c a",
        "--rm -",
        "--qual 5 a",
        "--format png a",
        "--max-pixels 0 a",
        "-T x a",
        "-o",
    ],
)
def test_clashing_options(argv):
    with pytest.raises(options.UsageError, match="--help$"):
        options.parse("aecompress", argv.split())


def test_rm_is_withdrawn_by_keep():
    assert options.parse("aecompress", ["--rm", "a"]).rm
    assert not options.parse("aecompress", ["--rm", "-k", "a"]).rm


@pytest.mark.parametrize("force", [False, True])
def test_a_failed_output_is_removed(tmp_path, force):
    with pytest.raises(TypeError):
        files.write(str(tmp_path / "out"), "no bytes", force=force)
    assert not tree(tmp_path)


def test_the_old_file_survives_an_interrupt(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    (tmp_path / "out").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(str(tmp_path / "out"), b"new", force=True)
    assert tree(tmp_path) == {"out": b"old"}


def test_a_file_that_has_just_appeared_is_kept(tmp_path):
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(files.Refusal):
        files.write(str(tmp_path / "out"), b"new")
    assert tree(tmp_path) == {"out": b"old"}
