"""Section ``kept``: the file that a picture was read from, without its samples.

So an archive loses nothing but what the picture shows (docs/format.md, section 3).
"""

import itertools
import struct

SECTION = "kept"
_HEAD = struct.Struct("<II")
_LEAST = 64  # bytes that are worth being left out


def most(n_pixels: int) -> int:
    """Bytes of coded samples that may be left out, at most."""
    return 16 * n_pixels + (1 << 16)


def write(data: bytes, samples: list[tuple[int, int]], n_pixels: int) -> bytes:
    """The section's data.

    Parameters
    ----------
    data : bytes
        The file.
    samples : list of (int, int)
        Where nothing but coded samples of the picture lies, sorted.
    n_pixels : int
        Of the picture.

    Returns
    -------
    bytes
    """
    samples = [(a, b) for a, b in samples if b - a >= _LEAST]
    if sum(b - a for a, b in samples) > most(n_pixels):
        samples = []
    ends = [0, *itertools.chain.from_iterable(samples), len(data)]
    runs = [(a, b) for a, b in zip(ends[::2], ends[1::2]) if b > a]
    return b"".join(
        [
            _HEAD.pack(len(data), len(runs)),
            *(_HEAD.pack(a, b) for a, b in runs),
            *(data[a:b] for a, b in runs),
        ]
    )


def read(section: bytes, n_pixels: int) -> bytes | None:
    """The file, with zeros where its samples were.

    Parameters
    ----------
    section : bytes
    n_pixels : int
        Of the picture; bounds the zeros.

    Returns
    -------
    bytes or None
        None where the section is not as docs/format.md says.
    """
    if len(section) < _HEAD.size:
        return None
    size, n = _HEAD.unpack_from(section)
    start = _HEAD.size * (n + 1)
    if len(section) < start or size > len(section) - start + most(n_pixels):
        return None
    runs = list(_HEAD.iter_unpack(section[_HEAD.size : start]))
    ends = [0, *itertools.chain.from_iterable(runs), size]
    if ends != sorted(ends) or len(section) - start != sum(b - a for a, b in runs):
        return None
    out = bytearray(size)
    for a, b in runs:
        out[a:b] = section[start : start + b - a]
        start += b - a
    return bytes(out)
