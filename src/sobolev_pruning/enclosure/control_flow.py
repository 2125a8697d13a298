"""Programs inside programs: nested jit, custom derivatives, checkpoints, cond, scan and while.

A loop needs carries of one kind from turn to turn. They start as what they are, points or enclosures, and the body is
traced until no further carry turns from a point into an enclosure; then the loop runs as a loop.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr
from jax.extend.core import primitives as p

from .arithmetic import select
from .interval import Interval, as_interval, broadcast
from .library_functions import as_activation
from .registry import EnclosureError, source_line
from .stacking import stack

_BODY = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "remat": "jaxpr",
}


def is_nested(equation) -> bool:
    return equation.primitive.name in _BODY or equation.primitive in (p.cond_p, p.scan_p, p.while_p)


def apply_nested(equation, operands, method, evaluate) -> list:
    """Evaluates an equation that holds programs; `evaluate(jaxpr, consts, operands)` is the interpreter itself."""
    name = equation.primitive.name
    if name in _BODY:
        body = as_activation(equation) or equation.params[_BODY[name]]
        return evaluate(*_parts(body), operands)
    if equation.primitive is p.cond_p:
        return _cond(equation, operands, method, evaluate)
    if equation.primitive is p.scan_p:
        return _scan(equation, operands, method, evaluate)
    return _while(equation, operands, method, evaluate)


def _parts(body):
    return (body.jaxpr, body.consts) if isinstance(body, ClosedJaxpr) else (body, ())


def _known(value) -> bool:
    return not isinstance(value, jax.core.Tracer)


def _cond(equation, operands, method, evaluate) -> list:
    """The branch that is known to be taken; the hull of all branches where the box decides."""
    index, operands = operands[0], operands[1:]
    branches = equation.params["branches"]
    bounds = method.interval_of(index)
    if isinstance(bounds, Interval):
        if _known(bounds.lower) and _known(bounds.upper):
            first, last = int(bounds.lower), int(bounds.upper)
            branches = branches[max(first, 0) : last + 1]
            if len(branches) == 1:
                return evaluate(*_parts(branches[0]), operands)
        elif len(branches) > 2:
            raise EnclosureError(
                f"enclose: which branch of the switch at {source_line(equation)} is taken depends on the box; "
                "choose it by a point, or write jnp.where."
            )
        results = [[as_interval(method.interval_of(x)) for x in evaluate(*_parts(b), operands)] for b in branches]
        if _known(bounds.lower):
            return [_hull(outcomes) for outcomes in zip(*results)]
        zero, one = results
        pick = Interval.unchecked(bounds.lower != 0, bounds.upper != 0)
        return [select(broadcast(pick, x.shape), x, y) for x, y in zip(zero, one)]
    if _known(index):
        return evaluate(*_parts(branches[min(max(int(index), 0), len(branches) - 1)]), operands)

    def branch(body):
        return lambda *args: [as_interval(method.interval_of(x)) for x in evaluate(*_parts(body), args)]

    return lax.switch(index, [branch(b) for b in branches], *[method.interval_of(x) for x in operands])


def _hull(outcomes):
    result = outcomes[0]
    for other in outcomes[1:]:
        result = result.hull(other)
    return result


def _settle_carries(carries, step) -> list:
    """Turns point carries into intervals until the body keeps the kind of each; `step(carries)` gives its results."""
    while True:
        after = jax.eval_shape(step, carries)
        grown = [
            as_interval(before) if isinstance(new, Interval) and not isinstance(before, Interval) else before
            for before, new in zip(carries, after)
        ]
        if all(new is old for new, old in zip(grown, carries)):
            return carries
        carries = grown


def _same_kind(value, like):
    return as_interval(value) if isinstance(like, Interval) else value


def _to_arrays(values):
    return [x if isinstance(x, Interval) else jnp.asarray(x) for x in values]


def _scan(equation, operands, method, evaluate) -> list:
    params = equation.params
    n_consts, n_carry = _scan_counts(params)
    body = _parts(params["jaxpr"])
    if method.unrolls(params["length"]):
        return _unrolled(params, body, operands, evaluate)
    operands = _to_arrays(method.interval_of(x) for x in operands)
    consts, carries, xs = operands[:n_consts], operands[n_consts : n_consts + n_carry], operands[n_consts + n_carry :]

    def results(carries, slices):
        return [method.interval_of(x) for x in evaluate(*body, [*consts, *carries, *slices])]

    if params["length"]:
        first = [jax.tree.map(lambda v: v[0], x) for x in xs]
        carries = _settle_carries(carries, lambda c: results(c, first)[:n_carry])

    def turn(carries, slices):
        out = results(carries, slices)
        return [_same_kind(x, like) for x, like in zip(out[:n_carry], carries)], _to_arrays(out[n_carry:])

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
        out = evaluate(*body, [*consts, *carries, *[x[turn] for x in xs]])
        carries = out[:n_carry]
        rows.append(out[n_carry:])
    if params["reverse"]:
        rows.reverse()
    return [*carries, *[stack(column) for column in zip(*rows)]]


def _while(equation, operands, method, evaluate) -> list:
    params = equation.params
    n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
    operands = _to_arrays(method.interval_of(x) for x in operands)
    cond_consts, body_consts = operands[:n_cond], operands[n_cond : n_cond + n_body]
    condition, body = _parts(params["cond_jaxpr"]), _parts(params["body_jaxpr"])

    def step(carries):
        return [method.interval_of(x) for x in evaluate(*body, [*body_consts, *carries])]

    carries = _settle_carries(operands[n_cond + n_body :], step)

    def goes_on(carries):
        verdict = evaluate(*condition, [*cond_consts, *carries])[0]
        if isinstance(method.interval_of(verdict), Interval):
            raise EnclosureError(
                f"enclose: how often the loop at {source_line(equation)} runs depends on the box; "
                "run it a known number of times."
            )
        return verdict

    def turn(carries):
        return [_same_kind(x, like) for x, like in zip(step(carries), carries)]

    return list(lax.while_loop(goes_on, turn, carries))
