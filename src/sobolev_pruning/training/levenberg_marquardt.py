"""Levenberg-Marquardt on the stacked Sobolev residuals: for networks of up to some hundred parameters."""

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from .full_batch import full_loss
from .normal_equations import normal_equations
from .optimiser import AbstractOptimiser, Layers, expect_positive, with_layers

_TRIES = 8
"""Dampings tried in one iteration before it is given up; each costs one evaluation of the loss."""


class LevenbergMarquardt(AbstractOptimiser):
    """Damped Gauss-Newton on the full batch; one epoch is one iteration.

    With `r_i(p)` the weighted residuals of sample i and `J_i` their derivative in the parameters, a step solves

        (A + damping diag(A)) step = -g,    A = mean_i J_i' J_i,    g = mean_i J_i' r_i,

    where the damping is divided by 5 after a step that lowers the loss and multiplied by 4 until one does. `A` is
    summed chunk by chunk, so memory does not grow with the samples. Marquardt 1963; Nocedal and Wright 2006, section
    10.3.
    """

    iterations: int = 60

    def __check_init__(self):
        expect_positive(iterations=self.iterations)

    def steps_per_epoch(self, n: int) -> int:
        return 1

    def epochs(self, n: int) -> int:
        return self.iterations

    def init(self, layers: Layers, n: int) -> PyTree:
        return jnp.asarray(1e-3, jnp.float64)

    def epoch(self, surrogate, state, loss, data, mask, key):
        parameters, unravel = ravel_pytree(surrogate.layers)
        trained = ravel_pytree(mask)[0]
        matrix, gradient, terms = normal_equations(loss, surrogate, data)
        matrix, gradient = matrix * trained[:, None] * trained[None, :], gradient * trained
        # A parameter without influence, or not trained, would make the matrix singular: a unit diagonal keeps it still.
        diagonal = jnp.diagonal(matrix)
        diagonal = jnp.where(diagonal > 1e-14 * jnp.max(diagonal), diagonal, 1.0)

        def damped_step(damping: Float[Array, ""]) -> tuple[Float[Array, "p"], Float[Array, ""]]:
            # Too little damping for the rounding of the matrix gives NaN here, which no loss accepts: more is tried.
            factor = jnp.linalg.cholesky(matrix + jnp.diag(damping * diagonal))
            step = jax.scipy.linalg.cho_solve((factor, True), -gradient)
            candidate = jnp.where(trained > 0, parameters + trained * step, parameters)
            return candidate, full_loss(loss, with_layers(surrogate, unravel(candidate)), data).total

        def is_worse(carry) -> Bool[Array, ""]:
            tries, _, _, total = carry
            return (tries < _TRIES) & ~(total < terms.total)

        def try_again(carry):
            tries, damping, _, _ = carry
            damping = jnp.where(tries == 0, damping, 4.0 * damping)
            return tries + 1, damping, *damped_step(damping)

        _, damping, candidate, total = jax.lax.while_loop(
            is_worse, try_again, (0, state, parameters, jnp.asarray(jnp.inf))
        )
        accepted = total < terms.total
        layers = unravel(jnp.where(accepted, candidate, parameters))
        damping = jnp.where(accepted, jnp.maximum(damping / 5.0, 1e-12), jnp.minimum(damping, 1e12))
        return with_layers(surrogate, layers), damping, jax.tree.map(lambda term: term[None], terms)

    def advice(self) -> str:
        return "a label is likely far out of range: look for outliers among the samples"
