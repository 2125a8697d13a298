"""Runs a JAX program (jaxpr) in the arithmetic of a method, equation by equation, with decorations beside values."""

from collections import Counter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from . import decorations
from .control_flow import apply_nested, is_nested
from .decoration_flow import ORDER, of_decided, of_results, without_numbers
from .decorations import Flags
from .interval import Interval
from .natural.rules import expect_known_numbers
from .programs.program import Program, written_out
from .programs.rewriting import rewritten
from .programs.switches import Switch, switch_of
from .registry import UNKNOWN_LINE, EnclosureError, source_line


class Valued(NamedTuple):
    """A point, an interval or a value of the method, with its decoration."""

    value: Any
    flags: Flags = 0


def evaluate(program: Program, arguments: list[Valued], method, only_ranges: bool = False) -> list[Valued]:
    """The outputs of `program`: arrays where they are points, values of the method elsewhere.

    Only equations that an output needs are run: derivative programs carry many that none does, and each would cost the
    affine method a noise symbol per element. `only_ranges` says that of the outputs only the ranges will be used.
    """
    program = rewritten(program)
    environment = {v: Valued(_array(c), decorations.of_point(c)) for v, c in program.constants.items()}
    environment.update(zip(program.inputs, arguments, strict=True))
    # What may differ within the box: what is made of points alone is one number, if rounding makes an interval of it.
    points = (jax.Array, np.ndarray, np.generic)
    varying = {v for v, x in zip(program.inputs, arguments, strict=True) if not isinstance(x.value, points)}

    def read(variable) -> Valued:
        if isinstance(variable, Literal):
            return Valued(_array(np.asarray(variable.val, variable.aval.dtype)), decorations.of_point(variable.val))
        return environment[variable]

    wanted = [v for v in program.outputs if not isinstance(v, Literal)]
    kept = _needed(program, wanted)
    lost = _comparisons(program, set(range(len(program.equations))).difference(kept))
    if lost:
        kept = _needed(program, [*wanted, *lost])
    uses = Counter(v for i in kept for v in program.equations[i].invars if not isinstance(v, Literal))
    if not only_ranges:
        uses.update(wanted)
    for i in kept:
        equation = program.equations[i]
        try:
            results = _apply(equation, [read(v) for v in equation.invars], method, program.producers, environment)
        except EnclosureError as error:  # inside a library function only the call has a line of the user's
            if UNKNOWN_LINE not in str(error) or program.callers[i] is None:
                raise
            raise EnclosureError(str(error).replace(UNKNOWN_LINE, source_line(program.callers[i]))) from None
        if varying.isdisjoint(v for v in equation.invars if not isinstance(v, Literal)):
            results = [x._replace(flags=decorations.of_constant(x.flags)) for x in results]
        else:
            varying.update(equation.outvars)
        for variable, result in zip(equation.outvars, results, strict=True):
            value = method.shared(result.value) if uses[variable] > 1 else result.value
            environment[variable] = Valued(value, result.flags)
    # Where a derivative program compares and does not use what it found, it is the derivative of a jump, taken for 0.
    jumps = decorations.joined(*[decorations.anywhere(environment[v].flags) for v in lost])
    return [Valued(x.value, decorations.joined(x.flags, jumps)) for x in map(read, program.outputs)]


def _apply(equation, operands: list[Valued], method, producers, environment) -> list[Valued]:
    expect_known_numbers(equation)
    if is_nested(equation):
        return apply_nested(
            equation, operands, method, lambda body, arguments: evaluate(written_out(body), arguments, method)
        )
    values, flags = [x.value for x in operands], [x.flags for x in operands]
    if equation.primitive.name == "broadcast_in_dim" and isinstance(values[0], np.ndarray):
        if values[0].ndim == 0:  # constants stay known under jit, so that rules can use their values
            return [Valued(np.broadcast_to(values[0], equation.outvars[0].aval.shape), flags[0])]
        values[0] = jnp.asarray(values[0])
    switch = switch_of(equation, producers)
    if switch is not None:
        values, flags = _at(switch, values, flags, environment, method)
    results = method.apply(equation, values)
    results = without_numbers(equation, values, results, flags, method.interval_of)
    found = of_results(equation, values, lambda: [method.interval_of(x) for x in values], flags)
    if equation.primitive.name in ORDER:
        found = [of_decided(results[0], found[0])]
    return [Valued(value, flag) for value, flag in zip(results, found, strict=True)]


def _at(switch: Switch, values: list, flags: list, environment, method) -> tuple[list, list]:
    """Operands of a choice between cases, narrowed to where the comparison that decides lets each of them be taken."""
    choice = method.interval_of(values[0])
    if not isinstance(choice, Interval):
        return values, flags
    if switch.agrees:
        flags = [decorations.kink_for_jump(flags[0]), *flags[1:]]
    values = list(values)
    # Where the comparison may be one of no numbers, it says nothing of those that it chooses.
    unknown = decorations.has(flags[0], decorations.UNDEFINED)
    for place, variable, below in switch.limits:
        limit = method.interval_of(environment[variable].value if not isinstance(variable, Literal) else variable.val)
        whole = method.interval_of(values[place])
        if unknown is not True and isinstance(whole, Interval):
            cut = _cut(whole, limit, below)
            values[place] = jax.tree.map(lambda x, y: jnp.where(unknown, x, y), whole, cut)
    return values, flags


def _cut(a, limit, below: bool):
    """The part of `a` that is not above (below) every number of `limit`."""
    end = jnp.asarray(limit.upper if below else limit.lower) if isinstance(limit, Interval) else jnp.asarray(limit)
    end = jnp.broadcast_to(end.astype(a.dtype), a.shape)
    if below:
        return Interval.unchecked(a.lower, jnp.where(a.lower <= end, jnp.minimum(a.upper, end), a.upper))
    return Interval.unchecked(jnp.where(a.upper >= end, jnp.maximum(a.lower, end), a.lower), a.upper)


def _array(constant):
    """Scalars stay NumPy's, whose values are known also under jit."""
    return constant if isinstance(constant, jax.Array) or np.ndim(constant) == 0 else jnp.asarray(constant)


def _needed(program: Program, wanted: list) -> list[int]:
    """The equations that lead to `wanted`, or have an effect, in order."""
    wanted = set(wanted)
    kept = []
    for i in reversed(range(len(program.equations))):
        equation = program.equations[i]
        if equation.effects or any(v in wanted for v in equation.outvars):
            kept.append(i)
            wanted.update(v for v in equation.invars if not isinstance(v, Literal))
    return kept[::-1]


def _comparisons(program: Program, among: set[int]) -> list:
    """Results of comparisons of real numbers; not of `ne`, which is how programs ask for NaN."""
    return [
        equation.outvars[0]
        for equation in (program.equations[i] for i in sorted(among))
        if equation.primitive.name in ("lt", "le", "gt", "ge", "eq", "is_extreme")
        and jnp.issubdtype(equation.invars[0].aval.dtype, jnp.floating)
        and equation.outvars[0] not in program.settled
    ]
