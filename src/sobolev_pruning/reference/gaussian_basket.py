"""A basket option on correlated Gaussian assets (Bachelier model) with its closed form: the case study of the paper."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Int

from .._foundation.arrays import ArrayOrList, Gradients, Hessians, Points, PRNGKey, Values, as_points, float64_array
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.variables import Variable
from .designs import Design, check_design, joint_points, replicate_key
from .model import AbstractReference
from .semidefinite import lower_factor
from .smoothing import smooth_positive_part
from .truth import Truth, exact_truth

WING_FACTOR = 1.5
"""By how much training inputs are spread wider than the exposure, so that the wings are sampled too."""


class GaussianBasket(AbstractReference):
    """European call or put on `w'S` of `d` assets with Gaussian, correlated dynamics, seen at time `T1`.

    With `drift` mu, `rate` r, `Sigma = L L' = diag(vol) corr diag(vol)` and `tau = T2 - T1`, the spots at maturity are

        S(T2) = x e^{mu tau} +- sqrt((e^{2 mu tau} - 1) / (2 mu)) L z,    z standard normal,

    exact for every drift (the factor is `sqrt(tau)` at mu = 0). A label is the mean of the discounted payoffs of the
    pair `+-z`. With `F = e^{mu tau} w'x`, `s^2 = w' Sigma w (e^{2 mu tau} - 1)/(2 mu)` and `D = (F - K)/s`, the call
    at T1 is worth `e^{-r tau} ((F - K) Phi(D) + s phi(D))`; the put follows by parity.

    Arguments, all frozen at construction (times in years, spots and strike in units of currency):

    - `weights`, `volatilities`, `spot`: `(d,)`; `volatilities` are per square root of a year, in units of currency.
    - `correlation`: `(d, d)`, positive semidefinite with unit diagonal; `factor` is its lower triangular `L`, `L L'`.
    - `strike`, `exposure_time` T1, `maturity` T2, `drift`, `rate`, `kind` "call" or "put".
    - `smoothing`: the width over which the payoff's kink is rounded off in labels (`smooth_positive_part`, with its
      bias), for second derivatives by path; closed forms stay those of the kinked payoff.
    - `conditional`: labels are expectations over the one coordinate of the noise that moves the basket most, given all
      others: less noise, no kink, no bias.
    - `design`: "sobol" and "latin-hypercube" points of inputs and noise together fill their space more evenly.

    `GaussianBasket.random(d, seed)` draws the market of the paper's case study (arXiv 2312.03510).

    >>> import jax
    >>> basket = GaussianBasket.random(n_assets=7, seed=0)
    >>> basket.sample(jax.random.key(1), 100).dydx.shape
    (100, 7)
    """

    weights: Float[Array, "d"]
    volatilities: Float[Array, "d"]
    correlation: Float[Array, "d d"]
    factor: Float[Array, "d d"]
    spot: Float[Array, "d"]
    strike: Float[Array, ""]
    exposure_time: Float[Array, ""]
    maturity: Float[Array, ""]
    drift: Float[Array, ""]
    rate: Float[Array, ""]
    kind: Literal["call", "put"] = eqx.field(static=True)
    smoothing: float = eqx.field(static=True)
    conditional: bool = eqx.field(static=True)
    design: Design = eqx.field(static=True)
    n_inputs: int = eqx.field(static=True)
    n_noise: int = eqx.field(static=True)

    def __init__(
        self,
        weights,
        volatilities,
        correlation,
        *,
        spot=1.0,
        strike: float = 1.1,
        exposure_time: float = 1.0,
        maturity: float = 2.0,
        drift: float = 0.0,
        rate: float = 0.0,
        kind: Literal["call", "put"] = "call",
        smoothing: float = 0.0,
        conditional: bool = False,
        design: Design = "random",
    ):
        require_float64("GaussianBasket")
        check_design(design)
        weights = _numbers("weights", weights)
        if weights.ndim != 1 or weights.size == 0:
            raise InputError(f"weights has shape {weights.shape}; give one weight per asset.")
        d = weights.size
        volatilities = _numbers("volatilities", volatilities)
        correlation = _numbers("correlation", correlation)
        spot = np.broadcast_to(_numbers("spot", spot), (d,)) if np.ndim(spot) == 0 else _numbers("spot", spot)
        for name, array, shape in (
            ("volatilities", volatilities, (d,)),
            ("correlation", correlation, (d, d)),
            ("spot", spot, (d,)),
        ):
            if array.shape != shape:
                raise InputError(f"{name} has shape {array.shape}; for {d} weights it must be {shape}.")
        if (volatilities <= 0).any():
            raise InputError(
                f"volatilities[{int(np.argmin(volatilities))}] is {volatilities.min():g}; it must be above 0."
            )
        if not np.allclose(correlation, correlation.T, rtol=0, atol=1e-12) or not np.allclose(
            np.diag(correlation), 1.0
        ):
            raise InputError("correlation is not symmetric with ones on its diagonal; give a correlation matrix.")
        factor = lower_factor(correlation, "correlation")
        if np.dot(weights, weights) == 0:
            raise InputError("weights are all 0, so the basket is worth nothing; give at least one weight.")
        if np.linalg.norm((weights * volatilities) @ factor) <= 1e-7 * np.linalg.norm(weights * volatilities):
            raise InputError("The assets hedge each other, so the basket does not move; change weights or correlation.")
        strike, drift, rate = _number("strike", strike), _number("drift", drift), _number("rate", rate)
        exposure_time, maturity = _number("exposure_time", exposure_time), _number("maturity", maturity)
        if exposure_time <= 0:
            raise InputError(f"exposure_time is {exposure_time}; it must be a positive number of years.")
        if maturity <= exposure_time:
            raise InputError(f"maturity is {maturity}; it must lie after exposure_time, {exposure_time}.")
        if kind not in ("call", "put"):
            raise InputError(f'kind is {kind!r}; choose "call" or "put".')
        self.weights = jnp.asarray(weights)
        self.volatilities = jnp.asarray(volatilities)
        self.correlation = jnp.asarray(correlation)
        self.factor = jnp.asarray(factor)
        self.spot = jnp.asarray(spot)
        self.strike = jnp.asarray(strike)
        self.exposure_time = jnp.asarray(exposure_time)
        self.maturity = jnp.asarray(maturity)
        self.drift = jnp.asarray(drift)
        self.rate = jnp.asarray(rate)
        if not 0 <= smoothing < np.inf:
            raise InputError(f"smoothing is {smoothing}; give the width of the kink in units of the basket, 0 or more.")
        self.kind = kind
        if smoothing > 0 and conditional:
            raise InputError("smoothing and conditional are two ways to smooth one payoff; choose one of them.")
        self.smoothing = float(smoothing)
        self.conditional = conditional
        self.design = design
        self.n_inputs = self.n_noise = d

    @staticmethod
    def random(n_assets: int, seed: int, **contract) -> "GaussianBasket":
        """The paper's market: drawn once from `seed`, then frozen; `contract` goes to the constructor.

        Weights U(1, 10) normalised to sum 1; correlation `R'R` normalised to a unit diagonal, R a `2d x d` matrix of
        U(-1, 1); volatilities U(5, 50) rescaled so that the basket's volatility `sqrt(w' Sigma w)` is 0.2.
        """
        if n_assets < 1:
            raise InputError(f"n_assets is {n_assets}; give at least 1.")
        weight_key, factor_key, volatility_key = jax.random.split(jax.random.key(seed), 3)
        weights = np.asarray(jax.random.uniform(weight_key, (n_assets,), jnp.float64, 1.0, 10.0))
        weights = weights / weights.sum()
        factors = np.asarray(jax.random.uniform(factor_key, (2 * n_assets, n_assets), jnp.float64, -1.0, 1.0))
        covariance = factors.T @ factors
        scale = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(scale, scale)
        np.fill_diagonal(correlation, 1.0)
        volatilities = np.asarray(jax.random.uniform(volatility_key, (n_assets,), jnp.float64, 5.0, 50.0))
        basket_volatility = np.sqrt((weights * volatilities) @ correlation @ (weights * volatilities))
        return GaussianBasket(weights, volatilities * 0.2 / basket_volatility, correlation, **contract)

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """`spot[0]`, `spot[1]`, ..., or `spot` of a single asset."""
        d = self.n_inputs
        return (Variable("spot"),) if d == 1 else tuple(Variable(f"spot[{i}]") for i in range(d))

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """`price`."""
        return (Variable("price"),)

    @property
    def gamma_direction(self) -> Float[Array, "d"]:
        """All ones: gamma is what a parallel shift of all spots sees, the paper's definition."""
        return jnp.ones(self.n_inputs)

    @property
    def box(self) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        """`[spot - a/2, spot + a/2]^d` with `a = 1 + sqrt((d - 1)/12)/2`, which keeps the basket's range at any `d`."""
        half = 0.5 * (1.0 + 0.5 * np.sqrt((self.n_inputs - 1) / 12.0))
        return self.spot - half, self.spot + half

    @property
    def _horizon(self) -> Float[Array, ""]:
        return self.maturity - self.exposure_time

    @property
    def _variance_factor(self) -> Float[Array, ""]:
        """`(e^{2 mu tau} - 1) / (2 mu)`, `tau` at mu = 0; smooth in mu, the limit taken by value and by slope."""
        u = 2.0 * self.drift * self._horizon
        small = jnp.abs(u) < 1e-5
        safe = jnp.where(small, 1.0, u)
        return self._horizon * jnp.where(small, 1.0 + u / 2.0 + u * u / 6.0, jnp.expm1(safe) / safe)

    @property
    def _cholesky(self) -> Float[Array, "d d"]:
        return self.volatilities[:, None] * self.factor

    def training_inputs(self, key: PRNGKey, n: int) -> Points:
        """`spot + 1.5 sqrt(T1) L z`: the exposure's law, spread wider so that the wings are sampled too."""
        return self._inputs(key, n, WING_FACTOR)

    def exposure_inputs(self, key: PRNGKey, n: int) -> Points:
        """`spot + sqrt(T1) L z`: the spots that the surrogate meets at the exposure time."""
        return self._inputs(key, n, 1.0)

    def noise(self, key: PRNGKey, n: int) -> Float[Array, "n d"]:
        """Independent standard normal variables."""
        return jax.random.normal(key, (n, self.n_noise), jnp.float64)

    def inputs_and_noise(self, key: PRNGKey, n: int, replicate: int | Int[Array, ""] = 0) -> tuple[Points, Points]:
        if self.design == "random":
            input_key, noise_key = jax.random.split(key)
            return self.training_inputs(input_key, n), self.noise(replicate_key(noise_key, replicate), n)
        inputs, noise = joint_points(self.design, key, n, self.n_inputs, self.n_noise, replicate)
        return self._spread(ndtri(inputs), WING_FACTOR), ndtri(noise)

    def _inputs(self, key: PRNGKey, n: int, factor: float) -> Points:
        return self._spread(jax.random.normal(key, (n, self.n_inputs), jnp.float64), factor)

    def _spread(self, z: Points, factor: float) -> Points:
        return self.spot[None, :] + factor * jnp.sqrt(self.exposure_time) * z @ self._cholesky.T

    def label(self, x: Float[Array, "d"], z: Float[Array, "d"]) -> Float[Array, ""]:
        """Mean of the discounted payoffs of the antithetic pair of paths with noise `z` and `-z`."""
        moneyness, loadings = self._moneyness(x), self._loadings
        if self.conditional:
            largest = jnp.argmax(jnp.abs(loadings))
            loadings, spread = loadings.at[largest].set(0.0), jnp.abs(loadings[largest])
        shock = loadings @ z
        payoffs = [
            self._payoff(moneyness + side, spread) if self.conditional else self._payoff(moneyness + side)
            for side in (shock, -shock)
        ]
        return 0.5 * jnp.exp(-self.rate * self._horizon) * (payoffs[0] + payoffs[1])

    def controls(self, x: Float[Array, "d"], z: Float[Array, "d"]) -> Float[Array, "4"]:
        """`phi(t) t^i He_j(u)`, i = 0, 2 and j = 2, 4: `t = (F - K)/s`, `u` the basket's standardised shock, `He_j` the
        Hermite polynomials, of mean 0; odd ones vanish over an antithetic pair.
        """
        loadings = self._loadings
        s = jnp.linalg.norm(loadings)
        t, u = self._moneyness(x) / s, loadings @ z / s
        hermite = jnp.stack([u**2 - 1.0, u**4 - 6.0 * u**2 + 3.0])
        return jnp.concatenate([hermite, t**2 * hermite]) * norm.pdf(t)

    def _moneyness(self, x: Float[Array, "d"]) -> Float[Array, ""]:
        """`F - K`."""
        return jnp.exp(self.drift * self._horizon) * (self.weights @ x) - self.strike

    @property
    def _loadings(self) -> Float[Array, "d"]:
        """What each coordinate of the noise adds to the basket at maturity."""
        return jnp.sqrt(self._variance_factor) * (self.weights @ self._cholesky)

    def _payoff(self, moneyness: Float[Array, ""], spread: Float[Array, ""] | None = None) -> Float[Array, ""]:
        """Of the basket less the strike; with `spread`, its mean over a normal variable of that standard deviation."""
        gain = moneyness if self.kind == "call" else -moneyness
        if spread is not None:
            return gain * norm.cdf(gain / spread) + spread * norm.pdf(gain / spread)
        return smooth_positive_part(gain, self.smoothing) if self.smoothing > 0 else jnp.maximum(gain, 0.0)

    def _forward_terms(self, points: Points):
        """`F - K` and `D = (F - K)/s` at each point, and `s`."""
        scaled = self.weights * self.volatilities
        s = jnp.sqrt(scaled @ self.correlation @ scaled * self._variance_factor)
        moneyness = jnp.exp(self.drift * self._horizon) * (points @ self.weights) - self.strike
        return moneyness, moneyness / s, s

    def truth(self, points: ArrayOrList, order: int = 2) -> Truth:
        return exact_truth(self, as_points(points, self.n_inputs), order)

    def value(self, points: ArrayOrList) -> Values:
        """`e^{-r tau} ((F - K) Phi(D) + s phi(D))` for the call; `e^{-r tau} (F - K)` less for the put; `(n,)`."""
        return self._value(as_points(points, self.n_inputs))

    def gradient(self, points: ArrayOrList) -> Gradients:
        """`+-e^{(mu - r) tau} Phi(+-D) w`, `(n, d)`; minus for the put."""
        return self._gradient(as_points(points, self.n_inputs))

    def hessian(self, points: ArrayOrList) -> Hessians:
        """`e^{(2 mu - r) tau} phi(D)/s w w'`, `(n, d, d)`; the same for call and put."""
        return self._hessian(as_points(points, self.n_inputs))

    @eqx.filter_jit
    def _value(self, points: Points) -> Values:
        moneyness, standardised, s = self._forward_terms(points)
        sign = 1.0 if self.kind == "call" else -1.0
        forward_value = sign * moneyness * norm.cdf(sign * standardised) + s * norm.pdf(standardised)
        return jnp.exp(-self.rate * self._horizon) * forward_value

    @eqx.filter_jit
    def _gradient(self, points: Points) -> Gradients:
        _, standardised, _ = self._forward_terms(points)
        sign = 1.0 if self.kind == "call" else -1.0
        growth = jnp.exp((self.drift - self.rate) * self._horizon)
        return sign * growth * norm.cdf(sign * standardised)[:, None] * self.weights[None, :]

    @eqx.filter_jit
    def _hessian(self, points: Points) -> Hessians:
        _, standardised, s = self._forward_terms(points)
        growth = jnp.exp((2.0 * self.drift - self.rate) * self._horizon)
        return growth * (norm.pdf(standardised) / s)[:, None, None] * jnp.outer(self.weights, self.weights)[None]


def _numbers(name: str, given) -> np.ndarray:
    array = float64_array(given, name)
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds a number that is not finite; correct it.")
    return array


def _number(name: str, given) -> np.ndarray:
    number = _numbers(name, given)
    if number.ndim != 0:
        raise InputError(f"{name} has shape {number.shape}; give one number.")
    return number
