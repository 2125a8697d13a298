"""The activations made of the logistic function: sigmoid, tanh, softplus, silu, and those in other units."""

import math

from .._foundation.errors import InputError
from .functions import AbstractFunctions, Number
from .record import Activation
from .rescaled import rescaled


def logistic_derivative(s: Number, c: Number, order: int) -> Number:
    """The derivative of the logistic function from its value `s` and `c = 1 - s`, by `p = s c` and `q = c - s`."""
    if order == 0:
        return s
    p = s * c
    if order == 1:
        return p
    q = c - s
    if order == 2:
        return p * q
    return p * (1.0 - 6.0 * p) if order == 3 else p * q * (1.0 - 12.0 * p)


def _sigmoid(x: Number, order: int, f: AbstractFunctions) -> Number:
    return logistic_derivative(*f.sigmoid(x), order)


def _silu(x: Number, order: int, f: AbstractFunctions) -> Number:
    s, c = f.sigmoid(x)
    if order == 0:
        return x * s
    return order * logistic_derivative(s, c, order - 1) + x * logistic_derivative(s, c, order)


def _softplus(x: Number, order: int, f: AbstractFunctions) -> Number:
    return f.softplus(x) if order == 0 else _sigmoid(x, order - 1, f)


def _tanh(x: Number, order: int, f: AbstractFunctions) -> Number:
    t, slope = f.tanh(x)
    if order < 2:
        return (t, slope)[order]
    if order == 2:
        return -2.0 * t * slope
    square = t * t
    return slope * (6.0 * square - 2.0) if order == 3 else 8.0 * t * slope * (2.0 - 3.0 * square)


SIGMOID = Activation(
    "sigmoid",
    _sigmoid,
    codomain={0: (0.0, 1.0), 1: (0.0, math.inf)},
    fades=True,
    extremes=(
        (),
        ((0.0, 0.25),),
        ((-1.3169578969248168, 0.09622504486493763), (1.3169578969248168, -0.09622504486493763)),
        ((-2.2924316695611777, 0.041666666666666664), (0.0, -0.125), (2.2924316695611777, 0.041666666666666664)),
        (
            (-3.1443184061549303, 0.019065223250383904),
            (-0.8426329481293766, -0.12768392196780176),
            (0.8426329481293766, 0.12768392196780176),
            (3.1443184061549303, -0.019065223250383904),
        ),
    ),
)

TANH = Activation(
    "tanh",
    _tanh,
    codomain={0: (-1.0, 1.0), 1: (0.0, 1.0)},
    fades=True,
    extremes=(
        (),
        ((0.0, 1.0),),
        ((-0.6584789484624084, 0.769800358919501), (0.6584789484624084, -0.769800358919501)),
        ((-1.1462158347805889, 0.6666666666666666), (0.0, -2.0), (1.1462158347805889, 0.6666666666666666)),
        (
            (-1.5721592030774652, 0.6100871440122849),
            (-0.4213164740646883, -4.085885502969656),
            (0.4213164740646883, 4.085885502969656),
            (1.5721592030774652, -0.6100871440122849),
        ),
    ),
)

SOFTPLUS = Activation(
    "softplus",
    _softplus,
    codomain={0: (0.0, math.inf), 1: (0.0, 1.0), 2: (0.0, math.inf)},
    fades=True,
    extremes=((), *SIGMOID.extremes[:4]),
)

SILU = Activation(
    "silu",
    _silu,
    fades=True,
    extremes=(
        ((-1.2784645427610737, -0.2784645427610738),),
        ((-2.3993572805154675, -0.09983932012886691), (2.3993572805154675, 1.099839320128867)),
        ((-3.435840993535111, -0.036914373199893186), (0.0, 0.5), (3.435840993535111, -0.036914373199893186)),
        (
            (-4.429235100557228, -0.013862297655470339),
            (-1.0319582417807491, 0.3081815157964791),
            (1.0319582417807491, -0.3081815157964791),
            (4.429235100557228, 0.013862297655470339),
        ),
        (
            (-5.400818739495216, -0.00524336842945993),
            (-1.8197756117250128, 0.20369232506688512),
            (0.0, -0.5),
            (1.8197756117250128, 0.20369232506688512),
            (5.400818739495216, -0.00524336842945993),
        ),
    ),
)


def softplus(beta: float) -> Activation:
    """`log(1 + e^(beta x)) / beta`."""
    return rescaled(f"softplus({beta!r})", SOFTPLUS, 1.0 / _above_0("softplus", beta), beta)


def swish(beta: float) -> Activation:
    """`x / (1 + e^(-beta x))`."""
    return rescaled(f"swish({beta!r})", SILU, 1.0 / _above_0("swish", beta), beta)


def tanh(factor: float, slope: float) -> Activation:
    """`factor * tanh(slope * x)`."""
    return rescaled(f"tanh({factor!r}, {slope!r})", TANH, _above_0("tanh", factor), _above_0("tanh", slope))


def _above_0(name: str, parameter: float) -> float:
    if not 1e-100 < parameter < 1e100:
        raise InputError(f"{name} has the parameter {parameter:g}; give one above 0.")
    return parameter
