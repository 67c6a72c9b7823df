"""BD-rate at equal SSIMULACRA 2 of runs, from their logs.

    python runs/look.py [VALID] LOG...

Each LOG is a ``log.csv``. VALID are the pictures that the runs validated on. A
table has a row per validation: BD-rate against the first validation of the
first LOG by score (in all and by bands of it) and by PSNR, and against AVIF
4:4:4 at speed 6: by score if tuned for SSIMULACRA 2, by PSNR and MS-SSIM if tuned
for PSNR or for the eye. MS-SSIM is in decibels, -10 log10(1 - m). AVIF's files of
the same crops are real, rates of a log are estimates with really rounded symbols.
AVIF's curves are kept in ``state``; without VALID there is no AVIF.
"""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import torch
from curve import crops
from PIL import Image

from codec.bench.curves import bd_rate
from codec.training import curves as log
from codec.training.functional import to_float
from codec.training.loss import ms_ssim_error
from codec.training.ssimulacra2 import score, ssimulacra2_sum

QUALITIES = 20, 28, 36, 44, 52, 60, 68, 76, 84, 92
SHOWN = "bpp", "score", "psnr"
BANDS = (30, 50), (50, 70), (70, 90)


def decibels(error):
    """MS-SSIM in decibels, from what the loss makes of it."""
    return -10 * np.log10(error / 1500)


def avif(folder, tune):
    """bpp, score, PSNR and MS-SSIM of AVIF at each quality, means of the crops."""
    kept = Path(f"state/avif-crops-{tune}.csv")
    if not kept.exists():
        rows = []
        for quality in QUALITIES:
            found = []
            for a in crops(folder):
                out = io.BytesIO()
                Image.fromarray(a).save(
                    out,
                    "AVIF",
                    quality=quality,
                    speed=6,
                    subsampling="4:4:4",
                    advanced={"tune": tune},
                )
                size = 8 * out.tell() / (a.shape[0] * a.shape[1])
                with Image.open(out) as image:
                    b = np.asarray(image.convert("RGB"))
                pair = [to_float(x.copy())[None] for x in (a, b)]
                look = score(ssimulacra2_sum(*pair)).item()
                psnr = 10 * np.log10(255**2 / np.square(a - b.astype(float)).mean())
                found.append((size, look, psnr, ms_ssim_error(*pair).item()))
            *rest, error = np.mean(found, 0)
            rows.append([*rest, decibels(error)])
        kept.parent.mkdir(exist_ok=True)
        with open(kept, "w", newline="") as file:
            csv.writer(file).writerows([(*SHOWN, "ms-ssim"), *rows])
    with open(kept, newline="") as file:
        return np.array([list(map(float, r)) for r in list(csv.reader(file))[1:]]).T


def validations(path):
    """hours, gigapixels, loss, (bpp, score, PSNR, MS-SSIM) of a log's validations."""
    by_step = {}
    for row in log.read(path):
        if row["kind"] == "valid" and "ms-ssim" in row:
            by_step.setdefault(row["step"], {})[row["lambda"]] = row
    for _, rows in sorted(by_step.items()):
        rows = [rows[k] for k in sorted(rows)]
        yield (
            rows[0]["hours"],
            rows[0]["pixels"] / 1e9,
            rows[0]["loss"],
            np.array([[*(r[k] for k in SHOWN), decibels(r["ms-ssim"])] for r in rows]).T,
        )


def figure(anchor, points, band=None):
    rate = bd_rate(anchor, points, band)
    return "-" if rate is None else f"{rate:+.1f}"


def main():
    folders = [name for name in sys.argv[1:] if Path(name).is_dir()]
    logs = [name for name in sys.argv[1:] if name not in folders]
    torch.set_num_threads(1)
    theirs = {tune: avif(folders[0], tune) for tune in ("ssimulacra2", "psnr", "iq") if folders}
    first = None
    for path in logs:
        print(path)
        for hours, gigapixels, loss, points in validations(path):
            first = points if first is None else first
            cells = [f"{hours:.2f} h", f"{gigapixels:.2f} GP", f"loss {loss:.4f}"]
            to_each = {"first": first, **theirs}
            for name in ("first", *(["ssimulacra2"] if theirs else [])):
                bands = (figure(to_each[name][:2], points[:2], b) for b in (None, *BANDS))
                cells += [f"score to {name}", *bands]
            for metric, name in ((2, "PSNR"), (3, "MS-SSIM")):
                for to, anchor in to_each.items():
                    both = anchor[[0, metric]], points[[0, metric]]
                    cells += [f"{name} to {to}", figure(*both)]
            print("  ".join(cells))
            print("     " + "  ".join(f"{b:.3f}/{s:.1f}/{p:.2f}" for b, s, p, _ in points.T))


if __name__ == "__main__":
    main()
