"""The command ``aetrain``: a folder of pictures in, a model out."""

import argparse
import contextlib
import dataclasses
import importlib.util
import math
import signal
import sys
import time
from pathlib import Path

from ..errors import CodecError
from . import group, ranks
from .config import PRESETS, Command, Config, TableConfig, TrainingError
from .settings import add
from .settings import options as declared

DESCRIPTION = """\
Train a model on the pictures below DIR.

Fine-tuning the shipped model, in a checkout, needs the fewest pictures and the least
time:
  aetrain DIR --init look --hours 1
Use --preset digits for digits and small drawings. Where there are few pictures, use
--patience, --weight-decay or --dropout against overfitting. See docs/training.md."""
EPILOG = """\
The state folder holds checkpoint.pt, log.csv, curves.png and the decoded
pictures. --resume goes on with a run that was killed and keeps every setting
that is not given anew.

torchrun [its options] -m codec.training [options] DIR trains on several machines.

Ctrl-C ends the run after the step at hand, saves and exports; a second one
ends it at once.
Exit code: 0 trained and exported, 1 error, 130 interrupted (143 by SIGTERM)."""


class UsageError(Exception):
    """The command line contradicts itself; nothing was read."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(f"{message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The options of `Command` and `Config`; what is not given is left out."""
    p = _Parser(
        prog="aetrain",
        usage="aetrain [options] [DIR]",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
        allow_abbrev=False,
        add_help=False,
    )
    p.add_argument(
        "dir",
        nargs="?",
        metavar="DIR",
        help="pictures to train on; may be left out with --resume, and with "
        "--preset digits, which then takes scikit-learn's",
    )
    add(p, Command, Config, TableConfig)
    p.add_argument("-h", "--help", action="store_true", help="show this and train nothing")
    return p


def main(argv=None):
    """Run the command; returns its exit code."""
    old = signal.signal(signal.SIGTERM, lambda n, f: sys.exit(128 + n))
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        say("interrupted; --resume goes on from the last checkpoint, --export exports it")
        return 130
    except group.RankZeroFailed:
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
    run = _command(options)
    return (_train_table if run.preset == "table" else _train_pictures)(run, options)


def _train_pictures(run, options):
    _need(
        "torch",
        "onnx",
        *["safetensors"] * bool(run.save_weights or options.get("init")),
    )
    if options.get("loss") == "help":
        from .loss import described

        print(described())
        return 0
    if ranks.launched():
        for given, name in (
            (run.export, "--export"),
            ("workers" in options, "--workers"),
        ):
            if given:
                raise UsageError(f"{name} is not for torchrun")
        options["workers"] = ranks.world()
    with ranks.joined(), contextlib.ExitStack() as held:

        def start():
            found = settings(run, options)
            if not run.export:
                held.enter_context(_locked(Path(found[0].state)))
            return found

        cfg, out, resume = group.agreed(start)
        number = 0 if run.export else _train(cfg, resume)
    if ranks.rank():
        return 128 + number if number else 0
    from . import export_run  # brings torch, which only the workers needed

    if run.save_weights:
        from .state import export_averaged

        export_averaged(cfg.state, run.save_weights)
        say(f"wrote {run.save_weights}")
    _draw(cfg)
    seconds = math.inf if run.export or number or cfg.steps else _left(cfg)
    print(export_run.export_run(cfg, out, n_pictures=cfg.table_pictures, log=say, seconds=seconds))
    return 128 + number if number else 0


def _command(options):
    """What to do, taken out of the options."""
    names = {f.name for f in dataclasses.fields(Command)}
    return Command(**{k: options.pop(k) for k in names & options.keys()})


def _train_table(run, given):
    for name in "resume", "export", "sizes", "save_weights":
        if getattr(run, name):
            raise UsageError(f"--{name.replace('_', '-')} is not for tables; see aetrain --help")
    if not run.dir:
        raise UsageError("TABLE is missing; see aetrain --help")
    _need("torch")
    from . import table  # brings torch

    table.command(run, given, say)
    return 0


def settings(run: Command, given: dict) -> tuple[Config, Path, bool]:
    """Config of the run, folder of the model, whether to resume.

    Parameters
    ----------
    run : Command
    given : dict
        Settings that were given.
    """
    from ..model import bundle, encoder  # bring numpy

    _check(run, given)
    name = given.get("name") or "aec-" + (
        Path(run.dir).resolve().name if run.dir else run.preset or "model"
    )
    folder = Path(given.get("state") or f"{run.out or name}-state")
    resume = (run.resume or run.export) and (folder / "checkpoint.pt").exists()
    cfg = _start(run, folder, name, resume)
    cfg = dataclasses.replace(cfg, **{**_fine_tuning(given), **given, "state": str(folder)})
    if "hours" in given and "steps" not in given:
        cfg.steps = 0
    cfg.data = run.dir or cfg.data
    from .loss import weights_of  # brings torch

    for text in filter(None, (cfg.loss, cfg.loss_high)):
        weights_of(text)
    if not resume:
        _initialise(cfg, run.sizes or {})
    from . import device

    # Neither is of the run: it may go on where others are.
    cfg.device = device.chosen(given.get("device", "auto"))
    if "workers" not in given and not (resume and cfg.device == "cpu"):
        cfg.workers = device.workers(cfg.device, cfg.batch)
    if cfg.batch % cfg.workers:
        raise UsageError(f"--batch {cfg.batch} is not a multiple of --workers {cfg.workers}")
    out = run.out or Path(cfg.name)
    kind = encoder.MANIFEST if cfg.denoise else bundle.MANIFEST
    if (out / kind).exists():
        if not (run.force or run.resume):
            raise TrainingError(f"{out}: a model is there; use -f to replace it, or another --out")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out}: exists and is not a model; use another --out")
    if not cfg.data:
        from . import digits

        cfg.data = digits.unpack(folder / "scikit-learn-digits")
    return cfg, out, resume


def _fine_tuning(given: dict) -> dict:
    """What ``--init`` of a model that ships brings along: its loss, and a lower rate."""
    from ..model import find

    name = given.get("init")
    if name not in find.shipped() or Path(name).is_file():
        return {}
    training = find.load(name).manifest["training"]
    losses = {k: training[k] for k in ("loss", "loss_high", "loss_turn") if k in training}
    return {"rate": 0.2, **({} if "loss" in given else losses)}


def _check(run: Command, given: dict) -> None:
    """Refuse options that contradict each other, before anything is read."""
    again = run.resume or run.export
    init = given.get("init")
    of_tables = sorted({f.name for f in declared(TableConfig)} & given.keys())
    for clash, text in (
        (of_tables, f"--{' --'.join(of_tables)}: for --preset table"),
        (not again and not run.dir and run.preset != "digits", "DIR is missing"),
        (again and not run.dir and not given.get("state"), "--state or DIR is missing"),
        (
            again and (run.preset or run.sizes or init),
            "--preset, --sizes and --init are for new runs",
        ),
        (run.export and run.resume, "--export clashes with --resume"),
        (
            again and any(map(given.get, ("denoise", "base", "finish", "only"))),
            "--denoise, --base, --finish and --only are for new runs",
        ),
        (
            given.get("denoise") and not (again or init),
            "--denoise starts from the weights of a model; --init is missing",
        ),
        (given.get("denoise") and run.sizes, "--sizes is not for --denoise"),
        (
            given.get("finish") and (given.get("denoise") or not (again or init)),
            "--finish is for --init, and not for --denoise",
        ),
        (
            given.get("only")
            and (given.get("denoise") or given.get("finish") or not (again or init)),
            "--only is for --init, and not for --denoise or --finish",
        ),
        (given.get("base") and not given.get("denoise"), "--base is for --denoise"),
        (
            given.get("crop", 0) > 64 and given["crop"] % 64,
            "--crop must be a multiple of 64, or less",
        ),
    ):
        if clash:
            raise UsageError(f"{text}; see aetrain --help")


def _start(run: Command, folder: Path, name: str, resume: bool) -> Config:
    """The settings that a run has before any are given."""
    checkpoint = folder / "checkpoint.pt"
    if resume:
        from .state import read

        return Config.from_dict(read(checkpoint)["config"])
    if run.export:
        raise TrainingError(f"{checkpoint}: no checkpoint to export")
    if run.resume and not run.dir:
        raise TrainingError(f"{checkpoint}: no checkpoint to go on from; give DIR to start")
    if checkpoint.exists():
        raise TrainingError(
            f"{checkpoint} exists; --resume goes on from it, another --state starts anew"
        )
    if run.dir and not Path(run.dir).is_dir():
        raise TrainingError(f"{run.dir}: no such folder")
    return Config(**{**PRESETS[run.preset or "photo"], "name": name})


def _initialise(cfg: Config, sizes: dict) -> None:
    """Sizes of the networks of a new run, and whether its weights fit them."""
    if not cfg.init:
        cfg.shape = dataclasses.replace(cfg.shape, **sizes)
        return
    from ..model import find
    from . import reshape
    from .state import load_weights

    start = load_weights(cfg.init)
    cfg.shape = reshape.changed(start.shape, sizes)
    if cfg.denoise:
        from . import denoise

        denoise.belongs(start, find.load(cfg.base or None))


def _train(cfg, resume):
    from . import against, data, processes

    against.model_of(cfg)  # there is none: said before anything is trained

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
        + f" in {cfg.workers} processes ({cfg.device}); state in {cfg.state}"
    )
    drawn = [time.monotonic()]

    def idle():
        if time.monotonic() - drawn[0] > 60:
            _draw(cfg)
            drawn[0] = time.monotonic()

    end, number = (
        ranks.run(cfg, resume, note) if ranks.launched() else processes.run(cfg, resume, idle, say)
    )
    if end == "patience":
        note(f"no gain in {cfg.patience} validations")
    if far := against.at_the_end(Path(cfg.state) / "log.csv", cfg):
        note(f"at the end, {far}")
    return number


def _left(cfg):
    """Seconds of ``cfg.hours`` that are left for the export."""
    from .state import read

    checkpoint = Path(cfg.state) / "checkpoint.pt"
    since = time.time() - checkpoint.stat().st_mtime  # it validated then
    return 3600 * cfg.hours - read(checkpoint)["seconds"] - since


def _draw(cfg):
    from . import curves

    folder = Path(cfg.state)
    curves.draw(folder / "log.csv", folder / "curves.png")


def _need(*modules):
    for name in modules:
        if importlib.util.find_spec(name) is None:
            raise TrainingError(f"{name} is not installed; in a checkout: pip install '.[train]'")


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
            raise TrainingError(f"{self.folder}: another aetrain trains there") from None

    def __exit__(self, *error):
        self.file.close()
