"""Derivatives of one simulated path at fixed noise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def value_and_jacobian(function: Callable, x: Float[Array, "d"]) -> tuple[Float[Array, "..."], Float[Array, "... d"]]:
    """`function(x)`, of shape `()` or `(k,)`, and its derivatives with a last axis of length `d`.

    In reverse, an output at a time, as simulators mostly have more inputs than outputs.
    """
    value, pullback = jax.vjp(function, x)
    if value.ndim == 0:
        return value, pullback(jnp.ones_like(value))[0]
    return value, jax.vmap(lambda seed: pullback(seed)[0])(jnp.eye(value.size, dtype=value.dtype))


def value_and_jacobian_rows(
    function: Callable, x: Float[Array, "d"], rows: Int[Array, "m"]
) -> tuple[Float[Array, "k"], Float[Array, "k d"]]:
    """`function(x)`, `(k,)`, and its Jacobian with the given rows alone, NaN in the others.

    A row is the product of a unit vector with the Jacobian: one pass in reverse each, whatever k is.
    """
    value, pullback = jax.vjp(function, x)
    products = jax.vmap(lambda seed: pullback(seed)[0])(jnp.eye(value.size, dtype=value.dtype)[rows])
    return value, jnp.full((value.size, x.size), jnp.nan, value.dtype).at[rows].set(products)


def hessian_vector_products(
    function: Callable, x: Float[Array, "d"], directions: Float[Array, "m d"]
) -> Float[Array, "m ... d"]:
    """`H v` for each direction `v`: the Jacobian differentiated along `v`, forward over reverse."""
    jacobian = lambda point: value_and_jacobian(function, point)[1]  # noqa: E731
    return jax.vmap(lambda direction: jax.jvp(jacobian, (x,), (direction,))[1])(directions)
