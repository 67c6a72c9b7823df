"""LatentFeatures: scikit-learn's own checks, and theirs for pictures."""

import pickle

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    parametrize_with_checks,
)
from test_stacks import drawn

import codec
from codec.plugins.sklearn import LatentFeatures


@parametrize_with_checks([LatentFeatures(), LatentFeatures(n_components=1)])
def test_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def pictures():
    return drawn(6, 40, 50, (3,))


def test_every_kind_of_picture(tmp_path, pictures):
    want = np.stack([codec.features(a) for a in pictures])
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path, a in zip(paths, pictures):
        Image.fromarray(a).save(path)
    for X in (
        pictures,
        list(pictures),
        paths,
        np.array(list(map(str, paths))),
        [Image.fromarray(a) for a in pictures],
    ):
        got = LatentFeatures().fit_transform(X)
        assert got.dtype == np.float32 and np.array_equal(got, want)
    files = [codec.encode(a) for a in pictures]
    got = LatentFeatures().fit_transform(files)
    assert np.array_equal(got, [codec.features(f) for f in files])


def test_order_subsets_clone_and_pickle(pictures):
    files = [codec.encode(a) for a in pictures]
    made = LatentFeatures(n_components=3).fit(files)
    want = made.transform(files)
    assert want.shape == (6, 3)
    assert np.allclose(made.transform(files[::-1]), want[::-1], atol=1e-5)
    for i in range(6):
        assert np.allclose(made.transform(files[i : i + 1]), want[i], atol=1e-5)
    again = clone(made).fit(files).transform(files)
    assert np.array_equal(again, want)
    assert np.array_equal(pickle.loads(pickle.dumps(made)).transform(files), want)
    assert len(made.get_feature_names_out()) == 3
    assert np.allclose(clone(made).fit_transform(files), want, atol=1e-5)


@pytest.mark.parametrize("pooling", ["grid", "none"])
def test_poolings_are_laid_out(pictures, pooling):
    want = codec.features(pictures[2], pooling=pooling)
    got = LatentFeatures(pooling).fit_transform(pictures)
    assert np.array_equal(got[2], want.ravel())


def test_tables_of_pixels():
    table = load_digits().data[:5]
    got = LatentFeatures(shape=(8, 8), white=16).fit_transform(table)
    image = np.rint(table[3].reshape(8, 8) * 255 / 16).astype(np.uint8)
    assert np.array_equal(got[3], codec.features(image))


def test_in_a_pipeline():
    """Digits from files, far better than a guess."""
    X, y = load_digits(n_class=4, return_X_y=True)
    files = [codec.encode(np.uint8(x.reshape(8, 8) * 15), quality=80) for x in X[:120]]
    model = make_pipeline(
        LatentFeatures("grid", n_components=30), StandardScaler(), LogisticRegression()
    )
    model.fit(files[:80], y[:80])
    assert model.score(files[80:], y[80:120]) > 0.8


def test_errors(pictures):
    with pytest.raises(NotFittedError):
        LatentFeatures().transform(pictures)
    for made, X, message in (
        (LatentFeatures("max"), pictures, "pooling"),
        (LatentFeatures("grid"), [pictures[0], pictures[1][:20]], "size"),
        (LatentFeatures(), [codec.encode_batch(pictures)], "stack"),
        (LatentFeatures(shape=(3, 3)), np.zeros((4, 8)), "shape"),
        (LatentFeatures(white=1), np.full((4, 8), 2), "white"),
        (LatentFeatures(), [b"no file"], "not an .aec file"),
    ):
        with pytest.raises(ValueError, match=message):
            made.fit(X)
    made = LatentFeatures("grid").fit(pictures)
    with pytest.raises(ValueError, match="fitted"):
        made.transform(pictures[:, :20])
