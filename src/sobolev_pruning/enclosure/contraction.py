"""Sums and products of matrices, with a bound on rounding that is known before the sum is made.

A sum of n products, in any order, with or without fused multiply-add, is off by at most `gamma_n` times the sum of the
moduli of its terms, plus n flushed denormals (`rounding.summation`). So `W [x]` for a point `W` is two plain products,

    W mid(x) +- |W| (rad(x) + gamma_n |mid(x)|),

which is the exact range up to rounding because every entry of x occurs once per sum.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array, lax

from .arithmetic import Operand, multiply
from .interval import Interval, as_interval
from .rounding import down, largest, summation, tiny, up

LARGEST_BY_TERMS = 1 << 16
"""Products of two intervals with at most so many terms are summed term by term, which is sharp; others by midpoints."""


def midpoint_radius(x: Interval) -> tuple[Array, Array]:
    """A finite midpoint and a radius that together cover `x`; the radius of an unbounded element is infinite."""
    bounded = jnp.isfinite(x.lower) & jnp.isfinite(x.upper)
    unknown = x.is_nai()
    middle = jnp.where(bounded, 0.5 * x.lower + 0.5 * x.upper, 0.0)
    radius = jnp.maximum(up(x.upper - middle), up(middle - x.lower))
    return jnp.where(unknown, jnp.nan, middle), jnp.where(bounded, radius, jnp.inf)


def plain_dot(a: Array, b: Array, dimension_numbers, dtype) -> Array:
    return lax.dot_general(a, b, dimension_numbers, precision=lax.Precision.HIGHEST, preferred_element_type=dtype)


def _empty_rows(x: Operand, contracting, batch) -> Array | None:
    """Whether an empty element enters, per free index: shape (batch..., free...)."""
    if not isinstance(x, Interval):
        return None
    kept = [axis for axis in range(x.ndim) if axis not in contracting and axis not in batch]
    empty = jnp.transpose(x.is_empty(), [*batch, *kept, *contracting])
    return jnp.any(empty, axis=tuple(range(len(batch) + len(kept), x.ndim)))


def dot_general(a: Operand, b: Operand, *, dimension_numbers, preferred_element_type=None, **_) -> Interval:
    """The product of two arrays of points or intervals, for any dimension numbers."""
    (contract_a, contract_b), (batch_a, batch_b) = dimension_numbers
    numbers = ((tuple(contract_a), tuple(contract_b)), (tuple(batch_a), tuple(batch_b)))
    if not isinstance(a, Interval) and not isinstance(b, Interval):
        return _dot_of_points(a, b, dimension_numbers=numbers)
    if isinstance(a, Interval) and isinstance(b, Interval):
        if terms(a, b, numbers) <= LARGEST_BY_TERMS or not contract_a:
            return _dot_by_terms(a, b, dimension_numbers=numbers)
        return _dot_of_intervals(a, b, dimension_numbers=numbers)
    return _dot_point_interval(a, b, dimension_numbers=numbers)


def terms(a, b, dimension_numbers) -> int:
    """How many products of two elements the product of the arrays holds."""
    (contract_a, _), (batch_a, _) = dimension_numbers
    return math.prod(a.shape) * math.prod(b.shape) // (math.prod(a.shape[i] for i in (*contract_a, *batch_a)) or 1)


def _length(a, dimension_numbers) -> int:
    return math.prod(a.shape[i] for i in dimension_numbers[0][0])


def _finish(middle, radius, a, b, dimension_numbers) -> Interval:
    """`middle +- radius` rounded outward; no information where `radius` is unbounded, empty where an operand is."""
    # The radius is NaN for `0 inf`, the middle infinite or NaN where its partial sums overflow: no information. Both
    # are NaN where an operand is.
    unknown = jnp.isnan(middle) & jnp.isnan(radius)
    nothing = ~jnp.isfinite(middle) | jnp.isnan(radius)
    middle = jnp.where(nothing, 0.0, middle)
    radius = jnp.where(unknown, jnp.nan, jnp.where(nothing, jnp.inf, radius))
    lower, upper = down(middle - radius), up(middle + radius)
    empty_a = _empty_rows(a, dimension_numbers[0][0], dimension_numbers[1][0])
    empty_b = _empty_rows(b, dimension_numbers[0][1], dimension_numbers[1][1])
    n_batch = len(dimension_numbers[1][0])
    empty = False
    if empty_a is not None:
        trailing = lower.ndim - empty_a.ndim
        empty = empty | empty_a.reshape(empty_a.shape + (1,) * trailing)
    if empty_b is not None:
        leading = lower.ndim - empty_b.ndim
        empty = empty | empty_b.reshape(empty_b.shape[:n_batch] + (1,) * leading + empty_b.shape[n_batch:])
    return Interval.unchecked(
        jnp.where(empty, jnp.asarray(jnp.inf, lower.dtype), lower),
        jnp.where(empty, jnp.asarray(-jnp.inf, upper.dtype), upper),
    )


@functools.partial(jax.jit, static_argnames=("dimension_numbers",), inline=True)
def _dot_point_interval(a: Operand, b: Operand, *, dimension_numbers) -> Interval:
    x = a if isinstance(a, Interval) else b
    dtype = jnp.result_type(a.dtype, b.dtype)
    count = _length(a, dimension_numbers)
    gamma = summation(count, dtype)
    middle, radius = midpoint_radius(x)
    # One product carries both the radius and the rounding errors of the two products.
    spread = radius * (1 + 4 * gamma) + jnp.abs(middle) * (gamma * (1 + 4 * gamma))

    def with_point(y, modulus):
        sides = (y, jnp.abs(b) if modulus else b) if isinstance(a, Interval) else (jnp.abs(a) if modulus else a, y)
        return plain_dot(*sides, dimension_numbers, dtype)

    # Denormals flushed to 0: those of the point lose up to tiny times x each, those of a product tiny.
    axes = dimension_numbers[0][0] if isinstance(a, Interval) else dimension_numbers[0][1]
    batch = dimension_numbers[1][0] if isinstance(a, Interval) else dimension_numbers[1][1]
    kept = [axis for axis in range(x.ndim) if axis not in axes and axis not in batch]
    size = jnp.transpose(jnp.abs(middle) + radius, [*batch, *kept, *axes])
    size = jnp.sum(size, axis=tuple(range(x.ndim - len(axes), x.ndim)))
    flushed = tiny(dtype) * (1.5 * size + 4 * count + 4)
    n_batch, n_other = len(batch), (b.ndim if isinstance(a, Interval) else a.ndim) - len(axes) - len(batch)
    ones = (1,) * n_other
    shape = size.shape + ones if isinstance(a, Interval) else size.shape[:n_batch] + ones + size.shape[n_batch:]
    return _finish(
        with_point(middle, False), with_point(spread, True) + flushed.reshape(shape), a, b, dimension_numbers
    )


@functools.partial(jax.jit, static_argnames=("dimension_numbers",), inline=True)
def _dot_of_points(a: Array, b: Array, *, dimension_numbers) -> Interval:
    return _dot_point_interval(a, as_interval(b), dimension_numbers=dimension_numbers)


@functools.partial(jax.jit, static_argnames=("dimension_numbers",), inline=True)
def _dot_of_intervals(a: Interval, b: Interval, *, dimension_numbers) -> Interval:
    """`mid(a) mid(b) +- (|mid(a)| rad(b) + rad(a) (|mid(b)| + rad(b)))`, at most 1.5 times too wide."""
    dtype = jnp.result_type(a.dtype, b.dtype)
    count = _length(a, dimension_numbers)
    gamma = summation(count, dtype)
    (mid_a, rad_a), (mid_b, rad_b) = midpoint_radius(a), midpoint_radius(b)
    inflate = 1 + 8 * gamma
    spread_b = (rad_b + gamma * jnp.abs(mid_b)) * inflate
    radius = plain_dot(jnp.abs(mid_a), spread_b, dimension_numbers, dtype)
    radius = radius + plain_dot(rad_a * inflate, jnp.abs(mid_b) + rad_b, dimension_numbers, dtype)
    radius = radius * inflate + (8 * count + 8) * tiny(dtype)
    return _finish(plain_dot(mid_a, mid_b, dimension_numbers, dtype), radius, a, b, dimension_numbers)


def arranged(shape_a, shape_b, dimension_numbers):
    """Two functions that give operands the axes (batch, free of a, free of b, contracting), and the last of these."""
    (contract_a, contract_b), (batch_a, batch_b) = dimension_numbers
    free_a = [i for i in range(len(shape_a)) if i not in contract_a and i not in batch_a]
    free_b = [i for i in range(len(shape_b)) if i not in contract_b and i not in batch_b]
    n_batch, n_a, n_b = len(batch_a), len(free_a), len(free_b)

    def arrange_a(x):
        x = jnp.transpose(x, [*batch_a, *free_a, *contract_a])
        return x.reshape(x.shape[: n_batch + n_a] + (1,) * n_b + x.shape[n_batch + n_a :])

    def arrange_b(x):
        x = jnp.transpose(x, [*batch_b, *free_b, *contract_b])
        return x.reshape(x.shape[:n_batch] + (1,) * n_a + x.shape[n_batch:])

    first = n_batch + n_a + n_b
    return arrange_a, arrange_b, tuple(range(first, first + len(contract_a)))


@functools.partial(jax.jit, static_argnames=("dimension_numbers",), inline=True)
def _dot_by_terms(a: Interval, b: Interval, *, dimension_numbers) -> Interval:
    arrange_a, arrange_b, axes = arranged(a.shape, b.shape, dimension_numbers)
    products = multiply(jax.tree.map(arrange_a, a), jax.tree.map(arrange_b, b))
    return reduce_sum(products, axes=axes) if axes else products


@functools.partial(jax.jit, static_argnames=("axes",), inline=True)
def _sum(a: Operand, axes: tuple[int, ...]) -> Interval:
    a = as_interval(a)
    count = math.prod(a.shape[i] for i in axes)
    gamma = summation(count, a.dtype)
    flushed = count * tiny(a.dtype)
    bound = largest(a.dtype)
    sums = []
    for side in (a.lower, a.upper):
        size = jnp.sum(jnp.abs(jnp.clip(side, -bound, bound)), axis=axes)
        sums.append((jnp.sum(side, axis=axes), size * (gamma * (1 + 4 * gamma)) + flushed))
    (lower, lower_error), (upper, upper_error) = sums
    lower, upper = down(lower, absolute=lower_error), up(upper, absolute=upper_error)
    empty = jnp.any(a.is_empty(), axis=axes)
    unknown = jnp.any(a.is_nai(), axis=axes)
    # Sums that overflow in both directions, or whose error bound does, say nothing.
    lower = jnp.where(unknown, jnp.nan, jnp.where(jnp.isnan(lower), -jnp.inf, lower))
    upper = jnp.where(unknown, jnp.nan, jnp.where(jnp.isnan(upper), jnp.inf, upper))
    return Interval.unchecked(jnp.where(empty, jnp.inf, lower), jnp.where(empty, -jnp.inf, upper))


def reduce_sum(a: Operand, *, axes, **_) -> Operand:
    axes = tuple(int(i) for i in axes)
    if math.prod(a.shape[i] for i in axes) == 1:
        return jax.tree.map(lambda x: jnp.squeeze(x, axes), a)
    return _sum(a, axes)


@functools.partial(jax.jit, static_argnames=("axis", "reverse"), inline=True)
def cumulative_sum(a: Operand, *, axis: int, reverse: bool) -> Interval:
    a = as_interval(a)
    count = a.shape[axis]
    gamma = summation(count, a.dtype)
    bound = largest(a.dtype)

    def total(x):
        return lax.cumsum(x, axis=axis, reverse=reverse)

    bounds = []
    for side in (a.lower, a.upper):
        size = total(jnp.abs(jnp.clip(side, -bound, bound)))
        bounds.append((total(side), size * (gamma * (1 + 4 * gamma)) + count * tiny(a.dtype)))
    (lower, lower_error), (upper, upper_error) = bounds
    lower, upper = down(lower, absolute=lower_error), up(upper, absolute=upper_error)
    empty = total(a.is_empty().astype(jnp.int32)) > 0
    unknown = total(a.is_nai().astype(jnp.int32)) > 0
    lower = jnp.where(unknown, jnp.nan, jnp.where(jnp.isnan(lower), -jnp.inf, lower))
    upper = jnp.where(unknown, jnp.nan, jnp.where(jnp.isnan(upper), jnp.inf, upper))
    return Interval.unchecked(jnp.where(empty, jnp.inf, lower), jnp.where(empty, -jnp.inf, upper))

