"""Header, sections and payload <-> the bytes of an ``.aec`` file.

=================  ====================================================
`pack`             header, payload and sections to a whole file
`unpack`           the inverse; checks everything docs/format.md
                   (sections 2 to 4) says about the container
`read_header`      header and section types only, from the first bytes
`read_head`        those bytes of a file
`read_sections`    header and sections, from a file
`pack_stack`       several pictures to a whole file
`read_stack`       the index of such a file
=================  ====================================================
"""

from .header import MAGIC
from .pack import pack, read_head, read_header, read_sections, unpack
from .stack import Index, cells, pack_stack, read_stack, z_cells

__all__ = [
    "MAGIC",
    "Index",
    "pack",
    "pack_stack",
    "read_header",
    "cells",
    "read_head",
    "read_sections",
    "read_stack",
    "unpack",
    "z_cells",
]
