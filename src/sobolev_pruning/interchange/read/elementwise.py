"""The elementwise operations of ONNX, on constants and on tensors that depend on the input."""

import functools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import scipy.special

from . import pieces, smooth
from .call import Call, Value, refuse_if_large
from .faults import NotFeedForward
from .layout import DependentTensor, aligned
from .pieces import Pieces
from .symbols import ElementwiseFunction, bend, combine, with_bias, with_constants

_OPERATORS: dict[str, tuple[Callable[..., np.ndarray], Callable[..., Pieces]]] = {
    "Add": (np.add, pieces.add),
    "Sub": (np.subtract, pieces.subtract),
    "Mul": (np.multiply, pieces.multiply),
    "Div": (np.divide, pieces.divide),
    "Max": (np.maximum, pieces.maximum),
    "Min": (np.minimum, pieces.minimum),
    "Greater": (np.greater, pieces.greater),
    "GreaterOrEqual": (np.greater_equal, pieces.greater_or_equal),
    "Less": (np.less, lambda x, y: pieces.greater(y, x)),
    "LessOrEqual": (np.less_equal, lambda x, y: pieces.greater_or_equal(y, x)),
    "Equal": (np.equal, pieces.equal),
    "Where": (np.where, pieces.where),
}


def on(operation: str, *operands: Value) -> Value:
    """An operation on several operands, of which any may be constants."""
    numeric, symbolic = _OPERATORS[operation]
    laid = [operand for operand in operands if isinstance(operand, DependentTensor)]
    if not laid:
        return _of_constants(operation, numeric, operands)
    layout = functools.reduce(aligned, laid)
    parts: list[ElementwiseFunction | Pieces] = []
    for operand in operands:
        if isinstance(operand, DependentTensor):
            parts.append(operand.curve)
            continue
        if not np.isfinite(operand).all():
            raise NotFeedForward("its constant is not finite")
        layout, constant = layout.constant_along_nodes(operand.astype(np.float64))
        if operand.ndim > 0 and (operation == "Add" or (operation == "Sub" and operand is operands[1])):
            summed = with_bias(layout.curve, constant if operation == "Add" else -constant)
            if summed is not None:
                return layout.with_curve(summed)
        if (constant != constant[0]).any():
            if operation not in ("Add", "Sub", "Mul", "Div"):
                raise NotFeedForward("its constant is not the same number for all nodes")
            return layout.with_curve(with_constants(operation, layout.curve, constant, operand is operands[0]))
        parts.append(pieces.number(float(constant[0])))

    def function(*found: Pieces) -> Pieces:
        curves = iter(found)
        return symbolic(*(next(curves) if isinstance(part, ElementwiseFunction) else part for part in parts))

    return layout.with_curve(
        combine(operation, function, *(part for part in parts if isinstance(part, ElementwiseFunction)))
    )


def _of_constants(operation: str, numeric: Callable[..., np.ndarray], operands: tuple[Value, ...]) -> np.ndarray:
    refuse_if_large(math.prod(np.broadcast_shapes(*(operand.shape for operand in operands))))
    first, second = operands[:2]
    if operation == "Div" and "f" not in first.dtype.kind + second.dtype.kind:
        return np.floor_divide(first, np.where(second == 0, 1, second))
    with np.errstate(all="ignore"):
        return np.asarray(numeric(*operands))


def _rule(operation: str, count: int) -> Callable[[Call], Value]:
    return lambda call: on(operation, *(call.needed(number) for number in range(count)))


def _unary(
    numeric: Callable[[np.ndarray, Call], np.ndarray], symbolic: Callable[[Pieces, Call], Pieces]
) -> Callable[[Call], Value]:
    def rule(call: Call) -> Value:
        value = call.needed(0)
        if isinstance(value, np.ndarray):
            with np.errstate(all="ignore"):
                return numeric(value, call)
        return value.with_curve(bend(value.curve, lambda x: symbolic(x, call)))

    return rule


def _plain(
    numeric: Callable[[np.ndarray], np.ndarray], symbolic: Callable[[smooth.Smooth], smooth.Smooth]
) -> Callable[[Call], Value]:
    """A smooth function without settings."""
    return _unary(lambda x, _: numeric(x), lambda x, _: pieces.apply(symbolic, x))


def _of_pieces(symbolic: Callable[[Pieces, Call], Pieces]) -> Callable[[Call], Value]:
    """An activation; of constants nobody needs one."""

    def refused(*_) -> np.ndarray:
        raise NotFeedForward("it is applied to a constant")

    return _unary(refused, symbolic)


def _extreme(operation: str) -> Callable[[Call], Value]:
    """The largest or the smallest of any number of operands."""
    neutral = -np.inf if operation == "Max" else np.inf

    def rule(call: Call) -> Value:
        operands = [call.needed(number) for number in range(len(call.inputs))]
        felt = [v for v in operands if isinstance(v, DependentTensor) or not (v.ndim == 0 and v == neutral)]
        return functools.reduce(functools.partial(on, operation), felt or operands[:1])

    return rule


def _clip(call: Call) -> Value:
    value = call.needed(0)
    for number, (name, operation) in enumerate((("min", "Max"), ("max", "Min")), start=1):
        given = call.constant(number)
        bound = call.attributes.get(name) if given is None else given.reshape(-1)[0]
        # The largest number of float32 is how a missing bound is written there.
        single = given is None or (isinstance(value, DependentTensor) and value.curve.anchor.inputs.single)
        if bound is not None and abs(bound) < (np.finfo(np.float32).max if single else np.inf):
            value = on(operation, value, np.asarray(float(bound)))
    return value


def _power(call: Call) -> Value:
    base, exponent = call.needed(0), call.needed(1)
    if isinstance(base, np.ndarray) and isinstance(exponent, np.ndarray):
        return _of_constants("Pow", np.power, (base, exponent))
    if not isinstance(base, DependentTensor) or not isinstance(exponent, np.ndarray) or exponent.size != 1:
        raise NotFeedForward("its exponent is not one number")
    times = float(exponent.reshape(-1)[0])
    if times not in range(smooth.LARGEST_DEGREE):
        raise NotFeedForward(f"its exponent is {times:g}, and only whole numbers of at least 0 are read")
    return base.with_curve(bend(base.curve, lambda x: pieces.apply(lambda s: smooth.power(s, int(times)), x)))


def _elu(x: Pieces, alpha: float) -> Pieces:
    fallen = pieces.apply(lambda s: smooth.number(alpha) * (smooth.exp(s) - smooth.number(1)), x)
    return pieces.where(pieces.greater(x, pieces.number(0.0)), x, fallen)


_SIXTH, _FIFTH, _HUNDREDTH = (float(np.float32(number)) for number in (1 / 6, 0.2, 0.01))
"""Defaults of attributes, which the ONNX standard holds in float32."""


def _leaky_relu(x: Pieces, slope: float) -> Pieces:
    return pieces.where(pieces.greater(x, pieces.number(0.0)), x, pieces.multiply(pieces.number(slope), x))


def _prelu(call: Call) -> Value:
    """One slope for all nodes."""
    value, slopes = call.needed(0), call.constant(1)
    if isinstance(value, np.ndarray) or np.ptp(slopes) != 0:
        raise NotFeedForward("its slopes are not the same number for all nodes; train it with LeakyRelu")
    return value.with_curve(bend(value.curve, lambda x: _leaky_relu(x, float(slopes.reshape(-1)[0]))))


def _cut_line(x: Pieces, slope: Fraction, shift: Fraction) -> Pieces:
    """`slope x + shift`, cut off at 0 and 1."""
    line = pieces.apply(lambda s: smooth.number(slope) * s + smooth.number(shift), x)
    return pieces.minimum(pieces.maximum(line, pieces.number(0.0)), pieces.number(1.0))


def _hard_swish(x: Pieces) -> Pieces:
    return pieces.multiply(x, _cut_line(x, Fraction(_SIXTH), Fraction(1, 2)))


def _hard_sigmoid(x: Pieces, call: Call) -> Pieces:
    return _cut_line(x, Fraction(call.number("alpha", _FIFTH)), Fraction(call.number("beta", 0.5)))


def _softsign(x: Pieces) -> Pieces:
    return pieces.divide(x, pieces.add(pieces.number(1.0), pieces.absolute(x)))


def _swish(x: Pieces, alpha: float) -> Pieces:
    return pieces.apply(lambda s: s * smooth.sigmoid(smooth.number(alpha) * s), x)


def _mish(x: smooth.Smooth) -> smooth.Smooth:
    return x * smooth.tanh(smooth.softplus(x))


def _selu(x: Pieces, call: Call) -> Pieces:
    # Without attributes, the numbers of the ONNX standard, which are those of the paper in float32.
    alpha, gamma = call.number("alpha", 1.67326319217681884765625), call.number("gamma", 1.05070102214813232421875)
    return pieces.multiply(pieces.number(gamma), _elu(x, alpha))


def _celu(x: Pieces, alpha: float) -> Pieces:
    inner = pieces.apply(lambda s: smooth.number(1 / Fraction(alpha)) * s, x)
    return pieces.multiply(pieces.number(alpha), _elu(inner, 1.0))


def _gelu(x: Pieces, approximate: bool) -> Pieces:
    return pieces.apply(_gelu_tanh if approximate else _gelu_erf, x)


def _gelu_erf(x: smooth.Smooth) -> smooth.Smooth:
    half = smooth.number(0.5) * x
    return half + half * smooth.erf(smooth.number(math.sqrt(0.5)) * x)


def _gelu_tanh(x: smooth.Smooth) -> smooth.Smooth:
    inner = x + smooth.number(0.044715) * smooth.power(x, 3)
    return x * smooth.sigmoid(smooth.number(2.0 * math.sqrt(2.0 / math.pi)) * inner)


def _gelu_of_numbers(x: np.ndarray, approximate: bool) -> np.ndarray:
    if approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * scipy.special.ndtr(x)


def _is_approximate(call: Call) -> bool:
    return call.attributes.get("approximate", b"none") == b"tanh"


ELEMENTWISE: dict[str, Callable[[Call], Value]] = {
    **{operation: _rule(operation, 3 if operation == "Where" else 2) for operation in _OPERATORS},
    "Sum": lambda call: functools.reduce(
        functools.partial(on, "Add"), [call.needed(i) for i in range(len(call.inputs))]
    ),
    "Max": _extreme("Max"),
    "Min": _extreme("Min"),
    "Clip": _clip,
    "Pow": _power,
    "Neg": _plain(np.negative, lambda x: -x),
    "Exp": _plain(np.exp, smooth.exp),
    "Log": _plain(np.log, smooth.log),
    "Sqrt": _plain(np.sqrt, smooth.root),
    "Reciprocal": _plain(lambda x: 1.0 / x, smooth.reciprocal),
    "Sigmoid": _plain(scipy.special.expit, smooth.sigmoid),
    "Tanh": _plain(np.tanh, smooth.tanh),
    "Erf": _plain(scipy.special.erf, smooth.erf),
    "Softplus": _plain(lambda x: np.logaddexp(x, 0.0), smooth.softplus),
    "Not": _unary(lambda x, _: np.logical_not(x), lambda x, _: pieces.negated(x)),
    "Abs": _unary(lambda x, _: np.abs(x), lambda x, _: pieces.absolute(x)),
    "Relu": _unary(lambda x, _: np.maximum(x, 0.0), lambda x, _: pieces.maximum(x, pieces.number(0.0))),
    "Elu": _unary(
        lambda x, call: np.where(x > 0, x, call.number("alpha", 1.0) * np.expm1(np.minimum(x, 0.0))),
        lambda x, call: _elu(x, call.number("alpha", 1.0)),
    ),
    "LeakyRelu": _of_pieces(lambda x, call: _leaky_relu(x, call.number("alpha", _HUNDREDTH))),
    "PRelu": _prelu,
    "HardSwish": _of_pieces(lambda x, call: _hard_swish(x)),
    "HardSigmoid": _of_pieces(_hard_sigmoid),
    "Softsign": _of_pieces(lambda x, call: _softsign(x)),
    "Swish": _of_pieces(lambda x, call: _swish(x, call.number("alpha", 1.0))),
    "Mish": _of_pieces(lambda x, call: pieces.apply(_mish, x)),
    "Selu": _of_pieces(_selu),
    "Celu": _of_pieces(lambda x, call: _celu(x, call.number("alpha", 1.0))),
    "Sin": _plain(np.sin, smooth.sin),
    "Gelu": _unary(
        lambda x, call: _gelu_of_numbers(x, _is_approximate(call)), lambda x, call: _gelu(x, _is_approximate(call))
    ),
}
