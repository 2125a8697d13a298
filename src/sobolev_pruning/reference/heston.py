"""Options under Heston's stochastic volatility, with a reference by Fourier inversion."""

from collections.abc import Mapping, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import ArrayOrList
from .._foundation.errors import InputError
from .black_scholes import _black_call
from .designs import Design
from .from_function import FunctionReference, from_function
from .parameters import Parameters, choose_inputs, spot_direction
from .payoffs import Payoff, call, put
from .quadratic_exponential import log_price_steps

_UNITS = {
    "initial_variance": "1/year",
    "mean_reversion": "1/year",
    "long_variance": "1/year",
    "volatility_of_variance": "1/year",
    "rate": "1/year",
    "dividend": "1/year",
    "maturity": "year",
}
_NODES = 256
_CUT = 40.0


def heston(
    payoff: Payoff,
    *,
    inputs: Mapping[str, Sequence],
    dates: int = 1,
    steps: int = 16,
    spot: float = 100.0,
    initial_variance: float = 0.04,
    mean_reversion: float = 1.5,
    long_variance: float = 0.04,
    volatility_of_variance: float = 0.4,
    correlation: float = -0.6,
    rate: float = 0.0,
    dividend: float = 0.0,
    strike: ArrayOrList = 100.0,
    maturity: float = 1.0,
    labels: Literal["simulated", "fourier"] = "simulated",
    conditional: bool = False,
    antithetic: bool = False,
    design: Design = "random",
    paths: int = 65_536,
) -> FunctionReference:
    """The discounted `payoff` of one asset whose variance follows a square-root process (Heston 1993).

        dS = (rate - dividend) S dt + sqrt(V) S dW_1
        dV = mean_reversion (long_variance - V) dt + volatility_of_variance sqrt(V) dW_2,   dW_1 dW_2 = correlation dt

    Variance and log-price are stepped by the quadratic-exponential scheme with martingale correction (Andersen 2008;
    `quadratic_exponential`), `steps` in all, a multiple of `dates`. A price at the money moves by some 0.5 basis points
    of the strike with 8 steps a year, slopes in the parameters of the variance by up to 4% (docs/models.md).

    - `inputs`: ranges by name of the parameters that vary, any of the numbers above.
    - `labels`: "fourier" takes the exact price and its derivatives of orders 0 to 2 for labels, without noise, for
      `payoffs.call` and `put` at one date.
    - `conditional`: for `payoffs.call` and `put` at one date, only the variance is simulated, and the label is the
      Black-Scholes price given its path (Romano and Touzi 1997): far less noise, and valid second derivatives.

    Gamma is that of the spot. The truth is Fourier's for `payoffs.call` and `put`, else by `paths` simulated paths
    per point.

    >>> from sobolev_pruning.reference import payoffs
    >>> model = heston(payoffs.call, inputs={"spot": (60, 140), "initial_variance": (0.01, 0.1)})
    >>> round(float(model.value([[100.0, 0.04]])[0]), 4)
    7.3377
    """
    values = {
        "spot": spot,
        "initial_variance": initial_variance,
        "mean_reversion": mean_reversion,
        "long_variance": long_variance,
        "volatility_of_variance": volatility_of_variance,
        "correlation": correlation,
        "rate": rate,
        "dividend": dividend,
        "strike": strike,
        "maturity": maturity,
    }
    positive = ("spot", "initial_variance", "mean_reversion", "long_variance", "volatility_of_variance", "maturity")
    box, parameters, fixed = choose_inputs("heston", values, inputs, positive, _UNITS)
    ends = inputs.get("correlation", (correlation, correlation))
    if not -1.0 < np.min(ends) <= np.max(ends) < 1.0:
        raise InputError(f"correlation of heston reaches {ends}; keep it between -1 and 1.")
    if dates < 1 or steps < dates or steps % dates:
        raise InputError(f"heston was asked for steps={steps}, dates={dates}; give a whole number of steps per date.")
    if conditional and (payoff not in (call, put) or dates != 1):
        raise InputError("conditional=True is for payoffs.call and payoffs.put at one date; leave it out.")

    has_formula = payoff in (call, put) and dates == 1
    if labels not in ("simulated", "fourier"):
        raise InputError(f'labels is {labels!r}; choose "simulated" or "fourier".')
    if labels == "fourier" and (conditional or not has_formula):
        raise InputError('labels="fourier" is for payoffs.call and payoffs.put at one date, without conditional=True.')

    def price(x: Float[Array, "d"]) -> Float[Array, "..."]:
        return fourier_price(parameters(x), is_call=payoff is call)

    def simulate(x: Float[Array, "d"], z: Float[Array, "noise"]) -> Float[Array, "..."]:
        p = parameters(x)
        of_steps = log_price_steps(p, z[:steps])
        # Given the variance, the log-price is normal at every date.
        mean, variance = (each.reshape(dates, -1).sum(axis=1) for each in of_steps)
        drift = (p["rate"] - p["dividend"]) * p["maturity"] / dates
        path = jnp.log(p["spot"]) + jnp.cumsum(drift + mean + jnp.sqrt(variance) * z[steps:])
        return jnp.exp(-p["rate"] * p["maturity"]) * payoff(jnp.exp(path)[:, None], p)

    def simulate_conditionally(x: Float[Array, "d"], z: Float[Array, "steps"]) -> Float[Array, "..."]:
        p = parameters(x)
        mean, variance = (jnp.sum(each) for each in log_price_steps(p, z))
        forward = p["spot"] * jnp.exp((p["rate"] - p["dividend"]) * p["maturity"] + mean + 0.5 * variance)
        amount = _black_call(forward, jnp.sqrt(variance), p["strike"])
        if payoff is put:
            amount = amount - forward + p["strike"]
        return jnp.exp(-p["rate"] * p["maturity"]) * amount

    simulation, n_noise = (simulate_conditionally, steps) if conditional else (simulate, steps + dates)
    if labels == "fourier":
        simulation, n_noise = (lambda x, z: price(x)), 0
    return from_function(
        simulation,
        inputs=box,
        noise=n_noise,
        exact=price if has_formula else None,
        exact_source="Fourier",
        antithetic=antithetic,
        design=design,
        paths=paths,
        outputs="price",
        gamma_direction=spot_direction(box.variables),
        kind=f"{getattr(payoff, '__name__', 'payoff').replace('_', ' ')} under Heston's model",
        fixed={**fixed, "steps": steps, "dates": dates, "labels": labels, "conditional": conditional},
    )


def fourier_price(p: Parameters, is_call: bool = True) -> Float[Array, "..."]:
    """The price by one Fourier integral (Lewis 2001), with the characteristic function free of branch cuts (Albrecher
    et al. 2007):

        call = S e^{-qT} - sqrt(S K) e^{-(r + q) T / 2} / pi  int_0^inf Re[e^{iuk} phi(u - i/2)] / (u^2 + 1/4) du

    with `k = log(S/K) + (r - q) T`. The integral is taken over a range that scales with the spread of the log-price, on
    Gauss-Legendre nodes.
    """
    strike, maturity = p["strike"], p["maturity"]
    moneyness = jnp.log(p["spot"] / strike) + (p["rate"] - p["dividend"]) * maturity
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    # phi falls like a Gaussian of the total variance, later like exp(-u (V + kappa theta T) sqrt(1 - rho^2)/xi): the
    # cut allows for both.
    total = (p["initial_variance"] + p["mean_reversion"] * p["long_variance"] * maturity) / p["volatility_of_variance"]
    slow = _CUT / (total * jnp.sqrt(1.0 - p["correlation"] ** 2))
    kappa_t = p["mean_reversion"] * maturity
    average = p["long_variance"] + (p["initial_variance"] - p["long_variance"]) * -jnp.expm1(-kappa_t) / kappa_t
    cut = jax.lax.stop_gradient(slow + jnp.sqrt(2.0 * _CUT / (average * maturity)))
    # u = cut s^2 puts more nodes near 0, where the integrand turns.
    s = 0.5 * (jnp.asarray(nodes) + 1.0)
    u = cut * s**2
    weight = cut * jnp.asarray(weights) * s
    log_phi = _log_characteristic(p, jax.lax.complex(u, jnp.full_like(u, -0.5)))
    turning = jnp.exp(log_phi) * _turn(u * jnp.expand_dims(moneyness, -1))
    integral = jnp.sum(weight * turning.real / (u**2 + 0.25), axis=-1)
    discount = jnp.exp(-0.5 * (p["rate"] + p["dividend"]) * maturity)
    worth = p["spot"] * jnp.exp(-p["dividend"] * maturity)
    price = worth - jnp.sqrt(p["spot"] * strike) * discount * integral / jnp.pi
    return price if is_call else price - worth + strike * jnp.exp(-p["rate"] * maturity)


def _log_characteristic(p: Parameters, u):
    """Logarithm of `E[exp(i u X)]`, `X` the log-price's martingale part."""
    p = {name: value.astype(jnp.complex128) for name, value in p.items()}
    kappa, theta, xi, iu = p["mean_reversion"], p["long_variance"], p["volatility_of_variance"], 1j * u
    b = kappa - p["correlation"] * xi * iu
    d = jnp.sqrt(b**2 + xi**2 * (u**2 + iu))
    g = (b - d) / (b + d)
    decay = jnp.exp(-d * p["maturity"])
    level = kappa * theta / xi**2 * ((b - d) * p["maturity"] - 2.0 * jnp.log((1.0 - g * decay) / (1.0 - g)))
    return level + p["initial_variance"] / xi**2 * (b - d) * (1.0 - decay) / (1.0 - g * decay)


def _turn(angle: Float[Array, "..."]):
    """`exp(i angle)`."""
    return jax.lax.complex(jnp.cos(angle), jnp.sin(angle))
