"""The same figures as text for the terminal and as Markdown."""

from . import curves as curves_module

TITLES = {"psnr": "PSNR", "ms-ssim": "MS-SSIM", "ssimulacra2": "SSIMULACRA 2"}


def signed(value, digits=1):
    """A BD figure; a dash where it was refused."""
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def bd_header():
    """Column titles of `bd_rows`."""
    bands = [f"{low}–{high} dB" for low, high in curves_module.BANDS_DB]
    return ["Codec", "BD-rate %", *bands, "BD-quality"]


def bd_rows(figures, labels, anchor):
    """One row per codec, the smallest files first, the anchor at zero.

    Parameters
    ----------
    figures : dict
        From `curves.compare`.
    labels : dict
        Codec name to label.
    anchor : str
    """

    def order(name):
        rate = figures[name]["rate"]
        return (rate is None, rate if rate is not None else 0)

    rows = []
    for name in sorted(figures, key=order):
        if name == anchor:
            rows.append([labels[name] + " (anchor)", "0", "0", "0", "0", "0", "0"])
            continue
        found = figures[name]
        rows.append(
            [
                labels[name],
                signed(found["rate"]),
                *map(signed, found["bands"]),
                signed(found["quality"], 2),
            ]
        )
    return rows


def ratio_rows(curves, labels):
    """Compression ratio of codecs with one setting, the best first."""
    single = [curve for curve in curves.values() if len(curve.ratio) == 1]
    return [
        [labels[curve.codec], f"{curve.ratio[0]:.3f}", f"{curve.bpp[0]:.2f}"]
        for curve in sorted(single, key=lambda curve: -curve.ratio[0])
    ]


RATIO_HEADER = ["Lossless codec", "Ratio", "bpp"]


SPEED_HEADER = [
    "Codec",
    "Megapixels",
    "bpp",
    "Encode MP/s",
    "Decode MP/s",
    "Encode MiB",
    "Decode MiB",
]


def speed_rows(found, size=None):
    """One row per codec and size of a ``speed-N.json``.

    Parameters
    ----------
    found : dict
    size : (int, int), optional
        That width and height only.
    """
    peaks = {
        (row["codec"], row["width"], row["height"]): row for row in found["memory"]
    }
    rows = []
    for row in found["times"]:
        here = row["width"], row["height"]
        if size is None or here == tuple(size):
            peak = peaks.get((row["codec"], *here), {})
            rows.append(
                [
                    row["label"],
                    f"{here[0] * here[1] / 1e6:.1f}",
                    f"{row['bpp']:.2f}",
                    f"{row['encode_mp_per_s']:.2f}",
                    f"{row['decode_mp_per_s']:.2f}",
                    *(
                        f"{peak[name]:.0f}" if name in peak else "–"
                        for name in ("encode_mib", "decode_mib")
                    ),
                ]
            )
    return rows


def text(header, rows):
    """Aligned columns for a terminal."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in table
    )


def markdown(header, rows):
    """A table for README.md."""
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join(["---"] + ["---:"] * (len(header) - 1)) + "|",
    ]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
