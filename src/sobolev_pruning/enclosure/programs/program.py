"""The program of a function, written out: calls of compiled functions are replaced by their equations."""

from typing import NamedTuple

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from .chosen import with_plain_comparison
from .libraries import in_libraries
from .library_functions import as_library_function
from .normal_law import as_erfc

_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "remat": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


class Program(NamedTuple):
    """Equations in order, `constants` by variable, and the variables that enter and leave.

    `callers[i]` is the call that equation i was written out of, None where it stands in the program itself;
    `producers` has the equation that each variable comes from; `settled` are comparisons between equal cases.
    """

    equations: list[JaxprEqn]
    callers: list[JaxprEqn | None]
    constants: dict[Var, object]
    inputs: list[Var]
    outputs: list[Var | Literal]
    producers: dict[Var, JaxprEqn]
    settled: set[Var]


def written_out(body: ClosedJaxpr | Jaxpr) -> Program:
    """The program of `body`, every call in it replaced by what it calls, at any depth.

    Functions with a derivative of the user's own (`custom_jvp`) stay calls: see `has_own_derivative`.
    """
    jaxpr, constants = parts(body)
    program = Program([], [], dict(zip(jaxpr.constvars, constants, strict=True)), list(jaxpr.invars), [], {}, set())
    names = _write(jaxpr, {}, None, program)
    program.outputs.extend(_renamed(v, names) for v in jaxpr.outvars)
    return program


def parts(body: ClosedJaxpr | Jaxpr) -> tuple[Jaxpr, tuple]:
    """The equations of a program and its constants."""
    return (body.jaxpr, tuple(body.consts)) if isinstance(body, ClosedJaxpr) else (body, ())


def _write(jaxpr: Jaxpr, names: dict, caller: JaxprEqn | None, program: Program) -> dict:
    """Appends the equations of `jaxpr` under new names for what it binds; returns the names."""
    for equation in jaxpr.eqns:
        operands = [_renamed(v, names) for v in equation.invars]
        if equation.primitive.name in _CALLS and not has_own_derivative(equation):
            body, constants = parts(as_library_function(equation) or called(equation))
            inner = dict(zip(body.invars, operands, strict=True))
            for variable, constant in zip(body.constvars, constants, strict=True):
                inner[variable] = Var(variable.aval)
                program.constants[inner[variable]] = constant
            inner = _write(body, inner, caller or equation, program)
            names.update(zip(equation.outvars, [_renamed(v, inner) for v in body.outvars], strict=True))
            continue
        results = equation.outvars
        if caller is not None:  # one body may be called many times
            results = [Var(v.aval) for v in equation.outvars]
            names.update(zip(equation.outvars, results, strict=True))
        equation = with_plain_comparison(equation.replace(invars=operands, outvars=results), program.producers)
        smooth = as_erfc(equation, program.producers)
        if smooth is not None:
            program.settled.update({equation.invars[0], program.producers[equation.invars[1]].invars[0]})
        for known in smooth or [equation]:
            program.equations.append(known)
            program.callers.append(caller)
            program.producers.update(dict.fromkeys(known.outvars, known))
    return names


def _renamed(variable, names: dict):
    return variable if isinstance(variable, Literal) else names.get(variable, variable)


def called(equation) -> ClosedJaxpr | Jaxpr:
    """The program that a call calls."""
    return equation.params[_CALLS[equation.primitive.name]]


def has_own_derivative(equation) -> bool:
    """Whether a call is that of a `custom_jvp` or `custom_vjp` function which is not JAX's."""
    if equation.primitive.name not in ("custom_jvp_call", "custom_vjp_call"):
        return False
    information = parts(called(equation))[0].debug_info
    return not in_libraries(str(information.func_src_info).rpartition(" at ")[2])
