"""Curves as SVG text, by matplotlib.

Every line is a group with the class ``series`` and its key as ``data-key``,
so that a page can hide it.
"""

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OURS = "#c2340c"
COLOURS = (
    "#77716a",
    "#a8956b",
    "#2f7d4f",
    "#4a9fd0",
    "#1f66b0",
    "#8a3fb0",
    "#b8860b",
    "#0f8c8c",
    "#c2578f",
    "#566573",
)
_GROUP = re.compile(r'<g id="series ([^"]*)">')


@dataclass(frozen=True)
class Line:
    """One curve, or one named point.

    ``dashed`` is for curves that were not measured here; ``key`` links it
    to its entry in a legend.
    """

    key: str
    label: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """What is along an axis, and its range; by default all that is drawn."""

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False


def draw(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    width: int = 720,
    height: int = 460,
    legend: bool = False,
) -> str:
    """Curves in a frame, the last on top.

    Parameters
    ----------
    lines : sequence of Line
        One with a single point has its name beside it.
    x, y : Axis
    width, height : int
        Units of 1 pixel at full size.
    legend : bool
        With the lines' labels, for a file of its own.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    salt = hashlib.sha256(repr((lines, x, y, width)).encode()).hexdigest()[:8]
    style = {"svg.fonttype": "none", "svg.hashsalt": salt, "font.size": 9}
    with matplotlib.rc_context(style):
        figure = Figure((width / 72, height / 72), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot(xlabel=x.label, ylabel=y.label)
        axes.set_xscale("log" if x.log else "linear")
        axes.set_yscale("log" if y.log else "linear")
        for line in lines:
            _add(axes, line)
        axes.set_xlim(x.low, x.high)
        axes.set_ylim(y.low, y.high)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        if x.log:
            axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5), numticks=12))
        axes.grid(color="#ddd", linewidth=0.7)
        if legend:
            axes.legend(reverse=True, fontsize=8, framealpha=0.8)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = _GROUP.sub(lambda m: f'<g class="series" data-key="{m[1]}">', text)
    return text[text.index("<svg") :].replace("<svg ", '<svg class="plot" ', 1)


def _add(axes, line: Line) -> None:
    ours = line.colour == OURS
    finite = np.isfinite(line.x) & np.isfinite(line.y)
    axes.plot(
        np.asarray(line.x)[finite],
        np.asarray(line.y)[finite],
        color=line.colour,
        linestyle="--" if line.dashed else "-",
        linewidth=2.6 if ours else 1.1 if line.dashed else 1.5,
        marker=None if line.dashed else "o",
        markersize=4 if ours else 3,
        label=line.label,
        gid=f"series {line.key}",
    )
    if len(line.x) == 1:
        axes.annotate(
            line.label,
            (line.x[0], line.y[0]),
            (5, 3),
            textcoords="offset points",
            color=line.colour,
            fontsize=8,
            gid=f"series {line.key}",
        )
