"""Rate-distortion curves averaged over pictures, and the Bjontegaard delta.

**Convention.** A codec's curve over a set of pictures has one point per
setting: the mean of the pictures' bits per pixel against the mean of their
quality (`metrics.Metric.quality`: PSNR and MS-SSIM in dB, SSIMULACRA 2, ...).
BD-rate is computed once, on those mean curves, with bjontegaard's piecewise
cubic (``pchip``), as CompressAI's and most papers' Kodak figures are.
Averaging each picture's own BD-rate gives other numbers (WebP on Kodak: -35.9
instead of -33.8 %) and is not used.

A figure over the whole range is refused when the curves share less than
60 % of the shorter one's range: of the shorter, because a codec must not
lose its figure by being measured far beyond the anchor. A band is refused
when they share less than 60 % of that band. Bands are of the anchor's PSNR,
for the metrics of the eye of its SSIMULACRA 2; in another metric they are
that metric's values where the anchor reaches those, so that a band means the
same pictures in every metric.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from . import metrics

MIN_OVERLAP = 0.6

Points: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Rate and quality, both rising."""


def mean_curves(
    rows: pd.DataFrame, plan: Mapping[str, Sequence[str]]
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Average rows over the pictures that every codec has whole.

    Parameters
    ----------
    rows : DataFrame
        As in the CSV.
    plan : mapping
        Codec name to its settings as text.

    Returns
    -------
    curves : dict
        Codec name to a table with a row per setting, by growing size:
        ``bpp``, ``ratio``, the means of the metrics' columns, and the mean
        quality by each metric under the metric's name. NaN where not every
        picture has the figure.
    pictures : list of str
        The sha256 of the pictures used; the same for all codecs, since a
        mean over other pictures would be another curve.
    """
    wanted = [(name, setting) for name in plan for setting in plan[name]]
    planned = pd.MultiIndex.from_frame(rows[["codec", "setting"]]).isin(wanted)
    rows = rows[planned].drop_duplicates(["sha256", "codec", "setting"], keep="last")
    count = rows.groupby("sha256").size()
    pictures = sorted(count.index[count == len(wanted)])
    rows = rows[rows["sha256"].isin(pictures)]
    return {name: _mean(rows[rows["codec"] == name], plan[name]) for name in plan}, pictures


def _mean(rows: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    found = pd.DataFrame({"setting": rows["setting"], "bpp": rows["bpp"]})
    for name, metric in metrics.METRICS.items():
        if metric.column in rows and metric.measured(rows):
            found[metric.column] = rows[metric.column]
            found[name] = rows[metric.column].map(metric.quality)
    with np.errstate(invalid="ignore"):  # of lossless codecs, infinite
        curve = found.groupby("setting").mean()
    # Pixels over bytes in all: what a folder shrinks to.
    sums = rows.assign(raw=3 * rows["width"] * rows["height"]).groupby("setting")
    curve["ratio"] = sums["raw"].sum() / sums["bytes"].sum()
    return curve.reindex(settings if len(curve) else [])


def points(curve: pd.DataFrame, metric: str) -> Points:
    """(bpp, quality) as arrays, rising in both; empty if not measured.

    A setting that costs more and gives no more is left out, because the
    interpolation needs a function.
    """
    if metric not in curve:
        return np.empty(0), np.empty(0)
    kept: list[tuple[float, float]] = []
    for rate, value in sorted(zip(curve["bpp"], curve[metric])):
        if math.isfinite(value) and (not kept or value > kept[-1][1]):
            kept.append((rate, value))
    return np.array([rate for rate, _ in kept]), np.array([v for _, v in kept])


def bd_rate(anchor: Points, test: Points, band: tuple[float, float] | None = None) -> float | None:
    """Mean difference of rate at equal quality.

    Parameters
    ----------
    anchor, test : pair of array_like
        (rate, quality), rising in both.
    band : pair of float, optional
        Range of quality; by default all that the curves share.

    Returns
    -------
    float or None
        In percent, negative is smaller than the anchor; None when the
        overlap is under 60 %.
    """
    shared = _shared(anchor[1], test[1], band)
    if shared is None:
        return None
    low, high = shared
    _, of_anchor, of_test = _library("bd_rate", anchor, test)
    area = of_test.integrate(low, high) - of_anchor.integrate(low, high)
    return float(100 * (10 ** (area / (high - low)) - 1))


def bd_quality(anchor: Points, test: Points) -> float | None:
    """Mean difference of quality at equal rate (BD-PSNR for PSNR).

    Parameters
    ----------
    anchor, test : pair of array_like
        (rate, quality), rising in both.

    Returns
    -------
    float or None
        In the metric's unit; None when the overlap, in the logarithm of
        the rate, is under 60 %.
    """
    if _shared(np.log10(anchor[0]), np.log10(test[0]), None) is None:
        return None
    return float(_library("bd_psnr", anchor, test)[0])


def _shared(anchor, test, band):
    """The range over which curves are compared, None where too short."""
    if len(anchor) < 2 or len(test) < 2:
        return None
    low, high = max(anchor[0], test[0]), min(anchor[-1], test[-1])
    span = min(anchor[-1] - anchor[0], test[-1] - test[0])
    if band is not None:
        low, high = max(low, band[0]), min(high, band[1])
        span = band[1] - band[0]
    if high <= low or high - low < MIN_OVERLAP * span:
        return None
    return low, high


def _library(function, anchor, test):
    import bjontegaard

    with warnings.catch_warnings():
        # Overlap is judged by _shared, more strictly than the warning.
        warnings.simplefilter("ignore")
        return getattr(bjontegaard, function)(
            *anchor,
            *test,
            "pchip",
            require_matching_points=False,
            interpolators=True,
            min_overlap=0,
        )


def bands(anchor: pd.DataFrame, metric: str) -> list[tuple[float, float] | None]:
    """The bands of a metric's table, in that metric.

    Parameters
    ----------
    anchor : DataFrame
        A curve.
    metric : str
        A key of `metrics.METRICS`.

    Returns
    -------
    list of (float, float) or None
        Where the anchor has the qualities of `metrics.BANDS`; None for a
        band that it does not reach.
    """
    by = metrics.METRICS[metric].bands
    if metric == by:
        return list(metrics.BANDS[by])
    rate, quality = points(anchor, by)
    rate_here, value = points(anchor, metric)
    found: list[tuple[float, float] | None] = []
    for low, high in metrics.BANDS[by]:
        if not len(value) or not len(rate) or low < quality[0] or high > quality[-1]:
            found.append(None)
            continue
        rates = np.interp((low, high), quality, np.log10(rate))
        edges = np.interp(rates, np.log10(rate_here), value)
        found.append((float(edges[0]), float(edges[1])))
    return found


def compare(curves: Mapping[str, pd.DataFrame], anchor: str, metric: str) -> dict[str, dict]:
    """BD figures of every curve against the anchor.

    Returns
    -------
    dict
        Codec name to ``{"rate": %, "quality": units, "bands": [%, ...]}``,
        None where refused.
    """
    base = points(curves[anchor], metric)
    ranges = bands(curves[anchor], metric)
    found = {}
    for name, curve in curves.items():
        test = points(curve, metric)
        found[name] = {
            "rate": bd_rate(base, test),
            "quality": bd_quality(base, test),
            "bands": [band and bd_rate(base, test, band) for band in ranges],
        }
    return found


def at_rate(found: Points, rate: float) -> float | None:
    """Quality at a size, linear in its logarithm; None beyond the curve."""
    if not len(found[0]) or not found[0][0] <= rate <= found[0][-1]:
        return None
    return float(np.interp(np.log(rate), np.log(found[0]), found[1]))
