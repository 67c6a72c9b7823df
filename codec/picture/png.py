"""PNG files, chunk by chunk (PNG specification, third edition)."""

import re
import struct
import zlib
from collections.abc import Iterable

from .walk import Walk

_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Sizes of what describes colours, and is read by Pillow and `hidden`.
_COLOURS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}
# Sizes of what describes the picture otherwise: time, background, place, size.
_METADATA = {b"tIME": 7, b"bKGD": 6, b"oFFs": 9, b"vpAg": 9, b"sTER": 1}
MAX_LABEL = 32  # bytes of a name that nobody sees
_PASSES = [  # first column and row, and the steps, of interlaced samples
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
]
_XMP = b"http://ns.adobe.com/xap/1.0/\0"


class _Samples:
    """The streams of samples of one file, and how long they must be."""

    def __init__(self, header: bytes) -> None:
        self.width, self.height, self.depth, self.colour, _, _, interlace = struct.unpack(
            ">IIBBBBB", header
        )
        self.bits = self.depth * _CHANNELS[self.colour]
        self.passes = _PASSES if interlace else [(0, 0, 1, 1)]

    def n_bytes(self, width: int, height: int) -> int:
        """Bytes of all rows, with their filters."""
        total = 0
        for x, y, across, down in self.passes:
            columns = (width - x + across - 1) // across
            rows = (height - y + down - 1) // down
            if columns > 0 and rows > 0:
                total += rows * (1 + (columns * self.bits + 7) // 8)
        return total


def _surplus(bodies: Iterable[bytes], n_bytes: int) -> int:
    """Bytes behind the last sample, in the stream and behind it.

    The samples are unpacked once more for that, a piece at a time. What cannot
    be unpacked is no sample, whether Pillow minds it or not.
    """
    bodies = list(bodies)
    try:
        return sum(_behind(bodies, n_bytes))
    except zlib.error:
        return sum(map(len, bodies))


def _behind(bodies: Iterable[bytes], n_bytes: int) -> tuple[int, int]:
    """Bytes behind a stream, and behind the last sample in it."""
    stream, behind, left = zlib.decompressobj(), 0, n_bytes
    for body in bodies:
        if stream.eof:
            behind += len(body)
            continue
        while body and not stream.eof and left >= 0:
            left -= len(stream.decompress(body, 1 << 20))
            body = stream.unconsumed_tail
        behind += len(stream.unused_data) if stream.eof else 0
    if left >= 0:
        left -= len(stream.decompress(b"", 1 << 20))
    return behind, max(0, -left)


def walk(walk: Walk) -> None:
    """Account for a PNG file, as `parts.read` does."""
    _Png(walk).walk()


class _Png:
    """The walk through one file, and what it has met."""

    def __init__(self, walk: Walk) -> None:
        self._walk, self._seen = walk, set[bytes]()
        self._samples: _Samples | None = None
        self._kept = [walk.data[:8]]
        self._texts: list[tuple[bytes, bytes, int, int]] = []
        # Of each frame: its size, and where the bytes of its samples lie.
        self._frames: list[tuple[int, int, list[tuple[int, int]]]] = []
        self._idat: list[tuple[int, int]] = []
        self._has_default = self._has_samples = False

    def walk(self) -> None:
        walk = self._walk
        data, at, kind, last = walk.data, 8, b"", b""
        walk.cover(0, 8)
        while kind != b"IEND":
            size, kind = struct.unpack_from(">I4s", data, at)
            end = at + 12 + size
            if end > len(data):
                break
            if kind in _TEXTS:
                self._texts.append((kind, data[at + 8 : end - 4], at, end))
            elif self._chunk(kind, last, at, end):
                self._kept.append(data[at:end])
            walk.spend(1)
            last, at = kind, end
        else:
            walk.found.pixels = b"".join(self._kept)
        # After the others: a chunk of its own goes before a raw profile.
        for kind, body, start, end in self._texts:
            _text(walk, kind, body, start, end)
        self._check_samples()

    def _chunk(self, kind: bytes, last: bytes, start: int, end: int) -> bool:
        """Account for a chunk; whether Pillow needs it."""
        walk, at, size = self._walk, start + 8, end - start - 12
        body = walk.data[at : end - 4]
        if kind in (b"iCCP", b"eXIf", b"pHYs"):
            _carried(walk, kind, body, start, end)
            return False
        if kind in (b"acTL", b"fcTL", b"fdAT"):
            is_pixels = self._animation(kind, body, at)
        else:
            is_pixels = self._is_pixels(kind, last, body, at)
        if is_pixels and kind == b"IDAT":
            walk.cover(start, at)
            walk.cover_samples(at, end - 4)
            walk.cover(end - 4, end)
        elif is_pixels:
            walk.cover(start, end)
        else:
            name = f"chunk {kind.decode('latin-1')}"
            is_known = size <= _METADATA.get(kind, -1)
            walk.lose(name, start, end, body, metadata=is_known)
        return is_pixels

    def _is_pixels(self, kind: bytes, last: bytes, body: bytes, at: int) -> bool:
        """Whether this is what the pixels are made of, and nothing else."""
        is_first = kind not in self._seen
        self._seen.add(kind)
        if kind == b"IHDR":
            if not is_first or len(body) != 13:
                return False
            self._samples = _Samples(body)
            if self._samples.colour == 0:
                self._walk.found.grey_bits = self._samples.depth
            return True
        if kind == b"IDAT":
            if not is_first and last != b"IDAT":
                return False
            self._idat.append((at, at + len(body)))
            return True
        if kind == b"IEND":
            return not body
        if not is_first or self._samples is None:
            return False
        return self._says_colours(kind, body, self._samples)

    def _says_colours(self, kind: bytes, body: bytes, samples: _Samples) -> bool:
        """Whether this says what the samples mean, and no more."""
        if kind == b"PLTE":
            return samples.colour == 3 and len(body) <= 3 << samples.depth
        if kind == b"tRNS":
            self._walk.found.transparency = body
            return len(body) <= {0: 2, 2: 6, 3: 256}.get(samples.colour, 0)
        if kind == b"sBIT":
            return len(body) <= 4
        return len(body) == _COLOURS.get(kind)

    def _animation(self, kind: bytes, body: bytes, at: int) -> bool:
        """Count the frames of an animation, and find their samples."""
        if kind == b"acTL":
            is_first = kind not in self._seen and b"IDAT" not in self._seen
            self._seen.add(kind)
            return is_first and len(body) == 8
        if b"acTL" not in self._seen or kind == b"fcTL" and len(body) != 26:
            return False
        if kind == b"fcTL":
            if b"IDAT" in self._seen and not self._frames:
                self._has_default = True
            self._has_samples = b"IDAT" in self._seen  # or IDAT is the frame
            self._frames.append((*struct.unpack_from(">II", body, 4), []))
        elif not self._has_samples or len(body) < 4:
            return False
        else:
            self._frames[-1][2].append((at + 4, at + len(body)))
        return True

    def _check_samples(self) -> None:
        """Lose what lies behind the samples, within their streams."""
        if self._samples is None:
            return
        walk, data = self._walk, self._walk.data
        walk.found.n_frames = max(1, len(self._frames) + self._has_default)
        streams = [(self._samples.width, self._samples.height, self._idat)]
        streams += [f for f in self._frames if f[2]]
        for width, height, spans in streams:
            n = self._samples.n_bytes(width, height)
            if not walk.may_unpack(n):
                continue
            if surplus := _surplus((data[a:b] for a, b in spans), n):
                walk.lose_among_samples("bytes after the samples", bytes(surplus))


def _carried(walk: Walk, kind: bytes, body: bytes, start: int, end: int) -> None:
    if kind == b"eXIf":
        walk.keep("exif", body.removeprefix(b"Exif\0\0"), start, end)
    elif kind == b"pHYs" and len(body) == 9:
        walk.cover(start, end)
        x, y, unit = struct.unpack(">IIB", body)
        walk.resolution(x, y, 0.0254 if unit == 1 else None)
    elif kind == b"iCCP" and 0 < body.find(b"\0") < 80:
        name, _, packed = body.partition(b"\0")
        _unpack(walk, "icc", packed[1:], "colour profile", start, end)
        wide = name.decode("latin-1").encode("utf-16-be")
        icc = walk.found.icc or b""
        if len(name) > MAX_LABEL and name not in icc and wide not in icc:
            walk.lose("name of a colour profile", data=name)
    else:
        walk.lose(f"chunk {kind.decode('latin-1')}", start, end, body)


def _text(walk: Walk, kind: bytes, body: bytes, start: int, end: int) -> None:
    keyword, _, text = body.partition(b"\0")
    name, labels = keyword.decode("latin-1"), b""
    if kind == b"iTXt":
        is_packed = text[:1] == b"\1"
        language, _, rest = text[2:].partition(b"\0")
        translated, _, text = rest.partition(b"\0")
        labels = language + translated
    else:
        is_packed, text = kind == b"zTXt", text[kind == b"zTXt" :]
    raw = re.fullmatch("Raw profile type (exif|APP1|xmp|icc|icm)", name)
    if name != "XML:com.adobe.xmp" and not raw:
        walk.lose(f"text {name!r}", start, end, metadata=True)
        return
    if labels:
        walk.lose("labels of a text", data=labels, metadata=True)
    if not raw:
        _unpack(walk, "xmp", text, "XMP", start, end, is_packed)
        return
    inflated, behind = walk.inflate(text) if is_packed else (text, 0)
    value = _raw_profile(inflated)
    if value is None or behind:
        walk.lose(name, start, end)
    elif value.startswith(_XMP) or raw[1] == "xmp":
        walk.keep("xmp", value.removeprefix(_XMP), start, end)
    elif raw[1] in ("icc", "icm"):
        walk.keep("icc", value, start, end)
    else:
        walk.keep("exif", value.removeprefix(b"Exif\0\0"), start, end)


def _unpack(
    walk: Walk,
    kind: str,
    packed: bytes,
    name: str,
    start: int,
    end: int,
    is_packed: bool = True,
) -> None:
    value, behind = walk.inflate(packed) if is_packed else (packed, 0)
    if value is None:
        walk.lose(f"{name} that cannot be read", start, end, metadata=kind != "icc")
        return
    walk.keep(kind, value, start, end)
    if behind:
        walk.lose(f"bytes behind the {name}", data=packed[-behind:])


def _raw_profile(text: bytes | None) -> bytes | None:
    """The bytes of ImageMagick's form: a name, a length, hexadecimal."""
    pattern = rb"\s*(?:generic profile|\w{1,20})\s+(\d{1,9})\s+([0-9A-Fa-f\s]*)$"
    found = re.match(pattern, text or b"")
    if not found:
        return None
    digits = re.sub(rb"\s", b"", found[2])
    if len(digits) != 2 * int(found[1]):
        return None
    return bytes.fromhex(digits.decode())
