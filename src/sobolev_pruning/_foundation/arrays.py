"""The array vocabulary: what a shape letter means everywhere in the package.

n   samples             d   inputs              k   outputs (dropped where the model is scalar)
m   directions per sample                        l   hidden layers
"""

from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Key

from .errors import InputError
from .precision import require_float64

Points: TypeAlias = Float[Array, "n d"]
Values: TypeAlias = Float[Array, "n"] | Float[Array, "n k"]
Gradients: TypeAlias = Float[Array, "n d"] | Float[Array, "n k d"]
Hessians: TypeAlias = Float[Array, "n d d"] | Float[Array, "n k d d"]
PRNGKey: TypeAlias = Key[Array, ""]

ArrayOrList: TypeAlias = ArrayLike | Sequence
"""What a user may give for an array; the function that takes it checks it and says what is wrong."""


def float64_array(given: ArrayOrList, name: str) -> np.ndarray:
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


ROUNDING = 64 * np.finfo(np.float64).eps
"""What numbers that were meant to be equal may differ by, as a part of the largest of them."""


def varies(columns: Float[np.ndarray, "n ..."]) -> Bool[np.ndarray, "..."]:
    """Whether each column, along the first axis, changes by more than rounding; NaN is left out.

    >>> varies(np.array([[0.3, 1.0], [0.1 + 0.2, 2.0]])).tolist()
    [False, True]
    """
    with np.errstate(invalid="ignore"):
        lowest, highest = np.fmin.reduce(columns, axis=0), np.fmax.reduce(columns, axis=0)
        return np.asarray(highest - lowest > ROUNDING * np.maximum(np.abs(lowest), np.abs(highest)))


def generator_of(key: PRNGKey) -> np.random.Generator:
    """NumPy's generator for random numbers that are drawn once and on the host, where nothing needs compiling.

    >>> import jax
    >>> [generator_of(jax.random.key(seed)).permutation(4).tolist() for seed in (1, 2)]
    [[3, 0, 2, 1], [2, 1, 0, 3]]
    """
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def as_points(given: ArrayOrList, n_inputs: int) -> Points:
    """`given` as float64 points `(n, n_inputs)`; raises `InputError` where it has another shape, or float64 is off."""
    require_float64("A surrogate")
    # An array of JAX may be under transformation; NumPy cannot look at it.
    points = jnp.asarray(given if isinstance(given, jax.Array) else float64_array(given, "points"), jnp.float64)
    if points.ndim != 2 or points.shape[1] != n_inputs:
        raise InputError(f"The points have shape {points.shape}; give (n, {n_inputs}), one row per point.")
    return points
