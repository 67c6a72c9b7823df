"""Decode the symbols of an ``.aec`` file as ``docs/format.md`` says.

From the top: ``parse`` (sections 2 to 4), ``AnsDecoder`` (6), ``base`` and
``rows`` (7), ``slabs``, ``groups`` and ``decode_symbols`` (5). NumPy only opens
``tables.npz``; every number is a Python integer from then on.
"""

import bisect
import hashlib
import itertools
import json
import operator
import pathlib
import struct
import zlib

import numpy as np

from codec.errors import FormatError, UnsupportedError


class Model:
    """The integers of a model, as nested lists.

    Parameters
    ----------
    folder : path-like
        Holds ``model.json`` and ``tables.npz``.
    """

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        manifest = (folder / "model.json").read_bytes()
        self.id = hashlib.sha256(manifest).digest()[:8]
        for name, value in json.loads(manifest)["constants"].items():
            setattr(self, name, value)
        with np.load(folder / "tables.npz", allow_pickle=False) as arrays:
            for name in (
                "z_band",
                "z_freq",
                "row_max",
                "row_freq",
                "level",
                "w1",
                "b1",
                "w2",
                "b2",
                "bias",
                "c1",
                "c2",
                "c3",
            ):
                setattr(self, name, arrays[name].tolist())
            self.skip = arrays["skip"].tolist() if "skip" in arrays else [self.ROW_SKIP] * 100
            self.parts = arrays["parts"].tolist() if "parts" in arrays else []
            if self.parts:
                self.expected = arrays["expected"].tolist()
                self.d = [arrays[f"d{n}"].tolist() for n in range(len(self.parts))]


# Sections 2 to 4: the container


def parse(data):
    """Check the container, in the order of section 4, and take it apart.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    header : dict
        Header fields by their names in the table, ``colour`` (bool) and
        ``sections`` (dict of type to data); ``blend`` is 0 without it.
    payload : list of int
        The 32-bit words.

    Raises
    ------
    FormatError, UnsupportedError
    """
    if data[:5] != b"\x89AEC\n":
        raise FormatError("not an .aec file", 0)
    flags = data[5] if len(data) > 5 else 2 << 4
    if flags >> 4 == 0:
        raise FormatError("version 0", 5)
    if flags >> 4 != 2:
        raise UnsupportedError(f"container version {flags >> 4}", flags >> 4)
    if len(data) < 32:
        raise FormatError("cut short", len(data))
    header = {"colour": bool(flags & 1), "model": data[6:14]}
    (
        header["width"],
        header["height"],
        header["quality"],
        header["symbol_crc"],
        length,
    ) = struct.unpack_from("<HHHII", data, 14)
    header["payload_length"] = length
    if length % 4 or length > 2**31:
        raise FormatError("payload_length", 24)
    end, at = len(data) - 4, 28 + bool(flags & 0b1000)
    header["blend"] = data[28] if flags & 0b1000 else 0
    if at > end:
        raise FormatError("cut short", len(data))
    sections = []
    if flags & 0b100:
        sections, at = split_sections(data[:end], at)
    if end - at != length:
        raise FormatError("the payload does not fill the file", at)
    if zlib.crc32(data[:end]) != int.from_bytes(data[end:], "little"):
        raise FormatError("file_crc", end)

    # Only now, as a file that is damaged is not to be called unsupported.
    if flags & 0b10:
        raise UnsupportedError("16 bits", flags)
    if not 1 <= header["width"] <= 16384:
        raise FormatError("width", 14)
    if not 1 <= header["height"] <= 16384:
        raise FormatError("height", 16)
    if not 100 <= header["quality"] <= 10000:
        raise FormatError("quality", 18)
    if flags & 0b1000 and not header["blend"]:
        raise FormatError("blend", 28)
    kinds = [kind for kind, _, _ in sections]
    if not all(kind.isalnum() and kind[:1].isalpha() for kind in kinds):
        raise FormatError("section type", 28)
    if len(set(kinds)) < len(kinds):
        raise FormatError("section twice", 28)
    for kind in kinds:
        if kind[:1].isupper() and kind not in (b"ALPH", b"ICCP"):
            raise UnsupportedError(f"unknown section {kind.decode()}", kind)
    header["sections"], room = {}, 2**24
    for kind, is_packed, stored in sections:
        if is_packed:
            stored = unpack_section(kind, stored, room)
            room -= len(stored)
        header["sections"][kind] = stored
    return header, list(struct.unpack_from(f"<{length // 4}I", data, at))


def split_sections(data, at):
    """The sections as (type, is packed, stored data), and the offset after them."""
    if len(data) < at + 1 or data[at] == 0:
        raise FormatError("section count", at)
    found, count, at = [], data[at], at + 1
    for _ in range(count):
        if at + 8 > len(data):
            raise FormatError("section cut short", at)
        kind, length = struct.unpack_from("<4sI", data, at)
        is_packed, length = divmod(length, 2**31)
        at += 8
        if at + length > len(data):
            raise FormatError("section longer than the file", at)
        found.append((kind, is_packed, data[at : at + length]))
        at += length
    return found, at


def unpack_section(kind, stored, room):
    """The data of a packed section, of at most `room` bytes."""
    size = int.from_bytes(stored[:4], "little")
    if kind == b"ALPH" or len(stored) < 4 or size > room:
        raise FormatError("packed section", 28)
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(stored[4:], size + 1)
    except zlib.error as error:
        raise FormatError(f"packed section: {error}", 28) from None
    if len(data) != size or not stream.eof or stream.unused_data:
        raise FormatError("packed section of another size", 28)
    return data


# Section 6: the entropy decoder


def cumulate(freq):
    """c[0..n]: the sums of all frequencies before each index."""
    return [0, *itertools.accumulate(freq)]


def uniform(n):
    """`cumulate` for `n` equal frequencies (n divides 2^24)."""
    return range(0, 2**24 + 1, 2**24 // n)


class AnsDecoder:
    """The decoder of section 6.

    Parameters
    ----------
    words : list of int
        The payload, 32 bits each.
    """

    def __init__(self, words):
        if words and words[-1] == 0:
            raise FormatError("payload: the last word is 0")
        self.words = list(words)  # a stack: those not yet read
        self.state = 0
        self.refill()

    def refill(self):
        """Take words off the payload until the state has 33 bits or more."""
        while self.state < 2**32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def decode(self, c):
        """One index, of an alphabet with the cumulative frequencies `c`."""
        q = self.state % 2**24
        i = bisect.bisect_right(c, q) - 1
        self.state = (self.state >> 24) * (c[i + 1] - c[i]) + q - c[i]
        self.refill()
        return i

    def finished(self):
        """Whether the payload is used up: the end rule of section 6."""
        return self.state == 0 and not self.words


# Section 7: rows


def dot(matrix, vector):
    """The product of a matrix (list of rows) with a vector."""
    return [sum(map(operator.mul, row, vector)) for row in matrix]


def clamp(x, low, high):
    """`x`, or the nearer bound if it is outside."""
    return max(low, min(high, x))


def sizes(header):
    """(hy, wy, hz, wz) of section 1."""
    hy, wy = (header["height"] + 15) // 16, (header["width"] + 15) // 16
    return hy, wy, (hy + 3) // 4, (wy + 3) // 4


def quality_step(header):
    """Q, the quality as a whole number 1..100."""
    return (header["quality"] + 50) // 100


def base(model, header, z):
    """Base of every symbol, in 1/1024 of a row; flat, ordered as s."""
    hy, wy, hz, wz = sizes(header)
    nz, m = model.NZ, model.M
    bias = model.bias[quality_step(header) - 1]
    out = [0] * (hy * wy * m)
    places = slabs(model, header)
    for zr, zc in itertools.product(range(hz), range(wz)):
        rows, columns = next(slab for slab in places if zr * 4 in slab[0] and zc * 4 in slab[1])
        p = []
        for r, c in itertools.product((zr - 1, zr, zr + 1), (zc - 1, zc, zc + 1)):
            inside = r * 4 in rows and c * 4 in columns
            start = (r * wz + c) * nz
            p += z[start : start + nz] if inside else [0] * nz
        a = [clamp((x + b) >> 4, 0, 255) for x, b in zip(dot(model.w1, p), model.b1)]
        block = dot(model.w2, a)
        for offset in range(16):
            r, c = zr * 4 + offset // 4, zc * 4 + offset % 4
            if r >= hy or c >= wy:
                continue
            for k in range(m):
                out[(r * wy + c) * m + k] = block[offset * m + k] + model.b2[offset][k] + bias[k]
    return out


def parts(model, which):
    """The parts of a pass: first and last + 1 channel, cut or None."""
    low, high = (0, model.K) if which < 2 else (model.K, model.M)
    starts = [(low, None)] + [(c, n) for n, c in enumerate(model.parts) if low < c < high]
    ends = [c for c, _ in starts[1:]] + [high]
    return [(start, end, n) for (start, n), end in zip(starts, ends)]


def rows(model, wy, slab, positions, which, part, bases, s, known):
    """Row index of every symbol of one part of a pass.

    Parameters
    ----------
    model : Model
    wy : int
        Columns of s.
    slab : (range, range)
        The slab's rows and columns of s.
    positions : list of (int, int)
        Row and column of the pass' positions.
    which : int
        The pass, 0..3.
    part : (int, int, int or None)
        One of ``parts``.
    bases, s : list of int
        As flat as ``base`` returns them; s is zero where not yet known.
    known : dict of int
        Row indices by place in `s`; those of this part are added.

    Yields
    ------
    R : int
    at : int
        Where in `s` the symbol goes.
    """
    m, k = model.M, model.K

    def levels(r, c, low, high):
        start = (r * wy + c) * m
        return [model.level[min(abs(v), 255)] for v in s[start + low : start + high]]

    def around(r, c, low, high):
        total = [0] * (high - low)
        for rr, cc in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if rr in slab[0] and cc in slab[1]:
                total = list(map(operator.add, total, levels(rr, cc, low, high)))
        return total

    for r, c in positions:
        if which == 0:
            e = [0] * k
        elif which == 1:
            e = dot(model.c1, around(r, c, 0, k))
        elif which == 2:
            e = dot(model.c2, levels(r, c, 0, k) + around(r, c, 0, k))
        else:
            e = dot(model.c3, levels(r, c, 0, k) + around(r, c, 0, k) + around(r, c, k, m))
        low, cell = 0 if which < 2 else k, (r * wy + c) * m
        start, end, cut = part
        more = [0] * (end - start)
        if cut is not None:
            seen = [
                32 * level - model.expected[known[at]]
                for at, level in enumerate(levels(r, c, low, start), cell + low)
            ]
            more = dot(model.d[cut], seen)
        for i, x in enumerate(more):
            at = cell + start + i
            known[at] = clamp((bases[at] + 16 * e[start - low + i] + x) >> 10, 0, 63)
            yield known[at], at


# Section 5: the payload


def sides(model, n):
    """Spans of cells of the parts of a side of n cells."""
    positions = (n + 3) // 4
    count = (4 * positions + model.SLAB - 1) // model.SLAB
    edges = [min(4 * (positions * i // count), n) for i in range(count + 1)]
    return [range(a, b) for a, b in zip(edges, edges[1:])]


def slabs(model, header):
    """Rows and columns of s of each slab, in the order of the payload."""
    hy, wy, _, _ = sizes(header)
    return list(itertools.product(sides(model, hy), sides(model, wy)))


def split_streams(words, n, crc):
    """The words of each of n streams, with the checksum of its symbols."""
    index, at = words[: 2 * (n - 1)], 2 * (n - 1)
    lengths = index[::2]
    if len(index) < at or any(length % 4 for length in lengths):
        raise FormatError("payload: index")
    first = len(words) - at - sum(lengths) // 4
    if first < 0:
        raise FormatError("payload: index")
    found = []
    for length, check in zip([first, *(l // 4 for l in lengths)], [crc, *index[1::2]]):
        found.append((words[at : at + length], check))
        at += length
    return found


def groups(model, header, z, s, only=None):
    """The groups of s in the order of the payload, part by part.

    Whoever iterates fills in `s` before it asks for the next part: the rows
    of a part are computed from the parts and passes before it. (An encoder may hand in
    an `s` that is complete; no pass looks at itself or at later ones.)

    Parameters
    ----------
    model : Model
    header : dict
    z, s : list of int
        Flat, in the order (row, column, channel).
    only : (range, range), optional
        One of ``slabs``; all of them.

    Yields
    ------
    list of (int, list of int)
        For each group of the part its R, and where in `s` its symbols go, in
        order.
    """
    _, wy, _, _ = sizes(header)
    bases = base(model, header, z)
    skip = model.skip[quality_step(header) - 1]
    for slab in slabs(model, header) if only is None else [only]:
        known = {}
        for which in range(4):
            positions = [(r, c) for r in slab[0] for c in slab[1] if (r + c) % 2 == which % 2]
            for part in parts(model, which):
                found = {}
                for row, at in rows(model, wy, slab, positions, which, part, bases, s, known):
                    if row >= skip:
                        found.setdefault(row, []).append(at)
                yield sorted(found.items())


def decode_part(decoder, model, found, s):
    """Steps (a), (b), (c) for one part of `groups`; fills in `s`."""
    escapes = []
    for row, places in found:
        t = model.row_max[row]
        c = cumulate(model.row_freq[row][: 2 * t + 2])
        for at in places:
            i = decoder.decode(c)
            if i <= 2 * t:
                s[at] = i - t
            else:
                escapes.append((at, t))
    ns = [decoder.decode(uniform(16)) for _ in escapes]
    for n in range(16):
        for at, t in [e for e, its_n in zip(escapes, ns) if its_n == n]:
            v = decoder.decode(uniform(2 ** (n + 1)))
            magnitude = t + 2**n + (v >> 1)
            if magnitude > 32767:
                raise FormatError("symbol over 32767")
            s[at] = -magnitude if v & 1 else magnitude


def symbol_crc(model, header, z, s, slab):
    """CRC-32 over z and the symbols of a slab as little-endian i16 (section 4)."""
    _, wy, _, _ = sizes(header)
    cells = [
        s[at * model.M + c]
        for at in (row * wy + column for row in slab[0] for column in slab[1])
        for c in range(model.M)
    ]
    return zlib.crc32(struct.pack(f"<{len(z) + len(cells)}h", *z, *cells))


def decode_symbols(data, model_dir):
    """Decode all symbols of a file.

    Parameters
    ----------
    data : bytes
        The whole file.
    model_dir : path-like
        Folder of the model that the file names.

    Returns
    -------
    header : dict
        See `parse`.
    z : list of int
        Length hz * wz * NZ, in the order (row, column, channel).
    s : list of int
        Length hy * wy * M, in the order (row, column, channel).

    Raises
    ------
    FormatError
        Damaged; or the arithmetic differs from the encoder's.
    UnsupportedError
        Another version, another model or an unknown critical section.
    """
    header, words = parse(bytes(data))
    model = Model(model_dir)
    if header["model"] != model.id:
        raise UnsupportedError(f"model {header['model'].hex()}", header["model"])
    if header["blend"]:
        raise UnsupportedError("the model has no blend", header["blend"])
    hy, wy, hz, wz = sizes(header)
    places = slabs(model, header)
    streams = split_streams(words, len(places), header["symbol_crc"])
    z = [0] * (hz * wz * model.NZ)
    s = [0] * (hy * wy * model.M)
    for n, (slab, (stream, crc)) in enumerate(zip(places, streams)):
        decoder = AnsDecoder(stream)
        if n == 0:
            decode_z(decoder, model, header, z)
        for found in groups(model, header, z, s, slab):
            decode_part(decoder, model, found, s)
        if not decoder.finished():
            raise FormatError("payload: stream not used up, or cut short")
        if symbol_crc(model, header, z, s, slab) != crc:
            raise FormatError("symbol_crc")
    return header, z, s


def decode_z(decoder, model, header, z):
    """Fill in `z` from the first stream."""
    _, _, hz, wz = sizes(header)
    band = model.z_band[quality_step(header) - 1]
    for channel in range(model.NZ):
        c = cumulate(model.z_freq[band][channel])
        for position in range(hz * wz):
            z[position * model.NZ + channel] = decoder.decode(c) - model.Z_MAX
