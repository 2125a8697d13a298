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
    """The network's inputs, scaled: `(x - shift) / scale`; `single` where the file computes in float32.

    A graph has one vector x of inputs, so all these are of the same.
    """

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
    """`scale * (weight h + bias + skip x) + shift` of `source` h; no weight means the identity, no bias or skip 0.

    `skip` is what comes from the inputs x, as the file has them, past the hidden layers.
    """

    source: Inputs | HiddenLayer
    size: int
    weight: np.ndarray | None = None
    bias: np.ndarray | float | None = None
    scale: np.ndarray | float = 1.0
    shift: np.ndarray | float = 0.0
    skip: np.ndarray | None = None

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
        """All but the skip as `(W, b)`."""
        if self.weight is None and self.size**2 > LARGEST_ARRAY:
            raise NotFeedForward(f"it is {self.size} wide")
        weight = np.eye(self.size) if self.weight is None else self.weight
        bias = np.broadcast_to(0.0 if self.bias is None else self.bias, (self.size,))
        scale = np.broadcast_to(self.scale, (self.size,))
        return scale[:, None] * weight, scale * bias + self.shift

    @property
    def whole_skip(self) -> np.ndarray | None:
        """The skip with the scale in it."""
        return None if self.skip is None else np.broadcast_to(self.scale, (self.size,))[:, None] * self.skip

    def of_raw_inputs(self) -> tuple[np.ndarray, np.ndarray]:
        """`(A, a)` with `A x + a`, for one whose source are the inputs."""
        (weight, bias), inputs = self.matrix_and_bias(), self.inputs
        weight = weight / inputs.scale
        return weight, bias - weight @ inputs.shift


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
    if isinstance(before.source, HiddenLayer) and before.source.before.skip is not None:
        raise NotFeedForward(
            "the layer before it receives the inputs past a hidden layer, and only the outputs can; "
            "train it without that skip connection"
        )
    scaled = _with_scaled_inputs(matrix, before)
    if scaled is not None:
        return straight(scaled)
    scale, skip = np.broadcast_to(before.scale, (columns,)), before.whole_skip
    bias = scale * (0.0 if before.bias is None else before.bias) + before.shift
    weight = matrix * scale if before.weight is None else matrix @ (scale[:, None] * before.weight)
    bias = matrix @ bias if bias.any() else None
    return straight(Affine(before.source, rows, weight, bias, skip=None if skip is None else matrix @ skip))


def _with_scaled_inputs(matrix: np.ndarray, before: Affine) -> Affine | None:
    """`matrix @ before` with the scaling of the inputs kept apart from the weight, as our networks do; None where
    `before` is no scaling of some of the inputs, each taken once."""
    if not isinstance(before.source, Inputs):
        return None
    inputs, columns = before.source, before.size
    d = len(inputs.shift)
    chosen = np.arange(d)
    if before.weight is not None:
        chosen = np.argmax(before.weight, axis=1)
        ones = before.weight[np.arange(columns), chosen]
        if len(set(chosen)) < columns or (ones != 1).any() or np.count_nonzero(before.weight) != columns:
            return None
    scale = np.broadcast_to(before.scale, (columns,)).astype(np.float64)
    if (
        len(matrix) * d > LARGEST_ARRAY
        or not (scale > 0).all()
        or (inputs.shift != 0).any()
        or (inputs.scale != 1).any()
    ):
        return None
    shifts, scales, weight = np.zeros(d), np.ones(d), np.zeros((len(matrix), d))
    shifts[chosen] = -np.broadcast_to(0.0 if before.bias is None else before.bias, (columns,)) - before.shift / scale
    scales[chosen] = 1.0 / scale
    weight[:, chosen] = matrix
    return Affine(Inputs(shifts, scales, inputs.single), len(matrix), weight)


def selected(curve: ElementwiseFunction, nodes: np.ndarray) -> ElementwiseFunction:
    """Some of the nodes of `curve`, in this order."""
    anchor = curve.anchor
    size = len(nodes)
    if size * max(anchor.size, 1) > LARGEST_ARRAY:
        raise NotFeedForward("it picks too many nodes")

    def of_those(part):
        return part if part is None or np.isscalar(part) or np.ndim(part) == 0 else part[nodes]

    if anchor.weight is None:
        weight = np.zeros((size, anchor.size))
        weight[np.arange(size), nodes] = 1.0
    else:
        weight = anchor.weight[nodes]
    parts = {name: of_those(getattr(anchor, name)) for name in ("bias", "scale", "shift", "skip")}
    return replace(curve, anchor=Affine(anchor.source, size, weight, **parts))


def joined(curves: list[ElementwiseFunction]) -> ElementwiseFunction:
    """The nodes of all `curves`, one after the other; they must be affine in one and the same layer, or in the
    inputs."""
    parts = [to_affine(curve) for curve in curves]
    if all(isinstance(part.source, Inputs) for part in parts):
        same = all(part.source is parts[0].source for part in parts)
        return straight(_stacked(parts) if same else _of_raw(parts, np.concatenate))
    if any(part.source is not parts[0].source or part.skip is not None for part in parts):
        raise NotFeedForward("it joins different layers side by side, and each layer read has one before it")
    return straight(_stacked(parts))


def _stacked(parts: list[Affine]) -> Affine:
    size = sum(part.size for part in parts)

    def side_by_side(name):
        given = (getattr(part, name) for part in parts)
        filled = [0.0 if value is None else value for value in given]
        return np.concatenate([np.broadcast_to(value, (part.size,)) for value, part in zip(filled, parts)])

    weights = [np.eye(part.size) if part.weight is None else part.weight for part in parts]
    return Affine(
        parts[0].source,
        size,
        np.concatenate(weights),
        side_by_side("bias"),
        side_by_side("scale"),
        side_by_side("shift"),
    )


def _of_raw(parts: list[Affine], together: Callable) -> Affine:
    """Affine functions of the inputs, whatever scaling they had, as one of the inputs as they are."""
    inputs = parts[0].inputs
    weights, biases = zip(*(part.of_raw_inputs() for part in parts))
    weight, bias = together(weights), together(biases)
    d = len(inputs.shift)
    return Affine(Inputs(np.zeros(d), np.ones(d), inputs.single), len(bias), weight, bias)


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
        if operation == "Sub":
            two = replace(two, scale=-1.0 * two.scale, shift=-1.0 * two.shift)
        if one.size == two.size:
            found = _sum(one, two) or _sum(two, one)
            if found is not None:
                return straight(found)
    raise NotFeedForward(
        "it joins two branches of the network that are more than linear terms from the inputs; "
        "train it without that connection"
    )


def _sum(one: Affine, two: Affine) -> Affine | None:
    """`one + two`: of the same layer, of the inputs, or `two` of the inputs and past the layers of `one`."""
    if one.source is two.source:
        (weight, bias), (other_weight, other_bias) = one.matrix_and_bias(), two.matrix_and_bias()
        skips = [part.whole_skip for part in (one, two) if part.skip is not None]
        return Affine(
            one.source, one.size, weight + other_weight, bias + other_bias, skip=sum(skips) if skips else None
        )
    if not isinstance(two.source, Inputs):
        return None
    if isinstance(one.source, Inputs):
        return _of_raw([one, two], sum)
    (weight, bias), (past, constant) = one.matrix_and_bias(), two.of_raw_inputs()
    skip = past if one.skip is None else one.whole_skip + past
    return Affine(one.source, one.size, weight, bias + constant, skip=skip)


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
