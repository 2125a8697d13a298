"""Levenberg-Marquardt on the stacked Sobolev residuals: for networks of up to some hundred parameters."""

import math

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree

from .._foundation.errors import InputError
from ..surrogate import Surrogate
from .batches import Batch
from .full_batch import full_loss
from .losses import LossTerms, SobolevLoss
from .normal_equations import normal_equations
from .optimiser import AbstractOptimiser, Layers, expect_positive, with_layers

_TRIES = 8
"""Dampings tried in one iteration before it is given up; each costs one evaluation of the loss."""


class LevenbergMarquardt(AbstractOptimiser):
    """Damped Gauss-Newton on the full batch; one epoch is one iteration.

    With `r_i(p)` the weighted residuals of sample i, `J_i` their derivative in the parameters, and `L` the loss of `n`
    samples, a step solves

        (A + alpha + damping diag(A)) step = -(g + alpha p),
        A = mean_i J_i' J_i,    g = mean_i J_i' r_i,    alpha = L / (n prior^2),

    where the damping is divided by 5 after a step that lowers the objective `L exp(|p|^2 / (n prior^2))` and multiplied
    by 4 until one does. `A` is summed chunk by chunk, so memory does not grow with the samples. Marquardt 1963; Nocedal
    and Wright 2006, section 10.3.

    The objective is the most probable one where every parameter is drawn from a normal law of standard deviation
    `prior` and `L` is all noise (docs/derivations/sobolev-loss.md). It keeps small networks from growing sharp nodes
    that fit the noise of few samples, and vanishes with the noise. Infinity, the default, leaves it out: 1 suits
    networks whose inputs and outputs are scaled, as those of this package are.
    """

    iterations: int = 60
    prior: float = math.inf

    def __check_init__(self):
        expect_positive(iterations=self.iterations)
        if not self.prior > 0:
            raise InputError(f"prior is {self.prior}; give a standard deviation above 0, or infinity for none.")

    def steps_per_epoch(self, n: int) -> int:
        return 1

    def epochs(self, n: int) -> int:
        return self.iterations

    def init(self, layers: Layers, n: int) -> PyTree:
        return jnp.asarray(1e-3, jnp.float64)

    def objective(self, total, layers, n):
        return total * jnp.exp(jnp.sum(ravel_pytree(layers)[0] ** 2) / (n * self.prior**2))

    def equations(
        self, loss: SobolevLoss, surrogate: Surrogate, data: Batch
    ) -> tuple[Float[Array, "p p"], Float[Array, "p"], LossTerms]:
        """`A`, `g` and the loss terms."""
        return normal_equations(loss, surrogate, data)

    def epoch(self, surrogate, state, loss, data, mask, key):
        parameters, unravel = ravel_pytree(surrogate.layers)
        trained = ravel_pytree(mask)[0]
        matrix, gradient, terms = self.equations(loss, surrogate, data)
        alpha = terms.total / (len(data) * self.prior**2)
        matrix = matrix * trained[:, None] * trained[None, :] + alpha * jnp.diag(trained)
        gradient = (gradient + alpha * parameters) * trained
        before = self.objective(terms.total, surrogate.layers, len(data))
        # A parameter without influence, or not trained, would make the matrix singular: a unit diagonal keeps it still.
        diagonal = jnp.diagonal(matrix)
        diagonal = jnp.where(diagonal > 1e-14 * jnp.max(diagonal), diagonal, 1.0)

        def damped_step(damping: Float[Array, ""]) -> tuple[Float[Array, "p"], Float[Array, ""]]:
            # Too little damping for the rounding of the matrix gives NaN here, which no loss accepts: more is tried.
            factor = jnp.linalg.cholesky(matrix + jnp.diag(damping * diagonal))
            step = jax.scipy.linalg.cho_solve((factor, True), -gradient)
            candidate = jnp.where(trained > 0, parameters + trained * step, parameters)
            layers = unravel(candidate)
            total = full_loss(loss, with_layers(surrogate, layers), data).total
            return candidate, self.objective(total, layers, len(data))

        def is_worse(carry) -> Bool[Array, ""]:
            tries, _, _, objective = carry
            return (tries < _TRIES) & ~(objective < before)

        def try_again(carry):
            tries, damping, _, _ = carry
            damping = jnp.where(tries == 0, damping, 4.0 * damping)
            return tries + 1, damping, *damped_step(damping)

        _, damping, candidate, objective = jax.lax.while_loop(
            is_worse, try_again, (0, state, parameters, jnp.asarray(jnp.inf))
        )
        accepted = objective < before
        layers = unravel(jnp.where(accepted, candidate, parameters))
        damping = jnp.where(accepted, jnp.maximum(damping / 5.0, 1e-12), jnp.minimum(damping, 1e12))
        return with_layers(surrogate, layers), damping, jax.tree.map(lambda term: term[None], terms)

    def advice(self) -> str:
        return "a label is likely far out of range: look for outliers among the samples"
