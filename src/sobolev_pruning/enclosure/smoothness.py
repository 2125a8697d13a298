"""Where operations are not smooth: the flags that each adds to its result's decoration, from its operands' ranges."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Primitive
from jax.extend.core import primitives as p

from ..activations import activation, activation_p
from .decorations import BENT, CUSTOM, JUMPS, KINKED, UNDEFINED, Flags, joined, where
from .further_decorations import FURTHER
from .interval import Interval, as_interval
from .scalar.activation_ranges import touches
from .scalar.arithmetic import holds


def _touches(a: Interval, value: float) -> Array:
    return (a.lower <= value) & (a.upper >= value)


def _meet(a, b) -> Array:
    """Whether two ranges have a point in common."""
    a, b = as_interval(a), as_interval(b)
    return (a.lower <= b.upper) & (b.lower <= a.upper)


def _divide(a, b, **_) -> Flags:
    if isinstance(b, Interval):
        return where(_touches(b, 0.0), UNDEFINED)
    if isinstance(b, jax.core.Tracer):  # as the scales of a network are: one decoration for all costs nothing
        return where(jnp.any(b == 0), UNDEFINED)
    return where(np.asarray(b) == 0, UNDEFINED)


def _domain(lowest: float = -math.inf, highest: float = math.inf, closed: bool = False) -> Callable:
    """Functions defined between two numbers: at them, too, without a derivative, where `closed`."""

    def local(a, **_) -> Flags:
        a = as_interval(a)
        touching = (a.lower <= lowest) | (a.upper >= highest)
        if not closed:
            return where(touching, UNDEFINED)
        return joined(where(touching, KINKED), where((a.lower < lowest) | (a.upper > highest), UNDEFINED))

    return local


def _power(a, b, **_) -> Flags:
    a = as_interval(a)
    b = as_interval(b if isinstance(b, Interval) else jnp.asarray(b, a.dtype))
    # A power of whole exponent is smooth where it is defined, if the exponent does not vary.
    zero, whole = _touches(a, 0.0), (b.lower == b.upper) & (jnp.floor(b.lower) == b.lower)
    undefined = ((a.lower < 0) & ~whole) | (zero & (b.lower < 0))
    return joined(
        where(undefined, UNDEFINED), where(zero & ~whole, KINKED), where(zero & ~whole & (b.lower <= 0), JUMPS)
    )


def _integer_power(a, *, y: int, **_) -> Flags:
    return where(_touches(as_interval(a), 0.0), UNDEFINED) if y < 0 else 0


def _kink_between(a, b, **_) -> Flags:
    return 0 if a is b or not depends(a, b) else where(_meet(a, b), KINKED)


def _clamp(smallest, a, largest, **_) -> Flags:
    if not depends(smallest, a, largest):
        return 0
    return where(_meet(smallest, a) | _meet(a, largest), KINKED)


def _at_zero(flag: int) -> Callable:
    return lambda a, **_: where(_touches(a, 0.0), flag) if depends(a) else 0


def _staircase(shift: float) -> Callable:
    """Functions that jump where `x + shift` is a whole number."""

    def local(a, **_) -> Flags:
        return where(jnp.floor(a.upper + shift) >= a.lower + shift, JUMPS) if depends(a) else 0

    return local


def _convert(a, *, new_dtype, **_) -> Flags:
    old = jnp.result_type(a.dtype)
    if not jnp.issubdtype(old, jnp.floating) or not depends(a):
        return 0
    if jnp.issubdtype(new_dtype, jnp.floating):  # rounding is a staircase
        return 0 if holds(new_dtype, old) else JUMPS
    if jnp.dtype(new_dtype) == jnp.bool_:
        return where(_touches(a, 0.0), JUMPS)
    info = jnp.iinfo(new_dtype)
    outside = ~((a.lower > float(info.min)) & (a.upper < float(info.max)))
    return joined(_staircase(0.0)(a), where(outside, UNDEFINED))


def _compare(a, b, **_) -> Flags:
    if a is b or not depends(a, b) or not jnp.issubdtype(jnp.result_type(a.dtype), jnp.floating):
        return 0
    return where(_meet(a, b), JUMPS)


def _is_finite(a, **_) -> Flags:
    return where(~(jnp.isfinite(a.lower) & jnp.isfinite(a.upper)), JUMPS) if depends(a) else 0


def _activation(a, *, name: str, order: int) -> Flags:
    known = activation(name)
    left = known.smoothness - order
    if left == math.inf or left > 1 or not depends(a):
        return 0
    flag = {1: BENT, 0: KINKED, -1: JUMPS}.get(int(left), UNDEFINED)
    return joined(*(where(touches(a, point.place), flag) for point in known.breakpoints))


def _largest(sign: int) -> Callable:
    """A reduction by max (or min): kinked where more than one element can be the largest."""

    def local(a, *, axes, **_) -> Flags:
        if not depends(a) or not jnp.issubdtype(a.dtype, jnp.floating):
            return 0
        a = a if sign > 0 else Interval.unchecked(-a.upper, -a.lower)
        best = jnp.max(a.lower, axis=axes, keepdims=True)
        return where(jnp.sum((a.upper >= best).astype(np.int32), axis=axes) > 1, KINKED)

    return local


def _kinked(*operands, **_) -> Flags:
    return KINKED if depends(*operands) else 0


def depends(*operands) -> bool:
    return any(isinstance(x, Interval) for x in operands)


LOCAL: dict[Primitive, Callable] = {
    p.div_p: _divide,
    p.stop_gradient_p: lambda a, **_: CUSTOM if depends(a) else 0,
    p.sqrt_p: _domain(lowest=0.0, closed=True),
    p.rsqrt_p: _domain(lowest=0.0),
    p.log_p: _domain(lowest=0.0),
    p.log1p_p: _domain(lowest=-1.0),
    p.erf_inv_p: _domain(-1.0, 1.0),
    p.pow_p: _power,
    p.integer_pow_p: _integer_power,
    p.max_p: _kink_between,
    p.min_p: _kink_between,
    p.clamp_p: _clamp,
    p.abs_p: _at_zero(KINKED),
    p.sign_p: _at_zero(JUMPS),
    p.floor_p: _staircase(0.0),
    p.ceil_p: _staircase(0.0),
    p.round_p: _staircase(0.5),
    p.convert_element_type_p: _convert,
    **{q: _compare for q in (p.lt_p, p.le_p, p.gt_p, p.ge_p, p.eq_p, p.ne_p)},
    p.is_finite_p: _is_finite,
    activation_p: _activation,
    p.reduce_max_p: _largest(1),
    p.reduce_min_p: _largest(-1),
    **{q: _kinked for q in (p.sort_p, p.cummax_p, p.cummin_p)},
    **FURTHER,
}
"""Operations that are not smooth everywhere."""

SMOOTH = frozenset(
    {
        *(p.add_p, p.add_jaxvals_p, p.sub_p, p.mul_p, p.neg_p, p.square_p, p.dot_general_p, p.reduce_sum_p),
        *(p.cumsum_p, p.reduce_prod_p, p.cumprod_p, p.scatter_add_p, p.exp_p, p.expm1_p, p.logistic_p, p.tanh_p),
        *(p.sinh_p, p.cosh_p, p.sin_p, p.cos_p, p.atan_p, p.erf_p, p.erfc_p),
        *(p.not_p, p.and_p, p.or_p, p.xor_p, p.select_n_p, p.reduce_and_p, p.reduce_or_p),
    }
)
if hasattr(p, "one_minus_square_p"):  # from JAX 0.11
    SMOOTH |= {p.one_minus_square_p}
"""Operations that are smooth for all reals, or that only pass on the truth values and the cases that they are given."""
