"""Disk full, read-only, killed: the output is old, absent or whole.

And the source is as it was. The slow one kills real commands at random:
``pytest -m slow tests/test_cli_damage.py``.
"""

import multiprocessing
import os
import pathlib
import random
import resource
import signal
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from test_cli import BIN, ENV, run, tree

import codec
from codec.cli import files
from codec.cli.main import main
from codec.io import atomic as writer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
OLD, NEW = b"old" * 20000, bytes(range(256)) * 400


@pytest.fixture
def photo(tmp_path):
    y, x = np.mgrid[:96, :128]
    a = np.stack([x * 2, y * 2, (x * y) % 256], -1).astype(np.uint8)
    Image.fromarray(a).save(tmp_path / "a.png")
    return tmp_path


# Killed at every line


def killed_at(n, action):
    """Run in a child that kills itself at the n-th line that writes.

    Returns
    -------
    bool
        Whether it got so far.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def trace(frame, event, arg):
            nonlocal count
            if frame.f_code.co_filename not in (files.__file__, writer.__file__):
                return None
            if event == "line":
                count += 1
                if count == n:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        try:
            sys.settrace(trace)
            action()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("links", [True, False])
def test_killed_at_every_line_of_write(tmp_path, force, links, monkeypatch):
    def no_link(*args, **more):
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    (tmp_path / "src").write_bytes(b"source")
    out = tmp_path / "out"
    seen, n = set(), 0
    while True:
        out.unlink(missing_ok=True)
        if force:
            out.write_bytes(OLD)
        n += 1
        if not killed_at(
            n,
            lambda: files.write(str(out), NEW, src=str(tmp_path / "src"), force=force),
        ):
            break
        seen.add(out.read_bytes() if out.exists() else None)
        assert (tmp_path / "src").read_bytes() == b"source"
    assert n > 20 and out.read_bytes() == NEW
    allowed = {OLD if force else None, NEW}
    if not links and not force:  # the name is taken before it is filled
        allowed.add(b"")
    assert seen == allowed


# Nowhere to write


def small_files():
    """In a child: files end at 50 bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))


@pytest.mark.parametrize("args", [(), ("-f",)])
def test_no_room(photo, args):
    if args:
        (photo / "a.aec").write_bytes(OLD)
    before = tree(photo)
    result = run("aecompress", *args, "-q", "100", "a.png", cwd=photo, preexec_fn=small_files)
    assert result.returncode == 1
    assert result.stderr.decode().count("\n") == 1
    assert b"a.aec: " in result.stderr and b"Traceback" not in result.stderr
    assert tree(photo) == before


def test_no_room_for_a_picture(photo):
    assert run("aecompress", "a.png", cwd=photo).returncode == 0
    before = tree(photo)
    result = run("aedecompress", "--rm", "a.aec", "b.png", cwd=photo, preexec_fn=small_files)
    assert result.returncode == 1 and b"b.png: " in result.stderr
    assert tree(photo) == before


def test_full_device(photo):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    before = tree(photo)
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [BIN / "aecompress", "-c", "a.png"],
            cwd=photo,
            env=ENV,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert result.returncode == 1
    assert b"standard output: no space left" in result.stderr
    assert result.stderr.count(b"\n") == 1 and tree(photo) == before


@pytest.fixture
def disk(tmp_path):
    """Mounts a small file system; a function of mount's options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
            capture_output=True,
        )
        if done.returncode:
            pytest.skip("only root may mount")
        return folder

    yield mount
    subprocess.run(["umount", folder], capture_output=True)


def test_full_disk(photo, disk):
    folder = disk("size=8k")
    (folder / "full").write_bytes(bytes(4096))
    before = tree(photo)
    for args in (), ("-f",):
        result = run("aecompress", *args, "--rm", "-q", "100", "a.png", "disk/a.aec", cwd=photo)
        assert result.returncode == 1
        assert result.stderr.decode().count("\n") == 1
        assert b"disk/a.aec: no space left" in result.stderr
        assert tree(photo) == before


def test_read_only_disk(photo, disk):
    folder = disk("size=64k")
    Image.new("RGB", (9, 9)).save(folder / "b.png")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    before = tree(photo)
    for args in (
        ("a.png", "disk/a.aec"),
        ("disk/b.png",),
        ("-f", "--rm", "disk/b.png"),
    ):
        result = run("aecompress", *args, cwd=photo)
        assert result.returncode == 1 and b"read-only" in result.stderr
        assert result.stderr.decode().count("\n") == 1
        assert tree(photo) == before
    # Its source cannot be removed, but the output is good.
    result = run("aecompress", "--rm", "disk/b.png", "b.aec", cwd=photo)
    assert result.returncode != 0 and b"read-only" in result.stderr
    assert tree(photo) == before | {"b.aec": tree(photo).get("b.aec")}


# Killed at random moments


def whole(path):
    """Whether a file is a whole output."""
    try:
        if path.suffix == ".aec":
            return codec.decode(path.read_bytes()).shape == (96, 128, 3)
        with Image.open(path) as image:
            image.load()
            return image.size == (128, 96)
    except (codec.CodecError, OSError):
        return False


@pytest.fixture
def command():
    """Starts a command in a process that has loaded all but the model.

    What comes before, the start of Python, touches no file.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "pytest",
            "onnxruntime",
            "constriction",
            "codec.api",
            "codec.picture",
            "codec.cli.main",
            "codec.cli.verify",
        ]
    )

    def start(prog, *argv):
        process = context.Process(target=main, args=(prog, argv), daemon=True)
        process.start()
        return process

    return start


@pytest.mark.slow
def test_killed_at_random_moments(photo, command):
    """100 commands of four kinds; the source of --rm may go, but only then."""
    source = (photo / "a.png").read_bytes()
    packed = codec.encode(np.asarray(Image.open(photo / "a.png")))
    rng = random.Random(1)
    a, b, aec, png = (str(photo / n) for n in ("a.png", "b.aec", "out.aec", "out.png"))
    commands = [
        ("aecompress", a, aec),
        ("aecompress", "-f", a, aec),
        ("aecompress", "--rm", a, aec),
        ("aedecompress", "-f", b, png),
    ]
    took = [[] for _ in commands]
    outcomes = {"old or absent": 0, "whole": 0}
    n_parts = n_ended = 0
    while sum(outcomes.values()) < 100:
        kind = sum(outcomes.values()) % len(commands)
        words = commands[kind]
        for path in photo.iterdir():
            path.unlink()
        (photo / "a.png").write_bytes(source)
        (photo / "b.aec").write_bytes(packed)
        out = pathlib.Path(words[-1])
        if "-f" in words:
            out.write_bytes(OLD)
        start = time.monotonic()
        process = command(*words)
        if len(took[kind]) >= 3:
            # Half of them near the end, where the writing is.
            low = rng.choice([0, 0.7])
            process.join(statistics.median(took[kind]) * rng.uniform(low, 1.05))
            process.kill()
        process.join(100)
        if process.exitcode == 0:  # it was quicker: how long it takes
            took[kind].append(time.monotonic() - start)
            n_ended += 1
            assert n_ended < 300 and whole(out)
            assert ("--rm" in words) != (photo / "a.png").exists()
            continue
        assert process.exitcode == -signal.SIGKILL
        untouched = out.read_bytes() == OLD if "-f" in words else not out.exists()
        assert untouched or whole(out)
        outcomes["old or absent" if untouched else "whole"] += 1
        assert (photo / "b.aec").read_bytes() == packed
        if (photo / "a.png").exists():
            assert (photo / "a.png").read_bytes() == source
        else:
            assert "--rm" in words and whole(out)
        known = {"a.png", "b.aec", out.name}
        left = [p.name for p in photo.iterdir() if p.name not in known]
        assert all(n.startswith(".") and n.endswith(".part") for n in left)
        n_parts += len(left)
    print(outcomes, f"and {n_parts} .part; {n_ended} ended before the kill")
    assert all(outcomes.values())
