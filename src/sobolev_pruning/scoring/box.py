"""The box that nodes are scored over, however the user gives it."""

from typing import TypeAlias

import jax
import numpy as np

from .._foundation.arrays import ArrayOrList, float64_array
from .._foundation.errors import InputError
from ..enclosure import Interval

BoxLike: TypeAlias = Interval | tuple[ArrayOrList, ArrayOrList]
"""`Interval(lower, upper)`, or the pair `(lower, upper)`; each end one number per input, or one for all."""


def as_box(box: BoxLike, n_inputs: int) -> Interval:
    """`box` as an interval of shape `(n_inputs,)`.

    Raises `InputError`, naming the input, where the box is unbounded, empty or has the wrong number of inputs.

    >>> as_box((0.0, [1.0, 2.0]), 2).mid().tolist()
    [0.5, 1.0]
    """
    given = (box.lower, box.upper) if isinstance(box, Interval) else box
    ends = [float64_array(end, name) for end, name in zip(given, ("box lower", "box upper"))]
    for end, name in zip(ends, ("lower", "upper")):
        if end.shape not in ((), (n_inputs,)):
            raise InputError(
                f"The {name} end of the box has shape {end.shape}; give ({n_inputs},), one number per input."
            )
    lower, upper = (np.broadcast_to(end, (n_inputs,)) for end in ends)
    wrong = np.flatnonzero(~(np.isfinite(lower) & np.isfinite(upper) & (lower <= upper)))
    if wrong.size:
        i = int(wrong[0])
        raise InputError(
            f"The box of input {i} reaches from {lower[i]:g} to {upper[i]:g}; give finite ends, the lower one first."
        )
    if (lower == upper).all():
        raise InputError("The box is a single point, so no node varies over it; give it a width in at least one input.")
    return _interval(lower, upper)


# Compiled, since a dozen small operations one by one cost more than the significance of a small network.
_interval = jax.jit(Interval)
