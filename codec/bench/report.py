"""One page that explains itself and needs nothing else to open.

``data/report.html`` is the page, ``report.css`` and ``report.js`` go into
it; this module fills in the figures. It reads what the run kept, so the
page can be made again without measuring.
"""

import html
import json
import string
from importlib import resources

from . import (
    checks,
    codecs,
    curves,
    pictures_table,
    published,
    report_speed,
    svg,
    tables,
)

MAX_BYTES = 6_000_000
METRIC_AXES = {
    "psnr": "PSNR, dB",
    "ms-ssim": "MS-SSIM, dB",
    "ssimulacra2": "SSIMULACRA 2",
}
# Chroma-subsampled or doubled variants start hidden, as do the published
# curves that lie between others: a plot of twenty curves shows none.
HIDDEN = {
    "jpeg-444",
    "avif-420",
    "heic-444",
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


def page(found, meta, views, speeds):
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
    ours = {
        label
        for name, label in found.labels.items()
        if name.split("@")[0].split("-e")[0] == codecs.OURS
    }
    base = found.curves.get(codecs.ANCHOR)
    out = []
    for metric, figures in found.figures.items():
        table = _table(
            tables.bd_header(),
            tables.bd_rows(figures, found.labels, codecs.ANCHOR),
            lambda row: "ours" if row[0] in ours else "",
            f"At equal {tables.TITLES[metric]}, percent of the anchor's "
            "bytes; bands are of the anchor's PSNR",
        )
        out.append(
            table
            if metric == "psnr"
            else _folded(f"At equal {tables.TITLES[metric]}", table)
        )
    if others and "psnr" in found.figures:
        listed = curves.compare(
            {
                codecs.ANCHOR: base,
                **{label: curve for label, (curve, _) in others.items()},
            },
            codecs.ANCHOR,
            "psnr",
        )
        out.append(
            _folded(
                "Published, not measured here, at equal PSNR",
                _table(
                    tables.bd_header(),
                    tables.bd_rows(
                        listed,
                        {
                            codecs.ANCHOR: "JPEG 4:2:0",
                            **{name: name for name in others},
                        },
                        codecs.ANCHOR,
                    ),
                    lambda row: "published",
                    "Others' points against the JPEG of this run",
                ),
            )
        )
    if out:
        out.append(
            '<p class="note">A dash: the curves share less than 60 % of the range.</p>'
        )
    psnr = found.figures.get("psnr", {})
    if codecs.OURS in psnr:
        out.append('<h3>What this codec promises</h3><ul class="checks">')
        out += [
            f'<li class="{"good" if good else "bad"}">'
            f"{'holds' if good else 'fails'}: {_text(line.strip())}</li>"
            for good, line in checks.judge(found.rows, found.curves, psnr)
        ]
        out.append("</ul>")
    ratios = tables.ratio_rows(found.curves, found.labels)
    if ratios:
        out.append(
            "<h3>Lossless</h3>"
            + _table(
                tables.RATIO_HEADER,
                ratios,
                caption="Equality of every pixel was checked; ratio to 24 bits "
                "per pixel",
            )
        )
    return "".join(out)


def _styles(found):
    """Codec name to CSS class; ours stands out, others have a hue each."""
    lossy = [name for name, curve in found.curves.items() if len(curve.bpp) > 1]
    styles, hue = {}, 0
    for name in lossy:
        if name == codecs.OURS:
            styles[name] = "ours"
        else:
            styles[name] = f"s{hue % 10}"
            hue += 1
    return styles


def _series(found, others, metric):
    styles = _styles(found)
    lines = []
    for i, (label, (curve, _)) in enumerate(others.items()):
        x, y = curve.points(metric)
        if len(x):
            lines.append(
                svg.Series(
                    label,
                    f"{label}: published, not measured here",
                    f"p{i % 7}",
                    tuple(x),
                    tuple(y),
                    dashed=True,
                )
            )
    # Ours last, on top.
    for name in sorted(styles, key=lambda name: name == codecs.OURS):
        curve = found.curves[name]
        x, y = curve.bpp, getattr(curve, curves.FIGURES[metric])
        if y:
            notes = tuple(
                f"setting {s}: {a:.3f} bpp, {b:.2f}"
                for s, a, b in zip(curve.settings, x, y)
            )
            lines.append(
                svg.Series(
                    name,
                    found.labels[name],
                    styles[name],
                    tuple(x),
                    tuple(y),
                    notes=notes,
                )
            )
    return lines


def _axes(lines, metric):
    """Ranges that show what was measured; None where nothing was."""
    low, high = 0.05, 3.0
    seen = [
        value
        for line in lines
        if not line.dashed
        for rate, value in zip(line.x, line.y)
        if 0.1 < rate < high and value == value
    ]
    if not seen:
        return None
    return (
        svg.Axis("bits per pixel (whole file)", low, high, log=True),
        svg.Axis(METRIC_AXES[metric], min(seen), max(seen)),
    )


def _plots(found, others):
    out = []
    for metric in found.figures:
        lines = _series(found, others, metric)
        axes = _axes(lines, metric)
        if axes:
            title = f"{tables.TITLES[metric]} over bits per pixel"
            out.append(
                f"<figure><figcaption>{title}</figcaption>"
                + _twice(lines, *axes, title)
                + "</figure>"
            )
    return "".join(out)


def main_plot(found, dataset):
    """PSNR over rate as an SVG file for the README; "" without figures."""
    others = published.curves() if dataset == "kodak" else {}
    lines = [line for line in _series(found, others, "psnr") if line.key not in HIDDEN]
    axes = _axes(lines, "psnr")
    if not axes or "psnr" not in found.figures:
        return ""
    return svg.plot(lines, *axes, 860, 560, "PSNR over bits per pixel", alone=True)


def _twice(lines, x, y, title, height=460):
    """Wide and narrow, so that the text is readable on a phone too."""
    return (
        f'<div class="wide">{svg.plot(lines, x, y, 720, height, title)}'
        '</div><div class="narrow">' + svg.plot(lines, x, y, 380, 400, title) + "</div>"
    )


def _legend(found, others):
    def button(key, label, style):
        pressed = "false" if key in HIDDEN else "true"
        return (
            f'<button type="button" class="key {style}" data-key='
            f'"{_text(key)}" aria-pressed="{pressed}"><i></i>'
            f"{_text(label)}</button>"
        )

    out = [
        '<p class="keys" role="group" aria-label="measured here"><b>Measured here</b>'
    ]
    out += [
        button(name, found.labels[name], style)
        for name, style in _styles(found).items()
    ]
    if others:
        out.append(
            '</p><p class="keys" role="group" aria-label="published">'
            "<b>Published, not measured here</b>"
        )
        out += [
            button(label, label, f"p{i % 7} dashed") for i, label in enumerate(others)
        ]
    return "".join(out) + "</p>"


def _pictures(found):
    """BD-rate of each picture's own curves, a column per codec."""
    header, rows = pictures_table.build(found)
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


def _speed(found, speeds):
    return report_speed.section(found, speeds, _styles(found), _table, _twice, _folded)


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
            f"{len(found.pictures)} of {meta['n_pictures']}, "
            f"sha256 {meta['dataset_sha256'][:16]}",
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
