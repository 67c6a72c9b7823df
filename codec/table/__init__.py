"""Tables <-> ``.aec`` files: the second kind of data.

=========  ===============================================================
`encode`   a table of NumPy, pandas or Arrow to a whole file
`decode`   the inverse
`write`    a table that comes in parts, to a file
`info`     rows and columns of a file
`check`    whether a file's bytes are whole
`Table`    a file whose rows are read when they are asked for
=========  ===============================================================

`fields` takes tables apart, `lattice` makes whole numbers of a column, `choose` finds
a `plan` for each, `known` and `mixing` code it; `groups` and `file` put it together.
"""

from .file import Info, Table, check, decode, encode, info, write

__all__ = ["Info", "Table", "check", "decode", "encode", "info", "write"]
