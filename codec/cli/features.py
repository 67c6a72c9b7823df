"""``--features OUT.npy``: a row for each picture, names in ``OUT.csv``."""

from __future__ import annotations

import argparse
import csv
import io
import os

from ..progress import Progress
from . import files
from .jobs import Job
from .report import Refusal, UsageError

TYPE_CHECKING = False  # typing takes long to load, and --help comes by here
if TYPE_CHECKING:
    from typing import Any

    from .notes import Coder, Notes


def check(options: argparse.Namespace) -> None:
    """Set the mode; raise UsageError where other options clash."""
    if options.features is None:
        return
    clash = (
        options.mode != "decompress"
        and "other modes"
        or options.output is not None
        and "-o"
        or options.output_dir is not None
        and "--output-dir"
        or options.stdout
        and "-c"
    )
    if clash:
        raise UsageError(f"--features does not go with {clash}; see {options.prog} --help")
    if not options.features.endswith(".npy"):
        raise UsageError(f"--features needs a name that ends in .npy; see {options.prog} --help")
    options.mode = "features"


def describe(coder: Coder, job: Job, notes: Notes, progress: Progress | None) -> None:
    """Describe one job; arguments as of ``compress``."""
    from codec import features, info

    data = files.load_aec(job.src)
    notes.n_in = len(data)
    header = info(data)
    found = features(data, model=coder.options.model, max_pixels=coder.options.max_pixels)
    rows = found.reshape(-1, found.shape[-1])
    notes.pixels = header.width * header.height * len(rows)
    notes.found = str(found.model), rows
    notes.say(
        job.src,
        f"{rows.shape[1]} features"
        + (f" of each of {len(rows)} pictures" if header.is_stack else ""),
    )


class Table:
    """The rows of all jobs, in their order.

    Parameters
    ----------
    options : argparse.Namespace

    Raises
    ------
    Refusal
        An output is there already.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rows: list[Any] = []
        self.names: list[tuple[str, int, str]] = []
        self.model: str | None = None
        stem = os.path.splitext(options.features)[0]
        self.outputs = options.features, stem + ".csv"
        for name in self.outputs:
            files.refuse("", name, options.force)

    def add(self, job: Job, notes: Notes) -> None:
        """Take what one job has found, if it has not failed."""
        if notes.failed or notes.found is None:
            return
        model, rows = notes.found
        self.model = self.model or model
        if model != self.model:
            notes.error(
                job.src,
                Refusal(
                    f"described by model {model}, files before it by "
                    f"{self.model}; give it a table of its own"
                ),
            )
            return
        self.rows.append(rows)
        self.names += [(job.src, i, model) for i in range(len(rows))]

    def write(self) -> None:
        """Write both outputs, if there is a row."""
        if not self.rows:
            return
        import numpy as np

        matrix, text = io.BytesIO(), io.StringIO()
        np.save(matrix, np.concatenate(self.rows))
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(("row", "file", "picture", "model"))
        lines.writerows((n, *name) for n, name in enumerate(self.names))
        encoded = text.getvalue().encode("utf-8", "surrogateescape")
        for name, data in zip(self.outputs, (matrix.getvalue(), encoded)):
            files.write(name, data, force=self.options.force)
