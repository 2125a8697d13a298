"""Functions of `jax.nn` that one rule encloses better than their parts do: `x * sigmoid(x)` holds x twice."""

import functools

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr

from .._foundation.activations import activate

_FUNCTIONS = {"silu": jax.nn.silu, "softplus": jax.nn.softplus, "elu": jax.nn.elu}


def as_activation(equation) -> ClosedJaxpr | None:
    """The program of one activation that does what this call of a compiled function does; None where none is known.

    The call is known by its name and by its program, which must be that of the library's function to the letter.
    """
    name, operands = equation.params.get("name"), equation.invars
    if equation.primitive.name not in ("jit", "pjit") or name not in _FUNCTIONS or len(operands) != 1:
        return None
    operand = operands[0].aval
    if not jnp.issubdtype(operand.dtype, jnp.floating):  # another function of that name
        return None
    theirs, ours = _programs(name, operand.shape, operand.dtype)
    return ours if str(equation.params["jaxpr"]) == theirs else None


@functools.cache
def _programs(name: str, shape: tuple[int, ...], dtype) -> tuple[str, ClosedJaxpr]:
    x = jax.ShapeDtypeStruct(shape, dtype)
    (call,) = jax.make_jaxpr(_FUNCTIONS[name])(x).eqns
    return str(call.params["jaxpr"]), jax.make_jaxpr(lambda x: activate(x, name))(x)
