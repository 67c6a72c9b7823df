"""Whole files: where things lie, whether they are sound, what they say.

A file is looked at four times. `_layout` follows the lengths, `unpack`
compares the checksum, `read_values` judges the fields, `_sections` unpacks what
is packed. In this order a damaged file is called damaged, not the work of a newer
version.
"""

import struct
import zlib
from typing import Any, BinaryIO

from ..errors import CodecError, FormatError, InputError
from ..types import Buffer, Header, Sections
from .header import HEADER, TABLE, check_start, read_values, write_values

_SECTION = struct.Struct("<4sI")
_CHUNK = 2**20  # a claimed length allocates no more than this at once
# Packed sections (docs/format.md, section 3).
_PACKED = 2**31  # of a section's length
_SIZE = struct.Struct("<I")
MAX_UNPACKED = 2**24  # bytes of all packed sections of a file
_NEVER_PACKED = {"ALPH", "STAK", TABLE}


def pack(header: Header, payload: Buffer, sections: Sections | None = None) -> bytes:
    """Build one `.aec` file [1]_.

    Parameters
    ----------
    header : Header
        ``version``, ``sections`` and ``payload_length`` are not looked at:
        they follow from the other arguments.
    payload : bytes-like
        A multiple of 4 bytes.
    sections : dict of str to bytes, optional
        By type, written in this order; at most 255. Each is packed where
        that is smaller.

    Returns
    -------
    bytes
        The file. Without sections it has 32 bytes more than the payload.

    Raises
    ------
    InputError
        The format has no place for one of the values.

    References
    ----------
    .. [1] docs/format.md, sections 2 to 4.
    """
    sections = sections or {}
    try:
        parts = [write_values(header, bool(sections), len(payload))]
        if sections:
            parts.append(struct.pack("B", len(sections)))
        left = MAX_UNPACKED
        for name, data in sections.items():
            kind = name.encode("ascii")
            if len(kind) != 4:
                raise ValueError(f"section type {name!r} has not 4 letters")
            flag, stored = 0, bytes(data)
            if name not in _NEVER_PACKED and len(data) <= left:
                packed = _SIZE.pack(len(data)) + zlib.compress(data, 9)
                if len(packed) < len(data):
                    flag, stored, left = _PACKED, packed, left - len(data)
            if len(stored) >= _PACKED:
                raise ValueError(f"section {name} of {len(stored)} bytes")
            parts += [_SECTION.pack(kind, flag | len(stored)), stored]
        head = b"".join(parts)
        # The reader knows every rule; a second list of them would drift.
        places, _ = _layout(_view(head))
        read_values(head, places, TABLE in sections)
    except (CodecError, ValueError, struct.error) as error:
        raise InputError(f"cannot be written: {error}") from error
    body = head + bytes(payload)
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(data: Buffer, table: bool = False) -> tuple[Header, Sections, bytes]:
    """Take one `.aec` file apart [1]_.

    Parameters
    ----------
    data : bytes-like
        The whole file.
    table : bool
        Whether it shall hold a table rather than pictures.

    Returns
    -------
    header : Header
    sections : dict of str to bytes
        By type, in the order of the file, unknown ancillary ones too; what
        was packed is unpacked.
    payload : bytes

    Raises
    ------
    FormatError
        Damaged; ``offset`` is the first bad byte, as far as it is known.
    UnsupportedError
        Another version, a reserved bit or an unknown critical section;
        ``value`` is the version, the bit as a number, or the type. A table
        where a picture was asked for, or a picture.

    References
    ----------
    .. [1] docs/format.md, sections 2 to 4.
    """
    data = _view(data)
    places, start = _layout(data)
    end = start + _payload_length(data)
    if len(data) < end + 4:
        raise _short(data, end + 4)
    if len(data) > end + 4:
        raise FormatError(f"{len(data) - end - 4} bytes after the end of the file", end + 4)
    (crc,) = struct.unpack_from("<I", data, end)
    if zlib.crc32(data[:end]) != crc:
        raise FormatError("checksum mismatch; file is damaged", end)
    header = read_values(data, places, table)
    sections = _sections(data, header, places)
    return header, sections, bytes(data[start:end])


def read_header(data: Buffer) -> Header:
    """Read what stands before the payload.

    Parameters
    ----------
    data : bytes-like
        A file, or so much of it as holds the header and the sections.
        The payload and the checksum are not looked at.

    Returns
    -------
    Header

    Raises
    ------
    FormatError, UnsupportedError
        As `unpack`.
    """
    data = _view(data)
    places, _ = _layout(data)
    return read_values(data, places)


def read_sections(file: BinaryIO, table: bool = False) -> tuple[Header, Sections, bytes]:
    """Read from a file what stands before its payload.

    Parameters
    ----------
    file : binary file
        At its start; the payload is not read, and no length in the file is
        believed before its bytes are there.
    table : bool
        As of `unpack`.

    Returns
    -------
    header : Header
    sections : dict of str to bytes
        As `unpack`.
    head : bytes
        What was read: it ends where the payload starts.

    Raises
    ------
    FormatError, UnsupportedError
        As `unpack`.
    """
    head = read_head(file)
    places, _ = _layout(head)
    header = read_values(head, places, table)
    return header, _sections(head, header, places), head


def read_head(file: BinaryIO) -> bytes:
    """The bytes of a file before its payload, as far as they are there.

    Parameters and errors as of `read_sections`, but lengths alone are judged.
    """
    head = bytearray(file.read(HEADER.size))
    size, has_sections = check_start(head)
    if len(head) == HEADER.size:
        head += file.read(size - HEADER.size + has_sections)
    if has_sections and len(head) > size:
        for _ in range(head[size]):
            start = file.read(_SECTION.size)
            head += start
            if len(start) < _SECTION.size:
                break
            left = _SECTION.unpack(start)[1] & ~_PACKED
            while left and (data := file.read(min(left, _CHUNK))):
                head += data
                left -= len(data)
    return bytes(head)


def _sections(data: Buffer, header: Header, places: Any) -> Sections:
    found, left = {}, MAX_UNPACKED
    for name, (start, at, size, is_packed) in zip(header.sections, places):
        found[name] = bytes(data[at : at + size])
        if is_packed:
            try:
                found[name] = _unpacked(name, found[name], left)
            except (struct.error, ValueError, zlib.error) as error:
                raise FormatError(f"section {name}: {error}", start) from error
            left -= len(found[name])
    return found


def _unpacked(name: str, data: bytes, limit: int) -> bytes:
    """The data of a packed section; never more than it says, and the limit."""
    if name in _NEVER_PACKED:
        raise ValueError("may not be packed")
    (size,) = _SIZE.unpack_from(data)
    if size > limit:
        raise ValueError(f"{size} bytes unpacked; {limit} are left for a file")
    stream = zlib.decompressobj()
    found = stream.decompress(data[_SIZE.size :], size + 1)
    if len(found) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"does not unpack to {size} bytes")
    return found


def _view(data: Any) -> memoryview:
    """Any bytes-like object as memoryview of bytes."""
    view = memoryview(data)
    return view.cast("B") if view.c_contiguous else memoryview(bytes(view))


def _short(data: Buffer, needed: int) -> FormatError:
    return FormatError(
        f"file is cut short: {len(data)} bytes, at least {needed} are needed", len(data)
    )


def _payload_length(data: Buffer) -> int:
    return struct.unpack_from("<I", data, 24)[0]


def _layout(data: Buffer) -> Any:
    """Places of the sections, and where the payload starts.

    Only magic, version and lengths are looked at. Each place is (offset of
    the section, offset of its data, length of its data, whether that is packed).
    """
    at, has_sections = check_start(data)
    if len(data) < at:
        raise _short(data, at)
    if not has_sections:
        return [], at
    if len(data) < at + 1:
        raise _short(data, at + 1)
    count = data[at]
    if count == 0:
        raise FormatError("the list of sections is empty", at)
    at += 1
    places = []
    for _ in range(count):
        start, at = at, at + _SECTION.size
        if len(data) < at:
            raise _short(data, at)
        length = _SECTION.unpack_from(data, start)[1]
        size = length & ~_PACKED
        if size > len(data) - at:
            raise FormatError(
                f"section at byte {start} claims {size} bytes, {len(data) - at} are left",
                start + 4,
            )
        places.append((start, at, size, length >= _PACKED))
        at += size
    return places, at
