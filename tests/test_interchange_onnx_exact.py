"""Activations of ONNX graphs are told by their formulas: exact far out, at breakpoints and for odd constants."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.special
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from onnx_graphs import FIRST, LAST, TANH, B, W, model_of, node, read
from sobolev_pruning import InputError
from sobolev_pruning.interchange.read import pieces, smooth
from tolerances import EXPORT_FLOAT64

DISTANCES = (1.0, 30.0, 1e3, 1e6)

# The graph computes z = x w + b, then `nodes` h from z, then y = h v + c. Numbers by name, all of them 0-d.
NUMBERS = {
    name: np.array(value)
    for name, value in {
        "zero": 0.0, "two": 2.0, "three": 3.0, "minus": -1.0, "four": 4.0, "root": math.sqrt(2.0), "k": 1.702,
        "s2p": math.sqrt(2.0 / math.pi), "cubic": 0.044715, "lecun": 1.7159, "third2": 2.0 / 3.0, "off": 1e6,
        "halfroot32": float(np.float32(math.sqrt(0.5))), "inf": math.inf, "huge": 3.4028234663852886e38,
        "bit": 0.1, "forty": 40.0, "nine": 9.0, "six": 6.0, "twenty": 20.0, "low": -30.0, "far": 1e30,
        "hundredth": 0.01,
    }.items()
}  # fmt: skip

EXACT = {
    "tanh of LeCun": ("tanh", [node("Mul", "z third2", "a1"), node("Tanh", "a1", "t"), node("Mul", "lecun t", "h")]),
    "tanh from sigmoid": (
        "tanh",
        [node("Mul", "z two", "d"), node("Sigmoid", "d", "s"), node("Mul", "s two", "q"), node("Sub", "q one", "h")],
    ),
    "a large offset": ("tanh", [node("Tanh", "z", "t"), node("Add", "t off", "h")]),
    "an offset inside": ("silu", [node("Add", "z three", "q"), node("Sigmoid", "q", "s"), node("Mul", "q s", "h")]),
    "quick gelu": ("silu", [node("Mul", "z k", "q"), node("Sigmoid", "q", "s"), node("Mul", "z s", "h")]),
    "silu of what falls": ("silu", [node("Neg", "z", "m"), node("Sigmoid", "m", "s"), node("Mul", "m s", "h")]),
    "silu, complement": (
        "silu",
        [node("Neg", "z", "m"), node("Sigmoid", "m", "s"), node("Sub", "one s", "p"), node("Mul", "p z", "h")],
    ),
    "sigmoid, two branches": (
        "sigmoid",
        [node("Abs", "z", "a1"), node("Neg", "a1", "m"), node("Exp", "m", "e"), node("Add", "e one", "p")]
        + [node("Div", "one p", "r"), node("Div", "e p", "q"), node("GreaterOrEqual", "z zero", "c1")]
        + [node("Where", "c1 r q", "h")],
    ),
    "relu backwards": (
        "relu",
        [node("Sub", "one z", "q"), node("Relu", "q", "r"), node("Mul", "r two", "d"), node("Sub", "three d", "h")],
    ),
    "relu, Min of what falls": ("relu", [node("Neg", "z", "m"), node("Min", "m zero", "p"), node("Neg", "p", "h")]),
    "relu, Where": ("relu", [node("Less", "z zero", "c1"), node("Where", "c1 zero z", "h")]),
    "relu, a mask": (
        "relu",
        [node("Greater", "z zero", "c1"), node("Cast", "c1", "f", to=11), node("Mul", "z f", "h")],
    ),
    "relu, no bound above": ("relu", [node("Clip", "z zero inf", "h")]),
    "relu twice": ("relu", [node("Relu", "z", "r"), node("Max", "r z", "s"), node("Max", "zero s", "h")]),
    "relu at another place": ("relu", [node("Max", "z bit", "h")]),
    "relu above all bounds": ("relu", [node("Max", "zero z nine", "h")]),
    "softplus, stable": (
        "softplus",
        [node("Max", "z zero", "p"), node("Abs", "z", "a1"), node("Neg", "a1", "m"), node("Exp", "m", "e")]
        + [node("Add", "e one", "q"), node("Log", "q", "l2"), node("Add", "p l2", "h")],
    ),
    "softplus, minus log sigmoid": (
        "softplus",
        [node("Neg", "z", "m"), node("Sigmoid", "m", "s"), node("Log", "s", "l2"), node("Neg", "l2", "h")],
    ),
    "softplus with beta": (
        "softplus",
        [node("Mul", "z four", "q"), node("Softplus", "q", "s"), node("Div", "s four", "h")],
    ),
    "softplus, threshold where nothing is seen": (
        "softplus",
        [node("Softplus", "z", "s"), node("Greater", "z forty", "c1"), node("Where", "c1 z s", "h")],
    ),
    "elu, Max and Min": (
        "elu",
        [node("Max", "z zero", "p"), node("Exp", "z", "e"), node("Sub", "e one", "q"), node("Min", "q zero", "m")]
        + [node("Add", "p m", "h")],
    ),
    "elu of what falls": (
        "elu",
        [node("Sub", "two z", "q"), node("Elu", "q", "e"), node("Mul", "e three", "h")],
    ),
    "gelu, erf": (
        "gelu",
        [node("Div", "z root", "q"), node("Erf", "q", "e"), node("Add", "e one", "p"), node("Mul", "p half", "f")]
        + [node("Mul", "z f", "h")],
    ),
    "gelu, constant of float32": (
        "gelu",
        [node("Mul", "z halfroot32", "q"), node("Erf", "q", "e"), node("Mul", "z e", "p"), node("Add", "p z", "h")],
    ),
    "gelu of what falls": ("gelu", [node("Sub", "one z", "q"), node("Gelu", "q", "h")]),
    "gelu_tanh, cube as products": (
        "gelu_tanh",
        [node("Mul", "z z", "q"), node("Mul", "q cubic", "p"), node("Add", "p one", "r"), node("Mul", "z s2p", "u")]
        + [node("Mul", "u r", "i"), node("Tanh", "i", "t"), node("Add", "t one", "f"), node("Mul", "z half", "g")]
        + [node("Mul", "g f", "h")],
    ),
    "a bounded relu": ("clip(0.0, 20.0)", [node("Clip", "z zero twenty", "h")]),
    "relu below a bound": ("clip(0.0, 20.0)", [node("Relu", "z", "r"), node("Min", "r twenty", "h")]),
    "a clip before relu": ("clip(0.0, 20.0)", [node("Clip", "z low twenty", "q"), node("Relu", "q", "h")]),
    "a bound far out": ("clip(0.0, 1e+30)", [node("Clip", "z zero far", "h")]),
    "relu6, falling": ("clip(-6.0, 0.0)", [node("Neg", "z", "m"), node("Relu", "m", "r"), node("Min", "r six", "h")]),
    "leaky relu": ("leaky_relu(0.01)", [node("Mul", "z hundredth", "q"), node("Max", "z q", "h")]),
    "leaky relu of what falls": (
        "leaky_relu(0.01)",
        [node("Sub", "two z", "m"), node("Mul", "m hundredth", "q"), node("Max", "m q", "h")],
    ),
    "the absolute value": ("leaky_relu(-1.0)", [node("Abs", "z", "h")]),
    "elu of another alpha": ("elu(0.5)", [node("Elu", "z", "h", alpha=0.5)]),
    "elu of another alpha, falling": (
        "elu(0.5)",
        [node("Sub", "two z", "m"), node("Elu", "m", "e", alpha=0.5), node("Mul", "e minus", "h")],
    ),
    "celu": ("elu", [node("Celu", "z", "h", alpha=2.0)]),
    "mish in pieces": ("mish", [node("Softplus", "z", "s"), node("Tanh", "s", "t"), node("Mul", "z t", "h")]),
    "mish of what falls": (
        "mish",
        [node("Sub", "one z", "m"), node("Softplus", "m", "s"), node("Tanh", "s", "t"), node("Mul", "m t", "h")],
    ),
    "hard_swish": ("hard_swish", [node("HardSwish", "z", "h")]),
    "hard_swish in pieces": (
        "hard_swish",
        [node("Add", "z three", "p"), node("Clip", "p zero six", "q"), node("Mul", "z q", "r")]
        + [node("Div", "r six", "h")],
    ),
    "hard_swish of what falls": (
        "hard_swish",
        [node("Sub", "two z", "m"), node("HardSigmoid", "m", "q", alpha=0.2, beta=0.5), node("Mul", "m q", "h")],
    ),
    "hard sigmoid": ("clip(-2.0, 2.0)", [node("HardSigmoid", "z", "h", alpha=0.25)]),
    "softsign": ("softsign", [node("Softsign", "z", "h")]),
    "softsign in pieces, scaled": (
        "softsign",
        [node("Sub", "two z", "m"), node("Abs", "m", "q"), node("Add", "q three", "p"), node("Div", "m p", "h")],
    ),
    "a sine": ("sin", [node("Mul", "z three", "q"), node("Sin", "q", "s"), node("Add", "s two", "h")]),
    "an exponential": ("exp", [node("Neg", "z", "m"), node("Exp", "m", "e"), node("Sub", "two e", "h")]),
    "gelu_tanh, shifted": ("gelu_tanh", [node("Add", "z three", "q"), node("Gelu", "q", "h", approximate="tanh")]),
}  # fmt: skip


OVERFLOWING = {"softplus, minus log sigmoid": (1.0, 30.0), "an exponential": (1.0, 30.0), "a sine": (1.0, 30.0)}
"""Where the graph's own float64 arithmetic loses its digits further out."""


class Erf(OpRun):
    """The package's own is right to 1e-7 only."""

    def _run(self, x):
        return (scipy.special.erf(x),)


class Gelu(OpRun):
    """The package's own rounds its constants to float32."""

    op_domain = ""

    def _run(self, x, approximate=None):
        if approximate == "tanh":
            return (0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),)
        return (x * scipy.special.ndtr(x),)


def graph_of(nodes, **options):
    return model_of(FIRST + nodes + LAST, NUMBERS, **options)


def points_at(distance: float) -> np.ndarray:
    """Points at random, and such that an entry of z is 0, a breakpoint, or as far out."""
    targets = np.array([0.0, 1e-9, -1e-9, 0.1, 1.0, 2.0, -3.0, 40.0, -40.0, distance, -distance])
    column = np.zeros((len(targets), 2))
    column[:, 1] = (targets - B[0]) / W[1, 0]
    return np.concatenate([distance * np.random.default_rng(3).normal(size=(20, 2)), column])


def assert_equal_everywhere(surrogate, model, distances=DISTANCES):
    evaluator = ReferenceEvaluator(model, new_ops=[Erf, Gelu])
    for distance in distances:
        x = points_at(distance)
        with np.errstate(all="ignore"):
            expected = evaluator.run(None, {"x": x})[0].reshape(-1)
        known = np.isfinite(expected)
        found = np.asarray(surrogate.value(x))
        assert known.any()
        difference = np.max(np.abs(found - expected)[known])
        assert difference <= EXPORT_FLOAT64["value"] * np.max(np.abs(expected[known]))


@pytest.mark.parametrize("form", EXACT)
def test_what_is_read_is_the_graph_at_every_distance(tmp_path, form):
    activation, nodes = EXACT[form]
    model = graph_of(nodes)
    surrogate = read(tmp_path, model)
    assert (surrogate.widths, surrogate.activation) == ((2, 3, 1), activation)
    assert_equal_everywhere(surrogate, model, OVERFLOWING.get(form, DISTANCES))


@pytest.mark.parametrize(
    "nodes", [[node("Clip", "z zero huge", "h")], [node("Clip", "z", "h", min=0.0)]], ids=["input", "attribute"]
)
def test_the_largest_number_of_float32_is_no_bound_there(tmp_path, nodes):
    opset = 6 if "zero" not in nodes[0][1] else 20
    model = graph_of(nodes, kind=TensorProto.FLOAT, opset=opset)
    assert read(tmp_path, model).activation == "relu"


def test_scalings_of_the_inputs_keep_large_shifts(tmp_path):
    for mean, deviation in ((np.array([1e6, -3e6]), np.array([0.37, 3.3])), (np.array(1e6 / 3), np.array(0.7))):
        nodes = [node("Sub", "x mean", "s"), node("Div", "s deviation", "s2"), node("MatMul", "s2 w", "a")]
        model = model_of([*nodes, node("Add", "a b", "z"), *TANH, *LAST], {"mean": mean, "deviation": deviation})
        surrogate = read(tmp_path, model)
        np.testing.assert_array_equal(surrogate.scaling.x_shift, np.broadcast_to(mean, (2,)))
        x = mean + deviation * np.random.default_rng(0).normal(size=(20, 2))
        expected = ReferenceEvaluator(model).run(None, {"x": x})[0].reshape(-1)
        assert np.max(np.abs(np.asarray(surrogate.value(x)) - expected)) <= 1e-13 * np.max(np.abs(expected))


REFUSED = {
    "a clip before tanh": (
        [node("Clip", "z low twenty", "q"), node("Tanh", "q", "h")],
        r"changes at -30 and 20 \(node q \(Clip\)\)",
    ),
    "a clip after tanh": ([node("Tanh", "z", "q"), node("Clip", "q low half", "h")], "cuts off, a curved function"),
    "a clip with a slope beyond": (
        [node("Clip", "z low twenty", "q"), node("Mul", "z hundredth", "p"), node("Max", "p q", "h")],
        r"changes at -3000 and 0 and 2000 .*no activation read does so; train it without what cuts there",
    ),
    "a spike": (
        [node("Relu", "z", "r"), node("Equal", "z odd", "c1"), node("Where", "c1 zero r", "h")],
        r"changes at 0 \(node r \(Relu\)\) and 7.12345 \(node c1 \(Equal\)\)",
    ),
    "a spike at 0": (
        [node("Relu", "z", "r"), node("Equal", "z zero", "c1"), node("Where", "c1 one r", "h")],
        r"jumps at 0",
    ),
    "a step": ([node("Greater", "z zero", "c1"), node("Cast", "c1", "h", to=11)], r"jumps at 0"),
    "nearly softsign": (
        [node("Abs", "z", "q"), node("Add", "q one", "p"), node("Div", "z p", "r"), node("Add", "r q", "h")],
        r"changes at 0 \(node q \(Abs\)\), and no activation read does so",
    ),
    "nearly hard_swish": (
        [node("HardSigmoid", "z", "q", alpha=0.1666, beta=0.499), node("Mul", "z q", "h")],
        r"changes at -2.9952 and 3.0072 \(node q \(HardSigmoid\)\), and no activation read does so",
    ),
    "nearly silu": (
        [node("Neg", "z", "m"), node("Exp", "m", "e"), node("Add", "e nearly", "p"), node("Div", "z p", "h")],
        "the elementwise function before it is none of silu",
    ),
    "nearly softplus": (
        [node("Exp", "z", "e"), node("Add", "e nearly", "p"), node("Log", "p", "h")],
        "is none of silu",
    ),
    "nearly gelu": (
        [node("Div", "z two", "q"), node("Erf", "q", "e"), node("Add", "e nearly", "p"), node("Mul", "z p", "h")],
        "is none of silu",
    ),
    "another cube": (
        [node("Pow", "z three", "q"), node("Mul", "q cubic4", "p"), node("Add", "z p", "i"), node("Mul", "i s2p", "j")]
        + [node("Tanh", "j", "t"), node("Add", "t one", "f"), node("Mul", "z f", "h")],
        "is none of silu",
    ),
    "softplus with a threshold that is seen": (
        [node("Softplus", "z", "s"), node("Greater", "z twenty", "c1"), node("Where", "c1 z s", "h")],
        r"jumps at 20 \(node c1 \(Greater\)\)",
    ),
    "softplus with its threshold the wrong way": (
        [node("Softplus", "z", "s"), node("Less", "z sixty", "c1"), node("Where", "c1 z s", "h")],
        r"jumps at 60",
    ),
    "a root": ([node("Sqrt", "z", "h")], "is none of silu"),
    "another power": ([node("Pow", "z half", "h")], "its exponent is 0.5, and only whole numbers"),
    "two bends at once": ([node("Tanh", "z", "t"), node("Sigmoid", "t", "h")], "is none of silu"),
    "no numbers": ([node("Max", "z nan", "h")], "its constant is not finite"),
    "a longer and longer product": (
        [node("Mul", "z z", "p0"), *(node("Mul", f"p{i} p{i}", f"p{i + 1}") for i in range(12))]
        + [node("Exp", "p12", "h")],
        "is too long",
    ),
}  # fmt: skip
MORE = {
    name: np.array(value)
    for name, value in {
        "odd": 7.12345, "sixty": 60.0,
        "nearly": 1.0 + 1e-12, "cubic4": 0.0447, "nan": math.nan,
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_another_function_anywhere_is_refused(tmp_path, form):
    nodes, message = REFUSED[form]
    with pytest.raises(InputError, match=message):
        read(tmp_path, model_of(FIRST + nodes + LAST, NUMBERS | MORE))


def test_a_clip_under_a_large_offset_is_seen(tmp_path):
    nodes = [*FIRST, node("Clip", "z zero twenty", "h"), node("MatMul", "h v", "l"), node("Add", "l off", "y")]
    numbers = {"zero": NUMBERS["zero"], "twenty": NUMBERS["twenty"], "off": NUMBERS["off"]}
    assert read(tmp_path, model_of(nodes, numbers, kind=TensorProto.FLOAT)).activation == "clip(0.0, 20.0)"


def test_pytorch_s_threshold_of_softplus_is_below_the_rounding_of_float32(tmp_path):
    nodes = REFUSED["softplus with a threshold that is seen"][0]
    model = model_of(FIRST + nodes + LAST, {"twenty": NUMBERS["twenty"]}, kind=TensorProto.FLOAT)
    assert read(tmp_path, model).activation == "softplus"


def test_an_activation_at_the_end_is_named_when_it_does_not_fit(tmp_path):
    with pytest.raises(InputError, match=r"its output y does not fit, because the elementwise function before it"):
        read(tmp_path, model_of([*FIRST, node("Sqrt", "z", "y")], y=("n", 3)))


def test_bias_of_one_number_and_of_two_pieces(tmp_path):
    cases = [
        [node("MatMul", "x w", "a"), node("Add", "a number", "z")],
        [node("MatMul", "x w", "a"), node("Add", "a same", "z0"), node("Add", "z0 b", "z1")]
        + [node("Add", "z1 same", "z")],
        [node("Gemm", "x w single", "z")],
    ]
    constants = {"number": np.array(0.3), "same": np.full(3, 0.25), "single": np.array([0.3])}
    for first in cases:
        model = model_of([*first, *TANH, *LAST], constants)
        surrogate = read(tmp_path, model)
        assert (surrogate.widths, surrogate.activation) == ((2, 3, 1), "tanh")
        assert_equal_everywhere(surrogate, model)


def test_the_normal_form_is_exact():
    t = smooth.VARIABLE
    third = smooth.number(Fraction(1, 3))
    assert (third + third + third).constant == 1
    assert smooth.sigmoid(-t) + smooth.sigmoid(t) == smooth.number(1)
    assert smooth.log(smooth.exp(t) + smooth.exp(-t)) == smooth.softplus(t + t) - t
    ratio = smooth.quotient(smooth.exp(t) - smooth.exp(-t), smooth.exp(t) + smooth.exp(-t))
    assert ratio == smooth.number(2) * smooth.sigmoid(t + t) - smooth.number(1)
    assert smooth.quotient(t, t).constant is None  # nothing at 0


def test_breakpoints_are_exact():
    x, tenth = pieces.VARIABLE, pieces.number(0.1)
    clip = pieces.minimum(pieces.maximum(x, tenth), pieces.number(0.3))
    assert clip.breaks == (Fraction(0.1), Fraction(0.3))
    assert pieces.maximum(pieces.absolute(x), pieces.number(-1.0)) == pieces.absolute(x)
    assert pieces.subtract(pieces.absolute(x), pieces.absolute(x)) == pieces.number(0.0)
    assert pieces.equal(x, x) == pieces.number(1.0)
    assert pieces.maximum(pieces.apply(smooth.sigmoid, x), pieces.number(0.0)) == pieces.apply(smooth.sigmoid, x)
