"""What the project promises of its codec, judged on the rows measured."""

import math

from . import codecs

BD_RATE_TARGET = -55.0
LOW_DB, HIGH_DB = 27.0, 42.0


def monotone(rows, codec):
    """Where a better setting does not pay.

    Parameters
    ----------
    rows : iterable of dict
    codec : str
        One whose settings are numbers that rise with quality.

    Returns
    -------
    list of str
        A line for each picture and pair of neighbouring settings where the
        bytes or the PSNR fall; empty when all is well.
    """
    by_picture = {}
    for row in rows:
        if row["codec"] == codec:
            by_picture.setdefault(row["picture"], []).append(row)
    faults = []
    for picture, group in sorted(by_picture.items()):
        group.sort(key=lambda row: float(row["setting"]))
        for low, high in zip(group, group[1:]):
            for figure, unit in (("bytes", "bytes"), ("psnr_db", "dB")):
                if high[figure] < low[figure]:
                    faults.append(
                        f"{picture}: {figure.removesuffix('_db')} falls "
                        f"from {low[figure]:.6g} to {high[figure]:.6g} "
                        f"{unit} between q={low['setting']} and "
                        f"q={high['setting']}"
                    )
    return faults


def judge(rows, curves, figures, codec=codecs.OURS):
    """The promises, each with its figure.

    Parameters
    ----------
    rows : list of dict
        Of the pictures that the curves average.
    curves : dict
        Codec name to `curves.Curve`.
    figures : dict
        What `curves.compare` gave for PSNR.
    codec : str

    Returns
    -------
    list of (bool, str)
        Whether it holds, and a line that says so.
    """
    curve = curves[codec]
    lines = []
    rate = figures[codec]["rate"]
    lines.append(
        (
            rate is not None and rate <= BD_RATE_TARGET,
            f"BD-rate against JPEG 4:2:0 {_percent(rate)} "
            f"(target {BD_RATE_TARGET:.0f} % or better)",
        )
    )
    faults = monotone(rows, codec)
    lines.append(
        (
            not faults,
            f"monotone in quality on {curve.n_pictures} pictures"
            + (f": {len(faults)} faults" if faults else ""),
        )
    )
    lines += [(False, "  " + fault) for fault in faults]
    at = dict(zip(map(float, curve.settings), curve.psnr_db))
    low, high = at.get(1.0, math.nan), at.get(100.0, math.nan)
    lines.append((low < LOW_DB, f"mean PSNR at q=1 {low:.2f} dB (below {LOW_DB:.0f})"))
    lines.append(
        (high > HIGH_DB, f"mean PSNR at q=100 {high:.2f} dB (above {HIGH_DB:.0f})")
    )
    return lines


def _percent(value):
    return "refused" if value is None else f"{value:+.1f} %"
