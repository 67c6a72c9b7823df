"""Rate-distortion curves averaged over pictures, and the Bjontegaard delta.

**Convention.** A codec's curve over a set of pictures has one point per
setting: the mean of the pictures' bits per pixel against the mean of their
metric (PSNR in dB, MS-SSIM in dB, SSIMULACRA 2). BD-rate is computed once,
on those mean curves, with bjontegaard's piecewise cubic (``pchip``), as
CompressAI's and most papers' Kodak figures are. Averaging each picture's
own BD-rate gives other numbers (WebP on Kodak: -35.9 instead of -33.8 %)
and is not used.

Over Kodak, against Pillow's optimised JPEG 4:2:0, this gives -33.8 % for
WebP method 6 and -46.8 % for AVIF 4:4:4 speed 6, whose bands are -52.6,
-45.8, -41.9 and -38.7 %.

A figure over the whole range is refused when the curves share less than
60 % of the shorter one's range: of the shorter, because a codec must not
lose its figure by being measured far beyond the anchor. A band is refused
when they share less than 60 % of that band. Bands are of the anchor's
PSNR; for another metric they are its values where the anchor reaches those
PSNRs, so that a band means the same pictures in every metric.
"""

import math
import warnings
from dataclasses import dataclass, field

import numpy as np

BANDS_DB = ((27, 31), (31, 35), (35, 39), (39, 42))
MIN_OVERLAP = 0.6
FIGURES = {"psnr": "psnr_db", "ms-ssim": "ms_ssim_db", "ssimulacra2": "ssimulacra2"}


@dataclass
class Curve:
    """Means over pictures, one element per setting, by growing size."""

    codec: str
    settings: list = field(default_factory=list)
    n_pictures: int = 0
    bpp: list = field(default_factory=list)
    ratio: list = field(default_factory=list)
    psnr_db: list = field(default_factory=list)
    ms_ssim: list = field(default_factory=list)
    ms_ssim_db: list = field(default_factory=list)
    ssimulacra2: list = field(default_factory=list)

    def points(self, metric):
        """(bpp, figure) as arrays, rising in both; empty if not measured.

        A setting that costs more and gives no more is left out, because
        the interpolation needs a function.
        """
        values = getattr(self, FIGURES[metric])
        kept = []
        for rate, value in sorted(zip(self.bpp, values)):
            if math.isfinite(value) and (not kept or value > kept[-1][1]):
                kept.append((rate, value))
        return (
            np.array([rate for rate, _ in kept]),
            np.array([value for _, value in kept]),
        )


def mean_curves(rows, plan):
    """Average rows over the pictures that every codec has whole.

    Parameters
    ----------
    rows : iterable of dict
        As in the CSV.
    plan : dict
        Codec name to its settings as text.

    Returns
    -------
    curves : dict
        Codec name to `Curve`.
    pictures : list of str
        The sha256 of the pictures used; the same for all codecs, since a
        mean over other pictures would be another curve.
    """
    cells = {}
    for row in rows:
        if row["setting"] in plan.get(row["codec"], ()):
            cells[row["sha256"], row["codec"], row["setting"]] = row
    wanted = [
        (codec, setting) for codec, settings in plan.items() for setting in settings
    ]
    pictures = sorted(
        sha
        for sha in {sha for sha, _, _ in cells}
        if all((sha, codec, setting) in cells for codec, setting in wanted)
    )
    curves = {}
    for codec, settings in plan.items():
        curve = Curve(codec, n_pictures=len(pictures))
        if pictures:
            for setting in settings:
                _append(
                    curve, setting, [cells[sha, codec, setting] for sha in pictures]
                )
        curves[codec] = curve
    return curves, pictures


def _append(curve, setting, rows):
    curve.settings.append(setting)
    curve.bpp.append(float(np.mean([row["bpp"] for row in rows])))
    # Pixels over bytes in all: what a folder shrinks to.
    raw = sum(row["width"] * row["height"] * 3 for row in rows)
    curve.ratio.append(raw / sum(row["bytes"] for row in rows))
    for name in ("psnr_db", "ms_ssim", "ms_ssim_db", "ssimulacra2"):
        values = [row[name] for row in rows]
        if all(value != "" for value in values):
            # Pictures too small for MS-SSIM have none.
            values = [value for value in values if not math.isnan(value)]
            if values:
                getattr(curve, name).append(float(np.mean(values)))


def bd_rate(anchor, test, band=None):
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


def bd_quality(anchor, test):
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


def bands(anchor, metric):
    """`BANDS_DB` in another metric: where the anchor has those PSNRs.

    Parameters
    ----------
    anchor : Curve
    metric : str
        A key of `FIGURES`.

    Returns
    -------
    list of (float, float) or None
        None for a band that the anchor does not reach.
    """
    if metric == "psnr":
        return [tuple(map(float, band)) for band in BANDS_DB]
    rate, decibel = anchor.points("psnr")
    rate_here, value = anchor.points(metric)
    found = []
    for low, high in BANDS_DB:
        if not len(value) or low < decibel[0] or high > decibel[-1]:
            found.append(None)
            continue
        rates = np.interp((low, high), decibel, np.log10(rate))
        edges = np.interp(rates, np.log10(rate_here), value)
        found.append((float(edges[0]), float(edges[1])))
    return found


def compare(curves, anchor, metric):
    """BD figures of every curve against the anchor.

    Returns
    -------
    dict
        Codec name to ``{"rate": %, "quality": units, "bands": [%, ...]}``,
        None where refused.
    """
    base = curves[anchor].points(metric)
    ranges = bands(curves[anchor], metric)
    found = {}
    for name, curve in curves.items():
        test = curve.points(metric)
        found[name] = {
            "rate": bd_rate(base, test),
            "quality": bd_quality(base, test),
            "bands": [band and bd_rate(base, test, band) for band in ranges],
        }
    return found
