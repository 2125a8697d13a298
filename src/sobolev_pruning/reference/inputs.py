"""The law of the inputs: where training samples are drawn, and the box that goes with it."""

import abc
from collections.abc import Callable, Mapping
from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from .._foundation.arrays import ArrayOrList, Points, PRNGKey, float64_array
from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from .._foundation.variables import Variable, as_variables, numbered_inputs
from .semidefinite import lower_factor

TAIL = 0.01
"""A law without bounds has the box from its 1% to its 99% quantile, as data has."""

_BOX_DRAWS = 10_000


class AbstractInputs(eqx.Module):
    """A law on R^d with the box over which a surrogate of it is judged; `variables` names every input."""

    box: eqx.AbstractVar[tuple[Float[Array, "d"], Float[Array, "d"]]]
    variables: eqx.AbstractVar[tuple[Variable, ...]]

    @abc.abstractmethod
    def sample(self, key: PRNGKey, n: int) -> Points:
        """`n` independent draws, `(n, d)`; usable inside compiled code."""

    @abc.abstractmethod
    def from_uniform(self, u: Points) -> Points:
        """The draws that correspond to uniform points `(n, d)` of the open unit cube, for designs that fill space."""


class Box(AbstractInputs):
    """Uniform in the box `[lower, upper]`, arrays `(d,)`.

    >>> Box([0.0, 1.0], [1.0, 3.0]).sample(jax.random.key(0), 5).shape
    (5, 2)
    """

    lower: Float[Array, "d"]
    upper: Float[Array, "d"]
    variables: tuple[Variable, ...] = eqx.field(static=True)

    def __init__(self, lower: ArrayOrList, upper: ArrayOrList, names=None):
        require_float64("Box")
        lower, upper = _finite("lower", lower), _finite("upper", upper)
        if lower.ndim != 1 or lower.shape != upper.shape or not lower.size:
            raise InputError(
                f"The box has corners of shape {lower.shape} and {upper.shape}; give two arrays of one length, an "
                "entry per input."
            )
        empty = np.flatnonzero(lower >= upper)
        if empty.size:
            c = int(empty[0])
            raise InputError(f"The box is empty in input {c}: [{lower[c]:g}, {upper[c]:g}]; give lower below upper.")
        self.lower, self.upper = jnp.asarray(lower), jnp.asarray(upper)
        self.variables = as_variables(names, numbered_inputs(lower.size), "The law of the inputs")

    @property
    def box(self) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        """Lower and upper corner of the box that the inputs are taken to fill."""
        return self.lower, self.upper

    def sample(self, key: PRNGKey, n: int) -> Points:
        return jax.random.uniform(key, (n, self.lower.size), jnp.float64, self.lower, self.upper)

    def from_uniform(self, u: Points) -> Points:
        return self.lower[None, :] + u * (self.upper - self.lower)[None, :]


class Gaussian(AbstractInputs):
    """Normal with `mean`, `(d,)`, and `covariance`, `(d, d)` or, where the inputs are independent, variances `(d,)`.

    The covariance may be singular, as where one input is the sum of others.

    >>> Gaussian([0.0, 1.0], [1.0, 4.0]).box[1].round(2).tolist()
    [2.33, 5.65]
    """

    mean: Float[Array, "d"]
    factor: Float[Array, "d d"]
    variables: tuple[Variable, ...] = eqx.field(static=True)

    def __init__(self, mean: ArrayOrList, covariance: ArrayOrList, names=None):
        require_float64("Gaussian")
        mean, covariance = _finite("mean", mean), _finite("covariance", covariance)
        d = mean.size
        if mean.ndim != 1 or covariance.shape not in ((d,), (d, d)) or not d:
            raise InputError(
                f"mean has shape {mean.shape} and covariance {covariance.shape}; give (d,) and (d, d), or variances "
                "(d,)."
            )
        matrix = np.diag(covariance) if covariance.ndim == 1 else covariance
        if not np.allclose(matrix, matrix.T, rtol=1e-12, atol=0):
            raise InputError("covariance is not symmetric and positive semidefinite; correct its entries.")
        factor = lower_factor(matrix, "covariance")
        fixed = np.flatnonzero(np.diag(matrix) == 0)
        if fixed.size:
            raise InputError(f"Input {fixed[0]} has the variance 0; give it a range, or leave it out.")
        self.mean, self.factor = jnp.asarray(mean), jnp.asarray(factor)
        self.variables = as_variables(names, numbered_inputs(d), "The law of the inputs")

    @property
    def box(self) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        """Lower and upper corner of the box that the inputs are taken to fill."""
        half = -ndtri(TAIL) * jnp.sqrt(jnp.sum(self.factor**2, axis=1))
        return self.mean - half, self.mean + half

    def sample(self, key: PRNGKey, n: int) -> Points:
        return self._spread(jax.random.normal(key, (n, self.mean.size), jnp.float64))

    def from_uniform(self, u: Points) -> Points:
        return self._spread(ndtri(u))

    def _spread(self, z: Points) -> Points:
        return self.mean[None, :] + z @ self.factor.T


class InputSampler(AbstractInputs):
    """The law of a user's `sampler(key, n) -> (n, d)`, written in JAX.

    `box`, two arrays `(d,)`, defaults to the 1% to 99% quantiles of 10,000 draws.

    >>> exponential = InputSampler(lambda key, n: jax.random.exponential(key, (n, 3), "float64"))
    >>> exponential.sample(jax.random.key(0), 5).shape
    (5, 3)
    """

    sampler: Callable
    lower: Float[Array, "d"]
    upper: Float[Array, "d"]
    variables: tuple[Variable, ...] = eqx.field(static=True)

    def __init__(self, sampler: Callable, box=None, names=None):
        require_float64("InputSampler")
        if box is None:
            draws = np.asarray(_checked_draws(sampler, jax.random.key(0), _BOX_DRAWS))
            box = np.quantile(draws, TAIL, axis=0), np.quantile(draws, 1.0 - TAIL, axis=0)
        corners = box_from(box)
        _checked_draws(sampler, jax.random.key(0), 2, corners.lower.size)
        self.sampler = sampler
        self.lower, self.upper = corners.box
        self.variables = as_variables(names, numbered_inputs(corners.lower.size), "The law of the inputs")

    @property
    def box(self) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        """Lower and upper corner of the box that the inputs are taken to fill."""
        return self.lower, self.upper

    def sample(self, key: PRNGKey, n: int) -> Points:
        return self.sampler(key, n)

    def from_uniform(self, u: Points) -> Points:
        raise InputError("A user's sampler draws its own points; only Box and Gaussian inputs go with a design.")


InputsLike: TypeAlias = AbstractInputs | Mapping | tuple | list | Callable


def inputs_from(given: InputsLike) -> AbstractInputs:
    """The law meant by `given`: a law; corners `(lower, upper)`; ranges by name `{"spot": (50, 150)}`; a sampler."""
    if isinstance(given, AbstractInputs):
        return given
    if isinstance(given, Mapping | tuple | list):
        return box_from(given)
    if callable(given):
        return InputSampler(given)
    raise InputError(
        f"inputs is a {type(given).__name__}; give corners (lower, upper), ranges by name, a law or a sampler(key, n)."
    )


def box_from(given: Mapping | tuple | list) -> Box:
    """A `Box` from corners `(lower, upper)` or from ranges by name."""
    if isinstance(given, Mapping):
        for name, ends in given.items():
            if np.shape(ends) != (2,):
                raise InputError(f"inputs[{name!r}] has shape {np.shape(ends)}; give its range as (lower, upper).")
        return Box([ends[0] for ends in given.values()], [ends[1] for ends in given.values()], tuple(given))
    if len(given) != 2:
        raise InputError(f"A box has two corners, not {len(given)}; give (lower, upper), an array (d,) each.")
    return Box(*given)


def _checked_draws(sampler: Callable, key: PRNGKey, n: int, d: int | None = None) -> Points:
    draws = sampler(key, n)
    shape, wanted = np.shape(draws), (n, "d" if d is None else d)
    if len(shape) != 2 or shape[0] != n or (d is not None and shape[1] != d):
        raise InputError(f"The sampler gave shape {shape} for {n} points; it must give ({wanted[0]}, {wanted[1]}).")
    if draws.dtype != jnp.float64:
        raise InputError(f"The sampler gave {draws.dtype}; it must give float64.")
    if not np.isfinite(np.asarray(draws)).all():
        raise InputError("The sampler gave points that are not finite; correct it.")
    return draws


def _finite(name: str, given: ArrayOrList) -> np.ndarray:
    array = float64_array(given, name)
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds a number that is not finite; correct it.")
    return array
