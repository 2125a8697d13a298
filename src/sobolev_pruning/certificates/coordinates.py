"""The coordinates in which a box is cut into cells.

The box is `x = centre + half xi`, xi in [-1, 1]^d. With orthonormal directions V, `(d, r)`, and `y = V' xi`, the first
affine map of every model is

    A x + c = B y + R xi + e,

exact for the interval vector e, whatever floats B and R are. Where the maps have rank r <= 3, R is 0 and a cell is a
box of y: cutting r coordinates instead of d. Elsewhere V spans the directions along which the models vary most, and a
cell is a box of y and xi together; what remains of xi, R xi, is small along y. Cells that no xi of the box meets are
dropped. Proofs: `docs/derivations/certificates.md`.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..enclosure import Interval
from .maps import MappedModel

MOST_EXACT = 3
"""Coordinates up to which cells are boxes of y alone: their number grows like a power of it."""

_RANK_TOLERANCE = 1e-12
_ENERGY = 0.999
_SLACK = 1e-13
"""Sums of at most a hundred products of numbers of size 1 in float64 are far more accurate than this."""

_DIVIDED = 0.05
"""Only entries of a direction above this are divided by when an input is narrowed; smaller ones bring little."""


class Subboxes(NamedTuple):
    """Boxes of coordinates: `lower` and `upper`, `(n, r)`, or `(n, r + d)` where xi is cut too."""

    lower: np.ndarray
    upper: np.ndarray

    def __len__(self):
        return len(self.lower)

    def __getitem__(self, rows) -> "Subboxes":
        return Subboxes(self.lower[rows], self.upper[rows])


class Coordinates(NamedTuple):
    """`directions` V, and for every model B (`along`), R (`across`) and e (`remainder`).

    `normals`, `(q, r)`, are all directions that could separate a cell from the box.
    """

    lower: np.ndarray
    upper: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    directions: np.ndarray
    exact: bool
    along: tuple[np.ndarray, ...]
    across: tuple[np.ndarray, ...]
    remainder: tuple[Interval, ...]
    normals: np.ndarray

    @property
    def rank(self) -> int:
        return self.directions.shape[1]

    def root(self) -> Subboxes:
        """One cell that covers the box."""
        reach = np.abs(self.directions).sum(axis=0) * (1 + _SLACK)
        if not self.exact:
            reach = np.concatenate([reach, np.ones(len(self.centre))])
        return Subboxes(-reach[None, :], reach[None, :])

    def narrowed(self, cells: Subboxes) -> tuple[Subboxes, np.ndarray]:
        """Cells without parts that no point of the box lies in, and whether anything is left of each."""
        return (cells, self._meets(cells)) if self.exact else self._contracted(cells)

    def _meets(self, cells: Subboxes) -> np.ndarray:
        # Box and cell are disjoint iff a normal separates them: both are zonotopes (exactly so for r <= 3).
        middle, radius = 0.5 * (cells.lower + cells.upper), 0.5 * (cells.upper - cells.lower)
        distance = np.abs(middle @ self.normals.T)
        spread = radius @ np.abs(self.normals).T
        reach = np.abs(self.directions @ self.normals.T).sum(axis=0)
        size = np.abs(middle) @ np.abs(self.normals).T + spread + reach
        return (distance <= spread + reach + _SLACK * size).all(axis=1)

    def _contracted(self, cells: Subboxes) -> tuple[Subboxes, np.ndarray]:
        """Narrows y to what the xi of a cell allow, and each xi to what y and the others leave it."""
        r = self.rank
        lower, upper = cells.lower.copy(), cells.upper.copy()
        for k in range(r):
            low, high = _terms(self.directions[:, k], lower[:, r:], upper[:, r:])
            lower[:, k] = np.maximum(lower[:, k], low.sum(axis=1) - 4 * _SLACK)
            upper[:, k] = np.minimum(upper[:, k], high.sum(axis=1) + 4 * _SLACK)
            for i in np.flatnonzero(np.abs(self.directions[:, k]) > _DIVIDED):
                low, high = _terms(self.directions[:, k], lower[:, r:], upper[:, r:])
                others_low, others_high = low.sum(axis=1) - low[:, i], high.sum(axis=1) - high[:, i]
                ends = np.stack([lower[:, k] - others_high, upper[:, k] - others_low]) / self.directions[i, k]
                lower[:, r + i] = np.maximum(lower[:, r + i], ends.min(axis=0) - 4 * _SLACK / _DIVIDED)
                upper[:, r + i] = np.minimum(upper[:, r + i], ends.max(axis=0) + 4 * _SLACK / _DIVIDED)
        return Subboxes(lower, upper), (lower <= upper).all(axis=1)

    def points_in(self, cells: Subboxes) -> np.ndarray:
        """For each cell a point x of the box, `(n, d)`, in the cell or near it."""
        r, middle = self.rank, 0.5 * (cells.lower + cells.upper)
        low, high = (-1.0, 1.0) if self.exact else (cells.lower[:, r:], cells.upper[:, r:])
        xi = np.zeros((len(cells), len(self.centre))) if self.exact else middle[:, r:]
        for _ in range(60):  # projections in turns onto the plane V' xi = y and the box
            xi = np.clip(xi + 1.5 * (middle[:, :r] - xi @ self.directions) @ self.directions.T, low, high)
        return np.clip(self.centre + self.half * xi, self.lower, self.upper)

    def box_around(self, cells: Subboxes) -> tuple[np.ndarray, np.ndarray]:
        """Corners of a box of inputs that contains the part of the box in the first of `cells`."""
        r = self.rank
        if self.exact:
            ends = [
                np.concatenate([end[:1], np.full((1, len(self.centre)), fill)], axis=1)
                for end, fill in zip(cells, (-1.0, 1.0))
            ]
            cells = Subboxes(*ends)
        for _ in range(10):
            cells = self._contracted(cells)[0]
        ends = (self.centre + self.half * end[0, r:] for end in cells)
        return tuple(np.clip(end, self.lower, self.upper) for end in ends)

    def cells_of(self, points: np.ndarray) -> Subboxes:
        """The smallest cells that certainly contain the coordinates of points of the box."""
        xi, y = _coordinates_of(points, self.centre, self.half, self.directions)
        ends = [
            np.concatenate([a] if self.exact else [a, b], axis=1) for a, b in ((y.lower, xi.lower), (y.upper, xi.upper))
        ]
        return Subboxes(*ends)

    def scaled(self, points: np.ndarray) -> np.ndarray:
        """xi of points, in floats."""
        return (points - self.centre) / self.half


@jax.jit
def _coordinates_of(points, centre, half, directions) -> tuple[Interval, Interval]:
    """xi and y of points, rigorously."""
    xi = (Interval.point(points) - centre) / Interval.point(jnp.broadcast_to(half, points.shape))
    return xi, xi @ directions


def coordinates_for(models: list[MappedModel], lower: np.ndarray, upper: np.ndarray) -> Coordinates:
    """Coordinates that suit all models together over the box `[lower, upper]`."""
    centre = 0.5 * (lower + upper)
    # Rounded outward, so that the box is covered; an input without width keeps a half that can be divided by.
    half = np.maximum(np.maximum(upper - centre, centre - lower) * (1 + 1e-15), 1e-300)
    maps = [model.matrix * half for model in models]
    middles = [np.asarray(m.mid()) for m in maps]
    directions, exact = _directions(models, middles, lower, upper, half)
    along = tuple(m @ directions for m in middles)
    across = tuple(np.zeros_like(m) if exact else m - b @ directions.T for m, b in zip(middles, along))
    remainder = [
        _remainder(model.matrix, model.offset, m, b, r, directions, centre)
        for model, m, b, r in zip(models, maps, along, across)
    ]
    return Coordinates(
        lower,
        upper,
        centre,
        half,
        directions,
        exact,
        along,
        across,
        tuple(remainder),
        _normals(directions) if exact else directions,
    )


@jax.jit
def _remainder(matrix: Interval, offset: Interval, scaled: Interval, along, across, directions, centre) -> Interval:
    """What the map over the box is besides `along y + across xi`."""
    left = scaled - (Interval.point(along) @ directions.T + Interval.point(across))
    return matrix @ centre + offset + left @ Interval(-jnp.ones(len(centre)), jnp.ones(len(centre)))


def _directions(models, middles, lower, upper, half) -> tuple[np.ndarray, bool]:
    d = len(half)
    _, sizes, rows = np.linalg.svd(np.concatenate([m / max(np.linalg.norm(m), 1e-300) for m in middles]))
    rank = max(1, int((sizes > _RANK_TOLERANCE * sizes[0]).sum()))
    if rank == d <= MOST_EXACT:
        return np.eye(d), True
    variation = _variation(models, lower, upper, half)
    if rank <= MOST_EXACT:
        basis = rows[:rank].T
        return basis @ np.linalg.eigh(basis.T @ variation @ basis)[1][:, ::-1], True
    energy, vectors = np.linalg.eigh(variation)
    share = np.cumsum(energy[::-1]) / max(energy.sum(), 1e-300)
    kept = min(MOST_EXACT, 1 + int((share < _ENERGY).sum()))
    return vectors[:, ::-1][:, :kept], False


def _variation(models, lower, upper, half) -> np.ndarray:
    """Mean outer product of the gradients in xi, summed over models of gradients of one size."""
    points = np.random.default_rng(0).uniform(lower, upper, (512, len(half)))
    total = np.zeros((len(half), len(half)))
    for model in models:
        matrix, offset = np.asarray(model.matrix.mid()), np.asarray(model.offset.mid())
        gradients = np.asarray(jax.jit(jax.vmap(model.gradient))(points @ matrix.T + offset)) * half
        gradients = np.nan_to_num(gradients.reshape(-1, len(half)), nan=0.0, posinf=0.0, neginf=0.0)
        product = gradients.T @ gradients
        total += product / max(np.trace(product), 1e-300)
    return total


def _terms(column: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value of every term of the sum `column' xi`."""
    return np.minimum(column * lower, column * upper), np.maximum(column * lower, column * upper)


def _normals(directions: np.ndarray) -> np.ndarray:
    """Normals of all faces that the difference of the box's image and a cell can have."""
    d, r = directions.shape
    if r == 1 or r == d:
        return np.eye(r)
    generators = np.concatenate([directions, np.eye(r)])
    if r == 2:
        normals = generators[:, ::-1] * np.array([1.0, -1.0])
    else:
        normals = np.array([np.cross(a, b) for a, b in itertools.combinations(generators, 2)])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.maximum(length, 1e-300))[length[:, 0] > 1e-9]
