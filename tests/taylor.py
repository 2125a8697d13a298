"""The activations from their definitions, in ball arithmetic: the second opinion on every derivative of theirs."""

import math

import flint
import numpy as np

from sobolev_pruning.activations.in_pieces import SELU_ALPHA, SELU_SCALE

flint.ctx.prec = 200

POINTS = np.concatenate(
    [np.random.default_rng(3).uniform(-12.0, 12.0, 200), np.linspace(-1.0, 1.0, 9), [-300.0, 300.0]]
)


def taylor_derivative(name: str, x: float, order: int) -> flint.arb:
    """The derivative from the Taylor series of the definition at `x`, in 200 bits."""
    return taylor_derivatives(name, x, order)[order]


def taylor_derivatives(name: str, x: float | flint.arb, highest: int) -> list[flint.arb]:
    """All derivatives to order `highest`."""
    f = _series(name, x, flint.arb_series([x, 1], highest + 1))
    return [f[order] * math.factorial(order) for order in range(highest + 1)]


def _series(name: str, x: float | flint.arb, t: flint.arb_series) -> flint.arb_series:
    family, _, numbers = name.partition("(")
    if numbers:
        return _of_family(family, t, x, *(float(number) for number in numbers.rstrip(")").split(",")))
    match name:
        case "silu":
            f = t / (1 + (-t).exp())
        case "softplus":
            f = (1 + t.exp()).log()
        case "tanh":
            f = 2 / (1 + (-2 * t).exp()) - 1
        case "gelu":
            f = t / 2 * (1 + (t / flint.arb(2).sqrt()).erf())
        case "gelu_tanh":
            u = (2 / flint.arb.pi()).sqrt() * (t + t * t * t * flint.arb("0.044715"))
            f = t * (1 / (1 + (-2 * u).exp()))
        case "elu":
            f = t if x > 0 else t.exp() - 1
        case "relu":
            f = t if x > 0 else 0 * t
        case "sigmoid":
            f = 1 / (1 + (-t).exp())
        case "selu":
            f = SELU_SCALE * (t if x > 0 else SELU_ALPHA * (t.exp() - 1))
        case "mish":
            f = t * (1 - 2 / (1 + (1 + t.exp()) * (1 + t.exp())))
        case "hard_swish":
            f = t * (t + 3) / 6 if abs(x) < 3 else (t if x > 0 else 0 * t)
        case "relu6":
            f = t if 0 < x <= 6 else 0 * t + (6 if x > 6 else 0)
        case "softsign":
            f = t / (1 + t) if x > 0 else t / (1 - t)
        case "sin":
            f = t.sin()
        case "exp":
            f = t.exp()
        case "identity":
            f = t
    return f


def _of_family(family: str, t: flint.arb_series, x: float, first: float, second: float = 0.0) -> flint.arb_series:
    first, second = flint.arb(first), flint.arb(second)
    match family:
        case "leaky_relu":
            return t if x > 0 else first * t
        case "elu":
            return t if x > 0 else first * (t.exp() - 1)
        case "clip":
            return t if first < x <= second else 0 * t + (first if x <= first else second)
        case "softplus":
            return (1 + (first * t).exp()).log() / first
        case "swish":
            return t / (1 + (-first * t).exp())
        case "tanh":
            return first * (2 / (1 + (-2 * second * t).exp()) - 1)
