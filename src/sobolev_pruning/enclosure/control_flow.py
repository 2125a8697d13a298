"""Programs inside programs: cond, scan, while, and functions with a derivative of the user's own.

A loop needs carries of one kind from turn to turn. They start as what they are, points or enclosures, and the body is
traced until no further carry turns from a point into an enclosure; then the loop runs as a loop, decorations with it.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import primitives as p

from . import decorations
from .decorations import CUSTOM, full, joined
from .interval import Interval, as_interval, broadcast
from .programs.expansions import expansion, is_expanded
from .programs.program import called, has_own_derivative
from .registry import EnclosureError, source_line
from .scalar.arithmetic import select
from .stacking import stack


def is_nested(equation) -> bool:
    loops = (p.cond_p, p.scan_p, p.while_p)
    return equation.primitive in loops or has_own_derivative(equation) or is_expanded(equation)


def apply_nested(equation, operands, method, evaluate: Callable) -> list:
    """Evaluates an equation that holds programs; `evaluate(body, operands)` is the interpreter itself.

    Operands and results are values with their decorations.
    """
    if equation.primitive is p.cond_p:
        return _cond(equation, operands, method, evaluate)
    if equation.primitive is p.scan_p:
        return _scan(equation, operands, method, evaluate)
    if equation.primitive is p.while_p:
        return _while(equation, operands, method, evaluate)
    if is_expanded(equation):
        return evaluate(expansion(equation, [x.value for x in operands]), operands)
    return [x._replace(flags=joined(x.flags, CUSTOM)) for x in evaluate(called(equation), operands)]


def _known(value) -> bool:
    return not isinstance(value, jax.core.Tracer)


def _interval(x, method):
    """A value with its decoration as an interval and an array: what can leave a compiled branch or loop."""
    value = as_interval(method.interval_of(x.value))
    return x._replace(value=value, flags=jnp.asarray(full(x.flags, value.shape)))


def _cond(equation, operands, method, evaluate) -> list:
    """The branch that is known to be taken; the hull of all branches where the box decides."""
    index, operands = operands[0], operands[1:]
    branches = equation.params["branches"]
    bounds = method.interval_of(index.value)
    if not isinstance(bounds, Interval):
        if _known(bounds):
            return evaluate(branches[min(max(int(bounds), 0), len(branches) - 1)], operands)
        return lax.switch(bounds, [_as_function(b, method, evaluate) for b in branches], *_arrays(operands, method))
    if _known(bounds.lower) and _known(bounds.upper):
        first, last = (min(max(int(end), 0), len(branches) - 1) for end in (bounds.lower, bounds.upper))
        branches = branches[first : last + 1] or branches  # of nothing, anything is true
        if len(branches) == 1:
            return [x._replace(flags=joined(x.flags, index.flags)) for x in evaluate(branches[0], operands)]
    elif len(branches) > 2:
        raise EnclosureError(
            f"enclose: which branch of the switch at {source_line(equation)} is taken depends on the box; "
            "choose it by a point, or write jnp.where."
        )
    results = [[_interval(x, method) for x in evaluate(b, operands)] for b in branches]
    if _known(bounds.lower):
        merged = [functools.reduce(Interval.hull, [x.value for x in outcomes]) for outcomes in zip(*results)]
    else:
        pick = Interval.unchecked(bounds.lower > 0, bounds.upper > 0)
        merged = [select(broadcast(pick, x.value.shape), x.value, y.value) for x, y in zip(*results)]
    of_choice = decorations.anywhere(index.flags)
    return [
        outcomes[0]._replace(value=value, flags=joined(of_choice, *[x.flags for x in outcomes]))
        for value, outcomes in zip(merged, zip(*results), strict=True)
    ]


def _as_function(body, method, evaluate) -> Callable:
    return lambda *arguments: [_interval(x, method) for x in evaluate(body, arguments)]


def _arrays(operands, method) -> list:
    """Operands without forms, and with a decoration for every element, as compiled loops and branches take them."""
    found = []
    for x in operands:
        value = method.interval_of(x.value)
        value = value if isinstance(value, Interval) else jnp.asarray(value)
        found.append(x._replace(value=value, flags=jnp.asarray(full(x.flags, value.shape))))
    return found


def _settle_carries(carries, step) -> list:
    """Turns point carries into intervals until the body keeps the kind of each; `step(carries)` gives its results."""
    while True:
        after = jax.eval_shape(step, carries)
        grown = [
            before._replace(value=as_interval(before.value))
            if isinstance(new.value, Interval) and not isinstance(before.value, Interval)
            else before
            for before, new in zip(carries, after, strict=True)
        ]
        if all(new is old for new, old in zip(grown, carries, strict=True)):
            return carries
        carries = grown


def _same_kind(x, like):
    return x._replace(value=as_interval(x.value)) if isinstance(like.value, Interval) else x


def _scan(equation, operands, method, evaluate) -> list:
    params = equation.params
    n_consts, n_carry = _scan_counts(params)
    body = params["jaxpr"]
    if method.unrolls(params["length"]):
        return _unrolled(params, body, operands, evaluate)
    operands = _arrays(operands, method)
    consts, carries, xs = operands[:n_consts], operands[n_consts : n_consts + n_carry], operands[n_consts + n_carry :]

    def results(carries, slices):
        return _arrays(evaluate(body, [*consts, *carries, *slices]), method)

    if params["length"]:
        first = [jax.tree.map(lambda v: v[0], x) for x in xs]
        carries = _settle_carries(carries, lambda c: results(c, first)[:n_carry])

    def turn(carries, slices):
        out = results(carries, slices)
        return [_same_kind(x, like) for x, like in zip(out[:n_carry], carries, strict=True)], out[n_carry:]

    carries, ys = lax.scan(turn, carries, xs, length=params["length"], reverse=params["reverse"])
    return [*carries, *ys]


def _scan_counts(params) -> tuple[int, int]:
    """How many operands of a scan are constants, and how many are carried from turn to turn."""
    if "num_consts" in params:  # up to JAX 0.10
        return params["num_consts"], params["num_carry"]
    consts, carries, _ = params["ft_in"].unpack()
    return len(consts), len(carries)


def _unrolled(params, body, operands, evaluate) -> list:
    """The turns written out, so that the method sees correlations across them."""
    (n_consts, n_carry), length = _scan_counts(params), params["length"]
    consts, carries, xs = operands[:n_consts], operands[n_consts : n_consts + n_carry], operands[n_consts + n_carry :]
    rows = []
    for turn in reversed(range(length)) if params["reverse"] else range(length):
        slices = [
            x._replace(value=_row(x.value, turn), flags=x.flags if decorations.is_uniform(x.flags) else x.flags[turn])
            for x in xs
        ]
        out = evaluate(body, [*consts, *carries, *slices])
        carries = out[:n_carry]
        rows.append(out[n_carry:])
    if params["reverse"]:
        rows.reverse()
    return [*carries, *[_stacked(column) for column in zip(*rows)]]


def _row(value, turn: int):
    """One row; of a NumPy array of numbers an array too, and no scalar of its own type."""
    return np.asarray(value[turn]) if isinstance(value, np.ndarray) else value[turn]


def _stacked(column):
    values, flags = [x.value for x in column], [x.flags for x in column]
    if not all(map(decorations.is_uniform, flags)):
        flags = jnp.stack([jnp.asarray(full(x, np.shape(value))) for x, value in zip(flags, values, strict=True)])
        return column[0]._replace(value=stack(values), flags=flags)
    return column[0]._replace(value=stack(values), flags=joined(*flags))


def _while(equation, operands, method, evaluate) -> list:
    params = equation.params
    n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
    operands = _arrays(operands, method)
    cond_consts, body_consts = operands[:n_cond], operands[n_cond : n_cond + n_body]

    def step(carries):
        return _arrays(evaluate(params["body_jaxpr"], [*body_consts, *carries]), method)

    carries = _settle_carries(operands[n_cond + n_body :], step)

    def goes_on(carries):
        verdict = evaluate(params["cond_jaxpr"], [*cond_consts, *carries])[0].value
        if isinstance(method.interval_of(verdict), Interval):
            raise EnclosureError(
                f"enclose: how often the loop at {source_line(equation)} runs depends on the box; "
                "run it a known number of times."
            )
        return verdict

    def turn(carries):
        return [_same_kind(x, like) for x, like in zip(step(carries), carries, strict=True)]

    return list(lax.while_loop(goes_on, turn, carries))
