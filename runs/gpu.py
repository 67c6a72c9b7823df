"""Train for some minutes on a machine that has a card and little else.

    python runs/gpu.py pack PACK TRAIN VALID WEIGHTS [--set NAME=VALUE..]
    python PACK MINUTES RESULT [--set NAME=VALUE..]          on the other machine
    python runs/gpu.py unpack RESULT STATE

PACK is one file of at most 64 MB that Python runs: this package's source, the
averaged weights of WEIGHTS (a checkpoint.pt or safetensors), sixteen crops of
VALID, and as many pictures of TRAIN as fit, as JPEG of quality 90. The other
machine needs Python, torch, numpy and Pillow. There PACK trains on every card (on
a machine without one on its cores), with the settings of
`codec.training.config.Config` that were given here or are given there. RESULT
holds the checkpoint, rounded to what the start needs, and the log; with
``--split MB`` it comes in files RESULT.0, RESULT.1 and so on. The last command
makes a folder of a run of it, from which `aetrain --resume` goes on, `--export`
exports and `--init STATE/checkpoint.pt` starts.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUALITY = 90
SLACK = 2**16  # of the directory of a PACK
VALID_CROPS, VALID_SIDE = 16, 384


def pack(file, train, valid, weights, given, megabytes=64):
    """Write a PACK; returns how many pictures of how many are in it."""
    import numpy as np
    import torch
    from PIL import Image

    from codec import picture
    from codec.training import data, state

    model = state.load_weights(weights)
    buffer = io.BytesIO()
    torch.save({k: _half(v) for k, v in model.state_dict().items()}, buffer)
    settings = {"shape": vars(model.shape), "given": given}
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("weights.pt", buffer.getvalue(), zipfile.ZIP_DEFLATED)
        out.writestr("settings.json", json.dumps(settings))
        out.write(__file__, "__main__.py")
        for path in (HERE.parent / "codec").rglob("*.py"):
            name = path.relative_to(HERE.parent).as_posix()
            out.write(path, name, zipfile.ZIP_DEFLATED)
        found = data.find_pictures(valid)
        for i in np.unique(np.linspace(0, len(found) - 1, VALID_CROPS).astype(int)):
            a = picture.as_rgb(picture.read(found[i]).pixels)
            h, w = (min(n, VALID_SIDE) for n in a.shape[:2])
            y, x = (a.shape[0] - h) // 2, (a.shape[1] - w) // 2
            image = Image.fromarray(a[y : y + h, x : x + w])
            out.writestr(f"valid/{i}.png", _saved(image, "PNG", optimize=True))
        found = data.find_pictures(train)
        n = 0
        for i in np.random.default_rng(1).permutation(len(found)):
            pixels = picture.as_rgb(picture.read(found[i]).pixels)
            image = Image.fromarray(pixels)
            jpeg = _saved(image, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
            if out.fp.tell() + len(jpeg) + SLACK + 200 * n > megabytes * 10**6:
                break
            out.writestr(f"train/{i}.jpg", jpeg)
            n += 1
    return n, len(found)


def _half(t):
    return t.half() if t.is_floating_point() and t.dim() > 1 else t


def _saved(image, kind, **more):
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def train(folder, minutes, result, texts, split=0):
    """Train in the folder that a PACK was unpacked to, and write RESULT."""
    import torch

    from codec.training import data, device, processes, state
    from codec.training.config import Config, Shape
    from codec.training.settings import assigned

    packed = json.loads((folder / "settings.json").read_text())
    given = assigned(Config, [*packed["given"], *texts])
    model = state.empty_model(Shape.from_dict(packed["shape"]))
    weights = torch.load(folder / "weights.pt", weights_only=True)
    model.load_state_dict({k: v.float() for k, v in weights.items()})
    start = folder / "start.pt"
    cfg = Config(
        **{
            "data": str(folder / "train"),
            "valid": str(folder / "valid"),
            "state": str(folder / "state"),
            "shape": model.shape,
            "hours": minutes / 60,
            "export_share": 0.0,
            "init": str(start),
            "valid_minutes": max(minutes / 5, 0.5),
            "save_minutes": minutes,
            "against": "none",  # no model that ships is there
            **given,
        }
    )
    cfg.device = device.chosen(cfg.device)
    if "workers" not in given:
        cfg.workers = device.workers(cfg.device, cfg.batch)
    average = [p.detach() for p in state.trained(model, cfg).values()]
    state.write(
        {"model": model.state_dict(), "average": average, "config": cfg.to_dict()},
        start,
    )
    data.prepare(cfg)
    processes.run(cfg)
    saved = state.read(folder / "state" / "checkpoint.pt")
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as out:
        buffer = io.BytesIO()
        torch.save(_rounded(saved), buffer)
        out.writestr("checkpoint.pt", buffer.getvalue())
        out.write(folder / "state" / "log.csv", "log.csv")
    if split:
        text = result.read_bytes()
        size = split * 2**20
        for n, at in enumerate(range(0, len(text), size)):
            Path(f"{result}.{n}").write_bytes(text[at : at + size])
        result.unlink()


def _rounded(saved):
    """A checkpoint in a third of the bytes: `unpack` makes it whole again.

    Weights keep eleven bits, what optimisers remember eight; weights where
    gradients are taken lie between the other two.
    """
    from codec.training import state
    from codec.training.config import Config

    cfg = Config.from_dict(saved["config"])
    moved = state.trained(state.empty_model(cfg.shape), cfg)
    saved = {**saved, **{k: [_half(t) for t in saved[k]] for k in ("average", "fast")}}
    saved["model"] = {n: t for n, t in saved["model"].items() if n not in moved}
    saved["muon"] = {"buf": [t.bfloat16() for t in saved["muon"]["buf"]]}
    for s in saved["adam"]["state"].values():
        s |= {k: t.bfloat16() for k, t in s.items() if t.dim()}
    return saved


def unpack(result, folder):
    """Make the folder of a run of a RESULT."""
    import torch

    from codec.training import state
    from codec.training.config import Config

    result, folder = Path(result), Path(folder)
    parts = sorted(result.parent.glob(f"{result.name}.*"), key=lambda p: int(p.suffix[1:]))
    text = b"".join(p.read_bytes() for p in ([result] if result.exists() else parts))
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(text)) as z:
        z.extract("log.csv", folder)
        with z.open("checkpoint.pt") as f:
            saved = torch.load(io.BytesIO(f.read()), weights_only=True)
    cfg = Config.from_dict(saved["config"])
    saved = _float(saved)
    model = state.empty_model(cfg.shape)
    model.load_state_dict(saved["model"], strict=False)
    moved = state.trained(model, cfg).values()
    for p, a, b in zip(moved, saved["fast"], saved["average"], strict=True):
        p.data.copy_(torch.lerp(a, b, cfg.near))
    saved["model"] = model.state_dict()
    saved["config"]["state"] = str(folder)
    state.write(saved, folder / "checkpoint.pt")


def _float(value):
    import torch

    if isinstance(value, torch.Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {k: _float(v) for k, v in value.items()}
    return [_float(v) for v in value] if isinstance(value, list) else value


def run_pack(file, arguments):
    """What PACK does as a program: unpack itself, and train there."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(file) as z:
            z.extractall(folder)
        script = Path(folder) / "gpu.py"
        shutil.move(Path(folder) / "__main__.py", script)
        command = [sys.executable, script, "train", folder, *arguments]
        path = filter(None, [folder, os.environ.get("PYTHONPATH")])
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        return subprocess.run(command, env=env).returncode


def main():
    if zipfile.is_zipfile(sys.argv[0]):
        return run_pack(sys.argv[0], sys.argv[1:])
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = p.add_subparsers(required=True, dest="command")
    one = commands.add_parser("pack")
    for name in ("pack", "train", "valid", "weights"):
        one.add_argument(name, type=Path)
    one.add_argument("--megabytes", type=float, default=64)
    two = commands.add_parser("train")
    two.add_argument("folder", type=Path)
    two.add_argument("minutes", type=float)
    two.add_argument("result", type=Path)
    two.add_argument("--split", type=int, default=0, metavar="MB")
    for each in (one, two):
        each.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    three = commands.add_parser("unpack")
    for name in ("result", "state"):
        three.add_argument(name, type=Path)
    o = p.parse_args()
    if o.command == "pack":
        n, of = pack(o.pack, o.train, o.valid, o.weights, o.set, o.megabytes)
        print(f"{o.pack}: {o.pack.stat().st_size / 1e6:.1f} MB, {n} of {of} pictures")
    elif o.command == "train":
        train(o.folder, o.minutes, o.result, o.set, o.split)
    else:
        unpack(o.result, o.state)
    return 0


if __name__ == "__main__":
    sys.exit(main())
