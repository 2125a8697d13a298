"""Where a program switches: the functions whose signs say which piece of a piecewise smooth function holds."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import Array, Float

from .programs import programs_in

_COMPARISONS = ("lt", "le", "gt", "ge")
_UNKNOWN = ("floor", "ceil", "round", "rem", "nextafter", "while", "pure_callback", "io_callback", "reduce_precision")
_CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "checkpoint", "remat")
_MOST_SORTED = 8


class UnknownSwitchesError(Exception):
    """The program holds an operation whose pieces are not known."""


def switches(function: Callable, *arguments) -> Float[Array, "p"]:
    """Functions of the arguments one of which is 0 wherever `function(*arguments)` has a kink or a jump; each changes
    its sign there.

    Found in the program (jaxpr): `a - b` for `max(a, b)`, `min(a, b)` and comparisons, `a` for `abs(a)`, and for the
    least or largest of several what each is above the least of those before it. Only operations that the result depends
    on count, and not those that matter to a comparison alone: where `max(path) < barrier` decides, the date of the
    maximum is no kink of the result. There may be others, where an operation in the program switches and the result
    does not: as ends of pieces they do no harm.

    Raises `UnknownSwitchesError` where an operation has pieces that are not found so.

    >>> switches(lambda a: jnp.maximum(jnp.minimum(a[0], a[1]) - 1.0, 0.0), jnp.array([2.0, 5.0])).tolist()
    [-3.0, 1.0]
    """
    closed = jax.make_jaxpr(function)(*arguments)
    program = closed.jaxpr
    live = _live(program, [True] * len(program.outvars))
    _, found = _evaluate(program, closed.consts, jax.tree.leaves(arguments), live)
    return jnp.concatenate([each.reshape(-1) for each in found]) if found else jnp.zeros(0)


def _live(program: Jaxpr, outputs: list[bool]) -> set:
    """Variables that the live outputs depend on other than through the sides of a comparison."""
    live = {var for var, is_live in zip(program.outvars, outputs) if is_live and not isinstance(var, Literal)}
    for equation in reversed(program.eqns):
        if not any(var in live for var in equation.outvars):
            continue
        if not _compares_reals(equation):
            live.update(atom for atom in equation.invars if not isinstance(atom, Literal))
    return live


def _compares_reals(equation: JaxprEqn) -> bool:
    name = equation.primitive.name
    chooses = name in _COMPARISONS or name in ("eq", "ne", "sign", "argmax", "argmin")
    return chooses and _is_real(equation.invars[0])


def _evaluate(program: Jaxpr, constants, arguments, live: set) -> tuple[list, list[Array]]:
    """Outputs of the program, and the values of its switching functions."""
    values = dict(zip([*program.constvars, *program.invars], [*constants, *arguments]))
    found: list[Array] = []

    def read(atom):
        return atom.val if isinstance(atom, Literal) else values[atom]

    for equation in program.eqns:
        inputs = [read(atom) for atom in equation.invars]
        is_live = any(var in live for var in equation.outvars)
        if is_live:
            found += _found(equation, inputs)
        outputs, inside = _apply(equation, inputs, [var in live for var in equation.outvars])
        found += inside
        values.update(zip(equation.outvars, outputs))
    return [read(atom) for atom in program.outvars], found


def _apply(equation: JaxprEqn, inputs: list, live: list[bool]) -> tuple[list, list[Array]]:
    """The outputs of one operation, and the switching functions of the program inside it."""
    name, inner = equation.primitive.name, programs_in(equation)
    if name in _CALLS:
        program, constants = _program_called(equation)
        return _evaluate(program, constants, inputs, _live(program, live))
    if any(live) and name == "scan":
        return _scan(equation, inputs)
    if any(live) and any(_has_switches(program) for program in inner):
        raise UnknownSwitchesError(name)
    outputs = equation.primitive.bind(*inputs, **equation.params)
    return (outputs if equation.primitive.multiple_results else [outputs]), []


def _program_called(equation: JaxprEqn) -> tuple[Jaxpr, list]:
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        program = equation.params.get(name)
        if isinstance(program, ClosedJaxpr):
            return program.jaxpr, program.consts
        if isinstance(program, Jaxpr):
            return program, []
    raise UnknownSwitchesError(equation.primitive.name)


def _scan(equation: JaxprEqn, inputs: list) -> tuple[list, list[Array]]:
    """A loop, with the switching functions of every round; all that it does counts as live."""
    parameters = equation.params
    closed, n_constants, n_carried = parameters["jaxpr"], parameters["num_consts"], parameters["num_carry"]
    program = closed.jaxpr
    live = _live(program, [True] * len(program.outvars))

    def body(carried, per_round):
        outputs, found = _evaluate(program, closed.consts, [*inputs[:n_constants], *carried, *per_round], live)
        return outputs[:n_carried], (outputs[n_carried:], found)

    carried, (stacked, found) = jax.lax.scan(
        body,
        inputs[n_constants : n_constants + n_carried],
        inputs[n_constants + n_carried :],
        length=parameters["length"],
        reverse=parameters["reverse"],
    )
    return [*carried, *stacked], found


def _has_switches(program: Jaxpr) -> bool:
    shapes = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in [*program.constvars, *program.invars]]
    n = len(program.constvars)
    live = _live(program, [True] * len(program.outvars))
    return bool(jax.eval_shape(lambda *given: _evaluate(program, given[:n], given[n:], live)[1], *shapes))


def _found(equation: JaxprEqn, inputs: list) -> list[Array]:
    """The switching functions of one operation."""
    name = equation.primitive.name
    if not equation.invars or not _is_real(equation.invars[0]):
        return []
    if name in _UNKNOWN:
        raise UnknownSwitchesError(name)
    if name in ("max", "min") or name in _COMPARISONS:
        return [jnp.subtract(*jnp.broadcast_arrays(*inputs))]
    if name in ("abs", "sign"):
        return [inputs[0]]
    if name == "clamp":
        lowest, given, highest = inputs
        return [given - lowest, given - highest]
    if name in ("reduce_max", "reduce_min", "argmax", "argmin"):
        return _of_extremum(inputs[0], equation.params["axes"], name.endswith("max"))
    if name in ("cummax", "cummin"):
        return _of_extremum(inputs[0], (equation.params["axis"],), name == "cummax", equation.params["reverse"])
    if name == "sort":
        return _of_order(inputs[0], equation.params["dimension"])
    return []


def _of_extremum(given: Array, axes, largest: bool, reverse: bool = False) -> list[Array]:
    """`running extremum of those before - entry`, for every entry but the first."""
    axes = tuple(axes)
    moved = jnp.moveaxis(given, axes, tuple(range(len(axes)))).reshape(
        int(np.prod([given.shape[axis] for axis in axes])), -1
    )
    if moved.shape[0] < 2:
        return []
    running = (jax.lax.cummax if largest else jax.lax.cummin)(moved, axis=0, reverse=reverse)
    return [running[1:] - moved[:-1] if reverse else running[:-1] - moved[1:]]


def _of_order(given: Array, axis: int) -> list[Array]:
    n = given.shape[axis]
    if n > _MOST_SORTED:
        raise UnknownSwitchesError("sort")
    first, second = np.triu_indices(n, 1)
    return [jnp.take(given, first, axis=axis) - jnp.take(given, second, axis=axis)]


def _is_real(atom) -> bool:
    dtype = getattr(atom.aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)
