"""Files of boxes: AVIF and HEIC (items of ``meta``), JPEG XL, JPEG 2000."""

import re
import struct
from collections.abc import Iterator
from typing import Any

from . import jxl

# What a picture is made of, by the first box of its file; and what may come again.
_PIXELS = {
    b"ftyp": b"ftyp|meta|mdat|moov".split(b"|"),
    b"JXL ": b"JXL |ftyp|jxlc|jxlp|jxll|jxli".split(b"|"),
    b"jP  ": b"jP  |ftyp|jp2c|rreq".split(b"|"),
}
_MANY = b"mdat", b"jxlp"
_PADDING = b"free", b"skip", b"wide"
_JP2H = set(b"ihdr|bpcc|colr|pclr|cmap|cdef|res ".split(b"|"))
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_UUIDS = {
    bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"): "GeoJP2",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC",
}
_NAMES = {b"mpvd": "video", b"jbrd": "the way back to a JPEG"}
_EXIF_UUID = b"JpgTiffExif->JP2"
# What an auxiliary picture of HEIC and AVIF is, by the end of its name.
_AUXILIARY = {"depth": "depth map", "gainmap": "gain map", "alpha": None}
MAX_BOXES = 4096


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


def walk(walk: Any) -> None:
    """Account for a file of boxes, as `parts.read` does."""
    data = walk.data
    # Of the others Pillow and the extras give ICC, Exif and XMP.
    walk.found.reads_metadata = data[4:8] == b"jP  "
    header = jxl.header(data)
    if header and header.is_animated:
        walk.found.n_frames = 2  # or more
    pixels, seen = _PIXELS.get(data[4:8], ()), set()
    for kind, start, body, end in boxes(data, 0, len(data)):
        again = kind in seen and kind not in _MANY
        if again and kind == b"ftyp":
            return  # another file behind this one
        seen.add(kind)
        if kind in pixels and not again:
            walk.cover(start, end)
            _meta(walk, kind, body + 4, end)
        elif kind == b"jp2h":
            _jp2_header(walk, start, body, end)
        elif kind == b"Exif":
            offset = int.from_bytes(data[body : body + 4], "big")
            walk.keep("exif", data[body + 4 + offset : end], start, end)
        elif kind == b"xml " and data[4:8] == b"JXL ":
            walk.keep("xmp", data[body:end], start, end)
        elif kind == b"uuid":
            _uuid(walk, start, body, end)
        elif kind not in _PADDING or any(data[body:end]):
            is_metadata = kind != b"mpvd" and kind not in pixels
            _lose_box(walk, kind, start, end, is_metadata)
        else:
            walk.cover(start, end)


def _lose_box(
    walk: Any, kind: bytes, start: int, end: int, is_metadata: bool = True
) -> None:
    name = _NAMES.get(kind, f"box {kind.decode('latin-1')!r}")
    walk.lose(name, start, end, metadata=is_metadata)


def _uuid(walk: Any, start: int, body: int, end: int) -> None:
    name, value = walk.data[body : body + 16], walk.data[body + 16 : end]
    if name == _XMP_UUID:
        walk.keep("xmp", value, start, end)
    elif name == _EXIF_UUID:
        walk.keep("exif", value, start, end)
    else:
        walk.lose(_UUIDS.get(name, "box 'uuid'"), start, end)


def _jp2_header(walk: Any, start: int, body: int, end: int) -> None:
    walk.cover(start, body)
    for kind, inner, at, stop in boxes(walk.data, body, end):
        if kind == b"colr" and walk.data[at] in (2, 3):
            walk.keep("icc", walk.data[at + 3 : stop], inner, stop)
        elif kind == b"res ":
            walk.cover(inner, stop)
            for which, _, place, _ in boxes(walk.data, at, stop):
                if which == b"resd" or walk.found.dpi is None:
                    walk.found.dpi = _jp2_resolution(walk.data, place)
        elif kind in _JP2H:
            walk.cover(inner, stop)
        else:
            _lose_box(walk, kind, inner, stop)


def _jp2_resolution(data: bytes, at: int) -> tuple[float, float] | None:
    """Pixels per inch, of numbers per metre."""
    vn, vd, hn, hd, ve, he = struct.unpack_from(">HHHHbb", data, at)
    if not (vn and vd and hn and hd):
        return None
    return hn / hd * 10.0**he * 0.0254, vn / vd * 10.0**ve * 0.0254


# Items ----------------------------------------------------------------------


def _meta(walk: Any, kind: bytes, start: int, end: int) -> None:
    """What the items of a box ``meta`` are that the picture is not made of."""
    if kind != b"meta":
        return
    data = walk.data
    parts = {kind: (at, stop) for kind, _, at, stop in boxes(data, start, end)}
    if b"iinf" not in parts:
        return
    items = dict(_items(data, *parts[b"iinf"]))
    extents = dict(_extents(data, *parts[b"iloc"])) if b"iloc" in parts else {}
    names = dict(_auxiliary(data, *parts[b"iprp"])) if b"iprp" in parts else {}
    links = list(_links(data, *parts[b"iref"])) if b"iref" in parts else []
    tiles = {to for kind, _, tos in links if kind == b"dimg" for to in tos}
    aux = {item for kind, item, _ in links if kind == b"auxl"}
    previews = {item for kind, item, _ in links if kind == b"thmb"}
    for item, (kind, mime) in items.items():
        size = extents.get(item, 0)
        name = None
        if kind == b"tmap":
            name = "gain map"
        elif item in aux:
            name = names.get(item, "auxiliary picture")
        elif kind == b"mime" and mime != b"application/rdf+xml":
            name = f"item of type {mime.decode('latin-1')}"
        elif kind not in (b"Exif", b"mime") and not _is_picture(kind):
            name = f"item {kind.decode('latin-1')}"
        elif _is_picture(kind) and not {item} & (tiles | previews):
            walk.found.n_frames += 1
        if name:
            walk.lose(name, 0, 0, bytes(size), metadata=False)
    # The first of them is the picture itself.
    walk.found.n_frames = max(1, walk.found.n_frames - 1)


def _is_picture(kind: bytes) -> bool:
    return kind in (b"av01", b"hvc1", b"jpeg", b"grid", b"iden", b"iovl", b"j2k1")


def _items(data: bytes, at: int, end: int) -> Iterator[Any]:
    """(id, (type, MIME type)) of each item."""
    version = data[at]
    at += 4 + (2 if version == 0 else 4)
    for kind, _, body, stop in boxes(data, at, end):
        version = data[body]
        if kind != b"infe" or version < 2:
            continue
        (item,) = struct.unpack_from(">H" if version == 2 else ">I", data, body + 4)
        at = body + (8 if version == 2 else 10)
        mime = data[at + 4 : stop].split(b"\0")[1:2]
        yield item, (data[at : at + 4], mime[0] if mime else b"")


def _extents(data: bytes, at: int, end: int) -> Iterator[Any]:
    """(id, bytes) of each item."""
    version = data[at]
    sizes, bases = data[at + 4], data[at + 5]
    width = {0: 0, 4: 4, 8: 8}
    o, n, b = width[sizes >> 4], width[sizes & 15], width[bases >> 4]
    i = width[bases & 15] if version else 0
    letter, at = ("H", at + 6) if version < 2 else ("I", at + 6)
    (count,) = struct.unpack_from(">" + letter, data, at)
    at += struct.calcsize(letter)
    for _ in range(min(count, MAX_BOXES)):
        (item,) = struct.unpack_from(">" + letter, data, at)
        at += struct.calcsize(letter) + (2 if version else 0) + 2 + b
        (extents,) = struct.unpack_from(">H", data, at)
        at, total = at + 2, 0
        for _ in range(min(extents, MAX_BOXES) if i + o + n else 0):
            at += i + o
            total += int.from_bytes(data[at : at + n], "big")
            at += n
        yield item, min(total, len(data))


def _links(data: bytes, at: int, end: int) -> Iterator[Any]:
    """(type, from, to) of each reference between items."""
    letter = ">H" if data[at] == 0 else ">I"
    size = struct.calcsize(letter)
    for kind, _, body, _ in boxes(data, at + 4, end):
        (item,) = struct.unpack_from(letter, data, body)
        (n,) = struct.unpack_from(">H", data, body + size)
        at = body + size + 2
        form = f">{n}{letter[1]}"
        yield kind, item, struct.unpack_from(form, data, at)


def _auxiliary(data: bytes, at: int, end: int) -> Iterator[Any]:
    """(id, name) of each auxiliary picture; no name, where it is alpha."""
    properties: list[str] = []
    where: dict[int, list[int]] = {}
    for kind, _, body, stop in boxes(data, at, end):
        if kind == b"ipco":
            for inner, _, start, last in boxes(data, body, stop):
                name = (
                    data[start + 4 : last].split(b"\0")[0] if inner == b"auxC" else b""
                )
                properties.append(name.decode("latin-1"))
        elif kind == b"ipma":
            where.update(_associations(data, body))
    for item, indices in where.items():
        for index in indices:
            if 0 < index <= len(properties) and properties[index - 1]:
                urn = properties[index - 1]
                if urn.endswith(("auxid:1", "alpha")):
                    yield item, None
                    continue
                last_part = re.split("[:/]", urn)[-1]
                known = [v for k, v in _AUXILIARY.items() if k in urn]
                yield item, known[0] if known else _auxid(urn) or f"item {last_part}"


def _auxid(urn: str) -> Any:
    return "depth map" if urn.endswith("auxid:2") else None


def _associations(data: bytes, at: int) -> Iterator[Any]:
    version, flags = data[at], data[at + 3]
    (count,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(min(count, MAX_BOXES)):
        (item,) = struct.unpack_from(">H" if version < 1 else ">I", data, at)
        at += 2 if version < 1 else 4
        n, at = data[at], at + 1
        found = []
        for _ in range(n):
            if flags & 1:
                found.append(struct.unpack_from(">H", data, at)[0] & 0x7FFF)
            else:
                found.append(data[at] & 0x7F)
            at += 1 + (flags & 1)
        yield item, found


def colours(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of a file of boxes that has no ICC profile."""
    found = re.search(rb"colrnclx(..)(..)", data, re.DOTALL)
    if not found or b"colrprof" in data or b"colrrICC" in data:
        return None
    return struct.unpack(">H", found[1])[0], struct.unpack(">H", found[2])[0]
