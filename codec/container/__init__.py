"""Header, sections and payload <-> the bytes of an ``.aec`` file.

=================  ====================================================
`pack`             header, payload and sections to a whole file
`unpack`           the inverse; checks everything docs/format.md
                   (sections 2 to 4) says about the container
`read_header`      header and section types only, from the first bytes
=================  ====================================================
"""

from .header import MAGIC
from .pack import pack, read_header, unpack

__all__ = ["MAGIC", "pack", "read_header", "unpack"]
