"""What a call costs: the surrogate's, and the simulation's that it replaces."""

import time
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..reference import AbstractReference
from ..surrogate import Surrogate
from .records import Timings

_PATHS = 20_000
_POINTS = 4096
_REPEATS = 5


def measure(
    reference: AbstractReference, oversized: Surrogate, final: Surrogate, final_rmse: float, total: float
) -> Timings:
    """Seconds per point for value and first derivatives: by the networks, and by as many simulated paths as give the
    final network's error in the value (`final_rmse`) as standard error at the middle of the box; one compiled batch
    each.
    """
    lower, upper = reference.box
    middle = 0.5 * (lower + upper)
    noise = reference.noise(jax.random.key(0), _PATHS)

    @eqx.filter_jit
    def simulate(model, x, z):
        return jax.vmap(lambda z: _value_and_jacobian(lambda x: model.label(x, z), x))(z)

    @eqx.filter_jit
    def network(surrogate, points):
        return jax.vmap(lambda x: _value_and_jacobian(surrogate, x))(points)

    # Of several outputs `final_rmse` is that of the worst: the one whose paths spread most is the dearest.
    spread = float(np.max(np.std(simulate(reference, middle, noise)[0], axis=0)))
    paths = max(2, round((spread / final_rmse) ** 2))
    points = reference.test_points(jax.random.key(1), _POINTS)
    return Timings(
        reference=_seconds(lambda: simulate(reference, middle, noise)) / _PATHS * paths,
        reference_paths=paths,
        oversized=_seconds(lambda: network(oversized, points)) / _POINTS,
        final=_seconds(lambda: network(final, points)) / _POINTS,
        total=total,
    )


def _value_and_jacobian(function: Callable, x):
    """Of a function to a number by one pass in reverse, of one to k numbers by k of them."""
    value, pull = jax.vjp(function, x)
    if value.ndim == 0:
        return value, pull(jnp.ones_like(value))[0]
    return value, jax.vmap(lambda row: pull(row)[0])(jnp.eye(value.shape[0]))


def _seconds(call: Callable) -> float:
    """The median of a few timings, after one call that compiles."""
    jax.block_until_ready(call())
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return float(np.median(times))
