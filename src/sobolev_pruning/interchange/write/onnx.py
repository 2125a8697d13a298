"""Surrogates as ONNX models: values, and on request gradients, Hessians and Hessian-vector products.

The derivatives are further outputs of the same graph, computed by formulas written out here, so the reader of the file
needs no automatic differentiation. With `z_l = W_l h_{l-1} + b_l`, `h_l = f(z_l)` and the scalings at both ends:

- adjoints `A_l = dy/dh_l`, from `A = y_scale W_L` backwards by `A_{l-1} = (A_l * f'(z_l)) W_l`; the gradient is the
  last one, for which `W_1 / x_scale` stands in place of `W_1`;
- tangents `Z_l = dz_l/dx`, from `W_1 / x_scale` forwards by `Z_{l+1} = W_{l+1} (f'(z_l) * Z_l)`;
- the Hessian `sum_l Z_l' diag(A_l * f''(z_l)) Z_l`: only where a layer bends does curvature enter;
- the Hessian-vector product as the tangent of the adjoints along one direction.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np

from ..._foundation.arrays import ArrayOrList
from ..._foundation.errors import InputError
from ..._foundation.files import write_result
from ...surrogate import Surrogate, numpy_layers, numpy_skip
from ..box import exported_range
from ..formulas import formulas
from .onnx_graph import GraphBuilder
from .representable import expect_representable


def save_onnx(
    surrogate: Surrogate,
    path: str | Path,
    *,
    derivatives: Literal[0, 1, 2] = 0,
    hessian_vector_product: bool = False,
    dtype: Literal["float64", "float32"] = "float64",
    box: Sequence[ArrayOrList] | None = None,
    notes: Mapping[str, object] | None = None,
) -> None:
    """Writes `surrogate` to `path` as an ONNX model (opset 17) that any runtime evaluates in batches.

    - Input `x`, `(n, d)`, in the user's units: the scaling is inside. With `hessian_vector_product` also `direction`,
      `(n, d)`.
    - Outputs `value`, `(n,)` or `(n, k)`; with `derivatives` 1 also `gradient`, `(n, d)` or `(n, k, d)`; with 2 also
      `hessian`, `(n, d, d)` or `(n, k, d, d)`; with `hessian_vector_product` also `hvp`, shaped as the gradient.
    - `dtype` is that of all inputs, outputs and weights.
    - The metadata hold `activation`, `widths` and `scalar_output`; `inputs` and `outputs`, the `name` and `unit` of
      each, which also stand in the descriptions of `x` and `value`; `box`, lower and upper corner of the training range
      (by default the surrogate's own, where it is known), as `box`; and the entries of `notes`, each as JSON.

    Every operation used has a float64 kernel in onnxruntime. Agreement with JAX, relative to the largest entry: 1e-13,
    1e-12, 1e-11 for value, gradient, Hessian in float64.

    Raises `InputError` for a box of another shape, for numbers that `dtype` cannot hold, and where `path` cannot be
    written.

    >>> import jax, onnxruntime, tempfile
    >>> from sobolev_pruning import Samples, Surrogate
    >>> samples = Samples(x=[[0.0], [1.0], [2.0]], y=[0.0, 1.0, 4.0])
    >>> surrogate = Surrogate.create([1, 8, 1], samples, key=jax.random.key(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_onnx(surrogate, f"{folder}/s.onnx", derivatives=1)
    ...     session = onnxruntime.InferenceSession(f"{folder}/s.onnx")
    >>> value, gradient = session.run(None, {"x": np.array([[0.5], [1.5]])})
    >>> value.shape, gradient.shape
    ((2,), (2, 1))
    """
    if derivatives not in (0, 1, 2):
        raise InputError(f"derivatives is {derivatives!r}; choose 0 (values), 1 (gradients too) or 2 (Hessians too).")
    if dtype not in ("float64", "float32"):
        raise InputError(f'dtype is {dtype!r}; choose "float64" or "float32".')
    metadata = {
        "activation": surrogate.activation,
        "widths": json.dumps(surrogate.widths),
        "scalar_output": json.dumps(surrogate.scalar_output),
        "inputs": json.dumps([asdict(variable) for variable in surrogate.inputs]),
        "outputs": json.dumps([asdict(variable) for variable in surrogate.outputs]),
    }
    corners = exported_range(surrogate, box)
    if corners is not None:
        metadata["box"] = json.dumps(corners)
    metadata |= {name: json.dumps(note) for name, note in (notes or {}).items()}

    graph = GraphBuilder(np.dtype(dtype).type)
    _write_outputs(graph, surrogate, derivatives, hessian_vector_product)
    model = graph.model("surrogate", version("sobolev-pruning"), metadata)
    write_result(path, model.SerializeToString(deterministic=True))


_MEANINGS = {
    "value": "",
    "gradient": "first derivatives of ",
    "hessian": "second derivatives of ",
    "hvp": "second derivatives, times the direction, of ",
}


@dataclass
class _Hidden:
    """A layer with an activation: its weight, what reaches it directly from the inputs, and the names of `f'(z)` and
    `f''(z)`, `(n, w)`. Weights and skips from the inputs are for these in the user's units.

    The scales of the inputs are no operation of their own in the derivatives, for the reason that `_times` gives.
    """

    weight: np.ndarray
    skip: np.ndarray | None
    slope: str
    bend: str


def _write_outputs(graph: GraphBuilder, surrogate: Surrogate, derivatives: int, with_product: bool) -> None:
    d, k = surrogate.widths[0], surrogate.widths[-1]
    outputs = () if surrogate.scalar_output else (k,)
    x = graph.input("x", "n", d, meaning=", ".join(map(str, surrogate.inputs)))
    y, hidden = _forward(graph, surrogate, x)
    _declare(graph, surrogate, "value", y, outputs)
    adjoints = _adjoints(graph, surrogate, hidden)
    if derivatives >= 1:
        gradient = _for_every_point(graph, x, adjoints[0], (k, d))
        _declare(graph, surrogate, "gradient", gradient, (*outputs, d))
    if derivatives == 2:
        hessian = _for_every_point(graph, x, _hessian(graph, surrogate, hidden, adjoints), (k, d, d))
        _declare(graph, surrogate, "hessian", hessian, (*outputs, d, d))
    if with_product:
        direction = graph.input("direction", "n", d, meaning="a direction in the space of the inputs")
        product = _for_every_point(graph, x, _product(graph, surrogate, hidden, adjoints, direction), (k, d))
        _declare(graph, surrogate, "hvp", product, (*outputs, d))


def _forward(graph: GraphBuilder, surrogate: Surrogate, x: str) -> tuple[str, list[_Hidden]]:
    """The outputs, and all layers with an activation: one of the outputs is among them."""
    scaling, x_scale = surrogate.scaling, np.asarray(surrogate.scaling.x_scale)
    with np.errstate(over="ignore", divide="ignore"):
        expect_representable(1.0 / np.asarray(x_scale, graph.dtype), "1 / x_scale", graph.dtype.type)
    h = graph.operation("Sub", x, graph.constant(scaling.x_shift))
    h = inputs = graph.operation("Div", h, graph.constant(scaling.x_scale))
    hidden: list[_Hidden] = []
    numbered = list(zip(numpy_layers(surrogate), surrogate.activations))
    for number, ((weight, bias), name) in enumerate(numbered, start=1):
        skip = numpy_skip(surrogate) if number == len(numbered) else None
        h = graph.operation("Gemm", h, graph.constant(weight), graph.constant(bias), transB=1)
        if skip is not None:
            h = graph.operation("Gemm", inputs, graph.constant(skip), h, transB=1)
        if number == len(numbered) and name == "identity":
            continue
        h, slope, bend = graph.evaluate(formulas(name), h)
        with np.errstate(over="ignore", divide="ignore"):  # what overflows is refused as a constant
            weight = weight / x_scale if number == 1 else weight
            hidden.append(_Hidden(weight, None if skip is None else skip / x_scale, slope, bend))
    y = graph.operation("Mul", h, graph.constant(scaling.y_scale))
    return graph.operation("Add", y, graph.constant(scaling.y_shift)), hidden


def _times(graph: GraphBuilder, value: str, factor: str, one_number: bool) -> str:
    """`value * factor`, to stand beside a matrix product; `one_number` where the factor is a single constant.

    New versions of onnxruntime (1.30) join a multiplication by one constant with the matrix product beside it, and
    round that constant to float32. One number is a matrix too, and as such it is left alone.
    """
    return graph.operation("MatMul" if one_number else "Mul", value, factor)


def _adjoints(graph: GraphBuilder, surrogate: Surrogate, hidden: list[_Hidden]) -> list[str]:
    """`dy/dh_l`, `(n, k, w_l)`, for the inputs and what every layer with an activation gives; the last is the same for
    every point."""
    x_scale, y_scale = np.asarray(surrogate.scaling.x_scale), np.asarray(surrogate.scaling.y_scale)
    skip, beside = numpy_skip(surrogate), None
    if surrogate.activations[-1] != "identity":
        last = np.diag(y_scale)
    else:
        last = np.asarray(surrogate.layers[-1].weight) * y_scale[:, None]
        with np.errstate(over="ignore", divide="ignore"):
            beside = None if skip is None else graph.constant((y_scale[:, None] * skip / x_scale)[None])
    if not hidden:
        return [graph.constant(last[None] / x_scale)]
    adjoints = [graph.constant(last[None])]
    for layer in reversed(hidden):
        constant = len(adjoints) == 1
        before = _times(graph, graph.unsqueeze(layer.slope, 1), adjoints[0], constant and last.size == 1)
        if layer.skip is not None:
            beside = graph.operation("MatMul", before, graph.constant(layer.skip))
        adjoints.insert(0, graph.operation("MatMul", before, graph.constant(layer.weight)))
    if beside is not None:
        adjoints[0] = graph.operation("Add", adjoints[0], beside)
    return adjoints


def _hessian(graph: GraphBuilder, surrogate: Surrogate, hidden: list[_Hidden], adjoints: list[str]) -> str:
    d, k = surrogate.widths[0], surrogate.widths[-1]
    total = graph.constant(np.zeros((1, k, d, d)))
    tangents = None
    for layer, adjoint in zip(hidden, adjoints[1:]):
        if tangents is None:
            tangents = graph.constant(layer.weight[None])
        else:
            tangents = graph.operation("MatMul", graph.constant(layer.weight), tangents)
        if layer.skip is not None:
            tangents = graph.operation("Add", tangents, graph.constant(layer.skip[None]))
        curvature = graph.operation("Mul", adjoint, graph.unsqueeze(layer.bend, 1))
        one_number = layer is hidden[0] and layer.weight.size == 1
        weighted = _times(graph, graph.unsqueeze(curvature, 3), graph.unsqueeze(tangents, 1), one_number)
        transposed = graph.unsqueeze(graph.operation("Transpose", tangents, perm=[0, 2, 1]), 1)
        total = graph.operation("Add", total, graph.operation("MatMul", transposed, weighted))
        tangents = graph.operation("Mul", graph.unsqueeze(layer.slope, 2), tangents)
    return total


def _product(
    graph: GraphBuilder, surrogate: Surrogate, hidden: list[_Hidden], adjoints: list[str], direction: str
) -> str:
    tangent, bent = direction, []
    for layer in hidden:
        tangent = graph.operation("MatMul", tangent, graph.constant(layer.weight.T))
        if layer.skip is not None:
            beside = graph.operation("MatMul", direction, graph.constant(layer.skip.T))
            tangent = graph.operation("Add", tangent, beside)
        bent.append(graph.operation("Mul", layer.bend, tangent))
        tangent = graph.operation("Mul", layer.slope, tangent)
    width = hidden[-1].weight.shape[0] if hidden else surrogate.widths[0]
    change = graph.constant(np.zeros((1, surrogate.widths[-1], width)))
    past = None
    for layer, adjoint, bend in zip(*map(reversed, (hidden, adjoints[1:], bent))):
        carried = graph.operation("Mul", change, graph.unsqueeze(layer.slope, 1))
        arisen = graph.operation("Mul", adjoint, graph.unsqueeze(bend, 1))
        change = graph.operation("Add", carried, arisen)
        if layer.skip is not None:
            past = graph.operation("MatMul", change, graph.constant(layer.skip))
        change = graph.operation("MatMul", change, graph.constant(layer.weight))
    return change if past is None else graph.operation("Add", change, past)


def _for_every_point(graph: GraphBuilder, x: str, value: str, shape: tuple[int, ...]) -> str:
    """`value` repeated along the batch where it does not depend on the point, as without hidden layers."""
    n = graph.operation("Slice", graph.operation("Shape", x), graph.integers(0), graph.integers(1))
    return graph.operation("Expand", value, graph.operation("Concat", n, graph.integers(*shape), axis=0))


def _declare(graph: GraphBuilder, surrogate: Surrogate, name: str, value: str, shape: tuple[int, ...]) -> None:
    value = graph.squeeze(value, 1) if surrogate.scalar_output else value
    graph.output(name, value, "n", *shape, meaning=f"{_MEANINGS[name]}{', '.join(map(str, surrogate.outputs))}")
