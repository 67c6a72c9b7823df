"""Several pictures in one file: the index and its blocks.

A stack is a file like any other whose critical section ``STAK`` tells how
its payload falls into blocks of pictures (docs/format.md, section 12).
"""

import dataclasses
import math
import struct
import zlib
from collections.abc import Sequence
from typing import BinaryIO

from ..errors import FormatError, InputError
from ..types import Header, Sections
from .header import HEADER, check_start, write_values
from .pack import pack, read_sections

SECTION = "STAK"
MAX_PICTURES = 2**24
MAX_CELLS = 2**16  # of 16 x 16 pixels, in a block of several
_HEAD = struct.Struct("<II")
_BLOCK = struct.Struct("<II")
_KEPT = 20  # bytes of the header before symbol_crc


@dataclasses.dataclass(frozen=True)
class Index:
    """What ``STAK`` says.

    Attributes
    ----------
    count : int
        Pictures in the file.
    per_block : int
        Pictures in a block; the last one may have fewer.
    blocks : list of (int, int)
        Length of each block in bytes, and the checksum of its symbols.
    """

    count: int
    per_block: int
    blocks: list[tuple[int, int]]

    def span(self, block: int) -> tuple[int, int]:
        """First picture of a block, and the first of the next one."""
        first = block * self.per_block
        return first, min(first + self.per_block, self.count)


def cells(header: Header) -> int:
    """Latent cells of one picture."""
    return -(-header.width // 16) * -(-header.height // 16)


def z_cells(header: Header) -> int:
    """Cells of 64 x 64 pixels of one picture."""
    return -(-header.width // 64) * -(-header.height // 64)


def pack_stack(
    header: Header,
    index: Index,
    payloads: Sequence[bytes],
    sections: Sections | None = None,
) -> bytes:
    """Build a stack.

    Parameters
    ----------
    header : Header
        As for `pack`; ``symbol_crc`` is not looked at.
    index : Index
    payloads : list of bytes
        One of each block.
    sections : dict of str to bytes, optional
        Further sections, which belong to every picture.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        The format has no place for one of the values.
    """
    data = _HEAD.pack(index.count, index.per_block) + b"".join(
        _BLOCK.pack(*b) for b in index.blocks
    )
    head = write_values(header, True, sum(map(len, payloads)))
    header = dataclasses.replace(header, symbol_crc=_crc(head, data))
    try:
        read_index(header, head, data, sum(map(len, payloads)))
    except FormatError as error:
        raise InputError(f"cannot be written: {error}") from error
    return pack(header, b"".join(payloads), {SECTION: data, **(sections or {})})


def read_stack(file: BinaryIO) -> tuple[Header, Sections, Index, int]:
    """Read the index of a stack, and where its blocks lie.

    Parameters
    ----------
    file : binary file
        Read from its start; the payload is not read.

    Returns
    -------
    header : Header
    sections : dict of str to bytes
        Without ``STAK``.
    index : Index
    start : int
        Offset of the payload.

    Raises
    ------
    FormatError, UnsupportedError
        As `unpack`; also where the file is sound but no stack.
    """
    header, sections, head = read_sections(file)
    if SECTION not in sections:
        raise FormatError("not a stack of pictures")
    index = read_index(header, head, sections.pop(SECTION), header.payload_length)
    return header, sections, index, len(head)


def read_index(header: Header, head: bytes, data: bytes, payload_length: int) -> Index:
    """The index in a ``STAK`` section.

    Parameters
    ----------
    header : Header
    head : bytes
        The header as bytes, or more.
    data : bytes
        Of the section.
    payload_length : int

    Returns
    -------
    Index

    Raises
    ------
    FormatError
        It contradicts itself or the header.
    """
    if len(data) < _HEAD.size:
        raise FormatError("STAK section: cut short")
    if _crc(head, data) != header.symbol_crc:
        raise FormatError("STAK section: checksum mismatch")
    count, per_block = _HEAD.unpack_from(data)
    if not 1 <= per_block <= count <= MAX_PICTURES:
        raise FormatError(f"STAK section: {count} pictures in blocks of {per_block}")
    if per_block > 1 and per_block * cells(header) > MAX_CELLS:
        raise FormatError(f"STAK section: {per_block} pictures of this size in a block")
    if len(data) != _HEAD.size + _BLOCK.size * math.ceil(count / per_block):
        raise FormatError(f"STAK section: {len(data)} bytes")
    blocks = list(_BLOCK.iter_unpack(data[_HEAD.size :]))
    if any(size % 4 for size, _ in blocks) or sum(size for size, _ in blocks) != payload_length:
        raise FormatError("STAK section: the blocks are not the payload")
    if "ALPH" in header.sections:
        raise FormatError("a stack with an ALPH section")
    return Index(count, per_block, blocks)


def _crc(head: bytes, data: bytes) -> int:
    blend = head[HEADER.size : check_start(head)[0]]
    return zlib.crc32(data, zlib.crc32(blend, zlib.crc32(head[:_KEPT])))
