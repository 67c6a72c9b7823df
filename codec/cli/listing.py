"""``-l``: what the headers say, as a table with totals or as JSON."""

import argparse
import io
import json
from typing import Any

from .. import container
from . import files, tables
from .jobs import STREAM, Job
from .report import display

_ROW = "{:>12} {:>8} {:>13} {:>6} {:>7} {:>7} {:<16} {:<20} {}\n"
_HEAD = _ROW.format(
    "bytes",
    "pictures",
    "pixels",
    "colour",
    "bpp",
    "quality",
    "model",
    "sections",
    "file",
)


class Listing:
    """Lists files one by one; ``end`` closes the table."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.json = options.json
        self.rows: list[Any] = []
        self.n = self.n_bytes = self.n_pictures = self.n_pixels = 0

    def show(self, job: Job) -> None:
        """List one file; raises CodecError, Refusal or OSError."""
        data = files.load_aec(job.src)
        if tables.is_coded(io.BytesIO(data)):
            return self._show_table(job, data)
        header = container.unpack(data)[0]  # checks the whole file as well
        n = container.read_stack(io.BytesIO(data))[2].count if header.is_stack else 1
        n_pixels = n * header.width * header.height
        row = {
            "file": job.src,
            "bytes": len(data),
            "pictures": n,
            "width": header.width,
            "height": header.height,
            "colour": header.colour,
            "bpp": round(8 * len(data) / n_pixels, 4),
            "quality": header.quality,
            "model": header.model,
            "version": header.version,
            "sections": list(header.sections),
        }
        if self.json:
            self.rows.append(row)
            return
        _print(
            ("" if self.n else _HEAD)
            + _ROW.format(
                len(data),
                n,
                f"{header.width}x{header.height}",
                header.colour,
                f"{row['bpp']:.3f}",
                f"{header.quality:g}",
                header.model,
                " ".join(header.sections) or "-",
                display(job.src),
            )
        )
        self.n += 1
        self.n_bytes += len(data)
        self.n_pictures += n
        self.n_pixels += n_pixels

    def _show_table(self, job: Job, data: bytes) -> None:
        from .. import table

        container.unpack(data, table=True)
        info = table.info(data)
        n_values = info.rows * len(info.names)
        if self.json:
            self.rows.append(
                {
                    "file": job.src,
                    "bytes": len(data),
                    "kind": "table",
                    "rows": info.rows,
                    "columns": dict(zip(info.names, info.types)),
                    "groups": list(info.groups),
                }
            )
            return
        bits = f"{8 * len(data) / n_values:.3f}" if n_values else "-"
        shape = f"{info.rows}x{len(info.names)}"
        cells = (len(data), 0, shape, "table", bits, "-", "-", "TABL", display(job.src))
        _print(("" if self.n else _HEAD) + _ROW.format(*cells))
        self.n += 1
        self.n_bytes += len(data)

    def end(self) -> None:
        """The totals, if there was more than one file, or the JSON."""
        if self.json:
            _print(json.dumps(self.rows, indent=1) + "\n")
        elif self.n > 1:
            _print(
                _ROW.format(
                    self.n_bytes,
                    self.n_pictures,
                    self.n_pixels,
                    "",
                    f"{8 * self.n_bytes / max(1, self.n_pixels):.3f}",
                    "",
                    "",
                    "",
                    f"{self.n} files",
                )
            )


def _print(text: str) -> None:
    files.write(STREAM, text.encode("utf-8", "surrogateescape"))
