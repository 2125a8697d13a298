"""What each ONNX operation does to constants and to tensors that depend on the input."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.special

from .layout import BATCH, NODES, Laid, aligned
from .symbols import Curve, NotFeedForward, apply_matrix, bend, combine, with_constant
from .untrusted_onnx import LARGEST_ARRAY

Value = Laid | np.ndarray


@dataclass(frozen=True)
class Call:
    """A node with its inputs looked up: `None` where an optional one is left out."""

    inputs: list[Value | None]
    attributes: dict[str, object]
    opset: int

    def input(self, number: int) -> Value | None:
        return self.inputs[number] if number < len(self.inputs) else None

    def needed(self, number: int) -> Value:
        value = self.input(number)
        if value is None:
            raise NotFeedForward(f"its input {number} is missing")
        return value

    def constant(self, number: int) -> np.ndarray | None:
        value = self.input(number)
        if isinstance(value, Laid):
            raise NotFeedForward(f"its input {number} depends on the network's input")
        return value

    def integers(self, name: str, number: int) -> list[int] | None:
        """A list of integers that is an attribute in old versions of an operation and an input in new ones."""
        given = self.constant(number)
        if given is not None:
            return [int(i) for i in given.reshape(-1)[:16]]
        listed = self.attributes.get(name)
        return None if listed is None else [int(i) for i in listed]

    def number(self, name: str, default: float) -> float:
        return float(self.attributes.get(name, default))


def _refuse_if_large(entries: int) -> None:
    if entries > LARGEST_ARRAY:
        raise NotFeedForward("its result is too large")


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0.0)


def _elu(x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _gelu(x: np.ndarray, approximate: bool) -> np.ndarray:
    if approximate:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * scipy.special.ndtr(x)


def _unary(function: Callable[[np.ndarray, Call], np.ndarray]) -> Callable[[Call], Value]:
    def rule(call: Call) -> Value:
        value = call.needed(0)
        if isinstance(value, np.ndarray):
            with np.errstate(all="ignore"):
                return function(value, call)
        return value.with_curve(bend(value.curve, lambda x: function(x, call)))

    return rule


def _clip(call: Call) -> Value:
    bounds = [call.constant(1), call.constant(2)]
    lower, upper = (
        call.number(name, default) if bound is None else float(bound.reshape(-1)[0])
        for name, bound, default in zip(("min", "max"), bounds, (-np.inf, np.inf))
    )
    value = call.needed(0)
    if isinstance(value, np.ndarray):
        return np.clip(value, lower, upper)
    return value.with_curve(bend(value.curve, lambda x: np.clip(x, lower, upper)))


def _negated(call: Call) -> Value:
    value = call.needed(0)
    return -value if isinstance(value, np.ndarray) else _binary_on("Mul", value, np.asarray(-1.0))


_OPERATORS = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Max": np.maximum,
    "Min": np.minimum,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Equal": np.equal,
}


def _binary_on(operation: str, first: Value, second: Value) -> Value:
    if isinstance(first, Laid) and isinstance(second, Laid):
        return aligned(first, second).with_curve(combine(_OPERATORS[operation], first.curve, second.curve))
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        _refuse_if_large(math.prod(np.broadcast_shapes(first.shape, second.shape)))
        if operation == "Div" and "f" not in first.dtype.kind + second.dtype.kind:
            return np.floor_divide(first, np.where(second == 0, 1, second))
        with np.errstate(all="ignore"):
            return np.asarray(_OPERATORS[operation](first, second))
    constant_first = isinstance(first, np.ndarray)
    constant, laid = (first, second) if constant_first else (second, first)
    laid, constant = laid.constant_along_nodes(constant.astype(np.float64))
    if operation not in ("Add", "Sub", "Mul", "Div"):
        if constant.size != 1:
            raise NotFeedForward("its constant is not one number")
        operator, number = _OPERATORS[operation], float(constant[0])
        return laid.with_curve(
            bend(laid.curve, lambda x: operator(number, x) if constant_first else operator(x, number))
        )
    return laid.with_curve(with_constant(operation, laid.curve, constant, constant_first))


def _binary(operation: str) -> Callable[[Call], Value]:
    return lambda call: _binary_on(operation, call.needed(0), call.needed(1))


def _where(call: Call) -> Value:
    operands = [call.needed(number) for number in range(3)]
    laid = [operand for operand in operands if isinstance(operand, Laid)]
    if not laid:
        _refuse_if_large(math.prod(np.broadcast_shapes(*(operand.shape for operand in operands))))
        return np.where(*operands)
    if any(operand.curve.anchor is not laid[0].curve.anchor for operand in laid):
        raise NotFeedForward("it joins two branches of the network")
    layout = functools.reduce(aligned, laid)
    values = []
    for operand in operands:
        if isinstance(operand, Laid):
            values.append(operand.curve.values)
        else:
            layout, constant = layout.constant_along_nodes(operand)
            if (constant != constant[0]).any():
                raise NotFeedForward("its constant is not the same for all nodes")
            values.append(constant[0])
    return layout.with_curve(Curve(laid[0].curve.anchor, np.where(*values), None))


def _matmul_on(first: Value, second: Value) -> Value:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[0]:
            raise NotFeedForward("its constants are no two matrices that go together")
        _refuse_if_large(first.shape[0] * second.shape[1])
        return first @ second
    if isinstance(first, Laid) and isinstance(second, Laid):
        raise NotFeedForward("it multiplies two tensors that both depend on the network's input")
    laid, matrix, place = (first, second, -1) if isinstance(first, Laid) else (second, first, -2)
    if matrix.ndim == 1:
        reduced = _matmul_on(laid, matrix[:, None]) if place == -1 else _matmul_on(matrix[None, :], laid)
        return reduced.squeezed([len(reduced.axes) + max(place, -len(reduced.axes))])
    if len(laid.axes) == 1:
        place = -1
    if matrix.ndim != 2 or not laid.axes or laid.axes[place] != NODES:
        raise NotFeedForward("its matrix is not applied to the nodes of one layer")
    matrix = matrix.astype(np.float64)
    return laid.with_curve(apply_matrix(matrix.T if isinstance(first, Laid) else matrix, laid.curve))


def _einsum(call: Call) -> Value:
    """Only what is a matrix applied to the nodes: one label summed, its partner in the result."""
    operands = [call.needed(0), call.needed(1)]
    terms, _, result = call.attributes["equation"].decode().replace(" ", "").partition("->")
    labelled = list(zip(operands, terms.split(",")))
    (laid, of_laid), (matrix, of_matrix) = sorted(labelled, key=lambda pair: isinstance(pair[0], np.ndarray))
    if not isinstance(laid, Laid) or isinstance(matrix, Laid) or matrix.ndim != 2 or len(call.inputs) != 2:
        raise NotFeedForward("it is not a matrix applied to the nodes of one layer")
    summed = of_laid[laid.axes.index(NODES)] if NODES in laid.axes else ""
    kept = of_matrix.replace(summed, "") if summed else ""
    others = of_laid.replace(summed, kept) if kept else ""
    if len(of_laid) != len(laid.axes) or len(kept) != 1 or sorted(others) != sorted(result) or kept in of_laid:
        raise NotFeedForward("it is not a matrix applied to the nodes of one layer")
    matrix = matrix if of_matrix[0] == kept else matrix.T
    applied = laid.with_curve(apply_matrix(matrix.astype(np.float64), laid.curve))
    return applied.transposed([others.index(label) for label in result])


def _gemm(call: Call) -> Value:
    operands = []
    for number, name in enumerate(("transA", "transB")):
        value = call.needed(number)
        if call.attributes.get(name, 0):
            value = value.transposed([1, 0]) if isinstance(value, Laid) else value.T
        operands.append(value)
    if any(len(value.axes if isinstance(value, Laid) else value.shape) != 2 for value in operands):
        raise NotFeedForward("its operands are not matrices")
    result = _scaled(_matmul_on(*operands), call.number("alpha", 1.0))
    bias = call.input(2)
    return result if bias is None else _binary_on("Add", result, _scaled(bias, call.number("beta", 1.0)))


def _scaled(value: Value, factor: float) -> Value:
    return value if factor == 1.0 else _binary_on("Mul", value, np.asarray(factor))


def _scaler(call: Call) -> Value:
    offset = np.asarray(call.attributes.get("offset", [0.0]), np.float64)
    scale = np.asarray(call.attributes.get("scale", [1.0]), np.float64)
    return _binary_on("Mul", _binary_on("Sub", call.needed(0), offset), scale)


def _transpose(call: Call) -> Value:
    value = call.needed(0)
    rank = len(value.axes) if isinstance(value, Laid) else value.ndim
    order = [int(i) for i in call.attributes.get("perm", range(rank)[::-1])]
    if isinstance(value, Laid):
        return value.transposed(order)
    return np.transpose(value, order)


def _reshape(call: Call) -> Value:
    value, target = call.needed(0), call.integers("shape", 1)
    if target is None:
        raise NotFeedForward("its shape is missing")
    if isinstance(value, Laid):
        return value.reshaped(target)
    return value.reshape([value.shape[i] if t == 0 else t for i, t in enumerate(target)])


def _squeeze(call: Call) -> Value:
    value, places = call.needed(0), call.integers("axes", 1)
    if isinstance(value, Laid):
        return value.squeezed(places)
    return np.squeeze(value, None if places is None else tuple(places))


def _unsqueeze(call: Call) -> Value:
    value, places = call.needed(0), call.integers("axes", 1) or []
    return value.unsqueezed(places) if isinstance(value, Laid) else np.expand_dims(value, tuple(places))


def _flatten(call: Call) -> Value:
    value, axis = call.needed(0), int(call.attributes.get("axis", 1))
    shape = value.shape
    axis = axis + len(shape) if axis < 0 else axis
    target = [math.prod(shape[:axis]), math.prod(shape[axis:])]
    return value.reshaped(target) if isinstance(value, Laid) else value.reshape(target)


def _unchanged(call: Call) -> Value:
    return call.needed(0)


def _cast(call: Call) -> Value:
    value = call.needed(0)
    to = int(call.attributes.get("to", 1))
    if isinstance(value, Laid):
        if to not in (1, 10, 11, 16):
            raise NotFeedForward("it casts nodes to something other than floating-point numbers")
        return value
    return value.astype(np.float64 if to in (1, 10, 11, 16) else np.int64)


def _shape(call: Call) -> Value:
    return np.asarray(call.needed(0).shape, np.int64)


def _gather(call: Call) -> Value:
    value, chosen = call.needed(0), call.constant(1).astype(np.int64)
    axis = int(call.attributes.get("axis", 0))
    if isinstance(value, np.ndarray):
        _refuse_if_large(value.size * chosen.size)
        return np.take(value, chosen, axis=axis)
    axis %= len(value.axes)
    if chosen.ndim > 1 or (value.axes[axis] == BATCH and value.n != 1):
        raise NotFeedForward("it picks points of the batch")
    if value.axes[axis] == NODES:
        _refuse_if_large(value.size * chosen.size)
        picking = np.zeros((chosen.size, value.size))
        picking[np.arange(chosen.size), chosen.reshape(-1)] = 1.0
        value = value.with_curve(apply_matrix(picking, value.curve))
    elif np.any(chosen % value.shape[axis]) or chosen.size != 1:
        raise NotFeedForward("it repeats nodes")
    return value.squeezed([axis]) if chosen.ndim == 0 else value


def _slice(call: Call) -> Value:
    value = call.constant(0)
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    axes, steps = call.integers("axes", 3) or list(range(len(starts))), call.integers("steps", 4) or [1] * len(starts)
    cuts = [slice(None)] * value.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps):
        cuts[axis] = slice(start, end, step)
    return value[tuple(cuts)]


def _concat(call: Call) -> Value:
    parts = [call.constant(i) for i in range(len(call.inputs))]
    _refuse_if_large(sum(part.size for part in parts))
    return np.concatenate(parts, axis=int(call.attributes["axis"]))


def _expand(call: Call) -> Value:
    value, target = call.needed(0), call.integers("shape", 1)
    shape = np.broadcast_shapes(value.shape, tuple(target))
    if isinstance(value, Laid):
        if math.prod(shape) != math.prod(value.shape):
            raise NotFeedForward("it repeats nodes")
        return value.reshaped(list(shape))
    _refuse_if_large(math.prod(shape))
    return np.broadcast_to(value, shape)


RULES: dict[str, Callable[[Call], Value]] = {
    "Gemm": _gemm,
    "MatMul": lambda call: _matmul_on(call.needed(0), call.needed(1)),
    "Einsum": _einsum,
    **{operation: _binary(operation) for operation in _OPERATORS},
    "Neg": _negated,
    "Where": _where,
    "Exp": _unary(lambda x, _: np.exp(x)),
    "Log": _unary(lambda x, _: np.log(x)),
    "Not": _unary(lambda x, _: np.logical_not(x)),
    "Abs": _unary(lambda x, _: np.abs(x)),
    "Sqrt": _unary(lambda x, _: np.sqrt(x)),
    "Reciprocal": _unary(lambda x, _: 1.0 / x),
    "Sigmoid": _unary(lambda x, _: scipy.special.expit(x)),
    "Tanh": _unary(lambda x, _: np.tanh(x)),
    "Erf": _unary(lambda x, _: scipy.special.erf(x)),
    "Relu": _unary(lambda x, _: np.maximum(x, 0.0)),
    "Elu": _unary(lambda x, call: _elu(x, call.number("alpha", 1.0))),
    "Softplus": _unary(lambda x, _: _softplus(x)),
    "Gelu": _unary(lambda x, call: _gelu(x, call.attributes.get("approximate", b"none") == b"tanh")),
    "Clip": _clip,
    "Scaler": _scaler,
    "Identity": _unchanged,
    "Dropout": _unchanged,
    "Cast": _cast,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Flatten": _flatten,
    "Shape": _shape,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Expand": _expand,
}
"""The operations a feed-forward network may be written in; `Constant` is read with the file."""
