"""The autoencoder of tables: what it learns, gives back, draws, and reads."""

import csv
import json
import struct

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from codec.cli import tables
from codec.errors import CodecError, FormatError, InputError
from codec.plugins.sklearn_table import TableAutoencoder
from codec.table import pictures
from codec.table.network import Network
from codec.table.rows import MAX_CLASSES, Rows
from codec.training import cli
from codec.training.config import SCALES, TableConfig, TrainingError
from codec.training.table import train

TINY = {"latents": 2, "hidden": 8, "steps": 20, "batch": 16}
# scikit-learn's checks of what a fit ends in, not of how good it is.
SMALL = TableAutoencoder(random_state=0, **TINY)


@parametrize_with_checks([SMALL])
def test_checks(estimator, check):
    check(estimator)


def frame(n=600, seed=0):
    """Columns of every kind that say something about each other, some of it missing."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    made = pd.DataFrame(
        {
            "a": a,
            "square": a**2,
            "whole": np.rint(10 * a).astype(np.int64),
            "word": np.where(a > 0, "up", "down"),
            "flag": a > 0.5,
            "kind": pd.Categorical(np.where(a < -0.5, "x", "y")),
            "constant": 1.5,
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.rint(99 * a), unit="D"),
        }
    )
    made.loc[::7, "a"] = np.nan
    made.loc[::5, "word"] = None
    return made


@pytest.fixture(scope="module")
def table():
    return frame()


@pytest.fixture(scope="module")
def model(table):
    return TableAutoencoder(latents=4, hidden=32, steps=300, random_state=1).fit(table)


def test_latents_and_back(table, model):
    z = model.transform(table)
    assert z.dtype == np.int8 and z.shape == (600, 4) and np.abs(z).max() <= 127
    back = model.inverse_transform(z)
    assert list(back.dtypes) == list(table.dtypes)
    assert np.mean(np.abs(back["whole"] - table["whole"])) < 2
    assert np.mean(back["flag"] == table["flag"]) > 0.95
    assert (back["constant"] == 1.5).all()
    assert back.equals(model.denoise(table))
    assert len(model.get_feature_names_out()) == 4


def test_what_the_decoder_makes_of_latents(table, model):
    z = model.transform(table)
    wide = model.expand(z)
    assert wide.shape == (600, 32) and wide.dtype == np.float32
    weights = model.network_.weights
    both = wide @ weights["rows"] + z / np.float32(127) @ weights["out"]
    numbers = (both + weights["rows.bias"] + weights["out.bias"])[:, 1]
    square = model.inverse_transform(z)["square"]
    column = model.network_.rows.columns[1]
    made = np.clip(numbers * column.scale + column.centre, column.low, column.high)
    assert np.allclose(made, square, atol=1e-4)
    with pytest.raises(InputError, match="latents"):
        model.expand(z[:, :3])


def test_training_begins_with_principal_components():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 12))
    network, _ = train(table, TableConfig(latents=4, hidden=8, steps=1))
    assert np.abs(network.denoise(table) - table).mean() < 0.25 * np.abs(table).mean()
    assert (network.latents(table).std(0)[:3] > 40).all()  # all of them are used


def test_filling_in(table, model):
    filled = model.fill(table)
    assert not filled.isna().any().any()
    for name in table:
        there = ~table[name].isna()
        assert filled[name][there].equals(table[name][there]), name
    word = table["word"].isna()
    assert np.mean(filled["word"][word] == np.where(table["whole"][word] > 0, "up", "down")) > 0.9
    gone = table["a"].isna() & (table["whole"].abs() < 15)
    assert np.abs(filled["a"][gone] - table["whole"][gone] / 10).mean() < 0.2
    shuffled = table.sample(50, random_state=1)
    assert model.fill(shuffled).index.equals(shuffled.index)


def test_a_table_that_was_whole_may_have_gaps(model, table):
    some = table.head(9).astype({"whole": float})
    some.loc[3, "whole"] = np.nan
    assert abs(model.fill(some).loc[3, "whole"] - table.loc[3, "whole"]) < 6


def test_scores_are_calibrated(table, model):
    share = model.anomaly_score(frame(seed=5))
    assert 0.3 < np.mean(share < 0.5) < 0.7  # as many as of the training rows
    strange = table.head(20).assign(square=-3.0)
    assert (model.anomaly_score(strange) > 0.9).all()
    assert (model.score_samples(strange) < model.score_samples(table.head(20))).all()
    strange.loc[0, "square"] = np.inf
    scores = model.score_samples(strange)
    assert np.isfinite(scores).all() and scores[0] < scores[1:].min()


def test_samples_are_like_the_table(table, model):
    made = model.sample(400, random_state=3)
    assert made.equals(model.sample(400, random_state=3))
    assert not made.equals(model.sample(400, random_state=4))
    assert list(made.dtypes) == list(table.dtypes)
    assert abs(made["whole"].std() / table["whole"].std() - 1) < 0.3
    assert np.corrcoef(made["whole"], made["a"])[0, 1] > 0.9
    assert set(made["word"]) == {"up", "down"}
    assert 0.2 < np.mean(made["flag"]) < 0.45


def test_the_seed_decides(table):
    a, b, c = (clone(SMALL).set_params(random_state=s).fit(table) for s in (1, 1, 2))
    assert a.network_.write() == b.network_.write() != c.network_.write()


@pytest.mark.parametrize(
    "how", [{"loss": "mae"}, {"dropout": 0.2, "l1": 1e-4}, {"mask": 0.0, "noise": 0.0}]
)
def test_other_settings_learn_too(how):
    x = np.random.default_rng(0).normal(size=(300, 1))
    table = np.hstack([x, -x, x**3])
    made = TableAutoencoder(latents=1, hidden=16, steps=300, random_state=0, **how).fit(table)
    assert np.abs(made.denoise(table)[:, 0] - x[:, 0]).mean() < 0.4
    first, last = made.curves_[0], made.curves_[-1]
    assert last[3] < 0.9 * first[3]  # it begins well


def test_l1_and_weight_decay_make_weights_small():
    x = np.random.default_rng(0).normal(size=(200, 1))
    table = np.hstack([x, x**2, np.sin(4 * x)])  # something is learned until the end

    def size(**how):
        made = TableAutoencoder(
            hidden=16, steps=200, patience=0, random_state=0, scale="column", **how
        )
        return sum(np.abs(w).sum() for w in made.fit(table).network_.weights.values())

    plain = size(weight_decay=0.0)
    assert size(weight_decay=0.0, l1=0.01) < plain / 1.2 and size(weight_decay=10.0) < plain / 1.2


def test_patience_ends_early_and_keeps_the_best():
    table = np.random.default_rng(0).normal(size=(60, 12))  # nothing to learn
    _, curves = train(table, TableConfig(hidden=64, steps=2000, patience=2))
    assert curves[-1][0] < 1000
    losses = [sum(row[3:]) for row in curves]
    assert losses.index(min(losses)) == len(losses) - 3


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 1e300])
def test_training_takes_any_number(bad):
    table = np.random.default_rng(0).normal(size=(50, 3))
    table[3, 1] = bad
    table[:, 2] = bad
    made = clone(SMALL).fit(table)
    assert np.isfinite(made.score_samples(table)).all()
    assert all(np.isfinite(w).all() for w in made.network_.weights.values())


def test_numbers_as_classes_and_rare_words():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, (200, 2)) * 10
    network, _ = train(table, TableConfig(steps=20, hidden=8, categorical=("1",)))
    assert network.rows.columns[1].classes == (0.0, 10.0, 20.0)
    assert set(network.denoise(table)[:, 1]) <= {0, 10, 20}
    rows = Rows.of({"w": np.array([f"w{i}" for i in range(200)] + ["w7"] * 9)})
    assert len(rows.columns[0].classes) == MAX_CLASSES and "w7" in rows.columns[0].classes


def test_scores_see_columns_in_their_own_scale_and_in_one():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 4)) * [50, 50, 1, 1]
    table[:, 1] = table[:, 0] + rng.normal(size=300)
    table[:, 3] = table[:, 2] + 0.02 * rng.normal(size=300)
    network, _ = train(table, TableConfig(latents=2, steps=100, hidden=8))
    view = network.view
    assert len({c.scale for c in view.rows.columns}) == 1
    apart = np.tile(table[:1], (3, 1)) + [[0] * 4, [10, -10, 0, 0], [0, 0, 0.5, -0.5]]
    nats = network.score(apart) - network.score(apart)[0]
    assert (nats[1:] > 3).all()  # each is against what goes together
    of_view = view.score(apart) - view.score(apart)[0]
    assert of_view[1] > 3 > of_view[2]  # in one scale the small ones do not count
    again = Network.read(network.write())
    assert np.array_equal(again.score(apart), network.score(apart))
    assert train(table, TableConfig(scale="column", steps=10, hidden=8))[0].view is None
    assert train(table / 9 % 1, TableConfig(scale="table", steps=10, hidden=8))[0].view is None


def test_columns_of_one_unit_have_one_scale():
    pixels = np.random.default_rng(0).integers(0, 17, (200, 6)) // [1, 1, 1, 1, 8, 8]
    pixels[:4] = np.array([[0], [16], [0], [16]]) * (np.arange(6) < 4)
    pixels[:, 5] = 3  # says nothing about the unit
    scales = {h: [c.scale for c in Rows.of(pixels, (), h).columns] for h in SCALES}
    spread = np.sqrt(np.mean(np.var(pixels[:, :5], axis=0)))
    assert scales["auto"] == scales["table"] == pytest.approx([spread] * 6)
    assert scales["column"][:5] == pytest.approx(pixels[:, :5].std(0))
    more = np.c_[pixels, pixels * [10, 20, 30, 40, 50, 1]]  # other units
    assert Rows.of(more) == Rows.of(more, (), "column") != Rows.of(more, (), "table")
    assert Rows.of(pixels[:, :1]) == Rows.of(pixels[:, :1], (), "column")
    # A column that hardly moves is as strange as it is far, not as it is rare.
    table = np.random.default_rng(0).normal(size=(300, 4)) * [5, 5, 5, 0.01]
    strange = np.tile(table[:1], (2, 1)) + [[0, 0, 20, 0], [0, 0, 0, 0.2]]
    for scale, stranger in (("table", 0), ("column", 1)):
        network, _ = train(table, TableConfig(steps=50, hidden=8, scale=scale))
        assert network.score(strange).argmax() == stranger
        assert (len({*network.prior["deviation"]}) == 1) == (scale == "table")
    with pytest.raises(TrainingError, match="scale"):
        TableConfig(scale="row")


def test_arrays_of_every_type_come_back():
    for dtype in ("f4", "f8", "i1", "u8", "bool"):
        table = (np.arange(60).reshape(20, 3) % 7).astype(dtype)
        network, _ = train(table, TableConfig(steps=10, hidden=8))
        assert network.denoise(table).dtype == dtype and network.sample(4).shape == (4, 3)


def test_what_is_refused(table, model, tmp_path):
    with pytest.raises(NotFittedError):
        TableAutoencoder().transform(table)
    for bad in (np.zeros((3, 2)), [[1.0, 2.0]]):
        with pytest.raises(ValueError):
            model.transform(bad)
    with pytest.raises(InputError, match="latents"):
        model.inverse_transform(np.zeros((3, 5)))
    with pytest.raises(InputError, match="no column z"):
        train(table, TableConfig(categorical=("z",)))
    with pytest.raises(InputError, match="no rows"):
        train(np.zeros((0, 3)))
    with pytest.raises(TrainingError, match="mse or mae"):
        TableConfig(loss="bce")


def test_files(table, model, tmp_path):
    model.save(tmp_path / "a.safetensors")
    again = TableAutoencoder.load(tmp_path / "a.safetensors")
    assert np.array_equal(again.transform(table), model.transform(table))
    assert np.array_equal(again.score_samples(table), model.score_samples(table))
    assert again.fill(table).equals(model.fill(table))
    assert again.sample(9, random_state=1).equals(model.sample(9, random_state=1))
    safetensors = pytest.importorskip("safetensors.numpy")
    found = safetensors.load_file(tmp_path / "a.safetensors")
    assert np.array_equal(found["latents"], model.network_.weights["latents"])


def read(data):
    """What comes of bytes: an error of ours, or a network that works."""
    try:
        network = Network.read(data)
        network.decode(np.zeros((2, len(network.prior["mean"]))))
        network.sample(2)
    except CodecError as error:
        return error
    return network


def test_hostile_bytes_end_in_our_errors(model):
    data = model.network_.write()
    (size,) = struct.unpack_from("<Q", data)
    for n in (0, 7, 8, 30, size, size + 8, len(data) - 4):
        assert isinstance(read(data[:n]), FormatError), n
    rng = np.random.default_rng(0)
    for _ in range(300):  # mostly in the head
        bad = bytearray(data)
        for at in rng.integers(0, size + 200, 3):
            bad[at] = rng.integers(256)
        read(bytes(bad))
    assert isinstance(read(struct.pack("<Q", 1 << 62) + data[8:]), FormatError)
    assert isinstance(read(struct.pack("<Q", 99999) + b"[" * 99999), FormatError)
    head = json.loads(data[8 : 8 + size])  # one array under many names, each read whole
    text = json.dumps(head | {str(i): head["scores"] for i in range(99)}).encode()
    many = read(struct.pack("<Q", len(text)) + text + data[8 + size :])
    assert isinstance(many, FormatError) and "arrays" in str(many)


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["latents"].update(shape=[1 << 40, 1 << 40]),
        lambda h: h["latents"].update(data_offsets=[-4, 4]),
        lambda h: h["latents"].update(dtype="F64"),
        lambda h: h.pop("scores"),
        lambda h: h["__metadata__"].update(format="other"),
        lambda h: h["__metadata__"].update(levels="100000"),
        lambda h: h["__metadata__"].update(columns="[]"),
        lambda h: h["__metadata__"].update(columns='[["a",null,0.0,-1.0,0.0,0.0,false]]'),
        lambda h: h["__metadata__"].update(schema="[]"),
        lambda h: h.pop("view.scores"),
        lambda h: h.update({"view.view.scores": h["scores"]}),
        lambda h: h["apart"].update(shape=[2, 2]),
    ],
)
def test_senseless_heads_are_refused(model, change):
    data = model.network_.write()
    (size,) = struct.unpack_from("<Q", data)
    head = json.loads(data[8 : 8 + size])
    change(head)
    text = json.dumps(head).encode()
    with pytest.raises(FormatError):
        Network.read(struct.pack("<Q", len(text)) + text + data[8 + size :])


def test_weights_that_are_not_finite_are_refused(model):
    data = model.network_.write()
    with pytest.raises(FormatError, match="not finite"):
        Network.read(data[:-4] + struct.pack("<f", np.nan))


def test_pictures(table, model, tmp_path):
    pytest.importorskip("matplotlib")
    found = pictures.draw_map(model.network_, table, tmp_path / "a.png", clusters=3)
    assert set(found) == {0, 1, 2}
    labels = pictures.draw_map(model.network_, table, tmp_path / "b.svg", labels=table["flag"])
    assert np.array_equal(labels, table["flag"])
    pictures.draw_curves(model.curves_, tmp_path / "c.png")
    assert all((tmp_path / n).stat().st_size > 5000 for n in ("a.png", "b.svg", "c.png"))


def test_the_command(table, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    table.to_csv("t.csv", index=False)
    argv = ["t.csv", "--preset", "table", "--steps", "60", "--hidden", "16", "--latents", "3"]
    assert cli.main(argv) == 0
    assert capsys.readouterr().out == "t.safetensors\n"
    network = Network.read((tmp_path / "t.safetensors").read_bytes())
    with open("t.csv", "rb") as file:
        assert network.latents(tables.read(file, "t.csv")).shape == (600, 3)
    folder = tmp_path / "t.safetensors-state"
    with open(folder / "log.csv", newline="") as file:
        names, *rows = csv.reader(file)
    assert tuple(names) == pictures.CURVES and rows[-1][0] == "60"
    assert (folder / "map.png").stat().st_size > 5000 < (folder / "curves.png").stat().st_size
    for more, said in (
        ([], "exists; use -f"),
        (["-f", "--crop", "64"], "--crop is not for tables"),
        (["-f", "--resume"], "--resume is not for tables"),
        (["-f", "--loss", "bce"], "mse or mae"),
    ):
        assert cli.main([*argv, *more]) == 1
        assert said in capsys.readouterr().err
    (tmp_path / "x.txt").write_text("no table")
    assert cli.main(["x.txt", "--preset", "table"]) == 1
    assert "no table" in capsys.readouterr().err
    assert cli.main([".", "--latents", "3"]) == 1
    assert "for --preset table" in capsys.readouterr().err
