"""ONNX files from anywhere, read without trusting a word of them."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._foundation.errors import InputError
from ..._foundation.untrusted_file import expect_file

if TYPE_CHECKING:
    import onnx

LARGEST_ARRAY = 2**24
"""Entries of the largest array that reading a model may make, a layer of 4,096 x 4,096; also of all constants that it
computes."""

MOST_DIMENSIONS = 8
"""Of a tensor; more than any network on points needs."""


def read_model(path: Path) -> "onnx.ModelProto":
    """The parsed file, with nothing of it looked at yet; raises `InputError` where it is missing or no ONNX."""
    import onnx
    from google.protobuf.message import DecodeError

    expect_file(path, "check the path of the ONNX model")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except (DecodeError, RecursionError, OSError):
        raise InputError(f"{path} is not a readable ONNX file; it may be cut short: export it again.") from None
    if not model.graph.node or not model.graph.output:
        raise InputError(f"{path} holds no graph with nodes and an output; give a file in the ONNX format.")
    if model.functions:
        raise InputError(f"{path} calls functions of its own; inline them with onnx.inliner.inline_local_functions.")
    return model


def opset_of(model: "onnx.ModelProto") -> int:
    """The version of the standard operations that the model is written in; 0 where it does not say."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def needed_part(model: "onnx.ModelProto", output: str, folder: Path) -> "onnx.ModelProto":
    """What `output` needs and nothing else, with the data of tensors inside; those outside must lie in `folder`.

    What is left out is never looked at, wherever it comes from and whatever it would do.
    """
    import onnx

    needed, nodes = {output}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(onnx.NodeProto())
            nodes[-1].CopyFrom(node)
            needed.update(node.input)
    graph = onnx.GraphProto(
        name=model.graph.name,
        node=nodes[::-1],
        initializer=[_with_data_inside(tensor, folder) for tensor in model.graph.initializer if tensor.name in needed],
        input=[entry for entry in model.graph.input if entry.name in needed],
        output=[entry for entry in model.graph.output if entry.name == output] or [onnx.ValueInfoProto(name=output)],
    )
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                attribute.t.CopyFrom(_with_data_inside(attribute.t, folder))
    standard = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx", "ai.onnx.ml")]
    return onnx.ModelProto(ir_version=model.ir_version, opset_import=standard, graph=graph)


def to_array(tensor: "onnx.TensorProto") -> np.ndarray:
    """The numbers of a tensor, in float64 or int64.

    Raises `InputError` where dimensions and data disagree, the type holds no real numbers, or something is not finite.
    """
    from onnx import numpy_helper

    name = tensor.name or "a constant"
    _refuse_false_shape(tensor)
    try:
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind not in "fiub" and "float" not in array.dtype.name:
            raise TypeError
        array = array.astype(np.int64 if array.dtype.kind in "iub" else np.float64)
    except Exception:  # whatever the library makes of damaged data, it is the file that is wrong
        raise InputError(f"The tensor {name} cannot be read as numbers of its declared shape.") from None
    if not np.isfinite(array).all() and array.ndim > 0:
        raise InputError(f"The tensor {name} holds a number that is not finite.")
    return array


def _refuse_false_shape(tensor: "onnx.TensorProto") -> None:
    shape = tensor.dims[: MOST_DIMENSIONS + 1]
    if len(shape) > MOST_DIMENSIONS or any(dim < 0 for dim in shape) or math.prod(shape) > LARGEST_ARRAY:
        written = ", ".join(map(str, shape[:MOST_DIMENSIONS])) + ", ..." * (len(shape) > MOST_DIMENSIONS)
        name = tensor.name or "a constant"
        raise InputError(f"The tensor {name} declares the shape ({written}), which no surrogate has.")


def _with_data_inside(tensor: "onnx.TensorProto", folder: Path) -> "onnx.TensorProto":
    import onnx

    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return tensor
    _refuse_false_shape(tensor)
    entries = {entry.key: entry.value for entry in tensor.external_data}
    try:
        place = (folder / entries["location"]).resolve(strict=True)
        inside = place.is_file() and place.is_relative_to(folder.resolve())
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", place.stat().st_size))
    except (KeyError, ValueError, OSError, RuntimeError):
        raise InputError(f"The data of the tensor {tensor.name} are in another file that is not there.") from None
    if not inside:
        raise InputError(f"The data of the tensor {tensor.name} are said to lie outside the folder of the model.")
    if offset < 0 or length < 0 or offset + length > place.stat().st_size or length > 8 * LARGEST_ARRAY:
        raise InputError(f"The file with the data of the tensor {tensor.name} is shorter than the model says.")
    with place.open("rb") as file:
        file.seek(offset)
        content = file.read(length)
    return onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type, raw_data=content)
