"""One rank of a run, started by torchrun: see test_training_ranks.

The crops of a step are drawn for all ranks at once, and no noise is added, so
that a run does not depend on how many share it.
"""

import json
import os
import sys

import numpy as np
import torch
import torch.distributed as dist

from codec.training import data, nets, train
from codec.training.config import Config

RANK, WORLD = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def main(settings):
    torch.set_num_threads(1)
    cfg = Config.from_dict(json.loads(settings))
    step, whole = [0], data.Crops.batch

    def batch(self, n, rng):
        rng = np.random.default_rng(step[0])
        step[0] += 1
        return whole(self, cfg.batch, rng)[RANK * n:(RANK + 1) * n]

    data.Crops.batch = batch
    nets.Codec.forward.__defaults__ = False,
    # The first step starts from the principal components, which draw crops
    # on rank 0 alone.
    start = train.start_model

    def start_model(cfg, crops):
        data.Crops.batch = whole
        try:
            return start(cfg, crops)
        finally:
            data.Crops.batch = batch

    train.start_model = start_model
    if WORLD > 1:
        dist.init_process_group("gloo")     # from torchrun's variables
    end = train.train(cfg, RANK, WORLD)
    if WORLD > 1:
        dist.destroy_process_group()
    sys.exit(end != "done")


if __name__ == "__main__":
    main(sys.argv[1])
