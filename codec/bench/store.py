"""Rows that are kept as they come, and the environment they belong to.

`Store` is the one way in which measurements are kept, here and in
``benchmarks/``: a CSV whose rows have a key, read as a pandas table.
"""

import csv
import io
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from ..io import atomic

TEXTS = ("picture", "sha256", "codec", "setting", "version", "model", "encoder")
"""Columns that stay text, whatever their values look like."""

KEY = ("sha256", "codec", "setting", "threads", "version")
"""What makes two rows of aebench the same measurement."""

PACKAGES = (
    "aecompress",
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
    "cvvdp",
    "torch",
)


class Store:
    """A CSV of rows, one for each key.

    Rows are appended as they come, so that whatever ends a run keeps them.
    A row with the key of an earlier one adds its columns to it. Missing
    values are NaN.

    Parameters
    ----------
    path : path-like
        Made when missing.
    key : sequence of str
        Columns that together name a measurement.
    """

    def __init__(self, path: str | os.PathLike, key: Sequence[str] = KEY):
        self.path, self.key = Path(path), tuple(key)
        self.rows: dict[tuple, dict[str, Any]] = {}
        self.columns: list[str] = []
        text = self.path.read_text("utf-8") if self.path.exists() else ""
        # A kill may have cut the last line short.
        whole = text[: text.rfind("\n") + 1]
        if whole:
            self.columns = whole[: whole.index("\n")].split(",")
            found = pd.read_csv(
                io.StringIO(whole),
                dtype=dict.fromkeys(TEXTS, str),
                keep_default_na=False,
                na_values={name: "" for name in self.columns if name not in TEXTS},
            )
            for row in found.to_dict("records"):
                self._merge(row)
        if whole != text:
            self.path.write_text(whole, "utf-8")

    def _merge(self, row: dict[str, Any]) -> None:
        known = {name: value for name, value in row.items() if not pd.isna(value)}
        self.rows.setdefault(self._key(row), {}).update(known)

    def _key(self, row: dict[str, Any]) -> tuple:
        return tuple(row[name] for name in self.key)

    def lacking(self, key: tuple, columns: Iterable[str]) -> tuple[str, ...]:
        """Those of the columns that no row of this key has."""
        row = self.rows.get(key, {})
        return tuple(name for name in columns if name not in row)

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep rows, in memory and at once on disk."""
        rows = [{name: _rounded(value) for name, value in row.items()} for row in rows]
        before = len(self.columns)
        for row in rows:
            self.columns += [name for name in row if name not in self.columns]
            self._merge(row)
        if not before or before < len(self.columns):
            self.write()
            return
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerows(rows)

    def forget(self, which: Callable[[dict[str, Any]], bool]) -> None:
        """Drop rows, from the file as well."""
        left = {key: row for key, row in self.rows.items() if not which(row)}
        if len(left) < len(self.rows):
            self.rows = left
            self.write()

    def write(self, by: Sequence[str] = ()) -> None:
        """Write the file anew in one step, one row a key, sorted if asked."""
        frame = self.frame()
        if by:
            frame = frame.sort_values(list(by), kind="stable")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = frame.to_csv(index=False, lineterminator="\n")
        atomic.write(self.path, text.encode())

    def frame(self) -> pd.DataFrame:
        """All rows."""
        # Integers stay integers where every row has one.
        return pd.DataFrame(list(self.rows.values()), columns=self.columns)


def _rounded(value: Any) -> Any:
    """Micro-units are beyond what any figure shows, and half the file."""
    return round(value, 6) if isinstance(value, float) else value


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write readable JSON in one step; NaN and infinity become null."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, (json.dumps(_finite(value), indent=2) + "\n").encode())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def environment(threads: int, jobs: int) -> dict[str, Any]:
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
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
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
