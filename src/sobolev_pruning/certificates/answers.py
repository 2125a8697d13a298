"""From a proof to its record: numbers that another machine can prove again, and the status that they give a claim."""

import numpy as np

from .._foundation.errors import ContradictionFound
from .claims import Convex, Distance
from .column_bounds import ColumnBounds
from .cover import Cover
from .obstacles import obstacle_to
from .quantities import Quantities
from .record import OUTWARD, Answer, Status
from .semidefinite import negative_curvature

_SLACK = 10 * OUTWARD
"""What the tolerance of a claim forgives, as a part of the size of the numbers: they were recorded weaker."""


def answer_of(target: ColumnBounds, quantities: Quantities, cover: Cover) -> Answer:
    """What the cover says about one claim."""
    low, high = (end[:, target.columns] for end in cover.bounds)
    found = _weaker(low.min(axis=0), -1), _weaker(high.max(axis=0), 1)
    lower, upper = found
    if target.tolerance is None and (low >= target.lower).all() and (high <= target.upper).all():
        lower, upper = np.maximum(lower, target.lower), np.minimum(upper, target.upper)  # the claim may be sharper
    points, (reached_lower, reached_upper) = _extremes(target, quantities, cover)
    evidence = _evidence(target) if target.status == "refuted" else None
    status = status_of(target, lower, upper, reached_lower, reached_upper, evidence)
    _expect_no_contradiction(target, quantities, cover, lower, upper)
    gap, where, reason = 0.0, None, None
    if status == "undecided":
        excess = target.excess(cover.bounds, cover.reached)
        worst = int(excess.argmax())
        gap = max(float(excess[worst]), 0.0)
        where = tuple(tuple(end.tolist()) for end in quantities.coordinates.box_around(cover.cells[[worst]]))
        reason = obstacle_to(target, quantities, cover, worst)
    return Answer(
        claim=target.claim,
        status=status,
        shape=target.shape,
        lower=tuple(lower.tolist()),
        upper=tuple(upper.tolist()),
        reached_lower=tuple(reached_lower.tolist()),
        reached_upper=tuple(reached_upper.tolist()),
        lowest_at=points[0],
        highest_at=points[1],
        point=None if evidence is None else tuple(target.point.tolist()),
        entry=None if evidence is None else target.refuting["entry"],
        evidence=evidence,
        gap=gap,
        where=where,
        reason=reason,
    )


def _expect_no_contradiction(target: ColumnBounds, quantities: Quantities, cover: Cover, lower, upper) -> None:
    """The last line of defence: what was seen at points, in floats, must lie within what was proved.

    Floats are trusted as far as the enclosure of the same program at the same point is wide, and a little more.
    """
    columns, reached = target.columns, cover.reached
    entries = np.arange(len(columns))
    for values, points in ((reached.smallest, reached.smallest_at), (reached.largest, reached.largest_at)):
        seen, places = values[columns], points[columns]
        low, high = bounds_at(quantities, target, places)
        low, high = low[entries, entries], high[entries, entries]
        with np.errstate(invalid="ignore"):
            known = np.isfinite(low) & np.isfinite(high)
            slack = np.where(known, high - low, 0.0) + 1e-6 * np.abs(seen) + 1e-300
            outside = (seen < lower - slack) | (seen > upper + slack) | (known & ((low > upper) | (high < lower)))
        if outside.any():
            entry = int(np.argmax(outside))
            fault, remedy = "of sobolev-pruning, not of your input", "please report it, with the model and the box"
            if quantities.rules:
                fault, remedy = (
                    f"of your enclosure rules ({', '.join(quantities.rules)}), if not of ours",
                    "check them first",
                )
            raise ContradictionFound(
                f"This is a fault {fault}: {float(seen[entry])!r} was seen at {places[entry].tolist()}, outside the "
                f"bounds [{float(lower[entry])!r}, {float(upper[entry])!r}] that were proved, so no certificate "
                f"is made; {remedy}."
            )


def status_of(target: ColumnBounds, lower, upper, reached_lower, reached_upper, evidence) -> Status:
    """The status that follows from the numbers of an answer, and from nothing else.

    With fixed bounds a claim is proved by bounds within them, and refuted by evidence outside of them. A `Range` is
    proved where every entry's bounds are at most `1 + tolerance` times as wide as what points reach, a `Distance`
    without bound where its bound is at most `1 + tolerance` times what a point reaches.
    """
    if target.tolerance is not None:
        with np.errstate(invalid="ignore"):
            size = _SLACK * np.maximum(np.abs(lower), np.abs(upper))
            if isinstance(target.claim, Distance):
                tight = upper <= (1 + target.tolerance) * (reached_upper + size)
            else:
                spread = np.maximum(reached_upper - reached_lower, 0.0)
                tight = upper - lower <= (1 + target.tolerance) * (spread + size)
        return "proved" if np.all(np.isfinite(size) & tight) else "undecided"
    if (lower >= target.lower).all() and (upper <= target.upper).all():
        return "proved"
    return "undecided" if evidence is None else "refuted"


def refutes(target: ColumnBounds, entry: int, evidence: tuple[float, float]) -> bool:
    """Whether an entry between these bounds breaks the claim."""
    return bool(evidence[1] < target.lower[entry] or evidence[0] > target.upper[entry])


def bounds_at(quantities: Quantities, target: ColumnBounds, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of every entry of a claim at points, `(n, entries)`, rigorously.

    For convexity in all directions the upper bound is that of the smallest eigenvalue.
    """
    bounds = quantities.enclose_points(points)
    lower, upper = bounds.lower[:, target.columns], bounds.upper[:, target.columns].copy()
    if isinstance(target.claim, Convex) and target.claim.directions is None:
        (part,) = (part for part in quantities.columns if part.of == "eigenvalue")
        for row, point in enumerate(points):
            hessians = zip(*quantities.raw_at(point, part))
            upper[row] = [negative_curvature(*hessian, quantities.metric) for hessian in hessians]
    return lower, upper


def _weaker(bound: np.ndarray, side: int | np.ndarray) -> np.ndarray:
    """Bounds moved down (side -1) or up (1) by a part of their size; what is exactly 0 stays."""
    return bound + side * OUTWARD * np.where(np.isfinite(bound), np.abs(bound), 0.0)


def _evidence(target: ColumnBounds) -> tuple[float, float]:
    """Bounds of the failing entry, moved outward as far as they go on refuting."""
    entry, found = target.refuting["entry"], (target.refuting["lower"], target.refuting["upper"])
    lower, upper = _weaker(np.array(found), np.array([-1, 1])).tolist()
    if found[1] < target.lower[entry]:
        upper = min(upper, float(np.nextafter(target.lower[entry], -np.inf)))
    if found[0] > target.upper[entry]:
        lower = max(lower, float(np.nextafter(target.upper[entry], np.inf)))
    return lower, upper


def _extremes(target: ColumnBounds, quantities: Quantities, cover: Cover):
    """The points where extremes were found, and what is certainly reached there.

    Upper bounds of the smallest, lower bounds of the largest values.
    """
    columns, reached = target.columns, cover.reached
    rows = np.arange(len(columns))
    if isinstance(target.claim, Convex) and target.claim.directions is None:
        none = (None,) * len(columns)
        return (none, none), (np.full(len(columns), np.inf), np.full(len(columns), -np.inf))
    points = np.concatenate([reached.smallest_at[columns], reached.largest_at[columns]])
    lower, upper = bounds_at(quantities, target, points)
    ends = _weaker(upper[rows, rows], 1), _weaker(lower[len(columns) + rows, rows], -1)
    places = [
        tuple(tuple(point) if np.isfinite(end) else None for point, end in zip(side.tolist(), bound))
        for side, bound in zip(np.split(points, 2), ends)
    ]
    return tuple(places), ends
