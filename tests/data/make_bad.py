"""Write ``bad/``: files that must be refused, and how; see ``bad/README.md``.

Run by ``tests/conformance/make.py``, since the files name a model and are
made of sound ones.
"""

import struct
import zlib
from pathlib import Path

from codec import container

HERE = Path(__file__).resolve().parent
GOOD = HERE.parent / "conformance" / "files"

README = """# Files that must be refused

Each is refused by `codec.decode` with the error named here, in under 0.2 s and
in little memory; `tests/test_bad_files.py` holds it to that. They are written by
`tests/data/make_bad.py`, which says how each is made. What a fuzzer finds gets
a recipe there and so a line here.

| File | What is wrong | Error |
|---|---|---|
"""


def seal(data):
    """The bytes with a checksum that fits."""
    return bytes(data) + struct.pack("<I", zlib.crc32(data))


def patch(data, at, new):
    """A sound file with other bytes at one place, sealed again."""
    return seal(data[:at] + new + data[at + len(new) : -4])


def with_sections(data, *sections):
    """A file without sections, with these put in."""
    head = data[:5] + bytes([data[5] | 4]) + data[6:28]
    head += bytes([len(sections)])
    for kind, content, *flag in sections:
        head += kind + struct.pack("<I", len(content) | sum(flag)) + content
    return seal(head + data[28:-4])


def packed(kind, size, stream):
    """A packed section, of whatever it says and holds."""
    return kind, struct.pack("<I", size) + stream, 2**31


def with_payload(data, payload):
    header, _, _ = container.unpack(data)
    return container.pack(header, payload)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, raw, *others):
    """An 8-bit greyscale PNG of whatever is handed in as its samples."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + b"".join(others)
        + chunk(b"IDAT", raw)
        + chunk(b"IEND", b"")
    )


def inflating(n_bytes):
    """A deflate stream of so many zeros."""
    c = zlib.compressobj(9)
    return b"".join([*(c.compress(bytes(1 << 20)) for _ in range(n_bytes >> 20)), c.flush()])


def files():
    """Name, what is wrong, error, bytes."""
    f, u, limit = "FormatError", "UnsupportedError", "LimitError"
    good = (GOOD / "block-64x64.aec").read_bytes()
    payload = container.unpack(good)[2]
    h, w = 64, 64
    alpha = png(w, h, zlib.compress(bytes((w + 1) * h)))
    huge = struct.pack("<HH", 16384, 16384)

    yield "empty", "no bytes at all", f, b""
    yield "only-magic", "nothing after the magic", f, good[:5]
    yield "magic", "a PNG file's first bytes", f, b"\x89PNG\r\n\x1a\n" + good
    yield (
        "text-mode",
        "sent through something that rewrites line ends",
        f,
        good.replace(b"\n", b"\r\n"),
    )
    yield "version-0", "container version 0", f, patch(good, 5, b"\x01")
    yield "version-1", "container version 1", u, patch(good, 5, b"\x11")
    yield "version-3", "container version 3", u, patch(good, 5, b"\x31")
    for blend, error in (0, f), (7, u):
        yield (
            f"blend-{blend}",
            f"a blend of {blend}; the model has one set of weights",
            error,
            seal(good[:5] + b"\x29" + good[6:28] + bytes([blend]) + good[28:-4]),
        )
    yield "16-bit", "samples of more than 8 bits", u, patch(good, 5, b"\x23")
    yield "cut-header", "ends in the header", f, good[:20]
    yield "cut-payload", "ends in the payload", f, good[:40]
    yield "cut-one", "the last byte is missing", f, good[:-1]
    yield "one-more", "a byte after the end", f, good + b"\0"
    yield (
        "flipped-bit",
        "one bit of the payload is another",
        f,
        good[:33] + bytes([good[33] ^ 8]) + good[34:],
    )
    yield "width-0", "width 0", f, patch(good, 14, b"\0\0")
    yield "height-16385", "height 16385", f, patch(good, 16, b"\x01\x40")
    yield "quality-99", "quality 0.99", f, patch(good, 18, b"\x63\0")
    yield "model", "names a model that nobody has", u, patch(good, 6, b"\xff" * 8)
    yield "symbol-crc", "another symbol checksum", f, patch(good, 20, b"\0\0\0\0")
    yield (
        "payload-length",
        "payload_length over the end of the file",
        f,
        patch(good, 24, b"\xff\xff\xff\x7f"),
    )
    yield (
        "payload-odd",
        "a payload of 7 bytes",
        f,
        seal(good[:24] + struct.pack("<I", 7) + payload[:7]),
    )
    yield "payload-none", "no payload where one is needed", f, with_payload(good, b"")
    yield (
        "payload-zero",
        "the last word of the payload is 0",
        f,
        with_payload(good, payload[:-4] + bytes(4)),
    )
    yield (
        "payload-more",
        "a payload with words left over",
        f,
        with_payload(good, bytes(range(8)) + payload),
    )
    yield (
        "payload-noise",
        "a payload of noise",
        f,
        with_payload(good, bytes(i * i * 7 % 251 + 1 for i in range(120))),
    )
    two = (GOOD / "slabs-513x24.aec").read_bytes()
    length = struct.unpack_from("<I", two, 28)[0]
    yield (
        "index-cut",
        "no room for the index of the streams",
        f,
        with_payload(two, bytes(4)),
    )
    for name, what, wrong in (
        ("odd", "a stream that is no multiple of 4", length + 1),
        ("short", "a stream that begins too late", length - 4),
        ("long", "a stream that begins too early", length + 4),
        ("huge", "a stream longer than the payload", 2**32 - 4),
    ):
        yield f"index-{name}", what, f, patch(two, 28, struct.pack("<I", wrong))
    yield (
        "index-crc",
        "another checksum of the second stream",
        f,
        patch(two, 32, bytes(4)),
    )
    yield "sections-none", "the list of sections is empty", f, with_sections(good)
    yield (
        "section-length",
        "a section longer than the file",
        f,
        patch(with_sections(good, (b"xmp0", b"text")), 33, b"\xff\xff\xff\xff"),
    )
    yield (
        "section-count",
        "255 sections are claimed, one is there",
        f,
        patch(with_sections(good, (b"xmp0", b"")), 28, b"\xff"),
    )
    yield (
        "section-type",
        "a section type that is no word",
        f,
        with_sections(good, (b"a\0\0\0", b"")),
    )
    yield (
        "section-twice",
        "two profiles",
        f,
        with_sections(good, (b"ICCP", b"a"), (b"ICCP", b"b")),
    )
    yield (
        "section-unknown",
        "a critical section that nobody knows",
        u,
        with_sections(good, (b"TILE", b"")),
    )
    text = bytes(range(256)) * 4
    stream = zlib.compress(text)
    for name, what, *section in (
        ("empty", "no size and no stream", b"ICCP", b"", 2**31),
        ("cut", "a stream that ends early", *packed(b"ICCP", 1024, stream[:-1])),
        ("more", "a byte behind the stream", *packed(b"ICCP", 1024, stream + b"\0")),
        ("less", "a stream of more bytes than it says", *packed(b"ICCP", 1023, stream)),
        ("long", "a stream of fewer bytes than it says", *packed(b"exif", 1025, stream)),
        ("noise", "noise for a stream", *packed(b"xmp0", 1024, text)),
        ("unknown", "a section that nobody knows, cut", *packed(b"zzzz", 9, b"x")),
        ("alpha", "an alpha plane", *packed(b"ALPH", len(alpha), zlib.compress(alpha))),
        (
            "bomb",
            "a stream of 16 MiB that says it has one byte",
            *packed(b"exif", 1, inflating(16 << 20)),
        ),
        (
            "huge",
            "a stream of 17 MiB, over the limit",
            *packed(b"exif", 17 << 20, inflating(17 << 20)),
        ),
    ):
        yield f"packed-{name}", f"packed: {what}", f, with_sections(good, section)
    half = packed(b"ICCP", 9 << 20, inflating(9 << 20))
    yield (
        "packed-twice",
        "packed: two streams of 9 MiB, over the limit together",
        f,
        with_sections(good, half, (b"exif", *half[1:])),
    )
    yield (
        "alph-empty",
        "an alpha plane without bytes",
        f,
        with_sections(good, (b"ALPH", b"")),
    )
    yield (
        "alph-no-png",
        "an alpha plane that is no PNG",
        f,
        with_sections(good, (b"ALPH", b"GIF89a" + bytes(60))),
    )
    yield (
        "alph-size",
        "an alpha plane of another size",
        f,
        with_sections(good, (b"ALPH", png(63, 64, zlib.compress(bytes(64 * 64))))),
    )
    yield (
        "alph-claims",
        "a PNG of 65000 x 65000 as alpha",
        f,
        with_sections(good, (b"ALPH", png(65000, 65000, zlib.compress(b"")))),
    )
    yield (
        "alph-cut",
        "the PNG ends in the middle",
        f,
        with_sections(good, (b"ALPH", alpha[:50])),
    )
    yield (
        "alph-short",
        "too few samples in the PNG",
        f,
        with_sections(good, (b"ALPH", png(w, h, zlib.compress(bytes(99))))),
    )
    yield (
        "claims-huge",
        "claims 16384 x 16384 pixels, over the default limit; FormatError where that is raised",
        limit,
        patch(good, 14, huge),
    )
    yield (
        "claims-huge-100",
        "the same in a file of 100 bytes",
        limit,
        patch(with_payload(good, payload[-68:]), 14, huge),
    )
    yield (
        "claims-9000",
        "claims 9000 x 9000 pixels, within the limit",
        f,
        patch(good, 14, struct.pack("<HH", 9000, 9000)),
    )


def bombs():
    """Sound files with something in them that inflates: name, what, bytes.

    They end in the picture or in our error, and must cost little more than others.
    """
    good = (GOOD / "block-64x64.aec").read_bytes()
    rows = bytes(65 * 64)
    text = chunk(b"zTXt", b"k\0\0" + inflating(64 << 20))
    yield (
        "alph-text",
        "a text in the alpha's PNG inflates to 64 MiB",
        with_sections(good, (b"ALPH", png(64, 64, zlib.compress(rows), text))),
    )
    for name, what, text in (
        ("exif", "Exif of zeros", bytes(1 << 24)),
        ("xmp", "XMP of names of namespaces", b'xmlns:a="" ' * 1525201),
    ):
        kind = b"exif" if name == "exif" else b"xmp0"
        yield (
            f"packed-{name}",
            f"{what}, 16 MiB, packed",
            with_sections(good, packed(kind, len(text), zlib.compress(text))),
        )
    yield (
        "alph-idat",
        "the alpha's samples go on for 64 MiB",
        with_sections(good, (b"ALPH", png(64, 64, inflating(64 << 20)))),
    )


def main():
    folder = HERE / "bad"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    lines = []
    for name, what, error, data in files():
        (folder / f"{name}.aec").write_bytes(data)
        lines.append(f"| `{name}.aec` | {what} | {error} |\n")
    (folder / "README.md").write_text(README + "".join(lines))
