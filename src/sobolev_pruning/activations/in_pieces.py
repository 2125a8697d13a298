"""Activations in pieces: relu, leaky_relu, clip, relu6, hard_swish, elu, selu, and softsign, whose second derivative
jumps.
"""

import math

from .._foundation.errors import InputError
from .functions import AbstractFunctions, Number
from .record import NO_EXTREMES, Activation, Breakpoint

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""Klambauer et al. 2017, rounded to float64."""


def _relu(x: Number, order: int, f: AbstractFunctions) -> Number:
    if order == 0:
        return f.maximum(x, 0.0)
    return f.where_above(x, 0.0, 1.0, 0.0) if order == 1 else f.constant(x, 0.0)


RELU = Activation(
    "relu",
    _relu,
    smoothness=0,
    breakpoints=(Breakpoint(0.0, 0.0, 1.0),),
    codomain={1: (0.0, 1.0)},
    in_straight_pieces=True,
    is_exact=True,
)


def leaky_relu(slope: float) -> Activation:
    """`x` above 0, `slope * x` below."""
    if not abs(slope) < 1e100:
        raise InputError(f"leaky_relu has the slope {slope:g}; give a finite number, such as leaky_relu(0.01).")

    def derivative(x: Number, order: int, f: AbstractFunctions) -> Number:
        if order == 0:
            return f.where_above(x, 0.0, x, slope * x)
        return f.where_above(x, 0.0, 1.0, slope) if order == 1 else f.constant(x, 0.0)

    # With a falling side, 0 is the minimum.
    extremes = (((0.0, 0.0),), *NO_EXTREMES[1:])
    breakpoints = (Breakpoint(0.0, slope, 1.0),)
    return Activation(
        f"leaky_relu({slope!r})",
        derivative,
        smoothness=0,
        breakpoints=breakpoints,
        extremes=extremes,
        in_straight_pieces=True,
    )


def clip(lowest: float, highest: float) -> Activation:
    """`x` cut off below `lowest` and above `highest`."""
    return _clip(f"clip({lowest!r}, {highest!r})", lowest, highest)


def _clip(name: str, lowest: float, highest: float) -> Activation:
    if not -math.inf < lowest < highest < math.inf:
        raise InputError(f"{name} needs two finite numbers, the first below the second; for one of them take relu.")

    def derivative(x: Number, order: int, f: AbstractFunctions) -> Number:
        if order == 0:
            return f.minimum(f.maximum(x, lowest), highest)
        if order == 1:
            return f.where_above(x, highest, 0.0, f.where_above(x, lowest, 1.0, 0.0))
        return f.constant(x, 0.0)

    breakpoints = (Breakpoint(lowest, 0.0, 1.0), Breakpoint(highest, 1.0, 0.0))
    return Activation(
        name, derivative, smoothness=0, breakpoints=breakpoints, codomain={1: (0.0, 1.0)}, in_straight_pieces=True
    )


RELU6 = _clip("relu6", 0.0, 6.0)


def _hard_swish(x: Number, order: int, f: AbstractFunctions) -> Number:
    inside = f.minimum(f.maximum(x, -3.0), 3.0)
    if order == 0:
        return f.where_above(x, 3.0, x, inside * (inside + 3.0) / 6.0)
    if order == 1:
        return f.where_above(x, 3.0, 1.0, f.where_above(x, -3.0, inside / 3.0 + 0.5, 0.0))
    if order == 2:
        return f.where_above(x, 3.0, 0.0, f.where_above(x, -3.0, 1.0 / 3.0, 0.0))
    return f.constant(x, 0.0)


HARD_SWISH = Activation(
    "hard_swish",
    _hard_swish,
    smoothness=0,
    breakpoints=(Breakpoint(-3.0, 0.0, -0.5), Breakpoint(3.0, 1.5, 1.0)),
    extremes=(((-1.5, -0.375),), *NO_EXTREMES[1:]),
)


def _exponential_unit(name: str, alpha: float, scale: float, smoothness: int, codomain: dict) -> Activation:
    """`scale * x` above 0, `scale * alpha * (e^x - 1)` below."""

    def derivative(x: Number, order: int, f: AbstractFunctions) -> Number:
        below = f.minimum(x, 0.0)  # so that the branch not taken never overflows
        if order == 0:
            right = x if scale == 1.0 else scale * x
            fallen = f.expm1(below)
        else:
            right = scale if order == 1 else 0.0
            fallen = f.exp(below)
        return f.where_above(x, 0.0, right, fallen if scale * alpha == 1.0 else (scale * alpha) * fallen)

    jump = (scale * alpha, scale if smoothness == 0 else 0.0)
    return Activation(name, derivative, smoothness=smoothness, breakpoints=(Breakpoint(0.0, *jump),), codomain=codomain)


ELU = _exponential_unit("elu", 1.0, 1.0, 1, {0: (-1.0, math.inf), 1: (0.0, 1.0), 2: (0.0, 1.0)})
SELU = _exponential_unit("selu", SELU_ALPHA, SELU_SCALE, 0, {})


def elu(alpha: float) -> Activation:
    """`x` above 0, `alpha * (e^x - 1)` below."""
    if not 1e-100 < alpha < 1e100:
        raise InputError(f"elu has the alpha {alpha:g}; give one above 0, such as elu(0.5).")
    smoothness = 1 if alpha == 1.0 else 0
    return _exponential_unit(f"elu({alpha!r})", alpha, 1.0, smoothness, {})


_THOUSANDTH = 2.0**-10


def _softsign(x: Number, order: int, f: AbstractFunctions) -> Number:
    # A thousandth of 1 + |x|: the reciprocal of the largest numbers would not be a normal one.
    r = f.reciprocal(_THOUSANDTH * (1.0 + f.absolute(x)))
    if order == 0:
        return (x * _THOUSANDTH) * r
    r = r * _THOUSANDTH
    power = r * r
    for _ in range(order - 1):
        power = power * r
    factor = float(math.factorial(order))
    if order % 2:
        return power if order == 1 else factor * power
    return f.where_above(x, 0.0, -factor * power, factor * power)


SOFTSIGN = Activation(
    "softsign",
    _softsign,
    smoothness=1,
    breakpoints=(Breakpoint(0.0, 2.0, -2.0),),
    codomain={0: (-1.0, 1.0), 1: (0.0, 1.0)},
    extremes=((), ((0.0, 1.0),), (), (), ()),
)
