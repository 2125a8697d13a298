"""What each ONNX operation does to constants and to tensors that depend on the input."""

import math
from collections.abc import Callable

import numpy as np

from ...activations import ACTIVATIONS
from .call import Call, Value, refuse_if_large
from .elementwise import ELEMENTWISE, on
from .faults import NotFeedForward
from .layout import BATCH, NODES, ONE, DependentTensor, described
from .symbols import apply_matrix, joined, selected


def _matmul_on(first: Value, second: Value) -> Value:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[0]:
            raise NotFeedForward("its constants are no two matrices that go together")
        refuse_if_large(first.shape[0] * second.shape[1])
        return first @ second
    if isinstance(first, DependentTensor) and isinstance(second, DependentTensor):
        raise NotFeedForward("it multiplies two tensors that both depend on the network's input")
    laid, matrix, place = (first, second, -1) if isinstance(first, DependentTensor) else (second, first, -2)
    if matrix.ndim == 1:
        reduced = _matmul_on(laid, matrix[:, None]) if place == -1 else _matmul_on(matrix[None, :], laid)
        return reduced.squeezed([len(reduced.axes) + max(place, -len(reduced.axes))])
    if len(laid.axes) == 1:
        place = -1
    if laid.grid:
        raise NotFeedForward(f"its nodes lie on several axes, {laid.described}; flatten them before")
    if matrix.ndim != 2 or not laid.axes or laid.axes[place] != NODES:
        raise NotFeedForward("its matrix is not applied to the nodes of one layer")
    matrix = matrix.astype(np.float64)
    return laid.with_curve(apply_matrix(matrix.T if isinstance(first, DependentTensor) else matrix, laid.curve))


def _einsum(call: Call) -> Value:
    """Only what is a matrix applied to the nodes: one label summed, its partner in the result."""
    operands = [call.needed(0), call.needed(1)]
    terms, _, result = call.attributes["equation"].decode().replace(" ", "").partition("->")
    labelled = list(zip(operands, terms.split(",")))
    (laid, of_laid), (matrix, of_matrix) = sorted(labelled, key=lambda pair: isinstance(pair[0], np.ndarray))
    if (
        not isinstance(laid, DependentTensor)
        or isinstance(matrix, DependentTensor)
        or matrix.ndim != 2
        or len(call.inputs) != 2
    ):
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
            value = value.transposed([1, 0]) if isinstance(value, DependentTensor) else value.T
        operands.append(value)
    if any(len(value.axes if isinstance(value, DependentTensor) else value.shape) != 2 for value in operands):
        raise NotFeedForward("its operands are not matrices")
    result = _scaled(_matmul_on(*operands), call.number("alpha", 1.0))
    bias = call.input(2)
    return result if bias is None else on("Add", result, _scaled(bias, call.number("beta", 1.0)))


def _scaled(value: Value, factor: float) -> Value:
    return value if factor == 1.0 else on("Mul", value, np.asarray(factor))


def _scaler(call: Call) -> Value:
    offset = np.asarray(call.attributes.get("offset", [0.0]), np.float64)
    scale = np.asarray(call.attributes.get("scale", [1.0]), np.float64)
    return on("Mul", on("Sub", call.needed(0), offset), scale)


def _transpose(call: Call) -> Value:
    value = call.needed(0)
    rank = len(value.axes) if isinstance(value, DependentTensor) else value.ndim
    order = [int(i) for i in call.attributes.get("perm", range(rank)[::-1])]
    if isinstance(value, DependentTensor):
        return value.transposed(order)
    return np.transpose(value, order)


def _reshape(call: Call) -> Value:
    value, target = call.needed(0), call.integers("shape", 1)
    if target is None:
        raise NotFeedForward("its shape is missing")
    if isinstance(value, DependentTensor):
        return value.reshaped(target)
    return value.reshape([value.shape[i] if t == 0 else t for i, t in enumerate(target)])


def _squeeze(call: Call) -> Value:
    value, places = call.needed(0), call.integers("axes", 1)
    if isinstance(value, DependentTensor):
        return value.squeezed(places)
    return np.squeeze(value, None if places is None else tuple(places))


def _unsqueeze(call: Call) -> Value:
    value, places = call.needed(0), call.integers("axes", 1) or []
    return value.unsqueezed(places) if isinstance(value, DependentTensor) else np.expand_dims(value, tuple(places))


def _flatten(call: Call) -> Value:
    value, axis = call.needed(0), int(call.attributes.get("axis", 1))
    shape = value.shape
    axis = axis + len(shape) if axis < 0 else axis
    target = [math.prod(shape[:axis]), math.prod(shape[axis:])]
    return value.reshaped(target) if isinstance(value, DependentTensor) else value.reshape(target)


def _unchanged(call: Call) -> Value:
    return call.needed(0)


def _cast(call: Call) -> Value:
    value = call.needed(0)
    to = int(call.attributes.get("to", 1))
    if isinstance(value, DependentTensor):
        if to not in (1, 11):
            raise NotFeedForward("it casts nodes to something other than float32 or float64")
        return value
    return value.astype(np.float64 if to in (1, 10, 11, 16) else np.int64)


def _shape(call: Call) -> Value:
    return np.asarray(call.needed(0).shape, np.int64)


def _gather(call: Call) -> Value:
    value, chosen = call.needed(0), call.constant(1).astype(np.int64)
    axis = int(call.attributes.get("axis", 0))
    if isinstance(value, np.ndarray):
        refuse_if_large(value.size * chosen.size)
        return np.take(value, chosen, axis=axis)
    axis %= len(value.axes)
    if chosen.ndim > 1 or (value.axes[axis] == BATCH and value.n != 1):
        raise NotFeedForward("it picks points of the batch")
    if value.axes[axis] == NODES:
        value = value.with_curve(selected(value.curve, np.arange(value.size)[chosen.reshape(-1)]))
    elif np.any(chosen % value.shape[axis]) or chosen.size != 1:
        raise NotFeedForward("it repeats nodes")
    return value.squeezed([axis]) if chosen.ndim == 0 else value


def _slice(call: Call) -> Value:
    value = call.needed(0)
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    axes, steps = call.integers("axes", 3) or list(range(len(starts))), call.integers("steps", 4) or [1] * len(starts)
    cuts = [slice(None)] * len(value.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        cuts[axis] = slice(start, end, step)
    return value[tuple(cuts)] if isinstance(value, np.ndarray) else _cut(value, cuts)


def _cut(value: DependentTensor, cuts: list[slice]) -> DependentTensor:
    """Some of the nodes; the batch stays whole."""
    for place, (axis, length) in enumerate(zip(value.axes, value.shape)):
        nodes = np.arange(length)[cuts[place]]
        if len(nodes) == length and (nodes == np.arange(length)).all():
            continue
        if axis != NODES or value.grid or not len(nodes):
            raise NotFeedForward("it cuts something else than a part of the nodes out")
        value = value.with_curve(selected(value.curve, nodes))
    return value


def _split(call: Call) -> tuple[Value, ...]:
    value, axis = call.needed(0), int(call.attributes.get("axis", 0))
    axis %= len(value.shape)
    length, parts = value.shape[axis], call.integers("split", 1)
    if parts is None:
        count = int(call.attributes.get("num_outputs", call.results))
        whole = -(-length // count)
        parts = [min(whole, length - start) for start in range(0, length, whole)]
    ends = np.cumsum(parts)
    if min(parts) < 1 or ends[-1] != length:
        raise NotFeedForward(f"it splits {length} into parts of {parts}")
    cuts = [slice(None)] * len(value.shape)
    found = []
    for start, end in zip(ends - parts, ends):
        cuts[axis] = slice(int(start), int(end))
        found.append(value[tuple(cuts)] if isinstance(value, np.ndarray) else _cut(value, cuts))
    return tuple(found)


def _concat(call: Call) -> Value:
    parts = [call.needed(i) for i in range(len(call.inputs))]
    axis = int(call.attributes["axis"])
    if all(isinstance(part, np.ndarray) for part in parts):
        refuse_if_large(sum(part.size for part in parts))
        return np.concatenate(parts, axis=axis)
    if len(parts) == 1:
        return parts[0]
    if not all(isinstance(part, DependentTensor) for part in parts):
        raise NotFeedForward("it joins nodes with constants")
    first = parts[0]
    place = axis % len(first.axes)
    along = [tuple("nodes" if i == place and a in (ONE, NODES) else a for i, a in enumerate(p.axes)) for p in parts]
    if any(p.grid or p.n != first.n for p in parts) or any(a != along[0] or a.count(NODES) > 1 for a in along):
        raise NotFeedForward("its parts are not nodes side by side")
    return DependentTensor(joined([part.curve for part in parts]), along[0], first.n)


def _batch_normalization(call: Call) -> Value:
    """With the means and variances of training, as a network is used."""
    value = call.needed(0)
    if call.attributes.get("training_mode", 0):
        raise NotFeedForward("it normalises by the batch it is given; export the network for inference")
    scale, offset, mean, variance = (call.constant(number).astype(np.float64) for number in range(1, 5))
    epsilon = call.number("epsilon", float(np.float32(1e-5)))
    if (variance + epsilon <= 0).any():
        raise NotFeedForward("its variances are not above 0")
    shape = (-1, *(1,) * (len(value.shape) - 2))  # one number for each channel, which axis 1 counts
    factor = (scale / np.sqrt(variance + epsilon)).reshape(shape)
    centred = on("Sub", value, mean.reshape(shape))
    return on("Add", on("Mul", centred, factor), offset.reshape(shape))


def _conv(call: Call) -> Value:
    """A convolution whose window is all there is: a matrix."""
    value, kernel = call.needed(0), call.constant(1).astype(np.float64)
    if isinstance(value, np.ndarray) or value.axes[:1] == (NODES,):
        raise NotFeedForward("it is not applied to the nodes of a layer")
    moved = any(call.attributes.get("pads", [])) or call.attributes.get("auto_pad", b"NOTSET") in (
        b"SAME_UPPER",
        b"SAME_LOWER",
    )
    if kernel.shape[1:] != value.shape[1:] or moved or int(call.attributes.get("group", 1)) != 1:
        raise NotFeedForward(
            f"its window {described(kernel.shape[2:])} moves over {described(value.shape[2:])} places; only one that "
            "covers all of them is a layer of a feed-forward network"
        )
    flat = value.reshaped([value.shape[0], value.size])
    flat = flat.with_curve(apply_matrix(kernel.reshape(len(kernel), -1), flat.curve))
    bias = call.constant(2)
    flat = flat if bias is None else on("Add", flat, bias.astype(np.float64))
    return flat.unsqueezed(list(range(2, kernel.ndim)))


def _expand(call: Call) -> Value:
    value, target = call.needed(0), call.integers("shape", 1)
    shape = np.broadcast_shapes(value.shape, tuple(target))
    if isinstance(value, DependentTensor):
        if math.prod(shape) != math.prod(value.shape):
            raise NotFeedForward("it repeats nodes")
        return value.reshaped(list(shape))
    refuse_if_large(math.prod(shape))
    return np.broadcast_to(value, shape)


RULES: dict[str, Callable[[Call], Value]] = {
    "Gemm": _gemm,
    "MatMul": lambda call: _matmul_on(call.needed(0), call.needed(1)),
    "Einsum": _einsum,
    **ELEMENTWISE,
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
    "Split": _split,
    "Concat": _concat,
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "Expand": _expand,
}
"""The operations a feed-forward network may be written in; `Constant` is read with the file."""

_ADVICE = {
    **dict.fromkeys(
        ("Shrink", "ThresholdedRelu", "Cos", "Tan", "Sinh", "Cosh", "Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh"),
        f"{{}} is none of the activations read, which are {', '.join(ACTIVATIONS)}; train it with one of these",
    ),
    **dict.fromkeys(
        ("Softmax", "LogSoftmax", "LayerNormalization"),
        "{} mixes the nodes of a layer and is not read; choose the tensor before it by output=",
    ),
    **dict.fromkeys(("RNN", "LSTM", "GRU"), "{} remembers what came before; only networks of one point are read"),
    **dict.fromkeys(("MaxPool", "AveragePool"), "{} moves over places; only layers that are matrices are read"),
}


def why_not_read(operation: str) -> str:
    """The rest of a sentence on an operation without a rule."""
    return _ADVICE.get(operation, "the operation {} is not among those read").format(operation)
