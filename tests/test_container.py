"""Container: docs/format.md, sections 2 to 4."""

import dataclasses
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec import container
from codec.errors import CodecError, FormatError, InputError, UnsupportedError
from codec.types import Header

HEADER = Header(
    width=3,
    height=2,
    colour="rgb",
    quality=50.0,
    model="0123456789abcdef",
    symbol_crc=0xDEADBEEF,
)
SECTIONS = {"ICCP": b"profile", "xmp0": b"", "exif": b"II*\0"}
PLAIN = container.pack(HEADER, b"12345678")
FULL = container.pack(HEADER, b"12345678", SECTIONS)

names = st.one_of(
    st.sampled_from(["ALPH", "ICCP", "exif", "xmp0"]),
    st.from_regex(r"[a-z][A-Za-z0-9]{3}", fullmatch=True),
)
headers = st.builds(
    Header,
    width=st.integers(1, 16384),
    height=st.integers(1, 16384),
    colour=st.sampled_from(["grey", "rgb"]),
    quality=st.integers(100, 10000).map(lambda q: q / 100),
    model=st.binary(min_size=8, max_size=8).map(bytes.hex),
    symbol_crc=st.integers(0, 2**32 - 1),
    blend=st.integers(0, 255),
)


def seal(data):
    """The bytes with a right checksum, so that the next check speaks."""
    return bytes(data) + struct.pack("<I", zlib.crc32(data))


def patch(data, at, new):
    return seal(data[:at] + new + data[at + len(new) : -4])


def refuse(data, error, at=None, value=None, match=None):
    with pytest.raises(error, match=match) as caught:
        container.unpack(data)
    if error is FormatError:
        assert caught.value.offset == at
    else:
        assert caught.value.value == value


def test_bytes():
    assert PLAIN.hex(" ") == (
        "89 41 45 43 0a 21 01 23 45 67 89 ab cd ef 03 00 02 00 88 13 "
        "ef be ad de 08 00 00 00 31 32 33 34 35 36 37 38 "
        + struct.pack("<I", zlib.crc32(PLAIN[:-4])).hex(" ")
    )
    assert len(PLAIN) == 8 + 32


@settings(deadline=None)
@given(
    headers,
    st.binary(max_size=40).map(lambda b: b[: len(b) & ~3]),
    st.dictionaries(names, st.binary(max_size=30), max_size=6),
)
def test_round_trip(header, payload, sections):
    data = container.pack(header, payload, sections)
    full = dataclasses.replace(header, sections=tuple(sections), payload_length=len(payload))
    assert container.unpack(data) == (full, sections, payload)
    assert container.read_header(data) == full
    assert list(container.unpack(data)[1]) == list(sections)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(data):
    for start in b"", container.MAGIC, FULL[:6], FULL[:29]:
        for read in container.unpack, container.read_header:
            try:
                read(start + data)
            except CodecError:
                pass


@pytest.mark.parametrize(
    "wrap",
    [
        bytes,
        bytearray,
        memoryview,
        lambda b: np.frombuffer(b, np.uint8),
        lambda b: memoryview(b"".join(bytes([c, 0]) for c in b))[::2],
    ],
)
def test_bytes_like(wrap):
    assert container.unpack(wrap(FULL)) == container.unpack(FULL)
    assert container.read_header(wrap(FULL)) == container.read_header(FULL)


@pytest.mark.parametrize("data", [PLAIN, FULL])
def test_truncation(data):
    for n in range(len(data)):
        with pytest.raises(FormatError) as caught:
            container.unpack(data[:n])
        assert 0 <= caught.value.offset <= n


@pytest.mark.parametrize("data", [PLAIN, FULL])
def test_bit_flips(data):
    for i in range(8 * len(data)):
        bad = bytearray(data)
        bad[i // 8] ^= 1 << i % 8
        with pytest.raises(CodecError) as caught:
            container.unpack(bad)
        # Only the version is believed before the checksum.
        assert isinstance(caught.value, FormatError) or i // 8 == 5


def test_header_needs_no_payload():
    header = container.read_header(FULL)
    assert container.read_header(FULL[:-12]) == header
    assert header.sections == ("ICCP", "xmp0", "exif")
    with pytest.raises(FormatError):
        container.read_header(FULL[:-13])


def test_not_aec():
    refuse(b"", FormatError, 0)
    refuse(b"\x89PNG\r\n\x1a\n" + bytes(40), FormatError, 1, match="not an")
    # What text-mode transfers do.
    refuse(PLAIN.replace(b"\n", b"\r\n"), FormatError, 4, match="not an")
    refuse(PLAIN.replace(b"\x89", b"\x09"), FormatError, 0, match="not an")


def test_version():
    refuse(patch(PLAIN, 5, b"\x01"), FormatError, 5, match="version 0")
    for version in 1, 3:
        other = PLAIN[:5] + bytes([version << 4 | 15]) + PLAIN[6:]
        match = f"version {version}"
        refuse(other, UnsupportedError, value=version, match=match)
        refuse(other[:6], UnsupportedError, value=version)


def test_flags():
    refuse(patch(PLAIN, 5, b"\x23"), UnsupportedError, value=2)
    refuse(PLAIN[:5] + b"\x23" + PLAIN[6:], FormatError, len(PLAIN) - 4, match="damaged")


def test_blend():
    header = dataclasses.replace(container.read_header(PLAIN), blend=255)
    for found in {}, {"zzzz": b"new"}:
        data = container.pack(header, b"12345678", found)
        assert len(data) == 33 + 8 + (1 + 8 + 3 if found else 0)
        assert container.unpack(data)[0].blend == 255
        assert container.read_sections(io.BytesIO(data))[1] == found
        refuse(patch(data, 28, b"\0"), FormatError, 28, match="blend")
        for n in range(len(data)):
            with pytest.raises(FormatError):
                container.unpack(data[:n])


@pytest.mark.parametrize(
    "at, value",
    [
        (14, 0),
        (14, 16385),
        (16, 0),
        (16, 16385),
        (18, 99),
        (18, 10001),
        (18, 0),
        (18, 65535),
    ],
)
def test_field_ranges(at, value):
    refuse(patch(PLAIN, at, struct.pack("<H", value)), FormatError, at)


def test_lengths_that_lie():
    refuse(
        patch(PLAIN, 24, struct.pack("<I", 12)),
        FormatError,
        len(PLAIN),
        match="cut short",
    )
    refuse(patch(PLAIN, 24, b"\xff\xff\xff\xff"), FormatError, len(PLAIN))
    refuse(
        patch(PLAIN, 24, struct.pack("<I", 4)),
        FormatError,
        len(PLAIN) - 4,
        match="4 bytes after the end",
    )
    refuse(PLAIN + b"\0", FormatError, len(PLAIN), match="1 bytes after")
    odd = seal(PLAIN[:24] + struct.pack("<I", 7) + b"1234567")
    refuse(odd, FormatError, 24, match="multiple of 4")
    refuse(patch(FULL, 33, b"\xff\xff\xff\xff"), FormatError, 33, match="claims 2147483647")
    refuse(patch(FULL, 28, b"\xff"), FormatError, 68, match="claims")
    refuse(patch(FULL, 28, b"\0"), FormatError, 28, match="empty")


def sections(*items):
    head = PLAIN[:5] + b"\x25" + PLAIN[6:28] + bytes([len(items)])
    for kind, data in items:
        head += kind + struct.pack("<I", len(data)) + data
    return seal(head + PLAIN[28:-4])


def test_sections():
    refuse(
        sections((b"exif", b"a"), (b"xmp0", b""), (b"exif", b"b")),
        FormatError,
        46,
        match="second section exif",
    )
    for kind in b"1234", b"ab\xffd", b"ab c", b"\0\0\0\0":
        refuse(sections((kind, b"")), FormatError, 29, match="type")
    refuse(
        sections((b"zzzz", b""), (b"TIME", b"")),
        UnsupportedError,
        value="TIME",
        match="critical section TIME",
    )
    header, found, payload = container.unpack(sections((b"zzzz", b"new"), (b"ALPH", b"x")))
    assert header.sections == ("zzzz", "ALPH")
    assert found["ALPH"] == b"x" and payload == b"12345678"


def packed(stream, size, kind=b"ICCP"):
    """A file with one packed section."""
    data = struct.pack("<I", size) + stream
    head = PLAIN[:5] + b"\x25" + PLAIN[6:28] + b"\1" + kind
    return seal(head + struct.pack("<I", len(data) | 2**31) + data + PLAIN[28:-4])


def test_sections_are_packed_where_that_is_smaller():
    noise = bytes(i * i * 7 % 251 for i in range(40))
    found = {"ICCP": bytes(300), "exif": noise, "zzzz": b"new" * 99, "ALPH": b"a" * 99}
    data = container.pack(HEADER, b"12345678", found)
    assert len(data) < 32 + 1 + 8 + 4 * 8 + 40 + 99 + 60
    assert container.unpack(data)[1] == found
    assert container.read_sections(io.BytesIO(data))[1] == found
    assert noise in data and b"a" * 99 in data and bytes(99) not in data
    assert packed(zlib.compress(bytes(300), 9), 300) == container.pack(
        HEADER, b"12345678", {"ICCP": bytes(300)}
    )


def test_sections_of_too_many_bytes_stay_as_they_are():
    n = container.pack.__globals__["MAX_UNPACKED"]
    data = container.pack(HEADER, b"12345678", {"xmp0": bytes(n), "exif": bytes(9)})
    assert len(data) < 10**6
    found = {"xmp0": bytes(n), "exif": bytes(100)}
    data = container.pack(HEADER, b"12345678", found)
    assert bytes(100) in data and container.unpack(data)[1] == found


def test_packed_sections_are_what_they_say():
    text = bytes(range(256))
    stream = zlib.compress(text)
    assert container.unpack(packed(stream, 256))[1] == {"ICCP": text}
    assert container.unpack(packed(zlib.compress(b""), 0))[1] == {"ICCP": b""}
    for kind in b"ICCP", b"exif", b"zzzz":
        for size in 0, 255, 257, 2**32 - 1:
            refuse(packed(stream, size, kind), FormatError, 29, match="section")
        for n in range(len(stream)):
            refuse(packed(stream[:n], 256, kind), FormatError, 29)
        refuse(packed(stream + b"\0", 256, kind), FormatError, 29)
    for kind in b"ALPH", b"STAK":
        refuse(packed(stream, 256, kind), FormatError, 29, match="may not be packed")
    assert container.read_header(packed(b"", 256)).sections == ("ICCP",)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"height": 16385},
        {"width": 70000},
        {"quality": 0.5},
        {"quality": 101.0},
        {"quality": float("nan")},
        {"model": "abc"},
        {"model": "not hexadecimal!"},
        {"colour": "blue"},
        {"symbol_crc": -1},
    ],
)
def test_pack_refuses_headers(change):
    with pytest.raises(InputError):
        container.pack(dataclasses.replace(HEADER, **change), b"")


@pytest.mark.parametrize(
    "payload, found",
    [
        (b"123", {}),
        (b"", {"TIME": b""}),
        (b"", {"toolong": b""}),
        (b"", {"é000": b""}),
        (b"", {"0000": b""}),
        (b"", {f"a{i:03}": b"" for i in range(256)}),
    ],
)
def test_pack_refuses_parts(payload, found):
    with pytest.raises(InputError):
        container.pack(HEADER, payload, found)
