"""Derivatives of one simulated path at fixed noise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def value_and_jacobian(function: Callable, x: Float[Array, "d"]) -> tuple[Float[Array, "..."], Float[Array, "... d"]]:
    """`function(x)`, of shape `()` or `(k,)`, and its derivatives with a last axis of length `d`.

    In reverse, an output at a time, as simulators mostly have more inputs than outputs.
    """
    value, pullback = jax.vjp(function, x)
    if value.ndim == 0:
        return value, pullback(jnp.ones_like(value))[0]
    return value, jax.vmap(lambda seed: pullback(seed)[0])(jnp.eye(value.size, dtype=value.dtype))


def hessian_vector_products(
    function: Callable, x: Float[Array, "d"], directions: Float[Array, "m d"]
) -> Float[Array, "m ... d"]:
    """`H v` for each direction `v`: the Jacobian differentiated along `v`, forward over reverse."""
    jacobian = lambda point: value_and_jacobian(function, point)[1]  # noqa: E731
    return jax.vmap(lambda direction: jax.jvp(jacobian, (x,), (direction,))[1])(directions)
