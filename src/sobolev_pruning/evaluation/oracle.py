"""The oracle: what an estimator that knows the model's formula makes of the same labels."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._foundation.samples import Samples
from ..reference import GaussianBasket


def fit_oracle(basket: GaussianBasket, samples: Samples) -> GaussianBasket:
    """The Gaussian basket whose weights, strike and volatility (d + 2 numbers) fit `samples` best, as a model like any
    other.

    Minimises the order-1 loss with lambda 1 (`a = b = 1`) by least squares, from the true parameters. It knows the
    closed-form family, so its error is what the labels' noise alone costs: a yardstick for networks, not a bound.
    """
    from scipy.optimize import least_squares  # slow to import

    d = basket.n_inputs
    value_scale = 1.0 / np.sqrt(np.var(samples.y))
    delta_scale = 1.0 / np.sqrt(d * np.var(samples.dydx))

    def model(parameters) -> GaussianBasket:
        replaced = (parameters[:d], parameters[d], parameters[d + 1] * basket.volatilities)
        return eqx.tree_at(lambda b: (b.weights, b.strike, b.volatilities), basket, replaced)

    @jax.jit
    def predictions(parameters):
        candidate = model(parameters)
        value = value_scale * candidate.value(samples.x)
        return jnp.concatenate([value[:, None], delta_scale * candidate.gradient(samples.x)], axis=1).ravel()

    labels = np.concatenate([value_scale * samples.y[:, None], delta_scale * samples.dydx], axis=1).ravel()
    jacobian = jax.jit(jax.jacfwd(predictions))
    start = np.concatenate([basket.weights, [basket.strike, 1.0]])
    found = least_squares(
        lambda p: np.asarray(predictions(p)) - labels, start, jac=lambda p: np.asarray(jacobian(p)), method="lm"
    )
    return model(jnp.asarray(found.x))
