"""The activations that are one function of JAX, with its own exact rules: exp, sin, and the identity."""

from .functions import AbstractFunctions, Number
from .record import Activation


def _identity(x: Number, order: int, f: AbstractFunctions) -> Number:
    return x if order == 0 else f.constant(x, 1.0 if order == 1 else 0.0)


def _exp(x: Number, order: int, f: AbstractFunctions) -> Number:
    return f.exp(x)


def _sin(x: Number, order: int, f: AbstractFunctions) -> Number:
    value = f.cos(x) if order % 2 else f.sin(x)
    return value if order % 4 < 2 else -1.0 * value


IDENTITY = Activation("identity", _identity, in_straight_pieces=True, is_plain=True, is_exact=True)
EXP = Activation("exp", _exp, is_plain=True)
SIN = Activation("sin", _sin, is_plain=True)
