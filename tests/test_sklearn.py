import pytest
pytest.importorskip("sklearn")
from sklearn.utils.estimator_checks import parametrize_with_checks
from codec.sklearn import LatentFeatures


@parametrize_with_checks([LatentFeatures(), LatentFeatures(n_components=1)])
def test_checks(estimator, check):
    check(estimator)
