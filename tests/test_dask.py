"""A real scheduler and two worker processes, one of them killed."""

import argparse
import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

distributed = pytest.importorskip("distributed")

from test_stacks import drawn

import codec
from codec import picture
from codec.cli.main import main
from codec.errors import InputError
from codec.options import EncodeOptions
from codec.plugins import dask

N = 24


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture
def folder(tmp_path):
    """Pictures in a tree, one of them damaged."""
    for i, pixels in enumerate(drawn(N, 64, 96, (3,))):
        place = tmp_path / "in" / f"{i % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{i:02}.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG no more")
    return tmp_path


def names(folder):
    return sorted(map(str, (folder / "in").rglob("*.png")))


def look(path):
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def outputs(folder):
    return {p: look(p) for p in (folder / "out").rglob("*") if p.is_file()}


def test_a_worker_is_killed(client, cluster, folder):
    """Nothing lost, nothing written twice; then the run is resumed."""
    jobs = [
        (src, dask._target(src, ".aec", str(folder / "out"), str(folder / "in")))
        for src in names(folder)
    ]
    results, at_kill = {}, None
    for index, result in dask.run(client, jobs, dask.Task(EncodeOptions(quality=70))):
        assert index not in results
        results[index] = result
        if len(results) == 5:
            at_kill = outputs(folder)
            os.kill(cluster.workers[0].process.pid, signal.SIGKILL)
    assert len(results) == N + 1
    failed = [r for r in results.values() if r.state == dask.FAILED]
    assert [os.path.basename(r.src) for r in failed] == ["broken.png"]
    assert "picture" in failed[0].error
    after = outputs(folder)
    assert len(after) == N and len(at_kill) >= 4
    assert all(after[path] == seen for path, seen in at_kill.items())
    for path in after:  # the tree is repeated, and every file is whole
        source = folder / "in" / path.relative_to(folder / "out").with_suffix(".png")
        data = path.read_bytes()
        assert codec.info(data).quality == 70
        assert data == codec.Encoder(threads=1).encode(picture.read(source), 70)

    # Resumed: what is there stays as it is, what is missing is made.
    victim = next(iter(after))
    victim.unlink()
    summary = dask.compress(
        client, names(folder), str(folder / "out"), top=str(folder / "in"), quality=70
    )
    assert (summary.done, summary.there) == (1, N - 1)
    assert list(summary.failed) == [str(folder / "in" / "broken.png")]
    again = outputs(folder)
    assert set(again) == set(after)
    assert all(again[p] == after[p] for p in after if p != victim)

    # And back to pictures.
    summary = dask.decompress(client, map(str, after), str(folder / "back"))
    assert summary.done == N and summary.pixels == N * 64 * 96
    assert summary.n_out > summary.n_in > 0
    assert Image.open(folder / "back" / "00.png").size == (96, 64)


def test_a_picture_that_kills_its_workers(client, cluster, folder):
    def poison(dask_worker):
        from codec.plugins import dask

        whole = dask.one

        def one(job, task):
            if job[0].endswith("03.png"):
                os._exit(1)
            return whole(job, task)

        dask.one = one

    client.run(poison)
    before = cluster.scheduler.allowed_failures
    cluster.scheduler.allowed_failures = 0
    try:
        summary = dask.compress(client, names(folder), str(folder / "out"), top=str(folder / "in"))
    finally:
        cluster.scheduler.allowed_failures = before
        client.restart(timeout=120)
    failed = {os.path.basename(name): why for name, why in summary.failed.items()}
    assert {"03.png", "broken.png"} <= set(failed)
    # Without a second chance, who waited at the killed worker fails too.
    assert all("KilledWorker" in why for name, why in failed.items() if name != "broken.png")
    # Outputs whose word was lost with the worker count as there.
    assert summary.done + summary.there + len(failed) == N + 1
    assert N - 1 >= len(outputs(folder)) >= summary.done + summary.there


def test_workers_load_the_model_once(client, folder):
    dask.compress(client, names(folder), str(folder / "out"), top=str(folder / "in"))

    def loads():
        from codec import runtime

        return [len(made) for made in runtime._models.values()]

    assert list(client.run(loads).values()) == [[1], [1]]
    events = client.get_events(dask.COMPRESS)
    assert sum(e["pixels"] for _, e in events if e["src"].startswith(str(folder))) == N * 64 * 96


def test_urls(client, folder):
    """Workers are other processes: file:// is what both can see."""
    out = f"file://{folder}/out"
    summary = dask.compress(
        client, [f"file://{n}" for n in names(folder)], out, top=f"file://{folder}/in"
    )
    assert summary.done == N and len(outputs(folder)) == N


def test_command(client, cluster, folder):
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from codec.cli.main import main;"
            "sys.exit(main('aecompress', sys.argv[1:]))",
            "-v",
            "-r",
            "in",
            "--output-dir",
            "out",
            "--scheduler",
            cluster.scheduler_address,
            "-q",
            "30",
            "--effort",
            "2",
            "--tune",
            "ms-ssim",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    lines = run.stderr.splitlines()
    assert run.returncode == 1 and len(outputs(folder)) == N
    assert [line for line in lines if "broken.png: " in line][0].startswith(
        "aecompress: in/broken.png: not a picture"
    )
    assert f"{N} of {N + 1} files" in lines[-2]
    seen = outputs(folder)
    path = next(iter(seen))
    assert path.read_bytes() == codec.Encoder(threads=1, effort=2, tune="ms-ssim").encode(
        picture.read(folder / "in" / path.relative_to(folder / "out").with_suffix(".png")),
        30,
    )
    assert (
        main(
            "aecompress",
            [
                "-r",
                str(folder / "in"),
                "--output-dir",
                str(folder / "out"),
                "--scheduler",
                cluster.scheduler_address,
            ],
        )
        == 1
    )
    assert outputs(folder) == seen
    assert (
        main(
            "aedecompress",
            [
                "-r",
                str(folder / "out"),
                "--output-dir",
                str(folder / "back"),
                "--format",
                "webp",
                "--scheduler",
                cluster.scheduler_address,
            ],
        )
        == 0
    )
    assert len(list((folder / "back").rglob("*.webp"))) == N


@pytest.mark.parametrize(
    "more",
    [
        ["-t", "a.aec"],
        ["-l", "a.aec"],
        ["--rm", "a.png"],
        ["-p", "a.png"],
        ["-c", "a.png"],
        [],
        ["-"],
    ],
)
def test_command_clashes(more, capsys):
    assert main("aecompress", ["--scheduler", "tcp://127.0.0.1:1", *more]) == 1
    assert "--scheduler does not go with" in capsys.readouterr().err


def test_no_scheduler(monkeypatch, capsys, tmp_path):
    def connect(address, **more):
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", connect)
    with pytest.raises(InputError, match="no scheduler at tcp://x:1"):
        dask.connect("tcp://x:1")
    (tmp_path / "a.png").write_bytes(b"")
    assert main("aecompress", ["--scheduler", "tcp://x:1", str(tmp_path / "a.png")]) == 1
    assert "no scheduler at tcp://x:1" in capsys.readouterr().err


# One task, without a cluster --------------------------------------------


def task(folder, replace=False, **fields):
    src = str(folder / "in" / "0" / "00.png")
    return dask.one(
        (src, str(folder / "out" / "a.aec")),
        dask.Task(EncodeOptions(**fields), replace=replace),
    )


def test_outputs_are_never_replaced(folder, monkeypatch):
    first = task(folder)
    assert first.state == dask.DONE and first.pixels == 64 * 96
    seen = outputs(folder)
    assert task(folder).state == dask.THERE and outputs(folder) == seen
    # Even if another task lands between the look and the landing.
    monkeypatch.setattr(dask, "_exists", lambda dst: False)
    assert task(folder, quality=20).state == dask.THERE
    assert outputs(folder) == seen
    assert task(folder, quality=20, replace=True).state == dask.DONE
    assert outputs(folder) != seen and len(outputs(folder)) == 1


def test_landing_is_whole_or_nothing(folder, monkeypatch):
    """Killed at any moment of many runs, a task leaves a sound file or none."""
    src = folder / "in" / "0" / "00.png"
    (folder / "out").mkdir()
    code = f"""
from codec.io import atomic
print(flush=True)
while True:
    try:
        atomic.write({str(folder / "out" / "x.aec")!r}, bytes(5000000), exclusive=True)
    except FileExistsError:
        import os; os.unlink({str(folder / "out" / "x.aec")!r})
"""
    for delay in (0.003, 0.011, 0.017, 0.023, 0.041):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            threading.Timer(delay, process.kill).start()
        left = outputs(folder)
        assert all(p.name == "x.aec" and size == 5000000 for p, (_, _, size) in left.items()), left
    assert src.exists()


def test_modes_are_copied(folder):
    os.chmod(folder / "in" / "0" / "00.png", 0o640)
    task(folder)
    assert (folder / "out" / "a.aec").stat().st_mode & 0o777 == 0o640


def test_targets_and_strip(folder):
    result = task(folder, target_bpp=1, metadata=False)
    assert result.n_out <= 64 * 96 / 8
    # A size is in bytes whatever its type is.
    assert 590 <= task(folder, target_size=600.0, replace=True).n_out <= 600
    assert task(folder, target_psnr=30.0, replace=True).state == dask.DONE


def test_what_is_left_out_is_told(folder):
    """Of the right picture, whatever other threads do; and of the run."""
    from codec.cli import jobs, scheduled

    for i in range(6):
        im = Image.new("RGB", (40, 30), (40 * i, 90, 9))
        im.save(folder / f"{i}.jpg", **({"comment": b"a comment"} if i % 2 else {}))
    pairs = [(str(folder / f"{i}.jpg"), str(folder / f"{i}.aec")) for i in range(6)]
    before = warnings.showwarning
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda pair: dask.one(pair, dask.Task(EncodeOptions())), pairs))
    assert [r.state for r in results] == ["done"] * 6
    for i, r in enumerate(results):
        assert [w.split(" (")[0] for w in r.warnings] == ["left out: comment"] * (i % 2)
    summary = dask.Summary()
    for r in results:
        summary.add(r)
    assert sorted(summary.warned) == [pairs[i][0] for i in (1, 3, 5)]
    options = argparse.Namespace(verbose=0)
    assert scheduled._notes(results[1], jobs.Job(*pairs[1]), options).warned
    assert not scheduled._notes(results[0], jobs.Job(*pairs[0]), options).warned
    kept = dask.one(pairs[1], dask.Task(EncodeOptions(metadata="all"), replace=True))
    assert not kept.warnings and kept.notes[0].startswith("kept beside")
    warnings.showwarning = before
