"""Muon for hidden matrices, AdamW for the rest, shared between processes.

Muon: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/ (the
quintic Newton-Schulz iteration and its three coefficients are from there).
"""

import torch

from . import functional as fn

WIDE = 3  # sides of a matrix whose products are dearer than those of its square


def orthogonalise(g, steps=5):
    """Nearest semi-orthogonal matrix, roughly, with bfloat16 products.

    Of one matrix, or of each of several: (.., rows, columns).
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.to(fn.BF16)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT.contiguous()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    plus = torch.addmm if x.dim() == 2 else torch.baddbmm
    if x.shape[-1] >= WIDE * x.shape[-2] and x.dtype is torch.float32:
        x = _times(x @ x.mT, plus, steps, a, b, c) @ x
        steps = 0
    for _ in range(steps):  # a x + (b s + c s^2) x
        s = x @ x.mT
        x = plus(x, plus(s, s, s, beta=b, alpha=c), x, beta=a)
    if tall:
        x = x.mT
    return x.float()


def _times(s, plus, steps, a, b, c):
    """What all steps together multiply x by, from s = x x^T alone.

    Every factor a + b s + c s^2 is a polynomial in s: they commute, and s
    becomes factor s factor.
    """
    product = None
    for step in range(steps):
        factor = plus(s, s, s, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else factor @ product
        if step + 1 < steps:
            s = factor @ s @ factor
    return product


class Muon:
    """Momentum, orthogonalised, with the matrices dealt out to ranks.

    Parameters
    ----------
    params : list of Tensor
        Matrices, or several of one size: (n, rows, columns).
    rates : list of float
        Of each of them.
    momentum : float
    decay : float
        Decoupled weight decay.
    rank, world : int
        The matrices are dealt out to the ranks by cost.
    share : callable or None
        Called with a tensor and a rank: gives all ranks what that one has.
    """

    def __init__(self, params, rates, momentum=0.95, decay=0.0, rank=0, world=1, share=None):
        self.params, self.rates = list(params), list(rates)
        self.momentum = momentum
        self.decay, self.rank, self.world = decay, rank, world
        self.share = share
        self.buf = [torch.zeros_like(p) for p in self.params]
        cost = [0] * world
        self.owner = [0] * len(self.params)
        for i in sorted(range(len(self.params)), key=lambda i: -self.params[i].numel()):
            r = cost.index(min(cost))
            self.owner[i] = r
            cost[r] += self.params[i].numel() * min(self.params[i].shape[-2:])
        # Updates, each rank's in a piece of its own.
        self.flat = [
            torch.zeros(
                sum(p.numel() for p, o in zip(self.params, self.owner) if o == r),
                device=self.params[0].device if self.params else None,
            )
            for r in range(world)
        ]
        self.updates, at = [], [0] * world
        for p, r in zip(self.params, self.owner):
            self.updates.append(self.flat[r][at[r] : at[r] + p.numel()].view_as(p))
            at[r] += p.numel()

    @torch.no_grad()
    def step(self, scale=1.0):
        """One update; gradients must already agree between ranks."""
        for i, (p, b, v) in enumerate(zip(self.params, self.buf, self.updates)):
            b.lerp_(p.grad, 1 - self.momentum)
            if self.owner[i] == self.rank:
                u = torch.lerp(p.grad, b, self.momentum)
                u = orthogonalise(u)
                v.copy_(u * max(1, p.shape[-2] / p.shape[-1]) ** 0.5)
        if self.world > 1:
            for r, piece in enumerate(self.flat):
                if len(piece):  # ranks may be more than matrices
                    self.share(piece, r)
        for p, v, lr in zip(self.params, self.updates, self.rates):
            if self.decay:
                p.mul_(1 - lr * scale * self.decay)
            p.add_(v, alpha=-lr * scale)

    def state_dict(self):
        return {"buf": self.buf}

    def load_state_dict(self, s):
        for a, b in zip(self.buf, s["buf"], strict=True):
            a.copy_(b)


class AdamW:
    """AdamW with a rate per group, in one pass over each tensor (fused).

    Without weight decay: its groups hold the linear trunk, scales, gains
    and tables, none of which should be small.
    """

    def __init__(self, groups, betas=(0.9, 0.99), eps=1e-10):
        self.rates = [g["lr"] for g in groups]
        self.opt = torch.optim.AdamW(groups, betas=betas, eps=eps, weight_decay=0.0, fused=True)

    def step(self, scale=1.0):
        for g, lr in zip(self.opt.param_groups, self.rates):
            g["lr"] = lr * scale
        self.opt.step()

    def state_dict(self):
        return self.opt.state_dict()

    def load_state_dict(self, s):
        # How it is computed is not the checkpoint's to say.
        self.opt.load_state_dict(
            {
                **s,
                "param_groups": [{**g, "foreach": None, "fused": True} for g in s["param_groups"]],
            }
        )
