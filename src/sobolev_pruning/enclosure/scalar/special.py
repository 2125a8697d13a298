"""erfc and the inverse of erf, where XLA's lose digits.

XLA squares the argument of erfc inside an exponential, so its relative error grows like x^2 (500 roundoffs at 26), and
takes the inverse of erf from the logarithm of a rounded `1 - x^2`, which loses half of the digits next to -1 and 1.
"""

import math

import jax.numpy as jnp
from jax import Array, lax

from .elementary import exp

# Chebyshev coefficients of (1 + 2x) e^(x^2) erfc(x) for x in [0.5, 28], in the variable (x - 4)/(x + 4) moved to
# [-1, 1]; found by interpolation in 300 bits at Chebyshev points, the first term left out is 2e-20.
_TAIL = (
    1.2199111126458904,
    -0.06262951865650836,
    -0.022113365291370892,
    0.018402994962427147,
    -0.007631953059240109,
    0.002325584881129802,
    -0.0005605121487326444,
    0.00010782203969343509,
    -1.602137006179428e-05,
    1.6415472215781078e-06,
    -6.309429545191323e-08,
    -1.2903095479736703e-08,
    2.521983201321924e-09,
    -8.778632346044416e-11,
    -3.137040452233747e-11,
    4.18859832927735e-12,
    2.2976977452043407e-13,
    -9.110756934009652e-14,
    7.167239173581861e-16,
    1.7498787906140795e-15,
    -8.010360950926665e-17,
    -3.4211445035393536e-17,
    2.4508662066218555e-18,
    7.234484334697681e-19,
    -6.038200628459042e-20,
)
# How many trailing bits make the square of what is left exact.
_HALF_OF_THE_BITS = {"float64": (jnp.int64, 27), "float32": (jnp.int32, 12)}


def _bell(x: Array) -> Array:
    """`e^(-x^2)` for x >= 0, with the square in two parts: exactly that of the leading digits, and the small rest."""
    integer, bits = _HALF_OF_THE_BITS[jnp.dtype(x.dtype).name]
    leading = lax.bitcast_convert_type((lax.bitcast_convert_type(x, integer) >> bits) << bits, x.dtype)
    return exp(-(leading * leading)) * exp(-((x - leading) * (x + leading)))


def erfc(x: Array) -> Array:
    """`1 - erf(x)` with a small relative error everywhere."""
    far = jnp.clip(x, 0.5, 28.0)
    s = ((far - 4) / (far + 4)) * (72 / 55) + 1 / 55
    # Clenshaw's recurrence.
    following = after = jnp.zeros_like(s)
    for coefficient in _TAIL[:0:-1]:
        following, after = 2 * s * following - after + coefficient, following
    scaled = s * following - after + _TAIL[0]
    return jnp.where(x < 0.5, 1 - lax.erf(jnp.minimum(x, 0.5)), _bell(far) * (scaled / (1 + 2 * far))).astype(x.dtype)


def erf_inv(x: Array) -> Array:
    """Inverse of erf on [-1, 1]: XLA's, with two steps of Halley's method on the residual of erf or erfc.

    `1 - |x|` is exact where erfc is used, so no digit is lost next to 1.
    """
    size = jnp.abs(x)
    near_one = size > 0.5
    complement = 1 - size
    inner = jnp.minimum(size, 1 - jnp.finfo(x.dtype).epsneg)
    y = jnp.abs(lax.erf_inv(inner))
    for _ in range(2):
        residual = jnp.where(near_one, complement - erfc(y), lax.erf(y) - size)
        # Newton's step; Halley's denominator uses erf'' = -2 y erf'.
        step = residual * (math.sqrt(math.pi) / 2) / _bell(y)
        y = y - step / (1 + y * step)
    y = jnp.where(size == 0, 0.0, jnp.where(size == 1, jnp.inf, y))
    return jnp.where(size > 1, jnp.nan, jnp.sign(x) * y).astype(x.dtype)
