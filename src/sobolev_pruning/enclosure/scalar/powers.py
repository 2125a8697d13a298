"""Powers, as JAX evaluates them: whole exponents take every base, others bases that are not negative.

`x**0` is 1 for every x, 0 included, `0**b` is 0 for b > 0, and undefined for b < 0. A base below 0 has powers of whole
exponents alone: of those that an interval of exponents holds, negative ones with the sign that the exponent gives.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..interval import Interval, as_interval
from .arithmetic import Operand, absolute, compiled, convert, integer_power, settle
from .rounding import down, up
from .transcendental import relative_error

_BY_SQUARING = 64
"""Whole exponents below are repeated products, of which rounding takes less than of the power function."""


def power(a: Operand, b: Operand) -> Interval:
    """`a**b` by element."""
    whole = _one_whole_exponent(b)
    if whole is not None:
        return integer_power(a, whole)
    if isinstance(b, Interval):
        return _power(a, b)
    if jnp.issubdtype(jnp.result_type(b), jnp.integer):
        return _whole_power(a, convert(as_interval(b), a.dtype), jnp.mod(b, 2) == 0, jnp.sign(b))
    exponent = as_interval(jnp.asarray(b, a.dtype))
    of_whole = _whole_power(a, exponent, jnp.mod(exponent.lower, 2) == 0, jnp.sign(exponent.lower))
    other = _power(a, exponent)
    whole = exponent.lower == jnp.floor(exponent.lower)
    return jax.tree.map(lambda x, y: jnp.where(whole, x, y), of_whole, other)


def _one_whole_exponent(b) -> int | None:
    """The exponent, where it is one small whole number, known when the program is traced."""
    if isinstance(b, Interval | jax.core.Tracer) or not np.size(b):
        return None
    exponents = np.unique(np.asarray(b))
    small = exponents.size == 1 and abs(exponents[0]) < _BY_SQUARING and float(exponents[0]).is_integer()
    return int(exponents[0]) if small else None


@compiled
def _power_of_positive(a: Interval, b: Interval) -> Interval:
    """`a**b` for the part of `a` that is not negative: `b log a` is bilinear, so the extremes are at corners."""
    relative = relative_error("pow", a.dtype)
    a_lower, a_upper = jnp.maximum(a.lower, 0.0), jnp.maximum(a.upper, 0.0)
    corners = [lax.pow(*jnp.broadcast_arrays(x, y)) for x in (a_lower, a_upper) for y in (b.lower, b.upper)]
    exact = (a_lower == a_upper) & ((a_lower == 0) | (a_lower == 1))
    lower = jnp.maximum(down(functools.reduce(jnp.minimum, corners), relative), 0.0)
    upper = up(functools.reduce(jnp.maximum, corners), relative)
    # 1 is a power of any base, with exponent 0; next to it the corners, which include it, are rounded.
    lower, upper = (jnp.where(exact, jnp.clip(jnp.round(x), 0.0, 1.0), x) for x in (lower, upper))
    of_zero = (a_lower == 0) & (a_upper == 0)
    zeroth, positive = (b.lower <= 0) & (b.upper >= 0), b.upper > 0
    lower = jnp.where(of_zero, jnp.where(positive, 0.0, 1.0), lower)
    upper = jnp.where(of_zero, jnp.where(zeroth, 1.0, 0.0), upper)
    undefined = (a.upper < 0) | (of_zero & (b.upper < 0))
    return settle(jnp.where(undefined, jnp.inf, lower), jnp.where(undefined, -jnp.inf, upper), a, b)


@compiled
def _whole_power(a: Operand, exponents: Interval, even: Array, sign: Array) -> Interval:
    """`a**exponents` for whole numbers, given which are even and their signs; large ones are rounded in `exponents`."""
    a = as_interval(a)
    of_size = _power_of_positive(absolute(a), exponents)
    # |x|^n is monotone on either side of 0; odd powers take the sign of x.
    left = _power_of_positive(absolute(Interval.unchecked(a.lower, jnp.minimum(a.upper, 0.0))), exponents)
    right = _power_of_positive(Interval.unchecked(jnp.maximum(a.lower, 0.0), jnp.maximum(a.upper, 0.0)), exponents)
    has_left, has_right = a.lower < 0, a.upper > 0
    zero_lower = jnp.where(sign < 0, jnp.inf, 0.0)
    lower = jnp.where(has_left, -left.upper, jnp.where(has_right, right.lower, zero_lower))
    upper = jnp.where(has_right, right.upper, jnp.where(has_left, -left.lower, -zero_lower))
    lower, upper = jnp.where(even, of_size.lower, lower), jnp.where(even, of_size.upper, upper)
    lower, upper = (jnp.where(sign == 0, 1.0, jnp.where(a.is_nai(), jnp.nan, end)) for end in (lower, upper))
    return settle(lower, upper, a)


@compiled
def _power(a: Operand, b: Operand) -> Interval:
    """`a**b` for an interval of exponents."""
    a, b = as_interval(a), as_interval(b)
    found = _power_of_positive(a, b)
    lower, upper = found.lower, found.upper
    # Of a negative base, the even and the odd exponents in b.
    size = absolute(Interval.unchecked(a.lower, jnp.minimum(a.upper, 0.0)))
    for odd in (0, 1):
        first = 2 * jnp.ceil((b.lower - odd) / 2) + odd
        last = 2 * jnp.floor((b.upper - odd) / 2) + odd
        some = (a.lower < 0) & (first <= last)
        powers = _power_of_positive(size, Interval.unchecked(first, last))
        low, high = (-powers.upper, -powers.lower) if odd else (powers.lower, powers.upper)
        lower = jnp.where(some, jnp.minimum(lower, low), lower)
        upper = jnp.where(some, jnp.maximum(upper, high), upper)
    return settle(lower, upper, a, b)
