"""Figures as text for the terminal and as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from . import metrics

if TYPE_CHECKING:
    import pandas as pd

Table = tuple[str, list[str], list[list[str]]]
"""Title, header and rows of text."""

RATIO_HEADER = ["Lossless codec", "Ratio", "bpp"]
SPEED_HEADER = [
    "Codec",
    "Megapixels",
    "bpp",
    "Encode MP/s",
    "Decode MP/s",
    "Encode MiB",
    "Decode MiB",
]


def number(value: float | None, digits: int = 1, sign: str = "") -> str:
    """A figure with a true minus; a dash where there is none."""
    if value is None or value != value:
        return "–"
    return f"{value:{sign}.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 1) -> str:
    """A difference; a dash where it was refused."""
    return number(value, digits, "+")


def band_titles(metric: str) -> list[str]:
    """Headers of the bands of a metric's table."""
    by = metrics.METRICS[metric].bands
    return [f"{low:g}–{high:g}{metrics.UNITS[by]}" for low, high in metrics.BANDS[by]]


def bd_header(metric: str) -> list[str]:
    """Column titles of `bd_rows`."""
    return ["Codec", "BD-rate %", *band_titles(metric), "BD-quality"]


def bd_rows(figures: Mapping[str, dict], labels: Mapping[str, str], anchor: str) -> list[list[str]]:
    """One row per codec, the smallest files first, the anchor at zero.

    Parameters
    ----------
    figures : mapping
        From `curves.compare`.
    labels : mapping
        Codec name to label.
    anchor : str
    """

    def order(name):
        rate = figures[name]["rate"]
        return (rate is None, rate if rate is not None else 0)

    rows = []
    for name in sorted(figures, key=order):
        found = figures[name]
        if name == anchor:
            zeros = ["0"] * (len(found["bands"]) + 2)
            rows.append([labels[name] + " (anchor)", *zeros])
            continue
        rows.append(
            [
                labels[name],
                signed(found["rate"]),
                *map(signed, found["bands"]),
                signed(found["quality"], 2),
            ]
        )
    return rows


def ratio_rows(curves: "Mapping[str, pd.DataFrame]", labels: Mapping[str, str]) -> list[list[str]]:
    """Compression ratio of codecs with one setting, the best first."""
    single = {n: c.iloc[0] for n, c in curves.items() if len(c) == 1}
    return [
        [labels[n], f"{single[n]['ratio']:.3f}", f"{single[n]['bpp']:.2f}"]
        for n in sorted(single, key=lambda n: -single[n]["ratio"])
    ]


def speed_rows(found: Mapping, size: tuple[int, int] | None = None) -> list[list[str]]:
    """One row per codec and size of a ``speed-N.json``.

    Parameters
    ----------
    found : mapping
    size : (int, int), optional
        That width and height only.
    """
    peaks = {(row["codec"], row["width"], row["height"]): row for row in found["memory"]}
    rows = []
    for row in found["times"]:
        here = row["width"], row["height"]
        if size is None or here == tuple(size):
            peak = peaks.get((row["codec"], *here), {})
            rows.append(
                [
                    row["label"],
                    f"{here[0] * here[1] / 1e6:.1f}",
                    f"{row['bpp']:.2f}",
                    f"{row['encode_mp_per_s']:.2f}",
                    f"{row['decode_mp_per_s']:.2f}",
                    *(number(peak.get(name), 0) for name in ("encode_mib", "decode_mib")),
                ]
            )
    return rows


def text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns for a terminal."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in table
    )


def markdown(header: Sequence[str], rows: Iterable[Sequence], texts: int = 1) -> str:
    """A Markdown table: the one way in which this project writes them.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequence
        Cells as text, or what `str` makes text of.
    texts : int
        So many of the first columns are words, the others figures.
    """
    rule = "|" + "---|" * texts + "---:|" * (len(header) - texts)
    first, *others = ("| " + " | ".join(map(str, row)) + " |" for row in [header, *rows])
    return "\n".join([first, rule, *others])
