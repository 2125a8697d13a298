"""Affine rules of softmax and log-sum-exp, the remainder and sums in windows; curves of further functions."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import primitives as p

from ..interval import Interval
from ..natural import selection, softmax
from ..scalar import arithmetic, further_functions, planar_functions
from ..scalar.rounding import largest
from . import linear as affine_linear
from . import univariate as affine_univariate
from .form import AffineForm, lift
from .linear import as_form
from .univariate import Curve


def _constant(a: Interval, value: float) -> Interval:
    """A constant that is no floating number, with those beside it."""
    near = np.asarray(value, a.dtype)
    ends = (np.nextafter(near, np.asarray(side, a.dtype)) for side in (-np.inf, np.inf))
    return Interval.unchecked(*(jnp.full(a.shape, end, a.dtype) for end in ends))


def _one_minus_square(a: Interval) -> Interval:
    return arithmetic.subtract(jnp.ones_like(a.lower), arithmetic.square(a))


def _inverse_of_cubed_root(a: Interval) -> Interval:
    """`a^(-3/2)` of what is not negative."""
    return arithmetic.integer_power(arithmetic.square_root(a), -3)


def _asin_second(a: Interval) -> Interval:
    # x (1 - x^2)^(-3/2)
    return arithmetic.multiply(a, _inverse_of_cubed_root(_one_minus_square(a)))


def _asinh_second(a: Interval) -> Interval:
    # -x (1 + x^2)^(-3/2)
    base = arithmetic.add(arithmetic.square(a), jnp.ones_like(a.lower))
    return arithmetic.negate(arithmetic.multiply(a, _inverse_of_cubed_root(base)))


def _acosh_second(a: Interval) -> Interval:
    # -x (x^2 - 1)^(-3/2)
    return arithmetic.negate(arithmetic.multiply(a, _inverse_of_cubed_root(arithmetic.negate(_one_minus_square(a)))))


def _atanh_second(a: Interval) -> Interval:
    # 2 x (1 - x^2)^-2
    return arithmetic.multiply(_doubled(a), arithmetic.integer_power(_one_minus_square(a), -2))


def _doubled(a: Interval) -> Interval:
    return arithmetic.multiply(a, jnp.full(a.shape, 2.0, a.dtype))


def _tan_second(a: Interval) -> Interval:
    # 2 t (1 + t^2)
    t = further_functions.tan(a)
    return arithmetic.multiply(_doubled(t), arithmetic.add(arithmetic.square(t), jnp.ones_like(t.lower)))


def _cbrt_second(a: Interval) -> Interval:
    # -2/9 x^(-5/3)
    root = arithmetic.integer_power(further_functions.cbrt(a), -5)
    return arithmetic.multiply(root, _constant(a, -2 / 9))


def _exp2_second(a: Interval) -> Interval:
    return arithmetic.multiply(further_functions.exp2(a), _constant(a, math.log(2) ** 2))


CURVES = {
    p.tan_p: Curve(further_functions.tan, _tan_second),
    p.asin_p: Curve(further_functions.asin, _asin_second),
    p.acos_p: Curve(further_functions.acos, lambda a: arithmetic.negate(_asin_second(a))),
    p.asinh_p: Curve(further_functions.asinh, _asinh_second),
    p.acosh_p: Curve(further_functions.acosh, _acosh_second),
    p.atanh_p: Curve(further_functions.atanh, _atanh_second),
    p.cbrt_p: Curve(further_functions.cbrt, _cbrt_second),
    p.exp2_p: Curve(further_functions.exp2, _exp2_second),
}


def within(method, form: AffineForm, natural: Interval) -> AffineForm:
    """The form, its range no wider than `natural`."""
    form = method.tight(form)
    # Where a point is infinite, as in `max(x, -inf)`, the form is made of differences that say nothing.
    known = jnp.isfinite(form.center) & ~form.range.is_nai()
    own = jax.tree.map(lambda x, y: jnp.where(known, x, y), form.range, natural)
    return form.with_parts(form.center, form.polynomial, form.noise, form.error, own.intersection(natural))


def log_sum_exp(method, x: AffineForm, *, axes) -> AffineForm:
    """`s + log sum e^(x - s)`, s the largest center."""
    bound = largest(x.dtype)
    shift = jax.lax.stop_gradient(jnp.clip(jnp.max(x.center, axis=axes, keepdims=True), -bound, bound))
    shift = jnp.where(jnp.isnan(shift), 0.0, shift)
    moved = method.tight(affine_linear.subtract(x, jnp.broadcast_to(shift, x.shape)))
    terms = method.shared(affine_univariate.apply(moved, affine_univariate.CURVES["exp"]))
    total = method.tight(affine_linear.reduce_sum(terms, axes=axes))
    result = affine_univariate.apply(total, affine_univariate.CURVES["log"])
    natural = softmax.log_sum_exp(method.interval_of(x), axes=axes)
    return within(method, affine_linear.add(result, jnp.squeeze(shift, axes)), natural)


def log_softmax(method, x, total, *, axes) -> AffineForm:
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    shape = x.shape
    spread = as_form(total, total.shape).mapped(
        lambda v: jnp.broadcast_to(jnp.expand_dims(v, axes), shape) if kept else jnp.broadcast_to(v, shape)
    )
    natural = softmax.log_softmax(method.interval_of(x), None, axes=axes)
    return within(method, affine_linear.subtract(x, spread), natural)


def softmax_of_form(method, x, logarithm, *, axes) -> AffineForm:
    form = affine_univariate.apply(method.tight(logarithm), affine_univariate.CURVES["exp"])
    return within(method, form, softmax.softmax(method.interval_of(x), None, axes=axes))


def remainder(method, x, y, **_) -> AffineForm | None:
    """`x - n abs(y)` where the quotient is n over the box, the range elsewhere."""
    shape = affine_linear.common_shape(x, y)
    ranges = [method.interval_of(v) for v in (x, y)]
    natural = planar_functions.remainder(*ranges)
    x, y = (method.tight(as_form(v, shape)) for v in (x, y))
    known, count = planar_functions.constant_quotient(x.range, y.range)
    sign = jnp.where(y.range.lower > 0, 1.0, -1.0)
    line = affine_linear.subtract(
        affine_linear.scale(x, known.astype(x.dtype)), affine_linear.scale(y, jnp.where(known, count * sign, 0.0))
    )
    rest = lift(Interval.unchecked(jnp.where(known, 0.0, natural.lower), jnp.where(known, 0.0, natural.upper)))
    return within(method, affine_linear.add(line, rest), natural)


def sum_in_windows(method, a, **params) -> AffineForm:
    natural = selection.sum_in_windows(method.interval_of(a), **params)
    count = math.prod(params["window_dimensions"])
    return affine_linear.sum_by(method.shared(a), count, lambda x: p.reduce_window_sum_p.bind(x, **params), natural)


RULES = {
    softmax.log_sum_exp_p: log_sum_exp,
    softmax.log_softmax_p: log_softmax,
    softmax.softmax_p: softmax_of_form,
    p.rem_p: remainder,
    p.reduce_window_sum_p: sum_in_windows,
    **{
        primitive: (lambda method, a, curve=curve, **_: affine_univariate.apply(method.tight(a), curve))
        for primitive, curve in CURVES.items()
    },
}
"""By primitive: `rule(method, *operands, **params)`; None for an operand that has no affine rule."""
