"""What an encoder that takes noise away gains: the table of docs/denoising.md.

    python -m benchmarks.denoise PICTURES --model ENCODER --csv FILE

The middles of some of the pictures get noise; the noisy ones are coded, and
what is decoded is compared with the clean ones. FILE has a row per picture,
sigma, codec and setting; what it has is not measured again, so that another
ENCODER costs its own rows only. ENCODER is a folder that ``aetrain
--denoise`` wrote; its files are decoded by the ordinary model.
"""

import argparse
import collections
import csv
import functools
import hashlib
from pathlib import Path

import numpy as np
from PIL import ImageFile

import codec
from codec.bench import codecs, pictures
from codec.model import find
from codec.search.targets import psnr
from codec.training import noise

SIGMAS, SIDE = (10, 25, 50), 256
QUALITIES = (1, 20, 40, 60, 80, 100)
RATES = (0.125, 0.25, 0.5, 1.0, 2.0)
COLUMNS = (
    "picture",
    "sha256",
    "sigma",
    "codec",
    "setting",
    "encoder",
    "bytes",
    "bpp",
    "psnr_db",
)
NAMES = {
    "none": "noisy",
    "aec": "ordinary",
    "aec-denoise": "denoising",
    "jpeg-444": "JPEG",
    "avif-444": "AVIF",
    "nlm+avif-444": "NLM, AVIF",
    "nlm+aec": "NLM, ordinary",
}
# Pillow wants room for a whole optimised JPEG, and of noise guesses too low.
ImageFile.MAXBLOCK = 2**24


def middle(pixels):
    """At most SIDE x SIDE pixels."""
    y, x = (max(0, n - SIDE) // 2 for n in pixels.shape[:2])
    return np.ascontiguousarray(pixels[y : y + SIDE, x : x + SIDE])


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
        base = find.load(None).id
        self.decoder = codec.Decoder(threads=1)
        self.ours = {"aec": codec.Encoder(threads=1)}
        self.encoders = {
            name: base
            if name.endswith("aec")
            else codecs.load(name.split("+")[-1]).version
            for name in NAMES
            if name not in ("none", "aec-denoise")
        }
        self.encoders["none"] = ""
        if model:
            own = find.load(model)
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
        return found if len(found) < 8 else found[::2]

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

    def missing(self, source, there):
        """Rows of a picture that are not there, one after the other."""
        clean = middle(pictures.read(source.path))
        for sigma in SIGMAS:
            seen = noise.added(
                clean, sigma, np.random.default_rng([sigma, int(source.sha256, 16)])
            )
            cleaned = functools.cache(lambda: non_local_means(seen))
            for name in self.encoders:
                for setting in self.settings(name):
                    key = (
                        source.sha256,
                        str(sigma),
                        name,
                        str(setting),
                        self.encoders[name],
                    )
                    if key in there:
                        continue
                    size, back = self.run(name, setting, seen, cleaned)
                    yield dict(
                        zip(
                            COLUMNS,
                            (
                                source.name,
                                *key,
                                size,
                                round(8 * size / clean[..., 0].size, 5),
                                round(psnr(clean, back), 4),
                            ),
                        )
                    )


def read(path):
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def fill(path, bench, sources):
    """Measure what the file has not."""
    there = {tuple(row[k] for k in COLUMNS[1:6]) for row in read(path)}
    with open(path, "a", newline="", encoding="utf-8") as f:
        out = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        if not there:
            out.writeheader()
        for source in sources:
            for row in bench.missing(source, there):
                out.writerow(row)
                f.flush()


def whole(rows):
    """The rows of pictures that have as many as any has."""
    n = collections.Counter(row["sha256"] for row in rows)
    return [r for r in rows if n[r["sha256"]] == max(n.values())]


def curve(rows, sigma, name):
    """(bpp, PSNR), means over the pictures, by growing size."""
    points = {}
    for row in rows:
        if row["sigma"] == str(sigma) and row["codec"] == name:
            points.setdefault(row["setting"], []).append(
                (float(row["bpp"]), float(row["psnr_db"]))
            )
    found = sorted(tuple(np.mean(p, 0)) for p in points.values())
    return tuple(np.array(v) for v in zip(*found)) if found else None


def at_rate(found, rate):
    """PSNR at a size, linear in its logarithm; None beyond the curve."""
    if found is None or not found[0][0] <= rate <= found[0][-1]:
        return None
    return float(np.interp(np.log(rate), np.log(found[0]), found[1]))


def _number(value, sign=""):
    return "–" if value is None else f"{value:{sign}.2f}".replace("-", "−")


def table(rows):
    """Lines of Markdown: PSNR at equal sizes, and each curve's best."""
    coders = [n for n in NAMES if n != "none"]
    yield "| sigma | bpp | " + " | ".join(NAMES[n] for n in coders) + " | gain, dB |"
    yield "|" + "---:|" * (len(coders) + 3)
    for sigma in SIGMAS:
        curves = {n: curve(rows, sigma, n) for n in coders}
        for rate in RATES:
            at = {n: at_rate(c, rate) for n, c in curves.items()}
            pair = at["aec-denoise"], at["aec"]
            gain = None if None in pair else pair[0] - pair[1]
            yield (
                f"| {sigma} | {rate:g} | "
                + " | ".join(_number(at[n]) for n in coders)
                + f" | {_number(gain, '+')} |"
            )
        best = {n: max(zip(c[1], c[0])) for n, c in curves.items() if c}
        gain = (
            best["aec-denoise"][0] - best["aec"][0] if "aec-denoise" in best else None
        )
        yield (
            f"| {sigma} | best | "
            + " | ".join(
                f"{best[n][0]:.2f} at {best[n][1]:.2f}" if n in best else "–"
                for n in coders
            )
            + f" | {_number(gain, '+')} |"
        )


def points(rows):
    """Lines of Markdown: size and PSNR at each quality."""
    yield ("| sigma | noisy, dB | quality | ordinary, bpp | dB | denoising, bpp | dB |")
    yield "|" + "---:|" * 7
    for sigma in SIGMAS:
        noisy = curve(rows, sigma, "none")[1][0]
        pair = [curve(rows, sigma, n) for n in ("aec", "aec-denoise")]
        for i, quality in enumerate(QUALITIES):
            yield (
                f"| {sigma} | {noisy:.2f} | {quality} | "
                + " | ".join(
                    "– | –" if c is None else f"{c[0][i]:.3f} | {c[1][i]:.2f}"
                    for c in pair
                )
                + " |"
            )


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument(
        "pictures", type=Path, nargs="*", help="a folder; none: only the table"
    )
    p.add_argument("--model", help="folder of the denoising encoder")
    p.add_argument(
        "--count", type=int, default=8, help="pictures, spread over those there are (8)"
    )
    p.add_argument("--csv", type=Path, required=True)
    o = p.parse_args(argv)
    bench = Bench(o.model)
    sources = [s for path in o.pictures for s in pictures.survey(path)[0]]
    if sources:
        pick = np.linspace(0, len(sources) - 1, min(o.count, len(sources)))
        fill(o.csv, bench, [sources[int(i)] for i in pick])
    # Of other versions nothing is said, but of the last denoising encoder.
    known = dict(bench.encoders)
    rows = read(o.csv)
    known.setdefault(
        "aec-denoise",
        next((r["encoder"] for r in reversed(rows) if r["codec"] == "aec-denoise"), ""),
    )
    rows = whole([r for r in rows if known[r["codec"]] == r["encoder"]])
    if not rows:
        p.error(f"{o.csv}: nothing there; name pictures to measure")
    count = len({r["sha256"] for r in rows})
    print(
        "\n".join(
            [
                f"PSNR in dB against the clean picture at equal sizes; {count} "
                f"pictures, their middles of {SIDE}x{SIDE}:",
                "",
                *table(rows),
                "",
                "Both encoders at the same qualities:",
                "",
                *points(rows),
            ]
        )
    )


if __name__ == "__main__":
    main()
