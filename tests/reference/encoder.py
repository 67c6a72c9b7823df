"""The inverse of ``decoder``: symbols in, an ``.aec`` file out.

It knows nothing of pixels. Which row a symbol belongs to it asks of the
decoder (`groups`), so a round trip does not test section 7.
"""

import struct
import zlib

from .decoder import (
    cumulate,
    groups,
    quality_step,
    sizes,
    slabs,
    symbol_crc,
    uniform,
)


class AnsEncoder:
    """Writes what ``decoder.AnsDecoder`` reads, the last symbol first."""

    def __init__(self):
        self.words, self.state = [], 0

    def encode(self, i, c):
        """Write index `i` of an alphabet with cumulative frequencies `c`."""
        f = c[i + 1] - c[i]
        if self.state >> 40 >= f:
            self.words.append(self.state % 2**32)
            self.state >>= 32
        self.state = self.state // f * 2**24 + self.state % f + c[i]

    def finish(self):
        """The payload. The encoder can go on after it."""
        words = [*self.words, self.state % 2**32, self.state >> 32]
        while words and words[-1] == 0:
            words.pop()
        return words


def part_indices(model, found, s):
    """Steps (a), (b), (c) of section 5 for one part of `groups`.

    Returns
    -------
    list of (int, sequence of int)
        Indices with the cumulative frequencies of each, as they are decoded.
    """
    out, escapes = [], []
    for row, places in found:
        t = model.row_max[row]
        c = cumulate(model.row_freq[row][: 2 * t + 2])
        for symbol in (s[at] for at in places):
            if abs(symbol) <= t:
                out.append((symbol + t, c))
                continue
            out.append((2 * t + 1, c))
            excess = abs(symbol) - t
            n = excess.bit_length() - 1
            escapes.append((n, (excess - 2**n) << 1 | (symbol < 0)))
    out += [(n, uniform(16)) for n, _ in escapes]
    escapes.sort(key=lambda escape: escape[0])  # stable
    return out + [(v, uniform(2 ** (n + 1))) for n, v in escapes]


def encode_symbols(model, header, z, s):
    """Write a file.

    Parameters
    ----------
    model : decoder.Model
    header : dict
        ``width``, ``height``, ``quality`` (times 100), ``colour`` and
        ``sections`` (dict of type to data, may be empty).
    z, s : list of int
        Flat, in the order (row, column, channel). Symbols of `s` whose row
        is skipped are set to zero, in place.

    Returns
    -------
    bytes
    """
    _, _, hz, wz = sizes(header)
    settle(model, header, z, s)
    plan = []  # (index, cumulative frequencies) as the decoder meets them
    band = model.z_band[quality_step(header) - 1]
    for channel in range(model.NZ):
        c = cumulate(model.z_freq[band][channel])
        plan += [(z[position * model.NZ + channel] + model.Z_MAX, c) for position in range(hz * wz)]
    streams, checks = [], []
    for slab in slabs(model, header):
        for found in groups(model, header, z, s, slab):
            plan += part_indices(model, found, s)
        encoder = AnsEncoder()
        for i, c in reversed(plan):
            encoder.encode(i, c)
        streams.append(encoder.finish())
        checks.append(symbol_crc(model, header, z, s, slab))
        plan = []
    index = [
        word for stream, check in zip(streams[1:], checks[1:]) for word in (4 * len(stream), check)
    ]
    return pack(model, header, index + sum(streams, []), checks[0])


def settle(model, header, z, s):
    """Set the skipped symbols of `s` to zero, in place.

    A symbol that becomes zero changes the rows of later passes, so this goes
    through the passes in order, with a copy that starts from zero.
    """
    out = [0] * len(s)
    for found in groups(model, header, z, out):
        for _, places in found:
            for at in places:
                out[at] = s[at]
    s[:] = out


def pack(model, header, words, crc):
    """The container around a payload."""
    sections = header["sections"]
    flags = 2 << 4 | header["colour"] | bool(sections) << 2
    out = b"\x89AEC\n" + struct.pack(
        "<B8sHHHII",
        flags,
        model.id,
        header["width"],
        header["height"],
        header["quality"],
        crc,
        4 * len(words),
    )
    if sections:
        out += bytes([len(sections)])
    for kind, data in sections.items():
        out += struct.pack("<4sI", kind, len(data)) + data
    out += struct.pack(f"<{len(words)}I", *words)
    return out + struct.pack("<I", zlib.crc32(out))
