"""Options on assets that follow geometric Brownian motions (Black-Scholes), sampled exactly at the payoff's dates."""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from .._foundation.arrays import ArrayOrList, float64_array
from .._foundation.errors import InputError
from .designs import Design
from .from_function import FunctionReference, from_function
from .parameters import Parameters, choose_inputs, spot_direction
from .payoffs import Payoff, call, digital_call, geometric_asian_call, put
from .semidefinite import lower_factor
from .smoothing import score_weight

_UNITS = {"volatility": "1/sqrt(year)", "rate": "1/year", "dividend": "1/year", "maturity": "year"}
"""Of the parameters whose unit is known; spots and strikes are in any currency."""


def black_scholes(
    payoff: Payoff,
    *,
    inputs: Mapping[str, Sequence],
    assets: int = 1,
    dates: int = 1,
    spot: ArrayOrList = 100.0,
    volatility: ArrayOrList = 0.2,
    correlation: ArrayOrList | None = None,
    rate: float = 0.0,
    dividend: ArrayOrList = 0.0,
    strike: ArrayOrList = 100.0,
    maturity: float = 1.0,
    likelihood_ratio: bool = False,
    antithetic: bool = False,
    design: Design = "random",
    paths: int = 65_536,
) -> FunctionReference:
    """The discounted `payoff` of `assets` geometric Brownian motions seen at `dates` equal steps up to `maturity`.

        log S_i(t + dt) = log S_i(t) + (rate - dividend_i - volatility_i^2 / 2) dt + volatility_i sqrt(dt) (L z)_i

    with `L L'` the `correlation`. The transition is exact, so there is no error of discretisation.

    - `payoff(path, p)`: a callable as in `reference.payoffs`.
    - `inputs`: ranges by name of the parameters that vary: `spot`, `volatility`, `rate`, `dividend`, `strike`,
      `maturity` (in years). Vega, rho and theta are derivatives like any other. What is not named is fixed at its
      argument; `spot`, `volatility` and `dividend` are numbers or arrays `(assets,)`.
    - `likelihood_ratio`: derivatives by the density of the path instead of along it, right for payoffs with jumps; more
      variance, the more the shorter the steps. The payoff itself must then not depend on an input other than smoothly.

    Gamma is that of a shift of all spots. The truth is exact for one asset and `payoffs.call`, `put`,
    `geometric_asian_call` and `digital_call`; else by `paths` simulated paths per point.

    >>> from sobolev_pruning.reference import payoffs
    >>> vanilla = black_scholes(payoffs.call, inputs={"spot": (60, 140), "volatility": (0.1, 0.4)}, maturity=2.0)
    >>> [round(float(slope), 4) for slope in vanilla.gradient([[100.0, 0.2]])[0]]
    [0.5562, 55.8576]
    """
    if assets < 1 or dates < 1:
        raise InputError(f"black_scholes was asked for assets={assets}, dates={dates}; give at least one of both.")
    values = {
        "spot": _per_asset("spot", spot, assets),
        "volatility": _per_asset("volatility", volatility, assets),
        "rate": rate,
        "dividend": _per_asset("dividend", dividend, assets),
        "strike": strike,
        "maturity": maturity,
    }
    positive = ("spot", "volatility", "maturity")
    box, parameters, fixed = choose_inputs("black_scholes", values, inputs, positive, _UNITS)
    cholesky = _cholesky(correlation, assets)
    if likelihood_ratio and not np.diag(cholesky).min() > 1e-7:
        raise InputError(
            "likelihood_ratio needs a density, and the correlation is singular; leave out an asset that follows from "
            "the others."
        )

    def steps_of(p: Parameters) -> tuple[Float[Array, "assets"], ...]:
        """Logarithm of the spots, and drift and deviation of its steps."""
        spot, volatility, dividend = (jnp.atleast_1d(p[name]) for name in ("spot", "volatility", "dividend"))
        dt = p["maturity"] / dates
        return jnp.log(spot), (p["rate"] - dividend - 0.5 * volatility**2) * dt, volatility * jnp.sqrt(dt)

    def log_path_of(p: Parameters, z: Float[Array, "dates assets"]) -> Float[Array, "dates assets"]:
        start, drift, deviation = steps_of(p)
        return start[None, :] + jnp.cumsum(drift[None, :] + deviation[None, :] * (z @ cholesky.T), axis=0)

    def controls(x: Float[Array, "d"], z: Float[Array, "dates assets"]) -> Float[Array, "c"]:
        """Discounted prices less their forwards: at maturity, and in the mean over the dates."""
        p = parameters(x)
        times = p["maturity"] * jnp.arange(1.0, dates + 1.0)[:, None] / dates
        growth = jnp.exp((p["rate"] - jnp.atleast_1d(p["dividend"]))[None, :] * times)
        surplus = jnp.exp(log_path_of(p, z)) - jnp.atleast_1d(p["spot"])[None, :] * growth
        found = surplus[-1] if dates == 1 else jnp.concatenate([surplus[-1], surplus.mean(axis=0)])
        return jnp.exp(-p["rate"] * p["maturity"]) * found

    def simulate(x: Float[Array, "d"], z: Float[Array, "dates assets"]) -> Float[Array, "..."]:
        p = parameters(x)
        start, drift, deviation = steps_of(p)
        log_path = log_path_of(p, z)
        weight = 1.0
        if likelihood_ratio:
            log_path = jax.lax.stop_gradient(log_path)
            steps = jnp.diff(log_path, axis=0, prepend=start[None, :])
            standardised = jax.scipy.linalg.solve_triangular(
                cholesky, ((steps - drift[None, :]) / deviation[None, :]).T, lower=True
            )
            weight = score_weight(-0.5 * jnp.sum(standardised**2) - dates * jnp.sum(jnp.log(deviation)))
        return jnp.exp(-p["rate"] * p["maturity"]) * weight * payoff(jnp.exp(log_path), p)

    formula = _closed_form(payoff, assets, dates)
    return from_function(
        simulate,
        inputs=box,
        noise=(dates, assets),
        exact=None if formula is None else lambda x: formula(parameters(x), dates),
        controls=controls,
        antithetic=antithetic,
        design=design,
        paths=paths,
        outputs="price",
        gamma_direction=spot_direction(box.variables),
        kind=f"{getattr(payoff, '__name__', 'payoff').replace('_', ' ')} on {assets} Black-Scholes asset(s)",
        fixed={**fixed, "correlation": (cholesky @ cholesky.T).tolist(), "dates": dates},
    )


def european_call(p: Parameters, dates: int = 1) -> Float[Array, "..."]:
    """`e^{-rT} (F Phi(d1) - K Phi(d2))`, `F = S e^{(r - q) T}` (Black and Scholes 1973)."""
    forward, deviation = _lognormal(p)
    return _discounted(p, _black_call(forward, deviation, p["strike"]))


def european_put(p: Parameters, dates: int = 1) -> Float[Array, "..."]:
    """The call less the forward's worth, by parity."""
    forward, deviation = _lognormal(p)
    return _discounted(p, _black_call(forward, deviation, p["strike"]) - forward + p["strike"])


def european_digital(p: Parameters, dates: int = 1) -> Float[Array, "..."]:
    """`e^{-rT} Phi(d2)`."""
    forward, deviation = _lognormal(p)
    return _discounted(p, norm.cdf(jnp.log(forward / p["strike"]) / deviation - 0.5 * deviation))


def geometric_asian(p: Parameters, dates: int = 1) -> Float[Array, "..."]:
    """The call on a lognormal geometric mean over `n` dates `iT/n` (Kemna and Vorst 1990).

    The mean of `log S` is normal with mean `log S + (r - q - vol^2/2) T (n + 1)/(2n)` and variance
    `vol^2 T (n + 1)(2n + 1)/(6 n^2)`.
    """
    n = dates
    volatility, maturity = p["volatility"].reshape(()), p["maturity"]
    growth = (p["rate"] - p["dividend"].reshape(()) - 0.5 * volatility**2) * maturity * (n + 1) / (2 * n)
    variance = volatility**2 * maturity * (n + 1) * (2 * n + 1) / (6 * n**2)
    forward = p["spot"].reshape(()) * jnp.exp(growth + 0.5 * variance)
    return _discounted(p, _black_call(forward, jnp.sqrt(variance), p["strike"]))


def _closed_form(payoff: Payoff, assets: int, dates: int) -> Callable | None:
    if assets > 1:
        return None
    formulas = {call: european_call, put: european_put, digital_call: european_digital}
    return formulas.get(payoff, geometric_asian if payoff is geometric_asian_call else None)


def _black_call(forward, deviation, strike):
    d1 = jnp.log(forward / strike) / deviation + 0.5 * deviation
    return forward * norm.cdf(d1) - strike * norm.cdf(d1 - deviation)


def _lognormal(p: Parameters):
    forward = p["spot"].reshape(()) * jnp.exp((p["rate"] - p["dividend"].reshape(())) * p["maturity"])
    return forward, p["volatility"].reshape(()) * jnp.sqrt(p["maturity"])


def _discounted(p: Parameters, amount):
    return jnp.exp(-p["rate"] * p["maturity"]) * amount


def _per_asset(name: str, given: ArrayOrList, assets: int):
    array = float64_array(given, name)
    if array.shape not in ((), (assets,)):
        raise InputError(f"{name} has shape {array.shape}; for {assets} assets give one number or ({assets},).")
    return array if assets == 1 and array.shape == () else np.broadcast_to(array, (assets,))


def _cholesky(correlation: ArrayOrList | None, assets: int) -> Float[Array, "assets assets"]:
    if correlation is None:
        return jnp.eye(assets)
    matrix = float64_array(correlation, "correlation")
    if matrix.ndim == 0:  # one number for all pairs
        matrix = np.full((assets, assets), float(matrix)) + (1.0 - float(matrix)) * np.eye(assets)
    if matrix.shape != (assets, assets) or not np.allclose(matrix, matrix.T) or not np.allclose(np.diag(matrix), 1.0):
        raise InputError(f"correlation must be one number or symmetric ({assets}, {assets}) with ones on its diagonal.")
    return jnp.asarray(lower_factor(matrix, "correlation"))
