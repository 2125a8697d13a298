"""How decorations pass from the operands of an equation to its results, and what NaN among operands does to results."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .decorations import (
    JUMPS,
    UNDEFINED,
    UNPROVED,
    Flags,
    anywhere,
    full,
    has,
    is_uniform,
    joined,
    of_constant,
    union_along,
    where,
)
from .interval import Interval, as_interval
from .natural import structural
from .natural.contraction import arranged
from .natural.rules import ELEMENTWISE
from .registry import user_rule
from .smoothness import LOCAL, depends

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
    if user is not None and depends(*ranges()):
        own = (0 if user.guaranteed else UNPROVED) | (0 if user.smooth else UNDEFINED | JUMPS)
    if local is not None:
        bounds = ranges()
        own = local(*bounds, **equation.params)
        if not depends(*bounds):
            own = jax.tree.map(of_constant, own)
    if equation.primitive.name in _COMPARISONS:  # they change where an operand ceases to be a number
        own = joined(own, *[where(has(x, UNDEFINED), JUMPS) for x in flags])
    carried = _carried(equation, operands, flags)
    return [joined(*both) for both in zip(own if isinstance(own, list) else [own] * len(carried), carried)]


def of_decided(result, flags: Flags) -> Flags:
    """The decoration of a comparison: one that comes out the same all over the box is a constant."""
    if not isinstance(result, Interval) or (isinstance(flags, int) and flags == of_constant(flags)):
        return flags
    return jnp.where(result.lower == result.upper, full(of_constant(flags), result.shape), full(flags, result.shape))


def _carried(equation, operands: Sequence, flags: Sequence[Flags]) -> list[Flags]:
    """Operands' decorations, where the operation puts them."""
    name, params = equation.primitive.name, equation.params
    if name == "some_number":  # nothing depends on which
        return [of_constant(x) for x in flags]
    if all(map(is_uniform, flags)):
        return [joined(*flags)] * len(equation.outvars)
    if name == "select_n":
        return [_chosen(operands[0], flags, equation.outvars[0].aval.shape)]
    if name in structural.MOVING:
        return _moved(equation, operands, flags)
    if name in _REDUCTIONS:
        return [union_along(flags[0], tuple(int(i) for i in params["axes"]))]
    if name in _BY_ROWS:
        return [jnp.broadcast_to(union_along(flags[0], params["axes"], keepdims=True), flags[0].shape)]
    if name in _CUMULATIVE:
        return [jnp.broadcast_to(union_along(flags[0], (params["axis"],), keepdims=True), flags[0].shape)]
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
    params = equation.params
    if params.get("fill_value") is not None:  # NaN, for elements that are not there
        params = params | {"fill_value": UNDEFINED}
    results = equation.primitive.bind(*moved, **params)
    return list(results) if equation.primitive.multiple_results else [results]


def _of_products(equation, flags) -> Flags:
    """Each product of rows is as smooth as the elements that enter it."""
    shapes = [variable.aval.shape for variable in equation.invars]
    *arrangements, axes = arranged(*shapes, equation.params["dimension_numbers"])
    parts = [
        x if is_uniform(x) else union_along(arrange(x), axes)
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


ORDER = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
_COMPARISONS = ORDER | {"is_finite", "is_extreme"}
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
