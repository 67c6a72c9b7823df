"""``aecompress-thumbnailer``: what file managers call for a small picture.

    aecompress-thumbnailer IN OUT SIZE

By the freedesktop entry ``share/thumbnailers/aecompress.thumbnailer``. Of a
stack, the first picture is shown.
"""

import sys

from ..errors import CodecError

MAX_PIXELS = 2**26  # a folder of huge pictures must not stop a desktop


def thumbnail(source: str, target: str, size: int) -> None:
    """Write a PNG of at most ``size`` by ``size`` pixels.

    Parameters
    ----------
    source : str
        An ``.aec`` file.
    target : str
    size : int
    """
    from PIL import Image

    from codec import Stack, info

    from ..limits import check_pixels
    from ..picture import to_image

    header = info(source)
    check_pixels(header.width, header.height, MAX_PIXELS)
    if header.is_stack:
        with Stack(source) as stack:
            image = Image.fromarray(stack[0])
    else:
        from codec import Decoder

        with open(source, "rb") as file:
            image = to_image(Decoder().decode_picture(file.read()))
    image.thumbnail((size, size))
    image.save(target, "PNG")


def main(argv: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 3 or not arguments[2].isdecimal() or not int(arguments[2]):
        print("usage: aecompress-thumbnailer IN OUT SIZE", file=sys.stderr)
        return 1
    source, target, size = arguments
    try:
        thumbnail(source, target, int(size))
    except (CodecError, OSError) as error:
        print(f"aecompress-thumbnailer: {source}: {error}", file=sys.stderr)
        return 1
    return 0
