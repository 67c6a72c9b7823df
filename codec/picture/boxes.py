"""Files of boxes: what `heif`, `jxl` and `jp2` have in common."""

import re
import struct
from collections.abc import Callable, Iterator

from .walk import Walk

Own = Callable[[Walk, bytes, bool, int, int, int], bool]

PADDING = b"free", b"skip", b"wide"
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF_UUID = b"JpgTiffExif->JP2"
_UUIDS = {
    bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"): "GeoJP2",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC",
}
_NAMES = {b"mpvd": "video", b"moov": "tracks", b"jbrd": "the way back to a JPEG"}
_WORDS = b"xml ", b"IPTC"
_BRANDS = re.compile(
    b"avif|avis|avio|mif[12]|miaf|MA1[AB]|msf1|he[iv][cmsx]|MiH[ABE]|MiPr|tmap|unif"
    b"|1pic|pred|geo1|iso[2-9m]|mp4[12]|jxl |jp2 |jp[xm][ b]"
)
MAX_BOXES = 4096
MAX_LABEL = 32  # bytes of a name that nobody sees
MAX_UNKNOWN = 2  # brands


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """(type, start of the box, start of its body, its end) of each box.

    Raises
    ------
    struct.error
        A length that leads nowhere.
    """
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        stop = end if size == 0 else start + size
        if stop < body or stop > end:
            raise struct.error("a box that does not fit")
        yield kind, start, body, stop
        start = stop


def walk(walk: Walk, own: Own) -> None:
    """Account for a file of boxes, as `parts.read` does.

    Parameters
    ----------
    walk : Walk
    own : function
        Accounts for a box of this kind of file: its type, whether it is the
        first, its start, the start of its body, its end. Whether it is one
        that belongs there.
    """
    data = walk.data
    seen: set[bytes] = set()
    for kind, start, body, end in boxes(data, 0, len(data)):
        is_first = kind not in seen
        seen.add(kind)
        if kind == b"ftyp" and not is_first:
            return  # another file behind this one
        is_known = _any_box(walk, kind, is_first, start, body, end)
        if not is_known and not own(walk, kind, is_first, start, body, end):
            lose_box(walk, kind, start, end)
    if b"moov" in seen:  # its tracks are told; their samples lie there
        for kind, start, _, end in boxes(data, 0, len(data)):
            walk.cover(start, end if kind == b"mdat" else start)


def _any_box(walk: Walk, kind: bytes, is_first: bool, start: int, body: int, end: int) -> bool:
    """Account for a box that any of these files may have; whether it is one."""
    if kind == b"ftyp":
        _brands(walk, start, body, end)
    elif kind == walk.data[4:8] and is_first:
        walk.cover(start, body + 4)
    elif kind in PADDING:
        walk.cover(start, body)
    elif kind == b"uuid":
        _uuid(walk, start, body, end)
    else:
        return False
    return True


def _brands(walk: Walk, start: int, body: int, end: int) -> None:
    """Cover the names of what a file conforms to, but for odd ones."""
    walk.cover(start, body + 8)
    unknown = 0
    for at in range(body + 8, end - 3, 4):
        unknown += not _BRANDS.fullmatch(walk.data, at, at + 4)
        if unknown > MAX_UNKNOWN:
            break
        walk.cover(at, at + 4)


def after_label(data: bytes, at: int, end: int) -> int:
    """Where a short name ends that begins there, with its zero."""
    found = data.find(b"\0", at, min(end, at + MAX_LABEL))
    return found + 1 if found >= 0 else at


def lose_box(walk: Walk, kind: bytes, start: int, end: int) -> None:
    """A box is left out, by its name."""
    name = _NAMES.get(kind, f"box {kind.decode('latin-1')!r}")
    walk.lose(name, start, end, metadata=kind in _WORDS)


def _uuid(walk: Walk, start: int, body: int, end: int) -> None:
    name, value = walk.data[body : body + 16], walk.data[body + 16 : end]
    if name == _XMP_UUID:
        walk.keep("xmp", value, start, end)
    elif name == _EXIF_UUID:
        walk.keep("exif", value, start, end)
    else:
        known = _UUIDS.get(name, "box 'uuid'")
        walk.lose(known, start, end, metadata=known == "IPTC")
