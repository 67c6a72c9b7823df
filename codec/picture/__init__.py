"""Pictures in files and in memory <-> uint8 samples (`Picture`).

==================  ===================================================
`read`              anything that holds a picture to `Picture`
`load`              array or PIL image to `Picture`
`open_picture`      file to `Picture`
`open_pages`        file of several pages to as many
`as_rgb`            grey or RGB samples to RGB; `as_grey` is the inverse
`save`              `Picture` to a file in any format Pillow writes
`to_image`          `Picture` to PIL image
`format_of`         which format a file name asks for
`to_sections`       alpha, ICC, Exif, XMP to the sections of a file
`from_sections`     the inverse
`fill_hidden`       colours where nothing is to be seen
`png_to_alpha`      an alpha section to samples
==================  ===================================================

Nothing that can be seen is changed silently: whatever is converted or left
out is told by a `ConversionWarning`, one line each.
"""

from .alpha import fill_hidden, png_to_alpha
from .metadata import from_sections, to_sections
from .pil import load, open_pages, open_picture
from .source import as_grey, as_rgb, read
from .writer import format_of, save, to_image

__all__ = [
    "as_grey",
    "as_rgb",
    "fill_hidden",
    "format_of",
    "from_sections",
    "load",
    "open_pages",
    "open_picture",
    "png_to_alpha",
    "read",
    "save",
    "to_image",
    "to_sections",
]
