"""The last line of defence of reading ONNX: a network read is compared with the graph's own values.

It accepts nothing, as the structure of the graph does that; it only refuses.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from ..._foundation.errors import InputError
from ...surrogate import Surrogate
from .layout import OPEN_BATCH
from .untrusted_onnx import to_array

if TYPE_CHECKING:
    import onnx

_DISTANCES = (1.0, 30.0, 1e3, 1e6)
"""How far out, in scales of the inputs: from where the layers bend to where they are straight."""

_POINTS = 4 * len(_DISTANCES)


def compare_with_graph(surrogate: Surrogate, model: "onnx.ModelProto", batch: int, path: Path) -> None:
    """Raises `InputError` where values differ by more than a millionth of their spread at any distance.

    The graph is evaluated in float64 with the numbers of the file, so rounding counts for nothing; what is left is
    what exporters round, such as the constants of gelu. Where the graph itself overflows there is nothing to compare.
    Every operation of `model` was seen before, so running is safe.
    """
    from onnx.reference import ReferenceEvaluator

    model = in_double(model)
    named = {tensor.name for tensor in model.graph.initializer}
    entries = [entry for entry in model.graph.input if entry.name not in named]
    n = _POINTS if batch == OPEN_BATCH else batch
    count = n * -(-_POINTS // n)
    distances = np.resize(_DISTANCES, count)
    x = np.random.default_rng(0).normal(size=(count, surrogate.widths[0]))
    x = np.asarray(surrogate.scaling.x_shift) + np.asarray(surrogate.scaling.x_scale) * distances[:, None] * x
    try:
        evaluator = ReferenceEvaluator(model)
        with np.errstate(all="ignore"):
            parts = [evaluator.run(None, _fed(entries, x[i : i + n]))[0] for i in range(0, count, n)]
        expected = np.concatenate([np.asarray(part, np.float64).reshape(n, -1) for part in parts])
    except Exception as error:  # whatever the evaluator stumbles over, the file could not be confirmed
        raise InputError(f"{path} cannot be evaluated by the onnx package ({type(error).__name__}).") from None
    found = np.asarray(surrogate.value(jnp.asarray(x))).reshape(count, -1)
    for distance in _DISTANCES:
        one, two = found[distances == distance], expected[distances == distance]
        with np.errstate(invalid="ignore"):
            difference = np.max(np.abs(one - two), axis=0, where=np.isfinite(two), initial=0.0)
        two = np.where(np.isfinite(two), two, 0.0)
        allowed = 1e-6 * np.ptp(two, axis=0) + 1e-12 * np.max(np.abs(two), axis=0)
        if not (difference <= allowed).all():
            raise InputError(
                f"{path} was read as a network of widths {surrogate.widths}, but that differs from the graph's own "
                f"values by {np.max(difference):.1e}; please report this file."
            )


def _fed(entries: "list[onnx.ValueInfoProto]", points: np.ndarray) -> dict[str, np.ndarray]:
    """The points in the shapes that the inputs of the graph have, each taking the columns that are next."""
    fed, start = {}, 0
    for entry in entries:
        lengths = [dim.dim_value for dim in entry.type.tensor_type.shape.dim]
        shape = lengths if len(lengths) == 1 else [len(points), *lengths[1:]]
        size = math.prod(shape) // len(points)
        fed[entry.name] = points[:, start : start + size].reshape(shape)
        start += size
    return fed


def in_double(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """`model` with all its floating-point numbers in float64."""
    import onnx
    from onnx import numpy_helper

    double, floats = (
        onnx.TensorProto.DOUBLE,
        {
            onnx.TensorProto.FLOAT,
            onnx.TensorProto.FLOAT16,
            onnx.TensorProto.BFLOAT16,
        },
    )
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for entry in (*copy.graph.input, *copy.graph.output):
        entry.type.tensor_type.elem_type = double
    constants = [a.t for node in copy.graph.node for a in node.attribute if a.type == onnx.AttributeProto.TENSOR]
    for tensor in (*copy.graph.initializer, *constants):
        if tensor.data_type in floats:
            tensor.CopyFrom(numpy_helper.from_array(to_array(tensor), tensor.name))
    for node in copy.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i in floats:
                attribute.i = double
            if node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
                numbers = np.asarray(onnx.helper.get_attribute_value(attribute), np.float64)
                attribute.CopyFrom(onnx.helper.make_attribute("value", numpy_helper.from_array(numbers)))
    return copy
