"""Rules of primitives that choose among elements: positions of extremes, the largest few, windows, coarser numbers."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import primitives as p

from ..interval import Interval, as_interval
from ..scalar import arithmetic, transcendental
from ..scalar.arithmetic import Operand, settle
from ..scalar.rounding import down, largest, summation, tiny, up
from .structural import refuse_moving_indices


def possible_extremes(a: Interval, axis: int, is_largest: bool) -> Array:
    """Which elements may be the largest (smallest) along the axis: NaN and what is empty may be anything."""
    if not is_largest:
        a = Interval.unchecked(-a.upper, -a.lower)
    return ~(a.upper < jnp.max(a.lower, axis=axis, keepdims=True)) | a.is_empty()


def position_of_extreme(is_largest: bool):
    """Rule of `argmax` or `argmin`: from the first to the last index that is possible."""

    def rule(a: Operand, *, axes, index_dtype, **_) -> Interval:
        (axis,) = axes
        possible = possible_extremes(ordered(a), int(axis), is_largest)
        last = possible.shape[axis] - 1 - jnp.argmax(jnp.flip(possible, axis), axis)
        ends = (jnp.argmax(possible, axis), last)
        return Interval.unchecked(*(end.astype(index_dtype) for end in ends))

    return rule


def ordered(a: Operand) -> Interval:
    """Booleans as integers, which are compared and negated alike."""
    a = as_interval(a)
    return a if a.dtype != jnp.bool_ else jax.tree.map(lambda x: x.astype(jnp.int32), a)


def top_k(a: Operand, **params) -> list[Interval]:
    """The k-th largest is increasing in every element; which element it is, is known of none."""
    a, axis = as_interval(a), params.get("axis", a.ndim - 1)

    def values(ends: Array) -> Array:
        return p.top_k_p.bind(ends, **params)[0]

    result = _empty_where(Interval.unchecked(values(a.lower), values(a.upper)), a, (axis,), keep=True)
    first = jnp.zeros(result.shape, jnp.int32)
    return [result, Interval.unchecked(first, first + (a.shape[axis] - 1))]


def _empty_where(result: Interval, a: Interval, axes, keep: bool) -> Interval:
    """Empty where an element along the axes is."""
    if not jnp.issubdtype(a.dtype, jnp.floating):
        return result
    empty = jnp.any(a.is_empty(), axis=axes, keepdims=keep)
    return Interval.unchecked(jnp.where(empty, jnp.inf, result.lower), jnp.where(empty, -jnp.inf, result.upper))


def reduce_precision(a: Operand, **params) -> Interval:
    """Rounding to fewer bits is increasing; what it makes infinite is beyond the largest number."""
    a = as_interval(a)
    bound = largest(a.dtype)
    lower, upper = (p.reduce_precision_p.bind(end, **params) for end in (a.lower, a.upper))
    return settle(jnp.minimum(lower, bound), jnp.maximum(upper, -bound), a)


def extreme_in_windows(primitive):
    """Rule of the largest (smallest) element of each window."""

    def rule(a: Operand, **params) -> Interval:
        a = as_interval(a)
        lower, upper = primitive.bind(a.lower, **params), primitive.bind(a.upper, **params)
        return _where_windows(Interval.unchecked(lower, upper), a, params)

    return rule


def sum_in_windows(a: Operand, **params) -> Interval:
    """As any sum: the error of each is bounded by the number of its terms."""
    a = as_interval(a)
    count = math.prod(params["window_dimensions"])
    gamma, bound = summation(count, a.dtype), largest(a.dtype)

    def total(x: Array) -> Array:
        return p.reduce_window_sum_p.bind(x, **params)

    ends = []
    for side, rounded, beyond in ((a.lower, down, -jnp.inf), (a.upper, up, jnp.inf)):
        size = total(jnp.abs(jnp.clip(side, -bound, bound)))
        end = rounded(total(side), absolute=size * (gamma * (1 + 4 * gamma)) + count * tiny(a.dtype))
        ends.append(jnp.where(jnp.isnan(end), beyond, end))
    result = _where_windows(Interval.unchecked(*ends), a, params)
    unknown = total(a.is_nai().astype(a.dtype)) > 0
    return Interval.unchecked(*(jnp.where(unknown, jnp.nan, end) for end in (result.lower, result.upper)))


def _where_windows(result: Interval, a: Interval, params) -> Interval:
    """Empty where an element of the window is."""
    if not jnp.issubdtype(a.dtype, jnp.floating):
        return result
    empty = p.reduce_window_sum_p.bind(a.is_empty().astype(jnp.int32), **params) > 0
    return Interval.unchecked(jnp.where(empty, jnp.inf, result.lower), jnp.where(empty, -jnp.inf, result.upper))


def scatter_extreme(primitive):
    """Rule of `scatter_max` and `scatter_min`: increasing in both arrays."""

    def rule(a: Operand, indices, updates: Operand, **params) -> Interval:
        refuse_moving_indices(primitive.name, [indices])
        a, updates = as_interval(a), as_interval(updates)
        return Interval.unchecked(
            *(primitive.bind(getattr(a, s), indices, getattr(updates, s), **params) for s in ("lower", "upper"))
        )

    return rule


@functools.partial(jax.jit, static_argnums=(1, 2), inline=True)
def _cumulative_log_sum_exp(a: Interval, axis: int, reverse: bool) -> Interval:
    sides = []
    for ends in (a.lower, a.upper):
        one = Interval.unchecked(jnp.ones_like(ends), jnp.ones_like(ends))
        shift, total = lax.associative_scan(_joined, (ends, one), axis=axis, reverse=reverse)
        sides.append(arithmetic.add(Interval.unchecked(shift, shift), transcendental.log(total)))
    lower, upper = sides[0].lower, sides[1].upper
    counts = lax.cumsum(a.is_empty().astype(jnp.int32), axis=axis, reverse=reverse)
    return Interval.unchecked(jnp.where(counts > 0, jnp.inf, lower), jnp.where(counts > 0, -jnp.inf, upper))


def cumulative_log_sum_exp(a: Operand, *, axis: int, reverse: bool) -> Interval:
    """`log sum_(j <= i) e^(x_j)`, increasing in every element; sums carry the largest exponent beside them."""
    return _cumulative_log_sum_exp(as_interval(a), axis, reverse)


def _joined(a, b):
    """`e^s t` of two parts, s the larger of the two shifts."""
    shift = jnp.maximum(a[0], b[0])
    totals = []
    for own, total in (a, b):
        behind = arithmetic.subtract(Interval.unchecked(own, own), Interval.unchecked(shift, shift))
        scaled = arithmetic.multiply(total, transcendental.exp(behind))
        totals.append(jax.tree.map(lambda s, t, own=own: jnp.where(own == shift, t, s), scaled, total))
    return shift, arithmetic.add(*totals)
