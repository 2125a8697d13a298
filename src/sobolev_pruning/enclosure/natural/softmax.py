"""softmax, its logarithm and log-sum-exp as operations of their own: no dependency loss, no overflow.

Entry i of softmax grows with x_i and falls with every other entry, log-sum-exp grows with all. So their ranges over a
box are known at its corners:

    softmax_i = logistic(x_i - A_i),    log softmax_i = -softplus(A_i - x_i),    A_i = log sum_(j != i) e^(x_j),

where the largest is the one of the largest x_i and the smallest others. `shift_invariance` puts them where programs
compute them by the usual stable formula. Entries of -inf, as masks make them, take no part.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import Primitive

from ..interval import Interval, as_interval
from ..scalar import arithmetic, transcendental
from ..scalar.activation_ranges import activation_range
from ..scalar.arithmetic import Operand
from ..scalar.rounding import largest
from .contraction import cumulative_sum, reduce_sum

log_sum_exp_p = Primitive("log_sum_exp")
"""`x, axes -> log sum_j e^(x_j)`, the axes left out."""
log_softmax_p = Primitive("log_softmax")
"""`x, log_sum_exp(x), axes -> x_i - log sum_j e^(x_j)`; the second operand serves affine forms."""
softmax_p = Primitive("softmax")
"""`x, log_softmax(x), axes -> e^(x_i) / sum_j e^(x_j)`."""


def log_sum_exp(x: Operand, *, axes: tuple[int, ...]) -> Interval:
    return _log_sum_exp(as_interval(x), axes)


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _log_sum_exp(x: Interval, axes: tuple[int, ...]) -> Interval:
    x = _axes_last(x, axes)
    sides = []
    for ends in (x.lower, x.upper):
        shift, exponentials = _exponentials(ends)
        total = transcendental.log(reduce_sum(exponentials, axes=(x.ndim - 1,)))
        sides.append(arithmetic.add(total, _point(shift[..., 0])))
    return _unless_peculiar(Interval.unchecked(sides[0].lower, sides[1].upper), x, keep=False)


def log_softmax(x: Operand, _total: Operand | None, *, axes: tuple[int, ...]) -> Interval:
    return _log_softmax(as_interval(x), axes)


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _log_softmax(x: Interval, axes: tuple[int, ...]) -> Interval:
    shape, x = x.shape, _axes_last(x, axes)
    if x.shape[-1] == 1:
        result = Interval.unchecked(jnp.zeros_like(x.lower), jnp.zeros_like(x.upper))
    else:
        beaten = arithmetic.negate(_lead(x))
        result = arithmetic.negate(activation_range(beaten, name="softplus", order=0))
        result = Interval.unchecked(jnp.minimum(result.lower, 0.0), jnp.minimum(result.upper, 0.0))
    return _axes_back(_unless_peculiar(result, x, keep=True), shape, axes)


def softmax(x: Operand, _logarithm: Operand | None, *, axes: tuple[int, ...]) -> Interval:
    return _softmax(as_interval(x), axes)


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _softmax(x: Interval, axes: tuple[int, ...]) -> Interval:
    shape, x = x.shape, _axes_last(x, axes)
    if x.shape[-1] == 1:
        result = Interval.unchecked(jnp.ones_like(x.lower), jnp.ones_like(x.upper))
    else:
        result = transcendental.logistic(_lead(x))
    return _axes_back(_unless_peculiar(result, x, keep=True), shape, axes)


def _lead(x: Interval) -> Interval:
    """The range of `x_i - A_i`, A_i the log-sum-exp of the others along the last axis."""
    upper_shift, upper_others = _exponentials_of_others(x.upper)
    lower_shift, lower_others = _exponentials_of_others(x.lower)
    least = arithmetic.subtract(arithmetic.subtract(_point(x.lower), upper_shift), transcendental.log(upper_others))
    most = arithmetic.subtract(arithmetic.subtract(_point(x.upper), lower_shift), transcendental.log(lower_others))
    return Interval.unchecked(least.lower, most.upper)


def _exponentials(x: Array) -> tuple[Array, Interval]:
    """A shift per row, and `e^(x - shift)`: none overflows where the row is finite."""
    bound = largest(x.dtype)
    shift = jnp.clip(jnp.max(x, axis=-1, keepdims=True), -bound, bound)
    return shift, transcendental.exp(arithmetic.subtract(_point(x), _point(shift)))


def _exponentials_of_others(x: Array) -> tuple[Interval, Interval]:
    """The shift, and the sum of the exponentials of all entries of the row but the one itself."""
    shift, exponentials = _exponentials(x)
    last = x.ndim - 1
    before = cumulative_sum(exponentials, axis=last, reverse=False)[..., :-1]
    after = cumulative_sum(exponentials, axis=last, reverse=True)[..., 1:]
    padding = [(0, 0)] * last
    before = jax.tree.map(lambda v: jnp.pad(v, [*padding, (1, 0)]), before)
    after = jax.tree.map(lambda v: jnp.pad(v, [*padding, (0, 1)]), after)
    total = arithmetic.add(before, after)
    return _point(shift), Interval.unchecked(jnp.maximum(total.lower, 0.0), total.upper)


def _point(x: Array) -> Interval:
    return Interval.unchecked(x, x)


def _axes_last(x: Interval, axes: tuple[int, ...]) -> Interval:
    """The axes as one, the last."""
    kept = [i for i in range(x.ndim) if i not in axes]
    return jax.tree.map(lambda v: jnp.transpose(v, [*kept, *axes]).reshape(*[v.shape[i] for i in kept], -1), x)


def _axes_back(x: Interval, shape: tuple[int, ...], axes: tuple[int, ...]) -> Interval:
    order = [*[i for i in range(len(shape)) if i not in axes], *axes]
    back = sorted(range(len(order)), key=order.__getitem__)
    return jax.tree.map(lambda v: jnp.transpose(v.reshape([shape[i] for i in order]), back), x)


def _unless_peculiar(result: Interval, x: Interval, keep: bool) -> Interval:
    """Empty where an entry of the row is, NaN where one is not an interval."""
    empty = jnp.any(x.is_empty(), axis=-1, keepdims=keep)
    unknown = jnp.any(x.is_nai(), axis=-1, keepdims=keep)
    lower, upper = (jnp.where(unknown, jnp.nan, v) for v in (result.lower, result.upper))
    return Interval.unchecked(jnp.where(empty, jnp.inf, lower), jnp.where(empty, -jnp.inf, upper))
