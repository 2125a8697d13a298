"""Somebody's ONNX network as a `Surrogate`.

What the output needs of the graph (`untrusted_onnx`) is followed from its input, each tensor kept as what it is for one
point: an affine function of the layer before, under an elementwise function in normal form (`symbols`), in some layout
(`layout`). What comes out is rebuilt as a chain of layers, and compared with the graph's own evaluation before it is
given away.
"""

import json
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
from .layout import BATCH, NODES, OPEN_BATCH, DependentTensor
from .operations import RULES, why_not_read
from .symbols import Affine, HiddenLayer, Inputs, made_by, straight, to_affine
from .untrusted_onnx import LARGEST_ARRAY, needed_part, opset_of, read_model, to_array

if TYPE_CHECKING:
    import onnx

_LARGEST_BATCH = 2**20


def load_onnx(path: str | Path) -> Surrogate:
    """The feed-forward network in an ONNX file as a `Surrogate`, its scaling inside, float64.

    Read are chains of affine layers with one of our activations between them, as PyTorch, scikit-learn, JAX and
    TensorFlow write them: Gemm or MatMul on either side, biases and scalings as Add, Sub, Mul, Div, activations as one
    operation or in pieces, batches open, fixed or absent, transposed and reshaped on the way; float32 or float64. Of
    several outputs the one named `value`, else the first, is taken, and only what it needs is looked at. A network with
    one output becomes scalar. The training range, and names and units, are read back from files that `save_onnx` wrote.

    An activation is told by its formula, never by its values, so that the network read is that of the file at every
    input: as real numbers, up to the rounding of the constants of gelu and to PyTorch's threshold of softplus where the
    file's format cannot show it. What has other breakpoints, as a clip, is refused. As a last defence the result is
    compared with the graph's own evaluation, far out too. Raises `InputError` where the file is missing, damaged or
    refers to data outside its folder, and, naming the first node that does not fit, where it is no such network.

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
    ((2, 1, 1), 'tanh')
    """
    require_float64("load_onnx")
    path = Path(path)
    model = read_model(path)
    try:
        part = needed_part(model, _wanted(model), path.parent)
        output = _follow(part)
        surrogate = _surrogate(_last_layer(output, part), _is_scalar(model, output))
        surrogate = _with_notes(surrogate, _metadata(model))
    except NotFeedForward as reason:
        raise InputError(f"{path} is not a feed-forward network that can be read: {reason}.") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    compare_with_graph(surrogate, part, output.n, path)
    return surrogate


def _wanted(model: "onnx.ModelProto") -> str:
    names = [entry.name for entry in model.graph.output]
    return "value" if "value" in names else names[0]


def _follow(model: "onnx.ModelProto") -> DependentTensor:
    """The output as a function of the input."""
    graph = model.graph
    values: dict[str, Value | None] = {"": None} | {tensor.name: to_array(tensor) for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in values]
    if len(inputs) != 1:
        raise NotFeedForward(f"it has {len(inputs)} inputs, and exactly one is expected")
    values[inputs[0].name] = _input(inputs[0])

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
        if isinstance(result, DependentTensor):
            result = result.with_curve(made_by(result.curve, where))
        values[node.output[0]] = result
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


def _input(entry: "onnx.ValueInfoProto") -> DependentTensor:
    tensor = entry.type.tensor_type
    if tensor.elem_type not in (1, 11):
        raise NotFeedForward(f"its input {entry.name} is neither float32 nor float64")
    lengths = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    if not lengths or len(lengths) > 2 or lengths[-1] is None:
        raise NotFeedForward(f"its input {entry.name} must have the shape (batch, inputs), the second number fixed")
    d = lengths[-1]
    if not 1 <= d <= 2**16:
        raise NotFeedForward(f"its input {entry.name} declares {d} inputs")
    n = 1 if len(lengths) == 1 else lengths[0] if lengths[0] is not None else OPEN_BATCH
    if not 1 <= n <= _LARGEST_BATCH:
        raise NotFeedForward(f"its input {entry.name} fixes a batch of {n}; export it with an open batch")
    source = Inputs(np.zeros(d), np.ones(d), single=tensor.elem_type == 1)
    return DependentTensor(straight(Affine(source, d)), (NODES,) if len(lengths) == 1 else (BATCH, NODES), n)


def _evaluate(node: "onnx.NodeProto", values: dict[str, Value | None], opset: int) -> Value:
    attributes = {attribute.name: _attribute(attribute) for attribute in node.attribute}
    if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
        given = next(iter(attributes.values()))
        return np.asarray(given, np.float64 if np.asarray(given).dtype.kind == "f" else np.int64)
    domains = ("ai.onnx.ml",) if node.op_type == "Scaler" else ("", "ai.onnx")
    if node.op_type not in RULES or node.domain not in domains:
        raise NotFeedForward(why_not_read(node.op_type))
    return RULES[node.op_type](Call([values[name] for name in node.input], attributes, opset))


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
    layers, activations = [], set()
    last = output
    scaled = last.weight is not None and np.all(np.broadcast_to(last.scale, (last.size,)) > 0)
    if scaled:  # the outputs' scaling stays apart from the last layer
        scaling = (np.broadcast_to(last.scale, (last.size,)), np.broadcast_to(last.shift, (last.size,)))
        bias = np.zeros(last.size) if last.bias is None else last.bias
        layers.append((last.weight, bias))
    else:
        scaling = (np.ones(last.size), np.zeros(last.size))
        layers.append(last.matrix_and_bias())
    while isinstance(last.source, HiddenLayer):
        activations.add(last.source.activation)
        last = last.source.before
        layers.append(last.matrix_and_bias())
    if len(activations) > 1:
        raise NotFeedForward(f"its layers have different activations ({', '.join(sorted(activations))})")
    inputs = last.source
    if not all(np.isfinite(array).all() for array in (inputs.shift, inputs.scale, *scaling, *sum(layers, ()))):
        raise NotFeedForward("its weights are not finite")
    return Surrogate(
        [Dense(jnp.asarray(weight, jnp.float64), jnp.asarray(bias, jnp.float64)) for weight, bias in reversed(layers)],
        Scaling(
            x_shift=jnp.asarray(inputs.shift),
            x_scale=jnp.asarray(inputs.scale),
            y_shift=jnp.asarray(scaling[1], jnp.float64),
            y_scale=jnp.asarray(scaling[0], jnp.float64),
        ),
        next(iter(activations), "silu"),
        scalar,
    )
