"""Points that carry a bound on their own error, for formulas whose accuracy no single ulp count describes.

A `Ball` stands for every real within `error` of `value`. Arithmetic on balls adds up rounding errors as they arise
(running error analysis; Higham, Accuracy and Stability, section 3.3). The bounds themselves are computed with rounding,
a relative error below `2^-10` for formulas of up to a hundred operations, which `bounds` makes good at the end.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from . import elementary
from .fusion import computed_once
from .rounding import roundoff, tiny


class Ball(NamedTuple):
    value: Array
    error: Array | float = 0.0

    def _rounded(self, value, error) -> "Ball":
        dtype = jnp.result_type(value)
        return Ball(value, error + (jnp.abs(value) * roundoff(dtype) + 8 * tiny(dtype)))

    def __add__(self, other) -> "Ball":
        if isinstance(other, Ball):
            return self._rounded(self.value + other.value, self.error + other.error)
        return self._rounded(self.value + other, self.error)

    __radd__ = __add__

    def __neg__(self) -> "Ball":
        return Ball(-self.value, self.error)

    def __sub__(self, other) -> "Ball":
        return self + -other

    def __rsub__(self, other) -> "Ball":
        return -self + other

    def __mul__(self, other) -> "Ball":
        if not isinstance(other, Ball):  # a constant of at most one roundoff
            value = self.value * other
            dtype = jnp.result_type(value)
            return self._rounded(value, self.error * abs(other) + jnp.abs(value) * roundoff(dtype))
        error = jnp.abs(self.value) * other.error + self.error * (jnp.abs(other.value) + other.error)
        return self._rounded(self.value * other.value, error)

    __rmul__ = __mul__

    def relative(self, factor) -> "Ball":
        """The same value, with `factor` of it as a further error."""
        return Ball(self.value, self.error + jnp.abs(self.value) * factor)

    def bounds(self) -> tuple[Array, Array]:
        dtype = jnp.result_type(self.value)
        margin = (self.error + jnp.abs(self.value) * (2 * roundoff(dtype))) * (1 + 2.0**-9) + 4 * tiny(dtype)
        return self.value - margin, self.value + margin


def exp(x: Ball) -> Ball:
    """`e^x` for errors of `x` below 1."""
    value = elementary.exp(x.value)
    dtype = jnp.result_type(value)
    relative = elementary.EXP_ERROR * roundoff(dtype) + x.error * 1.8
    return Ball(value, jnp.abs(value) * relative + 2 * tiny(dtype))


def logistic_pair(x: Ball) -> tuple[Ball, Ball]:
    """The logistic function of `x` and of `-x`; an error d of x changes each by a factor within `e^(+-d)`."""
    dtype = jnp.result_type(x.value)
    relative = elementary.LOGISTIC_ERROR * roundoff(dtype) + x.error * 1.8
    # Derivatives of all orders at one point share this.
    pair = computed_once(jnp.stack(elementary.logistic_pair(x.value)))
    return tuple(Ball(s, s * relative + 2 * tiny(dtype)) for s in pair)
