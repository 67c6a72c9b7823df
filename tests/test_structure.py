"""Whatever is put into a sound file is kept, told or refused, wherever it is put.

Files are taken apart into their pieces: chunks, segments, blocks, tags, boxes.
Each change puts bytes of a secret into them in one way. What is left out with
``--strip`` is metadata and nothing else.
"""

import dataclasses
import functools
import io
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")

import carried
from carried import PIXELS, box, plain
from pictures import chunk, exif

from codec import picture
from codec.errors import CodecError, ConversionWarning
from codec.picture import kept, metadata, parts

N = 80  # changes of each container
TEXT = b"a secret that nobody shall lose, "
BYTES = np.random.default_rng(4).integers(1, 256, 40, np.uint8).tobytes()
KEPT = "ICC Exif XMP dpi".split()  # what the files have that are changed


@dataclasses.dataclass
class Piece:
    """A piece of a file: ``kind`` names it, ``body`` is what may be changed."""

    kind: object
    body: bytes


def outcome(data, secret, **more):
    """What becomes of a secret."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            p = picture.open_picture(io.BytesIO(data), **more)
        except CodecError:
            return "refused"
    if any(w.category is ConversionWarning for w in caught):
        if not more and secret in data:
            check_kept(data, secret)
        return "told"
    carried = (p.icc, p.exif, p.xmp) if more.get("metadata", True) else (p.icc,)
    return "kept" if any(secret in (k or b"") for k in carried) else "SILENT"


def check_kept(data, secret):
    """What is told is kept with ``--keep-all``, or still told."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        p = picture.open_picture(io.BytesIO(data), metadata="all")
    if any(w.category is ConversionWarning for w in caught):
        return
    contents = parts.read(data)
    at = data.index(secret)
    if data[:4] == b"RIFF" and any(a <= at < b for a, b in contents.samples):
        return  # where coded samples of WebP end is not seen
    back = kept.read(p.kept, p.pixels.shape[0] * p.pixels.shape[1])
    assert secret in back and len(back) == len(data)


@functools.cache
def sources(container):
    """Sound files of a container, of which nothing is told."""
    found = [plain(container)]
    found += [carried.build(container, kind) for kind in KEPT]
    return [f for f in found if f and outcome(f, b"") == "kept"]


# Pieces ---------------------------------------------------------------------


def split_png(data):
    at, found = 8, []
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found.append(Piece(kind, data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def join_png(pieces):
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        p.body if p.kind is None else chunk(p.kind, p.body) for p in pieces
    )


def split_jpeg(data):
    at, found = 2, []
    while True:
        (size,) = struct.unpack_from(">H", data, at + 2)
        found.append(Piece(data[at + 1], data[at + 4 : at + 2 + size]))
        at += 2 + size
        if found[-1].kind == 0xDA:
            return [*found, Piece("samples", data[at:-2]), Piece("end", b"")]


def join_jpeg(pieces):
    out = b"\xff\xd8"
    for p in pieces:
        if p.kind is None or p.kind == "samples":
            out += p.body
        elif p.kind == "end":
            out += b"\xff\xd9" + p.body
        else:
            out += struct.pack(">BBH", 255, p.kind, 2 + len(p.body)) + p.body
    return out


def split_webp(data):
    at, found = 12, []
    while at < len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        found.append(Piece(kind, data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return found


def join_webp(pieces):
    out = b""
    for p in pieces:
        if p.kind is None:
            out += p.body + bytes(len(p.body) % 2)
        else:
            out += struct.pack("<4sI", p.kind, len(p.body)) + p.body
            out += bytes(len(p.body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(out)) + b"WEBP" + out


def split_gif(data):
    """Each block with its sub-blocks joined: the kind has what goes before them."""
    start = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    found, at = [Piece("head", data[:start])], start
    while data[at] != 0x3B:
        head = at + (2 if data[at] == 0x21 else 11)
        end, body = head, b""
        while data[end]:
            body += data[end + 1 : end + 1 + data[end]]
            end += 1 + data[end]
        found.append(Piece(data[at:head], body))
        at = end + 1
    return [*found, Piece("end", b"")]


def join_gif(pieces):
    out = b""
    for p in pieces:
        if p.kind is None or p.kind == "head":
            out += p.body
        elif p.kind == "end":
            out += b";" + p.body
        elif p.kind[:1] == b"!" and p.kind[1:] == b"\xf9":
            # As it was: one block; what is added follows in another.
            out += p.kind + blocks(p.body[:4]) + blocks(p.body[4:]) + b"\0"
        else:
            out += p.kind + blocks(p.body) + b"\0"
    return out


def blocks(body):
    parts = [body[i : i + 255] for i in range(0, len(body), 255)]
    return b"".join(bytes([len(p)]) + p for p in parts)


FLAT = {
    "PNG": (split_png, join_png, [b"abCd", b"ABCD", b"fdAT", b"tRNS", b"IDAT"]),
    "JPEG": (split_jpeg, join_jpeg, [0xE2, 0xEE, 0xEB, 0xF5, 0xDC, 0xDB]),
    "WebP": (split_webp, join_webp, [b"ABCD", b"VP8 ", b"ALPH", b"ANMF", b"VP8L"]),
    "GIF": (split_gif, join_gif, [b"!\xff", b"!\x01", b"!\x77", b"!\xf9"]),
}
# Kinds that hold words, so that --strip drops what is in them.
WORDS = [0xFE, 0xE1, b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"EXIF", b"XMP ", b"!\xfe"]
# Coded samples, of which only their own decoder knows where they end.
CODED = [b"VP8 ", b"VP8L"]


def change(container, rng, secret):
    """A file with the secret in it, and whether it is metadata there."""
    split, join, kinds = FLAT[container]
    pieces = split(rng.choice(sources(container)))
    first = 1 if container == "GIF" else 0
    places = range(first, len(pieces) + 1)
    # What is put before the first sample is read as samples: damage, no loss.
    at = rng.choice([i for i in places if pieces[i - 1].kind != 0xDA])
    way = rng.choice(["gap", "new", "again", "more"])
    piece = pieces[min(at, len(pieces) - 1)]
    if way == "gap":
        pieces.insert(at, Piece(None, secret))
    elif way == "new":
        piece = Piece(rng.choice(kinds), secret)
        pieces.insert(at, piece)
    elif way == "again":
        body = rng.choice([piece.body + secret, secret])
        pieces.insert(at, Piece(piece.kind, body))
    else:
        piece.body += secret
    return join(pieces), way, piece.kind


@pytest.mark.parametrize("container", FLAT)
@pytest.mark.parametrize("secret", [TEXT, BYTES], ids=["text", "bytes"])
def test_pieces(container, secret):
    rng = random.Random(container)
    for _ in range(N):
        data, way, kind = change(container, rng, secret)
        if kind in CODED and way == "more":
            continue
        said = way, kind, data
        assert outcome(data, secret) != "SILENT", said
        if kind not in WORDS and kind != b"!\xff":
            assert outcome(data, secret, metadata=False) != "SILENT", said


# Tags -----------------------------------------------------------------------

TAGS = [254, 255, 263, 270, 271, 280, 320, 347, 330, 513, 700, 34675, 34853, 50000]


def tiff(rng):
    """A TIFF file, packed in one way or another."""
    packing = rng.choice(["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
    image = Image.fromarray(PIXELS[..., 0] if rng.random() < 0.3 else PIXELS)
    is_plain = packing == "raw" and rng.random() < 0.7  # libtiff writes no Exif
    more = {"exif": exif(t272="Model")} if is_plain else {}
    return plain("TIFF", image, compression=packing, **more)


def tags_of(data):
    (at,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, at)
    return at, [struct.unpack_from("<HHII", data, at + 2 + 12 * i) for i in range(n)]


def with_directory(data, tags, secret):
    """The file with another directory at its end; its old one is zeros."""
    at, old = tags_of(data)
    size = 6 + 12 * len(old)
    data = data[:at] + bytes(size) + data[at + size :] + secret
    found = struct.pack("<H", len(tags))
    found += b"".join(struct.pack("<HHII", *t) for t in tags) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + found


def change_tiff(rng, secret):
    data = tiff(rng)
    _, tags = tags_of(data)
    value = secret + bytes(len(secret) % 4)
    way = rng.choice(["gap", "end", "new", "again", "strip", "longer", "strips"])
    entry = rng.choice(TAGS), rng.choice([1, 2, 7]), len(value), len(data)
    i = rng.randrange(len(tags))
    if way == "gap":
        return with_directory(data, tags, secret), way, 0
    if way == "end":
        return data + secret, way, 0
    if way == "again":
        entry = tags[i][0], *entry[1:]
    if way in ("new", "again"):
        place = i if rng.random() < 0.5 else i + 1
        tags.insert(place, entry)
        return with_directory(data, tags, value), way, entry[0]
    places = {t[0]: k for k, t in enumerate(tags)}
    if way == "strip":  # the last one covers what comes behind it
        k, at = places[279], tags[places[273]][3]
        if tags[k][2] > 1:
            return data + secret, way, 0
        at, old = tags_of(data)
        moved = data + data[tags[places[273]][3] :][: tags[k][3]]
        tags[places[273]] = (*tags[places[273]][:3], len(data))
        tags[k] = (*tags[k][:3], tags[k][3] + len(secret))
        return with_directory(moved, tags, secret), way, 279
    if way == "strips":  # one strip more
        k = places[273]
        if tags[k][2] > 1:
            return data + secret, way, 0
        both = struct.pack("<II", tags[k][3], len(data) + 16)
        sizes = struct.pack("<II", tags[places[279]][3], len(secret))
        tags[k] = 273, 4, 2, len(data)
        tags[places[279]] = 279, 4, 2, len(data) + 8
        return with_directory(data, tags, both + sizes + secret), way, 273
    tag = tags[i]
    if tag[0] in (256, 257, 259, 262, 277, 278, 273, 279):
        return data + secret, way, 0
    tags[i] = tag[0], tag[1], len(value) // (2 if tag[1] == 3 else 1), len(data)
    return with_directory(data, tags, value), way, tag[0]


@pytest.mark.parametrize("secret", [TEXT, BYTES], ids=["text", "bytes"])
def test_tags(secret):
    rng = random.Random(7)
    for _ in range(3 * N):
        data, way, tag = change_tiff(rng, secret)
        if tag == 254 and way == "again":
            continue
        assert outcome(data, secret) != "SILENT", (way, tag, data)
        if tag not in (270, 271, 272, 305, 700, 34665, 34853):
            found = outcome(data, secret, metadata=False)
            assert found != "SILENT", (way, tag, data)


# Boxes ----------------------------------------------------------------------

INSIDE = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iref": 4, b"jp2h": 0, b"res ": 0}


def box_list(data, start=0, end=None, outer=()):
    """(kind, start, body, end, the boxes around) of each box, at any depth."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        stop = start + size if size else end
        yield kind, start, start + 8, stop, outer
        if kind in INSIDE:
            inner = start + 8 + INSIDE[kind]
            yield from box_list(data, inner, stop, (*outer, start))
        start = stop


def put(data, at, new, outer):
    """Bytes put into boxes whose sizes, and whose items' places, follow."""
    out = bytearray(data)
    for start in outer:
        (size,) = struct.unpack_from(">I", data, start)
        if size:
            struct.pack_into(">I", out, start, size + len(new))
    place = data.find(b"iloc") + 4
    if place > 3:
        sizes, bases, version = data[place + 4], data[place + 5], data[place]
        (n,) = struct.unpack_from(">H", data, place + 6)
        assert (sizes, version) == (0x44, 0), "another form"
        p = place + 8
        for _ in range(n):
            p += 4 + (bases >> 4)
            (extents,) = struct.unpack_from(">H", data, p)
            p += 2
            for _ in range(extents):
                (offset,) = struct.unpack_from(">I", data, p)
                struct.pack_into(">I", out, p, offset + len(new) * (offset >= at))
                p += 8
    return bytes(out[:at]) + new + bytes(out[at:])


def change_boxes(container, rng, secret):
    data = rng.choice(sources(container))
    if container == "JXL" and data[:2] == b"\xff\x0a":
        data = carried.bare(data)
    found = list(box_list(data))
    kind, start, body, end, outer = rng.choice(found)
    way = rng.choice(["gap", "new", "again", "more", "padding"])
    if way == "more":
        return put(data, end, secret, (*outer, start)), way, kind
    if way == "gap":
        return put(data, end, secret, outer), way, kind
    if way == "again":
        old = data[body:end] if rng.random() < 0.5 else b""
        return put(data, end, box(kind, old + secret), outer), way, kind
    name = rng.choice([b"free", b"skip"]) if way == "padding" else b"abcd"
    name = rng.choice([b"abcd", b"uuid", b"udta", b"mdat"]) if way == "new" else name
    return put(data, rng.choice([start, end]), box(name, secret), outer), way, name


@pytest.mark.parametrize("container", ["AVIF", "HEIC", "JXL", "JP2"])
@pytest.mark.parametrize("secret", [TEXT, BYTES], ids=["text", "bytes"])
def test_boxes(container, secret):
    rng = random.Random(container)
    for _ in range(N):
        data, way, kind = change_boxes(container, rng, secret)
        said = way, kind, data
        assert outcome(data, secret) != "SILENT", said
        if kind not in (b"Exif", b"xml ", b"uuid"):
            assert outcome(data, secret, metadata=False) != "SILENT", said


# Plain files ----------------------------------------------------------------


def changed_plain(container, rng, secret):
    """The secret in a file that has hardly more than samples."""
    data = plain(container)
    if container == "BMP":
        (offset,) = struct.unpack_from("<I", data, 10)
        if rng.random() < 0.5:
            moved = struct.pack("<I", offset + len(secret))
            return data[:10] + moved + data[14:offset] + secret + data[offset:]
    elif container == "PNM" and rng.random() < 0.8:
        kind = rng.choice(b"123")
        if kind == ord("1"):
            words = "".join(map(str, (PIXELS[..., 0] & 1).ravel()))
        else:
            samples = PIXELS if kind == ord("3") else PIXELS[..., 0]
            words = " ".join(map(str, samples.ravel()))
        head = f"P{chr(kind)} 48 32{'' if kind == ord('1') else ' 255'}\n"
        data = (head + words + "\n").encode()
        if rng.random() < 0.5:
            comment = b"#" + secret.replace(b"\n", b"").replace(b"\r", b"") + b"\n"
            return data[: len(head)] + comment + data[len(head) :]
    return data + secret


@pytest.mark.parametrize("container", ["BMP", "PNM", "QOI"])
@pytest.mark.parametrize("secret", [TEXT, BYTES], ids=["text", "bytes"])
def test_plain_files(container, secret):
    rng = random.Random(container)
    for _ in range(12):
        data = changed_plain(container, rng, secret)
        found = outcome(data, secret)
        assert found == "told", data


@pytest.mark.parametrize("kind", KEPT)
def test_icons_that_are_png_files(kind):
    data = carried.build("PNG", kind)
    head = struct.pack("<HHHBBBBHHII", 0, 1, 1, 48, 32, 0, 0, 1, 32, len(data), 22)
    assert outcome(head + data, b"") == "told"
    assert outcome(head + data + TEXT, TEXT, metadata=False) == "told"
    bare = plain("PNG")
    head = head[:14] + struct.pack("<I", len(bare)) + head[18:]
    assert outcome(head + bare, b"") == "kept"


# What was lost without a word ------------------------------------------------


def jpeg_with(*bodies):
    """A JPEG with these segments, (marker, body), at its start."""
    data = plain("JPEG")
    for marker, body in reversed(bodies):
        data = carried.segment(data, marker, body)
    return data


@pytest.mark.parametrize(
    "data",
    [
        jpeg_with((0xE1, b"FLIR\0" + BYTES)),
        jpeg_with((0xEB, b"JP\0\1" + BYTES)),
        carried.with_chunk(plain("PNG"), b"prVt", BYTES),
        carried.with_chunk(plain("PNG"), b"caBX", BYTES),
        carried.with_tag(plain("TIFF"), 50000, 7, 40, BYTES),
        carried.with_tag(plain("TIFF"), 33550, 12, 3, bytes(range(24))),
        plain("AVIF") + box(b"uuid", BYTES),
        plain("JXL", exif=exif()) + box(b"jumb", BYTES),
    ],
)
def test_strip_drops_metadata_alone(data):
    assert outcome(data, BYTES, metadata=False) == "told"


def test_strip_drops_words():
    for container, kind in (("PNG", "text"), ("JPEG", "IPTC"), ("TIFF", "text")):
        data = carried.build(container, kind)
        assert outcome(data, b"", metadata=False) == "kept"


ICC = carried.ICC


@pytest.mark.parametrize(
    "parts, kept",
    [
        ([(1, 1, ICC), (1, 1, ICC)], True),
        ([(1, 1, ICC), (1, 1, ICC[::-1])], False),
        ([(1, 2, ICC[:300])], False),
        ([(1, 2, ICC[:300]), (2, 2, ICC[300:])], True),
        ([(0, 2, ICC[:300]), (1, 2, ICC[300:])], True),  # some count from 0
        ([(1, 2, ICC[:300]), (2, 3, ICC[300:])], False),
    ],
)
def test_parts_of_profiles(parts, kept):
    bodies = [(0xE2, b"ICC_PROFILE\0" + bytes(p[:2]) + p[2]) for p in parts]
    data = jpeg_with(*bodies)
    assert outcome(data, ICC) == ("kept" if kept else "told")


@pytest.mark.parametrize(
    "data",
    [
        jpeg_with((0xE2, b"MPF\0" + TEXT)),
        jpeg_with((0xEE, b"Adobe" + bytes(7) + TEXT)),
        jpeg_with((0xE2, b"Adobe" + TEXT)),
        jpeg_with((0xDC, b"\1\2")),  # DNL
        plain("JPEG")[:-2] + TEXT + b"\xff\xd9",
        plain("JPEG")[:20] + TEXT + plain("JPEG")[20:],
    ],
)
def test_jpeg(data):
    assert outcome(data, TEXT) == "told"
    assert outcome(data, TEXT, metadata=False) == "told"


def packed(*more):
    return zlib.compress(ICC) + b"".join(more)


@pytest.mark.parametrize(
    "kind, body",
    [
        (b"iCCP", b"x\0\0" + packed(BYTES)),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed(BYTES)),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0" + TEXT + b"\0\0<x/>"),
        (b"zTXt", b"Raw profile type icc\0\0" + packed(BYTES)),
        (b"pHYs", struct.pack(">IIB", 2, 1, 0)),
        (b"PLTE", BYTES[:39]),
        (b"tRNS", BYTES),
    ],
)
def test_png(kind, body):
    assert outcome(carried.with_chunk(plain("PNG"), kind, body), TEXT) == "told"


def test_png_samples():
    """Bytes behind the last row, in the stream and behind it."""
    raw = b"\0" + bytes(range(40, 52))

    def with_stream(stream):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 8, 2, 0, 0, 0))
        idat = chunk(b"IDAT", stream[:9]) + chunk(b"IDAT", stream[9:])
        return b"\x89PNG\r\n\x1a\n" + head + idat + chunk(b"IEND", b"")

    assert outcome(with_stream(zlib.compress(raw)), b"") == "kept"
    assert outcome(with_stream(zlib.compress(raw + TEXT)), TEXT) == "told"
    assert outcome(with_stream(zlib.compress(raw) + TEXT), TEXT) == "told"


def test_two_resolutions():
    data = carried.with_chunk(
        plain("PNG", dpi=(300, 300)), b"pHYs", struct.pack(">IIB", 999, 999, 1)
    )
    assert outcome(data, b"") == "told"


def gif_with(aspect):
    data = plain("GIF")
    return data[:12] + bytes([aspect]) + data[13:]


def jfif_with(unit, x, y):
    data = bytearray(plain("JPEG"))
    struct.pack_into(">BHH", data, data.index(b"JFIF") + 7, unit, x, y)
    return bytes(data)


@pytest.mark.parametrize(
    "data, found",
    [
        (jfif_with(0, 1, 1), "kept"),
        (jfif_with(0, 2, 1), "told"),
        (jfif_with(1, 200, 100), "kept"),  # as a resolution
        (carried.with_chunk(plain("PNG"), b"pHYs", b"\0\0\0\1" * 2 + b"\0"), "kept"),
        (plain("TIFF", x_resolution=2, y_resolution=1, resolution_unit=1), "told"),
        (plain("TIFF", x_resolution=3, y_resolution=3, resolution_unit=1), "kept"),
        (gif_with(0), "kept"),
        (gif_with(49), "kept"),
        (gif_with(113), "told"),
    ],
)
def test_pixels_that_are_not_square(data, found):
    assert outcome(data, b"") == found


def test_gif_loops():
    loops = b"!\xff\x0bNETSCAPE2.0\3\1\0\0"
    data = plain("GIF")
    assert outcome(data[:-1] + loops + b"\0;", b"") == "kept"
    assert outcome(data[:-1] + loops + blocks(TEXT) + b"\0;", TEXT) == "told"


@pytest.mark.parametrize("size", [1, 5, 48, 300])
@pytest.mark.parametrize("colours", [2, 17, 256])
def test_where_samples_of_gif_end(size, colours):
    rng = np.random.default_rng(size)
    pixels = rng.integers(0, colours, (size, size), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "GIF", optimize=False)
    data = file.getvalue()
    assert outcome(data, b"") == "kept"
    assert outcome(data[:-2] + blocks(b"\1") + b"\0;", b"\1") == "told"


@pytest.mark.parametrize("packing", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("noise", [1, 9, 256])
def test_where_samples_of_tiff_end(packing, noise):
    rng = np.random.default_rng(noise)
    pixels = rng.integers(0, noise, (200, 150, 3), np.uint8)
    data = plain("TIFF", Image.fromarray(pixels), compression=packing)
    assert outcome(data, b"") == "kept"


@pytest.mark.parametrize(
    "width, more, found",
    [(3, b"U", "kept"), (3, b"UUU", "told"), (4, b"U", "told"), (4, b"UU", "told")],
)
def test_padding_of_tiff(width, more, found):
    """A directory begins at an even byte; some writers pad with what was in memory."""
    samples = bytes(range(width)) + more
    tags = {256: width, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: width}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + len(samples))
    data = head + samples + struct.pack("<H", len(tags)) + entries + bytes(4)
    assert outcome(data, b"") == found


@pytest.mark.parametrize("value", range(1, 9))
def test_turns_of_avif(value):
    """As Pillow, which writes them as boxes."""
    data = plain("AVIF", exif=exif(t274=value))
    with Image.open(io.BytesIO(data)) as image:
        want = image.getexif().get(274, 1)
        assert parts.read(data).orientation == want == value


@pytest.mark.parametrize("container", ["AVIF", "JXL"])
def test_turns_that_no_box_makes(container):
    xmp = b'<r xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    assert outcome(plain(container, xmp=xmp), b"") == "told"


def test_two_exif_boxes():
    one, two = (box(b"Exif", bytes(4) + exif(t272=n)) for n in ("first", "second"))
    data = carried.bare(plain("JXL"))
    assert outcome(data + one, b"first") == "kept"
    assert outcome(data + one + two, b"second") == "told"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_premultiplied_alpha(mode):
    both = np.dstack([PIXELS // 2, np.full((32, 48), 128, np.uint8)])
    both = both if mode == "RGBA" else both[..., 2:]
    data = plain("TIFF", Image.fromarray(both))
    at = data.index(struct.pack("<HHI", 338, 3, 1)) + 8
    data = data[:at] + b"\1\0" + data[at + 2 :]
    # Not every Pillow opens such a file in grey.
    assert outcome(data, b"") in (("told",) if mode == "RGBA" else ("told", "refused"))


def test_premultiplied_alpha_of_jpeg_2000():
    both = np.dstack([PIXELS // 2, np.full((32, 48), 128, np.uint8)])
    data = plain("JP2", Image.fromarray(both))
    at = data.index(b"cdef") + 26
    with pytest.warns(ConversionWarning, match="premultiplied"):
        p = picture.open_picture(io.BytesIO(data[:at] + b"\0\2" + data[at + 2 :]))
    assert np.abs(p.pixels.astype(int) - both[..., :3] * 255.0 / 128).max() <= 1


def test_files_that_begin_like_others():
    """A TGA of type 2 begins as a cursor does."""
    assert outcome(plain("TGA"), b"") == "told"
    with pytest.warns(ConversionWarning, match="what a TGA file holds"):
        picture.open_picture(io.BytesIO(plain("TGA") + TEXT))


def test_fourth_bytes_of_bmp():
    four = np.dstack([PIXELS, PIXELS[..., 0] // 2])
    data = plain("BMP", Image.fromarray(four))
    assert struct.pack("<HHI", 1, 32, 0) in data  # nobody says what they are
    assert outcome(data, b"") == "told"


def test_claims_of_cameras():
    """What the camera says of itself stays; what it says of a video goes."""
    start = b'<r xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
    stays = b' GCamera:hdrp_makernote="secret"'
    goes = b' GCamera:MicroVideo="1" GCamera:MotionPhoto="1"'
    xmp = start + stays + goes + b"/>"
    assert metadata.without_claims(xmp, False) == start + stays + b"/>"
    with pytest.warns(ConversionWarning, match="what XMP says of parts"):
        data = carried._xmp("JPEG", xmp) + carried.VIDEO
        p = picture.open_picture(io.BytesIO(data))
    assert b"makernote" in p.xmp and b"MotionPhoto" not in p.xmp


def test_blocks_of_gif_that_come_once():
    control = b"!\xf9\4\0abc\0"
    data = plain("GIF")
    start = data.index(b",\0\0\0\0\x30\0")
    once = data[:start] + control + data[start:]
    assert outcome(once, b"") == "kept"
    assert outcome(once[:start] + control + once[start:], b"") == "told"
    loops = b"!\xff\x0bNETSCAPE2.0\3\1ab\0"
    assert outcome(data[:-1] + loops + b";", b"") == "kept"
    assert outcome(data[:-1] + loops * 2 + b";", b"") == "told"


def test_palettes_of_bmp():
    data = bytearray(plain("BMP", Image.fromarray(PIXELS[..., 0])))
    assert outcome(bytes(data), b"") == "kept"
    data[54 + 3 : 54 + 3 + 4 * len(TEXT) : 4] = TEXT
    assert outcome(bytes(data), TEXT) == "told"


@pytest.mark.parametrize("link", [b"dimg", b"thmb", b"auxl"])
def test_pictures_that_belong_to_none(link):
    """A second picture that is said to be part of one that is not there."""
    data = carried.build("HEIC", "pages")
    assert outcome(data, b"") == "told"
    (_, start, _, end, outer), *_ = [b for b in box_list(data) if b[0] == b"meta"]
    first, second = sorted(numbers_of_items(data))
    for other, n_frames in ((99, 2), (first, 1)):
        pair = (other, second) if link == b"dimg" else (second, other)
        link_box = box(link, struct.pack(">HHH", pair[0], 1, pair[1]))
        iref = box(b"iref", bytes(4) + link_box)
        found = parts.read(put(data, end, iref, (*outer, start)))
        assert found.n_frames == n_frames


def numbers_of_items(data):
    """Numbers of the items of a file."""
    at = 0
    while (at := data.find(b"infe\2", at + 1)) > 0:
        yield struct.unpack_from(">H", data, at + 8)[0]


def before_scan(new):
    data = plain("JPEG")
    at = data.index(b"\xff\xda")
    return data[:at] + new + data[at:]


def test_tables_that_no_scan_uses():
    codes = b"\x13" + bytes(15) + bytes([len(TEXT)]) + TEXT
    head = struct.pack(">BBH", 255, 0xC4, 2 + len(codes))
    assert outcome(before_scan(head + codes), TEXT) == "told"
    values = b"\3" + (TEXT + bytes(64))[:64]
    head = struct.pack(">BBH", 255, 0xDB, 2 + len(values))
    assert outcome(before_scan(head + values), TEXT) == "told"


def test_names_of_profiles():
    def named(name):
        body = name + b"\0\0" + zlib.compress(ICC)
        return carried.with_chunk(plain("PNG"), b"iCCP", body)

    assert outcome(named(b"a short name"), ICC) == "kept"
    assert outcome(named(TEXT), TEXT) == "told"


def test_half_a_resolution():
    data = carried.with_tag(plain("TIFF"), 282, 5, 1, struct.pack("<II", 300, 1))
    assert outcome(data, b"") == "told"


def test_samples_of_frames_that_are_not_there():
    """The one frame of an animation is the picture; what follows is nobody's."""
    data = carried.with_chunk(plain("PNG"), b"acTL", struct.pack(">II", 1, 0))
    at = data.index(b"IDAT") - 4
    frame = struct.pack(">IIIIIHHBB", 0, 48, 32, 0, 0, 1, 1, 0, 0)
    data = data[:at] + chunk(b"fcTL", frame) + data[at:]
    assert outcome(data, b"") == "kept"
    more = chunk(b"fdAT", b"\0\0\0\1" + TEXT)
    assert outcome(data[:-12] + more + data[-12:], TEXT) == "told"


def test_planes_of_tiff():
    """Each colour in strips of its own, that one cannot take for another's."""
    tifffile = pytest.importorskip("tifffile")
    for compression in (None, "lzw", "zlib", "packbits"):
        file = io.BytesIO()
        tifffile.imwrite(
            file,
            PIXELS.transpose(2, 0, 1),
            planarconfig="separate",
            photometric="rgb",
            compression=compression,
            metadata=None,
        )
        assert outcome(file.getvalue(), b"") == "kept"
        assert outcome(file.getvalue() + TEXT, TEXT) == "told"
