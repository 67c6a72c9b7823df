"""The figures of docs/command-line.md, measured again.

    python tests/bench_cli.py help              time of --help
    python tests/bench_cli.py rate [N]          one command against N commands
    python tests/bench_cli.py memory [N]        workers over N files
    python tests/bench_cli.py large             100 megapixels both ways
    python tests/bench_cli.py targets PICTURE.. tries of a search

Clocks are noisy beside other work: the commands take turns, and CPU seconds
are given beside them. Needs Linux.
"""

import os
import pty
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import codec

BIN = Path(sys.executable).parent
PHOTO = Path(__file__).parent.parent / "examples" / "budgerigar.png"


def photo():
    return np.asarray(Image.open(PHOTO).convert("RGB"))


def timed(*command, cwd):
    """Wall and CPU seconds of a command, with bytecode, as installed."""
    env = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    with subprocess.Popen(
        [BIN / command[0], *map(str, command[1:])],
        cwd=cwd,
        env=env | {"PYTHONPYCACHEPREFIX": f"{cwd}/bytecode"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:4]} failed: {process.returncode}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime


def small_files(folder, n):
    """Cuts of about 110 x 84 pixels, each of another place or size."""
    a, folder = photo(), Path(folder)
    folder.mkdir(exist_ok=True)
    for i in range(n):
        y, x = i * 53 % 400, i * 37 % 600
        cut = a[y : y + 72 + i % 24, x : x + 96 + i % 32]
        Image.fromarray(cut).save(folder / f"{i:05}.png")
    return sorted(folder.iterdir())


def help_time(folder, n=20):
    """--help, in turns with what Python and argparse alone take."""
    commands = {
        "aecompress --help": ("aecompress", "--help"),
        "python": ("python", "-c", "pass"),
        "python with argparse": (
            "python",
            "-c",
            "import re, argparse; argparse.ArgumentParser().format_help()",
        ),
    }
    runs = {what: [] for what in commands}
    for i in range(-1, n):  # the first compiles
        for what, command in commands.items():
            used = timed(*command, cwd=folder)
            runs[what] += [used] if i >= 0 else []
    for what, used in runs.items():
        print(
            f"{what}, {n} runs:",
            *(
                f"{name} {1000 * min(s):.0f} ms at least, "
                f"{1000 * statistics.median(s):.0f} in the median;"
                for name, s in zip(("wall", "CPU"), zip(*used))
            ),
        )


def rate(folder, n=1000, blocks=4, singles=10):
    """Blocks of files in one command, in turns with single commands."""
    names = small_files(f"{folder}/in", n)
    one, many = [0.0, 0.0], [0.0, 0.0]
    for block in range(blocks):
        share = names[block * n // blocks : (block + 1) * n // blocks]
        for total, runs in (
            (many, [share]),
            (one, [[name] for name in share[:singles]]),
        ):
            for files in runs:
                used = timed("aecompress", "-f", "--output-dir", "out", *files, cwd=folder)
                total[:] = [a + b for a, b in zip(total, used)]
    single, each = (
        (one[i] / (blocks * singles) for i in (0, 1)),
        (many[i] / n for i in (0, 1)),
    )
    for what, a, b in zip(("wall", "CPU"), single, each):
        print(
            f"{what}: {1000 * a:.0f} ms a file alone, {1000 * b:.1f} ms in "
            f"commands of {n // blocks}: {a / b:.1f} times the rate"
        )


def resident(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) // 1024


def memory(folder, n=10000):
    """Memory of each process every 30 s, over n files."""
    made = small_files(f"{folder}/made", min(n, 1000))
    os.makedirs(f"{folder}/in")
    for i in range(n):
        os.link(made[i % len(made)], f"{folder}/in/{i:05}.png")
    with subprocess.Popen(
        [BIN / "aecompress", "-r", "in", "--output-dir", "out"], cwd=folder
    ) as process:
        start, last = time.monotonic(), -30.0
        while process.poll() is None:
            now = time.monotonic() - start
            if now - last >= 30:
                last = now
                own = f"/proc/{process.pid}/task/{process.pid}/children"
                workers = Path(own).read_text().split()
                done = len(list(Path(folder).glob("out/*")))
                print(
                    f"{now:5.0f} s, {done:5} files, MiB:",
                    *map(resident, [process.pid, *workers]),
                    flush=True,
                )
            time.sleep(0.2)
    print(
        f"exit {process.returncode}, {time.monotonic() - start:.0f} s, "
        f"{len(list(Path(folder).glob('out/*')))} files"
    )


def on_terminal(*command, cwd):
    """Run a command that sees a terminal; print its bar, time and memory."""
    start = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execv(BIN / command[0], list(command))
    output = b""
    while True:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        output += data
    _, status, used = os.wait4(pid, 0)
    os.close(terminal)
    lines = [s for s in re.split(r"[\r\n]+", output.decode().replace("\x1b[K", "")) if s.strip()]
    print(
        f"{' '.join(command)}: exit {os.waitstatus_to_exitcode(status)}, "
        f"{time.monotonic() - start:.0f} s, {used.ru_utime:.0f} s of CPU, "
        f"peak {used.ru_maxrss // 1024} MiB, {len(lines)} lines of progress"
    )
    for line in lines[:: max(1, len(lines) // 5)]:
        print("   ", line)


def large(folder):
    """100 megapixels: refused, then coded, both ways."""
    big = np.tile(photo(), (13, 21, 1))[:6400, :15680].astype(np.int16)
    big += np.linspace(-20, 20, 6400).astype(np.int16)[:, None, None]
    Image.fromarray(np.clip(big, 0, 255).astype(np.uint8)).save(
        f"{folder}/big.png", compress_level=1
    )
    del big
    on_terminal("aecompress", "big.png", cwd=folder)
    limit = "--max-pixels=101M"
    on_terminal("aecompress", limit, "big.png", cwd=folder)
    on_terminal("aedecompress", "big.aec", "back.png", cwd=folder)
    on_terminal("aedecompress", limit, "big.aec", "back.png", cwd=folder)


def targets(folder, *names):
    """How often the two halves of the encoder run for a target."""
    encoder = codec.Encoder(threads=1)
    pipeline, runs, off = encoder._pipeline, [], []
    counts = {"analyse": 0, "encode_latent": 0}
    for name in counts:

        def run(*args, _name=name, _run=getattr(pipeline, name), **more):
            counts[_name] += 1
            return _run(*args, **more)

        setattr(pipeline, name, run)
    for name in names:
        pixels = np.asarray(Image.open(name).convert("RGB"))[:512, :512]
        n_pixels = pixels.shape[0] * pixels.shape[1]
        for wanted in [
            {"target_size": int(bpp * n_pixels / 8)} for bpp in (0.1, 0.25, 0.5, 1, 2)
        ] + [{"target_psnr": db} for db in (29, 33, 37, 40)]:
            counts.update(analyse=0, encode_latent=0)
            try:
                data = encoder.encode(pixels, **wanted)
            except codec.LimitError:
                continue
            runs.append(tuple(counts.values()))
            quality = codec.info(data).quality
            off.append(len(data) / len(encoder.encode(pixels, quality)) - 1)
    first, second = zip(*runs)
    print(
        f"{len(runs)} targets: analysis runs {statistics.mean(first):.1f} "
        f"times (at most {max(first)}), the rest "
        f"{statistics.mean(second):.1f} times (at most {max(second)})"
    )
    print(
        f"bytes against a plain encoding of the quality found: median "
        f"{statistics.median(off):+.2%}, {min(off):+.2%} to {max(off):+.2%}"
    )


def main(what, *args):
    with tempfile.TemporaryDirectory() as folder:
        {
            "help": help_time,
            "rate": rate,
            "memory": memory,
            "large": large,
            "targets": targets,
        }[what](folder, *(int(a) if a.isdigit() else a for a in args))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
