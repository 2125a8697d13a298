"""Reading ONNX: files of other exporters, our own, and graphs made by hand."""

import jax
import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from activation_names import REPRESENTATIVE
from onnx_graphs import FILES, FIRST, LAST, TANH, B, C, V, W, X, expected_value, model_of, node, read
from sobolev_pruning import InputError
from sobolev_pruning.interchange import load_onnx, save_onnx
from surrogates import surrogate_of_shape
from tolerances import ALGEBRAIC, EXPORT_FLOAT32, READ_FLOAT32


def stored(exporter: str):
    arrays = np.load(FILES / f"{exporter}.npz")
    return [
        pytest.param(
            FILES / f"{exporter}_{name}.onnx", arrays[f"{name}.x"], arrays[f"{name}.y"], id=f"{exporter}-{name}"
        )
        for name in sorted({key.split(".")[0] for key in arrays})
    ]


@pytest.mark.parametrize(("path", "x", "y"), [*stored("pytorch"), *stored("jax"), *stored("tensorflow")])
def test_networks_of_other_exporters_are_read(path, x, y):
    surrogate = load_onnx(path)
    found = np.asarray(surrogate.value(x.reshape(-1, surrogate.widths[0]).astype(np.float64)))
    tolerance = ALGEBRAIC if x.dtype == np.float64 else READ_FLOAT32
    assert found.size == y.size
    assert np.max(np.abs(found.reshape(-1) - y.reshape(-1))) <= tolerance * np.max(np.abs(y))
    expected = next((name for name in sorted(REPRESENTATIVE, key=len, reverse=True) if path.stem.endswith(name)), None)
    assert surrogate.activation == (expected or surrogate.activation)


def test_scaling_at_both_ends_stays_apart():
    surrogate = load_onnx(FILES / "jax_scaled.onnx")
    np.testing.assert_allclose(surrogate.scaling.x_shift, [1.0, -2.0, 0.5])
    np.testing.assert_allclose(surrogate.scaling.x_scale, [2.0, 0.5, 3.0])
    np.testing.assert_allclose(surrogate.scaling.y_shift, [3.0])
    np.testing.assert_allclose(surrogate.scaling.y_scale, [0.5])


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("scaler", [None, "StandardScaler", "MinMaxScaler"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "logistic", "identity"])
@pytest.mark.filterwarnings("ignore")
def test_networks_of_scikit_learn_are_read(tmp_path, activation, scaler, double):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline

    x = np.random.default_rng(1).normal(2.0, 3.0, (60, 3))
    network = MLPRegressor(hidden_layer_sizes=(6, 5), activation=activation, max_iter=20, random_state=0)
    steps = [getattr(preprocessing, scaler)()] if scaler else []
    fitted = make_pipeline(*steps, network).fit(x, np.sin(x[:, 0]) + x[:, 1])
    kind = DoubleTensorType if double else FloatTensorType
    path = tmp_path / "sklearn.onnx"
    path.write_bytes(to_onnx(fitted, initial_types=[("x", kind([None, 3]))]).SerializeToString())
    surrogate = load_onnx(path)
    expected = fitted.predict(x)
    tolerance = ALGEBRAIC if double else READ_FLOAT32
    assert np.max(np.abs(np.asarray(surrogate.value(x)) - expected)) <= tolerance * np.max(np.abs(expected))
    hidden = () if activation == "identity" else (6, 5)
    assert surrogate.widths == (3, *hidden, 1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("widths", "scalar"), [([3, 5, 4, 1], True), ([2, 6, 1], False), ([2, 4, 3], False)], ids=str)
@pytest.mark.parametrize("activation", REPRESENTATIVE)
def test_what_we_write_comes_back(tmp_path, activation, widths, scalar, dtype):
    surrogate = surrogate_of_shape(widths, activation, scalar)
    save_onnx(surrogate, tmp_path / "s.onnx", derivatives=1, dtype=dtype)
    found = load_onnx(tmp_path / "s.onnx")
    assert (found.widths, found.activation, found.scalar_output) == (tuple(widths), activation, scalar)
    tolerance = 1e-14 if dtype == "float64" else EXPORT_FLOAT32["value"]
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(surrogate)):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


SHAPE = np.array([-1, 1, 3])

PIECES = {
    "silu": [
        [node("Sigmoid", "z", "s"), node("Mul", "s z", "h")],
        [node("Neg", "z", "m"), node("Exp", "m", "e"), node("Add", "e one", "p"), node("Reciprocal", "p", "r")]
        + [node("Mul", "z r", "h")],
        [node("Neg", "z", "m"), node("Exp", "m", "e"), node("Add", "one e", "p"), node("Div", "z p", "h")],
        [node("Mul", "z half", "t"), node("Tanh", "t", "u"), node("Add", "u one", "p"), node("Mul", "p z", "q")]
        + [node("Mul", "q half", "h")],
    ],
    "gelu": [
        [node("Div", "z root", "t"), node("Erf", "t", "u"), node("Add", "u one", "p"), node("Mul", "z p", "q")]
        + [node("Mul", "q half", "h")],
        [node("Gelu", "z", "h")],
    ],
    "gelu_tanh": [
        [node("Pow", "z three", "k"), node("Mul", "k cubic", "l3"), node("Add", "z l3", "i"), node("Mul", "i s2p", "j")]
        + [node("Tanh", "j", "u"), node("Add", "u one", "p"), node("Mul", "z half", "q"), node("Mul", "q p", "h")],
        [node("Gelu", "z", "h", approximate="tanh")],
    ],
    "softplus": [
        [node("Exp", "z", "e"), node("Add", "e one", "p"), node("Log", "p", "h")],
        [node("Softplus", "z", "h")],
    ],
    "sigmoid": [
        [node("Neg", "z", "m"), node("Exp", "m", "e"), node("Add", "e one", "p"), node("Div", "one p", "h")],
        [node("Sigmoid", "z", "h")],
    ],
    "relu": [
        [node("Relu", "z", "h")],
        [node("Clip", "z zero", "h")],
        [node("Max", "z zero", "h")],
        [node("Abs", "z", "m"), node("Add", "z m", "p"), node("Mul", "p half", "h")],
    ],
    "elu": [
        [node("Elu", "z", "h")],
        [node("Exp", "z", "e"), node("Sub", "e one", "m"), node("Greater", "z zero", "p"), node("Where", "p z m", "h")],
    ],
    "tanh": [
        [node("Tanh", "z", "h")],
        [node("Exp", "z", "e"), node("Neg", "z", "m"), node("Exp", "m", "f"), node("Sub", "e f", "p")]
        + [node("Add", "e f", "q"), node("Div", "p q", "h")],
    ],
}
NUMBERS = {
    "zero": np.array(0.0),
    "three": np.array(3.0),
    "root": np.sqrt(np.array(2.0)),
    "cubic": np.array(0.044715),
    "s2p": np.sqrt(np.array(2.0 / np.pi)),
}


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.FLOAT], ids=["float64", "float32"])
@pytest.mark.parametrize(
    ("activation", "pieces"),
    [pytest.param(name, pieces, id=f"{name}-{i}") for name in PIECES for i, pieces in enumerate(PIECES[name])],
)
def test_activations_are_recognised_in_pieces(tmp_path, activation, pieces, kind):
    surrogate = read(tmp_path, model_of(FIRST + pieces + LAST, NUMBERS, kind=kind))
    assert (surrogate.widths, surrogate.activation) == ((2, 3, 1), activation)
    tolerance = ALGEBRAIC if kind == TensorProto.DOUBLE else READ_FLOAT32
    np.testing.assert_allclose(surrogate.value(X), expected_value(activation, X), rtol=tolerance, atol=tolerance)


LAYOUTS = {
    "gemm": ([node("Gemm", "x w b", "z"), *TANH, node("Gemm", "h v c", "y")], {}),
    "gemm, transposed": (
        [node("Gemm", "x wt b", "z", transB=1), *TANH, node("Gemm", "h v c", "y")],
        {"wt": W.T.copy()},
    ),
    "gemm, alpha and beta": (
        [node("Gemm", "x w2 b2", "z", alpha=0.5, beta=4.0), *TANH, *LAST],
        {"w2": 2 * W, "b2": B / 4},
    ),
    "gemm, weight on the left": (
        [node("Gemm", "w x bcol", "z", transA=1, transB=1), *TANH, node("Gemm", "h v c", "y", transA=1)],
        {"bcol": B[:, None]},
    ),
    "weight on the left": (
        [node("Transpose", "x", "xt"), node("MatMul", "wt xt", "a"), node("Add", "a bcol", "z"), *TANH]
        + [node("MatMul", "vt h", "l"), node("Add", "l c", "yt"), node("Transpose", "yt", "y")],
        {"wt": W.T.copy(), "bcol": B[:, None], "vt": V.T.copy()},
    ),
    "axes of length 1": (
        [*FIRST, node("Reshape", "z shape", "r"), node("Tanh", "r", "t"), node("Squeeze", "t place", "h"), *LAST],
        {"shape": SHAPE, "place": np.array([1])},
    ),
    "flattened and cast": (
        [node("Flatten", "x", "f"), node("Cast", "f", "g", to=11), node("MatMul", "g w", "a"), node("Add", "a b", "z")]
        + [*TANH, node("Identity", "h", "i"), node("Unsqueeze", "i place", "u"), node("MatMul", "u v", "l")]
        + [node("Add", "l c", "k"), node("Squeeze", "k place", "y")],
        {"place": np.array([1])},
    ),
    "computed shape": (
        [*FIRST, node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Concat", "n three", "t", axis=0)]
        + [node("Reshape", "z t", "r"), node("Tanh", "r", "h"), *LAST],
        {"zero": np.array([0]), "three": np.array([3])},
    ),
    "two affine layers in a row": (
        [node("MatMul", "x q", "x2"), node("MatMul", "x2 w3", "a"), node("Add", "a b", "z"), *TANH, *LAST],
        {"q": 2 * np.eye(2), "w3": W / 2},
    ),
    "constants of their own": (
        [("Constant", [], "k", {"value": numpy_helper.from_array(W)}), node("MatMul", "x k", "a")]
        + [node("Add", "b a", "z"), *TANH, *LAST],
        {},
    ),
}


@pytest.mark.parametrize("batch", ["n", 5, 1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_understood(tmp_path, layout, batch):
    nodes, constants = LAYOUTS[layout]
    surrogate = read(tmp_path, model_of(nodes, constants, x=(batch, 2), y=(batch, 1)))
    assert surrogate.activation == "tanh"
    np.testing.assert_allclose(surrogate.value(X), expected_value("tanh", X), rtol=ALGEBRAIC, atol=ALGEBRAIC)


def test_an_activation_at_the_end_is_that_of_the_outputs(tmp_path):
    surrogate = read(tmp_path, model_of([*FIRST, node("Tanh", "z", "y")], y=("n", 3)))
    assert (surrogate.widths, surrogate.activations) == ((2, 3), ("tanh",))
    np.testing.assert_allclose(surrogate.value(X), np.tanh(X @ W + B), atol=ALGEBRAIC)


def test_inputs_scaled_backwards_are_folded_into_the_first_layer(tmp_path):
    nodes = [node("Mul", "x minus", "xs"), node("MatMul", "xs w", "a"), node("Add", "a b", "z"), *TANH, *LAST]
    surrogate = read(tmp_path, model_of(nodes, {"minus": np.array([-1.0, -2.0])}))
    np.testing.assert_allclose(surrogate.value(X), expected_value("tanh", X * [-1.0, -2.0]), atol=ALGEBRAIC)


REFUSED = {
    "a node before its input": (
        [*FIRST, *TANH, node("Add", "h x2", "s"), node("MatMul", "s v", "y"), node("MatMul", "x w", "x2")],
        "needs x2, which nothing before it gives",
    ),
    "a residual into a hidden layer": (
        [node("MatMul", "x w", "x2"), *FIRST, *TANH, node("Add", "h x2", "s"), node("Tanh", "s", "t")]
        + [node("MatMul", "t v", "y")],
        r"\(MatMul\) does not fit, because the layer before it receives the inputs past a hidden layer",
    ),
    "a residual of layers": (
        [*FIRST, *TANH, node("MatMul", "h sq", "q"), node("Tanh", "q", "t"), node("Add", "t h", "s")]
        + [node("MatMul", "s v", "y")],
        r"\(Add\) does not fit, because it joins two branches .* more than linear terms from the inputs",
    ),
    "an activation of others": (
        [*FIRST, node("Atan", "z", "y")],
        r"\(Atan\) does not fit, because Atan is none of the activations read, which are silu",
    ),
    "normalised batches": (
        [*FIRST, node("BatchNormalization", "z b b b b", "y")],
        r"\(BatchNormalization\) does not fit, because its variances are not above 0",
    ),
    "shares of one": (
        [*FIRST, node("Softmax", "z", "y")],
        "Softmax mixes the nodes of a layer and is not read; choose the tensor before it by output=",
    ),
    "another operation": ([*FIRST, node("CumSum", "z one", "y")], "the operation CumSum is not among those read"),
    "a constant for each point": (
        [*FIRST, node("Add", "z points", "z2"), node("Tanh", "z2", "h"), *LAST],
        r"its constant of shape \(5, 3\) does not go with \(n, 3\)",
    ),
    "a product of inputs": ([node("Transpose", "x", "t"), node("MatMul", "x t", "y")], "both depend on the network"),
    "a mixing of the batch": ([node("Reshape", "x pair", "r"), node("MatMul", "r sq2", "y")], "mixes batch and nodes"),
    "matrices that do not fit": ([node("MatMul", "x v", "y")], "a matrix with 3 columns meets 2 numbers"),
    "a missing tensor": ([node("MatMul", "x nothing", "y")], "needs nothing, which nothing before it gives"),
    "a cycle": ([node("Add", "x q", "p"), node("Add", "p b", "q"), node("Identity", "q", "y")], "needs q, which"),
    "no input": ([node("Identity", "w", "y")], "it has 0 inputs"),
    "an endless shape": ([node("Expand", "x huge", "y")], "repeats nodes|do not go together"),
    "a large product": (
        [node("MatMul", "column row", "k"), node("MatMul", "x k", "y")],
        "its result is too large",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_feed_forward_network_is_refused_with_its_first_node(tmp_path, case):
    nodes, message = REFUSED[case]
    constants = NUMBERS | {
        "sq": np.eye(3),
        "sq2": np.eye(4),
        "points": np.arange(15.0).reshape(5, 3),
        "pair": np.array([2, -1]),
        "huge": np.array([2**40, 2**20]),
        "column": np.ones((10**4, 1)),
        "row": np.ones((1, 10**4)),
    }
    with pytest.raises(InputError, match=message):
        read(tmp_path, model_of(nodes, constants))


def test_a_constant_for_each_point_of_a_fixed_batch_is_refused_as_that(tmp_path):
    nodes = [*FIRST, node("Add", "z points", "z2"), node("Tanh", "z2", "h"), *LAST]
    model = model_of(nodes, {"points": np.arange(15.0).reshape(5, 3)}, x=(5, 2), y=(5, 1))
    with pytest.raises(InputError, match=r"of shape \(5, 3\) differs from point to point of the batch"):
        read(tmp_path, model)


def test_what_we_write_with_a_direction_comes_back(tmp_path):
    surrogate = surrogate_of_shape([2, 6, 1], "silu", False)
    save_onnx(surrogate, tmp_path / "s.onnx", derivatives=2, hessian_vector_product=True)
    found = load_onnx(tmp_path / "s.onnx")
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(surrogate)):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-14)


def test_a_single_point_may_lie_any_way(tmp_path):
    left = [node("MatMul", "wt x1", "a"), node("Add", "a bcol", "z"), *TANH, node("MatMul", "vt h", "y")]
    constants = {"wt": W.T.copy(), "bcol": B[:, None], "vt": V.T.copy(), "column": np.array([2, 1])}
    for first in (node("Transpose", "x", "x1", perm=[1, 0]), node("Reshape", "x column", "x1")):
        surrogate = read(tmp_path, model_of([first, *left], constants, x=(1, 2), y=(1, 1)))
        np.testing.assert_allclose(surrogate.value(X) + C[0], expected_value("tanh", X), atol=ALGEBRAIC)


def test_the_stored_files_are_many_and_small():
    assert len(list(FILES.glob("*.onnx"))) >= 20
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 2**20
