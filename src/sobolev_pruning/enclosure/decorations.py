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

from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from .interval import BENT as BENT
from .interval import CUSTOM as CUSTOM
from .interval import JUMPS as JUMPS
from .interval import KINKED as KINKED
from .interval import UNDEFINED as UNDEFINED
from .interval import UNPROVED as UNPROVED

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
    return flags if is_uniform(flags) else union_along(flags, tuple(range(flags.ndim)))


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


def of_constant(flags: Flags) -> Flags:
    """What is left of a decoration where nothing depends on the box: such a value is smooth, if it is a number."""
    kept = UNDEFINED | UNPROVED
    return flags & kept if isinstance(flags, int) else flags & np.uint8(kept)


def has(flags: Flags, flag: int):
    """Where the flag is set; a `bool` where that is known when the program is traced."""
    return bool(flags & flag) if isinstance(flags, int) else (flags & np.uint8(flag)) != 0


def kink_for_jump(flags: Flags) -> Flags:
    """The decoration of a choice between cases that are equal where it changes."""
    changed = has(flags, JUMPS)
    if isinstance(changed, bool):
        return (flags & ~JUMPS) | KINKED if changed else flags
    return jnp.where(changed, (flags & np.uint8(255 - JUMPS)) | np.uint8(KINKED), flags)


def union_along(flags: Array, axes: tuple[int, ...], keepdims: bool = False) -> Array:
    result = lax.reduce(jnp.asarray(flags), np.uint8(0), lax.bitwise_or, axes) if axes else flags
    return jnp.expand_dims(result, axes) if keepdims else result
