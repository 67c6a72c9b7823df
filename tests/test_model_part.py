"""Parts of ONNX graphs, against the onnx package and the engine."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from codec.errors import ModelError
from codec.model import find, session
from codec.model.part import constant, end_of, part_of

GRADIENT = find.load(None).graphs["synthesis_gradient"]


def test_only_what_the_output_needs():
    whole = onnx.load_from_string(GRADIENT)
    part = onnx.load_from_string(part_of(GRADIENT, "error"))
    onnx.checker.check_model(part)
    assert [o.name for o in part.graph.output] == ["error"]
    needed, kept = {"error"}, []
    for node in reversed(whole.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.insert(0, node)
    assert list(part.graph.node) == kept
    assert len(kept) < 0.7 * len(whole.graph.node)
    names = [i.name for i in part.graph.input]
    assert set(names) < needed and "probes" not in names
    # All else is as it was.
    for model in whole, part:
        del model.graph.node[:], model.graph.output[:], model.graph.input[:]
    assert part == whole


def test_the_whole_of_it_is_the_model_itself():
    features = find.load(None).graphs["features"]
    name = onnx.load_from_string(features).graph.output[0].name
    assert onnx.load_from_string(part_of(features, name)) == onnx.load_from_string(features)


def test_it_computes_the_same():
    graphs = session.Graphs(find.load(None), threads=1)
    rng = np.random.default_rng(1)
    inputs = {
        "latent": rng.normal(0, 0.3, (3, 4, graphs.bundle.m)).astype("f4"),
        "modulation": graphs.bundle.at_quality("synthesis_mod", 40),
        "pixels": rng.integers(0, 256, (48, 64, 3), np.uint8),
        "weight": np.ones((48, 64), np.float32),
    }
    probes = rng.integers(-1, 2, (2, 48, 64, 3)).astype(np.int8)
    error, slope = graphs.run("synthesis_gradient", probes=probes, **inputs)
    for name in "synthesis_error", "synthesis_descent":
        for got, want in zip(graphs.run(name, **inputs), (error, slope[:1])):
            assert np.allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("cut", [1, 7, 100, len(GRADIENT) // 2, len(GRADIENT) - 1])
def test_cut_models_are_refused_or_empty(cut):
    with pytest.raises(ValueError):
        part_of(GRADIENT[:cut], "error")


def test_a_constant_in_place_of_an_input():
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    whole = onnx.load_from_string(GRADIENT)
    got = onnx.load_from_string(constant(GRADIENT, "modulation", value))
    made = got.graph.initializer.pop()
    assert made.name == "modulation"
    assert np.array_equal(onnx.numpy_helper.to_array(made), value)
    (gone,) = (i for i in whole.graph.input if i.name == "modulation")
    whole.graph.input.remove(gone)
    assert got == whole
    with pytest.raises(ValueError, match="without an input speed"):
        constant(GRADIENT, "speed", value)


@pytest.mark.parametrize("name", ["look", "psnr"])
def test_the_end_of_the_synthesis_is_known(name):
    graphs = session.Graphs(find.load(name))
    whole = onnx.load_from_string(graphs.bundle.graphs["synthesis"])
    part = onnx.load_from_string(graphs.squares)
    (join,) = (
        n
        for n in whole.graph.node
        if n.op_type == "Concat" and len(n.input) == 4 and n.attribute[0].i == 1
    )
    (rounding,) = (n for n in whole.graph.node if n.op_type == "QuantizeLinear")
    turns, rounded = part.graph.node[-8::2], part.graph.node[-7::2]
    assert [n.input[0] for n in turns] == [*join.input]
    assert all(n.attribute[0] == onnx.helper.make_attribute("perm", [0, 2, 3, 1]) for n in turns)
    assert [[*n.input] for n in rounded] == [[n.output[0], *rounding.input[1:]] for n in turns]
    assert {n.op_type for n in rounded} == {"QuantizeLinear"}
    assert [o.name for o in part.graph.output] == [n.output[0] for n in rounded]
    # What of it a GPU would make would have to be fetched.
    other = session.Graphs(graphs.bundle)
    other.provider = "CUDAExecutionProvider"
    assert other.squares is None


def changed(change):
    """`end_of` of the default model's synthesis after a change."""
    model = onnx.load_from_string(find.load(None).graphs["synthesis"])
    change(model.graph)
    return end_of(model.SerializeToString(), "pixels", "Concat")


def test_an_end_is_known_by_what_it_does():
    whole = changed(lambda graph: None)

    def renamed(graph):
        for node in graph.node:
            node.name = "n" + node.output[0]
            for names in node.input, node.output:
                names[:] = [
                    n if n in ("latent", "modulation", "pixels") else n + "x" for n in names
                ]
        for array in graph.initializer:
            array.name += "x"

    assert changed(renamed) == ([v + "x" for v in whole[0]], [v + "x" for v in whole[1]], whole[2])

    def wider(graph):
        graph.input[0].type.tensor_type.shape.dim[3].dim_value = 7

    assert changed(wider) == whole

    def node(graph, kind):
        return next(n for n in reversed(graph.node) if n.op_type == kind)

    def number(graph, kind, i, value):
        (array,) = (a for a in graph.initializer if a.name == node(graph, kind).input[i])
        made = onnx.numpy_helper.to_array(array)
        array.CopyFrom(onnx.numpy_helper.from_array(np.full_like(made, value), array.name))

    for change in (
        lambda g: number(g, "QuantizeLinear", 1, 2),
        lambda g: number(g, "QuantizeLinear", 2, 1),
        lambda g: number(g, "Slice", 1, 3),
        lambda g: node(g, "Transpose").attribute[0].ints.__setitem__(0, 1),
        lambda g: node(g, "Slice").input.__setitem__(2, node(g, "Slice").input[1]),
        lambda g: node(g, "Slice").__setattr__("domain", "else"),
        lambda g: node(g, "Shape").input.__setitem__(0, "modulation"),
    ):
        assert changed(change)[2] != whole[2]
    assert changed(lambda g: node(g, "QuantizeLinear").__setattr__("op_type", "Concat")) != whole
    with pytest.raises(ValueError):
        end_of(b"", "pixels", "Concat")


def test_a_session_for_each_quality():
    """They give what the graph itself gives, and few are kept."""
    ort = pytest.importorskip("onnxruntime")
    graphs = session.Graphs(find.load(None), threads=1)
    plain = ort.InferenceSession(graphs.bundle.graphs["analysis"])
    pixels = np.random.default_rng(3).integers(0, 256, (1, 32, 48, 3), "u1")
    for quality in (5, 20, 40, 60, 95, 5):
        inputs = {
            "pixels": pixels,
            "modulation": graphs.bundle.at_quality("analysis_mod", quality),
        }
        (want,) = plain.run(None, inputs)
        (got,) = graphs.run("analysis", **inputs)
        # The engine may fold what is constant into the weights.
        assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()
    assert len(graphs._sessions["analysis"]) == session.QUALITIES


def test_a_modulation_of_another_size_is_an_error():
    graphs = session.Graphs(find.load(None), threads=1)
    with pytest.raises(ModelError, match="analysis does not run"):
        graphs.run(
            "analysis",
            modulation=np.ones(7, np.float32),
            pixels=np.zeros((16, 16, 3), np.uint8),
        )


def test_noise_is_refused():
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(200):
        try:
            part_of(rng.bytes(200), "error")
        except ValueError:
            refused += 1
    assert refused > 150
