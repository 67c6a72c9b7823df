"""The inverse of ``decoder``: symbols in, an ``.aec`` file out.

It knows nothing of pixels. Which row a symbol belongs to it asks of the
decoder (`groups`), so a round trip does not test section 7.
"""

import struct
import zlib

from .decoder import (MASK, cumulate, groups, quality_step, sizes,
                      symbol_crc, uniform)


class RangeEncoder:
    """Writes what ``decoder.RangeDecoder`` reads.

    ``words`` followed by ``lower`` is one long binary number, the lower end
    of the interval; a carry out of ``lower`` runs back into ``words``.
    """

    def __init__(self):
        self.words = []
        self.lower, self.range = 0, MASK

    def add(self, x):
        """Add to the long number, with the carry."""
        self.lower += x
        if self.lower > MASK:
            self.lower &= MASK
            i = len(self.words) - 1
            while self.words[i] == 2**32 - 1:
                self.words[i] = 0
                i -= 1
            self.words[i] += 1

    def encode(self, i, c):
        """Write index `i` of an alphabet with cumulative frequencies `c`."""
        scale = self.range >> 24
        self.add(scale * c[i])
        self.range = scale * (c[i + 1] - c[i])
        if self.range < 2**32:
            self.words.append(self.lower >> 32)
            self.lower = self.lower << 32 & MASK
            self.range <<= 32

    def finish(self):
        """The payload. The encoder cannot be used after it.

        The last word is the smallest that puts ``point`` at or above
        ``lower`` when zeros follow. If the interval is so narrow that other
        followers would take ``point`` out of it, a word 0 is added.
        """
        if self.range == MASK:
            return []  # nothing was encoded
        upper = (self.lower + self.range & MASK) >> 32
        self.add(2**32 - 1)
        last = self.lower >> 32
        return [*self.words, last] + ([0] if upper == last else [])


def encode_group(encoder, c, t, symbols):
    """Steps (a), (b), (c) of section 5 for one group with T = `t`."""
    escapes = []
    for symbol in symbols:
        if abs(symbol) <= t:
            encoder.encode(symbol + t, c)
            continue
        encoder.encode(2 * t + 1, c)
        excess = abs(symbol) - t
        n = excess.bit_length() - 1
        escapes.append((n, (excess - 2**n) << 1 | (symbol < 0)))
    for n, _ in escapes:
        encoder.encode(n, uniform(16))
    for n, v in sorted(escapes, key=lambda escape: escape[0]):  # stable
        encoder.encode(v, uniform(2**(n + 1)))


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
    encoder = RangeEncoder()
    band = model.z_band[quality_step(header) - 1]
    for channel in range(model.NZ):
        c = cumulate(model.z_freq[band][channel])
        for position in range(hz * wz):
            encoder.encode(z[position * model.NZ + channel] + model.Z_MAX, c)
    settle(model, header, z, s)
    for row, places in groups(model, header, z, s):
        t = model.row_max[row]
        c = cumulate(model.row_freq[row][:2 * t + 2])
        encode_group(encoder, c, t, [s[at] for at in places])
    return pack(model, header, encoder.finish(), symbol_crc(z, s))


def settle(model, header, z, s):
    """Set the skipped symbols of `s` to zero, in place.

    A symbol that becomes zero changes the rows of later passes, so this goes
    through the passes in order, with a copy that starts from zero.
    """
    out = [0] * len(s)
    for _, places in groups(model, header, z, out):
        for at in places:
            out[at] = s[at]
    s[:] = out


def pack(model, header, words, crc):
    """The container around a payload."""
    sections = header["sections"]
    flags = 1 << 4 | header["colour"] | bool(sections) << 2
    out = b"\x89AEC\n" + struct.pack(
        "<B8sHHHII", flags, model.id, header["width"], header["height"],
        header["quality"], crc, 4 * len(words))
    if sections:
        out += bytes([len(sections)])
    for kind, data in sections.items():
        out += struct.pack("<4sI", kind, len(data)) + data
    out += struct.pack(f"<{len(words)}I", *words)
    return out + struct.pack("<I", zlib.crc32(out))
