"""Checks of samples before anything is learnt from them."""

import numpy as np

from .._foundation.arrays import varies
from .._foundation.errors import InputError
from .._foundation.samples import Samples


def check_for_training(samples: Samples) -> None:
    """Raises `InputError`, naming rows or columns, for inputs that never change by more than rounding, and for copied
    columns.

    Samples with the same inputs are welcome, and so are equal labels among them: a simulator that answers 0 or 1 gives
    many, and each counts.
    """
    x = np.asarray(samples.x)
    if len(x) < 2:
        raise InputError("There is only one sample; give at least two.")
    constant = np.flatnonzero(~varies(x))
    if constant.size:
        c = int(constant[0])
        raise InputError(
            f"Input {samples.inputs[c]} is {x[0, c]:g} in every sample, so nothing can be learnt about it; "
            "vary it or leave it out."
        )
    copied = _first_copy(np.ascontiguousarray(x.T))
    if copied is not None:
        one, other = (samples.inputs[c].name for c in copied)
        raise InputError(f"Inputs {one} and {other} are the same in every sample; leave one of them out.")


def _first_copy(rows: np.ndarray) -> tuple[int, int] | None:
    """The first pair of equal rows."""
    # Compared as raw bytes, after adding 0.0 so that -0.0 and 0.0 are one: sorting them is one pass in C.
    packed = np.ascontiguousarray(rows + 0.0).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    order = np.argsort(packed, kind="stable")
    same = np.flatnonzero(packed[order[1:]] == packed[order[:-1]])
    if not same.size:
        return None
    first = int(same[np.argmin(order[same + 1])])
    return int(order[first]), int(order[first + 1])
