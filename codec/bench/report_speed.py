"""The report's part on time and memory, from ``speed-N.json``."""

from . import codecs, svg, tables

CAMERA = (768, 512)
"""The size whose speed is set against BD-rate: a Kodak picture."""


def section(found, speeds, styles, table, twice, folded):
    """HTML of the section, a sentence where nothing was measured.

    Parameters
    ----------
    found : summary.Summary
    speeds : list of dict
    styles : dict
        Codec name to CSS class.
    table, twice, folded : callable
        The report's own helpers.
    """
    out = []
    for speed in speeds:
        out.append(
            f"<h3>{speed['threads']} thread{'s' if speed['threads'] != 1 else ''}</h3>"
        )
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
        out.append(
            '<p class="keys">'
            + "".join(
                f'<span class="key {style}"><i></i>{found.labels[name]}</span>'
                for name, style in styles.items()
            )
            + "</p>"
        )
        for task in ("encode", "decode"):
            out.append(_against_size(found, speed, task, styles, twice))
            out.append(_growth(speed, task, styles, twice))
        out.append(
            table(
                tables.SPEED_HEADER,
                tables.speed_rows(speed, CAMERA),
                caption="Median of the repeats, codecs taking "
                "turns; memory is the peak of a fresh process",
            )
        )
        out.append(
            folded("All sizes", table(tables.SPEED_HEADER, tables.speed_rows(speed)))
        )
    return "".join(out) or (
        "<p>Not measured in this run; <code>aebench FOLDER --speed</code> "
        "does, on a machine that does nothing else.</p>"
    )


def _against_size(found, speed, task, styles, twice):
    """Speed of a Kodak-sized picture against BD-rate."""
    figures = found.figures.get("psnr", {})
    lines = []
    for row in speed["times"]:
        rate = figures.get(row["codec"], {}).get("rate")
        here = row["width"], row["height"]
        if here == CAMERA and rate is not None and row["codec"] in styles:
            lines.append(
                svg.Series(
                    row["codec"],
                    row["label"],
                    styles[row["codec"]],
                    (row[f"{task}_mp_per_s"],),
                    (rate,),
                )
            )
    if not lines:
        return ""
    fast = [line.x[0] for line in lines]
    low = [line.y[0] for line in lines]
    x = svg.Axis(
        f"{task}s megapixels per second", min(fast) / 2, max(fast) * 4, log=True
    )
    y = svg.Axis("BD-rate against JPEG 4:2:0, %", min(low) - 5, max(low) + 5)
    title = f"Speed of {task[:-1]}ing against size"
    return (
        f"<figure><figcaption>{title} (right and down is better)"
        "</figcaption>" + twice(lines, x, y, title, 380) + "</figure>"
    )


def _growth(speed, task, styles, twice):
    """Seconds over megapixels, a line per lossy codec."""
    points = {}
    for row in speed["times"]:
        if row["codec"] in styles:
            points.setdefault(row["codec"], []).append(row)
    lines = []
    for name in sorted(points, key=lambda name: name == codecs.OURS):
        rows = points[name]
        if len(rows) > 1:
            lines.append(
                svg.Series(
                    name,
                    rows[0]["label"],
                    styles[name],
                    tuple(row["width"] * row["height"] / 1e6 for row in rows),
                    tuple(row[f"{task}_s"] for row in rows),
                )
            )
    if not lines:
        return ""
    xs = [value for line in lines for value in line.x]
    ys = [value for line in lines for value in line.y]
    x = svg.Axis("megapixels", min(xs), max(xs), log=True)
    y = svg.Axis(f"seconds to {task}", min(ys), max(ys), log=True)
    title = f"How {task[:-1]}ing grows with size"
    return (
        f"<figure><figcaption>{title}</figcaption>"
        + twice(lines, x, y, title, 380)
        + "</figure>"
    )
