"""Pictures in files and in memory <-> uint8 samples (`Picture`).

==================  ===================================================
`load`              array or PIL image to `Picture`
`open_picture`      file to `Picture`
`save`              `Picture` to a file in any format Pillow writes
`to_image`          `Picture` to PIL image
`format_of`         which format a file name asks for
`to_sections`       alpha, ICC, Exif, XMP to the sections of a file
`from_sections`     the inverse
==================  ===================================================

Nothing that can be seen is changed silently: whatever is converted or left
out is told by a `ConversionWarning`, one line each.
"""

from .metadata import from_sections, to_sections
from .pil import load, open_picture
from .writer import format_of, save, to_image

__all__ = [
    "format_of",
    "from_sections",
    "load",
    "open_picture",
    "save",
    "to_image",
    "to_sections",
]
