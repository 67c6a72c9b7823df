"""Plots as SVG text: few kinds, no library, styled by the page's CSS.

Colours are CSS classes (``s0`` .. ``s9``, ``ours``, ``published``), so that
one drawing serves light and dark. Every mark has a ``<title>`` that a
pointer shows and a screen reader reads.
"""

import html
import math
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """One curve: points, its name and the class that colours it.

    ``dashed`` is for curves that were not measured here; ``key`` links it
    to its entry in the legend. ``notes`` has a text for each point.
    """

    key: str
    label: str
    style: str
    x: tuple
    y: tuple
    dashed: bool = False
    notes: tuple = ()


@dataclass(frozen=True)
class Axis:
    """A range, linear or logarithmic, and what it means."""

    label: str
    low: float
    high: float
    log: bool = False

    def place(self, value):
        """0..1 along the axis."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def holds(self, value):
        """Whether a value can be drawn; a little beyond is cut off."""
        return (
            math.isfinite(value)
            and (value > 0 or not self.log)
            and (-0.5 < self.place(value) < 1.5)
        )

    def ticks(self):
        """Round values inside the range."""
        if self.log:
            powers = range(
                math.floor(math.log10(self.low)) - 1,
                math.ceil(math.log10(self.high)) + 1,
            )
            every = (1, 2, 5) if self.high / self.low < 300 else (1,)
            found = [m * 10.0**p for p in powers for m in every]
        else:
            rough = (self.high - self.low) / 6
            unit = 10.0 ** math.floor(math.log10(rough))
            step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
            first = math.ceil(self.low / step)
            found = [
                step * i for i in range(first, math.floor(self.high / step + 1e-9) + 1)
            ]
        slack = 1e-9 * abs(self.high)
        return [
            value for value in found if self.low - slack <= value <= self.high + slack
        ]


STANDALONE = """
text { font: 13px system-ui, sans-serif; fill: #444; }
.plot { background: #fff; } .grid { stroke: #ddd; fill: none; }
.line { fill: none; stroke: currentColor; stroke-width: 1.8; }
circle { fill: currentColor; } .series text { fill: currentColor; }
.dashed .line { stroke-dasharray: 6 4; stroke-width: 1.3; }
.ours { color: #c2340c; } .ours .line { stroke-width: 3.2; }
.s0 { color: #77716a; } .s1 { color: #a8956b; } .s2 { color: #2f7d4f; }
.s3 { color: #4a9fd0; } .s4 { color: #1f66b0; } .s5 { color: #8a3fb0; }
.s6 { color: #b8860b; } .s7 { color: #0f8c8c; } .s8 { color: #c2578f; }
.s9 { color: #566573; } .p0 { color: #8b93a0; } .p1 { color: #1f66b0; }
.p2 { color: #2f7d4f; } .p3 { color: #b8860b; } .p4 { color: #8a3fb0; }
.p5 { color: #0f8c8c; } .p6 { color: #c2578f; }
"""
"""For a plot in a file of its own, such as the README's."""


def plot(series, x, y, width=720, height=460, title="", alone=False):
    """Curves in a frame.

    Parameters
    ----------
    series : list of Series
        The last is drawn on top.
    x, y : Axis
    width, height : int
        Units of 1 pixel at full size; text is 13 of them.
    title : str
        For screen readers.
    alone : bool
        With its own style and legend, for a file of its own.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    left, right, top, bottom = 52, 14, 10, 44
    inner = width - left - right, height - top - bottom

    def at(px, py):
        return (left + x.place(px) * inner[0], top + (1 - y.place(py)) * inner[1])

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" '
        f'viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{html.escape(title)}">'
    ]
    if alone:
        out.append(
            f"<style>{STANDALONE}</style>"
            f'<rect width="{width}" height="{height}" fill="#fff"/>'
        )
    clip = f"clip{zlib.crc32(f'{title}{width}'.encode()):x}"
    out.append(
        f'<clipPath id="{clip}"><rect x="{left}" y="{top}" '
        f'width="{inner[0]}" height="{inner[1]}"/></clipPath>'
    )
    for value in x.ticks():
        px = at(value, y.low)[0]
        out.append(
            f'<path class="grid" d="M{px:.1f} {top}V{top + inner[1]}"'
            f'/><text class="tick" x="{px:.1f}" '
            f'y="{top + inner[1] + 18}" text-anchor="middle">'
            f"{_number(value)}</text>"
        )
    for value in y.ticks():
        py = at(x.low, value)[1]
        out.append(
            f'<path class="grid" d="M{left} {py:.1f}H'
            f'{left + inner[0]}"/><text class="tick" '
            f'x="{left - 7}" y="{py + 4:.1f}" text-anchor="end">'
            f"{_number(value)}</text>"
        )
    out.append(
        f'<text class="axis" x="{left + inner[0] / 2}" '
        f'y="{height - 6}" text-anchor="middle">'
        f"{html.escape(x.label)}</text>"
    )
    out.append(
        f'<text class="axis" transform="translate(13 '
        f'{top + inner[1] / 2}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(y.label)}</text>"
    )
    out.append(f'<g clip-path="url(#{clip})">')
    out += [_curve(line, x, y, at) for line in series]
    out.append("</g>")
    out += _spot_labels(series, x, y, at)
    if alone:
        out += [
            f'<g class="series {line.style}'
            f'{" dashed" if line.dashed else ""}"><path class="line" '
            f'd="M{left + 12} {top + 16 + 17 * i}h26"/><text '
            f'x="{left + 46}" y="{top + 20 + 17 * i}">'
            f"{html.escape(line.label)}</text></g>"
            for i, line in enumerate(reversed(series))
        ]
    out.append("</svg>")
    return "".join(out)


def _curve(line, x, y, at):
    spots = []
    for i, (px, py) in enumerate(zip(line.x, line.y)):
        if x.holds(px) and y.holds(py):
            note = line.notes[i] if line.notes else ""
            spots.append((*at(px, py), note))
    if not spots:
        return ""
    label = html.escape(line.label)
    path = "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py, _ in spots)
    dashed = " dashed" if line.dashed else ""
    out = [
        f'<g class="series {line.style}{dashed}" data-key="{html.escape(line.key)}">'
    ]
    if len(spots) > 1:
        out.append(f'<path class="line" d="{path}"><title>{label}</title></path>')
    if not line.dashed:
        out += [
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3"><title>{label}'
            f"{html.escape(', ' + note if note else '')}</title>"
            "</circle>"
            for px, py, note in spots
        ]
    return "".join(out) + "</g>"


def _spot_labels(series, x, y, at):
    """Names beside single points, moved down where they would overlap."""
    out, taken = [], []
    for line in sorted(
        (line for line in series if len(line.x) == 1), key=lambda line: -line.y[0]
    ):
        px, py = at(line.x[0], line.y[0])
        px, py, wide = px + 7, py + 4, 8 * len(line.label)
        while any(
            abs(py - b) < 14 and px < a + w and a < px + wide for a, b, w in taken
        ):
            py += 2
        taken.append((px, py, wide))
        out.append(
            f'<g class="series {line.style}" data-key='
            f'"{html.escape(line.key)}"><text class="spot" '
            f'x="{px:.1f}" y="{py:.1f}">{html.escape(line.label)}'
            "</text></g>"
        )
    return out


def _number(value):
    return f"{value:.10g}".replace("-", "−")
