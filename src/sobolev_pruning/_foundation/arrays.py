"""The array vocabulary: what a shape letter means everywhere in the package.

n   samples             d   inputs              k   outputs (dropped where the model is scalar)
m   directions per sample                        l   hidden layers
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Array, Float, Key

from .errors import InputError

Points: TypeAlias = Float[Array, "n d"]
Values: TypeAlias = Float[Array, "n"] | Float[Array, "n k"]
Gradients: TypeAlias = Float[Array, "n d"] | Float[Array, "n k d"]
Hessians: TypeAlias = Float[Array, "n d d"] | Float[Array, "n k d d"]
PRNGKey: TypeAlias = Key[Array, ""]


def float64_array(given, name: str) -> np.ndarray:
    """`given` as a float64 NumPy array; raises `InputError` naming it where it is no array of real numbers.

    >>> float64_array([1, 2], "weights").dtype
    dtype('float64')
    """
    try:
        array = np.asarray(given)
        if np.iscomplexobj(array):  # a cast would drop the imaginary part with no more than a warning
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} cannot be read as an array of real numbers; give float64 values.") from None
