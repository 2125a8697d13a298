"""Where batch and nodes lie in a tensor, which every exporter decides anew: `x W'`, `W x'`, axes of length 1."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .faults import NotFeedForward
from .symbols import ElementwiseFunction, selected
from .untrusted_onnx import MOST_DIMENSIONS

BATCH, NODES, ONE = "batch", "nodes", "one"

OPEN_BATCH = 9973
"""The batch size that a graph with an open batch is followed with; a prime that no layer is wide, so that reshaping to
computed shapes can be told from mixing batch and nodes."""


@dataclass(frozen=True, eq=False)
class DependentTensor:
    """A tensor that depends on the input: what it is for one point, and the meaning of its axes.

    `axes` holds `BATCH` at most once, `NODES` once, or several times where the nodes lie on a `grid` of these lengths,
    row by row, else `ONE`; an axis of length 1 may be left out.
    """

    curve: ElementwiseFunction
    axes: tuple[str, ...]
    n: int
    grid: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many nodes."""
        return self.curve.anchor.size

    @property
    def shape(self) -> tuple[int, ...]:
        along = iter(self.grid or (self.size,))
        return tuple({BATCH: self.n, ONE: 1}[axis] if axis != NODES else next(along) for axis in self.axes)

    @property
    def described(self) -> str:
        """The shape as a sentence gives it."""
        return described(self.shape)

    def with_curve(self, curve: ElementwiseFunction) -> "DependentTensor":
        """The same axes; another number of nodes needs one axis for them."""
        if self.grid and curve.anchor.size != self.size:
            raise NotFeedForward("its nodes lie on several axes; flatten them before")
        return replace(self, curve=curve)

    def transposed(self, order: list[int]) -> "DependentTensor":
        if sorted(order) != list(range(len(self.axes))):
            raise NotFeedForward("its order of axes is no permutation")
        axes = tuple(self.axes[i] for i in order)
        if not self.grid:
            return replace(self, axes=axes)
        nodes = [i for i, axis in enumerate(self.axes) if axis == NODES]
        new = [nodes.index(i) for i in order if i in nodes]
        places = np.arange(self.size).reshape(self.grid).transpose(new)
        return replace(self, axes=axes, grid=places.shape, curve=selected(self.curve, places.reshape(-1)))

    def squeezed(self, places: list[int] | None) -> "DependentTensor":
        rank, shape = len(self.axes), self.shape
        gone = {i for i in range(rank) if shape[i] == 1} if places is None else {i % max(rank, 1) for i in places}
        if any(i >= rank or shape[i] != 1 for i in gone):
            raise NotFeedForward("it drops an axis that is longer than 1")
        return replace(self, axes=tuple(axis for i, axis in enumerate(self.axes) if i not in gone))

    def unsqueezed(self, places: list[int]) -> "DependentTensor":
        rank = len(self.axes) + len(places)
        new = {i + rank if i < 0 else i for i in places}
        if rank > MOST_DIMENSIONS or len(new) != len(places) or not new <= set(range(rank)):
            raise NotFeedForward("it adds axes at impossible places")
        old = iter(self.axes)
        return replace(self, axes=tuple(ONE if i in new else next(old) for i in range(rank)))

    def reshaped(self, target: list[int]) -> "DependentTensor":
        """The axes in the shape `target` (0: as it was, -1: what remains); their order must not change."""
        shape = self.shape
        if (
            len(target) > MOST_DIMENSIONS
            or any(t == 0 and i >= len(shape) for i, t in enumerate(target))
            or target.count(-1) > 1
        ):
            raise NotFeedForward("it reshapes to an impossible shape")
        target = [shape[i] if t == 0 else t for i, t in enumerate(target)]
        known = math.prod(t for t in target if t != -1)
        target = [math.prod(shape) // max(known, 1) if t == -1 else t for t in target]
        if math.prod(target) != math.prod(shape):
            raise NotFeedForward(f"it reshapes {described(shape)} to {described(target)}")
        axes = [ONE] * len(target)
        if BATCH in self.axes and self.n > 1:
            before = math.prod(shape[: self.axes.index(BATCH)])
            fitting = (i for i, t in enumerate(target) if t == self.n and math.prod(target[:i]) == before)
            place = next(fitting, None)
            if place is None:
                raise NotFeedForward(f"it mixes batch and nodes, reshaping {described(shape)} to {described(target)}")
            axes[place] = BATCH
        grid = [t for t, axis in zip(target, axes) if axis == ONE and t > 1]
        axes = [NODES if axis == ONE and t > 1 else axis for t, axis in zip(target, axes)]
        # An axis of length 1 goes where a free one is, in no matter which order.
        free = [i for i, length in enumerate(target) if length == 1]
        for axis, place in zip((axis for axis, length in zip(self.axes, shape) if length == 1 and axis != ONE), free):
            axes[place] = axis
        return replace(self, axes=tuple(axes), grid=tuple(grid) if len(grid) > 1 else ())

    def constant_along_nodes(self, constant: np.ndarray) -> "tuple[DependentTensor, np.ndarray]":
        """This tensor with as many axes as `constant` needs, and `constant` as one number or one for each node."""
        laid = self
        if constant.ndim > len(self.axes):
            laid = self.unsqueezed(list(range(constant.ndim - len(self.axes))))
        constant = constant.reshape((1,) * (len(laid.axes) - constant.ndim) + constant.shape)
        whole, shape = described(constant.shape), laid.shape
        for place, axis in enumerate(laid.axes):
            length, first = constant.shape[place], np.take(constant, [0], axis=place)
            if axis == BATCH and length == self.n and (constant == first).all():
                constant = first
            elif axis == BATCH and 1 < length == self.n:
                raise NotFeedForward(f"its constant of shape {whole} differs from point to point of the batch")
            elif length not in ((1, shape[place]) if axis == NODES else (1,)):
                raise NotFeedForward(f"its constant of shape {whole} does not go with {laid.described}")
        if constant.size > 1 and laid.grid:
            along = [length if axis == NODES else 1 for axis, length in zip(laid.axes, shape)]
            constant = np.broadcast_to(constant, along)
        return laid, constant.reshape(-1)


def described(shape: Sequence[int]) -> str:
    """A shape as a sentence gives it, an open batch as n."""
    lengths = ["n" if length == OPEN_BATCH else str(length) for length in shape]
    return f"({', '.join(lengths)}{',' if len(lengths) == 1 else ''})"


def aligned(first: DependentTensor, second: DependentTensor) -> DependentTensor:
    """The layout of an elementwise operation on both; raises where their axes mean different things."""
    if first.grid or second.grid:
        if (first.axes, first.grid) != (second.axes, second.grid):
            raise NotFeedForward("batch and nodes of its operands do not match")
        return first
    rank = max(len(first.axes), len(second.axes))
    axes = []
    for one, two in zip(*((ONE,) * (rank - len(laid.axes)) + laid.axes for laid in (first, second))):
        if one != two and ONE not in (one, two):
            raise NotFeedForward("batch and nodes of its operands do not match")
        axes.append(two if one == ONE else one)
    if first.size != second.size or any(axes.count(axis) > 1 for axis in (BATCH, NODES)):
        raise NotFeedForward("its operands are broadcast against each other")
    for laid in (first, second):
        for axis, length in ((BATCH, laid.n), (NODES, laid.size)):
            if axis in axes and axis not in laid.axes and length != 1:
                raise NotFeedForward("its operands are broadcast against each other")
    return replace(first, axes=tuple(axes))
