"""What of a picture file its `Picture` does not carry: told, or kept as a section."""

import io
import warnings
from typing import Any

from PIL import Image

from ..errors import ConversionNote, warn_converted
from . import hidden, jxl, kept, metadata, parts
from .walk import Contents, Lost


def of_file(
    image: Image.Image,
    contents: Contents | None,
    wants_metadata: bool | str,
    data: bytes,
    n_kept: int,
) -> bytes | None:
    """Tell all of a file that its picture will not carry; or carry it as a section."""
    said, names = frames(image, contents, n_kept), []
    samples = contents.samples if contents else []
    if contents is None:
        names = [f"what a {image.format} file holds beside its picture"]
    else:
        lost = [p for p in contents.lost if wants_metadata or not p.is_metadata]
        lost = [p for p in lost if p.name != "frame"]
        if _has_more(image, contents, data):
            lost.append(Lost("bytes after the samples", b""))
            samples = []
        if wants_metadata and without_claims(contents) != contents.xmp:
            lost.append(Lost("what XMP says of parts that are left out", b""))
        names = list(parts.names(lost))
    section = None
    if wants_metadata == "all" and (said or names):
        section = kept.write(data, samples, image.width * image.height)
        names = ["further pictures"] * bool(said) + names
        text = f"kept beside the picture, for --format kept: {', '.join(names)}"
        warnings.warn(text, ConversionNote, stacklevel=4)
        said = []
    elif names:
        said.append(f"left out: {', '.join(names)}")
    if contents and contents.has_unnamed_alpha and image.mode in ("LA", "RGBA"):
        said.append("a band that the file does not call alpha is taken for it")
    bands = hidden.further_bands(image)
    if bands:
        said.append(f"only the colours are kept; bands left out: {bands}")
    if said:
        warn_converted("; ".join(said))
    return section


def frames(image: Image.Image, contents: Contents | None, n_kept: int) -> list[str]:
    """A line on the frames and icons that are left out, if there are any."""
    n = getattr(image, "n_frames", 1)
    n = max(n, contents.n_frames if contents else 1)
    if n > n_kept:
        kept = "one frame" if n_kept == 1 else f"{n_kept} frames"
        return [f"only {kept} of {n} {'is' if n_kept == 1 else 'are'} kept"]
    if len(image.info.get("sizes", ())) > 1:
        return [f"only the largest of {len(image.info['sizes'])} icons is kept"]
    return []


def _has_more(image: Image.Image, contents: Contents, data: bytes) -> bool:
    """Whether coded samples go on behind the picture; only decoders know."""
    if contents.scan_end:
        return hidden.ends_early(image, data, contents.scan_end)
    if image.format != "JXL":
        return False
    try:
        opener: Any = type(image)
        opener(io.BytesIO(jxl.codestream(data).data[:-1]), "")
    except Exception:  # of many types: without its last byte it is cut short
        return False
    return True


def without_claims(contents: Contents) -> bytes | None:
    """XMP without what it says of parts that are left out."""
    xmp, names = contents.xmp, {p.name for p in contents.lost}
    if "extended XMP" in names:
        xmp = metadata.without_claims(xmp, extended=True)
    if any(not p.is_metadata for p in contents.lost):
        xmp = metadata.without_claims(xmp, extended=False)
    return xmp
