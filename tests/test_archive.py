"""Models that are kept: beside files, in one file, in the user's folder."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from test_cli import tree

import codec
from codec.cli.main import main
from codec.errors import InputError, ModelError, UnsupportedError
from codec.model import archive, find
from codec.model.bundle import ENCODER_ONLY, Bundle

PICTURE = np.arange(40 * 56, dtype=np.uint32).reshape(40, 56) * 7 // 9 % 251
PICTURE = PICTURE.astype(np.uint8)


@pytest.fixture
def mine(tmp_path):
    """A model that does not ship: another manifest, hence another id."""
    folder = tmp_path / "mine"
    shutil.copytree(find.SHIPPED / "digits", folder)
    manifest = json.loads((folder / "model.json").read_bytes())
    manifest["name"] = "mine"
    (folder / "model.json").write_text(json.dumps(manifest))
    (folder / "statistics.json").unlink()
    return folder


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A user's folder and a process that knows no more models."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "home"))
    monkeypatch.setattr(find, "_registered", {})
    monkeypatch.chdir(tmp_path)


def test_one_file_with_a_checksum(mine, tmp_path, capsys):
    data = codec.encode(PICTURE, model=mine)
    assert main("aecompress", ["--models", "save", "-m", str(mine), "mine.zip"]) == 0
    first = capsys.readouterr().out
    content = (tmp_path / "mine.zip").read_bytes()
    assert main("aecompress", ["--models", "save", "-m", str(mine), "mine.zip"]) == 1
    assert "exists" in capsys.readouterr().err
    shutil.move("mine.zip", "a.zip")
    archive.save(Bundle(mine), "mine.zip")
    assert (tmp_path / "mine.zip").read_bytes() == content
    assert first.split()[1] == "mine.zip" and len(first.split()[0]) == 64
    names = {n.rsplit("/", 1)[-1] for n in zipfile.ZipFile("a.zip").namelist()}
    assert "synthesis.onnx" in names and not names & ENCODER_ONLY
    pixels = codec.decode(data, model=mine)
    shutil.rmtree(mine)
    with pytest.raises(UnsupportedError, match="--models add"):
        codec.decode(data)
    assert main("aecompress", ["--models", "add", "a.zip"]) == 0
    assert (codec.decode(data) == pixels).all()
    with pytest.raises(UnsupportedError, match="has no analysis"):
        codec.encode(PICTURE, model="mine")
    capsys.readouterr()
    assert main("aecompress", ["--models"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[-1].split()[:2] == [codec.info(data).model, "mine"]
    assert rows[-1].split()[3] == "decodes" and len(rows) == 2 + len(all_shipped())


def all_shipped():
    return [*find.shipped(), *find.shipped_encoders()]


def test_verify(mine, tmp_path, capsys):
    folder = archive.add(mine)
    assert folder == tmp_path / "home" / "aecompress" / "models" / "mine"
    assert main("aecompress", ["--models", "verify"]) == 0
    assert capsys.readouterr().out.count(", sound") == 1 + len(all_shipped())
    tables = folder / "tables.npz"
    tables.write_bytes(tables.read_bytes()[:-1] + b"x")
    assert main("aecompress", ["--models", "verify"]) == 1
    assert "mine: " in capsys.readouterr().err


def test_a_second_model_of_one_name(mine):
    first = archive.add(mine)
    manifest = json.loads((mine / "model.json").read_bytes())
    (mine / "model.json").write_text(json.dumps({**manifest, "more": 1}))
    second = archive.add(mine)
    assert first.name == "mine" and second.name == Bundle(mine).id
    assert archive.add(mine) == second  # and again


@pytest.mark.parametrize("fault", ["no-zip", "path", "altered", "missing"])
def test_what_is_no_model(mine, tmp_path, fault):
    file = tmp_path / "x.zip"
    archive.save(Bundle(mine), file)
    with zipfile.ZipFile(file) as old:
        content = {n: old.read(n) for n in old.namelist()}
    if fault == "no-zip":
        file.write_bytes(b"nothing")
    else:
        with zipfile.ZipFile(file, "w") as out:
            for name, data in content.items():
                if fault == "altered" and "mean1" in name:
                    data += b"x"
                if fault == "missing" and "mean1" in name:
                    continue
                out.writestr("../..." if fault == "path" else name, data)
                if fault == "path":
                    break
    with pytest.raises((InputError, ModelError)):
        archive.add(file)
    assert not (tmp_path / "home").exists()
    assert main("aecompress", ["--models", "add", str(file)]) == 1


def test_a_model_beside_its_files(mine, tmp_path, capsys):
    from PIL import Image

    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in "in/a.png", "in/deep/b.png":
        Image.fromarray(PICTURE).save(name)
    args = "-T1", "-r", "in", "--output-dir", "out", "-m", str(mine)
    assert main("aecompress", ["--with-model", *args]) in (0, 2)
    model_id = Bundle(mine).id
    kept = tmp_path / "out" / archive.FOLDER / model_id
    assert Bundle(kept).decoder_only
    before = tree(tmp_path / "out")
    assert main("aecompress", ["--with-model", "-f", *args]) in (0, 2)
    assert tree(tmp_path / "out") == before
    shutil.rmtree(mine)
    capsys.readouterr()
    # Elsewhere, the file says what it needs, and its name.
    shutil.copy("out/a.aec", "alone.aec")
    assert main("aedecompress", ["alone.aec"]) == 1
    assert f"needs model {model_id} (mine)" in capsys.readouterr().err
    args = "-T1", "-r", "out", "--output-dir", "back"
    assert main("aedecompress", [*args]) == 0
    said = capsys.readouterr().err
    assert said.count("note: its model is that of") == 1
    assert sorted(tree(tmp_path / "back")) == ["a.png", "deep/b.png"]
    assert main("aedecompress", ["-t", "out/deep/b.aec"]) == 0


DENOISE = find.SHIPPED / "denoise"


def test_the_denoising_encoder_ships(tmp_path, capsys):
    """Its files are its model's, and it is one of the models that are here."""
    data = codec.encode(PICTURE, model="denoise")
    assert codec.info(data).model == find.load("psnr").id
    assert main("aecompress", ["--models", "verify"]) == 0
    assert " denoise " in capsys.readouterr().out


def test_an_encoder_gets_a_name(tmp_path, capsys):
    own = shutil.copytree(DENOISE, tmp_path / "own")
    assert main("aecompress", ["--models", "add", str(own)]) == 0
    assert codec.info(codec.encode(PICTURE, model="own")).model == find.load("psnr").id
    assert main("aecompress", ["--models", "add", str(own)]) == 1
    assert "there is a model own already" in capsys.readouterr().err
    assert main("aecompress", ["--models", "add", str(DENOISE)]) == 1
    assert "there is a model denoise already" in capsys.readouterr().err


def test_an_encoder_of_an_earlier_model_is_told_by_name(tmp_path, capsys):
    old = shutil.copytree(DENOISE, tmp_path / "home" / "aecompress" / "models" / "old")
    manifest = json.loads((old / "encoder.json").read_bytes())
    (old / "encoder.json").write_text(json.dumps({**manifest, "model": "0" * 16}))
    for args in (["-m", "old", "a.png"], ["--models", "add", str(old)], ["--models", "verify"]):
        assert main("aecompress", args) == 1
        said = capsys.readouterr().err
        assert f"an encoder for model {'0' * 16} (psnr), which is not here" in said
        assert "trained anew" in said


def test_nothing_but_an_id_is_looked_for(tmp_path):
    assert archive.beside(str(tmp_path / "a.aec"), "../../../../etc") is None
    assert archive.beside(str(tmp_path / "a.aec"), "0123456789abcdef") is None
