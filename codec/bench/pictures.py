"""Which pictures are measured: a folder, or Kodak checked by sha256."""

import hashlib
import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from .. import picture
from ..errors import CodecError, ConversionWarning

EXTENSIONS = {".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg"}
KODAK_URL = "https://r0k.us/graphics/kodak/kodak/"
KODAK_VARIABLE = "AECOMPRESS_KODAK"


class PictureError(Exception):
    """A picture or data set that cannot be measured; says why."""


@dataclass(frozen=True)
class Source:
    """One picture that was readable when the run began.

    ``sha256`` is of its pixels (the first 16 digits), not of its file, so
    that a picture saved again without loss keeps its rows.
    """

    path: Path
    name: str
    sha256: str
    width: int
    height: int


def read(path: str | os.PathLike) -> np.ndarray:
    """One picture as 8-bit RGB; alpha is dropped.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    PictureError
        Damaged, not a picture, or of more than 8 bits a sample.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConversionWarning)
            return picture.as_rgb(picture.read(path, metadata=False).pixels)
    except ConversionWarning as warning:
        raise PictureError(f"{warning}; 8-bit pictures only") from None
    except (CodecError, OSError) as error:
        raise PictureError(f"cannot be read: {error}") from None


def survey(folder: str | os.PathLike) -> tuple[list[Source], list[tuple[str, str]]]:
    """Every picture of a folder, and every file that is not one.

    Parameters
    ----------
    folder : path-like
        A folder (not searched deeper), or one picture.

    Returns
    -------
    sources : list of Source
        By name.
    refused : list of (str, str)
        Names of files with a picture's extension, and what is wrong.
    """
    folder = Path(folder)
    if folder.is_file():
        paths = [folder]
    elif folder.is_dir():
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
    else:
        raise PictureError(f"{folder}: no such folder")
    sources, refused = [], []
    for path in paths:
        try:
            pixels = read(path)
        except PictureError as error:
            refused.append((path.name, str(error)))
            continue
        height, width = pixels.shape[:2]
        sources.append(Source(path, path.name, _pixel_hash(pixels), width, height))
    return sources, refused


def _pixel_hash(pixels):
    shape = "x".join(map(str, pixels.shape)).encode()
    return hashlib.sha256(shape + pixels.tobytes()).hexdigest()[:16]


def dataset_hash(sources: Iterable[Source]) -> str:
    """One hash for a whole set of pictures, whatever their order."""
    lines = sorted(source.sha256 for source in sources)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def kodak_sums() -> dict[str, str]:
    """File name to sha256 of the 24 Kodak files."""
    text = resources.files(__package__).joinpath("data/kodak.sha256").read_text("ascii")
    return {name: digest for digest, name in (line.split() for line in text.splitlines())}


def kodak(folder: str | os.PathLike | None = None, say: Callable[[str], None] = print) -> Path:
    """The Kodak folder, downloaded where it is nowhere yet.

    Parameters
    ----------
    folder : path-like, optional
        Where the pictures are; by default what the environment variable
        ``AECOMPRESS_KODAK`` names, else the user's cache, which is filled
        from the network.
    say : function of str
        Called with a line when it downloads.

    Returns
    -------
    Path
        Holds the 24 files, each with the right sha256.

    Raises
    ------
    PictureError
        A file differs, or is missing and cannot be had.
    """
    given = folder or os.environ.get(KODAK_VARIABLE)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    place = Path(given) if given else cache / "aecompress" / "kodak"
    for name, digest in kodak_sums().items():
        path = place / name
        if not path.exists():
            if given:
                raise PictureError(f"{path}: missing from the Kodak folder")
            say(f"fetching {name}")
            place.mkdir(parents=True, exist_ok=True)
            data = _fetch(KODAK_URL + name)
            _check(name, data, digest)
            path.write_bytes(data)
        _check(path, path.read_bytes(), digest)
    return place


def _check(name, data, digest):
    if hashlib.sha256(data).hexdigest() != digest:
        raise PictureError(f"{name}: sha256 is not that of the Kodak file")


def _fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise PictureError(
            f"the Kodak pictures cannot be fetched ({url}: {error}); give "
            f"their folder as an argument or in {KODAK_VARIABLE}"
        ) from None
