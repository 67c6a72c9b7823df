"""The command ``aetrain``: a folder of pictures in, a model out."""

import argparse
import contextlib
import dataclasses
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

from ..errors import CodecError
from . import ranks
from .config import GROWS, PRESETS, SHRINKS, Config, TrainingError
from .values import channels, number, sigmas, sizes

EPILOG = """\
The state folder holds checkpoint.pt, log.csv, curves.png and the decoded
pictures. A killed run goes on with --resume, which keeps every setting
that is not given anew.

On several machines: torchrun [its options] -m codec.training [options] DIR.

Ctrl-C ends the run after the step at hand, saves and exports; a second one
ends at once. Exit: 0 trained and exported, 1 error, 130 interrupted (143 by
SIGTERM), the model exported unless it came twice. See docs/training.md."""


class UsageError(Exception):
    """The command line contradicts itself; nothing was read."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(f"{message}; see {self.prog} --help")


def parser():
    """The options; settings that are not given are left out."""
    d = Config()
    p = _Parser(
        prog="aetrain",
        usage="aetrain [options] [DIR]",
        description="Train a model on the pictures below DIR.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        add_help=False,
    )
    p.add_argument(
        "dir",
        nargs="?",
        metavar="DIR",
        default=None,
        help="pictures; may be left out with --resume, and with "
        "--preset digits, which then takes scikit-learn's",
    )

    def group(title):
        g = p.add_argument_group(title)

        def add(name, kind, text, metavar=None, **more):
            key = more.get("dest", name[2:].replace("-", "_"))
            default = getattr(d, key, None)
            if default not in (None, "", 0) and not text.endswith(")"):
                text += (
                    f" ({default:g})" if isinstance(default, float) else f" ({default})"
                )
            g.add_argument(name, type=kind, help=text, metavar=metavar, **more)

        return g, add

    count, real = number(int, 1), number(float, 0)
    whole = number(int, 0)
    g, add = group("files")
    add("--valid", str, "pictures to validate on (a share of DIR)", "DIR")
    add("--name", str, "of the model (aec- and DIR's name)")
    add("--out", Path, "folder of the model (its name)", "MODEL", default=None)
    add("--state", str, "folder of the run (MODEL-state)", "DIR", default=None)
    g.add_argument(
        "-f",
        "--force",
        action="store_true",
        default=False,
        help="replace a model at MODEL",
    )
    add(
        "--save-weights",
        Path,
        "write averaged weights as safetensors too",
        "FILE",
        default=None,
    )
    g, add = group("what to do")
    g.add_argument(
        "--resume",
        action="store_true",
        default=False,
        help="go on from the checkpoint, if there is one",
    )
    add(
        "--init",
        str,
        "start from weights: of --save-weights, or a checkpoint.pt",
        "FILE",
    )
    add(
        "--grow",
        sizes(GROWS),
        "with --init: add blocks, up to so many of a8, a16 "
        "(analysis), s8, s16 (synthesis); with mix=N, N sets of weights for "
        "quality to mix",
        "a8=N,..",
        default=None,
    )
    add(
        "--shrink",
        sizes(SHRINKS),
        "with --init: fewer blocks in the synthesis (s8, s16), or hidden units "
        "in each (s_hidden8, s_hidden16)",
        "s8=N,..",
        default=None,
    )
    add(
        "--parts",
        channels,
        "with --init: cut the passes at these channels",
        "C,..",
        default=None,
    )
    g.add_argument(
        "--export",
        action="store_true",
        default=False,
        help="train nothing; export the checkpoint of --state",
    )
    add(
        "--preset",
        str,
        "size of the networks: " + ", ".join(PRESETS) + " (photo)",
        choices=PRESETS,
        default=None,
    )
    g.add_argument("-h", "--help", action="store_true", default=False, help="show this")
    g, add = group("how long")
    add("--hours", real, "of training in all, over every resume", "H")
    add("--steps", count, "in all, instead of --hours", "N")
    add(
        "--patience",
        whole,
        "stop after N validations without gain and export the best weights (never)",
        "N",
    )
    add(
        "--decay-from",
        number(float, 0, 1),
        "share of the run after which rates fall to zero",
        "X",
    )
    g, add = group("how")
    g.add_argument(
        "--finish",
        action="store_true",
        help="with --init: train what chooses table rows alone, "
        "on symbols as they are coded, without noise",
    )
    add(
        "--denoise",
        sigmas,
        "train the encoder alone, to take noise away: "
        "of sigma S in grey levels, or from S to T",
        "S[,T]",
    )
    add(
        "--base",
        str,
        "with --denoise: the model whose files it writes, "
        "whose weights --init names (photo)",
        "MODEL",
    )
    add(
        "--loss",
        str,
        "distortion: a weighted sum of mse, mae, bce, ms-ssim, ssimulacra2 (mse)",
        "NAME[:X],..",
    )
    add("--loss-high", str, "the same at the highest quality (--loss)", "NAME[:X],..")
    add(
        "--loss-turn",
        number(float, 0, 0.999),
        "quality, 0..1, from which the one goes over into the other",
        "X",
    )
    add("--workers", count, "one-thread processes (one per core)", "N", default=None)
    add("--batch", count, "crops per step, over all workers", "N")
    add("--crop", number(int, 8), "side of a crop, a multiple of 64, or less", "N")
    add("--shift", whole, "move crops by up to N pixels (0)", "N")
    add("--rate", real, "factor on every learning rate", "X")
    add("--muon-lr", real, "rate of the hidden matrices", "X")
    add("--trunk-lr", real, "of the linear trunk", "X")
    add("--adam-lr", real, "of scales, gains, small kernels", "X")
    add("--rows-lr", real, "of the matrices that choose table rows", "X")
    add("--mix-rate", real, "factor on those of what quality adds to weights", "X")
    add("--weight-decay", real, "of the hidden matrices (0)", "X")
    add(
        "--dropout",
        number(float, 0, 0.9),
        "share of the blocks' hidden units that a step leaves out (0)",
        "X",
    )
    add("--clip", real, "gradient norm, times its running mean; 0: never", "X")
    add("--warmup", count, "steps until the rates are full", "N")
    add("--ema", number(float, 0, 1), "of the averaged weights", "X")
    add(
        "--near",
        number(float, 0, 1),
        "take gradients so near the averaged weights (0)",
        "X",
    )
    add("--seed", whole, "of crops, noise and start", "N")
    add(
        "--bf16",
        str,
        "matrix products in bfloat16: auto, on, off (auto: measured)",
        choices=("auto", "on", "off"),
    )
    g, add = group("how often")
    add("--valid-minutes", real, "between validations", "M")
    add("--save-minutes", real, "between checkpoints", "M")
    add("--valid-split", number(float, 0, 0.5), "share of DIR kept for validation", "X")
    add("--table-pictures", count, "pictures the tables are fitted to", "N")
    return p


def main(argv=None):
    """Run the command; returns its exit code."""
    old = signal.signal(signal.SIGTERM, lambda n, f: sys.exit(128 + n))
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        say(
            "interrupted; --resume goes on from the last checkpoint, "
            "--export exports it"
        )
        return 130
    except ranks.Told:
        return 1
    except (UsageError, CodecError) as e:
        say(str(e))
        return 1
    except OSError as e:
        say(": ".join(filter(None, [e.filename, e.strerror or str(e)])))
        return 1
    finally:
        signal.signal(signal.SIGTERM, old)


def program():
    """The installed command: ``main``, and the end of the process."""
    code = main()
    if ranks.launched():
        ranks.leave(code)
    return code


def say(line):
    try:
        print(f"aetrain: {line}", file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens any more; the run goes on


def note(line):
    """What one process of a run says for all."""
    if not ranks.rank():
        say(line)


def _run(argv):
    p = parser()
    options = vars(p.parse_args(argv))
    if options.pop("help"):
        print(p.format_help(), end="")
        return 0
    run = argparse.Namespace(
        **{
            k: options.pop(k)
            for k in (
                "dir",
                "out",
                "state",
                "force",
                "save_weights",
                "resume",
                "export",
                "preset",
                "workers",
                "grow",
                "shrink",
                "parts",
            )
        }
    )
    _need(
        "torch",
        "onnx",
        *["safetensors"] * bool(run.save_weights or options.get("init")),
    )
    if ranks.launched():
        for given, name in ((run.export, "--export"), (run.workers, "--workers")):
            if given:
                raise UsageError(f"{name} is not for torchrun")
        run.workers = ranks.world()
    with ranks.joined(), contextlib.ExitStack() as held:

        def start():
            found = settings(run, options)
            if not run.export:
                held.enter_context(_locked(Path(found[0].state)))
            return found

        cfg, out, resume = ranks.agreed(start)
        number = 0 if run.export else _train(cfg, resume)
    if ranks.rank():
        return 128 + number if number else 0
    from . import ship  # brings torch, which only the workers needed

    if run.save_weights:
        from .state import export_averaged

        export_averaged(cfg.state, run.save_weights)
        say(f"wrote {run.save_weights}")
    _draw(cfg)
    from .functional import choose_bf16

    choose_bf16(cfg.bf16)
    print(ship.ship(cfg, out, n_pictures=cfg.table_pictures, log=say))
    return 128 + number if number else 0


def settings(run, given):
    """Config of the run, folder of the model, whether to resume.

    Parameters
    ----------
    run : argparse.Namespace
        Options that are not settings.
    given : dict
        Settings that were given.
    """
    from ..model import bundle, encoder, find  # bring numpy

    again = run.resume or run.export
    for clash, text in (
        (not again and not run.dir and run.preset != "digits", "DIR is missing"),
        (again and not run.dir and not run.state, "--state or DIR is missing"),
        (
            again and (run.preset or given.get("init")),
            "--preset and --init are for new runs",
        ),
        (run.export and run.resume, "--export clashes with --resume"),
        (
            again and any(map(given.get, ("denoise", "base", "finish"))),
            "--denoise, --base and --finish are for new runs",
        ),
        (
            given.get("denoise") and not (again or given.get("init")),
            "--denoise starts from the weights of a model; --init is missing",
        ),
        (
            (run.grow or run.shrink or run.parts)
            and (not given.get("init") or given.get("denoise")),
            "--grow, --shrink and --parts are for --init, and not for --denoise",
        ),
        (
            given.get("finish")
            and (given.get("denoise") or not (again or given.get("init"))),
            "--finish is for --init, and not for --denoise",
        ),
        (given.get("base") and not given.get("denoise"), "--base is for --denoise"),
        (
            given.get("crop", 0) > 64 and given["crop"] % 64,
            "--crop must be a multiple of 64, or less",
        ),
    ):
        if clash:
            raise UsageError(f"{text}; see aetrain --help")
    name = given.get("name") or "aec-" + (
        Path(run.dir).resolve().name if run.dir else run.preset or "model"
    )
    folder = Path(run.state or f"{run.out or name}-state")
    checkpoint = folder / "checkpoint.pt"
    resume = again and checkpoint.exists()
    if resume:
        from .state import read

        cfg = Config.from_dict(read(checkpoint)["config"])
    elif run.export:
        raise TrainingError(f"{checkpoint}: no checkpoint to export")
    elif again and not run.dir:
        raise TrainingError(
            f"{checkpoint}: no checkpoint to go on from; give DIR to start"
        )
    elif checkpoint.exists():
        raise TrainingError(
            f"{checkpoint} exists; --resume goes on from "
            "it, another --state starts anew"
        )
    else:
        if run.dir and not Path(run.dir).is_dir():
            raise TrainingError(f"{run.dir}: no such folder")
        cfg = Config(**{**PRESETS[run.preset or "photo"], "name": name})
    cfg = dataclasses.replace(cfg, **given, state=str(folder))
    from .loss import weights_of  # brings torch

    for text in filter(None, (cfg.loss, cfg.loss_high)):
        weights_of(text)
    if "hours" in given and "steps" not in given:
        cfg.steps = 0
    cfg.data = run.dir or cfg.data
    if not resume and cfg.init:
        from . import grow, shrink
        from .state import load_weights

        start = load_weights(cfg.init)
        try:
            shape = shrink.smaller(start.shape, run.shrink or {})
            cfg.shape = grow.larger(shape, run.grow or {}, run.parts or ())
        except ValueError as e:
            raise UsageError(f"--grow, --shrink, --parts: {e}") from None
        if cfg.denoise:
            from . import denoise

            denoise.belongs(start, find.load(cfg.base or None))
    if run.workers or not resume:
        cfg.workers = run.workers or _workers(cfg.batch)
    if cfg.batch % cfg.workers:
        raise UsageError(
            f"--batch {cfg.batch} is not a multiple of --workers {cfg.workers}"
        )
    out = run.out or Path(cfg.name)
    kind = encoder.MANIFEST if cfg.denoise else bundle.MANIFEST
    if (out / kind).exists():
        if not (run.force or run.resume):
            raise TrainingError(
                f"{out}: a model is there; use -f to replace it, or another --out"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out}: exists and is not a model; use another --out")
    if not cfg.data:
        from . import digits

        cfg.data = digits.unpack(folder / "scikit-learn-digits")
    return cfg, out, resume


def _workers(batch):
    cores = (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )
    return max(n for n in range(1, min(cores, batch) + 1) if not batch % n)


def _train(cfg, resume):
    from . import data, processes

    def decode():
        train, valid = data.prepare(cfg, say)
        data.Crops(Path(cfg.state) / "train", train, cfg.crop)
        data.Crops(data.validation_cache(cfg), valid, data.least(cfg))

    ranks.on_each_machine(decode)
    train, valid = data.indices(cfg)
    if not cfg.valid and len(train) + len(valid) == 2 * len(valid):
        note("warning: one picture only; it is validated on as well")
    pixels = sum(h * w for _, _, h, w in train)
    note(
        f"{len(train)} pictures, {pixels / 1e6:.1f} megapixels, "
        f"{len(valid)} to validate on; "
        + (f"{cfg.steps} steps" if cfg.steps else f"{cfg.hours:g} hours")
        + f" in {cfg.workers} processes; state in {cfg.state}"
    )
    drawn = [time.monotonic()]

    def idle():
        if time.monotonic() - drawn[0] > 60:
            _draw(cfg)
            drawn[0] = time.monotonic()

    end, number = (
        ranks.run(cfg, resume, note)
        if ranks.launched()
        else processes.run(cfg, resume, idle, say)
    )
    if end == "patience":
        note(f"no gain in {cfg.patience} validations")
    return number


def _draw(cfg):
    from . import curves

    folder = Path(cfg.state)
    curves.draw(folder / "log.csv", folder / "curves.png")


def _need(*modules):
    for name in modules:
        if importlib.util.find_spec(name) is None:
            raise TrainingError(f"{name} is not installed; install aecompress[train]")


class _locked:
    """Holds a run's folder against a second aetrain, where files lock."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file = open(self.folder / "lock", "w")
        try:
            import fcntl

            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except OSError:
            raise TrainingError(
                f"{self.folder}: another aetrain trains there"
            ) from None

    def __exit__(self, *error):
        self.file.close()
