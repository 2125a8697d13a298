"""The quantities that claims speak about, enclosed over many cells at once by one compiled program."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..._foundation.compilation import quick_compilation
from ...enclosure import Interval, enclose
from .coordinates import Cells, Coordinates
from .maps import MappedModel
from .semidefinite import Metric, smallest_eigenvalue, smallest_eigenvalue_of

BATCH = 256
"""Cells per call: one compiled shape, small enough to stay in cache."""


class Part(NamedTuple):
    """`of`: value, gradient, hessian, curvature along `direction`, or eigenvalue (the smallest one of the Hessian).

    `difference` says whether it is that of the model or of its difference from the other; `norm` replaces the entries
    by their Euclidean norm.
    """

    of: str
    direction: tuple[float, ...] | None = None
    difference: bool = False
    norm: bool = False


class Bounds(NamedTuple):
    """Enclosures of all columns, `(n, columns)`."""

    lower: np.ndarray
    upper: np.ndarray


class Quantities:
    """Encloses `parts` over cells, and evaluates them at points in floats; `columns[part]` says where each stands.

    Three ways of enclosing, by what is needed: natural intervals on one coordinate; where there are two or three, or a
    difference whose terms cancel, the mean-value form `q(middle) + q'(cell) (cell - middle)`, intersected with the
    natural one; affine forms where a cell is a box of all inputs.
    """

    def __init__(self, models: list[MappedModel], coordinates: Coordinates, parts: list[Part], order: int):
        self.coordinates, self.parts, self.models = coordinates, parts, models
        self.metric = _metric(models[0], coordinates)
        self._maps = jax.tree.map(jnp.asarray, (coordinates.along, coordinates.across))
        self._directions = {part.direction: jnp.asarray(part.direction) for part in parts if part.direction}
        smooth = order <= min(model.smoothness for model in models)
        if not coordinates.exact:
            self.method = "affine"
        else:
            self.method = "mean value" if smooth and (coordinates.rank > 1 or len(models) > 1) else "interval"
        self._raw = list(dict.fromkeys(part._replace(norm=False) for part in parts))
        self._enclosed = jax.jit(
            jax.vmap(self._enclosure(), in_axes=(0, 0, None)), compiler_options=quick_compilation()
        )
        self._plain = jax.jit(jax.vmap(self._at_point), compiler_options=quick_compilation())
        shapes = jax.eval_shape(self._at_point, jnp.zeros(len(coordinates.centre)))
        self.shapes = {part: shape.shape for part, shape in zip(self._raw, shapes)}
        self.columns, start = {}, 0
        for part in parts:
            if part.norm:
                size = 1
            else:
                size = self.shapes[part][0] if part.of == "eigenvalue" else int(np.prod(self.shapes[part]))
            self.columns[part] = slice(start, start + size)
            start += size
        self.size = start

    def _program(self, y, xi, remainder):
        """The raw parts at coordinates (y, xi)."""
        inner = []
        for along, across, e in zip(*self._maps, remainder):
            z = along @ y + e
            inner.append(z if self.coordinates.exact else z + across @ xi)
        return tuple(self._part(part, inner) for part in self._raw)

    def _part(self, part: Part, inner):
        found = [self._of(model, part, z) for model, z in zip(self.models, inner)] if part.difference else None
        return found[0] - found[1] if part.difference else self._of(self.models[0], part, inner[0])

    def _of(self, model: MappedModel, part: Part, z):
        if part.of == "curvature":
            return model.curvature(z, self._directions[part.direction])
        if part.of == "eigenvalue":
            return self.metric.hessian(model, z)
        return getattr(model, part.of)(z)

    def _enclosure(self):
        if self.method == "affine":
            return enclose(self._program, method="affine")

        def program(y, remainder):
            return self._program(y, None, remainder)

        if self.method == "interval":
            natural = enclose(program)
            return lambda y, xi, remainder: natural(y, remainder)

        def with_slopes(y, remainder):
            def twice(y):
                found = program(y, remainder)
                return found, found

            return jax.jacfwd(twice, has_aux=True)(y)

        # Middle and cell go through one program as two rows: compilation is what takes time here.
        rows = jax.vmap(enclose(with_slopes), in_axes=(0, None))

        def mean_value(y, xi, remainder):
            middle = y.mid()
            step = y - middle
            both = Interval.unchecked(jnp.stack([middle, y.lower]), jnp.stack([middle, y.upper]))
            slopes, found = rows(both, remainder)

            def combined(value, slope):
                start = value[0]
                for i in range(len(middle)):
                    start = start + slope[1, ..., i] * step[i]
                return start.intersection(value[1])

            return tuple(map(combined, found, slopes))

        return mean_value

    def _at_point(self, xi):
        y = xi @ jnp.asarray(self.coordinates.directions)
        return self._program(y, xi, tuple(e.mid() for e in self.coordinates.remainder))

    def enclose(self, cells: Cells) -> Bounds:
        """All columns over each cell; what cannot be bounded is unbounded."""
        return self._as_columns(self._raw_over(cells))

    def _raw_over(self, cells: Cells) -> list[tuple[np.ndarray, np.ndarray]]:
        r = self.coordinates.rank
        found = []
        for rows in _batches(len(cells)):
            lower, upper = cells.lower[rows], cells.upper[rows]
            y, xi = Interval.unchecked(lower[:, :r], upper[:, :r]), Interval.unchecked(lower[:, r:], upper[:, r:])
            found.append(jax.tree.map(np.asarray, self._enclosed(y, xi, self.coordinates.remainder)))
        return [
            (
                np.concatenate([piece[i].lower for piece in found])[: len(cells)],
                np.concatenate([piece[i].upper for piece in found])[: len(cells)],
            )
            for i in range(len(self._raw))
        ]

    def _as_columns(self, parts) -> Bounds:
        raw = dict(zip(self._raw, parts))
        lowers, uppers = [], []
        for part in self.parts:
            lower, upper = raw[part._replace(norm=False)]
            unknown = ~(np.isfinite(lower) & np.isfinite(upper) & (lower <= upper))
            lower, upper = np.where(unknown, -np.inf, lower), np.where(unknown, np.inf, upper)
            if part.norm:
                lower, upper = _norm(lower, upper)
            elif part.of == "eigenvalue":
                lower = smallest_eigenvalue(lower, upper, self.metric)
                upper = np.full_like(lower, np.inf)
            lowers.append(lower.reshape(len(lower), -1))
            uppers.append(upper.reshape(len(upper), -1))
        return Bounds(np.concatenate(lowers, axis=1), np.concatenate(uppers, axis=1))

    def at(self, points: np.ndarray) -> np.ndarray:
        """All columns at points of the box, in floats: a guide, not a proof."""
        xi = self.coordinates.scaled(points)
        found = [jax.tree.map(np.asarray, self._plain(xi[rows])) for rows in _batches(len(xi))]
        raw = {part: np.concatenate([piece[i] for piece in found])[: len(xi)] for i, part in enumerate(self._raw)}
        columns = []
        for part in self.parts:
            array = raw[part._replace(norm=False)]
            if part.norm:
                array = np.linalg.norm(array.reshape(len(array), -1), axis=1)
            elif part.of == "eigenvalue":
                array = smallest_eigenvalue_of(array)
            columns.append(array.reshape(len(array), -1))
        return np.concatenate(columns, axis=1)

    def enclose_points(self, points: np.ndarray) -> Bounds:
        """All columns at points of the box, rigorously."""
        return self.enclose(self.coordinates.cells_of(points))

    def raw_at(self, point: np.ndarray, part: Part) -> tuple[np.ndarray, np.ndarray]:
        """The enclosure of one part, before norms and eigenvalues are taken, at one point."""
        lower, upper = self._raw_over(self.coordinates.cells_of(point[None, :]))[self._raw.index(part)]
        return lower[0], upper[0]


def _metric(model: MappedModel, coordinates: Coordinates) -> Metric:
    return Metric.of(model, coordinates.exact and model.matrix.shape[0] < len(coordinates.centre))


def _batches(count: int):
    """Row numbers in batches of one size, the last one filled up with its first row."""
    for start in range(0, count, BATCH):
        rows = np.arange(start, start + BATCH)
        yield np.where(rows < count, rows, start)


def _norm(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Euclidean norm over all entries of each row, rounded outward."""
    lower, upper = lower.reshape(len(lower), -1), upper.reshape(len(upper), -1)
    largest = np.maximum(np.abs(lower), np.abs(upper))
    smallest = np.maximum(np.maximum(lower, -upper), 0.0)
    slack = (lower.shape[1] + 8) * np.finfo(float).eps  # squares, a sum in any order, a root: each right to an ulp
    high = np.sqrt((largest**2).sum(axis=1)) * (1 + slack) + 1e-150  # below, squares underflow
    return np.maximum(np.sqrt((smallest**2).sum(axis=1)) * (1 - slack) - 1e-150, 0.0), high
