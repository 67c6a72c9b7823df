"""BD-rate of every picture's own curves, for the table that sorts."""

from . import codecs, curves


def build(found):
    """Column titles and rows.

    Parameters
    ----------
    found : summary.Summary

    Returns
    -------
    header : list of str
    rows : list
        Name, bits per pixel of the anchor at its middle setting, and the
        BD-rate (PSNR) of each codec or None.
    """
    psnr = found.figures.get("psnr")
    if not psnr:
        return ["Picture"], []
    names = [name for name in psnr if name != codecs.ANCHOR]
    by_picture = {}
    for row in found.rows:
        by_picture.setdefault(row["picture"], []).append(row)
    middle = found.curves[codecs.ANCHOR].settings
    middle = middle[len(middle) // 2]
    rows = []
    for picture, group in sorted(by_picture.items()):
        points = {name: _points(group, name) for name in psnr}
        anchor = points[codecs.ANCHOR]
        at_middle = next(
            row["bpp"]
            for row in group
            if row["codec"] == codecs.ANCHOR and row["setting"] == middle
        )
        rows.append(
            [
                picture,
                at_middle,
                *(curves.bd_rate(anchor, points[name]) for name in names),
            ]
        )
    header = [
        "Picture",
        f"JPEG q={middle}, bpp",
        *(found.labels[name] for name in names),
    ]
    return header, rows


def _points(rows, name):
    curve = curves.Curve(name)
    for row in rows:
        if row["codec"] == name:
            curve.bpp.append(row["bpp"])
            curve.psnr_db.append(row["psnr_db"])
    return curve.points("psnr")
