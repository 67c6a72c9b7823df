"""Rows of a table as an autoencoder sees them: what each column is, and features.

A matrix has one float for each cell; features are what a network takes of it, and
outputs what it gives back (`codec.table.network`).

========  ========================================
`Column`  numbers, or one of some classes
`Rows`    a table <-> a matrix <-> features
========  ========================================
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FormatError, InputError
from ..types import Array
from .fields import Field, Numbers, Opaque, Schema, Texts, load, number_types, save
from .lattice import KEPT, MISSING, NAN, states

MAX_CLASSES = 64  # of a column; rarer ones count as missing
FAR = 10.0  # standard deviations beyond which features do not grow


def need(condition: object, what: str) -> None:
    """Refuse a file of a network, unless so."""
    if not condition:
        raise FormatError(f"not a sound network of a table: {what}")


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

    @classmethod
    def read(
        cls, name: Any, classes: Any, centre: Any, scale: Any, low: Any, high: Any, whole: Any
    ) -> "Column":
        """A column of a file: its attributes, which may be anything.

        Raises
        ------
        FormatError
            They make no sense.
        """
        reals = centre, scale, low, high
        need(type(name) is str and type(whole) is bool, "a column")
        need(all(type(v) is float and math.isfinite(v) for v in reals), "a column's numbers")
        need(scale > 0, "a column's scale")
        if classes is not None:
            need(type(classes) is list and len(classes) <= MAX_CLASSES, "a column's classes")
            kind = str if classes and isinstance(classes[0], str) else float
            need(all(type(c) is kind for c in classes), "a column's classes")
            need(kind is str or np.isfinite(classes).all(), "a column's classes")
            classes = tuple(classes)
        return cls(name, classes, *reals, whole)


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

    def in_one_scale(self) -> "Rows | None":
        """The same rows with one scale for all numbers, unless these have that."""
        if self.one_unit or not len(self.numbers):
            return None
        return Rows(tuple(_scaled(list(self.columns), "table")), self.schema)

    def moved(self, matrix: Array, other: "Rows") -> Array:
        """Cells as ``other`` scales them."""
        mine, its = ([c.scale for c in r.columns] for r in (self, other))
        return matrix * np.divide(mine, its).astype(np.float32)

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
