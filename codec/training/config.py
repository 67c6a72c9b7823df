"""Every setting of a training run, kept in each checkpoint.

`Shape` and `Config` are what a checkpoint holds, `Command` is what the command
does beside it. Their fields are the command's options (``settings``): an option
is added here and used where it acts.
"""

import dataclasses
import functools
from pathlib import Path

from ..errors import CodecError
from .settings import number, setting, sigmas, sizes, some_of

PRESET_NAMES = "photo", "digits", "tiny", "table"
SCALES = "auto", "column", "table"
BF16 = "auto", "on", "off"
DEVICES = "auto", "cpu", "cuda", "mps"
# What a run may train alone: members of ``nets.Codec``.
PARTS = "analysis", "synthesis", "hyper", "rows", "means", "log_gain", "z_loc", "z_scale"
RETIRED = {"leak8": 0.0}  # sizes that were, and what they always were

_count, _whole, _real, _share = (
    number(int, 1),
    number(int, 0),
    number(float, 0),
    number(float, 0, 1),
)


class TrainingError(CodecError):
    """Training cannot start or go on; the message says what helps."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes of the networks; kept in every checkpoint."""

    c8: int = 128  # channels of the streams at 1/8
    m: int = 384  # latent channels at 1/16
    k: int = 96  # channels of the first group
    a8: int = 3  # analysis blocks at 1/8
    a16: int = 3  # analysis blocks at 1/16
    s8: int = 3  # synthesis blocks at 1/8
    s16: int = 1  # synthesis blocks at 1/16
    hidden8: int = 256  # hidden units of an analysis block at 1/8
    hidden16: int = 384  # of one at 1/16
    s_hidden8: int = 256  # those of the synthesis
    s_hidden16: int = 384
    nz: int = 96  # hyper-latent channels at 1/64
    hyper: int = 192  # hidden units of the hyper networks
    feat: int = 128  # float hyper features at 1/16
    ctx0: int = 128  # hidden units of the mean network, group 0
    ctx1: int = 192  # the same, group 1
    lambda_min: float = 0.0004
    lambda_max: float = 0.8
    leak16: float = 0.125  # slope of the activation at 1/16 below zero
    lap: int = 2  # pixels by which 8x8 windows reach further: 0, 2
    output16: bool = True  # quality modulates the output of 1/16 blocks
    mix: int = 0  # sets of weights that quality mixes; 0: none
    parts: tuple = ()  # channels at which a pass is cut, besides k

    def __post_init__(self):
        object.__setattr__(self, "parts", tuple(self.parts))
        if self.lap not in (0, 2):
            raise TrainingError(f"windows reach 0 or 2 pixels further, not {self.lap}")
        if self.parts and (self.parts[-1] >= self.m or self.k in self.parts):
            raise TrainingError(
                f"{self.m} channels, of which {self.k} in the first group, cannot be cut there"
            )

    @classmethod
    def from_dict(cls, d: dict) -> "Shape":
        """Sizes of weights, also of those whose two sides had one width."""
        d = {f"s_{n}": d[n] for n in ("hidden8", "hidden16") if n in d} | d
        for name, value in RETIRED.items():
            if d.pop(name, value) != value:
                raise TrainingError(f"{name} is {value} in this version")
        return cls(**d)


_files = functools.partial(setting, group="files")
_length = functools.partial(setting, group="how long")
_crops = functools.partial(setting, group="pictures and augmentation")
_goal = functools.partial(setting, group="what is learned (the loss)")
_step = functools.partial(setting, group="optimiser and regularisation")
_machine = functools.partial(setting, group="machine")
_often = functools.partial(setting, group="validation and tables")


@dataclasses.dataclass
class Config:
    """Settings of a run; the defaults are the shipped model's recipe.

    Rates are per step at full strength; the schedule multiplies them all.
    """

    data: str = ""
    valid: str = _files("", "folder of pictures to validate on", "DIR", shown="a share of DIR")
    valid_split: float = _files(
        0.05,
        "share of DIR that is kept for validation where there is no --valid",
        "X",
        number(float, 0, 0.5),
    )
    name: str = _files("aec-photo", "name of the model", "NAME", shown="aec- and DIR's name")
    state: str = _files(
        "state/run",
        "folder of the run: checkpoint, log, curves, decoded pictures",
        "DIR",
        shown="MODEL-state",
    )
    init: str = _files(
        "",
        "fine-tuning: start from a model whose weights a checkout has (look, psnr), with its "
        "loss and --rate 0.2; or from a file of --save-weights or a checkpoint.pt",
        "MODEL/FILE",
        shown="the principal components of the pictures",
    )
    hours: float = _length(
        1.0, "length of the run, the export included, over every --resume", "H", _real
    )
    export_share: float = _length(
        0.3,
        "share of --hours that the last validation and the export take at most; where "
        "it is short, tables are fitted to fewer pictures",
        "X",
        _share,
    )
    steps: int = _length(0, "steps of the optimiser in all, instead of --hours", "N", _count)
    patience: int = _length(
        0,
        "early stopping: end after N validations without gain and keep the best "
        "weights; against overfitting, with few pictures",
        "N",
        _whole,
        shown="never",
    )
    decay_from: float = _length(
        0.5, "share of the run after which the learning rates fall to zero", "X", _share
    )
    batch: int = _crops(8, "batch size: crops per step, over all processes", "N", _count)
    crop: int = _crops(
        256, "side of a crop in pixels, a multiple of 64, or less", "N", number(int, 8)
    )
    flips: bool = _crops(True, "augmentation: mirror crops at random; not for digits and text")
    shift: int = _crops(
        0,
        "augmentation: move crops by up to N pixels; for small pictures that are "
        "used whole, such as digits",
        "N",
        _whole,
        shown="not at all",
    )
    loss: str = _goal(
        "mse",
        "minimise this distortion beside the rate, a weighted sum of terms as in "
        "mse:0.3,ssimulacra2:0.7: mse is the squared error (L2, for PSNR), mae the "
        "absolute error (L1), bce the cross-entropy (digits, drawings); ms-ssim and "
        "ssimulacra2 are for the eye and want some mse beside them; --loss help lists "
        "all terms",
        "NAME[:X],..",
    )
    loss_high: str = _goal("", "the same at the highest quality", "NAME[:X],..", shown="as --loss")
    loss_turn: float = _goal(
        0.5,
        "quality of 0 to 1 from which --loss goes over into --loss-high",
        "X",
        number(float, 0, 0.999),
    )
    clamped: bool = _goal(
        False, "clamp samples to 0..255 before the loss, as they are shown; for black on white"
    )
    finish: bool = _goal(
        False,
        "with --init: train the scale indices alone, on rounded symbols instead of "
        "noise; takes minutes at the end of a run and makes files smaller",
    )
    only: tuple = _goal(
        (),
        "with --init: train these parts alone, as in synthesis, and leave the others as "
        f"they are; parts are {', '.join(PARTS)}",
        "PART,..",
        some_of(PARTS),
        shown="all of them",
    )
    denoise: tuple = _goal(
        (),
        "with --init: train the encoder alone, to remove noise of standard deviation "
        "S in grey levels, or of S to T (docs/denoising.md)",
        "S[,T]",
        sigmas,
    )
    base: str = _goal("", "with --denoise: the model whose files it writes", "MODEL", shown="look")
    rate: float = _step(
        1.0, "factor on every learning rate; 0.1 to 0.3 for fine-tuning", "X", _real
    )
    muon_lr: float = _step(0.004, "learning rate of hidden matrices (Muon)", "X", _real)
    trunk_lr: float = _step(3e-4, "learning rate of the linear trunk (AdamW)", "X", _real)
    adam_lr: float = _step(
        1.5e-3, "learning rate of scales, gains, small kernels (AdamW)", "X", _real
    )
    rows_lr: float = _step(
        1e-3,
        "learning rate of the matrices that choose scale indices (AdamW)",
        "X",
        _real,
    )
    table_lr: float = _step(
        5e-3, "learning rate of their biases and of z's prior (AdamW)", "X", _real
    )
    gain_rate: float = _step(1.0, "factor on the learning rate of quantisation steps", "X", _real)
    mix_rate: float = _step(
        1.0, "factor on the learning rates of what quality adds to weights", "X", _real
    )
    weight_decay: float = _step(
        0.0,
        "weight decay (L2, decoupled) of hidden matrices; against overfitting, with few pictures",
        "X",
        _real,
        shown="none",
    )
    dropout: float = _step(
        0.0,
        "share of the blocks' hidden units that a step leaves out; against "
        "overfitting, with few pictures",
        "X",
        number(float, 0, 0.9),
        shown="none",
    )
    clip: float = _step(
        3.0,
        "clip gradients at X times the running mean of their norm; 0: never",
        "X",
        _real,
    )
    warmup: int = _step(100, "steps over which the learning rates rise", "N", _count)
    ema: float = _step(
        0.999, "decay of the moving average of weights; that average is exported", "X", _share
    )
    near: float = _step(
        0.0,
        "take gradients this near to the averaged weights (schedule-free); 0.9 with "
        "--ema 0.998 and --decay-from 1 can end at any time",
        "X",
        _share,
        shown="at the moving weights",
    )
    seed: int = _step(1, "seed of crops, noise and new weights", "N", _whole)
    device: str = _machine(
        "auto",
        "train on this; auto: an NVIDIA card (cuda), else Apple's (mps), else the cores",
        choices=DEVICES,
    )
    workers: int = _machine(
        2, "number of processes", "N", _count, shown="one per card, or per processor core"
    )
    bf16: str = _machine(
        "auto",
        "multiply matrices in bfloat16 (mixed precision); auto: where that is faster, "
        "measured once at the start of the run",
        choices=BF16,
    )
    valid_minutes: float = _often(10.0, "minutes between validations", "M", _real)
    save_minutes: float = _often(5.0, "minutes between checkpoints", "M", _real)
    valid_pictures: int = _often(
        64,
        "number of pictures of a validation, at most, spread over those there are",
        "N",
        _count,
    )
    against: str = _often(
        "",
        "shipped model that validations are compared with, by the bytes at equal PSNR and "
        "score; none: no comparison",
        "MODEL",
        shown="psnr, or look with a --loss for the eye",
    )
    table_pictures: int = _often(
        60, "number of pictures that the frequency tables are fitted to", "N", _count
    )
    shape: Shape = dataclasses.field(default_factory=Shape)

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, d: dict) -> "Config":
        """Settings of a checkpoint, older or newer than this version."""
        known = {f.name for f in dataclasses.fields(cls)}
        d = {k: v for k, v in d.items() if k in known}
        d["shape"] = Shape.from_dict(d.get("shape", {}))
        return cls(**d)


_table = functools.partial(setting, group="tables (--preset table)")


@dataclasses.dataclass(frozen=True)
class TableConfig:
    """How a network of rows is trained; rates are per step.

    Those without an option of their own are settings of any run: `Config`.
    """

    latents: int = _table(8, "whole numbers that the encoder makes of a row", "N", _count)
    hidden: int = _table(128, "hidden units of each layer", "N", number(int, 1, 4096))
    levels: int = _table(255, "values that a latent can have", "N", number(int, 3, 255))
    mask: float = _table(
        0.2,
        "share of the cells that a step hides, from nothing to twice it, so that the "
        "network fills in what is missing",
        "X",
        number(float, 0, 0.5),
    )
    noise: float = _table(
        0.05,
        "augmentation: noise on numbers, in standard deviations of their column",
        "X",
        _real,
    )
    l1: float = _table(0.0, "factor of the weights' absolute values (L1)", "X", _real)
    categorical: tuple = _table(
        (),
        "columns whose numbers are classes; texts always are",
        "NAME,..",
        lambda text: tuple(text.split(",")),
    )
    scale: str = _table(
        "auto",
        "what numbers are divided by: their column's standard deviation (column) or one "
        "for all columns (table); auto: table where half of the columns reach from the "
        "table's least number to its largest, as pixels and ratings do",
        choices=SCALES,
    )
    loss: str = "mse"
    dropout: float = 0.0
    weight_decay: float = 0.01
    adam_lr: float = 3e-3
    batch: int = 128
    steps: int = 1000
    patience: int = 10
    valid_split: float = 0.1
    ema: float = 0.98
    seed: int = 1

    def __post_init__(self):
        if self.loss not in ("mse", "mae"):
            raise TrainingError(f"the loss of a table's numbers is mse or mae, not {self.loss!r}")
        if self.scale not in SCALES:
            raise TrainingError(f"scale is {', '.join(SCALES)}, not {self.scale!r}")


_task = functools.partial(setting, group="what to do")


@dataclasses.dataclass(frozen=True)
class Command:
    """What ``aetrain`` does with a run; not kept in checkpoints."""

    dir: str | None = None
    resume: bool = _task(
        False,
        "go on from the checkpoint of --state, or start where there is none; settings "
        "that are not given stay",
    )
    export: bool = _task(False, "train nothing; export the checkpoint of --state")
    preset: str | None = _task(
        None,
        "kind of model: photo (as shipped), digits (small grey pictures), tiny "
        "(for trials of a minute), table (rows of a CSV, Parquet, Arrow or NumPy file in the "
        "place of DIR; docs/table-tools.md)",
        choices=PRESET_NAMES,
        shown="photo",
    )
    sizes: dict | None = _task(
        None,
        "change sizes of the networks, as in s_hidden8=160,s8=2; with --init they start "
        "from the weights (docs/training.md)",
        "NAME=N,..",
        sizes(Shape),
    )
    out: Path | None = _files(None, "folder for the model", "MODEL", Path, shown="its name")
    force: bool = _files(False, "replace a model at MODEL", short="-f")
    save_weights: Path | None = _files(
        None, "write the averaged weights as safetensors too", "FILE", Path
    )


PRESETS = {
    "photo": {"shape": Shape(mix=4, parts=(11, 25, 42, 62, 130, 170, 215, 280))},
    # Grey pictures of 28x28: two by two cells, one z each.
    "digits": {
        "crop": 28,
        "batch": 128,
        "flips": False,
        "shift": 2,
        "loss": "bce",
        "against": "digits",
        "clamped": True,
        "steps": 3000,
        "ema": 0.998,
        "weight_decay": 0.01,
        "bf16": "off",  # conversions cost more than such products
        "valid_minutes": 0.5,
        "patience": 6,
        "valid_pictures": 1000,
        "table_pictures": 4000,
        "shape": Shape(
            c8=32,
            m=64,
            k=24,
            a8=2,
            a16=2,
            s8=2,
            s16=2,
            hidden8=96,
            hidden16=128,
            s_hidden8=96,
            s_hidden16=128,
            nz=12,
            hyper=48,
            feat=32,
            ctx0=48,
            ctx1=48,
            lambda_min=0.00003,
            lambda_max=0.03,
            lap=0,
            output16=False,
        ),
    },
    # Small enough to see a whole run in a minute; for trials and tests.
    "tiny": {
        "crop": 64,
        "warmup": 20,
        "shape": Shape(
            c8=32,
            m=96,
            k=24,
            a8=1,
            a16=1,
            s8=1,
            s16=1,
            hidden8=64,
            hidden16=96,
            s_hidden8=64,
            s_hidden16=96,
            nz=24,
            hyper=48,
            feat=32,
            ctx0=32,
            ctx1=48,
        ),
    },
}
