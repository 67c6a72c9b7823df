"""Forks, spawned processes, pools, threads and DataLoaders: the same pixels,
no hang. And the engine, which must neither call home nor write to stdout.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

import codec

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

# Two threads an engine call, as on any machine with two cores or more: one
# has no threads to lose.
START = """
import multiprocessing as mp, os, sys, threading, time
import numpy as np
import codec

QUALITIES = 20, 30, 40, 60, 70
A = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
enc, dec = codec.Encoder(threads=2), codec.Decoder(threads=2)

def encoded(q):
    return enc.encode(A, q)

def decoded(file):
    return dec.decode(file).tobytes()
"""


def run(tmp_path, code, timeout=120, **env):
    """What a script prints; a hang fails."""
    file = tmp_path / "script.py"
    file.write_text(START + textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=tmp_path,
        env={**os.environ, **env},
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


FORKED = """
files = [encoded(q) for q in QUALITIES]
right = [decoded(f) for f in files]
dec = codec.Decoder(threads=2)
for f in files[:4]:
    dec.decode(f)

def child(act):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return pid

def ended(pid, seconds=30):
    for _ in range(seconds * 50):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "hangs"

def check():
    assert [decoded(f) for f in files] == right
"""


@needs_fork
def test_a_child_works_on(tmp_path):
    """At qualities that its parent used, and at those that drop a session."""
    code = """
    acts = {
        "as its parent": lambda: decoded(files[0]),
        "fifth quality": lambda: decoded(files[4]),
        "all": check,
        "new quality": lambda: encoded(85),
        "a child of its own": lambda: exec("assert ended(child(check)) == 0"),
    }
    print({what: ended(child(act)) for what, act in acts.items()})
    """
    found = eval(run(tmp_path, textwrap.dedent(FORKED) + textwrap.dedent(code)))
    assert len(found) == 5 and set(found.values()) == {0}, found


@needs_fork
def test_a_child_ends_by_itself(tmp_path):
    """With all that Python does at its end, sessions dropped included."""
    code = """
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        sys.exit(0)
    print(ended(pid))
    """
    code = textwrap.dedent(FORKED) + textwrap.dedent(code)
    assert run(tmp_path, code) == "0\n"


@needs_fork
def test_a_fork_while_other_threads_code(tmp_path):
    code = """
    stop = threading.Event()
    def busy():
        while not stop.is_set():
            decoded(files[0])
    threads = [threading.Thread(target=busy) for _ in range(2)]
    for t in threads:
        t.start()
    found = set()
    for i in range(8):
        time.sleep(0.01 * i)
        found.add(ended(child(check)))
    stop.set()
    for t in threads:
        t.join()
    print(found)
    """
    code = textwrap.dedent(FORKED) + textwrap.dedent(code)
    assert run(tmp_path, code) == "{0}\n"


@needs_fork
def test_locks_that_others_hold_are_free_in_a_child(tmp_path):
    code = """
    from codec import runtime
    held, go = threading.Event(), threading.Event()
    def hold():
        with runtime._lock:
            held.set()
            go.wait()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    print(ended(child(lambda: (check(), codec.decode(files[0])))))
    go.set()
    """
    code = textwrap.dedent(FORKED) + textwrap.dedent(code)
    assert run(tmp_path, code) == "0\n"


def test_a_fork_waits_for_calls_of_the_engine():
    """Of other threads only: one's own cannot be in the engine just now."""
    import threading

    from codec.model import forks

    calls, order = forks._EngineCalls(), []
    inside, leave = threading.Event(), threading.Event()

    def call():
        with calls:
            inside.set()
            leave.wait(30)
            order.append("end of the call")

    def fork():
        with calls:
            calls.wait()
            order.append("fork")
            calls.go_on()

    threads = [threading.Thread(target=call), threading.Thread(target=fork)]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    threads[1].join(0.2)
    leave.set()
    for t in threads:
        t.join(30)
    assert order == ["end of the call", "fork"] and not calls._running


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pool(tmp_path, method):
    code = f"""
    if __name__ == "__main__":
        files = [encoded(q) for q in QUALITIES]
        with mp.get_context({method!r}).Pool(2) as pool:
            assert pool.map_async(encoded, QUALITIES).get(100) == files
            right = [decoded(f) for f in files]
            assert pool.map_async(decoded, files).get(100) == right
        print("same")
    """
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    assert run(tmp_path, code) == "same\n"


def test_threads(tmp_path):
    code = """
    from concurrent.futures import ThreadPoolExecutor
    files = [encoded(q) for q in QUALITIES]
    right = [decoded(f) for f in files]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(encoded, QUALITIES)) == files
        assert list(pool.map(decoded, files * 3)) == right * 3
    print("same")
    """
    assert run(tmp_path, code) == "same\n"


DATALOADER = re.search(
    r"^```py\n(.*?)^```",
    (pathlib.Path(__file__).parent.parent / "docs" / "tools.md").read_text(),
    re.M | re.S,
)[1]


@pytest.mark.parametrize(
    "method, workers",
    [("fork", 0), ("fork", 2), pytest.param("spawn", 2, marks=pytest.mark.slow)],
)
def test_dataloader_of_the_docs(tmp_path, method, workers):
    """After the parent has used four qualities itself."""
    pytest.importorskip("torch")
    assert "num_workers=2" in DATALOADER
    page = DATALOADER.replace("num_workers=2", f"num_workers={workers}")
    # A worker that is spawned imports the script: it must find all it needs.
    code = f"""
if __name__ == "__main__":
    mp.set_start_method({method!r})
    for i, q in enumerate(QUALITIES):
        with open(f"{{i}}.aec", "wb") as file:
            file.write(encoded(q))
        codec.decode(f"{{i}}.aec")
{page}
if __name__ == "__main__":
    right = [decoded(open(f"{{i}}.aec", "rb").read()) for i in range(5)]
    assert [x.numpy().tobytes() for batch in loader for x in batch] == right
    print("same")
"""
    assert run(tmp_path, code) == "same\n"


# The engine

CODES = "print(len(decoded(encoded(50))))"
SAMPLES = f"{90 * 120 * 3}\n"


def test_the_engine_writes_nothing_at_home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert run(tmp_path, CODES, HOME=str(home), XDG_CACHE_HOME="") == SAMPLES
    assert not list(home.iterdir())


def test_the_engine_is_quiet_where_home_is_read_only(tmp_path):
    assert run(tmp_path, CODES, HOME="/proc/none", XDG_CACHE_HOME="") == SAMPLES


def test_the_engine_opens_no_socket_and_makes_no_note(tmp_path):
    if not shutil.which("strace"):
        pytest.skip("no strace here")
    log = tmp_path / "log"
    (tmp_path / "s.py").write_text(START + CODES)
    done = subprocess.run(
        ["strace", "-f", "-e", "trace=network,openat,mkdir", "-o", str(log)]
        + [sys.executable, "s.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.stdout == SAMPLES
    assert not re.search(r"socket\(|resolv|Microsoft", log.read_text())


def test_telemetry_is_off_before_the_engine_starts():
    """Whatever the environment said."""
    code = "import codec, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for said in ("", "0"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={**os.environ, "ORT_DISABLE_TELEMETRY": said},
        )
        assert done.stdout == "1\n"


@pytest.mark.parametrize(
    "message, error",
    [
        ("[ONNXRuntimeError] : 6 : std::bad_alloc", codec.LimitError),
        ("BFCArena: Failed to allocate memory for 9 bytes", codec.LimitError),
        ("pthread_create failed, error code: 11", codec.LimitError),
        ("x.so: failed to map segment from shared object", codec.LimitError),
        ("[ONNXRuntimeError] : 1 : Non-zero status code", codec.ModelError),
    ],
)
def test_errors_of_the_engine(monkeypatch, message, error):
    import numpy as np

    encoder = codec.Encoder()

    def fails(*args):
        raise RuntimeError(message)

    monkeypatch.setattr("codec.model.session.Graphs._session", fails)
    with pytest.raises(error):
        encoder.encode(np.zeros((20, 20), np.uint8))


def test_an_engine_without_memory_says_so_in_our_words_alone(tmp_path):
    pytest.importorskip("resource")
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("no /proc here")
    code = """
    import resource
    decoded(encoded(50))
    big = A.repeat(30, 0).repeat(30, 1)
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + (50 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        enc.encode(big)
    except (codec.LimitError, MemoryError):
        print("told")
    """
    assert run(tmp_path, code) == "told\n"
