"""The activations from their definitions, in ball arithmetic: the second opinion on every derivative of theirs."""

import math

import flint
import numpy as np

flint.ctx.prec = 200

POINTS = np.concatenate(
    [np.random.default_rng(3).uniform(-12.0, 12.0, 200), np.linspace(-1.0, 1.0, 9), [-300.0, 300.0]]
)


def taylor_derivative(name: str, x: float, order: int) -> flint.arb:
    """The derivative from the Taylor series of the definition at `x`, in 200 bits."""
    t = flint.arb_series([x, 1], order + 1)
    sigmoid = 1 / (1 + (-t).exp())
    match name:
        case "silu":
            f = t * sigmoid
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
            f = sigmoid
    return f[order] * math.factorial(order)
