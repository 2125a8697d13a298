"""Products of the linear parts of two forms, exactly, in the quadratic rows of the polynomial.

`sum_ij a_i b_j eps_i eps_j` has the symmetric coefficients `(a_i b_j + a_j b_i)/2`; on the diagonal
`eps_i^2 = (Q_ii + 1)/2`, so half of it is constant.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array


def product_of_linear(a: Array, b: Array) -> tuple[Array, Array]:
    """The constant `(*shape)` and the quadratic rows `(linear**2, *shape)` of the product; two roundings per entry."""
    linear = a.shape[0]
    half = np.where(np.eye(linear), 0.25, 0.5).reshape(linear, linear, *(1,) * (a.ndim - 1)).astype(a.dtype)
    if a is b:
        quadratic = a[:, None] * a[None] * (2 * half)
    else:
        quadratic = (a[:, None] * b[None] + a[None] * b[:, None]) * half
    return jnp.sum(0.5 * a * b, axis=0), quadratic.reshape(linear**2, *a.shape[1:])


def with_quadratic(polynomial: Array, quadratic: Array) -> Array:
    """`polynomial` with `quadratic` added to its quadratic rows."""
    linear = polynomial.shape[0] - quadratic.shape[0]
    return jnp.concatenate([polynomial[:linear], polynomial[linear:] + quadratic])
