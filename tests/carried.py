"""Picture files of every container with everything that it can carry.

``python tests/carried.py`` writes the table of docs/pictures.md anew.
"""

import io
import pathlib
import re
import struct
import warnings
import zlib

import numpy as np
from pictures import ICC, chunk, exif
from PIL import Image

from codec import picture
from codec.errors import CodecError, ConversionWarning

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "pictures.md"
START, END = "<!-- carried -->\n", "<!-- end of carried -->"
CONTAINERS = "JPEG PNG TIFF WebP GIF AVIF HEIC JXL JP2 BMP PNM QOI".split()
KINDS = (
    "ICC",
    "CICP",
    "Exif",
    "XMP",
    "extended XMP",
    "IPTC",
    "text",
    "dpi",
    "gain map",
    "depth",
    "audio, video",
    "extra bands",
    "pages",
    "trailing bytes",
)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/'
    b'1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:hdrgm="http://ns.adobe.com/'
    b'hdr-gain-map/1.0/" hdrgm:Version="1.0" xmlns:note="http://ns.adobe.com/xmp/'
    b'note/" note:HasExtendedXMP="0123" xmlns:dc="d" dc:title="keep"/></rdf:RDF>'
    b"</x:xmpmeta>"
)
Y, X = np.mgrid[:32, :48]
PIXELS = np.dstack([X * 5, Y * 7, X + Y]).astype(np.uint8)
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(1, 200))
BLOCK = b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\x08\x1c\2\x50\0\x03abc"
FORMATS = {
    "WebP": ("WEBP", {"lossless": True}),
    "HEIC": ("HEIF", {"quality": 90}),
    "JXL": ("JXL", {"lossless": True}),
    "JP2": ("JPEG2000", {}),
    "PNM": ("PPM", {}),
}


def plain(container, image=None, **more):
    """A file of one picture."""
    if container == "HEIC":
        import pillow_heif

        pillow_heif.register_heif_opener()
    if container == "JXL":
        import pillow_jxl  # noqa: F401
    format, options = FORMATS.get(container, (container, {}))
    file = io.BytesIO()
    image = Image.fromarray(PIXELS) if image is None else image
    image.save(file, format, **options, **more)
    return file.getvalue()


def build(container, kind):
    """A file with one thing in it; None where the container has no place."""
    return _BUILDERS[kind](container)


def segment(data, marker, body):
    """A JPEG with one more segment."""
    return data[:2] + struct.pack(">BBH", 255, marker, len(body) + 2) + body + data[2:]


def with_chunk(data, kind, body):
    """A PNG with one more chunk."""
    return data[:33] + chunk(kind, body) + data[33:]


def with_tag(data, tag, kind, count, value):
    """A TIFF of Pillow's, little-endian, with one more tag."""
    (at,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + 12 * i :][:12] for i in range(n)]
    place = len(data)
    if len(value) > 4:
        data, value = data + value, struct.pack("<I", place)
    entries.append(struct.pack("<HHI4s", tag, kind, count, value))
    entries.sort(key=lambda e: struct.unpack_from("<H", e))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    old = data[at : at + 6 + 12 * n]
    data = data.replace(old, bytes(len(old)))
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def with_riff(data, kind, body):
    """A WebP with one more chunk."""
    data += struct.pack("<4sI", kind, len(body)) + body + bytes(len(body) % 2)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def _icc(container):
    if container in ("GIF", "PNM", "QOI", "BMP"):
        return None
    if container == "JP2":
        data = plain(container)
        at = data.index(b"colr") - 4
        colr = box(b"colr", b"\2\0\0" + ICC)
        head = data.index(b"jp2h") - 4
        (size,) = struct.unpack_from(">I", data, head)
        (old,) = struct.unpack_from(">I", data, at)
        return (
            data[:head]
            + struct.pack(">I", size - old + len(colr))
            + data[head + 4 : at]
            + colr
            + data[at + old :]
        )
    return plain(container, icc_profile=ICC)


def _cicp(container):
    if container == "PNG":
        return with_chunk(plain("PNG"), b"cICP", b"\x0c\x0d\0\1")
    if container == "AVIF":
        data = plain("AVIF")
        at = data.index(b"colrnclx") + 8
        return data[:at] + b"\0\x0c\0\x0d" + data[at + 4 :]
    if container == "HEIC":
        return plain("HEIC", color_primaries=12, transfer_characteristics=13)
    return None


def _exif(container):
    if container in ("GIF", "BMP", "PNM", "QOI"):
        return None
    if container == "JP2":
        return plain("JP2") + box(b"uuid", b"JpgTiffExif->JP2" + exif())
    if container == "TIFF":
        return with_tag(plain("TIFF"), 271, 2, 6, b"Maker\0")
    return plain(container, exif=b"Exif\0\0" + exif())


def _xmp(container, xmp=XMP):
    if container in ("BMP", "PNM", "QOI"):
        return None
    if container == "PNG":
        return with_chunk(plain("PNG"), b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp)
    if container == "TIFF":
        return with_tag(plain("TIFF"), 700, 1, len(xmp), xmp)
    if container == "GIF":
        tail = b"\1" + bytes(range(255, -1, -1)) + b"\0"
        data = plain("GIF")
        return data[:-1] + b"\x21\xff\x0bXMP DataXMP" + xmp + tail + b";"
    if container == "JP2":
        name = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
        return plain("JP2") + box(b"uuid", name + xmp)
    return plain(container, xmp=xmp)


def _extended(container):
    if container != "JPEG":
        return None
    name = b"http://ns.adobe.com/xmp/extension/\0"
    return segment(_xmp("JPEG"), 0xE1, name + b"0123" * 8 + bytes(8) + b"<x/>" * 99)


def _iptc(container):
    if container == "JPEG":
        return segment(plain("JPEG"), 0xED, BLOCK)
    if container == "TIFF":
        return with_tag(plain("TIFF"), 33723, 7, 8, b"\x1c\2\x50\0\3abc")
    if container == "PNG":
        text = b"Raw profile type iptc\0\niptc\n       8\n" + BLOCK[-8:].hex().encode()
        return with_chunk(plain("PNG"), b"tEXt", text)
    if container == "JP2":
        name = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
        return plain("JP2") + box(b"uuid", name + BLOCK[-8:])
    return None


def _text(container):
    data = plain(container)
    if container == "JPEG":
        return segment(data, 0xFE, b"a comment")
    if container == "PNG":
        return with_chunk(data, b"zTXt", b"parameters\0\0" + zlib.compress(b"seed: 1"))
    if container == "TIFF":
        return with_tag(data, 269, 2, 9, b"document\0")
    if container == "GIF":
        return data[:-1] + b"\x21\xfe\x05hello\0;"
    if container == "WebP":
        return with_riff(data, b"TEXT", b"hello")
    if container == "PNM":
        return data[:3] + b"# a comment\n" + data[3:]
    if container in ("JP2", "JXL"):
        name = b"xml " if container == "JP2" else b"jumb"
        return (data if data[4:8] in (b"jP  ", b"JXL ") else bare(data)) + box(name, b"<a/>")
    return None


def bare(data):
    """A JPEG XL codestream in a box."""
    return box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ") + box(b"jxlc", data)


def _dpi(container):
    if container in ("GIF", "WebP", "AVIF", "HEIC", "JXL", "PNM", "QOI"):
        return None
    if container == "JP2":
        data = plain("JP2")
        res = box(b"res ", box(b"resd", struct.pack(">HHHHbb", 11811, 1, 11811, 1, 0, 0)))
        head = data.index(b"jp2h") - 4
        (size,) = struct.unpack_from(">I", data, head)
        return (
            data[:head]
            + struct.pack(">I", size + len(res))
            + data[head + 4 : head + size]
            + res
            + data[head + size :]
        )
    return plain(container, dpi=(300, 300))


def _gain_map(container):
    if container == "JPEG":
        return _xmp("JPEG") + plain("JPEG", Image.fromarray(PIXELS[::2, ::2, 0]))
    return None if container != "HEIC" else _auxiliary(b"hdrgainmap")


def _depth(container):
    if container == "JPEG":
        return segment(plain("JPEG"), 0xE1, b"DepthMap\0" + bytes(range(1, 90)))
    return None if container != "HEIC" else _auxiliary(b"depth")


def _auxiliary(name):
    """A HEIC whose second picture is auxiliary: told by iref and auxC."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    grey = Image.fromarray(PIXELS[..., 0])
    alpha = Image.fromarray(np.dstack([PIXELS, PIXELS[..., :1]]), "RGBA")
    data = plain("HEIC", alpha)
    assert grey.size == alpha.size
    urn = re.search(rb"urn:[ -~]+", data)[0]
    assert urn in data
    new = b"urn:" + name[-len(urn) + 4 :]
    return data.replace(urn, new + b"\0" * (len(urn) - len(new)))


def _video(container):
    data = plain(container)
    if container in ("AVIF", "HEIC"):
        return data + box(b"mpvd", VIDEO)
    return data + VIDEO


# Grey and a channel of no type, 8 x 8, of imagecodecs.
JXL_BANDS = bytes.fromhex(
    "ff0a41c0e80014370208101000a4004b2825d6a124144c80115392a27067748cc1dabcc0010020"
    "c05000604080106f43e4d08a9734008300"
)


def _bands(container):
    if container == "JXL":
        return JXL_BANDS
    if container == "JP2":  # which calls no band alpha
        four = Image.fromarray(np.dstack([PIXELS, PIXELS[..., :1] // 2]), "RGBA")
        data = plain("JP2", four)
        at, definition = data.index(b"jp2h") - 4, data.index(b"cdef") - 4
        sizes = struct.unpack_from(">I", data, at)[0], struct.unpack_from(">I", data, definition)[0]
        end = definition + sizes[1]
        header = struct.pack(">I", sizes[0] - sizes[1]) + data[at + 4 : definition]
        return data[:at] + header + data[end:]
    if container != "TIFF":
        return None
    four = np.dstack([PIXELS, PIXELS[..., :1] // 2])
    data = plain("TIFF", Image.fromarray(four, "RGBA"))
    at = data.index(struct.pack("<HHI", 338, 3, 1)) + 8
    return data[:at] + bytes(2) + data[at + 2 :]


def _pages(container):
    if container in ("BMP", "QOI", "JP2", "JXL"):
        return None
    if container == "JPEG":
        container, more = "MPO", {}
    if container == "PNM":
        return plain("PNM") * 2
    other = Image.fromarray(PIXELS[:, ::-1].copy())
    more = {"save_all": True, "append_images": [other]}
    return plain(container, **more)


def _trailing(container):
    return plain(container) + b"PK\3\4" + bytes(range(1, 100))


_BUILDERS = {
    "ICC": _icc,
    "CICP": _cicp,
    "Exif": _exif,
    "XMP": _xmp,
    "extended XMP": _extended,
    "IPTC": _iptc,
    "text": _text,
    "dpi": _dpi,
    "gain map": _gain_map,
    "depth": _depth,
    "audio, video": _video,
    "extra bands": _bands,
    "pages": _pages,
    "trailing bytes": _trailing,
}


def outcome(container, kind):
    """What becomes of it: kept, told or refused; a dash where there is none."""
    data = build(container, kind)
    if data is None:
        return "–"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        try:
            found = picture.open_picture(io.BytesIO(data))
        except CodecError:
            return "refused"
    if caught:
        return "told"
    kept = {
        "ICC": found.icc == ICC or container in ("HEIC", "JXL") and found.icc,
        "Exif": found.exif and b"Maker" in found.exif,
        "XMP": found.xmp and b'dc:title="keep"' in found.xmp,
        "dpi": found.dpi and abs(found.dpi[0] - 300) < 0.01,
    }
    return "kept" if kept.get(kind) else "SILENT"


def table():
    rows = [["", *CONTAINERS], ["---"] * (len(CONTAINERS) + 1)]
    rows += [[kind, *(outcome(c, kind) for c in CONTAINERS)] for kind in KINDS]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def write():
    """The page with the table made anew."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(START)
    return before + START + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(write(), "utf-8")
