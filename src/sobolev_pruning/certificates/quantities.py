"""The quantities that claims speak about, enclosed over many cells at once by one compiled program."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.compilation import quick_compilation
from ..enclosure import Interval, enclose
from ..enclosure.decorations import BENT, CUSTOM, JUMPS, KINKED, UNDEFINED, UNPROVED, anywhere, joined
from ..enclosure.programs.program import written_out
from ..enclosure.registry import user_rules_in
from .claims import ORDER
from .coordinates import Coordinates, Subboxes
from .maps import MappedModel
from .semidefinite import Metric, smallest_eigenvalue, smallest_eigenvalue_of

BATCH = 256
"""Cells per call: one compiled shape, small enough to stay in cache."""

MOST_AFFINE = 10_000
"""Numbers that a program computes, above which affine forms take too long, and too much memory. Below they need a tenth
of the cells that the mean-value form needs, or decide where it does not (`benchmarks/certificates.py`)."""


OBSTACLES = (
    UNPROVED | UNDEFINED,
    UNPROVED | UNDEFINED | JUMPS | CUSTOM,
    UNPROVED | UNDEFINED | JUMPS | CUSTOM | KINKED,
    UNPROVED | UNDEFINED | JUMPS | CUSTOM | KINKED | BENT,
)
"""By the order of a derivative: what in the decoration of a model over a cell keeps the enclosure of the derivative's
program from bounding it. First derivatives at kinks are Clarke sets, as are second ones where the first are kinked."""


class Part(NamedTuple):
    """`of`: value, gradient, hessian, curvature along `direction`, or eigenvalue (the smallest one of the Hessian).

    `difference` says whether it is that of the model or of its difference from the other; `norm` replaces the entries
    by their Euclidean norm.
    """

    of: str
    direction: tuple[float, ...] | None = None
    difference: bool = False
    norm: bool = False

    @property
    def order(self) -> int:
        """The highest derivative in it."""
        return 2 if self.of == "eigenvalue" else ORDER[self.of]


class CellBounds(NamedTuple):
    """Enclosures of all columns, `(n, columns)`."""

    lower: np.ndarray
    upper: np.ndarray


class Quantities:
    """Encloses `parts` over cells, and evaluates them at points in floats; `columns[part]` says where each stands.

    Three ways of enclosing, by what is needed: natural intervals on one coordinate; affine forms where there are two or
    three, or a cell is a box of all inputs; for a difference, whose terms cancel, and for programs too large for affine
    forms, the mean-value form `q(middle) + q'(cell) (cell - middle)`, intersected with the natural one, where the
    models are smooth enough.

    How smooth a model is, is derived from its program, over the box and, where that does not suffice, over every cell.
    What an obstacle keeps from being bounded is unbounded. `rules` names the user's rules among those used.
    """

    def __init__(self, models: list[MappedModel], coordinates: Coordinates, parts: list[Part], order: int):
        self.coordinates, self.parts, self.models = coordinates, parts, models
        self.metric = _metric(models[0], coordinates)
        self._maps = jax.tree.map(jnp.asarray, (coordinates.along, coordinates.across))
        self._directions = {part.direction: jnp.asarray(part.direction) for part in parts if part.direction}
        self._raw = list(dict.fromkeys(part._replace(norm=False) for part in parts))
        self.method = self._suitable_method(order)
        self._flags, self._watched = self._over_box(order)
        self.rules = user_rules_in(self._at_point, jnp.zeros(len(coordinates.centre)))
        # Traced for one cell first: batching every operation while it is traced takes longer.
        self._enclosed = jax.jit(
            jax.vmap(jax.jit(self._enclosure(), inline=True), in_axes=(0, 0, None)),
            compiler_options=quick_compilation(),
        )
        self._plain = jax.jit(jax.vmap(jax.jit(self._at_point, inline=True)), compiler_options=quick_compilation())
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

    def _suitable_method(self, order: int) -> str:
        rank, single = self.coordinates.rank, len(self.models) == 1
        if not self.coordinates.exact:
            return "affine"
        if rank == 1 and single:
            return "interval"
        if single and self._numbers() <= MOST_AFFINE:
            return "affine"
        return "mean value" if order <= min(model.smoothness for model in self.models) else "interval"

    def _numbers(self) -> int:
        """How many numbers the program of the parts computes."""
        program = written_out(jax.make_jaxpr(self._at_point)(jnp.zeros(len(self.coordinates.centre))))
        return sum(variable.aval.size for equation in program.equations for variable in equation.outvars)

    def _over_box(self, order: int) -> tuple[int, list[int]]:
        """The decoration of the models' values over the box, and which of them must be watched over every cell."""
        known = joined(*[model.decoration for model in self.models if model.decoration is not None])
        unknown = [i for i, model in enumerate(self.models) if model.decoration is None]
        if not unknown:
            return known, []
        root = self._coordinates_of(self.coordinates.root())
        found = jax.jit(self._enclosed_values(unknown))(*root, self.coordinates.remainder)
        over_box = [int(np.bitwise_or.reduce(np.ravel(value.decoration))) for value in found]
        watched = [i for i, flags in zip(unknown, over_box, strict=True) if flags & OBSTACLES[order + 1]]
        return joined(known, *[f for i, f in zip(unknown, over_box, strict=True) if i not in watched]), watched

    def _enclosed_values(self, of: list[int]):
        """The enclosure of the values of these models over a cell, for its decorations."""
        return enclose(lambda *cell: self._values(self._inner(*cell), of)) if of else lambda *cell: ()

    def _values(self, inner, of: list[int]) -> tuple:
        return tuple(self.models[i].value(inner[i]) for i in of)

    def _coordinates_of(self, cells: Subboxes) -> tuple[Interval, Interval]:
        """y and xi of one cell."""
        r = self.coordinates.rank
        lower, upper = cells.lower[0], cells.upper[0]
        return Interval(lower[:r], upper[:r]), Interval(lower[r:], upper[r:])

    def _inner(self, y, xi, remainder) -> list:
        """What the tails of the models are functions of, at coordinates (y, xi)."""
        inner = []
        for along, across, e in zip(*self._maps, remainder):
            z = along @ y + e
            inner.append(z if self.coordinates.exact else z + across @ xi)
        return inner

    def _program(self, y, xi, remainder):
        """The raw parts at coordinates (y, xi)."""
        inner = self._inner(y, xi, remainder)
        return tuple(self._part(part, inner) for part in self._raw)

    def _decorated(self, found, of_models) -> list[tuple[Interval, jax.Array]]:
        """The parts, each with what is in the way of its bounds, given the decoration of the models."""
        obstacles = []
        for part, x in zip(self._raw, found, strict=True):
            own = anywhere(x.decoration) & np.uint8(UNPROVED | UNDEFINED)
            obstacles.append(own | (of_models & np.uint8(OBSTACLES[part.order])))
        return list(zip(found, obstacles, strict=True))

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
        values = self._enclosed_values(self._watched)

        def of_models(*cell):
            flags = joined(self._flags, *[anywhere(value.decoration) for value in values(*cell)])
            return jnp.asarray(flags, np.uint8)

        if self.method == "affine":
            affine = enclose(self._program, method="affine")
            return lambda *cell: self._decorated(affine(*cell), of_models(*cell))

        def program(y, remainder):
            return self._program(y, None, remainder)

        if self.method == "interval":
            natural = enclose(program)
            return lambda y, xi, remainder: self._decorated(natural(y, remainder), of_models(y, xi, remainder))

        def with_slopes(y, remainder):
            def twice(y):
                found = program(y, remainder)
                return found, found

            return jax.jacfwd(twice, has_aux=True)(y)

        # Middle and cell go through one program as two rows: compilation is what takes time here.
        rows = jax.vmap(jax.jit(enclose(with_slopes), inline=True), in_axes=(0, None))

        def mean_value(y, xi, remainder):
            middle = y.mid()
            step = y - middle
            both = Interval(jnp.stack([middle, y.lower]), jnp.stack([middle, y.upper]))
            slopes, found = rows(both, remainder)
            flags = of_models(y, xi, remainder)

            def combined(part, value, slope):
                start = value[0]
                for i in range(len(middle)):
                    start = start + slope[1, ..., i] * step[i]
                # Across a kink of the part its slopes are Clarke's; across a jump they say nothing.
                valid = (flags & np.uint8(OBSTACLES[part.order + 1])) == 0
                both = start.intersection(value[1])
                ends = zip((both.lower, both.upper), (value[1].lower, value[1].upper), strict=True)
                return Interval.unchecked(*(jnp.where(valid, *end) for end in ends), value[1].decoration)

            return self._decorated(list(map(combined, self._raw, found, slopes)), flags)

        return mean_value

    def _at_point(self, xi):
        y = xi @ jnp.asarray(self.coordinates.directions)
        return self._program(y, xi, tuple(e.mid() for e in self.coordinates.remainder))

    def values_at(self, points: np.ndarray) -> np.ndarray:
        """The values of all models at points of the box, in floats, `(n, outputs)`."""

        def values(xi):
            y = xi @ jnp.asarray(self.coordinates.directions)
            inner = self._inner(y, xi, tuple(e.mid() for e in self.coordinates.remainder))
            return jnp.concatenate([jnp.ravel(x) for x in self._values(inner, list(range(len(self.models))))])

        return np.asarray(jax.jit(jax.vmap(values))(self.coordinates.scaled(points)))

    def enclose(self, cells: Subboxes) -> CellBounds:
        """All columns over each cell; what cannot be bounded is unbounded."""
        return self._as_columns(self._raw_over(cells))

    def _raw_over(self, cells: Subboxes) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Lower and upper bounds of every part over each cell, `(n, ...)`, and what is in the way of them, `(n,)`."""
        r = self.coordinates.rank
        found = []
        for rows in _batches(len(cells)):
            lower, upper = cells.lower[rows], cells.upper[rows]
            y, xi = Interval(lower[:, :r], upper[:, :r]), Interval(lower[:, r:], upper[:, r:])
            pieces = self._enclosed(y, xi, self.coordinates.remainder)
            found.append([jax.tree.map(np.asarray, (x.lower, x.upper, obstacles)) for x, obstacles in pieces])
        return [
            tuple(np.concatenate(arrays)[: len(cells)] for arrays in zip(*[piece[i] for piece in found], strict=True))
            for i in range(len(self._raw))
        ]

    def _as_columns(self, parts) -> CellBounds:
        raw = dict(zip(self._raw, parts, strict=True))
        lowers, uppers = [], []
        for part in self.parts:
            lower, upper, obstacles = raw[part._replace(norm=False)]
            unknown = ~(np.isfinite(lower) & np.isfinite(upper) & (lower <= upper))
            unknown |= (obstacles != 0).reshape(-1, *(1,) * (lower.ndim - 1))
            lower, upper = np.where(unknown, -np.inf, lower), np.where(unknown, np.inf, upper)
            if part.norm:
                lower, upper = _norm(lower, upper)
            elif part.of == "eigenvalue":
                lower = smallest_eigenvalue(lower, upper, self.metric)
                upper = np.full_like(lower, np.inf)
            lowers.append(lower.reshape(len(lower), -1))
            uppers.append(upper.reshape(len(upper), -1))
        return CellBounds(np.concatenate(lowers, axis=1), np.concatenate(uppers, axis=1))

    def obstacles(self, cells: Subboxes, columns: np.ndarray) -> int:
        """What is in the way of bounds of these columns over any of the cells."""
        raw = dict(zip(self._raw, self._raw_over(cells), strict=True))
        found = 0
        for part in self.parts:
            if np.isin(np.arange(self.size)[self.columns[part]], columns).any():
                found |= int(np.bitwise_or.reduce(raw[part._replace(norm=False)][2]))
        return found

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

    def enclose_points(self, points: np.ndarray) -> CellBounds:
        """All columns at points of the box, rigorously."""
        return self.enclose(self.coordinates.cells_of(points))

    def raw_at(self, point: np.ndarray, part: Part) -> tuple[np.ndarray, np.ndarray]:
        """The enclosure of one part, before norms and eigenvalues are taken, at one point."""
        found = self._raw_over(self.coordinates.cells_of(point[None, :]))[self._raw.index(part)]
        lower, upper, obstacles = (x[0] for x in found)
        return (lower, upper) if not obstacles else (np.full_like(lower, -np.inf), np.full_like(upper, np.inf))


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
    underflow = np.where((largest == 0).all(axis=1), 0.0, 1e-150)
    high = np.sqrt((largest**2).sum(axis=1)) * (1 + slack) + underflow
    return np.maximum(np.sqrt((smallest**2).sum(axis=1)) * (1 - slack) - 1e-150, 0.0), high
