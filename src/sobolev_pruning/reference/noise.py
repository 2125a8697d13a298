"""The law of the noise `z` of one path: any shape, any law."""

import abc
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from .._foundation.arrays import PRNGKey
from .._foundation.errors import InputError


class AbstractNoise(eqx.Module):
    """How the noise of `n` paths is drawn; the noise of one path is an array or any tree of arrays.

    `size` is the number of uniform variables that make the noise of one path, None where it is not made of any.
    """

    size: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def sample(self, key: PRNGKey, n: int) -> Any:
        """The noise of `n` independent paths, stacked along a first axis."""

    @abc.abstractmethod
    def from_uniform(self, u: Float[Array, "n size"]) -> Any:
        """The noise that corresponds to uniform points of the open unit cube."""

    @abc.abstractmethod
    def from_normal(self, z: Float[Array, "size"]) -> Any:
        """The noise of one path that corresponds to `size` independent standard normal variables."""

    @abc.abstractmethod
    def mirror(self, z: Any) -> Any:
        """The antithetic noise of one path: of the same law, as far on the other side as can be."""


class Normal(AbstractNoise):
    """Independent standard normal variables of the given shape (an int for a vector)."""

    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, shape: int | tuple[int, ...]):
        self.shape = _shape(shape)

    @property
    def size(self) -> int:
        """How many numbers the noise of one path holds."""
        return math.prod(self.shape)

    def sample(self, key: PRNGKey, n: int) -> Float[Array, "n ..."]:
        return jax.random.normal(key, (n, *self.shape), jnp.float64)

    def from_uniform(self, u: Float[Array, "n size"]) -> Float[Array, "n ..."]:
        return ndtri(u).reshape(len(u), *self.shape)

    def from_normal(self, z: Float[Array, "size"]) -> Float[Array, "..."]:
        return z.reshape(self.shape)

    def mirror(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        return -z


class Uniform(AbstractNoise):
    """Independent variables uniform in (0, 1) of the given shape (an int for a vector)."""

    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, shape: int | tuple[int, ...]):
        self.shape = _shape(shape)

    @property
    def size(self) -> int:
        """How many numbers the noise of one path holds."""
        return math.prod(self.shape)

    def sample(self, key: PRNGKey, n: int) -> Float[Array, "n ..."]:
        return jax.random.uniform(key, (n, *self.shape), jnp.float64)

    def from_uniform(self, u: Float[Array, "n size"]) -> Float[Array, "n ..."]:
        return u.reshape(len(u), *self.shape)

    def from_normal(self, z: Float[Array, "size"]) -> Float[Array, "..."]:
        return (0.5 * jax.lax.erfc(-z / math.sqrt(2.0))).reshape(self.shape)

    def mirror(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        return 1.0 - z


class NoiseSampler(AbstractNoise):
    """The noise of a user's `sampler(key) -> z`, one path at a time; `z` may be any tree of arrays, or a key."""

    sampler: Callable
    size: None = eqx.field(static=True)

    def __init__(self, sampler: Callable):
        self.sampler = sampler
        self.size = None

    def sample(self, key: PRNGKey, n: int) -> Any:
        return jax.vmap(self.sampler)(jax.random.split(key, n))

    def from_uniform(self, u: Float[Array, "n size"]) -> Any:
        raise InputError("A user's noise sampler is not made of uniform variables; use Normal or Uniform noise.")

    def from_normal(self, z: Float[Array, "size"]) -> Any:
        raise InputError("A user's noise sampler is not made of normal variables; use Normal or Uniform noise.")

    def mirror(self, z: Any) -> Any:
        raise InputError("A user's noise sampler has no antithetic; use Normal or Uniform noise, or antithetic=False.")


NoiseLike: TypeAlias = AbstractNoise | int | tuple | Callable


def noise_from(given: NoiseLike) -> AbstractNoise:
    """The law meant by `given`: a law; the shape of standard normal noise; a sampler of one path's noise."""
    if isinstance(given, AbstractNoise):
        return given
    if isinstance(given, int | tuple):
        return Normal(given)
    if callable(given):
        return NoiseSampler(given)
    raise InputError(
        f"noise is a {type(given).__name__}; give the shape of standard normal noise, a law, or a sampler."
    )


def _shape(given: int | tuple[int, ...]) -> tuple[int, ...]:
    shape = (given,) if isinstance(given, int) else tuple(given)
    if not all(isinstance(length, int) and length >= 0 for length in shape):
        raise InputError(f"The noise has shape {given}; give whole numbers, 0 or more.")
    return shape
