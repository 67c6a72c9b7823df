"""Every setting of a training run, kept in each checkpoint."""

import dataclasses

from ..errors import CodecError

BLOCKS = ("a8", "a16", "s8", "s16")  # the numbers of blocks in Shape
GROWS = (*BLOCKS, "mix")  # what ``--grow`` takes
SHRINKS = ("s8", "s16", "s_hidden8", "s_hidden16")  # what ``--shrink`` takes


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
    hidden8: int = 256  # hidden units of a block at 1/8
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
    leak8: float = 0.0  # slope of the activation below zero
    leak16: float = 0.125
    lap: int = 2  # pixels by which 8x8 windows reach further: 0, 2
    output16: bool = True  # quality modulates the output of 1/16 blocks
    mix: int = 0  # sets of weights that quality mixes; 0: none
    parts: tuple = ()  # channels at which a pass is cut, besides k

    def __post_init__(self):
        object.__setattr__(self, "parts", tuple(self.parts))
        if self.lap not in (0, 2):
            raise TrainingError(f"windows reach 0 or 2 pixels further, not {self.lap}")

    @classmethod
    def from_dict(cls, d):
        """Sizes of weights, also of those whose two sides had one width."""
        return cls(**{f"s_{n}": d[n] for n in ("hidden8", "hidden16") if n in d} | d)


@dataclasses.dataclass
class Config:
    """Settings of a run; the defaults are the shipped model's recipe.

    Rates are per step at full strength; the schedule multiplies them all.
    """

    data: str = ""
    valid: str = ""  # folder; empty: a split of ``data``
    state: str = "state/run"  # checkpoints, logs (never committed)
    name: str = "aec-photo"
    init: str = ""  # weights to start from; empty: PCA
    hours: float = 1.0  # of training in all, over every resume
    steps: int = 0  # in all; 0: ``hours`` counts
    decay_from: float = 0.5  # share of the run at full rate
    workers: int = 2  # one-thread processes
    batch: int = 8  # crops per step, over all workers
    crop: int = 256
    flips: bool = True  # mirror crops at random
    shift: int = 0  # move crops by up to so many pixels
    loss: str = "mse"  # NAME[:WEIGHT],.. of loss.TERMS
    loss_high: str = ""  # the same at the highest quality
    loss_turn: float = 0.5  # where the one begins to become the other
    clamped: bool = False  # samples beyond 0..255 count as shown
    finish: bool = False  # rows alone, from symbols as coded
    denoise: tuple = ()  # sigma, or its range: docs/denoising.md
    base: str = ""  # model that keeps its decoder then
    rate: float = 1.0  # factor on all of the following
    muon_lr: float = 0.004
    adam_lr: float = 1.5e-3
    trunk_lr: float = 3e-4
    rows_lr: float = 1e-3
    table_lr: float = 5e-3
    mix_rate: float = 1.0  # factor, for what quality adds to weights
    weight_decay: float = 0.0  # of the hidden matrices
    dropout: float = 0.0  # share of the blocks' hidden units
    clip: float = 3.0  # times the running norm; 0: never
    warmup: int = 100  # steps
    ema: float = 0.999  # of the averaged weights
    near: float = 0.0  # 0..1: gradients are taken so near them
    seed: int = 1
    bf16: str = "auto"  # auto, on, off
    valid_minutes: float = 10.0
    save_minutes: float = 5.0
    patience: int = 0  # validations without gain; 0: never
    valid_split: float = 0.05  # where no ``valid`` folder is given
    valid_pictures: int = 64  # at most, spread over those there are
    table_pictures: int = 60  # that the tables are fitted to
    shape: Shape = dataclasses.field(default_factory=Shape)

    def to_dict(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, d):
        """Settings of a checkpoint, older or newer than this version."""
        known = {f.name for f in dataclasses.fields(cls)}
        d = {k: v for k, v in d.items() if k in known}
        d["shape"] = Shape.from_dict(d.get("shape", {}))
        return cls(**d)


PRESETS = {
    "photo": {"shape": Shape(mix=4, parts=(11, 25, 42, 62, 130, 170, 215, 280))},
    # Grey pictures of 28x28: two by two cells, one z each.
    "digits": {
        "crop": 28,
        "batch": 128,
        "flips": False,
        "shift": 2,
        "loss": "bce",
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
