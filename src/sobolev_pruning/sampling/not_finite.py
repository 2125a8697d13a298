"""Which operation of a simulation makes a derivative that is not finite: its program, run step by step at one point."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import Array

from ..reference.programs import programs_in

_RISKY = ("sqrt", "rsqrt", "cbrt", "log", "log1p", "pow", "integer_pow", "div", "atan2")
_RISKY += ("asin", "acos", "acosh", "atanh", "erf_inv", "lgamma", "digamma", "abs", "square")
"""Operations whose derivatives are not finite somewhere where they themselves are."""


_VALUES, _NOTHING = 0, -1
"""In place of an order of derivatives: looks at values alone, or at nothing."""


class _Entry(NamedTuple):
    """An array of the program, and whether it moves with the inputs."""

    array: Array
    moves: bool


def likely_operation(function: Callable, x: Array, order: int) -> str | None:
    """The first operation of `function(x)` that has no finite derivative of up to `order` at what it is called with, or
    else the first that is not finite itself, in words such as "sqrt of 0"; None where none is found.

    A branch that `where` does not take is an operation like any other: its derivative is multiplied by 0, and 0 times
    infinity is NaN.
    """
    closed = jax.make_jaxpr(function)(x)
    faults = (_run(closed.jaxpr, closed.consts, [_Entry(x, True)], tried)[1] for tried in (order, _VALUES))
    return next((fault for fault in faults if fault is not None), None)


def _run(program: Jaxpr, consts, arguments: list[_Entry], order: int) -> tuple[list[_Entry], str | None]:
    """What the program gives, and its first fault, behind which it is not run any further."""
    known = {variable: _Entry(array, False) for variable, array in zip(program.constvars, consts)}
    known |= dict(zip(program.invars, arguments))

    def read(atom) -> _Entry:
        return _Entry(jnp.asarray(atom.val), False) if isinstance(atom, Literal) else known[atom]

    for equation in program.eqns:
        inputs = [read(atom) for atom in equation.invars]
        outputs, fault = _step(equation, inputs, order)
        if fault is not None:
            return [], fault
        known |= dict(zip(equation.outvars, outputs))
    return [read(atom) for atom in program.outvars], None


def _step(equation: JaxprEqn, inputs: list[_Entry], order: int) -> tuple[list[_Entry], str | None]:
    name, parameters = equation.primitive.name, equation.params
    inner = programs_in(equation)
    if name == "scan":
        return _loop(inner[0], parameters, inputs, order)
    if name == "cond":
        branch = parameters["branches"][int(np.clip(inputs[0].array, 0, len(inner) - 1))]
        return _run(branch.jaxpr, branch.consts, inputs[1:], order)
    if name == "while":
        return _while(parameters, inputs, order)
    if len(inner) == 1 and len(inner[0].invars) == len(inputs):
        closed = [one for one in parameters.values() if isinstance(one, ClosedJaxpr)]
        # What has derivatives of its own is not differentiated inside.
        own = _NOTHING if name.startswith("custom") and order > 0 else order
        return _run(inner[0], closed[0].consts if closed else (), inputs, own)
    arrays = [entry.array for entry in inputs]
    outputs = _called(equation, arrays)
    moves = any(entry.moves for entry in inputs)
    finite = all(map(_is_finite, outputs))
    if order == _VALUES:
        good = finite
    else:
        good = (finite and name not in _RISKY) or _has_derivatives(equation, inputs, order)
    if moves and not good and all(map(_is_finite, arrays)):
        return [], _in_words(name, arrays, outputs)
    return [_Entry(array, moves) for array in outputs], None


def _loop(body: Jaxpr, parameters, inputs: list[_Entry], order: int) -> tuple[list[_Entry], str | None]:
    """The steps of a scan, one by one."""
    consts, count = parameters["num_consts"], parameters["num_carry"]
    fixed, carried, rows = inputs[:consts], inputs[consts : consts + count], inputs[consts + count :]
    results = []
    steps = range(parameters["length"])
    for i in reversed(steps) if parameters["reverse"] else steps:
        arguments = [*fixed, *carried, *(_Entry(row.array[i], row.moves) for row in rows)]
        outputs, fault = _run(body, parameters["jaxpr"].consts, arguments, order)
        if fault is not None:
            return [], fault
        carried, result = outputs[:count], outputs[count:]
        results.append(result)
    if parameters["reverse"]:
        results.reverse()
    stacked = [_Entry(jnp.stack([e.array for e in column]), any(e.moves for e in column)) for column in zip(*results)]
    return [*carried, *stacked], None


def _while(parameters, inputs: list[_Entry], order: int) -> tuple[list[_Entry], str | None]:
    condition, body = parameters["cond_jaxpr"], parameters["body_jaxpr"]
    first, second = parameters["cond_nconsts"], parameters["body_nconsts"]
    of_condition, of_body, carried = inputs[:first], inputs[first : first + second], inputs[first + second :]
    while True:
        goes_on, fault = _run(condition.jaxpr, condition.consts, [*of_condition, *carried], order)
        if fault is not None or not bool(goes_on[0].array):
            return carried, fault
        carried, fault = _run(body.jaxpr, body.consts, [*of_body, *carried], order)
        if fault is not None:
            return [], fault


def _called(equation: JaxprEqn, arrays: list[Array]) -> list[Array]:
    found = equation.primitive.bind(*arrays, **equation.params)
    return list(found) if equation.primitive.multiple_results else [found]


def _has_derivatives(equation: JaxprEqn, inputs: list[_Entry], order: int) -> bool:
    """Whether the derivatives of one operation in the inputs that move, all moved together, are finite."""
    moving = [i for i, entry in enumerate(inputs) if entry.moves and jnp.issubdtype(entry.array.dtype, jnp.floating)]

    def moved(t):
        arrays = [entry.array for entry in inputs]
        for number, i in enumerate(moving):
            # Each at a speed of its own, so that no two infinite slopes cancel.
            arrays[i] = arrays[i] + t * (1.0 + 0.37 * number)
        return _called(equation, arrays)

    function = moved
    for _ in range(order):
        function = _slope(function)
        if not all(map(_is_finite, function(jnp.zeros(())))):
            return False
    return True


def _slope(function: Callable) -> Callable:
    return lambda t: jax.jvp(function, (t,), (jnp.ones_like(t),))[1]


def _is_finite(array: Array) -> bool:
    return not jnp.issubdtype(array.dtype, jnp.floating) or bool(jnp.all(jnp.isfinite(array)))


def _in_words(name: str, arrays: list[Array], outputs: list[Array]) -> str:
    """`sqrt of 0`, `div of 1 and 0`: the operation with the entries of its inputs where it goes wrong."""
    shape = outputs[0].shape
    if any(array.shape not in (shape, ()) for array in arrays) or not outputs[0].size:
        return name
    entries = [np.broadcast_to(np.asarray(array), shape).ravel() for array in arrays]
    wrong = ~np.isfinite(np.asarray(outputs[0])).ravel()
    # Where the result itself is finite it is a slope that is not, as that of a root at 0: the entry nearest to 0.
    nearest = np.abs(entries[-1 if name == "div" else 0]).argmin()
    at = int(wrong.argmax() if wrong.any() else nearest)
    return f"{name} of " + " and ".join(f"{entry[at]:.6g}" for entry in entries)
