"""Every setting of a training run, kept in each checkpoint."""

import dataclasses

from .nets import Shape


@dataclasses.dataclass
class Config:
    """Settings of a run; the defaults are the shipped model's recipe.

    Rates are per step at full strength; the schedule multiplies them all.
    """
    data: str = ""
    valid: str = ""                # folder; empty: a split of ``data``
    state: str = "state/run"       # checkpoints, logs (never committed)
    name: str = "aec-photo"
    hours: float = 1.0             # of training in all, over every resume
    decay_from: float = 0.5        # share of ``hours`` at full rate
    workers: int = 2               # one-thread processes
    batch: int = 8                 # crops per step, over all workers
    crop: int = 256
    loss: str = "mse"              # mse, mae, ms-ssim, mse+ms-ssim
    muon_lr: float = 0.01
    adam_lr: float = 2e-3
    trunk_lr: float = 3e-4
    rows_lr: float = 1e-3
    table_lr: float = 5e-3
    weight_decay: float = 0.0
    clip: float = 3.0              # times the running gradient norm
    warmup: int = 100              # steps
    ema: float = 0.999
    seed: int = 1
    valid_minutes: float = 10.0
    save_minutes: float = 5.0
    patience: int = 0              # validations without gain; 0: never
    valid_split: float = 0.05      # where no ``valid`` folder is given
    shape: Shape = dataclasses.field(default_factory=Shape)

    def to_dict(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, d):
        known = {f.name for f in dataclasses.fields(cls)}
        d = {k: v for k, v in d.items() if k in known}
        d["shape"] = Shape(**d.get("shape", {}))
        return cls(**d)
