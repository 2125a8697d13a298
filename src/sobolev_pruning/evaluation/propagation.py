"""What uncertain inputs make of a surrogate's output: by sampling, by delta-gamma, and by a guaranteed enclosure."""

import warnings
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._foundation.arrays import ArrayOrList, PRNGKey
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from ..enclosure import Interval, enclose
from ..reference import AbstractInputs, Box, Gaussian
from ..reference.inputs import InputsLike
from ..scoring import as_box
from ..surrogate import ErrorBars, Surrogate, outside_training_range
from .uncertain_inputs import UncertainInputs

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""The quantiles that sampling gives."""


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of the output, `()` or `(k,)`, with standard errors where they are estimates."""

    mean: Float[np.ndarray, "..."]
    std: Float[np.ndarray, "..."]
    mean_stderr: Float[np.ndarray, "..."] | None = None
    std_stderr: Float[np.ndarray, "..."] | None = None

    @staticmethod
    def of(*arrays: ArrayOrList) -> "Moments":
        """The moments in the order of the fields, as NumPy arrays."""
        return Moments(*map(np.asarray, arrays))


@dataclass(frozen=True)
class Propagation:
    """The output of a surrogate at uncertain inputs, told in three ways.

    - `sampled`: over draws of the inputs, with standard errors; `quantiles` gives the output's by level.
    - `delta_gamma`: from value, gradient and Hessian at the mean of the inputs alone; right where the output is close
      to quadratic over their spread, which `sampled` shows.
    - `surrogate_stderr`: standard errors of mean and standard deviation because the network is itself uncertain; None
      where it came without error bars.
    - `bounds`: contains the output at every input in `box`, rounding included.
    """

    sampled: Moments
    quantiles: dict[float, Float[np.ndarray, "..."]]
    delta_gamma: Moments
    surrogate_stderr: Moments | None
    bounds: Interval
    box: Interval


def propagate(
    surrogate: Surrogate | ErrorBars,
    inputs: InputsLike,
    *,
    key: PRNGKey,
    draws: int = 65_536,
    box: Interval | tuple | None = None,
    pieces: int = 512,
) -> Propagation:
    """How the uncertainty of `inputs` goes through `surrogate`, a network or `ErrorBars` around it.

    - `inputs`: `reference.Gaussian(mean, covariance)`; a box, `(lower, upper)` or ranges by name, for a uniform law; or
      a sampler `(key, n) -> (n, d)`. By name they may come in any order, and a number in place of a
      range holds that input fixed. (Name those of a network that has no names by `dataclasses.replace(surrogate,
      inputs=[...])`.)
    - `draws`: of the inputs, for the sampled moments and quantiles.
    - `box`: where the bounds hold; by default the box of the law, which for a law without bounds ends at the 1% and 99%
      quantiles of every input. `pieces`: how many parts of it may be enclosed.

    With mean `m` and covariance `C` of the inputs, and value `f`, gradient `g` and Hessian `H` at `m`, delta-gamma is

        E y = f + tr(H C)/2,        Var y = g' C g + tr(H C H C)/2,

    exact for a quadratic function of normal inputs (Hull, *Risk Management*, on quadratic models). For other laws the
    mean is still that of a quadratic function, the variance that of normal inputs of the same covariance.

    Warns where the box leaves the range that the surrogate was trained on. Raises `InputError` where the inputs are not
    those of the surrogate, or its activation has a kink and so no Hessian.

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> samples = GaussianBasket.random(n_assets=2, seed=0).sample(jax.random.key(0), 64)
    >>> surrogate = Surrogate.create([2, 4, 1], samples, key=jax.random.key(1))
    >>> found = propagate(surrogate, Gaussian([1.0, 1.0], [0.01, 0.04]), key=jax.random.key(2))
    >>> bool(found.bounds.lower < found.sampled.mean < found.bounds.upper)
    True
    """
    require_float64("propagate")
    bars = surrogate if isinstance(surrogate, ErrorBars) else None
    surrogate = surrogate if bars is None else bars.surrogate
    uncertain = UncertainInputs.matched(inputs, surrogate.inputs)
    if draws < 2:
        raise InputError(f"draws is {draws}; give at least 2, or there is no standard error.")
    if surrogate.smoothness < 1:
        raise InputError(
            f"{surrogate.activation} has kinks, so delta-gamma has no Hessian to go by; take a smooth activation."
        )
    points = uncertain.all_inputs(np.asarray(uncertain.law.sample(key, draws)))
    values = np.asarray(surrogate.value(points))
    mean, covariance = _moments_of(uncertain.law, points[:, uncertain.places])
    mean, covariance = uncertain.all_inputs(np.asarray(mean)), uncertain.spread(covariance)
    at_mean = (derivative(mean[None])[0] for derivative in (surrogate.value, surrogate.gradient, surrogate.hessian))
    ends = tuple(uncertain.all_inputs(np.asarray(end)) for end in uncertain.law.box)
    over = as_box(ends if box is None else box, surrogate.widths[0])
    for sentence in outside_training_range(surrogate, over.lower, over.upper):
        warnings.warn(sentence, stacklevel=2)
    return Propagation(
        sampled=_sampled(values),
        quantiles={level: np.asarray(np.quantile(values, level, axis=0)) for level in LEVELS},
        delta_gamma=delta_gamma(*map(np.asarray, at_mean), covariance),
        surrogate_stderr=None
        if bars is None
        else Moments.of(*(bars.statistic(moment, points) for moment in (_mean, _deviation))),
        bounds=enclose(surrogate, method="split", pieces=pieces)(over),
        box=over,
    )


def _mean(values: Array) -> Array:
    return jnp.mean(values, axis=0)


def _deviation(values: Array) -> Array:
    # An output that never changes has no derivative of its spread, and no error of it.
    variance = jnp.var(values, axis=0, ddof=1)
    return jnp.where(variance > 0, jnp.sqrt(jnp.where(variance > 0, variance, 1.0)), 0.0)


def delta_gamma(
    value: Float[np.ndarray, "..."],
    gradient: Float[np.ndarray, "... d"],
    hessian: Float[np.ndarray, "... d d"],
    covariance: Float[np.ndarray, "d d"],
) -> Moments:
    """The moments of `value + gradient' e + e' hessian e / 2` for normal `e` of mean 0 with this covariance.

    >>> moments = delta_gamma(np.array(9.0), np.array([6.0]), np.array([[2.0]]), np.array([[4.0]]))  # (3 + e)^2
    >>> float(moments.mean), round(float(moments.std) ** 2, 9)  # 9 + 4, 4 * 9 * 4 + 2 * 4^2
    (13.0, 176.0)
    """
    bent = hessian @ covariance
    mean = value + 0.5 * np.trace(bent, axis1=-2, axis2=-1)
    straight = np.einsum("...a,ab,...b->...", gradient, covariance, gradient)
    return Moments.of(mean, np.sqrt(straight + 0.5 * np.trace(bent @ bent, axis1=-2, axis2=-1)))


def _sampled(values: Float[np.ndarray, "n ..."]) -> Moments:
    n = len(values)
    mean, std = values.mean(axis=0), values.std(axis=0, ddof=1)
    fourth = np.mean((values - mean) ** 4, axis=0)
    of_variance = np.sqrt(np.maximum(fourth - std**4, 0.0) / n)
    # The error of a root is that of the square over twice the root; an output that never changes has none.
    return Moments.of(mean, std, std / np.sqrt(n), of_variance / np.where(std > 0, 2.0 * std, 1.0))


def _moments_of(law: AbstractInputs, points: Float[np.ndarray, "n d"]) -> tuple[Float[Array, "d"], np.ndarray]:
    """Mean and covariance of the law; those of the draws where it is a user's sampler."""
    if isinstance(law, Gaussian):
        return law.mean, np.asarray(law.factor @ law.factor.T)
    if isinstance(law, Box):
        return 0.5 * (law.lower + law.upper), np.diag(np.asarray(law.upper - law.lower) ** 2 / 12.0)
    return jnp.asarray(points.mean(axis=0)), np.cov(points.T).reshape(points.shape[1], -1)
