"""Getting at files, wherever they lie.

=========  ============================================================
`urls`     paths, URLs and file objects
`atomic`   local files that appear whole or not at all
`names`    which name is a picture's, and what its output is called
`modes`    permissions and times that an output has of its input
=========  ============================================================
"""

from .urls import open_anywhere as open

__all__ = ["open"]
