"""What was trained is what runs: torch modules against exported models."""

import dataclasses
import json
import pathlib
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime
from reference import decoder as reference
from training_runs import TINY, config, psnr, scene

import codec
from codec.model.bundle import Bundle
from codec.model.session import Graphs
from codec.search import costs
from codec.symbols import passes
from codec.symbols.pipeline import Pipeline
from codec.symbols.slabs import Place
from codec.training import (
    data,
    export,
    functional,
    gradient,
    graph,
    histograms,
    hyper,
    skip,
    train,
)
from codec.training.clock import Clock

QUALITIES = (1, 50, 100)
TOLERANCE = 4e-3  # float16 weights in the graphs


@pytest.fixture(
    scope="module",
    params=[{}, {"mix": 3, "parts": (3, 12, 20)}, {"lap": 0}],
    ids=["", "mixed, in parts", "blocks"],
)
def made(request, tmp_path_factory):
    """A model with something in every branch, and its exported folder."""
    tmp = tmp_path_factory.mktemp("export")
    cfg = config(tmp, shape=dataclasses.replace(TINY, **request.param))
    index, _ = data.prepare(cfg, log=lambda line: None)
    crops = data.Crops(f"{cfg.state}/train", index, 64)
    torch.manual_seed(3)
    functional.use_bf16(False)
    model = train.start_model(cfg, crops)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not name.startswith(("rows.b", "analysis.in", "log_gain", "synthesis.out")):
                # Rows stay sane, or wide symbols meet rows that are not
                # coded at all.
                scale = 0.002 if name.startswith("rows") else 0.01 if "delta_" in name else 0.05
                p.add_(torch.randn(p.shape) * scale)
        for d in model.rows.d:  # whole rows, or they would be zeros
            d.copy_(torch.randn(d.shape) * 0.1)
        # In whole fixed-point units the export's two roundings are one.
        one = 10 * 1024
        model.rows.b2.copy_((torch.randn(16, TINY.m) * 900).round() / one)
    out = tmp / "model"
    model_id = export.export(
        model,
        out,
        crops,
        name="test",
        info={"steps": 0},
        n_pictures=3,
    )
    yield model, out, model_id, cfg.state
    functional.use_bf16(True)


@pytest.fixture(scope="module")
def model(made):
    return made[0]


@pytest.fixture(scope="module")
def bundle(made):
    return Bundle(made[1])


@pytest.fixture(scope="module")
def graphs(bundle):
    return Graphs(bundle, threads=1)


def q_of(quality):
    return torch.arange(100)[quality - 1 : quality] / 99.0


def bundle_gain(model, q):
    return hyper.knots(model.log_gain, q).exp()[0]


def near(got, want):
    want = want.detach().numpy().reshape(got.shape)
    scale = np.sqrt(np.square(want).mean()) + 1e-9
    assert np.abs(got - want).max() / scale < TOLERANCE * 5
    assert np.sqrt(np.square(got - want).mean()) / scale < TOLERANCE


def test_manifest(made):
    model, out, model_id, _ = made
    manifest = json.loads((out / "model.json").read_text())
    assert Bundle(out).id == model_id
    assert manifest["name"] == "test"
    assert manifest["constants"]["M"] == TINY.m
    assert not list(out.glob("*.tmp"))


def test_rows_that_are_not_worth_coding(made, bundle):
    """One row more would cost more than it saves."""
    crops = data.Crops(
        f"{made[3]}/train", data.indices(config(pathlib.Path(made[3]).parent))[0], 64
    )
    least = bundle.manifest["constants"]["ROW_SKIP"]
    assert bundle.tables["skip"].min() >= least
    size = min(skip.SIDE**2, crops.picture(0)[..., 0].size)
    found = skip.first_coded(made[1], crops, Clock(), 4 * size)
    assert found.dtype == np.uint8 and found.shape == (100,)
    pipeline = Pipeline(Bundle(made[1]))
    pick = np.unique(np.linspace(0, len(crops.index) - 1, 4).astype(int))
    pictures = [p for _, p in crops.whole(pick, skip.SIDE)]
    shares = np.array([len(p) for p in pictures]) / len(pick)
    for quality in (1, 100):
        best, costs = int(found[quality - 1]), {}
        for k in range(max(least, best - 1), min(best + 1, skip.MOST) + 1):
            pipeline.bundle.row_skip[:] = k
            pipeline.take_tables()
            costs[k] = np.array(
                [
                    skip.rate_distortion(pipeline, pipeline.analyse(p, quality), p, quality)
                    for p in pictures
                ]
            )
        others = {k: c / costs[best] @ shares for k, c in costs.items()}
        # Ratios to another base, and payloads of whole words.
        assert min(others.values()) > 1 - 5e-4, others


def test_tables_are_fitted_to_what_is_coded(made, model, bundle):
    """Fitted once more, they would hardly make a file smaller."""
    cfg = config(pathlib.Path(made[3]).parent)
    crops = data.Crops(f"{made[3]}/train", data.indices(cfg)[0], 64)
    rows, z = histograms.histograms(made[1], crops, 3, Clock())
    assert not rows[: bundle.tables["skip"].min()].any()
    again = export.frequencies(model, rows, z)

    def bits(tables):
        each = costs.Costs(bundle.tables | tables, 0)
        return (
            (rows[:, : each.bits.shape[1]] * each.bits).sum(),
            sum((n * each.z_bits(b * 10)).sum() for b, n in enumerate(z)),
        )

    for have, best in zip(bits({}), bits(again)):
        assert 0 < have < 1.002 * best


@pytest.mark.parametrize("quality", QUALITIES)
def test_analysis(model, bundle, graphs, quality):
    x = scene(5, 64, 96)
    mod = bundle.at_quality("analysis_mod", quality)
    (got,) = graphs.run("analysis", pixels=x, modulation=mod)
    near(got, model.analysis(functional.to_float(x)[None], q_of(quality)))


@pytest.mark.parametrize("quality", QUALITIES)
def test_synthesis(model, bundle, graphs, quality):
    y = torch.randn(1, 4, 6, TINY.m) * 0.3
    mod = bundle.at_quality("synthesis_mod", quality)
    (got,) = graphs.run("synthesis", latent=y[0].numpy(), modulation=mod)
    x = model.synthesis(y, q_of(quality))[0].detach() * 255 + 127.5
    x = x.clamp(0, 255).numpy()
    assert np.abs(got - x).max() < 2
    assert np.abs(got - x).mean() < 0.3


def test_hyper_analysis(model, graphs):
    y = torch.randn(1, 8, 12, TINY.m) * 4
    (got,) = graphs.run("hyper_analysis", scaled=y[0].numpy())
    near(got, model.hyper(y))


@pytest.mark.parametrize("columns", [3, 2 * graph.RUN])
def test_large_rows_do_not_blur_small_ones(columns):
    """What quality adds, as int8: rows that are a thousand times another."""
    size = torch.logspace(0, 3, 8)[:, None]
    owner = types.SimpleNamespace(
        w=torch.zeros(8, columns), delta_w=size * torch.randn(2, 8, columns)
    )
    g = graph.Graph("mixed")
    share = g.input("share", onnx.TensorProto.FLOAT, [2, 1, 1])
    g.mix = share
    g.output("w", g.mixed(owner, "w"), onnx.TensorProto.FLOAT, [8, columns])
    run = onnxruntime.InferenceSession(g.finish(), providers=["CPUExecutionProvider"]).run
    (got,) = run(None, {"share": np.array([0.25, 0.75], np.float32).reshape(2, 1, 1)})
    want = 0.25 * owner.delta_w[0] + 0.75 * owner.delta_w[1]
    error = (torch.from_numpy(got) - want).abs() / size
    assert 0 < error.max() < 0.03


def test_means(model, graphs):
    net, k = model.means, TINY.k
    z = torch.randint(-9, 10, (1, 2, 3, TINY.nz)).float()
    y = torch.randn(1, 8, 12, TINY.m) * 0.3
    y0, y1 = y[..., :k], y[..., k:]
    (f,) = graphs.run("features", z=z[0].numpy())
    seen = net.features(z)
    near(f, seen)
    at = np.arange(1, 96, 5)
    second, pre = net.pass2(seen, y0)
    for p, want in enumerate((net.pass0(seen), net.pass1(seen, y0), second, net.pass3(pre, y1))):
        latent = {"latent": y[0].numpy()} if p else {}
        (got,) = graphs.run(f"mean{p}", features=f, at=at, **latent)
        near(got, want.reshape(96, -1)[at])


@pytest.mark.parametrize("quality", QUALITIES)
def test_gradients(model, bundle, graphs, quality):
    """What is written by hand against torch's backward pass."""
    x, q = scene(4, 128, 192), q_of(quality)
    with torch.no_grad():
        aux = model.code(model.analysis(functional.to_float(x)[None], q), q)[3]
    y = gradient.decode(model, aux["v"], aux["z"], q).detach()
    y.requires_grad_(True)
    shown = (model.synthesis(y, q) * 255 + 127.5).clamp(0, 255)
    inside = torch.ones(x.shape)
    inside[100:] = 0
    probe = torch.randint(0, 2, x.shape) * 2 - 1
    error = (shown[0] - torch.from_numpy(x)).square() * inside
    wants = [
        torch.autograd.grad(e.sum(), y, retain_graph=True)[0]
        for e in (error / 2, shown[0] * probe * inside)
    ]
    latent = y[0].detach().numpy()
    cells, got = graphs.run(
        "synthesis_gradient",
        latent=latent,
        pixels=x,
        weight=inside[..., 0].numpy(),
        probes=probe[None].numpy().astype(np.int8),
        modulation=bundle.at_quality("synthesis_mod", quality),
    )
    want = error.detach().reshape(8, 16, 12, 16, 3).sum((1, 3, 4)).numpy()
    assert np.abs(cells - want).max() < 0.02 * want.max()
    for have, want in zip(got, wants):
        # Half precision moves a few units across zero: no bound on those.
        want = want[0].numpy()
        assert np.square(have - want).mean() < 1e-3 * np.square(want).mean()


def test_energy(model, made):
    """Against symbols that are moved one at a time."""
    crops = data.Crops(f"{made[3]}/train", data.load_index(f"{made[3]}/train"), 64)
    found = gradient.energy(model, crops, Clock(), n_pictures=2)
    assert found.shape == (8, 2, TINY.m) and found.min() >= 0
    q, seen = q_of(50), np.zeros(TINY.m)
    x = functional.to_float(scene(0)[:64, :64])[None]
    with torch.no_grad():
        aux = model.code(model.analysis(x, q), q)[3]
        gain = bundle_gain(model, q)
        for c in range(TINY.m):
            s = aux["v"].clone()
            s[0, 2, 2, c] += 0.01 * gain[c]
            moved, still = (
                model.synthesis(gradient.decode(model, t, aux["z"], q), q) for t in (s, aux["v"])
            )
            seen[c] = (moved - still).square().sum() * (255 / 0.01) ** 2
    want = found[3:5, 0].mean(0)
    assert np.median(np.abs(np.log(seen / want))) < 0.7


@pytest.mark.parametrize("quality", QUALITIES)
def test_rows_are_equal_integers(model, bundle, quality):
    q = q_of(quality)
    y = (
        torch.randn(1, 8, 12, TINY.m)
        * torch.logspace(-2, 1, TINY.m)
        / (model.log_gain.detach().mean().exp())
    )
    with torch.no_grad():
        aux = model.code(y, q)[3]
    z, s, want = (aux[n][0].numpy().astype(int) for n in ("z", "v", "rows"))
    assert len(np.unique(want)) > 8 and np.abs(s).max() > 1
    pipeline = Pipeline(bundle, threads=1)  # checks its bounds too
    # The core would not take symbols that are not coded and not zero.
    exact = passes.Python(bundle, pipeline.graphs.run)
    slab = exact.slab(Place(0, 0, *s.shape[:2]), z.astype(np.int16), quality - 1)
    assert len(slab.steps) == 4 + 2 * len(model.shape.parts)
    for step in slab.steps:
        place = step.at, step.channels
        assert np.array_equal(slab.scale_indices(step), want.reshape(-1, TINY.m)[place])
        slab.put(step, s.reshape(-1, TINY.m)[place].astype(np.int16))


@pytest.mark.parametrize("quality", QUALITIES)
def test_files_have_the_size_and_error_of_training(model, made, quality):
    x = scene(6, 128, 192)
    coded = codec.Encoder(model=made[1], threads=1).encode(x, quality)
    assert codec.info(coded).model == made[2]
    back = codec.Decoder(model=made[1], threads=1).decode(coded)
    assert back.shape == x.shape
    with torch.no_grad():
        lam = model.lambda_of(q_of(quality))
        bpp, mse, _, _ = model(functional.to_float(x)[None], lam)
    assert psnr(back, x) == pytest.approx(10 * np.log10(255**2 / mse.item()), abs=0.5)
    # The slow decoder of docs/format.md reads the same symbols.
    _, z, s = reference.decode_symbols(coded, made[1])
    for slow, fast in zip((z, s), codec.Decoder(model=made[1], threads=1).symbols(coded)):
        assert slow == fast.ravel().tolist()
    # Tables fitted to real symbols beat the logistic that was trained.
    real = (len(coded) - 32) * 8 / (x.shape[0] * x.shape[1])
    assert 0.5 * bpp.item() < real < 1.15 * bpp.item() + 0.05
