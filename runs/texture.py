"""A trial: textures of the right kind at low rates, from noise that costs no bits.

    python runs/texture.py WEIGHTS STATE VALID STEPS OUT

The encoder and all files stay as they are. Where a symbol is zero, the decoder adds noise
of the width that the scale index lets expect, times a factor by channel. The synthesis and
those factors learn, for low lambdas alone, to minimise the look's loss and a Wasserstein
distance of local statistics: mean and deviation of three derivatives of luma in
neighbourhoods of about 16 pixels, at three scales [1]_. STATE is a run's folder, whose decoded
pictures are used. Writes, for VALID's pictures, original | before | trial | AVIF of
the same bytes to OUT, and prints means.

.. [1] Qiu et al., "Wasserstein distortion: unifying fidelity and realism", 2024.
"""

import copy
import io
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from curve import crops
from PIL import Image

from codec.training import data, hyper, loss, state
from codec.training import functional as fn
from codec.training.ssimulacra2 import score, ssimulacra2_sum

LOW, HIGH = 0.0004, 0.003
SHOWN = 0.0005, 0.0012, 0.0025
LUMA = 0.299, 0.587, 0.114
FILTERS = torch.tensor(
    [
        [[0, 0, 0], [-1, 0, 1], [0, 0, 0]],
        [[0, -1, 0], [0, 0, 0], [0, 1, 0]],
        [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    ]
)[:, None].float()


def statistics(x, sigma=6.0):
    """Local means and deviations of derivatives of luma, a tensor per scale."""
    y = (x * torch.tensor(LUMA)).sum(-1)[:, None] * 255
    side = torch.exp(-0.5 * (torch.arange(-12.0, 13) / sigma) ** 2)
    side = side / side.sum()
    for _ in range(3):
        f = F.conv2d(F.pad(y, (1, 1, 1, 1), mode="replicate"), FILTERS)
        both = torch.cat([f, f.square()], 1)
        for kernel in side[None, None, :, None], side[None, None, None, :]:
            both = F.conv2d(
                both,
                kernel.expand(6, 1, -1, -1),
                groups=6,
                stride=(2, 1) if kernel.shape[2] > 1 else (1, 2),
            )
        mean, square = both.chunk(2, 1)
        yield mean, (square - mean.square()).clamp(min=0).add(0.25).sqrt()
        y = F.avg_pool2d(y, 2)


def texture(x, x_hat):
    out = 0
    for (m, s), (n, t) in zip(statistics(x), statistics(x_hat)):
        out = out + ((m - n).square() + (s - t).square()).mean((1, 2, 3))
    return out


class Trial(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.synthesis = copy.deepcopy(model.synthesis)
        self.factor = torch.nn.Parameter(torch.full((model.shape.m,), 0.4))

    def forward(self, x, lam, noise, generator):
        with torch.no_grad():
            q = self.model.q_of(lam)
            y = self.model.analysis(fn.padded(x, 16), q)
            y_hat, bits_y, bits_z, aux = self.model.code(y, q, noise)
            gain = hyper.knots(self.model.log_gain, q).exp()[:, None, None]
            # A scale index is a logarithm of the width, as ty in Codec.code.
            width = hyper.SIGMA_MIN * torch.exp((aux["rows"] + 0.5) * hyper.ROW_STEP)
            zero = aux["v"].abs() < 0.5
            random = torch.rand(y_hat.shape, generator=generator) * 2 - 1
            added = random * (zero * width.clamp(max=0.6) / gain)
        out = self.synthesis(y_hat + self.factor * added, q)
        bpp = (bits_y + bits_z) / (x.shape[1] * x.shape[2])
        return bpp, out[:, : x.shape[1], : x.shape[2]]


def train(trial, pictures, steps):
    rng = np.random.default_rng(1)
    generator = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(
        [
            {"params": trial.synthesis.parameters(), "lr": 1e-4},
            {"params": [trial.factor], "lr": 5e-3},
        ]
    )
    for step in range(steps):
        for group, rate in zip(optimiser.param_groups, (1e-4, 5e-3)):
            group["lr"] = rate * min(1, 3 * (1 - step / steps)) * min(1, (step + 1) / 20)
        lam = LOW * (HIGH / LOW) ** torch.rand(4, generator=generator)
        x = fn.to_float(pictures.batch(4, rng))
        noise = trial.model.noise_of(*x.shape[1:3], [generator] * 4)
        _, x_hat = trial(x, lam, noise, generator)
        kept = 0.2 * loss.squared_error(x, x_hat) + 0.5 * loss.ssimulacra2_error(x, x_hat)
        felt = texture(x, x_hat)
        optimiser.zero_grad()
        ((lam / 0.001) ** 0.45 * (kept + 0.4 * felt)).mean().backward()
        optimiser.step()
        if step % 20 == 0:
            print(
                f"{step} kept {kept.mean():.1f} texture {felt.mean():.1f} "
                f"factor {trial.factor.mean():.3f}",
                flush=True,
            )


def avif(a, n):
    """Decoded AVIF of at most n bytes, tuned for the eye."""
    best = None
    for quality in range(4, 60, 2):
        out = io.BytesIO()
        Image.fromarray(a).save(
            out, "AVIF", quality=quality, speed=6, advanced={"tune": "ssimulacra2"}
        )
        if best is not None and out.tell() > n:
            break
        best = np.asarray(Image.open(out).convert("RGB"))
    return best


def main():
    weights, run, folder, steps, out = sys.argv[1:]
    torch.set_num_threads(1)
    trial = Trial(state.load_weights(weights).eval())
    cache = Path(run) / "train"
    pictures = data.Crops(cache, data.load_index(cache), 256)
    train(trial, pictures, int(steps))
    Path(out).mkdir(parents=True, exist_ok=True)
    for lam in SHOWN:
        rows = []
        for i, a in enumerate(crops(folder)):
            if i % 6:
                continue
            x, given = fn.to_float(a[None]), torch.tensor([lam])
            generator = torch.Generator().manual_seed(i)
            with torch.no_grad():
                bpp, after = trial(x, given, None, generator)
                before = trial.model(x, given)[2]
                shown = [
                    ((o[0] + 0.5) * 255).round().clamp(0, 255).byte().numpy()
                    for o in (before, after)
                ]
                theirs = avif(a, bpp.item() * a.shape[0] * a.shape[1] / 8)
                row = [bpp.item()]
                for b in (*shown, theirs):
                    seen = fn.to_float(b[None].copy())
                    row += [
                        score(ssimulacra2_sum(x, seen)).item(),
                        loss.squared_error(x, seen).item(),
                        texture(x, seen).item(),
                    ]
            rows.append(row)
            Image.fromarray(np.hstack([a, *shown, theirs])).save(f"{out}/{lam:g}-{i}.png")
        print(
            lam,
            "bpp; score, squared error, texture: before, trial, AVIF",
            np.mean(rows, 0).round(2),
        )


if __name__ == "__main__":
    main()
