"""Interval rules of the exactly rounded operations: + - * / sqrt, powers, order, comparison, choice, conversion.

Operands are intervals, or arrays for points. A point costs less than an interval, so products keep it as it is;
elsewhere it becomes an interval of one point. An empty operand makes an empty result, NaN a NaN result. Functions are
those of IEEE 1788: the set of values over the part of the operands where the operation is defined.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..interval import Interval, as_interval
from .rounding import down, is_subnormal, roundoff, tiny, up

Operand = Interval | Array | np.ndarray

compiled = functools.partial(jax.jit, inline=True)
"""Rules are traced once per shape; XLA sees them inline."""


def settle(lower: Array, upper: Array, *operands: Operand) -> Interval:
    """The interval of these bounds, empty where an operand is empty."""
    if not jnp.issubdtype(lower.dtype, jnp.floating):
        return Interval.unchecked(lower, upper)
    empty = functools.reduce(jnp.logical_or, [x.is_empty() for x in operands if isinstance(x, Interval)], False)
    return Interval.unchecked(
        jnp.where(empty, jnp.asarray(jnp.inf, lower.dtype), lower),
        jnp.where(empty, jnp.asarray(-jnp.inf, upper.dtype), upper),
    )


def _endpoints(x: Operand) -> tuple[Array, Array]:
    return (x.lower, x.upper) if isinstance(x, Interval) else (x, x)


def _flushed(a: Operand, b: Operand) -> Array | float:
    """What a denormal operand loses: a point may be denormal, the endpoints of intervals never are."""
    point = b if isinstance(a, Interval) else a
    if isinstance(point, Interval) or not jnp.issubdtype(point.dtype, jnp.floating):
        return 0.0
    return jnp.asarray(tiny(point.dtype), point.dtype)


def exactly_zero(x: Operand) -> Array:
    """Where `x` is `[0, 0]`; a comparison alone would take a denormal point for 0."""
    if isinstance(x, Interval):
        return (x.lower == 0) & (x.upper == 0)
    return (x == 0) & ~is_subnormal(x) if jnp.issubdtype(x.dtype, jnp.floating) else x == 0


@compiled
def add(a: Operand, b: Operand) -> Interval:
    if not isinstance(a, Interval) and not isinstance(b, Interval):
        a, b = as_interval(a), as_interval(b)
    (a_lower, a_upper), (b_lower, b_upper) = _endpoints(a), _endpoints(b)
    flushed = _flushed(a, b)
    return _unless_zero(down(a_lower + b_lower, absolute=flushed), up(a_upper + b_upper, absolute=flushed), a, b)


@jax.jit
def negate(a: Interval) -> Interval:
    return Interval.unchecked(-a.upper, -a.lower)


@compiled
def subtract(a: Operand, b: Operand) -> Interval:
    if not isinstance(a, Interval) and not isinstance(b, Interval):
        a, b = as_interval(a), as_interval(b)
    (a_lower, a_upper), (b_lower, b_upper) = _endpoints(a), _endpoints(b)
    flushed = _flushed(a, b)
    return _unless_zero(down(a_lower - b_upper, absolute=flushed), up(a_upper - b_lower, absolute=flushed), a, b)


def _unless_zero(lower: Array, upper: Array, a: Operand, b: Operand) -> Interval:
    """A sum or a difference; that of two zeros is 0, which no margin must hide."""
    zero = exactly_zero(a) & exactly_zero(b)
    return settle(jnp.where(zero, 0, lower), jnp.where(zero, 0, upper), a, b)


def _product(a: Array, b: Array) -> Array:
    """`a b` with `0 inf = 0`: an infinite endpoint only says that the set is unbounded."""
    product = a * b
    return jnp.where((product != product) & (a == a) & (b == b), jnp.zeros_like(product), product)


@compiled
def multiply(a: Operand, b: Operand) -> Interval:
    if not isinstance(a, Interval):
        a, b = b, a
    if not isinstance(a, Interval):
        a = as_interval(a)
    if not jnp.issubdtype(a.dtype, jnp.floating):
        b = as_interval(b)
    (a_lower, a_upper), (b_lower, b_upper) = _endpoints(a), _endpoints(b)
    if isinstance(b, Interval):
        products = [_product(x, y) for x in (a_lower, a_upper) for y in (b_lower, b_upper)]
        flushed, signs_known = 0.0, True
    else:
        products = [_product(a_lower, b), _product(a_upper, b)]
        denormal = is_subnormal(b)  # a comparison takes it for 0
        flushed, signs_known = jnp.where(denormal, tiny(b.dtype) * a.mag(), 0.0), ~denormal
    lower = down(functools.reduce(jnp.minimum, products), absolute=flushed)
    upper = up(functools.reduce(jnp.maximum, products), absolute=flushed)
    # The margin must not forget a sign that is certain.
    same = ((a_lower >= 0) & (b_lower >= 0)) | ((a_upper <= 0) & (b_upper <= 0))
    opposite = ((a_lower >= 0) & (b_upper <= 0)) | ((a_upper <= 0) & (b_lower >= 0))
    lower = jnp.where(same & signs_known, jnp.maximum(lower, 0.0), lower)
    upper = jnp.where(opposite & signs_known, jnp.minimum(upper, 0.0), upper)
    zero = (exactly_zero(a) | exactly_zero(b)) & (lower == lower)  # 0 times NaN is none
    return settle(jnp.where(zero, 0, lower), jnp.where(zero, 0, upper), a, b)


@compiled
def divide(a: Operand, b: Operand) -> Interval:
    """All quotients with nonzero divisor: unbounded where the divisor touches 0, empty where it is `[0, 0]`."""
    a, b = as_interval(a), as_interval(b)
    # A zero endpoint stands for the numbers next to it inside the divisor, so it takes their sign.
    b_lower = jnp.where(b.lower == 0, 0.0, b.lower)
    b_upper = jnp.where(b.upper == 0, -0.0, b.upper)
    quotients = []
    for x in (a.lower, a.upper):
        for y in (b_lower, b_upper):
            quotient = x / y
            undefined = (quotient != quotient) & (x == x) & (y == y)  # 0/0 and inf/inf: covered by the other quotients
            quotients.append(jnp.where(undefined, jnp.zeros_like(quotient), quotient))
    lower = down(functools.reduce(jnp.minimum, quotients))
    upper = up(functools.reduce(jnp.maximum, quotients))
    same = ((a.lower >= 0) & (b.lower >= 0)) | ((a.upper <= 0) & (b.upper <= 0))
    opposite = ((a.lower >= 0) & (b.upper <= 0)) | ((a.upper <= 0) & (b.lower >= 0))
    lower = jnp.where(same, jnp.maximum(lower, 0.0), lower)
    upper = jnp.where(opposite, jnp.minimum(upper, 0.0), upper)
    straddles = (b.lower < 0) & (b.upper > 0)
    lower, upper = jnp.where(straddles, -jnp.inf, lower), jnp.where(straddles, jnp.inf, upper)
    only_zero = (a.lower == 0) & (a.upper == 0)
    lower, upper = jnp.where(only_zero, 0.0, lower), jnp.where(only_zero, 0.0, upper)
    undefined = (b.lower == 0) & (b.upper == 0)
    lower, upper = jnp.where(undefined, jnp.inf, lower), jnp.where(undefined, -jnp.inf, upper)
    whole = (b.lower == 1) & (b.upper == 1)
    lower, upper = jnp.where(whole, a.lower, lower), jnp.where(whole, a.upper, upper)
    unknown = a.is_nai() | b.is_nai()
    return settle(jnp.where(unknown, jnp.nan, lower), jnp.where(unknown, jnp.nan, upper), a, b)


def _modulus(a: Interval) -> tuple[Array, Array]:
    smallest = jnp.maximum(jnp.maximum(a.lower, -a.upper), 0.0)
    return smallest, jnp.maximum(jnp.abs(a.lower), jnp.abs(a.upper))


@compiled
def square(a: Operand) -> Interval:
    a = as_interval(a)
    smallest, largest = _modulus(a)
    upper = jnp.where(largest == 0, 0.0, up(largest * largest))
    return settle(jnp.maximum(down(smallest * smallest), 0.0), upper, a)


@compiled
def absolute(a: Operand) -> Interval:
    a = as_interval(a)
    return settle(*_modulus(a), a)


def _power_of_point(x: Array, exponent: int) -> Array:
    """`x**exponent` by repeated squaring: `exponent - 1` roundings at most in any factor."""
    result = None
    while exponent:
        if exponent & 1:
            result = x if result is None else result * x
        exponent >>= 1
        if exponent:
            x = x * x
    return result


@functools.partial(jax.jit, static_argnums=1, inline=True)
def integer_power(a: Operand, exponent: int) -> Interval:
    a = as_interval(a)
    if exponent == 0:
        return settle(jnp.ones_like(a.lower), jnp.ones_like(a.upper), a)
    if exponent < 0:
        # In this order nothing overflows or becomes denormal before the result does.
        base = absolute(a) if exponent % 2 == 0 else a
        return integer_power(divide(jnp.ones_like(a.lower), base), -exponent)
    if exponent == 1:
        return a
    relative = None if exponent == 2 else 1.01 * exponent * roundoff(a.dtype)
    if exponent % 2 == 0:
        smallest, largest = (_power_of_point(x, exponent) for x in _modulus(a))
        upper = jnp.where((a.lower == 0) & (a.upper == 0), 0.0, up(largest, relative))
        return settle(jnp.maximum(down(smallest, relative), 0.0), upper, a)
    lower, upper = _power_of_point(a.lower, exponent), _power_of_point(a.upper, exponent)
    lower = jnp.where(a.lower >= 0, jnp.maximum(down(lower, relative), 0.0), down(lower, relative))
    upper = jnp.where(a.upper <= 0, jnp.minimum(up(upper, relative), 0.0), up(upper, relative))
    return settle(lower, upper, a)


@compiled
def square_root(a: Operand) -> Interval:
    """Over the part of `a` that is not negative; empty if there is none."""
    a = as_interval(a)
    lower = jnp.maximum(down(jnp.sqrt(jnp.maximum(a.lower, 0.0))), 0.0)
    upper = up(jnp.sqrt(jnp.maximum(a.upper, 0.0)))
    upper = jnp.where(a.upper == 0, 0.0, upper)
    undefined = a.upper < 0
    return settle(jnp.where(undefined, jnp.inf, lower), jnp.where(undefined, -jnp.inf, upper), a)


@compiled
def reciprocal_square_root(a: Operand) -> Interval:
    a = as_interval(a)
    return divide(jnp.ones_like(a.lower), square_root(a))


@compiled
def maximum(a: Operand, b: Operand) -> Interval:
    a, b = as_interval(a), as_interval(b)
    return settle(jnp.maximum(a.lower, b.lower), jnp.maximum(a.upper, b.upper), a, b)


@compiled
def minimum(a: Operand, b: Operand) -> Interval:
    a, b = as_interval(a), as_interval(b)
    return settle(jnp.minimum(a.lower, b.lower), jnp.minimum(a.upper, b.upper), a, b)


@compiled
def clamp(smallest: Operand, a: Operand, largest: Operand) -> Interval:
    return minimum(maximum(a, smallest), largest)


def _monotone_exact(function):
    @compiled
    def rule(a: Operand, **params) -> Interval:
        a = as_interval(a)
        return settle(function(a.lower, **params), function(a.upper, **params), a)

    return rule


sign = _monotone_exact(lax.sign)
floor = _monotone_exact(lax.floor)
ceil = _monotone_exact(lax.ceil)
round_to_integer = jax.jit(
    lambda a, rounding_method: settle(lax.round(a.lower, rounding_method), lax.round(a.upper, rounding_method), a),
    static_argnums=1,
)


@compiled
def less(a: Operand, b: Operand) -> Interval:
    """`[certainly, possibly]`: NaN is possibly anything."""
    a, b = as_interval(a), as_interval(b)
    return Interval.unchecked(a.upper < b.lower, ~(a.lower >= b.upper))


@compiled
def less_or_equal(a: Operand, b: Operand) -> Interval:
    a, b = as_interval(a), as_interval(b)
    return Interval.unchecked(a.upper <= b.lower, ~(a.lower > b.upper))


@compiled
def equal(a: Operand, b: Operand) -> Interval:
    a, b = as_interval(a), as_interval(b)
    certain = (a.lower == b.upper) & (b.lower == a.upper)
    return Interval.unchecked(certain, ~((a.lower > b.upper) | (b.lower > a.upper)))


@compiled
def logical_not(a: Interval) -> Interval:
    return Interval.unchecked(~a.upper, ~a.lower)


def not_equal(a: Operand, b: Operand) -> Interval:
    return logical_not(equal(a, b))


@compiled
def logical_and(a: Operand, b: Operand) -> Interval:
    a, b = as_interval(a), as_interval(b)
    return Interval.unchecked(a.lower & b.lower, a.upper & b.upper)


@compiled
def logical_or(a: Operand, b: Operand) -> Interval:
    a, b = as_interval(a), as_interval(b)
    return Interval.unchecked(a.lower | b.lower, a.upper | b.upper)


def _numbers(point: Array) -> Interval:
    """A point as an interval, empty where it is NaN."""
    if not jnp.issubdtype(point.dtype, jnp.floating):
        return as_interval(point)
    interval, none = as_interval(point), jnp.isnan(point)
    return Interval.unchecked(jnp.where(none, jnp.inf, interval.lower), jnp.where(none, -jnp.inf, interval.upper))


@compiled
def select(which: Operand, *cases: Operand) -> Interval:
    """`cases[which]`; the hull of all cases that an undecided `which` allows, of which NaN is none."""
    cases = [case if isinstance(case, Interval) else _numbers(case) for case in cases]
    if not isinstance(which, Interval):
        ends = [_endpoints(as_interval(case)) for case in cases]
        return Interval.unchecked(*(lax.select_n(which, *side) for side in zip(*ends)))
    first, last = which.lower.astype(jnp.int32), which.upper.astype(jnp.int32)
    lower = upper = None
    for index, case in enumerate(cases):
        case_lower, case_upper = _endpoints(as_interval(case))
        case_lower, case_upper = jnp.broadcast_arrays(case_lower, case_upper)
        if lower is None:
            lower, upper = case_lower, case_upper
            continue
        alone, joined = first >= index, (first < index) & (last >= index)
        lower, upper = (
            jnp.where(alone, case_lower, jnp.where(joined, jnp.minimum(lower, case_lower), lower)),
            jnp.where(alone, case_upper, jnp.where(joined, jnp.maximum(upper, case_upper), upper)),
        )
    return Interval.unchecked(lower, upper)


def convert(a: Operand, dtype) -> Operand:
    """The smallest interval of the new type that contains `a`; a point stays a point if the type holds it exactly."""
    old, new = jnp.result_type(a.dtype), jnp.dtype(dtype)
    if old == new or not jnp.issubdtype(new, jnp.floating) or holds(new, old):
        return jax.tree.map(lambda x: lax.convert_element_type(x, new), a)
    return _convert_outward(a, new)


@functools.partial(jax.jit, static_argnums=1)
def _convert_outward(a: Operand, dtype) -> Interval:
    a = as_interval(a)
    lower, upper = lax.convert_element_type(a.lower, dtype), lax.convert_element_type(a.upper, dtype)
    return settle(down(lower), up(upper), a)


def holds(new, old) -> bool:
    """Whether every number of type `old` is one of the float type `new`."""
    if old == jnp.bool_:
        return True
    if jnp.issubdtype(old, jnp.integer):
        return jnp.iinfo(old).bits <= jnp.finfo(new).nmant + 1
    return jnp.finfo(new).nmant >= jnp.finfo(old).nmant and jnp.finfo(new).maxexp >= jnp.finfo(old).maxexp
