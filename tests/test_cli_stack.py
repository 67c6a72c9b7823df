"""Stacks on the command line: ``--stack``, ``--index``, and the rest."""

import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import ICC
from PIL import Image
from test_cli import fails, run, tree
from test_stacks import alike, drawn, near

import codec
from codec.cli import stack
from codec.cli.main import main

N = 12
DIGITS = drawn(N, 28, 30)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with pictures, and with digits.aec made of them."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "in").mkdir()
    for i, pixels in enumerate(DIGITS):
        Image.fromarray(pixels).save(folder / "in" / f"{i:02}.png")
    result = run(
        "aecompress",
        "--stack",
        "-r",
        "in",
        "-q80",
        "-o",
        "digits.aec",
        "-v",
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    assert f"digits.aec: {N} pictures to " in result.stderr.decode()
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def call(capfdbinary, monkeypatch):
    """Commands in this process: much quicker than installed ones."""

    def call(prog, *arguments, cwd):
        monkeypatch.chdir(cwd)
        capfdbinary.readouterr()
        code = main(prog, list(map(str, arguments)))
        out, err = capfdbinary.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return call


def pictures(folder, pattern):
    return np.stack([np.asarray(Image.open(p)) for p in sorted(folder.glob(pattern))])


def test_stack_is_that_of_the_api(made):
    data = (made / "digits.aec").read_bytes()
    assert alike(
        codec.decode_batch(data),
        codec.decode_batch(codec.encode_batch(DIGITS, quality=80)),
    )
    assert codec.info(data).quality == 80


def test_all_pictures(folder, call):
    """Numbers of equal length, beside the stack, in a folder, or by OUT."""
    want = codec.decode_batch(folder / "digits.aec")
    names = [f"{i:02}" for i in range(N)]
    for arguments, pattern in (
        ([], "digits-*.png"),
        (["--output-dir", "out"], "out/digits-*.png"),
        (["-o", "x/y.png"], "x/y-*.png"),
        (["z.webp"], "z-*.webp"),
        (["--format", "bmp"], "digits-*.bmp"),
    ):
        (folder / "x").mkdir(exist_ok=True)
        result = call("aedecompress", "digits.aec", *arguments, cwd=folder)
        assert (result.returncode, result.stderr) == (0, b""), result.stderr
        assert [p.stem[-2:] for p in sorted(folder.glob(pattern))] == names
        if "webp" not in pattern:
            assert near(pictures(folder, pattern), want)


def test_one_picture(folder, call):
    want = codec.decode_batch(folder / "digits.aec", 7)
    for arguments, name in (
        ([], "digits-07.png"),
        (["a.png"], "a.png"),
        (["-o", "b.tif"], "b.tif"),
    ):
        assert (
            call("aedecompress", "--index", 7, "digits.aec", *arguments, cwd=folder).returncode == 0
        )
        assert near(np.asarray(Image.open(folder / name)), want)
    assert not (folder / "digits-06.png").exists()
    result = run(
        "aedecompress",
        "--index=7",
        "-",
        cwd=folder,
        input=(folder / "digits.aec").read_bytes(),
    )
    assert near(np.asarray(Image.open(io.BytesIO(result.stdout))), want)


def test_one_picture_is_read_alone(made, monkeypatch, tmp_path, call):
    """Damage in another block does not matter, nor is it seen."""
    monkeypatch.setattr(codec.stacks, "BLOCK_CELLS", 16)
    data = bytearray(codec.encode_batch(DIGITS))
    data[-30] ^= 4
    (tmp_path / "bad.aec").write_bytes(data)
    assert call("aedecompress", "--index", 0, "bad.aec", cwd=tmp_path).returncode == 0
    before = tree(tmp_path)
    for arguments in (["--index", 11], [], ["-t"], ["-l"]):
        fails(
            call("aedecompress", "-f", *arguments, "bad.aec", cwd=tmp_path),
            "bad.aec",
            "damaged",
        )
    assert tree(tmp_path) == before


def test_list_and_test(folder, call):
    size = (folder / "digits.aec").stat().st_size
    Image.fromarray(DIGITS[0]).save(folder / "one.png")
    assert call("aecompress", "one.png", cwd=folder).returncode == 0
    result = call("aedecompress", "-l", "--json", "digits.aec", "one.aec", cwd=folder)
    first, second = json.loads(result.stdout)
    assert (first["pictures"], second["pictures"]) == (N, 1)
    assert first["bpp"] == round(8 * size / (N * 28 * 30), 4)
    assert first["sections"] == ["STAK"]
    lines = (
        call("aedecompress", "-l", "digits.aec", "one.aec", cwd=folder).stdout.decode().splitlines()
    )
    assert lines[0].split()[:3] == ["bytes", "pictures", "pixels"]
    assert lines[1].split()[:3] == [str(size), "12", "30x28"]
    assert lines[3].split()[1:3] == ["13", str((N + 1) * 28 * 30)]
    before = tree(folder)
    result = call("aedecompress", "-tv", "digits.aec", cwd=folder)
    assert result.returncode == 0 and tree(folder) == before
    assert b"12 of 12 pictures, 30x28, sound" in result.stderr


def test_nothing_is_replaced(folder, call):
    (folder / "digits-11.png").write_bytes(b"mine")
    before = tree(folder)
    fails(call("aedecompress", "digits.aec", cwd=folder), "digits-11.png: exists; use -f")
    fails(
        call("aecompress", "--stack", "in/00.png", "-o", "digits.aec", cwd=folder),
        "digits.aec: exists; use -f",
    )
    fails(
        call(
            "aecompress",
            "-f",
            "--stack",
            "in/00.png",
            "in/01.png",
            "-o",
            "in/01.png",
            cwd=folder,
        ),
        "in/01.png: is both input and output",
    )
    assert tree(folder) == before
    assert run("aedecompress", "-f", "digits.aec", cwd=folder).returncode == 0
    assert Image.open(folder / "digits-11.png").size == (30, 28)


def test_remove(folder, call):
    result = call("aedecompress", "--rm", "-p", "digits.aec", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert not (folder / "digits.aec").exists()
    assert len(list(folder.glob("digits-*.png"))) == N


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--index", "12", "digits.aec"], "has pictures 0 to 11, no 12"),
        (["-c", "digits.aec"], "--index says"),
        (["digits.aec", "-o", "/dev/null"], "--index says"),
        (["digits.aec", "-o", "in"], "is a directory"),
        (["--max-pixels", "10000", "digits.aec"], "--max-pixels"),
        (["-t", "--max-pixels", "10000", "digits.aec"], "--max-pixels"),
        (["digits.aec", "x.nope"], "x.nope"),
    ],
)
def test_refused(arguments, words, folder, call):
    before = tree(folder)
    fails(call("aedecompress", *arguments, cwd=folder), words)
    assert tree(folder) == before


def test_members_must_be_alike(folder, call):
    """The error names the file; nothing is written."""
    Image.fromarray(drawn(1, 28, 31)[0]).save(folder / "in" / "05.png")
    Image.new("LA", (30, 28), (9, 9)).save(folder / "alpha.png")
    (folder / "no.png").write_bytes(b"\x89PNG")
    before = tree(folder)
    for arguments, words in (
        (["-r", "in"], "in/05.png: picture 5 differs"),
        (["alpha.png"], "alpha.png: picture 0 has alpha"),
        (["in/00.png", "no.png"], "no.png: not a picture"),
        (["in/00.png", "digits.aec"], "digits.aec: is an .aec file"),
        (
            ["--max-pixels", "2000", "in/00.png", "in/01.png", "in/02.png"],
            "--max-pixels",
        ),
    ):
        fails(
            call("aecompress", "--stack", *arguments, "-o", "out.aec", cwd=folder),
            words,
        )
    assert tree(folder) == before


def test_metadata(tmp_path, call):
    """The profile that all share is kept; what is left out is said."""
    tags = Image.Exif()
    tags[271] = "Maker"
    for i, pixels in enumerate(drawn(2, 20, 30, (3,))):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png", icc_profile=ICC, exif=tags)
    result = call("aecompress", "--stack", "0.png", "1.png", "-o", "a.aec", cwd=tmp_path)
    assert result.returncode == 2
    assert b"Exif and XMP of 2 pictures left out" in result.stderr
    result = call(
        "aecompress",
        "-f",
        "--strip",
        "--stack",
        "0.png",
        "1.png",
        "-o",
        "a.aec",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert call("aedecompress", "a.aec", cwd=tmp_path).returncode == 0
    assert Image.open(tmp_path / "a-1.png").info["icc_profile"] == ICC


def test_one_picture_has_number_0(tmp_path, call):
    Image.fromarray(DIGITS[0]).save(tmp_path / "a.png")
    assert call("aecompress", "a.png", cwd=tmp_path).returncode == 0
    fails(call("aedecompress", "--index", 1, "a.aec", "b.png", cwd=tmp_path), "has no 1")
    assert call("aedecompress", "--index", 0, "a.aec", "b.png", cwd=tmp_path).returncode == 0
    assert Image.open(tmp_path / "b.png").size == (30, 28)


@pytest.mark.parametrize(
    "prog, line",
    [
        ("aecompress", "--stack a.png"),
        ("aedecompress", "--stack a.aec -o b"),
        ("aecompress", "--stack a.png -o b --rm"),
        ("aecompress", "--stack a.png -o b -p"),
        ("aecompress", "--stack a.png -o b --scheduler tcp://127.0.0.1:1"),
        ("aecompress", "--index 3 a.png"),
        ("aedecompress", "--index -1 a.aec"),
        ("aedecompress", "--index x a.aec"),
        ("aedecompress", "-t --index 1 a"),
        ("aedecompress", "--index 1 --rm a.aec"),
    ],
)
def test_clashes(prog, line, capsys):
    assert main(prog, line.split()) == 1
    error = capsys.readouterr().err
    assert "--stack" in error or "--index" in error


@pytest.mark.parametrize(
    "dst, number, count, want",
    [
        ("a.png", 0, 1, "a-0.png"),
        ("o/a.png", 7, 1000, "o/a-007.png"),
        ("o.d/a", 10, 11, "o.d/a-10"),
        ("s3://b/a.png", 3, 11, "s3://b/a-03.png"),
    ],
)
def test_names(dst, number, count, want):
    assert stack.name(dst, number, count) == want


def test_urls(folder):
    fsspec = pytest.importorskip("fsspec")
    fs = fsspec.filesystem("memory")
    try:
        assert (
            main(
                "aecompress",
                ["--stack", "-r", str(folder / "in"), "-o", "memory://stack/d.aec"],
            )
            == 0
        )
        assert main("aedecompress", ["memory://stack/d.aec"]) == 0
        assert len(fs.glob("/stack/d-*.png")) == N
        assert (
            main(
                "aedecompress",
                ["--index", "3", "memory://stack/d.aec", "memory://stack/one.png"],
            )
            == 0
        )
        assert fs.exists("/stack/one.png")
    finally:
        fs.store.clear()
