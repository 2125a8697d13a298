"""Decorations: what is known of a function over a box besides its range, as IEEE 1788 decorations say it.

A decoration is a set of flags, a `uint8`; 0 is the best, and the union (bitwise or) of the decorations of operands and
of the operation is that of the result:

    BENT       continuously differentiable, but the second derivative may jump
    KINKED     continuous, but it may have no derivative somewhere
    JUMPS      it may be discontinuous somewhere
    UNDEFINED  it may not be a number somewhere: outside the domain of an operation
    CUSTOM     its derivative is given by hand (`stop_gradient`, `custom_jvp`): JAX's derivative may be another function
    UNPROVED   the range rests on a rule, or on a machine, whose rounding is not proved or tested

"Somewhere" is the box with its boundary: a kink that the box only touches counts. In the interpreter a decoration is
the Python integer 0 wherever a program is known to be smooth when it is traced, which costs nothing.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.extend.core import primitives as p

from .._foundation.activations import CONTINUOUS_DERIVATIVES, activation_p
from . import structural
from .contraction import arranged
from .further_decorations import FURTHER
from .interval import BENT as BENT
from .interval import CUSTOM as CUSTOM
from .interval import JUMPS as JUMPS
from .interval import KINKED as KINKED
from .interval import UNDEFINED as UNDEFINED
from .interval import UNPROVED as UNPROVED
from .interval import Interval, as_interval
from .interval_rules import ELEMENTWISE
from .registry import user_rule

Flags: TypeAlias = int | Array | np.ndarray
"""One decoration for all elements, known when the program is traced or an array without axes; or one for each."""


def joined(*flags: Flags) -> Flags:
    """The union of decorations of one shape; integers hold for every element."""
    known = 0
    arrays: list = []
    for x in flags:
        if isinstance(x, int):
            known |= x
        elif not any(x is other for other in arrays):
            arrays.append(x)
    if not arrays:
        return known
    shape = jnp.broadcast_shapes(*[x.shape for x in arrays])
    arrays = [jnp.broadcast_to(x, shape) for x in arrays]
    result = arrays[0]
    for x in arrays[1:]:
        result = result | x
    return result | np.uint8(known) if known else result


def full(flags: Flags, shape: tuple[int, ...]) -> Array | np.ndarray:
    """The decoration of every element."""
    return np.full(shape, flags, np.uint8) if isinstance(flags, int) else jnp.broadcast_to(flags, shape)


def anywhere(flags: Flags) -> Flags:
    """The union over all elements."""
    return flags if is_uniform(flags) else _union_along(flags, tuple(range(flags.ndim)))


def is_uniform(flags: Flags) -> bool:
    """Whether one decoration stands for all elements."""
    return isinstance(flags, int) or flags.ndim == 0


def where(condition, flag: int) -> Flags:
    """`flag` where the condition holds; known, where the condition is."""
    if not isinstance(condition, jax.core.Tracer):
        condition = np.asarray(condition)
        if condition.all() or not condition.any():
            return flag if condition.all() and condition.size else 0
    return jnp.where(condition, np.uint8(flag), np.uint8(0))


def of_point(value) -> Flags:
    """A NaN is no number; nothing else is said of a point."""
    if isinstance(value, jax.core.Tracer) or not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        return 0
    return where(np.isnan(np.asarray(value)), UNDEFINED)


def has(flags: Flags, flag: int):
    """Where the flag is set; a `bool` where that is known when the program is traced."""
    return bool(flags & flag) if isinstance(flags, int) else (flags & np.uint8(flag)) != 0


def kink_for_jump(flags: Flags) -> Flags:
    """The decoration of a choice between cases that are equal where it changes."""
    changed = has(flags, JUMPS)
    if isinstance(changed, bool):
        return (flags & ~JUMPS) | KINKED if changed else flags
    return jnp.where(changed, (flags & np.uint8(255 - JUMPS)) | np.uint8(KINKED), flags)


def _union_along(flags: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    result = lax.reduce(jnp.asarray(flags), np.uint8(0), lax.bitwise_or, axes) if axes else flags
    return jnp.expand_dims(result, axes) if keepdims else result


# Where an operation itself is not smooth. Each function takes the ranges of the operands, intervals or points.


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
    return 0 if a is b or not _depends(a, b) else where(_meet(a, b), KINKED)


def _clamp(smallest, a, largest, **_) -> Flags:
    if not _depends(smallest, a, largest):
        return 0
    return where(_meet(smallest, a) | _meet(a, largest), KINKED)


def _at_zero(flag: int) -> Callable:
    return lambda a, **_: where(_touches(a, 0.0), flag) if _depends(a) else 0


def _staircase(shift: float) -> Callable:
    """Functions that jump where `x + shift` is a whole number."""

    def local(a, **_) -> Flags:
        return where(jnp.floor(a.upper + shift) >= a.lower + shift, JUMPS) if _depends(a) else 0

    return local


def _convert(a, *, new_dtype, **_) -> Flags:
    old = jnp.result_type(a.dtype)
    if not jnp.issubdtype(old, jnp.floating) or jnp.issubdtype(new_dtype, jnp.floating) or not _depends(a):
        return 0
    if jnp.dtype(new_dtype) == jnp.bool_:
        return where(_touches(a, 0.0), JUMPS)
    info = jnp.iinfo(new_dtype)
    outside = ~((a.lower > float(info.min)) & (a.upper < float(info.max)))
    return joined(_staircase(0.0)(a), where(outside, UNDEFINED))


def _compare(a, b, **_) -> Flags:
    if a is b or not _depends(a, b) or not jnp.issubdtype(jnp.result_type(a.dtype), jnp.floating):
        return 0
    return where(_meet(a, b), JUMPS)


def _is_finite(a, **_) -> Flags:
    return where(~(jnp.isfinite(a.lower) & jnp.isfinite(a.upper)), JUMPS) if _depends(a) else 0


def _activation(a, *, name: str, order: int) -> Flags:
    left = CONTINUOUS_DERIVATIVES[name] - order
    if left == math.inf or left > 1 or not _depends(a):
        return 0
    flag = {1: BENT, 0: KINKED, -1: JUMPS}.get(int(left), UNDEFINED)
    return where(_touches(a, 0.0), flag)


def _largest(sign: int) -> Callable:
    """A reduction by max (or min): kinked where more than one element can be the largest."""

    def local(a, *, axes, **_) -> Flags:
        if not _depends(a) or not jnp.issubdtype(a.dtype, jnp.floating):
            return 0
        a = a if sign > 0 else Interval.unchecked(-a.upper, -a.lower)
        best = jnp.max(a.lower, axis=axes, keepdims=True)
        return where(jnp.sum((a.upper >= best).astype(np.int32), axis=axes) > 1, KINKED)

    return local


def _kinked(*operands, **_) -> Flags:
    return KINKED if _depends(*operands) else 0


def _depends(*operands) -> bool:
    return any(isinstance(x, Interval) for x in operands)


LOCAL: dict[Primitive, Callable] = {
    p.div_p: _divide,
    p.stop_gradient_p: lambda a, **_: CUSTOM if _depends(a) else 0,
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
"""Operations that are not smooth everywhere; an operation with a rule that is not here is smooth for all reals."""

_REDUCTIONS = frozenset(
    {"reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "reduce_xor", "log_sum_exp"}
)
_BY_ROWS = frozenset({"log_softmax", "softmax", "is_extreme"})
_CUMULATIVE = frozenset({"cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"})


def of_results(equation, operands: Sequence, ranges: Callable[[], list], flags: Sequence[Flags]) -> list[Flags]:
    """Decorations of an equation's results, from its operands, their ranges and their decorations.

    `ranges()` gives the operands as intervals or points; it is only asked where the operation may not be smooth.
    """
    user = user_rule(equation.primitive)
    local = LOCAL.get(equation.primitive) if user is None else None
    own: Flags = 0
    if user is not None and _depends(*ranges()):
        own = (0 if user.guaranteed else UNPROVED) | (0 if user.smooth else UNDEFINED | JUMPS)
    if local is not None:
        bounds = ranges()
        own = local(*bounds, **equation.params)
        if not _depends(*bounds):  # a constant is smooth, if it is a number
            own = jax.tree.map(lambda x: x & UNDEFINED if isinstance(x, int) else x & np.uint8(UNDEFINED), own)
    carried = _carried(equation, operands, flags)
    return [joined(*both) for both in zip(own if isinstance(own, list) else [own] * len(carried), carried)]


def _carried(equation, operands: Sequence, flags: Sequence[Flags]) -> list[Flags]:
    """Operands' decorations, where the operation puts them."""
    name, params = equation.primitive.name, equation.params
    if name == "some_number":  # nothing depends on which
        return [x & (UNDEFINED | UNPROVED) if isinstance(x, int) else x & np.uint8(UNDEFINED | UNPROVED) for x in flags]
    if all(map(is_uniform, flags)):
        return [joined(*flags)] * len(equation.outvars)
    if name == "select_n":
        return [_chosen(operands[0], flags, equation.outvars[0].aval.shape)]
    if name in structural.MOVING:
        return _moved(equation, operands, flags)
    if name in _REDUCTIONS:
        return [_union_along(flags[0], tuple(int(i) for i in params["axes"]))]
    if name in _BY_ROWS:
        return [jnp.broadcast_to(_union_along(flags[0], params["axes"], keepdims=True), flags[0].shape)]
    if name in _CUMULATIVE:
        return [jnp.broadcast_to(_union_along(flags[0], (params["axis"],), keepdims=True), flags[0].shape)]
    if name == "dot_general":
        return [_of_products(equation, flags)]
    if equation.primitive in ELEMENTWISE:
        return [joined(*flags)]
    return [joined(*map(anywhere, flags))] * len(equation.outvars)


def _chosen(which, flags: Sequence[Flags], shape: tuple[int, ...]) -> Flags:
    """The decorations of the cases that may be taken, with that of the choice."""
    of_choice, *cases = flags
    cases = [full(x, shape) for x in cases]
    if not isinstance(which, Interval):
        which = jnp.asarray(which)
        return joined(of_choice, lax.select_n(which, *map(jnp.asarray, cases)))
    first, last = (jnp.broadcast_to(end.astype(np.int32), shape) for end in (which.lower, which.upper))
    taken = [jnp.where((first <= i) & (i <= last), case, np.uint8(0)) for i, case in enumerate(cases)]
    return joined(of_choice, *taken)


def _moved(equation, operands, flags) -> list[Flags]:
    """The operation itself, on decorations in place of values."""
    positions = structural.MOVING[equation.primitive.name]
    values = range(len(flags)) if positions is None else positions
    moved = [
        jnp.asarray(full(flag, variable.aval.shape)) if i in values else operands[i]
        for i, (variable, flag) in enumerate(zip(equation.invars, flags, strict=True))
    ]
    results = equation.primitive.bind(*moved, **equation.params)
    return list(results) if equation.primitive.multiple_results else [results]


def _of_products(equation, flags) -> Flags:
    """Each product of rows is as smooth as the elements that enter it."""
    shapes = [variable.aval.shape for variable in equation.invars]
    *arrangements, axes = arranged(*shapes, equation.params["dimension_numbers"])
    parts = [
        x if is_uniform(x) else _union_along(arrange(x), axes)
        for x, shape, arrange in zip(flags, shapes, arrangements, strict=True)
    ]
    shape = equation.outvars[0].aval.shape
    return joined(*[x if is_uniform(x) else jnp.broadcast_to(x, shape) for x in parts])


def without_numbers(equation, operands: Sequence, results: list, flags: Sequence[Flags], interval_of: Callable) -> list:
    """The results, where an operand may be no number: comparisons are undecided there, and so is what rests on order.

    A program asks for NaN by comparing (`isnan(x)` is `x != x`), so both branches of such a guard count.
    """
    name, undefined = equation.primitive.name, [has(x, UNDEFINED) for x in flags]
    points = all(isinstance(x, jax.Array | np.ndarray | np.generic) for x in operands)  # NaN or not, they are known
    if points or not any(x is not False for x in undefined):
        return results
    if name not in _TAKES_NAN and name not in _ORDERING:
        return results
    results = [interval_of(x) for x in results]
    some = functools.reduce(jnp.logical_or, undefined)
    if name in _COMPARISONS:
        some = jnp.any(some) if name == "is_extreme" else some
        result = results[0] if isinstance(results[0], Interval) else Interval.unchecked(results[0], results[0])
        some = jnp.broadcast_to(some, result.shape)
        return [Interval.unchecked(result.lower & ~some, result.upper | some)]
    of_floats = jnp.issubdtype(equation.invars[0].aval.dtype, jnp.floating)
    if name == "convert_element_type" and of_floats and not jnp.issubdtype(results[0].dtype, jnp.floating):
        lowest, highest = _extremes(results[0].dtype)
        result = as_interval(results[0])
        return [Interval.unchecked(jnp.where(some, lowest, result.lower), jnp.where(some, highest, result.upper))]
    if name == "pow" or (name == "integer_pow" and equation.params["y"] == 0):
        return [_power_of_no_number(results[0], undefined)]
    if name in _ORDERING:
        return [_any_order(equation, x, some) for x in results]
    return results


_COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "is_finite", "is_extreme"})
_TAKES_NAN = _COMPARISONS | {"convert_element_type", "pow", "integer_pow"}
_ORDERING = frozenset({"sort", "argmax", "argmin", "top_k"})


def _extremes(dtype):
    if dtype == jnp.bool_:
        return np.bool_(False), np.bool_(True)
    return (jnp.asarray(end, dtype) for end in (jnp.iinfo(dtype).min, jnp.iinfo(dtype).max))


def _power_of_no_number(result, undefined) -> Interval:
    """`NaN**0` and `1**NaN` are 1."""
    result = as_interval(result)
    lower, upper = jnp.minimum(result.lower, 1.0), jnp.maximum(result.upper, 1.0)
    some = functools.reduce(jnp.logical_or, undefined)
    return Interval.unchecked(jnp.where(some, lower, result.lower), jnp.where(some, upper, result.upper))


def _any_order(equation, result, some):
    """NaN is sorted behind all numbers, and is the largest for `argmax`: the others may be anywhere."""
    result, some = as_interval(result), jnp.any(some)
    if jnp.issubdtype(result.dtype, jnp.floating):
        lowest, highest = jnp.min(result.lower), jnp.max(result.upper)
    else:
        lowest, highest = (
            jnp.asarray(0, result.dtype),
            jnp.asarray(max(equation.invars[0].aval.shape) - 1, result.dtype),
        )
    return Interval.unchecked(jnp.where(some, lowest, result.lower), jnp.where(some, highest, result.upper))
