"""Splitting samples, and the box that samples span."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import PRNGKey, generator_of
from .._foundation.errors import InputError
from .._foundation.samples import Samples


def split(samples: Samples, held_out: float, key: PRNGKey) -> tuple[Samples, Samples]:
    """`samples` in random order, cut into a training and a held-out part of the given fraction, each at least 1."""
    if not 0 < held_out < 1:
        raise InputError(f"held_out is {held_out}; give a fraction between 0 and 1, such as 0.125.")
    n = len(samples)
    if n < 2:
        raise InputError("There is only one sample; give at least two, one of them to be held out.")
    order = generator_of(key).permutation(n)
    n_held = min(n - 1, max(1, round(held_out * n)))
    return samples[order[n_held:]], samples[order[:n_held]]


def quantile_box(samples: Samples, tail: float = 0.01) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
    """The box from the `tail` to the `1 - tail` quantile of every input: the default where no reference states one."""
    lower, upper = np.quantile(np.asarray(samples.x), [tail, 1.0 - tail], axis=0)
    return jnp.asarray(lower), jnp.asarray(upper)
