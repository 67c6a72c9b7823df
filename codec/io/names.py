"""File names: which are of pictures, and what is left without the extension."""

import os

# What Pillow and the extras read, and the names that cameras and tools use.
PICTURES = frozenset(
    ".apng .avif .avifs .blp .bmp .bw .cur .dcx .dds .dib .fit .fits .fli .flc .gif "
    ".heic .heics .heif .heifs .hif .icns .ico .im .j2c .j2k .jfi .jfif .jif .jp2 "
    ".jpc .jpe .jpeg .jpf .jpg .jpx .jxl .mpo .msp .pbm .pcx .pfm .pgm .png .pnm "
    ".ppm .psd .qoi .ras .rgb .rgba .sgi .tga .tif .tiff .webp .xbm .xpm".split()
)

# What `codec.cli.tables` reads and writes.
TABLES = frozenset(".csv .tsv .parquet .npy .feather .arrow".split())


def is_picture(name: str) -> bool:
    """Whether a name is that of a picture file."""
    return os.path.splitext(name)[1].lower() in PICTURES


def stem(name: str) -> str:
    """A name without its extension, if that is one.

    Other ends of names stay: ``scan 12.05.2021`` is not a scan of
    ``12.05``, and two of a month are two.
    """
    start, extension = os.path.splitext(name)
    known = extension.lower() in {".aec", *TABLES} or is_picture(name)
    return start if known else name


def output(name: str, suffix: str, whole: bool = False) -> str:
    """The name of what is made of a file.

    Parameters
    ----------
    name : str
    suffix : str
        With its dot; not said twice, as of ``a.png.aec`` made a PNG.
    whole : bool
        Keep the extension of the name before it.

    Examples
    --------
    >>> output("a.png", ".aec"), output("a.png", ".aec", whole=True)
    ('a.aec', 'a.png.aec')
    >>> output("a.png.aec", ".png"), output("a.jpg.aec", ".png")
    ('a.png', 'a.jpg.png')
    """
    if whole:
        return name + suffix
    start = stem(name)
    again = name.lower().endswith(".aec") and start.lower().endswith(suffix.lower())
    return start if again else start + suffix
