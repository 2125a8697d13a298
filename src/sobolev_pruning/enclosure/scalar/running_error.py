"""Points that carry a bound on their own error, for formulas whose accuracy no single ulp count describes.

A `Ball` stands for every real within `units u size` of `value`, u the roundoff. `size` bounds the modulus of the value
and of everything that was added up to it, and `units` counts roundings, so arithmetic needs one more operation per
operation, none where the value is a product of positive ones (running error analysis; Higham, Accuracy and Stability,
section 3.3, with the bound taken out of the loop). Products of errors, and the rounding of `size`, are a relative error
below `2^-10` of the bound for formulas of up to a hundred operations, which `bounds` makes good at the end, as it
does flushed denormals: later factors multiply what they lose by less than `2^28` before the value is far below normal.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from . import elementary
from .fusion import computed_once, stacked
from .rounding import roundoff, tiny

_FLUSHED = 2.0**30


class Ball(NamedTuple):
    value: Array
    size: Array
    units: float = 0.0

    @classmethod
    def exact(cls, value: Array) -> "Ball":
        return cls(value, jnp.abs(value))

    @classmethod
    def positive(cls, value: Array, units: float) -> "Ball":
        """A value that is not negative, with this relative error in roundoffs."""
        return cls(value, value, units)

    def __add__(self, other) -> "Ball":
        if isinstance(other, Ball):
            value, units = self.value + other.value, max(self.units, other.units) + 1
            alike = self.size is self.value and other.size is other.value
            return Ball(value, value if alike else self.size + other.size, units)
        value, units = self.value + other, max(self.units, 1.0) + 1
        return Ball(value, value if self.size is self.value and other > 0 else self.size + abs(other), units)

    __radd__ = __add__

    def __neg__(self) -> "Ball":
        return Ball(-self.value, self.size, self.units)

    def __sub__(self, other) -> "Ball":
        if isinstance(other, Ball):
            return Ball(self.value - other.value, self.size + other.size, max(self.units, other.units) + 1)
        return self + -other

    def __rsub__(self, other) -> "Ball":
        return Ball(other - self.value, self.size + abs(other), max(self.units, 1.0) + 1)

    def __mul__(self, other) -> "Ball":
        if not isinstance(other, Ball):  # a constant of at most one roundoff
            value = self.value * other
            alike = self.size is self.value and other > 0
            return Ball(value, value if alike else self.size * abs(other), self.units + 2)
        value = self.value * other.value
        alike = self.size is self.value and other.size is other.value
        return Ball(value, value if alike else self.size * other.size, self.units + other.units + 1)

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> "Ball":
        value = self.value / other
        alike = self.size is self.value and other > 0
        return Ball(value, value if alike else self.size / abs(other), self.units + 2)

    def bounds(self) -> tuple[Array, Array]:
        dtype = jnp.result_type(self.value)
        margin = self.size * ((self.units + 2) * (1 + 2.0**-9) * roundoff(dtype)) + _FLUSHED * tiny(dtype)
        return self.value - margin, self.value + margin


def exp(x: Ball) -> Ball:
    """`e^x`; nothing is known of it where the error of `x` may reach 1."""
    return _multiplied(elementary.exp(x.value), elementary.EXP_ERROR, x)


def logistic_pair(x: Ball) -> tuple[Ball, Ball]:
    """The logistic function of `x` and of `-x`; an error d of x changes each by a factor within `e^(+-d)`."""
    # Derivatives of all orders at one point share this.
    pair = computed_once(stacked(*elementary.logistic_pair(x.value)))
    return _multiplied(pair[0], elementary.LOGISTIC_ERROR, x), _multiplied(pair[1], elementary.LOGISTIC_ERROR, x)


def _multiplied(value: Array, units: float, x: Ball) -> Ball:
    """A positive function of x that an error d of x, below 1, changes by a factor within `e^(+-d)`."""
    if x.units == 0:
        return Ball.positive(value, units)
    below_1 = x.units * roundoff(x.value.dtype) * x.size < 1
    return Ball(value, jnp.where(below_1, value * (1 + x.size), jnp.inf), max(units, 1.8 * x.units))
