"""Many files, the bar, damaged workers, and the check before ``--rm``."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import ICC, XMP, exif
from PIL import Image
from test_cli import BIN, ENV, run, tree

import codec
from codec.cli import bar, notes, options, pool, verify, work
from codec.cli.jobs import Job
from codec.cli.options import parse
from codec.cli.report import Refusal
from codec.types import Picture

ROOT = Path(__file__).parent.parent
PHOTO = np.asarray(Image.open(ROOT / "examples" / "budgerigar.png").convert("RGB"))


@pytest.fixture
def folder(tmp_path):
    """Eight small photographs."""
    for n in range(8):
        Image.fromarray(PHOTO[9 * n : 9 * n + 40, :60]).save(tmp_path / f"{n}.png")
    return tmp_path


def compress(folder, *args, **more):
    return run("aecompress", *args, *[f"{n}.png" for n in range(8)], cwd=folder, **more)


def test_workers_change_no_byte(folder):
    for n in 1, 2, 3:
        result = compress(folder, "-T", n, "--output-dir", str(n))
        assert (result.returncode, result.stderr) == (0, b"")
    assert tree(folder / "1") == tree(folder / "2") == tree(folder / "3")
    assert len(tree(folder / "1")) == 8


def test_the_shims_of_a_checkout_start_workers(folder):
    result = subprocess.run(
        [
            sys.executable,
            ROOT / "bin" / "aecompress",
            "-T2",
            *[f"{n}.png" for n in range(8)],
        ],
        cwd=folder,
        capture_output=True,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert len(list(folder.glob("*.aec"))) == 8


def test_how_many_workers(tmp_path, monkeypatch):
    def size(*argv):
        return pool.size(parse("aecompress", list(argv)))

    names = [f"{n}.png" for n in range(20)]
    monkeypatch.setattr(pool, "_memory", lambda: 64 << 30)
    assert size("-T8", *names) == 8
    assert size("-T1", *names) == 1
    assert size("-T32", *names) == 10  # two files each, at least
    assert size("-T8", *names[:3]) == 1
    assert size("-T8", "-l", *names) == 1
    assert size("-T8", "-", *names) == 1  # it has no standard input
    monkeypatch.setattr(pool, "_memory", lambda: 3 << 30)
    assert size("-T8", *names) == 3
    monkeypatch.setattr(pool, "_memory", lambda: 1 << 29)
    assert size("-T8", *names) == 1


def test_a_stream_among_many_files(folder):
    data = (folder / "0.png").read_bytes()
    result = run(
        "aecompress",
        "-t",
        "1.png",
        "2.png",
        "3.png",
        "4.png",
        "-",
        cwd=folder,
        input=data,
    )
    assert b"5 of 5 files failed" in result.stderr  # no .aec files, but read
    assert b"standard input: not an .aec file" in result.stderr


def children(pid):
    """Process ids of the workers."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [
        int(child)
        for child in text.split()
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
    ]


class Dies(work.Coder):
    """Is killed at the third file, as by a system short of memory."""

    def run(self, job, progress=None):
        progress(0.5, 9)
        if job.src == "2.png":
            os.kill(os.getpid(), signal.SIGKILL)
        return notes.Notes()


def test_a_killed_worker_loses_one_file():
    options = parse("aecompress", [f"{n}.png" for n in range(8)])
    done = dict(pool.run(options, 2, lambda *_: None, Dies))
    assert sorted(done) == list(range(8))
    assert [n for n in done if done[n].failed] == [2]
    ((kind, name, text),) = done[2].lines
    assert (kind, name) == ("error", "2.png")
    assert "ended with signal 9" in text and "-T 1" in text


@pytest.fixture
def at_work(folder):
    """A command whose workers wait, since their inputs are pipes."""
    for n in range(8):
        (folder / f"{n}.png").unlink()
        os.mkfifo(folder / f"{n}.png")
    with subprocess.Popen(
        [
            BIN / "aecompress",
            "-T2",
            "--output-dir",
            "out",
            *[f"{n}.png" for n in range(8)],
        ],
        cwd=folder,
        env=ENV,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 400
        while len(children(process.pid)) < 2:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        yield process
        process.kill()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for workers in /proc")
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_workers(at_work, folder, number, code):
    workers = children(at_work.pid)
    at_work.send_signal(number)
    assert at_work.wait(400) == code
    said = at_work.stderr.read().decode()
    assert said == ("aecompress: interrupted: 0 of 8 files done; --skip-existing goes on\n")
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert not (folder / "out").exists()


# The bar


def test_bar_on_a_terminal(folder):
    """Nothing where nobody looks; on a terminal it goes before the lines."""
    pty = pytest.importorskip("pty")
    controller, terminal = pty.openpty()
    Image.fromarray(np.tile(PHOTO, (3, 2, 1))).save(folder / "big.png")
    hasty = (
        "import sys; from codec.cli import bar, main; bar._WAIT_S = 0; "
        "bar._EVERY_S = 0; sys.exit(main.aecompress())"
    )
    try:
        result = subprocess.run(
            [sys.executable, "-c", hasty, "-v", "big.png"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=300,
        )
        assert result.returncode == 0
        text = os.read(controller, 1 << 20).decode()
        hidden = subprocess.run(
            [sys.executable, "-c", hasty, "--no-progress", "1.png"],
            cwd=folder,
            stderr=terminal,
            timeout=300,
        )
        os.write(terminal, b".")
        assert hidden.returncode == 0
        assert os.read(controller, 1 << 20) == b"."
    finally:
        os.close(controller)
        os.close(terminal)
    shares = [int(n) for n in re.findall(r"\r\[[#-]+\] +(\d+)%", text)]
    assert shares and shares == sorted(shares) and shares[-1] <= 100
    assert re.search(r"\d:\d\d left\x1b\[K", text)
    # The bar is gone before the line of the file.
    assert re.search(r"\r\x1b\[Kaecompress: big.png: \S+ to", text)


def test_bar_text():
    b = bar.Bar([100, 300], True)
    b.drawn = time.monotonic() + 99  # nothing is drawn here
    b.update(0, 0.5, 4_000_000)
    assert b.text(10).endswith("12%  0/2 files  0.2 MP/s  1:10 left")
    b.finish(0, 5_000_000)
    assert b.text(10).endswith("25%  1/2 files  0.5 MP/s  0:30 left")
    assert bar.Bar([1], True).text(3).endswith("0%  ")
    assert bar.clock(3725) == "1:02:05"


# What --rm compares


def coder(**more):
    return work.Coder(
        SimpleNamespace(
            encode=codec.EncodeOptions(),
            decode=codec.DecodeOptions(max_pixels=10**8),
            threads=1,
            max_pixels=10**8,
            **more,
        )
    )


@pytest.mark.parametrize("quality", [1, 50])
@pytest.mark.parametrize("kind", ["photo", "noise", "flat", "grey", "alpha"])
def test_sound_files_may_replace_their_pictures(kind, quality, tmp_path):
    a = {
        "photo": PHOTO[:99, :120],
        "noise": np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8),
        "flat": np.full((40, 40, 3), 77, np.uint8),
        "grey": PHOTO[:50, :50, 0],
        "alpha": np.dstack([PHOTO[:50, :50], PHOTO[:50, :50, 1]]),
    }[kind]
    picture = codec.picture.load(a)
    data = codec.encode(picture, quality=quality)
    job = Job("a.png", str(tmp_path / "a.aec"))
    Path(job.dst).write_bytes(data)
    verify.compressed(coder(), job, data, picture)
    for name, kind in ("b.png", "PNG"), ("b.jpg", "JPEG"):
        if kind == "JPEG" and picture.alpha is not None:
            continue
        found = codec.Decoder().decode_picture(data)
        back = Job("a.aec", str(tmp_path / name))
        codec.picture.save(found, back.dst)
        verify.decompressed(back, Path(back.dst).read_bytes(), found, kind, coder().options)


def test_what_may_not_replace_a_picture(tmp_path):
    picture = Picture(PHOTO[150:350, 300:500], PHOTO[:200, :200, 0], xmp=b"x")
    hole = picture.pixels.copy()
    hole[64:128, 64:128] = 0
    job = Job("a.png", str(tmp_path / "a.aec"))

    def check(wrong, written=None):
        data = codec.encode(wrong)
        Path(job.dst).write_bytes(data if written is None else written(data))
        verify.compressed(coder(), job, data, picture)

    check(picture)
    for wrong in (
        Picture(picture.pixels * 0, picture.alpha, xmp=b"x"),
        Picture(PHOTO[:200, 90:290], picture.alpha, xmp=b"x"),
        Picture(hole, picture.alpha, xmp=b"x"),
        Picture(picture.pixels, picture.alpha ^ 1, xmp=b"x"),
        Picture(picture.pixels, None, xmp=b"x"),
        Picture(picture.pixels, picture.alpha),
        Picture(picture.pixels[:, :-1], picture.alpha[:, :-1], xmp=b"x"),
    ):
        with pytest.raises(Refusal, match="input kept"):
            check(wrong)
    with pytest.raises(Refusal, match="differs from what was written"):
        check(picture, lambda data: data[:-1])
    with pytest.raises(OSError):
        verify.compressed(coder(), Job("a", str(tmp_path / "no")), b"", picture)


def test_the_written_picture_is_compared(tmp_path):
    picture, job = Picture(PHOTO[:64, :64]), Job("a.aec", str(tmp_path / "a"))
    for wrong, kind in (
        (PHOTO[:64, :64] ^ 1, "PNG"),
        (PHOTO[:64, :63], "PNG"),
        (PHOTO[:64, :64] * 0, "JPEG"),
    ):
        codec.picture.save(Picture(wrong), job.dst, kind)
        with pytest.raises(Refusal, match="is not the picture"):
            verify.decompressed(job, Path(job.dst).read_bytes(), picture, kind, coder().options)


# Metadata


def test_metadata_survives_both_ways_unless_stripped(tmp_path):
    codec.picture.save(
        codec.Picture(PHOTO[:40, :50], PHOTO[:40, :50, 0], ICC, exif(t274=6), XMP),
        tmp_path / "a.png",
    )
    for flag, back, kept in ((), "b.png", True), (("--strip",), "c.png", False):
        assert run("aecompress", "-f", *flag, "a.png", cwd=tmp_path).returncode == 0
        assert run("aedecompress", "a.aec", back, cwd=tmp_path).returncode == 0
        found = codec.picture.open_picture(tmp_path / back)
        assert found.icc == ICC  # colours are never stripped
        assert np.array_equal(found.alpha, PHOTO[:40, :50, 0])
        assert (found.exif, found.xmp) == ((exif(t274=1), XMP) if kept else (None, None))
    assert run("aecompress", "-f", "a.png", cwd=tmp_path).returncode == 0
    assert run("aedecompress", "--strip", "a.aec", "d.png", cwd=tmp_path).returncode == 0
    assert codec.picture.open_picture(tmp_path / "d.png").exif is None


# Made from the parser


@pytest.fixture
def pages(monkeypatch):
    """What makes man pages and completions."""
    pytest.importorskip("shtab")
    pytest.importorskip("argparse_manpage")
    monkeypatch.setenv("COLUMNS", "80")
    options.columns.cache_clear()
    from codec.cli.share import __main__ as share

    yield share
    options.columns.cache_clear()


def test_pages_and_completions_are_those_of_the_parser(pages):
    old = [
        name
        for prog in pages._PARSERS
        for name, text in pages.make(prog)
        if (ROOT / "codec/cli/share" / name).read_text("utf-8") != text
    ]
    assert not old, "run python -m codec.cli.share"


def test_examples_of_the_pages_parse(pages):
    for text in pages._EXAMPLES.values():
        for line in text.splitlines():
            call = re.split(r"  +|[<>]", line)[0].split()
            assert call[0] in pages._PARSERS and len(line) < 80
            pages._PARSERS[call[0]]().parse_intermixed_args(call[1:])


def test_help_shows_own_options_only():
    """Both take all options: ``-d`` makes one the other."""
    shown = {
        prog: set(re.findall(r"--[\w-]+", options.parser(prog).format_help()))
        for prog in ("aecompress", "aedecompress")
    }
    own = {"--quality", "--effort", "--stack", "--compare", "--decompress"}
    assert own <= shown["aecompress"] and not own & shown["aedecompress"]
    own = {"--index", "--format", "--features"}
    assert own <= shown["aedecompress"] and not own & shown["aecompress"]
    assert options.parse("aecompress", ["-d", "--index", "1", "a.aec"]).index == 1


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes(tmp_path):
    script = """
eval "$(aecompress --completion bash)"
COMP_WORDS=(aecompress --targ) COMP_CWORD=1 COMP_LINE="aecompress --targ"
$(complete -p aecompress | sed 's/.*-F \\([^ ]*\\).*/\\1/')
echo "${COMPREPLY[@]}"
"""
    result = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=ENV, capture_output=True, text=True
    )
    assert result.stdout.split() == [
        "--target-size",
        "--target-psnr",
        "--target-score",
    ], result
