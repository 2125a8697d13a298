"""Small tools for the equations of programs that are rewritten."""

import numpy as np
from jax.core import ShapedArray
from jax.extend.core import JaxprEqn, Literal, Var
from jax.extend.core import primitives as p


def needed(equations: list[JaxprEqn], outputs) -> list[JaxprEqn]:
    """The equations that lead to the outputs, in order."""
    wanted = {v for v in outputs if not isinstance(v, Literal)}
    kept = []
    for equation in reversed(equations):
        if any(v in wanted for v in equation.outvars):
            kept.append(equation)
            wanted.update(v for v in equation.invars if not isinstance(v, Literal))
    return kept[::-1]


def producers_of(equations) -> dict[Var, JaxprEqn]:
    """The equation that each variable comes from."""
    return {v: equation for equation in equations for v in equation.outvars}


def in_order(equations: list[JaxprEqn]) -> list[JaxprEqn]:
    """The equations, each after those that make its operands; otherwise in the order they have."""
    producers, placed, ordered = producers_of(equations), set(), []
    for equation in equations:
        waiting = [equation]
        while waiting:
            last = waiting[-1]
            before = [producers[v] for v in last.invars if not isinstance(v, Literal) and v in producers]
            before = [made for made in before if id(made) not in placed]
            if before:
                waiting += before
                continue
            waiting.pop()
            if id(last) not in placed:
                placed.add(id(last))
                ordered.append(last)
    return ordered


def renamed(variable, names: dict):
    return variable if isinstance(variable, Literal) else names.get(variable, variable)


def with_operands(equation: JaxprEqn, names: dict) -> JaxprEqn:
    """The equation with its operands renamed."""
    if not any(not isinstance(v, Literal) and v in names for v in equation.invars):
        return equation
    return equation.replace(invars=[renamed(v, names) for v in equation.invars])


def operation(like: JaxprEqn, primitive, operands: list, result: Var, **params) -> JaxprEqn:
    """A new equation, from the same line of the user's code as another."""
    return like.replace(primitive=primitive, invars=operands, outvars=[result], params=params)


def constant(like: JaxprEqn, value: float, result: Var) -> JaxprEqn:
    """The equation of an array of one number."""
    literal = Literal(np.asarray(value, result.aval.dtype), ShapedArray((), result.aval.dtype))
    shape = tuple(result.aval.shape)
    return operation(like, p.broadcast_in_dim_p, [literal], result, shape=shape, broadcast_dimensions=(), sharding=None)


def is_constant(variable, value: float, producers: dict) -> bool:
    """Whether the variable is an array of this number, as the program itself says."""
    while not isinstance(variable, Literal):
        equation = producers.get(variable)
        if equation is None or equation.primitive.name not in ("broadcast_in_dim", "convert_element_type", "reshape"):
            return False
        variable = equation.invars[0]
    return bool(np.all(np.asarray(variable.val) == value))
