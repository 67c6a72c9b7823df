"""What is kept of a run: one CSV row per picture, codec and setting, one
JSON per codec in CompressAI's layout [1]_, and the environment.

References
----------
.. [1] https://github.com/InterDigitalInc/CompressAI, results/image/kodak
"""

import csv
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

COLUMNS = (
    "picture",
    "sha256",
    "width",
    "height",
    "codec",
    "setting",
    "threads",
    "bytes",
    "bpp",
    "ratio",
    "psnr_db",
    "ms_ssim",
    "ms_ssim_db",
    "ssimulacra2",
    "max_error",
    "mean_error",
    "version",
)
METRIC_COLUMNS = {"psnr": "psnr_db", "ms-ssim": "ms_ssim", "ssimulacra2": "ssimulacra2"}
_INTEGERS = {"width", "height", "threads", "bytes", "max_error"}
_TEXTS = {"picture", "sha256", "codec", "setting", "version"}
PACKAGES = (
    "numpy",
    "pillow",
    "onnxruntime",
    "constriction",
    "imagecodecs",
    "pillow-heif",
    "zstandard",
    "bjontegaard",
    "ssimulacra2",
    "pytorch-msssim",
    "torch",
)


def key(row):
    """What a row measures: equal keys are the same measurement."""
    return (row["sha256"], row["codec"], row["setting"], row["threads"], row["version"])


class Table:
    """The CSV of a run: rows are appended as they come, so that whatever
    ends the run keeps them, and sorted when it ends well.

    Parameters
    ----------
    path : path-like
        Made when missing.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.rows = {}
        if self.path.exists():
            text = self.path.read_text("utf-8")
            # A kill may have cut the last line short.
            whole = text[: text.rfind("\n") + 1]
            for line in csv.DictReader(whole.splitlines()):
                row = _parse(line)
                self.rows[key(row)] = row
            if whole != text:
                self.path.write_text(whole, "utf-8")

    def has(self, wanted, metrics):
        """Whether a row with this key has all these metrics."""
        row = self.rows.get(wanted)
        return row is not None and all(
            row[METRIC_COLUMNS[name]] != "" for name in metrics
        )

    def add(self, rows):
        """Keep rows, in memory and at once on disk."""
        new = not (self.path.exists() and self.path.stat().st_size)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if new:
                writer.writeheader()
            for row in rows:
                row = {name: _rounded(row.get(name, "")) for name in COLUMNS}
                self.rows[key(row)] = row
                writer.writerow(row)

    def tidy(self, versions):
        """Write the file anew: sorted, one row per key.

        Parameters
        ----------
        versions : dict
            Codec name to version; rows of these codecs in other versions
            are superseded and go.
        """
        self.rows = {
            name: row
            for name, row in self.rows.items()
            if row["version"] == versions.get(row["codec"], row["version"])
        }
        order = sorted(
            self.rows.values(),
            key=lambda row: (
                row["codec"],
                row["threads"],
                row["version"],
                row["picture"],
                row["bytes"],
            ),
        )
        partial = self.path.with_suffix(".partial")
        with open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(order)
        os.replace(partial, self.path)


def _rounded(value):
    """Micro-units are beyond what any figure shows, and half the file."""
    return round(value, 6) if isinstance(value, float) else value


def _parse(text):
    row = {}
    for name in COLUMNS:
        value = text.get(name) or ""
        if name in _TEXTS or value == "":
            row[name] = value
        else:
            row[name] = int(value) if name in _INTEGERS else float(value)
    return row


def write_json(path, value):
    """Write readable JSON in one step; NaN and infinity become null."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(_finite(value), indent=2) + "\n", "utf-8")
    os.replace(partial, path)


def _finite(value):
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def results_json(codec, curve, meta):
    """One codec's mean curve as CompressAI's plotting tools read it.

    Parameters
    ----------
    codec : codecs.Codec
    curve : curves.Curve
    meta : dict
        Data set, machine and the like.
    """
    results = {
        "bpp": curve.bpp,
        "psnr-rgb": curve.psnr_db,
        "ms-ssim-rgb": curve.ms_ssim,
        "ms-ssim-rgb-db": curve.ms_ssim_db,
        "ssimulacra2": curve.ssimulacra2,
        "compression-ratio": curve.ratio,
    }
    return {
        "name": codec.label,
        "description": codec.description,
        "meta": {
            **meta,
            "codec": codec.name,
            "kind": codec.kind,
            "version": codec.version,
            "settings": curve.settings,
        },
        "results": {name: values for name, values in results.items() if values},
    }


def environment(threads, jobs):
    """The machine and the versions that a result belongs to."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "machine": {
            "processor": _processor(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "memory_gib": _memory_gib(),
            "system": platform.system(),
        },
        "python": sys.version.split()[0],
        "packages": versions,
        "threads": threads,
        "jobs": jobs,
        "commit": _commit(),
    }


def _processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _memory_gib():
    try:
        return round(
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1
        )
    except (AttributeError, ValueError, OSError):
        return None


def _commit():
    """Commit of the checkout that this file lies in, if it is one."""
    place = Path(__file__).parent
    try:
        run = subprocess.run(
            [
                "git",
                "-C",
                str(place),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=12",
                "--exclude=*",
            ],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.strip() or None
