"""What is affine in somebody's ONNX file is folded: every kind of it, against the graph's own evaluation."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnx_graphs import node
from sobolev_pruning import InputError
from sobolev_pruning.interchange import load_onnx, save_onnx
from surrogates import LAYERED, layered_surrogate
from tolerances import EXPORT_FLOAT64, READ_FLOAT32

RNG = np.random.default_rng(8)


def numbers(*shape):
    return RNG.normal(size=shape)


CHANNEL = {"s": np.array([0.5, 2.0, -1.5]), "o": numbers(3), "m": numbers(3), "v": np.array([0.3, 1.0, 4.0])}
NORMAL = {"s2": np.array([0.5, 2.0]), "o2": numbers(2), "m2": 1e3 * numbers(2), "v2": np.array([0.3, 1.0])}
DENSE = {"w": numbers(2, 3), "b": numbers(3), "u": numbers(3, 3), "c": numbers(3), "v1": numbers(3, 2), "d": numbers(2)}
FIRST = [node("MatMul", "x w", "a"), node("Add", "a b", "z")]
LAST = [node("MatMul", "h v1", "l"), node("Add", "l d", "y")]
X2, Y2 = ("n", 2), ("n", 2)

KINDS = {
    "two activations": (
        [*FIRST, node("Relu", "z", "p"), node("MatMul", "p u", "q"), node("Tanh", "q", "h"), *LAST],
        DENSE,
        X2,
        (2, 3, 3, 2),
        ("relu", "tanh", "identity"),
    ),
    "softplus at the outputs, scaled": (
        [*FIRST, node("Tanh", "z", "h"), *LAST[:1], node("Add", "l d", "k"), node("Softplus", "k", "t")]
        + [node("Mul", "t two", "t2"), node("Add", "t2 d", "y")],
        DENSE | {"two": np.array([2.0, 3.0])},
        X2,
        (2, 3, 2),
        ("tanh", "softplus"),
    ),
    "a falling activation at the outputs": (
        [*FIRST, node("Tanh", "z", "h"), *LAST[:1], node("Sigmoid", "l", "t"), node("Sub", "one t", "y")],
        DENSE | {"one": np.array(1.0)},
        X2,
        (2, 3, 2, 2),
        ("tanh", "sigmoid", "identity"),
    ),
    "normalised inputs": (
        [node("BatchNormalization", "x s2 o2 m2 v2", "x1"), node("MatMul", "x1 w", "z"), node("Tanh", "z", "h"), *LAST],
        DENSE | NORMAL,
        X2,
        (2, 3, 2),
        ("tanh", "identity"),
    ),
    "normalised before and after an activation": (
        [*FIRST, node("BatchNormalization", "z s o m v", "z1"), node("Elu", "z1", "e")]
        + [node("BatchNormalization", "e s o m v", "h"), *LAST],
        DENSE | CHANNEL,
        X2,
        (2, 3, 2),
        ("elu", "identity"),
    ),
    "normalised outputs": (
        [*FIRST, node("Tanh", "z", "h"), *LAST[:1], node("BatchNormalization", "l s2 o2 m2 v2", "y", epsilon=0.1)],
        DENSE | NORMAL,
        X2,
        (2, 3, 2),
        ("tanh", "identity"),
    ),
    "dropout and identities": (
        [node("Identity", "x", "x1"), node("Dropout", "x1", "x2"), node("MatMul", "x2 w", "z"), node("Tanh", "z", "h")]
        + LAST,
        DENSE,
        X2,
        (2, 3, 2),
        ("tanh", "identity"),
    ),
    "a linear term": (
        [
            node("Sub", "x m2", "x0"),
            node("Div", "x0 v2", "x1"),
            node("MatMul", "x1 w", "z"),
            node("Tanh", "z", "h"),
            *LAST[:1],
        ]
        + [node("MatMul", "x t", "p"), node("Add", "p l", "q"), node("Add", "q d", "y")],
        DENSE | {"m2": numbers(2), "v2": np.array([0.5, 3.0]), "t": numbers(2, 2)},
        X2,
        (2, 3, 2),
        ("tanh", "identity"),
    ),
    "a linear term of the inputs as they are, subtracted, under a sigmoid": (
        [*FIRST, node("Tanh", "z", "h"), *LAST[:1], node("Sub", "l x", "q"), node("Mul", "q two", "r")]
        + [node("Sigmoid", "r", "y")],
        DENSE | {"two": np.array([2.0, -3.0])},
        X2,
        (2, 3, 2),
        ("tanh", "sigmoid"),
    ),
    "a residual that stays linear": (
        [node("MatMul", "x w", "x2"), *FIRST, node("Tanh", "z", "t"), node("Add", "t x2", "h"), *LAST],
        DENSE,
        X2,
        (2, 3, 2),
        ("tanh", "identity"),
    ),
    "one axis among ones": (
        [
            node("Sub", "x mean", "x0"),
            node("Flatten", "x0", "x1"),
            node("MatMul", "x1 w", "z"),
            node("Tanh", "z", "h"),
            *LAST,
        ],
        DENSE | {"mean": numbers(1, 1, 1, 2)},
        (1, 1, 1, 2),
        (2, 3, 2),
        ("tanh", "identity"),
    ),
    "an image, its mean and its flattening": (
        [
            node("Sub", "x mean", "x0"),
            node("Reshape", "x0 flat", "x1"),
            node("MatMul", "x1 big", "z"),
            node("Tanh", "z", "h"),
        ]
        + LAST,
        DENSE | {"mean": numbers(1, 4, 3), "big": numbers(12, 3), "flat": np.array([-1, 12])},
        ("n", 1, 4, 3),
        (12, 3, 2),
        ("tanh", "identity"),
    ),
    "an image with its channels last": (
        [node("Transpose", "x", "x0", perm=[0, 3, 1, 2]), node("Flatten", "x0", "x1"), node("MatMul", "x1 big", "z")]
        + [node("Tanh", "z", "h"), *LAST],
        DENSE | {"big": numbers(12, 3)},
        ("n", 3, 2, 2),
        (12, 3, 2),
        ("tanh", "identity"),
    ),
    "a convolution over the whole input": (
        [
            node("Conv", "x kernel b", "z0"),
            node("Relu", "z0", "z1"),
            node("Conv", "z1 point", "h0"),
            node("Tanh", "h0", "h1"),
        ]
        + [node("Flatten", "h1", "h"), *LAST],
        DENSE | {"kernel": numbers(3, 1, 4, 3), "point": numbers(3, 3, 1, 1)},
        ("n", 1, 4, 3),
        (12, 3, 3, 2),
        ("relu", "tanh", "identity"),
    ),
    "columns scaled by themselves": (
        [node("Gather", "x left", "p", axis=1), node("Slice", "x one two one", "q"), node("Sub", "p m", "p0")]
        + [
            node("Div", "p0 v", "p1"),
            node("Concat", "q p1", "x1", axis=1),
            node("MatMul", "x1 w", "z"),
            node("Tanh", "z", "h"),
        ]
        + LAST,
        DENSE
        | {"left": np.array([0]), "one": np.array([1]), "two": np.array([2]), "m": np.array([1e6 / 3])}
        | {"v": np.array([0.7])},
        X2,
        (2, 3, 2),
        ("tanh", "identity"),
    ),
    "split and joined": (
        [node("Split", "x halves", "p q", axis=1), node("Concat", "q p", "x1", axis=-1), node("MatMul", "x1 w", "z")]
        + [node("Tanh", "z", "h"), *LAST],
        DENSE | {"halves": np.array([1, 1])},
        X2,
        (2, 3, 2),
        ("tanh", "identity"),
    ),
    "a part of a layer": (
        [*FIRST, node("Tanh", "z", "t"), node("Slice", "t one three one", "h"), node("MatMul", "h w2", "y")],
        DENSE | {"one": np.array([1]), "three": np.array([3]), "w2": numbers(2, 2)},
        X2,
        (2, 2, 2),
        ("tanh", "identity"),
    ),
    "wider than 4,096": (
        [
            node("MatMul", "x wide", "z"),
            node("Relu", "z", "t"),
            node("Mul", "t scales", "h"),
            node("MatMul", "h back", "y"),
        ],
        {"wide": numbers(2, 5000), "scales": numbers(5000), "back": numbers(5000, 2)},
        X2,
        (2, 5000, 2),
        ("relu", "identity"),
    ),
}


def model_of(nodes, constants, inputs, kind=TensorProto.DOUBLE):
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    nodes = [helper.make_node(op, named, output.split(), **attributes) for op, named, output, attributes in nodes]
    used = {name for each in nodes for name in each.input}
    tensors = [
        numpy_helper.from_array(array.astype(dtype) if array.dtype.kind == "f" else array, name)
        for name, array in constants.items()
        if name in used
    ]
    entries = [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()]
    result = [helper.make_tensor_value_info("y", kind, Y2)]
    graph = helper.make_graph(nodes, "g", entries, result, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)


def read(tmp_path, model, **options):
    path = tmp_path / "hand.onnx"
    path.write_bytes(model.SerializeToString())
    return load_onnx(path, **options)


def graph_values(model, fed):
    return ReferenceEvaluator(model).run(None, fed)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_network_of_the_file(tmp_path, kind):
    nodes, constants, shape, widths, activations = KINDS[kind]
    model = model_of(nodes, constants, {"x": shape})
    surrogate = read(tmp_path, model)
    assert (surrogate.widths, surrogate.activations) == (widths, activations)
    points = np.random.default_rng(0).normal(size=(11, widths[0]))
    n = 11 if shape[0] == "n" else 1
    pieces = [points[i : i + n].reshape(n, *shape[1:]) for i in range(0, 11, n)]
    expected = np.concatenate([graph_values(model, {"x": piece}) for piece in pieces]).reshape(11, 2)
    np.testing.assert_allclose(surrogate.value(points), expected, atol=EXPORT_FLOAT64["value"] * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["a linear term", "normalised before and after an activation"])
def test_it_is_so_in_float32(tmp_path, kind):
    nodes, constants, shape, widths, _ = KINDS[kind]
    model = model_of(nodes, constants, {"x": shape}, TensorProto.FLOAT)
    points = np.random.default_rng(0).normal(size=(11, widths[0])).astype(np.float32)
    expected = graph_values(model, {"x": points})
    found = read(tmp_path, model).value(points.astype(np.float64))
    np.testing.assert_allclose(found, expected, atol=READ_FLOAT32 * np.abs(expected).max())


def test_shifts_of_the_inputs_stay_apart_in_columns_too(tmp_path):
    nodes, constants, shape, *_ = KINDS["columns scaled by themselves"]
    surrogate = read(tmp_path, model_of(nodes, constants, {"x": shape}))
    np.testing.assert_array_equal(surrogate.scaling.x_shift, [1e6 / 3, 0.0])


def test_several_inputs_become_one_vector(tmp_path):
    nodes = [node("Concat", "p q", "x", axis=1), *FIRST, node("Tanh", "z", "h"), *LAST]
    model = model_of(nodes, DENSE | {"w": numbers(4, 3)}, {"p": ("n", 1), "q": ("n", 3)})
    surrogate = read(tmp_path, model)
    points = np.random.default_rng(0).normal(size=(7, 4))
    expected = graph_values(model, {"p": points[:, :1], "q": points[:, 1:]})
    np.testing.assert_allclose(surrogate.value(points), expected, atol=EXPORT_FLOAT64["value"] * np.abs(expected).max())


def test_any_tensor_can_be_read(tmp_path):
    nodes = [*FIRST, node("Tanh", "z", "h"), *LAST[:1], node("Softmax", "l", "y")]
    model = model_of(nodes, DENSE, {"x": X2})
    points = np.random.default_rng(0).normal(size=(7, 2))
    expected = np.tanh(points @ DENSE["w"] + DENSE["b"]) @ DENSE["v1"]
    np.testing.assert_allclose(read(tmp_path, model, output="l").value(points), expected, atol=1e-13)
    hidden = read(tmp_path, model, output="h")
    assert (hidden.widths, hidden.activation) == ((2, 3), "outputs tanh")
    with pytest.raises(InputError, match="no node gives the tensor m; its outputs are y"):
        read(tmp_path, model, output="m")


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([node("Conv", "x kernel", "q"), node("Flatten", "q", "y")], r"its window \(2, 2\) moves over \(4, 3\) places"),
        ([node("MatMul", "x kernel", "y")], r"its nodes lie on several axes, \(n, 1, 4, 3\); flatten them before"),
        ([node("Slice", "x one one", "y")], "it cuts something else than a part of the nodes out"),
        ([node("MaxPool", "x", "y", kernel_shape=[2, 2])], "MaxPool moves over places"),
        ([node("Reshape", "x halves", "y")], "it mixes batch and nodes"),
    ],
)
def test_what_moves_over_an_image_is_refused(tmp_path, nodes, sentence):
    constants = {"kernel": numbers(1, 1, 2, 2), "one": np.array([0]), "halves": np.array([2, -1])}
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, model_of(nodes, constants, {"x": ("n", 1, 4, 3)}))


def test_layers_side_by_side_are_refused(tmp_path):
    nodes = [*FIRST, node("Tanh", "z", "p"), node("Relu", "z", "q"), node("Concat", "p q", "y", axis=1)]
    with pytest.raises(InputError, match=r"\(Concat\) does not fit, because it joins different layers side by side"):
        read(tmp_path, model_of(nodes, DENSE, {"x": X2}))


@pytest.mark.parametrize("kind", LAYERED)
def test_what_we_write_of_layers_and_skips_comes_back(tmp_path, kind):
    surrogate = layered_surrogate(*LAYERED[kind])
    save_onnx(surrogate, tmp_path / "s.onnx")
    found = load_onnx(tmp_path / "s.onnx")
    merged = {"everything": (3, 5, 3, 2)}.get(kind, surrogate.widths)  # an identity between two layers is no layer
    assert found.widths == merged
    points = 3.0 + np.random.default_rng(0).normal(size=(9, 3))
    expected = np.asarray(surrogate.value(points))
    np.testing.assert_allclose(found.value(points), expected, atol=1e-13 * np.abs(expected).max())
