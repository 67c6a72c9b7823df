"""Models by command: ``--models``, ``--with-model``, and those beside files."""

from __future__ import annotations

import argparse
import hashlib
import os
from typing import BinaryIO

from ..errors import CodecError, UnsupportedError
from ..io import urls
from .jobs import STREAM
from .notes import Notes
from .report import Refusal, Report, UsageError, display

_ROW = "{:<16} {:<20} {:>11} {:<8} {}"


def act(options: argparse.Namespace, report: Report) -> None:
    """What ``--models`` asks for."""
    if options.models == "add":
        _add(options, report)
    elif options.models == "save":
        _save(options)
    elif options.files:
        raise UsageError(f"--models {options.models} takes no names")
    else:
        _list(options, report)


def _list(options: argparse.Namespace, report: Report) -> None:
    from ..model import archive, find

    print(_ROW.format("id", "name", "bytes", "codes", "folder"))
    for name, folder in find.here():
        try:
            if options.models == "verify":
                archive.verify(folder)
        except CodecError as error:
            report.error(name, error)
            continue
        size = sum(p.stat().st_size for p in folder.iterdir() if p.is_file())
        codes = "encodes" if (folder / "encoder.json").is_file() else "decodes"
        if (folder / "analysis.onnx").is_file() and (folder / "tables.npz").is_file():
            codes = "both"
        print(
            _ROW.format(
                find.id_of(folder) or "-",
                name,
                size,
                codes,
                display(folder) + (", sound" if options.models == "verify" else ""),
            )
        )


def _add(options: argparse.Namespace, report: Report) -> None:
    from ..model import archive, find

    if not options.files:
        raise UsageError("--models add needs the file or folder of a model")
    for name in options.files:
        try:
            folder = archive.add(name)
            print(f"{find.id_of(folder)} {display(folder)}")
        except (CodecError, OSError) as error:
            report.error(name, error)


def _save(options: argparse.Namespace) -> None:
    from ..model import archive, find

    if len(options.files) != 1:
        raise UsageError("--models save needs the name of one new file")
    (name,) = options.files
    bundle = find.load(options.model)
    try:
        archive.save(bundle, name)
    except FileExistsError:
        raise Refusal("exists; choose another name", name) from None
    with open(name, "rb") as file:
        print(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {display(name)}")


def keep(options: argparse.Namespace) -> None:
    """Put the model that was used beside the files, once."""
    from ..model import archive, find

    bundle = find.load(options.model)
    for folder in _tops(options):
        archive.keep(bundle, folder)


def _tops(options: argparse.Namespace) -> list[str]:
    """Folders that hold all outputs of a command."""
    if options.output_dir is not None:
        found = {options.output_dir}
    else:
        trees = {f for f in options.files if options.recursive and os.path.isdir(f)}
        found = trees | {
            os.path.dirname(job.dst)
            for job in options.jobs
            if job.dst != STREAM and not any(_in(job.dst, top) for top in trees)
        }
    if any(urls.is_url(folder) for folder in found):
        raise Refusal("--with-model is for local folders")
    return sorted(found)


def _in(path: str, top: str) -> bool:
    return os.path.abspath(path).startswith(os.path.join(os.path.abspath(top), ""))


def named(data: bytes, name: str) -> bytes:
    """A file that says what its model is called."""
    from ..container import pack, unpack

    header, sections, payload = unpack(data)
    return pack(header, payload, {**sections, "modl": name.encode("ascii", "replace")})


def find_beside(name: str, file: BinaryIO, notes: Notes) -> None:
    """Let this process know a file's model, if only a folder beside it has it.

    Parameters
    ----------
    name : str
        The file.
    file : binary file
        The same, open; it is left at its start.
    notes : Notes
        Told which folder that is.
    """
    from codec import info

    from ..model import archive, find

    if name == STREAM or urls.is_url(name):
        return
    try:
        header = info(file)
    except CodecError:  # whatever reads it whole says what is wrong
        return
    finally:
        file.seek(0)
    try:
        find.by_id(header.model, blend=header.blend)
    except UnsupportedError:
        folder = archive.beside(name, header.model)
        if folder is not None and not header.blend:
            find.register_model(folder)
            notes.say(name, f"note: its model is that of {folder}", level=0)
