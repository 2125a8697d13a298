"""What the package knows of one activation function; all that is done with it is derived from this record."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from .functions import AbstractFunctions, Number

HIGHEST_ORDER = 4
"""Of the derivatives that a record writes out."""

Extremes: TypeAlias = tuple[tuple[tuple[float, float], ...], ...]
"""Per order 0 to 4: pairs of a point and the value there."""

NO_EXTREMES: Extremes = ((),) * (HIGHEST_ORDER + 1)


@dataclass(frozen=True)
class Breakpoint:
    """Where the derivative of order `smoothness + 1` jumps, from its limit on the `left` to that on the `right`."""

    place: float
    left: float
    right: float


@dataclass(frozen=True)
class Rescaled:
    """`factor * base(slope * x)`."""

    base: "Activation"
    factor: float
    slope: float


@dataclass(frozen=True, eq=False)
class Activation:
    """An activation function `f` of one real variable.

    - `derivative(x, order, functions)` is the derivative of `order` 0 to 4, written with `+ - *`, division by floats
      and `functions` only (`AbstractFunctions`), so that one formula serves JAX, rounded bounds, ONNX, C and NumPy. At
      a breakpoint it gives the limit from the left.
    - `smoothness`: how often `f` is continuously differentiable; the next derivative jumps at the `breakpoints`, and
      between them `f` is smooth.
    - `extremes`: for each order, every place in the interior of a piece where the derivative of that order stops rising
      or falling, with its value, to the last digit of float64. Between these and the breakpoints it must be monotone:
      exact ranges rest on it.
    - `codomain`: for some orders, bounds that no value passes.
    - `in_straight_pieces`: `f` is affine between its breakpoints, with no other corner.
    - `is_exact`: its formula never rounds. `fades`: all derivatives from the second on vanish at infinity.
    - `is_steep_in_powers`: the formula holds powers of x that overflow far out, where `f` is 0 on the left and x on the
      right, closer than the smallest normal number.
    - `is_plain`: the formula is a single function of JAX (or x itself) at every order, whose own rules are exact.
    - `rescaled`: `f` is another activation in other units, whose ranges serve.

    >>> from sobolev_pruning.activations import activation
    >>> relu = activation("relu")
    >>> relu.smoothness, relu.breakpoints
    (0, (Breakpoint(place=0.0, left=0.0, right=1.0),))
    """

    name: str
    derivative: Callable[[Number, int, AbstractFunctions], Number]
    extremes: Extremes = NO_EXTREMES
    smoothness: float = math.inf
    breakpoints: tuple[Breakpoint, ...] = ()
    codomain: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    in_straight_pieces: bool = False
    is_exact: bool = False
    fades: bool = False
    is_steep_in_powers: bool = False
    is_plain: bool = False
    rescaled: Rescaled | None = None
