"""A scikit-learn transformer: rows of a table to the latents of an autoencoder.

`TableAutoencoder` also says how unusual a row is, fills in what is missing, takes noise
away and draws new rows. Needs the extras ``[ml]`` and, to fit, ``[train]``. See
docs/table-tools.md.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        TransformerMixin,
    )
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "codec.plugins.sklearn_table needs scikit-learn: pip install scikit-learn"
    ) from error

from ..io import atomic
from ..table.network import Network
from ..types import Array

File = str | os.PathLike[str]


class TableAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Describe rows of a table by a few whole numbers, from which they come back.

    An array or a DataFrame: numbers, booleans, times, texts and categories; NaN and None
    are missing, infinities count as far away.

    Parameters
    ----------
    latents : int
        Whole numbers that a row becomes.
    hidden : int
        Hidden units of each layer.
    levels : int, 3..255
        Values that a latent can have.
    categorical : sequence of str or int
        Columns whose numbers are classes; texts and booleans always are.
    scale : {"auto", "column", "table"}
        What numbers are divided by: their column's standard deviation, or one for all
        columns. "auto" takes one for all where half of the columns reach from the
        table's least number to its largest, as pixels and ratings do; elsewhere it takes
        the columns' own, and scores see both, by a second network.
    loss : {"mse", "mae"}
        Error of numbers that training makes small; that of classes is the cross-entropy.
    mask : float, 0..0.5
        Share of the cells that a step hides, so that missing ones can be filled in.
    noise : float
        Noise on numbers while training, in standard deviations.
    dropout : float
        Share of the hidden units that a step leaves out.
    l1, weight_decay : float
        Factors of the weights' absolute values (L1) and of their decay (L2).
    learning_rate : float
    batch, steps : int
        Rows of a step, and steps.
    patience : int
        Validations without gain after which training ends; 0: never.
    valid_split : float, 0..0.5
        Share of the rows to validate on.
    random_state : int, RandomState or None
        The same number gives the same network on the same machine.

    Attributes
    ----------
    network_ : codec.table.network.Network
        What was trained; works without scikit-learn and torch.
    curves_ : list of tuple
        Steps and losses of each validation: `codec.table.pictures.CURVES`.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from codec.plugins.sklearn_table import TableAutoencoder
    >>> x = np.random.default_rng(0).normal(size=(200, 1))
    >>> table = np.hstack([x, x**2, -x])
    >>> model = TableAutoencoder(latents=1, steps=300, random_state=0).fit(table)
    >>> model.transform(table).shape
    (200, 1)
    >>> table[0, 2] = np.nan
    >>> bool(np.isfinite(model.fill(table)).all())
    True
    """

    def __init__(
        self,
        latents: int = 8,
        *,
        hidden: int = 128,
        levels: int = 255,
        categorical: Sequence[str | int] = (),
        scale: str = "auto",
        loss: str = "mse",
        mask: float = 0.2,
        noise: float = 0.05,
        dropout: float = 0.0,
        l1: float = 0.0,
        weight_decay: float = 0.01,
        learning_rate: float = 3e-3,
        batch: int = 128,
        steps: int = 1000,
        patience: int = 10,
        valid_split: float = 0.1,
        random_state: Any = None,
    ) -> None:
        self.latents = latents
        self.hidden = hidden
        self.levels = levels
        self.categorical = categorical
        self.scale = scale
        self.loss = loss
        self.mask = mask
        self.noise = noise
        self.dropout = dropout
        self.l1 = l1
        self.weight_decay = weight_decay
        self.learning_rate = learning_rate
        self.batch = batch
        self.steps = steps
        self.patience = patience
        self.valid_split = valid_split
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : ndarray or DataFrame (n, features)
        y : ignored

        Returns
        -------
        self
        """
        X = self._validated(X, reset=True)
        try:
            from ..training.config import TableConfig
            from ..training.table import train
        except ImportError as error:
            raise ImportError(f"{error.name} is missing: pip install '.[train]'") from error
        given = self.get_params()
        given["adam_lr"] = given.pop("learning_rate")
        seed = check_random_state(given.pop("random_state")).randint(2**31)
        given["categorical"] = tuple(self.categorical)
        self.network_, self.curves_ = train(X, TableConfig(**given, seed=seed))
        return self

    def transform(self, X: Any) -> Array:
        """Latents of rows: int8 (n, latents)."""
        return self._network().latents(self._validated(X))

    def inverse_transform(self, X: Any) -> Any:
        """The rows that latents stand for, as an array or a DataFrame."""
        return self._network().decode(X)

    def expand(self, X: Any) -> Array:
        """What the decoder makes of latents before rows: float32 (n, hidden).

        A linear classifier finds more there than in the latents.
        """
        return self._network().expand(X)

    def denoise(self, X: Any) -> Any:
        """Rows as their latents have them."""
        return self._network().denoise(self._validated(X))

    def fill(self, X: Any) -> Any:
        """Rows with what is missing filled in; what is there stays."""
        network = self._network()
        X = self._validated(X)
        filled = network.fill(X)
        if hasattr(X, "index"):
            filled.index = X.index
        return filled

    def score_samples(self, X: Any) -> Array:
        """How usual rows are: float64 (n,), as of scikit-learn's, the less the stranger.

        Less the nats that a row needs: `codec.table.network.Network.score`.
        """
        return -self._network().score(self._validated(X))

    def anomaly_score(self, X: Any) -> Array:
        """The share of training rows that are more usual: float64 (n,), 0..1."""
        return self._network().unusual(self._validated(X))

    def sample(self, n: int = 1, random_state: Any = None) -> Any:
        """Draw ``n`` new rows, as an array or a DataFrame."""
        return self._network().sample(n, check_random_state(random_state).randint(2**31))

    def save(self, file: File) -> None:
        """Write the network to a file in the layout of safetensors; no pickle."""
        atomic.write(file, self._network().write())

    @classmethod
    def load(cls, file: File) -> Self:
        """A fitted estimator of a file of `save`, or of ``aetrain --preset table``.

        Raises
        ------
        FormatError
            Not such a file.
        """
        made = cls()
        made.network_ = network = Network.read(Path(file).read_bytes())
        made.latents, made.levels = len(network.prior["mean"]), network.levels
        made.n_features_in_ = len(network.rows.columns)
        if network.rows.schema.kind == "pandas":
            made.feature_names_in_ = np.array(network.rows.schema.names, object)
        return made

    def _network(self) -> Network:
        check_is_fitted(self, "network_")
        return self.network_

    @property
    def _n_features_out(self) -> int:
        return len(self.network_.prior["mean"])

    def _validated(self, X: Any, reset: bool = False) -> Any:
        if not reset:
            check_is_fitted(self, "network_")
        if type(X).__module__.partition(".")[0] == "pandas":
            return validate_data(self, X, reset=reset, skip_check_array=True)
        kinds = [np.float64, np.float32]
        return validate_data(self, X, reset=reset, dtype=kinds, ensure_all_finite=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
