"""Numbers that a written file must be able to hold."""

import numpy as np

from ..._foundation.errors import InputError


def expect_representable(numbers: np.ndarray, what: str, dtype: type[np.floating]) -> None:
    """Raises `InputError` where a number becomes infinite in `dtype`; `what` names them in the sentence."""
    beyond = numbers[~(np.abs(numbers) <= np.finfo(dtype).max)]
    if beyond.size:
        raise InputError(
            f"The numbers {what} reach {np.max(np.abs(beyond)):g}, beyond {np.finfo(dtype).max:.1e}, the largest of "
            f"{np.dtype(dtype).name}; {'write float64, or ' if dtype == np.float32 else ''}give inputs and outputs in "
            "units in which they are of ordinary size."
        )
