"""How well `codec.anomaly_score` tells photographs from other pictures.

    python -m benchmarks.anomaly TRAIN VALID [--model MODEL]

draws sets of pictures that are not photographs (always the same ones) and
prints a Markdown table: for each set the area under the ROC curve of
photographs (VALID) against it, by each z-score, by their distance, and by
two baselines fitted to pictures of TRAIN: the error with which the principal
components of 16 x 16 patches give back a picture, and an isolation forest on
`codec.features`. Of each picture at most 512 x 512 pixels count, as in the
model's own statistics. Nothing is chosen by looking at VALID.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

import codec
from benchmarks import domains
from codec import picture
from codec.bench import tables
from codec.insight.calibrate import middle

N = 12  # pictures of each drawn set
PATCH, COMPONENTS = 16, 64
PATCHES = 100  # of a training picture, for the components
EVERY = 3  # training picture is used by the baselines


def textures(rng):
    """Gratings, a checkerboard, bricks, cells, and clouds of 1/f noise."""
    y, x = np.mgrid[:384, :384]

    def colours(a):
        low, high = rng.integers(0, 120, 3), rng.integers(130, 256, 3)
        a = (a - a.min()) / (a.max() - a.min())
        return (low + a[..., None] * (high - low)).astype(np.uint8)

    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 30)
    yield colours(np.sin(2 * np.pi / period * (x * np.cos(angle) + y * np.sin(angle))))
    side = int(rng.integers(6, 40))
    yield colours(((x // side + y // side) % 2).astype(float))
    brick = (y // side % 2 * side + x) % (2 * side)
    yield colours(((y % side > 2) & (brick > 2)).astype(float))
    seeds = rng.uniform(0, 384, (40, 2))
    away = np.sqrt(((np.stack([y, x], -1)[:, :, None] - seeds) ** 2).sum(-1))
    yield colours(away.min(-1))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(384), np.fft.fftfreq(384)))
    frequency[0, 0] = np.inf
    yield colours(np.fft.ifft2(np.fft.fft2(rng.normal(size=x.shape)) / frequency**1.2).real)


def drawn():
    """Name and pictures of each set."""
    for name, draw in (
        ("noise", domains.noise),
        ("screenshots", domains.screenshots),
        ("scans of text", domains.scans),
        ("flat graphics", domains.flat),
        ("gradients", domains.gradients),
        ("textures", textures),
    ):
        found, seed = [], 0
        while len(found) < N:
            found += draw(np.random.default_rng(seed))
            seed += 1
        yield name, [middle(a) for a in found[:N]]


def photographs(folder, every=1):
    """The middles of the pictures of a folder, as RGB."""
    paths = sorted(p for p in Path(folder).iterdir() if p.is_file())
    for path in paths[::every]:
        yield np.ascontiguousarray(middle(picture.as_rgb(picture.read(path).pixels)))


def patches(a):
    """All whole patches of a picture, in rows."""
    h, w = (n // PATCH for n in a.shape[:2])
    a = a[: h * PATCH, : w * PATCH].astype(np.float32) / 255
    return a.reshape(h, PATCH, w, PATCH, 3).swapaxes(1, 2).reshape(h * w, -1)


class Scores:
    """All scores of a picture; higher is more unusual.

    Parameters
    ----------
    train : iterable of uint8 (h, w, 3)
    model : str or None
    """

    names = ("error", "bits", "distance", "PCA of patches", "isolation forest")

    def __init__(self, train, model=None):
        self.model = model
        rng, rows, found = np.random.default_rng(1), [], []
        for a in train:
            p = patches(a)
            rows.append(p[rng.permutation(len(p))[:PATCHES]])
            found.append(self.features(a))
        self.pca = PCA(COMPONENTS, svd_solver="full").fit(np.concatenate(rows))
        self.forest = IsolationForest(random_state=1).fit(np.stack(found))

    def features(self, a):
        return np.asarray(codec.features(a, model=self.model, threads=1))

    def __call__(self, a):
        p = patches(a)
        back = self.pca.inverse_transform(self.pca.transform(p))
        forest = self.forest.score_samples(self.features(a)[None])
        return (
            *codec.anomaly_score(a, model=self.model, threads=1),
            np.square(p - back).mean(),
            -forest[0],
        )


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("train", help="folder of the training pictures")
    p.add_argument("valid", help="folder of photographs not trained on")
    p.add_argument("--model")
    o = p.parse_args(argv)
    scores = Scores(photographs(o.train, EVERY), o.model)
    usual = np.array([scores(a) for a in photographs(o.valid)])
    rows, means = [], []
    for name, pictures in drawn():
        other = np.array([scores(a) for a in pictures])
        truth = np.repeat([0, 1], [len(usual), len(other)])
        means.append(
            [roc_auc_score(truth, np.concatenate([u, v])) for u, v in zip(usual.T, other.T)]
        )
        rows.append([name, *(f"{v:.3f}" for v in means[-1])])
    rows.append(["**mean**", *(f"{v:.3f}" for v in np.mean(means, 0))])
    print(tables.markdown(["Photographs against", *scores.names], rows))


if __name__ == "__main__":
    main()
