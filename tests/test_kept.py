"""``--keep-all``: an archive loses nothing but what the picture shows."""

import io
import struct
import warnings

import numpy as np
import pytest

pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")

import carried
from conformance import cases

import codec
from codec import container, picture
from codec.cli.main import main
from codec.errors import ConversionNote, ConversionWarning
from codec.picture import kept

# Conversions of samples and colours: what they lose is not beside the picture.
STILL_TOLD = {("TIFF", "extra bands"), ("JP2", "extra bands")} | {
    (c, "CICP") for c in ("PNG", "AVIF", "HEIC")
}
TOLD = [
    (c, kind)
    for c in carried.CONTAINERS
    for kind in carried.KINDS
    if carried.outcome(c, kind) == "told"
]


def read(data, **more):
    """The picture, and what was told of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConversionWarning)
        found = picture.open_picture(io.BytesIO(data), **more)
    return found, {w.category for w in caught}


def back_of(found):
    return kept.read(found.kept, found.pixels.shape[0] * found.pixels.shape[1])


@pytest.mark.parametrize("name, kind", TOLD)
def test_what_is_told_is_kept(name, kind):
    data = carried.build(name, kind)
    found, told = read(data, metadata="all")
    if (name, kind) in STILL_TOLD:
        assert ConversionWarning in told
        return
    assert told == {ConversionNote}
    assert read(data)[0].kept is None
    back = back_of(found)
    assert len(back) == len(data)
    assert all(b in (0, a) for a, b in zip(data, back))
    if kind in ("audio, video", "trailing bytes"):
        assert carried.VIDEO in back or data[-20:] == back[-20:]


@pytest.mark.parametrize("name", carried.CONTAINERS)
def test_samples_are_left_out(name):
    image = carried.Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 80, 3), "u1"))
    more = {"xmp": carried.XMP} if name == "JXL" else {}  # as boxes, not a bare codestream
    data = carried.plain(name, image, **more) + carried.box(b"zzzz", b"more behind")
    found, _ = read(data, metadata="all")
    assert len(found.kept) < len(data) / 4
    assert back_of(found).endswith(b"more behind")


def test_what_carries_no_more_has_no_section():
    for name in carried.CONTAINERS:
        assert read(carried.plain(name), metadata="all")[0].kept is None


def test_by_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = carried.build("JPEG", "audio, video")
    (tmp_path / "a.jpg").write_bytes(data)
    assert main("aecompress", ["a.jpg"]) == 2
    assert main("aecompress", ["-f", "--keep-all", "-q5", "a.jpg"]) in (0, 2)  # it is tiny
    said = capsys.readouterr().err
    assert "note: kept beside the picture" in said
    assert "kept" in codec.info("a.aec").sections
    back = codec.kept("a.aec")
    assert carried.VIDEO in back and back != data
    pic = codec.Decoder().decode_picture((tmp_path / "a.aec").read_bytes())
    again = codec.encode(pic)
    assert codec.kept(again) == back and codec.kept(codec.encode(pic, metadata=False)) is None
    assert codec.Decoder(metadata=False).decode_picture(again).kept is None
    assert main("aedecompress", ["--format", "kept", "a.aec"]) == 0
    assert (tmp_path / "a.kept").read_bytes() == back
    capsys.readouterr()
    assert main("aedecompress", ["--rm", "a.aec"]) == 2
    assert "--format kept writes it" in capsys.readouterr().err
    assert (tmp_path / "a.aec").exists()
    (tmp_path / "b.aec").write_bytes(codec.encode(carried.PIXELS))
    assert main("aedecompress", ["--format", "kept", "b.aec"]) == 1
    assert codec.kept("b.aec") is None
    for clash in ["--rm"], ["--region", "0,0,1,1"], ["--index", "0"]:
        assert main("aedecompress", ["--format", "kept", *clash, "a.aec"]) == 1


def test_rm_after_keep_all(tmp_path, monkeypatch):
    """Nothing is left out, so the input may go."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a.png"
    carried.Image.fromarray(cases.picture("photo-160x240", source=True)).save(file)
    data = file.read_bytes()
    data = data[:33] + carried.chunk(b"tEXt", b"parameters\0a prompt") + data[33:]
    file.write_bytes(data)
    assert main("aecompress", ["--rm", "a.png"]) == 2 and file.exists()
    assert main("aecompress", ["-f", "--rm", "--keep-all", "a.png"]) == 0
    assert not file.exists()
    assert b"parameters\0a prompt" in codec.kept("a.aec")


def test_stacks_keep_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(carried.build("JPEG", "audio, video"))
    for command in ["--stack", "-o", "a.aec", "a.jpg", "a.jpg"], ["--pages", "all", "-f", "a.jpg"]:
        assert main("aecompress", ["--keep-all", *command]) == 2
        said = capsys.readouterr().err
        assert "left out: " in said and "kept beside" not in said
        assert "kept" not in codec.info("a.aec").sections


def test_section():
    data = bytes(range(200)) * 3
    section = kept.write(data, [(0, 10), (50, 150), (200, 600)], 100)
    assert len(section) == 8 + 2 * 8 + 100
    back = kept.read(section, 100)
    assert back == data[:50] + bytes(100) + data[150:200] + bytes(400)
    assert kept.read(kept.write(data, [], 1), 1) == data
    assert kept.read(kept.write(b"", [], 1), 1) == b""
    huge = bytes(1 << 17)
    assert kept.read(kept.write(huge, [(0, len(huge))], 1), 1) == huge
    assert len(kept.write(huge, [(0, len(huge))], 1)) > len(huge)


def test_sections_that_lie():
    good = kept.write(bytes(300), [(100, 200)], 100)
    assert kept.read(good, 100) == bytes(300)
    for n in range(len(good)):
        assert kept.read(good[:n], 100) is None
    assert kept.read(good + b"a", 100) is None
    for at, value in (0, 299), (0, 2**32 - 1), (4, 1), (4, 2**32 - 1), (8, 1), (12, 250), (16, 99):
        bad = good[:at] + struct.pack("<I", value) + good[at + 4 :]
        assert kept.read(bad, 100) is None, (at, value)


def test_a_section_that_lies_is_ignored():
    header, _, payload = container.unpack(codec.encode(carried.PIXELS))
    bad = container.pack(header, payload, {"kept": b"\xff" * 8})
    assert codec.decode(bad).shape == carried.PIXELS.shape and codec.kept(bad) is None
