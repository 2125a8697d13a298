"""The perturbation view: a Sobolev loss is the plain loss under small random shifts of the inputs, labels following."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from sobolev_pruning._foundation.samples import Samples
from sobolev_pruning.training import SobolevLoss
from sobolev_pruning.training.batches import Batch
from surrogates import surrogate_of_shape

SHIFT = 1e-3
"""The next term of the expansion is of the order SHIFT^2: 1e-6, far below the 1e-3 asked for."""


def truth(x):
    return jnp.sin(x[0]) + x[0] * x[1] ** 2


def test_the_mean_loss_over_shifted_inputs_is_the_sobolev_loss():
    """With `r = y - f` and shifts `s` of mean 0 and covariance `e 1`,

        E_s r(x + s)^2 = r^2 + e r laplacian(r) + e |grad r|^2 + O(e^2):

    beside the loss of the values and that of the gradients there is one term more, which vanishes with `r`.
    """
    network = surrogate_of_shape([2, 4, 1], "silu", True)
    x = 3.0 + jax.random.normal(jax.random.key(0), (50, 2), jnp.float64)
    y, dydx = jax.jit(jax.vmap(jax.value_and_grad(truth)))(x)
    samples = Samples(x, y, dydx)
    loss = SobolevLoss.of(samples, 1, "fixed", 1.0)
    derivative = eqx.filter_jit(loss)(network, Batch.of(samples, 1)).derivative * loss.variances[1][0] * 2

    # Shifts by +-SHIFT sqrt(2) along each axis, each with probability 1/4, have the covariance SHIFT^2 times 1.
    axes = jnp.concatenate([jnp.eye(2), -jnp.eye(2)]) * SHIFT * jnp.sqrt(2.0)
    error = lambda point: truth(point) - network(point)  # noqa: E731

    @jax.jit
    @jax.vmap
    def gain(point):
        shifted = jnp.mean(jax.vmap(error)(point[None, :] + axes) ** 2)
        here, laplacian = error(point), jnp.trace(jax.hessian(error)(point))
        return (shifted - here**2 - SHIFT**2 * here * laplacian) / SHIFT**2

    np.testing.assert_allclose(jnp.mean(gain(x)), derivative, rtol=1e-3)
