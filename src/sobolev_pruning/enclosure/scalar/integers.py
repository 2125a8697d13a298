"""Interval rules of whole numbers and truth values, wrap-around included.

Results that may leave the range of their type wrap around, so they can be any number of it; those of single numbers are
what the program computes. Whether they may leave it is judged by floats: a bound of the size, taken larger by more than
their rounding.
"""

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import primitives as p

from ..interval import Interval, as_interval
from .arithmetic import Operand

_SLACK = 1 + 2.0**-10
"""More than the relative rounding error of float32 sums of up to ten thousand numbers."""


def convert(a: Operand, dtype) -> Operand:
    """Floats lose their fraction, and become any number where they do not fit; everything but 0 is true."""
    if not isinstance(a, Interval):
        return lax.convert_element_type(a, dtype)
    if jnp.dtype(dtype) == jnp.bool_:
        zero, only = (a.lower <= 0) & (a.upper >= 0), (a.lower == 0) & (a.upper == 0)
        return Interval.unchecked(~zero, ~only)
    if a.dtype == jnp.bool_:
        return Interval.unchecked(lax.convert_element_type(a.lower, dtype), lax.convert_element_type(a.upper, dtype))
    least, most = _range(dtype)
    if jnp.issubdtype(a.dtype, jnp.floating):
        fits = (a.lower > float(least) - 1) & (a.upper < float(most)) & (a.lower <= a.upper)
        ends = [jnp.trunc(jnp.where(fits, end, 0.0)) for end in (a.lower, a.upper)]
    else:
        other_least, other_most = _range(a.dtype)
        fits = jnp.asarray(True)
        if int(other_least) < int(least):
            fits = fits & (a.lower >= lax.convert_element_type(least, a.dtype))
        if int(other_most) > int(most):
            fits = fits & (a.upper <= lax.convert_element_type(most, a.dtype))
        ends = [a.lower, a.upper]
        fits = fits | (a.lower == a.upper)
    lower, upper = (lax.convert_element_type(end, dtype) for end in ends)
    return Interval.unchecked(jnp.where(fits, lower, least), jnp.where(fits, upper, most))


def _range(dtype) -> tuple[np.ndarray, np.ndarray]:
    info = jnp.iinfo(dtype)
    return np.asarray(info.min, dtype), np.asarray(info.max, dtype)


def _within(lower: Array, upper: Array, size: Array, exact: Array, least_size: Array | None = None) -> Interval:
    """The interval of these ends where `size`, a float bound of the modulus of every result, fits, or they are `exact`.

    `least_size` is a float lower bound of the results: unsigned numbers wrap around below 0.
    """
    least, most = _range(lower.dtype)
    fits = size * _SLACK < float(most)
    if int(least) == 0:
        fits = fits & (size >= 0 if least_size is None else least_size > -0.5)
    fits = fits | exact
    return Interval.unchecked(jnp.where(fits, lower, least), jnp.where(fits, upper, most))


def _size(a: Interval) -> Array:
    return jnp.maximum(jnp.abs(a.lower.astype(float)), jnp.abs(a.upper.astype(float)))


def _single(*operands: Interval) -> Array:
    return jnp.all(jnp.stack(jnp.broadcast_arrays(*[x.lower == x.upper for x in operands])), axis=0)


def _add(a: Operand, b: Operand, **_) -> Interval:
    a, b = as_interval(a), as_interval(b)
    return _within(a.lower + b.lower, a.upper + b.upper, _size(a) + _size(b), _single(a, b))


def _subtract(a: Operand, b: Operand, **_) -> Interval:
    a, b = as_interval(a), as_interval(b)
    least = a.lower.astype(float) - b.upper.astype(float)
    return _within(a.lower - b.upper, a.upper - b.lower, _size(a) + _size(b), _single(a, b), least)


def _corners(function: Callable, a: Interval, b: Interval) -> tuple[Array, Array]:
    found = [function(x, y) for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
    stacked = jnp.stack(jnp.broadcast_arrays(*found))
    return stacked.min(axis=0), stacked.max(axis=0)


def _multiply(a: Operand, b: Operand, **_) -> Interval:
    a, b = as_interval(a), as_interval(b)
    if a is b:
        return _integer_power(a, y=2)
    return _within(*_corners(jnp.multiply, a, b), _size(a) * _size(b), _single(a, b))


def _negate(a: Interval, **_) -> Interval:
    return _subtract(jnp.zeros_like(a.lower), a)


def _absolute(a: Interval, **_) -> Interval:
    ends = jnp.abs(a.lower), jnp.abs(a.upper)
    straddles = (a.lower < 0) & (a.upper > 0)
    lower = jnp.where(straddles, jnp.zeros_like(a.lower), jnp.minimum(*ends))
    return _within(lower, jnp.maximum(*ends), _size(a), _single(a))


def _integer_power(a: Interval, *, y: int, **_) -> Interval:
    ends = lax.integer_pow(a.lower, y), lax.integer_pow(a.upper, y)
    lower = jnp.minimum(*ends)
    if y % 2 == 0:
        lower = jnp.where((a.lower < 0) & (a.upper > 0), jnp.zeros_like(lower), lower)
    return _within(lower, jnp.maximum(*ends), _size(a) ** y, _single(a))


def _square(a: Interval, **_) -> Interval:
    return _integer_power(a, y=2)


def _divide(a: Operand, b: Operand, **_) -> Interval:
    """Quotients without their fraction; by 0, any number."""
    a, b = as_interval(a), as_interval(b)
    zero = (b.lower <= 0) & (b.upper >= 0)
    divisors = Interval.unchecked(*(jnp.where(zero, jnp.ones_like(end), end) for end in (b.lower, b.upper)))
    lower, upper = _corners(lax.div, a, divisors)
    least, most = _range(lower.dtype)
    unknown = zero | (_size(a) * _SLACK >= float(most))  # the least number by -1 wraps around
    return Interval.unchecked(jnp.where(unknown, least, lower), jnp.where(unknown, most, upper))


def _remainder(a: Operand, b: Operand, **_) -> Interval:
    """`a - b trunc(a/b)`, of the sign of a, and smaller than b."""
    a, b = as_interval(a), as_interval(b)
    least, most = _range(a.lower.dtype)
    zero = (b.lower <= 0) & (b.upper >= 0)
    safe = jnp.where(zero, jnp.ones_like(b.lower), b.lower)
    one = _single(b) & ~zero & (lax.div(a.lower, safe) == lax.div(a.upper, safe)) & ((a.lower >= 0) | (a.upper <= 0))
    largest = jnp.maximum(jnp.abs(b.lower), jnp.abs(b.upper)) - 1
    lower = jnp.where(a.lower >= 0, jnp.zeros_like(largest), jnp.maximum(-largest, a.lower))
    upper = jnp.where(a.upper <= 0, jnp.zeros_like(largest), jnp.minimum(largest, a.upper))
    lower = jnp.where(one, lax.rem(a.lower, safe), lower)
    upper = jnp.where(one, lax.rem(a.upper, safe), upper)
    unknown = zero | (_size(b) * _SLACK >= float(most))
    return Interval.unchecked(jnp.where(unknown, least, lower), jnp.where(unknown, most, upper))


def _bitwise(function: Callable, smallest: Callable, largest: Callable) -> Callable:
    """Bit by bit: of numbers that are not negative and of single ones; others may give any number."""

    def rule(a: Operand, b: Operand, **_) -> Interval:
        a, b = as_interval(a), as_interval(b)
        if a.dtype == jnp.bool_:
            corners = [function(x, y) for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
            return Interval.unchecked(
                *(r(jnp.stack(jnp.broadcast_arrays(*corners)), axis=0) for r in (jnp.all, jnp.any))
            )
        least, most = _range(a.dtype)
        natural = (a.lower >= 0) & (b.lower >= 0)
        exact = function(a.lower, b.lower)
        lower = jnp.where(natural, smallest(a, b), least)
        upper = jnp.where(natural, largest(a, b), most)
        single = _single(a, b)
        return Interval.unchecked(jnp.where(single, exact, lower), jnp.where(single, exact, upper))

    return rule


def _ones(a: Interval, b: Interval) -> Array:
    """The number of ones alone that is as long as the longest number in a and b."""
    x = jnp.maximum(a.upper, b.upper)
    bits = jnp.iinfo(x.dtype).bits
    for shift in (1, 2, 4, 8, 16, 32):
        if shift < bits:
            x = x | lax.shift_right_logical(x, jnp.full_like(x, shift))
    return x


def _zero(a: Interval, b: Interval) -> Array:
    return jnp.zeros_like(a.lower)


_and = _bitwise(jnp.bitwise_and, _zero, lambda a, b: jnp.minimum(a.upper, b.upper))
_or = _bitwise(jnp.bitwise_or, lambda a, b: jnp.maximum(a.lower, b.lower), _ones)
exclusive_or = _bitwise(jnp.bitwise_xor, _zero, _ones)


def _not(a: Interval, **_) -> Interval:
    return Interval.unchecked(~a.upper, ~a.lower)


def _reduce_sum(a: Interval, *, axes, **_) -> Interval:
    axes = tuple(int(i) for i in axes)
    size = jnp.sum(_size(a), axis=axes)
    exact = jnp.all(a.lower == a.upper, axis=axes)
    ends = (jnp.sum(end, axis=axes, dtype=a.dtype) for end in (a.lower, a.upper))
    return _within(*ends, size * _more(a, axes), exact)


def _more(a: Interval, axes) -> float:
    """A factor that makes good the rounding of the float sum that bounds a result."""
    return 1 + math.prod(a.shape[i] for i in axes) * float(jnp.finfo(float).eps)


def _cumulative_sum(a: Interval, *, axis: int, reverse: bool) -> Interval:
    size = lax.cumsum(_size(a), axis=axis, reverse=reverse)
    exact = jnp.broadcast_to(jnp.all(a.lower == a.upper, axis=axis, keepdims=True), a.shape)
    ends = (lax.cumsum(end, axis=axis, reverse=reverse) for end in (a.lower, a.upper))
    return _within(*ends, size * _more(a, (axis,)), exact)


def _reduce_product(a: Interval, *, axes, **_) -> Interval:
    for axis in sorted((int(i) for i in axes), reverse=True):
        result = Interval.unchecked(*(jnp.ones(np.delete(a.shape, axis), a.dtype),) * 2)
        for i in range(a.shape[axis]):
            result = _multiply(
                result, Interval.unchecked(*(lax.index_in_dim(e, i, axis, False) for e in (a.lower, a.upper)))
            )
        a = result
    return a


RULES: dict = {
    p.add_p: _add,
    p.add_jaxvals_p: _add,
    p.sub_p: _subtract,
    p.mul_p: _multiply,
    p.neg_p: _negate,
    p.abs_p: _absolute,
    p.square_p: _square,
    p.integer_pow_p: _integer_power,
    p.div_p: _divide,
    p.rem_p: _remainder,
    p.and_p: _and,
    p.or_p: _or,
    p.xor_p: exclusive_or,
    p.not_p: _not,
    p.reduce_sum_p: _reduce_sum,
    p.cumsum_p: _cumulative_sum,
    p.reduce_prod_p: _reduce_product,
}
"""What a whole number comes from, besides comparing, choosing, moving and converting."""
