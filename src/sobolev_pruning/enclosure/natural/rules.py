"""The interval method: which rule encloses which primitive, and when a point may stay a point."""

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.extend.core import primitives as p

from ...activations import activation_p
from ..interval import Interval, as_interval
from ..registry import EnclosureError, Rule, missing_rule, source_line, user_rule
from ..scalar import activation_ranges, arithmetic, integers, powers, transcendental
from ..scalar.arithmetic import Operand
from . import contraction, structural
from . import functions as function_tables


def _plain(rule: Rule) -> Rule:
    """For rules that need none of the primitive's parameters (accuracy hints and the like)."""
    return lambda *operands, **_: rule(*operands)


def _convert(a: Operand, *, new_dtype, **_):
    if jnp.issubdtype(new_dtype, jnp.floating):
        return arithmetic.convert(a, new_dtype)
    return integers.convert(a, new_dtype)


def is_known_zero(value, other) -> bool:
    """Whether `value` is an array of zeros, known when the program is traced, that adds nothing to `other`."""
    return isinstance(value, np.ndarray) and value.shape == other.shape and not value.any()


def _add(a: Operand, b: Operand) -> Operand:
    if is_known_zero(b, a):
        return a
    return b if is_known_zero(a, b) else _on_points(arithmetic.add, jnp.add, a, b)


def _subtract(a: Operand, b: Operand) -> Interval:
    return _on_points(arithmetic.subtract, jnp.subtract, a, b)


def is_known_one(value, other) -> bool:
    """Whether `value` is an array of ones, known when the program is traced, that leaves `other` as it is."""
    return isinstance(value, np.ndarray) and value.shape == other.shape and bool((value == 1).all())


def _multiply(a: Operand, b: Operand) -> Operand:
    if is_known_one(a, b) or is_known_one(b, a):
        return b if is_known_one(a, b) else a
    return arithmetic.square(a) if a is b else _on_points(arithmetic.multiply, jnp.multiply, a, b)


def _on_points(rule: Rule, function: Rule, a: Operand, b: Operand) -> Interval:
    """The rule; whole numbers among points are added and multiplied without rounding, so that exponents stay whole."""
    found = rule(a, b)
    if isinstance(a, Interval) or isinstance(b, Interval):
        return found
    value = function(jnp.asarray(a), jnp.asarray(b))
    whole = (a == jnp.floor(a)) & (b == jnp.floor(b)) & (jnp.abs(value) < 0.5 / jnp.finfo(value.dtype).eps)
    return Interval.unchecked(jnp.where(whole, value, found.lower), jnp.where(whole, value, found.upper))


def _one_minus_square(a: Operand) -> Interval:
    return arithmetic.subtract(jnp.ones(a.shape, a.dtype), arithmetic.square(a))


def _compare_not_equal(a: Operand, b: Operand):
    # `x != x` is how programs ask for NaN; a real number equals itself.
    if a is b:
        return jnp.zeros(a.shape, bool)
    return arithmetic.not_equal(a, b)


def _compare_equal(a: Operand, b: Operand):
    return jnp.ones(a.shape, bool) if a is b else arithmetic.equal(a, b)


def _is_finite(a: Operand):
    """A real number is finite; what is unbounded may have overflowed."""
    a = as_interval(a)
    return Interval.unchecked(jnp.isfinite(a.lower) & jnp.isfinite(a.upper), jnp.ones(a.shape, bool))


_ELEMENTWISE: dict[Primitive, Rule] = {
    p.add_p: _add,
    p.add_jaxvals_p: arithmetic.add,
    p.sub_p: _subtract,
    p.mul_p: _multiply,
    p.div_p: arithmetic.divide,
    p.neg_p: arithmetic.negate,
    p.square_p: arithmetic.square,
    p.sqrt_p: arithmetic.square_root,
    p.rsqrt_p: arithmetic.reciprocal_square_root,
    p.abs_p: arithmetic.absolute,
    p.sign_p: arithmetic.sign,
    p.floor_p: arithmetic.floor,
    p.ceil_p: arithmetic.ceil,
    p.max_p: arithmetic.maximum,
    p.min_p: arithmetic.minimum,
    p.clamp_p: arithmetic.clamp,
    p.lt_p: arithmetic.less,
    p.le_p: arithmetic.less_or_equal,
    p.gt_p: lambda a, b: arithmetic.less(b, a),
    p.ge_p: lambda a, b: arithmetic.less_or_equal(b, a),
    p.eq_p: _compare_equal,
    p.ne_p: _compare_not_equal,
    p.not_p: arithmetic.logical_not,
    p.and_p: arithmetic.logical_and,
    p.or_p: arithmetic.logical_or,
    p.xor_p: integers.exclusive_or,
    p.select_n_p: arithmetic.select,
    p.is_finite_p: _is_finite,
    p.pow_p: powers.power,
    p.exp_p: transcendental.exp,
    p.expm1_p: transcendental.expm1,
    p.log_p: transcendental.log,
    p.log1p_p: transcendental.log1p,
    p.logistic_p: transcendental.logistic,
    p.tanh_p: transcendental.tanh,
    p.sinh_p: transcendental.sinh,
    p.cosh_p: transcendental.cosh,
    p.sin_p: transcendental.sin,
    p.cos_p: transcendental.cos,
    p.atan_p: transcendental.atan,
    p.erf_p: transcendental.erf,
    p.erfc_p: transcendental.erfc,
    p.erf_inv_p: transcendental.erf_inv,
}
if hasattr(p, "one_minus_square_p"):  # from JAX 0.11, of which the derivative of tanh makes use
    _ELEMENTWISE[p.one_minus_square_p] = _one_minus_square

_WITH_PARAMETERS: dict[Primitive, Rule] = {
    activation_p: activation_ranges.activation_range,
    p.integer_pow_p: lambda a, *, y: arithmetic.integer_power(a, y),
    p.round_p: lambda a, *, rounding_method: arithmetic.round_to_integer(as_interval(a), rounding_method),
    p.convert_element_type_p: _convert,
    p.dot_general_p: contraction.dot_general,
    p.reduce_sum_p: contraction.reduce_sum,
    p.cumsum_p: contraction.cumulative_sum,
    p.reduce_prod_p: structural.reduce_product,
    p.cumprod_p: structural.cumulative_product,
    p.scatter_add_p: structural.scatter_add,
    p.sort_p: structural.sort,
    **{q: structural.monotone_reduction(q) for q in (p.reduce_max_p, p.reduce_min_p, p.cummax_p, p.cummin_p)},
    **{q: structural.monotone_reduction(q) for q in (p.reduce_and_p, p.reduce_or_p)},
}

ELEMENTWISE = frozenset({*_ELEMENTWISE, activation_p, p.integer_pow_p, p.round_p, p.convert_element_type_p})
ELEMENTWISE |= function_tables.ELEMENTWISE
"""Primitives whose results depend, element by element, on the same element of their operands."""

RULES: dict[Primitive, Rule] = {
    **{primitive: _plain(rule) for primitive, rule in _ELEMENTWISE.items()},
    **_WITH_PARAMETERS,
    **function_tables.RULES,
}

# Rules that serve integers as they stand: they compare, choose and convert.
_OF_ORDER = frozenset(
    {
        *(p.max_p, p.min_p, p.clamp_p, p.sign_p, p.select_n_p, p.convert_element_type_p, p.sort_p),
        *(p.reduce_max_p, p.reduce_min_p, p.cummax_p, p.cummin_p, p.argmax_p, p.argmin_p, p.top_k_p),
    }
)

# Exact on points of floating type: these do not turn a point into an interval.
EXACT = frozenset(structural.MOVING) | {
    *("neg", "abs", "sign", "floor", "ceil", "round", "max", "min", "clamp", "select_n", "sort", "reduce_max"),
    *("reduce_min", "cummax", "cummin", "iota", "bitcast_convert_type", "scatter_max", "scatter_min", "nextafter"),
    *("real", "argmax", "argmin", "empty", "empty2", "top_k", "copysign"),
}


def rule_for(equation) -> Rule:
    primitive = equation.primitive
    user = user_rule(primitive)
    if user is not None:
        return user.rule
    rule = RULES.get(primitive)
    if any(jnp.issubdtype(v.aval.dtype, jnp.integer) for v in equation.outvars) and primitive not in _OF_ORDER:
        rule = integers.RULES.get(primitive)
    if rule is None and primitive.name in structural.MOVING:
        rule = structural.moving_rule(primitive)
    if rule is None:
        raise missing_rule(equation)
    return rule


def is_exact_at_points(equation, operands) -> bool:
    """Whether the primitive, applied to these points, rounds nothing."""
    if equation.primitive.name in EXACT:
        return True
    if equation.primitive is p.convert_element_type_p:
        return not jnp.issubdtype(equation.params["new_dtype"], jnp.floating) or arithmetic.holds(
            equation.params["new_dtype"], jnp.result_type(operands[0])
        )
    return not any(jnp.issubdtype(v.aval.dtype, jnp.floating) for v in equation.outvars)


def expect_known_numbers(equation) -> None:
    """Refuses what no rule knows the rounding of: complex numbers, and floats that are neither float64 nor float32."""
    for variable in (*equation.invars, *equation.outvars):
        dtype = getattr(variable.aval, "dtype", np.dtype(float))
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise EnclosureError(
                f"enclose: {equation.primitive.name}, produced at {source_line(equation)}, computes with complex "
                "numbers; write real and imaginary parts apart."
            )
        known = dtype in (jnp.float64, jnp.float32) or equation.primitive is p.convert_element_type_p
        if jnp.issubdtype(dtype, jnp.floating) and not known:
            raise EnclosureError(
                f"enclose: {equation.primitive.name}, produced at {source_line(equation)}, computes in {dtype}, whose "
                "rounding no rule bounds; convert to float64 or float32 first."
            )


class IntervalMethod:
    """Natural interval extension: every operation by its own range."""

    name = "interval"

    def enter(self, values) -> list:
        """The operands of a program, as the method holds them."""
        return values

    def shared(self, value):
        """Called for a value that several equations use."""
        return value

    def apply(self, equation, operands) -> list:
        return apply_interval_rule(equation, operands)

    def interval_of(self, value):
        """A value of the method as an interval; a point as it is."""
        return value

    def unrolls(self, length: int) -> bool:
        """Whether a loop of so many turns is written out."""
        return False


def apply_interval_rule(equation, operands) -> list:
    if not any(isinstance(x, Interval) for x in operands) and is_exact_at_points(equation, operands):
        result = equation.primitive.bind(*operands, **equation.params)
    else:
        result = rule_for(equation)(*operands, **equation.params)
    results = list(result) if equation.primitive.multiple_results else [result]
    # The interpreter keeps the decorations; a user's rule may have made some of its own.
    return [Interval.unchecked(x.lower, x.upper) if isinstance(x, Interval) else x for x in results]
