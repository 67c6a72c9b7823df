"""What decodes a model's files, kept for later: a folder, or one file.

==========  ==============================================================
`keep`      write the decoder's part of a model to a folder of its id
`save`      the same as one zip file, equal bytes each time
`add`       take a model from such a folder or file into the user's folder
`verify`    compare each file with its hash
`beside`    a model that was kept beside a file, or above it
==========  ==============================================================

The id of a model is the hash of its manifest, which has the hashes of all its
files: whatever way a model came, it is the one that a file names, or refused.
"""

import json
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from ..errors import InputError, ModelError
from . import encoder, find
from .bundle import ENCODER_ONLY, MANIFEST, Bundle

FOLDER = "aecompress-models"  # beside pictures
MAX_BYTES = 1 << 30  # of a model's files
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def parts(bundle: Bundle) -> list[str]:
    """Names of the files that a decoder needs, the manifest first."""
    return [MANIFEST, *sorted(set(bundle.manifest["files"]) - ENCODER_ONLY)]


def keep(bundle: Bundle, folder: str | os.PathLike[str]) -> Path:
    """Write the decoder's part of a model to ``FOLDER/id`` in a folder.

    Parameters
    ----------
    bundle : Bundle
    folder : path-like
        Of files that the model has written.

    Returns
    -------
    Path
        Where the model is; if it was there before, nothing is written.
    """
    target = Path(folder) / FOLDER / bundle.id
    if not target.exists():
        _copy(bundle.folder, parts(bundle), target)
    return target


def _copy(source: Path, names: list[str], target: Path) -> None:
    """Copy files to a new folder, which appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as name:
        new = Path(name) / "new"
        new.mkdir()
        for one in names:
            shutil.copyfile(source / one, new / one)
        Bundle(new)  # which compares every file with its hash
        new.rename(target)


def save(bundle: Bundle, file: str | os.PathLike[str]) -> None:
    """Write the decoder's part of a model as one zip file, the same each time.

    Raises
    ------
    FileExistsError
        The file is there.
    """
    with open(file, "xb") as raw, zipfile.ZipFile(raw, "w") as out:
        for name in parts(bundle):
            info = zipfile.ZipInfo(f"{bundle.id}/{name}")  # of a fixed date
            info.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(info, (bundle.folder / name).read_bytes())


def add(source: str | os.PathLike[str]) -> Path:
    """Take a model into the user's folder, where every decoder finds it.

    Parameters
    ----------
    source : path-like
        A model's folder, or a zip file with one; or the folder of an
        encoder for a model that is here.

    Returns
    -------
    Path
        The model's new folder.

    Raises
    ------
    InputError
        No model's file, or too large.
    ModelError
        A file is missing or altered.
    OSError
    """
    source = Path(source)
    with tempfile.TemporaryDirectory() as unpacked:
        if source.is_file():
            _unpack(source, Path(unpacked))
            source = Path(unpacked)
        elif not source.exists():
            raise FileNotFoundError(2, "no such file or directory", str(source))
        if (source / encoder.MANIFEST).is_file():
            return _add_encoder(source)
        bundle = Bundle(source)
        known = bundle.manifest.get("name")
        name = known if isinstance(known, str) and _NAME.fullmatch(known) else bundle.id
        target = find.user_folder() / name
        if name in find.shipped() or (target.exists() and _other(target, bundle.id)):
            target = find.user_folder() / bundle.id
        if not target.exists():
            names = [n for n in bundle.manifest["files"] if (source / n).is_file()]
            _copy(source, [MANIFEST, *names], target)
    return target


def verify(folder: Path) -> None:
    """Compare each file of a model, or of an encoder, with its hash.

    Raises
    ------
    ModelError
        A file is missing or altered.
    UnsupportedError
        The model of an encoder is not here.
    """
    if (folder / encoder.MANIFEST).is_file():
        encoder.load(folder, find.by_id)
    else:
        Bundle(folder)


def _add_encoder(source: Path) -> Path:
    """The same of an encoder for a model that is here; it keeps its folder's name."""
    encoder.load(source, find.by_id)
    target = find.user_folder() / source.resolve().name
    if target.exists() or target.name in (*find.shipped(), *find.shipped_encoders()):
        raise InputError(f"there is a model {target.name} already")
    target.mkdir(parents=True)
    for name in (encoder.MANIFEST, encoder.GRAPH):
        shutil.copyfile(source / name, target / name)
    return target


def _other(folder: Path, model_id: str) -> bool:
    """Whether a folder is not a sound model of this id."""
    try:
        return Bundle(folder).id != model_id
    except ModelError:
        return True


def _unpack(file: Path, folder: Path) -> None:
    """Write the files of a model in a zip file to a folder."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            if sum(m.file_size for m in members) > MAX_BYTES:
                raise InputError(f"holds more than {MAX_BYTES} bytes")
            for member in members:
                name = member.filename.rsplit("/", 1)[-1]
                if not _NAME.fullmatch(name):
                    raise InputError(f"no model: it holds {member.filename}")
                with archive.open(member) as data, open(folder / name, "xb") as out:
                    shutil.copyfileobj(data, out)
    except (zipfile.BadZipFile, FileExistsError, NotImplementedError, EOFError) as e:
        raise InputError(f"no zip file of one model: {e}") from e


def beside(file: str, model_id: str) -> Path | None:
    """The folder of a model that was kept beside a file, or above it.

    Parameters
    ----------
    file : str
        A path.
    model_id : str
        16 hexadecimal digits; nothing else is looked for.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", model_id):
        return None
    for folder in Path(os.path.abspath(file)).parents:
        found = folder / FOLDER / model_id
        if (found / MANIFEST).is_file():
            return found
    return None


def name_of(bundle: Bundle) -> str:
    """What a model calls itself."""
    name = bundle.manifest.get("name")
    return name if isinstance(name, str) else json.dumps(name)
