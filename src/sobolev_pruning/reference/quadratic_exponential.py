"""Steps of Heston's variance and log-price by the quadratic-exponential scheme with martingale correction."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .parameters import Parameters

_SWITCH = 1.5
"""Ratio of variance to squared mean from which the next variance is exponential with a mass at 0 instead of quadratic
in a normal variable; Andersen advises between 1 and 2."""


class LogPriceStep(NamedTuple):
    """Mean and variance of the log-price's growth over a step, less its drift, given the path of the variance."""

    mean: Float[Array, "..."]
    variance: Float[Array, "..."]


def log_price_steps(p: Parameters, z: Float[Array, "steps"]) -> LogPriceStep:
    """The steps of the log-price for the variance driven by `z`, `(steps,)` standard normal variables (Andersen 2008).

    With `m` and `s^2` mean and variance of the next variance, known in closed form, and `psi = s^2/m^2`, it is

        a (b + z)^2,                                             psi <= 1.5
        max(log((1 - q)/(1 - Phi(z))), 0)/beta,                  psi > 1.5

    with the two moments right. The log-price follows by integrating the variance by the trapezoidal rule, less what
    makes the discounted price a martingale exactly. Slopes in `p` are those of the path, which see all but the switch
    from one law to the other.
    """
    kappa, theta, xi, rho = (
        p[name] for name in ("mean_reversion", "long_variance", "volatility_of_variance", "correlation")
    )
    dt = p["maturity"] / z.shape[0]
    decay = jnp.exp(-kappa * dt)
    linear, constant = xi**2 * decay * (1.0 - decay) / kappa, 0.5 * theta * xi**2 * (1.0 - decay) ** 2 / kappa
    inward = 0.5 * dt * (kappa * rho / xi - 0.5)
    of_next = inward + rho / xi
    spread = 0.5 * dt * (1.0 - rho**2)
    tilt = of_next + 0.5 * spread

    def step(variance, z):
        mean = theta + (variance - theta) * decay
        psi = (variance * linear + constant) / mean**2
        quadratic = psi <= _SWITCH
        # Each law is taken where it holds: the other one's roots and logarithms would have no slope there.
        ratio = 2.0 / jnp.where(quadratic, psi, 1.0)
        b_squared = ratio - 1.0 + jnp.sqrt(ratio * (ratio - 1.0))
        a = mean / (1.0 + b_squared)
        by_square = a * (jnp.sqrt(b_squared) + z) ** 2
        square_growth = tilt * a * b_squared / (1.0 - 2.0 * tilt * a) - 0.5 * jnp.log(1.0 - 2.0 * tilt * a)

        psi = jnp.where(quadratic, 2.0, psi)
        q = (psi - 1.0) / (psi + 1.0)
        beta = (1.0 - q) / mean
        above = 0.5 * jax.lax.erfc(z * jnp.sqrt(0.5))
        alive = above < 1.0 - q
        by_exponential = jnp.where(alive, jnp.log((1.0 - q) / jnp.where(alive, above, 1.0)), 0.0) / beta
        exponential_growth = jnp.log(q + beta * (1.0 - q) / (beta - tilt))

        new = jnp.where(quadratic, by_square, by_exponential)
        growth = jnp.where(quadratic, square_growth, exponential_growth)
        correction = -growth - 0.5 * spread * variance
        return new, LogPriceStep(correction + of_next * new, spread * (variance + new))

    return jax.lax.scan(step, p["initial_variance"], z)[1]
