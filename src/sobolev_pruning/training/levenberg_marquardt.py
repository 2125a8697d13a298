"""Levenberg-Marquardt on the stacked Sobolev residuals: for networks of up to some hundred parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from .batches import Batch
from .full_batch import full_loss, mean_over_chunks
from .losses import SobolevLoss
from .optimiser import AbstractOptimiser, Layers, expect_positive, with_layers

_TRIES = 8
"""Dampings tried in one iteration before it is given up; each costs one evaluation of the loss."""


class LevenbergMarquardt(AbstractOptimiser):
    """Damped Gauss-Newton on the full batch; one epoch is one iteration.

    With `r_i(p)` the weighted residuals of sample i and `J_i` their derivative in the parameters, a step solves

        (A + damping diag(A)) step = -g,    A = mean_i J_i' J_i,    g = mean_i J_i' r_i,

    where the damping is divided by 5 after a step that lowers the loss and multiplied by 4 until one does. `A` is summed
    chunk by chunk, so memory does not grow with the samples. Marquardt 1963; Nocedal and Wright 2006, section 10.3.
    """

    iterations: int = eqx.field(static=True, default=60)

    def __check_init__(self):
        expect_positive(iterations=self.iterations)

    def steps_per_epoch(self, n: int) -> int:
        return 1

    def epochs(self, n: int) -> int:
        return self.iterations

    def init(self, layers: Layers, n: int) -> PyTree:
        return jnp.asarray(1e-3)

    def epoch(self, surrogate, state, loss, data, mask, key):
        parameters, unravel = ravel_pytree(surrogate.layers)
        trained = ravel_pytree(mask)[0]
        matrix, gradient = _normal_equations(surrogate, loss, data)
        matrix, gradient = matrix * trained[:, None] * trained, gradient * trained
        # A parameter without influence (or not trained) would make the matrix singular; a unit diagonal leaves it in place.
        diagonal = jnp.diagonal(matrix)
        diagonal = jnp.where(diagonal > 1e-14 * jnp.max(diagonal), diagonal, 1.0)
        terms = full_loss(loss, surrogate, data)

        def damped_step(damping: Float[Array, ""]) -> tuple[Float[Array, "p"], Float[Array, ""]]:
            step = jnp.linalg.solve(matrix + jnp.diag(damping * diagonal), -gradient)
            candidate = parameters + trained * step
            return candidate, full_loss(loss, with_layers(surrogate, unravel(candidate)), data).total

        def is_worse(carry) -> Float[Array, ""]:
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


def _normal_equations(surrogate, loss: SobolevLoss, data: Batch) -> tuple[Float[Array, "p p"], Float[Array, "p"]]:
    """Means over the samples of `J'J` and `J'r`."""
    parameters, unravel = ravel_pytree(surrogate.layers)

    def residuals(parameters, sample):
        return loss.residuals(with_layers(surrogate, unravel(parameters)), sample)

    def products(batch: Batch):
        r = jax.vmap(residuals, (None, 0))(parameters, batch)
        jacobian = jax.vmap(jax.jacrev(residuals), (None, 0))(parameters, batch).reshape(-1, parameters.size)
        return jacobian.T @ jacobian / len(batch), jacobian.T @ r.ravel() / len(batch)

    return mean_over_chunks(products, data)
