"""Known answers: an engine that is not exact must not get to work."""

import struct

import numpy as np
import pytest
from reference.decoder import cumulate, uniform
from reference.encoder import AnsEncoder

import codec
from codec import runtime
from codec.model import find
from codec.model.session import Graphs
from codec.symbols import coder, core, selftest
from codec.symbols.pipeline import Pipeline


@pytest.fixture
def in_python(monkeypatch):
    """No core, so that the engine has to be exact."""
    monkeypatch.setattr(core, "AVAILABLE", False)


def bfloat16(a):
    """The nearest below of the numbers that have eight bits."""
    return (a.view(np.uint32) & 0xFFFF0000).view(np.float32)


def float16(a):
    return np.clip(a, -60000, 60000).astype(np.float16).astype(np.float32)


def break_engine(monkeypatch, graph, change):
    """Let one graph of the engine give something else."""
    run = Graphs.run

    def broken(self, name, **inputs):
        out = run(self, name, **inputs)
        return [change(a) for a in out] if name == graph else out

    monkeypatch.setattr(Graphs, "run", broken)


@pytest.mark.parametrize(
    "graph, change",
    [
        ("exact_base", bfloat16),
        ("exact_base", float16),
        ("exact_base", lambda a: a + (a == a.max())),
        ("exact_hidden", lambda a: np.minimum(a, 254)),
        ("exact_hidden", lambda a: a[:, ::-1]),
        ("exact_rows0", lambda a: np.maximum(a, 1)),
        ("exact_rows", lambda a: np.minimum(a, 62)),
    ],
)
def test_a_broken_engine_is_refused(in_python, monkeypatch, graph, change):
    data = codec.encode(np.zeros((9, 9, 3), np.uint8))
    break_engine(monkeypatch, graph, change)
    runtime.clear()
    for use in (codec.Encoder, lambda: codec.Decoder().decode(data)):
        with pytest.raises(codec.UnsupportedError, match="not exact"):
            use()


@pytest.mark.parametrize("narrow", [bfloat16, float16])
def test_an_engine_that_multiplies_inexactly_is_refused(in_python, monkeypatch, narrow):
    """As hardware does that rounds what it multiplies to 16 bits."""
    run = Graphs.run

    def broken(self, name, **inputs):
        if name.startswith("exact"):
            inputs = {
                n: narrow(np.ascontiguousarray(a)) if a.dtype == np.float32 else a
                for n, a in inputs.items()
            }
        return run(self, name, **inputs)

    monkeypatch.setattr(Graphs, "run", broken)
    with pytest.raises(codec.UnsupportedError, match="not exact"):
        Pipeline(find.load(), 1)


def test_another_coder_is_refused(in_python, monkeypatch):
    monkeypatch.setattr(coder.Writer, "finish", lambda self: b"\0\1\2\3" * 4)
    with pytest.raises(codec.UnsupportedError, match="entropy coder"):
        Pipeline(find.load(), 1)


def test_the_known_payload_follows_from_the_specification():
    encoder = AnsEncoder()
    plan = [(i, cumulate(selftest._FREQ)) for i in selftest._INDICES]
    plan += [(b, uniform(1 << 16)) for b in selftest._BITS]
    for index, c in reversed(plan):
        encoder.encode(index, c)
    words = encoder.finish()
    assert struct.pack(f"<{len(words)}I", *words).hex() == selftest._PAYLOAD


def test_known_answers_come_near_the_limit():
    """Sums that a format of fewer bits than float32 cannot hold."""
    b = find.load()
    w = b.tables["w2"].astype(np.int64)
    assert np.abs(255 * w.sum(1)).max() > 2**12
    assert b.z_max * np.abs(b.tables["w1"][0].astype(int)).sum() > 2**12


@pytest.mark.skipif(not core.AVAILABLE, reason="built without a compiler")
@pytest.mark.parametrize("kind, method", [("Slab", "scale_indices"), ("Reader", "read_z")])
def test_a_broken_core_is_refused(monkeypatch, kind, method):
    right = getattr(getattr(core, kind), method)
    monkeypatch.setattr(getattr(core, kind), method, lambda self, x: np.maximum(right(self, x), 1))
    with pytest.raises(codec.UnsupportedError, match="not exact"):
        Pipeline(find.load(), 1)


@pytest.mark.skipif(not core.AVAILABLE, reason="built without a compiler")
def test_another_payload_of_the_core_is_refused(monkeypatch):
    monkeypatch.setattr(core.Writer, "finish", lambda self: b"\0\1\2\3" * 400)
    with pytest.raises(codec.UnsupportedError, match="not exact"):
        Pipeline(find.load(), 1)
