"""Stacking values of one kind along a new first axis."""

import jax
import jax.numpy as jnp

from .interval import Interval, as_interval


def stack(values):
    if any(isinstance(x, Interval) for x in values):
        return jax.tree.map(lambda *ends: jnp.stack(ends), *[as_interval(x) for x in values])
    return jnp.stack(values)
