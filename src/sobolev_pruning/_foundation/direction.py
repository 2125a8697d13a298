"""The direction that gamma, one second derivative for all inputs, is taken along: a choice, with a name."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from .variables import Variable, are_named, in_short


def common_direction(inputs: Sequence[Variable]) -> Float[np.ndarray, "d"] | None:
    """All ones where all inputs are of one kind, as `spot[0]`, `spot[1]`, or where there is one; else None.

    A step of all inputs at once means something only then: spots and volatilities have no step in common.

    >>> common_direction([Variable("spot[0]"), Variable("spot[1]")]).tolist(), common_direction([Variable("spot")] * 0)
    ([1.0, 1.0], None)
    """
    kinds = {_kind(variable) for variable in inputs}
    return np.ones(len(inputs)) if len(inputs) == 1 or (len(kinds) == 1 and are_named(inputs)) else None


def direction_name(
    direction: Float[np.ndarray, "d"] | Float[Array, "d"] | None, inputs: Sequence[Variable]
) -> str | None:
    """What moves along `direction`; None without one.

    >>> direction_name(np.ones(2), [Variable("spot[0]"), Variable("spot[1]")])
    'all spots'
    >>> direction_name(np.array([1.0, 0.0]), [Variable("spot"), Variable("volatility")])
    'spot'
    """
    if direction is None:
        return None
    direction = np.asarray(direction)
    moved = [variable for variable, step in zip(inputs, direction) if step != 0]
    kind = _kind(moved[0])
    same = [variable for variable in inputs if _kind(variable) == kind]
    if len(moved) > 1 and moved == same and len(set(direction[direction != 0])) == 1:
        return f"all {kind}" + "s" * kind.isalpha()
    return in_short([variable.name for variable in moved])


def axis_of(direction: Float[np.ndarray, "d"] | Float[Array, "d"] | None) -> int | None:
    """The input that a unit vector points along; None of another direction, and without one.

    >>> axis_of(np.array([0.0, 1.0])), axis_of(np.ones(2))
    (1, None)
    """
    moved = np.flatnonzero(np.zeros(0) if direction is None else np.asarray(direction))
    return int(moved[0]) if len(moved) == 1 and direction[moved[0]] == 1.0 else None


def _kind(variable: Variable) -> str:
    """What an indexed name is about: the part before its brackets."""
    return variable.name.split("[")[0]
