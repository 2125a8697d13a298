"""Claims as people read them."""

import numpy as np

from .._foundation.direction import axis_of
from .._foundation.entry_names import entry_name
from .._foundation.spelling import spelled
from .._foundation.variables import Variable, numbered_inputs
from ..surrogate import Surrogate
from .claims import Claim, Convex, Distance, Monotone, Range
from .record import Certificate


def claim_text(claim: Claim, of: Surrogate | Certificate | None = None) -> str:
    """`claim` in words that `read_claims` understands, as far as it can say what the claim says.

    Inputs and outputs have their names where it is said what the claim is `of`, else numbers.

    >>> from sobolev_pruning.certificates import Within
    >>> claim_text(Within("curvature", lower=-0.5, direction=(1.0, 1.0))), claim_text(Monotone((0, 1), margin=1e-9))
    ('gamma >= -0.5', 'increasing 0 1 ~ 1e-09')
    """
    inputs, outputs = (None, None) if of is None else (of.inputs, of.outputs)
    if isinstance(claim, Monotone):
        way = "increasing" if claim.increasing else "decreasing"
        if inputs is None:
            return f"{way} {' '.join(map(str, claim.inputs))}{_margin_text(claim.margin)}"
        return f"{way} in {', '.join(spelled(inputs[i].name) for i in claim.inputs)}{_margin_text(claim.margin)}"
    if isinstance(claim, Convex):
        if claim.directions is None:
            return f"convex{_margin_text(claim.margin)}"
        places = [axis_of(np.asarray(direction)) for direction in claim.directions]
        if inputs is not None and None not in places:
            return f"convex in {', '.join(spelled(inputs[i].name) for i in places)}{_margin_text(claim.margin)}"
        return ", ".join(f"{_curvature_name(direction)} >= {-claim.margin:.12g}" for direction in claim.directions)
    if isinstance(claim, Distance):
        return f"distance {claim.of}" + ("" if claim.bound is None else f" <= {claim.bound:.12g}")
    name = claim.of if claim.direction is None else _curvature_name(claim.direction)
    if claim.entry is not None:
        name = _entry_name(claim.entry, inputs, outputs)
    if isinstance(claim, Range):
        return name
    if claim.upper is None:
        return f"{name} >= {_bound_text(claim.lower)}"
    above = "" if claim.lower is None else f"{_bound_text(claim.lower)} <= "
    return f"{above}{name} <= {_bound_text(claim.upper)}"


def _entry_name(entry: tuple[int, ...], inputs, outputs) -> str:
    if inputs is None:
        inputs = numbered_inputs(max(entry[1:], default=0) + 1)
        outputs = [Variable(f"y{j}") for j in range(entry[0] + 1)]
    return entry_name(entry, inputs, outputs)


def _curvature_name(direction: tuple[float, ...]) -> str:
    return "gamma" if all(entry == 1.0 for entry in direction) else f"curvature along {_bound_text(direction)}"


def _margin_text(margin: float) -> str:
    return f" ~ {margin:.12g}" if margin else ""


def _bound_text(bound) -> str:
    """A number, or the entries of an array, the middle ones left out of a long one."""
    if np.ndim(bound) == 0:
        return f"{bound:.12g}"
    entries = [f"{entry:.3g}" for entry in np.ravel(bound)]
    if len(set(entries)) == 1:
        return entries[0]
    return f"[{', '.join(entries if len(entries) <= 4 else [*entries[:2], '...', entries[-1]])}]"
