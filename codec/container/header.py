"""The header, field by field (docs/format.md, section 2)."""

import re
import struct
from typing import Any

from ..errors import FormatError, UnsupportedError
from ..types import Buffer, Header

MAGIC = b"\x89AEC\n"
VERSION = 2
TABLE = "TABL"
CRITICAL = {"ALPH", "ICCP", "STAK", TABLE}

HEADER = struct.Struct("<5sB8sHHHII")
_COLOURS = ("grey", "rgb")
_RGB, _DEEP, _SECTIONS, _BLEND = 1, 2, 4, 8
_TYPE = re.compile(rb"[A-Za-z][A-Za-z0-9]{3}")


def check_start(data: Buffer) -> Any:
    """Check magic and version.

    Returns
    -------
    size : int
        Bytes of the header.
    has_sections : bool
        Whether sections follow it.
    """
    start = bytes(data[: len(MAGIC)])
    for i, (found, wanted) in enumerate(zip(start, MAGIC)):
        if found != wanted:
            raise FormatError("not an .aec file", i)
    if len(data) <= len(MAGIC):
        raise FormatError("file is cut short", len(data))
    version = data[5] >> 4
    if version == 0:
        raise FormatError("container version 0", 5)
    if version != VERSION:
        raise UnsupportedError(
            f"container version {version}; this program reads version {VERSION}",
            version,
        )
    return HEADER.size + bool(data[5] & _BLEND), bool(data[5] & _SECTIONS)


def write_values(header: Header, has_sections: bool, payload_length: int) -> bytes:
    """The header as bytes.

    Raises ValueError or struct.error for what does not fit a field; whether
    it is allowed there is for `read_values` to say.
    """
    model = bytes.fromhex(header.model)
    if len(model) != 8:
        raise ValueError(f"model id {header.model!r} has not 16 digits")
    flags = VERSION << 4 | _COLOURS.index(header.colour)
    flags |= _SECTIONS * has_sections | _BLEND * bool(header.blend)
    values = HEADER.pack(
        MAGIC,
        flags,
        model,
        header.width,
        header.height,
        round(header.quality * 100),
        header.symbol_crc,
        payload_length,
    )
    return values + bytes([header.blend] if header.blend else [])


def read_values(data: Buffer, places: Any, table: bool = False) -> Header:
    """Judge all fields of a file whose lengths are known to be sound.

    Parameters
    ----------
    data : memoryview of bytes
    places : list of tuple
        (offset, ...) of each section.
    table : bool
        Whether the caller reads tables, and no pictures.

    Returns
    -------
    Header
    """
    (_, flags, model, width, height, quality, symbol_crc, payload_length) = HEADER.unpack_from(data)
    # First what would give the other fields another meaning.
    if flags & _DEEP:
        raise UnsupportedError("samples of more than 8 bits", flags & _DEEP)
    for name, value, at in ("width", width, 14), ("height", height, 16):
        if not 1 <= value <= 16384:
            raise FormatError(f"{name} {value} is not in 1..16384", at)
    if not 100 <= quality <= 10000:
        raise FormatError(f"quality {quality / 100} is not in 1..100", 18)
    blend = data[HEADER.size] if flags & _BLEND else 0
    if flags & _BLEND and not blend:
        raise FormatError("a blend of 0 is not stored", HEADER.size)
    if payload_length % 4 or payload_length > 2**31:
        raise FormatError(f"payload length {payload_length} is not a multiple of 4 up to 2^31", 24)
    return Header(
        width=width,
        height=height,
        colour=_COLOURS[flags & _RGB],
        quality=quality / 100,
        model=model.hex(),
        symbol_crc=symbol_crc,
        version=flags >> 4,
        sections=_types(data, places, table),
        payload_length=payload_length,
        blend=blend,
    )


def _types(data: Buffer, places: Any, table: bool) -> tuple[str, ...]:
    types: list[str] = []
    for start, *_ in places:
        name = bytes(data[start : start + 4])
        if not _TYPE.fullmatch(name):
            raise FormatError(f"section type {name!r}", start)
        kind = name.decode("ascii")
        if kind in types:
            raise FormatError(f"second section {kind}", start)
        types.append(kind)
    # Only now, so that damage is named before what is merely unknown.
    for kind in types:
        if kind[0].isupper() and kind not in CRITICAL:
            raise UnsupportedError(f"unknown critical section {kind}", kind)
    if (TABLE in types) != table:
        raise UnsupportedError(
            "the file holds a picture; codec.decode reads it"
            if table
            else "the file holds a table; codec.table.decode reads it",
            "picture" if table else TABLE,
        )
    return tuple(types)
