"""A model on disk: manifest, hashes, integer tables.

A model is a folder (docs/format.md, section 9); `find` knows where they lie.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..types import Array
from . import tables

MANIFEST = "model.json"
STATISTICS = "statistics.json"
# What no decoder needs: a model may lack them.
ENCODER_ONLY = frozenset(
    f"{name}.onnx"
    for name in (
        "analysis",
        "hyper_analysis",
        "means_gradient",
        "synthesis_gradient",
    )
)


def read(
    folder: str | os.PathLike[str], name: str
) -> tuple[bytes, dict[str, Any], dict[str, bytes]]:
    """A manifest and the files that it names, checked.

    Parameters
    ----------
    folder : path-like
    name : str
        Of the manifest.

    Returns
    -------
    text : bytes
    manifest : dict
    files : dict of bytes

    Raises
    ------
    ModelError
        A file is missing or is not the one that the manifest names.
    """
    folder = Path(folder)
    try:
        text = (folder / name).read_bytes()
        manifest = json.loads(text)
        digests = dict(manifest["files"].items())
        files = {
            n: _file(folder, n)
            for n in digests
            if n not in ENCODER_ONLY or name != MANIFEST or (folder / n).exists()
        }
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as e:
        raise ModelError(f"{folder}: not a model folder ({e})") from e
    for n, digest in digests.items():
        if n in files and hashlib.sha256(files[n]).hexdigest() != digest:
            raise ModelError(
                f"{folder / n}: altered (sha256 is not the manifest's); install it again"
            )
    return text, manifest, files


def _file(folder: Path, name: str) -> bytes:
    # A name, not a path: a manifest must not reach out of its folder.
    if Path(name).name != name:
        raise ValueError(f"file name {name!r}")
    return (folder / name).read_bytes()


def graphs(files: dict[str, bytes]) -> dict[str, bytes]:
    """The graphs among files, by name without suffix."""
    return {Path(n).stem: b for n, b in files.items()}


class Bundle:
    """One model, read and checked.

    Parameters
    ----------
    folder : path-like

    Attributes
    ----------
    id : str
        16 hexadecimal digits: first 8 bytes of the manifest's SHA-256.
    content : str
        Tells models apart that have one id but other graphs for the encoder
        (`encoder`).
    manifest : dict
    tables : dict of ndarray
    graphs : dict of bytes
        ONNX models by name without suffix.
    decoder_only : bool
        Whether the encoder's graphs are missing.
    statistics : dict or None
        What ``statistics.json`` says, which is no part of the model's id:
        how its training pictures code (docs/features.md).

    Raises
    ------
    ModelError
        A file is missing or is not the one that the manifest names; or
        what the files say makes no sense.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        text, self.manifest, files = read(folder, MANIFEST)
        self.content = hashlib.sha256(text).hexdigest()
        self.id = self.content[:16]
        c: Any = self.manifest.get("constants")
        tables.check_constants(c)
        self.tables = tables.read(files.pop("tables.npz", b""), c)
        self.graphs = graphs(files)
        self.decoder_only = "analysis" not in self.graphs
        if self.decoder_only:
            self.content += "-decoder"
        self.nz, self.m, self.k = c["NZ"], c["M"], c["K"]
        self.z_max = c["Z_MAX"]
        self.row_skip = self.tables.get("skip", np.full(100, c["ROW_SKIP"], np.uint8))
        self.halo = self._halo()
        self.statistics = self._statistics()

    def _statistics(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.folder / STATISTICS).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as e:
            raise ModelError(f"{self.folder / STATISTICS}: {e}") from e

    def _halo(self) -> dict[str, int]:
        halo: Any = self.manifest.get("halo")
        for name in "analysis", "synthesis":
            n = halo.get(name) if isinstance(halo, dict) else None
            if type(n) is not int or not 0 <= n <= 256:
                raise ModelError(f"model: halo of the {name} is {n!r}")
        return halo

    def at_quality(self, name: str, quality: float) -> Array:
        """A table of knots (n, c) interpolated at a quality 1..100."""
        t = self.tables[name]
        p = (quality - 1) / 99 * (len(t) - 1)
        i = min(int(p), len(t) - 2)
        f = np.float32(p - i)
        return t[i] * (1 - f) + t[i + 1] * f

    def gain(self, quality: float) -> Array:
        """1 / quantisation step per channel, float32 (M,)."""
        return np.exp(self.at_quality("log_gain", quality))

    def multiplier(self, quality: float) -> float:
        """Lambda of rate + lambda * 255^2 * MSE (docs/quality.md)."""
        logs = np.log(self.manifest["lambda"])
        at = (quality - 1) / 99 * (len(logs) - 1)
        return float(np.exp(np.interp(at, np.arange(len(logs)), logs)))

    @property
    def promises_score(self) -> bool:
        """Whether quality is the mean score of photographs (`codec.training.quality`).

        Not where an encoder of its own makes another picture than the one it sees.
        """
        return len(self.manifest["lambda"]) == 100 and "energy" in self.tables

    def trained(self, quality: float) -> float:
        """Where a quality lies in the range of lambda, evenly: 1..100."""
        low, *_, high = np.log(self.manifest["lambda"])
        return float(1 + 99 * (np.log(self.multiplier(quality)) - low) / (high - low))
