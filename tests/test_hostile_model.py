"""A model folder with sound hashes and senseless content: ModelError."""

import hashlib
import io
import json
import os
import zipfile

import numpy as np
import pytest

import codec
from codec.model import bundle, find, tables
from codec.model.bundle import Bundle
from codec.symbols import core

GOOD = find.load()
T = GOOD.tables
DELETE = object()
OPTIONAL = "energy", "parts", "skip"


def write(folder, manifest=None, arrays=None, files=None):
    """A copy of the default model with changes, and hashes that fit."""
    found = {n: (GOOD.folder / n).read_bytes() for n in GOOD.manifest["files"]}
    if arrays:
        out = io.BytesIO()
        np.savez(out, **{k: v for k, v in (T | arrays).items() if v is not DELETE})
        found["tables.npz"] = out.getvalue()
    found.update(files or {})
    found = {n: b for n, b in found.items() if b is not DELETE}
    for name, data in found.items():
        (folder / name).write_bytes(data)
    text = GOOD.manifest | {"files": {n: hashlib.sha256(b).hexdigest() for n, b in found.items()}}
    text = {k: v for k, v in (text | (manifest or {})).items() if v is not DELETE}
    (folder / "model.json").write_text(json.dumps(text))
    return folder


def constants(**changes):
    return {
        "constants": {
            k: v for k, v in (GOOD.manifest["constants"] | changes).items() if v is not DELETE
        }
    }


def changed(name, index, value):
    a = T[name].copy()
    a[index] = value
    return {name: a}


def test_the_copy_is_good(tmp_path):
    model = Bundle(write(tmp_path))
    assert sorted(model.tables) == sorted(T)


@pytest.mark.parametrize(
    "manifest",
    [
        constants(NZ=DELETE),
        constants(M=0),
        constants(M=-384),
        constants(K=384),
        constants(K="96"),
        constants(HYPER=191),
        constants(Z_MAX=62),
        constants(Z_MAX=True),
        constants(ROW_SKIP=64),
        constants(ROW_SKIP=2.5),
        constants(SLAB=31),
        constants(N_ROWS=63),
        constants(M=10**30),
        {"constants": []},
        {"constants": DELETE},
        {"halo": DELETE},
        {"halo": {"analysis": 1}},
        {"halo": 3},
        {"halo": {"analysis": -1, "synthesis": 2}},
        {"halo": {"analysis": "1", "synthesis": 2}},
        {"files": DELETE},
        {"files": []},
        {"files": {"tables.npz": 7}},
        {"files": {"../x": "0"}},
        {"files": {"/etc/passwd": "0"}},
    ],
    ids=str,
)
def test_manifest(tmp_path, manifest):
    with pytest.raises(codec.CodecError) as caught:
        Bundle(write(tmp_path, manifest))
    assert type(caught.value) is bundle.ModelError


def in_parts(parts=(16, 200), **changes):
    """Arrays of a model with these parts instead of its own."""
    shapes = {"d0": (80, 16), "d1": (184, 104)}
    return {
        **{n: DELETE for n in T if n.startswith("d")},
        "parts": np.array(parts, np.uint16),
        "expected": np.zeros(64, np.uint16),
        **{n: np.ones(s, np.int8) for n, s in shapes.items()},
    } | changes


def test_parts_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(core, "AVAILABLE", False)
    arrays = in_parts()
    made = Bundle(write(tmp_path, arrays=arrays))
    assert {n: len(made.tables[n]) for n in arrays if arrays[n] is not DELETE} == {
        "parts": 2,
        "expected": 64,
        "d0": 80,
        "d1": 184,
    }
    assert "d2" not in made.tables
    # Without the graph that they need.
    (tmp_path / "exact_sum.onnx").unlink()
    write(tmp_path, arrays=arrays, files={"exact_sum.onnx": DELETE})
    with pytest.raises(bundle.ModelError, match="exact_"):
        codec.Encoder(model=tmp_path).encode(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    "arrays",
    [
        in_parts(()),
        in_parts((200, 16)),
        in_parts((16, 16)),
        in_parts((0, 200)),
        in_parts((96, 200)),
        in_parts((16, 384)),
        in_parts((17, 200)),
        in_parts(np.arange(1, 80)),
        in_parts(d1=DELETE),
        in_parts(d0=DELETE),
        in_parts(expected=DELETE),
        in_parts(expected=np.full(64, 2**15, np.uint16)),
        in_parts(expected=np.full(64, 2000, np.uint16), d1=np.full((184, 104), 127, np.int8)),
        # Below 2**24, but not by enough.
        in_parts(expected=np.full(64, 1262, np.uint16), d1=np.full((184, 104), 127, np.int8)),
    ],
    ids=lambda a: f"{a['parts'].tolist()[:3]}",
)
def test_parts(tmp_path, arrays):
    with pytest.raises(bundle.ModelError):
        Bundle(write(tmp_path, arrays=arrays))


@pytest.mark.parametrize(
    "skip, what",
    [
        (np.full(99, 9, np.uint8), "table skip is"),
        (np.full(100, 9, np.int8), "table skip is"),
        (np.full(100, 64, np.uint8), "out of range"),
        (
            np.full(100, GOOD.manifest["constants"]["ROW_SKIP"] - 1, np.uint8),
            "out of range",
        ),
    ],
    ids=lambda a: f"{a}"[:9],
)
def test_rows_that_are_not_coded(tmp_path, skip, what):
    with pytest.raises(bundle.ModelError, match=what):
        Bundle(write(tmp_path, arrays={"skip": skip}))


def test_rows_that_are_not_coded_are_read(tmp_path):
    skip = np.arange(100, dtype=np.uint8) // 25 + 5
    assert np.array_equal(Bundle(write(tmp_path, arrays={"skip": skip})).row_skip, skip)
    without = Bundle(write(tmp_path, arrays={"skip": DELETE}))
    assert (without.row_skip == GOOD.manifest["constants"]["ROW_SKIP"]).all()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"3",
        b"null",
        b"\xff",
        b'{"files": 3}',
        b"[" * 10**6,
        b'{"files": {}}',
        b'{"files": {"tables.npz": "0"}, "constants": 1e999}',
    ],
)
def test_manifest_text(tmp_path, text):
    (write(tmp_path) / "model.json").write_bytes(text)
    with pytest.raises(bundle.ModelError):
        Bundle(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        *({name: DELETE} for name in sorted(T) if name not in OPTIONAL),
        *({name: T[name].astype(np.float64)} for name in sorted(T)),
        *({name: T[name][:1]} for name in sorted(T)),
        *({name: T[name].reshape(1, -1)[:0]} for name in sorted(T)),
        changed("z_band", 7, 200),
        changed("z_min", 0, 2**31),
        changed("z_freq", (0, 0, 0), 0),
        changed("z_freq", (0, 0, 0), 9999999),
        changed("row_freq", (30, 0), 0),
        changed("row_freq", (63, 1), 77777),
        changed("row_max", 20, -1),
        changed("row_max", 20, 2**31 - 1),
        changed("level", 255, 16),
        changed("b1", 0, 2**24),
        changed("b1", 0, -(2**31)),
        changed("b2", (0, 0), 2**31 - 1),
        changed("bias", (0, 0), -(2**31)),
        changed("log_gain", (0, 0), np.nan),
        changed("log_gain", (0, 0), 99),
        changed("analysis_mod", (0, 0), np.inf),
        changed("synthesis_mod", (1, 1), -np.inf),
        changed("energy", (0, 0, 0), np.nan),
        {
            "c3": np.full_like(T["c3"], 127) * 0 + np.int8(127),
            "level": np.full(256, 255, np.uint8),
        },
        {"z_freq": T["z_freq"].astype(object)},
    ],
    ids=lambda a: ",".join(
        f"{k}{'' if v is DELETE else v.dtype.str + str(v.shape)}" for k, v in a.items()
    ),
)
def test_tables(arrays):
    out = io.BytesIO()
    np.savez(out, **{k: v for k, v in (T | arrays).items() if v is not DELETE})
    with pytest.raises(bundle.ModelError):
        tables.read(out.getvalue(), GOOD.manifest["constants"])


def npz(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in members.items():
            z.writestr(f"{name}.npy", data)
    return out.getvalue()


def huge(shape):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"shape": shape, "fortran_order": False, "descr": "|u1"}
    )
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        npz(),
        npz(level=b"no array"),
        npz(level=b"\x93NUMPY\1\0"),
        npz(level=huge((2**62,))),
        npz(level=huge((2**40, 2**40))),
        npz(level=huge((-1,))),
        npz(level=bytes(2**28 + 1)),
        (GOOD.folder / "tables.npz").read_bytes()[:-30],
        (GOOD.folder / "tables.npz").read_bytes()[1000:],
    ],
    ids=lambda b: f"{len(b)}-bytes",
)
def test_npz(data):
    with pytest.raises(bundle.ModelError):
        tables.read(data, GOOD.manifest["constants"])


@pytest.mark.parametrize(
    "files",
    [
        {"synthesis.onnx": DELETE},
        {"analysis.onnx": b""},
        {"features.onnx": b"no graph"},
        {"exact_hidden.onnx": GOOD.graphs["synthesis"]},
        {"exact_rows.onnx": GOOD.graphs["exact_base"]},
        {"synthesis.onnx": GOOD.graphs["features"]},
        {"mean1.onnx": GOOD.graphs["mean2"]},
        {"mean2.onnx": GOOD.graphs["mean1"]},
        {"hyper_analysis.onnx": GOOD.graphs["mean0"]},
        {"tables.npz": DELETE},
    ],
    ids=lambda f: " ".join(f"{k}-{0 if v is DELETE else len(v)}" for k, v in f.items()),
)
def test_graphs(tmp_path, files, monkeypatch):
    monkeypatch.setattr(core, "AVAILABLE", False)  # it needs no graph
    write(tmp_path, files=files)
    with pytest.raises(bundle.ModelError):
        encoder = codec.Encoder(tmp_path, threads=1)
        data = encoder.encode(np.zeros((20, 30, 3), np.uint8))
        codec.Decoder(tmp_path, threads=1).decode(data)


def test_a_file_of_the_folder_that_cannot_be_read(tmp_path):
    write(tmp_path)
    os.unlink(tmp_path / "mean0.onnx")
    os.mkdir(tmp_path / "mean0.onnx")
    with pytest.raises(bundle.ModelError):
        Bundle(tmp_path)
