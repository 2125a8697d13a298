"""Affine rules of linear operations: exact on center and coefficients, up to rounding, which goes to the error."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import primitives as p

from . import arithmetic, contraction
from .affine_form import AffineForm, aligned, deviation, lift, narrowed, rounded_error
from .interval import Interval, as_interval
from .rounding import roundoff, summation, tiny


def negate(a: AffineForm) -> AffineForm:
    return AffineForm(-a.center, -a.coefficients, a.error, -a.range, a.blocks, a.significant)


def as_form(value, shape) -> AffineForm:
    """Points and intervals among the operands of an affine operation."""
    if isinstance(value, AffineForm):
        if value.shape == shape:
            return value
        return jax.tree.map(
            lambda x: jnp.broadcast_to(jnp.reshape(x, x.shape + (1,) * len(shape)), x.shape + shape)
            if value.ndim == 0 else x, value
        )
    if isinstance(value, Interval):
        return lift(Interval.unchecked(jnp.broadcast_to(value.lower, shape), jnp.broadcast_to(value.upper, shape)))
    return point_form(jnp.broadcast_to(jnp.asarray(value), shape))


def point_form(value: Array) -> AffineForm:
    exact = as_interval(value)
    # A denormal point is taken for 0 by the arithmetic; `tiny` of error covers that.
    error = jnp.full(value.shape, tiny(value.dtype), value.dtype)
    return AffineForm(value, jnp.zeros((0, *value.shape), value.dtype), error, exact, (), False)


def common_shape(*values):
    return jnp.broadcast_shapes(*[jnp.shape(x) if not hasattr(x, "shape") else x.shape for x in values])


def add(a, b) -> AffineForm:
    return _combine(a, b, 1)


def subtract(a, b) -> AffineForm:
    return _combine(a, b, -1)


def _combine(a, b, sign: int) -> AffineForm:
    shape = common_shape(a, b)
    a, b = as_form(a, shape), as_form(b, shape)
    natural = arithmetic.add(a.range, b.range) if sign > 0 else arithmetic.subtract(a.range, b.range)
    center = a.center + sign * b.center
    if not b.blocks:
        coefficients, blocks, operations = a.coefficients, a.blocks, 0
    elif not a.blocks:
        coefficients, blocks, operations = sign * b.coefficients, b.blocks, 0
    else:
        (of_a, of_b), blocks = aligned([a, b])
        coefficients, operations = of_a + sign * of_b, 1
    spread = deviation(coefficients) if operations else jnp.zeros_like(center)
    error = (a.error + b.error) * (1 + 4 * roundoff(a.dtype))
    error = error + rounded_error(center, spread, 1, coefficients.shape[0], a.dtype)
    return narrowed(center, coefficients, error, natural, blocks, a.significant or b.significant)


def scale(a: AffineForm, factor: Array | np.ndarray) -> AffineForm:
    """`factor a` for a point `factor`."""
    shape = common_shape(a, factor)
    a, factor = as_form(a, shape), jnp.broadcast_to(jnp.asarray(factor, a.dtype), shape)
    center, coefficients = factor * a.center, factor[None] * a.coefficients
    size = jnp.abs(factor)
    error = size * a.error * (1 + 4 * roundoff(a.dtype))
    error = error + rounded_error(center, deviation(coefficients), 1, coefficients.shape[0], a.dtype)
    # A denormal factor is taken for 0.
    flushed = tiny(a.dtype) * (jnp.abs(a.center) + a.radius())
    natural = arithmetic.multiply(a.range, factor)
    return narrowed(center, coefficients, error + flushed, natural, a.blocks, a.significant)


def move(primitive, operands, params, positions):
    """A primitive that moves values, applied to every part of the forms among its operands."""
    index = [i for i in (range(len(operands)) if positions is None else positions)]
    forms = {i: as_form(operands[i], operands[i].shape) for i in index}
    coefficients, blocks = aligned([forms[i] for i in index])
    spread = dict(zip(index, coefficients))

    def bind(part, **_):
        return primitive.bind(*[part(i) if i in forms else x for i, x in enumerate(operands)], **params)

    def over_symbols(*stacked):
        held = dict(zip(index, stacked))
        return bind(lambda i: held[i])

    center = bind(lambda i: forms[i].center)
    error = bind(lambda i: forms[i].error)
    lower, upper = bind(lambda i: forms[i].range.lower), bind(lambda i: forms[i].range.upper)
    moved = jax.vmap(over_symbols)(*[spread[i] for i in index]) if blocks else None
    significant = any(form.significant for form in forms.values())

    def build(center, moved, error, lower, upper):
        moved = jnp.zeros((0, *center.shape), center.dtype) if moved is None else moved
        return AffineForm(center, moved, error, Interval.unchecked(lower, upper), blocks, significant)

    if not primitive.multiple_results:
        return build(center, moved, error, lower, upper)
    moved = [None] * len(center) if moved is None else moved
    return [build(*parts) for parts in zip(center, moved, error, lower, upper)]


def reduce_sum(a: AffineForm, *, axes, **_) -> AffineForm:
    axes = tuple(int(i) for i in axes)
    count = math.prod(a.shape[i] for i in axes)
    return _sum_by(a, count, lambda x: jnp.sum(x, axis=axes), contraction.reduce_sum(a.range, axes=axes))


def cumulative_sum(a: AffineForm, *, axis: int, reverse: bool) -> AffineForm:
    natural = contraction.cumulative_sum(a.range, axis=axis, reverse=reverse)
    return _sum_by(a, a.shape[axis], lambda x: lax.cumsum(x, axis=axis, reverse=reverse), natural)


def _sum_by(a: AffineForm, count: int, total, natural: Interval) -> AffineForm:
    gamma = summation(count, a.dtype)
    center = total(a.center)
    coefficients = jax.vmap(total)(a.coefficients) if a.blocks else jnp.zeros((0, *center.shape), a.dtype)
    size = total(jnp.abs(a.center) + a.deviation())
    error = (total(a.error) + gamma * size) * (1 + 4 * gamma)
    error = error + (a.coefficients.shape[0] + 4) * (count + 1) * tiny(a.dtype)
    return narrowed(center, coefficients, error, natural, a.blocks, a.significant)


def scatter_add(a, indices, updates, **params) -> AffineForm:
    a, updates = as_form(a, a.shape), as_form(updates, updates.shape)
    (of_a, of_updates), blocks = aligned([a, updates])
    count = updates.size + 1
    gamma = summation(count, a.dtype)

    def total(x, y):
        return p.scatter_add_p.bind(x, indices, y, **params)

    from .structural import scatter_add as natural_rule

    center = total(a.center, updates.center)
    coefficients = jax.vmap(total)(of_a, of_updates) if blocks else jnp.zeros((0, *center.shape), a.dtype)
    size = total(jnp.abs(a.center) + a.deviation(), jnp.abs(updates.center) + updates.deviation())
    error = (total(a.error, updates.error) + gamma * size) * (1 + 4 * gamma)
    error = error + (coefficients.shape[0] + 4) * (count + 1) * tiny(a.dtype)
    natural = natural_rule(a.range, indices, updates.range, **params)
    return narrowed(center, coefficients, error, natural, blocks, a.significant or updates.significant)


def dot_general(a, b, *, dimension_numbers, **_) -> AffineForm:
    """One operand is a form, the other an array of points or of (narrow) intervals."""
    (contract_a, contract_b), (batch_a, batch_b) = dimension_numbers
    numbers = ((tuple(contract_a), tuple(contract_b)), (tuple(batch_a), tuple(batch_b)))
    natural = contraction.dot_general(_range(a), _range(b), dimension_numbers=numbers)
    first = isinstance(a, AffineForm)
    form, factor = (a, b) if first else (b, a)
    if not first:
        numbers = (numbers[0][::-1], numbers[1][::-1])
    if isinstance(factor, Interval):
        factor, uncertainty = contraction.midpoint_radius(factor)
    else:
        uncertainty = None
    count = math.prod(form.shape[i] for i in numbers[0][0])
    gamma = summation(count, form.dtype)

    # The form always comes first, symbols leading; the result is put in the order of the program afterwards.
    n_batch = len(numbers[1][0])
    n_form = form.ndim - n_batch - len(numbers[0][0])
    n_factor = factor.ndim - n_batch - len(numbers[0][0])

    def ordered(x, leading):
        order = list(range(n_batch))
        of_form = list(range(n_batch + leading, n_batch + leading + n_form))
        of_factor = list(range(n_batch + leading + n_form, n_batch + leading + n_form + n_factor))
        symbols = [n_batch] if leading else []
        target = [*symbols, *order, *of_form, *of_factor] if first else [*symbols, *order, *of_factor, *of_form]
        return x if target == list(range(x.ndim)) else jnp.transpose(x, target)

    def dot(x, y):
        return ordered(contraction.plain_dot(x, y, numbers, form.dtype), 0)

    center = dot(form.center, factor)
    if form.blocks:
        (contract_form, contract_factor), (batch_form, batch_factor) = numbers
        shifted = (
            (tuple(i + 1 for i in contract_form), contract_factor),
            (tuple(i + 1 for i in batch_form), batch_factor),
        )
        coefficients = ordered(contraction.plain_dot(form.coefficients, factor, shifted, form.dtype), 1)
    else:
        coefficients = jnp.zeros((0, *center.shape), form.dtype)
    size = jnp.abs(form.center) + form.deviation()
    inflate = 1 + 8 * gamma
    error = dot((form.error + gamma * size) * inflate, jnp.abs(factor))
    if uncertainty is not None:
        error = error + dot((size + form.error) * inflate, uncertainty)
    # Flushed products, and denormal factors taken for 0.
    flushed = jnp.sum(size + form.error + 4) * (tiny(form.dtype) * (coefficients.shape[0] + 2))
    return narrowed(center, coefficients, error * inflate + flushed, natural, form.blocks, form.significant)


def _range(value):
    return value.range if isinstance(value, AffineForm) else value
