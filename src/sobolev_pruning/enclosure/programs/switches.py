"""Choices that a comparison decides, `where(a > b, f, g)`: whether f and g agree where they switch, and what each sees.

At the switch a equals b. If f and g, with b written for a in them, are one expression, the choice is continuous there,
a kink; otherwise it may jump. Expressions are compared exactly, constants as fractions, so what is not recognised is a
jump. A case that is a or b itself is only taken on one side of the other.
"""

import operator
from fractions import Fraction
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from ..control_flow import is_nested
from ..natural.rules import ELEMENTWISE
from ..scalar.arithmetic import holds

_DEEPEST = 40
_COPIES = ("copy", "copy_p", "name", "stop_gradient")

# At these constants, functions are rational.
_KNOWN = {
    0: {
        **dict.fromkeys(("expm1", "log1p", "tanh", "sin", "tan", "sinh", "asin", "atan", "asinh", "atanh"), 0),
        **dict.fromkeys(("erf", "erf_inv", "sqrt", "cbrt"), 0),
        **dict.fromkeys(("exp", "exp2", "cos", "cosh", "erfc"), 1),
        "logistic": Fraction(1, 2),
    },
    1: {"sqrt": 1, "cbrt": 1, "rsqrt": 1, "log": 0},
}
_AT_ZERO = {
    **dict.fromkeys(("relu", "elu", "silu", "tanh", "gelu", "gelu_tanh", "selu", "mish", "hard_swish", "relu6"), 0),
    "softsign": 0,
    "sigmoid": Fraction(1, 2),
}


class Switch(NamedTuple):
    """`agrees`: the cases are equal where the choice changes. `limits`: operands of the choice, each with what limits
    it where it is taken, from above (True) or below.
    """

    agrees: bool
    limits: tuple[tuple[int, object, bool], ...]


def switch_of(equation, producers: dict) -> Switch | None:
    """The switch of a `select_n` whose choice is one comparison of real numbers; None for other equations."""
    if equation.primitive.name != "select_n" or len(equation.invars) != 3:
        return None
    choice, when_false, when_true = equation.invars
    comparison = producers.get(_source(choice, producers))
    if comparison is None or comparison.primitive.name not in ("lt", "le", "gt", "ge"):
        return None
    a, b = comparison.invars
    if not jnp.issubdtype(a.aval.dtype, jnp.floating) or choice.aval.shape != equation.outvars[0].aval.shape:
        return None
    larger = comparison.primitive.name in ("gt", "ge")
    limits = []
    if a.aval.shape == equation.outvars[0].aval.shape:
        for place, case, holds in ((1, when_false, False), (2, when_true, True)):
            if case is a:  # a > b where it is taken
                limits.append((place, b, larger != holds))
            elif case is b:
                limits.append((place, a, larger == holds))
    if isinstance(a, Literal):
        a, b = b, a
    expressions = _Expressions(producers)
    cases = [expressions.at_switch(case, a, b) for case in (when_false, when_true)]
    return Switch(cases[0] == cases[1], tuple(limits))


def _source(variable, producers):
    """The variable behind copies that change neither shape nor value."""
    while not isinstance(variable, Literal):
        equation = producers.get(variable)
        if equation is None or equation.primitive.name not in _COPIES:
            return variable
        variable = equation.invars[0]
    return None


class _Expressions:
    """Expressions of the variables of a program: a fraction, or the number of an operation on expressions.

    `of` writes them as they stand; `at_switch` writes `b` for `a`, in operations by element alone: others take their
    operands from places where a and b may differ.
    """

    def __init__(self, producers: dict):
        self._producers = producers
        self._plain: dict = {}
        self._numbers: dict = {}

    def of(self, variable, depth: int = 0):
        return self._written(variable, self._plain, None, None, depth)

    def at_switch(self, variable, a, b):
        return self._written(variable, {}, a, b, 0)

    def _written(self, variable, found: dict, a, b, depth: int):
        if a is not None and variable is a:
            return self.of(b)
        if isinstance(variable, Literal):
            return _constant(variable.val)
        if variable not in found:
            equation = self._producers.get(variable)
            opaque = equation is None or depth > _DEEPEST or len(equation.outvars) != 1 or is_nested(equation)
            found[variable] = variable if opaque else self._operation(equation, found, a, b, depth + 1)
        return found[variable]

    def _operation(self, equation, found: dict, a, b, depth: int):
        name, params = equation.primitive.name, equation.params
        if equation.primitive not in ELEMENTWISE and name not in _COPIES:
            found, a, b = self._plain, None, None
        x = [self._written(v, found, a, b, depth) for v in equation.invars]
        if name in _COPIES or (name == "convert_element_type" and _to_float(equation, x[0])):
            return x[0]
        if name in ("broadcast_in_dim", "reshape", "squeeze") and isinstance(x[0], Fraction):
            return x[0]
        if name == "select_n":
            if isinstance(x[0], bool):
                return x[1 + x[0]]
            if all(case == x[1] for case in x[1:]):
                return x[1]
        if all(isinstance(operand, Fraction) for operand in x):
            value = _evaluated(name, params, x)
            if value is not None:
                return value
        if name == "mul" and 0 in x:
            return Fraction(0)
        if (name == "mul" and 1 in x) or (name == "add" and 0 in x):
            return x[1 - x.index(1 if name == "mul" else 0)]
        if name == "sub" and x[1] == 0:
            return x[0]
        if name in ("add", "mul", "max", "min"):
            x.sort(key=str)
        key = (name, str(sorted(params.items(), key=str)), *x)
        return self._numbers.setdefault(key, ("operation", len(self._numbers)))


def _constant(value):
    value = np.asarray(value)
    if value.ndim or not np.issubdtype(value.dtype, np.number) or not np.isfinite(value):
        return ("constant", value.tobytes(), str(value.dtype), value.shape)
    return Fraction(value.item())


def _to_float(equation, expression) -> bool:
    """Whether a conversion changes nothing: to floats that hold every number of the old type, or the constant it is."""
    old, new = equation.invars[0].aval.dtype, equation.outvars[0].aval.dtype
    if not jnp.issubdtype(new, jnp.floating):
        return False
    if isinstance(expression, Fraction):
        return Fraction(float(np.asarray(float(expression), new))) == expression
    return holds(new, old)


def _evaluated(name: str, params: dict, x: list[Fraction]) -> Fraction | bool | None:
    """The exact value of an operation on constants, where it is rational."""
    if name in ("lt", "le", "gt", "ge"):
        return getattr(operator, name)(*x)
    if name in ("add", "sub", "mul"):
        return {"add": x[0].__add__, "sub": x[0].__sub__, "mul": x[0].__mul__}[name](x[1])
    if name == "div":
        return x[0] / x[1] if x[1] else None
    if name in ("max", "min"):
        return (max if name == "max" else min)(x)
    if name in ("neg", "abs", "square"):
        return {"neg": -x[0], "abs": abs(x[0]), "square": x[0] * x[0]}[name]
    if name == "integer_pow":
        return x[0] ** params["y"] if (x[0] or params["y"] > 0) and abs(params["y"]) < 64 else None
    if name == "activation":
        known = None if x[0] or params["order"] else _AT_ZERO.get(params["name"])
        return None if known is None else Fraction(known)
    known = _KNOWN.get(x[0].numerator if x[0].denominator == 1 else None, {}).get(name)
    return None if known is None else Fraction(known)
