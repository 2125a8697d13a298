"""ONNX graphs made by hand for tests: x (n, 2), weights w (2, 3) and v (3, 1), biases b and c, one hidden layer."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from sobolev_pruning import Surrogate
from sobolev_pruning.activations import activate
from sobolev_pruning.interchange import load_onnx

FILES = Path(__file__).parent / "onnx_files"
_RNG = np.random.default_rng(0)
W, B = _RNG.normal(size=(2, 3)), _RNG.normal(size=3)
V, C = _RNG.normal(size=(3, 1)), _RNG.normal(size=1)


def model_of(nodes, constants=None, x=("n", 2), y=("n", 1), kind=TensorProto.DOUBLE, opset=20, **options):
    arrays = {"w": W, "b": B, "v": V, "c": C, "one": np.array(1.0), "half": np.array(0.5)} | (constants or {})
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    graph = helper.make_graph(
        [helper.make_node(op, inputs, [output], **attributes) for op, inputs, output, attributes in nodes],
        "g",
        [helper.make_tensor_value_info("x", kind, x)],
        [helper.make_tensor_value_info("y", kind, y)],
        [
            numpy_helper.from_array(array.astype(dtype) if array.dtype.kind == "f" else array, name)
            for name, array in arrays.items()
        ],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **options)


def read(tmp_path, model) -> Surrogate:
    path = tmp_path / "hand.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return load_onnx(path)


def node(op, inputs, output, **attributes):
    return op, inputs.split(), output, attributes


FIRST = [node("MatMul", "x w", "a"), node("Add", "a b", "z")]
LAST = [node("MatMul", "h v", "l"), node("Add", "l c", "y")]
TANH = [node("Tanh", "z", "h")]
X = _RNG.normal(size=(9, 2))


def expected_value(surrogate_activation, x):
    h = activate(jnp.asarray(x @ W + B), surrogate_activation)
    return np.asarray(h) @ V[:, 0] + C[0]
