"""What a tensor of somebody's network is, as a function of the input: the vocabulary of reading ONNX.

Every tensor that depends on the input is, for each point of the batch, `g(s * (W h + b) + t)` elementwise, where `h`
are the nodes of the layer before (or the scaled inputs). `g` is known by its values on a fixed grid, which makes no
difference between one activation written as one operation and the same written in pieces: only when a matrix is
applied, or the graph ends, must `g` be named.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from .._foundation.activations import ACTIVATIONS, activate
from .untrusted_onnx import LARGEST_ARRAY

GRID = np.concatenate([np.linspace(-20.0, 20.0, 161), np.linspace(-1.03, 1.01, 40)])
"""Where elementwise functions are compared: the curved part densely, the tails, both sides of 0."""


class NotFeedForward(Exception):
    """A step that no feed-forward network of ours has; the message completes "because ...". Caught in this room."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """The network's inputs, scaled: `scale * x + shift`."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """The nodes `activation(before)`."""

    before: "Affine"
    activation: str


@dataclass(frozen=True, eq=False)
class Affine:
    """`scale * (weight h + bias) + shift` of `source` h; no weight means the identity, no bias 0."""

    source: Inputs | HiddenLayer
    size: int
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    scale: np.ndarray | float = 1.0
    shift: np.ndarray | float = 0.0

    def matrix_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        """The whole of it as `(W, b)`."""
        if self.weight is None and self.size**2 > LARGEST_ARRAY:
            raise NotFeedForward(f"it is {self.size} wide")
        weight = np.eye(self.size) if self.weight is None else self.weight
        bias = np.zeros(self.size) if self.bias is None else self.bias
        scale = np.broadcast_to(self.scale, (self.size,))
        return scale[:, None] * weight, scale * bias + self.shift


@dataclass(frozen=True, eq=False)
class Curve:
    """`g(anchor)` elementwise, `values` those of g on `GRID`; `line` is `(a, b)` where g is exactly `a t + b`."""

    anchor: Affine
    values: np.ndarray
    line: tuple[float, float] | None


def straight(anchor: Affine) -> Curve:
    """The identity of `anchor`."""
    return Curve(anchor, GRID, (1.0, 0.0))


def bend(curve: Curve, function: Callable[[np.ndarray], np.ndarray]) -> Curve:
    """`function(curve)`, for an elementwise function that is not affine."""
    with np.errstate(all="ignore"):
        return Curve(curve.anchor, function(curve.values), None)


def apply_matrix(matrix: np.ndarray, curve: Curve) -> Curve:
    """`matrix @ curve`, `matrix` `(p, m)`."""
    before = to_affine(curve)
    rows, columns = matrix.shape
    if columns != before.size:
        raise NotFeedForward(f"a matrix with {columns} columns meets {before.size} numbers")
    if rows * max(columns, before.size if before.weight is None else before.weight.shape[1]) > LARGEST_ARRAY:
        raise NotFeedForward("its matrices are too large")
    if before.weight is None and isinstance(before.source, Inputs):
        # Scaling of the inputs, kept apart from the first weight as our networks do.
        scale = np.broadcast_to(before.scale, (columns,)).astype(np.float64)
        if (scale > 0).all():
            inputs = Inputs(scale, np.broadcast_to(before.shift, (columns,)).astype(np.float64))
            return straight(Affine(inputs, rows, matrix))
    weight, bias = before.matrix_and_bias()
    return straight(Affine(before.source, rows, matrix @ weight, matrix @ bias if bias.any() else None))


def with_constant(operation: str, curve: Curve, constant: np.ndarray, constant_first: bool) -> Curve:
    """Add, Sub, Mul or Div of `curve` and a constant, one number or one for each entry."""
    if operation in ("Add", "Sub") and not constant_first and not constant.any():
        return curve
    uniform = constant.size == 1 or bool((constant == constant.flat[0]).all())
    is_bias = operation in ("Add", "Sub") and curve.line == (1.0, 0.0) and not constant_first
    unfinished = curve.anchor.bias is None and curve.anchor.weight is not None and np.isscalar(curve.anchor.scale)
    if uniform and not (is_bias and unfinished and constant.size == curve.anchor.size):
        return _with_number(operation, curve, float(constant.flat[0]), constant_first)
    if operation == "Div" and constant_first:
        raise NotFeedForward("different numbers are divided by its nodes")
    affine = to_affine(curve)
    if operation == "Sub" and constant_first:
        return straight(replace(affine, scale=-1.0 * affine.scale, shift=constant - affine.shift))
    if operation in ("Add", "Sub"):
        addend = constant if operation == "Add" else -constant
        if affine.bias is None and affine.weight is not None and np.isscalar(affine.scale) and affine.scale == 1.0:
            return straight(replace(affine, bias=addend + affine.shift, shift=0.0))
        return straight(replace(affine, shift=affine.shift + addend))
    if operation == "Div":
        with np.errstate(all="ignore"):
            return straight(replace(affine, scale=affine.scale / constant, shift=affine.shift / constant))
    return straight(replace(affine, scale=affine.scale * constant, shift=affine.shift * constant))


def _with_number(operation: str, curve: Curve, number: float, number_first: bool) -> Curve:
    operator = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[operation]
    with np.errstate(all="ignore"):
        values = operator(number, curve.values) if number_first else operator(curve.values, number)
        line = None
        if curve.line is not None and not (operation == "Div" and number_first):
            a, b = curve.line
            slope = {"Add": a, "Sub": -a if number_first else a, "Mul": a * number}.get(operation)
            slope = np.divide(a, number) if slope is None else slope
            offset = operator(number, b) if number_first else operator(b, number)
            line = (float(slope), float(offset))
    return Curve(curve.anchor, values, line)


def combine(operator: np.ufunc, first: Curve, second: Curve) -> Curve:
    """`operator` on two tensors that depend on the input."""
    linear = operator in (np.add, np.subtract)
    if first.anchor is second.anchor:
        line = None
        if first.line is not None and second.line is not None and linear:
            line = (float(operator(first.line[0], second.line[0])), float(operator(first.line[1], second.line[1])))
        with np.errstate(all="ignore"):
            return Curve(first.anchor, operator(first.values, second.values), line)
    if linear:
        one, two = to_affine(first), to_affine(second)
        if one.source is two.source and one.size == two.size:
            (weight, bias), (other_weight, other_bias) = one.matrix_and_bias(), two.matrix_and_bias()
            return straight(Affine(one.source, one.size, operator(weight, other_weight), operator(bias, other_bias)))
    raise NotFeedForward("it joins two branches of the network")


def to_affine(curve: Curve) -> Affine:
    """`curve` as an affine function: of its own source where it is straight, of a new hidden layer where it bends."""
    if curve.line is not None:
        a, b = curve.line
        if (a, b) == (1.0, 0.0):
            return curve.anchor
        return replace(curve.anchor, scale=a * curve.anchor.scale, shift=a * curve.anchor.shift + b)
    name, factor, offset = _named(curve.values)
    return Affine(HiddenLayer(curve.anchor, name), curve.anchor.size, scale=factor, shift=offset)


def _named(values: np.ndarray) -> tuple[str, float, float]:
    """The activation, factor and offset that give `values` on the grid."""
    if np.isfinite(values).all() and np.ptp(values) > 0:
        for name in ACTIVATIONS:
            basis = np.stack([np.asarray(activate(jnp.asarray(GRID), name)), np.ones(GRID.size)], axis=1)
            factor, offset = np.linalg.lstsq(basis, values)[0]
            # Exporters write constants in float32; between any two of our activations lies more than 1e-4.
            factor, offset = _without_noise(factor, 1.0), _without_noise(offset, 0.0)
            if np.max(np.abs(basis @ [factor, offset] - values)) <= 1e-6 * np.max(np.abs(values)):
                return name, factor, offset
    raise NotFeedForward(f"its elementwise function is none of {', '.join(ACTIVATIONS)}")


def _without_noise(number: float, likely: float) -> float:
    return likely if abs(number - likely) < 1e-6 else float(number)
