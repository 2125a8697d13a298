"""tan, the inverse trigonometric and hyperbolic functions, the cube root and powers of 2: points and interval rules.

All but tan and acos grow wherever they are defined. Error bounds are derived (`docs/derivations/rounding-margins.md`)
from those of + - * /, of `elementary` and of XLA's sine, cosine and arc tangent.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..interval import Interval, as_interval
from . import elementary
from .arithmetic import Operand, compiled, settle
from .rounding import down, roundoff, tiny, up
from .transcendental import increasing, relative_error

_LARGE = 1e8
"""Beyond, `x^2 + 1` and `x^2 - 1` are `x^2` to the last digit that matters to their logarithm."""


def tan_of_point(x: Array) -> Array:
    return lax.sin(x) / lax.cos(x)


def asin_of_point(x: Array) -> Array:
    return lax.atan(x / jnp.sqrt((1 - x) * (1 + x)))


def acos_of_point(x: Array) -> Array:
    return 2 * lax.atan(jnp.sqrt((1 - x) / (1 + x)))


def asinh_of_point(x: Array) -> Array:
    size = jnp.abs(x)
    near = jnp.minimum(size, _LARGE)
    square = near * near
    small = elementary.log1p(near + square / (1 + jnp.sqrt(1 + square)))
    return jnp.sign(x) * jnp.where(size > _LARGE, _log_of_double(size), small)


def acosh_of_point(x: Array) -> Array:
    """For `x >= 1`."""
    t = jnp.minimum(x, _LARGE) - 1
    return jnp.where(x > _LARGE, _log_of_double(x), elementary.log1p(t + jnp.sqrt(t * (t + 2))))


def _log_of_double(x: Array) -> Array:
    return lax.log(x) + jnp.asarray(math.log(2), x.dtype)


def atanh_of_point(x: Array) -> Array:
    size = jnp.abs(x)
    value = 0.5 * elementary.log1p(2 * size / (1 - size))
    # Half of the smallest numbers is denormal.
    return jnp.sign(x) * jnp.where(size < 1e-20, size, value)


def cbrt_of_point(x: Array) -> Array:
    """XLA's, which loses 120 roundoffs, with a step of Newton's method; scaled, so that cubes are normal numbers."""
    power = 100 if x.dtype == jnp.float64 else 20
    size = jnp.abs(x)
    up_by, down_by = 2.0**power, 2.0**-10
    small, large = size < tiny(x.dtype) / roundoff(x.dtype) ** 2, size > 1
    scale = jnp.where(small, up_by, jnp.where(large, down_by, 1.0)).astype(x.dtype)
    scaled = size * scale * scale * scale
    y = lax.cbrt(scaled)
    y = y - (y * y * y - scaled) / (3 * y * y)
    return jnp.sign(x) * jnp.where((size == 0) | jnp.isinf(size), size, y / scale)


exp2 = increasing("exp2", elementary.exp2, codomain=(0.0, math.inf))
cbrt = increasing("cbrt", cbrt_of_point)
asinh = increasing("asinh", asinh_of_point)
atanh = increasing("atanh", atanh_of_point, domain=(-1.0, 1.0))


@compiled
def tan(a: Operand, **_) -> Interval:
    """All reals where a pole may lie inside: over less than half a turn, cosines of one sign show that none does."""
    a = as_interval(a)
    relative = relative_error("tan", a.dtype)
    lower, upper = down(tan_of_point(a.lower), relative), up(tan_of_point(a.upper), relative)
    lower, upper = jnp.where(a.lower == 0, 0.0, lower), jnp.where(a.upper == 0, 0.0, upper)
    pole = has_pole_of_tan(a)
    nai = a.is_nai()
    lower, upper = jnp.where(pole, -jnp.inf, lower), jnp.where(pole, jnp.inf, upper)
    return settle(jnp.where(nai, jnp.nan, lower), jnp.where(nai, jnp.nan, upper), a)


def has_pole_of_tan(a: Interval) -> Array:
    """Whether an odd multiple of a quarter turn may lie inside."""
    half_turn = float(np.nextafter(np.asarray(math.pi, a.dtype), np.zeros((), a.dtype)))
    cosines = lax.cos(a.lower), lax.cos(a.upper)
    return ~((up(a.upper - a.lower) < half_turn) & (cosines[0] * cosines[1] > 0)) & ~a.is_empty()


@compiled
def asin(a: Operand, **_) -> Interval:
    """Over the part within [-1, 1]."""
    a = as_interval(a)
    relative = relative_error("asin", a.dtype)
    lower = down(asin_of_point(jnp.clip(a.lower, -1.0, 1.0)), relative)
    upper = up(asin_of_point(jnp.clip(a.upper, -1.0, 1.0)), relative)
    lower = jnp.where(a.lower >= 0, jnp.maximum(lower, 0.0), lower)
    upper = jnp.where(a.upper <= 0, jnp.minimum(upper, 0.0), upper)
    return _where_defined(lower, upper, (a.upper < -1) | (a.lower > 1), a)


@compiled
def acos(a: Operand, **_) -> Interval:
    """Over the part within [-1, 1]."""
    a = as_interval(a)
    relative = relative_error("acos", a.dtype)
    lower = jnp.maximum(down(acos_of_point(jnp.clip(a.upper, -1.0, 1.0)), relative), 0.0)
    upper = up(acos_of_point(jnp.clip(a.lower, -1.0, 1.0)), relative)
    upper = jnp.where(a.lower == 1, 0.0, upper)
    return _where_defined(lower, upper, (a.upper < -1) | (a.lower > 1), a)


@compiled
def acosh(a: Operand, **_) -> Interval:
    """Over the part from 1 on."""
    a = as_interval(a)
    relative = relative_error("acosh", a.dtype)
    lower = jnp.maximum(down(acosh_of_point(jnp.maximum(a.lower, 1.0)), relative), 0.0)
    upper = up(acosh_of_point(jnp.maximum(a.upper, 1.0)), relative)
    upper = jnp.where(a.upper == 1, 0.0, upper)
    return _where_defined(lower, upper, a.upper < 1, a)


def _where_defined(lower: Array, upper: Array, undefined: Array, a: Interval) -> Interval:
    return settle(jnp.where(undefined, jnp.inf, lower), jnp.where(undefined, -jnp.inf, upper), a)
