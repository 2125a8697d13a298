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

from ..interval import Interval, as_interval
from ..scalar.arithmetic import Operand, exactly_zero, multiply
from ..scalar.fusion import computed_once, stacked
from ..scalar.rounding import down, largest, roundoff, summation, tiny, up

LARGEST_BY_TERMS = 1 << 16
"""Products of two intervals with at most so many terms are summed term by term, which is sharp; others by midpoints."""


def midpoint_radius(x: Interval) -> tuple[Array, Array]:
    """A finite midpoint and a radius that together cover `x`; the radius of an unbounded element is infinite."""
    bounded = jnp.isfinite(x.lower) & jnp.isfinite(x.upper)
    unknown = x.is_nai()
    middle = jnp.where(bounded, 0.5 * x.lower + 0.5 * x.upper, 0.0)
    radius = jnp.maximum(up(x.upper - middle), up(middle - x.lower))
    return jnp.where(unknown, jnp.nan, middle), jnp.where(bounded, radius, jnp.inf)


def _rough_midpoint_radius(x: Interval) -> tuple[Array, Array]:
    """A midpoint, and a radius that covers `x` up to three roundoffs of itself and `tiny`.

    Neither is finite for an element that is empty, unbounded or not an interval.
    """
    middle = 0.5 * x.lower + 0.5 * x.upper
    return middle, jnp.maximum(x.upper - middle, middle - x.lower)


def _marked(spread: Array, size: Array, zero: Array, other_zero: Array) -> tuple[Array, Array]:
    """Two nonnegative factors whose product is 0 only where an operand is exactly 0: elsewhere it cannot underflow."""
    root = tiny(spread.dtype) ** (1 / 3)
    return (
        jnp.where(zero, spread, jnp.maximum(spread, 2 * root**2)),
        jnp.where(other_zero, size, jnp.maximum(size, 2 * root)),
    )


def _flushing(bound: Array, count: int) -> Array:
    """An error bound, and what `count` flushed denormals lose where not all terms are exactly 0."""
    return jnp.where(bound == 0, bound, bound + count * tiny(bound.dtype))


def plain_dot(a: Array, b: Array, dimension_numbers, dtype) -> Array:
    return lax.dot_general(a, b, dimension_numbers, precision=lax.Precision.HIGHEST, preferred_element_type=dtype)


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


def _peculiar(x: Operand, axes, batch) -> Array | float:
    """2 where an element that is not an interval enters a sum over `axes`, 1 where an empty one does, else 0.

    Shape (batch..., free...).
    """
    if not isinstance(x, Interval):
        return 0.0
    kept = [axis for axis in range(x.ndim) if axis not in axes and axis not in batch]
    mark = jnp.where(x.lower <= x.upper, 0.0, jnp.where(x.lower > x.upper, 1.0, 2.0))
    return jnp.max(jnp.transpose(mark, [*batch, *kept, *axes]), axis=tuple(range(len(batch) + len(kept), x.ndim)))


def _finish(middle, radius, a, b, dimension_numbers) -> Interval:
    """`middle +- radius`, rounded outward; no information where they are not finite, empty where an operand is."""
    u = roundoff(middle.dtype)
    # Rounding of the sum below, and of this sum. Without a radius all terms are exactly 0, and so is their sum.
    wider = (radius + jnp.abs(middle) * (2 * u)) * (1 + 4 * u) + tiny(middle.dtype)
    radius = jnp.where(radius == 0, radius, wider)
    known = radius < jnp.inf  # NaN and infinite middles make it neither
    lower, upper = jnp.where(known, middle - radius, -jnp.inf), jnp.where(known, middle + radius, jnp.inf)
    marks = [_peculiar(x, axes, batch) for x, axes, batch in zip((a, b), *dimension_numbers)]
    n_batch = len(dimension_numbers[1][0])
    mark = 0.0
    if isinstance(a, Interval):
        mark = marks[0].reshape(marks[0].shape + (1,) * (lower.ndim - marks[0].ndim))
    if isinstance(b, Interval):
        leading = (1,) * (lower.ndim - marks[1].ndim)
        mark = jnp.maximum(mark, marks[1].reshape(marks[1].shape[:n_batch] + leading + marks[1].shape[n_batch:]))
    plain, empty = mark == 0, jnp.where(mark == 1, jnp.inf, jnp.nan)
    return Interval.unchecked(jnp.where(plain, lower, empty), jnp.where(plain, upper, -empty))


@functools.partial(jax.jit, static_argnames=("dimension_numbers",), inline=True)
def _dot_point_interval(a: Operand, b: Operand, *, dimension_numbers) -> Interval:
    first = isinstance(a, Interval)
    x, point = (a, b) if first else (b, a)
    dtype = jnp.result_type(a.dtype, b.dtype)
    count = _length(a, dimension_numbers)
    gamma = summation(count + 4, dtype)
    # Three things are made of x: without this, its history would be computed for each.
    x = Interval.unchecked(*computed_once(stacked(x.lower, x.upper)))
    middle, radius = _rough_midpoint_radius(x)
    # One product carries both the radius and the rounding errors of the two products. Denormals are flushed to 0: what
    # those of the point lose, `tiny |x|` each, the larger modulus makes good; what a product loses, the last term.
    spread = radius * (1 + 8 * gamma) + jnp.abs(middle) * (gamma * (1 + 8 * gamma))
    spread, modulus = _marked(spread, jnp.abs(point), exactly_zero(x), exactly_zero(point))

    def product(interval_side, point_side):
        sides = (interval_side, point_side) if first else (point_side, interval_side)
        return plain_dot(*sides, dimension_numbers, dtype)

    bound = _flushing(product(spread, modulus), 4 * count + 4)
    a, b = (x, b) if first else (a, x)
    return _finish(product(middle, point), bound, a, b, dimension_numbers)


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
    spread_a, size_b = _marked(rad_a * inflate, jnp.abs(mid_b) + rad_b, exactly_zero(a), exactly_zero(b))
    radius = plain_dot(jnp.abs(mid_a), spread_b, dimension_numbers, dtype)
    radius = radius + plain_dot(spread_a, size_b, dimension_numbers, dtype)
    radius = _flushing(radius * inflate, 8 * count + 8)
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
    # The margin must not forget a sign that is certain: squares have no negative sum, and zeros the sum 0.
    lower = jnp.where(jnp.all(a.lower >= 0, axis=axes), jnp.maximum(lower, 0.0), lower)
    upper = jnp.where(jnp.all(a.upper <= 0, axis=axes), jnp.minimum(upper, 0.0), upper)
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
