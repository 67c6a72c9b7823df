"""One set of networks for each model and number of threads."""

import collections
import io
import pickle
import shutil
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conformance import cases
from PIL import Image

import codec
from codec import runtime
from codec.model import encoder, find, session

PHOTO = np.random.default_rng(1).integers(0, 255, (5, 7, 3), np.uint8)
PHOTO = PHOTO.repeat(16, 0).repeat(16, 1)


@pytest.fixture(autouse=True)
def empty():
    runtime.clear()
    yield
    runtime.clear()


@pytest.fixture
def sessions(monkeypatch):
    """How often the engine was given each graph with each number of threads."""
    made = collections.Counter()

    class Counted(onnxruntime.InferenceSession):
        def __init__(self, model, options, *rest, **more):
            made[hash(model), options.intra_op_num_threads] += 1
            super().__init__(model, options, *rest, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Counted)
    return made


@pytest.mark.parametrize("threads", [1, 2])
def test_one_set_for_everything(sessions, threads):
    data = codec.encode(PHOTO, threads=threads)
    codec.decode(data, threads=threads)
    codec.features(data, threads=threads)
    codec.anomaly_score(PHOTO, threads=threads)
    before = dict(sessions)
    assert max(before.values()) == 1 and {n for _, n in before} <= {1, threads}

    codec.features(PHOTO, threads=threads)
    codec.Encoder(threads=threads).encode(PHOTO)
    codec.Decoder("psnr", threads=threads).decode(data)
    codec.decode(codec.encode(PHOTO, threads=threads), threads=threads)
    stack = codec.encode_batch([PHOTO, PHOTO], threads=threads)
    codec.decode_batch(stack, threads=threads)
    codec.features(stack, threads=threads)
    codec.Encoder(find.SHIPPED / "psnr", threads=threads)
    pickle.loads(pickle.dumps(codec.Encoder(threads=threads))).encode(PHOTO)
    codec.register_pillow()
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, "AEC", threads=threads)
    assert sessions == before


def test_plugins_have_the_same_set(sessions):
    codec.decode(codec.encode(PHOTO))
    before = dict(sessions)
    codec.register_pillow()
    file = io.BytesIO()
    Image.fromarray(PHOTO).save(file, "AEC")
    Image.open(file).load()
    numcodecs = pytest.importorskip("numcodecs")
    zarr_2 = numcodecs.get_codec({"id": "aecompress"})
    zarr_2.decode(zarr_2.encode(PHOTO))
    assert sessions == before


def test_threads_wait_for_one_set(sessions):
    threads = [threading.Thread(target=codec.encode, args=(PHOTO,)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert max(sessions.values()) == 1


def test_few_models_are_kept(monkeypatch):
    monkeypatch.setattr(runtime, "MOST_MODELS", 1)
    one = runtime.pipeline(find.load("psnr"), 1)
    assert runtime.pipeline(find.load("psnr"), 1) is one
    runtime.pipeline(find.load("digits"), 1)
    assert runtime.pipeline(find.load("psnr"), 1) is not one


def test_a_relative_path_after_chdir(tmp_path, monkeypatch):
    for name in "psnr", "digits":
        shutil.copytree(find.SHIPPED / name, tmp_path / name / "model")
        monkeypatch.chdir(tmp_path / name)
        data = codec.encode(PHOTO, model="model")
        assert codec.info(data).model == find.load(name).id


def test_a_folder_exported_anew(tmp_path):
    for name in "psnr", "digits", "psnr":
        shutil.rmtree(tmp_path / "model", ignore_errors=True)
        shutil.copytree(find.SHIPPED / name, tmp_path / "model")
        data = codec.encode(PHOTO, model=tmp_path / "model")
        assert codec.info(data).model == find.load(name).id


def test_a_model_is_read_again_only_if_it_has_changed(tmp_path, monkeypatch):
    folder = shutil.copytree(find.SHIPPED / "psnr", tmp_path / "model")
    first, was_read, read = find.load(folder), [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: was_read.append(path) or read(path))
    assert find.load(folder) is first and not was_read

    statistics = folder / "statistics.json"
    statistics.write_bytes(statistics.read_bytes()[:-1] + b" ")  # as many bytes
    assert find.load(folder) is not first and statistics in was_read


def test_encoders_of_one_model_are_told_apart(tmp_path):
    """They have the model's id, but other graphs."""
    import hashlib
    import json

    base = find.load("psnr")
    contents = {base.content}
    for name in "a", "b":
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(base.folder / encoder.GRAPH, folder)
        files = {encoder.GRAPH: hashlib.sha256((folder / encoder.GRAPH).read_bytes()).hexdigest()}
        manifest = {"name": name, "model": base.id, "files": files}
        (folder / encoder.MANIFEST).write_text(json.dumps(manifest))
        bundle = find.load(folder)
        assert bundle.id == base.id
        contents.add(bundle.content)
    assert len(contents) == 3


# Where networks run


def test_another_provider_runs_the_networks_and_no_symbols():
    """Azure's hands what it does not know, which is all, to the CPU."""
    other = "AzureExecutionProvider"
    if other not in onnxruntime.get_available_providers():
        pytest.skip("another build of onnxruntime")
    data = cases.data("slabs-528x544")
    decoder = codec.Decoder(provider=other)
    assert np.array_equal(decoder.decode(data), codec.decode(data))
    encoder = codec.Encoder(provider=other)
    assert encoder.encode(PHOTO) == codec.encode(PHOTO)
    with pytest.raises(codec.InputError, match="provider"):
        encoder.encode(PHOTO, provider="cpu")
    pipeline = runtime.pipeline(find.load(), provider=other)
    assert pipeline is not runtime.pipeline(find.load())
    assert pipeline.graphs._session("features").get_providers()[0] == other
    exact = pipeline.one_thread._session("exact_hidden").get_providers()
    assert exact == [session.CPU]
    again = pickle.loads(pickle.dumps(decoder))
    assert again.options.provider == other


@pytest.mark.parametrize("name", ["gpu", "NoSuchExecutionProvider"])
def test_a_provider_that_is_missing_is_told(monkeypatch, name):
    monkeypatch.setattr(session, "GPUS", ())
    with pytest.raises(codec.UnsupportedError, match=f"has no {name}"):
        codec.decode(cases.data("one-pixel"), provider=name)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_told():
    """The engine goes on without it, and says nothing."""
    graphs = session.Graphs(find.load(), 1)
    graphs.provider = "CUDAExecutionProvider"
    with pytest.raises(codec.UnsupportedError, match="CUDA"):
        graphs.run("features", z=np.zeros((1, 1, graphs.bundle.nz), np.float32))
