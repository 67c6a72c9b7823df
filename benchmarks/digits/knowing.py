"""What the latent knows: classes of digits, and digits never seen.

Classes: logistic regression on the decoded latent of stacks, read back
from their bytes. Anomalies: a model of nine digits is asked for the tenth.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

import codec
from codec import picture
from codec.insight import anomaly
from codec.symbols.pipeline import Pipeline
from codec.symbols.stages import quality_index

STRENGTHS = (0.01, 0.1, 1.0)  # inverse regularisation, chosen by the choice
COMPONENTS = (8, 16, 32, 64)  # of PCA's error; the choice takes one
NEIGHBOURS = 20  # scikit-learn's default
LEADING = 40
BATCH = 500


def latents(pictures, model, quality):
    """Features of a compressed set, and its bytes per digit.

    Returns
    -------
    float32 (n, h * w * M), float
    """
    data = codec.encode_batch(pictures, quality=quality, model=model)
    found = codec.features(data, pooling="none", model=model)
    return np.asarray(found).reshape(len(found), -1), len(data) / len(found)


def classify(train, choose, figures):
    """Accuracy of logistic regression; each set is (features, labels).

    Features are centred and divided by the deviation of all of them
    together: which of them are larger is a part of what they say.
    """
    middle = train[0].mean(0)
    scale = (train[0] - middle).std()
    train, choose, figures = (
        ((x - middle) / scale, labels) for x, labels in (train, choose, figures)
    )
    best = None
    for c in STRENGTHS:
        model = LogisticRegression(C=c, max_iter=300).fit(*train)
        score = model.score(*choose)
        if best is None or score > best[0]:
            best = score, model, c
    return {
        "accuracy": best[1].score(*figures),
        "choice": best[0],
        "strength": best[2],
        "length": train[0].shape[1],
    }


def paired(train, choose, figures):
    """Leading components of each set, and their products two by two.

    A line through the features is then a curve: logistic regression stays
    what it is, its features know which strokes go together.
    """
    pca = PCA(LEADING, svd_solver="covariance_eigh").fit(train[0])
    i, j = np.triu_indices(LEADING)
    parts = []
    for x, labels in train, choose, figures:
        x = pca.transform(x)
        parts.append((np.concatenate([x, x[:, i] * x[:, j]], 1), labels))
    scale = parts[0][0].std(0)
    return [(x / scale, labels) for x, labels in parts]


def pairs(sets, model, quality):
    """`classify` of `paired` features: of compressed sets, of samples."""
    labels = [s.labels for s in sets]
    latent = [latents(s.pictures, model, quality)[0] for s in sets]
    raw = [s.pictures.reshape(len(s), -1) / np.float32(255) for s in sets]
    return {
        "quality": quality,
        **{
            name: classify(*paired(*zip(x, labels)))
            for name, x in (("latent", latent), ("pixels", raw))
        },
    }


def accuracies(sets, model, qualities):
    """Accuracy from compressed sets, from samples, and from PCA.

    Returns
    -------
    dict
        ``latent``: a row per quality; ``pixels``; ``pca``, of the same
        length as the latent.
    """
    rows = []
    for q in qualities:
        parts = [latents(s.pictures, model, q) for s in sets]
        rows.append(
            {
                "quality": q,
                "stack": parts[2][1],
                **classify(*((p[0], s.labels) for p, s in zip(parts, sets))),
            }
        )
    raw = [s.pictures.reshape(len(s), -1) / np.float32(255) for s in sets]
    pca = PCA(min(rows[0]["length"], len(raw[0]), raw[0].shape[1]), random_state=0).fit(raw[0])
    return {
        "latent": rows,
        "pixels": classify(*zip(raw, (s.labels for s in sets))),
        "pca": classify(*((pca.transform(x), s.labels) for x, s in zip(raw, sets))),
    }


class _PerPicture:
    """A writer of symbols that adds up what they cost in each of n pictures."""

    def __init__(self, costs, n):
        self.costs, self.bits = costs, np.zeros(n)

    def write(self, symbols, rows):
        bits = self.costs.of(np.abs(symbols.astype(np.int32)), rows)
        self.bits += bits.reshape(len(self.bits), -1).sum(1, dtype=np.float64)


def measured(pictures, pipeline, quality=anomaly.QUALITY):
    """`codec.insight.anomaly.measure` of many pictures of one size at once.

    Returns
    -------
    float (n, 2)
        log2 of mean squared error, of bits per pixel.
    """
    out = []
    for first in range(0, len(pictures), BATCH):
        part = pictures[first : first + BATCH]
        n, h, w = part.shape
        y = pipeline.analyse(np.repeat(part[..., None], 3, -1), quality)
        counter = _PerPicture(pipeline.costs(quality), n)
        z, decoded = pipeline.write_symbols(y, quality, counter)
        bits = counter.bits + np.array([counter.costs.z(a, quality_index(quality)) for a in z])
        back = picture.as_grey(pipeline.synthesise(decoded, quality, h, w))
        error = np.square(part.astype(np.float32) - back).mean((1, 2))
        out.append(
            np.log2(
                np.stack(
                    [
                        np.maximum(error, anomaly.LEAST_MSE),
                        np.maximum(bits / (h * w), anomaly.LEAST_BPP),
                    ],
                    1,
                )
            )
        )
    return np.concatenate(out)


def known(found):
    """Statistics as `codec.insight.calibrate` has them."""
    return {
        "correlation": float(np.corrcoef(found.T)[0, 1]),
        **{
            name: {"mean": v.mean(), "std": v.std(ddof=1)}
            for name, v in zip(("error", "bits"), found.T)
        },
    }


def unlike(train, part):
    """How thinly what is known lies around each row of ``part``.

    The local outlier factor (Breunig et al. 2000): the density of known
    neighbours around a row, against that around these neighbours.
    """
    known = LocalOutlierFactor(NEIGHBOURS, novelty=True).fit(train)
    return -known.score_samples(part)


def strangers(bundle, train, digit, part):
    """Area under ROC of one model: ``digit`` among the others of ``part``.

    Parameters
    ----------
    bundle : Bundle
        A model of ``train``.
    train : Set
        Without the digit.
    digit : int
    part : Set

    Returns
    -------
    dict of str to float
    """
    pipeline = Pipeline(bundle, 1)
    of_train = known(measured(train.pictures[:1000], pipeline))
    scores = [anomaly.score(row, of_train) for row in measured(part.pictures, pipeline)]
    x, y = (s.pictures.reshape(len(s), -1) / np.float32(255) for s in (train, part))
    pca = PCA(max(COMPONENTS), svd_solver="covariance_eigh").fit(x)
    y0 = y - pca.mean_
    shares = y0 @ pca.components_.T
    forest = IsolationForest(random_state=0).fit(x)
    described = [latents(s.pictures, str(bundle.folder), anomaly.QUALITY)[0] for s in (train, part)]
    found = {
        "distance": [s.distance for s in scores],
        "error + bits": [s.error + s.bits for s in scores],
        "error": [s.error for s in scores],
        "bits": [s.bits for s in scores],
        "neighbours of the latent": unlike(*described),
        "neighbours of the samples": unlike(x, y),
        "isolation forest": -forest.score_samples(y),
        **{f"PCA {n}": np.square(y0).sum(1) - np.square(shares[:, :n]).sum(1) for n in COMPONENTS},
    }
    strange = part.labels == digit
    return {name: float(roc_auc_score(strange, values)) for name, values in found.items()}
