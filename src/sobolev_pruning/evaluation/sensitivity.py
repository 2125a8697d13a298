"""Which uncertain inputs a surrogate's output owes its variance to: Sobol indices, and what its slopes say of them."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._foundation.arrays import PRNGKey
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.variables import Variable
from ..reference import Box, Gaussian
from ..reference.designs import scrambled_sobol
from ..reference.inputs import InputsLike
from ..surrogate import Surrogate
from .uncertain_inputs import UncertainInputs

NETS = 16
"""Independently scrambled sets of points, whose spread tells the standard errors."""


@dataclass(frozen=True)
class Sensitivity:
    """What an output owes to each uncertain input: arrays `(u,)`, or `(k, u)` for several outputs.

    - `inputs`: the uncertain inputs, in the order of the surrogate.
    - `first`: first-order Sobol index, the part of the variance that is explained by this input alone.
    - `total`: total index, the part that would be left if all other inputs were known.
    - `slope`: mean of the derivative by this input, `square_slope`: mean of its square.
    - `total_bound`: what `square_slope` allows `total` to be at most (Poincare inequality).
    - `variance`: of the output, `()` or `(k,)`.
    - `..._stderr`: standard errors of the estimates above.

    Indices of an output that never changes are NaN.
    """

    inputs: tuple[Variable, ...]
    first: Float[np.ndarray, "..."]
    first_stderr: Float[np.ndarray, "..."]
    total: Float[np.ndarray, "..."]
    total_stderr: Float[np.ndarray, "..."]
    slope: Float[np.ndarray, "..."]
    slope_stderr: Float[np.ndarray, "..."]
    square_slope: Float[np.ndarray, "..."]
    square_slope_stderr: Float[np.ndarray, "..."]
    total_bound: Float[np.ndarray, "..."]
    variance: Float[np.ndarray, "..."]


def sensitivity(surrogate: Surrogate, inputs: InputsLike, *, key: PRNGKey, draws: int = 16_384) -> Sensitivity:
    """Sobol indices and derivative-based measures of `surrogate` for independent uncertain `inputs`.

    - `inputs`: as `propagate` takes them: ranges by name (a number holds an input fixed), corners `(lower, upper)`, or
      `reference.Gaussian(mean, variances)`.
    - `draws`: pairs of points, in 16 scrambled Sobol nets; each costs `u + 2` values and 2 gradients.

    With independent points A and B, and A_i the point A but with input i of B, over the variance V of the output

        first_i = E[f(B) (f(A_i) - f(A))] / V,                total_i = E[(f(A) - f(A_i))^2] / (2 V)

    (Saltelli et al. 2010, Jansen 1999), and with the slopes of the network itself

        total_i <= c_i E[(df/dx_i)^2] / V,      c_i = (width_i / pi)^2 for a range, variance_i for a normal input

    (Sobol and Kucherenko 2009). Where `total_bound` is small an input may be held fixed, whatever interacts with what.

    Raises `InputError` where the inputs are not those of the surrogate, are dependent, or come from a sampler, of which
    nobody knows.

    >>> import jax
    >>> from sobolev_pruning.reference import GaussianBasket
    >>> samples = GaussianBasket.random(n_assets=2, seed=0).sample(jax.random.key(0), 64)
    >>> surrogate = Surrogate.create([2, 4, 1], samples, key=jax.random.key(1))
    >>> found = sensitivity(surrogate, ([0.5, 0.9], [1.5, 1.1]), key=jax.random.key(2))
    >>> bool(found.total[0] > found.total[1]), bool((found.total <= found.total_bound).all())
    (True, True)
    """
    require_float64("sensitivity")
    uncertain = UncertainInputs.matched(inputs, surrogate.inputs)
    factors = _poincare(uncertain.law)
    size = draws // NETS
    if size < 2:
        raise InputError(f"draws is {draws}; give at least {2 * NETS}, two for each of {NETS} sets of points.")
    order = np.argsort(uncertain.places)
    places, factors = np.asarray(uncertain.places)[order], factors[order]
    points = jax.jit(lambda one: scrambled_sobol(one, size, 2 * len(places)))
    # About a value in the middle, so that outputs far from 0 keep their digits when they are squared.
    middle = uncertain.all_inputs(np.asarray(uncertain.law.from_uniform(jnp.full((1, len(places)), 0.5))))
    level = np.asarray(surrogate.value(middle))
    nets = [_of_net(surrogate, uncertain, places, level, points(one)) for one in jax.random.split(key, NETS)]
    means, squares, products, jumps, slopes, steep = (np.stack(each) for each in zip(*nets))
    variances = (squares - means**2)[..., None]
    # The mean of the squares less the square of the mean of all, not of each net: nets differ in their means.
    variance = squares.mean(axis=0) - means.mean(axis=0) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        first, first_stderr = _ratio(products, variances, variance)
        total, total_stderr = _ratio(jumps, variances, variance)
        bound = factors * steep.mean(axis=0) / variance[..., None]
    return Sensitivity(
        inputs=tuple(surrogate.inputs[place] for place in places),
        first=first,
        first_stderr=first_stderr,
        total=total,
        total_stderr=total_stderr,
        slope=slopes.mean(axis=0),
        slope_stderr=_stderr(slopes),
        square_slope=steep.mean(axis=0),
        square_slope_stderr=_stderr(steep),
        total_bound=bound,
        variance=np.asarray(variance),
    )


def _of_net(surrogate, uncertain: UncertainInputs, places, level, u) -> tuple[np.ndarray, ...]:
    """Means over one net: of the output less `level` and its square, `(...)`; numerators and slopes, `(..., u)`."""
    count = len(places)
    law = uncertain.law.from_uniform
    a, b = (uncertain.all_inputs(np.asarray(law(part))) for part in (u[:, :count], u[:, count:]))

    def of(points: np.ndarray) -> np.ndarray:
        return np.asarray(surrogate.value(points)) - level

    of_a, of_b = of(a), of(b)
    both = np.concatenate([of_a, of_b])
    middle = both.mean(axis=0)
    products, jumps = [], []
    for place in places:
        mixed = a.copy()
        mixed[:, place] = b[:, place]
        of_mixed = of(mixed)
        # About the mean, whose square would else be noise in every product.
        products.append(np.mean((of_b - middle) * (of_mixed - of_a), axis=0))
        jumps.append(0.5 * np.mean((of_a - of_mixed) ** 2, axis=0))
    slopes = np.asarray(surrogate.gradient(np.concatenate([a, b])))[..., places]
    ends = (np.stack(each, axis=-1) for each in (products, jumps))
    found = middle, np.mean(both**2, axis=0), *ends, slopes.mean(axis=0), np.mean(slopes**2, axis=0)
    return tuple(map(np.asarray, found))


def _poincare(law) -> Float[np.ndarray, "u"]:
    """By which factor the mean square of a slope bounds a variance; `InputError` where inputs may be dependent."""
    if isinstance(law, Box):
        return (np.asarray(law.upper - law.lower) / math.pi) ** 2
    if not isinstance(law, Gaussian):
        raise InputError(
            "Sobol indices are for independent inputs, and of a sampler's nobody knows; give ranges, or a Gaussian."
        )
    covariance = np.asarray(law.factor @ law.factor.T)
    if (np.abs(covariance - np.diag(np.diag(covariance))) > 0).any():
        raise InputError("Sobol indices are for independent inputs; give variances, (d,), in place of a covariance.")
    return np.diag(covariance)


def _ratio(numerators, variances, variance) -> tuple[np.ndarray, np.ndarray]:
    """The ratio of the means over all nets, and its standard error by the delta method."""
    ratio = numerators.mean(axis=0) / variance[..., None]
    return ratio, _stderr(numerators - ratio * variances) / variance[..., None]


def _stderr(nets: np.ndarray) -> np.ndarray:
    return nets.std(axis=0, ddof=1) / math.sqrt(len(nets))
