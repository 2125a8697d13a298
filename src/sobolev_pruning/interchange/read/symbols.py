"""What a tensor of somebody's network is, as a function of the input: the vocabulary of reading ONNX.

Every tensor that depends on the input is, for each point of the batch, `g(s * (W h + b) + t)` elementwise, where `h`
are the nodes of the layer before (or the scaled inputs). `g` is kept in its normal form (`pieces`), which makes no
difference between one activation written as one operation and the same written in pieces: only when a matrix is
applied, or the graph ends, must `g` be named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from . import pieces
from .faults import NotFeedForward
from .naming import named
from .pieces import Pieces
from .untrusted_onnx import LARGEST_ARRAY


@dataclass(frozen=True, eq=False)
class Inputs:
    """The network's inputs, scaled: `(x - shift) / scale`; `single` where the file computes in float32."""

    shift: np.ndarray
    scale: np.ndarray
    single: bool


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
    bias: np.ndarray | float | None = None
    scale: np.ndarray | float = 1.0
    shift: np.ndarray | float = 0.0

    @property
    def inputs(self) -> Inputs:
        """Those of the network."""
        source = self.source
        while isinstance(source, HiddenLayer):
            source = source.before.source
        return source

    @property
    def lacks_bias(self) -> bool:
        """Whether what is added next is its bias."""
        return (
            self.bias is None
            and all(np.isscalar(part) for part in (self.scale, self.shift))
            and ((self.scale, self.shift) == (1.0, 0.0))
        )

    def matrix_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        """The whole of it as `(W, b)`."""
        if self.weight is None and self.size**2 > LARGEST_ARRAY:
            raise NotFeedForward(f"it is {self.size} wide")
        weight = np.eye(self.size) if self.weight is None else self.weight
        bias = np.broadcast_to(0.0 if self.bias is None else self.bias, (self.size,))
        scale = np.broadcast_to(self.scale, (self.size,))
        return scale[:, None] * weight, scale * bias + self.shift


@dataclass(frozen=True, eq=False)
class ElementwiseFunction:
    """`function(anchor)` elementwise; `makers` names the nodes that its breakpoints come from."""

    anchor: Affine
    function: Pieces
    makers: Mapping[Fraction, str] = field(default_factory=dict)


def straight(anchor: Affine) -> ElementwiseFunction:
    """The identity of `anchor`."""
    return ElementwiseFunction(anchor, pieces.VARIABLE)


def bend(curve: ElementwiseFunction, function: Callable[[Pieces], Pieces]) -> ElementwiseFunction:
    """`function(curve)`, elementwise."""
    return replace(curve, function=function(curve.function))


def made_by(curve: ElementwiseFunction, node: str) -> ElementwiseFunction:
    """`curve` as `node` leaves it: breakpoints not known before are that node's."""
    return replace(curve, makers={place: curve.makers.get(place, node) for place in curve.function.breaks})


def apply_matrix(matrix: np.ndarray, curve: ElementwiseFunction) -> ElementwiseFunction:
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
            shift = -np.broadcast_to(0.0 if before.bias is None else before.bias, (columns,)) - before.shift / scale
            return straight(Affine(Inputs(shift, 1.0 / scale, before.source.single), rows, matrix))
    weight, bias = before.matrix_and_bias()
    return straight(Affine(before.source, rows, matrix @ weight, matrix @ bias if bias.any() else None))


def with_bias(curve: ElementwiseFunction, bias: np.ndarray) -> ElementwiseFunction | None:
    """`curve + bias` where it is a matrix applied to nodes that waits for its bias, else None."""
    waiting = curve.function == pieces.VARIABLE and curve.anchor.weight is not None and curve.anchor.lacks_bias
    return straight(replace(curve.anchor, bias=bias)) if waiting and bias.size == curve.anchor.size else None


def with_constants(
    operation: str, curve: ElementwiseFunction, constant: np.ndarray, constant_first: bool
) -> ElementwiseFunction:
    """Add, Sub, Mul or Div of `curve` and a constant with a number for each node."""
    if operation == "Div" and constant_first:
        raise NotFeedForward("different numbers are divided by its nodes")
    affine = to_affine(curve)
    if operation == "Sub" and constant_first:
        return straight(replace(affine, scale=-1.0 * affine.scale, shift=constant - affine.shift))
    if operation in ("Add", "Sub"):
        addend = constant if operation == "Add" else -constant
        if affine.lacks_bias:
            return straight(replace(affine, bias=addend))
        return straight(replace(affine, shift=affine.shift + addend))
    with np.errstate(all="ignore"):
        if operation == "Div":
            return straight(replace(affine, scale=affine.scale / constant, shift=affine.shift / constant))
        return straight(replace(affine, scale=affine.scale * constant, shift=affine.shift * constant))


def combine(operation: str, function: Callable[..., Pieces], *curves: ElementwiseFunction) -> ElementwiseFunction:
    """`function` on tensors that depend on the input."""
    first, *others = curves
    if all(curve.anchor is first.anchor for curve in others):
        makers = {place: node for curve in reversed(curves) for place, node in curve.makers.items()}
        return ElementwiseFunction(first.anchor, function(*(curve.function for curve in curves)), makers)
    if operation in ("Add", "Sub"):
        one, two = map(to_affine, curves)
        if one.source is two.source and one.size == two.size:
            (weight, bias), (other_weight, other_bias) = one.matrix_and_bias(), two.matrix_and_bias()
            sign = 1.0 if operation == "Add" else -1.0
            return straight(Affine(one.source, one.size, weight + sign * other_weight, bias + sign * other_bias))
    raise NotFeedForward("it joins two branches of the network")


def to_affine(curve: ElementwiseFunction) -> Affine:
    """`curve` as an affine function: of its own source where it is straight, of a new hidden layer where it bends."""
    anchor = curve.anchor
    if curve.function.line is not None:
        return _scaled(anchor, *curve.function.line)
    found = named(curve.function, anchor.inputs.single, curve.makers)
    before = _scaled(anchor, Fraction(found.slope), Fraction(found.shift))
    return Affine(HiddenLayer(before, found.activation), anchor.size, scale=found.factor, shift=found.offset)


def _scaled(anchor: Affine, slope: Fraction, shift: Fraction) -> Affine:
    """`slope * anchor + shift`."""
    if (slope, shift) == (1, 0):
        return anchor
    if anchor.weight is None and anchor.lacks_bias and slope:
        # (x - m) / s keeps m as it is: m / s is rounded, and with a large m that would be felt.
        return replace(anchor, bias=float(shift / slope), scale=float(slope))
    return replace(anchor, scale=float(slope) * anchor.scale, shift=float(slope) * anchor.shift + float(shift))
