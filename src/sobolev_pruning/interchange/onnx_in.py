"""Somebody's ONNX network as a `Surrogate`.

The graph is followed from its input, each tensor kept as what it is for one point: an affine function of the layer
before, under an elementwise function known by its values (`symbols`), in some layout (`layout`). What comes out is
rebuilt as a chain of layers, and compared with the graph's own evaluation before it is given away.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from .._foundation.errors import InputError
from .._foundation.precision import require_float64
from ..surrogate import Dense, Scaling, Surrogate, TrainingRange
from .box import box_corners
from .layout import BATCH, NODES, ONE, Laid
from .onnx_operations import RULES, Call, Value
from .symbols import Affine, HiddenLayer, Inputs, NotFeedForward, straight, to_affine
from .untrusted_onnx import LARGEST_ARRAY, opset_of, read_model, to_array

if TYPE_CHECKING:
    import onnx

_STAND_IN = 9973
"""The batch size that a graph with an open batch is followed with; a prime that no layer is wide, so that reshaping to
computed shapes can be told from mixing batch and nodes."""

_LARGEST_BATCH = 2**20


def load_onnx(path: str | Path) -> Surrogate:
    """The feed-forward network in an ONNX file as a `Surrogate`, its scaling inside, float64.

    Read are chains of affine layers with one of our activations between them, as PyTorch, scikit-learn, JAX and
    TensorFlow write them: Gemm or MatMul on either side, biases and scalings as Add, Sub, Mul, Div, activations as one
    operation or in pieces, batches open, fixed or absent, transposed and reshaped on the way; float32 or float64. Of
    several outputs the one named `value`, else the first, is taken. A network with one output becomes scalar. The
    training range is read back from files that `save_onnx` wrote.

    The result is compared with the graph's own evaluation. Raises `InputError` where the file is missing, damaged or
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
        output, name = _follow(model, path.parent)
        surrogate = _surrogate(to_affine(output.curve), _is_scalar(model, output))
        surrogate = replace(surrogate, training_range=_training_range(model, surrogate.widths[0]))
    except NotFeedForward as reason:
        raise InputError(f"{path} is not a feed-forward network that can be read: {reason}.") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    _check_against_graph(surrogate, model, name, output, path)
    return surrogate


def _follow(model: "onnx.ModelProto", folder: Path) -> tuple[Laid, str]:
    """The output as a function of the input, and its name."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    values: dict[str, Value | None] = {"": None}
    inputs = [entry for entry in graph.input if entry.name not in tensors]
    names = [entry.name for entry in graph.output]
    output = "value" if "value" in names else names[0]
    nodes = _needed_nodes(graph, output)
    used = {name for node in nodes for name in node.input} | {output}
    inputs = [entry for entry in inputs if entry.name in used]
    if len(inputs) != 1:
        raise NotFeedForward(f"it has {len(inputs)} inputs, and exactly one is expected")
    values[inputs[0].name] = _input(inputs[0])
    values |= {name: to_array(tensor, folder) for name, tensor in tensors.items() if name in used}

    opset, computed = opset_of(model), 0
    for node in nodes:
        where = f"node {node.name or node.output[0]} ({node.op_type})"
        missing = [name for name in node.input if name not in values]
        if missing:
            raise NotFeedForward(f"{where} needs {missing[0]}, which nothing before it gives")
        try:
            values[node.output[0]] = result = _evaluate(node, values, opset, folder)
        except NotFeedForward as reason:
            raise NotFeedForward(f"{where} does not fit, because {reason}") from None
        except (ValueError, IndexError, TypeError, KeyError, AttributeError, OverflowError):
            # NumPy's complaints about shapes and attributes that do not go together.
            raise NotFeedForward(f"{where} has inputs or attributes that do not go together") from None
        computed += result.size if isinstance(result, np.ndarray) else 0
        if computed > LARGEST_ARRAY:
            raise NotFeedForward(f"{where} does not fit, because the constants computed are too large")
    found = values.get(output)
    if not isinstance(found, Laid):
        raise NotFeedForward(f"its output {output} does not depend on its input")
    return found, output


def _needed_nodes(graph: "onnx.GraphProto", output: str) -> "list[onnx.NodeProto]":
    needed, nodes = {output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(node.input)
    return nodes[::-1]


def _input(entry: "onnx.ValueInfoProto") -> Laid:
    tensor = entry.type.tensor_type
    if tensor.elem_type not in (1, 11):
        raise NotFeedForward(f"its input {entry.name} is neither float32 nor float64")
    lengths = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    if not lengths or len(lengths) > 2 or lengths[-1] is None:
        raise NotFeedForward(f"its input {entry.name} must have the shape (batch, inputs), the second number fixed")
    d = lengths[-1]
    if not 1 <= d <= 2**16:
        raise NotFeedForward(f"its input {entry.name} declares {d} inputs")
    n = 1 if len(lengths) == 1 else lengths[0] if lengths[0] is not None else _STAND_IN
    if not 1 <= n <= _LARGEST_BATCH:
        raise NotFeedForward(f"its input {entry.name} fixes a batch of {n}; export it with an open batch")
    source = Inputs(np.ones(d), np.zeros(d))
    return Laid(straight(Affine(source, d)), (NODES,) if len(lengths) == 1 else (BATCH, NODES), n)


def _evaluate(node: "onnx.NodeProto", values: dict[str, Value | None], opset: int, folder: Path) -> Value:
    attributes = {attribute.name: _attribute(attribute, folder) for attribute in node.attribute}
    if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
        given = next(iter(attributes.values()))
        return np.asarray(given, np.float64 if np.asarray(given).dtype.kind == "f" else np.int64)
    domain = "ai.onnx.ml" if node.op_type == "Scaler" else ""
    if node.op_type not in RULES or node.domain not in (domain, "ai.onnx" if not domain else domain):
        raise NotFeedForward("no feed-forward network has this operation")
    return RULES[node.op_type](Call([values[name] for name in node.input], attributes, opset))


def _attribute(attribute: "onnx.AttributeProto", folder: Path):
    from onnx import AttributeProto, helper

    if attribute.type == AttributeProto.TENSOR:
        return to_array(attribute.t, folder)
    if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        raise NotFeedForward("it contains a graph of its own")
    return helper.get_attribute_value(attribute)


def _is_scalar(model: "onnx.ModelProto", output: Laid) -> bool:
    if set(output.axes) - {BATCH, NODES, ONE} or output.axes not in (
        (BATCH, NODES),
        (BATCH, ONE),
        (BATCH,),
        (NODES,),
        (ONE,),
        (),
    ):
        raise NotFeedForward(f"its output has the axes {output.axes}, and (batch, outputs) is expected")
    return output.size == 1 and _metadata(model).get("scalar_output") != json.dumps(False)


def _metadata(model: "onnx.ModelProto") -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _training_range(model: "onnx.ModelProto", n_inputs: int) -> TrainingRange | None:
    """What `save_onnx` noted as `box`; None for a file without it, or with something else under that name."""
    try:
        lower, upper = box_corners(json.loads(_metadata(model)["box"]), n_inputs)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return jnp.asarray(lower), jnp.asarray(upper)


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
    if not all(np.isfinite(array).all() for array in (inputs.scale, inputs.shift, *scaling, *sum(layers, ()))):
        raise NotFeedForward("its weights are not finite")
    return Surrogate(
        [Dense(jnp.asarray(weight, jnp.float64), jnp.asarray(bias, jnp.float64)) for weight, bias in reversed(layers)],
        Scaling(
            x_shift=jnp.asarray(-inputs.shift / inputs.scale),
            x_scale=jnp.asarray(1.0 / inputs.scale),
            y_shift=jnp.asarray(scaling[1], jnp.float64),
            y_scale=jnp.asarray(scaling[0], jnp.float64),
        ),
        next(iter(activations), "silu"),
        scalar,
    )


def _check_against_graph(surrogate: Surrogate, model: "onnx.ModelProto", name: str, output: Laid, path: Path) -> None:
    """Compares values at random points over the scaled inputs; every operation was seen before, so running is safe.

    A network read wrongly is wrong everywhere; the tolerance leaves room for evaluators that compute erf roughly.
    """
    import onnx
    from onnx.reference import ReferenceEvaluator

    onnx.load_external_data_for_model(model, str(path.parent.resolve()))
    entry = next(entry for entry in model.graph.input if entry.name not in {t.name for t in model.graph.initializer})
    single = entry.type.tensor_type.elem_type == 1
    n = 64 if output.n == _STAND_IN else output.n
    x = np.random.default_rng(0).normal(size=(n, surrogate.widths[0]))
    x = np.asarray(surrogate.scaling.x_shift) + np.asarray(surrogate.scaling.x_scale) * x
    fed = x.astype(np.float32 if single else np.float64)
    if len(entry.type.tensor_type.shape.dim) == 1:
        fed = fed[0]
    try:
        with np.errstate(all="ignore"):
            (expected,) = ReferenceEvaluator(model).run([name], {entry.name: fed})
    except Exception as error:  # whatever the evaluator stumbles over, the file could not be confirmed
        raise InputError(f"{path} cannot be evaluated by the onnx package ({type(error).__name__}).") from None
    found = np.asarray(surrogate.value(jnp.asarray(fed, jnp.float64).reshape(-1, surrogate.widths[0])))
    difference = np.max(np.abs(found.reshape(-1) - np.asarray(expected, np.float64).reshape(-1)))
    largest = max(np.max(np.abs(expected)), float(jnp.max(jnp.abs(surrogate.scaling.y_shift))))
    if not difference <= (1e-4 if single else 1e-6) * largest:
        raise InputError(
            f"{path} was read as a network of widths {surrogate.widths}, but that differs from the graph's own values "
            f"by {difference:.1e}; please report this file."
        )
