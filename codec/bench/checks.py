"""What the project promises of its codec, judged on the rows measured."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from . import codecs, curves, tables
from .metrics import METRICS

LOW_DB, HIGH_DB = 27.0, 42.0


@dataclass(frozen=True)
class Promise:
    """A codec of ours is at most so large, at equal quality by a metric.

    ``tune`` is the opponent's, AVIF 4:4:4 at speed 6; ``must`` and ``aim`` are
    BD-rates in percent.
    """

    title: str
    codec: str
    metric: str
    tune: str
    must: float
    aim: float


STRONG = f"{codecs.OURS}-e{codecs.STRONG}"
PROMISES = (
    Promise("default", codecs.OURS, "ssimulacra2", "ssimulacra2", -10, -25),
    Promise("effort 5", STRONG, "ssimulacra2", "ssimulacra2", -18, -33),
    Promise("default", codecs.OURS, "butteraugli", "iq", 0, -15),
    Promise("default", codecs.OURS, "cvvdp", "iq", 0, -15),
    Promise("default", codecs.OURS, "ms-ssim", "iq", -10, -30),
    Promise("`psnr`", f"{codecs.OURS}-psnr", "psnr", "psnr", -5, -12),
    Promise("`psnr`, effort 5", f"{STRONG}-psnr", "psnr", "psnr", -11, -18),
    Promise("default", codecs.OURS, "psnr", "iq", 0, -10),
)


def promised(found: Mapping[str, pd.DataFrame]) -> list[tuple[Promise, dict | None]]:
    """Each promise and the BD figures that answer it.

    Parameters
    ----------
    found : mapping
        Codec name to mean curve.

    Returns
    -------
    list of (Promise, dict or None)
        What `curves.compare` says; None where something was not measured.
    """
    answers = []
    for promise in PROMISES:
        name = codecs.ours_name(**codecs.parse(promise.codec))
        pair = f"avif-444-{promise.tune}", name
        there = all(
            n in found and len(curves.points(found[n], promise.metric)[0]) > 1 for n in pair
        )
        answers.append(
            (
                promise,
                curves.compare({n: found[n] for n in pair}, pair[0], promise.metric)[name]
                if there
                else None,
            )
        )
    return answers


def table(found: Mapping[str, pd.DataFrame]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what must hold, bands by the metric's own table."""
    rows = []
    for promise, figures in promised(found):
        rate = figures and figures["rate"]
        rows.append(
            [
                f"{promise.title}, by {METRICS[promise.metric].title}, to AVIF tune={promise.tune}",
                tables.signed(promise.must, 0) if promise.must else "0",
                tables.signed(promise.aim, 0),
                tables.signed(rate),
                ", ".join(map(tables.signed, figures["bands"])) if figures else "–",
                "yes" if rate is not None and rate <= promise.must else "no",
            ]
        )
    return ["Size at equal quality, %", "must", "aim", "is", "by band", "holds"], rows


def monotone(rows: pd.DataFrame, codec: str) -> list[str]:
    """Where a better setting does not pay.

    Parameters
    ----------
    rows : DataFrame
    codec : str
        One whose settings are numbers that rise with quality.

    Returns
    -------
    list of str
        A line for each picture and pair of neighbouring settings where the
        bytes or the PSNR fall; empty when all is well.
    """
    faults = []
    rows = rows[rows["codec"] == codec]
    rows = rows.assign(quality=rows["setting"].astype(float)).sort_values("quality")
    for picture, group in rows.groupby("picture"):
        for figure, unit in (("bytes", "bytes"), ("psnr_db", "dB")):
            pairs = zip(group["setting"], group["setting"][1:])
            values = zip(group[figure], group[figure][1:])
            faults += [
                f"{picture}: {figure.removesuffix('_db')} falls from {one:.6g} to "
                f"{two:.6g} {unit} between q={low} and q={high}"
                for (low, high), (one, two) in zip(pairs, values)
                if two < one
            ]
    return faults


def judge(
    rows: pd.DataFrame, found: Mapping[str, pd.DataFrame], codec: str = codecs.OURS
) -> list[tuple[bool, str]]:
    """The promises, each with its figure.

    Parameters
    ----------
    rows : DataFrame
        Of the pictures that the curves average.
    found : mapping
        Codec name to mean curve.
    codec : str

    Returns
    -------
    list of (bool, str)
        Whether it holds, and a line that says so.
    """
    lines = []
    for promise, figures in promised(found):
        if figures:
            rate = figures["rate"]
            lines.append(
                (
                    rate is not None and rate <= promise.must,
                    f"{promise.title}, {METRICS[promise.metric].title}, to AVIF "
                    f"tune={promise.tune}: {tables.signed(rate)} % "
                    f"(must {tables.signed(promise.must, 0)})",
                )
            )
    faults = monotone(rows, codec)
    n_pictures = rows["sha256"].nunique()
    lines.append(
        (
            not faults,
            f"monotone in quality on {n_pictures} pictures"
            + (f": {len(faults)} faults" if faults else ""),
        )
    )
    lines += [(False, "  " + fault) for fault in faults]
    decibel = found[codec]["psnr"]
    low, high = (decibel.get(q, float("nan")) for q in ("1", "100"))
    lines.append((low < LOW_DB, f"mean PSNR at q=1 {low:.2f} dB (below {LOW_DB:.0f})"))
    lines.append((high > HIGH_DB, f"mean PSNR at q=100 {high:.2f} dB (above {HIGH_DB:.0f})"))
    return lines
