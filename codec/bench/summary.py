"""From rows to everything that is said about them, in one object.

The terminal, the JSON files, the Markdown and the report all read this, so
they cannot disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from . import codecs, curves, tables
from .metrics import METRICS

TUNED = "tuned"
"""As an anchor: the AVIF that was tuned for the table's metric."""


@dataclass
class Summary:
    """A run's figures.

    Attributes
    ----------
    rows : DataFrame
        Of the ``pictures`` that every codec has whole.
    pictures : list of str
        Their sha256.
    curves : dict
        Codec name to mean curve.
    figures : dict
        Metric to what `curves.compare` gave, for lossy codecs and where the
        metric's anchor was measured.
    labels : mapping
        Codec name to label.
    anchors : dict
        Metric to codec name.
    """

    rows: pd.DataFrame
    pictures: list[str]
    curves: dict[str, pd.DataFrame]
    figures: dict[str, dict]
    labels: Mapping[str, str]
    anchors: dict[str, str]


def summarise(
    rows: pd.DataFrame,
    cards: Mapping[str, Mapping],
    metric_names: Sequence[str],
    anchor: str = codecs.ANCHOR,
) -> Summary:
    """Average, compare.

    Parameters
    ----------
    rows : DataFrame
        Of one thread count, and one version a codec.
    cards : mapping
        Codec name to ``settings`` as text, ``label`` and ``kind``.
    metric_names : sequence of str
    anchor : str
        Codec that the others are compared with, or `TUNED`.
    """
    mean, pictures = curves.mean_curves(
        rows, {name: card["settings"] for name, card in cards.items()}
    )
    lossy = {n: curve for n, curve in mean.items() if cards[n]["kind"] == "lossy"}
    figures, anchors = {}, {}
    for metric in metric_names:
        base = codecs.tuned_avif(metric) if anchor == TUNED else anchor
        measured = {n: c for n, c in lossy.items() if len(curves.points(c, metric)[0]) > 1}
        if base in measured:
            anchors[metric] = base
            figures[metric] = curves.compare(measured, base, metric)
    return Summary(
        rows[rows["sha256"].isin(pictures)],
        pictures,
        mean,
        figures,
        {name: card["label"] for name, card in cards.items()},
        anchors,
    )


def sections(summary: Summary) -> list[tables.Table]:
    """(title, header, rows) of every table, for terminal and Markdown."""
    found = []
    for metric, figures in summary.figures.items():
        anchor = summary.anchors[metric]
        title = (
            f"BD-rate against {summary.labels[anchor]} at equal "
            f"{METRICS[metric].title}, {len(summary.pictures)} pictures"
        )
        rows = tables.bd_rows(figures, summary.labels, anchor)
        found.append((title, tables.bd_header(metric), rows))
    ratios = tables.ratio_rows(summary.curves, summary.labels)
    if ratios:
        found.append(("Lossless, against 24 bits per pixel", tables.RATIO_HEADER, ratios))
    return found


def glance(summary: Summary, speeds: Mapping, size: tuple[int, int]) -> tables.Table:
    """Size, look and speed of each codec that a ``speed-N.json`` has, in one table.

    AVIF's row has for each metric the AVIF that is tuned for it, where all of
    these were measured.

    Parameters
    ----------
    summary : Summary
    speeds : mapping
        What the file holds.
    size : (int, int)
        Width and height of the picture that the times are of.
    """
    header = ["Codec"] + [f"by {METRICS[m].title}, %" for m in summary.figures]
    header += ["Encode MP/s", "Decode MP/s"]
    tuned = {metric: codecs.tuned_avif(metric) for metric in summary.figures}
    all_tuned = all(tuned[m] in summary.figures[m] for m in tuned)
    rows = []
    for row in speeds["times"]:
        if (row["width"], row["height"]) != tuple(size):
            continue
        avif = all_tuned and row["codec"].startswith("avif-444")
        label = "AVIF 4:4:4, tuned for each metric" if avif else row["label"]
        rates = []
        for metric, figures in summary.figures.items():
            name = tuned[metric] if avif else row["codec"]
            anchor = name == summary.anchors[metric]
            rates.append("0" if anchor else tables.signed(figures.get(name, {}).get("rate")))
        times = row["encode_mp_per_s"], row["decode_mp_per_s"]
        rows.append([label, *rates, *(f"{t:.1f}" for t in times)])
    anchors = sorted({summary.labels[name] for name in summary.anchors.values()})
    title = (
        f"At a glance: size against {' and '.join(anchors)} at equal quality, and "
        f"speed with {speeds['threads']} threads, {len(summary.pictures)} pictures"
    )
    return title, header, rows
