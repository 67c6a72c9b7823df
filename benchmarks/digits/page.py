"""Figures and text of the report, out of its results."""

import json

import numpy as np
from matplotlib.figure import Figure

from codec.bench.tables import markdown

from . import coding, knowing, models

SHOWN = (1.0, 10.0, 27.0, 50.0)
PARTS = ("classes", "pairs", "losses", "strangers", "lossy")
LABELS = {
    "psnr": "PSNR, dB",
    "mae": "mean absolute error",
    "bce": "cross-entropy, nats",
    "ms_ssim": "MS-SSIM",
}


def write(o, found, claim, sets, bundle):
    """digits.md and the folder digits/ of its pictures into ``o.out``."""
    folder = o.out / "digits"
    folder.mkdir(parents=True, exist_ok=True)
    figures, model = sets[2], str(bundle.folder)
    first = [int(np.flatnonzero(figures.labels == d)[0]) for d in range(10)]
    ten = figures.pictures[first]
    draw_digits(ten, model, found["rates"], folder / "digits.png")
    draw_rates(found, folder / "rates.png")
    if "classes" in found:
        draw_map(figures, model, claim["quality"], folder / "map.png")
    bits = None
    if "losses" in found:
        bits = middle(found["losses"])
        draw_losses(o, ten, found["losses"], bits, folder / "losses.png")
    (folder / "results.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    (o.out / "digits.md").write_text(text(found, claim, bits))


def _strip(axes, pictures, label):
    axes.imshow(np.hstack(list(pictures)), "gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)


def _save(fig, file):
    fig.savefig(file, dpi=100)


def draw_digits(ten, model, rates, file):
    """The originals, and what some qualities leave of them."""
    rows = [r for r in rates if r["quality"] in SHOWN][::-1]
    fig = Figure(figsize=(7.6, 0.72 * (len(rows) + 1)), layout="constrained")
    axes = fig.subplots(len(rows) + 1, 1)
    _strip(axes[0], ten, "original")
    for a, r in zip(axes[1:], rows):
        _strip(
            a,
            coding.coded(ten, model, r["quality"])[1],
            f"{8 * r['stack']:.0f} bits\n{r['psnr']:.1f} dB",
        )
    _save(fig, file)


def draw_rates(found, file):
    """PSNR and accuracy against bits per digit."""
    fig = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = fig.subplots(1, 2)
    x = [8 * r["stack"] for r in found["rates"]]
    left.plot(x, [r["psnr"] for r in found["rates"]], "o-", label="aecompress, stack")
    left.plot(
        [8 * r["single"] for r in found["rates"]],
        [r["psnr"] for r in found["rates"]],
        "s--",
        label="aecompress, file per digit",
    )
    for i, (name, size) in enumerate(found["others"].items()):
        left.axvline(8 * size["stack"], ls=":", color=f"C{i + 2}", label=f"{name}, together")
    left.set(xlabel="bits per digit", ylabel="PSNR, dB", xscale="log")
    left.legend(fontsize=7)
    if c := found.get("classes"):
        right.plot(
            [8 * r["stack"] for r in c["latent"]],
            [100 * r["accuracy"] for r in c["latent"]],
            "o-",
            label="latent of compressed files",
        )
        for i, (name, label) in enumerate(
            (("pixels", "all samples"), ("pca", "PCA of equal length"))
        ):
            right.axhline(100 * c[name]["accuracy"], ls=":", color=f"C{i + 1}", label=label)
        right.legend(fontsize=7)
    right.set(xlabel="bits per digit", ylabel="accuracy, %", xscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    _save(fig, file)


def draw_map(figures, model, quality, file):
    """The latent of the compressed figures in two dimensions."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = knowing.latents(figures.pictures, model, quality)[0]
    x = PCA(min(32, *x.shape), random_state=0).fit_transform(x)
    fig = Figure(figsize=(10, 4.6), layout="constrained")
    for axes, title, at in zip(
        fig.subplots(1, 2),
        ("PCA", "t-SNE"),
        (
            x[:, :2],
            TSNE(random_state=0, perplexity=min(30, len(x) // 4)).fit_transform(x),
        ),
    ):
        dots = axes.scatter(*at.T, c=figures.labels, cmap="tab10", s=6, vmin=-0.5, vmax=9.5)
        axes.set(title=title, xticks=[], yticks=[])
    fig.colorbar(dots, ticks=range(10))
    _save(fig, file)


def middle(losses):
    """Bits per digit that all losses' curves span, in their middle."""
    low = max(8 * rows[0]["stack"] for rows in losses.values())
    high = min(8 * rows[-1]["stack"] for rows in losses.values())
    return float(np.sqrt(low * high))


def draw_losses(o, ten, losses, bits, file):
    """Each loss's digits at the quality nearest to a number of bits."""
    fig = Figure(figsize=(7.6, 0.72 * (len(losses) + 1)), layout="constrained")
    axes = fig.subplots(len(losses) + 1, 1)
    _strip(axes[0], ten, "original")
    for a, (loss, rows) in zip(axes[1:], losses.items()):
        r = min(rows, key=lambda r: abs(np.log(8 * r["stack"] / bits)))
        model = str(models.Path(o.work) / f"loss-{loss}")
        _strip(
            a,
            coding.coded(ten, model, r["quality"])[1],
            f"{loss}\n{8 * r['stack']:.0f} bits",
        )
    _save(fig, file)


def _table(header, rows):
    return markdown(header, rows).rstrip() + "\n"


def text(found, claim, bits):
    """The page, in Markdown; parts that were not measured are left out."""
    m, n = found["model"], found["data"]
    out = [
        PAGE.format(
            m=m,
            n=n,
            kb=m["bytes"] / 1000,
            claim=claim,
            top=found["rates"][-1]["psnr"],
            rates=_rates(found),
            sizes=_sizes(found["others"], claim),
            what="MNIST's test half" if n["folder"] else "scikit-learn's digits",
        )
    ]
    if "lossy" in found:
        out.append(
            "At no lower PSNR, lossy codecs take this many bytes per digit, with all digits in "
            "one picture: " + ", ".join(f"{k} {v:.1f}" for k, v in found["lossy"].items()) + ".\n"
        )
    if "losses" in found:
        out.append(
            LOSSES.format(
                bits=bits,
                steps=found["steps"][0],
                losses=_losses(found["losses"], bits),
            )
        )
    if c := found.get("classes"):
        latent = next(r for r in c["latent"] if r["quality"] == claim["quality"])
        p = found.get("pairs")
        out.append(
            CLASSES.format(
                claim=claim,
                bits=8 * claim["stack"],
                table=_classes(latent, c, p),
                pairs=PAIRS.format(n=knowing.LEADING) if p else "",
            )
        )
    if "strangers" in found:
        out.append(
            STRANGERS.format(
                steps=found["steps"][1],
                neighbours=knowing.NEIGHBOURS,
                strangers=_strangers(found["strangers"]),
                verdict=_verdict(found["strangers"]),
            )
        )
    missing = [name for name in PARTS if name not in found]
    if missing:
        out.append(f"Not measured in this run: {', '.join(missing)}.\n")
    return "\n".join(out)


def _sizes(others, claim):
    def times(o, k):
        return f"{o[k]:.1f} ({o[k] / claim[k]:.1f} times ours)"

    return _table(
        ["", "file per digit, bytes", "all in one file, bytes per digit"],
        [
            [
                f"aecompress, {claim['psnr']:.1f} dB",
                f"{claim['single']:.1f}",
                f"{claim['stack']:.1f}",
            ],
            *([name, times(o, "single"), times(o, "stack")] for name, o in others.items()),
        ],
    )


def _rates(found):
    acc = {
        r["quality"]: f"{100 * r['accuracy']:.1f}"
        for r in found.get("classes", {}).get("latent", ())
    }
    return _table(
        [
            "quality",
            "bits per digit, stack",
            "bits, file per digit",
            "PSNR",
            "MS-SSIM",
            "accuracy from the latent, %",
        ],
        [
            [
                f"{r['quality']:g}",
                f"{8 * r['stack']:.0f}",
                f"{8 * r['single']:.0f}",
                f"{r['psnr']:.1f}",
                f"{r['ms_ssim']:.3f}",
                acc.get(r["quality"], "–"),
            ]
            for r in found["rates"]
        ],
    )


def _classes(latent, found, pairs):
    rows = {
        "the latent": latent,
        "all samples": found["pixels"],
        "a PCA of all samples": found["pca"],
    }
    if pairs:
        rows["the latent, with products"] = pairs["latent"]
        rows["all samples, with products"] = pairs["pixels"]
    return _table(
        ["classified by", "right on the figures, %", "right on the choosing set, %"],
        [
            [
                name,
                f"{100 * r['accuracy']:.1f}",
                f"{100 * r['choice']:.1f}" if "choice" in r else "–",
            ]
            for name, r in rows.items()
        ],
    )


def _losses(losses, bits):
    at = {k: coding.at_bits(rows, bits) for k, rows in losses.items()}
    best = {
        k: (max if k in ("psnr", "ms_ssim") else min)(v[k] for v in at.values()) for k in LABELS
    }

    def cell(v, k):
        s = f"{v:.4f}" if k in ("ms_ssim", "bce") else f"{v:.2f}"
        return f"**{s}**" if v == best[k] else s

    return _table(
        ["trained for", *LABELS.values()],
        [[loss, *(cell(v[k], k) for k in LABELS)] for loss, v in at.items()],
    )


def _strangers(found):
    chosen = max(
        knowing.COMPONENTS,
        key=lambda k: np.mean([d["choose"][f"PCA {k}"] for d in found]),
    )
    shown = {
        "distance": "distance",
        "error + bits": "error + bits",
        "error": "error",
        "bits": "bits",
        "neighbours of the latent": "neighbours, latent",
        "neighbours of the samples": "neighbours, samples",
        f"PCA {chosen}": f"PCA error, {chosen} components",
        "isolation forest": "isolation forest",
    }
    table = {v: [d["figures"][k] for d in found] for k, v in shown.items()}
    return _table(
        ["", *map(str, range(10)), "mean"],
        [
            [name, *(f"{v:.2f}" for v in row), f"**{np.mean(row):.3f}**"]
            for name, row in table.items()
        ],
    )


def _verdict(found):
    latent, samples = (
        np.mean([d["figures"][f"neighbours of the {name}"] for d in found])
        for name in ("latent", "samples")
    )
    return f"{latent:.3f} by neighbours in the latent, {samples:.3f} by neighbours in the samples."


PAGE = """\
# Digits: the autoencoder of the textbooks as a codec

Every book on autoencoders compresses handwritten digits and shows them before and after.
This page does the same with whole files. The model `digits` is a model of the
[format](format.md) like any other. Its files are ordinary `.aec` files, and every size
below is that of a file. This command makes the page:

```sh
python -m benchmarks.digits --data DIGITS
```

It takes all figures from the measurements in [results.json](digits/results.json).

| | |
|---|---|
| Data | {what} |
| Digits to train on | {n[train]} |
| Digits to choose settings by | {n[choose]} |
| Digits that the figures are of | {n[figures]} |
| Model | `{m[id]}`, {kb:.0f} kB |
| Training | {m[steps]} steps, {m[minutes]:.1f} minutes, loss `{m[loss]}` |

## Before and after

![Digits before and after](digits/digits.png)

{rates}
Bits are those of whole files, divided by the number of digits. A stack
([format](format.md), section 12) holds the whole set in one file. A file for each digit
carries 32 bytes of header and checksums each time. PSNR is that of the mean squared error
over the set. The model cannot go beyond {top:.1f} dB: it has {m[channels]} channels for a
cell of 256 samples, which is what fits into less than a megabyte.

![PSNR and accuracy against bits](digits/rates.png)

## Against lossless files

The lossless codecs keep every sample; this one does not. So the table compares what it
takes to have the digits at {claim[psnr]:.1f} dB with what it takes to have them exactly.
The first column is of files of one digit. The second is of all digits in one picture; for
zlib they are one run of samples.

{sizes}"""

LOSSES = """\
## Losses

Training of the model went on for {steps} steps with each loss in turn. The table compares
the results at {bits:.0f} bits per digit, interpolated. The best of each column is in bold.

{losses}
![The same digits, four losses](digits/losses.png)

- **Squared error** counts large errors most, so it spends its bits on the borders of strokes.
- **Absolute error and cross-entropy** count an error at black or white by its size, not by
  its square. Paper and ink stay clean. A doubtful stroke is left out or drawn in full,
  rather than drawn in grey.
- **MS-SSIM** counts contrast and structure within a window, so faint strokes keep their shape.

A loss need not win its own column. The columns are at equal bits, and each loss spends its
bits over other qualities.

The model that ships was trained with cross-entropy because the textbooks' autoencoder is, and
this page shows that one. By the table another loss would be better at equal bits: for the
fewest bytes, `aetrain --preset digits --loss mse:0.5,ms-ssim:0.5`.
"""

CLASSES = """\
## Classes from the latent

Here logistic regression names the digit. It sees the decoded latent of *compressed* sets,
for training and for the figures, as `codec.features` reads it from the bytes. No picture
is rendered. The files have {claim[psnr]:.1f} dB at {bits:.0f} bits per digit.

{table}
A PCA is as long as the latent. Regularisation was chosen on the choosing set, for each row
by itself. The two sets are not equally hard.{pairs}

![The latent in two dimensions](digits/map.png)
"""

PAIRS = """
Rows with products have the {n} leading components and their products two by two as
features. That still is logistic regression on what the file holds."""

STRANGERS = """\
## A digit never seen

Ten small models were each trained on nine digits, for {steps} steps. Each is then asked
which digits of the last set it does not know. The table has the area under the ROC curve,
by the digit that was left out.

- `distance` is that of `codec.anomaly_score`, made of error and bits
  ([features](features.md)). The rows under it are its parts.
- `neighbours` is scikit-learn's local outlier factor with its {neighbours} neighbours. It
  sees the nine digits' latents as `codec.features` reads them from compressed sets, or all
  samples. It was taken because it beat the distance to the nearest neighbour on the
  choosing set.
- The number of components of the PCA was chosen in its favour on that set too.

{strangers}
A codec learns to describe whatever it is given. Strokes of a digit never seen are strokes,
so its error grows little. A PCA of a few components can draw only what it was fitted to.
That makes it the worse codec and the better judge. But the latent is a description, and
there the strange digits lie apart: {verdict}
"""
