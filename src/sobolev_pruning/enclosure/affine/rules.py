"""The affine method: which rule applies to which primitive, and when errors become noise symbols.

The error of a non-affine operation stays with its element until another element could share it: before it is summed
with others (matrix products, sums), copied, or used a second time, it is promoted to noise symbols. So an activation's
error and that of the product it enters share one symbol, which loses nothing and halves their number.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import primitives as p

from ...activations import activation_p
from ..interval import Interval
from ..natural import structural
from ..natural.contraction import midpoint_radius
from ..natural.rules import apply_interval_rule, is_known_one, is_known_zero, rule_for
from ..registry import user_rule
from . import (
    functions as affine_functions,
)
from . import (
    linear as affine_linear,
)
from . import (
    product as affine_product,
)
from . import (
    univariate as affine_univariate,
)
from .form import AffineForm, condensed, lift, narrowed, no_rows, promote, tight
from .slabs import Slabs, between_planes, planes_of

_LONGEST_UNROLLED = 16
MOST_SQUARED = 16
"""Boxes of so many numbers, slabs counted, have the squares of their symbols carried: that number squared, per form."""

_COPYING = ("broadcast_in_dim", "gather", "tile")
_CURVED = {
    p.square_p: "square",
    p.sqrt_p: "sqrt",
    p.rsqrt_p: "rsqrt",
    p.exp_p: "exp",
    p.expm1_p: "expm1",
    p.log_p: "log",
    p.log1p_p: "log1p",
    p.logistic_p: "logistic",
    p.tanh_p: "tanh",
    p.sin_p: "sin",
    p.cos_p: "cos",
    p.sinh_p: "sinh",
    p.cosh_p: "cosh",
    p.atan_p: "atan",
    p.erf_p: "erf",
    p.erfc_p: "erfc",
}


class AffineMethod:
    """Affine forms where operations have an affine rule, their ranges elsewhere.

    `symbols` bounds the noise symbols of a form. A box of few numbers has its squares carried, too; with `slabs` only
    the part of the box between them is enclosed.
    """

    name = "affine"

    def __init__(self, symbols: int, slabs: Slabs | None = None):
        self.symbols, self.slabs = symbols, slabs
        self._blocks, self._planes = 0, None

    def enter(self, values) -> list:
        """The operands of a program, boxes as forms with one symbol per number."""
        boxes = [x for x in values if isinstance(x, Interval)]
        sizes = [x.size for x in boxes]
        if not 0 < sum(sizes) <= self.symbols:
            return [lift(x) if isinstance(x, Interval) else x for x in values]
        count = sum(sizes)
        middles, radii = zip(*[midpoint_radius(x) for x in boxes])
        if self.slabs is not None:
            middle, radius = (jnp.concatenate([jnp.ravel(x) for x in parts]) for parts in (middles, radii))
            self._planes = planes_of(self.slabs, middle, radius)
            count += self.slabs.directions.shape[0]
        entered, start = [], 0
        for box, middle, radius in zip(boxes, middles, radii):
            known = jnp.isfinite(radius)
            place = np.eye(count, dtype=box.dtype)[start : start + box.size].T.reshape(count, *box.shape)
            polynomial = place * jnp.where(known, radius, 0.0)[None]
            if count <= MOST_SQUARED:
                polynomial = jnp.concatenate([polynomial, jnp.zeros((count**2, *box.shape), box.dtype)])
            error = jnp.where(known, 0.0, radius)
            entered.append(tight(AffineForm(middle, polynomial, no_rows(box), error, box, (), False, count)))
            start += box.size
        forms = iter(entered)
        return [next(forms) if isinstance(x, Interval) else x for x in values]

    def promoted(self, form: AffineForm) -> AffineForm:
        if form.size > self.symbols:
            return form
        return promote(condensed(form, self.symbols - form.size), self.next_number())

    def next_number(self) -> int:
        self._blocks += 1
        return self._blocks

    def shared(self, value):
        """Called for a value that several equations use."""
        if isinstance(value, AffineForm) and value.significant:
            return self.promoted(value)
        return value

    def interval_of(self, value):
        return self.tight(value).range if isinstance(value, AffineForm) else value

    def tight(self, value):
        """A form with its range as narrow as it gets; anything else as it is."""
        if not isinstance(value, AffineForm):
            return value
        if value.tight is None:
            bent = value.linear and self._planes is not None
            value.tight = narrowed(between_planes(value, self._planes) if bent else value)
        return value.tight

    def unrolls(self, length: int) -> bool:
        return length <= _LONGEST_UNROLLED

    def apply(self, equation, operands) -> list:
        if not any(isinstance(x, AffineForm) for x in operands):
            return apply_interval_rule(equation, operands)
        primitive, params = equation.primitive, equation.params
        if user_rule(primitive) is None:
            if primitive.name in structural.MOVING:
                return self._move(equation, operands)
            rule = _RULES.get(primitive)
            result = None if rule is None else rule(self, *operands, **params)
            if result is not None:
                return [result]
        return self._by_range(equation, operands)

    def _by_range(self, equation, operands) -> list:
        # Ranges are made anew for each operand, but a rule may ask whether two operands are one.
        ranges = {id(x): self.interval_of(x) for x in operands}
        results = apply_interval_rule(equation, [ranges[id(x)] for x in operands])
        return [_lifted(x) for x in results]

    def _move(self, equation, operands) -> list:
        positions = structural.MOVING[equation.primitive.name]
        values = range(len(operands)) if positions is None else positions
        indices = [x for i, x in enumerate(operands) if i not in values]
        if any(isinstance(x, AffineForm | Interval) for x in indices):
            rule_for(equation)(*map(self.interval_of, operands), **equation.params)  # raises, with the reason
        if equation.primitive.name in _COPYING and equation.outvars[0].aval.size > equation.invars[0].aval.size:
            operands = [self.shared(x) for x in operands]
        moved = affine_linear.move(equation.primitive, operands, equation.params, positions)
        return list(moved) if equation.primitive.multiple_results else [moved]


def _lifted(value):
    if isinstance(value, Interval) and jnp.issubdtype(value.dtype, jnp.floating):
        return lift(value)
    return value


def _multiply(method, a, b, **_):
    if is_known_one(a, b) or is_known_one(b, a):
        return b if is_known_one(a, b) else a
    if a is b:
        return _curve(method, a, "square")
    return affine_product.multiply(method.tight(a), method.tight(b))


def _curve(method, a, name):
    return affine_univariate.apply(method.tight(a), affine_univariate.CURVES[name])


def _add(a, b):
    if is_known_zero(b, a) or is_known_zero(a, b):
        return a if is_known_zero(b, a) else b
    return affine_linear.add(a, b)


def _divide(method, a, b, **_):
    if isinstance(b, AffineForm):
        b = _curve(method, b, "reciprocal")
    else:
        from ..scalar.arithmetic import divide

        b = divide(jnp.ones_like(jnp.asarray(_lower(b))), b)
    a, b = method.tight(a), method.tight(b)
    return affine_product.multiply(b, a) if isinstance(b, AffineForm) else affine_product.multiply(a, b)


def _one_minus_square(method, a, **_):
    return affine_linear.subtract(jnp.ones(a.shape, a.dtype), _curve(method, a, "square"))


def _lower(value):
    return value.lower if isinstance(value, Interval) else value


def _relu(method, a: AffineForm) -> AffineForm:
    return _curve(method, a, "relu")


def _maximum(method, a, b, **_):
    """`b + relu(a - b)`; the difference, not its parts, decides how bent the result is."""
    difference = affine_linear.subtract(a, b)
    result = affine_linear.add(b, _relu(method, difference))
    natural = structural_maximum(method, a, b)
    return affine_functions.within(method, result, natural)


def structural_maximum(method, a, b) -> Interval:
    from ..scalar.arithmetic import maximum

    return maximum(method.interval_of(a), method.interval_of(b))


def _negated(x):
    return affine_linear.negate(x) if isinstance(x, AffineForm) else -x


def _minimum(method, a, b, **_):
    return affine_linear.negate(_maximum(method, _negated(a), _negated(b)))


def _clamp(method, smallest, a, largest, **_):
    return _minimum(method, _maximum(method, a, smallest), largest)


def _absolute(method, a, **_):
    """`2 relu(a) - a`."""
    from ..scalar.arithmetic import absolute

    doubled = affine_linear.scale(_relu(method, a), jnp.asarray(2.0, a.dtype))
    result = affine_linear.subtract(doubled, a)
    return affine_functions.within(method, result, absolute(method.interval_of(a)))


def _integer_power(method, a, *, y):
    if y in (0, 1):
        return None
    return affine_univariate.apply(method.tight(a), affine_univariate.integer_power_curve(y))


def _power(method, a, b, **_):
    if isinstance(b, AffineForm | Interval | jax.core.Tracer) or np.ptp(np.asarray(b)) != 0:
        return None
    exponent = float(np.ravel(np.asarray(b))[0])
    if exponent.is_integer() and abs(exponent) < 64:
        return _integer_power(method, a, y=int(exponent))
    return affine_univariate.apply(method.tight(a), affine_univariate.power_curve(exponent))


def _activation(method, a, *, name, order):
    curve = affine_univariate.activation_curve(name, order)
    return None if curve is None else affine_univariate.apply(method.tight(a), curve)


def _dot_general(method, a, b, **params):
    if isinstance(a, AffineForm) and isinstance(b, AffineForm):
        return _dot_of_forms(method, method.shared(a), method.shared(b), **params)
    form = a if isinstance(a, AffineForm) else b
    if form.size <= method.symbols and affine_linear.promotes_by_rows(a, b, params["dimension_numbers"]):
        form = condensed(form, method.symbols - form.size)
        a, b = (form, b) if isinstance(a, AffineForm) else (a, form)
        return affine_linear.dot_general(a, b, number=method.next_number(), **params)
    return affine_linear.dot_general(method.shared(a), method.shared(b), **params)


def _dot_of_forms(method, a, b, *, dimension_numbers, **_):
    """By the products of all elements, where they are not too many; else by ranges."""
    from ..natural.contraction import LARGEST_BY_TERMS, arranged, terms

    if terms(a, b, dimension_numbers) > LARGEST_BY_TERMS:
        return None
    parts_a, parts_b, axes = arranged(a.shape, b.shape, dimension_numbers)
    product = affine_product.multiply(method.tight(a).mapped(parts_a), method.tight(b).mapped(parts_b))
    if not axes:
        return product
    return affine_linear.reduce_sum(method.shared(product), axes=axes)


def _reduce_sum(method, a, **params):
    return affine_linear.reduce_sum(method.shared(a), **params)


def _cumulative_sum(method, a, **params):
    return affine_linear.cumulative_sum(method.shared(a), **params)


def _scatter_add(method, a, indices, updates, **params):
    if isinstance(indices, AffineForm | Interval):
        return None
    return affine_linear.scatter_add(method.shared(a), indices, method.shared(updates), **params)


def _convert(method, a, *, new_dtype, **_):
    return a if jnp.dtype(new_dtype) == a.dtype else None


def _select(method, which, *cases):
    """Chosen by points, forms move; chosen by the box, their ranges are joined."""
    if isinstance(which, AffineForm | Interval):
        return None
    return affine_linear.move(p.select_n_p, [which, *cases], {}, tuple(range(1, len(cases) + 1)))


_RULES = {
    p.add_p: lambda method, a, b, **_: _add(a, b),
    p.add_jaxvals_p: lambda method, a, b, **_: affine_linear.add(a, b),
    p.sub_p: lambda method, a, b, **_: None if a is b else affine_linear.subtract(a, b),
    p.neg_p: lambda method, a, **_: affine_linear.negate(a),
    p.mul_p: _multiply,
    p.div_p: _divide,
    p.max_p: _maximum,
    p.min_p: _minimum,
    p.clamp_p: _clamp,
    p.abs_p: _absolute,
    p.integer_pow_p: _integer_power,
    p.pow_p: _power,
    p.dot_general_p: _dot_general,
    p.reduce_sum_p: _reduce_sum,
    p.cumsum_p: _cumulative_sum,
    p.scatter_add_p: _scatter_add,
    p.convert_element_type_p: _convert,
    p.select_n_p: _select,
    activation_p: _activation,
    **affine_functions.RULES,
    **{primitive: (lambda method, a, name=name, **_: _curve(method, a, name)) for primitive, name in _CURVED.items()},
}
if hasattr(p, "one_minus_square_p"):  # from JAX 0.11
    _RULES[p.one_minus_square_p] = _one_minus_square
