"""The training range that travels with an exported surrogate."""

from collections.abc import Sequence

import numpy as np

from .._foundation.arrays import ArrayOrList, float64_array
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from ..surrogate import Surrogate


def box_corners(box: Sequence[ArrayOrList], n_inputs: int) -> list[list[float]]:
    """Lower and upper corner of `box` as lists of numbers; raises `InputError` where they are no such corners."""
    corners = [float64_array(corner, "box") for corner in box]
    if (
        len(corners) != 2
        or any(corner.shape != (n_inputs,) for corner in corners)
        or not np.isfinite(corners).all()
        or not (corners[0] <= corners[1]).all()
    ):
        raise InputError(
            f"box must be a lower and an upper corner of {n_inputs} numbers each, all finite, "
            "the lower not above the upper."
        )
    return [corner.tolist() for corner in corners]


def exported_range(surrogate: Surrogate, box: Sequence[ArrayOrList] | None) -> list[list[float]] | None:
    """The corners of `box` where it is given, else of the surrogate's training range; None where neither is known."""
    require_float64("An export")
    box = surrogate.training_range if box is None else box
    return None if box is None else box_corners(box, surrogate.widths[0])
