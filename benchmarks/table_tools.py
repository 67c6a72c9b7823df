"""What the autoencoder of tables is good for, beside scikit-learn's ways.

    python -m benchmarks.table_tools run [WHAT/NAME...]   measures what is not there yet
    python -m benchmarks.table_tools fill|anomaly|features   prints a table of the page

All data ship in PyPI packages; which, was chosen before they were measured. What was
chosen where stands on the page, and results/table-tools-trials.csv has the trials of
scores. Networks see training rows alone. Figures are means over seeds, with their
standard error.
"""

import argparse
import json
import pathlib
import warnings

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor, IsolationForest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.tables import TABLES
from codec.bench.tables import markdown
from codec.training.config import TableConfig
from codec.training.table import train

RESULTS = pathlib.Path(__file__).parent / "results" / "table-tools.jsonl"
ROWS = 4000  # of a table that is filled in, drawn anew for each seed
HIDDEN = 0.1
# The network of columns of other scales alone: its second view is for scores.
ONE = {"scale": "column"}


# ---- Filling in --------------------------------------------------------------------


FRAMES = {
    "diamonds": TABLES["diamonds"],
    "randhie": TABLES["randhie"],
    "breast_cancer": lambda: load_breast_cancer(as_frame=True).data,
}


def errors(rows, cells, wanted, hidden):
    """Mean over columns: RMSE in standard deviations, or the share of wrong classes."""
    found = []
    for i, column in enumerate(rows.columns):
        at = hidden[:, i]
        if at.any():
            a, b = cells[at, i], wanted[at, i]
            numbers = column.classes is None
            found.append(np.sqrt(np.mean((a - b) ** 2)) if numbers else np.mean(a != b))
    return float(np.mean(found))


def spread(rows, cells):
    """Numbers as they are, classes one-hot, NaN where missing: for scikit-learn."""
    out = rows.features(cells)[:, : rows.n_outputs]
    out[:, : len(rows.numbers)] = cells[:, rows.numbers]
    for i, place in rows.groups:
        out[np.isnan(cells[:, i]), place] = np.nan
    return out


def fill(name, seed):
    """Errors of each way; IterativeImputer as it comes, and with trees for lines."""
    rng = np.random.default_rng(seed)
    frame = FRAMES[name]()
    frame = frame.iloc[rng.permutation(len(frame))[:ROWS]].reset_index(drop=True)
    n = len(frame) // 5
    network, _ = train(frame.iloc[n:], TableConfig(**ONE, seed=seed))
    rows = network.rows
    wanted = rows.matrix(frame.iloc[:n])
    hidden = (rng.random(wanted.shape) < HIDDEN) & ~np.isnan(wanted)
    seen = np.where(hidden, np.float32(np.nan), wanted)
    learn = spread(rows, rows.matrix(frame.iloc[n:]))
    trees = ExtraTreesRegressor(20, min_samples_leaf=3, random_state=seed)
    found = {"autoencoder": rows.matrix(network.fill(rows.table(seen)))}
    for head, how in (
        ("IterativeImputer", {}),
        ("IterativeImputer, trees", {"estimator": trees, "max_iter": 5}),
    ):
        other = IterativeImputer(**how, random_state=seed).fit(learn)
        found[head] = rows.best(other.transform(spread(rows, seen)))
    found["column mean"] = rows.best(np.tile(np.nanmean(learn, 0), (n, 1)))
    return {head: errors(rows, cells, wanted, hidden) for head, cells in found.items()}


# ---- Anomalies ---------------------------------------------------------------------


STRANGERS = {"breast_cancer": load_breast_cancer, "digits": load_digits}
COMPONENTS = (1, 2, 4, 8, 16, 24, 0.95)  # or the share of the variance


def strangers(name, seed):
    """Rows, and which are strange: malignant ones; a digit beside the nine others."""
    table, kind = STRANGERS[name](return_X_y=True)
    return table, kind == (seed % 10 if name == "digits" else 0)


def components(learn, test, n):
    """Squared error of rows after PCA."""
    pca = PCA(n, svd_solver="full").fit(learn)
    return np.square(test - pca.inverse_transform(pca.transform(test))).mean(1)


def anomaly(name, seed):
    """Area under ROC of each way, learned from half of what is usual."""
    table, strange = strangers(name, seed)
    usual = np.random.default_rng(seed).permutation(np.flatnonzero(~strange))
    half = len(usual) // 2
    learn = table[usual[:half]]
    at = np.concatenate([usual[half:], np.flatnonzero(strange)])
    test, truth = table[at], strange[at]
    scaler = StandardScaler().fit(learn)
    found = {"autoencoder": train(learn, TableConfig(seed=seed))[0].score(test)}
    for head, make in (("PCA", lambda a: a), ("PCA, scaled", scaler.transform)):
        for n in COMPONENTS:
            found[f"{head}: {n}"] = components(make(learn), make(test), n)
    forest = IsolationForest(n_estimators=300, random_state=seed).fit(learn)
    found["isolation forest"] = -forest.score_samples(test)
    return {head: roc_auc_score(truth, score) for head, score in found.items()}


# ---- Features ----------------------------------------------------------------------

# Loader, bytes of a value, and settings: latents of a tenth of a row's bytes.
FEATURES = {
    "wine": (load_wine, 8, {"latents": 10, "mask": 0.0, **ONE}),
    "digits": (load_digits, 8, {"latents": 51, "mask": 0.0}),
}


def classifier():
    """Logistic regression of standardised columns, how strict chosen by inner folds."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return GridSearchCV(model, {"logisticregression__C": [0.01, 0.1, 1, 10]}, cv=3)


def features(name, seed):
    """Accuracy of logistic regression, by five folds, on: latents, `expand`, columns."""
    load, _, how = FEATURES[name]
    table, kind = load(return_X_y=True)
    found = []
    for learn, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(table, kind):
        network, _ = train(table[learn], TableConfig(**how, seed=seed))
        latents = [network.latents(table[at]) for at in (learn, test)]
        ways = {
            "latents": [z.astype(float) for z in latents],
            "expanded": [network.expand(z) for z in latents],
            "columns": [table[learn], table[test]],
        }
        found.append(
            {h: classifier().fit(a, kind[learn]).score(b, kind[test]) for h, (a, b) in ways.items()}
        )
    return {head: np.mean([f[head] for f in found]) for head in found[0]}


# ---- What is measured, and the page ------------------------------------------------

PARTS = {
    "fill": (fill, dict.fromkeys(FRAMES, 3)),
    "anomaly": (anomaly, {"breast_cancer": 4, "digits": 6}),
    "features": (features, {"wine": 5, "digits": 2}),
}


def known():
    rows = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {(r["what"], r["name"], r["seed"]): r["values"] for r in map(json.loads, rows)}


def run(wanted):
    for what, (measure, names) in PARTS.items():
        for name, n_seeds in names.items():
            for seed in range(n_seeds):
                chosen = not wanted or f"{what}/{name}" in wanted
                if chosen and (what, name, seed) not in known():
                    values = {h: round(float(v), 4) for h, v in measure(name, seed).items()}
                    row = {"what": what, "name": name, "seed": seed, "values": values}
                    with open(RESULTS, "a") as file:
                        file.write(json.dumps(row) + "\n")


def shown(values):
    """Mean and its standard error."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.3f}"


def page(what):
    rows = []
    for name in PARTS[what][1]:
        found = [v for (w, n, _), v in known().items() if (w, n) == (what, name)]
        ways = {head: np.array([v[head] for v in found]) for head in found[0]}
        best = {}  # of the ways that differ in what stands after the colon
        for head, values in ways.items():
            kind = head.partition(":")[0]
            if kind not in best or values.mean() > ways[best[kind]].mean():
                best[kind] = head
        row = {"Table": name, "seeds": len(found)}
        for kind, head in best.items():
            row[kind] = shown(ways[head]) + head[len(kind) :].replace(":", ";")
        if what == "features":
            load, size, how = FEATURES[name]
            n_bytes = size * load().data.shape[1]
            bits = how["latents"] * np.log2(how.get("levels", 256))
            row["bytes a row"] = f"{bits / 8:.1f} of {n_bytes}"
        rows.append(row)
    return markdown(list(rows[0]), [row.values() for row in rows])


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("what", choices=["run", *PARTS])
    p.add_argument("names", nargs="*", metavar="WHAT/NAME")
    o = p.parse_args(argv)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if o.what == "run":
        run(o.names)
    else:
        print(page(o.what))


if __name__ == "__main__":
    main()
