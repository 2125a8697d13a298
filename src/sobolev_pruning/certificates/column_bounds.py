"""Claims as bounds on columns: what has to hold on every cell, and what a point would have to show to refute it."""

from dataclasses import dataclass, field

import numpy as np

from .._foundation.errors import InputError
from .claims import Claim, Convex, Distance, Monotone, Range, broadcast_bound, directions_of
from .quantities import CellBounds, Part, Quantities


def parts_of(claim: Claim) -> list[Part]:
    """The quantities that decide `claim`."""
    if isinstance(claim, Monotone):
        return [Part("gradient")]
    if isinstance(claim, Convex) and claim.directions is None:
        return [Part("eigenvalue")]
    if isinstance(claim, Distance):
        return [Part(claim.of, difference=True, norm=True)]
    directions = directions_of(claim)
    return [Part("curvature", direction) for direction in directions] if directions else [Part(claim.of)]


@dataclass
class Reached:
    """The smallest and largest value of every column found at points, in floats, with the points."""

    smallest: np.ndarray
    largest: np.ndarray
    smallest_at: np.ndarray
    largest_at: np.ndarray

    @staticmethod
    def nothing(columns: int, d: int) -> "Reached":
        none = np.full((columns, d), np.nan)
        return Reached(np.full(columns, np.inf), np.full(columns, -np.inf), none, none.copy())

    def add(self, values: np.ndarray, points: np.ndarray) -> None:
        values = np.where(np.isfinite(values), values, np.nan)
        for sign, best, where in ((1.0, self.smallest, self.smallest_at), (-1.0, self.largest, self.largest_at)):
            scores = np.where(np.isnan(values), np.inf, sign * values)
            row = scores.argmin(axis=0)
            found = sign * scores[row, np.arange(values.shape[1])]
            better = sign * found < sign * best
            best[better], where[better] = found[better], points[row[better]]


@dataclass
class ColumnBounds:
    """One claim as bounds on `columns`; infinite where it bounds nothing.

    With `tolerance` the bounds follow what points reach: see `thresholds`. `status` is "open" until it is decided.
    """

    claim: Claim
    columns: np.ndarray
    shape: tuple[int, ...]
    lower: np.ndarray
    upper: np.ndarray
    tolerance: float | None = None
    status: str = "open"
    point: np.ndarray | None = None
    refuting: dict = field(default_factory=dict)

    def thresholds(self, reached: Reached) -> tuple[np.ndarray, np.ndarray]:
        if self.tolerance is None:
            return self.lower, self.upper
        low, high = reached.smallest[self.columns], reached.largest[self.columns]
        if isinstance(self.claim, Distance):
            return self.lower, high * (1 + self.tolerance)
        margin = 0.5 * self.tolerance * (high - low) + 1e-12 * np.maximum(np.abs(low), np.abs(high))
        return low - margin, high + margin

    def excess(self, bounds: CellBounds, reached: Reached) -> np.ndarray:
        """By how much each cell fails, relative to the size of what is claimed; at most 0 where the claim is proved."""
        low, high = self.thresholds(reached)
        lower, upper = bounds.lower[:, self.columns], bounds.upper[:, self.columns]
        spread = reached.largest[self.columns] - reached.smallest[self.columns]
        scale = np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)
        if isinstance(self.claim, Distance):
            scale = np.maximum(reached.largest[self.columns], 1e-300)
        with np.errstate(invalid="ignore"):
            over = np.maximum(
                np.where(lower >= low, 0.0, (low - lower) / scale), np.where(upper <= high, 0.0, (upper - high) / scale)
            )
        return over.max(axis=1)


def target_of(claim: Claim, quantities: Quantities) -> ColumnBounds:
    parts = parts_of(claim)
    columns = np.concatenate([np.arange(quantities.size)[quantities.columns[part]] for part in parts])
    shape = (1,) if parts[0].norm else quantities.shapes[parts[0]]
    entry = getattr(claim, "entry", None)
    if entry is not None:
        if any(i >= n for i, n in zip(entry, shape, strict=True)):
            raise InputError(f"{type(claim).__name__} speaks of the entry {entry}, but there are {shape} entries.")
        columns, shape = columns[[np.ravel_multi_index(entry, shape)]], (1,)
    free = np.full(len(columns), np.inf)
    if isinstance(claim, Range):
        return ColumnBounds(claim, columns, shape, -free, free, claim.tolerance)
    if isinstance(claim, Distance):
        if claim.bound is None:
            return ColumnBounds(claim, columns, shape, -free, free, claim.tolerance)
        return ColumnBounds(claim, columns, shape, -free, np.full(1, claim.bound))
    if isinstance(claim, Convex):
        shape = (len(columns),)
        return ColumnBounds(claim, columns, shape, np.full(len(columns), -claim.margin), free)
    if isinstance(claim, Monotone):
        k, d = shape
        wrong = [i for i in claim.inputs if not 0 <= i < d]
        if wrong:
            raise InputError(f"Monotone names input {wrong[0]}, but the surrogate has inputs 0 to {d - 1}.")
        columns = columns.reshape(k, d)[:, list(claim.inputs)].ravel()
        low, high = (-claim.margin, np.inf) if claim.increasing else (-np.inf, claim.margin)
        return ColumnBounds(
            claim, columns, (k, len(claim.inputs)), np.full(len(columns), low), np.full(len(columns), high)
        )
    return ColumnBounds(
        claim,
        columns,
        shape,
        broadcast_bound(claim.lower, shape, -np.inf).ravel().astype(float),
        broadcast_bound(claim.upper, shape, np.inf).ravel().astype(float),
    )
