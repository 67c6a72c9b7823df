"""WebP, BMP, ICO, PNM and QOI files: a few lengths each."""

import itertools
import re
import struct
from collections.abc import Callable

import numpy as np

from .walk import Contents, Walk

# WebP -----------------------------------------------------------------------


def webp(walk: Walk) -> None:
    """Account for a WebP file (RFC 9649), as `parts.read` does."""
    data = walk.data
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    walk.cover(0, 12)
    _webp_chunks(walk, 12, end, {b"VP8 ", b"VP8L", b"VP8X"})


def _webp_chunks(walk: Walk, at: int, end: int, allowed: set[bytes]) -> None:
    """The chunks of a file, or of one frame of an animation."""
    data = walk.data
    while at + 8 <= end:
        walk.spend(1)
        kind, size = struct.unpack_from("<4sI", data, at)
        start, at, body = at, at + 8 + size + size % 2, at + 8
        stop = min(body + size, end)
        if kind in allowed:
            walk.cover(start, body)
            allowed = _webp_pixels(walk, kind, body, stop, allowed)
        elif kind == b"ICCP":
            walk.keep("icc", data[body:stop], start, stop)
        elif kind == b"EXIF":
            exif = data[body:stop].removeprefix(b"Exif\0\0")
            walk.keep("exif", exif, start, stop)
        elif kind == b"XMP ":
            walk.keep("xmp", data[body:stop], start, stop)
        else:
            walk.lose(f"chunk {kind.decode('latin-1')}", start, stop)


def _webp_pixels(walk: Walk, kind: bytes, at: int, end: int, allowed: set[bytes]) -> set[bytes]:
    """Cover a chunk of pixels; returns which of them may follow."""
    if kind == b"VP8X":
        flags = walk.data[at]
        walk.cover(at, at + 10)
        return {b"ANIM", b"ANMF"} if flags & 2 else {b"VP8 ", b"VP8L", b"ALPH"}
    if kind == b"ANIM":
        walk.cover(at, at + 6)
        return {b"ANMF"}
    if kind == b"ANMF":
        walk.spend(1)
        walk.keep_samples()
        walk.cover(at, at + 16)
        _webp_chunks(walk, at + 16, end, {b"VP8 ", b"VP8L", b"ALPH"})
        return {b"ANMF"}
    walk.cover_samples(at, end)
    return {b"VP8 "} if kind == b"ALPH" else set()


# BMP and ICO ----------------------------------------------------------------

_BMP_HEADERS = 12, 40, 52, 56, 64, 108, 124
_RGB, _RLE8, _RLE4, _MASKS, _ALPHA_MASKS = 0, 1, 2, 3, 6


def bmp(walk: Walk) -> None:
    """Account for a BMP file, as `parts.read` does."""
    data = walk.data
    (offset, size) = struct.unpack_from("<II", data, 10)
    walk.cover(0, 6)
    walk.cover(10, 14)
    _bitmap(walk, 14, offset)
    if size >= 108 and struct.unpack_from("<I", data, 70)[0] == 0:
        if any(data[74:122]):
            walk.found.colours = "primaries"
    if size >= 124 and data[70:74] in (b"DEBM", b"KNIL"):  # MBED, LINK
        start, length = struct.unpack_from("<II", data, 126)
        start += 14
        if data[70:74] == b"DEBM":
            walk.keep("icc", data[start : start + length], start, start + length)
        else:
            walk.lose("name of a colour profile", start, start + length)


def _bitmap(walk: Walk, at: int, offset: int | None = None) -> int:
    """Cover header, palette and samples; returns where the samples end.

    The samples of an icon follow at once, with a mask behind them.
    """
    data = walk.data
    (size,) = struct.unpack_from("<I", data, at)
    if size not in _BMP_HEADERS:
        raise ValueError("unknown header")
    packing = n_bytes = n_colours = 0
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, at + 4)
    else:
        width, height, _, bits, packing, n_bytes = struct.unpack_from("<iiHHII", data, at + 4)
        x, y, n_colours = struct.unpack_from("<iiI", data, at + 24)
        walk.resolution(x, y, 0.0254)
    start = at + size
    if size == 40 and packing in (_MASKS, _ALPHA_MASKS):
        start += 12 if packing == _MASKS else 16
    if bits <= 8:
        n_colours = min(n_colours or 1 << bits, 1 << bits)
        start += n_colours * (3 if size == 12 else 4)
        fourth = data[at + size + 3 : start : 4] if size != 12 else b""
        if set(fourth) not in (set(), {0}, {255}):
            walk.lose("fourth byte of the palette", data=fourth)
    walk.cover(at, start)
    rows, stride = abs(height), (width * bits + 31) // 32 * 4
    if offset is None:
        end = start + rows // 2 * (stride + (width + 31) // 32 * 4)
    elif packing in (_RLE8, _RLE4):
        end = _after_runs(data, offset, offset + n_bytes, packing == _RLE4)
        start = offset
    else:
        start, end = offset, offset + stride * rows
        has_alpha = packing != _RGB and _alpha_mask(data, at, size, packing)
        _bitmap_rest(walk, start, rows, stride, width * bits, has_alpha)
    walk.cover_samples(start, end)
    return end


def _alpha_mask(data: bytes, at: int, size: int, packing: int) -> bool:
    """Whether some bits of a sample are alpha."""
    return (size >= 56 or packing == _ALPHA_MASKS) and any(data[at + 52 : at + 56])


def _bitmap_rest(walk: Walk, at: int, rows: int, stride: int, used: int, has_alpha: bool) -> None:
    """Lose what rows of samples hold that is no sample."""
    data = walk.data[at : at + stride * rows]
    n_rows = len(data) // stride if stride else 0
    if not n_rows:
        return
    samples = np.frombuffer(data, np.uint8)[: n_rows * stride].reshape(n_rows, stride)
    rest = samples[:, (used + 7) // 8 :]
    if rest.any():
        walk.lose_among_samples("bytes at the ends of rows", rest.tobytes())
    _, bits = struct.unpack_from("<HH", walk.data, 26)
    if bits == 32 and not has_alpha:
        fourth = samples[:, 3::4]
        if fourth.any() and not (fourth == 255).all():
            walk.lose_among_samples("fourth byte of the samples", fourth.tobytes())


def _after_runs(data: bytes, at: int, end: int, is_4_bits: bool) -> int:
    """Where run lengths end that begin there."""
    while at + 2 <= min(end, len(data)):
        n, value = data[at], data[at + 1]
        at += 2
        if n == 0 and value == 1:
            return at
        if n == 0 and value == 2:
            at += 2
        elif n == 0 and value > 2:
            at += (value + 3) // 4 * 2 if is_4_bits else (value + 1) // 2 * 2
    return min(at, end)


MAX_ICONS = 256


def ico(walk: Walk, read: Callable[[bytes], Contents | None]) -> None:
    """Account for the icons of a file; ``read`` does it for PNG files in it."""
    data = walk.data
    (n,) = struct.unpack_from("<H", data, 4)
    if n > MAX_ICONS:
        raise ValueError("too many icons")
    walk.cover(0, 6 + 16 * n)
    for i in range(n):
        size, at = struct.unpack_from("<II", data, 14 + 16 * i)
        if walk.is_covered(at, at + size):
            continue
        body = data[at : at + size]
        if not body.startswith(b"\x89PNG"):
            inner = Walk(body)
            inner.cover(0, _bitmap(inner, 0))
            walk.found.lost += inner.end().lost
        else:
            found = read(body) or Contents()
            walk.found.lost += found.lost
            for kind, name in (
                ("icc", "colour profile"),
                ("exif", "Exif"),
                ("xmp", "XMP"),
            ):
                if getattr(found, kind):
                    value = getattr(found, kind)
                    walk.lose(f"{name} of an icon", data=value, metadata=kind != "icc")
            if found.dpi:
                walk.lose("resolution of an icon")
        walk.cover(at, at + size)


# PNM and QOI ----------------------------------------------------------------

_PNM_NUMBER = re.compile(rb"((?:\s|#[^\n\r]*[\n\r])*)(\d+)")
_PNM_COMMENT = re.compile(rb"#[^\n\r]*")


def pnm(walk: Walk) -> None:
    """Account for a PBM, PGM or PPM file, as `parts.read` does."""
    data, at, values = walk.data, 2, []
    kind = data[1:2]
    for _ in range(2 if kind in b"14" else 3):
        found = _PNM_NUMBER.match(data, at)
        if not found:
            return
        values.append(int(found[2][:9]))
        for comment in _PNM_COMMENT.finditer(found[1]):
            start = at + comment.start()
            walk.lose("comment", start, at + comment.end(), metadata=True)
        at = found.end()
    walk.cover(0, at + 1)
    width, height = values[:2]
    if kind in b"123":
        _pnm_words(walk, kind, at, width * height * (3 if kind == b"3" else 1))
        return
    if kind == b"4":
        size = (width + 7) // 8 * height
    else:
        size = width * height * (3 if kind == b"6" else 1) * (1 + (values[2] > 255))
    walk.cover_samples(at + 1, at + 1 + size)


def _pnm_words(walk: Walk, kind: bytes, at: int, n: int) -> None:
    """Cover samples in words: so many, and what is white between them."""
    data = walk.data
    for comment in _PNM_COMMENT.finditer(data, at):
        walk.lose("comment", comment.start(), comment.end(), metadata=True)
    # The same length without the comments.
    text = _PNM_COMMENT.sub(lambda found: b" " * len(found[0]), data[at:])
    words = re.finditer(rb"[01]" if kind == b"1" else rb"\d+", text)
    last = next(itertools.islice(words, max(0, n - 1), None), None)
    end = last.end() if last else len(text)
    if not text[end:].strip():
        end = len(text)
    walk.cover(at, at + end)
    # Pillow takes neither comments nor bytes behind the samples for what they are.
    walk.found.pixels = data[:at] + text[:end] + b"\n"


def qoi(walk: Walk) -> None:
    """Account for a QOI file (qoiformat.org), as `parts.read` does."""
    data = walk.data
    width, height = struct.unpack_from(">II", data, 4)
    walk.cover(0, 14)  # what it says of colours changes nothing, and many lie
    if not walk.may_unpack(width * height):
        walk.cover(14, len(data))  # too large, as Pillow will say
        return
    at, left = 14, width * height
    while left > 0 and at < len(data):
        op = data[at]
        if op >= 0xFE:
            at += 4 if op == 0xFE else 5
        else:
            at += 2 if op >> 6 == 2 else 1
        left -= 1 + (op & 63) if op >> 6 == 3 and op < 0xFE else 1
    walk.cover_samples(14, at)
    if data[at : at + 8] == b"\0\0\0\0\0\0\0\1":
        walk.cover(at, at + 8)
