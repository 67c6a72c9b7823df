"""The Pillow plugin, tested as Pillow tests its own, and what builds on it."""

import io
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from pictures import ICC, RGB, RGBA, XMP, exif
from PIL import Image, ImageSequence, UnidentifiedImageError, features
from test_stacks import drawn, near

import codec
from codec import container
from codec.plugins import pillow as pillow_plugin

PHOTO = drawn(1, 40, 60, (3,))[0]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "photo.aec"
    file.write_bytes(codec.encode(PHOTO, quality=70))
    return file


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "AEC", **options)
    file.seek(0)
    return file


class Watched(io.BytesIO):
    most = 0

    def read(self, size=-1):
        data = super().read(size)
        self.most = max(self.most, self.tell())
        return data


# Opening ----------------------------------------------------------------


def test_sanity(path):
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("AEC", "RGB", (60, 40))
        assert image.get_format_mimetype() == "image/x-aec"
        assert (np.asarray(image) == codec.decode(path.read_bytes())).all()
        assert Image.registered_extensions()[".aec"] == "AEC"


def test_only_the_header_is_read():
    noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    file = Watched(codec.encode(noise, quality=90))
    image = Image.open(file, formats=["AEC"])
    assert image.size == (300, 300) and file.most == 28
    image.load()
    assert file.most == len(file.getvalue())


def test_opening_loads_no_engine(path):
    code = f"""
import sys
import codec.plugins.pillow
from PIL import Image
print(Image.open({str(path)!r}).size, "onnxruntime" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "(60, 40) False\n"


@pytest.mark.parametrize(
    "array, mode",
    [
        (RGB[..., 0], "L"),
        (RGB, "RGB"),
        (RGBA, "RGBA"),
        (np.dstack([RGB[..., 0], RGBA[..., 3]]), "LA"),
    ],
)
def test_modes(array, mode):
    image = Image.fromarray(array)
    assert image.mode == mode
    back = Image.open(saved(image, quality=95))
    assert back.mode == mode and back.size == image.size
    back.load()
    if mode in ("LA", "RGBA"):
        assert (np.asarray(back)[..., -1] == array[..., -1]).all()


def test_file_is_closed_after_loading(path):
    image = Image.open(path)
    fp = image.fp
    image.load()
    assert fp.closed
    image.load()
    with Image.open(path) as image:
        fp = image.fp
    assert fp.closed
    with open(path, "rb") as file:  # one that is not ours stays open
        Image.open(file).load()
        assert not file.closed


def test_lazy_operations(path):
    image = Image.open(path)
    assert image.resize((30, 20)).size == (30, 20)
    assert pickle.loads(pickle.dumps(Image.open(path))) == Image.open(path)
    assert Image.open(path).copy().tobytes() == Image.open(path).tobytes()


# Damage -----------------------------------------------------------------


def test_not_this_format():
    with pytest.raises(SyntaxError):
        pillow_plugin.AecImageFile(io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(99)))


@pytest.mark.parametrize("cut", [6, 20, 27])
def test_header_cut_short(path, cut):
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(path.read_bytes()[:cut]))


def test_truncated(path):
    data = path.read_bytes()
    image = Image.open(io.BytesIO(data[:-5]))
    assert image.size == (60, 40)
    with pytest.raises(OSError, match="cut short"):
        image.load()


def test_damaged(path):
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    with pytest.raises(OSError, match="checksum"):
        Image.open(io.BytesIO(data)).load()
    with pytest.raises(SyntaxError, match="checksum"):
        Image.open(io.BytesIO(data)).verify()
    Image.open(path).verify()


@pytest.mark.parametrize(
    "at, value, text",
    [(5, 0x11, "version 1"), (5, 0x31, "version 3"), (5, 0x23, "8 bits")],
)
def test_newer_files(path, at, value, text):
    data = bytearray(path.read_bytes())
    data[at] = value
    with pytest.raises(OSError, match=text):
        Image.open(io.BytesIO(data))


def test_missing_model(path):
    header, _, payload = container.unpack(path.read_bytes())
    data = container.pack(codec.Header(**{**vars(header), "model": "0" * 16}), payload)
    image = Image.open(io.BytesIO(data))
    with pytest.raises(OSError, match="0000000000000000"):
        image.load()


def test_decompression_bomb(path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)


# Metadata ---------------------------------------------------------------


def test_metadata():
    image = Image.fromarray(PHOTO)
    raw = exif()
    back = Image.open(saved(image, icc_profile=ICC, exif=raw, xmp=XMP))
    assert back.info == {"icc_profile": ICC, "exif": raw, "xmp": XMP}
    assert back.getexif()[271] == "Maker"
    again = Image.open(saved(back))  # as in Pillow: the profile stays
    assert again.info == {"icc_profile": ICC}
    assert "icc_profile" not in Image.open(saved(back, icc_profile=None)).info


def test_exif_object_and_orientation():
    image, tags = Image.fromarray(PHOTO), Image.Exif()
    tags[0x0112], tags[271] = 6, "Maker"
    back = Image.open(saved(image, exif=tags))
    assert back.size == (40, 60)  # turned upright, as it is stored
    assert back.getexif()[0x0112] == 1 and back.getexif()[271] == "Maker"


def test_exif_that_is_not_saved_does_not_turn():
    image = Image.fromarray(PHOTO)
    image.info["exif"] = exif(t274=6)
    assert Image.open(saved(image)).size == (60, 40)


def test_orientation_in_the_file_is_ignored():
    data = codec.encode(PHOTO)
    header, _, payload = container.unpack(data)
    data = container.pack(header, payload, {"exif": exif(t274=6)})
    assert Image.open(io.BytesIO(data)).getexif()[274] == 1


# Saving -----------------------------------------------------------------


def test_quality(tmp_path):
    image = Image.fromarray(PHOTO)
    for quality in (1, 50, 77.25, 100):
        image.save(tmp_path / "a.aec", quality=quality)
        data = (tmp_path / "a.aec").read_bytes()
        assert codec.info(data).quality == quality
    assert saved(image).getvalue() == codec.encode(PHOTO, quality=75)


@pytest.mark.parametrize("quality", [0, 101, "high"])
def test_wrong_quality_leaves_no_file(quality, tmp_path):
    with pytest.raises(ValueError, match="quality"):
        Image.fromarray(PHOTO).save(tmp_path / "a.aec", quality=quality)
    assert not (tmp_path / "a.aec").exists()


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "HSV", "La"])
def test_other_modes(mode):
    image = Image.fromarray(PHOTO).convert("LA" if mode == "La" else "RGB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = Image.open(saved(image.convert(mode)))
    back.load()
    assert back.size == image.size


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_unwritable_modes(mode):
    with pytest.raises(OSError, match="cannot write mode"):
        saved(Image.new(mode, (4, 4)))


# Stacks -----------------------------------------------------------------


def test_frames():
    pixels = drawn(5, 20, 30)
    file = io.BytesIO(codec.encode_batch(pixels))
    want = codec.decode_batch(file.getvalue())
    image = Image.open(file)
    assert image.n_frames == 5 and image.is_animated and image.tell() == 0
    for i, frame in enumerate(ImageSequence.Iterator(image)):
        assert near(np.asarray(frame), want[i])
    image.seek(2)
    assert image.tell() == 2 and near(np.asarray(image), want[2])
    image.seek(0)
    assert near(np.asarray(image), want[0])
    for frame in (-1, 5):
        with pytest.raises(EOFError):
            image.seek(frame)


def test_save_all():
    first, *others = map(Image.fromarray, drawn(3, 20, 30, (3,)))
    back = Image.open(saved(first, save_all=True, append_images=others, quality=90))
    assert back.n_frames == 3
    assert saved(back, save_all=True).getvalue()[:6] == b"\x89AEC\n\x25"
    assert not codec.info(saved(first, save_all=True).getvalue()).is_stack
    with pytest.raises(ValueError, match="differs"):
        saved(first, save_all=True, append_images=[first.resize((9, 9))])


def test_damaged_stack():
    data = bytearray(codec.encode_batch(drawn(3, 20, 30)))
    data[50] ^= 1
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(data))


# What builds on Pillow ----------------------------------------------------


def test_registering_twice():
    n = len(Image.ID)
    codec.register_pillow()
    assert len(Image.ID) == n and "AEC" in Image.SAVE


def test_features_still_work():
    out = io.StringIO()
    features.pilinfo(out, supported_formats=True)
    assert "AEC" in out.getvalue() and "image/x-aec" in out.getvalue()


def test_imageio(path, tmp_path):
    iio = pytest.importorskip("imageio.v3")
    want = codec.decode(path.read_bytes())
    assert (iio.imread(path, plugin="pillow") == want).all()
    assert (iio.imread(path) == want).all()
    assert iio.improps(path, plugin="pillow").shape == (40, 60, 3)
    iio.imwrite(tmp_path / "b.aec", PHOTO, plugin="pillow", quality=80)
    assert codec.info((tmp_path / "b.aec").read_bytes()).quality == 80
    stack = codec.encode_batch(drawn(4, 20, 30))
    assert iio.imread(stack, plugin="pillow", index=..., extension=".aec").shape == (
        4,
        20,
        30,
    )


def test_matplotlib(path):
    pyplot = pytest.importorskip("matplotlib.image")
    assert (pyplot.imread(path) == codec.decode(path.read_bytes())).all()


def test_dask_image_reader(tmp_path):
    image = pytest.importorskip("dask.array.image")
    for i, pixels in enumerate(drawn(3, 20, 30, (3,))):
        Image.fromarray(pixels).save(tmp_path / f"{i}.aec")

    def imread(name):
        return np.asarray(Image.open(name))

    array = image.imread(f"{tmp_path}/*.aec", imread=imread)
    assert array.shape == (3, 20, 30, 3)
    assert array.mean().compute(scheduler="synchronous") > 0


def test_torch_data_set(tmp_path):
    """As torchvision's image folders: opened by Pillow, in loader processes."""
    data = pytest.importorskip("torch.utils.data")
    for i, pixels in enumerate(drawn(4, 20, 30, (3,))):
        Image.fromarray(pixels).save(tmp_path / f"{i}.aec")
    loader = data.DataLoader(Folder(sorted(tmp_path.iterdir())), batch_size=2)
    assert [tuple(batch.shape) for batch in loader] == 2 * [(2, 20, 30, 3)]


class Folder:
    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        with Image.open(self.files[i]) as image:
            return np.array(image.convert("RGB"))
