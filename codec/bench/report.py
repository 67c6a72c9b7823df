"""One page that explains itself and needs nothing else to open.

``data/report.html`` is the page, ``report.css`` and ``report.js`` go into
it; this module fills in the figures. It reads what the run kept, so the
page can be made again without measuring.
"""

import html
import itertools
import json
import string
from collections.abc import Sequence
from importlib import resources

from . import (
    checks,
    codecs,
    curves,
    metrics,
    plots,
    published,
    tables,
)
from .summary import Summary

MAX_BYTES = 6_000_000
CAMERA = (768, 512)
"""The size whose speed is set against BD-rate: a Kodak picture."""
# Chroma-subsampled or doubled variants start hidden, as do the published
# curves that lie between others: a plot of twenty curves shows none.
HIDDEN = {
    "jpeg-444",
    "avif-420-iq",
    "heic-444",
    "jxl-e9",
    "HM (HEVC intra)",
    "bmshj2018-hyperprior",
    "mbt2018",
    "EVC-L",
    "Cool-chic 5.0",
    "ELIC",
    "2-layer synthesis + SGA",
    "EVC-S",
    "cheng2020-anchor",
}


def page(found: Summary, meta: dict, views: Sequence[dict], speeds: Sequence[dict]) -> str:
    """The whole report.

    Parameters
    ----------
    found : summary.Summary
    meta : dict
        ``environment.json``.
    views : list of dict
        From `viewer.choose`; may be empty.
    speeds : list of dict
        Contents of ``speed-N.json``; may be empty.

    Returns
    -------
    str
        HTML.
    """
    others = published.curves() if meta["dataset"] == "kodak" else {}
    # A script's text ends at the first "</", whatever it is inside of.
    data = json.dumps(views).replace("</", "<\\/")
    return string.Template(_asset("report.html")).substitute(
        css=_asset("report.css"),
        js=_asset("report.js"),
        views=data,
        lead=_lead(found, meta, bool(others)),
        headline=_headline(found, others),
        plots=_plots(found, others),
        legend=_legend(found, others),
        viewer_hidden="" if views else "hidden",
        pictures=_pictures(found),
        speed=_speed(found, speeds),
        method=_method(found, meta, others),
    )


def _asset(name):
    return resources.files(__package__).joinpath("data", name).read_text("utf-8")


def _text(value):
    return html.escape(str(value))


def _lead(found, meta, has_published):
    lossy = len(found.figures.get("psnr", found.curves))
    n = len(found.pictures)
    threads = meta["threads"]
    name = "Kodak" if meta["dataset"] == "kodak" else meta["dataset"]
    tail = (
        " Dashed curves were published by others for Kodak and not measured here."
        if has_published
        else ""
    )
    return _text(
        f"{n} picture{'s' if n != 1 else ''} ({name}) went through {lossy} "
        f"lossy and {len(found.curves) - lossy} lossless codecs, each with "
        f"{threads} thread{'s' if threads != 1 else ''}; sizes are of whole "
        "files, and quality is that of the decoded 8-bit pictures. BD-rate "
        "is how much larger or smaller files are at equal quality, against "
        "Pillow's optimised JPEG 4:2:0 from the same run: −50 % is half "
        "the bytes." + tail
    )


def _table(header, rows, style=lambda row: "", caption=""):
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr class="{style(row)}"><th scope="row">{_text(row[0])}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    caption = f"<caption>{_text(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0"><table>{caption}<thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _folded(title, content):
    return f"<details><summary>{_text(title)}</summary>{content}</details>"


def _headline(found, others):
    ours = {found.labels[name] for name in found.labels if codecs.parse(name)}
    out = []
    for metric, figures in found.figures.items():
        title = metrics.METRICS[metric].title
        by = metrics.METRICS[metrics.METRICS[metric].bands].title
        table = _table(
            tables.bd_header(metric),
            tables.bd_rows(figures, found.labels, found.anchors[metric]),
            lambda row: "ours" if row[0] in ours else "",
            f"At equal {title}, percent of the anchor's bytes; bands are of the anchor's {by}",
        )
        out.append(table if metric == "psnr" else _folded(f"At equal {title}", table))
    if others and "psnr" in found.figures:
        out.append(_published(found, others))
    if out:
        out.append('<p class="note">A dash: the curves share less than 60 % of the range.</p>')
    if codecs.OURS in found.figures.get("psnr", {}):
        out.append('<h3>What this codec promises</h3><ul class="checks">')
        out += [
            f'<li class="{"good" if good else "bad"}">'
            f"{'holds' if good else 'fails'}: {_text(line.strip())}</li>"
            for good, line in checks.judge(found.rows, found.curves)
        ]
        out.append("</ul>")
    ratios = tables.ratio_rows(found.curves, found.labels)
    if ratios:
        out.append(
            "<h3>Lossless</h3>"
            + _table(
                tables.RATIO_HEADER,
                ratios,
                caption="Equality of every pixel was checked; ratio to 24 bits per pixel",
            )
        )
    return "".join(out)


def _published(found, others):
    """Others' curves against the JPEG of this run."""
    anchor = codecs.ANCHOR
    listed = {anchor: found.curves[anchor]}
    listed |= {label: curve for label, (curve, _) in others.items()}
    rows = tables.bd_rows(
        curves.compare(listed, anchor, "psnr"),
        {anchor: found.labels[anchor], **{name: name for name in others}},
        anchor,
    )
    return _folded(
        "Published, not measured here, at equal PSNR",
        _table(
            tables.bd_header("psnr"),
            rows,
            lambda row: "published",
            "Others' points against the JPEG of this run",
        ),
    )


def _colours(found):
    """Lossy codec to colour; ours stands out."""
    lossy = [name for name, curve in found.curves.items() if len(curve) > 1]
    others = (name for name in lossy if name != codecs.OURS)
    hues = dict(zip(others, itertools.cycle(plots.COLOURS)))
    return {name: hues.get(name, plots.OURS) for name in lossy}


def _lines(found, others, metric):
    lines = []
    for (label, (curve, _)), colour in zip(others.items(), itertools.cycle(plots.COLOURS)):
        x, y = curves.points(curve, metric)
        if len(x):
            label_ = f"{label}: published, not measured here"
            lines.append(plots.Line(label, label_, colour, x, y, dashed=True))
    colours = _colours(found)
    # Ours last, on top.
    for name in sorted(colours, key=lambda name: name == codecs.OURS):
        x, y = curves.points(found.curves[name], metric)
        if len(x):
            label = found.labels[name]
            lines.append(plots.Line(name, label, colours[name], x, y))
    return lines


def _axes(lines, metric):
    """Ranges that show what was measured; None where nothing was."""
    low, high = 0.05, 3.0
    seen = [
        value
        for line in lines
        if not line.dashed
        for rate, value in zip(line.x, line.y)
        if 0.1 < rate < high
    ]
    if not seen:
        return None
    return (
        plots.Axis("bits per pixel (whole file)", low, high, log=True),
        plots.Axis(metrics.METRICS[metric].axis, min(seen), max(seen)),
    )


def _plots(found, others):
    out = []
    for metric in found.figures:
        lines = _lines(found, others, metric)
        axes = _axes(lines, metric)
        if axes:
            title = f"{metrics.METRICS[metric].title} over bits per pixel"
            out.append(_figure(title, lines, *axes))
    return "".join(out)


def main_plot(found: Summary, dataset: str, metric: str = "psnr") -> str:
    """A metric over rate as an SVG file for the README; "" without figures."""
    others = published.curves() if dataset == "kodak" else {}
    lines = [line for line in _lines(found, others, metric) if line.key not in HIDDEN]
    axes = _axes(lines, metric)
    if not axes or metric not in found.figures:
        return ""
    return plots.draw(lines, *axes, 860, 560, legend=True)


def _figure(title, lines, x, y, height=460):
    """Wide and narrow, so that the text is readable on a phone too."""
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<div class="wide">{plots.draw(lines, x, y, 720, height)}</div>'
        f'<div class="narrow">{plots.draw(lines, x, y, 380, 400)}</div></figure>'
    )


def _key(key, label, colour, kind=""):
    pressed = "false" if key in HIDDEN else "true"
    return (
        f'<button type="button" class="key {kind}" style="color:{colour}" '
        f'data-key="{_text(key)}" aria-pressed="{pressed}"><i></i>'
        f"{_text(label)}</button>"
    )


def _legend(found, others):
    out = ['<p class="keys" role="group" aria-label="measured here"><b>Measured here</b>']
    out += [_key(n, found.labels[n], colour) for n, colour in _colours(found).items()]
    if others:
        out.append(
            '</p><p class="keys" role="group" aria-label="published">'
            "<b>Published, not measured here</b>"
        )
        out += [
            _key(label, label, colour, "dashed")
            for label, colour in zip(others, itertools.cycle(plots.COLOURS))
        ]
    return "".join(out) + "</p>"


def _pictures(found):
    """BD-rate of each picture's own curves, a column per codec."""
    header, rows = by_picture(found)
    head = "".join(
        f'<th scope="col" aria-sort="{"ascending" if i == 0 else "none"}">'
        f'<button type="button">{_text(cell)}</button></th>'
        for i, cell in enumerate(header)
    )
    body = "".join(
        f'<tr><th scope="row">{_text(name)}</th>'
        + "".join(
            '<td data-value="">–</td>'
            if value is None
            else f'<td data-value="{value:.4f}">{tables.signed(value)}</td>'
            if i
            else f'<td data-value="{value:.4f}">{value:.2f}</td>'
            for i, value in enumerate(values)
        )
        + "</tr>"
        for name, *values in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table id="pictures-table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        "</div>"
    )


def by_picture(found: Summary) -> tuple[list[str], list[list]]:
    """BD-rate (PSNR) of every picture's own curves.

    Parameters
    ----------
    found : summary.Summary

    Returns
    -------
    header : list of str
    rows : list
        Name, bits per pixel of the anchor at its middle setting, and the
        BD-rate of each codec or None.
    """
    psnr = found.figures.get("psnr")
    if not psnr:
        return ["Picture"], []
    anchor = found.anchors["psnr"]
    names = [name for name in psnr if name != anchor]
    middle = found.curves[anchor].index[len(found.curves[anchor]) // 2]
    rows = []
    for picture, group in found.rows.groupby("picture"):
        by_codec = dict(iter(group.groupby("codec")))
        points = {
            name: curves.points(by_codec[name].assign(psnr=by_codec[name]["psnr_db"]), "psnr")
            for name in psnr
        }
        own = by_codec[anchor].set_index("setting")
        rates = [curves.bd_rate(points[anchor], points[name]) for name in names]
        rows.append([picture, own.loc[middle, "bpp"], *rates])
    header = ["Picture", f"{found.labels[anchor]} at {middle}, bpp"]
    return header + [found.labels[name] for name in names], rows


def _speed(found, speeds):
    """Time and memory, from each ``speed-N.json``."""
    colours = _colours(found)
    out = []
    for speed in speeds:
        out.append(f"<h3>{speed['threads']} thread{'s' if speed['threads'] != 1 else ''}</h3>")
        cold = speed["cold_start_s"]
        if cold:
            out.append(
                "<p>From a cold start on a picture of 768 × 512: "
                + ", ".join(
                    f"<code>{name}</code> {seconds:.2f} s"
                    for name, seconds in cold.items()
                    if name != "python"
                )
                + f"; Python alone takes {cold['python']:.2f} s.</p>"
            )
        for task in ("encode", "decode"):
            out.append(_against_size(found, speed, task, colours))
            out.append(_growth(speed, task, colours))
        out.append(
            _table(
                tables.SPEED_HEADER,
                tables.speed_rows(speed, CAMERA),
                caption="Median of the repeats, codecs taking "
                "turns; memory is the peak of a fresh process",
            )
        )
        out.append(_folded("All sizes", _table(tables.SPEED_HEADER, tables.speed_rows(speed))))
    return "".join(out) or (
        "<p>Not measured in this run; <code>aebench FOLDER --speed</code> "
        "does, on a machine that does nothing else.</p>"
    )


def _against_size(found, speed, task, colours):
    """Speed of a Kodak-sized picture against BD-rate."""
    figures = found.figures.get("psnr", {})
    lines = []
    for row in speed["times"]:
        rate = figures.get(row["codec"], {}).get("rate")
        here = row["width"], row["height"]
        if here == CAMERA and rate is not None and row["codec"] in colours:
            speed_ = [row[f"{task}_mp_per_s"]]
            colour = colours[row["codec"]]
            lines.append(plots.Line(row["codec"], row["label"], colour, speed_, [rate]))
    if not lines:
        return ""
    fast = [line.x[0] for line in lines]
    x = plots.Axis(f"{task}s megapixels per second", min(fast) / 2, max(fast) * 4, log=True)
    y = plots.Axis("BD-rate against JPEG 4:2:0, %")
    title = f"Speed of {task[:-1]}ing against size (right and down is better)"
    return _figure(title, lines, x, y, 380)


def _growth(speed, task, colours):
    """Seconds over megapixels, a line per lossy codec."""
    points = {}
    for row in speed["times"]:
        if row["codec"] in colours:
            points.setdefault(row["codec"], []).append(row)
    lines = [
        plots.Line(
            name,
            points[name][0]["label"],
            colours[name],
            [row["width"] * row["height"] / 1e6 for row in points[name]],
            [row[f"{task}_s"] for row in points[name]],
        )
        for name in sorted(points, key=lambda name: name == codecs.OURS)
        if len(points[name]) > 1
    ]
    if not lines:
        return ""
    x = plots.Axis("megapixels", log=True)
    y = plots.Axis(f"seconds to {task}", log=True)
    return _figure(f"How {task[:-1]}ing grows with size", lines, x, y, 380)


def _method(found, meta, others):
    cards = meta["codecs"]
    rows = [
        [
            card["label"],
            card["description"],
            " ".join(card["settings"]),
            card["version"],
        ]
        for card in cards.values()
    ]
    machine = meta["machine"]
    facts = [
        [
            "Pictures",
            f"{len(found.pictures)} of {meta['n_pictures']}, sha256 {meta['dataset_sha256'][:16]}",
        ],
        [
            "Machine",
            f"{machine['processor']}, {machine['cores']} cores, "
            f"{machine['memory_gib']} GiB, {machine['system']}",
        ],
        ["Threads of each codec", meta["threads"]],
        ["Python", meta["python"]],
        ["Commit", meta["commit"]],
        *([name, version] for name, version in meta["packages"].items() if version),
    ]
    out = [
        _table(["Codec", "How", "Settings", "Version"], rows),
        _table(["Fact", "Value"], facts),
    ]
    if others:
        sources = [[label, source] for label, (_, source) in others.items()]
        out.append(_table(["Published, not measured here", "Source"], sources))
    return "".join(out)
