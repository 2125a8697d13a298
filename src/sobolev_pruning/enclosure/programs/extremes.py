"""Derivatives of the largest and smallest of an array: which elements it is.

JAX asks `x == max(x)` and divides by the count. Over a box that question is never decided, because both sides are
ranges; whether an element is at least as large as all others is, where the box is on one side of the kink.
"""

import jax.numpy as jnp
from jax.extend.core import Primitive, Var
from jax.extend.core import primitives as p

from ..interval import Interval, as_interval
from .equations import constant, operation, producers_of
from .shift_account import MOVERS, Uncovered, moved_axes

is_extreme_p = Primitive("is_extreme")
"""`x, axes, largest -> x == max(x)` along the axes, or `min`."""


def is_extreme(x, *, axes: tuple[int, ...], largest: bool) -> Interval:
    """`[certainly, possibly]`: NaN is possibly anything."""
    x = as_interval(x)
    if not largest:
        x = Interval.unchecked(-x.upper, -x.lower)
    highest = jnp.max(x.upper, axis=axes, keepdims=True)
    at_top = x.upper == highest
    beside = jnp.max(jnp.where(at_top, -jnp.inf, x.upper), axis=axes, keepdims=True)
    alone = jnp.sum(at_top, axis=axes, keepdims=True) == 1
    of_others = jnp.where(at_top & alone, beside, highest)
    return Interval.unchecked(x.lower >= of_others, ~(x.upper < jnp.max(x.lower, axis=axes, keepdims=True)))


def compared_directly(equations):
    """The equations with `x == max(x)` as operations of their own, and their count as 1 at least."""
    if not any(equation.primitive in (p.reduce_max_p, p.reduce_min_p) for equation in equations):
        return equations
    producers, masks, result = producers_of(equations), {}, []
    for equation in equations:
        first = equation.invars[0] if equation.invars and isinstance(equation.invars[0], Var) else None
        found = _mask(equation, producers)
        if found is not None:
            x, axes, largest = found
            masks[equation.outvars[0]] = axes
            result.append(operation(equation, is_extreme_p, [x], equation.outvars[0], axes=axes, largest=largest))
        elif first in masks and equation.primitive is p.reduce_sum_p and _axes(equation) == masks[first]:
            counted, one = Var(equation.outvars[0].aval), Var(equation.outvars[0].aval)
            result += [equation.replace(outvars=[counted]), constant(equation, 1.0, one)]
            result.append(operation(equation, p.max_p, [counted, one], equation.outvars[0]))
        else:
            result.append(equation)
            if first in masks and equation.primitive is p.convert_element_type_p:
                masks[equation.outvars[0]] = masks[first]
    return result


def _axes(reduction) -> tuple[int, ...]:
    return tuple(int(i) for i in reduction.params["axes"])


def _mask(equation, producers):
    """`(x, axes, largest)` where the equation is `x == max(x)`, the maximum put beside x again."""
    if equation.primitive is not p.eq_p:
        return None
    for x, extreme in (equation.invars, equation.invars[::-1]):
        chain = []
        while isinstance(extreme, Var) and extreme in producers and producers[extreme].primitive.name in MOVERS:
            chain.append(producers[extreme])
            extreme = chain[-1].invars[0]
        reduction = producers.get(extreme) if isinstance(extreme, Var) else None
        if reduction is None or reduction.primitive not in (p.reduce_max_p, p.reduce_min_p):
            continue
        if reduction.invars[0] is not x or not jnp.issubdtype(x.aval.dtype, jnp.floating):
            continue
        gone, shape = _axes(reduction), x.aval.shape
        try:
            axes = tuple(i if n > 1 else None for i, n in enumerate(shape) if i not in gone)
            for mover in reversed(chain):
                axes = moved_axes(mover, axes)
        except Uncovered:
            continue
        if axes == tuple(None if i in gone or n == 1 else i for i, n in enumerate(shape)):
            return x, gone, reduction.primitive is p.reduce_max_p
    return None
