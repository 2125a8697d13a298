"""Rules of the operations that move, choose or compare values without rounding them, on arrays of intervals."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import primitives as p

from ..interval import Interval, as_interval
from ..scalar.arithmetic import Operand, multiply
from ..scalar.rounding import down, largest, summation, tiny, up

# Primitive -> positions of the operands that hold values; None for all. The others are indices and must be points.
MOVING: dict[str, tuple[int, ...] | None] = {
    "reshape": (0,),
    "broadcast_in_dim": (0,),
    "transpose": (0,),
    "squeeze": (0,),
    "expand_dims": (0,),
    "rev": (0,),
    "slice": (0,),
    "dynamic_slice": (0,),
    "gather": (0,),
    "copy": (0,),
    "copy_p": (0,),
    "split": (0,),
    "device_put": None,
    "name": (0,),
    "sharding_constraint": (0,),
    "optimization_barrier": None,
    "concatenate": None,
    "stack": None,
    "unstack": (0,),
    "pad": (0, 1),
    "dynamic_update_slice": (0, 1),
    "scatter": (0, 2),
    "tile": (0,),
    "stop_gradient": (0,),
}


def moving_rule(primitive):
    """The rule of a primitive that moves values: the primitive itself, on lower and on upper endpoints."""
    positions = MOVING[primitive.name]

    def rule(*operands: Operand, **params):
        values = range(len(operands)) if positions is None else positions
        refuse_moving_indices(primitive.name, [x for i, x in enumerate(operands) if i not in values])
        sides = []
        for side in ("lower", "upper"):
            ends = [getattr(as_interval(x), side) if i in values else x for i, x in enumerate(operands)]
            sides.append(primitive.bind(*ends, **params))
        if primitive.multiple_results:
            return [Interval.unchecked(*ends) for ends in zip(*sides)]
        return Interval.unchecked(*sides)

    return rule


def refuse_moving_indices(name: str, indices) -> None:
    from ..registry import EnclosureError

    if any(isinstance(index, Interval) for index in indices):
        raise EnclosureError(
            f"enclose: an index of {name} depends on the box, so which element it takes is not known; "
            "compute indices from points, or choose with jnp.where."
        )


def monotone_reduction(primitive):
    """Rule of a reduction that is increasing in every element, such as `reduce_max`: an empty element empties it."""

    def rule(a: Operand, **params) -> Interval:
        a = as_interval(a)
        lower, upper = primitive.bind(a.lower, **params), primitive.bind(a.upper, **params)
        if not jnp.issubdtype(a.dtype, jnp.floating):
            return Interval.unchecked(lower, upper)
        if "axes" in params:
            empty = jnp.any(a.is_empty(), axis=params["axes"])
        else:
            counts = lax.cumsum(a.is_empty().astype(jnp.int32), axis=params["axis"], reverse=params["reverse"])
            empty = counts > 0
        return Interval.unchecked(jnp.where(empty, jnp.inf, lower), jnp.where(empty, -jnp.inf, upper))

    return rule


def sort(*operands: Operand, dimension: int, is_stable: bool, num_keys: int):
    """Sorting one array of intervals: the k-th smallest is increasing in every element. Sorting by points moves."""
    from ..registry import EnclosureError

    def bind(arrays):
        return p.sort_p.bind(*arrays, dimension=dimension, is_stable=is_stable, num_keys=num_keys)

    if len(operands) == 1:
        a = as_interval(operands[0])
        return [Interval.unchecked(bind([a.lower])[0], bind([a.upper])[0])]
    if any(isinstance(key, Interval) for key in operands[:num_keys]):
        raise EnclosureError(
            "enclose: arrays are sorted by keys that depend on the box, so their order is not known; "
            "sort by points, or sort a single array."
        )
    lower = bind([x.lower if isinstance(x, Interval) else x for x in operands])
    upper = bind([x.upper if isinstance(x, Interval) else x for x in operands])
    results = zip(operands, lower, upper)
    return [Interval.unchecked(low, high) if isinstance(x, Interval) else low for x, low, high in results]


def scatter_add(a: Operand, indices, updates: Operand, **params) -> Interval:
    """Each element may receive any number of updates, so each is bounded as the longest possible sum."""
    refuse_moving_indices("scatter-add", [indices])
    a, updates = as_interval(a), as_interval(updates)
    gamma = summation(updates.size + 1, a.dtype)
    bound = largest(a.dtype)

    def scattered(x, y):
        return p.scatter_add_p.bind(x, indices, y, **params)

    def clipped(x):
        return jnp.abs(jnp.clip(x, -bound, bound))

    ends = []
    for side, rounded in (("lower", down), ("upper", up)):
        x, y = getattr(a, side), getattr(updates, side)
        size = scattered(clipped(x), clipped(y))
        error = size * (gamma * (1 + 4 * gamma)) + (updates.size + 1) * tiny(a.dtype)
        total = rounded(scattered(x, y), absolute=error)
        ends.append(jnp.where(jnp.isnan(total), -jnp.inf if side == "lower" else jnp.inf, total))
    marks = scattered(
        (a.is_empty() | a.is_nai()).astype(a.dtype), (updates.is_empty() | updates.is_nai()).astype(a.dtype)
    )
    return Interval.unchecked(*(jnp.where(marks > 0, jnp.nan, x) for x in ends))


def reduce_product(a: Operand, *, axes, **_) -> Interval:
    a = as_interval(a)
    for axis in sorted(axes, reverse=True):
        a = _product_along(a, axis)
    return a


@functools.partial(jax.jit, static_argnums=1)
def _product_along(a: Interval, axis: int) -> Interval:
    a = jax.tree.map(lambda x: jnp.moveaxis(x, axis, 0), a)
    result = None
    while a.shape[0]:
        half = a.shape[0] // 2
        if a.shape[0] % 2:
            result = a[-1] if result is None else multiply(result, a[-1])
        a = multiply(a[:half], a[half : 2 * half])
    return (
        jax.tree.map(jnp.ones_like, Interval.unchecked(a.lower[0:0].sum(0), a.lower[0:0].sum(0)))
        if (result is None)
        else result
    )


def cumulative_product(a: Operand, *, axis: int, reverse: bool) -> Interval:
    return lax.associative_scan(multiply, as_interval(a), axis=axis, reverse=reverse)
