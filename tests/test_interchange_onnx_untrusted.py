"""ONNX files that are wrong or hostile: one sentence, no crash, no large allocation."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from onnx_graphs import FILES, FIRST, LAST, TANH, W, X, expected_value, model_of, node, read
from sobolev_pruning import InputError
from sobolev_pruning.interchange import load_onnx
from tolerances import ALGEBRAIC


def tensor_with(**fields):
    tensor = TensorProto(name="w", dims=[2, 3], data_type=TensorProto.DOUBLE, raw_data=W.tobytes())
    for name, value in fields.items():
        if name == "dims":
            tensor.ClearField("dims")
            tensor.dims.extend(value)
        else:
            setattr(tensor, name, value)
    return tensor


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (tensor_with(dims=[2**31, 2**31]), "declares the shape"),
        (tensor_with(dims=[-2, -3]), "declares the shape"),
        (tensor_with(dims=[3, 3]), "cannot be read as numbers of its declared shape"),
        (tensor_with(raw_data=b"abc"), "cannot be read as numbers"),
        (tensor_with(data_type=TensorProto.STRING), "cannot be read as numbers"),
        (tensor_with(data_type=99), "cannot be read as numbers"),
        (tensor_with(raw_data=np.full((2, 3), np.nan).tobytes()), "not finite"),
    ],
)
def test_tensors_that_lie_are_refused(tmp_path, tensor, message):
    model = model_of([*FIRST, *TANH, *LAST])
    model.graph.initializer[0].CopyFrom(tensor)
    with pytest.raises(InputError, match=message):
        read(tmp_path, model)


def external(location: str, **entries) -> TensorProto:
    tensor = TensorProto(name="w", dims=[2, 3], data_type=TensorProto.DOUBLE, data_location=TensorProto.EXTERNAL)
    for key, value in ({"location": location} | entries).items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def test_data_beside_the_model_are_read(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"12345678" + W.tobytes())
    model = model_of([*FIRST, *TANH, *LAST])
    model.graph.initializer[0].CopyFrom(external("weights.bin", offset=8, length=48))
    np.testing.assert_allclose(read(tmp_path, model).value(X), expected_value("tanh", X), atol=ALGEBRAIC)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (external("../secret.bin"), "outside the folder"),
        (external("link.bin"), "outside the folder"),
        (external("missing.bin"), "in another file that is not there"),
        (external("inside/short.bin"), "cannot be read as numbers"),
        (external("inside/short.bin", length=48), "shorter than the model says"),
        (external("inside/short.bin", offset=-1), "shorter than the model says"),
        (external("inside/short.bin", offset="x"), "in another file that is not there"),
    ],
)
def test_data_elsewhere_are_refused(tmp_path, tensor, message):
    (tmp_path / "secret.bin").write_bytes(W.tobytes())
    folder = tmp_path / "models"
    (folder / "inside").mkdir(parents=True)
    (folder / "inside" / "short.bin").write_bytes(b"1234")
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = model_of([*FIRST, *TANH, *LAST])
    model.graph.initializer[0].CopyFrom(tensor)
    with pytest.raises(InputError, match=message):
        read(folder, model)


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ((2**50, 2), TensorProto.DOUBLE, "fixes a batch of 1125899906842624"),
        (("n", 2**40), TensorProto.DOUBLE, "has 1099511627776 inputs"),
        (("n", "d"), TensorProto.DOUBLE, "all numbers but the first fixed"),
        (("n", 2, 2), TensorProto.DOUBLE, "its nodes lie on several axes, .n, 2, 2.; flatten them before"),
        ((), TensorProto.DOUBLE, "all numbers but the first fixed"),
        (("n", 2), TensorProto.INT64, "neither float32 nor float64"),
    ],
)
def test_impossible_inputs_are_refused(tmp_path, shape, kind, message):
    model = model_of([*FIRST, *TANH, *LAST])
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", kind, shape))
    with pytest.raises(InputError, match=message):
        read(tmp_path, model)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08", bytes(1000)])
def test_other_files_are_refused(tmp_path, content):
    with pytest.raises(InputError, match=r"is not a readable ONNX file|holds no graph"):
        read(tmp_path, content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*nothing\.onnx"):
        load_onnx(tmp_path / "nothing.onnx")


def test_a_model_with_functions_of_its_own_says_how_to_inline_them(tmp_path):
    model = model_of([*FIRST, *TANH, *LAST])
    model.functions.add(name="f", domain="here")
    with pytest.raises(InputError, match=r"inline them with onnx\.inliner"):
        read(tmp_path, model)


def test_unused_data_elsewhere_and_unused_nodes_are_not_looked_at(tmp_path):
    model = model_of([*FIRST, *TANH, *LAST, node("Identity", "unused", "other"), node("MyOp", "x", "w2", domain="me")])
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"])], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["one", "one"], ["ends"], body=body))
    model.graph.node.append(helper.make_node("Loop", ["one", "one"], [], body=body))
    for name, location in (("unused", "../secret.bin"), ("alone", "missing.bin")):
        model.graph.initializer.append(external(location))
        model.graph.initializer[-1].name = name
    model.graph.output.append(helper.make_tensor_value_info("w2", TensorProto.DOUBLE, None))
    model.opset_import.append(helper.make_opsetid("me", 1))
    np.testing.assert_allclose(read(tmp_path, model).value(X), expected_value("tanh", X), atol=ALGEBRAIC)


def test_data_elsewhere_of_a_constant_node_are_refused(tmp_path):
    constant = ("Constant", [], "k", {"value": external("../secret.bin")})
    (tmp_path / "secret.bin").write_bytes(W.tobytes())
    (tmp_path / "models").mkdir()
    model = model_of([constant, node("MatMul", "x k", "a"), node("Add", "a b", "z"), *TANH, *LAST])
    with pytest.raises(InputError, match="outside the folder"):
        read(tmp_path / "models", model)


def test_names_do_not_reach_the_terminal_as_commands(tmp_path):
    name = "\x1b]0;title\x07\x1b[31mred\n\u202e"
    with pytest.raises(InputError) as caught:
        read(tmp_path, model_of([("Atan", ["x"], name, {}), ("Identity", [name], "y", {})]))
    assert str(caught.value).isprintable()
    assert r"\x1b]0;title\x07\x1b[31mred\n\u202e (Atan)" in str(caught.value)


@pytest.mark.parametrize("length", [1, 2**62])
def test_forty_thousand_dimensions_are_refused_at_once(tmp_path, length):
    model = model_of([*FIRST, *TANH, *LAST])
    model.graph.initializer[0].ClearField("dims")
    model.graph.initializer[0].dims.extend([length] * 40_000)
    with pytest.raises(InputError, match=r"The tensor w declares the shape \(.*, \.\.\.\), which") as caught:
        read(tmp_path, model)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Unsqueeze", "w many", "w1"), node("MatMul", "x w1", "y")],
        [node("Reshape", "x many", "x1"), node("MatMul", "x1 w", "y")],
        [node("Expand", "w many", "w1"), node("MatMul", "x w1", "y")],
    ],
)
def test_operations_on_forty_thousand_dimensions_are_refused_at_once(tmp_path, nodes):
    with pytest.raises(InputError, match="it speaks of 40000 dimensions"):
        read(tmp_path, model_of(nodes, {"many": np.arange(40_000)}))


def test_forty_thousand_inputs_are_read(tmp_path):
    count = 40_000
    rng = np.random.default_rng(0)
    scaled = [node("Sub", "x means", "x1"), node("Div", "x1 spreads", "x2"), node("MatMul", "x2 wide", "z")]
    numbers = {
        "means": rng.normal(size=count),
        "spreads": np.arange(1.0, count + 1),
        "wide": rng.normal(size=(count, 3)),
    }
    surrogate = read(tmp_path, model_of([*scaled, *TANH, *LAST], numbers, x=("n", count)))
    assert surrogate.widths == (count, 3, 1)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        place = int(rng.integers(len(damaged)))
        match rng.integers(4):
            case 0:
                damaged[place] = int(rng.integers(256))
            case 1:
                del damaged[place : place + int(rng.integers(1, 20))]
            case 2:
                damaged[place:place] = damaged[place : place + int(rng.integers(1, 20))]
            case _:
                damaged[place] ^= 1 << int(rng.integers(8))
        damaged = damaged or bytearray(b"\0")
    return bytes(damaged)


def survive_mutations(tmp_path, count: int, seed: int):
    rng = np.random.default_rng(seed)
    originals = [path.read_bytes() for path in sorted(FILES.glob("*.onnx"))]
    path = tmp_path / "mutated.onnx"
    outcomes = {"read": 0, "refused": 0}
    for number in range(count):
        path.write_bytes(mutated(originals[number % len(originals)], rng))
        try:
            load_onnx(path)
            outcomes["read"] += 1
        except InputError as error:
            assert "\n" not in str(error) or len(str(error)) < 500
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0


@pytest.mark.filterwarnings("ignore")
def test_a_hundred_mutated_files_do_not_crash_it(tmp_path):
    survive_mutations(tmp_path, 100, seed=0)


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore")
def test_a_thousand_mutated_files_do_not_crash_it(tmp_path):
    survive_mutations(tmp_path, 1000, seed=1)
