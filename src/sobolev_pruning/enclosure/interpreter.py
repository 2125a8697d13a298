"""Runs a JAX program (jaxpr) in the arithmetic of a method, equation by equation."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from .control_flow import apply_nested, is_nested
from .registry import UNKNOWN_LINE, EnclosureError, source_line


def evaluate(jaxpr, consts, arguments, method, only_ranges: bool = False) -> list:
    """The outputs of `jaxpr`: arrays where they are points, values of the method elsewhere.

    Only equations that an output needs are run: derivative programs carry many that none does, and each would cost the
    affine method a noise symbol per element. `only_ranges` says that of the outputs only the ranges will be used.
    """
    environment = dict(zip(jaxpr.constvars, map(_array, consts))) | dict(zip(jaxpr.invars, arguments))

    def read(variable):
        if isinstance(variable, Literal):
            return _array(np.asarray(variable.val, variable.aval.dtype))
        return environment[variable]

    equations = _needed(jaxpr)
    uses = Counter(v for equation in equations for v in equation.invars if not isinstance(v, Literal))
    if not only_ranges:
        uses.update(v for v in jaxpr.outvars if not isinstance(v, Literal))
    for equation in equations:
        operands = [read(v) for v in equation.invars]
        if is_nested(equation):
            try:
                results = apply_nested(equation, operands, method, lambda j, c, a: evaluate(j, c, a, method))
            except EnclosureError as error:  # inside a library function only the call has a line of the user's
                raise EnclosureError(str(error).replace(UNKNOWN_LINE, source_line(equation))) from None
        elif equation.primitive.name == "broadcast_in_dim" and isinstance(operands[0], np.ndarray):
            # Constants stay known under jit, so that rules can use their values.
            results = (
                [np.broadcast_to(operands[0], equation.outvars[0].aval.shape)]
                if (operands[0].ndim == 0)
                else method.apply(equation, [jnp.asarray(operands[0])])
            )
        else:
            results = method.apply(equation, operands)
        for variable, result in zip(equation.outvars, results, strict=True):
            environment[variable] = method.shared(result) if uses[variable] > 1 else result
    return [read(v) for v in jaxpr.outvars]


def _array(constant):
    """Scalars stay NumPy's, whose values are known also under jit."""
    return constant if isinstance(constant, jax.Array) or np.ndim(constant) == 0 else jnp.asarray(constant)


def _needed(jaxpr) -> list:
    wanted = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
    kept = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or any(v in wanted for v in equation.outvars):
            kept.append(equation)
            wanted.update(v for v in equation.invars if not isinstance(v, Literal))
    return kept[::-1]
