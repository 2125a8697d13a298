"""ONNX files we write: valid, complete, and the same function in two runtimes as in JAX."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest

from activation_names import EVERY, REPRESENTATIVE
from sobolev_pruning import InputError
from sobolev_pruning.interchange import load_onnx, save_onnx
from sobolev_pruning.interchange.write.onnx_graph import OPSET
from surrogates import LAYERED, layered_surrogate, surrogate_of_shape
from tolerances import EXPORT_FLOAT32, EXPORT_FLOAT64

SHAPES = [([3, 8, 5, 1], True), ([2, 6, 1], False), ([2, 5, 4, 3], False), ([3, 1], True), ([3, 2], False)]
CASES = [(*SHAPES[0], activation) for activation in EVERY] + [(*shape, "gelu") for shape in SHAPES[1:]]


def run_onnxruntime(path, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, inputs)


def run_reference(path, inputs):
    return onnx.reference.ReferenceEvaluator(str(path)).run(None, inputs)


def truth(surrogate, points, directions):
    arrays = {
        "value": surrogate.value(points),
        "gradient": surrogate.gradient(points),
        "hessian": surrogate.hessian(points),
        "hvp": surrogate.hessian_products(points, jnp.asarray(directions[:, None]))[:, 0],
    }
    return {name: np.asarray(array) for name, array in arrays.items()}


def assert_agreement(found, expected, tolerances):
    for name, array in found.items():
        assert array.shape == expected[name].shape, name
        largest = np.max(np.abs(expected[name]))
        assert np.max(np.abs(array - expected[name])) <= tolerances[name] * largest, name


def inputs_for(surrogate, n=64):
    d = surrogate.widths[0]
    generator = np.random.default_rng(5)
    return 3.0 + 2.0 * generator.standard_normal((n, d)), generator.standard_normal((n, d))


@pytest.mark.parametrize("run", [run_onnxruntime, run_reference])
@pytest.mark.parametrize(("widths", "scalar", "activation"), CASES, ids=str)
def test_all_outputs_agree_with_jax(tmp_path, activation, widths, scalar, run):
    surrogate = surrogate_of_shape(widths, activation, scalar)
    points, directions = inputs_for(surrogate)
    path = tmp_path / "s.onnx"
    save_onnx(surrogate, path, derivatives=2, hessian_vector_product=True)
    outputs = run(path, {"x": np.asarray(points), "direction": np.asarray(directions)})
    assert all(output.dtype == np.float64 for output in outputs)
    found = dict(zip(["value", "gradient", "hessian", "hvp"], outputs))
    assert_agreement(found, truth(surrogate, points, directions), EXPORT_FLOAT64)


@pytest.mark.parametrize("run", [run_onnxruntime, run_reference])
@pytest.mark.parametrize("kind", LAYERED)
def test_layers_of_their_own_and_a_skip_are_written(tmp_path, kind, run):
    surrogate = layered_surrogate(*LAYERED[kind])
    points, directions = inputs_for(surrogate)
    path = tmp_path / "s.onnx"
    save_onnx(surrogate, path, derivatives=2, hessian_vector_product=True)
    outputs = run(path, {"x": np.asarray(points), "direction": np.asarray(directions)})
    found = dict(zip(["value", "gradient", "hessian", "hvp"], outputs))
    assert_agreement(found, truth(surrogate, points, directions), EXPORT_FLOAT64)


@pytest.mark.parametrize("widths", [[1, 5, 4, 1], [2, 1, 1], [1, 1, 1]], ids=str)
def test_constants_of_one_number_keep_their_precision(tmp_path, widths):
    surrogate = surrogate_of_shape(widths, "tanh", scalar=True)
    points, directions = inputs_for(surrogate)
    path = tmp_path / "s.onnx"
    save_onnx(surrogate, path, derivatives=2, hessian_vector_product=True)
    outputs = run_onnxruntime(path, {"x": np.asarray(points), "direction": np.asarray(directions)})
    found = dict(zip(["value", "gradient", "hessian", "hvp"], outputs))
    assert_agreement(found, truth(surrogate, points, directions), EXPORT_FLOAT64)


def one_number_beside_a_product(graph) -> list[str]:
    """Multiplications by one number before or after a matrix product, which onnxruntime joins with it in float32."""
    constant = {tensor.name for tensor in graph.initializer}
    single = {tensor.name for tensor in graph.initializer if np.prod(tensor.dims) == 1}
    for node in graph.node:  # a runtime computes beforehand what it can
        if constant.issuperset(node.input):
            constant.update(node.output)
            single.update(node.output if node.input[0] in single else [])
    scalings = [n for n in graph.node if n.op_type in ("Mul", "Div") and single.intersection(n.input)]
    products = [n for n in graph.node if n.op_type == "MatMul"]
    before = {name for node in products for name in node.input}
    after = {name for node in products for name in node.output}
    return [n.name for n in scalings if before.intersection(n.output) or after.intersection(n.input)]


@pytest.mark.parametrize("widths", [[1, 1, 1], [1, 3, 1], [2, 1, 1], [1, 2, 1, 1], [1, 1, 2], [1, 1]], ids=str)
@pytest.mark.parametrize("activation", REPRESENTATIVE)
def test_nothing_is_written_that_runtimes_join_in_single_precision(tmp_path, activation, widths):
    save_onnx(surrogate_of_shape(widths, activation, False), tmp_path / "s.onnx", derivatives=2)
    save_onnx(surrogate_of_shape(widths, activation, False), tmp_path / "p.onnx", hessian_vector_product=True)
    for name in ("s.onnx", "p.onnx"):
        graph = onnx.load(tmp_path / name).graph
        assert one_number_beside_a_product(graph) == []
        assert not any(node.op_type == "Sigmoid" for node in graph.node)  # silu becomes QuickGelu, float32 only


@pytest.mark.parametrize("activation", EVERY)
def test_float32_agrees_to_its_precision(tmp_path, activation):
    surrogate = surrogate_of_shape([3, 8, 5, 1], activation, scalar=True)
    points, directions = inputs_for(surrogate)
    points = jnp.asarray(points.astype(jnp.float32), jnp.float64)
    path = tmp_path / "s.onnx"
    save_onnx(surrogate, path, derivatives=2, dtype="float32")
    outputs = run_onnxruntime(path, {"x": np.asarray(points, np.float32)})
    assert all(output.dtype == np.float32 for output in outputs)
    found = dict(zip(["value", "gradient", "hessian"], outputs))
    assert_agreement(found, truth(surrogate, points, directions), EXPORT_FLOAT32)


@pytest.mark.parametrize(("derivatives", "product"), [(0, False), (1, False), (2, False), (0, True), (2, True)])
def test_only_what_is_asked_for_is_written(tmp_path, derivatives, product):
    surrogate = surrogate_of_shape([3, 4, 1], "silu", scalar=True)
    path = tmp_path / "s.onnx"
    save_onnx(surrogate, path, derivatives=derivatives, hessian_vector_product=product)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    names = ["value", "gradient", "hessian"][: derivatives + 1] + (["hvp"] if product else [])
    assert [output.name for output in model.graph.output] == names
    assert [value.name for value in model.graph.input] == (["x", "direction"] if product else ["x"])
    produced = {name for node in model.graph.node for name in node.output}
    consumed = {name for node in model.graph.node for name in node.input} | set(names)
    assert produced <= consumed
    assert {initialiser.name for initialiser in model.graph.initializer} <= consumed
    assert model.opset_import[0].version == OPSET


@pytest.mark.parametrize("n", [1, 1000])
def test_any_batch_size_runs(tmp_path, n):
    surrogate = surrogate_of_shape([3, 4, 2], "gelu", scalar=False)
    save_onnx(surrogate, tmp_path / "s.onnx", derivatives=2)
    value, gradient, hessian = run_onnxruntime(tmp_path / "s.onnx", {"x": np.ones((n, 3))})
    assert (value.shape, gradient.shape, hessian.shape) == ((n, 2), (n, 2, 3), (n, 2, 3, 3))


def test_the_metadata_tell_what_it_is(tmp_path):
    surrogate = surrogate_of_shape([2, 4, 1], "softplus", scalar=True)
    save_onnx(surrogate, tmp_path / "s.onnx", box=([0, -1], [1.0, 2.0]), notes={"r2": {"value": 0.99}})
    model = onnx.load(tmp_path / "s.onnx")
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["activation"] == "softplus"
    assert json.loads(found["widths"]) == [2, 4, 1]
    assert json.loads(found["scalar_output"]) is True
    assert json.loads(found["box"]) == [[0.0, -1.0], [1.0, 2.0]]
    assert json.loads(found["r2"]) == {"value": 0.99}
    assert model.producer_name == "sobolev-pruning"


def test_names_and_units_stand_in_the_file_and_come_back(tmp_path):
    names = {"inputs": ["spot [USD]", "Volatility, σ [1/sqrt(year)]"], "outputs": ["price [USD]"]}
    surrogate = replace(surrogate_of_shape([2, 4, 1], "tanh", scalar=True), **names)
    save_onnx(surrogate, tmp_path / "s.onnx", derivatives=1)
    model = onnx.load(tmp_path / "s.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.input[0].doc_string == "spot [USD], Volatility, σ [1/sqrt(year)]"
    assert [each.doc_string for each in model.graph.output] == ["price [USD]", "first derivatives of price [USD]"]
    read = load_onnx(tmp_path / "s.onnx")
    assert (read.inputs, read.outputs) == (surrogate.inputs, surrogate.outputs)


@pytest.mark.parametrize("noted", ['[1, "a"]', "3", "{", '[{"name": "a"}]', '[{"name": "a\\n", "unit": null}]', "null"])
def test_what_others_note_under_our_keys_is_no_name(tmp_path, noted):
    surrogate = surrogate_of_shape([1, 2, 1], "tanh", scalar=True)
    save_onnx(surrogate, tmp_path / "s.onnx")
    model = onnx.load(tmp_path / "s.onnx")
    for entry in model.metadata_props:
        entry.value = noted if entry.key in ("inputs", "box") else entry.value
    onnx.save(model, tmp_path / "s.onnx")
    read = load_onnx(tmp_path / "s.onnx")
    assert read.inputs == surrogate.inputs and read.training_range is None


def test_the_same_surrogate_gives_the_same_bytes(tmp_path):
    surrogate = surrogate_of_shape([2, 4, 1], "gelu", scalar=True)
    for name in ("a", "b"):
        save_onnx(surrogate, tmp_path / name, derivatives=2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"derivatives": 3}, r"derivatives is 3; choose 0 \(values\)"),
        ({"dtype": "float16"}, "dtype is 'float16'; choose"),
        ({"box": ([0.0], [1.0])}, "a lower and an upper corner of 2 numbers each"),
        ({"box": ([0.0, 2.0], [1.0, 1.0])}, "the lower not above the upper"),
        ({"box": [[0.0, 0.0]]}, "a lower and an upper corner"),
    ],
)
def test_what_cannot_be_written_is_said(types_unchecked, tmp_path, arguments, message):
    surrogate = surrogate_of_shape([2, 4, 1], "silu", scalar=True)
    with pytest.raises(InputError, match=message):
        save_onnx(surrogate, tmp_path / "s.onnx", **arguments)
    assert list(tmp_path.iterdir()) == []
