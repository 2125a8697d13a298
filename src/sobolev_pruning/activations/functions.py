"""The functions that the formulas of activations are written with, and what they are in JAX."""

import math
from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

Number: TypeAlias = Any
"""What a formula is evaluated with: a JAX array, a value with bounds of its rounding, a term of an export."""


class AbstractFunctions(ABC):
    """Elementary functions of one kind of `Number`, which itself has `+ - *` with its kind and with floats,
    and `/` with floats.

    An arithmetic may compute the members of a pair from one another where it is cheaper and its own rounding is small
    enough.
    """

    @abstractmethod
    def sigmoid(self, x: Number) -> tuple[Number, Number]:
        """`1 / (1 + e^-x)` and 1 minus it."""

    @abstractmethod
    def sigmoid_tails(self, x: Number) -> tuple[Number, Number]:
        """`1 / (1 + e^-x)` and 1 minus it, each right in its own leading digits."""

    @abstractmethod
    def tanh(self, x: Number) -> tuple[Number, Number]:
        """`tanh(x)` and its derivative, `1 - tanh(x)^2`."""

    @abstractmethod
    def softplus(self, x: Number) -> Number:
        """`log(1 + e^x)`."""

    @abstractmethod
    def exp(self, x: Number) -> Number:
        """`e^x`."""

    @abstractmethod
    def expm1(self, x: Number) -> Number:
        """`e^x - 1`."""

    @abstractmethod
    def normal(self, x: Number) -> tuple[Number, Number]:
        """The distribution function of the standard normal law and its density."""

    @abstractmethod
    def sin(self, x: Number) -> Number:
        """The sine."""

    @abstractmethod
    def cos(self, x: Number) -> Number:
        """The cosine."""

    @abstractmethod
    def reciprocal(self, x: Number) -> Number:
        """`1 / x` of what is above 0."""

    @abstractmethod
    def absolute(self, x: Number) -> Number:
        """`|x|`."""

    @abstractmethod
    def maximum(self, x: Number, bound: float) -> Number:
        """The larger of `x` and a number."""

    @abstractmethod
    def minimum(self, x: Number, bound: float) -> Number:
        """The smaller of `x` and a number."""

    @abstractmethod
    def where_above(self, x: Number, place: float, then: Number, otherwise: Number) -> Number:
        """`then` where the variable itself, `x`, is above `place`; both cases may be floats."""

    @abstractmethod
    def constant(self, x: Number, value: float) -> Number:
        """The same number everywhere, in the shape of `x`."""


_INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


class JaxFunctions(AbstractFunctions):
    """Of JAX arrays, as fast as can be."""

    def sigmoid(self, x):
        s = jax.nn.sigmoid(x)
        return s, 1 - s

    def sigmoid_tails(self, x):
        return jax.nn.sigmoid(x), jax.nn.sigmoid(-x)

    def tanh(self, x):
        t = jnp.tanh(x)
        return t, 1 - t * t

    def softplus(self, x):
        return jnp.logaddexp(x, 0.0)

    def exp(self, x):
        return jnp.exp(x)

    def expm1(self, x):
        return jnp.expm1(x)

    def normal(self, x):
        return 0.5 * jax.lax.erfc(-x * math.sqrt(0.5)), _INVERSE_SQRT_2PI * jnp.exp(-0.5 * x * x)

    def sin(self, x):
        return jnp.sin(x)

    def cos(self, x):
        return jnp.cos(x)

    def reciprocal(self, x):
        return 1 / x

    def absolute(self, x):
        return jnp.abs(x)

    def maximum(self, x, bound):
        return jnp.maximum(x, bound)

    def minimum(self, x, bound):
        return jnp.minimum(x, bound)

    def where_above(self, x, place, then, otherwise):
        return jnp.where(x > place, jnp.asarray(then, x.dtype), jnp.asarray(otherwise, x.dtype))

    def constant(self, x, value):
        return jnp.full_like(x, value)


JAX = JaxFunctions()
