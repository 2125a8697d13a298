"""Affine rules of linear operations: exact on center and coefficients, up to rounding, which goes to the error."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import primitives as p

from ..interval import Interval, as_interval
from ..natural import contraction
from ..scalar import arithmetic
from ..scalar.rounding import roundoff, summation, tiny
from .form import (
    AffineForm,
    Block,
    aligned,
    deviation,
    lift,
    no_rows,
    over_rows,
    polynomials,
    promotable,
    rounded_error,
)


def negate(a: AffineForm) -> AffineForm:
    return a.with_parts(-a.center, -a.polynomial, -a.noise, a.error, -a.range)


def as_form(value, shape) -> AffineForm:
    """Points and intervals among the operands of an affine operation."""
    if isinstance(value, AffineForm):
        if value.shape == shape:
            return value
        return value.mapped(lambda x: jnp.broadcast_to(x, shape))
    if isinstance(value, Interval):
        return lift(Interval.unchecked(jnp.broadcast_to(value.lower, shape), jnp.broadcast_to(value.upper, shape)))
    return point_form(jnp.broadcast_to(jnp.asarray(value), shape))


def point_form(value: Array) -> AffineForm:
    # A denormal point is taken for 0 by the arithmetic; `tiny` of error covers that.
    error = jnp.full(value.shape, tiny(value.dtype), value.dtype)
    return AffineForm(value, no_rows(value), no_rows(value), error, as_interval(value), (), False, 0)


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
    (noise_a, noise_b), blocks = aligned([a, b])
    polynomial_a, polynomial_b, linear = polynomials(a, b)
    polynomial, exact_polynomial = _sum_of_rows(polynomial_a, polynomial_b, a.linear, b.linear, sign)
    noise, exact_noise = _sum_of_rows(noise_a, noise_b, a.blocks, b.blocks, sign)
    spread = jnp.zeros_like(center)
    if not exact_polynomial:
        spread = spread + deviation(polynomial)
    if not exact_noise:
        spread = spread + deviation(noise)
    error = (a.error + b.error) * (1 + 4 * roundoff(a.dtype))
    error = error + rounded_error(center, spread, 1, polynomial.shape[0] + noise.shape[0], a.dtype)
    significant = a.significant or b.significant
    return AffineForm(center, polynomial, noise, error, natural, blocks, significant, linear)


def _sum_of_rows(of_a, of_b, in_a, in_b, sign: int):
    """The sum, and whether it is exact because one of the two is zero."""
    if not in_b:
        return of_a, True
    return (sign * of_b, True) if not in_a else (of_a + sign * of_b, False)


def scale(a: AffineForm, factor: Array | np.ndarray) -> AffineForm:
    """`factor a` for a point `factor`."""
    shape = common_shape(a, factor)
    a, factor = as_form(a, shape), jnp.broadcast_to(jnp.asarray(factor, a.dtype), shape)
    center, polynomial, noise = factor * a.center, factor[None] * a.polynomial, factor[None] * a.noise
    size = jnp.abs(factor)
    error = size * a.error * (1 + 4 * roundoff(a.dtype))
    error = error + rounded_error(center, size * a.deviation(), 2, a.symbols, a.dtype)
    # A denormal factor is taken for 0.
    flushed = tiny(a.dtype) * (jnp.abs(a.center) + a.radius())
    natural = arithmetic.multiply(a.range, factor)
    return a.with_parts(center, polynomial, noise, error + flushed, natural)


def move(primitive, operands, params, positions):
    """A primitive that moves values, applied to every part of the forms among its operands."""
    index = [i for i in (range(len(operands)) if positions is None else positions)]
    forms = {i: as_form(operands[i], operands[i].shape) for i in index}
    noise, blocks = aligned([forms[i] for i in index])
    linear, rows = max((form.linear, form.polynomial.shape[0]) for form in forms.values())
    polynomial = [
        forms[i].polynomial if forms[i].linear else jnp.zeros((rows, *forms[i].shape), forms[i].dtype) for i in index
    ]

    def bind(part):
        return primitive.bind(*[part(i) if i in forms else x for i, x in enumerate(operands)], **params)

    def over(stacked):
        """The primitive on each row of symbols."""
        if not stacked[0].shape[0]:
            return None
        return jax.vmap(lambda *parts: bind(lambda i: dict(zip(index, parts))[i]))(*stacked)

    center = bind(lambda i: forms[i].center)
    error = bind(lambda i: forms[i].error)
    lower, upper = bind(lambda i: forms[i].range.lower), bind(lambda i: forms[i].range.upper)
    of_polynomial, of_noise = over(polynomial), over(noise)
    significant = any(form.significant for form in forms.values())

    def build(center, polynomial, noise, error, lower, upper):
        polynomial, noise = (no_rows(center) if part is None else part for part in (polynomial, noise))
        natural = Interval.unchecked(lower, upper)
        return AffineForm(center, polynomial, noise, error, natural, blocks, significant, linear)

    if not primitive.multiple_results:
        return build(center, of_polynomial, of_noise, error, lower, upper)
    of_polynomial, of_noise = ([None] * len(center) if x is None else x for x in (of_polynomial, of_noise))
    return [build(*parts) for parts in zip(center, of_polynomial, of_noise, error, lower, upper)]


def reduce_sum(a: AffineForm, *, axes, **_) -> AffineForm:
    axes = tuple(int(i) for i in axes)
    count = math.prod(a.shape[i] for i in axes)
    return sum_by(a, count, lambda x: jnp.sum(x, axis=axes), contraction.reduce_sum(a.range, axes=axes))


def cumulative_sum(a: AffineForm, *, axis: int, reverse: bool) -> AffineForm:
    natural = contraction.cumulative_sum(a.range, axis=axis, reverse=reverse)
    return sum_by(a, a.shape[axis], lambda x: lax.cumsum(x, axis=axis, reverse=reverse), natural)


def sum_by(a: AffineForm, count: int, total, natural: Interval) -> AffineForm:
    gamma = summation(count, a.dtype)
    center = total(a.center)
    size = total(jnp.abs(a.center) + a.deviation())
    error = (total(a.error) + gamma * size) * (1 + 4 * gamma)
    error = error + (a.symbols + 4) * (count + 1) * tiny(a.dtype)
    return a.with_parts(center, over_rows(total, a.polynomial), over_rows(total, a.noise), error, natural)


def scatter_add(a, indices, updates, **params) -> AffineForm:
    a, updates = as_form(a, a.shape), as_form(updates, updates.shape)
    noise, blocks = aligned([a, updates])
    *polynomial, linear = polynomials(a, updates)
    count = updates.size + 1
    gamma = summation(count, a.dtype)

    def total(x, y):
        return p.scatter_add_p.bind(x, indices, y, **params)

    from ..natural.structural import scatter_add as natural_rule

    center = total(a.center, updates.center)
    of_polynomial, of_noise = (
        jax.vmap(total)(*parts) if parts[0].shape[0] else no_rows(center) for parts in (polynomial, noise)
    )
    size = total(jnp.abs(a.center) + a.deviation(), jnp.abs(updates.center) + updates.deviation())
    error = (total(a.error, updates.error) + gamma * size) * (1 + 4 * gamma)
    error = error + (of_polynomial.shape[0] + of_noise.shape[0] + 4) * (count + 1) * tiny(a.dtype)
    natural = natural_rule(a.range, indices, updates.range, **params)
    significant = a.significant or updates.significant
    return AffineForm(center, of_polynomial, of_noise, error, natural, blocks, significant, linear)


def dot_general(a, b, *, dimension_numbers, number: int | None = None, **_) -> AffineForm:
    """One operand is a form, the other an array of points or of (narrow) intervals.

    With a `number`, the error of the form is first promoted to a block of that number (see `promotes_by_rows`).
    """
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
    (contract_form, contract_factor), (batch_form, batch_factor) = numbers
    shifted = (
        (tuple(i + 1 for i in contract_form), contract_factor),
        (tuple(i + 1 for i in batch_form), batch_factor),
    )

    def rows(parts):
        if not parts.shape[0]:
            return no_rows(center)
        return ordered(contraction.plain_dot(parts, factor, shifted, form.dtype), 1)

    polynomial, noise = rows(form.polynomial), rows(form.noise)
    blocks, significant, own_error = form.blocks, form.significant, form.error
    size = jnp.abs(form.center) + form.deviation()
    if number is not None:
        # The new rows are multiples of the factor's: no product of matrices.
        new, own_error = promotable(form)
        weights = jnp.moveaxis(factor, contract_factor[0], 0).reshape(form.size, *center.shape)
        noise = jnp.concatenate([noise, new.reshape(-1, *(1,) * center.ndim) * weights])
        size = size + new
        blocks, significant = (*blocks, Block(number, form.size)), False
    inflate = 1 + 8 * gamma
    error = dot((own_error + gamma * size) * inflate, jnp.abs(factor))
    if uncertainty is not None:
        error = error + dot((size + own_error) * inflate, uncertainty)
    # Flushed products, and denormal factors taken for 0.
    symbols = polynomial.shape[0] + noise.shape[0]
    flushed = jnp.sum(size + own_error + 4) * (tiny(form.dtype) * (symbols + 2))
    error = error * inflate + flushed
    return AffineForm(center, polynomial, noise, error, natural, blocks, significant, form.linear)


def promotes_by_rows(a, b, dimension_numbers) -> bool:
    """Whether the product is one of a vector and a matrix of points, so that each element's error makes one row."""
    (contract_a, contract_b), (batch, _) = dimension_numbers
    form, factor, contract = (a, b, contract_a) if isinstance(a, AffineForm) else (b, a, contract_b)
    if isinstance(factor, Interval) or batch or len(contract) != 1:
        return False
    return form.significant and form.shape[contract[0]] == form.size


def _range(value):
    return value.range if isinstance(value, AffineForm) else value
