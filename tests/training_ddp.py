"""One rank that trains twice, by DDP and by us: see test_training_ranks."""

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from training_runs import TINY

from codec.training import ranks, state
from codec.training.config import Config
from codec.training.train import update


def codec():
    torch.manual_seed(1)
    model = state.empty_model(TINY)
    for p in model.parameters():  # each of them gets a gradient
        torch.nn.init.normal_(p, std=0.05)
    return model


def main():
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    x = (
        torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(rank)) - 0.5
    )  # another share on each rank
    lam = torch.tensor([0.01, 0.1])

    def loss(model):
        bpp, mse, _, _ = model(x, lam)
        return (bpp + lam * mse).mean()

    theirs = DistributedDataParallel(codec())
    loss(theirs).backward()
    ours = state.State(codec(), Config(shape=TINY, clip=0.0), rank, world, dist.broadcast)
    loss(ours.model).backward()
    alone = ours.gradient.clone()
    assert update(ours, 0.0, world)
    ddp = torch.cat([p.grad.flatten() for p in theirs.parameters()])
    assert ddp.norm() > 0 and not torch.allclose(alone, ddp, rtol=1e-2)
    torch.testing.assert_close(ours.gradient, ddp, rtol=1e-5, atol=1e-9)
    print("same")
    dist.barrier()
    # DDP holds the group, whose threads may outlive the interpreter and then
    # abort (pytorch pull request 179291): leave as the workers of a run do.
    ranks.leave(0)


if __name__ == "__main__":
    main()
