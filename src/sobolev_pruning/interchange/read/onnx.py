"""Somebody's ONNX network as a `Surrogate`.

What the output needs of the graph (`untrusted_onnx`) is followed from its input, each tensor kept as what it is for one
point: an affine function of the layer before, under an elementwise function in normal form (`symbols`), in some layout
(`layout`). What comes out is rebuilt as a chain of layers, and compared with the graph's own evaluation before it is
given away.
"""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from ..._foundation.errors import InputError
from ..._foundation.precision import require_float64
from ..._foundation.variables import variables_from_json
from ...surrogate import Dense, Scaling, Surrogate
from ..box import box_corners
from .call import Call, Value
from .compare import compare_with_graph
from .faults import NotFeedForward
from .layout import BATCH, NODES, ONE, OPEN_BATCH, DependentTensor
from .operations import RULES, why_not_read
from .symbols import Affine, HiddenLayer, Inputs, made_by, selected, straight, to_affine
from .untrusted_onnx import LARGEST_ARRAY, MOST_DIMENSIONS, needed_part, opset_of, read_model, to_array

if TYPE_CHECKING:
    import onnx

_LARGEST_BATCH = 2**20


def load_onnx(path: str | Path, output: str | None = None) -> Surrogate:
    """The feed-forward network in an ONNX file as a `Surrogate`, its scaling inside, float64.

    Read are chains of affine layers with our activations between them and at the outputs, as PyTorch, scikit-learn,
    JAX, TensorFlow and MATLAB write them: Gemm or MatMul on either side, convolutions whose window is the whole input,
    biases and scalings as Add, Sub, Mul, Div, batch normalisations of inference, activations as one operation or in
    pieces, linear terms from the inputs to the outputs, several inputs side by side, slices of them, batches open,
    fixed or absent, transposed and reshaped on the way; float32 or float64. What is affine is folded into the layers
    beside it. The tensor named `output` is read, by default the output named `value`, else the first, and only what it
    needs is looked at. A network with one output becomes scalar. The training range, and names and units, are read back
    from files that `save_onnx` wrote.

    An activation is told by its formula, never by its values, so that the network read is that of the file at every
    input: as real numbers, up to the rounding of the constants of gelu and to PyTorch's threshold of softplus where the
    file's format cannot show it. Breakpoints stay where they are. As a last defence the result is compared with the
    graph's own evaluation, far out too. Raises `InputError` where the file is missing, damaged or refers to data
    outside its folder, and, naming the first node that does not fit, where it is no such network.

    >>> import onnx.helper as h, tempfile
    >>> weight = h.make_tensor("w", 11, [2, 1], [3.0, 4.0])
    >>> graph = h.make_graph(
    ...     [h.make_node("MatMul", ["x", "w"], ["z"]), h.make_node("Tanh", ["z"], ["y"])],
    ...     "g",
    ...     [h.make_tensor_value_info("x", 11, ["n", 2])],
    ...     [h.make_tensor_value_info("y", 11, ["n", 1])],
    ...     [weight],
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(f"{folder}/net.onnx").write_bytes(h.make_model(graph, ir_version=8).SerializeToString())
    ...     network = load_onnx(f"{folder}/net.onnx")
    >>> network.widths, network.activation
    ((2, 1), 'outputs tanh')
    """
    require_float64("load_onnx")
    path = Path(path)
    model = read_model(path)
    try:
        part = needed_part(model, _wanted(model, output), path.parent)
        found = _follow(part)
        surrogate = _surrogate(_last_layer(found, part), _is_scalar(model, found))
        surrogate = _with_notes(surrogate, _metadata(model))
    except NotFeedForward as reason:
        raise InputError(f"{path} is not a feed-forward network that can be read: {reason}.") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    compare_with_graph(surrogate, part, found.n, path)
    return surrogate


def _wanted(model: "onnx.ModelProto", output: str | None) -> str:
    names = [entry.name for entry in model.graph.output]
    if output is None:
        return "value" if "value" in names else names[0]
    if not any(output in node.output for node in model.graph.node):
        raise InputError(f"no node gives the tensor {output}; its outputs are {', '.join(names)}.")
    return output


def _follow(model: "onnx.ModelProto") -> DependentTensor:
    """The output as a function of the input."""
    graph = model.graph
    values: dict[str, Value | None] = {"": None} | {tensor.name: to_array(tensor) for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in values]
    values |= _inputs(inputs)

    opset, computed = opset_of(model), 0
    for node in graph.node:
        where = f"node {node.name or node.output[0]} ({node.op_type})"
        missing = [name for name in node.input if name not in values]
        if missing:
            raise NotFeedForward(f"{where} needs {missing[0]}, which nothing before it gives")
        try:
            result = _evaluate(node, values, opset)
        except NotFeedForward as reason:
            raise NotFeedForward(f"{where} does not fit, because {reason}") from None
        except (ValueError, IndexError, TypeError, KeyError, AttributeError, OverflowError):
            # NumPy's complaints about shapes and attributes that do not go together.
            raise NotFeedForward(f"{where} has inputs or attributes that do not go together") from None
        results = result if isinstance(result, tuple) else (result,)
        for name, result in zip(node.output, results):
            if isinstance(result, DependentTensor):
                result = result.with_curve(made_by(result.curve, where))
            values[name] = result
            computed += result.size if isinstance(result, np.ndarray) else 0
        if computed > LARGEST_ARRAY:
            raise NotFeedForward(f"{where} does not fit, because the constants computed are too large")
    output = graph.output[0].name
    found = values.get(output)
    if not isinstance(found, DependentTensor):
        raise NotFeedForward(f"its output {output} does not depend on its input")
    return found


def _last_layer(output: DependentTensor, model: "onnx.ModelProto") -> Affine:
    try:
        return to_affine(output.curve)
    except NotFeedForward as reason:
        name = model.graph.output[0].name
        raise NotFeedForward(f"its output {name} does not fit, because {reason}") from None


def _inputs(entries: "list[onnx.ValueInfoProto]") -> dict[str, DependentTensor]:
    """Every input of the graph as a part of the network's."""
    shapes = [_input_shape(entry) for entry in entries]
    sizes = [math.prod(shape[-1:] if len(shape) == 1 else shape[1:]) for shape in shapes]
    batches = {1 if len(shape) == 1 else shape[0] for shape in shapes}
    d = sum(sizes)
    if not 1 <= d <= 2**16 or (len(entries) > 1 and d > 2**12):
        raise NotFeedForward(f"it has {d} inputs, and 1 to {2**16 if len(entries) == 1 else 2**12} can be read")
    if len(batches) != 1:
        raise NotFeedForward("its inputs are batches of different lengths")
    (n,) = batches
    source = Inputs(np.zeros(d), np.ones(d), single=any(e.type.tensor_type.elem_type == 1 for e in entries))
    found, start = {}, 0
    for entry, shape, size in zip(entries, shapes, sizes):
        along = shape if len(shape) == 1 else shape[1:]
        nodes = [NODES if length > 1 else ONE for length in along]
        if size == 1:
            nodes[-1] = NODES
        part = straight(Affine(source, d))
        if len(entries) > 1:
            part = selected(part, np.arange(start, start + size))
        grid = tuple(length for length in along if length > 1)
        axes = tuple(nodes if len(shape) == 1 else (BATCH, *nodes))
        found[entry.name] = DependentTensor(part, axes, n, grid if len(grid) > 1 else ())
        start += size
    return found


def _input_shape(entry: "onnx.ValueInfoProto") -> list[int]:
    """The lengths of its axes, the first that of the batch where there are several."""
    tensor = entry.type.tensor_type
    if tensor.elem_type not in (1, 11):
        raise NotFeedForward(f"its input {entry.name} is neither float32 nor float64")
    lengths = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    if not lengths or len(lengths) > MOST_DIMENSIONS or None in (lengths[1:] or lengths):
        raise NotFeedForward(
            f"its input {entry.name} must have the shape (batch, inputs), all numbers but the first fixed"
        )
    n = OPEN_BATCH if lengths[0] is None else lengths[0]
    if not 1 <= n <= _LARGEST_BATCH or min(lengths[1:], default=1) < 1:
        raise NotFeedForward(f"its input {entry.name} fixes a batch of {n}; export it with an open batch")
    return [n, *lengths[1:]]


def _evaluate(node: "onnx.NodeProto", values: dict[str, Value | None], opset: int) -> Value | tuple[Value, ...]:
    attributes = {attribute.name: _attribute(attribute) for attribute in node.attribute}
    if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
        given = next(iter(attributes.values()))
        return np.asarray(given, np.float64 if np.asarray(given).dtype.kind == "f" else np.int64)
    domains = ("ai.onnx.ml",) if node.op_type == "Scaler" else ("", "ai.onnx")
    if node.op_type not in RULES or node.domain not in domains:
        raise NotFeedForward(why_not_read(node.op_type))
    return RULES[node.op_type](Call([values[name] for name in node.input], attributes, opset, len(node.output)))


def _attribute(attribute: "onnx.AttributeProto"):
    from onnx import AttributeProto, helper

    if attribute.type == AttributeProto.TENSOR:
        return to_array(attribute.t)
    if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        raise NotFeedForward("it contains a graph of its own")
    return helper.get_attribute_value(attribute)


def _is_scalar(model: "onnx.ModelProto", output: DependentTensor) -> bool:
    felt = [axis for axis, length in zip(output.axes, output.shape) if length > 1]
    if felt not in ([BATCH, NODES], [BATCH], [NODES], []):
        raise NotFeedForward(f"its output has the shape {output.described}, and (batch, outputs) is expected")
    return output.size == 1 and _metadata(model).get("scalar_output") != json.dumps(False)


def _metadata(model: "onnx.ModelProto") -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _with_notes(surrogate: Surrogate, metadata: dict[str, str]) -> Surrogate:
    """`surrogate` with the training range and the names that `save_onnx` noted; others note there what they like."""
    notes = {
        "training_range": ("box", lambda box: tuple(map(jnp.asarray, box_corners(box, surrogate.widths[0])))),
        "inputs": ("inputs", variables_from_json),
        "outputs": ("outputs", variables_from_json),
    }
    for field, (key, meant) in notes.items():
        try:
            surrogate = replace(surrogate, **{field: meant(json.loads(metadata[key]))})
        except (KeyError, TypeError, ValueError, RecursionError):
            continue
    return surrogate


def _surrogate(output: Affine, scalar: bool) -> Surrogate:
    last, activation = output, "identity"
    scale, shift = (np.broadcast_to(part, (last.size,)) for part in (last.scale, last.shift))
    if np.all(scale > 0) and (last.weight is not None or _is_activated(last)):
        # The outputs' scaling stays apart from the last layer, or from their activation.
        if last.weight is None:
            activation, last = last.source.activation, last.source.before
        else:
            last = replace(last, scale=1.0, shift=0.0)
    else:
        scale, shift = np.ones(last.size), np.zeros(last.size)
    layers, activations, skip = [last.matrix_and_bias()], [activation], last.whole_skip
    while isinstance(last.source, HiddenLayer):
        activations.append(last.source.activation)
        last = last.source.before
        layers.append(last.matrix_and_bias())
        if last.skip is not None:
            raise NotFeedForward("a hidden layer of it receives the inputs past another, and only the outputs can")
    inputs = last.source
    if skip is not None:
        layers[0] = (layers[0][0], layers[0][1] + skip @ inputs.shift)
        skip = skip * inputs.scale
    arrays = [inputs.shift, inputs.scale, scale, shift, *sum(layers, ()), *([] if skip is None else [skip])]
    if not all(np.isfinite(array).all() for array in arrays):
        raise NotFeedForward("its weights are not finite")
    dense = [Dense(jnp.asarray(w, jnp.float64), jnp.asarray(b, jnp.float64)) for w, b in reversed(layers)]
    if skip is not None:
        dense[-1] = replace(dense[-1], skip=jnp.asarray(skip))
    return Surrogate(
        dense,
        Scaling(
            x_shift=jnp.asarray(inputs.shift),
            x_scale=jnp.asarray(inputs.scale),
            y_shift=jnp.asarray(shift, jnp.float64),
            y_scale=jnp.asarray(scale, jnp.float64),
        ),
        activations[::-1],
        scalar,
    )


def _is_activated(last: Affine) -> bool:
    """Whether what comes last is an activation, scaled at most."""
    return isinstance(last.source, HiddenLayer) and last.weight is None and last.bias is None and last.skip is None
