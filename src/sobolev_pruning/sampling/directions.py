"""The directions that matter most, for Hessian-vector products along few of them."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._foundation.errors import InputError
from .._foundation.samples import Samples


def principal_directions(
    samples: Samples, m: int, of: Literal["inputs", "gradients"] = "inputs"
) -> Float[Array, "m d"]:
    """The first `m` principal directions of the inputs or of the gradient labels, in units of the inputs.

    With `S` the diagonal matrix of the inputs' standard deviations, `u_i` the eigenvectors to the largest eigenvalues
    of a matrix `C`, and `v_i` the rows of the result:

    - "inputs": `C` the covariance of `x`, and `v_i = sqrt(eigenvalue_i) u_i`, one standard deviation along the axis;
    - "gradients": `C = E[(S dy/dx)(S dy/dx)']`, summed over outputs in units of their spread, and `v_i = S u_i`: the
      directions that the outputs depend on most, the active subspace of Constantine (2015).

    Pass them to `reference.sample(..., order=2, directions=...)` or `Surrogate.label`.

    >>> import numpy as np
    >>> samples = Samples([[-2.0, 0.1], [0.0, -0.1], [2.0, 0.0]], [0.0, 1.0, 0.0], [[1.0, 0.0]] * 3)
    >>> np.abs(principal_directions(samples, 1)).round(2).tolist()
    [[1.63, 0.04]]
    """
    d = samples.n_inputs
    if not 1 <= m <= d:
        raise InputError(f"{m} directions were asked for; give 1 to {d}, the number of inputs.")
    centred = samples.x - samples.x.mean(axis=0)[None, :]
    if of == "inputs":
        eigenvalues, vectors = jnp.linalg.eigh(centred.T @ centred / len(samples))
        return (vectors * jnp.sqrt(jnp.maximum(eigenvalues, 0.0))[None, :]).T[::-1][:m]
    if of != "gradients":
        raise InputError(f'of is {of!r}; choose "inputs" or "gradients".')
    if samples.dydx is None or samples.n_unknown:
        raise InputError('of="gradients" needs samples with all of dydx; take of="inputs".')
    spread = samples.x.std(axis=0)
    output_spread = samples.y.reshape(len(samples), -1).std(axis=0)
    gradients = samples.dydx.reshape(len(samples), -1, d) * spread[None, None, :]
    gradients = (gradients / jnp.where(output_spread > 0, output_spread, 1.0)[None, :, None]).reshape(-1, d)
    _, vectors = jnp.linalg.eigh(gradients.T @ gradients)
    return (vectors.T * spread[None, :])[::-1][:m]
