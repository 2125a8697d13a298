"""Outward rounding on hardware that rounds to nearest, flushes denormals and may fuse multiply-add.

Write u for the unit roundoff and `tiny` for the smallest normal number. What was computed is either a normal number,
within `relative` of the exact result, or 0 (or a denormal, where hardware keeps them), and then the exact result is
below `tiny`. `down` and `up` move it so far that the exact result lies behind, and hardly farther: one or two units in
the last place for correctly rounded operations, down to the smallest normal number. Proofs and the measured errors of
each primitive: `docs/derivations/rounding-margins.md`.
"""

import os
import platform

import jax
import numpy as np
from jax import Array, lax
from jax import numpy as jnp

TESTED_GPUS = ("NVIDIA H100 80GB HBM3",)
"""Where margins have been tested besides processors, in float64: in float32 a GPU does not round division correctly."""

_UNSIGNED = {2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint64}


def roundoff(dtype) -> float:
    """The unit roundoff u: half the distance from 1 to the next larger number."""
    return float(jnp.finfo(dtype).eps) / 2


def tiny(dtype) -> float:
    """The smallest positive normal number."""
    return float(jnp.finfo(dtype).smallest_normal)


def largest(dtype) -> float:
    """The largest finite number."""
    return float(jnp.finfo(dtype).max)


def _constant(value: float, like) -> Array:
    return lax.convert_element_type(np.float64(value), jnp.result_type(like))


TESTED_PROCESSORS = ("x86_64", "AMD64")
"""What `platform.machine()` says of processors on which margins have been tested, in float64 and float32."""


def margins_tested(x, dtypes=()) -> bool:
    """Whether the margins of the type of `x`, and of `dtypes`, have been tested where `x` lies; under `jit`, where JAX
    computes by default.
    """
    concrete = isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
    devices = x.devices() if concrete else jax.devices()
    return all(tested_on(device, dtype) for device in devices for dtype in (jnp.result_type(x), *dtypes))


def tested_on(device, dtype) -> bool:
    """Whether the margins of this type have been tested on a device of this kind, as JAX compiles by default."""
    if "fast_math=true" in os.environ.get("XLA_FLAGS", ""):
        return False
    if device.platform == "cpu":
        return platform.machine() in TESTED_PROCESSORS and dtype in (jnp.float64, jnp.float32)
    return device.device_kind in TESTED_GPUS and dtype == jnp.float64


def down(computed: Array, relative: float | None = None, absolute: Array | float = 0.0) -> Array:
    """A lower bound of every real that can lie behind `computed`.

    `relative` bounds the relative error of `computed` (default: correctly rounded), `absolute`, an array, a further
    absolute error; flushed denormals are covered. `+inf`, which no real lies behind, becomes the largest finite number.
    Integers are exact.
    """
    if not jnp.issubdtype(computed.dtype, jnp.floating):
        return computed
    u, smallest = roundoff(computed.dtype), tiny(computed.dtype)
    computed = lax.min(computed, _constant(largest(computed.dtype), computed))
    # One u for the rounding of the subtraction below.
    coefficient = _constant(((u if relative is None else relative) + u) * (1 + 2.0**-10), computed)
    if not isinstance(absolute, float):
        margin = lax.abs(computed) * coefficient + _constant(smallest, computed)
        return computed - (margin + absolute * _constant(1 + 8 * u, computed))
    if relative is None:
        # c (1 - u) rounds to the number below c > 0, and c (1 + 2u) to the one below c < 0 or to the next.
        moved = computed * jnp.where(computed > 0, _constant(1 - u, computed), _constant(1 + 2 * u, computed))
    else:
        # Next to the smallest numbers the margin would be denormal: there, the computation is scaled up.
        small = lax.abs(computed) < _constant(smallest / u**2, computed)
        one = _constant(1.0, computed)
        scaled = computed * jnp.where(small, _constant(u**-2, computed), one)
        moved = (scaled - lax.abs(scaled) * coefficient) * jnp.where(small, _constant(u**2, computed), one)
    flushed = _constant(-smallest * (1 if relative is None else 1 + 2.0**-10), computed)
    return jnp.where(lax.abs(computed) < _constant(smallest, computed), flushed, moved)


def up(computed: Array, relative: float | None = None, absolute: Array | float = 0.0) -> Array:
    """An upper bound of every real that can lie behind `computed`; see `down`."""
    return -down(-computed, relative, absolute)


def summation(count: int, dtype) -> float:
    """Relative error of a sum of `count` products, in any order, fused or not, against the sum of their moduli.

    The classical bound `n u / (1 - n u)` with two operations to spare (Higham, Accuracy and Stability, section 3.1).
    """
    nu = (count + 2) * roundoff(dtype)
    if nu >= 0.5:
        raise ValueError(f"a sum of {count} terms cannot be bounded in {jnp.dtype(dtype).name}: use float64")
    return nu / (1 - nu)


def is_subnormal(x: Array) -> Array:
    """True where `x` is a nonzero denormal number; read from the bits, because comparisons flush denormals to 0.

    Compilers take `magnitude == 0` for `x == 0`, which flushes, too: so 0 is left out by the wrap-around of `0 - 1`.
    """
    info = jnp.finfo(x.dtype)
    bits = lax.bitcast_convert_type(lax.stop_gradient(x), _UNSIGNED[x.dtype.itemsize])
    magnitude = bits & _UNSIGNED[x.dtype.itemsize]((1 << (info.bits - 1)) - 1)
    return magnitude - magnitude.dtype.type(1) < (1 << info.nmant) - 1


def has_subnormal(x) -> bool:
    """Whether a concrete array holds a denormal number; True if the array is not concrete."""
    try:
        concrete = np.asarray(x)
    except jax.errors.TracerArrayConversionError:  # its values are not known
        return True
    modulus = np.abs(concrete)
    return bool(np.any((modulus > 0) & (modulus < tiny(concrete.dtype))))


@jax.jit
def widen_subnormal(lower: Array, upper: Array) -> tuple[Array, Array]:
    """Moves denormal endpoints outward, to 0 or to the smallest normal number: XLA would take them for 0."""
    smallest = tiny(lower.dtype)
    negative_lower, negative_upper = jnp.signbit(lower), jnp.signbit(upper)
    wide_lower = jnp.where(negative_lower, -smallest, 0.0).astype(lower.dtype)
    wide_upper = jnp.where(negative_upper, 0.0, smallest).astype(upper.dtype)
    return (
        jnp.where(is_subnormal(lower), wide_lower, lower),
        jnp.where(is_subnormal(upper), wide_upper, upper),
    )
