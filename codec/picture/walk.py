"""What a walk through a picture file notes: `Walk`, `Contents`, `Lost`.

A walker covers the bytes that it understands, and no others: kept, lost by
name, or needed for the pixels. What is then left over is lost too, but for
zeros, which are padding.
"""

import dataclasses
import re
import struct
import zlib
from collections.abc import Iterator

from ..limits import MAX_PIXELS

MAX_INFLATED = 1 << 26  # bytes of compressed profiles and XMP
MAX_TAGS = 1 << 17
MAX_SAMPLE = 8  # bytes of a pixel that is unpacked to see where samples end
_ZEROS = re.compile(rb"\0*")
_NAMES = {"icc": "colour profile", "exif": "Exif", "xmp": "XMP"}
# Pixels per inch that a file of ours has a place for.
_MIN_DPI, _MAX_DPI = 0.001, 4e6


@dataclasses.dataclass(frozen=True)
class Lost:
    """A part of a file that the output does not carry.

    Attributes
    ----------
    name : str
    data : bytes
    is_metadata : bool
        Whether it describes the picture, as ``--strip`` drops it: text,
        Exif, XMP, IPTC. What nobody knows is none.
    """

    name: str
    data: bytes
    is_metadata: bool = False


@dataclasses.dataclass
class Contents:
    """What a walk has found.

    Attributes
    ----------
    icc, exif, xmp : bytes or None
        ``exif`` from the TIFF header on.
    dpi : (float, float) or None
        Pixels per inch, horizontal and vertical, as stored.
    orientation : int or None
        As the file itself says it, not its Exif or XMP, 1..8.
    transparency : bytes or None
        Of a PNG file's tRNS.
    grey_bits : int
        Of a PNG file's grey samples; 0 where it has others.
    is_premultiplied : bool
        Whether colours are multiplied by alpha.
    has_unnamed_alpha : bool
        Whether the file does not say that a band is alpha, if one is.
    colours : str or None
        What describes the colours, where it is neither ICC nor sRGB.
    n_frames : int
        Pictures in the file, as far as that is seen here.
    lost : list of Lost
    scan_end : int
        Where the samples of a JPEG file of one scan end, as it seems; or 0.
    pixels : bytes or None
        The file without its metadata, where Pillow is better without.
    formats : frozenset of str
        What Pillow may call a file of which this was read.
    reads_metadata : bool
        Whether ICC, Exif and XMP were all looked for here.
    samples : list of (int, int)
        Where coded samples of the picture lie, and nothing else.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    orientation: int | None = None
    transparency: bytes | None = None
    grey_bits: int = 0
    is_premultiplied: bool = False
    has_unnamed_alpha: bool = False
    colours: str | None = None
    n_frames: int = 1
    lost: list[Lost] = dataclasses.field(default_factory=list)
    scan_end: int = 0
    pixels: bytes | None = None
    formats: frozenset[str] = frozenset()
    reads_metadata: bool = True
    samples: list[tuple[int, int]] = dataclasses.field(default_factory=list)


def after_zeros(data: bytes, start: int) -> int:
    """Where zeros end that may begin there."""
    found = _ZEROS.match(data, start)
    return found.end() if found else start


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same bytes as spans that are sorted and do not touch."""
    start = end = 0
    for a, b in sorted(spans):
        if a > end:
            if end > start:
                yield start, end
            start = a
        end = max(end, b)
    if end > start:
        yield start, end


def _without(
    spans: list[tuple[int, int]], others: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """What of spans no other covers; sorted."""
    holes, n = list(_merged(others)), 0
    for at, end in _merged(spans):
        while n < len(holes) and holes[n][1] <= at:
            n += 1
        while n < len(holes) and holes[n][0] < end:
            if holes[n][0] > at:
                yield at, holes[n][0]
            at = max(at, holes[n][1])
            if at > end:
                break
            n += 1
        if end > at:
            yield at, end


class Walk:
    """The parts of one file, as a walker finds them.

    Parameters
    ----------
    data : bytes
    max_pixels : int
        Bounds the samples that are unpacked to see where they end.
    """

    def __init__(self, data: bytes, max_pixels: int = MAX_PIXELS) -> None:
        self.data, self.found = data, Contents()
        self._tags, self._inflated = MAX_TAGS, MAX_INFLATED
        # What is named more than once is read so often: no sound file is.
        self._bytes = 4 * len(data) + (1 << 20)
        self._unpacked = MAX_SAMPLE * max_pixels
        self._covered: list[tuple[int, int]] = []
        self._samples: list[tuple[int, int]] = []
        self._has_pure_samples = True
        self._aligned: set[int] = set()

    def spend(self, tags: int, n_bytes: int = 0) -> None:
        """Count the tags that were followed, and the bytes that they name.

        Raises
        ------
        struct.error
            More than any sound file has.
        """
        self._tags -= tags
        self._bytes -= n_bytes
        if self._tags < 0 or self._bytes < 0:
            raise struct.error("too many tags, or the same bytes too often")

    def may_unpack(self, n_bytes: int) -> bool:
        """Whether so many bytes of samples may be unpacked.

        Otherwise the file has too many pixels, or they are of further frames.
        """
        if n_bytes > self._unpacked:
            return False
        self._unpacked -= n_bytes
        return True

    def inflate(self, data: bytes) -> tuple[bytes | None, int]:
        """What a zlib stream holds, and the bytes behind it.

        None if it is damaged or too much.
        """
        stream = zlib.decompressobj()
        try:
            found = stream.decompress(data, self._inflated + 1)
        except zlib.error:
            return None, 0
        self._inflated = max(0, self._inflated - len(found))
        return (found, len(stream.unused_data)) if stream.eof else (None, 0)

    def cover(self, start: int, end: int) -> None:
        """These bytes are accounted for."""
        self._covered.append(self._inside(start, end))

    def cover_samples(self, start: int, end: int) -> None:
        """These bytes are samples of the picture that is kept, and no others."""
        self._samples.append(self._inside(start, end))

    def align(self, at: int) -> None:
        """A part begins here that must not begin at an odd byte.

        Some writers leave in the byte before it what their memory held.
        """
        self._aligned.add(at)

    def _inside(self, start: int, end: int) -> tuple[int, int]:
        n = len(self.data)
        return max(0, min(start, n)), min(end, n)

    def is_covered(self, start: int, end: int) -> bool:
        """Whether any of these bytes is accounted for already."""
        both = self._covered, self._samples
        return any(a < end and start < b for places in both for a, b in places)

    def lose(
        self,
        name: str,
        start: int = 0,
        end: int = 0,
        data: bytes = b"",
        metadata: bool = False,
    ) -> None:
        """These bytes, which are all of ``data`` or hold it, are left out."""
        self.cover(start, end)
        self.found.lost.append(Lost(name, data or self.data[start:end], metadata))

    def lose_among_samples(self, name: str, data: bytes = b"") -> None:
        """Such bytes lie between the samples."""
        self.lose(name, data=data)
        self.keep_samples()

    def keep_samples(self) -> None:
        """The samples are not those of the picture alone."""
        self._has_pure_samples = False

    def keep(self, kind: str, value: bytes, start: int = 0, end: int = 0) -> None:
        """These bytes are the ICC profile, Exif or XMP; the first counts."""
        value = bytes(value)
        self.cover(start, end)
        if getattr(self.found, kind) is None and value:
            setattr(self.found, kind, value)
        elif value and value != getattr(self.found, kind):
            self.lose(f"further {_NAMES[kind]}", data=value, metadata=kind != "icc")

    def resolution(self, x: float, y: float, scale: float | None) -> None:
        """Pixels per unit, and units per inch; without, only their ratio counts."""
        if not (x > 0 and y > 0):
            if x > 0 or y > 0:
                self.lose("half a resolution")
            return
        if scale is None:
            if x != y:
                self.lose(f"shape of the pixels, {x:g} to {y:g}")
            return
        dpi = x * scale, y * scale
        if self.found.dpi in (None, dpi) and all(_MIN_DPI <= n < _MAX_DPI for n in dpi):
            self.found.dpi = dpi
        else:
            self.lose(f"resolution of {dpi[0]:g} x {dpi[1]:g} dpi")

    def end(self) -> Contents:
        """Account for what no part has covered."""
        every = [(0, len(self.data))]
        for start, end in _without(every, self._covered + self._samples):
            self._gap(start, end)
        if self._has_pure_samples:
            self.found.samples = list(_without(self._samples, self._covered))
        return self.found

    def _gap(self, start: int, end: int) -> None:
        is_filler = start % 2 == 1 and end == start + 1 and end in self._aligned
        if is_filler or after_zeros(self.data, start) >= end:
            return  # padding
        name = "bytes that nothing names"
        if end == len(self.data):
            name = "bytes after the end"
            if b"ftyp" in self.data[start : start + 64]:
                name += ", a video"
        self.lose(name, start, end)
