"""What can be told of a simulation from its program (jaxpr): whether it may jump, and whether it was smoothed."""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from .smoothing import smoothing_sigmoid

_DERIVATIVE_OF_THEIR_OWN = ("stop_gradient", "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")
_JUMPING = ("floor", "ceil", "round", "sign", "rem", "nextafter", "reduce_precision", "pure_callback", "io_callback")


def may_jump(function: Callable, *arguments) -> bool:
    """Whether the derivative of `function` in its first argument may differ from the slope of its mean over the others.

    False only where no operation that jumps sees that argument (comparisons, floor, sign, casts to integers, argmax,
    sorting by a key, calls outside JAX), nor one with a derivative of its own (stop_gradient, custom rules): the
    function is then continuous in it wherever it is defined. True says no more than that there is such an operation.
    """
    closed = jax.make_jaxpr(function)(*arguments)
    count = len(jax.tree.leaves(arguments[0]))
    seen = [i < count for i in range(len(closed.jaxpr.invars))]
    return _walk(closed.jaxpr, seen)[1]


def is_smoothed(function: Callable, *arguments) -> bool:
    """Whether `function` calls `smooth_step` or another of the functions in `smoothing`."""
    program = jax.make_jaxpr(function)(*arguments).jaxpr
    return any(equation.params.get("name") == smoothing_sigmoid.__name__ for equation in equations(program))


def equations(program: Jaxpr) -> Iterator[JaxprEqn]:
    """All operations of a program, those of the programs inside it included."""
    for equation in program.eqns:
        yield equation
        for inner in programs_in(equation):
            yield from equations(inner)


def programs_in(equation: JaxprEqn) -> list[Jaxpr]:
    found = []
    for parameter in equation.params.values():
        for one in parameter if isinstance(parameter, tuple | list) else (parameter,):
            if isinstance(one, ClosedJaxpr):
                found.append(one.jaxpr)
            elif isinstance(one, Jaxpr):
                found.append(one)
    return found


def n_numbers(program: Jaxpr) -> int:
    """How many numbers a program computes, those of every round of its loops counted."""
    count = 1
    for equation in program.eqns:
        inner = sum(n_numbers(each) for each in programs_in(equation))
        outputs = sum(getattr(variable.aval, "size", 1) for variable in equation.outvars)
        count += max(outputs, inner * equation.params.get("length", 1)) if inner else outputs
    return count


def _walk(program: Jaxpr, inputs: list[bool]) -> tuple[list[bool], bool]:
    """Which outputs depend on the marked inputs, and whether an operation that jumps does."""
    marked = {variable for variable, mark in zip(program.invars, inputs) if mark}
    jumps = False

    def is_marked(atom) -> bool:
        return not isinstance(atom, Literal) and atom in marked

    for equation in program.eqns:
        marks = [is_marked(atom) for atom in equation.invars]
        if not any(marks):
            continue
        jumps = jumps or _jumps(equation, marks)
        outputs = [True] * len(equation.outvars)
        for inner in programs_in(equation):
            outputs, inside = _walk_inner(equation, inner, marks)
            jumps = jumps or inside
        # Several programs in one operation (the branches of a cond): whatever any of them may depend on.
        if len(programs_in(equation)) > 1:
            outputs = [True] * len(equation.outvars)
        marked.update(variable for variable, mark in zip(equation.outvars, outputs) if mark)
    return [is_marked(atom) for atom in program.outvars], jumps


def _walk_inner(equation: JaxprEqn, inner: Jaxpr, marks: list[bool]) -> tuple[list[bool], bool]:
    if len(inner.invars) != len(marks) or len(inner.outvars) != len(equation.outvars):
        return [True] * len(equation.outvars), _walk(inner, [True] * len(inner.invars))[1]
    if equation.primitive.name != "scan":
        return _walk(inner, marks)
    first, count = equation.params["num_consts"], equation.params["num_carry"]
    while True:  # what is carried depends on what any earlier step does; at most one round for each
        outputs, jumps = _walk(inner, marks)
        carried = [before or after for before, after in zip(marks[first : first + count], outputs[:count])]
        if carried == marks[first : first + count]:
            return outputs, jumps
        marks = [*marks[:first], *carried, *marks[first + count :]]


def _jumps(equation: JaxprEqn, marks: list[bool]) -> bool:
    name = equation.primitive.name
    if name in _DERIVATIVE_OF_THEIR_OWN or name in _JUMPING:
        return True
    if name == "sort" and len(equation.invars) > 1:
        return True
    if programs_in(equation):  # their own operations are looked at
        return False
    sees = any(mark and _is_real(atom) for mark, atom in zip(marks, equation.invars))
    return sees and not all(_is_real(variable) for variable in equation.outvars)


def _is_real(atom) -> bool:
    dtype = getattr(atom.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)
