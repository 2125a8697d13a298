"""Cuts the box into cells until every claim is decided, the worst cell first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .claims import Convex
from .column_bounds import ColumnBounds, Reached
from .coordinates import Subboxes
from .quantities import BATCH, CellBounds, Quantities
from .semidefinite import negative_curvature

_SEARCHED = 4096
"""Points drawn before cutting begins; what they reach tells where bounds are loose."""


@dataclass
class Cover:
    """Cells that together contain the box, with bounds of all columns over each; `pieces` counts enclosures made."""

    cells: Subboxes
    bounds: CellBounds
    reached: Reached
    pieces: int


def prove(
    quantities: Quantities, targets: list[ColumnBounds], pieces: int, show: Callable[[int, int], None] | None = None
) -> Cover:
    """Decides the targets as far as `pieces` enclosures of cells suffice; their `status` says how.

    In turn, each open claim has its worst cells halved. Which coordinate of a cell is cut is learnt: the drop of a
    claim's excess that a cut of coordinate i brought, per squared width, is kept as the weight `w_i`, and the cut goes
    where `w_i width_i^2` is largest; from time to time all cuts of some cells are tried. `show` is told the pieces used
    and the claims still open.
    """
    coordinates = quantities.coordinates
    reached = Reached.nothing(quantities.size, len(coordinates.centre))
    _search(quantities, reached)
    cells = coordinates.root()
    cover = Cover(cells, quantities.enclose(cells), reached, 1)
    store = _Store(cover)
    n = cells.lower.shape[1]
    weights = {id(target): np.ones(n) for target in targets}
    turn = 0
    while True:
        _decide(quantities, targets, store.view(), reached)
        open_targets = [target for target in targets if target.status == "open"]
        if show is not None:
            show(store.pieces, len(open_targets))
        if not open_targets or store.pieces >= pieces:
            break
        target = open_targets[turn % len(open_targets)]
        turn += 1
        excess = target.excess(store.view().bounds, reached)
        worst = _largest(excess, BATCH // 2)
        _look_inside(quantities, store.view().cells[worst[:BATCH]], reached)
        most = min(BATCH // 2, max(1, (pieces - store.pieces) // 2))
        weight = weights[id(target)]
        if n > 1 and turn % 8 < 2:
            tried = worst[: max(1, most // n)]
            _learn(quantities, target, store, tried, weight, reached)
        width = store.view().cells.upper[worst[:most]] - store.view().cells.lower[worst[:most]]
        store.halve(quantities, worst[:most], (weight * width**2).argmax(axis=1))
    return Cover(*store.view(), reached, store.pieces)


class _View(NamedTuple):
    cells: Subboxes
    bounds: CellBounds


class _Store:
    """Cells and bounds in arrays that grow by doubling."""

    def __init__(self, cover: Cover):
        self.arrays = [*cover.cells, *cover.bounds]
        self.count, self.pieces = len(cover.cells), cover.pieces

    def view(self) -> _View:
        lower, upper, low, high = (array[: self.count] for array in self.arrays)
        return _View(Subboxes(lower, upper), CellBounds(low, high))

    def halve(self, quantities: Quantities, rows: np.ndarray, cuts: np.ndarray) -> None:
        """Replaces each row by its halves along the coordinate `cuts`, as far as they meet the box."""
        children, bounds, alive = _halves(quantities, self.view(), rows, cuts)
        self.pieces += int(alive.sum())
        first, second = alive[: len(rows)], alive[len(rows) :]
        new = [*children, *bounds]
        # A first half takes its parent's place; where it is gone, so does the second; where both are, the row goes too.
        place = np.where(first, np.arange(len(rows)), len(rows) + np.arange(len(rows)))
        kept = first | second
        for array, rows_new in zip(self.arrays, new):
            array[rows[kept]] = rows_new[place[kept]]
        self._append([a[len(rows) :][first & second] for a in new])
        self._remove(rows[~kept])

    def _append(self, new) -> None:
        needed = self.count + len(new[0])
        for i, array in enumerate(self.arrays):
            if needed > len(array):
                grown = np.empty((2 * needed, *array.shape[1:]))
                grown[: self.count] = array[: self.count]
                self.arrays[i] = array = grown
            array[self.count : needed] = new[i]
        self.count = needed

    def _remove(self, rows: np.ndarray) -> None:
        for row in np.sort(rows)[::-1]:
            self.count -= 1
            for array in self.arrays:
                array[row] = array[self.count]


def _halves(quantities: Quantities, view: _View, rows: np.ndarray, cuts: np.ndarray):
    """First halves, then second halves of the cells `rows`, with bounds, and whether each meets the box."""
    cells, bounds = view.cells[rows], view.bounds
    lower, upper = np.concatenate([cells.lower] * 2), np.concatenate([cells.upper] * 2)
    index = np.arange(len(rows))
    middle = 0.5 * (cells.lower[index, cuts] + cells.upper[index, cuts])
    upper[index, cuts] = middle
    lower[len(rows) + index, cuts] = middle
    children, alive = quantities.coordinates.narrowed(Subboxes(lower, upper))
    found = CellBounds(np.full((len(lower), quantities.size), np.inf), np.full((len(lower), quantities.size), -np.inf))
    if alive.any():
        inner = quantities.enclose(children[alive])
        parents = np.concatenate([rows, rows])[alive]
        # What holds on a cell holds on its halves.
        found.lower[alive] = np.maximum(inner.lower, bounds.lower[parents])
        found.upper[alive] = np.minimum(inner.upper, bounds.upper[parents])
    return children, found, alive


def _learn(quantities, target, store: _Store, rows: np.ndarray, weight: np.ndarray, reached: Reached) -> None:
    """Tries every cut of some cells and puts into `weight` what each brought."""
    n = len(weight)
    view = store.view()
    cuts = np.tile(np.arange(n), len(rows))
    repeated = np.repeat(rows, n)
    _, bounds, alive = _halves(quantities, view, repeated, cuts)
    store.pieces += int(alive.sum())
    after = np.where(alive, target.excess(bounds, reached), 0.0)
    worse = np.maximum(after[: len(cuts)], after[len(cuts) :])
    before = target.excess(CellBounds(*(a[repeated] for a in view.bounds)), reached)
    width = (view.cells.upper - view.cells.lower)[repeated, cuts]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Both halves count: a cut that frees one of them entirely is worth as much as one that shrinks both a little.
        total = worse + np.minimum(after[: len(cuts)], after[len(cuts) :])
        drop = np.clip(np.where(before > 0, (2 * before - total) / (2 * before), 0.0), 0.0, 1.0)
        slope = np.where(width > 0, drop / width**2, 0.0)
    slope = np.where(np.isfinite(slope), slope, 0.0).reshape(len(rows), n).mean(axis=0)
    if slope.max() > 0:
        weight[:] = np.maximum(slope, 1e-6 * slope.max())


def _largest(excess: np.ndarray, count: int) -> np.ndarray:
    count = min(count, len(excess))
    rows = np.argpartition(-excess, count - 1)[:count]
    rows = rows[np.argsort(-excess[rows], kind="stable")]
    return rows[excess[rows] > 0] if (excess[rows] > 0).any() else rows[:1]


def _search(quantities: Quantities, reached: Reached) -> None:
    c = quantities.coordinates
    # Inside, on faces and in corners: half of them drawn from a box twice as wide and moved to its edge.
    xi = np.random.default_rng(0).uniform(-1.0, 1.0, (_SEARCHED, len(c.lower)))
    xi[_SEARCHED // 2 :] *= np.linspace(1.0, 4.0, _SEARCHED - _SEARCHED // 2)[:, None]
    ends = np.sign(c.directions.T)
    points = np.clip(c.centre + c.half * np.concatenate([xi, ends, -ends]), c.lower, c.upper)
    reached.add(quantities.at(points), points)


def _look_inside(quantities: Quantities, cells: Subboxes, reached: Reached) -> None:
    points = quantities.coordinates.points_in(cells)
    reached.add(quantities.at(points), points)


def _decide(quantities: Quantities, targets: list[ColumnBounds], view: _View, reached: Reached) -> None:
    for target in targets:
        if target.status == "open" and not (target.excess(view.bounds, reached) > 0).any():
            target.status = "proved"
        if target.status == "open" and target.tolerance is None:
            _try_to_refute(quantities, target, reached)


def _try_to_refute(quantities: Quantities, target: ColumnBounds, reached: Reached) -> None:
    """Encloses the claim's columns at the point that fails most in floats."""
    low, high = target.thresholds(reached)
    below = low - reached.smallest[target.columns]
    above = reached.largest[target.columns] - high
    worst = int(np.argmax(np.maximum(below, above)))
    if not max(below[worst], above[worst]) > 0:
        return
    column = target.columns[worst]
    where = reached.smallest_at if below[worst] >= above[worst] else reached.largest_at
    point = where[column]
    if target.point is not None and np.array_equal(target.point, point):
        return  # tried already
    target.point = point
    if isinstance(target.claim, Convex) and target.claim.directions is None:
        part = next(part for part in quantities.columns if part.of == "eigenvalue")
        hessian = quantities.raw_at(point, part)
        upper = negative_curvature(hessian[0][worst], hessian[1][worst], quantities.metric)
        lower, refuted = -np.inf, upper < low[worst]
    else:
        bounds = quantities.enclose_points(point[None, :])
        lower, upper = float(bounds.lower[0, column]), float(bounds.upper[0, column])
        refuted = upper < low[worst] or lower > high[worst]
    if refuted:
        target.status = "refuted"
        target.refuting = {"entry": worst, "lower": float(lower), "upper": float(upper)}
