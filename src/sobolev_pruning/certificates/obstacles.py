"""Why a claim is undecided, in words: what of the models' programs is in the way, and where."""

import numpy as np

from ..enclosure.decorations import BENT, CUSTOM, JUMPS, KINKED, UNDEFINED, UNPROVED
from .column_bounds import ColumnBounds
from .cover import Cover
from .quantities import Quantities

_SEARCHED = 4096

_WORDS = {
    JUMPS: "the model may jump {where}",
    CUSTOM: "the model's derivative is given by hand (stop_gradient, custom_jvp) and need not be that of its values",
    KINKED: "the model may have a kink {where}, and no second derivative there",
    BENT: "the model's second derivative may jump {where}",
}


def obstacle_to(target: ColumnBounds, quantities: Quantities, cover: Cover, cell: int) -> str | None:
    """What keeps the columns of `target` from being bounded over a cell; None where nothing does.

    Of a model that is not defined everywhere a point is given where it is not, if sampling finds one.
    """
    flags = quantities.obstacles(cover.cells[[cell]], target.columns)
    lower, upper = (end.ravel() for end in quantities.coordinates.box_around(cover.cells[[cell]]))
    where = f"near {_point(0.5 * lower + 0.5 * upper)}"
    if flags & UNPROVED:
        source = f"rules of your own: {', '.join(quantities.rules)}" if quantities.rules else "this machine's rounding"
        return f"the bounds rest on what is not guaranteed, {source}"
    if flags & UNDEFINED:
        point = _without_value(quantities, lower, upper)
        return (
            f"the model is not defined at {_point(point)}"
            if point is not None
            else f"the model may not be defined {where}"
        )
    return "; ".join(text.format(where=where) for flag, text in _WORDS.items() if flags & flag) or None


def _without_value(quantities: Quantities, lower: np.ndarray, upper: np.ndarray) -> np.ndarray | None:
    """A point of the box, or else of the whole, at which a model has no value."""
    whole = quantities.coordinates
    generator = np.random.default_rng(0)
    d = len(lower)
    for low, high in ((lower, upper), (whole.lower, whole.upper)):
        share = generator.uniform(0.0, 1.0, (_SEARCHED, d))
        share[: _SEARCHED // 4] = np.round(share[: _SEARCHED // 4])
        points = low + (high - low) * share
        bad = np.flatnonzero(~np.isfinite(quantities.values_at(points)).all(axis=1))
        if bad.size:
            return points[bad[0]]
    return None


def _point(x: np.ndarray) -> str:
    """A point in few characters."""
    entries = [f"{entry:.6g}" for entry in x]
    return f"({', '.join(entries if len(entries) <= 8 else [*entries[:6], '...', entries[-1]])})"
