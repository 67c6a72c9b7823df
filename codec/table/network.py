"""An autoencoder of a table's rows: what a trained one does, with NumPy alone.

A row becomes features, the encoder makes a few whole numbers of them (latents), and
the decoder gives each column a value or scores of its classes. A second output, before
the latents, says what is missing. `codec.training.table` trains the weights
(docs/table-tools.md).

=========  ===============================================================
`Layers`   the functions of the network, for NumPy and for torch
`Network`  a trained network: latents, rows, filling in, scores, samples
=========  ===============================================================
"""

import dataclasses
import functools
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FormatError, InputError
from ..types import Array, Buffer
from .fields import Schema, number_types
from .rows import Column, Rows, need

MAX_SIDE = 1 << 14  # of a matrix of weights
LEVELS = 255  # of a latent, at most
BLOCK = 4096  # rows that are worked on at once
KNOTS = 257  # quantiles that a distribution is kept as
LEAST = 0.02  # standard deviations that a column's residual has at least
HUGE = 1e9  # standard deviations; what is farther, or infinite, counts as that
FREEDOM = 3  # degrees of Student's distribution of residuals
RIDGE = 1e-4  # added to variances of latents in -1..1, and of residuals
SHRINK = 0.1  # share by which correlations of residuals count as none
TOGETHER = 512  # numbers of a row of which correlations are looked at, at most
VIEW = "view."  # begins names of its arrays
MAX_ARRAYS = 64  # of a file
MAX_HEAD = 1 << 24  # bytes of a file's head
FORMAT = "aecompress table network 1"


def _silu(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


def _same(x: Any) -> Any:
    return x


@dataclasses.dataclass(frozen=True)
class Layers:
    """The functions of the network; arrays of NumPy or tensors go through alike.

    Attributes
    ----------
    weights : mapping
        As `shapes` says.
    silu, tanh : callable
    dropout : callable
        What leaves out hidden units while training.
    """

    weights: Any
    silu: Callable[[Any], Any] = _silu
    tanh: Callable[[Any], Any] = np.tanh
    dropout: Callable[[Any], Any] = _same

    @staticmethod
    def shapes(n_features: int, n_outputs: int, hidden: int, latents: int) -> dict[str, Any]:
        """Names and shapes of all weights."""
        return {
            "encoder0": (n_features, hidden),
            "encoder1": (hidden, hidden),
            "latents": (hidden, latents),
            "into": (n_features, latents),
            "decoder0": (latents, hidden),
            "decoder1": (hidden, hidden),
            "rows": (hidden, n_outputs),
            "out": (latents, n_outputs),
            "missing": (hidden, n_outputs),
            "straight": (n_features, n_outputs),
        }

    def _dense(self, name: str, x: Any) -> Any:
        return x @ self.weights[name] + self.weights[name + ".bias"]

    def _two(self, name: str, x: Any) -> Any:
        """A layer, and one that adds to it."""
        h = self.dropout(self.silu(self._dense(name + "0", x)))
        return h + self.dropout(self.silu(self._dense(name + "1", h)))

    def hidden(self, features: Any) -> Any:
        """What the encoder knows of a row before it is narrowed."""
        return self._two("encoder", features)

    def latents(self, hidden: Any, features: Any) -> Any:
        """Latents in -1..1, not rounded yet."""
        return self.tanh(self._dense("latents", hidden) + self._dense("into", features))

    def expanded(self, latents: Any) -> Any:
        """What the decoder makes of latents before rows."""
        return self._two("decoder", latents)

    def rows(self, latents: Any) -> Any:
        """Outputs for latents."""
        return self._dense("rows", self.expanded(latents)) + self._dense("out", latents)

    def missing(self, hidden: Any, features: Any) -> Any:
        """Outputs for cells that are missing, of all that the encoder knows."""
        return self._dense("missing", hidden) + self._dense("straight", features)


@dataclasses.dataclass(frozen=True)
class Network:
    """A trained network, and what its training rows were like.

    Attributes
    ----------
    rows : Rows
    levels : int
        Values of a latent.
    weights : dict of str to float32 ndarray
        As `Layers.shapes` says.
    prior : dict of str to float32 ndarray
        ``mean`` (k,) and ``white`` (k, k) of latents, which makes them independent with
        variance 1; ``deviation`` (columns,) of residuals of numbers; ``apart``
        (numbers, numbers), which makes them independent with variance 1, or (1, numbers),
        which they are multiplied by; quantiles of
        ``scores`` (KNOTS,) and ``marginals`` (KNOTS, k), and ``together`` (k, k), a
        root of the correlation of latents.
    view : Network, optional
        One of the same rows in one scale, for scores.
    """

    rows: Rows
    levels: int
    weights: dict[str, Array]
    prior: dict[str, Array]
    view: "Network | None" = None

    @classmethod
    def of(
        cls,
        rows: Rows,
        weights: dict[str, Array],
        levels: int,
        matrix: Array,
        view: "Network | None" = None,
    ) -> "Network":
        """Measure on rows of training what scores and samples need."""
        made = cls(rows, levels, weights, {}, view)
        z = np.concatenate([made._latents(rows.features(m)) for m in _blocks(matrix)])
        at = rows.numbers
        away = np.concatenate(
            [
                made._layers.rows(a)[:, : len(at)] - b[:, at]
                for a, b in zip(_blocks(z), _blocks(matrix))
            ]
        )
        away = np.where(np.isfinite(away), away, np.nan)
        count = np.maximum(np.isfinite(away).sum(0), 1)
        deviation = np.ones(len(rows.columns))
        deviation[at] = np.sqrt(np.nansum(np.square(away), 0) / count)
        if rows.one_unit:
            deviation[at] = np.sqrt(np.mean(np.square(deviation[at])))
        deviation = np.maximum(deviation, LEAST)
        k = z.shape[1]
        spread = np.atleast_2d(np.cov(z.T)) if len(z) > 1 else np.eye(k)
        steps = np.linspace(0, 1, KNOTS)
        made.prior.update(
            mean=z.mean(0),
            white=np.linalg.cholesky(np.linalg.inv(spread + RIDGE * np.eye(k))),
            deviation=deviation,
            apart=_apart(np.nan_to_num(away), deviation[at], rows.one_unit),
            marginals=np.quantile(z, steps, 0),
            together=_root(z),
        )
        made.prior["scores"] = np.quantile(made._score(matrix), steps)
        made.prior.update((n, a.astype(np.float32)) for n, a in made.prior.items())
        return made

    @functools.cached_property
    def _layers(self) -> Layers:
        return Layers(self.weights)

    @property
    def reach(self) -> int:
        """Latents are -reach..reach."""
        return self.levels // 2

    def _latents(self, features: Array) -> Array:
        """Rounded latents in -1..1."""
        z = self._layers.latents(self._layers.hidden(features), features)
        return np.rint(z * self.reach) / np.float32(self.reach)

    def latents(self, table: Any) -> Array:
        """The whole numbers that the encoder makes of rows.

        Parameters
        ----------
        table : ndarray, mapping, DataFrame or pyarrow.Table
            With the columns of the training table.

        Returns
        -------
        int8 ndarray (n, k)
            -reach..reach.
        """
        matrix = self.rows.matrix(table)
        out = np.empty((len(matrix), len(self.prior["mean"])), np.int8)
        for block, to in zip(_blocks(matrix), _blocks(out)):
            to[:] = np.rint(self._latents(self.rows.features(block)) * self.reach)
        return out

    def decode(self, latents: Array) -> Any:
        """The rows that latents stand for, as a table of the training table's kind.

        Parameters
        ----------
        latents : ndarray (n, k)
            As of `latents`; larger ones count as the largest.
        """
        z = self._given(latents)
        cells = [self.rows.best(self._layers.rows(block)) for block in _blocks(z)]
        return self.rows.table(np.concatenate(cells))

    def expand(self, latents: Array) -> Array:
        """What the decoder makes of latents before rows, float32 (n, hidden units).

        A linear classifier finds more there than in the latents, of which it is a
        function.

        Parameters
        ----------
        latents : ndarray (n, k)
            As of `latents`; larger ones count as the largest.
        """
        return np.concatenate([self._layers.expanded(b) for b in _blocks(self._given(latents))])

    def _given(self, latents: Array) -> Array:
        """Latents in -1..1 of whole numbers that anyone gave."""
        z = np.asarray(latents)
        if z.ndim != 2 or z.shape[1] != len(self.prior["mean"]):
            raise InputError(f"latents of shape {z.shape}, not (n, {len(self.prior['mean'])})")
        return np.clip(np.nan_to_num(z.astype(np.float32)) / self.reach, -1, 1)

    def denoise(self, table: Any) -> Any:
        """Rows as their latents have them."""
        return self.decode(self.latents(table))

    def fill(self, table: Any) -> Any:
        """A table with what is missing filled in: means of numbers, likeliest classes.

        Parameters
        ----------
        table : ndarray, mapping, DataFrame or pyarrow.Table
            NaN and what the table itself calls missing is filled in; all else stays.
        """
        cells = []
        for block in _blocks(self.rows.matrix(table)):
            features = self.rows.features(block)
            outputs = self._layers.missing(self._layers.hidden(features), features)
            cells.append(self.rows.best(outputs))
        return self.rows.table(np.concatenate(cells), keep=table)

    def score(self, table: Any) -> Array:
        """How unusual rows are, in nats less a constant.

        The sum of two: latents by a normal distribution; and by Student's what they
        leave of the cells, in directions that do not depend on each other. Where each
        column has its own scale, the same of a network that sees all in one.

        Returns
        -------
        float64 ndarray (n,)
            Infinite values give large, finite scores.
        """
        return self._score(self.rows.matrix(table))

    def _score(self, matrix: Array) -> Array:
        at, n = self.rows.numbers, len(self.rows.numbers)
        out = []
        for block in _blocks(matrix):
            z = self._latents(self.rows.features(block))
            outputs = self._layers.rows(z).astype(np.float64)
            away = np.square((z - self.prior["mean"]) @ self.prior["white"]).sum(1) / 2
            cells = np.clip(block[:, at].astype(np.float64), -HUGE, HUGE)
            gap, apart = np.nan_to_num(outputs[:, :n] - cells), self.prior["apart"]
            nats = _student(gap * apart if len(apart) == 1 else gap @ apart)
            for i, place in self.rows.groups:
                rows = np.flatnonzero(~np.isnan(block[:, i]))
                if len(rows):
                    chances = _chances(outputs[rows, place])
                    nats[rows] -= np.log(chances[np.arange(len(rows)), block[rows, i].astype(int)])
            if self.view is not None:
                nats += self.view._score(self.rows.moved(block, self.view.rows))
            out.append(away + nats)
        return np.concatenate(out)

    def unusual(self, table: Any) -> Array:
        """The share of training rows whose score is less: float64 (n,), 0..1."""
        steps = np.linspace(0, 1, KNOTS)
        return np.interp(self.score(table), self.prior["scores"], steps)

    def sample(self, n: int, seed: int = 0) -> Any:
        """New rows, as a table of the training table's kind.

        Latents are drawn by their own distributions and correlations, then cells by
        what the decoder says of them.

        Parameters
        ----------
        n : int
        seed : int
            The same gives the same.
        """
        rng = np.random.default_rng(seed)
        normal = rng.standard_normal((n, len(self.prior["mean"]))) @ self.prior["together"].T
        chance = (1 + np.vectorize(math.erf, otypes=[float])(normal / math.sqrt(2))) / 2
        steps = np.linspace(0, 1, KNOTS)
        z = [np.interp(u, steps, q) for u, q in zip(chance.T, self.prior["marginals"].T)]
        reach = np.float32(self.reach)
        outputs = self._layers.rows((np.rint(np.stack(z, 1) * reach) / reach).astype(np.float32))
        cells = self.rows.best(outputs)
        at = self.rows.numbers
        cells[:, at] += self.prior["deviation"][at] * rng.standard_normal((n, len(at)))
        for i, place in self.rows.groups:
            if place.stop > place.start:
                below = np.cumsum(_chances(outputs[:, place]), 1)
                drawn = (rng.random((n, 1)) * below[:, -1:] >= below).sum(1)
                cells[:, i] = np.minimum(drawn, below.shape[1] - 1)
        for i, column in enumerate(self.rows.columns):
            if column.whole and column.classes is None:
                value = np.rint(cells[:, i] * column.scale + column.centre)
                cells[:, i] = (value - column.centre) / column.scale
        return self.rows.table(cells)

    # ---- Files ---------------------------------------------------------------------

    def write(self) -> bytes:
        """The network as a file in the layout of safetensors."""
        columns = [dataclasses.astuple(c) for c in self.rows.columns]
        about = {
            "format": FORMAT,
            "levels": str(self.levels),
            "columns": json.dumps(columns),
            "schema": self.rows.schema.write().decode("utf-8", "surrogatepass"),
        }
        head: dict[str, Any] = {"__metadata__": about}
        data = b""
        arrays = {**self.weights, **self.prior}
        if self.view is not None:
            both = {**self.view.weights, **self.view.prior}
            arrays |= {VIEW + name: array for name, array in both.items()}
        for name, array in sorted(arrays.items()):
            part = array.astype("<f4").tobytes()
            place = [len(data), len(data) + len(part)]
            head[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": place}
            data += part
        text = json.dumps(head, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + data

    @classmethod
    def read(cls, data: Buffer) -> "Network":
        """The inverse of `write`.

        Raises
        ------
        FormatError
            Not such a file, or one that makes no sense.
        """
        try:
            return cls._read(bytes(data))
        except FormatError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as e:
            raise FormatError(f"not a network of a table: {e}") from e
        except (struct.error, RecursionError) as e:
            raise FormatError(f"not a network of a table: {e}") from e

    @classmethod
    def _read(cls, data: bytes) -> "Network":
        (size,) = struct.unpack_from("<Q", data)
        need(size <= min(MAX_HEAD, len(data) - 8), "its head is cut short")
        head = json.loads(data[8 : 8 + size])
        about = head.pop("__metadata__")
        need(about["format"] == FORMAT, f"of format {str(about['format'])[:40]!r}")
        schema = Schema.read(about["schema"].encode("utf-8", "surrogatepass"))
        columns = tuple(Column.read(*c) for c in json.loads(about["columns"]))
        need(schema.names == tuple(c.name for c in columns), "columns are named otherwise")
        number_types(schema)
        rows, body, found = Rows(columns, schema), memoryview(data)[8 + size :], {}
        # Each is looked at whole, and all may name the same bytes.
        need(len(head) <= MAX_ARRAYS, f"{len(head)} arrays")
        for name, one in head.items():
            start, stop = one["data_offsets"]
            shape = tuple(one["shape"])
            need(0 <= start <= stop <= len(body) and one["dtype"] == "F32", "arrays overlap")
            need(all(type(n) is int and 0 <= n <= MAX_SIDE for n in shape), "a side is too long")
            found[name] = np.frombuffer(body[start:stop], "<f4").reshape(shape)
            need(np.isfinite(found[name]).all(), f"{name} is not finite")
        levels = int(about["levels"])
        need(3 <= levels <= LEVELS, f"{levels} levels")
        seen = {n.removeprefix(VIEW): found.pop(n) for n in [*found] if n.startswith(VIEW)}
        other = rows.in_one_scale()
        need(not seen or other is not None, "a view that is the same")
        view = _checked(other, levels, seen) if seen and other is not None else None
        return _checked(rows, levels, found, view)


def _checked(
    rows: Rows, levels: int, found: dict[str, Array], view: Network | None = None
) -> Network:
    """A network of arrays that are there, of the right shapes."""
    hidden, k = found["latents"].shape
    wanted: dict[str, tuple[int, ...]] = {}
    for name, shape in Layers.shapes(rows.n_features, rows.n_outputs, hidden, k).items():
        wanted |= {name: shape, name + ".bias": shape[1:]}
    prior = {
        "mean": (k,),
        "white": (k, k),
        "deviation": (len(rows.columns),),
        "apart": (1 if len(found["apart"]) == 1 else len(rows.numbers), len(rows.numbers)),
        "marginals": (KNOTS, k),
        "together": (k, k),
        "scores": (KNOTS,),
    }
    shapes = {name: a.shape for name, a in found.items()}
    need(k > 0 and shapes == wanted | prior, "its arrays have other shapes")
    need((found["deviation"] > 0).all(), "a deviation is not positive")
    parts = [{n: found[n] for n in names} for names in (wanted, prior)]
    return Network(rows, levels, parts[0], parts[1], view)


def _blocks(array: Array) -> list[Array]:
    """Rows of an array in parts; none are one part."""
    return [array[i : i + BLOCK] for i in range(0, max(len(array), 1), BLOCK)]


def _apart(away: Array, deviation: Array, one_unit: bool) -> Array:
    """What makes residuals of numbers independent with variance 1: `Network.prior`."""
    n = len(deviation)
    if one_unit or len(away) < 2 or not 1 < n <= TOGETHER:
        return 1 / deviation[None]
    spread = np.cov(away.T)
    own = np.diag(np.diag(spread))
    values, along = np.linalg.eigh(spread + SHRINK * (own - spread) + RIDGE * np.eye(n))
    return along / np.sqrt(np.maximum(values, RIDGE))


def _student(cells: Array) -> Array:
    """Nats of the numbers of rows, of deviation 1."""
    return (FREEDOM + 1) / 2 * np.log1p(np.square(cells) / FREEDOM).sum(1)


def _chances(scores: Array) -> Array:
    """Probabilities of classes."""
    odds = np.exp(scores - scores.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def _root(z: Array) -> Array:
    """A root of the correlation of normal variables with the ranks of z."""
    k = z.shape[1]
    ranks = z.argsort(0, kind="stable").argsort(0, kind="stable").astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.nan_to_num(np.corrcoef(ranks.T)) if len(z) > 1 else np.eye(k)
    rho = 2 * np.sin(np.pi / 6 * np.reshape(rho, (k, k)))
    np.fill_diagonal(rho, 1)
    values, vectors = np.linalg.eigh(rho)
    root = vectors * np.sqrt(np.maximum(values, 0))
    return root / np.maximum(np.linalg.norm(root, axis=1, keepdims=True), 1e-9)
