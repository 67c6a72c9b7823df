"""How good a model's networks can be where nothing is quantised.

    python runs/ceiling.py WEIGHTS VALID

Prints, for large lambdas, the mean score (SSIMULACRA 2) and PSNR of every seventh
validation picture's middle when the synthesis gets the latent as it is, and when it
gets the quantised one: what is between them is what finer quantisation can bring.
"""

import itertools
import sys

import numpy as np
import torch
from curve import crops

from codec.training import functional as fn
from codec.training import state
from codec.training.ssimulacra2 import score, ssimulacra2_sum


def main():
    weights, folder = sys.argv[1:]
    torch.set_num_threads(1)
    model = state.load_weights(weights).eval()
    pictures = [fn.to_float(a[None]) for a in itertools.islice(crops(folder), 0, None, 7)]
    for lam in 0.1, 0.5, model.shape.lambda_max:
        found = []
        for x in pictures:
            given = torch.tensor([lam])
            q = model.q_of(given)
            free = model.synthesis(model.analysis(fn.padded(x, 16), q), q)
            bpp, _, coded, _ = model(x, given)
            row = [bpp.item()]
            for out in free[:, : x.shape[1], : x.shape[2]], coded:
                shown = ((out + 0.5) * 255).round().clamp(0, 255) / 255 - 0.5
                mse = ((shown - x) * 255).square().mean().item()
                row += [score(ssimulacra2_sum(x, shown)).item()]
                row += [10 * np.log10(255**2 / mse)]
            found.append(row)
        bpp, *rest = np.mean(found, 0)
        print(
            f"lambda {lam:g}: score {rest[0]:.1f}, {rest[1]:.1f} dB; "
            f"quantised, at {bpp:.2f} bpp: {rest[2]:.1f}, {rest[3]:.1f} dB"
        )


if __name__ == "__main__":
    with torch.no_grad():
        main()
