"""Write the conformance set, and what else depends on the default model.

    python tests/conformance/make.py

Run it by hand when the default model changes, and only then: an old file
that stops decoding is a bug, not a reason to make a new one. It replaces
``files/`` and ``cases.json`` here, ``tests/data/bad`` and the file in hex in
``docs/format.md``; it takes some seconds.
"""

import io
import json
import random
import re
import runpy
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from data import make_bad
from reference import decoder, encoder, samples

import codec
from codec import container
from codec.model import find

PHOTO = ROOT / "examples" / "budgerigar.png"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>\xc3\xa9</x:xmpmeta>"


def crop(height, width):
    """The middle of the photograph; a long side is mirrored on."""
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    h, w = min(height, 160), min(width, 160)
    y, x = (photo.shape[0] - h) // 2, (photo.shape[1] - w) // 2
    part = photo[y : y + h, x : x + w]
    return np.pad(part, ((0, height - h), (0, width - w), (0, 0)), "symmetric")


def soft(height, width):
    """A slow gradient in three directions: long sides in few bytes."""
    y, x = np.mgrid[:height, :width]
    return np.stack([127 + 100 * np.sin(a / 97) for a in (x + y, x - y, x + 2 * y)], -1).astype(
        np.uint8
    )


def noise(height, width, channels=3):
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (height, width, channels), np.uint8)


def ramp(height, width):
    a = np.linspace(0, 255, height * width).astype(np.uint8)
    return a.reshape(height, width)


def metadata():
    """ICC, Exif that claims to lie on its side, XMP: as Pillow takes them."""
    exif = Image.Exif()
    exif.endian = "<"
    exif[274], exif[271] = 6, "Maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    profile = bytearray(profile.tobytes())
    profile[24:36] = bytes(12)  # the date: the same file every time
    return {"icc_profile": bytes(profile), "exif": exif.tobytes(), "xmp": XMP}


def pictures():
    """Name, what it is for, array, quality, metadata."""

    def case(name, what, array, quality=50, **info):
        return name, what, array, quality, info

    flat = np.full((1, 1, 3), 200, np.uint8)
    yield case("one-pixel", "the smallest RGB picture", flat)
    yield case("one-pixel-grey", "the smallest picture", flat[..., 0], 1)
    yield case("row-1x70", "one row of pixels", crop(1, 70), 30)
    yield case("column-70x1", "one column of pixels", crop(70, 1), 30)
    yield case("cell-16x16", "exactly one latent cell", crop(16, 16))
    yield case("below-15x31", "one pixel less than whole cells", crop(15, 31), 60)
    yield case("above-17x33", "one pixel more than whole cells", crop(17, 33), 60)
    yield case("block-64x64", "exactly one position of z", crop(64, 64))
    yield case("above-65x129", "one pixel more than whole positions of z", crop(65, 129), 75)
    yield case("slab-512x24", "the tallest picture of one slab", soft(512, 24))
    yield case("slabs-513x24", "two slabs, of 16 and of 17 rows", crop(513, 24), 40)
    yield case("slabs-1090x20", "three slabs, one upon the other", crop(1090, 20), 75)
    yield case("slabs-528x544", "four slabs, two by two", soft(528, 544), 70)
    yield case(
        "tile-24x1024",
        "the widest picture this decoder does not cut into tiles",
        soft(24, 1024),
        60,
    )
    yield case("tiles-24x1025", "two tiles; their seam must not show", crop(24, 1025), 60)
    yield case("tiles-40x2100", "three tiles in a row", soft(40, 2100), 90)
    for q in 1, 9.5, 25.49, 40.25, 80.5, 99.99, 100:
        yield case(f"quality-{q}", f"quality {q}: its tables and steps", crop(80, 96), q)
    yield case("photo-160x240", "a photograph at high quality", crop(160, 240), 85)
    yield case("noise-q100", "noise: escapes and the widest rows", noise(48, 48), 100)
    yield case("noise-grey", "noise without colours", noise(33, 47, 1), 90)
    colours = np.zeros((40, 56, 3), np.uint8)
    for i in range(8):
        colours[:, 7 * i : 7 * i + 7] = [255 * (i >> b & 1) for b in range(3)]
    yield case("colours", "the eight corners of RGB: samples clamp", colours, 95)
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    yield case("stripes-grey", "the finest stripes, black and white", stripes, 98)
    yield case("black", "black: nearly nothing is coded", np.zeros((130, 190, 3), np.uint8), 20)
    yield case("grey-33x17", "greyscale: (R + G + B + 1) // 3", crop(33, 17)[..., 1], 60)
    yield case("alpha-80x50", "an alpha plane", np.dstack([crop(80, 50), ramp(80, 50)]), 40.25)
    grey = crop(30, 40)[..., :1]
    yield case(
        "alpha-grey",
        "an alpha plane on greyscale",
        np.concatenate([grey, ramp(30, 40)[..., None]], 2),
        70,
    )
    yield case(
        "metadata",
        "ICC, Exif that says orientation 6, which must be ignored since it is applied, and XMP",
        crop(40, 64),
        50,
        **metadata(),
    )


def save_input(array, info):
    out = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2:] == (1,) else array).save(
        out, "PNG", optimize=True, icc_profile=info.get("icc_profile")
    )
    return out.getvalue()


def encode(array, quality, info):
    # Through a file, as a user would; Exif and XMP in memory, since other
    # versions of Pillow write them otherwise.
    image = Image.open(io.BytesIO(save_input(array, {})))
    image.info.update(info)
    return codec.encode(image, quality=quality)


def extra_cases():
    """Files that no encoder of ours writes: name, what, bytes, picture?"""
    plain = encode(crop(20, 20), 50, {})
    header, _, payload = container.unpack(plain)
    yield (
        "unknown-section",
        "ancillary sections that nobody knows, one of them empty, must be ignored",
        container.pack(header, payload, {"zzzz": b"new", "a000": b""}),
        True,
    )
    found = {"ICCP": metadata()["icc_profile"], "xmp0": XMP * 9, "zzzz": bytes(999)}
    yield (
        "packed-sections",
        "a profile, XMP and a section that nobody knows, all packed",
        container.pack(header, payload, found),
        True,
    )
    model = decoder.Model(find.load().folder)
    fields = dict(width=48, height=48, quality=10000, colour=True, sections={})
    s = samples.symbols(random.Random(3), model, fields)[1]
    # z at random would have most symbols skipped; noise has wide rows.
    z = codec.Decoder().symbols(encode(noise(48, 48), 100, {}))[0]
    z = z.ravel().tolist()
    yield (
        "wild-symbols",
        "symbols at random up to 32767, which no picture "
        "has: every kind of escape; symbols only, no reference picture",
        encoder.encode_symbols(model, fields, z, s),
        False,
    )


def write_case(name, what, data, has_picture=True):
    """File and reference picture; returns the entry of cases.json."""
    folder = HERE / "files"
    (folder / f"{name}.aec").write_bytes(data)
    header = codec.info(data)
    z, s = codec.Decoder().symbols(data)  # checks the symbol checksums
    if has_picture:
        Image.fromarray(codec.decode(data)).save(folder / f"{name}.png", optimize=True)
    return {
        "name": name,
        "what": what,
        "width": header.width,
        "height": header.height,
        "colour": header.colour,
        "quality": header.quality,
        "sections": list(header.sections),
        "symbol_crc": f"{zlib.crc32(s, zlib.crc32(z)):08x}",
        "tolerance": {"levels": 1, "share": 0.001} if has_picture else None,
    }


def hex_dump(data):
    return "".join(f"{i:04x}  {data[i : i + 16].hex(' ')}\n" for i in range(0, len(data), 16))


def main():
    folder = HERE / "files"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    cases = []
    for name, what, array, quality, info in pictures():
        (folder / f"{name}.in.png").write_bytes(save_input(array, info))
        cases.append(write_case(name, what, encode(array, quality, info)))
    cases += [write_case(*extra) for extra in extra_cases()]
    lines = ",\n  ".join(json.dumps(c) for c in cases)
    (HERE / "cases.json").write_text(f'{{"model": "{find.load().id}",\n "cases": [\n  {lines}]}}\n')
    page = ROOT / "docs" / "format.md"
    dump = hex_dump((folder / "one-pixel.aec").read_bytes())
    page.write_text(re.sub(r"```hex\n.*?```", f"```hex\n{dump}```", page.read_text(), flags=re.S))
    make_bad.main()
    runpy.run_path(str(ROOT / "tests" / "platforms" / "table.py"), run_name="__main__")
    print(f"{len(cases)} cases, {sum(f.stat().st_size for f in folder.iterdir())} bytes")


if __name__ == "__main__":
    main()
