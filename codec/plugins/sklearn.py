"""A scikit-learn transformer: pictures to the features of their latent.

Needs the extra ``[ml]``. See docs/features.md.
"""

import os
from typing import Any, Self

import numpy as np
from PIL.Image import Image

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        TransformerMixin,
    )
    from sklearn.decomposition import PCA
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "codec.plugins.sklearn needs scikit-learn: pip install scikit-learn"
    ) from error

from ..insight.features import POOLINGS, features
from ..options import Model
from ..types import Array, Picture

_PICTURES = (str, os.PathLike, bytes, bytearray, memoryview, Image, Picture)


class LatentFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Describe pictures by `codec.features`, one row for each.

    Parameters
    ----------
    pooling : {"stats", "grid", "none"}
        As of `codec.features`. The latter two are laid out as one row,
        (height, width, channel) in that order, and need pictures of one
        size.
    n_components : int, float or None
        Reduce the features by a principal component analysis; as of
        `sklearn.decomposition.PCA`. None: leave them.
    model : str, path-like or None
        As of `codec.features`.
    shape : tuple of int or None
        (height, width) or (height, width, 3) of the pictures where ``X`` is
        a table of pixels, as scikit-learn's digits are. None: one line of
        pixels.
    white : float
        The value that is white in such a table; 0 is black.

    Attributes
    ----------
    model_id_ : str
        Id of the model, of which all pictures must be.
    pca_ : sklearn.decomposition.PCA
        Only with ``n_components``.
    n_features_in_ : int
        Only where ``X`` was a table.

    Examples
    --------
    >>> import numpy as np, codec
    >>> from codec.plugins.sklearn import LatentFeatures
    >>> images = [np.full((20, 30), v, np.uint8) for v in (0, 80, 160)]
    >>> rows = LatentFeatures(n_components=2).fit_transform(images)
    >>> rows.shape
    (3, 2)
    >>> files = [codec.encode(image) for image in images]
    >>> LatentFeatures().fit_transform(files).shape[0]
    3
    """

    def __init__(
        self,
        pooling: str = "stats",
        n_components: Any = None,
        *,
        model: Model | None = None,
        shape: tuple[int, ...] | None = None,
        white: float = 255,
    ) -> None:
        self.pooling = pooling
        self.n_components = n_components
        self.model = model
        self.shape = shape
        self.white = white

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn the components, and which model describes.

        Parameters
        ----------
        X : sequence of pictures, or table of pixels
            Pictures, paths or ``.aec`` bytes as `codec.features` takes
            them; uint8 (n, height, width[, 3]); or (n, pixels).
        y : ignored

        Returns
        -------
        self
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: object = None) -> Array:
        """As ``fit(X).transform(X)``, each picture described once."""
        return self._reduced(self._fit(X))

    def transform(self, X: Any) -> Array:
        """Features of pictures.

        Parameters
        ----------
        X : as of `fit`

        Returns
        -------
        float32 (n, features)
        """
        check_is_fitted(self)
        found, model_id = self._describe(X, reset=False)
        if model_id != self.model_id_:
            raise ValueError(f"fitted to features of model {self.model_id_}, not of {model_id}")
        if found.shape[1] != self._n_described:
            raise ValueError(
                f"fitted to pictures of {self._n_described} features, not {found.shape[1]}"
            )
        return self._reduced(found)

    def _fit(self, X: Any) -> Array:
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, not {self.pooling!r}")
        found, self.model_id_ = self._describe(X, reset=True)
        self._n_described = self._n_features_out = found.shape[1]
        if self.n_components is not None:
            self.pca_ = PCA(self.n_components, svd_solver="full").fit(found)
            self._n_features_out = self.pca_.n_components_
        return found

    def _reduced(self, found: Array) -> Array:
        return found if self.n_components is None else self.pca_.transform(found)

    def _describe(self, X: Any, reset: bool) -> tuple[Array, str]:
        rows: list[Array] = []
        models: set[str] = set()
        for image in self._images(X, reset):
            row = features(image, pooling=self.pooling, model=self.model)
            if row.ndim != (1 if self.pooling == "stats" else 3):
                raise ValueError(
                    "a stack is many pictures: give its codec.features to what comes next"
                )
            rows.append(np.asarray(row).ravel())
            models.add(str(row.model))
        if len(models) != 1:
            raise ValueError(f"features of several models: {sorted(models)}")
        if len({len(row) for row in rows}) != 1:
            raise ValueError(f"pooling={self.pooling!r} needs pictures of one size")
        return np.stack(rows), models.pop()

    def _images(self, X: Any, reset: bool) -> Any:
        if _are_pictures(X):
            if reset:
                self.__dict__.pop("n_features_in_", None)
            return X
        X = validate_data(self, X, reset=reset, dtype=np.float64)
        if X.min() < 0:
            raise ValueError("Negative values in data passed to LatentFeatures")
        if X.max() > self.white:
            raise ValueError(f"values up to {X.max():g}, but white is {self.white:g}")
        shape = (1, X.shape[1]) if self.shape is None else tuple(self.shape)
        if np.prod(shape) != X.shape[1]:
            raise ValueError(f"rows of {X.shape[1]} pixels are no pictures of shape {shape}")
        return np.rint(X * (255 / self.white)).astype(np.uint8).reshape(-1, *shape)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _are_pictures(X: Any) -> bool:
    """Whether X is a sequence of pictures rather than a table."""
    if isinstance(X, np.ndarray) and X.ndim != 1:
        return X.ndim in (3, 4) and X.dtype == np.uint8
    if isinstance(X, (str, bytes)) or not hasattr(X, "__len__") or not len(X):
        return False
    first = next(iter(X))
    return isinstance(first, _PICTURES) or (isinstance(first, np.ndarray) and first.ndim > 1)
