"""Functions of `jax.nn` that one rule encloses better than their parts do: `x * sigmoid(x)` holds x twice."""

import functools

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr

from ...activations import activate
from .libraries import in_libraries

_FUNCTIONS = {"silu": jax.nn.silu, "softplus": jax.nn.softplus, "elu": jax.nn.elu}


def as_library_function(equation) -> ClosedJaxpr | None:
    """The program by which a call of a library's function is best enclosed; None where none is known."""
    if equation.primitive.name == "custom_jvp_call":
        return _log_of_sum(equation)
    return _as_activation(equation)


def _log_of_sum(equation) -> ClosedJaxpr | None:
    """`jnp.logaddexp(a, b)` as `b + softplus(a - b)`, which has no kink, where theirs has two that cancel."""
    named = str(equation.params["call_jaxpr"].jaxpr.debug_info.func_src_info)
    shapes = [v.aval.shape for v in equation.invars]
    dtypes = {v.aval.dtype for v in equation.invars}
    if not named.startswith("logaddexp at ") or len(shapes) != 2 or shapes[0] != shapes[1] or len(dtypes) != 1:
        return None
    if not in_libraries(named.rpartition(" at ")[2]) or not jnp.issubdtype(*dtypes, jnp.floating):
        return None
    x = jax.ShapeDtypeStruct(shapes[0], *dtypes)
    return jax.make_jaxpr(lambda a, b: b + activate(a - b, "softplus"))(x, x)


def _as_activation(equation) -> ClosedJaxpr | None:
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
