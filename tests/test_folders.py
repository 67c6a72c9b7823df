"""Trees of pictures: sizes, names, going on, links, archives."""

import os
import sys
import tarfile
import zipfile

import mixed_tree
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from test_cli import tree

import codec
from codec import container
from codec.cli import files, looks
from codec.cli.main import main
from codec.picture import origin
from codec.types import Origin

FAX = "2020/fax.png"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """The current folder, with the mixed tree in ``photos``."""
    monkeypatch.chdir(tmp_path)
    mixed_tree.make("photos")
    return tmp_path / "photos"


@pytest.fixture
def run(capsys, monkeypatch):
    """A command in this process: its exit code, stdout and stderr."""

    def run(*args, prog="aecompress"):
        code = main(prog, ["-T1", *args])
        return code, *capsys.readouterr()

    return run


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*.aec"))


ALL = [
    "2019/IMG_1.JPG.aec",
    "2019/IMG_1.PNG.aec",
    "2019/summer holiday/één.aec",
    "2019/summer holiday/two.aec",
    "2020/IMG_1.aec",
    "2020/deep/grey.aec",
    "2020/fax.aec",
    "2020/old.aec",
]


def test_a_mixed_tree_and_again(photos, run):
    code, out, err = run("-r", "photos")
    assert code == 2 and out == ""
    assert names(photos) == sorted(ALL)
    assert "photos/2020/fax.png: warning: not smaller: " in err
    assert "keep them: photos/2019/IMG_1.JPG.aec, photos/2019/IMG_1.PNG.aec\n" in err
    assert "1 of 8 files did not become smaller: photos/2020/fax.png\n" in err
    assert "/up" not in err and "best" not in err
    before = tree(photos)
    (photos / "2020" / "old.aec").unlink()
    code, out, err = run("-r", "photos")
    assert code == 0
    assert err.endswith("aecompress: 7 done before, 1 made now\n")
    assert tree(photos) == before


def test_in_place_keeps_what_is_not_smaller_or_linked(photos, run):
    code, _, err = run("-r", "--rm", "photos")
    assert code == 2
    left = [n for n in tree(photos) if not n.endswith((".aec", ".txt"))]
    assert sorted(left) == [
        "2019/._IMG_1.JPG",
        "2020/IMG_1.jpeg",
        "2020/best.jpeg",
        "2020/fax.png",
    ]
    assert (photos / "2020" / "best.jpeg").exists()  # the link still leads there
    assert "input kept, as photos/2020/best.jpeg is a link to it" in err
    # Going on, what is left is judged again, and left again.
    code, _, err = run("-r", "--rm", "photos")
    assert code == 2 and "2 done before, 0 made now" in err
    assert (photos / "2020" / "fax.png").exists()
    for name in ("fax.png", "IMG_1.jpeg", "best.jpeg"):
        (photos / "2020" / name).unlink()
    code, _, err = run("-r", "--rm", "photos")
    assert code == 0
    assert err == "aecompress: photos: nothing to do; 8 files were done\n"


def letters(side=256):
    """Lines of coloured letters, as a map has them: no photograph."""
    image = Image.new("RGB", (side, side), (30, 40, 90))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for y in range(4, side, 13):
        draw.text((4, y), "The quick brown fox jumps over a lazy dog", (250, 220, 60), font)
    return image


def test_what_looks_worse_than_promised(photos, run):
    """Exit 2, one line, the input stays; no such line about a photograph."""
    letters().save("map.bmp")
    with Image.open(mixed_tree.PHOTO) as image:
        image.convert("RGB").crop((150, 100, 406, 356)).save("photo.bmp")
    for quality in "50", "75":
        code, _, err = run("-f", "-q", quality, "map.bmp", "photo.bmp")
        assert code == 2
        assert f"map.bmp: warning: looks worse than quality {quality} promises: " in err
        assert err.count("photo.bmp") == 0
        assert err.endswith("1 of 2 files look worse than their quality promises: map.bmp\n")
    code, _, err = run("-f", "--rm", "map.bmp", "photo.bmp")
    assert code == 2 and "map.bmp: warning: input kept" in err
    assert os.path.exists("map.bmp") and not os.path.exists("photo.bmp")
    # A target that was measured is met; other models promise no score.
    assert run("-f", "--target-psnr", "22", "map.bmp")[0] == 0
    letters().convert("L").save("grey.bmp")
    assert run("-m", "digits", "grey.bmp")[0] == 0


def test_the_busiest_window():
    pixels = np.full((600, 800), 128, np.uint8)
    pixels[300:310, 600:700:2] = 0
    assert looks.busiest(pixels) == (256, 512, 256, 256)
    assert looks.busiest(pixels[:200]) == (0, 0, 200, 256)


def test_skip_larger(photos, run):
    code, _, err = run("-r", "--skip-larger", "photos/2020")
    assert code == 0
    assert "1 of 4 files left as they are: photos/2020/fax.png\n" in err
    assert not (photos / "2020" / "fax.aec").exists()


def test_an_interrupted_removal_goes_on(photos, run):
    """An output was written, and its input was not removed yet."""
    one = photos / "2020" / "old.bmp"
    assert run(str(one))[0] == 0
    data = one.with_suffix(".aec").read_bytes()
    code, _, err = run("--skip-existing", "--rm", str(one))
    assert (code, err) == (0, "aecompress: 1 done before, 0 made now\n")
    assert not one.exists() and one.with_suffix(".aec").read_bytes() == data


@pytest.mark.parametrize("fault", ["older", "damaged"])
def test_an_output_that_is_not_of_its_input(photos, run, fault):
    one = photos / "2020" / "old.bmp"
    made = one.with_suffix(".aec")
    assert run(str(one))[0] == 0
    if fault == "older":
        os.utime(made, (1e9, 1e9))
    else:
        made.write_bytes(made.read_bytes()[:-1])
    code, _, err = run("-r", "--exclude", "fax.png", "photos/2020")
    assert code == 1
    assert "old.aec: exists, and is " + fault in err
    assert run("-r", "-f", "--exclude", "fax.png", "photos/2020")[0] == 0
    assert codec.info(made).width == 96 and made.stat().st_mtime > 1e9


def test_all_collisions_are_told_at_once(photos, run):
    (photos / "2020" / "IMG_1.PNG").write_bytes((photos / "2019" / "IMG_1.PNG").read_bytes())
    before = tree(photos)
    code, _, err = run("-r", "--suffix", "replace", "photos")
    assert code == 1 and err.count("\n") == 1
    assert "2019/IMG_1.aec is the output" in err and "2020/IMG_1.aec is" in err
    assert "--suffix append" in err
    assert tree(photos) == before


def test_back_to_the_original_formats(photos, run):
    sizes = {n: len(data) for n, data in tree(photos).items()}
    formats = {n: Image.open(photos / n).format for n, *_ in mixed_tree.PICTURES}
    assert run("-r", "--suffix", "append", "photos", "--output-dir", "small")[0] == 2
    code, _, err = run(
        "-r", "--original-format", "small", "--output-dir", "back", prog="aedecompress"
    )
    assert (code, err) == (0, "")
    back = tree(photos.parent / "back")
    assert sorted(back) == sorted([*formats, FAX])
    for name, format in formats.items():
        with Image.open(photos.parent / "back" / name) as image:
            assert image.format == format, name
            if format == "JPEG":
                assert origin._jpeg_quality(image) in (92, 75)
    for name in "2019/IMG_1.JPG", "2020/IMG_1.jpeg", "2019/summer holiday/één.webp":
        assert len(back[name]) < 1.2 * sizes[name]


@pytest.mark.parametrize(
    "module, name, format",
    [
        ("pillow_heif", "x.heic", "HEIF"),
        ("pillow_heif", "x.HIF", "HEIF"),
        ("pillow_jxl", "x.jxl", "JXL"),
    ],
)
def test_back_to_formats_of_extras(photos, run, monkeypatch, module, name, format):
    plugin = pytest.importorskip(module)
    if format == "HEIF":
        plugin.register_heif_opener()
    with Image.open(photos / "2020" / "old.bmp") as image:
        exif = Image.Exif()
        exif[270] = "a bird"
        image.save(name, format=format, exif=exif.tobytes())
        original = np.asarray(image).astype(float)
    assert run(name, "small.aec")[0] in (0, 2)  # so small a HEIC may be smaller
    (photos.parent / name).unlink()
    assert run("--original-format", "small.aec", "--output-dir", "back", prog="aedecompress") == (
        0,
        "",
        "",
    )
    back = "back/small" + os.path.splitext(name)[1]
    with Image.open(back) as image:
        assert image.format == format and image.getexif()[270] == "a bird"
        assert np.square(np.asarray(image.convert("RGB")) - original).mean() < 200
    # Without the extra it is a PNG, and a line says so.
    monkeypatch.delitem(Image.SAVE, format)
    monkeypatch.setitem(sys.modules, module, None)
    code, _, err = run("--original-format", "small.aec", prog="aedecompress")
    assert code == 2 and f"{format} cannot be written without pillow-" in err
    assert "(pip install pillow-" in err and "; PNG instead" in err
    with Image.open("small.png") as image:
        assert image.format == "PNG"


def test_an_original_format_without_a_writer(photos, run):
    assert run(str(photos / "2020" / "old.bmp"), "x.aec")[0] == 0
    file = photos.parent / "x.aec"
    header, sections, payload = container.unpack(file.read_bytes())
    sections["orig"] = origin.write(Origin("XYZ", "xyz"))
    file.write_bytes(container.pack(header, payload, sections))
    code, _, err = run("--original-format", "x.aec", prog="aedecompress")
    assert code == 2 and "XYZ cannot be written here; PNG instead" in err
    with Image.open("x.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(
    "data, found",
    [
        (b"JPEG 85", ("JPEG", "jpg", 85)),
        (b"JPEG 85 JPG", ("JPEG", "JPG", 85)),
        (b"PNG", ("PNG", "png", None)),
        (b"WEBP 100", ("WEBP", "webp", 100)),
        (b"PNG 0", None),
        (b"PNG 101", None),
        (b"PNG ../x", None),
        (b"png", None),
        (b"", None),
        (b"JPEG 85\n", None),
    ],
)
def test_the_origin_section(data, found):
    read = origin.read(data)
    assert (read and (read.format, read.extension, read.quality)) == found
    assert read is None or origin.write(read) == data


def test_strip_leaves_the_origin_out(photos, run):
    assert run("--strip", str(photos / "2020" / "deep" / "grey.png"), "x.aec")[0] == 0
    assert codec.info("x.aec").sections == ()


def test_a_share_of_the_input(photos, run):
    one = photos / "2020" / "old.bmp"
    assert run("--target-size", "4%", str(one), "x.aec")[0] == 0
    size = os.path.getsize("x.aec")
    assert 0.035 * one.stat().st_size < size <= 0.04 * one.stat().st_size
    code, _, err = run("--target-size", "4%", "-q", "30", str(one))
    assert code == 1 and "exclude each other" in err


def test_a_folder_as_last_name(photos, run):
    one = str(photos / "2020" / "old.bmp")
    assert run(one, "new/")[0] == 0  # made, as it ends in a slash
    (photos.parent / "there").mkdir()
    assert run("new/old.aec", "there", prog="aedecompress")[0] == 0
    assert os.path.exists("there/old.png")


def test_dry_run_and_exclude(photos, run):
    before = tree(photos.parent)
    code, out, err = run("-r", "--dry-run", "--exclude", "2019", "--exclude", "deep/*", "photos")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "photos/2020/IMG_1.jpeg -> photos/2020/IMG_1.aec",
        "photos/2020/deep/grey.png -> photos/2020/deep/grey.aec",
        "photos/2020/fax.png -> photos/2020/fax.aec",
        "photos/2020/old.bmp -> photos/2020/old.aec",
    ]
    out = run("-r", "--dry-run", "--exclude", "2020/deep/*", "photos")[1]
    assert "grey" not in out
    assert tree(photos.parent) == before


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_archives_in_and_out(photos, run, kind):
    if kind == "zip":
        with zipfile.ZipFile("in.zip", "w") as out:
            for name in tree(photos):
                out.write(photos / name, name)
    else:
        with tarfile.open(f"in.{kind}", "w:gz" if kind == "tgz" else "w") as out:
            out.add(photos, ".")
    skip = "--exclude", "fax.png", "--exclude", "best.jpeg", "--exclude", "._*"
    code, _, err = run("-r", *skip, f"in.{kind}", "--output-dir", f"out.{kind}")
    assert code == 0, err
    if kind == "zip":
        found = zipfile.ZipFile("out.zip").namelist()
    else:
        found = tarfile.open(f"out.{kind}").getnames()
    assert sorted(found) == sorted(set(ALL) - {"2020/fax.aec"})
    assert run("-r", f"out.{kind}", "--output-dir", "back", prog="aedecompress")[0] == 0
    assert len(tree(photos.parent / "back")) == 7
    code, _, err = run("-r", f"in.{kind}", "--output-dir", f"out.{kind}")
    assert (code, err) == (1, f"aecompress: out.{kind}: exists; use -f\n")
    assert not [n for n in os.listdir() if n.endswith(".part")]


def test_a_member_that_would_leave_the_folder(photos, run):
    with zipfile.ZipFile("bad.zip", "w") as out:
        out.write(photos / "2020" / "old.bmp", "../old.bmp")
    code, _, err = run("-r", "bad.zip", "--output-dir", "out/deep")
    assert code == 1 and "bad.zip: holds ../old.bmp" in err
    assert not names(photos.parent)


def test_interrupted(photos, run, monkeypatch):
    saved, real = [], files.save

    def save(job, *args):
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append(job)
        real(job, *args)

    monkeypatch.setattr(files, "save", save)
    code, _, err = run("-r", "photos")
    assert code == 130
    assert err.endswith("aecompress: interrupted: 2 of 8 files done; the same command goes on\n")
    monkeypatch.setattr(files, "save", real)
    code, _, err = run("-r", "--exclude", "fax.png", "photos")
    assert code == 0 and "2 done before, 5 made now" in err
