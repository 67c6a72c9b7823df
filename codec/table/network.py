"""An autoencoder of a table's rows: what a trained one does, with NumPy alone.

A row becomes features, the encoder makes a few whole numbers of them (latents), and
the decoder gives each column a value or scores of its classes. A second output, before
the latents, says what is missing. `codec.training.table` trains the weights
(docs/table-tools.md).

=========  ===============================================================
`Column`   what a column is: numbers, or one of some classes
`Rows`     a table <-> one float for each cell <-> features
`Layers`   the functions of the network, for NumPy and for torch
`Network`  a trained network: latents, rows, filling in, scores, samples
=========  ===============================================================
"""

import dataclasses
import functools
import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import FormatError, InputError
from ..types import Array, Buffer
from .fields import Field, Numbers, Opaque, Schema, Texts, load, number_types, save
from .lattice import KEPT, MISSING, NAN, states

MAX_CLASSES = 64  # of a column; rarer ones count as missing
MAX_SIDE = 1 << 14  # of a matrix of weights
FAR = 10.0  # standard deviations beyond which features do not grow
LEVELS = 255  # of a latent, at most
BLOCK = 4096  # rows that are worked on at once
KNOTS = 257  # quantiles that a distribution is kept as
LEAST = 0.02  # standard deviations that a column's residual has at least
HUGE = 1e9  # standard deviations; what is farther, or infinite, counts as that
FREEDOM = 3  # degrees of Student's distribution of residuals
RIDGE = 1e-4  # added to variances of latents in -1..1
MAX_ARRAYS = 64  # of a file
MAX_HEAD = 1 << 24  # bytes of a file's head
FORMAT = "aecompress table network 1"


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column of the training rows was.

    Attributes
    ----------
    name : str
    classes : tuple of str or float, or None
        Words or numbers of which each value is one; None: any number.
    centre, scale : float
        Mean and standard deviation of numbers.
    low, high : float
        Least and largest number.
    whole : bool
        All were whole numbers.
    """

    name: str
    classes: tuple[str | float, ...] | None = None
    centre: float = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 0.0
    whole: bool = False

    @property
    def width(self) -> int:
        """Outputs of the network for it."""
        return len(self.classes) if self.classes is not None else 1


@dataclasses.dataclass(frozen=True)
class Rows:
    """A table <-> a matrix of one float a cell <-> features of the network.

    In a matrix (n, columns) float32, numbers are standardised, a class is its place in
    `Column.classes`, and NaN is missing.

    Attributes
    ----------
    columns : tuple of Column
    schema : Schema
        Of the training table: what comes out is one of its kind.
    """

    columns: tuple[Column, ...]
    schema: Schema

    @classmethod
    def of(cls, table: Any, categorical: Sequence[str | int] = (), scale: str = "auto") -> "Rows":
        """Look at a table.

        Parameters
        ----------
        table : ndarray, mapping, DataFrame or pyarrow.Table
            As of `codec.table.encode`.
        categorical : sequence of str or int
            Names or places of columns whose numbers are classes. Texts and booleans
            always are.
        scale : {"auto", "column", "table"}
            What numbers are divided by: the standard deviation of their column, or one
            for all columns, which are then of one unit. ``"auto"`` takes one for all
            where half of the columns reach from the table's least number to its
            largest, as pixels and ratings do.

        Raises
        ------
        InputError
            No such column, or one that is neither numbers nor texts; no rows.
        """
        schema, fields = _load(table)
        places = dict(enumerate(schema.names))
        named = {n if isinstance(n, str) else places.get(int(n), str(n)) for n in categorical}
        if named - set(schema.names):
            raise InputError(f"no column {', '.join(sorted(named - set(schema.names)))}")
        if not fields or not len(fields[0]):
            raise InputError("a table of no rows or no columns has nothing to learn from")
        columns = [_column(n, f, n in named) for n, f in zip(schema.names, fields)]
        return cls(tuple(_scaled(columns, scale)), schema)

    def matrix(self, table: Any) -> Array:
        """Cells of a table, float32 (n, columns).

        Raises
        ------
        InputError
            Other columns than those of the training table.
        """
        schema, fields = _load(table)
        if schema.names != self.schema.names:
            raise InputError(f"the table has columns {schema.names}, not {self.schema.names}")
        out = np.empty((len(fields[0]), len(fields)), np.float32)
        for i, (column, field) in enumerate(zip(self.columns, fields)):
            if column.classes is None:
                with np.errstate(over="ignore"):
                    out[:, i] = (_floats(column.name, field) - column.centre) / column.scale
            else:
                out[:, i] = _places(column, field)
        return out

    def table(self, matrix: Array, keep: Any = None) -> Any:
        """The inverse of `matrix`, as a table of the training table's kind.

        Parameters
        ----------
        matrix : float32 (n, columns)
        keep : table, optional
            Its cells come back as they are where they are not missing.
        """
        schema, given = self.schema, None
        if keep is not None:
            schema, given = _load(keep)
        types = number_types(schema)
        own = [_field(c, t, m) for c, t, m in zip(self.columns, types, matrix.T)]
        if given is not None:
            own = [_merged(g, o) for g, o in zip(given, own)]
        return save(schema, own, len(matrix))

    @functools.cached_property
    def numbers(self) -> Array:
        """Places of columns of numbers."""
        return np.array([i for i, c in enumerate(self.columns) if c.classes is None], int)

    @functools.cached_property
    def groups(self) -> list[tuple[int, slice]]:
        """(place, outputs) of columns of classes; their outputs follow the numbers'."""
        out, start = [], len(self.numbers)
        for i, column in enumerate(self.columns):
            if column.classes is not None:
                out.append((i, slice(start, start + column.width)))
                start += column.width
        return out

    @functools.cached_property
    def one_unit(self) -> bool:
        """All numbers are divided by the same: their columns' spreads can be compared."""
        return len({self.columns[i].scale for i in self.numbers}) == 1

    @property
    def n_outputs(self) -> int:
        """Numbers, then scores of classes."""
        return sum(c.width for c in self.columns)

    @property
    def n_features(self) -> int:
        """A number has a second feature: whether it is there."""
        return self.n_outputs + len(self.numbers)

    def features(self, matrix: Array) -> Array:
        """What the network sees of cells, float32 (n, n_features)."""
        values = matrix[:, self.numbers]
        there = ~np.isnan(values)
        out = np.zeros((len(matrix), self.n_features), np.float32)
        n = len(self.numbers)
        out[:, :n] = np.where(there, np.clip(values, -FAR, FAR), 0)
        for i, place in self.groups:
            (rows,) = np.nonzero(~np.isnan(matrix[:, i]))
            out[rows, place.start + matrix[rows, i].astype(int)] = 1
        out[:, self.n_outputs :] = there
        return out

    def best(self, outputs: Array) -> Array:
        """Cells that outputs speak for: numbers, and the classes of most weight."""
        out = np.empty((len(outputs), len(self.columns)), np.float32)
        out[:, self.numbers] = outputs[:, : len(self.numbers)]
        for i, place in self.groups:
            out[:, i] = outputs[:, place].argmax(1)
        return out


def _load(table: Any) -> tuple[Schema, list[Field]]:
    if type(table).__module__.partition(".")[0] == "pandas":
        table = table.reset_index(drop=True)
    return load(table)


def _floats(name: str, field: Field) -> Array:
    """Numbers of a column; NaN where there is none."""
    if not isinstance(field, Numbers):
        raise InputError(f"column {name} has no numbers")
    values = field.values.astype(np.int64) if field.values.dtype.kind in "mM" else field.values
    out = values.astype(np.float64)
    if field.values.dtype.kind in "mM":
        out[np.isnat(field.values)] = np.nan
    if field.missing is not None:
        out[field.missing] = np.nan
    return out


def _words(field: Texts) -> list[str]:
    return [w.decode("utf-8", "surrogateescape") for w in field.words]


def _column(name: str, field: Field, categorical: bool) -> Column:
    if isinstance(field, Opaque):
        raise InputError(f"column {name}: neither numbers nor texts")
    if isinstance(field, Texts):
        there = slice(None) if field.missing is None else ~field.missing
        count = np.bincount(field.codes[there], minlength=len(field.words))
        words = _words(field)
        return Column(name, tuple(words[i] for i in _frequent(count)))
    values = _floats(name, field)
    values = values[np.isfinite(values)]
    if categorical or field.values.dtype.kind == "b":
        kinds, count = np.unique(values, return_counts=True)
        return Column(name, tuple(float(kinds[i]) for i in _frequent(count)), whole=True)
    if not len(values):
        return Column(name)
    low, high = float(values.min()), float(values.max())
    # Halved, so that no sum of large numbers is infinite.
    centre = float((values / 2).mean()) * 2
    with np.errstate(over="ignore"):
        scale = float((values / 2 - centre / 2).std()) * 2
    if not math.isfinite(scale) or scale <= 1e-12 * max(abs(low), abs(high)):
        scale = 1.0 if low == high else max(high / 2 - low / 2, 1e-300)
    whole = bool((np.abs(values) < 2**53).all() and (values == np.rint(values)).all())
    return Column(name, None, centre, scale, low, high, whole)


def _scaled(columns: list[Column], scale: str) -> list[Column]:
    """Columns of which numbers have one scale, if it is asked for or plain to see."""
    spread = [c for c in columns if c.classes is None and c.low < c.high]
    if scale == "column" or not spread:
        return columns
    bounds = min(c.low for c in spread), max(c.high for c in spread)
    reach = sum((c.low, c.high) == bounds for c in spread)
    if scale == "auto" and (len(spread) < 2 or 2 * reach < len(spread)):
        return columns
    one = math.hypot(*(c.scale / math.sqrt(len(spread)) for c in spread))
    return [c if c.classes is not None else dataclasses.replace(c, scale=one) for c in columns]


def _frequent(count: Array) -> list[int]:
    """Places of the most frequent classes, in order."""
    most = np.argsort(-count, kind="stable")[:MAX_CLASSES]
    return sorted(int(i) for i in most if count[i])


def _places(column: Column, field: Field) -> Array:
    """Places of a column's classes; NaN where there is none."""
    assert column.classes is not None
    place = {value: float(i) for i, value in enumerate(column.classes)}
    if isinstance(field, Texts):
        table = np.array([place.get(w, np.nan) for w in _words(field)] or [np.nan])
        out: Array = table[np.minimum(field.codes, len(table) - 1)]
        return out if field.missing is None else np.where(field.missing, np.nan, out)
    values, inverse = np.unique(_floats(column.name, field), return_inverse=True)
    return np.array([place.get(float(v), np.nan) for v in values])[inverse]


def _field(column: Column, dtype: np.dtype[Any] | None, cells: Array) -> Field:
    """A column of cells as the table's own type has it; NaN is missing."""
    gone = np.isnan(cells)
    missing = gone if gone.any() else None
    cells = np.where(gone, 0, cells)
    if column.classes is None:
        values = cells.astype(np.float64) * column.scale + column.centre
        values = np.clip(values, column.low, column.high)
    elif column.classes and isinstance(column.classes[0], str):
        words = [str(w).encode("utf-8", "surrogateescape") for w in column.classes]
        return Texts(cells.astype(np.int64), words, missing)
    else:
        values = np.array(column.classes or [0.0])[cells.astype(np.int64)]
    if dtype is None:  # texts, all of them missing
        return Texts(np.zeros(len(cells), np.int64), [], np.ones(len(cells), bool))
    if dtype.kind == "f":
        return Numbers(np.where(gone, np.nan, values).astype(dtype))
    return Numbers(np.rint(values).astype(dtype), missing)


def _merged(given: Field, made: Field) -> Field:
    """A column, and where its cells are missing those that were made."""
    if isinstance(given, Numbers) and isinstance(made, Numbers):
        missing = states(given.values, given.missing)
        missing = (missing == MISSING) | (missing == NAN) | (missing == KEPT)
        return Numbers(np.where(missing, made.values, given.values))
    assert isinstance(given, Texts) and isinstance(made, Texts)
    if given.missing is None or not made.words:
        return given
    place = {w: i for i, w in enumerate(given.words)}
    words = [*given.words, *(w for w in made.words if w not in place)]
    place = {w: i for i, w in enumerate(words)}
    codes = np.array([place[w] for w in made.words])[made.codes]
    return Texts(np.where(given.missing, codes, given.codes), words)


# ---- The network -------------------------------------------------------------------


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
            "decoder0": (latents, hidden),
            "decoder1": (hidden, hidden),
            "rows": (hidden, n_outputs),
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

    def latents(self, hidden: Any) -> Any:
        """Latents in -1..1, not rounded yet."""
        return self.tanh(self._dense("latents", hidden))

    def expanded(self, latents: Any) -> Any:
        """What the decoder makes of latents before rows."""
        return self._two("decoder", latents)

    def rows(self, latents: Any) -> Any:
        """Outputs for latents."""
        return self._dense("rows", self.expanded(latents))

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
        variance 1; ``deviation`` (columns,) of residuals of numbers; quantiles of
        ``scores`` (KNOTS,) and ``marginals`` (KNOTS, k), and ``together`` (k, k), a
        root of the correlation of latents.
    """

    rows: Rows
    levels: int
    weights: dict[str, Array]
    prior: dict[str, Array]

    @classmethod
    def of(cls, rows: Rows, weights: dict[str, Array], levels: int, matrix: Array) -> "Network":
        """Measure on rows of training what scores and samples need."""
        made = cls(rows, levels, weights, {})
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
        z = self._layers.latents(self._layers.hidden(features))
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

        The sum of three: latents by a normal distribution; what they leave of the cells
        by Student's, where one does not fit the others; and numbers by Student's, where
        they are far from all that the network has seen.

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
            gap = np.nan_to_num((outputs[:, :n] - cells) / self.prior["deviation"][at])
            nats = _student(gap) + _student(np.nan_to_num(cells))
            for i, place in self.rows.groups:
                rows = np.flatnonzero(~np.isnan(block[:, i]))
                if len(rows):
                    chances = _chances(outputs[rows, place])
                    nats[rows] -= np.log(chances[np.arange(len(rows)), block[rows, i].astype(int)])
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
        for name, array in sorted({**self.weights, **self.prior}.items()):
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
        _need(size <= min(MAX_HEAD, len(data) - 8), "its head is cut short")
        head = json.loads(data[8 : 8 + size])
        about = head.pop("__metadata__")
        _need(about["format"] == FORMAT, f"of format {str(about['format'])[:40]!r}")
        schema = Schema.read(about["schema"].encode("utf-8", "surrogatepass"))
        columns = tuple(_column_of(*c) for c in json.loads(about["columns"]))
        _need(schema.names == tuple(c.name for c in columns), "columns are named otherwise")
        number_types(schema)
        rows, body, found = Rows(columns, schema), memoryview(data)[8 + size :], {}
        # Each is looked at whole, and all may name the same bytes.
        _need(len(head) <= MAX_ARRAYS, f"{len(head)} arrays")
        for name, one in head.items():
            start, stop = one["data_offsets"]
            shape = tuple(one["shape"])
            _need(0 <= start <= stop <= len(body) and one["dtype"] == "F32", "arrays overlap")
            _need(all(type(n) is int and 0 <= n <= MAX_SIDE for n in shape), "a side is too long")
            found[name] = np.frombuffer(body[start:stop], "<f4").reshape(shape)
            _need(np.isfinite(found[name]).all(), f"{name} is not finite")
        levels = int(about["levels"])
        _need(3 <= levels <= LEVELS, f"{levels} levels")
        return _checked(rows, levels, found)


def _checked(rows: Rows, levels: int, found: dict[str, Array]) -> Network:
    """A network of arrays that are there, of the right shapes."""
    hidden, k = found["latents"].shape
    wanted: dict[str, tuple[int, ...]] = {}
    for name, shape in Layers.shapes(rows.n_features, rows.n_outputs, hidden, k).items():
        wanted |= {name: shape, name + ".bias": shape[1:]}
    prior = {
        "mean": (k,),
        "white": (k, k),
        "deviation": (len(rows.columns),),
        "marginals": (KNOTS, k),
        "together": (k, k),
        "scores": (KNOTS,),
    }
    shapes = {name: a.shape for name, a in found.items()}
    _need(k > 0 and shapes == wanted | prior, "its arrays have other shapes")
    _need((found["deviation"] > 0).all(), "a deviation is not positive")
    return Network(rows, levels, {n: found[n] for n in wanted}, {n: found[n] for n in prior})


def _need(condition: object, what: str) -> None:
    if not condition:
        raise FormatError(f"not a sound network of a table: {what}")


def _column_of(
    name: Any, classes: Any, centre: Any, scale: Any, low: Any, high: Any, whole: Any
) -> Column:
    """A column of a file."""
    reals = centre, scale, low, high
    _need(type(name) is str and type(whole) is bool, "a column")
    _need(all(type(v) is float and math.isfinite(v) for v in reals), "a column's numbers")
    _need(scale > 0, "a column's scale")
    if classes is not None:
        _need(type(classes) is list and len(classes) <= MAX_CLASSES, "a column's classes")
        kind = str if classes and isinstance(classes[0], str) else float
        _need(all(type(c) is kind for c in classes), "a column's classes")
        _need(kind is str or np.isfinite(classes).all(), "a column's classes")
        classes = tuple(classes)
    return Column(name, classes, *reals, whole)


def _blocks(array: Array) -> list[Array]:
    """Rows of an array in parts; none are one part."""
    return [array[i : i + BLOCK] for i in range(0, max(len(array), 1), BLOCK)]


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
