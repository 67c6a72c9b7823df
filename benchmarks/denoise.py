"""What an encoder that takes noise away gains: the table of docs/denoising.md.

    python -m benchmarks.denoise PICTURES --model ENCODER --csv FILE

The middles of some of the pictures get noise; the noisy ones are coded, and
what is decoded is compared with the clean ones. FILE has a row per picture,
sigma, codec and setting; what it has is not measured again, so that another
ENCODER costs its own rows only. ENCODER is a folder that ``aetrain
--denoise`` wrote; its files are decoded by the ordinary model.
"""

import argparse
import functools
import hashlib
from pathlib import Path

import numpy as np
from PIL import ImageFile

import codec
from benchmarks.look import middle
from codec.bench import codecs, curves, pictures, run, tables
from codec.bench.metrics import psnr
from codec.bench.store import Store
from codec.model import find
from codec.training import noise

SIGMAS, SIDE = (10, 25, 50), 256
QUALITIES = (1, 20, 40, 60, 80, 100)
RATES = (0.125, 0.25, 0.5, 1.0, 2.0)
KEY = ("sha256", "sigma", "codec", "setting", "encoder")
NAMES = {
    "none": "noisy",
    "aec": "ordinary",
    "aec-denoise": "denoising",
    "jpeg-444": "JPEG",
    "avif-444-psnr": "AVIF",
    "nlm+avif-444-psnr": "NLM, AVIF",
    "nlm+aec": "NLM, ordinary",
}
# Pillow wants room for a whole optimised JPEG, and of noise guesses too low.
ImageFile.MAXBLOCK = 2**24


def non_local_means(seen):
    """The classical way; sigma is estimated from the picture."""
    from skimage.restoration import denoise_nl_means, estimate_sigma

    x = seen.astype(np.float32) / 255
    sigma = estimate_sigma(x, channel_axis=-1, average_sigmas=True)
    x = denoise_nl_means(
        x,
        h=0.8 * sigma,
        sigma=sigma,
        patch_size=5,
        patch_distance=6,
        fast_mode=True,
        channel_axis=-1,
    )
    return np.clip(np.rint(x * 255), 0, 255).astype(np.uint8)


class Bench:
    """Everything that is measured; ``encoders`` name versions.

    Parameters
    ----------
    model : path-like or None
        Folder of the denoising encoder.
    """

    def __init__(self, model):
        own = find.load(model)
        base = find.by_id(own.id)
        self.decoder = codec.Decoder(model=base, threads=1)
        self.ours = {"aec": codec.Encoder(model=base, threads=1)}
        self.encoders = {
            name: base.id if name.endswith("aec") else codecs.load(name.split("+")[-1]).version
            for name in NAMES
            if name not in ("none", "aec-denoise")
        }
        self.encoders["none"] = ""
        if model:
            self.ours["aec-denoise"] = codec.Encoder(model=own, threads=1)
            self.encoders["aec-denoise"] = hashlib.sha256(
                b"".join(own.graphs[n] for n in sorted(own.graphs))
            ).hexdigest()[:16]

    def settings(self, name):
        if name == "none":
            return ("",)
        if "aec" in name:
            return QUALITIES
        found = codecs.load(name.split("+")[-1]).settings
        return found if len(found) < 10 else found[::2]

    def run(self, name, setting, seen, cleaned):
        """Bytes and decoded picture."""
        if name == "none":
            return 3 * seen[..., 0].size, seen
        x = cleaned() if name.startswith("nlm+") else seen
        name = name.removeprefix("nlm+")
        if name in self.ours:
            data = self.ours[name].encode(x, setting)
            return len(data), self.decoder.decode(data)
        other = codecs.load(name)
        data = other.encode(x, setting, 1)
        return len(data), other.decode(data, x.shape, 1)

    def missing(self, source, store):
        """Rows of a picture that are not there, one after the other."""
        clean = middle(pictures.read(source.path), SIDE)
        for sigma in SIGMAS:
            seen = noise.added(clean, sigma, np.random.default_rng([sigma, int(source.sha256, 16)]))
            cleaned = functools.cache(lambda: non_local_means(seen))
            for name, encoder in self.encoders.items():
                for setting in self.settings(name):
                    key = (source.sha256, sigma, name, str(setting), encoder)
                    if not store.lacking(key, ["bytes"]):
                        continue
                    size, back = self.run(name, setting, seen, cleaned)
                    yield {
                        "picture": source.name,
                        **dict(zip(KEY, key)),
                        "bytes": size,
                        "bpp": round(8 * size / clean[..., 0].size, 5),
                        "psnr_db": round(psnr(clean, back), 4),
                    }


def whole(rows):
    """The rows of pictures that have as many as any has."""
    n = rows.groupby("sha256")["bytes"].transform("size")
    return rows[n == n.max()]


def curve(rows, sigma, name):
    """(bpp, PSNR), means over the pictures, by growing size."""
    rows = rows[(rows["sigma"] == sigma) & (rows["codec"] == name)]
    found = rows.groupby("setting")[["bpp", "psnr_db"]].mean().sort_values("bpp")
    return tuple(found.to_numpy().T)


def by_rate(rows):
    """Markdown: PSNR at equal sizes, and each curve's best."""
    coders, lines = [n for n in NAMES if n != "none"], []
    for sigma in SIGMAS:
        found = {n: curve(rows, sigma, n) for n in coders}
        for rate in RATES:
            at = {n: curves.at_rate(c, rate) for n, c in found.items()}
            pair = at["aec-denoise"], at["aec"]
            gain = None if None in pair else pair[0] - pair[1]
            cells = (tables.number(at[n], 2) for n in coders)
            lines.append([sigma, f"{rate:g}", *cells, tables.signed(gain, 2)])
        best = {n: max(zip(c[1], c[0])) for n, c in found.items() if len(c[0])}
        gain = best["aec-denoise"][0] - best["aec"][0] if "aec-denoise" in best else None
        cells = (f"{best[n][0]:.2f} at {best[n][1]:.2f}" if n in best else "–" for n in coders)
        lines.append([sigma, "best", *cells, tables.signed(gain, 2)])
    header = ["sigma", "bpp", *(NAMES[n] for n in coders), "gain, dB"]
    return tables.markdown(header, lines, 0)


def by_quality(rows):
    """Markdown: size and PSNR at each quality."""
    lines = []
    for sigma in SIGMAS:
        noisy = curve(rows, sigma, "none")[1][0]
        pair = [curve(rows, sigma, n) for n in ("aec", "aec-denoise")]
        for i, quality in enumerate(QUALITIES):
            cells = (
                cell
                for c in pair
                for cell in ((f"{c[0][i]:.3f}", f"{c[1][i]:.2f}") if len(c[0]) else "––")
            )
            lines.append([sigma, f"{noisy:.2f}", quality, *cells])
    header = "sigma|noisy, dB|quality|ordinary, bpp|dB|denoising, bpp|dB".split("|")
    return tables.markdown(header, lines, 0)


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("pictures", type=Path, nargs="*", help="a folder; none: only the table")
    p.add_argument("--model", help="folder of the denoising encoder")
    p.add_argument("--count", type=int, default=8, help="pictures, spread over those there are (8)")
    p.add_argument("--csv", type=Path, required=True)
    o = p.parse_args(argv)
    bench, store = Bench(o.model), Store(o.csv, KEY)
    sources = [s for path in o.pictures for s in pictures.survey(path)[0]]
    if sources:
        pick = np.linspace(0, len(sources) - 1, min(o.count, len(sources)))
        with run.progress(len(pick), "pictures") as bar:
            for i in pick:
                for row in bench.missing(sources[int(i)], store):
                    store.add([row])
                bar.update()
    # Of other versions nothing is said, but of the last denoising encoder.
    known, rows = dict(bench.encoders), store.frame()
    if rows.empty:
        p.error(f"{o.csv}: nothing there; name pictures to measure")
    denoising = rows.loc[rows["codec"] == "aec-denoise", "encoder"]
    if len(denoising):
        known.setdefault("aec-denoise", denoising.iloc[-1])
    rows = whole(rows[rows["codec"].map(known) == rows["encoder"]])
    print(
        f"PSNR in dB against the clean picture at equal sizes; "
        f"{rows['sha256'].nunique()} pictures, their middles of {SIDE}x{SIDE}:\n\n"
        f"{by_rate(rows)}\n\nBoth encoders at the same qualities:\n\n"
        f"{by_quality(rows)}"
    )


if __name__ == "__main__":
    main()
