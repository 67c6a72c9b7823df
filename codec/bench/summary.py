"""From rows to everything that is said about them, in one object.

The terminal, the JSON files, the Markdown and the report all read this, so
they cannot disagree.
"""

from dataclasses import dataclass

from . import codecs, curves, tables


@dataclass
class Summary:
    """A run's figures.

    ``figures`` maps each metric to what `curves.compare` gave, for lossy
    codecs and where the ``anchor`` was measured; ``rows`` are those of the
    ``pictures`` (sha256) that every codec has whole.
    """

    rows: list
    pictures: list
    curves: dict
    figures: dict
    labels: dict
    anchor: str


def summarise(rows, plan, labels, kinds, metric_names, anchor=codecs.ANCHOR):
    """Average, compare.

    Parameters
    ----------
    rows : list of dict
        Of one thread count, and one version a codec.
    plan : dict
        Codec name to settings, as text.
    labels, kinds : dict
        Codec name to label and kind.
    metric_names : sequence of str
    anchor : str
        Codec that the others are compared with.
    """
    mean, pictures = curves.mean_curves(rows, plan)
    lossy = {name: curve for name, curve in mean.items() if kinds[name] == "lossy"}
    figures = {}
    if anchor in lossy and pictures:
        for metric in metric_names:
            if len(lossy[anchor].points(metric)[0]) > 1:
                figures[metric] = curves.compare(lossy, anchor, metric)
    chosen = set(pictures)
    used = [
        row
        for row in rows
        if row["sha256"] in chosen and row["setting"] in plan.get(row["codec"], ())
    ]
    return Summary(used, pictures, mean, figures, labels, anchor)


def sections(summary):
    """(title, header, rows) of every table, for terminal and Markdown."""
    found = []
    for metric, figures in summary.figures.items():
        title = (
            f"BD-rate against {summary.labels[summary.anchor]} at equal "
            f"{tables.TITLES[metric]}, {len(summary.pictures)} pictures"
        )
        found.append(
            (
                title,
                tables.bd_header(),
                tables.bd_rows(figures, summary.labels, summary.anchor),
            )
        )
    ratios = tables.ratio_rows(summary.curves, summary.labels)
    if ratios:
        found.append(
            ("Lossless, against 24 bits per pixel", tables.RATIO_HEADER, ratios)
        )
    return found
