"""What a call costs: the surrogate's, and that of the source which it replaces."""

import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..reference.pathwise import value_and_jacobian
from ..surrogate import Surrogate

_POINTS = 4096
_REPEATS = 5


def seconds_per_call(network: Surrogate, box: tuple[np.ndarray, np.ndarray]) -> float:
    """Seconds for a value with all first derivatives at one of many points of `box`, in one compiled batch."""

    @eqx.filter_jit
    def call(network, points):
        return jax.vmap(lambda x: value_and_jacobian(network, x))(points)

    shape = (_POINTS, network.widths[0])
    points = jax.random.uniform(jax.random.key(1), shape, jnp.float64, *(jnp.asarray(end) for end in box))
    return seconds_of(lambda: call(network, points)) / _POINTS


def seconds_of(call: Callable) -> float:
    """The median of a few timings, after one call that compiles."""
    jax.block_until_ready(call())
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return float(np.median(times))
