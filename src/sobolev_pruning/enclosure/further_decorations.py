"""Where the functions of `function_tables` are not smooth: the flags of `decorations`, found from operands' ranges.

"Somewhere" includes the ends of a range: a kink that is only touched counts.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Primitive
from jax.extend.core import primitives as p

from .interval import JUMPS, KINKED, UNDEFINED, Interval, as_interval
from .natural import selection, softmax
from .programs import extremes, shift_invariance
from .scalar import further_functions, planar_functions
from .scalar.arithmetic import Operand

SMOOTH = frozenset(
    {
        *(p.asinh_p, p.exp2_p, p.cumlogsumexp_p, p.reduce_window_sum_p),
        *(softmax.log_sum_exp_p, softmax.log_softmax_p, softmax.softmax_p),
        shift_invariance.some_number_p,
    }
)
"""Those that are defined and smooth everywhere."""


def _flags(condition: Array, flag: int) -> Array:
    return jnp.where(condition, np.uint8(flag), np.uint8(0))


def _outside(a: Interval, low: float, high: float) -> Array:
    """Whether the range leaves `[low, high]`; NaN does."""
    return ~((a.lower >= low) & (a.upper <= high))


def _touches_or_leaves(a: Interval, low: float, high: float) -> Array:
    return ~((a.lower > low) & (a.upper < high))


def _of_tan(a: Operand, **_) -> Array:
    return _flags(further_functions.has_pole_of_tan(as_interval(a)), UNDEFINED)


def _of_arc(a: Operand, **_) -> Array:
    """The slope of asin and acos is infinite at the ends of their domain."""
    a = as_interval(a)
    return _flags(_outside(a, -1, 1), UNDEFINED) | _flags(_touches_or_leaves(a, -1, 1), KINKED)


def _of_acosh(a: Operand, **_) -> Array:
    a = as_interval(a)
    return _flags(_outside(a, 1, np.inf), UNDEFINED) | _flags(~(a.lower > 1), KINKED)


def _of_atanh(a: Operand, **_) -> Array:
    return _flags(_touches_or_leaves(as_interval(a), -1, 1), UNDEFINED)


def _of_cbrt(a: Operand, **_) -> Array:
    a = as_interval(a)
    return _flags(~((a.lower > 0) | (a.upper < 0)), KINKED)


def _of_atan2(y: Operand, x: Operand, **_) -> Array:
    y, x = as_interval(y), as_interval(x)
    return _flags(~((y.lower > 0) | (y.upper < 0) | (x.lower > 0)), JUMPS)


def _of_remainder(x: Operand, y: Operand, **_) -> Array:
    """No jump where the quotient is one number also next to the box: it is 0, or no remainder is 0."""
    x, y = as_interval(x), as_interval(y)
    if not jnp.issubdtype(x.dtype, jnp.floating):  # whole numbers jumped where they were made
        return _flags((y.lower <= 0) & (y.upper >= 0), UNDEFINED)
    known, count = planar_functions.constant_quotient(x, y)
    result = planar_functions.remainder(x, y)
    inside = known & ((count == 0) | (result.lower > 0) | (result.upper < 0))
    undefined = ~((y.lower > 0) | (y.upper < 0))
    return _flags(~inside, JUMPS) | _flags(undefined, UNDEFINED)


def _of_position(is_largest: bool) -> Callable:
    def flags(a: Operand, *, axes, **_) -> Array:
        possible = selection.possible_extremes(selection.ordered(a), int(axes[0]), is_largest)
        return _flags(jnp.sum(possible, axis=axes) != 1, JUMPS)

    return flags


def _of_top_k(a: Operand, *, k: int, axis: int = -1, **_) -> list[Array]:
    """Values are kinked, and positions jump, where two of the largest, or the next, may be equal."""
    a = selection.ordered(a)
    lower, upper = (jnp.moveaxis(jnp.sort(end, axis=axis), axis, -1)[..., ::-1] for end in (a.lower, a.upper))
    count = min(k, lower.shape[-1] - 1)
    apart = jnp.all(lower[..., :count] > upper[..., 1 : count + 1], axis=-1, keepdims=True)
    apart = jnp.moveaxis(jnp.broadcast_to(apart, (*lower.shape[:-1], k)), -1, axis)
    return [_flags(~apart, KINKED), _flags(~apart, JUMPS)]


def _of_windows(a: Operand, **params) -> Array:
    like = jax.ShapeDtypeStruct(a.shape, a.dtype)
    shape = jax.eval_shape(lambda x: p.reduce_window_max_p.bind(x, **params), like).shape
    return jnp.full(shape, KINKED if np.prod(params["window_dimensions"]) > 1 else 0, jnp.uint8)


def _of_scatter(a: Operand, _indices, _updates, **_) -> Array:
    return jnp.full(a.shape, KINKED, jnp.uint8)


def _of_is_extreme(a: Operand, **params) -> Array:
    truth = extremes.is_extreme(a, **params)
    return _flags(truth.lower != truth.upper, JUMPS)


FURTHER: dict[Primitive, Callable] = {
    p.tan_p: _of_tan,
    p.asin_p: _of_arc,
    p.acos_p: _of_arc,
    p.acosh_p: _of_acosh,
    p.atanh_p: _of_atanh,
    p.cbrt_p: _of_cbrt,
    p.atan2_p: _of_atan2,
    p.rem_p: _of_remainder,
    p.argmax_p: _of_position(True),
    p.argmin_p: _of_position(False),
    p.top_k_p: _of_top_k,
    p.reduce_precision_p: lambda a, **_: jnp.full(a.shape, JUMPS, jnp.uint8),
    p.reduce_window_max_p: _of_windows,
    p.reduce_window_min_p: _of_windows,
    p.scatter_max_p: _of_scatter,
    p.scatter_min_p: _of_scatter,
    extremes.is_extreme_p: _of_is_extreme,
}
"""By primitive: `flags(*ranges, **params)`, what the result may not be somewhere in the ranges; a list for several."""
