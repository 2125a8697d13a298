"""The training range that travels with an exported surrogate."""

from collections.abc import Sequence

from .._foundation.arrays import ArrayOrList, float64_array
from .._foundation.errors import InputError


def box_corners(box: Sequence[ArrayOrList], n_inputs: int) -> list[list[float]]:
    """Lower and upper corner of `box` as lists of numbers; raises `InputError` where they are no such corners."""
    corners = [float64_array(corner, "box") for corner in box]
    if (
        len(corners) != 2
        or any(corner.shape != (n_inputs,) for corner in corners)
        or not (corners[0] <= corners[1]).all()
    ):
        raise InputError(
            f"box must be a lower and an upper corner of {n_inputs} numbers each, the lower not above the upper."
        )
    return [corner.tolist() for corner in corners]
