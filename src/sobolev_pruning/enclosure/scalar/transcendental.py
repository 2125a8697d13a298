"""Interval rules of the transcendental functions.

Monotone functions are evaluated at both endpoints, sine and cosine also at the extrema inside. Functions written in
`elementary` have derived error bounds; the others are XLA's, for which no bounds are published: their margins, in
`TESTED`, are four times the largest error seen (float64), or above the largest error over all numbers (float32).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..interval import Interval, as_interval
from . import elementary, special
from .arithmetic import Operand, compiled, settle
from .rounding import down, roundoff, up

TESTED: dict[str, dict[str, float]] = {
    "log": {"float64": 4.2, "float32": 9.0},
    "sin": {"float64": 4.2, "float32": 4.5},
    "cos": {"float64": 4.2, "float32": 4.5},
    "pow": {"float64": 6.0, "float32": 16.0},
    "atan": {"float64": 24.0, "float32": 24.0},
    "erf": {"float64": 8.0, "float32": 32.0},
    "erfc": {"float64": 24.0, "float32": 64.0},
    "erf_inv": {"float64": 20.0, "float32": 64.0},
}
"""Relative margins of XLA's functions on CPU, in units of the roundoff; found by `benchmarks/rounding_margins.py`."""

TESTED_ON_GPU = {"sin": 12.0, "cos": 12.0, "pow": 9.0}
"""Where a GPU's functions are less exact than those of a processor: margins in float64, wherever JAX has a GPU."""

_DERIVED = {
    "exp": elementary.EXP_ERROR,
    "expm1": elementary.EXPM1_ERROR,
    "log1p": elementary.LOG1P_ERROR,
    "logistic": elementary.LOGISTIC_ERROR,
    "tanh": 2 * elementary.EXPM1_ERROR + 3,
    "sinh": elementary.EXPM1_ERROR + 4,
    "cosh": 2 * elementary.EXP_ERROR + 3,
    "exp2": elementary.EXP2_ERROR,
    "cbrt": 2.0,
    "asinh": elementary.LOG1P_ERROR + 4,
    "acosh": elementary.LOG1P_ERROR + 4,
    "atanh": elementary.LOG1P_ERROR + 2.5,
    # These rest on XLA's arc tangent.
    "asin": 28.0,
    "acos": 28.0,
    "atan2": 30.0,
}


def relative_error(name: str, dtype) -> float:
    """The bound on the relative error of the function `name` that the rules use."""
    if name == "tan":  # a quotient
        return relative_error("sin", dtype) + relative_error("cos", dtype) + 2 * roundoff(dtype)
    units = _DERIVED[name] if name in _DERIVED else TESTED[name][jnp.dtype(dtype).name]
    if jax.default_backend() != "cpu":
        units = max(units, TESTED_ON_GPU.get(name, 0.0))
    return units * roundoff(dtype)


def tanh_of_point(x: Array) -> Array:
    e = elementary.expm1(-2 * jnp.abs(x))
    return jnp.sign(x) * (-e / (2 + e))


def sinh_of_point(x: Array) -> Array:
    size = jnp.abs(x)
    e = elementary.expm1(jnp.minimum(size, 20.0))
    half = elementary.exp(0.5 * size)
    return jnp.sign(x) * jnp.where(size > 20, half * 0.5 * half, 0.5 * (e + e / (e + 1)))


def cosh_of_point(x: Array) -> Array:
    size = jnp.abs(x)
    e = elementary.exp(jnp.minimum(size, 20.0))
    half = elementary.exp(0.5 * size)
    return jnp.where(size > 20, half * 0.5 * half, 0.5 * (e + 1 / e))


def increasing(name: str, function, codomain=(-math.inf, math.inf), domain=(-math.inf, math.inf)):
    @compiled
    def rule(a: Operand, **_) -> Interval:
        a = as_interval(a)
        relative = relative_error(name, a.dtype)
        # Outside the domain the argument is moved into it; what matters there is decided below.
        lower = down(function(jnp.clip(a.lower, *domain)), relative)
        upper = up(function(jnp.clip(a.upper, *domain)), relative)
        if domain != (-math.inf, math.inf):
            lower = jnp.where(a.lower <= domain[0], -jnp.inf, lower)
            upper = jnp.where(a.upper >= domain[1], jnp.inf, upper)
        lower = jnp.clip(lower, *codomain)
        upper = jnp.clip(upper, *codomain)
        # Where XLA's function is exact at 0, so is the bound.
        if codomain[0] == -math.inf or codomain[0] == -1:
            if name not in ("log",):
                lower = jnp.where(a.lower >= 0, jnp.maximum(lower, 0.0), lower)
                upper = jnp.where(a.upper <= 0, jnp.minimum(upper, 0.0), upper)
        undefined = (a.upper <= domain[0]) | (a.lower >= domain[1])
        return settle(jnp.where(undefined, jnp.inf, lower), jnp.where(undefined, -jnp.inf, upper), a)

    return rule


exp = increasing("exp", elementary.exp, codomain=(0.0, math.inf))
expm1 = increasing("expm1", elementary.expm1, codomain=(-1.0, math.inf))
log = increasing("log", lax.log, domain=(0.0, math.inf))
log1p = increasing("log1p", elementary.log1p, domain=(-1.0, math.inf))
logistic = increasing("logistic", lambda x: elementary.logistic_pair(x)[0], codomain=(0.0, 1.0))
tanh = increasing("tanh", tanh_of_point, codomain=(-1.0, 1.0))
sinh = increasing("sinh", sinh_of_point)
atan = increasing("atan", lax.atan)
erf = increasing("erf", lax.erf, codomain=(-1.0, 1.0))
erf_inv = increasing("erf_inv", special.erf_inv, domain=(-1.0, 1.0))


@compiled
def erfc(a: Operand, **_) -> Interval:
    a = as_interval(a)
    relative = relative_error("erfc", a.dtype)
    lower, upper = down(special.erfc(a.upper), relative), up(special.erfc(a.lower), relative)
    return settle(jnp.maximum(lower, 0.0), jnp.minimum(upper, 2.0), a)


@compiled
def cosh(a: Operand, **_) -> Interval:
    a = as_interval(a)
    relative = relative_error("cosh", a.dtype)
    smallest = jnp.maximum(jnp.maximum(a.lower, -a.upper), 0.0)
    largest = jnp.maximum(jnp.abs(a.lower), jnp.abs(a.upper))
    lower = jnp.maximum(down(cosh_of_point(smallest), relative), 1.0)
    return settle(lower, up(cosh_of_point(largest), relative), a)


def _wave(name: str, function, derivative, sign_after_zero: float):
    """The range of a wave of period 2 pi with values in [-1, 1], from the signs of its derivative at the endpoints.

    Extrema are half a turn apart, so over less than a turn the two signs and the width tell which lie inside; that
    needs no reduction of large arguments. `sign_after_zero` is the derivative's just above 0, where it may vanish.
    """

    @compiled
    def rule(a: Operand, **_) -> Interval:
        a = as_interval(a)
        relative = relative_error(name, a.dtype)
        half_turn = float(np.nextafter(np.asarray(math.pi, a.dtype), np.zeros((), a.dtype)))
        width = up(a.upper - a.lower)
        slopes = derivative(a.lower), derivative(a.upper)
        rises = jnp.where(slopes[0] == 0, sign_after_zero, slopes[0]) > 0
        still_rises = jnp.where(slopes[1] == 0, -sign_after_zero, slopes[1]) > 0
        turns = (rises != still_rises) & (a.lower < a.upper)  # once, over less than a turn
        everything = ~(width < jnp.where(turns, 2 * half_turn, half_turn))
        ends = function(a.lower), function(a.upper)
        lower = jnp.maximum(down(jnp.minimum(*ends), relative), -1.0)
        upper = jnp.minimum(up(jnp.maximum(*ends), relative), 1.0)
        lower = jnp.where(everything | (turns & ~rises), -1.0, lower)
        upper = jnp.where(everything | (turns & rises), 1.0, upper)
        nai = a.is_nai()
        return settle(jnp.where(nai, jnp.nan, lower), jnp.where(nai, jnp.nan, upper), a)

    return rule


sin = _wave("sin", lax.sin, lax.cos, 1.0)
cos = _wave("cos", lax.cos, lambda x: -lax.sin(x), -1.0)
