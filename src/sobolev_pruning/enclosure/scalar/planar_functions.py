"""The angle of a point of the plane, and the remainder of a division."""

import functools
import math

import jax.numpy as jnp
from jax import Array, lax

from ..interval import Interval, as_interval
from .arithmetic import Operand, compiled, settle
from .rounding import down, roundoff, tiny, up
from .transcendental import relative_error


def atan2_of_point(y: Array, x: Array) -> Array:
    """In [0, pi] for `y >= 0`, and odd in y; 0 at the origin. NaN where both are infinite."""
    size_y, size_x = jnp.abs(y), jnp.abs(x)
    steep = size_y > size_x
    ratio = jnp.where(steep, size_x, size_y) / jnp.where(steep, size_y, size_x)
    angle = lax.atan(ratio)
    half_turn = jnp.asarray(math.pi, angle.dtype)
    angle = jnp.where(steep, 0.5 * half_turn - angle, angle)
    angle = jnp.where(x < 0, half_turn - angle, angle)
    angle = jnp.where((size_y == 0) & (size_x == 0), 0.0, angle)
    return jnp.where(y < 0, -angle, angle)


def touches_cut(y: Interval, x: Interval) -> Array:
    """Whether the box holds a point with `y = 0 > x`, where the angle jumps from one half turn to the other."""
    return (y.lower <= 0) & (y.upper >= 0) & (x.lower < 0)


@compiled
def atan2(y: Operand, x: Operand, **_) -> Interval:
    """Extreme angles of a box are those of corners, unless the cut comes in: there, both ends of the turn.

    The sign of a zero, by which JAX tells the sides of the cut, is not known of an interval.
    """
    y, x = as_interval(y), as_interval(x)
    relative = relative_error("atan2", y.dtype)
    corners = [atan2_of_point(*jnp.broadcast_arrays(a, b)) for a in (y.lower, y.upper) for b in (x.lower, x.upper)]
    # Two infinite coordinates: the other corners reach as far.
    least, most = (
        functools.reduce(join, [jnp.where(jnp.isnan(c), limit, c) for c in corners])
        for join, limit in ((jnp.minimum, jnp.inf), (jnp.maximum, -jnp.inf))
    )
    lower, upper = down(least, relative), up(most, relative)
    lower = jnp.where(y.lower >= 0, jnp.maximum(lower, 0.0), lower)
    upper = jnp.where(y.upper <= 0, jnp.minimum(upper, 0.0), upper)
    half_turn = up(jnp.asarray(math.pi, y.dtype))
    cut = touches_cut(y, x)
    lower = jnp.where(cut, -half_turn, jnp.maximum(lower, -half_turn))
    upper = jnp.where(cut, half_turn, jnp.minimum(upper, half_turn))
    unknown = y.is_nai() | x.is_nai()
    return settle(jnp.where(unknown, jnp.nan, lower), jnp.where(unknown, jnp.nan, upper), y, x)


def _truncated_quotient(x: Array, size: Array) -> Array:
    """`trunc(x / size)` exactly, NaN where it is too large to tell; `x - rem(x, size)` is an exact multiple."""
    count = jnp.round((x - lax.rem(x, size)) / size)
    return jnp.where(jnp.abs(count) < 0.25 / roundoff(x.dtype), count, jnp.nan)


def quotients(x: Interval, size: Interval) -> tuple[Array, Array]:
    """The least and the largest truncated quotient of a box with positive divisor; NaN where they are not known."""
    least = _truncated_quotient(x.lower, jnp.where(x.lower < 0, size.lower, size.upper))
    most = _truncated_quotient(x.upper, jnp.where(x.upper > 0, size.lower, size.upper))
    return least, most


def constant_quotient(x: Interval, y: Interval) -> tuple[Array, Array]:
    """Whether `trunc(x / y)` is one number over the box, and that number for `abs(y)`."""
    size = _modulus(y)
    least, most = quotients(x, size)
    known = (least == most) & (size.lower > 0) & ~x.is_empty() & ~y.is_empty()
    return known, jnp.where(known, least, 0.0)


def _modulus(y: Interval) -> Interval:
    smallest = jnp.maximum(jnp.maximum(y.lower, -y.upper), 0.0)
    return Interval.unchecked(smallest, jnp.maximum(jnp.abs(y.lower), jnp.abs(y.upper)))


@compiled
def remainder(x: Operand, y: Operand, **_) -> Interval:
    """`x - y trunc(x / y)`, of the sign of x.

    Exact where the quotient is one number n over the box: then `x - n abs(y)` is extreme at corners, where XLA's
    remainder is exact. Elsewhere it lies between 0 and x, and is smaller than y.
    """
    x, y = as_interval(x), as_interval(y)
    size, smallest = _modulus(y), tiny(x.dtype)
    known, count = constant_quotient(x, y)
    lower = lax.rem(x.lower, jnp.where(count > 0, size.upper, size.lower))
    upper = lax.rem(x.upper, jnp.where(count > 0, size.lower, size.upper))
    # Remainders are multiples of the last digit of x or y. Only where that is denormal may they have been flushed.
    fine = jnp.minimum(jnp.minimum(_mig(x.lower), _mig(x.upper)), size.lower) > smallest / roundoff(x.dtype) ** 2
    lower = jnp.where(fine | (jnp.abs(lower) >= smallest), lower, jnp.where(x.lower >= 0, 0.0, -smallest))
    upper = jnp.where(fine | (jnp.abs(upper) >= smallest), upper, jnp.where(x.upper <= 0, 0.0, smallest))
    # With quotient 0 the remainder is x.
    lower, upper = jnp.where(count == 0, x.lower, lower), jnp.where(count == 0, x.upper, upper)
    lower = jnp.where(known, lower, jnp.clip(x.lower, -size.upper, 0.0))
    upper = jnp.where(known, upper, jnp.clip(x.upper, 0.0, size.upper))
    undefined = (y.lower == 0) & (y.upper == 0)
    lower, upper = jnp.where(undefined, jnp.inf, lower), jnp.where(undefined, -jnp.inf, upper)
    unknown = x.is_nai() | y.is_nai()
    return settle(jnp.where(unknown, jnp.nan, lower), jnp.where(unknown, jnp.nan, upper), x, y)


def _mig(x: Array) -> Array:
    """The modulus; infinite at 0, whose remainder is 0 exactly."""
    return jnp.where(x == 0, jnp.inf, jnp.abs(x))
