"""ONNX files from anywhere, read without trusting a word of them."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._foundation.errors import InputError

if TYPE_CHECKING:
    import onnx

LARGEST_ARRAY = 2**24
"""Entries of the largest array that reading a model may make, a layer of 4,096 x 4,096; also of all constants that it
computes."""


def read_model(path: Path) -> "onnx.ModelProto":
    """The parsed file, with nothing of it looked at yet; raises `InputError` where it is missing or no ONNX."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise InputError(f"There is no file {path}; check the path of the ONNX model.")
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


def to_array(tensor: "onnx.TensorProto", folder: Path) -> np.ndarray:
    """The numbers of a tensor, in float64 or int64; data outside the file must lie in `folder`.

    Raises `InputError` where dimensions and data disagree, the type holds no real numbers, or something is not finite.
    """
    import onnx
    from onnx import numpy_helper

    name = tensor.name or "a constant"
    size = math.prod(tensor.dims)
    if any(dim < 0 for dim in tensor.dims) or size > LARGEST_ARRAY:
        raise InputError(f"The tensor {name} declares the shape {tuple(tensor.dims)}, which no surrogate has.")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        tensor = _with_external_data(tensor, folder)
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


def _with_external_data(tensor: "onnx.TensorProto", folder: Path) -> "onnx.TensorProto":
    import onnx

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
