"""exp, expm1, exp2, log1p and the logistic function from + - * /, with error bounds that are derived, not measured.

Only log1p away from 0 rests on XLA's logarithm. Each function takes points and returns an approximation; the constants
bound its relative error in units of the roundoff u. Results below the smallest normal number are flushed to 0.
Derivation: `docs/derivations/rounding-margins.md`.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

EXP_ERROR = 1.75
EXPM1_ERROR = 4.5
EXP2_ERROR = 2.0
LOG1P_ERROR = 12.0  # of which 9 are the largest tested margin of XLA's logarithm
LOGISTIC_ERROR = 3.25

# ln 2 = high + low, high short enough that its product with any exponent is exact.
_LN2 = {
    "float64": (float.fromhex("0x1.62e42fefa38p-1"), float.fromhex("0x1.ef35793c7673p-45")),
    "float32": (float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cf79abcap-20")),
}
_EXP_DEGREE = {"float64": 13, "float32": 7}
_LOG_TERMS = {"float64": 13, "float32": 6}
_INTEGER = {"float64": (jnp.int64, 52, 1023), "float32": (jnp.int32, 23, 127)}


def _name(x: Array) -> str:
    return jnp.dtype(x.dtype).name


def _constant(value: float, x: Array):
    return lax.convert_element_type(np.float64(value), x.dtype)


def _two_to(n: Array, like: Array) -> Array:
    """`2^n` for integers n (held as floats) of the normal range, by writing the exponent's bits."""
    integer, mantissa, bias = _INTEGER[_name(like)]
    return lax.bitcast_convert_type((n.astype(integer) + bias) << mantissa, like.dtype)


def _reduced(x: Array) -> tuple[Array, Array]:
    """`(n, e^r - 1)` with `x = n ln 2 + r`, `|r| <= ln(2)/2`."""
    high, low = _LN2[_name(x)]
    n = jnp.round(x * _constant(1 / math.log(2), x))
    r = (x - n * _constant(high, x)) - n * _constant(low, x)
    return n, _expm1_near_0(r)


def _expm1_near_0(r: Array) -> Array:
    tail = _constant(1 / math.factorial(_EXP_DEGREE[_name(r)]), r)
    for k in range(_EXP_DEGREE[_name(r)] - 1, 1, -1):
        tail = tail * r + _constant(1 / math.factorial(k), r)
    return r + (r * r) * tail


def _range(x: Array) -> tuple[float, float]:
    """Beyond these, exp is below the normal range, and overflows."""
    return (-708.4, 709.79) if _name(x) == "float64" else (-87.34, 88.73)


def exp(x: Array) -> Array:
    """Flushed to 0 below the normal range, infinite where it overflows."""
    smallest, largest = _range(x)
    n, s = _reduced(jnp.clip(x, smallest, largest))
    half = jnp.floor(n * 0.5)
    result = (1 + s) * _two_to(half, x) * _two_to(n - half, x)
    return jnp.where(x < smallest, 0.0, jnp.where(x > largest, jnp.inf, result)).astype(x.dtype)


def exp2(x: Array) -> Array:
    """Flushed to 0 below the normal range, infinite where it overflows."""
    _, _, most = _INTEGER[_name(x)]
    inside = jnp.clip(x, 1.0 - most, most + 1.0)
    n = jnp.round(inside)
    half = jnp.floor(n * 0.5)
    s = _expm1_near_0((inside - n) * _constant(math.log(2), x))
    result = (1 + s) * _two_to(half, x) * _two_to(n - half, x)
    return jnp.where(x < 1 - most, 0.0, jnp.where(x >= most + 1, jnp.inf, result)).astype(x.dtype)


def expm1(x: Array) -> Array:
    _, largest = _range(x)
    n, s = _reduced(jnp.clip(x, -60.0, largest))
    # The scale 2^n is split so that it does not overflow just below the largest number.
    half = jnp.floor(n * 0.5)
    first, second = _two_to(half, x), _two_to(n - half, x)
    result = (first * s + (first - 1 / second)) * second
    result = jnp.where(n == 0, s, result)
    return jnp.where(x < -60.0, -1.0, jnp.where(x > largest, jnp.inf, result)).astype(x.dtype)


def log1p(x: Array) -> Array:
    """For `x > -1`: near 0 by `2 artanh(x / (2 + x))`, elsewhere by the logarithm of `1 + x`."""
    tiny, near = jnp.abs(x) < 1e-20, (x > -0.3) & (x < 0.45)
    y = jnp.where(near, x, 0.0)
    s = y / (2 + y)
    square = s * s
    terms = _LOG_TERMS[_name(x)]
    tail = _constant(2 / (2 * terms + 1), x)
    for k in range(terms - 1, 0, -1):
        tail = tail * square + _constant(2 / (2 * k + 1), x)
    result = jnp.where(near, 2 * s + s * (square * tail), lax.log(1 + jnp.where(near, 1.0, x)))
    # Half of the smallest numbers is denormal.
    return jnp.where(tiny, x, result).astype(x.dtype)


def logistic_pair(x: Array) -> tuple[Array, Array]:
    """`1/(1 + e^-x)` and `1/(1 + e^x)`, each with its own small relative error."""
    e = exp(-jnp.abs(x))
    large = 1 / (1 + e)
    # Where e is small, this is more accurate than the quotient: its last operation rounds the only large error.
    quotient = e / (1 + e)
    small = jnp.where(e < 0.25, e - e * quotient, quotient)
    return jnp.where(x >= 0, large, small), jnp.where(x >= 0, small, large)
